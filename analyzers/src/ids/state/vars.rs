//! `flowbits` and `flowint`: a flow's own variables.

/// Bits and counters of one flow. Most flows have none, so it is small while empty.
#[derive(Debug, Default, Clone)]
pub(crate) struct FlowVars {
    /// Sorted.
    bits: Vec<u32>,
    ints: Vec<(u32, u32)>,
}

/// What is done with a counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum IntOp {
    Set,
    Add,
    Sub,
}

impl FlowVars {
    pub(crate) fn is_set(&self, bit: u32) -> bool {
        self.bits.binary_search(&bit).is_ok()
    }

    pub(crate) fn set(&mut self, bit: u32) {
        if let Err(at) = self.bits.binary_search(&bit) {
            self.bits.insert(at, bit);
        }
    }

    pub(crate) fn unset(&mut self, bit: u32) {
        if let Ok(at) = self.bits.binary_search(&bit) {
            self.bits.remove(at);
        }
    }

    pub(crate) fn toggle(&mut self, bit: u32) {
        match self.bits.binary_search(&bit) {
            Ok(at) => drop(self.bits.remove(at)),
            Err(at) => self.bits.insert(at, bit),
        }
    }

    /// The bits that are set, in ascending order.
    pub(crate) fn bits(&self) -> &[u32] {
        &self.bits
    }

    /// A counter, if it was ever set.
    pub(crate) fn int(&self, name: u32) -> Option<u32> {
        self.ints.iter().find(|(known, _)| *known == name).map(|&(_, value)| value)
    }

    /// The counters that were set.
    pub(crate) fn ints(&self) -> &[(u32, u32)] {
        &self.ints
    }

    /// Adding to a counter that is not there begins at 0; so does taking away, which stops there.
    pub(crate) fn change_int(&mut self, name: u32, op: IntOp, value: u32) {
        let apply = |old: u32| match op {
            IntOp::Set => value,
            IntOp::Add => old.saturating_add(value),
            IntOp::Sub => old.saturating_sub(value),
        };
        match self.ints.iter_mut().find(|(known, _)| *known == name) {
            Some((_, held)) => *held = apply(*held),
            None => self.ints.push((name, apply(0))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_what_was_done_last() {
        let mut vars = FlowVars::default();
        for bit in [5, 1, 3, 3] {
            vars.set(bit);
        }
        vars.unset(3);
        vars.unset(4);
        vars.toggle(9);
        vars.toggle(5);
        assert_eq!(vars.bits(), [1, 9]);
        assert!(vars.is_set(9) && !vars.is_set(5));
    }

    #[test]
    fn counters_begin_at_nothing_and_stop_at_their_ends() {
        let mut vars = FlowVars::default();
        assert_eq!(vars.int(1), None);
        vars.change_int(1, IntOp::Add, 2);
        vars.change_int(1, IntOp::Sub, 5);
        assert_eq!(vars.int(1), Some(0));
        vars.change_int(1, IntOp::Set, u32::MAX);
        vars.change_int(1, IntOp::Add, 1);
        assert_eq!(vars.int(1), Some(u32::MAX));
    }
}
