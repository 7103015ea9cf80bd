//! Nothing grows without end, and nothing waits for ever.

use super::*;

fn with(change: impl FnOnce(&mut DefragOptions)) -> Defragmenter {
    let mut options = DefragOptions::default();
    change(&mut options);
    Defragmenter::new(options)
}

#[test]
fn datagrams_that_are_not_whole_in_time_are_given_up() {
    for (v6, seconds) in [(false, 30), (true, 60)] {
        let piece =
            |at, more| if v6 { piece6(1, at, more, b'a') } else { piece(1, at, more, b'a') };
        let mut defragmenter = defragmenter();
        push(&mut defragmenter, &piece(0..8, true), 0);
        let late = push(&mut defragmenter, &piece(8..16, false), seconds * SECOND);
        assert_eq!(late, DefragOutcome::Held, "it starts a datagram of its own");
        assert_eq!((defragmenter.counters().timeouts, defragmenter.trackers()), (1, 1));

        let mut defragmenter = with(|_| {});
        push(&mut defragmenter, &piece(0..8, true), 0);
        complete(push(&mut defragmenter, &piece(8..16, false), seconds * SECOND - 1));
        assert_eq!(defragmenter.counters().timeouts, 0);
    }
}

#[test]
fn a_tick_frees_what_has_timed_out() {
    let mut defragmenter = defragmenter();
    for id in 0..1000 {
        push(&mut defragmenter, &piece(id, 0..8, true, b'a'), u64::from(id));
        push(&mut defragmenter, &piece6(id.into(), 0..8, true, b'a'), u64::from(id));
    }
    defragmenter.tick(29 * SECOND);
    assert_eq!(defragmenter.trackers(), 2000);
    defragmenter.tick(30 * SECOND + 499);
    assert_eq!(defragmenter.trackers(), 1500);
    defragmenter.tick(61 * SECOND);
    assert_eq!((defragmenter.trackers(), defragmenter.memory()), (0, 0));
    assert_eq!(defragmenter.counters().timeouts, 2000);
}

#[test]
fn the_oldest_datagram_makes_room_for_a_new_one() {
    let mut defragmenter = with(|o| o.max_trackers = 10);
    for id in 0..25 {
        assert_eq!(push(&mut defragmenter, &piece(id, 0..8, true, b'a'), 0), DefragOutcome::Held);
        assert!(defragmenter.trackers() <= 10);
    }
    assert_eq!(defragmenter.counters().evicted_trackers, 15);
    assert_eq!(push(&mut defragmenter, &piece(14, 8..9, false, b'b'), 0), DefragOutcome::Held);
    complete(push(&mut defragmenter, &piece(24, 8..9, false, b'b'), 0));
}

#[test]
fn memory_stays_below_its_cap_whatever_comes() {
    let max_memory = 100_000;
    let mut defragmenter = with(|o| o.max_memory = max_memory);
    for id in 0..400u16 {
        for n in 0..4 {
            let at = n * 1480..(n + 1) * 1480;
            push(&mut defragmenter, &piece(id, at, true, b'a'), 0);
            assert!(defragmenter.memory() <= max_memory);
        }
    }
    assert!(defragmenter.counters().evicted_memory > 300);
    assert!(defragmenter.trackers() > 5);
    let mut defragmenter = with(|o| o.max_memory = 1000);
    let large = pushed(&mut defragmenter, &piece(1, 0..1480, true, b'a'), 0);
    assert_eq!(large.outcome, dropped(DropReason::NoRoom));
    assert!(large.faults.contains(DecodeFault::Ipv4FragIgnored));
    assert_eq!((defragmenter.trackers(), defragmenter.memory()), (0, 0));
}

#[test]
fn a_datagram_of_too_many_fragments_or_bytes_is_given_up() {
    let mut defragmenter = with(|o| o.max_fragments = 5);
    for n in 0..5 {
        assert_eq!(
            push(&mut defragmenter, &piece(1, n * 8..n * 8 + 8, true, b'a'), 0),
            DefragOutcome::Held
        );
    }
    let sixth = pushed(&mut defragmenter, &piece(1, 40..48, false, b'a'), 0);
    assert_eq!(sixth.outcome, dropped(DropReason::TooManyFragments));
    assert!(sixth.faults.contains(DecodeFault::Ipv4FragIgnored));
    assert_eq!(
        push(&mut defragmenter, &piece(1, 40..48, false, b'a'), 0),
        dropped(DropReason::GivenUp)
    );

    let mut defragmenter = with(|o| {
        o.max_datagram_bytes = 4000;
        o.overlap = OverlapPolicy::Last;
    });
    let mut outcomes = Vec::new();
    for n in 0..10u16 {
        let packet = piece(1, n * 8..n * 8 + 800, true, b'a' + n as u8);
        outcomes.push(push(&mut defragmenter, &packet, 0));
    }
    assert_eq!(outcomes[4], DefragOutcome::Held);
    assert_eq!(outcomes[5], dropped(DropReason::TooManyBytes));
    assert_eq!(outcomes[6], dropped(DropReason::GivenUp));
}

#[test]
fn fragments_past_the_largest_datagram_are_dropped() {
    let mut defragmenter = defragmenter();
    // Ping of death.
    let late = pushed(&mut defragmenter, &piece(1, 65_528..65_533, false, b'a'), 0);
    assert_eq!(late.outcome, dropped(DropReason::TooLarge));
    assert!(late.faults.contains(DecodeFault::Ipv4FragPktTooLarge));
    assert_eq!(
        push(&mut defragmenter, &piece(1, 65_504..65_515, false, b'a'), 0),
        DefragOutcome::Held
    );
    assert_eq!(
        push(&mut defragmenter, &piece6(1, 65_528..65_535, false, b'a'), 0),
        DefragOutcome::Held
    );
    // 65,536 bytes cannot be stated.
    let mut packet = piece6(1, 65_528..65_535, false, b'a');
    packet.push(0);
    packet[5] += 1;
    let late = pushed(&mut defragmenter, &packet, 0);
    assert_eq!(late.outcome, dropped(DropReason::TooLarge));
    assert!(late.faults.contains(DecodeFault::Ipv6FragPktTooLarge));
}

#[test]
fn a_first_fragment_with_longer_headers_than_the_last_foresaw_is_caught() {
    let mut defragmenter = with(|o| o.max_datagram_bytes = 200_000);
    push(&mut defragmenter, &piece(1, 65_504..65_515, false, b'a'), 0);
    for n in 1..44 {
        let at = n * 1480..((n + 1) * 1480).min(65_504);
        push(&mut defragmenter, &piece(1, at, true, b'a'), 0);
    }
    let at = 44 * 1480..65_504;
    push(&mut defragmenter, &piece(1, at, true, b'a'), 0);
    let ip = Ipv4 {
        id: 1,
        protocol: Some(253),
        more_fragments: true,
        options: vec![1; 40],
        ..Ipv4::new(SRC, DST)
    };
    let first = Frame::new().layer(ip).payload(&[1; 1480]).bytes();
    assert_eq!(push(&mut defragmenter, &first, 0), dropped(DropReason::TooLarge));
    assert_eq!((defragmenter.trackers(), defragmenter.memory()), (0, 0));
}

#[test]
fn lengths_that_are_no_multiple_of_8_are_trimmed_in_ipv4_and_refused_in_ipv6() {
    let mut defragmenter = defragmenter();
    push(&mut defragmenter, &piece(1, 0..13, true, b'a'), 0);
    let whole = complete(push(&mut defragmenter, &piece(1, 8..11, false, b'b'), 0));
    assert_eq!(whole.datagram[20..], *b"aaaaaaaabbb");
    assert_eq!(push(&mut defragmenter, &piece(2, 0..7, true, b'a'), 0), dropped(DropReason::Empty));
    assert_eq!(defragmenter.counters().trimmed, 2);
    let refused = pushed(&mut defragmenter, &piece6(1, 0..13, true, b'a'), 0);
    assert_eq!(refused.outcome, dropped(DropReason::Unaligned));
    assert!(refused.faults.contains(DecodeFault::Ipv6FragInvalidLength));
}

#[test]
fn fragments_that_are_damaged_or_cut_by_the_capture_are_not_used() {
    let mut defragmenter = defragmenter();
    let mut packet = piece(1, 0..8, true, b'a');
    packet[10] ^= 1;
    assert_eq!(push(&mut defragmenter, &packet, 0), dropped(DropReason::Invalid));
    let packet = piece(1, 0..8, true, b'a');
    let cut = &packet[..packet.len() - 1];
    let decoded = Decoder::default().decode(cut, packet.len() as u32, LinkType::RawIp);
    assert_eq!(defragmenter.push(&decoded, 0).outcome, dropped(DropReason::CutShort));
    assert_eq!(defragmenter.trackers(), 0);
}

#[test]
fn first_fragments_too_short_for_their_transport_are_counted() {
    let mut defragmenter = defragmenter();
    let packets = fragment_ipv4(&Frame::new().ipv4(SRC, DST).tcp(1, 2).payload(b"x").bytes(), 16);
    push(&mut defragmenter, &packets[0], 0);
    complete(push(&mut defragmenter, &packets[1], 0));
    assert_eq!(defragmenter.counters().tiny, 1);
}

#[test]
fn trackers_that_became_whole_leave_nothing_behind() {
    let mut defragmenter = defragmenter();
    for n in 0..20_000u32 {
        let id = n as u16;
        push(&mut defragmenter, &piece(id, 0..8, true, b'a'), n.into());
        complete(push(&mut defragmenter, &piece(id, 8..9, false, b'b'), n.into()));
    }
    assert_eq!((defragmenter.trackers(), defragmenter.memory()), (0, 0));
    assert!(defragmenter.ages.iter().all(|ages| ages.len() < 100));
    let counters = defragmenter.counters();
    assert_eq!((counters.ipv4_fragments, counters.ipv4_reassembled), (40_000, 20_000));
    assert!(counters.iter().any(|pair| pair == ("ipv4.reassembled", 20_000)));
    assert!(counters.drops().all(|(_, n)| n == 0));
}

#[test]
fn time_that_goes_backwards_does_no_harm() {
    let mut defragmenter = defragmenter();
    push(&mut defragmenter, &piece(1, 0..8, true, b'a'), 100 * SECOND);
    complete(push(&mut defragmenter, &piece(1, 8..9, false, b'b'), 5));
    defragmenter.tick(0);
}

#[test]
fn no_room_at_all_drops_everything() {
    let mut defragmenter = with(|o| o.max_trackers = 0);
    assert_eq!(
        push(&mut defragmenter, &piece(1, 0..8, true, b'a'), 0),
        dropped(DropReason::NoRoom)
    );
}
