//! What rules remember: of flows, of hosts, of pairs, of themselves.

use super::case::{Case, case, check};
use super::lab::packets::SERVER;
use super::lab::talk::{Datagrams, Talk, then};
use crate::testing::{End, TestRecord};

const A: End = ([10, 0, 0, 1], 40_000);
const B: End = ([10, 0, 0, 2], 40_000);

/// In segments of their own, each looked at when it comes.
fn talk(said: &[&str]) -> Vec<TestRecord> {
    said.iter().fold(Talk::to(9), |talk, text| talk.client(text)).end()
}

/// One datagram from each of these, with so many seconds before it.
fn datagrams(said: &[(u64, End, &str)]) -> Vec<TestRecord> {
    said.iter().fold(Vec::new(), |capture, (wait, from, text)| {
        then(capture, *wait, Datagrams::between(*from, (SERVER, 9)).client(text).end())
    })
}

fn of_flows() -> Vec<Case> {
    vec![
        case(
            "flowbits",
            talk(&["login", "command", "logout", "command"]),
            &[
                (1, "tcp-pkt", "content:\"login\"; flowbits:set,in;"),
                (1, "tcp-pkt", "content:\"command\"; flowbits:isset,in;"),
                (1, "tcp-pkt", "content:\"command\"; flowbits:isnotset,in;"),
                (2, "tcp-pkt", "content:\"command\"; flowbits:isset,in|out;"),
                (1, "tcp-pkt", "content:\"logout\"; flowbits:unset,in; flowbits:set,out;"),
                (0, "tcp-pkt", "content:\"login\"; flowbits:isset,never;"),
                (0, "tcp-pkt", "content:\"login\"; flowbits:isnotset,in;"),
                (0, "tcp-pkt", "content:\"login\"; flowbits:set,quiet; flowbits:noalert;"),
                (2, "tcp-pkt", "content:\"command\"; flowbits:isset,quiet;"),
            ],
        ),
        case(
            "flowbits",
            talk(&["knock", "knock", "enter"]),
            &[
                (2, "tcp-pkt", "content:\"knock\"; flowbits:toggle,odd;"),
                (0, "tcp-pkt", "content:\"enter\"; flowbits:isset,odd;"),
                (1, "tcp-pkt", "content:\"enter\"; flowbits:isnotset,odd;"),
            ],
        ),
        // What is set by a packet can be asked for at the same packet, wherever the rules stand.
        case(
            "flowbits",
            talk(&["one"]),
            &[
                (1, "tcp-pkt", "content:\"one\"; flowbits:isset,early;"),
                (1, "tcp-pkt", "content:\"one\"; flowbits:isset,mid; flowbits:set,early;"),
                (1, "tcp-pkt", "content:\"one\"; flowbits:set,mid;"),
                (0, "tcp-pkt", "content:\"one\"; flowbits:isset,late;"),
            ],
        ),
        // Another flow has bits of its own.
        case(
            "flowbits",
            datagrams(&[(0, A, "set"), (0, B, "ask")]),
            &[
                (1, "udp", "content:\"set\"; flowbits:set,x;"),
                (0, "udp", "content:\"ask\"; flowbits:isset,x;"),
            ],
        ),
        case(
            "flowint",
            talk(&["try", "try", "try", "done"]),
            &[
                (3, "tcp-pkt", "content:\"try\"; flowint:nn,+,1;"),
                (1, "tcp-pkt", "content:\"done\"; flowint:nn,==,3;"),
                (1, "tcp-pkt", "content:\"try\"; flowint:nn,>,2;"),
                (1, "tcp-pkt", "content:\"try\"; flowint:nn,<=,1;"),
                (1, "tcp-pkt", "content:\"done\"; flowint:nn,isset; flowint:mm,notset;"),
                (1, "tcp-pkt", "content:\"done\"; flowint:nn,!=,2;"),
                (0, "tcp-pkt", "content:\"done\"; flowint:nn,<,3;"),
                (0, "tcp-pkt", "content:\"done\"; flowint:nn,>=,4;"),
                (0, "tcp-pkt", "content:\"done\"; flowint:mm,isset;"),
                (0, "tcp-pkt", "content:\"done\"; flowint:mm,==,0;"),
            ],
        ),
        case(
            "flowint",
            talk(&["set", "less", "ask"]),
            &[
                (1, "tcp-pkt", "content:\"set\"; flowint:aa,=,10;"),
                (1, "tcp-pkt", "content:\"less\"; flowint:aa,-,4;"),
                (1, "tcp-pkt", "content:\"less\"; flowint:bb,=,6;"),
                (1, "tcp-pkt", "content:\"ask\"; flowint:aa,==,bb;"),
                (0, "tcp-pkt", "content:\"ask\"; flowint:aa,>,bb;"),
            ],
        ),
        case(
            "flowvar",
            talk(&["user=bob;", "user=eve;"]),
            &[
                (2, "tcp-pkt", "content:\"user\"; pcre:\"/user=([a-z]+)/, flow:who\";"),
                (1, "tcp-pkt", "flowvar:who,\"eve\"; content:\"eve\";"),
                (0, "tcp-pkt", "flowvar:who,\"mallory\"; content:\"eve\";"),
                (0, "tcp-pkt", "flowvar:whom,\"eve\"; content:\"eve\";"),
            ],
        ),
        case(
            "pktvar",
            talk(&["user=bob;", "user=eve;"]),
            &[
                (2, "tcp-pkt", "content:\"user\"; pcre:\"/user=([a-z]+)/, pkt:who\";"),
                (1, "tcp-pkt", "pktvar:who,\"eve\"; content:\"user\";"),
                (0, "tcp-pkt", "pktvar:who,\"mallory\"; content:\"user\";"),
                (0, "tcp-pkt", "pktvar:who,\"bob\"; content:\"eve\";"),
            ],
        ),
    ]
}

fn of_hosts() -> Vec<Case> {
    vec![
        case(
            "xbits",
            datagrams(&[(0, A, "set"), (2, B, "ask"), (3, A, "ask"), (10, A, "late")]),
            &[
                (1, "udp", "content:\"set\"; xbits:set,x,track ip_src,expire 10;"),
                (1, "udp", "content:\"ask\"; xbits:isset,x,track ip_src;"),
                (1, "udp", "content:\"ask\"; xbits:isnotset,x,track ip_src;"),
                (0, "udp", "content:\"late\"; xbits:isset,x,track ip_src;"),
                (0, "udp", "content:\"ask\"; xbits:isset,y,track ip_src;"),
                (0, "udp", "content:\"ask\"; xbits:isset,x,track ip_dst;"),
                (0, "udp", "content:\"ask\"; xbits:isset,x,track ip_pair;"),
            ],
        ),
        case(
            "xbits",
            datagrams(&[
                (0, A, "set"),
                (1, B, "ask"),
                (1, A, "ask"),
                (1, A, "unset"),
                (1, A, "ask"),
            ]),
            &[
                (1, "udp", "content:\"set\"; depth:3; xbits:set,p,track ip_pair,expire 60;"),
                (1, "udp", "content:\"unset\"; xbits:unset,p,track ip_pair;"),
                (1, "udp", "content:\"ask\"; xbits:isset,p,track ip_pair;"),
                (2, "udp", "content:\"ask\"; xbits:isnotset,p,track ip_pair;"),
                (1, "udp", "content:\"set\"; depth:3; xbits:set,d,track ip_dst,expire 60;"),
                (3, "udp", "content:\"ask\"; xbits:isset,d,track ip_dst;"),
                (0, "udp", "content:\"ask\"; xbits:isset,d,track ip_src;"),
                (0, "udp", "content:\"set\"; depth:3; xbits:set,q,track ip_src; noalert;"),
                (2, "udp", "content:\"ask\"; xbits:isset,q,track ip_src;"),
            ],
        ),
        case(
            "hostbits",
            datagrams(&[(0, A, "set"), (1, B, "ask"), (60, A, "ask")]),
            &[
                (1, "udp", "content:\"set\"; hostbits:set,x;"),
                (1, "udp", "content:\"ask\"; hostbits:isset,x,src;"),
                (1, "udp", "content:\"ask\"; hostbits:isnotset,x,src;"),
                (1, "udp", "content:\"set\"; hostbits:set,y,dst;"),
                (2, "udp", "content:\"ask\"; hostbits:isset,y,dst;"),
                (0, "udp", "content:\"ask\"; hostbits:isset,x,dst;"),
                (0, "udp", "content:\"ask\"; hostbits:isset,y,src;"),
            ],
        ),
    ]
}

/// The same word, once a second.
fn every_second(from: End, times: usize) -> Vec<TestRecord> {
    datagrams(&vec![(1, from, "again"); times])
}

fn limits() -> Vec<Case> {
    vec![
        case(
            "threshold",
            every_second(A, 10),
            &[
                (
                    2,
                    "udp",
                    "content:\"again\"; threshold:type limit,track by_src,count 2,seconds 60;",
                ),
                (
                    3,
                    "udp",
                    "content:\"again\"; threshold:type threshold,track by_src,count 3,seconds 60;",
                ),
                (
                    1,
                    "udp",
                    "content:\"again\"; threshold:type both,track by_src,count 3,seconds 60;",
                ),
                (
                    5,
                    "udp",
                    "content:\"again\"; threshold:type limit,track by_dst,count 1,seconds 2;",
                ),
                (
                    2,
                    "udp",
                    "content:\"again\"; threshold:type backoff,track by_flow,count 1,multiplier 8;",
                ),
                (
                    0,
                    "udp",
                    "content:\"again\"; threshold:type threshold,track by_src,count 11,seconds 60;",
                ),
                (
                    0,
                    "udp",
                    "content:\"again\"; threshold:type both,track by_rule,count 11,seconds 60;",
                ),
                (
                    0,
                    "udp",
                    "content:\"never\"; threshold:type limit,track by_src,count 1,seconds 60;",
                ),
            ],
        ),
        // Hosts, pairs and flows are counted apart, rules as a whole.
        case(
            "threshold",
            then(every_second(A, 3), 0, every_second(B, 3)),
            &[
                (
                    2,
                    "udp",
                    "content:\"again\"; threshold:type limit,track by_src,count 1,seconds 60;",
                ),
                (
                    1,
                    "udp",
                    "content:\"again\"; threshold:type limit,track by_dst,count 1,seconds 60;",
                ),
                (
                    2,
                    "udp",
                    "content:\"again\"; threshold:type limit,track by_both,count 1,seconds 60;",
                ),
                (
                    1,
                    "udp",
                    "content:\"again\"; threshold:type limit,track by_rule,count 1,seconds 60;",
                ),
                (
                    2,
                    "udp",
                    "content:\"again\"; threshold:type limit,track by_flow,count 1,seconds 60;",
                ),
                (
                    0,
                    "udp",
                    "content:\"again\"; threshold:type both,track by_src,count 4,seconds 60;",
                ),
            ],
        ),
        case(
            "detection_filter",
            every_second(A, 10),
            &[
                (7, "udp", "content:\"again\"; detection_filter:track by_src,count 3,seconds 60;"),
                (7, "udp", "content:\"again\"; detection_filter:track by_dst,count 3,seconds 60;"),
                (0, "udp", "content:\"again\"; detection_filter:track by_src,count 10,seconds 60;"),
                (0, "udp", "content:\"again\"; detection_filter:track by_src,count 3,seconds 2;"),
            ],
        ),
    ]
}

fn threshold_file() -> Vec<Case> {
    vec![
        case(
            "threshold",
            then(every_second(A, 4), 0, every_second(B, 2)),
            &[
                (0, "udp", "content:\"again\";"),
                (2, "udp", "content:\"again\";"),
                (4, "udp", "content:\"again\";"),
                (0, "udp", "content:\"again\";"),
                (2, "udp", "content:\"again\";"),
                (6, "udp", "content:\"again\";"),
                (
                    2,
                    "udp",
                    "content:\"again\"; threshold:type limit,track by_src,count 3,seconds 60;",
                ),
                (0, "udp", "content:\"again\";"),
            ],
        )
        .with(
            "threshold.config",
            "suppress gen_id 1, sig_id 1\n\
             suppress gen_id 1, sig_id 2, track by_src, ip 10.0.0.1\n\
             suppress gen_id 1, sig_id 3, track by_src, ip [10.0.0.2,10.0.0.3]\n\
             suppress gen_id 1, sig_id 4, track by_dst, ip 192.0.2.0/24\n\
             threshold gen_id 1, sig_id 5, type limit, track by_src, count 1, seconds 60\n\
             suppress gen_id 1, sig_id 6, track by_dst, ip 10.0.0.1\n\
             threshold gen_id 1, sig_id 7, type limit, track by_src, count 1, seconds 60\n\
             suppress gen_id 1, sig_id 8, track by_either, ip 192.0.2.1\n",
        ),
        case(
            "threshold",
            every_second(A, 4),
            &[
                (1, "udp", "content:\"again\";"),
                (
                    2,
                    "udp",
                    "content:\"again\"; threshold:type limit,track by_src,count 2,seconds 60;",
                ),
                (0, "udp", "content:\"never\";"),
            ],
        )
        .with(
            "threshold.config",
            "threshold gen_id 1, sig_id 0, type limit, track by_src, count 1, seconds 60\n",
        ),
    ]
}

fn silence() -> Vec<Case> {
    vec![
        case(
            "noalert alert",
            talk(&["set", "ask"]),
            &[
                (0, "tcp-pkt", "content:\"set\"; flowbits:set,x; noalert;"),
                (1, "tcp-pkt", "content:\"ask\"; flowbits:isset,x;"),
                (1, "tcp-pkt", "content:\"set\"; flowbits:set,y; flowbits:noalert; alert;"),
                (0, "tcp-pkt", "content:\"ask\"; flowbits:isset,z; alert;"),
            ],
        ),
        // Packets that are tagged are no alerts.
        case(
            "tag",
            talk(&["one", "two", "three"]),
            &[
                (1, "tcp-pkt", "content:\"one\"; tag:session,5,packets;"),
                (0, "tcp-pkt", "content:\"four\"; tag:host,60,seconds,src;"),
            ],
        ),
    ]
}

pub(super) fn cases() -> Vec<Case> {
    [of_flows(), of_hosts(), limits(), threshold_file(), silence()].concat()
}

#[test]
fn what_is_remembered() {
    check("state", &cases());
}
