//! A section's values by name, with the table's defaults for what is absent.

use std::path::{Path, PathBuf};

use super::keys::{Default, Section};
use super::reader::Found;
use super::values::Value;

/// A section that may or may not stand in a file.
#[derive(Debug, Clone, Copy)]
pub(super) struct Settings<'f> {
    section: &'static Section,
    found: Option<&'f Found>,
}

impl<'f> Settings<'f> {
    pub(super) fn new(section: &'static Section, found: Option<&'f Found>) -> Self {
        Self { section, found }
    }

    pub(super) fn of(found: &'f Found) -> Self {
        Self { section: found.section, found: Some(found) }
    }

    fn value(&self, key: &str) -> Option<&'f Value> {
        self.found?.get(key).map(|at| &at.value)
    }

    fn default(&self, key: &str) -> Default {
        let known = self.section.key(key);
        debug_assert!(known.is_some(), "{} has no key {key}", self.section.name);
        known.map_or(Default::Required, |key| key.default)
    }

    pub(super) fn bool(&self, key: &str) -> bool {
        match (self.value(key), self.default(key)) {
            (Some(Value::Bool(b)), _) => *b,
            (None, Default::Bool(b)) => b,
            _ => false,
        }
    }

    /// A number that is always there.
    pub(super) fn int<T: TryFrom<i64> + std::default::Default>(&self, key: &str) -> T {
        self.auto_int(key).unwrap_or_default()
    }

    /// A number that may be left to umbra.
    pub(super) fn auto_int<T: TryFrom<i64>>(&self, key: &str) -> Option<T> {
        let number = match (self.value(key), self.default(key)) {
            (Some(Value::Int(n)), _) => *n,
            (None, Default::Int(n)) => n,
            _ => return None,
        };
        T::try_from(number).ok()
    }

    pub(super) fn number(&self, key: &str) -> f64 {
        match (self.value(key), self.default(key)) {
            (Some(Value::Number(n)), _) => *n,
            (None, Default::Number(n)) => n,
            _ => 0.0,
        }
    }

    pub(super) fn text(&self, key: &str) -> Option<&'f str> {
        match (self.value(key), self.default(key)) {
            (Some(Value::Text(text)), _) => Some(text),
            (None, Default::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// The items of an array of strings.
    pub(super) fn texts(&self, key: &str) -> Vec<&'f str> {
        match (self.value(key), self.default(key)) {
            (Some(Value::List(items)), _) => items
                .iter()
                .filter_map(|item| match &item.value {
                    Value::Text(text) => Some(text.as_str()),
                    _ => None,
                })
                .collect(),
            (None, Default::Texts(texts)) => texts.to_vec(),
            _ => Vec::new(),
        }
    }

    /// The items of an array of numbers, if it is there.
    pub(super) fn auto_ints<T: TryFrom<i64>>(&self, key: &str) -> Option<Vec<T>> {
        let Some(Value::List(items)) = self.value(key) else { return None };
        let number = |value: &Value| match value {
            Value::Int(n) => T::try_from(*n).ok(),
            _ => None,
        };
        Some(items.iter().filter_map(|item| number(&item.value)).collect())
    }

    /// A path; a relative one that stands in a file starts at `folder`.
    pub(super) fn path(&self, key: &str, folder: &Path) -> Option<PathBuf> {
        self.text(key).map(|text| folder.join(text))
    }

    /// The file name at a switch: its own, or `usual` for `true`.
    pub(super) fn switch(&self, key: &str, usual: &'static str) -> Option<&'f str> {
        match self.value(key) {
            Some(Value::Text(name)) => Some(name),
            _ => self.bool(key).then_some(usual),
        }
    }
}
