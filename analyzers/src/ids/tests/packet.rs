//! What stands in packets' headers.

use super::case::{Case, case, check};
use super::lab::packets::{
    ACK, CLIENT, FIN, ICMP4, Ip4, PSH, SYN, Segment, checksum, icmp6, patched, tcp6, udp6,
};
use super::lab::talk::{Talk, frame, frames};

const PORTS: (u16, u16) = (CLIENT.1, 80);

fn ip() -> Vec<Case> {
    let datagram = |header: &Ip4| frame(header.udp(PORTS, b"x"));
    vec![
        case(
            "ttl",
            datagram(&Ip4 { ttl: 5, ..Ip4::default() }),
            &[
                (1, "ip", "ttl:5;"),
                (1, "ip", "ttl:<6;"),
                (1, "ip", "ttl:1-9;"),
                (0, "ip", "ttl:6;"),
                (0, "ip", "ttl:>5;"),
                (0, "ip", "ttl:5-9;"),
            ],
        ),
        case("ttl", frame(udp6(PORTS, b"x")), &[(1, "ip", "ttl:64;"), (0, "ip", "ttl:63;")]),
        case(
            "tos",
            datagram(&Ip4 { tos: 16, ..Ip4::default() }),
            &[
                (1, "ip", "tos:16;"),
                (1, "ip", "tos:!8;"),
                (0, "ip", "tos:8;"),
                (0, "ip", "tos:!16;"),
            ],
        ),
        case(
            "id",
            datagram(&Ip4 { id: 31_337, ..Ip4::default() }),
            &[(1, "ip", "id:31337;"), (0, "ip", "id:31338;")],
        ),
        case(
            "ipopts",
            datagram(&Ip4 { options: vec![7, 7, 4, 0, 0, 0, 0, 0], ..Ip4::default() }),
            &[
                (1, "ip", "ipopts:rr;"),
                (1, "ip", "ipopts:eol;"),
                (0, "ip", "ipopts:lsrr;"),
                (0, "ip", "ipopts:ts;"),
            ],
        ),
        case(
            "ipopts",
            frames([
                Ip4 { options: vec![1, 1, 1, 1], ..Ip4::default() }.udp(PORTS, b"x"),
                Ip4 { options: vec![0x94, 4, 0, 0], ..Ip4::default() }.udp(PORTS, b"x"),
                Ip4 { options: vec![0x83, 7, 4, 9, 9, 9, 9, 0], ..Ip4::default() }.udp(PORTS, b"x"),
                Ip4::default().udp(PORTS, b"x"),
            ]),
            &[
                (1, "ip", "ipopts:nop;"),
                (1, "ip", "ipopts:rtralt;"),
                (1, "ip", "ipopts:lsrr;"),
                // As measured; the documentation says that any will do.
                (0, "ip", "ipopts:any;"),
                (0, "ip", "ipopts:ssrr;"),
            ],
        ),
        case(
            "fragbits",
            frames(
                [0x4000, 0x2000, 0x8000, 0xc000, 0]
                    .map(|fragment| Ip4 { fragment, ..Ip4::default() }.udp(PORTS, b"x")),
            ),
            &[
                (1, "ip", "fragbits:D;"),
                (1, "ip", "fragbits:D+;"),
                (1, "ip", "fragbits:M;"),
                // These and more.
                (1, "ip", "fragbits:+R;"),
                (3, "ip", "fragbits:*DM;"),
                (3, "ip", "fragbits:!D;"),
                (0, "ip", "fragbits:MD;"),
                (0, "ip", "fragbits:+M;"),
            ],
        ),
        case(
            "fragoffset",
            frames(
                [0x2000, 0x2002]
                    .map(|fragment| Ip4 { fragment, ..Ip4::default() }.frame(17, &[0; 16])),
            ),
            &[
                (1, "ip", "fragoffset:2;"),
                (1, "ip", "fragoffset:<1; fragbits:M;"),
                (0, "ip", "fragoffset:16;"),
                (0, "ip", "fragoffset:>2;"),
            ],
        ),
        case(
            "ip_proto",
            frames([Ip4::default().frame(47, &[0; 4]), Ip4::default().frame(103, &[0; 8])]),
            &[
                (1, "ip", "ip_proto:103;"),
                (1, "ip", "ip_proto:pim;"),
                (2, "ip", "ip_proto:>40;"),
                (1, "ip", "ip_proto:!47;"),
                (0, "ip", "ip_proto:tcp;"),
                (0, "ip", "ip_proto:<47;"),
            ],
        ),
        case(
            "sameip",
            datagram(&Ip4 { dst: CLIENT.0, ..Ip4::default() }),
            &[(1, "ip", "sameip;"), (0, "ip", "sameip; content:\"y\";")],
        ),
        case(
            "sameip",
            frames([
                Ip4 { dst: CLIENT.0, ..Ip4::default() }.udp(PORTS, b"x"),
                Ip4::default().udp(PORTS, b"not the same"),
            ]),
            &[(1, "udp", "sameip;"), (0, "udp", "sameip; content:\"not\";")],
        ),
    ]
}

fn tcp() -> Vec<Case> {
    let syn = Segment { flags: SYN, seq: 7777, window: 1024, ..Segment::default() };
    let options = [2, 4, 5, 0xb4, 1, 3, 3, 7];
    let offering = Segment { options: &options, ..syn };
    let answer = Segment { flags: SYN | ACK | 0x40, seq: 9, ack: 7778, ..Segment::default() };
    let header = Ip4::default();
    let both = || frames([header.tcp(PORTS, &syn), header.tcp(PORTS, &answer)]);
    vec![
        case(
            "flags tcp.flags",
            both(),
            &[
                (1, "tcp", "flags:S;"),
                (1, "tcp", "tcp.flags:S;"),
                (1, "tcp", "flags:SA,CE;"),
                (2, "tcp", "flags:S+;"),
                (1, "tcp", "flags:*AF;"),
                (1, "tcp", "flags:!A;"),
                (0, "tcp", "flags:SA;"),
                (0, "tcp", "tcp.flags:A;"),
                (0, "tcp", "flags:0;"),
                (0, "tcp", "flags:F+;"),
            ],
        ),
        case(
            "seq tcp.seq",
            both(),
            &[
                (1, "tcp", "seq:7777;"),
                (1, "tcp", "tcp.seq:9;"),
                (0, "tcp", "seq:7778;"),
                (0, "tcp", "tcp.seq:0;"),
            ],
        ),
        case(
            "ack tcp.ack",
            both(),
            &[
                (1, "tcp", "ack:7778;"),
                (1, "tcp", "tcp.ack:0;"),
                (0, "tcp", "ack:7777;"),
                (0, "tcp", "tcp.ack:9;"),
            ],
        ),
        case(
            "window tcp.window",
            both(),
            &[
                (1, "tcp", "window:1024;"),
                (1, "tcp", "tcp.window:!1024;"),
                (1, "tcp", "window:8192;"),
                (0, "tcp", "window:1025;"),
                (0, "tcp", "tcp.window:!8192; flags:SA,CE;"),
            ],
        ),
        case(
            "tcp.mss tcp.wscale",
            frames([header.tcp(PORTS, &offering), header.tcp((1, 2), &syn)]),
            &[
                (1, "tcp", "tcp.mss:1460;"),
                (1, "tcp", "tcp.mss:<1500;"),
                (1, "tcp", "tcp.wscale:7;"),
                (0, "tcp", "tcp.mss:>1460;"),
                (0, "tcp", "tcp.wscale:<7;"),
            ],
        ),
        case(
            "dsize",
            Talk::to(9).client("12345").server("1234567").end(),
            &[
                (1, "tcp", "dsize:5;"),
                (1, "tcp", "dsize:>5;"),
                (2, "tcp", "dsize:4<>8;"),
                (1, "tcp", "dsize:7; content:\"67\";"),
                (0, "tcp", "dsize:6;"),
                (0, "tcp", "dsize:>7;"),
                (0, "tcp", "dsize:5<>7;"),
                (0, "tcp", "dsize:!7; content:\"67\";"),
            ],
        ),
    ]
}

fn icmp() -> Vec<Case> {
    let header = Ip4::default();
    let capture = || {
        frames([
            header.icmp(8, 0, b"\x12\x34\0\x05ping"),
            header.icmp(13, 0, b"\x12\x34\0\x06############"),
            header.icmp(3, 13, &[0; 32]),
        ])
    };
    vec![
        case(
            "itype",
            capture(),
            &[
                (1, "icmp", "itype:8;"),
                (2, "icmp", "itype:>3;"),
                (0, "icmp", "itype:0;"),
                (0, "icmp", "itype:9<>13;"),
            ],
        ),
        case(
            "icode",
            capture(),
            &[(1, "icmp", "icode:13;"), (2, "icmp", "icode:<1;"), (0, "icmp", "icode:>13;")],
        ),
        case(
            "icmp_id",
            capture(),
            &[
                (2, "icmp", "icmp_id:4660;"),
                (1, "icmp", "icmp_id:4660; itype:8;"),
                (0, "icmp", "icmp_id:5;"),
                (0, "icmp", "icmp_id:0;"),
            ],
        ),
        case(
            "icmp_seq",
            capture(),
            &[(1, "icmp", "icmp_seq:5;"), (1, "icmp", "icmp_seq:6;"), (0, "icmp", "icmp_seq:7;")],
        ),
        case(
            "icmpv6.mtu",
            frames([
                icmp6(2, 0, &[&1280u32.to_be_bytes()[..], &[0; 48]].concat()),
                icmp6(128, 0, &1280u32.to_be_bytes()),
            ]),
            &[
                (1, "ip", "icmpv6.mtu:1280;"),
                (1, "icmpv6", "icmpv6.mtu:<1281;"),
                (0, "ip", "icmpv6.mtu:>1280;"),
            ],
        ),
    ]
}

/// A right one and a broken one of each layer. Broken TCP and UDP are in the flow of the right one.
fn checksums() -> Vec<Case> {
    let header = Ip4::default();
    let pair = |frame: Vec<u8>, at: usize| {
        let broken = patched(frame.clone(), at, &[0xba, 0xad]);
        frames([frame, broken])
    };
    let segment = Segment { flags: SYN, ..Segment::default() };
    let both = |valid: &'static str, invalid: &'static str| [(1, "ip", valid), (1, "ip", invalid)];
    let mut cases = vec![
        case(
            "ipv4-csum",
            pair(header.udp(PORTS, b"x"), 24),
            &both("ipv4-csum:valid;", "ipv4-csum:invalid;"),
        ),
        case(
            "udpv4-csum",
            pair(header.udp(PORTS, b"x"), 40),
            &both("udpv4-csum:valid;", "udpv4-csum:invalid;"),
        ),
        case(
            "udpv6-csum",
            pair(udp6(PORTS, b"x"), 60),
            &both("udpv6-csum:valid;", "udpv6-csum:invalid;"),
        ),
        case(
            "tcpv4-csum",
            pair(header.tcp(PORTS, &segment), 50),
            &both("tcpv4-csum:valid;", "tcpv4-csum:invalid;"),
        ),
        case(
            "tcpv6-csum",
            pair(tcp6(PORTS, &segment), 70),
            &both("tcpv6-csum:valid;", "tcpv6-csum:invalid;"),
        ),
        case(
            "icmpv4-csum",
            pair(header.icmp(8, 0, b"\0\x01\0\x02ping"), 36),
            &both("icmpv4-csum:valid;", "icmpv4-csum:invalid;"),
        ),
        case(
            "icmpv6-csum",
            pair(icmp6(128, 0, b"\0\x01\0\x02ping"), 56),
            &both("icmpv6-csum:valid;", "icmpv6-csum:invalid;"),
        ),
    ];
    for (case, other) in cases.iter_mut().zip([
        "ipv4-csum:invalid; udpv4-csum:invalid;",
        "ipv4-csum:invalid; udpv4-csum:invalid;",
        "udpv6-csum:valid; udpv4-csum:valid;",
        "tcpv4-csum:invalid; ipv4-csum:invalid;",
        "tcpv6-csum:valid; tcpv4-csum:valid;",
        "icmpv4-csum:invalid; itype:0;",
        "icmpv6-csum:valid; icmpv4-csum:valid;",
    ]) {
        case.lines.push((0, "ip", other));
    }
    cases
}

fn headers() -> Vec<Case> {
    let header = Ip4 { tos: 0x1c, ..Ip4::default() };
    let segment = Segment { flags: PSH | ACK | FIN, seq: 0x0102_0304, ..Segment::default() };
    let echo = header.icmp(8, 0, b"\xab\xcd\0\x05ping");
    assert_eq!(checksum(&echo[34..]), 0, "{ICMP4}");
    vec![
        case(
            "ipv4.hdr",
            frame(header.udp(PORTS, b"payload")),
            &[
                (1, "ip", "ipv4.hdr; content:\"|45 1c|\"; startswith;"),
                (1, "udp", "ipv4.hdr; bsize:20; content:\"|40 11|\"; offset:8; depth:2;"),
                (0, "ip", "ipv4.hdr; content:\"|45 00|\"; startswith;"),
                (0, "ip", "ipv4.hdr; content:\"payload\";"),
                (0, "ip", "ipv6.hdr; content:\"|45 1c|\";"),
            ],
        ),
        case(
            "ipv6.hdr",
            frame(udp6(PORTS, b"payload")),
            &[
                (1, "ip", "ipv6.hdr; content:\"|20 01 0d b8|\"; offset:8; depth:4;"),
                (1, "ip", "ipv6.hdr; bsize:40; content:\"|60|\"; startswith;"),
                (0, "ip", "ipv6.hdr; content:\"payload\";"),
                (0, "ip", "ipv6.hdr; content:\"|20 01 0d b9|\";"),
            ],
        ),
        case(
            "tcp.hdr",
            frame(header.tcp(PORTS, &segment)),
            &[
                (1, "tcp", "tcp.hdr; content:\"|01 02 03 04|\"; offset:4; depth:4;"),
                (0, "tcp", "tcp.hdr; content:\"|01 02 03 05|\";"),
            ],
        ),
        case(
            "udp.hdr",
            frame(header.udp(PORTS, b"payload")),
            &[
                (1, "udp", "udp.hdr; content:\"|00 50 00 0f|\"; offset:2; depth:4;"),
                (1, "udp", "udp.hdr; bsize:8; byte_test:2,=,15,4;"),
                (0, "udp", "udp.hdr; content:\"payload\";"),
                (0, "udp", "udp.hdr; byte_test:2,>,15,4;"),
            ],
        ),
        case(
            "icmpv4.hdr",
            frame(echo),
            &[
                (1, "icmp", "icmpv4.hdr; content:\"|08 00|\"; startswith;"),
                (1, "icmp", "icmpv4.hdr; content:\"|ab cd 00 05|\"; offset:4;"),
                (0, "icmp", "icmpv4.hdr; content:\"|00 00|\"; startswith;"),
                (0, "icmp", "icmpv4.hdr; content:\"|ab cd 00 06|\";"),
            ],
        ),
        case(
            "icmpv6.hdr",
            frame(icmp6(128, 0, b"\xab\xcd\0\x05ping")),
            &[
                (1, "icmpv6", "icmpv6.hdr; content:\"|80 00|\"; startswith;"),
                (0, "icmpv6", "icmpv6.hdr; content:\"|81 00|\"; startswith;"),
            ],
        ),
        case(
            "ip.src ip.dst",
            frame(header.udp(PORTS, b"payload")),
            &[
                (1, "ip", "ip.src; content:\"|0a 00 00 01|\";"),
                (1, "ip", "ip.dst; content:\"|c0 00 02 01|\";"),
                (0, "ip", "ip.src; content:\"|c0 00 02 01|\";"),
                (0, "ip", "ip.dst; content:\"|0a 00 00 01|\";"),
            ],
        ),
    ]
}

pub(super) fn cases() -> Vec<Case> {
    [ip(), tcp(), icmp(), checksums(), headers()].concat()
}

#[test]
fn packets_headers() {
    check("packet", &cases());
}
