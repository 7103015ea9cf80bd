//! Whose bytes count where fragments overlap.

use std::ops::Range;

use proptest::prelude::*;

use super::*;

const POLICIES: [OverlapPolicy; 7] = [
    OverlapPolicy::Bsd,
    OverlapPolicy::BsdRight,
    OverlapPolicy::Linux,
    OverlapPolicy::First,
    OverlapPolicy::Last,
    OverlapPolicy::Solaris,
    OverlapPolicy::Windows,
];

fn with(overlap: OverlapPolicy) -> Defragmenter {
    Defragmenter::new(DefragOptions { overlap, ..DefragOptions::default() })
}

/// The letters of a datagram of 40 bytes that older and newer fragments gave, one letter for 8
/// bytes; what neither has is filled up afterwards.
fn letters(policy: OverlapPolicy, older: Range<u16>, newer: Range<u16>) -> String {
    let mut defragmenter = with(policy);
    let mut give =
        |at: Range<u16>, more, letter| push(&mut defragmenter, &piece(1, at, more, letter), 0);
    give(older.clone(), true, b'o');
    give(newer.clone(), true, b'n');
    for at in (0..32).step_by(8) {
        let taken = |r: &Range<u16>| r.contains(&at);
        if !taken(&older) && !taken(&newer) {
            give(at..at + 8, true, b'-');
        }
    }
    let whole = complete(give(32..40, false, b'.')).datagram;
    whole[20..].chunks(8).map(|c| char::from(c[0])).collect()
}

#[test]
fn each_policy_decides_as_it_is_described() {
    // Newer: starts before, ends inside; starts inside, ends behind; the same extent; encloses;
    // starts before, ends with; lies inside.
    let older = 8..24;
    let newer = [0..16, 16..32, 8..24, 0..32, 0..24, 8..16];
    let expected = [
        (OverlapPolicy::Bsd, ["nno-.", "-oon.", "-oo-.", "nnnn.", "nnn-.", "-oo-."]),
        (OverlapPolicy::BsdRight, ["noo-.", "-onn.", "-nn-.", "noon.", "noo-.", "-no-."]),
        (OverlapPolicy::Linux, ["nno-.", "-oon.", "-nn-.", "nnnn.", "nnn-.", "-no-."]),
        (OverlapPolicy::First, ["noo-.", "-oon.", "-oo-.", "noon.", "noo-.", "-oo-."]),
        (OverlapPolicy::Last, ["nno-.", "-onn.", "-nn-.", "nnnn.", "nnn-.", "-no-."]),
        (OverlapPolicy::Solaris, ["noo-.", "-oon.", "-oo-.", "nnnn.", "nnn-.", "-oo-."]),
        (OverlapPolicy::Windows, ["noo-.", "-oon.", "-oo-.", "nnnn.", "noo-.", "-oo-."]),
    ];
    assert_eq!(expected.map(|(policy, _)| policy), POLICIES);
    for (policy, cases) in expected {
        for (newer, expected) in newer.iter().zip(cases) {
            assert_eq!(
                letters(policy, older.clone(), newer.clone()),
                expected,
                "{policy:?} {newer:?}"
            );
        }
    }
    assert_eq!(OverlapPolicy::default(), OverlapPolicy::Bsd);
}

#[test]
fn overlaps_are_counted_and_a_fault_of_the_fragment() {
    let mut defragmenter = defragmenter();
    assert!(pushed(&mut defragmenter, &piece(1, 0..24, true, b'a'), 0).faults.is_empty());
    let second = pushed(&mut defragmenter, &piece(1, 16..40, true, b'b'), 0);
    assert_eq!(second.outcome, DefragOutcome::Held);
    assert!(second.faults.contains(DecodeFault::Ipv4FragOverlap));
    // Teardrop: a piece within another.
    let third = pushed(&mut defragmenter, &piece(1, 8..16, true, b'c'), 0);
    assert_eq!(third.outcome, dropped(DropReason::Covered));
    assert!(third.faults.contains(DecodeFault::Ipv4FragOverlap));
    let counters = defragmenter.counters();
    assert_eq!((counters.overlaps, counters.teardrops), (2, 1));
    assert_eq!(counters.dropped(DropReason::Covered), 1);
}

#[test]
fn the_same_fragment_again_is_a_duplicate_and_no_overlap() {
    for v6 in [false, true] {
        let piece = |at, more, letter| match v6 {
            true => piece6(1, at, more, letter),
            false => piece(1, at, more, letter),
        };
        let mut defragmenter = defragmenter();
        push(&mut defragmenter, &piece(0..16, true, b'a'), 0);
        let again = pushed(&mut defragmenter, &piece(0..16, true, b'a'), 0);
        assert_eq!(
            (again.outcome, again.faults),
            (dropped(DropReason::Duplicate), Faults::default())
        );
        complete(push(&mut defragmenter, &piece(16..20, false, b'b'), 0));
        assert_eq!(defragmenter.counters().overlaps, 0);
    }
}

#[test]
fn ipv6_datagrams_with_an_overlap_are_given_up_with_all_that_follows() {
    let mut defragmenter = defragmenter();
    push(&mut defragmenter, &piece6(1, 0..16, true, b'a'), 0);
    let overlap = pushed(&mut defragmenter, &piece6(1, 8..24, true, b'b'), 0);
    assert_eq!(overlap.outcome, dropped(DropReason::Overlap));
    assert!(overlap.faults.contains(DecodeFault::Ipv6FragOverlap));
    for packet in [piece6(1, 0..16, true, b'a'), piece6(1, 16..24, false, b'c')] {
        assert_eq!(push(&mut defragmenter, &packet, 0), dropped(DropReason::GivenUp));
    }
    // Another identification is another datagram; after the time-out so is the same one.
    push(&mut defragmenter, &piece6(2, 0..8, true, b'a'), 0);
    complete(push(&mut defragmenter, &piece6(2, 8..9, false, b'b'), 0));
    push(&mut defragmenter, &piece6(1, 0..8, true, b'a'), 61 * SECOND);
    complete(push(&mut defragmenter, &piece6(1, 8..9, false, b'b'), 61 * SECOND));
}

#[test]
fn the_first_end_that_is_stated_counts() {
    let mut defragmenter = defragmenter();
    push(&mut defragmenter, &piece(1, 16..24, false, b'c'), 0);
    for (at, more) in [(24..32, true), (24..32, false), (8..16, false)] {
        let outcome = push(&mut defragmenter, &piece(1, at, more, b'x'), 0);
        assert_eq!(outcome, dropped(DropReason::BehindEnd));
    }
    push(&mut defragmenter, &piece(1, 0..8, true, b'a'), 0);
    let whole = complete(push(&mut defragmenter, &piece(1, 8..16, true, b'b'), 0));
    assert_eq!(whole.datagram[20..], *b"aaaaaaaabbbbbbbbcccccccc");
    // An end before what is there already.
    push(&mut defragmenter, &piece(2, 16..24, true, b'c'), 0);
    let outcome = push(&mut defragmenter, &piece(2, 8..16, false, b'a'), 0);
    assert_eq!(outcome, dropped(DropReason::BehindEnd));
}

/// The rule of a policy, applied byte by byte: slow, and nothing in common with the tracker.
fn byte_by_byte(
    policy: OverlapPolicy,
    fragments: &[(Range<usize>, u8)],
    len: usize,
) -> Vec<Option<u8>> {
    let mut owners: Vec<Option<usize>> = vec![None; len];
    for (index, (newer, _)) in fragments.iter().enumerate() {
        let before = owners.clone();
        for at in newer.clone() {
            let wins = before[at].is_none_or(|owner| {
                let older = &fragments[owner].0;
                match policy {
                    OverlapPolicy::First => false,
                    OverlapPolicy::Last => true,
                    OverlapPolicy::Bsd => newer.start < older.start,
                    OverlapPolicy::BsdRight => newer.start >= older.start,
                    OverlapPolicy::Linux => newer.start <= older.start,
                    OverlapPolicy::Solaris => newer.start < older.start && newer.end >= older.end,
                    OverlapPolicy::Windows => newer.start < older.start && newer.end > older.end,
                }
            });
            if wins {
                owners[at] = Some(index);
            }
        }
    }
    owners.iter().map(|owner| owner.map(|index| fragments[index].1)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn many_overlaps_give_what_the_rule_gives_byte_by_byte(
        pieces in prop::collection::vec((0..12u16, 1..8u16), 1..14), policy in 0..7usize,
    ) {
        let policy = POLICIES[policy];
        let len = 20 * 8;
        let mut fragments: Vec<(Range<usize>, u8)> = pieces
            .iter()
            .enumerate()
            .map(|(n, (start, blocks))| {
                let start = usize::from(*start) * 8;
                (start..start + usize::from(*blocks) * 8, b'a' + n as u8)
            })
            .collect();
        let expected = byte_by_byte(policy, &fragments, len);
        // What nobody gave is filled up so that the datagram becomes whole.
        for block in 0..len / 8 {
            if expected[block * 8].is_none() {
                fragments.push((block * 8..block * 8 + 8, b'-'));
            }
        }
        let mut defragmenter = with(policy);
        let mut result = None;
        for (at, letter) in &fragments {
            let at = at.start as u16..at.end as u16;
            let more = usize::from(at.end) < len;
            match push(&mut defragmenter, &piece(1, at, more, *letter), 0) {
                DefragOutcome::Complete(whole) => result = Some(whole.datagram[20..].to_vec()),
                DefragOutcome::Held | DefragOutcome::Dropped(DropReason::Covered) => {}
                DefragOutcome::Dropped(DropReason::Duplicate) => {}
                other => prop_assert!(false, "{other:?}"),
            }
        }
        let expected: Vec<u8> = expected.iter().map(|letter| letter.unwrap_or(b'-')).collect();
        prop_assert_eq!(result, Some(expected));
    }
}
