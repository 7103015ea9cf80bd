//! What is wrong with a packet, by name.

use umbra_wire::build::{Extension, Ipv4, Ipv6, Tcp};
use umbra_wire::number::protocol;

use super::*;

/// A decoder that does not look at checksums, since these packets are changed after they were made.
fn events_of(frame: &[u8]) -> Vec<&'static str> {
    let options = DecodeOptions { checksums: ChecksumPolicy::None, ..DecodeOptions::default() };
    events(&Decoder::new(options).decode(frame, frame.len() as u32, LinkType::Ethernet))
}

fn changed(frame: &Frame, changes: &[(usize, u8)]) -> Vec<u8> {
    let mut bytes = frame.bytes();
    for &(at, value) in changes {
        bytes[at] = value;
    }
    bytes
}

fn carrying(number: u8, payload: &[u8]) -> Vec<u8> {
    eth().layer(Ipv4 { protocol: Some(number), ..Ipv4::new(SRC, DST) }).payload(payload).bytes()
}

fn carrying6(number: u8, payload: &[u8]) -> Vec<u8> {
    eth().layer(Ipv6 { next_header: Some(number), ..Ipv6::new(V, W) }).payload(payload).bytes()
}

fn options4(options: &[u8]) -> Vec<u8> {
    eth().layer(Ipv4 { options: options.to_vec(), ..Ipv4::new(SRC, DST) }).udp(1, 2).bytes()
}

fn extension(kind: u8, body: &[u8]) -> Vec<u8> {
    ip6().extension(kind, body).udp(1, 2).bytes()
}

fn tcp(options: &[u8]) -> Vec<u8> {
    ip4().layer(Tcp { options: options.to_vec(), ..Tcp::new(1, 2) }).bytes()
}

fn cut(frame: Frame, by: usize) -> Vec<u8> {
    let bytes = frame.bytes();
    bytes[..bytes.len() - by].to_vec()
}

#[test]
fn link_and_network_faults_are_named() {
    let udp = ip4().udp(1, 2).payload(b"data");
    let udp6 = ip6().udp(1, 2).payload(b"data");
    let cases: Vec<(Vec<u8>, &[&str])> = vec![
        (raw(0x1234, b"x"), &["ethernet.unknown_ethertype"]),
        (raw(0x8100, &[0, 1, 0x12, 0x34, 9]), &["vlan.unknown_type"]),
        (raw(0x8100, &[0, 1, 8]), &["vlan.header_too_small"]),
        (eth().vlan(1).vlan(2).vlan(3).vlan(4).ipv4(SRC, DST).bytes(), &["vlan.too_many_layers"]),
        (raw(5, &[0xaa, 0xaa, 3, 0, 0]), &["llc.pkt_too_small"]),
        (raw(0x0806, &[0; 7]), &["arp.pkt_too_small"]),
        (
            raw(0x0806, &[0, 6, 0x86, 0xdd, 1, 1, 0, 9, 1, 2, 3, 4]),
            &[
                "arp.unsupported_hardware",
                "arp.unsupported_protocol",
                "arp.invalid_hardware_size",
                "arp.invalid_protocol_size",
                "arp.unsupported_opcode",
            ],
        ),
        (raw(0x8864, &[0x11, 0, 0, 1, 0]), &["pppoe.pkt_too_small"]),
        (raw(0x8864, &[0x11, 0, 0, 1, 0, 9, 0, 0x21]), &["pppoe.pkt_too_small"]),
        (raw(0x8864, &[0x11, 7, 0, 1, 0, 0]), &["pppoe.wrong_code"]),
        (raw(0x0800, &[0x45; 19]), &["ipv4.pkt_too_small"]),
        (changed(&udp, &[(14, 0x65)]), &["ipv4.wrong_ip_version"]),
        (changed(&udp, &[(14, 0x44)]), &["ipv4.hlen_too_small"]),
        (changed(&udp, &[(16, 0), (17, 19)]), &["ipv4.iplen_smaller_than_hlen"]),
        (changed(&udp, &[(17, 33)]), &["ipv4.trunc_pkt"]),
        (changed(&udp, &[(14, 0x4f)]), &["ipv4.iplen_smaller_than_hlen"]),
        (changed(&udp, &[(14, 0x4f), (17, 200)]), &["ipv4.trunc_pkt"]),
        (raw(0x86dd, &[0x60; 39]), &["ipv6.pkt_too_small"]),
        (changed(&udp6, &[(14, 0x40)]), &["ipv6.wrong_ip_version"]),
        (changed(&udp6, &[(19, 13)]), &["ipv6.trunc_pkt"]),
        (carrying6(protocol::IPV4, &[0x45; 8]), &["ipv6.ipv4_in_ipv6_too_small"]),
        (carrying6(protocol::IPV4, &[0x60; 40]), &["ipv6.ipv4_in_ipv6_wrong_version"]),
        (carrying6(protocol::IPV6, &[0x60; 39]), &["ipv6.ipv6_in_ipv6_too_small"]),
        (carrying6(protocol::IPV6, &[0x45; 40]), &["ipv6.ipv6_in_ipv6_wrong_version"]),
        (carrying(protocol::ICMPV6, &[128; 8]), &["ipv4.icmpv6"]),
        (carrying6(protocol::ICMP, &[8; 8]), &["ipv6.icmpv4"]),
        (carrying6(59, &[]), &[]),
        (carrying6(59, &[1]), &["ipv6.data_after_none_header"]),
        (carrying6(89, &[1]), &["ipv6.unknown_next_header"]),
    ];
    for (frame, expected) in cases {
        assert_eq!(events_of(&frame), expected, "{frame:02x?}");
    }
}

#[test]
fn ipv4_option_faults_are_named() {
    let cases: [(&[u8], &[&str]); 12] = [
        (&[7, 7, 4, 0, 0, 0, 0, 0], &[]),
        (&[148, 4, 0, 0], &["ipv4.opt_pad_required"]),
        (&[7, 1, 0, 0, 0, 0, 0, 0], &["ipv4.opt_invalid_len"]),
        (&[7, 9, 4, 0, 0, 0, 0, 0], &["ipv4.opt_invalid_len"]),
        (&[1, 1, 1, 1, 1, 1, 1, 7], &["ipv4.opt_eol_required"]),
        (&[99, 8, 0, 0, 0, 0, 0, 0], &["ipv4.opt_unknown"]),
        (&[148, 4, 0, 0, 148, 4, 0, 0], &["ipv4.opt_duplicate"]),
        (&[148, 3, 0, 0, 0, 0, 0, 0], &["ipv4.opt_invalid"]),
        (&[7, 7, 3, 0, 0, 0, 0, 0], &["ipv4.opt_malformed"]),
        (&[131, 7, 12, 0, 0, 0, 0, 0], &["ipv4.opt_malformed"]),
        (&[68, 8, 5, 0, 0, 0, 0, 0], &[]),
        (&[68, 8, 4, 0, 0, 0, 0, 0], &["ipv4.opt_malformed"]),
    ];
    for (options, expected) in cases {
        assert_eq!(events_of(&options4(options)), expected, "{options:02x?}");
    }
}

#[test]
fn ipv6_extension_faults_are_named() {
    const HOP: u8 = protocol::HOP_BY_HOP;
    const DST_OPT: u8 = protocol::DESTINATION;
    let twice =
        |kind: u8, body: &[u8]| ip6().extension(kind, body).extension(kind, body).udp(1, 2).bytes();
    let destination = [0x04, 1, 0, 1, 1, 0];
    let mut three = ip6();
    let mut eleven = ip6();
    for _ in 0..3 {
        three = three.extension(DST_OPT, &destination);
    }
    for _ in 0..11 {
        eleven = eleven.extension(protocol::HIP, &[0; 6]);
    }
    let cases: Vec<(Vec<u8>, &[&str])> = vec![
        (extension(HOP, &[5, 2, 0, 0, 1, 0]), &["ipv6.zero_len_padn"]),
        (extension(HOP, &[5, 2, 0, 0, 0, 0]), &[]),
        (extension(HOP, &[1, 4, 0, 0, 0, 0]), &["ipv6.hopopts_only_padding"]),
        (extension(HOP, &[0x3e, 4, 0, 0, 0, 0]), &["ipv6.hopopts_unknown_opt"]),
        (extension(HOP, &[5, 9, 0, 0, 0, 0]), &["ipv6.exthdr_invalid_optlen"]),
        (extension(HOP, &[5, 3, 0, 0, 0, 0]), &["ipv6.exthdr_invalid_optlen"]),
        (extension(DST_OPT, &[1, 4, 0, 0, 0, 0]), &["ipv6.dstopts_only_padding"]),
        (extension(DST_OPT, &[0x3e, 4, 0, 0, 0, 0]), &["ipv6.dstopts_unknown_opt"]),
        (extension(protocol::ROUTING, &[0, 0, 0, 0, 0, 0]), &["ipv6.rh_type_0"]),
        (extension(protocol::FRAGMENT, &[0; 6]), &["ipv6.exthdr_useless_fh"]),
        (
            ip6().layer(Extension { kind: 44, body: vec![0, 0x10, 7, 0, 0, 0] }).udp(1, 2).bytes(),
            &[],
        ),
        (
            changed(&ip6().extension(44, &[0, 0x11, 0, 0, 0, 7]).udp(1, 2), &[(14 + 41, 1)]),
            &["ipv6.fh_non_zero_reserved_field"],
        ),
        (extension(protocol::AH, &[0; 10]), &[]),
        (extension(protocol::AH, &[1; 10]), &["ipv6.exthdr_ah_res_not_null"]),
        (twice(HOP, &[5, 2, 0, 0, 0, 0]), &["ipv6.exthdr_dupl_hh"]),
        (twice(protocol::ROUTING, &[4, 0, 0, 0, 0, 0]), &["ipv6.exthdr_dupl_rh"]),
        (twice(protocol::AH, &[0; 10]), &["ipv6.exthdr_dupl_ah"]),
        (twice(protocol::FRAGMENT, &[0; 6]), &["ipv6.exthdr_dupl_fh", "ipv6.exthdr_useless_fh"]),
        (twice(DST_OPT, &destination), &[]),
        (three.udp(1, 2).bytes(), &["ipv6.exthdr_dupl_dh"]),
        (eleven.udp(1, 2).bytes(), &["ipv6.too_many_exthdr"]),
        (carrying6(HOP, &[17, 3, 1, 4, 0, 0, 0, 0]), &["ipv6.trunc_exthdr"]),
        (carrying6(HOP, &[17]), &["ipv6.trunc_exthdr"]),
    ];
    for (frame, expected) in cases {
        assert_eq!(events_of(&frame), expected, "{frame:02x?}");
    }
}

#[test]
fn transport_faults_are_named() {
    let cases: Vec<(Vec<u8>, &[&str])> = vec![
        (carrying(protocol::TCP, &[0; 19]), &["tcp.pkt_too_small"]),
        (changed(&ip4().tcp(1, 2), &[(34 + 12, 0x60)]), &["tcp.hlen_too_small"]),
        (changed(&ip4().tcp(1, 2), &[(34 + 12, 0x40)]), &["tcp.invalid_optlen"]),
        (tcp(&[2, 3, 1, 0]), &["tcp.opt_invalid_len"]),
        (tcp(&[2, 9, 1, 0]), &["tcp.opt_invalid_len"]),
        (tcp(&[29, 3, 1, 0]), &["tcp.opt_invalid_len"]),
        (tcp(&[2, 4, 5, 0, 2, 4, 5, 0]), &["tcp.opt_duplicate"]),
        (tcp(&[3, 3, 15, 0]), &["tcp.opt_wscale_over_max"]),
        (tcp(&[5, 2, 1, 1]), &[]),
        (carrying(protocol::UDP, &[0; 7]), &["udp.hlen_too_small"]),
        (carrying(protocol::UDP, &[0, 1, 0, 2, 0, 9, 0, 0]), &["udp.pkt_too_small"]),
        (carrying(protocol::UDP, &[0, 1, 0, 2, 0, 7, 0, 0]), &["udp.len_invalid"]),
        (carrying(protocol::UDP, &[0, 1, 0, 2, 0, 8, 0, 0, 9]), &[]),
        (carrying(protocol::UDP_LITE, &[0, 1, 0, 2, 0, 9, 0, 0]), &["udp.pkt_too_small"]),
        (carrying(protocol::UDP_LITE, &[0, 1, 0, 2, 0, 3, 0, 0]), &["udp.len_invalid"]),
        (carrying(protocol::SCTP, &[0; 11]), &["sctp.pkt_too_small"]),
        (carrying(protocol::DCCP, &[0; 11]), &["dccp.pkt_too_small"]),
        (carrying(protocol::ESP, &[0; 7]), &["esp.pkt_too_small"]),
        (carrying(protocol::AH, &[0; 11]), &["ah.pkt_too_small"]),
        (carrying(protocol::IGMP, &[0; 7]), &["igmp.pkt_too_small"]),
        (carrying(protocol::ICMP, &[0; 7]), &["icmpv4.pkt_too_small"]),
        (ip4().icmp(99, 0, 0).bytes(), &["icmpv4.unknown_type"]),
        (ip4().icmp(8, 1, 0).bytes(), &["icmpv4.unknown_code"]),
        (ip4().icmp(9, 16, 0).bytes(), &[]),
        (ip4().icmp(3, 1, 0).payload(&[0x45; 19]).bytes(), &["icmpv4.ipv4_trunc_pkt"]),
        (ip4().icmp(3, 1, 0).payload(&[0x65; 40]).bytes(), &["icmpv4.ipv4_unknown_ver"]),
        (carrying6(protocol::ICMPV6, &[0; 7]), &["icmpv6.pkt_too_small"]),
        (ip6().icmp(255, 0, 0).bytes(), &["icmpv6.unknown_type"]),
        (ip6().icmp(50, 0, 0).bytes(), &["icmpv6.unassigned_type"]),
        (ip6().icmp(200, 0, 0).bytes(), &["icmpv6.experimentation_type"]),
        (ip6().icmp(128, 1, 0).bytes(), &["icmpv6.unknown_code"]),
        (ip6().icmp(130, 0, 0).bytes(), &["icmpv6.mld_message_with_invalid_hl"]),
        (ip6().icmp(1, 0, 0).payload(&[0x60; 39]).bytes(), &["icmpv6.ipv6_trunc_pkt"]),
        (ip6().icmp(1, 0, 0).payload(&[0x45; 40]).bytes(), &["icmpv6.ipv6_unknown_version"]),
    ];
    for (frame, expected) in cases {
        assert_eq!(events_of(&frame), expected, "{frame:02x?}");
    }
}

#[test]
fn gre_faults_are_named() {
    let cases: [(&[u8], &[&str]); 15] = [
        (&[0, 0, 8], &["gre.pkt_too_small"]),
        (&[0, 2, 8, 0], &["gre.wrong_version"]),
        (&[1, 0, 0x12, 0x34], &["gre.version0_recur"]),
        (&[0, 8, 0x12, 0x34], &["gre.version0_flags"]),
        (&[0x20, 0, 8, 0, 1], &["gre.version0_hdr_too_big"]),
        (&[0x40, 0, 8, 0, 0, 0, 0, 0, 0, 2, 0, 9], &["gre.version0_malformed_sre_hdr"]),
        (&[0xa0, 1, 0x88, 0x0b, 0, 0, 0, 0], &["gre.version1_chksum"]),
        (&[0x60, 1, 0x88, 0x0b, 0, 0, 0, 0], &["gre.version1_route"]),
        (&[0x28, 1, 0x88, 0x0b, 0, 0, 0, 0], &["gre.version1_ssr"]),
        (&[0x21, 1, 0x88, 0x0b, 0, 0, 0, 0], &["gre.version1_recur"]),
        (&[0x20, 9, 0x88, 0x0b, 0, 0, 0, 0], &["gre.version1_flags"]),
        (&[0, 1, 0x88, 0x0b, 0, 0, 0, 0], &["gre.version1_no_key"]),
        (&[0x20, 1, 8, 0, 0, 0, 0, 0], &["gre.version1_wrong_protocol"]),
        (&[0x30, 1, 0x88, 0x0b, 0, 0, 0, 0], &["gre.version1_hdr_too_big"]),
        (&[0x40, 0, 0x12, 0x34, 0, 0, 0, 0, 0, 2, 0, 2, 7, 7, 0, 0, 0, 0], &[]),
    ];
    for (header, expected) in cases {
        assert_eq!(events_of(&carrying(protocol::GRE, header)), expected, "{header:02x?}");
    }
    let geneve = ip4().udp(1, 6081).payload(&[0, 0, 0x12, 0x34, 0, 0, 0, 0]).bytes();
    assert_eq!(events_of(&geneve), ["geneve.unknown_payload_type"]);
    let gtp = ip4().udp(1, 2152).gtpu(1).payload(&[0x90; 20]).bytes();
    assert_eq!(events_of(&gtp), ["gtpu.unknown_payload_type"]);
}

#[test]
fn a_snaplen_is_nobodys_fault() {
    for frame in [
        ip4().tcp(1, 2).payload(&[7; 50]),
        ip6().extension(protocol::HOP_BY_HOP, &[5, 2, 0, 0, 0, 0]).udp(1, 2).payload(&[7; 50]),
        eth().qinq(1).vlan(2).mpls(16).ipv4(SRC, DST).gre().ipv6(V, W).tcp(1, 2),
        ip4().udp(1, 4789).vxlan(1).eth(B, A).ipv4(SRC, DST).sctp(1, 2).payload(&[0; 20]),
        ip4().udp(1, 6081).geneve(1).eth(B, A).vlan(1).ipv4(SRC, DST).icmp(8, 0, 1),
        ip4().icmp(3, 1, 0).payload(&Frame::new().ipv4(DST, SRC).udp(1, 2).bytes()),
        eth().pppoe(1).ipv4(SRC, DST).udp(1, 2).payload(&[1; 20]),
        // A pseudowire: its control word, and Ethernet.
        eth().mpls(16).payload(&[&[0; 4][..], &ip4().udp(1, 2).payload(&[1; 20]).bytes()].concat()),
    ] {
        let bytes = frame.bytes();
        let mut decoder = Decoder::default();
        for len in 0..bytes.len() {
            let decoded = decoder.decode(&bytes[..len], bytes.len() as u32, LinkType::Ethernet);
            assert!(decoded.faults.is_empty(), "{len} of {frame:?}: {:?}", events(&decoded));
        }
        assert_eq!(decoder.counters().truncated, bytes.len() as u64);
        assert!(decoder.counters().cut_short > 14);
        assert_eq!(decoder.counters().invalid, 0);
    }
    // The same bytes as a whole frame are at fault.
    assert_eq!(events_of(&cut(ip4().udp(1, 2), 1)), ["ipv4.trunc_pkt"]);
}

#[test]
fn every_fault_has_a_name_of_its_own_that_leads_back_to_it() {
    for (at, fault) in DecodeFault::ALL.iter().enumerate() {
        assert_eq!(*fault as usize, at);
        assert_eq!(DecodeFault::from_event(fault.event()), Some(*fault));
        assert!(fault.help().ends_with('.') || fault.help().ends_with(')'), "{fault:?}");
        assert!(!fault.event().starts_with("decoder."));
        let mut faults = Faults::default();
        assert!(faults.is_empty());
        faults.insert(*fault);
        assert!(faults.contains(*fault) && faults.iter().eq([*fault]));
        assert_eq!(faults.any_invalid(), fault.is_invalid());
        assert_eq!(Faults::default().union(faults), faults);
    }
    const { assert!(DecodeFault::COUNT >= 60) }
    assert_eq!(DecodeFault::from_event("nonsense"), None);
}

#[test]
fn faults_protocols_and_sizes_are_counted() {
    let mut decoder = Decoder::default();
    let good = ip4().tcp(1, 2).payload(&[0; 46]).bytes();
    let bad = raw(0x0800, &[0x45; 19]);
    for frame in [&good, &good, &bad] {
        let _ = decoder.decode(frame, frame.len() as u32, LinkType::Ethernet);
    }
    let counters = decoder.counters();
    assert_eq!((counters.packets, counters.bytes, counters.invalid), (3, 100 + 100 + 33, 1));
    assert_eq!((counters.max_pkt_size, counters.avg_pkt_size()), (100, 77));
    assert_eq!(counters.protocol(Protocol::Ethernet), 3);
    assert_eq!(counters.protocol(Protocol::Tcp), 2);
    assert_eq!(counters.fault(DecodeFault::Ipv4PktTooSmall), 1);
    assert!(counters.faults().any(|pair| pair == ("ipv4.pkt_too_small", 1)));
    assert!(counters.protocols().any(|pair| pair == ("ipv4", 2)));
    let mut both = counters.clone();
    both.merge(counters);
    assert_eq!((both.packets, both.protocol(Protocol::Tcp)), (6, 4));
    assert_eq!((both.max_pkt_size, both.fault(DecodeFault::Ipv4PktTooSmall)), (100, 2));
}
