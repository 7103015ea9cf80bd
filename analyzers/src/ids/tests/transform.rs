//! Transforms of buffers.

use super::case::{Case, case, check};
use super::lab::talk::Talk;

const GZIPPED: &str = "/H4sIAAAAAAACA8tIzcnJVyjPL8pJAQCFEUoNCwAAAA==";

fn on_uri(about: &'static str, uri: &str, lines: &[(usize, &'static str)]) -> Case {
    let request = format!("GET {uri} HTTP/1.1\r\nHost: www.Example.co.uk\r\n\r\n");
    let lines: Vec<_> = lines.iter().map(|&(times, options)| (times, "http", options)).collect();
    case(about, Talk::to(80).client(request).end(), &lines)
}

pub(super) fn cases() -> Vec<Case> {
    vec![
        on_uri(
            "dotprefix",
            "/",
            &[
                (1, "http.host; dotprefix; content:\".www.example.co.uk\"; bsize:18;"),
                (1, "http.host; dotprefix; content:\".example.co.uk\"; endswith;"),
                (0, "http.host; dotprefix; content:\".xample.co.uk\"; endswith;"),
                (0, "http.host; content:\".www\";"),
            ],
        ),
        on_uri(
            "to_lowercase to_uppercase",
            "/MiXed",
            &[
                (1, "http.uri; to_lowercase; content:\"/mixed\";"),
                (1, "http.uri; to_uppercase; content:\"/MIXED\";"),
                (0, "http.uri; to_lowercase; content:\"mix\"; endswith;"),
                (0, "http.uri; to_uppercase; content:\"MIX\"; endswith;"),
            ],
        ),
        on_uri(
            "url_decode",
            "/a?b=%2541+c",
            &[
                (1, "http.uri.raw; url_decode; content:\"b=%41 c\";"),
                (1, "http.uri.raw; url_decode; url_decode; content:\"b=A c\";"),
                (0, "http.uri.raw; url_decode; content:\"b=A\";"),
                (0, "http.uri.raw; url_decode; content:\"%25\";"),
            ],
        ),
        on_uri(
            "xor",
            "/tufsfu",
            &[
                (1, "http.uri; xor:\"01\"; content:\"utgrgt\";"),
                (1, "http.uri; xor:\"0102\"; content:\"|2e|vt\";"),
                (0, "http.uri; xor:\"01\"; content:\"tufsfu\";"),
                (0, "http.uri; xor:\"02\"; content:\"utgrgt\";"),
            ],
        ),
        on_uri(
            "pcrexform",
            "/path/file.php",
            &[
                (1, "http.uri; pcrexform:\"[a-z]+/([a-z]+)\"; content:\"file\"; bsize:4;"),
                (
                    1,
                    "http.request_line; pcrexform:\"(\\S+) HTTP\"; content:\"/path/file.php\"; bsize:14;",
                ),
                (0, "http.uri; pcrexform:\"[a-z]+/([a-z]+)\"; content:\"path\";"),
                (0, "http.uri; pcrexform:\"[a-z]+/([a-z]+)\"; content:\"php\";"),
            ],
        ),
        on_uri(
            "domain tld",
            "/",
            &[
                (1, "http.host; domain; content:\"example.co.uk\"; bsize:13;"),
                (1, "http.host; tld; content:\"co.uk\"; bsize:5;"),
                (0, "http.host; domain; content:\"www\";"),
                (0, "http.host; tld; content:\"example\";"),
            ],
        ),
        on_uri(
            "from_base64",
            "/aGVsbG8gd29ybGQ=",
            &[
                (1, "http.uri; from_base64:offset 1; content:\"hello world\"; bsize:11;"),
                (
                    1,
                    "http.uri; from_base64:bytes 8, offset 1, mode rfc2045; content:\"hello \"; bsize:6;",
                ),
                (0, "http.uri; from_base64:offset 2; content:\"hello\";"),
                (0, "http.uri; from_base64:offset 1; content:\"aGVs\";"),
            ],
        ),
        on_uri(
            "gunzip",
            GZIPPED,
            &[
                (1, "http.uri; from_base64:offset 1; gunzip; content:\"hello world\"; bsize:11;"),
                (0, "http.uri; from_base64:offset 1; gunzip; content:\"|1f 8b|\";"),
                (0, "http.uri; from_base64:offset 1; gunzip:max-size 5; content:\"world\";"),
            ],
        ),
        on_uri(
            "zlib_deflate",
            "/eJzLSM3JyVcozy/KSQEAGgsEXQ==",
            &[
                (
                    1,
                    "http.uri; from_base64:offset 1; zlib_deflate; content:\"hello world\"; bsize:11;",
                ),
                (0, "http.uri; from_base64:offset 1; zlib_deflate; content:\"|78 9c|\";"),
            ],
        ),
        // echo -n /abc | md5sum, and so on.
        on_uri(
            "to_md5 to_sha1 to_sha256",
            "/abc",
            &[
                (
                    1,
                    "http.uri; to_md5; content:\"|48 2a 71 43 ac 74 7e ff 5e 5a 59 92 a6 01 6d 65|\"; bsize:16;",
                ),
                (
                    1,
                    "http.uri; to_sha1; content:\"|06 f7 4e 79 66 94 6c 16 47 93 0a 89 94 40 75 58 39 f7 4e 3e|\"; bsize:20;",
                ),
                (
                    1,
                    "http.uri; to_sha256; content:\"|aa ae a3 61 3d f9 f4 09 e3 b7 92 64 ca 21 c3 e1 2e 99 ad 2d 7b 0f 6f c9 b4 ca 2f 46 10 b8 78 a1|\"; bsize:32;",
                ),
                (0, "http.uri; to_md5; content:\"/abc\";"),
                (0, "http.uri; to_sha1; content:\"/abc\";"),
                (0, "http.uri; to_sha256; content:\"/abc\";"),
            ],
        ),
        case(
            "strip_whitespace compress_whitespace",
            Talk::to(80).client("POST / HTTP/1.0\r\nContent-Length: 9\r\n\r\na  b\t\n c ").end(),
            &[
                (1, "http", "http.request_body; strip_whitespace; content:\"abc\"; bsize:3;"),
                (
                    1,
                    "http",
                    "http.request_body; compress_whitespace; content:\"a b\"; startswith; bsize:6;",
                ),
                (0, "http", "http.request_body; strip_whitespace; content:\"abc\"; bsize:9;"),
                (
                    0,
                    "http",
                    "http.request_body; compress_whitespace; content:\"a b\"; startswith; bsize:9;",
                ),
            ],
        ),
        case(
            "header_lowercase",
            Talk::to(80).client("GET / HTTP/1.0\r\nX-NaMe: VaLue\r\nHost: a\r\n\r\n").end(),
            &[
                (1, "http", "http.header; header_lowercase; content:\"x-name: VaLue\";"),
                (0, "http", "http.header; header_lowercase; content:\"X-NaMe\";"),
                (0, "http", "http.header; header_lowercase; content:\"value\";"),
            ],
        ),
        case(
            "strip_pseudo_headers",
            Talk::to(80).client("GET / HTTP/1.0\r\nHost: a\r\n:path: x\r\nEnd: b\r\n\r\n").end(),
            &[
                (
                    1,
                    "http",
                    "flow:to_server; http.header.raw; strip_pseudo_headers; content:\"Host: a|0d 0a|End: b\";",
                ),
                (
                    0,
                    "http",
                    "flow:to_server; http.header.raw; strip_pseudo_headers; content:\"path\";",
                ),
            ],
        ),
    ]
}

#[test]
fn transforms() {
    check("transform", &cases());
}
