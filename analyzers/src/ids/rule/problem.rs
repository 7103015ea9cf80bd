//! Why a rule does not load.

use std::fmt;
use std::sync::Arc;

/// Whose fault it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RuleErrorKind {
    /// The rule: Suricata 8 would not load it either.
    Failed,
    /// Ours: Suricata 8 knows what the rule asks for, and here it is not there.
    Unsupported,
}

/// A rule that does not load.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RuleError {
    pub file: Arc<str>,
    /// From 1; where the rule begins.
    pub line: u32,
    /// Where it could be read.
    pub sid: Option<u32>,
    pub kind: RuleErrorKind,
    pub reason: String,
}

impl fmt::Display for RuleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: ", self.file, self.line)?;
        if let Some(sid) = self.sid {
            write!(f, "sid {sid}: ")?;
        }
        if self.kind == RuleErrorKind::Unsupported {
            f.write_str("unsupported: ")?;
        }
        f.write_str(&self.reason)
    }
}

impl std::error::Error for RuleError {}

/// A [`RuleError`] before it is known where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Problem {
    Failed(String),
    Unsupported(String),
    /// `requires` is not met: the rule is left out without being wrong.
    Skipped(String),
}

pub(super) type Result<T> = std::result::Result<T, Problem>;

impl Problem {
    /// With where in the rule it is in front.
    pub(super) fn at(self, place: &str) -> Self {
        match self {
            Problem::Failed(reason) => Problem::Failed(format!("{place}: {reason}")),
            Problem::Unsupported(reason) => Problem::Unsupported(format!("{place}: {reason}")),
            skipped @ Problem::Skipped(_) => skipped,
        }
    }
}

/// Returns with a [`Problem::Failed`].
macro_rules! fail {
    ($($arg:tt)*) => {
        return Err($crate::ids::rule::problem::Problem::Failed(format!($($arg)*)))
    };
}

/// Returns with a [`Problem::Unsupported`].
macro_rules! unsupported {
    ($($arg:tt)*) => {
        return Err($crate::ids::rule::problem::Problem::Unsupported(format!($($arg)*)))
    };
}

pub(super) use {fail, unsupported};
