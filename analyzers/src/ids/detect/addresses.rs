//! Rules of addresses alone, by address: lists of bad hosts make hundreds of such rules with thousands of addresses
//! each, and a flow is in hardly any of them.

use std::net::IpAddr;

use super::super::rule::ast::{AddressSet, Direction, Header};
use super::base::RuleIndex;
use super::conditions::Ends;

/// Sets of more IPv4 addresses than this (a /8) say too little to be looked up.
const MOST_ADDRESSES: u64 = 1 << 24;
/// Entries of one side's table, at most. Rules beyond it are evaluated for each flow.
const MOST_ENTRIES: usize = 1 << 20;

/// Which rules may hold between two addresses.
#[derive(Debug, Default)]
pub(crate) struct AddressRules {
    src: Side,
    dst: Side,
    /// Those that no address narrows.
    rest: Vec<RuleIndex>,
}

/// Rules by an address.
#[derive(Debug, Default)]
struct Side {
    v4: Table<u32>,
    v6: Table<u128>,
}

impl AddressRules {
    /// Of rules and their headers.
    pub(crate) fn new<'h>(rules: impl Iterator<Item = (RuleIndex, &'h Header)>) -> Self {
        let (mut src, mut dst): (Vec<Entry<'h>>, Vec<Entry<'h>>) = Default::default();
        let mut rest = Vec::new();
        for (rule, header) in rules {
            let (from, to) = (count(&header.src), count(&header.dst));
            if header.direction != Direction::OneWay || from.min(to) > MOST_ADDRESSES {
                rest.push(rule);
            } else if from <= to {
                src.push((rule, &header.src));
            } else {
                dst.push((rule, &header.dst));
            }
        }
        let (src, dst) = (Side::new(src, &mut rest), Side::new(dst, &mut rest));
        Self { src, dst, rest }
    }

    /// Rules whose addresses may be these, each at most once.
    pub(crate) fn of<'s>(
        &'s self,
        ends: Option<&Ends>,
    ) -> impl Iterator<Item = RuleIndex> + use<'s> {
        let (src, dst) = match ends {
            Some(ends) => (self.src.of(ends.src), self.dst.of(ends.dst)),
            None => Default::default(),
        };
        self.rest.iter().chain(src).chain(dst).copied()
    }
}

type Entry<'h> = (RuleIndex, &'h AddressSet);

impl Side {
    /// A table of what has room in it; the others are added to `rest`.
    fn new(mut rules: Vec<Entry<'_>>, rest: &mut Vec<RuleIndex>) -> Self {
        loop {
            let v4 = rules.iter().map(|(rule, set)| (*rule, set.v4.as_slice()));
            let v6 = rules.iter().map(|(rule, set)| (*rule, set.v6.as_slice()));
            if let (Some(v4), Some(v6)) = (Table::new(v4), Table::new(v6)) {
                return Self { v4, v6 };
            }
            // The last half goes: what is left of rules that are too many is looked up all the same.
            rest.extend(rules.split_off(rules.len() / 2).iter().map(|(rule, _)| *rule));
        }
    }

    fn of(&self, address: IpAddr) -> &[RuleIndex] {
        match address {
            IpAddr::V4(address) => self.v4.of(u32::from(address)),
            IpAddr::V6(address) => self.v6.of(u128::from(address)),
        }
    }
}

/// How many addresses, in IPv4's measure: a /64 of IPv6 counts as one host.
fn count(set: &AddressSet) -> u64 {
    let v4: u64 = set.v4.iter().map(|&(first, last)| u64::from(last - first) + 1).sum();
    let v6 = set.v6.iter().map(|&(first, last)| ((last - first) >> 64) as u64);
    v6.fold(v4, |sum, more| sum.saturating_add(more).saturating_add(1))
}

/// An address of either version.
trait Address: Ord + Copy {
    /// The address behind it; `None` behind the last.
    fn after(self) -> Option<Self>;
}

impl Address for u32 {
    fn after(self) -> Option<Self> {
        self.checked_add(1)
    }
}

impl Address for u128 {
    fn after(self) -> Option<Self> {
        self.checked_add(1)
    }
}

/// Stretches of addresses, and the rules of each.
#[derive(Debug)]
struct Table<A> {
    /// Where each begins.
    begins: Vec<A>,
    /// Where its rules end in `rules`; they begin where those of the one before end.
    ends: Vec<usize>,
    rules: Vec<RuleIndex>,
}

impl<A> Default for Table<A> {
    fn default() -> Self {
        Self { begins: Vec::new(), ends: Vec::new(), rules: Vec::new() }
    }
}

impl<A: Address> Table<A> {
    /// `None` if that would be too large.
    fn new<'h>(sets: impl Iterator<Item = (RuleIndex, &'h [(A, A)])>) -> Option<Self>
    where
        A: 'h,
    {
        // Where a rule begins (true) or is over.
        let mut changes: Vec<(A, RuleIndex, bool)> = Vec::new();
        for (rule, ranges) in sets {
            for &(first, last) in ranges {
                changes.push((first, rule, true));
                changes.extend(last.after().map(|after| (after, rule, false)));
            }
        }
        changes.sort_unstable();
        let mut table = Self::default();
        let mut open: Vec<RuleIndex> = Vec::new();
        for here in changes.chunk_by(|a, b| a.0 == b.0) {
            for &(_, rule, begins) in here {
                // In order an end comes before a beginning at the same place.
                match open.binary_search(&rule) {
                    Err(at) if begins => open.insert(at, rule),
                    Ok(at) if !begins => drop(open.remove(at)),
                    _ => {}
                }
            }
            if table.rules.len() + open.len() > MOST_ENTRIES {
                return None;
            }
            table.begins.extend(here.first().map(|change| change.0));
            table.rules.extend_from_slice(&open);
            table.ends.push(table.rules.len());
        }
        Some(table)
    }

    fn of(&self, address: A) -> &[RuleIndex] {
        let behind = self.begins.partition_point(|&begin| begin <= address);
        let Some(at) = behind.checked_sub(1) else { return &[] };
        let begin = at.checked_sub(1).and_then(|before| self.ends.get(before)).copied();
        let end = self.ends.get(at).copied().unwrap_or_default();
        self.rules.get(begin.unwrap_or_default()..end).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn stretches_have_the_rules_that_lie_over_them() {
        let sets: [(u32, &[(u32, u32)]); 3] =
            [(7, &[(5, 10), (12, 12)]), (8, &[(8, u32::MAX)]), (9, &[])];
        let table = Table::new(sets.into_iter()).unwrap();
        assert_eq!(table.of(4), [] as [u32; 0]);
        assert_eq!(table.of(5), [7]);
        assert_eq!(table.of(8), [7, 8]);
        assert_eq!(table.of(11), [8]);
        assert_eq!(table.of(12), [7, 8]);
        assert_eq!(table.of(u32::MAX), [8]);
        assert_eq!(Table::<u32>::default().of(0), [] as [u32; 0]);
    }

    fn ranges() -> impl Strategy<Value = Vec<(u32, u32)>> {
        // Sorted, apart from each other.
        proptest::collection::vec((1..40u32, 0..40u32), 0..6).prop_map(|steps| {
            let mut at = 0;
            let range = |(skip, len): (u32, u32)| {
                let first = at + skip;
                at = first + len + 1;
                (first, first + len)
            };
            steps.into_iter().map(range).collect()
        })
    }

    proptest! {
        #[test]
        fn a_table_says_what_the_sets_say(
            sets in proptest::collection::vec(ranges(), 0..6),
            address in 0..500u32,
        ) {
            let table = Table::new((0..).zip(sets.iter().map(Vec::as_slice))).unwrap();
            let holds = |ranges: &[(u32, u32)]| ranges.iter().any(|r| (r.0..=r.1).contains(&address));
            let expected: Vec<u32> =
                (0..).zip(&sets).filter(|(_, ranges)| holds(ranges)).map(|(rule, _)| rule).collect();
            prop_assert_eq!(table.of(address), expected);
        }
    }
}
