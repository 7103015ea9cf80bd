//! Whose bytes count. The table holds, for a segment of E at 10..20 and a later one of N, what each policy
//! makes of it: N may begin before, at or behind E's beginning, and end before, at or behind its end. These
//! are the cases of Novak & Sturges (2007); the outcomes are Suricata 8.0.8's, which differ from theirs for
//! some systems.

use super::*;

const SPANS: [(usize, usize); 8] =
    [(5, 15), (5, 20), (5, 25), (10, 15), (10, 20), (10, 25), (15, 20), (15, 25)];

/// Whether N has the shared bytes, by span.
const BSD: [bool; 8] = [true, true, true, false, false, false, false, false];
const LINUX: [bool; 8] = [true, true, true, false, false, true, false, false];
const OLD_LINUX: [bool; 8] = [true, true, true, false, true, true, false, false];
const SOLARIS: [bool; 8] = [false, true, true, false, true, true, false, true];

fn table(policy: OverlapPolicy) -> [bool; 8] {
    match policy {
        OverlapPolicy::Bsd
        | OverlapPolicy::BsdRight
        | OverlapPolicy::Hpux10
        | OverlapPolicy::Irix
        | OverlapPolicy::MacOs
        | OverlapPolicy::Windows
        | OverlapPolicy::Windows2k3 => BSD,
        OverlapPolicy::Linux => LINUX,
        OverlapPolicy::OldLinux => OLD_LINUX,
        OverlapPolicy::Solaris | OverlapPolicy::OldSolaris | OverlapPolicy::Hpux11 => SOLARIS,
        OverlapPolicy::First | OverlapPolicy::Vista => [false; 8],
        OverlapPolicy::Last => [true; 8],
    }
}

fn outcome((from, to): (usize, usize), newer: bool) -> String {
    let letter = |at: usize| match (at, (from..to).contains(&at), (10..20).contains(&at)) {
        (_, true, true) => {
            if newer {
                'N'
            } else {
                'E'
            }
        }
        (_, true, false) => 'N',
        (_, false, true) => 'E',
        _ => 'f',
    };
    (0..30).map(letter).collect()
}

/// `in_order`: what lies before came first, so that nothing waits behind a hole.
fn played(policy: OverlapPolicy, (from, to): (usize, usize), in_order: bool) -> (String, String) {
    let mut wire = Wire::open(StreamConfig { policy, ..plain() });
    let mut put = |from: usize, to: usize, letter: &str| {
        if from < to {
            wire.at(C, ACK, from as i64, 0, &letter.repeat(to - from))
        } else {
            Taken::default()
        }
    };
    let begin = from.min(10);
    if in_order {
        put(0, begin, "f");
    }
    put(10, 20, "E");
    let taken = put(from, to, "N");
    if !in_order {
        put(0, begin, "f");
    }
    // What neither has.
    put(to.max(20), 30, "f");
    wire.at(S, ACK, 0, 30, "");
    (wire.take(C), names(taken))
}

#[test]
fn every_policy_decides_every_overlap() {
    for policy in OverlapPolicy::ALL {
        for (span, newer) in SPANS.into_iter().zip(table(policy)) {
            for in_order in [false, true] {
                let (stream, events) = played(policy, span, in_order);
                assert_eq!(stream, outcome(span, newer), "{policy:?} {span:?} {in_order}");
                // The same extent again is a retransmission, whatever is in it.
                let again = span == (10, 20);
                let event = if again { "" } else { "reassembly_overlap_different_data" };
                assert_eq!(events, event, "{policy:?} {span:?} {in_order}");
            }
        }
    }
}

#[test]
fn policies_have_suricatas_names() {
    for policy in OverlapPolicy::ALL {
        assert_eq!(OverlapPolicy::from_name(policy.as_str()), Some(policy));
    }
    assert_eq!(OverlapPolicy::default(), OverlapPolicy::Windows);
}

#[test]
fn what_is_acknowledged_does_not_change() {
    let mut wire = Wire::open(StreamConfig { policy: OverlapPolicy::Last, ..plain() });
    wire.at(C, ACK, 0, 0, "good");
    wire.at(S, ACK, 0, 2, "");
    assert_eq!(names(wire.at(C, ACK, 0, 0, "EVIL!")), "reassembly_overlap_different_data");
    wire.at(S, ACK, 0, 5, "");
    assert_eq!(wire.take(C), "goIL!");
    assert_eq!(wire.pool.counters().overlaps_different, 1);
}

#[test]
fn the_event_can_be_turned_off() {
    let mut wire = Wire::open(StreamConfig { check_overlaps: false, ..plain() });
    wire.at(C, ACK, 0, 0, "good");
    assert_eq!(names(wire.at(C, ACK, 1, 0, "EVIL")), "");
}

#[test]
fn one_segment_over_many() {
    let mut wire = Wire::open(StreamConfig { policy: OverlapPolicy::Bsd, ..plain() });
    for at in [2, 6, 10, 14] {
        wire.at(C, ACK, at, 0, "EE");
    }
    wire.at(C, ACK, 5, 0, "NNNNNNNNNN");
    wire.at(C, ACK, 0, 0, "ffffffff");
    wire.at(C, ACK, 15, 0, "ff");
    wire.at(S, ACK, 0, 17, "");
    assert_eq!(wire.take(C), "ffffffffNNNNNNNEf");
}
