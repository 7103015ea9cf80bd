//! What rules remember: of a flow, of a host, of a pair of hosts, of themselves.
//!
//! A flow belongs to one instance, so its bits are the instance's. Hosts do not: xbits, hostbits and
//! thresholds by address are [`Shared`] by all instances of an appliance, behind locks that only rules which
//! use them take, so that how many instances there are makes no difference to what is found.

mod hosts;
mod threshold;
mod vars;

pub(crate) use hosts::{HostBits, HostKey};
pub(crate) use threshold::{CountKey, Counted, Limit, LimitKind, Limits};
pub(crate) use vars::{FlowVars, IntOp};

/// State that all instances of an appliance share.
#[derive(Debug)]
pub struct Shared {
    pub(crate) hosts: HostBits,
    pub(crate) limits: Limits,
}

impl Shared {
    /// Room for so many entries of each kind; the oldest go first.
    #[must_use]
    pub fn new(max_entries: usize) -> Self {
        Self { hosts: HostBits::new(max_entries), limits: Limits::new(max_entries) }
    }
}

impl Default for Shared {
    fn default() -> Self {
        Self::new(1 << 18)
    }
}
