//! The rule language: from the text of Suricata's rules to checked, resolved values.
//!
//! [`ast`] is what a rule says, without how it is looked for.

pub mod ast;
