//! A profile's configuration before and after validation.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::ProfileKind;

/// A profile as a manifest describes it: `[[profile]]` without `id` and `kind`, in a form that knows
/// no file format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProfileConfig {
    /// The profile's id.
    pub id: String,
    /// What kind of analysis.
    pub kind: ProfileKind,
    /// Everything else.
    pub settings: Map<String, Value>,
}

impl ProfileConfig {
    /// The profile of a kind with all settings at their defaults, under its standard id.
    #[must_use]
    pub fn standard(kind: ProfileKind) -> Self {
        Self { id: kind.standard_id().to_owned(), kind, settings: Map::new() }
    }
}

/// What is wrong with one setting.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{key} = {value}: {message}; legal: {legal}")]
pub struct ConfigError {
    /// The setting, with a path where it is nested: `top.hosts`.
    pub key: String,
    /// What was given, as JSON.
    pub value: String,
    /// What may be given.
    pub legal: String,
    /// What is wrong, in a few words.
    pub message: String,
}

/// The form of a setting's value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum SettingType {
    /// A whole number within bounds.
    Integer { min: u64, max: u64 },
    /// A number within bounds.
    Number { min: f64, max: f64 },
    /// True or false.
    Boolean,
    /// One of these words.
    Word(&'static [&'static str]),
    /// Any text.
    Text,
    /// A list of texts.
    Texts,
    /// A path. Whoever reads a manifest makes it start at the manifest's folder.
    Path,
    /// A list of paths.
    Paths,
}

impl fmt::Display for SettingType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SettingType::Integer { min, max } => write!(f, "a whole number from {min} to {max}"),
            SettingType::Number { min, max } => write!(f, "a number from {min} to {max}"),
            SettingType::Boolean => f.write_str("true or false"),
            SettingType::Word(words) => {
                for (i, word) in words.iter().enumerate() {
                    write!(f, "{}\"{word}\"", if i == 0 { "" } else { ", " })?;
                }
                Ok(())
            }
            SettingType::Text => f.write_str("text"),
            SettingType::Texts => f.write_str("a list of texts"),
            SettingType::Path => f.write_str("a path"),
            SettingType::Paths => f.write_str("a list of paths"),
        }
    }
}

/// A setting that a kind of profile has.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SettingInfo {
    /// Its key.
    pub key: &'static str,
    /// What its value may be.
    pub ty: SettingType,
    /// The value without it, as JSON.
    pub default: &'static str,
    /// One sentence for the operator.
    pub help: &'static str,
}

impl SettingInfo {
    /// Checks a value against the form.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub fn check(&self, value: &Value) -> Result<(), ConfigError> {
        let fits = match self.ty {
            SettingType::Integer { min, max } => {
                value.as_u64().is_some_and(|n| (min..=max).contains(&n))
            }
            SettingType::Number { min, max } => {
                value.as_f64().is_some_and(|n| (min..=max).contains(&n))
            }
            SettingType::Boolean => value.is_boolean(),
            SettingType::Word(words) => value.as_str().is_some_and(|w| words.contains(&w)),
            SettingType::Text | SettingType::Path => value.is_string(),
            SettingType::Texts | SettingType::Paths => {
                value.as_array().is_some_and(|list| list.iter().all(Value::is_string))
            }
        };
        if fits {
            return Ok(());
        }
        let message = match (self.ty, value) {
            (SettingType::Integer { .. } | SettingType::Number { .. }, Value::Number(_)) => {
                "out of range"
            }
            (SettingType::Word(_), Value::String(_)) => "not one of the words",
            _ => "the wrong type",
        };
        Err(ConfigError {
            key: self.key.to_owned(),
            value: value.to_string(),
            legal: self.ty.to_string(),
            message: message.to_owned(),
        })
    }
}

/// All errors of `settings` against the table of a kind: unknown keys and bad values.
pub(crate) fn check_all(
    settings: &Map<String, Value>,
    known: &'static [SettingInfo],
) -> Vec<ConfigError> {
    let mut errors = Vec::new();
    for (key, value) in settings {
        match known.iter().find(|info| info.key == key) {
            Some(info) => errors.extend(info.check(value).err()),
            None => errors.push(ConfigError {
                key: key.clone(),
                value: value.to_string(),
                legal: known.iter().map(|info| info.key).collect::<Vec<_>>().join(", "),
                message: "unknown setting".to_owned(),
            }),
        }
    }
    errors
}

/// A validated configuration: immutable, cheap to clone, shared by all instances.
#[derive(Clone)]
pub struct Plan {
    id: Arc<str>,
    kind: ProfileKind,
    content: Arc<dyn Any + Send + Sync>,
}

impl Plan {
    /// A plan with what its kind's factory needs.
    pub fn new<T: Any + Send + Sync>(id: &str, kind: ProfileKind, content: T) -> Self {
        Self { id: Arc::from(id), kind, content: Arc::new(content) }
    }

    /// The profile's id.
    #[must_use]
    pub fn id(&self) -> &Arc<str> {
        &self.id
    }

    /// What kind of analysis.
    #[must_use]
    pub fn kind(&self) -> ProfileKind {
        self.kind
    }

    /// The content, if it is of this type.
    #[must_use]
    pub fn content<T: Any>(&self) -> Option<&T> {
        self.content.downcast_ref()
    }
}

impl fmt::Debug for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plan")
            .field("id", &self.id)
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: &[SettingInfo] = &[
        SettingInfo {
            key: "top",
            ty: SettingType::Integer { min: 1, max: 100 },
            default: "10",
            help: "",
        },
        SettingInfo { key: "mode", ty: SettingType::Word(&["a", "b"]), default: "\"a\"", help: "" },
    ];

    #[test]
    fn all_errors_are_reported_with_value_and_legal_range() {
        let settings = serde_json::json!({"top": 101, "mode": "c", "tops": 3});
        let errors = check_all(settings.as_object().unwrap(), KNOWN);
        let mut texts: Vec<_> = errors.iter().map(ToString::to_string).collect();
        texts.sort();
        assert_eq!(
            texts,
            [
                "mode = \"c\": not one of the words; legal: \"a\", \"b\"",
                "top = 101: out of range; legal: a whole number from 1 to 100",
                "tops = 3: unknown setting; legal: top, mode",
            ]
        );
    }

    #[test]
    fn a_plan_gives_its_content_only_as_what_it_is() {
        let plan = Plan::new("x", ProfileKind::Performance, 7u32);
        assert_eq!(plan.content::<u32>(), Some(&7));
        assert_eq!(plan.content::<u64>(), None);
    }
}
