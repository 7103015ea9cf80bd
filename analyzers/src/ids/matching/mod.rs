//! Whether bytes are what one inspection of a rule looks for.
//!
//! An inspection is compiled to a [`Program`], which is run over a [`View`] of a buffer. What Suricata does
//! decides every odd case: a content that is found is looked for again further on if a match that is relative
//! to it fails, each try counts, and after [`run::MAX_STEPS`] of them the inspection has failed.
//!
//! A run allocates nothing as long as it looks for contents and numbers.

mod base64;
mod compile;
mod content;
mod context;
mod dataset;
mod entropy;
mod fast;
mod number;
mod pcre;
mod program;
mod run;
mod slots;
mod transform;

#[cfg(test)]
mod tests;

#[cfg(test)]
pub(crate) use context::Captured;
pub(crate) use context::{MatchContext, View};
pub(crate) use dataset::Datasets;
pub(crate) use fast::{FastLiteral, fast_literal, strength};
pub(crate) use program::Program;
pub(crate) use transform::Transforms;
