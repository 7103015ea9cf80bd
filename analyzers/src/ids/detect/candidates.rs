//! The rules that are to be evaluated, each once, in their order.

use super::base::RuleIndex;

/// A set of rules that is cleared for each packet.
#[derive(Debug)]
pub(crate) struct Candidates {
    list: Vec<RuleIndex>,
    /// By rule, in which round it was added last.
    rounds: Vec<u32>,
    round: u32,
}

impl Candidates {
    pub(crate) fn new(rules: usize) -> Self {
        Self { list: Vec::new(), rounds: vec![0; rules], round: 0 }
    }

    pub(crate) fn clear(&mut self) {
        self.list.clear();
        self.round = self.round.wrapping_add(1);
        if self.round == 0 {
            self.rounds.fill(0);
            self.round = 1;
        }
    }

    #[inline]
    pub(crate) fn add(&mut self, rule: RuleIndex) {
        if let Some(round) = self.rounds.get_mut(rule as usize)
            && *round != self.round
        {
            *round = self.round;
            self.list.push(rule);
        }
    }

    pub(crate) fn add_all(&mut self, rules: impl IntoIterator<Item = RuleIndex>) {
        for rule in rules {
            self.add(rule);
        }
    }

    /// The rules in their order; to be [given back](Self::give_back) for its room.
    pub(crate) fn take_sorted(&mut self) -> Vec<RuleIndex> {
        let mut list = std::mem::take(&mut self.list);
        list.sort_unstable();
        list
    }

    pub(crate) fn give_back(&mut self, list: Vec<RuleIndex>) {
        self.list = list;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_rule_once_and_in_order() {
        let mut candidates = Candidates::new(5);
        for _ in 0..2 {
            candidates.clear();
            candidates.add_all([4, 1, 4, 0, 9]);
            let list = candidates.take_sorted();
            assert_eq!(list, [0, 1, 4]);
            candidates.give_back(list);
        }
    }
}
