//! Signatures: rules as Suricata 8 reads them, and what they find in the traffic.
//!
//! [`rule`] reads the language, `matching` looks for one inspection's bytes, `detect` says which rules are to be
//! evaluated and does it, `state` is what is remembered meanwhile. [`IdsFactory`] makes the profile of it.

mod detect;
mod matching;
mod profile;
pub mod rule;
mod search;
mod state;

#[cfg(test)]
mod tests;

pub use detect::IdsCounters;
pub use profile::{IdsFactory, IdsPlan, IdsSummary, RuleReport};
pub use state::Shared;
