//! What is odd: in packets, in streams, in application layers.

use super::case::{Case, case, check};
use super::lab::packets::{ACK, Ip4, PSH, RST, SYN, Segment, patched};
use super::lab::talk::{Datagrams, Talk, frame, frames};
use crate::app::Heading::ToServer;

fn of_packets() -> Vec<Case> {
    let plain = || Ip4::default().udp((1, 9), b"x");
    vec![
        case(
            "decode-event",
            frame(patched(plain(), 14, &[0x44])),
            &[
                (1, "pkthdr", "decode-event:ipv4.hlen_too_small;"),
                // Such packets are seen by nobody else.
                (0, "pkthdr", "engine-event:decoder.ipv4.hlen_too_small;"),
                (0, "pkthdr", "decode-event:ipv4.iplen_smaller_than_hlen;"),
                (0, "udp", "content:\"x\";"),
            ],
        ),
        case(
            "decode-event",
            frames([plain(), patched(plain(), 38, &[0, 7])]),
            &[
                (1, "pkthdr", "decode-event:udp.len_invalid;"),
                (0, "pkthdr", "decode-event:udp.hlen_too_small;"),
                (0, "pkthdr", "decode-event:ipv4.opt_invalid;"),
            ],
        ),
        case(
            "decode-event engine-event",
            frame(Ip4 { options: vec![1, 1, 1, 1], ..Ip4::default() }.udp((1, 9), b"x")),
            &[
                (1, "pkthdr", "decode-event:ipv4.opt_pad_required;"),
                (1, "ip", "engine-event:decoder.ipv4.opt_pad_required;"),
                (0, "ip", "decode-event:ipv4.opt_duplicate;"),
                (0, "ip", "engine-event:decoder.ipv4.opt_duplicate;"),
            ],
        ),
        case(
            "decode-event",
            frame(Ip4 { options: vec![7, 40, 4, 0], ..Ip4::default() }.udp((1, 9), b"x")),
            &[
                (1, "pkthdr", "decode-event:ipv4.opt_invalid_len;"),
                (1, "pkthdr", "decode-event:ipv4.opt_pad_required;"),
                (0, "pkthdr", "decode-event:ipv4.opt_duplicate;"),
            ],
        ),
    ]
}

fn of_streams() -> Vec<Case> {
    let header = Ip4::default();
    let bare = |flags: u8| {
        header.tcp((40_000, 80), &Segment { flags, seq: 5, ack: 9, ..Segment::default() })
    };
    vec![
        case(
            "stream-event",
            Talk::to(9).client("hello").bare(ToServer, SYN).end(),
            &[
                (1, "tcp", "stream-event:est_syn_resend_diff_seq;"),
                (0, "tcp", "stream-event:est_syn_toclient;"),
                (0, "tcp", "stream-event:3whs_syn_resend_diff_seq_on_syn_recv;"),
            ],
        ),
        case(
            "stream-event engine-event",
            frames([bare(ACK), bare(PSH | ACK), bare(RST)]),
            &[
                (0, "tcp", "stream-event:3whs_ack_in_wrong_dir;"),
                (1, "tcp", "stream-event:rst_but_no_session;"),
                (1, "tcp", "engine-event:stream.rst_but_no_session;"),
            ],
        ),
    ]
}

fn of_layers() -> Vec<Case> {
    vec![
        case(
            "app-layer-event",
            Talk::to(80).client("GET / HTTP/1.1\r\n\r\n").end(),
            &[
                // The transaction has it, looked at from either end.
                (2, "http", "app-layer-event:http.missing_host_header;"),
                (
                    1,
                    "http",
                    "flow:to_server; app-layer-event:http.missing_host_header; http.method; content:\"GET\";",
                ),
                (0, "http", "app-layer-event:http.host_header_ambiguous;"),
            ],
        ),
        case(
            "app-layer-event",
            Datagrams::to(53)
                .client(super::lab::dns::message(0x0140, &[("a.b", 1)], [&[], &[], &[]]))
                .end(),
            &[
                (1, "dns", "app-layer-event:dns.z_flag_set;"),
                (0, "dns", "app-layer-event:dns.invalid_opcode;"),
            ],
        ),
        case(
            "app-layer-event",
            Talk::to(80)
                .client("GET / HTTP/1.0\r\nHost: a\r\n\r\n")
                .server("SSH-2.0-OpenSSH_7.4\r\n")
                .end(),
            &[
                (1, "tcp", "app-layer-event:applayer_mismatch_protocol_both_directions;"),
                (0, "tcp", "app-layer-event:applayer_wrong_direction_first_data;"),
            ],
        ),
    ]
}

pub(super) fn cases() -> Vec<Case> {
    [of_packets(), of_streams(), of_layers()].concat()
}

#[test]
fn what_is_odd() {
    check("events", &cases());
}
