//! What may stand at a key, and what holds when it is absent.

use super::names::{NAME_PATTERN, NAME_RULE, PORT_PATTERN, PORT_RULE};

/// What may stand at a key.
#[derive(Debug)]
pub enum Kind {
    /// `true` or `false`.
    Bool,
    /// A whole number.
    Int(IntRange),
    /// A number, whole or not, from 0.0 to 100.0.
    Percentage,
    /// A string of a certain form.
    Text(TextForm),
    /// One of some words.
    Choice(&'static [Word]),
    /// An array of at most so many different items.
    List(&'static Kind, ListRange),
    /// `true`, `false`, or a file name.
    Switch,
}

/// Which whole numbers are legal.
#[derive(Debug, Clone, Copy)]
pub struct IntRange {
    /// The smallest.
    pub min: i64,
    /// The largest.
    pub max: i64,
    /// 0 is legal too, though below `min`, and means this.
    pub zero: Option<&'static str>,
    /// Only powers of two.
    pub power_of_two: bool,
    /// The word "auto" is legal too, and means the same as leaving the key out.
    pub auto: bool,
}

/// What a string must look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextForm {
    /// [`NAME_RULE`].
    Name,
    /// [`PORT_RULE`].
    Port,
    /// A path; relative ones start at the folder of the manifest.
    Path,
    /// One argument for EAL.
    EalArgument,
    /// The id of a profile.
    ProfileId,
}

/// How many items are legal, and whether an item may come again.
#[derive(Debug, Clone, Copy)]
pub struct ListRange {
    /// The fewest.
    pub min: usize,
    /// The most.
    pub max: usize,
    /// No item twice.
    pub unique: bool,
}

/// A word of a choice.
#[derive(Debug)]
pub struct Word {
    /// The word.
    pub word: &'static str,
    /// What it means.
    pub help: &'static str,
    /// Whether umbra can do it; a word that is known but not built yet is an error of its own.
    pub built: bool,
}

/// What holds when a key is absent.
#[derive(Debug, Clone, Copy)]
pub enum Default {
    /// It must be there.
    Required,
    /// Something that depends on the machine, described.
    Automatic(&'static str),
    /// This.
    Bool(bool),
    /// This.
    Int(i64),
    /// This.
    Number(f64),
    /// This.
    Text(&'static str),
    /// These.
    Texts(&'static [&'static str]),
}

impl IntRange {
    /// Whether `value` is legal.
    pub fn contains(&self, value: i64) -> bool {
        (value == 0 && self.zero.is_some())
            || ((self.min..=self.max).contains(&value)
                && (!self.power_of_two || value.count_ones() == 1))
    }
}

impl TextForm {
    /// What is legal, in words.
    pub fn rule(self) -> &'static str {
        match self {
            Self::Name | Self::ProfileId => NAME_RULE,
            Self::Port => PORT_RULE,
            Self::Path => "a path that is not empty",
            Self::EalArgument => "one argument that is not empty",
        }
    }

    /// What is legal, as a regular expression for the JSON Schema.
    pub fn pattern(self) -> &'static str {
        match self {
            Self::Name | Self::ProfileId => NAME_PATTERN,
            Self::Port => PORT_PATTERN,
            Self::Path | Self::EalArgument => "^[^\\u0000]+$",
        }
    }
}

impl Kind {
    /// What is legal, in words.
    pub fn legal(&self) -> String {
        match self {
            Self::Bool => "true or false".to_owned(),
            Self::Int(range) => {
                let mut text = format!("a whole number from {} to {}", range.min, range.max);
                if range.power_of_two {
                    text = format!("a power of two from {} to {}", range.min, range.max);
                }
                if let Some(meaning) = range.zero {
                    text += &format!(", or 0 for {meaning}");
                }
                if range.auto {
                    text += ", or \"auto\"";
                }
                text
            }
            Self::Percentage => "a number from 0.0 to 100.0".to_owned(),
            Self::Text(form) => form.rule().to_owned(),
            Self::Choice(words) => {
                let quoted = |w: &Word| format!("{:?}", w.word);
                let built: Vec<_> = words.iter().filter(|w| w.built).map(quoted).collect();
                let later: Vec<_> = words.iter().filter(|w| !w.built).map(quoted).collect();
                match (built.is_empty(), later.is_empty()) {
                    (_, true) => built.join(", "),
                    (true, _) => format!("{} (none built yet)", later.join(", ")),
                    _ => format!("{} (not built yet: {})", built.join(", "), later.join(", ")),
                }
            }
            Self::List(item, range) => {
                let count = if range.min == 0 {
                    format!("at most {}", range.max)
                } else {
                    format!("{} to {}", range.min, range.max)
                };
                let unique = if range.unique { ", none twice" } else { "" };
                format!("an array of {count} items{unique}, each {}", item.legal())
            }
            Self::Switch => "true, false, or a file name".to_owned(),
        }
    }
}
