//! What belongs to one flow has one key; the fast path and the slow one agree.

use umbra_wire::build::{self, Extension, Frame, Gre, GtpU, Ipv4, fragment_ipv4, fragment_ipv6};
use umbra_wire::key::ipv4_to_u128;
use umbra_wire::number::protocol;
use umbra_wire::{
    Endpoint, FlowKey, FlowKeyMode, KeyKind, KeyOptions, SymmetricHash, Tunnel, flow_key,
};

const A: [u8; 6] = [2, 0, 0, 0, 0, 0xa];
const B: [u8; 6] = [2, 0, 0, 0, 0, 0xb];
const SRC: [u8; 4] = [10, 0, 0, 1];
const DST: [u8; 4] = [192, 0, 2, 9];

fn v6(last: u8) -> [u8; 16] {
    let mut address = [0; 16];
    address[..4].copy_from_slice(&[0x20, 0x01, 0x0d, 0xb8]);
    address[15] = last;
    address
}

fn inner() -> KeyOptions {
    KeyOptions::default()
}

fn outer() -> KeyOptions {
    KeyOptions { tunnel: Tunnel::Outer, ..KeyOptions::default() }
}

fn hosts() -> KeyOptions {
    KeyOptions { flow_key: FlowKeyMode::Hosts, ..KeyOptions::default() }
}

fn ip_key(a: ([u8; 4], u16), b: ([u8; 4], u16), protocol: u8) -> FlowKey {
    let end = |(addr, port)| Endpoint { addr: ipv4_to_u128(addr), port };
    FlowKey::new(end(a), end(b), protocol.into(), KeyKind::Ip)
}

fn hosts_key(protocol: u8) -> FlowKey {
    FlowKey::hosts(ipv4_to_u128(SRC), ipv4_to_u128(DST), protocol)
}

fn hash() -> SymmetricHash {
    SymmetricHash::new([1, 2, 3, 4])
}

/// The key of a frame, which must be that of the frame the other way and of the hash's fast path.
fn key_both_ways(frame: &Frame, options: &KeyOptions) -> FlowKey {
    let (there, back) = (frame.bytes(), frame.reversed().bytes());
    let key = flow_key(&there, options);
    assert_eq!(flow_key(&back, options), key, "the other direction of {frame:?}");
    for bytes in [there, back] {
        assert_eq!(hash().frame(&bytes, options), hash().key(&key), "fast path of {frame:?}");
        let subject = hash().subject(&bytes, options);
        let (hash, a, b) = (subject.hash, subject.a, subject.b);
        assert_eq!((hash, a, b), (self::hash().key(&key), key.lo.addr, key.hi.addr));
        assert_eq!(subject.kind, key.kind);
    }
    key
}

fn eth() -> Frame {
    Frame::ethernet(A, B)
}

fn tcp4() -> Frame {
    eth().ipv4(SRC, DST).tcp(40_000, 443).payload(b"hello")
}

#[test]
fn tcp_udp_sctp_and_relatives_are_keyed_on_the_five_tuple() {
    let ends = ((SRC, 40_000), (DST, 443));
    let lite = build::Udp { src: 40_000, dst: 443, lite: true, no_checksum: false };
    let cases = [
        (eth().ipv4(SRC, DST).tcp(40_000, 443), protocol::TCP),
        (eth().ipv4(SRC, DST).udp(40_000, 443), protocol::UDP),
        (eth().ipv4(SRC, DST).sctp(40_000, 443), protocol::SCTP),
        (eth().ipv4(SRC, DST).layer(lite), protocol::UDP_LITE),
    ];
    for (frame, number) in cases {
        assert_eq!(key_both_ways(&frame, &inner()), ip_key(ends.0, ends.1, number));
        assert_eq!(key_both_ways(&frame, &outer()), ip_key(ends.0, ends.1, number));
        assert_eq!(key_both_ways(&frame, &hosts()), hosts_key(number));
    }
}

#[test]
fn vlan_tags_options_and_snap_do_not_change_the_key() {
    let plain = flow_key(&tcp4().bytes(), &inner());
    let snap = build::Ethernet { dst: A, src: B, ethertype: Some(0) };
    let options = Ipv4 { options: vec![148, 4, 0, 0], ..Ipv4::new(SRC, DST) };
    for frame in [
        eth().vlan(5).ipv4(SRC, DST).tcp(40_000, 443),
        eth().qinq(6).vlan(5).ipv4(SRC, DST).tcp(40_000, 443),
        eth().qinq(6).qinq(7).vlan(5).ipv4(SRC, DST).tcp(40_000, 443),
        eth()
            .layer(build::Vlan { tpid: 0x9100, id: 1, priority: 3 })
            .ipv4(SRC, DST)
            .tcp(40_000, 443),
        eth().layer(options).tcp(40_000, 443),
        Frame::new().layer(snap).ipv4(SRC, DST).tcp(40_000, 443),
    ] {
        assert_eq!(key_both_ways(&frame, &inner()), plain, "{frame:?}");
    }
}

#[test]
fn ipv6_extension_headers_are_walked_over() {
    let plain = eth().ipv6(v6(1), v6(2)).tcp(40_000, 443);
    let key = key_both_ways(&plain, &inner());
    assert_eq!((key.kind, key.protocol), (KeyKind::Ip, 6));
    let all = eth()
        .ipv6(v6(1), v6(2))
        .extension(protocol::HOP_BY_HOP, &[5, 2, 0, 0, 1, 0])
        .extension(protocol::ROUTING, &[4, 0, 0, 0, 0, 0])
        .extension(protocol::DESTINATION, &[1, 4, 0, 0, 0, 0])
        .extension(protocol::AH, &[0; 22])
        .tcp(40_000, 443);
    assert_eq!(key_both_ways(&all, &inner()), key);
    let atomic = eth().ipv6(v6(1), v6(2)).extension(protocol::FRAGMENT, &[0; 6]).tcp(40_000, 443);
    assert_eq!(key_both_ways(&atomic, &inner()), key, "an atomic fragment is whole");
    let mut endless = eth().ipv6(v6(1), v6(2));
    for _ in 0..40 {
        endless = endless.extension(protocol::DESTINATION, &[1, 4, 0, 0, 0, 0]);
    }
    let key = key_both_ways(&endless.tcp(1, 2), &inner());
    assert_eq!(key.kind, KeyKind::IpHosts, "the walk is bounded");
}

#[test]
fn all_fragments_of_a_datagram_share_the_hosts_key() {
    let datagram = Frame::new().ipv4(SRC, DST).udp(53, 53).payload(&[7; 3000]).bytes();
    for piece in fragment_ipv4(&datagram, 1000) {
        let frame = build_eth(0x0800, &piece);
        assert_eq!(flow_key(&frame, &inner()), hosts_key(protocol::UDP));
        assert_eq!(hash().frame(&frame, &inner()), hash().key(&hosts_key(protocol::UDP)));
    }
    let datagram = Frame::new().ipv6(v6(1), v6(2)).udp(53, 53).payload(&[7; 3000]).bytes();
    let [a, b] = [v6(1), v6(2)].map(u128::from_be_bytes);
    for piece in fragment_ipv6(&datagram, 1000, 77) {
        let frame = build_eth(0x86dd, &piece);
        assert_eq!(flow_key(&frame, &inner()), FlowKey::hosts(a, b, protocol::UDP));
    }
}

#[test]
fn hosts_mode_keeps_fragments_with_their_flow() {
    let whole = Frame::new().ipv4(SRC, DST).udp(53, 4000).payload(&[7; 3000]).bytes();
    let key = flow_key(&build_eth(0x0800, &whole), &hosts());
    for piece in fragment_ipv4(&whole, 1000) {
        assert_eq!(flow_key(&build_eth(0x0800, &piece), &hosts()), key);
    }
}

fn build_eth(kind: u16, body: &[u8]) -> Vec<u8> {
    let mut frame =
        Frame::new().layer(build::Ethernet { dst: A, src: B, ethertype: Some(kind) }).bytes();
    frame.extend(body);
    frame
}

#[test]
fn an_icmp_error_has_the_key_of_the_packet_it_quotes() {
    let options = [inner(), outer(), hosts()];
    let router = [203, 0, 113, 1];
    let quoted = [
        Frame::new().ipv4(SRC, DST).tcp(40_000, 443).payload(b"abc"),
        Frame::new().ipv4(SRC, DST).udp(40_000, 443).payload(b"abc"),
        Frame::new().ipv4(SRC, DST).sctp(40_000, 443).payload(&[0; 20]),
        Frame::new().ipv4(SRC, DST).icmp(8, 0, 0x1234_0001).payload(b"ping"),
        Frame::new().ipv4(SRC, DST).layer(Gre::default()).ipv4(DST, SRC).tcp(1, 2).payload(b"x"),
    ];
    for (packet, options) in quoted.iter().flat_map(|q| options.iter().map(move |o| (q, o))) {
        let flow = flow_key(&build_eth(0x0800, &packet.bytes()), options);
        for (kind, code) in [(3, 3), (3, 4), (4, 0), (5, 1), (11, 0), (12, 0)] {
            let error = eth().ipv4(router, SRC).icmp(kind, code, 0).payload(&packet.bytes());
            assert_eq!(flow_key(&error.bytes(), options), flow, "{kind}/{code} of {packet:?}");
            assert_eq!(hash().frame(&error.bytes(), options), hash().key(&flow));
        }
    }
    // RFC 792: the header and 64 bits, which hold the ports.
    let short = &quoted[0].bytes()[..28];
    let error = eth().ipv4(router, SRC).icmp(3, 1, 0).payload(short);
    let flow = ip_key((SRC, 40_000), (DST, 443), protocol::TCP);
    assert_eq!(flow_key(&error.bytes(), &inner()), flow);
    // Cut before the ports: what there is.
    let error = eth().ipv4(router, SRC).icmp(3, 1, 0).payload(&short[..22]);
    assert_eq!(flow_key(&error.bytes(), &inner()), hosts_key(protocol::TCP));
    // A quoted fragment goes with the fragments.
    let fragment = Ipv4 { more_fragments: true, ..Ipv4::new(SRC, DST) };
    let fragment = Frame::new().layer(fragment).udp(53, 53).payload(&[1; 16]).bytes();
    let error = eth().ipv4(router, SRC).icmp(11, 1, 0).payload(&fragment);
    assert_eq!(flow_key(&error.bytes(), &inner()), hosts_key(protocol::UDP));
}

#[test]
fn an_icmpv6_error_has_the_key_of_the_packet_it_quotes() {
    for packet in [
        Frame::new().ipv6(v6(1), v6(2)).tcp(40_000, 443).payload(b"abc"),
        Frame::new().ipv6(v6(1), v6(2)).udp(40_000, 443).payload(b"abc"),
        Frame::new().ipv6(v6(1), v6(2)).icmp(128, 0, 0x1234_0001).payload(b"abc"),
        Frame::new()
            .ipv6(v6(1), v6(2))
            .layer(Extension { kind: protocol::FRAGMENT, body: vec![0, 0, 1, 0, 0, 0, 9] })
            .udp(4, 5)
            .payload(b"abc"),
    ] {
        let flow = flow_key(&build_eth(0x86dd, &packet.bytes()), &inner());
        for kind in 1..=4 {
            let error = eth().ipv6(v6(9), v6(1)).icmp(kind, 0, 0).payload(&packet.bytes());
            assert_eq!(flow_key(&error.bytes(), &inner()), flow, "type {kind} of {packet:?}");
        }
    }
}

#[test]
fn an_error_about_an_error_is_not_followed() {
    let first = Frame::new()
        .ipv4(SRC, DST)
        .icmp(3, 1, 0)
        .payload(&Frame::new().ipv4([1, 1, 1, 1], [2, 2, 2, 2]).tcp(1, 2).bytes());
    let second = eth().ipv4([9, 9, 9, 9], SRC).icmp(3, 1, 0).payload(&first.bytes());
    assert_eq!(flow_key(&second.bytes(), &inner()), hosts_key(protocol::ICMP));
}

#[test]
fn a_ping_and_its_answer_share_a_key_that_tells_pings_apart() {
    let ping = |id: u32| eth().ipv4(SRC, DST).icmp(8, 0, id << 16 | 1);
    let pong = |id: u32| eth().ipv4(DST, SRC).icmp(0, 0, id << 16 | 1);
    assert_eq!(flow_key(&ping(7).bytes(), &inner()), flow_key(&pong(7).bytes(), &inner()));
    assert_ne!(flow_key(&ping(7).bytes(), &inner()), flow_key(&ping(8).bytes(), &inner()));
    let ping = eth().ipv6(v6(1), v6(2)).icmp(128, 0, 7 << 16);
    let pong = eth().ipv6(v6(2), v6(1)).icmp(129, 0, 7 << 16);
    assert_eq!(flow_key(&ping.bytes(), &inner()), flow_key(&pong.bytes(), &inner()));
}

/// Every kind of tunnel around a frame or a packet.
fn tunnels() -> Vec<(&'static str, Frame)> {
    let (x, y) = ([172, 16, 0, 1], [172, 16, 0, 2]);
    let gtp = |extensions| GtpU { teid: 9, sequence: None, extensions };
    vec![
        ("GRE", eth().ipv4(x, y).gre()),
        (
            "GRE with all fields",
            eth().ipv4(x, y).layer(Gre { key: Some(5), sequence: Some(6), checksum: true }),
        ),
        ("NVGRE", eth().ipv4(x, y).layer(Gre { key: Some(5), ..Gre::default() }).eth(B, A)),
        ("GRE over IPv6", eth().ipv6(v6(8), v6(9)).gre()),
        ("VXLAN", eth().ipv4(x, y).udp(50_000, 4789).vxlan(77).eth(B, A)),
        (
            "VXLAN in a VLAN, tagged",
            eth().vlan(3).ipv4(x, y).udp(50_000, 4789).vxlan(77).eth(B, A).vlan(9),
        ),
        ("VXLAN over IPv6", eth().ipv6(v6(8), v6(9)).udp(50_000, 4789).vxlan(77).eth(B, A)),
        ("Geneve", eth().ipv4(x, y).udp(50_000, 6081).geneve(77).eth(B, A)),
        (
            "Geneve with options",
            eth()
                .ipv4(x, y)
                .udp(50_000, 6081)
                .layer(build::Geneve { vni: 7, options: vec![0, 1, 2, 1, 9, 9, 9, 9] })
                .eth(B, A),
        ),
        ("Geneve of IP", eth().ipv4(x, y).udp(50_000, 6081).geneve(77)),
        ("GTP-U", eth().ipv4(x, y).udp(2152, 2152).gtpu(99)),
        (
            "GTP-U with extensions",
            eth()
                .ipv4(x, y)
                .udp(2152, 2152)
                .layer(gtp(vec![(0x85, vec![0, 9]), (0x20, vec![1, 2, 3, 4, 5, 6])])),
        ),
        ("IP in IPv4", eth().ipv4(x, y)),
        ("IP in IPv6", eth().ipv6(v6(8), v6(9))),
        ("MPLS", eth().mpls(16)),
        ("MPLS, three labels", eth().mpls(16).mpls(17).mpls(18)),
        ("pseudowire", eth().mpls(16).eth(B, A)),
        ("PPPoE", eth().pppoe(7)),
        ("GRE in VXLAN", eth().ipv4(x, y).udp(50_000, 4789).vxlan(77).eth(B, A).ipv4(y, x).gre()),
    ]
}

#[test]
fn inside_of_a_tunnel_the_flow_has_its_own_key() {
    let plain4 = flow_key(&tcp4().bytes(), &inner());
    let plain6 = flow_key(&eth().ipv6(v6(1), v6(2)).udp(5, 6).bytes(), &inner());
    for (name, tunnel) in tunnels() {
        let frame = tunnel.clone().ipv4(SRC, DST).tcp(40_000, 443).payload(b"data");
        assert_eq!(key_both_ways(&frame, &inner()), plain4, "{name}");
        let frame = tunnel.ipv6(v6(1), v6(2)).udp(5, 6).payload(b"data");
        assert_eq!(key_both_ways(&frame, &inner()), plain6, "{name}");
    }
}

#[test]
fn the_outside_of_a_tunnel_is_one_key_in_both_directions() {
    for (name, tunnel) in tunnels() {
        let one = tunnel.clone().ipv4(SRC, DST).tcp(40_000, 443);
        let other = tunnel.ipv4(DST, [9, 9, 9, 9]).udp(1, 2);
        let key = key_both_ways(&one, &outer());
        assert_eq!(key_both_ways(&other, &outer()).lo.addr, key.lo.addr, "{name}");
        assert_ne!(key.kind, KeyKind::Ip, "{name}");
        assert_eq!((key.lo.port, key.hi.port), (0, 0), "{name}");
    }
}

#[test]
fn tunnels_are_followed_to_a_bounded_depth() {
    let mut frame = eth();
    for n in 0..40 {
        frame = frame.ipv4([10, 1, 0, n], [10, 2, 0, n]);
    }
    let key = key_both_ways(&frame.tcp(1, 2), &inner());
    assert_eq!(key.kind, KeyKind::IpHosts);
    assert_eq!(key.lo.addr, ipv4_to_u128([10, 1, 0, umbra_wire::key::MAX_TUNNELS]));
}

#[test]
fn a_client_on_a_tunnels_port_keeps_one_key() {
    for port in [2152, 4789, 4790, 6081] {
        let answer = [0x12, 0x34, 0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0, 3, b'w', b'w', b'w'];
        let query = eth().ipv4(SRC, DST).udp(port, 53).payload(&answer);
        let key = key_both_ways(&query, &inner());
        assert_eq!(key, ip_key((SRC, port), (DST, 53), protocol::UDP));
        assert_eq!(key_both_ways(&query, &outer()), key);
    }
}

#[test]
fn what_stands_behind_the_udp_length_is_not_in_the_tunnel() {
    let inside = Frame::ethernet(B, A).ipv4(DST, SRC).tcp(1, 2).bytes();
    let mut frame = eth().ipv4(SRC, DST).udp(50_000, 4789).vxlan(7).payload(&inside).bytes();
    assert_eq!(flow_key(&frame, &inner()).protocol, 6);
    frame[14 + 20 + 5] = 16;
    assert_eq!(flow_key(&frame, &inner()), hosts_key(protocol::UDP));
    frame[14 + 20 + 5] = 9;
    assert_eq!(flow_key(&frame, &inner()), ip_key((SRC, 50_000), (DST, 4789), protocol::UDP));
}

#[test]
fn what_is_not_ip_is_keyed_on_mac_addresses_and_ethertype() {
    let cases = [
        (build_eth(0x88cc, &[1, 2, 3]), 0x88cc),
        (build_eth(0x8809, &[1; 50]), 0x8809),
        (build_eth(0x0806, &[0; 28]), 0x0806),
        // spanning tree: 802.3 with LLC
        (build_eth(38, &[0x42, 0x42, 3, 0, 0, 0]), 0),
        (build_eth(0x8100, &[0, 5, 0x88, 0xcc, 1]), 0x88cc),
        // four tags are one too many
        (build_eth(0x8100, &[0, 5, 0x81, 0, 0, 5, 0x81, 0, 0, 5, 0x81, 0, 0, 5, 8, 0]), 0x8100),
        // broken IP headers
        (build_eth(0x0800, &[0x65; 40]), 0x0800),
        (build_eth(0x0800, &[0x44; 40]), 0x0800),
        (build_eth(0x86dd, &[0x60; 20]), 0x86dd),
    ];
    for (frame, kind) in cases {
        assert_eq!(flow_key(&frame, &inner()), FlowKey::l2(B, A, kind), "{kind:#x}");
        assert_eq!(hash().frame(&frame, &inner()), hash().key(&FlowKey::l2(A, B, kind)));
    }
    assert_eq!(flow_key(&[], &inner()), FlowKey::l2([0; 6], [0; 6], 0));
    assert_eq!(flow_key(&[1, 2, 3], &inner()).kind, KeyKind::L2);
}

#[test]
fn a_first_segment_that_ends_early_leaves_out_what_is_not_there() {
    let bytes = tcp4().bytes();
    for len in 0..bytes.len() {
        let key = flow_key(&bytes[..len], &inner());
        match len {
            0..34 => assert_eq!(key.kind, KeyKind::L2, "{len}"),
            34..38 => assert_eq!(key, hosts_key(protocol::TCP), "{len}"),
            _ => assert_eq!(key.kind, KeyKind::Ip, "{len}"),
        }
        assert_eq!(hash().frame(&bytes[..len], &inner()), hash().key(&key));
    }
}
