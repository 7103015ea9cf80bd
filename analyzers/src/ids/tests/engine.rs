//! What the engine looks at when, and what becomes of what matched.

use super::case::{Line, case, check};
use super::lab::packets::{CLIENT, Ip4, SERVER, SYN};
use super::lab::talk::{Datagrams, Talk, frame, then};
use super::lab::{Lab, sids};
use crate::app::Heading::ToServer;
use crate::events::AlertSource;
use crate::testing::TestRecord;

fn request(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: a.example\r\n\r\n")
}

fn dns() -> Vec<u8> {
    super::lab::dns::query("a.example", 1)
}

fn answer() -> Vec<u8> {
    super::lab::dns::message(0x8180, &[("a.example", 1)], [&[], &[], &[]])
}

const FINE: &str = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfine";

/// Three exchanges in one connection; with `at_once` all are asked before anything is answered.
fn three(at_once: bool) -> Vec<TestRecord> {
    let paths = ["/evil", "/good", "/evil/again"].map(request);
    let talk = Talk::to(80);
    if at_once {
        return talk.client(paths.concat()).server([FINE; 3].concat()).end();
    }
    paths.iter().fold(talk, |talk, path| talk.client(path).server(FINE)).end()
}

#[test]
fn a_rule_alerts_once_for_each_transaction() {
    let lines: &[Line] = &[
        (2, "http", "http.uri; content:\"/evil\";"),
        (3, "http", "http.method; content:\"GET\";"),
        (3, "http", "http.response_body; content:\"fine\";"),
        (2, "http", "http.uri; content:\"/evil\"; http.host; content:\"a.example\";"),
        (1, "http", "http.uri; content:\"again\";"),
        // Of what was asked and what was answered.
        (
            2,
            "http any any => any any",
            "http.uri; content:\"/evil\"; http.stat_code; content:\"200\";",
        ),
        (0, "http", "http.uri; content:\"/evil\"; http.method; content:\"POST\";"),
        (0, "http", "http.uri; content:\"/evil\"; http.uri; content:\"/good\";"),
    ];
    check("transactions", &[case("", three(false), lines), case("", three(true), lines)]);
    let alerts = Lab::new("alert http any any -> any any (http.uri; content:\"/evil\"; sid:1;)\n")
        .alerts(&three(false));
    let numbers: Vec<_> =
        alerts.iter().map(|alert| alert.transaction.as_ref().map(|tx| tx.tx_id)).collect();
    assert_eq!(numbers, [Some(0), Some(2)]);
}

#[test]
fn what_passes_is_silent_and_for_how_long() {
    let talk = || Talk::to(9).client("friend").client("evil").end();
    let http = || Talk::to(80).client(request("/ok")).client(request("/evil")).end();
    let cases = [
        // A packet passes, not the next one.
        case(
            "",
            talk(),
            &[
                (0, "pass tcp-pkt any any -> any any", "content:\"friend\";"),
                (0, "tcp-pkt", "content:\"friend\";"),
                (0, "drop tcp-pkt any any -> any any", "content:\"friend\";"),
                (1, "tcp-pkt", "content:\"evil\";"),
            ],
        ),
        // A transaction passes with all that comes behind it,
        case(
            "",
            http(),
            &[
                (0, "pass http any any -> any any", "http.uri; content:\"/ok\";"),
                (0, "http", "http.uri; content:\"/evil\";"),
                (0, "tcp", "content:\"evil\";"),
                (1, "tcp", "flags:S;"),
            ],
        ),
        // and so does who has the right address; others do not pass.
        case(
            "",
            then(talk(), 1, Talk::between(([10, 0, 0, 7], 4000), (SERVER, 9)).client("evil").end()),
            &[
                (0, "pass ip 10.0.0.1 any -> any any", ""),
                (1, "tcp", "content:\"evil\";"),
                (0, "tcp", "content:\"friend\";"),
            ],
        ),
        // What does not match does not pass.
        case(
            "",
            talk(),
            &[
                (0, "pass tcp any any -> any any", "content:\"foe\";"),
                (1, "tcp", "content:\"evil\";"),
                (1, "drop tcp any any -> any any", "content:\"friend\";"),
                (0, "tcp", "content:\"foe\";"),
            ],
        ),
    ];
    check("pass", &cases);
}

/// Twenty rules match; the last five are worse.
#[test]
fn a_packet_causes_fifteen_alerts_the_worst_ones() {
    let line = |n: usize| match n {
        1..=10 => (1, "udp", "content:\"evil\"; priority:2;"),
        11..=15 => (0, "udp", "content:\"evil\"; priority:2;"),
        _ => (1, "udp", "content:\"evil\"; priority:1;"),
    };
    let lines: Vec<Line> = (1..=20).map(line).collect();
    let capture = frame(Ip4::default().udp((1, 2), b"evil"));
    check("fifteen", &[case("", capture.clone(), &lines)]);
    let rules: String = (1..=20)
        .map(|n| {
            let (_, _, options) = line(n);
            format!("alert udp any any -> any any ({options} sid:{n};)\n")
        })
        .collect();
    let expected: Vec<u32> = (16..=20).chain(1..=10).collect();
    assert_eq!(sids(&Lab::new(&rules).alerts(&capture)), expected);
}

#[test]
fn addresses_alone_alert_once_for_each_flow_and_heading() {
    let talks = || {
        let one = Talk::to(80).client(request("/a")).server(FINE).end();
        then(one, 1, Datagrams::to(53).client("a").client("b").server("c").end())
    };
    check(
        "addresses",
        &[case(
            "",
            talks(),
            &[
                (2, "ip 10.0.0.1 any -> any any", ""),
                (2, "ip any any -> 10.0.0.1 any", ""),
                (4, "ip 10.0.0.1 any <> any any", ""),
                (1, "udp 10.0.0.1 any -> any any", ""),
                (2, "tcp", ""),
                (1, "udp any any -> any 53", ""),
                (1, "tcp any 80 -> any any", ""),
                (2, "ip 10.0.0.1 any -> any any", "xbits:set,seen,track ip_src;"),
                (1, "ip 10.0.0.1 any -> any any", "ip_proto:17;"),
                (0, "tcp any any -> any 81", ""),
                (2, "ip 10.0.0.1 any -> any any", "flowbits:set,seen;"),
                (0, "ip 10.0.0.2 any -> any any", ""),
                (0, "ip ![10.0.0.0/8] any -> ![10.0.0.0/8] any", ""),
            ],
        )],
    );
}

/// Where something is taken away from addresses, or anything is asked of packets, each packet counts.
#[test]
fn more_than_addresses_alerts_at_each_packet() {
    let capture = Talk::to(80).client("a").server("b").end();
    check(
        "packets",
        &[case(
            "",
            capture,
            &[
                // Suricata counts once more what is left of a connection of which it does not know what it said.
                (6, "ip ![192.0.2.0/24] any -> any any", ""),
                (4, "tcp $EXTERNAL_NET any -> $HOME_NET any", ""),
                (6, "ip 10.0.0.1 any -> any any", "ttl:64;"),
                (6, "ip 10.0.0.1 any -> any any", "flow:to_server;"),
                (6, "ip 10.0.0.1 any -> any any", "flowbits:isnotset,never;"),
                (0, "ip ![10.0.0.0/8] any -> ![10.0.0.0/8] any", ""),
            ],
        )],
    );
}

#[test]
fn what_a_flow_is_alerts_when_that_is_known() {
    let open = || Talk::to(8000).client(request("/a"));
    check(
        "protocols",
        &[
            // From the server's acknowledgement on, at each packet,
            case(
                "",
                open().server(FINE).end(),
                &[
                    (6, "http", ""),
                    (3, "http", "flow:to_server;"),
                    (3, "http any any -> any 8000", ""),
                    (6, "http", "flow:established;"),
                    (1, "http", "dsize:>0;"),
                    (0, "tls", ""),
                    (0, "dns", ""),
                ],
            ),
            // and for what is left of a connection that was not closed.
            case(
                "",
                open().open_end(),
                &[
                    (3, "http", ""),
                    (2, "http", "flow:to_client;"),
                    (1, "http", "flow:established;"),
                    (0, "http", "dsize:>0;"),
                ],
            ),
            // By the keyword alone once for each heading, behind the packet by which it was known.
            case(
                "app-layer-protocol",
                open().server(FINE).end(),
                &[
                    (2, "tcp", "app-layer-protocol:http;"),
                    (1, "tcp", "app-layer-protocol:http; flow:to_client;"),
                    (2, "tcp", "app-layer-protocol:!tls;"),
                    (4, "tcp", "app-layer-protocol:http; flags:A+;"),
                    (6, "tcp", "app-layer-protocol:http,final; flags:A+;"),
                    (6, "tcp", "app-layer-protocol:!tls,either; flags:A+;"),
                    (4, "tcp", "app-layer-protocol:http,to_client; flags:A+;"),
                    (5, "tcp", "app-layer-protocol:unknown; flags:A+;"),
                    (0, "tcp", "app-layer-protocol:tls;"),
                    (0, "tcp", "app-layer-protocol:!http;"),
                    (0, "tcp", "app-layer-protocol:failed; flags:A+;"),
                ],
            ),
            // An end that says nothing known is not known to be anything before the other one has spoken.
            case(
                "app-layer-protocol",
                Talk::to(32_000).server("no protocol, but words").end(),
                &[
                    (1, "tcp", "flow:to_client; content:\"words\";"),
                    (0, "tcp", "flow:to_client; app-layer-protocol:!http; content:\"words\";"),
                    (0, "tcp", "flow:to_client; app-layer-protocol:failed; content:\"words\";"),
                ],
            ),
            case(
                "app-layer-protocol",
                Datagrams::to(53).client(dns()).server(answer()).client(dns()).end(),
                &[
                    (3, "udp", "app-layer-protocol:dns;"),
                    (3, "udp", "app-layer-protocol:!tls;"),
                    (2, "udp", "app-layer-protocol:dns; flow:established;"),
                    (3, "dns", ""),
                    (0, "udp", "app-layer-protocol:!dns;"),
                ],
            ),
        ],
    );
}

#[test]
fn what_was_not_acknowledged_is_looked_at_in_the_end() {
    let unheard = || Talk::to(80).unheard(ToServer, request("/evil").as_bytes()).open_end();
    check(
        "end",
        &[
            case(
                "",
                unheard(),
                &[
                    (1, "http", "http.uri; content:\"/evil\";"),
                    (1, "tcp", "content:\"/evil\";"),
                    (1, "tcp-pkt", "content:\"/evil\";"),
                    (0, "http", "http.uri; content:\"/evil\"; http.user_agent; content:\"a\";"),
                    (0, "tcp", "content:\"/good\";"),
                ],
            ),
            // The body never comes to its end.
            case(
                "",
                Talk::to(80)
                    .client(request("/"))
                    .server("HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\nevil begins")
                    .end(),
                &[
                    (1, "http", "http.response_body; content:\"evil\";"),
                    (1, "http", "file.data; content:\"evil begins\";"),
                    (0, "http", "http.response_body; content:\"ends\";"),
                ],
            ),
        ],
    );
    let rules = "alert http any any -> any any (http.uri; content:\"/evil\"; sid:1;)\n\
        alert tcp-pkt any any -> any any (content:\"/evil\"; sid:2;)\n";
    let alerts = Lab::new(rules).alerts(&unheard());
    let seen: Vec<_> = alerts.iter().map(|a| (a.signature.sid, a.source)).collect();
    assert_eq!(seen, [(2, AlertSource::Frame), (1, AlertSource::StreamEnd)]);
    assert_eq!(alerts[1].timestamp, alerts[0].timestamp);
}

#[test]
fn what_is_lost_hides_what_stood_in_it_only() {
    let capture = Talk::to(9).client("before").lost(ToServer, 10).client("behind").open_end();
    check(
        "lost",
        &[case(
            "",
            capture,
            &[
                (1, "tcp", "content:\"before\";"),
                (1, "tcp", "content:\"behind\";"),
                (0, "tcp", "content:\"before\"; content:\"behind\"; distance:0;"),
                (0, "tcp", "content:\"beforebehind\";"),
            ],
        )],
    );
}

#[test]
fn established_is_what_both_ends_have_agreed_to() {
    let lines: &[Line] = &[
        (1, "tcp", "flow:not_established; flags:S;"),
        (0, "tcp", "flow:established; flags:S;"),
        (0, "tcp", "flow:established,to_client;"),
    ];
    let begun = || Talk::silent(CLIENT, (SERVER, 9)).bare(ToServer, SYN);
    check(
        "established",
        &[
            case("", begun().open_end(), lines),
            case("", begun().reset(), lines),
            case(
                "",
                Talk::to(9).open_end(),
                &[
                    (0, "tcp", "flow:established,to_server;"),
                    (1, "tcp", "flow:not_established,to_client;"),
                    (2, "tcp", "flow:not_established,to_server;"),
                ],
            ),
            case(
                "",
                Talk::to(9).client("a").server("b").end(),
                &[
                    (1, "tcp", "flow:established; content:\"a\";"),
                    (1, "tcp", "flow:established; content:\"b\";"),
                    (0, "tcp", "flow:not_established; content:\"a\";"),
                ],
            ),
        ],
    );
}
