//! Views refuse what is too short and never panic on what they take.

use std::hint::black_box;

use proptest::prelude::*;
use umbra_wire::build::{self, Frame, fragment_ipv4, fragment_ipv6};
use umbra_wire::number::protocol;
use umbra_wire::tcp::{TcpOption, flag, sack_blocks};
use umbra_wire::{Layer, ViewError};
use umbra_wire::{arp, cooked, ethernet, gre, gtpu, icmp, ipv4, ipv6, ppp, sctp, tcp, udp, vxlan};

/// Calls every accessor of a view where there is one, else checks that the error speaks.
macro_rules! read {
    ($view:expr; $($accessor:ident),*) => {
        match $view {
            Ok(view) => { $(black_box(view.$accessor());)* }
            Err(e) => {
                let text = e.to_string();
                assert!(text.starts_with(e.layer().as_str()), "{text}");
            }
        }
    };
}

/// Every view and every accessor on the same bytes.
fn read_all(b: &[u8]) {
    read!(ethernet::Ethernet::new_checked(b); dst, src, ethertype, is_802_3, payload);
    read!(ethernet::Llc::new_checked(b); dsap, ssap, control, ethertype, payload);
    read!(ethernet::Vlan::new_checked(b); id, priority, drop_eligible, ethertype, payload);
    read!(ethernet::MplsLabel::new_checked(b); label, traffic_class, is_bottom, ttl, payload);
    read!(arp::Arp::new_checked(b); hardware, protocol, hardware_len, protocol_len, operation,
        sender_hardware, sender_protocol, target_hardware, target_protocol);
    read!(ipv4::Ipv4::new_checked(b); header_len, fixed_header, header_bytes, tos, total_len, id,
        reserved_bit, dont_fragment, more_fragments, fragment_offset, is_fragment, ttl, protocol,
        checksum, src, dst, options_bytes, payload, datagram, behind_header);
    if let Ok(ip) = ipv4::Ipv4::new_checked(b) {
        assert!(ip.options().count() <= 40);
        assert!(ip.datagram().len() <= b.len() && ip.datagram().len() >= ip.header_len());
    }
    read!(ipv6::Ipv6::new_checked(b); fixed_header, traffic_class, flow_label, payload_len,
        next_header, hop_limit, src, dst, payload, datagram, behind_header);
    if let Ok(ip) = ipv6::Ipv6::new_checked(b) {
        let mut walk = ip.extensions();
        while let Ok(Some(extension)) = walk.step() {
            assert!(extension.bytes.len() >= 8);
            black_box((extension.fragment(), extension.routing(), extension.final_destination()));
            black_box((extension.ah_reserved(), extension.options().count()));
        }
        assert!(walk.offset() + walk.payload().len() <= b.len());
        black_box(walk.protocol());
    }
    read!(tcp::Tcp::new_checked(b); src_port, dst_port, seq, ack, header_len, flags, reserved,
        window, checksum, urgent, options_bytes, payload);
    if let Ok(tcp) = tcp::Tcp::new_checked(b) {
        assert!(tcp.options().count() <= 40);
        for option in tcp.options() {
            if let Ok(TcpOption::Sack(data)) = option {
                assert!(sack_blocks(data).count() <= 4);
            }
        }
    }
    read!(udp::Udp::new_checked(b); src_port, dst_port, len_field, checksum, payload,
        behind_header);
    read!(sctp::Sctp::new_checked(b); src_port, dst_port, verification_tag, checksum,
        before_checksum, behind_header);
    if let Ok(sctp) = sctp::Sctp::new_checked(b) {
        assert!(sctp.chunks().count() <= b.len());
    }
    for layer in [Layer::Icmp4, Layer::Icmp6] {
        read!(icmp::Icmp::new_checked(layer, b); kind, code, checksum, word, echo, behind_header);
    }
    read!(icmp::Igmp::new_checked(b); kind, group);
    read!(icmp::Esp::new_checked(b); spi, seq, behind_header);
    read!(gre::Gre::new_checked(b); version, has_checksum, has_routing, has_key, has_sequence,
        has_strict_route, recursion, reserved, protocol, key, header_len, payload);
    read!(vxlan::Vxlan::new_checked(b); vni, group, next, payload);
    read!(vxlan::Geneve::new_checked(b); vni, is_control, has_critical_options, protocol,
        options_bytes, header_len, payload);
    read!(gtpu::GtpU::new_checked(b); message, len_field, teid, header_len, payload);
    read!(ppp::Ppp::new_checked(b); protocol, header_len, payload);
    read!(ppp::Pppoe::new_checked(b); code, session, len_field, payload);
    read!(cooked::Cooked::v1_checked(b); protocol, address_type, packet_type, address, payload);
    read!(cooked::Cooked::v2_checked(b); protocol, address_type, packet_type, address, payload);
    black_box(cooked::loopback(b).is_ok());
    black_box((fragment_ipv4(b, 8).len(), fragment_ipv6(b, 8, 1).len()));
}

/// Well-formed frames of everything that can be built.
fn frames() -> Vec<Vec<u8>> {
    let eth = || Frame::ethernet([2; 6], [4; 6]);
    let ip4 = || eth().ipv4([10, 0, 0, 1], [10, 0, 0, 2]);
    let ip6 = || eth().ipv6([1; 16], [2; 16]);
    let options = vec![2, 4, 5, 0xb4, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2, 1, 3, 3, 7];
    let tcp = build::Tcp { options, flags: flag::SYN, ..build::Tcp::new(1, 2) };
    let sack =
        build::Tcp { options: [[5, 34].as_slice(), &[9; 32]].concat(), ..build::Tcp::new(1, 2) };
    let ipv4 =
        build::Ipv4 { options: vec![7, 7, 4, 0, 0, 0, 0, 0], ..build::Ipv4::new([1; 4], [2; 4]) };
    let gre = build::Gre { key: Some(1), sequence: Some(2), checksum: true };
    let gtpu = build::GtpU { teid: 1, sequence: Some(3), extensions: vec![(0x85, vec![0, 9])] };
    let arp = build::Arp {
        operation: 1,
        sender_mac: [1; 6],
        sender_ip: [2; 4],
        target_mac: [3; 6],
        target_ip: [4; 4],
    };
    [
        eth().layer(arp),
        ip4().layer(tcp.clone()).payload(b"data"),
        ip6().layer(sack).payload(b"data"),
        eth().qinq(1).vlan(2).layer(ipv4).layer(tcp).payload(b"data"),
        ip4().udp(1, 2).payload(b"data"),
        ip6().sctp(1, 2).payload(&[0, 3, 0, 6, 1, 1, 0, 0, 1, 0, 0, 4]),
        ip4().icmp(3, 1, 0).payload(&Frame::new().ipv4([1; 4], [2; 4]).udp(1, 2).bytes()),
        ip6()
            .extension(protocol::HOP_BY_HOP, &[5, 2, 0, 0, 1, 0])
            .extension(protocol::ROUTING, &[[0, 2, 0, 0, 0, 0].as_slice(), &[7; 32]].concat())
            .extension(protocol::FRAGMENT, &[0, 1, 0, 0, 0, 7])
            .udp(1, 2),
        eth()
            .mpls(1)
            .mpls(2)
            .ipv4([1; 4], [2; 4])
            .layer(gre)
            .eth([1; 6], [2; 6])
            .ipv6([1; 16], [2; 16])
            .tcp(1, 2),
        ip4().udp(1, 4789).vxlan(1).eth([1; 6], [2; 6]).ipv4([1; 4], [2; 4]).tcp(1, 2),
        ip4().udp(1, 6081).layer(build::Geneve { vni: 1, options: vec![9; 8] }).eth([1; 6], [2; 6]),
        ip4().udp(1, 2152).layer(gtpu).ipv4([1; 4], [2; 4]).udp(1, 2),
        eth().pppoe(1).ipv6([1; 16], [2; 16]).udp(1, 2),
    ]
    .iter()
    .map(Frame::bytes)
    .collect()
}

#[test]
fn every_truncation_of_a_valid_frame_at_every_offset_is_read_or_refused() {
    for frame in frames() {
        for from in 0..frame.len() {
            read_all(&frame[from..]);
            for to in from..frame.len().min(from + 80) {
                read_all(&frame[from..to]);
            }
        }
    }
}

#[test]
fn an_error_states_layer_need_and_have() {
    let short = ipv4::Ipv4::new_checked(&[0x45; 19]).unwrap_err();
    assert_eq!(short, ViewError::Short { layer: Layer::Ipv4, need: 20, have: 19 });
    assert_eq!(short.to_string(), "IPv4 header cut short: needs 20 bytes, has 19");
    let options = ipv4::Ipv4::new_checked(&[0x4f; 40]).unwrap_err();
    assert_eq!(options, ViewError::Short { layer: Layer::Ipv4, need: 60, have: 40 });
    let header = tcp::Tcp::new_checked(&[0x40; 40]).unwrap_err();
    assert_eq!(header, ViewError::HeaderLength { layer: Layer::Tcp, need: 20, have: 16 });
    let version = ipv6::Ipv6::new_checked(&[0x45; 40]).unwrap_err();
    assert_eq!(version.to_string(), "IPv6 header has version 4, not 6");
    let field = vxlan::Vxlan::new_checked(&[0; 8]).unwrap_err();
    assert_eq!(field.to_string(), "VXLAN header cannot have flags 0");
}

#[test]
fn lengths_in_headers_limit_the_payload_and_padding_stays_outside() {
    let mut frame =
        Frame::ethernet([2; 6], [4; 6]).ipv4([1; 4], [2; 4]).udp(5, 6).payload(b"xy").bytes();
    frame.resize(60, 0xee);
    let eth = ethernet::Ethernet::new_checked(&frame).unwrap();
    let ip = ipv4::Ipv4::new_checked(eth.payload()).unwrap();
    assert_eq!(ip.payload().len(), 10);
    assert_eq!(ip.datagram().len(), 30);
    assert_eq!(ip.behind_header().len(), 26);
    assert_eq!(udp::Udp::new_checked(ip.payload()).unwrap().payload(), b"xy");
    let mut llc = vec![0; 12];
    llc.extend([0, 3, 0x42, 0x42, 3, 9, 9, 9]);
    assert_eq!(ethernet::Ethernet::new_checked(&llc).unwrap().payload(), [0x42, 0x42, 3]);
}

#[test]
fn tcp_options_are_read_and_malformed_ones_named() {
    let options = [
        2, 4, 5, 0xb4, 1, 3, 3, 7, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2, 5, 10, 0, 0, 0, 3, 0, 0, 0,
        4, 3, 4, 1, 1, 0, 77,
    ];
    let tcp = build::Tcp { options: options.to_vec(), ..build::Tcp::new(1, 2) };
    let bytes = Frame::new().layer(tcp).bytes();
    let read: Vec<_> =
        tcp::Tcp::new_checked(&bytes).unwrap().options().map(Result::unwrap).collect();
    assert_eq!(
        read,
        [
            TcpOption::MaximumSegmentSize(1460),
            TcpOption::NoOperation,
            TcpOption::WindowScale(7),
            TcpOption::SackPermitted,
            TcpOption::Timestamps(1, 2),
            TcpOption::Sack(&[0, 0, 0, 3, 0, 0, 0, 4]),
            TcpOption::Malformed { kind: 3, data: &[1, 1] },
            TcpOption::EndOfList,
        ]
    );
    assert_eq!(sack_blocks(&[0, 0, 0, 3, 0, 0, 0, 4]).collect::<Vec<_>>(), [(3, 4)]);
    let bad = build::Tcp { options: vec![1, 2, 1, 0], ..build::Tcp::new(1, 2) };
    let bytes = Frame::new().layer(bad).bytes();
    let mut read = tcp::Tcp::new_checked(&bytes).unwrap().options();
    assert_eq!(read.next(), Some(Ok(TcpOption::NoOperation)));
    assert_eq!(read.next(), Some(Err(ipv4::OptionError::Length { kind: 2, len: 1 })));
    assert_eq!(read.next(), None);
}

#[test]
fn built_checksums_are_right() {
    let bytes = Frame::new().ipv4([10, 0, 0, 1], [10, 0, 0, 2]).tcp(1, 2).payload(b"odd").bytes();
    let ip = ipv4::Ipv4::new_checked(&bytes).unwrap();
    assert!(umbra_wire::checksum::is_right(ip.header_bytes()));
    let mut sum = umbra_wire::checksum::Sum::default();
    sum.add_pseudo(&ip.src(), &ip.dst(), protocol::TCP, 23);
    sum.add(ip.payload());
    assert_eq!(sum.folded(), 0xffff);
}

#[test]
fn a_routing_header_says_where_the_packet_goes_in_the_end() {
    let list = [[1; 16], [2; 16], [3; 16]].concat();
    for (kind, left, expected) in [
        (0, 2, Some([3; 16])),
        (2, 1, Some([3; 16])),
        (4, 1, Some([1; 16])),
        (4, 0, None),
        (3, 1, None),
    ] {
        let body = [[kind, left, 0, 0, 0, 0].as_slice(), &list].concat();
        let bytes = Frame::new()
            .ipv6([8; 16], [9; 16])
            .extension(protocol::ROUTING, &body)
            .tcp(1, 2)
            .bytes();
        let mut walk = ipv6::Ipv6::new_checked(&bytes).unwrap().extensions();
        let routing = walk.step().unwrap().unwrap();
        assert_eq!(routing.routing(), Some((kind, left)));
        assert_eq!(routing.final_destination(), expected, "type {kind}, {left} left");
        assert_eq!((walk.step().unwrap().is_none(), walk.protocol()), (true, protocol::TCP));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn no_bytes_make_a_view_panic(bytes: Vec<u8>) {
        read_all(&bytes);
    }

    #[test]
    fn no_change_of_a_valid_frame_makes_a_view_panic(
        which in 0..13usize, from in 0..100usize, to in 0..300usize,
        flips in prop::collection::vec((0..300usize, any::<u8>()), 0..12),
    ) {
        let mut frame = frames().swap_remove(which);
        for (at, value) in flips {
            let at = at % frame.len();
            frame[at] ^= value;
        }
        let to = to.min(frame.len());
        read_all(&frame[from.min(to)..to]);
    }
}
