//! Tests of the rule language as a whole.
