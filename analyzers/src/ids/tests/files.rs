//! Files, whatever carries them.

use super::case::{Case, case, check};
use super::lab::smb::{
    CLOSE, CREATE, NEGOTIATE, TREE_CONNECT, WRITE, close, create, negotiation, smb2, tree_connect,
    write,
};
use super::lab::talk::Talk;
use crate::testing::TestRecord;

const CONTENT: &str = "MZ this program";

/// `echo -n "$CONTENT" | md5sum` and the like.
const MD5: &str = "21e42472908ed49fb9e416ccfb2cacda";
const SHA1: &str = "6fb2d64741ff8dc5a49f1e819ef49990dd847be4";
const SHA256: &str = "f85f397ffb516f09bf2cf70a4fd83ff9bde48d8287c542b67b6cbdab09371460";

fn download() -> Vec<TestRecord> {
    let answer = format!(
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nContent-Disposition: attachment; \
         filename=\"Setup.EXE\"\r\n\r\n{CONTENT}",
        CONTENT.len()
    );
    Talk::to(80).client("GET /get?f=1 HTTP/1.1\r\nHost: a\r\n\r\n").server(answer).end()
}

fn upload() -> Vec<TestRecord> {
    let request = "POST /up HTTP/1.1\r\nHost: a\r\nContent-Type: multipart/form-data; boundary=zz\r\n\
        Content-Length: 123\r\n\r\n--zz\r\nContent-Disposition: form-data; name=\"f\"; \
        filename=\"shell.php\"\r\nContent-Type: text/plain\r\n\r\n<?php eval($x);\r\n--zz--\r\n";
    Talk::to(80).client(request).server("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").end()
}

fn share() -> Vec<TestRecord> {
    let mut talk = Talk::to(445);
    let said = [
        (NEGOTIATE, negotiation()),
        (TREE_CONNECT, tree_connect("\\\\srv\\Data", 1)),
        (CREATE, create("tool.dll")),
        (WRITE, write(CONTENT.as_bytes())),
        (CLOSE, close()),
    ];
    for ((command, [ask, answer]), number) in said.into_iter().zip(0..) {
        talk = talk.client(smb2(false, command, number, 1, &ask));
        talk = talk.server(smb2(true, command, number, 1, &answer));
    }
    talk.end()
}

fn contents() -> Vec<Case> {
    vec![
        case(
            "file.data file_data",
            download(),
            &[
                (1, "http", "flow:to_client; file.data; content:\"MZ\"; startswith; bsize:15;"),
                (1, "tcp", "flow:to_client; file_data; content:\"program\"; endswith;"),
                (1, "http", "file_data; content:\"MZ\"; depth:2; content:\"is\"; within:9;"),
                (0, "http", "flow:to_client; file.data; content:\"Content-Length\";"),
                (0, "http", "flow:to_client; file_data; content:\"mz\";"),
                (0, "http", "flow:to_server; file.data; content:\"MZ\";"),
                (0, "smb", "file.data; content:\"MZ\";"),
            ],
        ),
        case(
            "file.data file.name filename",
            upload(),
            &[
                (1, "http", "flow:to_server; file.data; content:\"<?php eval\"; startswith;"),
                (1, "http", "flow:to_server; file.name; content:\"shell.php\"; bsize:9;"),
                (1, "http", "filename:\"SHELL.php\";"),
                (1, "http", "http.request_body; content:\"--zz\"; startswith;"),
                (0, "http", "flow:to_server; file.data; content:\"--zz\";"),
                (0, "http", "flow:to_server; file.name; content:\"setup\";"),
                (0, "http", "filename:\"setup\";"),
            ],
        ),
        case(
            "file.data file.name",
            share(),
            &[
                (1, "smb", "flow:to_server; file.data; content:\"MZ\"; startswith;"),
                (1, "smb", "flow:to_server; file.name; content:\"tool.dll\"; bsize:8;"),
                (1, "tcp", "filename:\"tool\"; fileext:\"dll\";"),
                (0, "smb", "flow:to_client; file.data; content:\"MZ\";"),
                (0, "smb", "flow:to_server; file.name; content:\"Data\";"),
            ],
        ),
    ]
}

fn properties() -> Vec<Case> {
    vec![
        case(
            "filename file.name fileext",
            download(),
            &[
                (1, "http", "filename:\"setup\";"),
                (1, "http", "file.name; content:\"Setup.EXE\"; bsize:9;"),
                (1, "http", "fileext:\"exe\";"),
                (1, "http", "fileext:!\"dll\";"),
                (0, "http", "filename:\"get\";"),
                (0, "http", "file.name; content:\"setup\";"),
                (0, "http", "fileext:\"xe\";"),
                (0, "http", "fileext:!\"exe\";"),
            ],
        ),
        case(
            "filesize",
            download(),
            &[
                (1, "http", "filesize:15;"),
                (1, "http", "filesize:>10;"),
                (1, "http", "filesize:14<>16;"),
                (0, "http", "filesize:14;"),
                (0, "http", "filesize:>15;"),
                (0, "http", "filesize:<15;"),
            ],
        ),
        case(
            "filemd5 filesha1 filesha256",
            download(),
            &[
                (1, "http", "filemd5:md5.list;"),
                (1, "http", "filesha1:sha1.list;"),
                (1, "http", "filesha256:sha256.list;"),
                (1, "http", "filemd5:!other.list;"),
                (0, "http", "filemd5:other.list;"),
                (0, "http", "filemd5:!md5.list;"),
                (0, "http", "filesha1:!sha1.list;"),
                (0, "http", "filesha256:!sha256.list;"),
            ],
        )
        .with("md5.list", MD5)
        .with("sha1.list", SHA1)
        .with("sha256.list", SHA256)
        .with("other.list", "00000000000000000000000000000000\n"),
        // Keeping files is not for a shadow; what the rule matches is the same.
        case(
            "filestore",
            download(),
            &[
                (1, "http", "file.data; content:\"MZ\"; filestore;"),
                (1, "http", "fileext:\"exe\"; filestore:response,file;"),
                (0, "http", "file.data; content:\"ZM\"; filestore;"),
            ],
        ),
    ]
}

pub(super) fn cases() -> Vec<Case> {
    [contents(), properties()].concat()
}

#[test]
fn files() {
    check("files", &cases());
}
