//! Buffers of HTTP, sticky and old.

use super::case::{Case, case, check};
use super::lab::talk::Talk;
use crate::testing::TestRecord;

const REQUEST: &str = "POST /a%20b/../in%64ex.php?id=1 HTTP/1.1\r\n\
    Host: WWW.Example.com:8080\r\n\
    User-Agent: probe/1.0\r\n\
    Accept: text/html\r\n\
    Accept-Encoding: gzip, br\r\n\
    Accept-Language: de-AT\r\n\
    Connection: keep-alive\r\n\
    Referer: http://ref.example/\r\n\
    Cookie: cid=42\r\n\
    Content-Type: text/plain\r\n\
    Content-Length: 11\r\n\r\n\
    hello=world";

const RESPONSE: &str = "HTTP/1.0 404 Not Here\r\n\
    Server: nginx/1.2\r\n\
    Location: /elsewhere\r\n\
    Set-Cookie: sid=77\r\n\
    Content-Type: text/html\r\n\
    Connection: keep-alive\r\n\
    Content-Length: 10\r\n\r\n\
    <p>no</p>\n";

fn exchange() -> Vec<TestRecord> {
    Talk::to(80).client(REQUEST).server(RESPONSE).end()
}

fn http(about: &'static str, lines: &[(usize, &'static str)]) -> Case {
    let lines: Vec<_> = lines.iter().map(|&(times, options)| (times, "http", options)).collect();
    case(about, exchange(), &lines)
}

fn request() -> Vec<Case> {
    vec![
        http(
            "http.uri http_uri uricontent urilen",
            &[
                (1, "http.uri; content:\"/index.php?id=1\"; bsize:15;"),
                (1, "content:\"/index.php\"; http_uri; content:\"id=1\"; http_uri; distance:1;"),
                (1, "uricontent:\"index.php\";"),
                (1, "urilen:15;"),
                (1, "urilen:>20,raw;"),
                (0, "http.uri; content:\"in%64ex\";"),
                (0, "content:\"hello\"; http_uri;"),
                (0, "uricontent:\"hello\";"),
                (0, "urilen:>15;"),
                (0, "urilen:<24,raw;"),
            ],
        ),
        http(
            "http.uri.raw http_raw_uri",
            &[
                (1, "http.uri.raw; content:\"/a%20b/../in%64ex.php?id=1\"; bsize:26;"),
                (1, "content:\"in%64ex\"; http_raw_uri;"),
                (0, "http.uri.raw; content:\"index\";"),
                (0, "content:\"hello\"; http_raw_uri;"),
            ],
        ),
        http(
            "http.method http_method",
            &[
                (1, "http.method; content:\"POST\"; bsize:4;"),
                (1, "content:\"POST\"; http_method;"),
                (0, "http.method; content:\"GET\";"),
                (0, "content:\"index\"; http_method;"),
            ],
        ),
        http(
            "http.protocol http_protocol",
            &[
                (1, "http.protocol; content:\"HTTP/1.1\"; bsize:8;"),
                (1, "flow:to_client; http_protocol; content:\"HTTP/1.0\"; bsize:8;"),
                (0, "http.protocol; content:\"POST\";"),
                (0, "flow:to_client; http_protocol; content:\"1.1\";"),
            ],
        ),
        http(
            "http.request_line http_request_line",
            &[
                (
                    1,
                    "http.request_line; content:\"POST /a\"; startswith; content:\"HTTP/1.1\"; endswith;",
                ),
                (1, "http_request_line; content:\" HTTP/1.1\"; endswith;"),
                (0, "http.request_line; content:\"Host\";"),
                (0, "http_request_line; content:\"POST /index\";"),
            ],
        ),
        http(
            "http.host http_host http.host.raw http_raw_host",
            &[
                (1, "http.host; content:\"www.example.com\"; bsize:15;"),
                (1, "content:\"example.com\"; http_host;"),
                (1, "http.host.raw; content:\"WWW.Example.com:8080\"; bsize:20;"),
                (1, "content:\"Example.com\"; http_raw_host;"),
                (0, "http.host; content:\"8080\";"),
                (0, "content:\"probe\"; http_host;"),
                (0, "http.host.raw; content:\"example.com\";"),
                (0, "content:\"probe\"; http_raw_host;"),
            ],
        ),
        http(
            "http.user_agent http_user_agent",
            &[
                (1, "http.user_agent; content:\"probe/1.0\"; bsize:9;"),
                (1, "content:\"probe\"; http_user_agent;"),
                (0, "http.user_agent; content:\"User-Agent\";"),
                (0, "content:\"gzip\"; http_user_agent;"),
            ],
        ),
        http(
            "http.accept http_accept http.accept_enc http_accept_enc http.accept_lang http_accept_lang",
            &[
                (1, "http.accept; content:\"text/html\"; bsize:9;"),
                (1, "http_accept; content:\"html\"; endswith;"),
                (1, "http.accept_enc; content:\"gzip, br\"; bsize:8;"),
                (1, "http_accept_enc; content:\"gzip\"; startswith;"),
                (1, "http.accept_lang; content:\"de-AT\"; bsize:5;"),
                (1, "http_accept_lang; content:\"de\"; startswith;"),
                (0, "http.accept; content:\"gzip\";"),
                (0, "http_accept; content:\"de-AT\";"),
                (0, "http.accept_enc; content:\"html\";"),
                (0, "http_accept_enc; content:\"de-AT\";"),
                (0, "http.accept_lang; content:\"gzip\";"),
                (0, "http_accept_lang; content:\"html\";"),
            ],
        ),
        http(
            "http.referer http_referer",
            &[
                (1, "http.referer; content:\"http://ref.example/\"; bsize:19;"),
                (1, "http_referer; content:\"ref.example\";"),
                (0, "http.referer; content:\"Example.com\";"),
                (0, "http_referer; content:\"probe\";"),
            ],
        ),
        http(
            "http.request_body http_client_body",
            &[
                (1, "http.request_body; content:\"hello=world\"; bsize:11;"),
                (1, "content:\"=world\"; http_client_body;"),
                (0, "http.request_body; content:\"probe\";"),
                (0, "content:\"<p>\"; http_client_body;"),
            ],
        ),
        http(
            "http.request_header",
            &[
                (1, "http.request_header; content:\"User-Agent: probe/1.0\"; bsize:21;"),
                (0, "http.request_header; content:\"nginx\";"),
                (0, "http.request_header; content:\"probe\"; content:\"gzip\";"),
            ],
        ),
    ]
}

fn response() -> Vec<Case> {
    vec![
        http(
            "http.stat_code http_stat_code http.stat_msg http_stat_msg",
            &[
                (1, "http.stat_code; content:\"404\"; bsize:3;"),
                (1, "content:\"404\"; http_stat_code;"),
                (1, "http.stat_msg; content:\"Not Here\"; bsize:8;"),
                (1, "content:\"Here\"; http_stat_msg;"),
                (0, "http.stat_code; content:\"200\";"),
                (0, "content:\"Not\"; http_stat_code;"),
                (0, "http.stat_msg; content:\"404\";"),
                (0, "content:\"nginx\"; http_stat_msg;"),
            ],
        ),
        http(
            "http.response_line http_response_line",
            &[
                (1, "http.response_line; content:\"HTTP/1.0 404 Not Here|0d 0a|\"; bsize:23;"),
                (1, "http_response_line; content:\"HTTP\"; startswith;"),
                (0, "http.response_line; content:\"Server\";"),
                (0, "http_response_line; content:\"POST\";"),
            ],
        ),
        http(
            "http.server http.location",
            &[
                (1, "http.server; content:\"nginx/1.2\"; bsize:9;"),
                (1, "http.location; content:\"/elsewhere\"; bsize:10;"),
                (0, "http.server; content:\"probe\";"),
                (0, "http.location; content:\"index\";"),
            ],
        ),
        http(
            "http.response_body http_server_body",
            &[
                (1, "http.response_body; content:\"<p>no</p>\"; bsize:10;"),
                (1, "content:\"<p>\"; http_server_body;"),
                (0, "http.response_body; content:\"hello\";"),
                (0, "content:\"404\"; http_server_body;"),
            ],
        ),
        http(
            "http.response_header",
            &[
                (1, "http.response_header; content:\"Server: nginx/1.2\"; bsize:17;"),
                (0, "http.response_header; content:\"probe\";"),
                (0, "http.response_header; content:\"nginx\"; content:\"elsewhere\";"),
            ],
        ),
    ]
}

/// What both have.
fn both() -> Vec<Case> {
    vec![
        http(
            "http.header http_header http.header.raw http_raw_header",
            &[
                (1, "http.header; content:\"Host|3a 20|WWW.Example.com\"; content:!\"Cookie\";"),
                (1, "flow:to_client; http.header; content:\"Server|3a 20|nginx/1.2|0d 0a|\";"),
                (1, "content:\"User-Agent|3a| probe\"; http_header;"),
                (1, "flow:to_server; http.header.raw; content:\"Cookie|3a 20|cid=42|0d 0a|\";"),
                (1, "content:\"Cookie|3a| sid\"; http_raw_header; flow:to_client;"),
                (0, "http.header; content:\"cid=42\";"),
                (0, "http.header; content:\"hello\";"),
                (0, "content:\"POST\"; http_header;"),
                (0, "flow:to_client; http.header; content:\"probe\";"),
                (0, "flow:to_server; http.header.raw; content:\"hello\";"),
                (0, "content:\"index\"; http_raw_header; flow:to_server;"),
            ],
        ),
        http(
            "http.header_names http_header_names",
            &[
                (
                    1,
                    "http.header_names; content:\"|0d 0a|Host|0d 0a|User-Agent|0d 0a|\"; startswith;",
                ),
                (
                    1,
                    "flow:to_client; http_header_names; content:\"|0d 0a|Content-Length|0d 0a 0d 0a|\"; endswith;",
                ),
                (0, "http.header_names; content:\"probe\";"),
                (0, "flow:to_server; http_header_names; content:\"Server\";"),
            ],
        ),
        http(
            "http.start http_start",
            &[
                (
                    1,
                    "http.start; content:\"POST /a\"; startswith; content:\"HTTP/1.1|0d 0a|Host\";",
                ),
                (
                    1,
                    "flow:to_client; http_start; content:\"HTTP/1.0 404\"; startswith; content:\"Here|0d 0a 0d 0a|Server\";",
                ),
                (0, "http.start; content:\"hello\";"),
                (0, "flow:to_client; http_start; content:\"<p>\";"),
            ],
        ),
        http(
            "http.cookie http_cookie",
            &[
                (1, "http.cookie; content:\"cid=42\"; bsize:6;"),
                (1, "flow:to_client; http.cookie; content:\"sid=77\"; bsize:6;"),
                (1, "content:\"cid\"; http_cookie;"),
                (0, "http.cookie; content:\"probe\";"),
                (0, "content:\"Cookie\"; http_cookie;"),
            ],
        ),
        http(
            "http.connection http_connection",
            &[
                (2, "http.connection; content:\"keep-alive\"; bsize:10;"),
                (1, "flow:to_client; http_connection; content:\"alive\";"),
                (0, "http.connection; content:\"close\";"),
                (0, "http_connection; content:\"gzip\";"),
            ],
        ),
        http(
            "http.content_len http_content_len",
            &[
                (1, "http.content_len; content:\"11\"; bsize:2;"),
                (1, "flow:to_client; http.content_len; byte_test:0,=,10,0,string,dec;"),
                (1, "http_content_len; content:\"10\";"),
                (0, "http.content_len; content:\"12\";"),
                (0, "http_content_len; content:\"hello\";"),
            ],
        ),
        http(
            "http.content_type http_content_type",
            &[
                (1, "http.content_type; content:\"text/plain\"; bsize:10;"),
                (1, "flow:to_client; http_content_type; content:\"html\";"),
                (0, "flow:to_server; http.content_type; content:\"html\";"),
                (0, "http_content_type; content:\"image\";"),
            ],
        ),
        http(
            "pcre",
            &[
                (1, "pcre:\"/index\\.php/U\";"),
                (1, "pcre:\"/in%64ex/I\";"),
                (1, "pcre:\"/^POST$/M\";"),
                (1, "pcre:\"/^probe/V\";"),
                (1, "pcre:\"/^cid=\\d+$/C\";"),
                (0, "pcre:\"/^world$/P\";"),
                (0, "pcre:\"/in%64ex/U\";"),
                (0, "pcre:\"/probe/C\";"),
            ],
        ),
        http(
            "pcre",
            &[
                (1, "pcre:\"/^hello/P\";"),
                (1, "pcre:\"/Host\\x3a /H\";"),
                (1, "pcre:\"/^Cookie/mD\"; flow:to_server;"),
                (1, "pcre:\"/^www\\.example/W\";"),
                (1, "pcre:\"/^WWW/Z\";"),
                (1, "pcre:\"/^404$/S\";"),
                (1, "pcre:\"/^Not/Y\";"),
                (1, "pcre:\"/^<p>/Q\";"),
                (0, "pcre:\"/^404$/Y\";"),
                (0, "pcre:\"/hello/H\";"),
            ],
        ),
        case(
            "absent",
            Talk::to(80).client("GET / HTTP/1.0\r\nHost: a\r\n\r\n").server(RESPONSE).end(),
            &[
                (1, "http", "http.user_agent; absent;"),
                (1, "http", "http.referer; absent:or_else; content:\"evil\";"),
                (1, "http", "http.host; absent:or_else; content:\"a\";"),
                (0, "http", "http.host; absent;"),
                (0, "http", "http.host; absent:or_else; content:\"evil\";"),
            ],
        ),
    ]
}

pub(super) fn cases() -> Vec<Case> {
    [request(), response(), both()].concat()
}

#[test]
fn parts_of_http() {
    check("http", &cases());
}
