//! What rules have noted about a flow. It stands in all records of the flow that come later.

use std::sync::Arc;

/// Names and values, as far as anything was noted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FlowVariables {
    /// Names of the bits that are set.
    pub flowbits: Vec<Arc<str>>,
    /// Counters.
    pub flowints: Vec<FlowInt>,
    /// What `pcre` and the like took out of the flow.
    pub flowvars: Vec<Variable>,
    /// What they took out of the packet.
    pub pktvars: Vec<Variable>,
}

impl FlowVariables {
    /// Whether there is nothing at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// A counter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlowInt {
    pub name: Arc<str>,
    pub value: u32,
}

/// A name with bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variable {
    pub name: Arc<str>,
    pub value: Box<[u8]>,
}
