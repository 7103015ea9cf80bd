//! Link types other than Ethernet.

use super::*;

fn packet(v6: bool) -> Vec<u8> {
    if v6 { Frame::new().ipv6(V, W) } else { Frame::new().ipv4(SRC, DST) }
        .udp(5, 6)
        .payload(b"data")
        .bytes()
}

#[test]
fn link_types_are_known_by_their_numbers_in_captures() {
    for dlt in [12, 14, 101, 228, 229] {
        assert_eq!(LinkType::from_dlt(dlt), LinkType::RawIp);
    }
    assert_eq!(LinkType::from_dlt(1), LinkType::Ethernet);
    assert_eq!((LinkType::from_dlt(0), LinkType::from_dlt(108)), (LinkType::Null, LinkType::Null));
    assert_eq!(LinkType::from_dlt(113), LinkType::LinuxSll);
    assert_eq!(LinkType::from_dlt(276), LinkType::LinuxSll2);
    assert_eq!(LinkType::from_dlt(9), LinkType::Ppp);
    assert_eq!(LinkType::from_dlt(105), LinkType::Unsupported(105));
    assert!(!LinkType::from_dlt(105).is_supported() && LinkType::from_dlt(9).is_supported());
}

#[test]
fn every_link_type_leads_to_the_same_packet() {
    for v6 in [false, true] {
        let packet = packet(v6);
        let ethertype: u16 = if v6 { 0x86dd } else { 0x0800 };
        let [high, low] = ethertype.to_be_bytes();
        let family = if v6 { 30 } else { 2 };
        let ppp = if v6 { 0x57 } else { 0x21 };
        let sll = [0, 0, 0, 1, 0, 6, 2, 0, 0, 0, 0, 0xb, 0, 0, high, low];
        let sll2 = [high, low, 0, 0, 0, 0, 0, 3, 0, 1, 0, 6, 2, 0, 0, 0, 0, 0xb, 0, 0];
        let cases: [(LinkType, &[u8]); 9] = [
            (LinkType::RawIp, &[]),
            (LinkType::Null, &[family, 0, 0, 0]),
            (LinkType::Null, &[0, 0, 0, family]),
            (LinkType::Ppp, &[0xff, 3, 0, ppp]),
            (LinkType::Ppp, &[0, ppp]),
            (LinkType::Ppp, &[ppp]),
            (LinkType::Ppp, &[0x0f, 0, high, low]),
            (LinkType::LinuxSll, &sll),
            (LinkType::LinuxSll2, &sll2),
        ];
        for (link, header) in cases {
            let frame = [header, &packet].concat();
            let decoded = decode_as(link, &frame);
            assert_eq!(decoded.ports(), Some((5, 6)), "{link:?} {header:x?}");
            assert_eq!((decoded.payload, decoded.ethertype), (&b"data"[..], ethertype));
            assert!(decoded.faults.is_empty() && decoded.tunnels.is_empty());
            if matches!(link, LinkType::LinuxSll | LinkType::LinuxSll2) {
                assert_eq!(decoded.src_mac, B);
            }
            for captured in 0..frame.len() {
                let len = frame.len() as u32;
                let mut decoder = Decoder::default();
                let faults = decoder.decode(&frame[..captured], len, link).faults;
                assert!(faults.is_empty(), "{captured} bytes of {link:?} {header:x?}: {faults:?}");
            }
        }
    }
    // A protocol of one byte may be all that there is of a frame.
    let faults = Decoder::default().decode(&[], 1, LinkType::Ppp).faults;
    assert!(faults.is_empty(), "{faults:?}");
}

#[test]
fn cooked_captures_may_hold_tags_and_llc() {
    let tagged =
        [&[0, 0, 0, 1, 0, 6, 2, 0, 0, 0, 0, 0xb, 0, 0, 0x81, 0, 0, 9, 8, 0][..], &packet(false)];
    let frame = tagged.concat();
    let decoded = decode_as(LinkType::LinuxSll, &frame);
    assert_eq!((decoded.vlans.ids(), decoded.ports()), (&[9][..], Some((5, 6))));
    let llc = [0, 2, 0, 1, 0, 6, 2, 0, 0, 0, 0, 0xb, 0, 0, 0, 4, 0x42, 0x42, 3, 1, 2];
    assert_eq!(decode_as(LinkType::LinuxSll, &llc).payload, [1, 2]);
}

#[test]
fn what_a_link_cannot_carry_is_a_fault() {
    let cases: [(LinkType, &[u8], &str); 12] = [
        (LinkType::Ethernet, &[0; 13], "ethernet.pkt_too_small"),
        (LinkType::RawIp, &[], "ipraw.invalid_ip_version"),
        (LinkType::RawIp, &[0x50; 40], "ipraw.invalid_ip_version"),
        (LinkType::Null, &[2, 0, 0], "ltnull.pkt_too_small"),
        (LinkType::Null, &[7, 0, 0, 0], "ltnull.unsupported_type"),
        (LinkType::Ppp, &[0xff, 3], "ppp.pkt_too_small"),
        (LinkType::Ppp, &[0xff, 3, 0, 0x21, 0x45], "ppp.ip4_pkt_too_small"),
        (LinkType::Ppp, &[0xff, 3, 0, 0x57, 0x60], "ppp.ip6_pkt_too_small"),
        (LinkType::Ppp, &[0xff, 3, 0, 0x2f, 0x45], "ppp.vju_pkt_too_small"),
        (LinkType::LinuxSll, &[0; 15], "sll.pkt_too_small"),
        (LinkType::LinuxSll2, &[0; 19], "sll2.pkt_too_small"),
        (LinkType::Unsupported(105), &[0; 30], "link.unsupported_type"),
    ];
    for (link, frame, event) in cases {
        assert_eq!(events(&decode_as(link, frame)), [event], "{link:?} {frame:x?}");
    }
    assert_eq!(events(&decode_as(LinkType::Ppp, &[0xc0, 0x21, 1])), ["ppp.unsup_proto"]);
    assert_eq!(events(&decode_as(LinkType::Ppp, &[0x7e, 0x08, 1])), ["ppp.wrong_type"]);
}
