use super::*;
use proptest::prelude::*;

const TCP: Origin = Origin { carrier: Carrier::Tcp, server_port: 9999 };

const fn tcp(server_port: u16) -> Origin {
    Origin { carrier: Carrier::Tcp, server_port }
}

const fn udp(server_port: u16) -> Origin {
    Origin { carrier: Carrier::Udp, server_port }
}

/// What a conversation is taken for; each message is the next part of its heading's stream.
fn talk(origin: Origin, said: &[(Heading, &[u8])]) -> (Option<&'static str>, Vec<&'static str>) {
    let mut detector = Detector::new();
    let mut streams = [Vec::new(), Vec::new()];
    for (heading, bytes) in said {
        let stream = &mut streams[heading.index()];
        if origin.carrier == Carrier::Udp {
            stream.clear();
        }
        stream.extend_from_slice(bytes);
        detector.data(*heading, stream, stream.len() as u64, &origin);
    }
    (detector.verdict().as_str(), detector.events().collect())
}

fn client(origin: Origin, bytes: &[u8]) -> Option<&'static str> {
    talk(origin, &[(Heading::ToServer, bytes)]).0
}

fn server(origin: Origin, bytes: &[u8]) -> Option<&'static str> {
    talk(origin, &[(Heading::ToClient, bytes)]).0
}

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
const JUNK: &[u8] = &[0x99; 500];

use Heading::{ToClient, ToServer};

#[test]
fn a_detector_is_small() {
    assert!(size_of::<Detector>() <= 40, "{}", size_of::<Detector>());
}

#[test]
fn lines_are_recognised_on_any_port() {
    assert_eq!(client(TCP, GET), Some("http"));
    assert_eq!(client(TCP, b"get\t/"), Some("http"));
    assert_eq!(client(TCP, b"BASELINE-CONTROL /x HTTP/1.1\r\n"), Some("http"));
    assert_eq!(client(TCP, b"GETS /x HTTP/1.1\r\n\r\n"), None);
    assert_eq!(server(TCP, OK), Some("http"));
    assert_eq!(server(TCP, b"HTTP/2.0 200 OK\r\n"), None);
    assert_eq!(client(TCP, b"ehlo me\r\n"), Some("smtp"));
    assert_eq!(client(TCP, b"USER me\r\n"), Some("ftp"));
    assert_eq!(client(TCP, b"user me\r\n"), None);
    assert_eq!(server(TCP, b"220 (vsFTPd 3.0.3)\r\n"), Some("ftp"));
    assert_eq!(server(TCP, b"* OK [CAPABILITY] ready\r\n"), Some("imap"));
    assert_eq!(client(TCP, b"a001 CAPABILITY\r\n  "), Some("imap"));
    assert_eq!(server(TCP, b"SSH-2.0-x\r\n"), Some("ssh"));
    assert_eq!(client(TCP, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), Some("http2"));
    assert_eq!(client(TCP, b"OPTIONS sip:a SIP/2.0\r\n"), Some("sip"));
    assert_eq!(client(TCP, b"OPTIONS /a HTTP/1.1\r\n"), Some("http"));
    assert_eq!(client(udp(5), b"NOTIFY * HTTP/1.1\r\n"), Some("failed"));
}

#[test]
fn banners_belong_to_ports() {
    assert_eq!(server(tcp(21), b"220 ready\r\n"), Some("ftp"));
    assert_eq!(server(tcp(25), b"220 ready\r\n"), None);
    assert_eq!(server(tcp(110), b"+OK ready\r\n"), Some("pop3"));
    assert_eq!(server(TCP, b"+OK ready\r\n"), None);
    assert_eq!(server(tcp(23), b"\xff\xfb\x01"), Some("telnet"));
    assert_eq!(client(tcp(23), GET), Some("http"));
}

#[test]
fn records_of_tls_are_recognised_when_the_client_speaks_first() {
    assert_eq!(client(TCP, b"\x16\x03\x01\x00\x50\x01"), Some("tls"));
    assert_eq!(client(TCP, b"\x16\x03\x04\x00\x50\x01"), None);
    assert_eq!(client(TCP, b"\x80\x2e\x01\x00\x02\x00\x15"), Some("tls"));
    assert_eq!(client(TCP, b"\x80\x2e\x01\x03\x01\x00\x15"), None);
    assert_eq!(client(tcp(443), b"\x80\x2e\x01\x03\x01\x00\x15"), Some("tls"));
    let said = talk(TCP, &[(ToClient, b"\x16\x03\x03\x00\x50\x02")]);
    assert_eq!(said, (Some("failed"), vec![WRONG_DIRECTION]));
}

#[test]
fn smb_and_dcerpc_need_their_headers() {
    let mut smb = [0; 40];
    smb[4..8].copy_from_slice(b"\xfeSMB");
    assert_eq!(client(TCP, &smb), Some("smb"));
    assert_eq!(client(TCP, &smb[..35]), None);
    let session = [&b"\x81\0\0\x44"[..], &[b'A'; 68], &smb].concat();
    assert_eq!(client(TCP, &session), None);
    assert_eq!(client(tcp(139), &session), Some("smb"));
    let bind = b"\x05\0\x0b\x03\x10\0\0\0\x48\0\0\0\x01\0\0\0";
    assert_eq!(client(TCP, bind), Some("dcerpc"));
    assert_eq!(client(TCP, &bind[..15]), None);
    assert_eq!(client(TCP, b"\x05\0\x0b\x03\x40\0\0\0\x48\0\0\0\x01\0\0\0 "), None);
}

fn query(flags: u8) -> Vec<u8> {
    let mut query = vec![0x12, 0x34, flags, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    query.extend_from_slice(b"\x03www\x07example\x03com\0\0\x01\0\x01");
    query
}

#[test]
fn dns_has_to_hold_what_it_announces() {
    assert_eq!(client(udp(53), &query(1)), Some("dns"));
    assert_eq!(client(udp(5300), &query(1)), Some("failed"));
    let mut two = query(1);
    two[5] = 2;
    assert_eq!(client(udp(53), &two), Some("failed"));
    // Of each record there would have to be two bytes.
    let len = query(1).len();
    for (records, known) in [(len / 2 - 1, "dns"), (len / 2, "failed")] {
        let mut many = query(1);
        many[11] = records as u8;
        assert_eq!(client(udp(53), &many), Some(known), "{records} and a question in {len}");
    }
    let framed = [&[0, 33][..], &query(1)].concat();
    assert_eq!(client(tcp(53), &framed), Some("dns"));
    assert_eq!(client(tcp(53), &framed[..14]), Some("dns"));
    assert_eq!(client(tcp(53), &framed[..13]), None);
}

#[test]
fn an_answer_to_the_server_turns_the_flow() {
    let mut detector = Detector::new();
    let answer = query(0x81);
    let verdict = detector.data(ToServer, &answer, answer.len() as u64, &udp(53));
    assert_eq!(verdict, Verdict::Found(AppProto::Dns));
    assert!(detector.is_reversed());
}

#[test]
fn ends_that_disagree_are_told_and_the_first_has_the_say() {
    let said = talk(TCP, &[(ToServer, GET), (ToClient, b"SSH-2.0-x\r\n")]);
    assert_eq!(said, (Some("http"), vec![MISMATCH]));
    let said = talk(TCP, &[(ToClient, b"220 (x)\r\n"), (ToServer, b"EHLO me\r\n")]);
    assert_eq!(said, (Some("ftp"), vec![MISMATCH]));
}

#[test]
fn one_end_alone_decides_and_the_other_is_told() {
    let said = talk(TCP, &[(ToServer, JUNK), (ToClient, OK)]);
    assert_eq!(said.0, Some("http"));
    let said = talk(TCP, &[(ToServer, GET), (ToClient, &JUNK[..9])]);
    assert_eq!(said, (Some("http"), vec![]));
    let said = talk(TCP, &[(ToServer, GET), (ToClient, &JUNK[..10])]);
    assert_eq!(said, (Some("http"), vec![ONE_DIRECTION]));
}

#[test]
fn what_nobody_knows_fails() {
    assert_eq!(talk(TCP, &[(ToServer, JUNK)]), (None, vec![]));
    assert_eq!(talk(TCP, &[(ToServer, JUNK), (ToClient, JUNK)]), (Some("failed"), vec![]));
    assert_eq!(client(udp(1), JUNK), Some("failed"));
    let much = vec![0x99; 100_001];
    assert_eq!(talk(TCP, &[(ToServer, &much)]), (Some("failed"), vec![SKIPPED]));
    assert_eq!(client(TCP, &much[..100_000]), None);
}

#[test]
fn a_datagram_that_failed_leaves_the_other_heading_a_chance() {
    let said = talk(udp(53), &[(ToServer, JUNK), (ToClient, &query(0x81))]);
    assert_eq!(said.0, Some("dns"));
    let said = talk(udp(53), &[(ToServer, JUNK), (ToServer, &query(1))]);
    assert_eq!(said.0, Some("failed"));
}

#[test]
fn something_else_than_the_announced_is_told() {
    let mut detector = Detector::new();
    assert!(detector.unmet(AppProto::Tls).is_empty());
    detector.data(ToServer, GET, GET.len() as u64, &TCP);
    assert_eq!(detector.unmet(AppProto::Tls), [UNEXPECTED, NO_TLS]);
}

fn origins() -> impl Strategy<Value = Origin> {
    let ports = prop::sample::select(vec![
        21, 23, 53, 67, 69, 80, 88, 110, 123, 139, 161, 389, 443, 500, 1883, 2049, 3389, 5353,
        9999u16,
    ]);
    (any::<bool>(), ports).prop_map(|(stream, server_port)| Origin {
        carrier: if stream { Carrier::Tcp } else { Carrier::Udp },
        server_port,
    })
}

proptest! {
    #[test]
    fn nothing_panics(
        origin in origins(),
        to_server in any::<bool>(),
        begin in prop::sample::select(vec![
            &b""[..], b"\x05\0", b"\x04\0", b"\0\0\0\x50\xffSMB", b"\0\x21", b"\x80\x2e\x01",
            b"\x30\x84", b"\xc3\0\0\0\x01", b"\0\0\0\x40\x6a", b"\x80\0\0\x28\0\0\0\x01\0\0\0\0",
        ]),
        rest in prop::collection::vec(any::<u8>(), 0..120),
    ) {
        let bytes = [begin, &rest].concat();
        let heading = Heading::to_server_if(to_server);
        let mut detector = Detector::new();
        for len in 0..=bytes.len() {
            detector.data(heading, &bytes[..len], len as u64, &origin);
        }
    }

    /// In pieces a stream is never taken for something else than at once, at most for less.
    #[test]
    fn pieces_do_not_make_another_protocol(
        origin in origins(),
        bytes in prop::collection::vec(any::<u8>(), 1..80),
        cut in 1usize..80,
    ) {
        prop_assume!(origin.carrier == Carrier::Tcp);
        let cut = cut.min(bytes.len());
        let whole = client(origin, &bytes);
        let pieces = talk(origin, &[(ToServer, &bytes[..cut]), (ToServer, &bytes[cut..])]).0;
        prop_assert!(whole == pieces || whole.is_none() || pieces.is_none() || origin.server_port == 53);
    }
}
