//! What was one datagram is one again, byte for byte.

use proptest::prelude::*;
use umbra_wire::build::Gre;

use super::*;
use crate::decode::{ChecksumState, Transport};

#[test]
fn fragments_in_any_order_give_the_datagram_that_was_cut() {
    for v6 in [false, true] {
        let datagram = if v6 { udp6(4000) } else { udp4(4000) };
        let cut =
            || if v6 { fragment_ipv6(&datagram, 600, 9) } else { fragment_ipv4(&datagram, 600) };
        let mut orders = [cut(), cut(), cut()];
        orders[1].reverse();
        orders[2].swap(0, 3);
        for order in orders {
            let mut defragmenter = defragmenter();
            let (last, rest) = order.split_last().unwrap();
            for packet in rest {
                assert_eq!(push(&mut defragmenter, packet, 5), DefragOutcome::Held);
            }
            let whole = complete(push(&mut defragmenter, last, 9));
            assert_eq!(whole.datagram, datagram);
            assert_eq!((whole.fragments, whole.first_ns), (order.len() as u16, 5));
            assert_eq!((defragmenter.trackers(), defragmenter.memory()), (0, 0));
            let mut decoder = Decoder::default();
            let decoded = decoder.decode_ip(&whole.datagram);
            assert_eq!((decoded.ports(), decoded.payload.len()), (Some((53, 4000)), 4000));
            assert_eq!(decoded.checksums.l4, ChecksumState::Good);
            assert!(decoded.faults.is_empty() && !decoded.is_fragment());
            assert_eq!((decoder.counters().reassembled, decoder.counters().packets), (1, 0));
        }
    }
}

#[test]
fn headers_before_the_fragment_header_and_options_are_kept() {
    let datagram = Frame::new()
        .ipv6(V, W)
        .extension(protocol::HOP_BY_HOP, &[5, 2, 0, 0, 0, 0])
        .extension(protocol::ROUTING, &[4, 0, 0, 0, 0, 0])
        .extension(protocol::DESTINATION, &[4, 1, 0, 1, 1, 0])
        .udp(1, 2)
        .payload(&bytes(900))
        .bytes();
    let mut defragmenter = defragmenter();
    let packets = fragment_ipv6(&datagram, 400, 3);
    let outcomes: Vec<_> = packets.iter().map(|p| push(&mut defragmenter, p, 0)).collect();
    assert_eq!(complete(outcomes.into_iter().next_back().unwrap()).datagram, datagram);

    let ip = Ipv4 { options: vec![148, 4, 0, 0, 1, 1, 1, 0], id: 5, ttl: 9, ..Ipv4::new(SRC, DST) };
    let datagram = Frame::new().layer(ip).udp(1, 2).payload(&bytes(900)).bytes();
    let packets = fragment_ipv4(&datagram, 400);
    let outcomes: Vec<_> = packets.iter().map(|p| push(&mut defragmenter, p, 0)).collect();
    assert_eq!(complete(outcomes.into_iter().next_back().unwrap()).datagram, datagram);
}

#[test]
fn what_is_no_fragment_passes() {
    let mut defragmenter = defragmenter();
    assert_eq!(push(&mut defragmenter, &udp4(10), 0), DefragOutcome::NotFragment);
    let atomic = Frame::new().ipv6(V, W).extension(protocol::FRAGMENT, &[0; 6]).udp(1, 2).bytes();
    assert_eq!(push(&mut defragmenter, &atomic, 0), DefragOutcome::NotFragment);
    assert_eq!(push(&mut defragmenter, &[], 0), DefragOutcome::NotFragment);
    assert_eq!(*defragmenter.counters(), DefragCounters::default());
}

#[test]
fn datagrams_are_told_apart_by_addresses_id_protocol_vlan_and_tunnel() {
    let mut defragmenter = defragmenter();
    let ip = |src: [u8; 4], id, number, offset| Ipv4 {
        id,
        protocol: Some(number),
        more_fragments: offset == 0,
        fragment_offset: offset,
        ..Ipv4::new(src, DST)
    };
    let eth = || Frame::ethernet([2; 6], [4; 6]);
    let frames = |offset: u16| {
        let ip = |src, id, number| ip(src, id, number, offset);
        [
            eth().layer(ip(SRC, 1, 253)),
            eth().layer(ip([7; 4], 1, 253)),
            eth().layer(ip(SRC, 2, 253)),
            eth().layer(ip(SRC, 1, 254)),
            eth().vlan(5).layer(ip(SRC, 1, 253)),
            eth().vlan(6).layer(ip(SRC, 1, 253)),
            eth().qinq(5).vlan(6).layer(ip(SRC, 1, 253)),
            eth()
                .ipv4([1; 4], [2; 4])
                .layer(Gre { key: Some(1), ..Gre::default() })
                .layer(ip(SRC, 1, 253)),
            eth()
                .ipv4([1; 4], [2; 4])
                .layer(Gre { key: Some(2), ..Gre::default() })
                .layer(ip(SRC, 1, 253)),
        ]
    };
    let mut give = |frame: &Frame, letter| {
        let frame = frame.clone().payload(&[letter; 8]).bytes();
        let decoded = Decoder::default().decode(&frame, frame.len() as u32, LinkType::Ethernet);
        defragmenter.push(&decoded, 0).outcome
    };
    for (letter, frame) in frames(0).iter().enumerate() {
        assert_eq!(give(frame, letter as u8), DefragOutcome::Held);
    }
    for (letter, frame) in frames(8).iter().enumerate() {
        let whole = complete(give(frame, letter as u8));
        assert_eq!(whole.datagram[20..], [letter as u8; 16]);
    }
}

#[test]
fn a_fragmented_tunnel_shows_what_it_carries_once_it_is_whole() {
    let inside = Frame::new()
        .ipv4([172, 16, 0, 1], [172, 16, 0, 2])
        .gre()
        .ipv4(SRC, DST)
        .tcp(40_000, 80)
        .payload(&bytes(1400))
        .bytes();
    let mut defragmenter = defragmenter();
    let packets = fragment_ipv4(&inside, 1000);
    let mut decoder = Decoder::default();
    assert_eq!(push(&mut defragmenter, &packets[0], 0), DefragOutcome::Held);
    let whole = complete(push(&mut defragmenter, &packets[1], 0));
    let decoded = decoder.decode_ip(&whole.datagram);
    assert!(matches!(decoded.transport, Transport::Tcp(_)));
    assert_eq!((decoded.payload.len(), decoded.tunnels.len()), (1400, 1));
}

#[test]
fn the_largest_datagrams_are_put_together() {
    let mut defragmenter = defragmenter();
    for (datagram, packets) in [
        (udp4(65_507), fragment_ipv4(&udp4(65_507), 1480)),
        (udp6(65_527), fragment_ipv6(&udp6(65_527), 1232, 1)),
    ] {
        let outcomes: Vec<_> = packets.iter().map(|p| push(&mut defragmenter, p, 0)).collect();
        assert_eq!(complete(outcomes.into_iter().next_back().unwrap()).datagram, datagram);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn cut_shuffled_and_repeated_fragments_give_what_was_cut(
        len in 1..6000usize, size in 8..1500usize, v6: bool, seed: u64, repeats in 0..5usize,
    ) {
        let datagram = if v6 { udp6(len) } else { udp4(len) };
        let size = size.max(len / 60);
        let mut packets =
            if v6 { fragment_ipv6(&datagram, size, 7) } else { fragment_ipv4(&datagram, size) };
        prop_assume!(packets.len() > 1);
        // A permutation from the seed; then some fragments once more, before the last one.
        let mut state = seed;
        for at in (1..packets.len()).rev() {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            packets.swap(at, (state >> 33) as usize % (at + 1));
        }
        for n in 0..repeats.min(packets.len() - 1) {
            packets.insert(n, packets[n].clone());
        }
        let mut defragmenter = defragmenter();
        let mut whole = None;
        for packet in &packets {
            match push(&mut defragmenter, packet, 0) {
                DefragOutcome::Held | DefragOutcome::Dropped(DropReason::Duplicate) => {}
                DefragOutcome::Complete(datagram) => {
                    prop_assert!(whole.is_none());
                    whole = Some(datagram.datagram);
                }
                other => prop_assert!(false, "{other:?}"),
            }
        }
        prop_assert_eq!(whole, Some(datagram));
        prop_assert_eq!((defragmenter.trackers(), defragmenter.memory()), (0, 0));
    }
}
