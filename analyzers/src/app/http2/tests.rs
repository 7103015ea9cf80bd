//! Connections made by hand, cut anywhere, and any bytes at all.

use serde_json::json;

use super::super::{Buffer, COMPLETE, Field, FileState};
use super::hpack::huffman;
use super::*;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const NOW: Timestamp = Timestamp(1);
const C: Heading = Heading::ToServer;
const S: Heading = Heading::ToClient;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let len = (payload.len() as u32).to_be_bytes();
    [&len[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

fn literal(first: u8, name: &str, value: &str) -> Vec<u8> {
    let name = huffman::encode(name.as_bytes());
    let len = value.len();
    let value_len =
        if len < 127 { vec![len as u8] } else { [&[127][..], &varint(len - 127)].concat() };
    [&[first, 0x80 | name.len() as u8], name.as_slice(), &value_len, value.as_bytes()].concat()
}

fn varint(mut n: usize) -> Vec<u8> {
    let mut out = Vec::new();
    while n >= 128 {
        out.push((n & 127) as u8 | 128);
        n >>= 7;
    }
    out.push(n as u8);
    out
}

fn fields(pairs: &[(&str, &str)]) -> Vec<u8> {
    pairs.iter().flat_map(|(name, value)| literal(0, name, value)).collect()
}

const REQUEST: &[(&str, &str)] = &[
    (":method", "POST"),
    (":path", "/a?b"),
    (":authority", "Example.org:80"),
    ("user-agent", "x"),
    ("cookie", "a=b"),
    ("cookie", "c=d"),
];
const OK: &[(&str, &str)] = &[(":status", "200"), ("server", "s"), ("content-length", "5")];

fn opening() -> Vec<u8> {
    [PREFACE, &frame(4, 0, 0, b"\0\x03\0\0\0\x64"), &frame(4, 1, 0, b"")].concat()
}

fn parsed(said: &[(Heading, Vec<u8>)], piece: usize) -> (Http2Parser, bool) {
    let mut parser = Http2Parser::new(Http2Config::default(), None);
    let mut failed = false;
    for (heading, bytes) in said {
        for part in bytes.chunks(piece) {
            failed |= !failed && parser.data(*heading, part, NOW).is_err();
        }
    }
    (parser, failed)
}

fn whole(said: &[(Heading, Vec<u8>)]) -> Http2Parser {
    parsed(said, usize::MAX).0
}

fn get(parser: &Http2Parser, number: u64, heading: Heading, buffer: Buffer) -> Option<String> {
    let view = parser.transaction(number)?.buffer(buffer, heading, 0)?;
    Some(view.bytes.escape_ascii().to_string())
}

fn events(parser: &Http2Parser) -> Vec<(u64, &'static str)> {
    let all = parser.first()..parser.next();
    let of = |number| parser.transaction(number).map(|t| (number, t.events().to_vec()));
    all.filter_map(of).flat_map(|(n, events)| events.into_iter().map(move |e| (n, e))).collect()
}

/// All that can be seen of a connection.
fn sight(parser: &Http2Parser) -> Vec<String> {
    (parser.first()..parser.next())
        .map(|number| {
            let transaction = parser.transaction(number).unwrap();
            let progress = Heading::ALL.map(|heading| transaction.progress(heading));
            let buffers: Vec<_> = Buffer::ALL
                .iter()
                .flat_map(|&buffer| Heading::ALL.map(|heading| (buffer, heading)))
                .flat_map(|(buffer, heading)| {
                    (0..3).map(move |index| transaction.buffer(buffer, heading, index))
                })
                .collect();
            format!(
                "{progress:?} {:?} {:?} {} {buffers:?}",
                transaction.events(),
                transaction.files(),
                serde_json::Value::Object(transaction.record())
            )
        })
        .collect()
}

#[test]
fn a_request_with_its_response() {
    let parser = whole(&[
        (C, opening()),
        (C, frame(1, 4, 1, &fields(REQUEST))),
        (S, frame(4, 0, 0, b"\0\x04\0\0\x10\0")),
        (C, frame(0, 0, 1, b"bo")),
        (C, frame(0, 9, 1, b"\x02dy\0\0")),
        (S, frame(1, 0x24, 1, &[b"\0\0\0\0\x07", fields(OK).as_slice()].concat())),
        (S, frame(0, 1, 1, b"hello")),
    ]);
    // Settings, the stream, the server's settings; an acknowledgement is none.
    assert_eq!(parser.next(), 3);
    let at = |heading, buffer| get(&parser, 1, heading, buffer);
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(at(C, Buffer::HttpUri), some("/a?b"));
    assert_eq!(at(C, Buffer::HttpHost), some("example.org"));
    assert_eq!(at(C, Buffer::HttpHostRaw), some("Example.org:80"));
    assert_eq!(at(C, Buffer::HttpCookie), some("a=b, c=d"));
    assert_eq!(at(C, Buffer::HttpRequestLine), some("POST /a?b HTTP/2\\r\\n"));
    assert_eq!(at(S, Buffer::HttpResponseLine), some("HTTP/2 200\\r\\n"));
    assert_eq!(at(S, Buffer::HttpStatCode), some("200"));
    assert_eq!(at(S, Buffer::HttpStatMsg), some(""));
    assert_eq!(at(C, Buffer::HttpRequestBody), some("body"));
    assert_eq!(at(S, Buffer::HttpResponseBody), some("hello"));
    assert_eq!(at(S, Buffer::FileData), some("hello"));
    assert_eq!(at(C, Buffer::HttpStatCode), None);
    assert_eq!(at(C, Buffer::FileName), None);
    assert_eq!(
        at(C, Buffer::HttpHeader),
        some(
            ":method: POST\\r\\n:path: /a?b\\r\\n:authority: Example.org:80\\r\\nuser-agent: x\\r\\n"
        )
    );
    let transaction = parser.transaction(1).unwrap();
    assert_eq!(Heading::ALL.map(|heading| transaction.progress(heading)), [COMPLETE; 2]);
    assert!(transaction.files().iter().all(|file| file.state == FileState::Closed));
    assert_eq!(transaction.number(Field::Http2Priority, S), Some(7));
    assert_eq!(transaction.number_at(Field::Http2FrameType, C, 1), Some(0));
    let record = serde_json::Value::Object(transaction.record());
    for (pointer, value) in [
        ("/version", json!("2")),
        ("/http_method", json!("POST")),
        ("/url", json!("/a?b")),
        ("/hostname", json!("Example.org:80")),
        ("/http_user_agent", json!("x")),
        ("/status", json!(200)),
        ("/length", json!(5)),
        ("/request_headers/1", json!({"name": ":path", "value": "/a?b"})),
        ("/http2", json!({"stream_id": 1, "response": {"priority": 7}})),
    ] {
        assert_eq!(record.pointer(pointer), Some(&value), "{pointer}");
    }
    let settings = parser.transaction(0).unwrap();
    assert_eq!(settings.number(Field::Http2Setting(3), C), Some(100));
    assert_eq!(settings.number(Field::Http2Setting(4), C), None);
    assert!(settings.is_logged());
    assert!(events(&parser).is_empty());
}

#[test]
fn bodies_are_decoded() {
    use std::io::Write;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(b"hello").unwrap();
    let coded = encoder.finish().unwrap();
    let head = fields(&[(":status", "200"), ("content-encoding", "gzip")]);
    let parser = whole(&[
        (S, frame(1, 4, 1, &head)),
        (S, frame(0, 0, 1, &coded[..7])),
        (S, frame(0, 1, 1, &coded[7..])),
        (S, frame(1, 4, 3, &head)),
        (S, frame(0, 1, 3, b"no gzip")),
    ]);
    assert_eq!(get(&parser, 0, S, Buffer::FileData).as_deref(), Some("hello"));
    assert_eq!(get(&parser, 1, S, Buffer::FileData).as_deref(), Some("no gzip"));
    assert_eq!(events(&parser), [(1, "http2.failed_decompression")]);
}

#[test]
fn header_blocks_go_on_in_continuations() {
    let block = fields(REQUEST);
    let (a, b) = block.split_at(30);
    let parser = whole(&[
        (C, PREFACE.to_vec()),
        (C, [frame(1, 1, 1, a), frame(6, 0, 0, b"12345678"), frame(9, 4, 1, b)].concat()),
        (C, frame(9, 4, 3, &block)),
    ]);
    assert_eq!(get(&parser, 0, C, Buffer::HttpUri).as_deref(), Some("/a?b"));
    assert_eq!(parser.transaction(0).unwrap().progress(C), COMPLETE);
    assert_eq!(events(&parser), [(2, "http2.continuation_without_headers")]);
    let long: Vec<u8> = (0..9).flat_map(|_| frame(9, 0, 1, &[0; 16_000])).collect();
    let parser = whole(&[(C, [frame(1, 0, 1, a), long, frame(9, 4, 1, b)].concat())]);
    assert!(events(&parser).contains(&(0, "http2.reassembly_limit_reached")));
    assert!(parser.memory_bytes() < 1 << 20);
}

#[test]
fn promises_and_trailers() {
    let parser = whole(&[
        (C, frame(1, 5, 1, &fields(REQUEST))),
        (S, frame(5, 4, 1, &[&2u32.to_be_bytes()[..], &fields(REQUEST)].concat())),
        (S, frame(1, 4, 2, &fields(OK))),
        (S, frame(0, 0, 2, b"pushed")),
        (S, frame(1, 5, 2, &fields(&[("grpc-status", "0")]))),
    ]);
    let pushed = parser.transaction(1).unwrap();
    assert_eq!(Heading::ALL.map(|heading| pushed.progress(heading)), [COMPLETE; 2]);
    assert_eq!(pushed.files()[0].state, FileState::Closed);
    assert_eq!(pushed.record()["url"], "/a?b");
    assert_eq!(pushed.record()["response_headers"].as_array().unwrap().len(), 10);
    assert!(get(&parser, 1, S, Buffer::HttpHeader).unwrap().contains("grpc-status: 0"));
}

#[test]
fn odd_frames() {
    let events_of = |bytes: Vec<u8>| {
        let parser = whole(&[(C, PREFACE.to_vec()), (C, bytes)]);
        events(&parser).into_iter().map(|(_, event)| event).collect::<Vec<_>>()
    };
    assert_eq!(events_of(frame(8, 0, 0, b"123")), ["http2.invalid_frame_length"]);
    assert_eq!(events_of(frame(3, 0, 1, b"123")), ["http2.invalid_frame_length"]);
    assert_eq!(events_of(frame(7, 0, 0, b"123")), ["http2.invalid_frame_length"]);
    assert_eq!(events_of(frame(6, 0, 0, b"123")), [""; 0]);
    assert_eq!(events_of(frame(0x55, 0, 1, b"123")), [""; 0]);
    assert_eq!(events_of(frame(0, 0, 0, b"123")), ["http2.data_stream_zero"]);
    assert_eq!(events_of(frame(1, 0xd, 1, b"\xff12")), ["http2.invalid_frame_data"]);
    assert_eq!(events_of(frame(1, 0x25, 1, b"123")), ["http2.invalid_frame_data"]);
    assert_eq!(events_of(frame(1, 5, 1, b"\xbe")), ["http2.invalid_header"]);
    assert_eq!(events_of(frame(1, 5, 1, b"\x00\x05ab")), ["http2.invalid_frame_data"]);
    assert_eq!(events_of(frame(1, 4, 1, &vec![0; 70_000])), ["http2.long_frame_data"]);
    let both = fields(&[(":authority", "u@a"), ("host", "b")]);
    assert_eq!(
        events_of(frame(1, 5, 1, &both)),
        ["http2.authority_host_mismatch", "http2.userinfo_in_uri"]
    );
}

#[test]
fn a_long_body_in_one_frame_is_seen() {
    let parser = whole(&[(S, frame(0, 1, 1, &vec![b'x'; 70_000]))]);
    assert_eq!(events(&parser), [(0, "http2.long_frame_data")]);
    assert_eq!(parser.transaction(0).unwrap().files()[0].size, 70_000);
}

#[test]
fn behind_what_is_no_preface_nothing_is_read() {
    let said = [
        (C, b"PRI * HTTP/2.0\r\n\r\nXM\r\n\r\n".to_vec()),
        (C, frame(1, 5, 1, &fields(REQUEST))),
        (S, frame(1, 5, 1, &fields(OK))),
    ];
    for piece in [1, 5, 100] {
        let (parser, failed) = parsed(&said, piece);
        assert!(!failed);
        assert_eq!(parser.next(), 2);
        assert_eq!(events(&parser), [(0, "http2.invalid_client_magic")]);
    }
    // Its beginning may not have been seen.
    assert!(!parsed(&[(C, frame(4, 0, 0, b""))], 5).1);
}

#[test]
fn a_stream_that_begins_again_is_another() {
    let said = [
        (C, frame(1, 5, 1, &fields(REQUEST))),
        (S, frame(1, 5, 1, &fields(OK))),
        (C, frame(3, 0, 1, &8u32.to_be_bytes())),
        (C, frame(1, 5, 1, &fields(REQUEST))),
    ];
    let parser = whole(&said);
    assert_eq!(parser.next(), 2);
    assert_eq!(events(&parser), [(0, "http2.stream_id_reuse")]);
    assert_eq!(parser.transaction(0).unwrap().number(Field::Http2ErrorCode, C), Some(8));
}

#[test]
fn forgotten_transactions_leave_their_numbers() {
    let mut parser = whole(&[
        (C, frame(1, 4, 1, &fields(REQUEST))),
        (C, frame(6, 0, 0, b"12345678")),
        (C, frame(1, 4, 3, &fields(REQUEST))),
    ]);
    parser.forget(1);
    assert!(parser.transaction(1).is_none() && parser.transaction(2).is_some());
    assert_eq!((parser.first(), parser.next()), (0, 3));
    parser.release(2);
    assert_eq!((parser.first(), parser.next()), (2, 3));
    parser.data(C, &frame(0, 1, 1, b"x"), NOW).unwrap();
    assert_eq!(parser.next(), 4, "stream 1 is a new one");
}

#[test]
fn gaps_within_bodies_are_survived() {
    let mut parser = Http2Parser::new(Http2Config::default(), None);
    let head = frame(1, 4, 1, &fields(OK));
    let body = frame(0, 1, 1, &[b'x'; 1000]);
    parser.data(S, &[head.as_slice(), &body[..109]].concat(), NOW).unwrap();
    parser.gap(S, 500, NOW).unwrap();
    parser.data(S, &body[609..], NOW).unwrap();
    let transaction = parser.transaction(0).unwrap();
    let file = &transaction.files()[0];
    assert_eq!((file.size, file.data.len(), file.gaps), (1000, 100, true));
    assert_eq!(file.state, FileState::Truncated);
    assert_eq!(transaction.progress(S), COMPLETE);
    assert!(parser.gap(S, 1, NOW).is_err());
    assert_eq!(parser.transaction(0).unwrap().progress(C), COMPLETE);
}

#[test]
fn an_upgrade_brings_its_request() {
    let field = |name: &str, value: &str| (name.as_bytes().to_vec(), value.as_bytes().to_vec());
    let upgraded = |settings| Upgraded {
        method: b"GET".to_vec(),
        uri: b"/up".to_vec(),
        fields: vec![
            field("Host", "h"),
            field("Upgrade", "h2c"),
            field("HTTP2-Settings", settings),
        ],
    };
    let mut parser = Http2Parser::new(Http2Config::default(), Some(upgraded("AAMAAABkAAQAAP__")));
    parser.data(S, &frame(1, 5, 1, &fields(OK)), NOW).unwrap();
    assert_eq!(get(&parser, 0, C, Buffer::HttpUri).as_deref(), Some("/up"));
    assert_eq!(get(&parser, 0, C, Buffer::HttpHost).as_deref(), Some("h"));
    assert_eq!(get(&parser, 0, S, Buffer::HttpStatCode).as_deref(), Some("200"));
    assert_eq!(parser.transaction(1).unwrap().number(Field::Http2Setting(4), C), Some(65_535));
    assert!(events(&parser).is_empty());
    for (settings, transactions) in [("!!!", 1), ("AAAA", 2)] {
        let parser = Http2Parser::new(Http2Config::default(), Some(upgraded(settings)));
        assert_eq!(events(&parser), [(0, "http2.invalid_http1_settings")]);
        assert_eq!(parser.next(), transactions);
    }
}

#[test]
fn open_streams_are_bounded() {
    let streams: Vec<u8> =
        (0..300).flat_map(|n| frame(1, 4, 2 * n + 1, &fields(REQUEST))).collect();
    let parser = whole(&[(C, streams)]);
    let flagged = events(&parser);
    assert_eq!((flagged.len(), flagged[0]), (256, (0, "http2.too_many_streams")));
    assert_eq!(parser.transaction(0).unwrap().progress(S), COMPLETE);
    assert_eq!(parser.transaction(256).unwrap().progress(S), 0);
}

#[test]
fn memory_is_bounded() {
    // A field of 4000 bytes in the table, and as many references to it as there is room for.
    let mut bomb = literal(0x40, "x", &"v".repeat(4000));
    bomb.extend_from_slice(&[0xbe; 16_000 - 4100]);
    let streams: Vec<u8> = (0..255).flat_map(|n| frame(1, 4, 2 * n + 1, &bomb)).collect();
    let parser = whole(&[(C, streams)]);
    assert!(events(&parser).contains(&(0, "http2.too_long_repeated_headers")));
    assert!(parser.memory_bytes() < 255 * (5 << 10), "{}", parser.memory_bytes());
    let statics: Vec<u8> = (0..10).flat_map(|n| frame(1, 4, 2 * n + 1, &[0x82; 60_000])).collect();
    let parser = whole(&[(C, statics)]);
    assert!(parser.memory_bytes() < 10 << 20, "{}", parser.memory_bytes());
    // Frames of stream 0 that nobody releases.
    let pings: Vec<u8> = (0..20_000).flat_map(|_| frame(6, 0, 0, b"12345678")).collect();
    let (parser, failed) = parsed(&[(C, pings)], usize::MAX);
    assert!(failed && parser.memory_bytes() < 32 << 20, "{}", parser.memory_bytes());
}

fn conversation() -> Vec<(Heading, Vec<u8>)> {
    let block = fields(REQUEST);
    let (a, b) = block.split_at(25);
    vec![
        (C, opening()),
        (S, [frame(4, 0, 0, b"\0\x04\0\0\x10\0"), frame(4, 1, 0, b"")].concat()),
        (C, [frame(1, 0, 1, a), frame(9, 4, 1, b), frame(0, 9, 1, b"\x03abc\0\0\0")].concat()),
        (
            S,
            [frame(1, 0x2c, 1, &[b"\x01\0\0\0\0\x07", fields(OK).as_slice(), b"\0"].concat())]
                .concat(),
        ),
        (S, frame(0, 0, 1, b"hello")),
        (S, frame(0, 1, 1, b"")),
        (C, [frame(8, 0, 0, b"\0\0\x10\0"), frame(1, 5, 3, b"\x82\xbe\x84")].concat()),
        (S, frame(1, 5, 3, &fields(OK))),
        (C, frame(7, 0, 0, b"\0\0\0\x03\0\0\0\x01debug")),
    ]
}

#[test]
fn cuts_change_nothing() {
    let said = conversation();
    let expected = sight(&whole(&said));
    assert_eq!(expected.len(), 6);
    for piece in 1..60 {
        assert_eq!(sight(&parsed(&said, piece).0), expected, "in pieces of {piece}");
    }
}

proptest::proptest! {
    #[test]
    fn any_cuts_change_nothing(pieces in proptest::collection::vec(1usize..40, 1..20)) {
        let said = conversation();
        let mut parser = Http2Parser::new(Http2Config::default(), None);
        let mut lens = pieces.iter().cycle();
        for (heading, bytes) in &said {
            let mut rest = bytes.as_slice();
            while !rest.is_empty() {
                let (part, after) = rest.split_at((*lens.next().unwrap()).min(rest.len()));
                parser.data(*heading, part, NOW).unwrap();
                rest = after;
            }
        }
        proptest::prop_assert_eq!(sight(&parser), sight(&whole(&said)));
    }

    #[test]
    fn any_frames(
        frames in proptest::collection::vec(
            (0u8..12, 0u8..64, 0u32..4, proptest::collection::vec(proptest::num::u8::ANY, 0..60)),
            0..40,
        ),
        piece in 1usize..50,
    ) {
        let bytes: Vec<u8> =
            frames.iter().flat_map(|(kind, flags, id, data)| frame(*kind, *flags, *id, data)).collect();
        let said = [(C, PREFACE.to_vec()), (C, bytes.clone()), (S, bytes)];
        let expected = sight(&whole(&said));
        proptest::prop_assert_eq!(sight(&parsed(&said, piece).0), expected);
    }

    #[test]
    fn any_bytes(
        said in proptest::collection::vec(proptest::collection::vec(proptest::num::u8::ANY, 1..200), 0..8),
    ) {
        let mut parser = Http2Parser::new(Http2Config::default(), None);
        for (bytes, heading) in said.iter().zip(Heading::ALL.into_iter().cycle()) {
            let _ = parser.data(heading, bytes, NOW);
            let _ = parser.gap(heading.opposite(), 3, NOW);
        }
        for heading in Heading::ALL {
            parser.end(heading, NOW);
        }
        let _ = sight(&parser);
        for number in parser.first()..parser.next() {
            proptest::prop_assert!(parser.transaction(number).is_some_and(|t| t.is_ready()));
        }
    }
}
