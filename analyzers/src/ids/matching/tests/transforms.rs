//! Transforms: what Suricata 8 was found to make of these.

use std::io::Write;

use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};
use proptest::prelude::*;

use super::rule;
use crate::ids::matching::Transforms;
use crate::ids::rule::ast::{Base64Mode, Transform, Value};

fn made(options: &str, bytes: &[u8]) -> Vec<u8> {
    let rule = rule(&format!("http.uri; {options} content:\"1\";"));
    let mut out = b"left over".to_vec();
    Transforms::compile(&rule.inspections[0].transforms).unwrap().apply(bytes, &mut out);
    out
}

#[track_caller]
fn check(options: &str, cases: &[(&str, &str)]) {
    for (bytes, wanted) in cases {
        let found = made(options, bytes.as_bytes());
        assert_eq!(found.escape_ascii().to_string(), *wanted, "{options} of {bytes:?}");
    }
}

#[test]
fn texts() {
    check("dotprefix;", &[("a.b", ".a.b"), (".x", "..x"), ("", "")]);
    check("to_lowercase;", &[("AbC1", "abc1")]);
    check("to_uppercase;", &[("AbC1", "ABC1")]);
    check("strip_whitespace;", &[("a \t\nb\r\x0b\x0cx", "abx"), ("  ", "")]);
    check("compress_whitespace;", &[("a \t\nb", "a b"), ("a\t\tb", "a\\tb"), ("\n\nb  ", "\\nb ")]);
    check("xor:\"0d0a\";", &[("hello", "eoafb")]);
    check(
        "header_lowercase;",
        &[
            ("Ab: Cd\r\nEf: Gh", "ab: Cd\\r\\nef: Gh"),
            (":Ab: Cd", ":Ab: Cd"),
            ("ABC\nDEF", "abc\\ndef"),
        ],
    );
    check(
        "strip_pseudo_headers;",
        &[
            (":a: b\r\nEf: Gh\r\n", "Ef: Gh\\r\\n"),
            (":Ab", ""),
            ("A\n:B\nC", "A\\nC"),
            ("\n:B\n\nC", "\\n\\nC"),
        ],
    );
    check("to_lowercase; dotprefix; xor:\"00\";", &[("A", ".a")]);
    // What has become nothing stays nothing.
    check("strip_whitespace; dotprefix; to_md5;", &[("  ", "")]);
}

#[test]
fn urls() {
    check(
        "url_decode;",
        &[
            ("a%41%4", "aA%4"),
            ("a+b%2B", "a b+"),
            ("%e4%00x", "\\xe4\\x00x"),
            ("%zz%41", "%zzA"),
            ("%z%41", "%zA"),
            ("%%41", "%%41"),
            ("%%%41", "%%A"),
            ("%4%41", "%4%41"),
            ("%4%%41", "%4%A"),
            ("%+41", "%+41"),
            ("%4+", "%4+"),
            ("%", "%"),
        ],
    );
}

#[test]
fn digests() {
    let hex = |bytes: Vec<u8>| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
    assert_eq!(hex(made("to_md5;", b"hello")), "5d41402abc4b2a76b9719d911017c592");
    assert_eq!(hex(made("to_sha1;", b"hello")), "aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d");
    assert_eq!(
        hex(made("to_sha256;", b"hello")),
        "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
    );
}

#[test]
fn base64_ends_at_other_bytes() {
    check(
        "from_base64;",
        &[
            ("aGVsbG8=", "hello"),
            ("aGVsbG8", "hello"),
            ("aGVs bG8h", "hel"),
            ("aG VsbG8h", "h"),
            ("aGVsb", "aGVsb"),
            ("aGVsbG", "hell"),
            ("aGVs=bG8h", "aGVs=bG8h"),
            ("aG=V", "h"),
            ("aGVsbG8=aGVs", "hellohel"),
            ("aG==VsbG8h", "hV\\xc6\\xc6\\xf2"),
            ("aGVs====", "aGVs===="),
            (" aGVs", " aGVs"),
            ("*", "*"),
        ],
    );
    check("from_base64: bytes 4, offset 2;", &[("xxaGVsbG8h", "hel"), ("xxaGVs", "xxaGVs")]);
    check("from_base64: offset 3;", &[("xxxaGVs", "hel"), ("xxx", "xxx")]);
}

#[test]
fn base64_skips_other_bytes() {
    check(
        "from_base64: mode rfc2045;",
        &[
            ("aGVs bG8h", "hello!"),
            ("a*G V\ns", "hel"),
            ("aGVsbG", "hel"),
            ("aGV", "aGV"),
            ("aG=", "aG="),
            ("aGVs===", "hel"),
            ("aGVsb===", "aGVsb==="),
            ("aGVs bG8=  ", "hello"),
        ],
    );
}

#[test]
fn base64_is_strict_where_asked() {
    let same = ["aGV", "aGVs ", "aGVsbG", "ah==", "ahV=", "aG==aGVs", "a===", "====", "aGVs===="];
    let cases = [("aGVs", "hel"), ("ag==", "j"), ("aGVsbG8=", "hello")];
    let same = same.iter().map(|text| (*text, *text));
    check("from_base64: mode strict;", &cases.into_iter().chain(same).collect::<Vec<_>>());
}

#[test]
fn expressions() {
    check("pcrexform:\"a(b+)c\";", &[("xabbcx", "bb"), ("xacx", "xacx")]);
    check("pcrexform:\"(b*)a\";", &[("bba", "bb"), ("ab", "")]);
    check("pcrexform:\"a(b*)\";", &[("xabb", "bb"), ("xa", ""), ("x", "x")]);
    check("pcrexform:\"a(x)?b\";", &[("axb", "x"), ("ab", "ab")]);
    let compiled = |pattern: &str| Transforms::compile(&[Transform::Pcre(pattern.into())]);
    assert!(compiled("ab").unwrap_err().contains("one group"));
    assert!(compiled("a(").is_err());
}

#[test]
fn domains() {
    check(
        "domain;",
        &[
            ("www.example.com", "example.com"),
            ("a.b.example.co.uk", "example.co.uk"),
            ("foo.bar.unknownz", "bar.unknownz"),
            ("WWW.EXAMPLE.COM", "EXAMPLE.COM"),
            ("www.example.com.", "example.com."),
            ("x.a.github.io", "a.github.io"),
            ("www.ck", "www.ck"),
            ("1.2.3.4", "3.4"),
            ("co.uk", ""),
            ("com", ""),
            ("..", ""),
        ],
    );
    check(
        "tld;",
        &[
            ("a.b.example.co.uk", "co.uk"),
            ("www.ck", "ck"),
            ("foo.ck", ""),
            ("com", ""),
            (".com", ""),
        ],
    );
}

#[test]
fn packed() {
    let text = b"hello world, ".repeat(3);
    let mut gz = GzEncoder::new(Vec::new(), Compression::default());
    gz.write_all(&text).unwrap();
    let gz = gz.finish().unwrap();
    let mut zlib = ZlibEncoder::new(Vec::new(), Compression::default());
    zlib.write_all(&text).unwrap();
    let zlib = zlib.finish().unwrap();
    assert_eq!(made("gunzip;", &gz), text);
    assert_eq!(made("zlib_deflate;", &zlib), text);
    assert_eq!(made("gunzip: max-size 8;", &gz), b"hello wo");
    assert_eq!(made("zlib_deflate: max-size 8;", &zlib), b"hello wo");
    // Cut short, there is what came before; broken, there is nothing.
    assert_eq!(made("gunzip;", &gz[..gz.len() - 8]), text);
    assert_eq!(made("zlib_deflate;", &zlib[..zlib.len() - 4]), text);
    assert_eq!(made("gunzip;", &gz[..5]), b"");
    assert_eq!(made("gunzip;", &zlib), b"");
    let mut wrong = zlib;
    *wrong.last_mut().unwrap() ^= 1;
    assert_eq!(made("zlib_deflate;", &wrong), b"");
}

#[test]
fn a_variable_is_refused() {
    let offset = Some(Value::Variable(crate::ids::rule::ast::VarId(0)));
    let transform = Transform::FromBase64 { bytes: None, offset, mode: Base64Mode::Rfc4648 };
    assert!(Transforms::compile(&[transform]).unwrap_err().contains("variable"));
}

fn any_transform() -> impl Strategy<Value = Transform> {
    let mode =
        prop_oneof![Just(Base64Mode::Rfc4648), Just(Base64Mode::Rfc2045), Just(Base64Mode::Strict)];
    let number = prop_oneof![Just(None), (0..20u32).prop_map(|n| Some(Value::Constant(n)))];
    prop_oneof![
        Just(Transform::DotPrefix),
        Just(Transform::ToLowercase),
        Just(Transform::UrlDecode),
        Just(Transform::StripWhitespace),
        Just(Transform::CompressWhitespace),
        Just(Transform::StripPseudoHeaders),
        Just(Transform::HeaderLowercase),
        Just(Transform::Xor((*b"k\0").into())),
        Just(Transform::Sha1),
        Just(Transform::Domain),
        Just(Transform::Tld),
        Just(Transform::Pcre("(?s)^.(.*)b".into())),
        (1..50u32).prop_map(|max_bytes| Transform::Gunzip { max_bytes }),
        (1..50u32).prop_map(|max_bytes| Transform::ZlibDeflate { max_bytes }),
        (number, -3..9i32, mode).prop_map(|(bytes, offset, mode)| Transform::FromBase64 {
            bytes,
            offset: Some(Value::Constant(offset)),
            mode
        }),
    ]
}

proptest! {
    #[test]
    fn anything_can_be_transformed(
        list in proptest::collection::vec(any_transform(), 1..5),
        bytes in proptest::collection::vec(prop_oneof![
            Just(b'%'), Just(b'4'), Just(b'='), Just(b'.'), Just(b' '), Just(b':'), Just(b'\n'), any::<u8>()
        ], 0..40),
    ) {
        let transforms = Transforms::compile(&list).unwrap();
        prop_assert_eq!(&*transforms.list, &list[..]);
        let mut out = Vec::new();
        transforms.apply(&bytes, &mut out);
        let mut again = vec![1; 99];
        transforms.apply(&bytes, &mut again);
        prop_assert_eq!(&out, &again);
    }

    #[test]
    fn strict_base64_is_undone(bytes in proptest::collection::vec(any::<u8>(), 1..40)) {
        const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let mut text = Vec::new();
        for group in bytes.chunks(3) {
            let bits = (0..3).fold(0usize, |bits, at| bits << 8 | usize::from(*group.get(at).unwrap_or(&0)));
            for at in 0..4 {
                let letter = LETTERS[bits >> (18 - 6 * at) & 63];
                text.push(if at > group.len() { b'=' } else { letter });
            }
        }
        for mode in [Base64Mode::Strict, Base64Mode::Rfc2045, Base64Mode::Rfc4648] {
            let list = [Transform::FromBase64 { bytes: None, offset: None, mode }];
            let mut out = Vec::new();
            Transforms::compile(&list).unwrap().apply(&text, &mut out);
            prop_assert_eq!(&out, &bytes);
        }
    }
}
