//! The rule language: from the text of Suricata's rules to checked, resolved values.
//!
//! [`ast`] is what a rule says, without how it is looked for. Files become lines (`text`), lines options
//! (`split`), and each keyword's reader (`keyword`) fills in the rule (`builder`), which is then checked as a
//! whole (`validate`). [`RuleSet`] does that for many files and says of every rule that does not load why.

pub mod ast;
mod builder;
mod config;
mod keyword;
mod load;
mod number;
mod parse;
mod problem;
mod ranges;
mod split;
mod text;
mod threshold_config;
mod validate;
mod variables;

#[cfg(test)]
mod tests;

pub use config::{Classification, DEFAULT_PRIORITY, LineErrors, References};
pub use keyword::names as keyword_names;
pub use load::{Loaded, RuleSet, RuleWarning};
pub use problem::{RuleError, RuleErrorKind};
pub use threshold_config::{
    RateAction, RateFilter, RuleIds, Suppress, ThresholdConfig, ThresholdFor,
};
pub use variables::Variables;
