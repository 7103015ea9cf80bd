//! What payloads hold: contents and their modifiers, numbers, expressions.

use super::case::{Case, case, check};
use super::lab::packets::Ip4;
use super::lab::talk::frame;
use crate::testing::TestRecord;

fn datagram(payload: &[u8]) -> Vec<TestRecord> {
    frame(Ip4::default().udp((5000, 6000), payload))
}

fn text() -> Vec<TestRecord> {
    datagram(b"GET one two three one END")
}

fn contents() -> Vec<Case> {
    vec![
        case(
            "content",
            text(),
            &[
                (1, "udp", "content:\"one two\";"),
                (1, "udp", "content:\"|47 45 54|\"; content:!\"four\";"),
                (1, "udp", "content:\"o|6e|e\"; content:\"END\";"),
                (0, "udp", "content:\"One\";"),
                (0, "udp", "content:\"one\"; content:\"four\";"),
                (0, "udp", "content:\"one\"; content:!\"two\";"),
            ],
        ),
        case(
            "nocase",
            text(),
            &[
                (1, "udp", "content:\"get ONE\"; nocase;"),
                (0, "udp", "content:\"get ONE\";"),
                (0, "udp", "content:\"get TWO\"; nocase;"),
            ],
        ),
        case(
            "offset depth",
            text(),
            &[
                (1, "udp", "content:\"one\"; offset:4; depth:3;"),
                (1, "udp", "content:\"one\"; offset:5;"),
                (1, "udp", "content:!\"three\"; depth:16;"),
                (0, "udp", "content:\"one\"; offset:19;"),
                (0, "udp", "content:\"one\"; depth:6;"),
                (0, "udp", "content:\"two\"; offset:7; depth:3;"),
            ],
        ),
        case(
            "distance within",
            text(),
            &[
                (1, "udp", "content:\"one\"; content:\"two\"; distance:1; within:3;"),
                (1, "udp", "content:\"one\"; content:\"one\"; distance:0;"),
                (1, "udp", "content:\"three\"; content:\"two\"; distance:-9; within:8;"),
                (0, "udp", "content:\"one\"; content:\"two\"; distance:2;"),
                (0, "udp", "content:\"two\"; content:\"one\"; within:9;"),
                (0, "udp", "content:\"END\"; content:\"one\"; distance:0;"),
            ],
        ),
        case(
            "startswith",
            text(),
            &[
                (1, "udp", "content:\"GET\"; startswith;"),
                (1, "udp", "content:!\"one\"; startswith;"),
                (0, "udp", "content:\"one\"; startswith;"),
                (0, "udp", "content:!\"GET\"; startswith;"),
            ],
        ),
        case(
            "endswith",
            text(),
            &[
                (1, "udp", "content:\"END\"; endswith;"),
                (1, "udp", "content:\"one\"; content:\"END\"; distance:1; endswith;"),
                (0, "udp", "content:\"one\"; endswith;"),
                (0, "udp", "content:!\"END\"; endswith;"),
            ],
        ),
        case(
            "rawbytes",
            text(),
            &[(1, "udp", "content:\"two\"; rawbytes;"), (0, "udp", "content:\"TWO\"; rawbytes;")],
        ),
        // Which part is looked for first makes no difference to what matches.
        case(
            "fast_pattern prefilter",
            text(),
            &[
                (1, "udp", "content:\"GET\"; content:\"two\"; fast_pattern;"),
                (1, "udp", "content:\"one\"; content:\"three\"; fast_pattern:1,3;"),
                (1, "udp", "content:\"GET\"; content:\"END\"; fast_pattern:only;"),
                (1, "udp", "content:\"GET\"; prefilter; content:\"three\";"),
                (0, "udp", "content:\"GET\"; fast_pattern; content:\"four\";"),
                (0, "udp", "content:\"GET\"; content:\"four\"; fast_pattern;"),
                (0, "udp", "content:\"two\"; content:\"three!\"; fast_pattern:1,3;"),
                (0, "udp", "content:\"GET\"; prefilter; content:\"four\";"),
            ],
        ),
        case(
            "isdataat",
            text(),
            &[
                (1, "udp", "isdataat:24;"),
                (1, "udp", "isdataat:!25;"),
                (1, "udp", "content:\"one\"; isdataat:15,relative;"),
                (1, "udp", "content:\"END\"; isdataat:!1,relative;"),
                (0, "udp", "isdataat:25;"),
                (0, "udp", "isdataat:!24;"),
                (0, "udp", "content:\"END\"; isdataat:1,relative;"),
                (0, "udp", "content:\"two\"; isdataat:!10,relative;"),
            ],
        ),
        case(
            "pkt_data",
            text(),
            &[
                (1, "udp", "udp.hdr; content:\"|17 70|\"; pkt_data; content:\"three\";"),
                (0, "udp", "udp.hdr; content:\"|17 70|\"; pkt_data; content:\"|17 70|\";"),
            ],
        ),
        case(
            "entropy",
            datagram(&(0..=255).collect::<Vec<u8>>()),
            &[
                (1, "udp", "entropy:value >7.9;"),
                (1, "udp", "entropy:bytes 16, offset 4, value = 4.0;"),
                (0, "udp", "entropy:value <7.9;"),
                (0, "udp", "entropy:bytes 16, value >4.0;"),
            ],
        ),
    ]
}

/// Three numbers: 16 in a byte, 258 in two, `0x1f` in text, and what they point to.
fn numbers() -> Vec<TestRecord> {
    let mut payload = b"\x10\x01\x02=0x1f;31;037;".to_vec();
    payload.resize(32, b'.');
    payload.extend(b"target");
    datagram(&payload)
}

fn bytes() -> Vec<Case> {
    vec![
        case(
            "byte_test",
            numbers(),
            &[
                (1, "udp", "byte_test:1,=,16,0;"),
                (1, "udp", "byte_test:2,>,257,1;"),
                (1, "udp", "byte_test:2,=,513,1,little;"),
                (1, "udp", "byte_test:1,&,16,0;"),
                (1, "udp", "byte_test:1,!=,15,0;"),
                (1, "udp", "byte_test:4,=,31,4,string,hex;"),
                (1, "udp", "content:\"|3b|\"; byte_test:2,=,31,0,relative,string,dec;"),
                (1, "udp", "byte_test:2,=,1,1,bitmask 0xff00;"),
                (0, "udp", "byte_test:1,>,16,0;"),
                (0, "udp", "byte_test:2,=,258,0;"),
                (0, "udp", "byte_test:2,<=,512,1,little;"),
                (0, "udp", "byte_test:1,&,15,0;"),
                (0, "udp", "byte_test:4,<,31,4,string,hex;"),
            ],
        ),
        case(
            "byte_jump",
            numbers(),
            &[
                (
                    1,
                    "udp",
                    "byte_jump:1,0,multiplier 2,from_beginning; content:\"target\"; within:6;",
                ),
                (1, "udp", "byte_jump:1,0,post_offset 15; content:\"target\"; within:6;"),
                (
                    1,
                    "udp",
                    "content:\"037\"; byte_jump:2,-3,relative,string,dec,align; isdataat:!100,relative;",
                ),
                (1, "udp", "byte_jump:1,0,from_end,post_offset -22; content:\"target\"; within:6;"),
                (0, "udp", "byte_jump:1,0,from_beginning; content:\"target\"; within:6;"),
                (0, "udp", "byte_jump:2,1; content:\"target\"; distance:0;"),
            ],
        ),
        case(
            "byte_extract",
            numbers(),
            &[
                (1, "udp", "byte_extract:1,0,n; content:\"target\"; offset:n;"),
                (
                    1,
                    "udp",
                    "byte_extract:1,0,n,multiplier 2; isdataat:n; content:\"target\"; offset:n; depth:6;",
                ),
                (1, "udp", "byte_extract:2,9,n,string,dec; byte_test:1,<,n,0;"),
                (0, "udp", "byte_extract:1,0,n,multiplier 4; isdataat:n;"),
                (0, "udp", "byte_extract:1,0,n,multiplier 2; content:\".target\"; offset:n;"),
                (0, "udp", "byte_extract:2,9,n,string,dec; byte_test:1,>,n,0;"),
            ],
        ),
        case(
            "byte_math",
            numbers(),
            &[
                (
                    1,
                    "udp",
                    "byte_math:bytes 1, offset 0, oper +, rvalue 16, result n; content:\"target\"; offset:n; depth:6;",
                ),
                (
                    1,
                    "udp",
                    "byte_math:bytes 1, offset 0, oper <<, rvalue 1, result n; content:\"target\"; offset:n; depth:6;",
                ),
                (
                    1,
                    "udp",
                    "byte_math:bytes 2, offset 1, oper -, rvalue 226, result n, endian big; content:\"target\"; offset:n; depth:6;",
                ),
                (
                    0,
                    "udp",
                    "byte_math:bytes 1, offset 0, oper +, rvalue 17, result n; content:\"target\"; offset:n;",
                ),
                (
                    0,
                    "udp",
                    "byte_math:bytes 1, offset 0, oper /, rvalue 2, result n; content:\"target\"; offset:n; depth:6;",
                ),
            ],
        ),
        case(
            "base64_decode base64_data",
            datagram(b"auth: dXNlcjpwYXNz\r\n"),
            &[
                (
                    1,
                    "udp",
                    "content:\"auth|3a| \"; base64_decode:relative; base64_data; content:\"user:pass\";",
                ),
                (
                    1,
                    "udp",
                    "base64_decode:bytes 4, offset 6; base64_data; content:\"use\"; bsize:3;",
                ),
                (0, "udp", "base64_decode:offset 5; base64_data; content:\"user\";"),
                (
                    0,
                    "udp",
                    "content:\"auth|3a| \"; base64_decode:relative; base64_data; content:\"dXNl\";",
                ),
                (0, "udp", "base64_decode:bytes 4, offset 6; base64_data; content:\"pass\";"),
            ],
        ),
        case(
            "rpc",
            datagram(&[1u32, 0, 2, 100_000, 2, 3].map(u32::to_be_bytes).concat()),
            &[
                (1, "udp", "rpc:100000,2,3;"),
                (1, "udp", "rpc:100000,*,*;"),
                (0, "udp", "rpc:100000,2,4;"),
                (0, "udp", "rpc:100001,*,*;"),
                (0, "udp", "rpc:100000,3,*;"),
            ],
        ),
    ]
}

fn expressions() -> Vec<Case> {
    vec![
        case(
            "pcre",
            text(),
            &[
                (1, "udp", "pcre:\"/one\\s(two|2)/\";"),
                (1, "udp", "pcre:\"/^get ONE/i\";"),
                (1, "udp", "pcre:!\"/four/\"; content:\"one\";"),
                (1, "udp", "content:\"two\"; pcre:\"/^ three/R\";"),
                (1, "udp", "pcre:\"/o n e/x\";"),
                (0, "udp", "pcre:\"/^get/\";"),
                (0, "udp", "pcre:\"/four/\"; content:\"one\";"),
                (0, "udp", "content:\"two\"; pcre:\"/^ one/R\";"),
                (0, "udp", "content:\"GET\"; pcre:\"/two/A\";"),
                (0, "udp", "pcre:!\"/one/\"; content:\"two\";"),
            ],
        ),
        case(
            "pcre",
            datagram(b"first\nsecond\n"),
            &[
                (1, "udp", "pcre:\"/^second$/m\";"),
                (1, "udp", "pcre:\"/first.second/s\";"),
                (1, "udp", "pcre:\"/second$/\";"),
                (0, "udp", "pcre:\"/^second/\";"),
                (0, "udp", "pcre:\"/first.second/\";"),
                (0, "udp", "pcre:\"/second$/E\";"),
            ],
        ),
    ]
}

pub(super) fn cases() -> Vec<Case> {
    [contents(), bytes(), expressions()].concat()
}

#[test]
fn payloads() {
    check("payload", &cases());
}
