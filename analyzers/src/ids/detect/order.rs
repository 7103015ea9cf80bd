//! In which order rules are evaluated: what sets a bit before what asks for it.
//!
//! Suricata's order: pass before drop, reject and alert; then what sets flowbits, what sets and reads, what
//! only reads, all others; the same for flowint, variables of packets and flows, hostbits and xbits; then by
//! priority; then as they were loaded. Among rules that set and read flowbits those come later whose bits
//! others of them set.

use std::collections::HashMap;

use super::super::rule::ast::{Action, BitOperation, CaptureKind, Match, PacketCondition};
use super::super::rule::ast::{Rule, StateOperation};

/// What a rule does with variables of a kind; the order is that of evaluation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Use {
    Sets,
    SetsAndReads,
    Reads,
    #[default]
    None,
}

impl Use {
    fn of(sets: bool, reads: bool) -> Self {
        match (sets, reads) {
            (true, false) => Use::Sets,
            (true, true) => Use::SetsAndReads,
            (false, true) => Use::Reads,
            (false, false) => Use::None,
        }
    }
}

/// Sorts rules into the order of evaluation.
pub(crate) fn sort(rules: &mut [Rule]) {
    let depths = depths(rules);
    let mut keyed: Vec<_> =
        rules.iter().zip(depths).map(|(rule, depth)| key(rule, depth)).collect();
    let mut places: Vec<usize> = (0..rules.len()).collect();
    places.sort_by_key(|&at| keyed[at]);
    // Applies the permutation in place: `places[i]` is where the rule that belongs at `i` is.
    for at in 0..places.len() {
        let mut from = places[at];
        while from < at {
            from = places[from];
        }
        rules.swap(at, from);
        keyed.swap(at, from);
    }
}

type Key = (u8, Use, u32, Use, Use, Use, Use, u8);

fn key(rule: &Rule, depth: u32) -> Key {
    let action = match rule.action {
        Action::Pass | Action::Accept => 0,
        Action::Drop => 1,
        Action::Reject | Action::RejectSrc | Action::RejectDst | Action::RejectBoth => 2,
        Action::Alert | Action::Config => 3,
    };
    let used = |wanted: fn(&StateOperation) -> Option<bool>| {
        let mut uses = (false, false);
        for reads in rule.state.iter().filter_map(wanted) {
            if reads { uses.1 = true } else { uses.0 = true }
        }
        Use::of(uses.0, uses.1)
    };
    let flowbits = used(|op| match op {
        StateOperation::FlowBits(bits) => Some(bits.operation.is_check()),
        _ => None,
    });
    let flowints = used(|op| match op {
        StateOperation::FlowInt(int) => Some(int.operation.is_check()),
        _ => None,
    });
    let hostbits = used(|op| match op {
        StateOperation::HostBits(bits) => Some(bits.operation.is_check()),
        _ => None,
    });
    let xbits = used(|op| match op {
        StateOperation::XBits(bits) => Some(bits.operation.is_check()),
        _ => None,
    });
    let sets = rule.inspections.iter().flat_map(|i| &i.matches).any(|found| match found {
        Match::Pcre(pcre) => pcre.captures.iter().any(|c| c.kind != CaptureKind::Alert),
        _ => false,
    });
    let reads =
        rule.packet.iter().any(|condition| matches!(condition, PacketCondition::Variable { .. }));
    (action, flowbits, depth, flowints, Use::of(sets, reads), hostbits, xbits, rule.priority)
}

/// For rules that set and read flowbits, how long the chain of such rules is that they hang on.
fn depths(rules: &[Rule]) -> Vec<u32> {
    let mut setters: HashMap<&str, Vec<usize>> = HashMap::new();
    let mut readers = Vec::new();
    for (at, rule) in rules.iter().enumerate() {
        let (mut sets, mut reads) = (Vec::new(), Vec::new());
        for op in &rule.state {
            let StateOperation::FlowBits(bits) = op else { continue };
            match bits.operation {
                BitOperation::IsSet | BitOperation::IsNotSet => {
                    reads.extend(bits.names.iter().map(|name| &**name));
                }
                _ => sets.extend(bits.names.iter().map(|name| &**name)),
            }
        }
        if !sets.is_empty() && !reads.is_empty() {
            sets.iter().for_each(|name| setters.entry(name).or_default().push(at));
            readers.push((at, reads));
        }
    }
    let mut depths = vec![0; rules.len()];
    // Chains longer than this, and circles, are left as they are.
    for _ in 0..8 {
        let mut changed = false;
        for (at, reads) in &readers {
            let deepest = reads
                .iter()
                .filter_map(|name| setters.get(name))
                .flatten()
                .filter(|&setter| setter != at)
                .map(|&setter| depths[setter] + 1)
                .max()
                .unwrap_or(0);
            if deepest > depths[*at] {
                depths[*at] = deepest;
                changed = true;
            }
        }
        if !changed {
            break;
        }
    }
    depths
}

#[cfg(test)]
mod tests {
    use super::super::super::rule::{Classification, RuleSet, Variables};
    use super::*;

    #[test]
    fn what_sets_comes_before_what_asks() {
        let text = "\
            alert tcp any any -> any any (flowbits:isset,b; priority:1; sid:1;)\n\
            alert tcp any any -> any any (flowbits:isset,a; flowbits:set,b; sid:2;)\n\
            alert tcp any any -> any any (flowbits:isset,x; flowbits:set,a; sid:3;)\n\
            alert tcp any any -> any any (flowbits:set,x; sid:4;)\n\
            alert tcp any any -> any any (priority:2; sid:5;)\n\
            alert tcp any any -> any any (priority:1; sid:6;)\n\
            pass tcp any any -> any any (sid:7;)\n\
            drop tcp any any -> any any (sid:8;)\n";
        let (variables, classes) = (Variables::default(), Classification::default());
        let loaded = RuleSet::load_text("t", text.as_bytes(), &variables, &classes);
        let mut rules = loaded.rules;
        sort(&mut rules);
        let sids: Vec<_> = rules.iter().map(|rule| rule.sid).collect();
        assert_eq!(sids, [7, 8, 4, 3, 2, 1, 6, 5]);
    }
}
