//! Packets inside of packets.

use umbra_wire::build::{self, Gre, GtpU};
use umbra_wire::number::protocol;

use super::*;

const X: [u8; 4] = [172, 16, 0, 1];
const Y: [u8; 4] = [172, 16, 0, 2];

fn outside() -> Frame {
    eth().vlan(3).ipv4(X, Y)
}

/// A tunnel, its kinds and the identifier of its first layer.
fn tunnels() -> Vec<(Frame, Vec<TunnelKind>, u32)> {
    use TunnelKind as Kind;
    let key = Gre { key: Some(77), sequence: Some(1), checksum: true };
    let gtp = GtpU { teid: 99, sequence: Some(1), extensions: vec![(0x85, vec![0, 9])] };
    let gpe = |next| build::Vxlan { vni: 5, next: Some(next) };
    vec![
        (outside().gre(), vec![Kind::Gre], 0),
        (outside().layer(key.clone()), vec![Kind::Gre], 77),
        (outside().layer(key).eth(B, A).vlan(7), vec![Kind::Gre], 77),
        (outside().udp(50_000, 4789).vxlan(5).eth(B, A), vec![Kind::Vxlan], 5),
        (outside().udp(50_000, 4789).vxlan(5).eth(B, A).qinq(1).vlan(2), vec![Kind::Vxlan], 5),
        (outside().udp(50_000, 4790).layer(gpe(3)).eth(B, A), vec![Kind::Vxlan], 5),
        (outside().udp(50_000, 6081).geneve(6).eth(B, A), vec![Kind::Geneve], 6),
        (outside().udp(50_000, 6081).geneve(6), vec![Kind::Geneve], 6),
        (outside().udp(2152, 2152).gtpu(8), vec![Kind::GtpU], 8),
        (outside().udp(2152, 2152).layer(gtp), vec![Kind::GtpU], 99),
        (eth().mpls(16).mpls(17), vec![Kind::Mpls], 17),
        (eth().mpls(16).eth(B, A), vec![Kind::Mpls], 16),
        (eth().pppoe(4), vec![Kind::Pppoe], 4),
        (
            outside().gre().ipv4(Y, X).udp(1, 4789).vxlan(5).eth(B, A),
            vec![Kind::Gre, Kind::Vxlan],
            0,
        ),
    ]
}

#[test]
fn the_innermost_packet_is_what_is_decoded() {
    for (tunnel, kinds, id) in tunnels() {
        for v6 in [false, true] {
            let inside = tunnel.clone();
            let inside = if v6 { inside.ipv6(V, W) } else { inside.ipv4(SRC, DST) };
            let mut frame = inside.tcp(40_000, 443).payload(b"data").bytes();
            frame.resize(frame.len().max(60), 0);
            let decoded = decode(&frame);
            let name = format!("{kinds:?} {v6}: {:?}", events(&decoded));
            assert!(decoded.faults.is_empty(), "{name}");
            let ip = decoded.ip.unwrap();
            assert_eq!(ip.version, if v6 { 6 } else { 4 }, "{name}");
            assert_eq!(decoded.ports(), Some((40_000, 443)), "{name}");
            assert_eq!(decoded.payload, b"data", "{name}");
            assert_eq!(decoded.checksums.l4, ChecksumState::Good, "{name}");
            assert_eq!(decoded.tunnels.iter().map(|t| t.kind).collect::<Vec<_>>(), kinds);
            assert_eq!(decoded.tunnels.first().unwrap().id, id, "{name}");
            // The link layer is the frame's own.
            assert_eq!((decoded.src_mac, decoded.dst_mac), (B, A), "{name}");
            if let Some(outer) = decoded.outer_ip {
                assert_eq!((outer.src, outer.dst), (X.into(), Y.into()), "{name}");
                assert_eq!(decoded.vlans.ids(), [3], "{name}");
            } else {
                assert!(matches!(kinds[0], TunnelKind::Mpls | TunnelKind::Pppoe), "{name}");
            }
        }
    }
}

#[test]
fn ip_in_ip_of_all_versions() {
    use TunnelKind as Kind;
    for (outer6, inner6, kind, name) in [
        (false, false, Kind::Ipv4InIpv4, Protocol::Ipv4InIpv4),
        (false, true, Kind::Ipv6InIpv4, Protocol::Ipv6InIpv4),
        (true, false, Kind::Ipv4InIpv6, Protocol::Ipv4InIpv6),
        (true, true, Kind::Ipv6InIpv6, Protocol::Ipv6InIpv6),
    ] {
        let frame = if outer6 { ip6() } else { ip4() };
        let frame = if inner6 { frame.ipv6(W, V) } else { frame.ipv4(X, Y) };
        let frame = frame.udp(7, 8).payload(b"data").bytes();
        let mut decoder = Decoder::default();
        let decoded = decoder.decode(&frame, frame.len() as u32, LinkType::Ethernet);
        assert_eq!(decoded.tunnels.first().unwrap().kind, kind);
        assert_eq!(decoder.counters().protocol(name), 1);
        assert_eq!((decoded.ports(), decoded.payload), (Some((7, 8)), &b"data"[..]));
        let outer = decoded.outer_ip.unwrap();
        assert_eq!(outer.protocol, if inner6 { protocol::IPV6 } else { protocol::IPV4 });
    }
}

#[test]
fn pptp_is_decoded_and_its_acknowledgements_carry_nothing() {
    let ip = || build::Ipv4 { protocol: Some(protocol::GRE), ..build::Ipv4::new(X, Y) };
    let packet = Frame::new().ipv4(SRC, DST).udp(1, 2).payload(b"x").bytes();
    let header = [0x30, 0x81, 0x88, 0x0b, 0, 33, 0, 7, 0, 0, 0, 1, 0, 0, 0, 2, 0xff, 3, 0, 0x21];
    let body = [&header[..], &packet].concat();
    let frame = eth().layer(ip()).payload(&body).bytes();
    let decoded = decode(&frame);
    assert_eq!((decoded.ports(), decoded.payload), (Some((1, 2)), &b"x"[..]));
    let ack = [0x20, 0x81, 0x88, 0x0b, 0, 0, 0, 7, 0, 0, 0, 2];
    let frame = eth().layer(ip()).payload(&ack).bytes();
    let decoded = decode(&frame);
    assert!(matches!(decoded.transport, Transport::Other(47)) && decoded.faults.is_empty());
}

#[test]
fn erspan_mirrors_are_looked_into() {
    let inside = eth().ipv4(SRC, DST).udp(1, 2).payload(b"x").bytes();
    let ip = || build::Ipv4 { protocol: Some(protocol::GRE), ..build::Ipv4::new(X, Y) };
    let two = [&[0x10, 0, 0x88, 0xbe, 0, 0, 0, 1, 0x10, 5, 0, 0, 0, 0, 0, 0][..], &inside].concat();
    let one = [&[0, 0, 0x88, 0xbe][..], &inside].concat();
    for body in [one, two] {
        let frame = eth().layer(ip()).payload(&body).bytes();
        let decoded = decode(&frame);
        assert_eq!((decoded.ports(), decoded.payload), (Some((1, 2)), &b"x"[..]));
    }
}

#[test]
fn tunnels_are_unpacked_to_the_depth_asked_for() {
    let mut frame = eth();
    for n in 0..20 {
        frame = frame.ipv4([10, 1, 0, n], [10, 2, 0, n]);
    }
    let frame = frame.tcp(1, 2).bytes();
    for depth in [0, 1, 4, 8, 200] {
        let options = DecodeOptions { max_tunnels: depth, ..DecodeOptions::default() };
        let decoded = Decoder::new(options).decode(&frame, frame.len() as u32, LinkType::Ethernet);
        let depth = depth.min(MAX_TUNNELS as u8);
        assert_eq!(decoded.tunnels.len(), usize::from(depth));
        assert_eq!(decoded.ip.unwrap().src.to_string(), format!("10.1.0.{depth}"));
        assert_eq!(events(&decoded), ["too_many_layers"]);
        assert!(matches!(decoded.transport, Transport::Other(4)));
    }
}

#[test]
fn what_only_looks_like_a_tunnel_by_its_port_stays_udp() {
    let answer = [0x12, 0x34, 0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0, 3, b'w', b'w', b'w', 0];
    for port in [2152, 4789, 4790] {
        let frame = ip4().udp(53, port).payload(&answer).bytes();
        let decoded = decode(&frame);
        assert_eq!((decoded.ports(), decoded.payload), (Some((53, port)), &answer[..]));
        assert!(decoded.tunnels.is_empty() && decoded.faults.is_empty(), "{port}");
    }
}

#[test]
fn a_tunnel_that_carries_no_ip_stays_what_it_is_outside() {
    let arp =
        build::Arp { operation: 1, sender_mac: A, sender_ip: SRC, target_mac: B, target_ip: DST };
    let frame = outside().udp(50_000, 4789).vxlan(5).eth(B, A).layer(arp).bytes();
    let decoded = decode(&frame);
    assert_eq!(decoded.ports(), Some((50_000, 4789)));
    assert_eq!(decoded.ip.unwrap().dst, std::net::IpAddr::from(Y));
    assert!(decoded.tunnels.is_empty() && decoded.outer_ip.is_none() && decoded.arp.is_none());

    let gre = build::Ipv4 { protocol: Some(protocol::GRE), ..build::Ipv4::new(X, Y) };
    let frame = eth().layer(gre).payload(&[0, 0, 0x12, 0x34, 1, 2, 3]).bytes();
    let decoded = decode(&frame);
    assert!(matches!(decoded.transport, Transport::Other(47)));
    assert_eq!(decoded.payload, [1, 2, 3]);
}

#[test]
fn faults_inside_are_kept_when_the_outside_remains() {
    let frame = outside().udp(50_000, 4789).vxlan(5).eth(B, A).ipv4(SRC, DST).bytes();
    let frame = &frame[..frame.len() - 10];
    let mut frame = frame.to_vec();
    // The outer lengths are right for what is left.
    frame[18 + 2..18 + 4].copy_from_slice(&(20u16 + 8 + 8 + 14 + 10).to_be_bytes());
    frame[38 + 4..38 + 6].copy_from_slice(&(8u16 + 8 + 14 + 10).to_be_bytes());
    let options = DecodeOptions { checksums: ChecksumPolicy::None, ..DecodeOptions::default() };
    let decoded = Decoder::new(options).decode(&frame, frame.len() as u32, LinkType::Ethernet);
    assert_eq!(events(&decoded), ["ipv4.pkt_too_small"]);
    assert_eq!(decoded.ports(), Some((50_000, 4789)));
}

#[test]
fn mpls_labels_are_counted_and_what_is_unknown_below_them_named() {
    let decoded_labels =
        decode(&eth().mpls(16).mpls(17).mpls(18).ipv4(SRC, DST).udp(1, 2).bytes()).mpls_labels;
    assert_eq!(decoded_labels, 3);
    assert_eq!(
        events(&decode(&eth().mpls(16).payload(&[0x90; 30]).bytes())),
        ["mpls.unknown_payload_type"]
    );
    assert_eq!(events(&decode(&eth().mpls(16).bytes())), ["mpls.pkt_too_small"]);
    assert_eq!(events(&decode(&raw(0x8847, &[0, 0, 0]))), ["mpls.header_too_small"]);
    assert_eq!(events(&decode(&raw(0x8847, &[0; 80]))), ["too_many_layers"]);
}
