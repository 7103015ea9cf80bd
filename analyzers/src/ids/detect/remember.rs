//! Checks and changes of what rules remember.

use super::super::rule::ast::{BitOperation, FlowIntOperand, FlowIntOperation, HostSide, XTrack};
use super::super::state::{FlowVars, HostKey, IntOp, Shared};
use super::compiled::StateOp;
use super::conditions::Ends;
use super::limits::bits;
use crate::events::Timestamp;

/// Hostbits have no expiry of their own: as long as a host may be remembered.
const HOST_BIT_S: u32 = 3600 * 24;

/// Where checks and changes are done.
pub(crate) struct Memory<'m> {
    /// Of the flow; none where there is no flow.
    pub(crate) vars: Option<&'m mut FlowVars>,
    pub(crate) shared: &'m Shared,
    pub(crate) ends: Option<&'m Ends>,
    pub(crate) now: Timestamp,
}

impl Memory<'_> {
    /// Whether all hold.
    pub(crate) fn check(&self, checks: &[StateOp]) -> bool {
        checks.iter().all(|op| self.holds(op))
    }

    fn holds(&self, op: &StateOp) -> bool {
        match op {
            StateOp::FlowBits { operation, bits } => {
                let Some(vars) = &self.vars else { return false };
                match operation {
                    BitOperation::IsSet => bits.iter().any(|&bit| vars.is_set(bit)),
                    BitOperation::IsNotSet => bits.iter().any(|&bit| !vars.is_set(bit)),
                    _ => true,
                }
            }
            StateOp::FlowInt { counter, operation, operand } => {
                self.int_holds(*counter, operation, *operand)
            }
            StateOp::XBits { operation, bit, track, .. } => {
                let set = self
                    .x_key(*track)
                    .is_some_and(|key| self.shared.hosts.is_set(key, *bit, self.now));
                set == (*operation == BitOperation::IsSet)
            }
            StateOp::HostBits { operation, bit, side } => {
                let set = self
                    .host_keys(*side)
                    .into_iter()
                    .flatten()
                    .any(|key| self.shared.hosts.is_set(key, *bit, self.now));
                set == (*operation == BitOperation::IsSet)
            }
        }
    }

    fn int_holds(&self, counter: u32, operation: &FlowIntOperation, operand: Option<u32>) -> bool {
        use FlowIntOperation as O;
        let Some(vars) = &self.vars else { return false };
        let value = vars.int(counter);
        let other = |wanted: &FlowIntOperand| match wanted {
            FlowIntOperand::Number(number) => Some(*number),
            FlowIntOperand::Name(_) => operand.and_then(|name| vars.int(name)),
        };
        let compare = |wanted: &FlowIntOperand, holds: fn(u32, u32) -> bool| {
            value.zip(other(wanted)).is_some_and(|(a, b)| holds(a, b))
        };
        match operation {
            O::IsSet => value.is_some(),
            O::IsNotSet => value.is_none(),
            O::Less(o) => compare(o, |a, b| a < b),
            O::LessOrEqual(o) => compare(o, |a, b| a <= b),
            O::Equal(o) => compare(o, |a, b| a == b),
            O::NotEqual(o) => compare(o, |a, b| a != b),
            O::GreaterOrEqual(o) => compare(o, |a, b| a >= b),
            O::Greater(o) => compare(o, |a, b| a > b),
            O::Add(_) | O::Subtract(_) | O::Set(_) => true,
        }
    }

    /// Does what is to be done when the rule has matched.
    pub(crate) fn change(&mut self, changes: &[StateOp]) {
        for op in changes {
            self.apply(op);
        }
    }

    fn apply(&mut self, op: &StateOp) {
        match op {
            StateOp::FlowBits { operation, bits } => {
                let Some(vars) = &mut self.vars else { return };
                for &bit in bits {
                    match operation {
                        BitOperation::Set => vars.set(bit),
                        BitOperation::Unset => vars.unset(bit),
                        BitOperation::Toggle => vars.toggle(bit),
                        BitOperation::IsSet | BitOperation::IsNotSet => {}
                    }
                }
            }
            StateOp::FlowInt { counter, operation, operand } => {
                use FlowIntOperation as O;
                let Some(vars) = &mut self.vars else { return };
                let (op, wanted) = match operation {
                    O::Add(wanted) => (IntOp::Add, wanted),
                    O::Subtract(wanted) => (IntOp::Sub, wanted),
                    O::Set(wanted) => (IntOp::Set, wanted),
                    _ => return,
                };
                let value = match wanted {
                    FlowIntOperand::Number(number) => Some(*number),
                    FlowIntOperand::Name(_) => operand.and_then(|name| vars.int(name)),
                };
                if let Some(value) = value {
                    vars.change_int(*counter, op, value);
                }
            }
            StateOp::XBits { operation, bit, track, expire_s } => {
                if let Some(key) = self.x_key(*track) {
                    self.change_bit(key, *operation, *bit, *expire_s);
                }
            }
            StateOp::HostBits { operation, bit, side } => {
                for key in self.host_keys(*side).into_iter().flatten() {
                    self.change_bit(key, *operation, *bit, HOST_BIT_S);
                }
            }
        }
    }

    fn change_bit(&self, key: HostKey, operation: BitOperation, bit: u32, expire_s: u32) {
        let hosts = &self.shared.hosts;
        match operation {
            BitOperation::Set => hosts.set(key, bit, expire_s, self.now),
            BitOperation::Unset => hosts.unset(key, bit),
            BitOperation::Toggle => hosts.toggle(key, bit, expire_s, self.now),
            BitOperation::IsSet | BitOperation::IsNotSet => {}
        }
    }

    fn x_key(&self, track: XTrack) -> Option<HostKey> {
        let ends = self.ends?;
        Some(match track {
            XTrack::IpSource => HostKey::Host(bits(ends.src)),
            XTrack::IpDestination => HostKey::Host(bits(ends.dst)),
            XTrack::IpPair | XTrack::Transaction => HostKey::pair(bits(ends.src), bits(ends.dst)),
        })
    }

    fn host_keys(&self, side: HostSide) -> [Option<HostKey>; 2] {
        let Some(ends) = self.ends else { return [None; 2] };
        let (src, dst) = (HostKey::Host(bits(ends.src)), HostKey::Host(bits(ends.dst)));
        match side {
            HostSide::Source => [Some(src), None],
            HostSide::Destination => [Some(dst), None],
            HostSide::Both => [Some(src), Some(dst)],
        }
    }
}
