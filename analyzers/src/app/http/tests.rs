//! Whole connections, by what rules and records see of them.

use proptest::prelude::*;

use super::super::{Buffer, BufferView, COMPLETE, FileState, Heading, Parser, Switch, Transaction};
use super::{BODY, HttpConfig, HttpParser, HttpTransaction, TRAILERS};
use crate::events::Timestamp;

const NOW: Timestamp = Timestamp(0);
use Heading::{ToClient, ToServer};

/// A connection in which every piece is sent in parts of `cut` bytes, and then closed.
fn parse(pieces: &[(Heading, &[u8])], cut: usize) -> HttpParser {
    let mut parser = open(pieces, cut);
    parser.end(ToServer, NOW);
    parser.end(ToClient, NOW);
    parser
}

fn open(pieces: &[(Heading, &[u8])], cut: usize) -> HttpParser {
    let mut parser = HttpParser::new(HttpConfig::default());
    for (heading, bytes) in pieces {
        for part in bytes.chunks(cut) {
            if parser.data(*heading, part, NOW).is_err() {
                return parser;
            }
        }
    }
    parser
}

const GET: &[u8] = b"GET /a HTTP/1.1\r\nHost: h\r\n\r\n";

/// The only transaction of a response to a plain request, checked to be the same however cut.
fn answered(response: &[u8]) -> HttpParser {
    exchanged(GET, response)
}

fn exchanged(request: &[u8], response: &[u8]) -> HttpParser {
    let pieces = [(ToServer, request), (ToClient, response)];
    let whole = parse(&pieces, usize::MAX);
    for cut in [1, 2, 3, 5, 8, 13] {
        assert_same(&whole, &parse(&pieces, cut));
    }
    whole
}

fn assert_same(a: &HttpParser, b: &HttpParser) {
    assert_eq!((a.first(), a.next()), (b.first(), b.next()));
    for number in a.first()..a.next() {
        let (a, b) = (a.transaction(number).unwrap(), b.transaction(number).unwrap());
        assert_eq!(a.record(), b.record());
        assert_eq!(a.events(), b.events());
        assert_eq!(a.files(), b.files());
        for heading in Heading::ALL {
            assert_eq!(a.progress(heading), b.progress(heading));
            for &buffer in Buffer::ALL {
                for index in 0..4 {
                    assert_eq!(
                        a.buffer(buffer, heading, index),
                        b.buffer(buffer, heading, index),
                        "{}",
                        buffer.keyword()
                    );
                }
            }
        }
    }
}

fn first(parser: &HttpParser) -> &HttpTransaction {
    parser.held.get(0).unwrap()
}

fn text(transaction: &dyn Transaction, buffer: Buffer, heading: Heading) -> Option<&str> {
    transaction.buffer(buffer, heading, 0).map(|view| std::str::from_utf8(view.bytes).unwrap())
}

fn body(parser: &HttpParser) -> &str {
    text(first(parser), Buffer::FileData, ToClient).unwrap_or("")
}

#[test]
fn buffers_of_an_exchange() {
    let parser = exchanged(
        b"POST /a%20b//c?x=%41+1 HTTP/1.1\r\nHost: ExAmple.com:8080\r\nUser-Agent:  ua \r\nX: 1\r\nx: 2\r\nCookie: c=1\r\n\
            Referer: r\r\nAccept: */*\r\nContent-Length: 5\r\n\r\nhello",
        b"HTTP/1.1 302 Moved On\r\nServer: s\r\nSet-Cookie: d\r\nLocation: /x\r\nContent-Type: text/html; charset=x\r\nContent-Length: 3\r\n\r\nbye",
    );
    let t = first(&parser);
    for (buffer, expected) in [
        (Buffer::HttpUri, "/a b/c?x=A+1"),
        (Buffer::HttpUriRaw, "/a%20b//c?x=%41+1"),
        (Buffer::HttpMethod, "POST"),
        (Buffer::HttpProtocol, "HTTP/1.1"),
        (Buffer::HttpRequestLine, "POST /a%20b//c?x=%41+1 HTTP/1.1"),
        (Buffer::HttpHost, "example.com"),
        (Buffer::HttpHostRaw, "ExAmple.com:8080"),
        (Buffer::HttpUserAgent, "ua"),
        (Buffer::HttpCookie, "c=1"),
        (Buffer::HttpReferer, "r"),
        (Buffer::HttpAccept, "*/*"),
        (Buffer::HttpContentLen, "5"),
        (Buffer::HttpRequestBody, "hello"),
        (Buffer::FileData, "hello"),
        (Buffer::FileName, "/a b/c"),
        (
            Buffer::HttpHeader,
            "Host: ExAmple.com:8080\r\nUser-Agent: ua\r\nX: 1, 2\r\nReferer: r\r\nAccept: */*\r\nContent-Length: 5\r\n",
        ),
        (
            Buffer::HttpHeaderNames,
            "\r\nHost\r\nUser-Agent\r\nX\r\nCookie\r\nReferer\r\nAccept\r\nContent-Length\r\n\r\n",
        ),
    ] {
        assert_eq!(text(t, buffer, ToServer), Some(expected), "{}", buffer.keyword());
    }
    for (buffer, expected) in [
        (Buffer::HttpResponseLine, "HTTP/1.1 302 Moved On\r\n"),
        (Buffer::HttpStatCode, "302"),
        (Buffer::HttpStatMsg, "Moved On"),
        (Buffer::HttpCookie, "d"),
        (Buffer::HttpServer, "s"),
        (Buffer::HttpLocation, "/x"),
        (Buffer::HttpContentType, "text/html; charset=x"),
        (Buffer::HttpResponseBody, "bye"),
        (Buffer::FileData, "bye"),
        (
            Buffer::HttpHeaderRaw,
            "Server: s\r\nSet-Cookie: d\r\nLocation: /x\r\nContent-Type: text/html; charset=x\r\nContent-Length: 3\r\n\r\n",
        ),
        (
            Buffer::HttpStart,
            "HTTP/1.1 302 Moved On\r\n\r\nServer: s\r\nSet-Cookie: d\r\nLocation: /x\r\nContent-Type: text/html; charset=x\r\nContent-Length: 3\r\n\r\n",
        ),
    ] {
        assert_eq!(text(t, buffer, ToClient), Some(expected), "{}", buffer.keyword());
    }
    assert_eq!(
        t.buffer(Buffer::HttpRequestHeader, ToServer, 2),
        Some(BufferView::whole(b"X: 1, 2"))
    );
    assert_eq!(t.buffer(Buffer::HttpRequestHeader, ToServer, 7), None);
    assert_eq!(t.buffer(Buffer::HttpStatCode, ToServer, 0), None);
    let record = serde_json::Value::Object(t.record());
    assert_eq!(
        record,
        serde_json::json!({
            "hostname": "example.com", "http_port": 8080, "url": "/a%20b//c?x=%41+1", "http_user_agent": "ua",
            "http_content_type": "text/html", "http_refer": "r", "http_method": "POST", "protocol": "HTTP/1.1",
            "status": 302, "redirect": "/x", "length": 3
        })
    );
    assert_eq!(t.files().len(), 2);
    assert!(t.files().iter().all(|file| file.state == FileState::Closed));
}

#[test]
fn stages_rise_as_bytes_come() {
    let mut parser = open(&[(ToServer, GET), (ToClient, b"HTTP/1.1 200 ok\r\n")], 100);
    let stage = |parser: &HttpParser| first(parser).progress(ToClient);
    let name = |parser: &HttpParser| first(parser).progress_name(ToClient).unwrap();
    assert_eq!(first(&parser).progress_name(ToServer), Some("request_complete"));
    assert_eq!((first(&parser).progress(ToServer), stage(&parser)), (COMPLETE, super::LINE));
    assert_eq!(name(&parser), "response_headers");
    parser.data(ToClient, b"Transfer-Encoding: chunked\r\n\r\n", NOW).unwrap();
    assert_eq!(stage(&parser), super::HEADERS);
    assert_eq!(name(&parser), "response_body");
    parser.data(ToClient, b"5\r\nhel", NOW).unwrap();
    assert_eq!(stage(&parser), BODY);
    let view = first(&parser).buffer(Buffer::FileData, ToClient, 0).unwrap();
    assert_eq!((view.bytes, view.complete), (&b"hel"[..], false));
    parser.data(ToClient, b"lo\r\n0\r\n", NOW).unwrap();
    assert_eq!(stage(&parser), TRAILERS);
    assert_eq!((name(&parser), first(&parser).is_ready()), ("response_trailer", false));
    parser.data(ToClient, b"T: 1\r\n\r\n", NOW).unwrap();
    assert_eq!(stage(&parser), COMPLETE);
    assert_eq!((name(&parser), first(&parser).is_ready()), ("response_complete", true));
    assert_eq!(
        text(first(&parser), Buffer::HttpHeader, ToClient),
        Some("Transfer-Encoding: chunked\r\nT: 1\r\n")
    );
    assert!(first(&parser).buffer(Buffer::FileData, ToClient, 0).unwrap().complete);
}

#[test]
fn what_follows_100_continue_is_a_line_again() {
    let asked = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\n";
    let mut parser = open(&[(ToServer, asked)], 100);
    let names = |parser: &HttpParser| {
        [ToServer, ToClient].map(|heading| first(parser).progress_name(heading).unwrap())
    };
    assert_eq!(names(&parser), ["request_body", "response_started"]);
    parser.data(ToClient, b"HTTP/1.1 100 Continue\r\n\r\n", NOW).unwrap();
    assert_eq!(names(&parser), ["request_body", "response_line"]);
}

#[test]
fn chunks_however_odd() {
    for chunks in [
        &b"5\r\nhello\r\n0\r\n\r\n"[..],
        b"005\r\nhello\r\n0\r\n\r\n",
        b"5 x\r\nhello\r\n0\r\n\r\n",
        b"5\0\r\nhello\r\n0\r\n\r\n",
        b"5;ext=\"1\"\r\nhello\r\n0\r\n\r\n",
        b"\t\x0b5\r\nhello\r\n0\r\n\r\n",
        b"\r\n\n5\nhello\n0\n\n",
        b"2\r\nhe\r\n3\r\nllo\r\n0x\r\n\r\n",
        b"5\r\nhello\r\n0",
        b"5\r\nhello\r\n0\r\njunk\r\n",
        b"5\r\nhello",
        // Not chunked at all.
        b"hello",
    ] {
        for line in [
            "Transfer-Encoding: chunked",
            "transfer-encoding:\tx, CHUNKED;",
            "Transfer-Encoding\x0c : chu\0nked",
        ] {
            let response =
                [b"HTTP/1.1 200 ok\r\n".as_slice(), line.as_bytes(), b"\r\n\r\n", chunks].concat();
            let parser = answered(&response);
            assert_eq!(body(&parser), "hello", "{}", String::from_utf8_lossy(&response));
        }
    }
    let parser =
        answered(b"HTTP/1.1 200 ok\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nxyz");
    assert_eq!(body(&parser), "helloxyz");
    assert!(first(&parser).events().contains(&"http.invalid_response_chunk_len"));
}

#[test]
fn lines_and_headers_however_odd() {
    for head in [
        "HTTP/1.1 200 ok\r\nContent-Length: 5\r\n\r\n",
        "HTTP/1.1 200 ok\nContent-Length: 5\n\n",
        "HTTP/1.1 200 ok\rContent-Length: 5\r\r\n\r\n",
        "HTTP/1.1 200 ok\n\rContent-Length: 5\n\r\r\n",
        "HTTP/1.1 200 ok\r\nContent-Length: 5\n \n",
        "HTTP/1.1 200 ok\r\nContent-Length: 5\r\n \r\n\r\n",
        "HTTP/1.1 200 ok\r\nContent-Length:\r\n 5\r\n\r\n",
        "HTTP/1.1 200 ok\r\nA: b\r\n Content-Length: 5\r\n\r\n",
        "HTTP/1.1 200 ok\r\nContent-Length\r\n :\r\n\t5\r\n\r\n",
        "HTTP/1.1 200 ok\r\nno colon\r\n\x0b\r\n: x\r\nContent-Length: 5 6\r\n\r\n",
        "HTTP/1.1 200 ok\r\nContent-Length: 5\r\nContent-Length: 50\r\n\r\n",
        "HTTP/1.1 200\r\nContent-Length: 5\r\n\r\n",
        "HTTP/1.1\nContent-Length: 5\r\n\r\n",
        "HTTP/9.9foo 2xx\r\nContent-Length: 5\r\n\r\n",
        "\r\n \r\n\t\nHTTP/1.1 304 ok\r\nContent-Length: 5\r\n\r\n",
        "\rHTTP/1.1 204 ok\r\nContent-Length: 5\r\n\r\n",
        "\0http/1.1 0200 ok\r\nContent-Length: 5\r\n\r\n",
        "HTTP/1.1 100 Continue\r\nX: y\r\n\r\nHTTP/1.1 200 ok\r\nContent-Length: 5\r\n\r\n",
        "HTTP/1.1 100 ok\r\nContent-Length: 5\r\n\r\n",
        "HTTP/1.1 200 ok\r\n\r\n",
        // No header, so a body.
        "",
    ] {
        let parser = answered(&[head.as_bytes(), b"hello"].concat());
        assert_eq!(body(&parser), "hello", "{head:?}");
        assert_eq!(parser.next(), 1, "{head:?}");
    }
}

#[test]
fn a_record_need_not_wait_for_a_server_that_closes() {
    let response = b"HTTP/1.1 200 ok\r\nConnection: close\r\nContent-Length: 2\r\n\r\nh";
    let mut parser = open(&[(ToServer, GET), (ToClient, response)], 100);
    let state = |parser: &HttpParser| {
        let transaction = first(parser);
        (transaction.is_ready(), transaction.progress(ToClient), transaction.files()[0].state)
    };
    assert_eq!(state(&parser), (false, BODY, FileState::Open));
    parser.data(ToClient, b"e", NOW).unwrap();
    assert_eq!(state(&parser), (true, BODY, FileState::Closed));
    parser.data(ToClient, b"llo\n", NOW).unwrap();
    assert_eq!(state(&parser), (true, BODY, FileState::Open));
    parser.end(ToClient, NOW);
    assert_eq!(state(&parser), (true, COMPLETE, FileState::Closed));
    assert_eq!(first(&parser).files()[0].data, b"hello\n");
}

#[test]
fn what_follows_a_body_is_a_part_of_it_where_the_server_closes() {
    let parser =
        answered(b"HTTP/1.1 200 ok\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhello\r\n");
    assert_eq!(body(&parser), "hello\r\n");
    assert!(first(&parser).events().contains(&"http.response_body_unexpected"));
    let parser = answered(b"HTTP/1.1 200 ok\r\nContent-Length: 2\r\n\r\nhello");
    assert_eq!((body(&parser), parser.next()), ("he", 2));
    assert_eq!(
        parser.transaction(1).unwrap().events(),
        ["http.unable_to_match_response_to_request"]
    );
    assert_eq!(
        text(parser.transaction(1).unwrap(), Buffer::HttpUri, ToServer),
        Some("/libhtp::request_uri_not_seen")
    );
    // The client went on, whatever the server said.
    let ok = b"HTTP/1.0 200 ok\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhe\r\n";
    let parser = parse(&[(ToServer, GET), (ToClient, ok), (ToServer, GET), (ToClient, ok)], 7);
    assert_eq!((body(&parser), parser.next()), ("he\r\n", 2));
}

#[test]
fn requests_in_a_row_and_their_responses() {
    let two = [GET, b"\r\n", GET].concat();
    let answers = b"HTTP/1.1 200 one\r\nContent-Length: 1\r\n\r\n1HTTP/1.1 200 two\r\nContent-Length: 1\r\n\r\n2";
    let parser = exchanged(&two, answers);
    assert_eq!(parser.next(), 2);
    assert_eq!(text(parser.transaction(1).unwrap(), Buffer::FileData, ToClient), Some("2"));
    let parser = exchanged(
        b"HEAD / HTTP/1.0\r\n\r\nGET / HTTP/1.0\r\n\r\n",
        b"HTTP/1.0 200 ok\r\nContent-Length: 99\r\n\r\nHTTP/1.0 404 no\r\n\r\nx",
    );
    assert_eq!(text(parser.transaction(1).unwrap(), Buffer::HttpStatCode, ToClient), Some("404"));
}

#[test]
fn requests_without_protocol() {
    let parser = exchanged(b"GET /a\r\n", b"plain\nbody");
    assert_eq!(body(&parser), "plain\nbody");
    let parser = exchanged(b"GET /a\r\n", b"HTTP/1.1 400 no\r\nContent-Length: 2\r\n\r\nno");
    assert_eq!(
        (body(&parser), text(first(&parser), Buffer::HttpStatCode, ToClient)),
        ("no", Some("400"))
    );
    let parser = exchanged(b"GET /a\r\nUser-Agent: x\r\n\r\n", b"y");
    assert_eq!(
        text(first(&parser), Buffer::HttpHeaderNames, ToServer),
        Some("\r\nUser-Agent\r\n\r\n")
    );
    assert!(first(&parser).events().contains(&"http.request_line_missing_protocol"));
}

#[test]
fn bodies_of_requests() {
    let parser = exchanged(
        b"PUT /f HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x\r\nde\r\n0\r\nT: 1\r\n\r\n",
        b"",
    );
    assert_eq!(text(first(&parser), Buffer::HttpRequestBody, ToServer), Some("abcde"));
    assert_eq!(first(&parser).files()[0].name, b"/f");
    let parser = exchanged(
        b"POST /f HTTP/1.1\r\nHost: h\r\n\r\nlogin=foo&password=bar",
        b"HTTP/1.1 200 ok\r\n\r\n",
    );
    assert_eq!(
        text(first(&parser), Buffer::HttpRequestBody, ToServer),
        Some("login=foo&password=bar")
    );
    assert_eq!(first(&parser).events(), ["http.request_body_unexpected"]);
    let parser = exchanged(&[b"POST /f HTTP/1.1\r\nHost: h\r\n\r\n".as_slice(), GET].concat(), b"");
    assert_eq!((parser.next(), first(&parser).events().len()), (2, 0));
    let parser = exchanged(
        b"POST /f HTTP/1.1\r\nHost: h\r\nContent-Type: multipart/form-data; boundary=xx\r\nContent-Length: 84\r\n\r\n\
            --xx\r\nContent-Disposition: form-data; name=a; filename=b.exe\r\n\r\nMZ\r\n--xx--\r\n......",
        b"",
    );
    assert_eq!(text(first(&parser), Buffer::FileName, ToServer), Some("b.exe"));
    assert_eq!(text(first(&parser), Buffer::FileData, ToServer), Some("MZ"));
    let parser =
        exchanged(b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", b"");
    assert!(first(&parser).events().contains(&"http.invalid_request_chunk_len"));
}

#[test]
fn odd_requests_are_told() {
    for (request, event) in [
        ("GET / HTTP/1.1\r\n\r\n", "http.missing_host_header"),
        ("GET http://a/ HTTP/1.1\r\nHost: b\r\n\r\n", "http.host_header_ambiguous"),
        ("GET http://a..b/ HTTP/1.1\r\n\r\n", "http.request_uri_host_invalid"),
        ("GET / HTTP/1.1\r\nHost: a b\r\n\r\n", "http.request_header_host_invalid"),
        ("GET\t/ HTTP/1.1\r\n\r\n", "http.method_delim_non_compliant"),
        ("GET /\tHTTP/1.1\r\n\r\n", "http.uri_delim_non_compliant"),
        (" GET / HTTP/1.1\r\n\r\n", "http.request_line_leading_whitespace"),
        ("FOO / BAR\r\n\r\n", "http.request_line_invalid"),
        ("GET / HTTP/1.1\r\n folded\r\n\r\n", "http.invalid_request_field_folding"),
        ("GET / HTTP/1.1\r\nno colon\r\n\r\n", "http.request_field_missing_colon"),
        ("GET / HTTP/1.1\r\nA : b\r\n\r\n", "http.request_header_invalid"),
        ("GET / HTTP/1.1\r\nA: b\r\na: c\r\n\r\n", "http.request_header_repetition"),
        (
            "GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n",
            "http.invalid_content_length_field_in_request",
        ),
        (
            "GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
            "http.duplicate_content_length_field_in_request",
        ),
        (
            "GET / HTTP/1.1\r\nTransfer-Encoding: x\r\n\r\n",
            "http.invalid_transfer_encoding_value_in_request",
        ),
        ("GET /%2541 HTTP/1.1\r\n\r\n", "http.double_encoded_uri"),
    ] {
        let parser = exchanged(request.as_bytes(), b"");
        assert!(first(&parser).events().contains(&event), "{event}: {:?}", first(&parser).events());
    }
    let parser = exchanged(b"GET /", b"HTTP/1.1 408 slow\r\nContent-Length: 0\r\n\r\n");
    assert!(parser.next() >= 1);
    let parser = open(&[(ToServer, b"GET /"), (ToClient, b"HTTP/1.1 408 slow\r\n")], 99);
    assert_eq!(first(&parser).events(), ["http.request_line_incomplete"]);
}

#[test]
fn tunnels_and_upgrades_end_http() {
    let connect: &[u8] = b"CONNECT a.b:443 HTTP/1.1\r\nHost: a.b\r\n\r\n";
    let mut parser = open(&[(ToServer, connect), (ToClient, b"HTTP/1.1 200 ok\r\n\r\n")], 9);
    assert_eq!((parser.switch(), parser.switch()), (Some(Switch::Detect), None));
    parser.data(ToServer, b"\x16\x03\x01", NOW).unwrap();
    assert_eq!(parser.next(), 1);
    let parser = parse(
        &[
            (ToServer, connect),
            (ToServer, GET),
            (ToClient, b"HTTP/1.1 407 no\r\nContent-Length: 0\r\n\r\n"),
        ],
        9,
    );
    assert_eq!(parser.next(), 2);
    let mut parser = open(
        &[(ToServer, GET), (ToClient, b"HTTP/1.1 101 Switching\r\nUpgrade: h2c\r\n\r\nPRI")],
        9,
    );
    assert_eq!((parser.switch(), parser.next()), (Some(Switch::Detect), 1));
    parser.switch_failed();
    assert_eq!(first(&parser).events(), ["http.failed_protocol_change"]);
}

#[test]
fn gaps_in_bodies_are_survived() {
    let mut parser = open(
        &[(ToServer, GET), (ToClient, b"HTTP/1.1 200 ok\r\nContent-Length: 10\r\n\r\nab")],
        99,
    );
    parser.gap(ToClient, 5, NOW).unwrap();
    parser.data(ToClient, b"xyz", NOW).unwrap();
    let file = &first(&parser).files()[0];
    assert_eq!(
        (file.data.as_slice(), file.size, file.gaps, file.state),
        (&b"ab"[..], 10, true, FileState::Truncated)
    );
    assert_eq!(first(&parser).progress(ToClient), COMPLETE);
    assert!(parser.gap(ToClient, 5, NOW).is_err());
}

#[test]
fn memory_is_bounded() {
    let head = b"HTTP/1.1 200 ok\r\nContent-Length: 1000000\r\n\r\n";
    let mut parser = open(&[(ToServer, GET), (ToClient, head)], 99);
    assert!(parser.memory_bytes() < 2 << 10, "{}", parser.memory_bytes());
    for _ in 0..1000 {
        parser.data(ToClient, &[b'x'; 1000], NOW).unwrap();
    }
    let view = first(&parser).buffer(Buffer::FileData, ToClient, 0).unwrap();
    assert_eq!((view.bytes.len(), view.complete), (102_400, true));
    assert_eq!(first(&parser).files()[0].state, FileState::Truncated);
    assert!(parser.memory_bytes() < 300 << 10);
    let mut parser = HttpParser::new(HttpConfig::default());
    let result = (0..10_000).try_for_each(|_| parser.data(ToServer, GET, NOW));
    assert!(result.is_err() && parser.next() == 512);
    let mut parser = HttpParser::new(HttpConfig::default());
    assert!((0..10_000).try_for_each(|_| parser.data(ToServer, b"GET /aaaa", NOW)).is_err());
    assert_eq!(first(&parser).events(), ["http.request_field_too_long"]);
    let mut parser = open(&[(ToServer, b"GET / HTTP/1.1\r\n")], 99);
    for _ in 0..100_000 {
        parser.data(ToServer, b"Some-Header: value\r\n", NOW).unwrap();
    }
    assert!(parser.memory_bytes() < 1 << 20);
}

#[test]
fn floods_of_nothing_are_not_held() {
    for flood in [&b" "[..], b"\r", b"\n", b"\r\n", b"\0", b"\t\r", b"0", b"a", b"a:\r"] {
        for head in [
            "",
            "HTTP/1.1 200 ok\r\n",
            "HTTP/1.1 200 ok\r\nTransfer-Encoding: chunked\r\n\r\n",
            "x",
        ] {
            for request in [
                GET,
                b"GET /\r\n",
                b"POST / HTTP/1.1\r\nHost: h\r\n\r\n",
                b"CONNECT a:1 HTTP/1.1\r\n\r\n",
            ] {
                let mut parser = open(&[(ToServer, request), (ToClient, head.as_bytes())], 99);
                let many = flood.repeat(1000);
                for _ in 0..300 {
                    let _ = parser.data(ToServer, &many, NOW);
                    let _ = parser.data(ToClient, &many, NOW);
                }
                assert!(
                    parser.memory_bytes() < 2 << 20,
                    "{flood:?} {head:?} {}",
                    parser.memory_bytes()
                );
            }
        }
    }
}

#[test]
fn released_transactions_are_gone() {
    let mut parser = open(
        &[
            (ToServer, GET),
            (ToServer, GET),
            (ToClient, b"HTTP/1.1 200 ok\r\nContent-Length: 0\r\n\r\n"),
        ],
        99,
    );
    parser.release(1);
    assert_eq!((parser.first(), parser.next()), (1, 2));
    assert!(parser.transaction(0).is_none());
    parser.data(ToClient, b"HTTP/1.1 404 no\r\nContent-Length: 0\r\n\r\n", NOW).unwrap();
    assert_eq!(text(parser.transaction(1).unwrap(), Buffer::HttpStatCode, ToClient), Some("404"));
    parser.release(9);
    assert_eq!((parser.first(), parser.next()), (2, 2));
}

/// Bits of HTTP, so that what is put together at random means something.
fn bits() -> impl Strategy<Value = Vec<u8>> {
    let bit = prop_oneof![
        4 => prop::sample::select(vec![
            "GET / HTTP/1.1\r\n", "POST /x HTTP/1.0\n", "PUT /y\r\n", "HEAD / HTTP/1.1\r\n", "CONNECT a:1 HTTP/1.1\r\n",
            "HTTP/1.1 200 ok\r\n", "HTTP/1.1 100 c\r\n", "http/1.0 304\r", "HTTP/1.1 101 s\n\r", "\r\n", "\n", "\r", " ", "\0",
            "\r\n\r\n", "Content-Length: 3\r\n", "Content-Length: 0\r\n", "Transfer-Encoding: chunked\r\n", "Connection: close\r\n",
            "Host: a\r\n", "Content-Encoding: gzip, deflate\r\n", "Content-Encoding: lzma\n", "Upgrade: h2c\r\n",
            "Content-Type: multipart/form-data; boundary=x\r\n", "--x\r\n", "--x--\r\n",
            "Content-Disposition: form-data; filename=f\r\n", "5\r\nhello\r\n", "0\r\n", "abc", "A: b\r\n c\r\n", ":",
            "\x1f\u{b}",
        ]).prop_map(|text| text.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..8),
    ];
    prop::collection::vec(bit, 0..16).prop_map(|bits| bits.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn transactions_do_not_depend_on_cuts(
        turns in prop::collection::vec((bits(), bits()), 1..3),
        cut in 1usize..12,
        gap in prop::option::of(0u64..8),
    ) {
        let mut pieces: Vec<(Heading, &[u8])> = Vec::new();
        for (request, response) in &turns {
            pieces.push((ToServer, request));
            pieces.push((ToClient, response));
        }
        let mut whole = open(&pieces, usize::MAX);
        let mut parts = open(&pieces, cut);
        for parser in [&mut whole, &mut parts] {
            if let Some(gap) = gap {
                let _ = parser.gap(ToClient, gap, NOW);
                let _ = parser.data(ToClient, b"tail", NOW);
            }
            parser.end(ToServer, NOW);
            parser.end(ToClient, NOW);
        }
        assert_same(&whole, &parts);
        for number in whole.first()..whole.next() {
            for heading in Heading::ALL {
                prop_assert_eq!(whole.transaction(number).unwrap().progress(heading), COMPLETE);
            }
        }
    }
}

/// What browsers skip or take for space around names and values, in every place, with every framing.
#[test]
fn odd_bytes_hide_neither_chunks_nor_compression() {
    use std::io::Write as _;
    let page = b"X5 one page that is to be found";
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(page).unwrap();
    let gzip = gzip.finish().unwrap();
    let chunked = [format!("{:x}\r\n", page.len()).as_bytes(), page, b"\r\n0\r\n\r\n"].concat();
    let mut hidden = Vec::new();
    for odd in [
        "",
        " ",
        "\t",
        "\x0b",
        "\x0c",
        "\0",
        "\x01",
        "\x1f",
        "\x7f",
        "\r",
        "\n ",
        "\r\n ",
        "\r\n \r\n ",
        "\r ",
        ";",
        ",",
        "\u{a0}",
        "\u{84}",
    ] {
        for place in 0..4 {
            // Within names only what is not seen is skipped, and line ends are such.
            let seen = !odd.is_empty() && !odd.starts_with(|c: char| c <= ' ')
                || odd.contains(['\r', '\n']);
            if (place == 0 && seen)
                || (place == 1 && seen && !odd.ends_with(' '))
                || (place == 2 && odd == "\r")
            {
                continue;
            }
            for (name, value, body) in
                [("Transfer-Encoding", "chunked", &chunked), ("Content-Encoding", "gzip", &gzip)]
            {
                let [a, b, c, d] = std::array::from_fn(|at| if at == place { odd } else { "" });
                let header = format!("{a}{name}{b}:{c}{value}{d}\r\n");
                for rest in ["A: b\r\n\r\n", "\r\n"] {
                    let response = [
                        b"HTTP/1.1 200 ok\r\nB: c\r\n".as_slice(),
                        header.as_bytes(),
                        rest.as_bytes(),
                        body,
                    ]
                    .concat();
                    let pieces = [(ToServer, GET), (ToClient, response.as_slice())];
                    let parser = parse(&pieces, usize::MAX);
                    assert_same(&parser, &parse(&pieces, 3));
                    let found = (0..parser.next())
                        .filter_map(|number| parser.transaction(number))
                        .any(|transaction| {
                            transaction
                                .buffer(Buffer::FileData, ToClient, 0)
                                .is_some_and(|view| view.bytes == page)
                        });
                    if !found {
                        hidden.push(format!("{header:?} {rest:?}"));
                    }
                }
            }
        }
    }
    assert_eq!(hidden, Vec::<String>::new(), "{}", hidden.len());
}
