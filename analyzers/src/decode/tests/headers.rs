//! Well-formed packets of every protocol.

use umbra_wire::build::{self, Arp, Extension, Ipv4, Tcp, Udp};
use umbra_wire::number::protocol;
use umbra_wire::tcp::flag;

use super::*;

#[test]
fn tcp_over_ipv4_is_decoded_with_all_fields() {
    let ip = Ipv4 { ttl: 61, tos: 0xb9, id: 0x1234, dont_fragment: true, ..Ipv4::new(SRC, DST) };
    let options = vec![2, 4, 5, 0xb4, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2, 1, 3, 3, 7];
    let tcp = Tcp {
        seq: 7,
        ack: 8,
        flags: flag::SYN | flag::ECE | flag::AE,
        window: 512,
        urgent: 3,
        options: options.clone(),
        ..Tcp::new(40_000, 443)
    };
    let frame = eth().layer(ip).layer(tcp).payload(b"data").bytes();
    let decoded = decode(&frame);
    assert_eq!((decoded.src_mac, decoded.dst_mac, decoded.ethertype), (B, A, 0x0800));
    let ip = decoded.ip.unwrap();
    assert_eq!((ip.version, ip.protocol, ip.ttl, ip.tos, ip.id), (4, 6, 61, 0xb9, 0x1234));
    assert_eq!(
        (ip.src.to_string().as_str(), ip.dst.to_string().as_str()),
        ("10.0.0.1", "192.0.2.9")
    );
    assert_eq!((ip.header_len, ip.total_len), (20, 64));
    assert!(ip.dont_fragment && !ip.reserved_bit && ip.fragment.is_none());
    let Transport::Tcp(tcp) = decoded.transport else { panic!("{decoded:?}") };
    assert_eq!((tcp.src_port, tcp.dst_port, tcp.seq, tcp.ack), (40_000, 443, 7, 8));
    assert!(tcp.has(flag::SYN | flag::AE) && !tcp.has(flag::ACK));
    assert_eq!((tcp.window, tcp.urgent, tcp.header_len, tcp.options), (512, 3, 40, &options[..]));
    assert_eq!((tcp.mss, tcp.window_scale, tcp.sack_permitted), (Some(1460), Some(7), true));
    assert_eq!(tcp.timestamps, Some((1, 2)));
    assert_eq!(decoded.payload, b"data");
    assert_eq!((decoded.datagram.len(), decoded.segment.len()), (64, 44));
    assert_eq!(decoded.checksums, Checksums { ip: ChecksumState::Good, l4: ChecksumState::Good });
    assert!(decoded.faults.is_empty(), "{:?}", events(&decoded));
}

#[test]
fn tcp_options_of_a_running_connection_and_of_fast_open() {
    let sack = [&[1, 1, 5, 18][..], &[0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 5, 0, 0, 0, 9]].concat();
    for (options, sack, timestamps, cookie) in [
        (vec![1, 1, 8, 10, 0, 0, 0, 9, 0, 0, 0, 8], vec![], Some((9, 8)), None),
        (sack, vec![(1, 2), (5, 9)], None, None),
        (vec![34, 2, 1, 1], vec![], None, Some(&[][..])),
        (vec![34, 6, 1, 2, 3, 4, 1, 1], vec![], None, Some(&[1, 2, 3, 4][..])),
    ] {
        let frame = ip4().layer(Tcp { options, ..Tcp::new(1, 2) }).bytes();
        let decoded = decode(&frame);
        let Transport::Tcp(tcp) = decoded.transport else { panic!("{decoded:?}") };
        assert_eq!((tcp.sack.as_slice(), tcp.timestamps), (&sack[..], timestamps));
        assert_eq!(tcp.fast_open, cookie);
        assert!(decoded.faults.is_empty());
    }
}

#[test]
fn udp_and_its_relatives_are_decoded() {
    let lite = Udp { src: 5, dst: 6, lite: true, no_checksum: false };
    for (frame, lite) in [(ip4().udp(5, 6), false), (ip6().layer(lite), true)] {
        let frame = frame.payload(b"data").bytes();
        let decoded = decode(&frame);
        let Transport::Udp(udp) = decoded.transport else { panic!("{decoded:?}") };
        assert_eq!((udp.src_port, udp.dst_port, udp.len, udp.lite), (5, 6, 12, lite));
        assert_eq!((decoded.payload, decoded.ports()), (&b"data"[..], Some((5, 6))));
        assert_eq!(decoded.checksums.l4, ChecksumState::Good);
        assert!(decoded.faults.is_empty());
    }
}

#[test]
fn sctp_dccp_esp_igmp_and_others_are_decoded() {
    let frame = ip4().sctp(7, 8).payload(&[1, 0, 0, 4]).bytes();
    let Transport::Sctp(sctp) = decode(&frame).transport else { panic!() };
    assert_eq!((sctp.src_port, sctp.dst_port, sctp.first_chunk), (7, 8, Some(1)));

    let other = |number, payload: &[u8]| {
        let ip = Ipv4 { protocol: Some(number), ..Ipv4::new(SRC, DST) };
        eth().layer(ip).payload(payload).bytes()
    };
    let frame = other(protocol::DCCP, &[0, 9, 0, 10, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2]);
    let decoded = decode(&frame);
    assert_eq!((decoded.ports(), decoded.payload), (Some((9, 10)), &[1, 2][..]));

    let frame = other(protocol::ESP, &[0, 0, 0, 1, 0, 0, 0, 2, 9, 9]);
    let decoded = decode(&frame);
    let Transport::Esp(esp) = decoded.transport else { panic!() };
    assert_eq!((esp.spi, esp.seq, decoded.payload), (1, 2, &[9, 9][..]));

    let frame = other(protocol::IGMP, &[0x16, 0, 0, 0, 224, 0, 0, 251]);
    let Transport::Igmp(igmp) = decode(&frame).transport else { panic!() };
    assert_eq!((igmp.kind, igmp.group), (0x16, [224, 0, 0, 251]));

    let frame = other(89, b"ospf");
    let decoded = decode(&frame);
    assert!(matches!(decoded.transport, Transport::Other(89)));
    assert_eq!((decoded.payload, decoded.ports()), (&b"ospf"[..], None));
}

#[test]
fn an_ah_header_in_ipv4_is_walked_over() {
    let ip = Ipv4 { protocol: Some(protocol::AH), ..Ipv4::new(SRC, DST) };
    let frame = eth()
        .layer(ip)
        .layer(Extension { kind: protocol::AH, body: vec![0; 22] })
        .tcp(5, 6)
        .payload(b"x")
        .bytes();
    let decoded = decode(&frame);
    let ip = decoded.ip.unwrap();
    assert_eq!((ip.protocol, decoded.ports(), decoded.payload), (6, Some((5, 6)), &b"x"[..]));
    assert!(ip.extensions.has(ExtensionSet::AH));
    assert_eq!(decoded.checksums.l4, ChecksumState::Good);
}

#[test]
fn ipv6_extension_headers_are_walked_over() {
    let home = [[0xc9, 16].as_slice(), &V].concat();
    let frame = ip6()
        .extension(protocol::HOP_BY_HOP, &[5, 2, 0, 0, 0, 0])
        .extension(protocol::DESTINATION, &[&[1, 2, 0, 0][..], &home].concat())
        .extension(protocol::ROUTING, &[4, 0, 0, 0, 0, 0])
        .extension(protocol::AH, &[0; 22])
        .udp(5, 6)
        .payload(b"data")
        .bytes();
    let decoded = decode(&frame);
    let ip = decoded.ip.unwrap();
    assert_eq!((ip.version, ip.protocol), (6, protocol::UDP));
    assert_eq!((ip.header_len, ip.total_len), (40 + 8 + 24 + 8 + 24, 40 + 64 + 12));
    for header in [ExtensionSet::HOP_BY_HOP, ExtensionSet::ROUTING, ExtensionSet::AH] {
        assert!(ip.extensions.has(header));
    }
    assert!(!ip.extensions.has(ExtensionSet::FRAGMENT));
    assert_eq!(decoded.payload, b"data");
    assert!(decoded.faults.is_empty(), "{:?}", events(&decoded));
}

#[test]
fn fragments_stop_at_ip_and_say_where_they_belong() {
    let ip = Ipv4 { id: 7, more_fragments: true, fragment_offset: 1480, ..Ipv4::new(SRC, DST) };
    let frame = eth().layer(Ipv4 { protocol: Some(17), ..ip }).payload(&[1; 24]).bytes();
    let decoded = decode(&frame);
    let ip = decoded.ip.unwrap();
    assert_eq!(ip.fragment, Some(Fragment { offset: 1480, more: true, data_at: 20 }));
    assert_eq!((ip.id, ip.protocol), (7, 17));
    assert!(decoded.is_fragment() && decoded.transport.is_none());
    assert_eq!((decoded.payload, decoded.segment.len()), (&[1; 24][..], 0));

    let frame = ip6()
        .extension(protocol::HOP_BY_HOP, &[5, 2, 0, 0, 1, 0])
        .extension(protocol::FRAGMENT, &[0, 9, 0, 0, 0, 5])
        .udp(1, 2)
        .payload(&[0; 8])
        .bytes();
    let decoded = decode(&frame);
    let ip = decoded.ip.unwrap();
    assert_eq!(ip.fragment, Some(Fragment { offset: 8, more: true, data_at: 56 }));
    assert_eq!((ip.id, ip.protocol, decoded.payload.len()), (5, 17, 16));
    assert!(decoded.transport.is_none());

    let frame = ip6().extension(protocol::FRAGMENT, &[0; 6]).udp(1, 2).bytes();
    let decoded = decode(&frame);
    assert!(!decoded.is_fragment(), "an atomic fragment is whole");
    assert_eq!((decoded.ports(), events(&decoded)), (Some((1, 2)), vec!["ipv6.exthdr_useless_fh"]));
}

#[test]
fn an_icmp_error_names_the_flow_that_it_is_about() {
    let quoted = Frame::new().ipv4(SRC, DST).tcp(40_000, 443).payload(b"abc").bytes();
    let frame = eth().ipv4([9, 9, 9, 9], SRC).icmp(3, 4, 1400).payload(&quoted).bytes();
    let decoded = decode(&frame);
    let Transport::Icmp4(icmp) = decoded.transport else { panic!("{decoded:?}") };
    assert_eq!((icmp.kind, icmp.code, icmp.word, icmp.id), (3, 4, 1400, 0));
    let about = icmp.quoted.unwrap();
    assert_eq!((about.protocol, about.ports, about.fragment), (6, Some((40_000, 443)), false));
    assert_eq!((about.src, about.dst), (SRC.into(), DST.into()));
    assert_eq!(about.datagram, quoted);

    let quoted = Frame::new().ipv6(V, W).icmp(128, 0, 0x0007_0001).bytes();
    let frame = eth().ipv6(W, V).icmp(1, 4, 0).payload(&quoted).bytes();
    let decoded = decode(&frame);
    let Transport::Icmp6(icmp) = decoded.transport else { panic!("{decoded:?}") };
    let about = icmp.quoted.unwrap();
    assert_eq!((about.protocol, about.ports, about.icmp_id), (58, None, Some(7)));
    assert!(decoded.faults.is_empty());

    // A later fragment has no ports, whatever its bytes look like.
    let ip = Ipv4 { fragment_offset: 8, ..Ipv4::new(SRC, DST) };
    let quoted = Frame::new().layer(ip).udp(1, 2).bytes();
    let frame = eth().ipv4(DST, SRC).icmp(11, 1, 0).payload(&quoted).bytes();
    let Transport::Icmp4(icmp) = decode(&frame).transport else { panic!() };
    let about = icmp.quoted.unwrap();
    assert_eq!((about.ports, about.fragment), (None, true));
}

#[test]
fn a_ping_has_identifier_and_sequence() {
    let frame = ip4().icmp(8, 0, 0x1234_0002).payload(b"ping").bytes();
    let decoded = decode(&frame);
    let Transport::Icmp4(icmp) = decoded.transport else { panic!() };
    assert_eq!((icmp.id, icmp.seq, decoded.payload), (0x1234, 2, &b"ping"[..]));
    let frame = ip6().icmp(129, 0, 0x1234_0002).bytes();
    let Transport::Icmp6(icmp) = decode(&frame).transport else { panic!() };
    assert_eq!((icmp.kind, icmp.id, icmp.seq), (129, 0x1234, 2));
}

#[test]
fn arp_is_decoded() {
    let arp = Arp { operation: 2, sender_mac: A, sender_ip: SRC, target_mac: B, target_ip: DST };
    let frame = eth().vlan(5).layer(arp).bytes();
    let decoded = decode(&frame);
    let arp = decoded.arp.unwrap();
    assert_eq!((arp.operation, arp.sender_mac, arp.sender_ip), (2, A, SRC));
    assert_eq!((arp.target_mac, arp.target_ip), (B, DST));
    assert_eq!((decoded.ethertype, decoded.vlans.ids()), (0x0806, &[5][..]));
    assert!(decoded.ip.is_none() && decoded.faults.is_empty());
}

#[test]
fn up_to_three_vlan_tags_are_kept_outermost_first() {
    let frame = eth().qinq(100).qinq(200).vlan(300).ipv4(SRC, DST).udp(1, 2).bytes();
    let mut decoder = Decoder::default();
    let decoded = decoder.decode(&frame, frame.len() as u32, LinkType::Ethernet);
    assert_eq!(decoded.vlans.ids(), [100, 200, 300]);
    assert_eq!((decoded.ethertype, decoded.ports()), (0x0800, Some((1, 2))));
    for protocol in [Protocol::Vlan, Protocol::VlanQinq, Protocol::VlanQinqinq] {
        assert_eq!(decoder.counters().protocol(protocol), 1);
    }
    assert_ne!(decoded.vlans.as_u64(), decode(&eth().vlan(100).vlan(200).bytes()).vlans.as_u64());
}

#[test]
fn padding_of_short_ethernet_frames_is_no_payload() {
    let mut frame = ip4().udp(1, 2).payload(b"xy").bytes();
    frame.resize(60, 0);
    let decoded = decode(&frame);
    assert_eq!((decoded.payload, decoded.datagram.len()), (&b"xy"[..], 30));
    let mut frame = ip6().tcp(1, 2).bytes();
    frame.resize(100, 0xee);
    let decoded = decode(&frame);
    assert_eq!((decoded.payload.len(), decoded.datagram.len()), (0, 60));
    assert_eq!(decoded.checksums.l4, ChecksumState::Good);
}

#[test]
fn ipv4_options_are_named() {
    let route = [131, 7, 4, 1, 2, 3, 4, 0];
    let ip = Ipv4 { options: route.to_vec(), ..Ipv4::new(SRC, DST) };
    let frame = eth().layer(ip).udp(1, 2).bytes();
    let decoded = decode(&frame);
    let ip = decoded.ip.unwrap();
    assert!(ip.options.has(Ipv4OptionSet::LOOSE_SOURCE_ROUTE));
    assert!(ip.options.has(Ipv4OptionSet::END_OF_LIST));
    assert!(!ip.options.has(Ipv4OptionSet::RECORD_ROUTE));
    assert_eq!((ip.header_len, decoded.ports()), (28, Some((1, 2))));
    assert!(decoded.faults.is_empty());
}

#[test]
fn snap_and_llc_are_told_apart() {
    let snap = build::Ethernet { dst: A, src: B, ethertype: Some(0) };
    let frame = Frame::new().layer(snap).ipv4(SRC, DST).udp(1, 2).payload(b"x").bytes();
    let decoded = decode(&frame);
    assert_eq!((decoded.ethertype, decoded.payload), (0x0800, &b"x"[..]));
    let frame = raw(7, &[0x42, 0x42, 3, 1, 2, 3, 4, 0, 0, 0, 0]);
    let decoded = decode(&frame);
    assert_eq!((decoded.ethertype, decoded.payload), (0, &[1, 2, 3, 4][..]));
    assert_eq!(events(&decoded), ["ethernet.unknown_ethertype"]);
}

#[test]
fn a_jumbogram_is_as_long_as_the_frame() {
    let mut frame = ip6()
        .extension(protocol::HOP_BY_HOP, &[0xc2, 4, 0, 1, 0x11, 0x78])
        .tcp(1, 2)
        .payload(&vec![7; 70_000 - 20])
        .bytes();
    frame[18..20].fill(0);
    let decoded = decode(&frame);
    assert_eq!(decoded.payload.len(), 69_980);
    assert_eq!(decoded.ip.unwrap().total_len, 70_048);
    assert_eq!(decoded.ports(), Some((1, 2)));
    assert!(decoded.faults.is_empty(), "{:?}", events(&decoded));
}

#[test]
fn tcp_that_a_nic_is_to_cut_is_as_long_as_its_frame() {
    let payload = vec![0x55; 4000];
    let frame = ip4().layer(Tcp::new(40_000, 443)).payload(&payload).bytes();
    let mut uncut = frame.clone();
    uncut[16..18].fill(0);
    let decoded = decode(&uncut);
    assert!(!decoded.faults.contains(DecodeFault::Ipv4IplenSmallerThanHlen));
    assert!(matches!(decoded.transport, Transport::Tcp(_)));
    assert_eq!((decoded.payload, decoded.ip.unwrap().total_len), (&payload[..], 4040));
    // With snaplen only what is there.
    let cut = Decoder::default().decode(&uncut[..1000], uncut.len() as u32, LinkType::Ethernet);
    assert_eq!((cut.payload.len(), cut.ip.unwrap().total_len), (1000 - 54, 4040));
    // Nothing but TCP is cut so, and no fragments.
    for (at, byte) in [(23, 17), (20, 0x20)] {
        let mut other = uncut.clone();
        other[at] = byte;
        assert!(decode(&other).faults.contains(DecodeFault::Ipv4IplenSmallerThanHlen));
    }
}
