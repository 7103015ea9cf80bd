//! Rules' headers, `flow`, and what is said of flows.

use super::case::{Case, case, check};
use super::lab::packets::{CLIENT, Ip4, SERVER, Segment, icmp6, tcp6, udp6};
use super::lab::talk::{Datagrams, Talk, frame, frames, then};
use crate::testing::{TestRecord, udp_in_fragments};

fn talk() -> Vec<TestRecord> {
    Talk::to(8080).client("say friend").server("and enter").end()
}

fn datagram() -> Vec<TestRecord> {
    frame(Ip4::default().udp((CLIENT.1, 53), b"friend"))
}

fn addresses() -> Vec<Case> {
    let from_home = "content:\"friend\";";
    vec![
        case(
            "",
            datagram(),
            &[
                (1, "udp 10.0.0.1 40000 -> 192.0.2.1 53", from_home),
                (1, "udp 10.0.0.0/8 [1024:,!50000] -> !10.0.0.0/8 [50:60]", from_home),
                (1, "udp $HOME_NET any -> $EXTERNAL_NET any", from_home),
                (1, "udp 192.0.2.1 53 <> 10.0.0.1 any", from_home),
                (0, "udp 192.0.2.1 53 -> 10.0.0.1 any", from_home),
                (0, "udp 10.0.0.2 any -> any any", from_home),
                (0, "udp any any -> any !53", from_home),
                (0, "udp any 1024:39999 -> any any", from_home),
                (0, "udp $EXTERNAL_NET any -> any any", from_home),
                (0, "udp [10.0.0.0/8,!10.0.0.1] any -> any any", from_home),
                (0, "tcp any any -> any any", from_home),
            ],
        ),
        case(
            "",
            frames([
                udp6((1000, 2000), b"friend"),
                Ip4::default().udp((1000, 2000), b"friend"),
                Ip4::default().icmp(8, 0, b"\0\x01\0\x02friend"),
                icmp6(128, 0, b"\0\x01\0\x02friend"),
            ]),
            &[
                (4, "ip", from_home),
                (2, "ipv4", from_home),
                (2, "ipv6", from_home),
                (2, "udp", from_home),
                (2, "icmp", from_home),
                (1, "icmpv4", from_home),
                (1, "icmpv6", from_home),
                (1, "ip 2001:db8::/64 any -> [2001:db8::2,10.0.0.9] 2000", from_home),
                (4, "pkthdr", from_home),
                (0, "sctp", from_home),
                (0, "ip 2001:db8:1::/64 any -> any any", from_home),
            ],
        ),
        case(
            "",
            Talk::to(80).client("GET /a HTTP/1.1\r\nHost: friend\r\n\r\n").end(),
            &[
                (1, "tcp", from_home),
                (1, "tcp-stream", from_home),
                (1, "tcp-pkt", from_home),
                (1, "http", "http.host; content:\"friend\";"),
                (0, "dns", from_home),
                (0, "tls", from_home),
                (0, "udp", from_home),
            ],
        ),
    ]
}

fn flow() -> Vec<Case> {
    vec![
        case(
            "flow",
            talk(),
            &[
                (1, "tcp", "flow:to_server; content:\"friend\";"),
                (1, "tcp", "flow:from_server,established; content:\"enter\";"),
                (1, "tcp", "flow:established,from_client,no_frag; content:\"friend\";"),
                (1, "tcp", "flow:stateless; content:\"friend\";"),
                (0, "tcp", "flow:to_client; content:\"friend\";"),
                (0, "tcp", "flow:from_client; content:\"enter\";"),
                (0, "tcp", "flow:not_established; content:\"friend\";"),
                (0, "tcp", "flow:only_frag; content:\"friend\";"),
            ],
        ),
        case(
            "flow",
            talk(),
            &[
                (1, "tcp", "flow:to_server,not_established; flags:S;"),
                (1, "tcp", "flow:to_client,not_established; flags:SA;"),
                (1, "tcp", "flow:to_server,stateless; flags:S;"),
                (0, "tcp", "flow:to_server,established; flags:S;"),
                (0, "tcp", "flow:to_client,established; flags:SA;"),
                (1, "tcp", "flow:to_client,established; flags:FA;"),
            ],
        ),
        case(
            "flow",
            Datagrams::to(9).client("one").server("two").client("three").end(),
            &[
                (0, "udp", "flow:established; content:\"one\";"),
                (1, "udp", "flow:not_established; content:\"one\";"),
                (1, "udp", "flow:established,to_client; content:\"two\";"),
                (1, "udp", "flow:established,to_server; content:\"three\";"),
                (0, "udp", "flow:to_client; content:\"three\";"),
            ],
        ),
        // What spans two segments is there in the stream only.
        case(
            "flow",
            Talk::to(8080).client("say fri").client("end and enter").end(),
            &[
                (1, "tcp", "flow:only_stream; content:\"friend\";"),
                (1, "tcp", "content:\"friend\";"),
                (0, "tcp", "flow:no_stream; content:\"friend\";"),
                (0, "tcp-pkt", "content:\"friend\";"),
                (1, "tcp-pkt", "content:\"end and\";"),
                (1, "tcp", "flow:no_stream; content:\"end and\";"),
            ],
        ),
        case(
            "flow",
            frames(udp_in_fragments(CLIENT, (SERVER, 9), &[b'x'; 100], 48)),
            &[
                (1, "udp", "flow:only_frag; content:\"xxxx\";"),
                (1, "udp", "content:\"xxxx\";"),
                (0, "udp", "flow:no_frag; content:\"xxxx\";"),
            ],
        ),
    ]
}

/// Three packets of the client, 10 s later one of the server.
fn counted() -> Vec<TestRecord> {
    let ask = Datagrams::to(9).client("1234").client("5678").client("last");
    then(ask.end(), 10, Datagrams::to(9).server("answer").end())
}

fn flows() -> Vec<Case> {
    vec![
        case(
            "flow.age",
            counted(),
            &[
                (1, "udp", "flow.age:>9; content:\"answer\";"),
                (1, "udp", "flow.age:<1; content:\"last\";"),
                (0, "udp", "flow.age:>11;"),
                (0, "udp", "flow.age:>1; content:\"last\";"),
            ],
        ),
        case(
            "flow.pkts flow.pkts_toserver flow.pkts_toclient",
            counted(),
            &[
                (1, "udp", "flow.pkts_toserver:3; content:\"last\";"),
                (1, "udp", "flow.pkts_toclient:1; content:\"answer\";"),
                (1, "udp", "flow.pkts:toserver,3; content:\"last\";"),
                (1, "udp", "flow.pkts:toclient,>0; content:\"answer\";"),
                (2, "udp", "flow.pkts:either,3;"),
                (0, "udp", "flow.pkts_toserver:2; content:\"last\";"),
                (0, "udp", "flow.pkts_toclient:>1;"),
                (0, "udp", "flow.pkts:toserver,>3;"),
            ],
        ),
        // Each is 14 + 20 + 8 bytes and what it says.
        case(
            "flow.bytes flow.bytes_toserver flow.bytes_toclient",
            counted(),
            &[
                (1, "udp", "flow.bytes_toserver:138; content:\"last\";"),
                (1, "udp", "flow.bytes_toclient:48; content:\"answer\";"),
                (1, "udp", "flow.bytes:toserver,138; content:\"last\";"),
                (2, "udp", "flow.bytes:either,>130;"),
                (0, "udp", "flow.bytes_toserver:137; content:\"last\";"),
                (0, "udp", "flow.bytes_toclient:>48;"),
                (0, "udp", "flow.bytes:toclient,<48; content:\"answer\";"),
            ],
        ),
        case(
            "stream_size",
            Talk::to(8080).client([b'a'; 300]).server([b'b'; 50]).client("the end").end(),
            &[
                // In the packet and in the stream.
                (2, "tcp", "stream_size:client,>,300; content:\"the end\";"),
                // What is acknowledged counts, and the SYN before it.
                (2, "tcp", "stream_size:server,=,51; content:\"the end\";"),
                (2, "tcp", "stream_size:both,>=,50; content:\"the end\";"),
                (2, "tcp", "stream_size:either,>,100; content:\"the end\";"),
                (0, "tcp", "stream_size:client,>,400; content:\"the end\";"),
                (0, "tcp", "stream_size:server,!=,51; content:\"the end\";"),
                (0, "tcp", "stream_size:both,>,100; content:\"the end\";"),
                (0, "tcp", "stream_size:either,<=,10; content:\"the end\";"),
            ],
        ),
        case(
            "app-layer-protocol",
            Talk::to(8080).client("GET / HTTP/1.0\r\n\r\n").server("HTTP/1.0 200 OK\r\n\r\n").end(),
            &[
                (1, "tcp", "app-layer-protocol:http; content:\"GET /\";"),
                (1, "tcp", "app-layer-protocol:!tls; content:\"GET /\";"),
                (1, "tcp", "flow:to_client; app-layer-protocol:http,to_server; content:\"200\";"),
                (0, "tcp", "app-layer-protocol:tls; content:\"GET /\";"),
                (0, "tcp", "app-layer-protocol:!http; content:\"GET /\";"),
                (0, "tcp", "app-layer-protocol:failed; content:\"GET /\";"),
            ],
        ),
        case(
            "app-layer-protocol",
            Talk::to(8080).client([0xfe; 200]).server([0xfd; 200]).client("friend").end(),
            &[
                (1, "tcp", "app-layer-protocol:failed; content:\"friend\";"),
                (0, "tcp", "app-layer-protocol:http; content:\"friend\";"),
                (0, "tcp", "app-layer-protocol:!failed; content:\"friend\";"),
            ],
        ),
    ]
}

fn vlans() -> Vec<Case> {
    use super::lab::packets::tagged;
    let plain = || Ip4::default().udp((7, 8), b"x");
    vec![
        case(
            "vlan.id vlan.layers",
            frame(tagged(&[100, 200], &plain())),
            &[
                (1, "ip", "vlan.id:100;"),
                (1, "ip", "vlan.id:200,1;"),
                (1, "ip", "vlan.id:200,-1;"),
                (1, "ip", "vlan.id:>150;"),
                (1, "ip", "vlan.layers:2;"),
                (0, "ip", "vlan.id:100,1;"),
                (0, "ip", "vlan.id:300;"),
                (0, "ip", "vlan.layers:1;"),
                (0, "ip", "vlan.layers:>2;"),
            ],
        ),
        case(
            "vlan.layers",
            frame(plain()),
            &[(1, "ip", "vlan.layers:0;"), (0, "ip", "vlan.id:>0;")],
        ),
    ]
}

pub(super) fn cases() -> Vec<Case> {
    [addresses(), flow(), flows(), vlans()].concat()
}

#[test]
fn headers_and_flows() {
    check("header", &cases());
}

#[test]
fn six_and_four_have_the_same_ports() {
    let segment = Segment { flags: 2, ..Segment::default() };
    let capture = frames([tcp6((1, 2), &segment), Ip4::default().tcp((1, 2), &segment)]);
    check(
        "ports",
        &[case(
            "",
            capture,
            &[(2, "tcp any 1 -> any 2", "flags:S;"), (0, "tcp any 2 -> any 1", "flags:S;")],
        )],
    );
}
