//! HTTP/2, and what rules of HTTP mean by it.

use super::case::{Case, case, check};
use super::lab::talk::Talk;
use crate::testing::TestRecord;

fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
    [&[0, 0, payload.len() as u8, kind, flags, 0, 0, 0, stream], payload].concat()
}

fn fields(pairs: &[(&str, &str)]) -> Vec<u8> {
    let len = |text: &str| text.len() as u8;
    let field = |(name, value): &(&str, &str)| {
        [&[0, len(name)], name.as_bytes(), &[len(value)], value.as_bytes()].concat()
    };
    pairs.iter().flat_map(field).collect()
}

/// Settings and a window of the client's, a request and its response, and the client goes away.
fn exchange() -> Vec<TestRecord> {
    let request = fields(&[
        (":method", "POST"),
        (":path", "/two?x=1"),
        (":authority", "Example.org:80"),
        ("user-agent", "agent"),
    ]);
    let response = fields(&[(":status", "200"), ("server", "Nobody")]);
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    Talk::to(80)
        .client([preface.as_slice(), &frame(4, 0, 0, b"\0\x03\0\0\0\x64")].concat())
        .server(frame(4, 0, 0, b"\0\x01\0\0\x10\0"))
        .client(frame(8, 0, 0, b"\0\0\x40\0"))
        .client(frame(1, 0x24, 1, &[b"\0\0\0\0\xc8\x3f\x45", request.as_slice()].concat()))
        .client(frame(0, 1, 1, b"asked for"))
        .server([frame(1, 4, 1, &response), frame(0, 1, 1, b"answered")].concat())
        .client(frame(7, 0, 0, b"\0\0\0\0\0\0\0\x02"))
        .server(frame(6, 1, 0, b"12345678"))
        .end()
}

fn http2(about: &'static str, lines: &[(usize, &'static str)]) -> Case {
    let lines: Vec<_> = lines.iter().map(|&(times, options)| (times, "http2", options)).collect();
    case(about, exchange(), &lines)
}

fn frames() -> Vec<Case> {
    vec![
        http2(
            "http2.frametype",
            &[
                (1, "http2.frametype:GOAWAY;"),
                (1, "http2.frametype:ping;"),
                (2, "http2.frametype:4;"),
                (0, "http2.frametype:RSTSTREAM;"),
                (0, "http2.frametype:PUSHPROMISE;"),
            ],
        ),
        http2(
            "http2.errorcode",
            &[(1, "http2.errorcode:INTERNAL_ERROR;"), (0, "http2.errorcode:CANCEL;")],
        ),
        http2(
            "http2.priority",
            &[(1, "http2.priority:>199;"), (1, "http2.priority:200;"), (0, "http2.priority:<200;")],
        ),
        http2(
            "http2.window",
            &[(1, "http2.window:16384;"), (1, "http2.window:>10000;"), (0, "http2.window:1;")],
        ),
        http2(
            "http2.size_update",
            &[(1, "http2.size_update:100;"), (0, "http2.size_update:>100;")],
        ),
        http2(
            "http2.settings",
            &[
                (1, "http2.settings:SETTINGS_MAX_CONCURRENT_STREAMS;"),
                (1, "http2.settings:SETTINGS_MAX_CONCURRENT_STREAMS=100;"),
                (1, "http2.settings:settings_header_table_size > 4000;"),
                (0, "http2.settings:SETTINGS_HEADER_TABLE_SIZE<4096;"),
                (0, "http2.settings:SETTINGS_ENABLE_PUSH;"),
            ],
        ),
        http2(
            "http2.header_name",
            &[
                (1, "http2.header_name; content:\"user-agent\"; bsize:10;"),
                (1, "http2.header_name; content:\"server\";"),
                (0, "http2.header_name; content:\"agent\"; startswith;"),
            ],
        ),
    ]
}

/// Rules of HTTP are of both versions, those of one are not.
fn versions() -> Vec<Case> {
    let two = exchange();
    let one = Talk::to(80)
        .client("GET /one HTTP/1.1\r\nHost: Example.org\r\n\r\n")
        .server("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        .end();
    vec![
        case(
            "http.uri",
            two,
            &[
                (1, "http", "http.uri; content:\"/two\";"),
                (1, "http2", "http.uri; content:\"/two\";"),
                (1, "tcp", "http.uri; content:\"/two\";"),
                (
                    1,
                    "ip",
                    "http.uri; content:\"/two\"; http.host; content:\"example.org\"; bsize:11;",
                ),
                (1, "http", "urilen:8; http.method; content:\"POST\";"),
                (
                    1,
                    "http",
                    "http.request_line; content:\"POST /two?x=1 HTTP/2|0d 0a|\"; bsize:22;",
                ),
                (1, "http", "http.user_agent; content:\"agent\"; file.data; content:\"asked\";"),
                (
                    1,
                    "http",
                    "http.stat_code; content:\"200\"; http.response_body; content:\"answered\";",
                ),
                (1, "http", "http.response_header; content:\"server: Nobody\"; bsize:14;"),
                (1, "tcp", "app-layer-protocol:http; content:\"answered\";"),
                (1, "tcp", "app-layer-protocol:!http1; content:\"answered\";"),
                (0, "http1", "http.uri; content:\"/two\";"),
                (0, "http", "http.start; content:\"two\";"),
                (0, "http", "file.name; content:\"two\";"),
                (0, "tcp", "app-layer-protocol:http1; content:\"answered\";"),
            ],
        ),
        case(
            "http.uri",
            one,
            &[
                (1, "http", "http.uri; content:\"/one\";"),
                (1, "http1", "http.uri; content:\"/one\";"),
                (1, "tcp", "http.uri; content:\"/one\";"),
                (1, "http", "http.start; content:\"/one\";"),
                (0, "http2", "http.uri; content:\"/one\";"),
                (0, "tcp", "app-layer-protocol:http2; http.uri; content:\"/one\";"),
            ],
        ),
    ]
}

pub(super) fn cases() -> Vec<Case> {
    [frames(), versions()].concat()
}

#[test]
fn frames_of_http2() {
    check("http2", &frames());
}

#[test]
fn versions_of_http() {
    check("http-versions", &versions());
}
