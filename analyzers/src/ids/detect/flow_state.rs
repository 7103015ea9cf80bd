//! What the engine remembers of a flow while it lives.

use std::collections::VecDeque;
use std::sync::Arc;

use super::super::state::FlowVars;
use super::base::RuleIndex;
use super::tags::Active;
use crate::app::Heading;

/// Candidates of a stream that are kept for what comes later; more are not.
const MAX_PENDING: usize = 256;

/// One flow's state. Most flows have little.
#[derive(Debug, Default)]
pub(crate) struct FlowState {
    pub(crate) vars: FlowVars,
    /// What expressions saved of the flow.
    pub(crate) captures: Vec<(Arc<str>, Vec<u8>)>,
    /// Rules of addresses alone have been evaluated, per heading.
    pub(crate) ip_only: [bool; 2],
    /// Its packets are recorded.
    pub(crate) tag: Option<Active>,
    /// It was known what this heading is, when the last packet had been looked at; and rules of that alone have been
    /// evaluated since.
    pub(crate) recognised: [bool; 2],
    pub(crate) protocol_only: [bool; 2],
    /// A rule lets all of the flow pass: no alerts any more.
    pub(crate) passed: bool,
    streams: [StreamState; 2],
    /// Of the transactions that the parser holds.
    transactions: VecDeque<TransactionState>,
    first: u64,
    /// Which of the flow's parsers that is.
    parser: u32,
}

/// Of a heading's stream.
#[derive(Debug, Default)]
pub(crate) struct StreamState {
    /// Rules whose literal stood in what was inspected, and the offset behind it.
    pub(crate) pending: Vec<(RuleIndex, u64)>,
    /// Up to where the stream was looked through for literals.
    pub(crate) scanned: u64,
    /// Rules that matched, and up to where the stream was known then.
    pub(crate) matched: Vec<(RuleIndex, u64)>,
}

impl StreamState {
    /// A literal was found.
    pub(crate) fn found(&mut self, rule: RuleIndex, end: u64) {
        if let Some((_, last)) = self.pending.iter_mut().find(|(known, _)| *known == rule) {
            *last = (*last).max(end);
        } else if self.pending.len() < MAX_PENDING {
            self.pending.push((rule, end));
        }
    }

    /// Up to where the rule has matched; what a match was made of does not count again.
    pub(crate) fn matched_up_to(&self, rule: RuleIndex) -> Option<u64> {
        self.matched.iter().find(|(known, _)| *known == rule).map(|&(_, up_to)| up_to)
    }

    /// The rule matched in a window that ended there.
    pub(crate) fn matched(&mut self, rule: RuleIndex, up_to: u64) {
        match self.matched.iter_mut().find(|(known, _)| *known == rule) {
            Some((_, last)) => *last = up_to,
            None => self.matched.push((rule, up_to)),
        }
        self.pending.retain(|(known, _)| *known != rule);
    }
}

/// Of a transaction.
#[derive(Debug, Default)]
pub(crate) struct TransactionState {
    pub(crate) sides: [SideState; 2],
    /// Rules that look at both headings.
    pub(crate) both: Vec<Pending>,
}

/// Of a transaction in a heading.
#[derive(Debug, Default)]
pub(crate) struct SideState {
    /// By buffer group, how much of it has been looked through.
    pub(crate) scanned: Vec<Scanned>,
    pub(crate) pending: Vec<Pending>,
    /// The rules that name no bytes are among the pending ones.
    pub(crate) begun: bool,
    /// Nothing can change any more.
    pub(crate) done: bool,
    /// How far it was when it was looked at last: progress, and bytes that grow.
    pub(crate) version: Option<(u8, u64)>,
}

/// How much of a buffer has been looked through.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Scanned {
    /// Instances that were whole.
    pub(crate) whole: u32,
    /// Bytes of the one after those.
    pub(crate) bytes: u64,
}

/// A rule that may match a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pending {
    pub(crate) rule: RuleIndex,
    /// Bits of the parts that have been found.
    pub(crate) found: u64,
    /// What it wants of the stream has been found.
    pub(crate) payload: bool,
    /// It matched, when so many files were there.
    pub(crate) matched: Option<u32>,
}

impl Pending {
    pub(crate) const fn new(rule: RuleIndex) -> Self {
        Self { rule, found: 0, payload: false, matched: None }
    }
}

/// Adds a rule if it is not there.
pub(crate) fn add(pending: &mut Vec<Pending>, rule: RuleIndex) {
    if !pending.iter().any(|known| known.rule == rule) {
        pending.push(Pending::new(rule));
    }
}

impl FlowState {
    pub(crate) fn stream(&mut self, heading: Heading) -> &mut StreamState {
        &mut self.streams[heading.index()]
    }

    /// What follows is of this parser, which counts its transactions from 0 if it is another one.
    pub(crate) fn of_parser(&mut self, number: u32) {
        if std::mem::replace(&mut self.parser, number) != number {
            self.transactions.clear();
            self.first = 0;
        }
    }

    /// The state of a transaction; those before `first` are over.
    pub(crate) fn transaction(&mut self, number: u64, first: u64) -> &mut TransactionState {
        if first < self.first || number < self.first {
            self.transactions.clear();
            self.first = first;
        }
        while self.first < first {
            self.first += 1;
            if self.transactions.pop_front().is_none() {
                self.first = first;
            }
        }
        let at = usize::try_from(number - self.first).unwrap_or(usize::MAX);
        while self.transactions.len() <= at {
            self.transactions.push_back(TransactionState::default());
        }
        &mut self.transactions[at]
    }

    pub(crate) fn capture(&mut self, name: &Arc<str>, value: Vec<u8>) {
        match self.captures.iter_mut().find(|(known, _)| known == name) {
            Some((_, held)) => *held = value,
            None => self.captures.push((Arc::clone(name), value)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transactions_that_are_over_are_forgotten() {
        let mut state = FlowState::default();
        state.transaction(0, 0).sides[0].done = true;
        state.transaction(1, 0).sides[1].done = true;
        assert!(state.transaction(1, 1).sides[1].done);
        assert_eq!(state.transactions.len(), 1);
        assert!(!state.transaction(7, 7).sides[0].done);
        assert_eq!((state.first, state.transactions.len()), (7, 1));
        state.transaction(7, 7).sides[0].done = true;
        state.of_parser(0);
        assert!(state.transaction(7, 7).sides[0].done);
        state.of_parser(1);
        assert!(!state.transaction(0, 0).sides[0].done, "another parser begins at 0");
    }

    #[test]
    fn a_stream_matches_again_only_further_on() {
        let mut stream = StreamState::default();
        stream.found(3, 100);
        stream.found(3, 90);
        assert_eq!(stream.pending, [(3, 100)]);
        stream.matched(3, 150);
        assert_eq!((stream.matched_up_to(3), stream.matched_up_to(4)), (Some(150), None));
        assert!(stream.pending.is_empty());
    }
}
