//! Whether bytes are what one inspection of a rule looks for.
//!
//! An inspection is compiled to a [`Program`], which is run over a [`View`] of a buffer. What Suricata does
//! decides every odd case: a content that is found is looked for again further on if a match that is relative
//! to it fails, each try counts, and after [`run::MAX_STEPS`] of them the inspection has failed.
//!
//! A run allocates nothing as long as it looks for contents and numbers.
//!
//! Known to differ from Suricata 8.0.8:
//! - Of a view that is a later part of a buffer, `offset` and all that is not relative count from the buffer's beginning.
//!   Suricata does that for `depth` and `bsize` alone.
//! - A window of `distance` and `within` that ends before the view's beginning is without an end, in Suricata
//!   too; but there it has one right behind a content with `depth`, and so has a window whose `within` is a variable.
//! - Texts of numbers end with the view; Suricata reads on where `byte_test` or `byte_jump` asks for 0 bytes.

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
