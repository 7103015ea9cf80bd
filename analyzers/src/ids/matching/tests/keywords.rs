//! Each keyword where it holds, and where it does not; what spans inspections and calls.

use proptest::prelude::*;

use super::{Ready, holds, rule, try_rule};
use crate::ids::matching::{
    Captured, Datasets, MatchContext, Program, Transforms, View, fast_literal,
};
use crate::ids::rule::ast::{CaptureKind, Rule};

#[test]
fn contents_stand_where_they_must() {
    for (options, yes, no) in [
        ("content:\"ab\";", "xab", "ba"),
        ("content:\"aB\"; nocase;", "xAb", "xa"),
        ("content:!\"ab\";", "ba", "xab"),
        ("content:\"a\"; offset:1; depth:2;", "xxa", "xxxa"),
        ("content:\"a\"; startswith;", "ab", "ba"),
        ("content:\"a\"; endswith;", "ba", "ab"),
        ("content:\"a\"; content:\"b\"; distance:1;", "axb", "abx"),
        ("content:\"a\"; content:\"b\"; within:2;", "axb", "axxb"),
        ("content:\"b\"; content:\"a\"; distance:-3; within:2;", "axb", "axxb"),
        ("content:\"a\"; content:!\"b\"; within:2;", "axxb", "axb"),
    ] {
        assert!(holds(options, yes), "{options} in {yes}");
        assert!(!holds(options, no), "{options} in {no}");
    }
}

#[test]
fn what_fails_later_is_tried_elsewhere() {
    let near = "content:\"a\"; content:\"b\"; distance:0; within:1;";
    assert!(holds(near, "axxab"));
    assert!(!holds(near, "axxaxb"));
    assert!(holds("pcre:\"/a/\"; content:\"b\"; distance:0; within:1;", "axxab"));
    assert!(holds("content:\"a\"; pcre:\"/^b/R\"; isdataat:!1,relative;", "abxab"));
    assert!(holds("content:\"a\"; byte_test:1,=,7,0,relative;", b"a\x01a\x07"));
    // What nothing is relative to is not looked for again.
    assert!(!holds("content:\"a\"; byte_test:1,=,7,0; content:\"b\"; offset:1;", "axab"));
}

#[test]
fn tries_are_counted() {
    let rule = "content:\"a\"; content:\"b\"; distance:0; within:1;";
    let mut bytes = vec![b'a'; 2990];
    bytes.push(b'b');
    assert!(holds(rule, &bytes));
    bytes.splice(0..0, vec![b'a'; 20]);
    assert!(!holds(rule, &bytes));
}

#[test]
fn sizes_wait_for_the_end() {
    let view = |bytes, complete| View { bytes, complete, offset: 0 };
    let mut exact = Ready::new("http.uri; bsize:3;");
    assert!(exact.holds_in(&view(b"abc", true)));
    assert!(!exact.holds_in(&view(b"abcd", true)));
    assert!(!exact.holds_in(&view(b"abc", false)));
    let mut more = Ready::new("http.uri; bsize:>2;");
    assert!(more.holds_in(&view(b"abc", false)));
    assert!(!more.holds_in(&view(b"ab", false)));
    assert!(more.holds_in(&View { bytes: b"a", complete: false, offset: 2 }));
    assert!(holds("urilen:3<>9;", "abcd"));
    assert!(!holds("urilen:3<>9;", "abc"));
}

#[test]
fn places_count_from_the_buffers_beginning() {
    let later = |bytes| View { bytes, complete: false, offset: 10 };
    for (options, found) in [
        ("content:\"a\"; offset:10; depth:1;", true),
        ("content:\"a\"; offset:11;", false),
        ("content:\"a\"; depth:10;", false),
        ("content:\"a\"; depth:11;", true),
        ("content:\"a\"; distance:10; within:1;", true),
        ("content:\"a\"; within:10;", false),
        ("content:\"b\"; depth:12; content:\"a\"; distance:-2; within:1;", true),
        ("byte_test:1,=,0x61,10;", true),
        ("byte_test:1,=,0x61,0;", false),
        ("isdataat:11;", true),
        ("isdataat:12;", false),
        ("byte_jump:1,9; content:\"a\"; distance:0;", false),
        ("byte_jump:1,10,from_beginning; content:\"a\"; distance:0;", false),
    ] {
        assert_eq!(Ready::new(options).holds_in(&later(b"ab")), found, "{options}");
    }
    // As far as there can be one.
    let far = View { bytes: b"a", complete: true, offset: u64::MAX };
    assert!(!Ready::new("content:\"a\"; offset:65535; depth:65535;").holds_in(&far));
}

#[test]
fn entropy_is_of_the_part_that_is_asked() {
    assert!(holds("entropy:value 2;", "abcd"));
    assert!(!holds("entropy:value 2;", "aabb"));
    assert!(holds("entropy:bytes 4, offset 2, value < 0.1;", "xyaaaaz"));
    assert!(!holds("entropy:bytes 9, value > 0;", "abcd"));
}

#[test]
fn dce_order_is_the_headers() {
    let mut ready = Ready::new("byte_test:2,=,1,0,dce;");
    assert!(ready.holds(b"\x00\x01"));
    ready.context.set_dce_little_endian(true);
    assert!(ready.holds(b"\x01\x00"));
    assert!(!ready.holds(b"\x00\x01"));
}

#[test]
fn base64_is_decoded_and_looked_at_in_one() {
    let options = "content:\"=\"; base64_decode:bytes 4, relative; base64_data; content:\"hel\";";
    let mut ready = Ready::new(options);
    assert!(ready.holds(b"x=aGVs"));
    assert_eq!(ready.context.base64(), Some(&b"hel"[..]));
    assert!(!ready.holds(b"x=aGVt"));
    assert!(!ready.holds(b"x=****"));
    assert_eq!(ready.context.base64(), None);
    // Further on, where isdataat makes the content be looked for again.
    let again = options.replace("; base64_decode", "; isdataat:4,relative; base64_decode");
    assert!(holds(&again, "x=****=aGVs"));
    assert!(!holds(options, "x=****=aGVs"));
}

#[test]
fn variables_go_from_one_inspection_to_the_next() {
    let mut ready =
        Ready::new("content:\"a\"; byte_extract:1,0,v,relative; http.uri; byte_test:1,=,v,3;");
    assert!(ready.holds(b"a\x07a\x07"));
    assert!(!ready.holds(b"a\x07a\x08"));
}

#[test]
fn groups_are_saved_and_the_last_match_counts() {
    let options =
        "pcre:\"/k=(\\w)(\\d)?/, flow:letter, pkt:digit\"; content:\"z\"; distance:0; within:1;";
    let mut ready = Ready::new(options);
    assert!(ready.holds(b"k=a1 k=bz"));
    let saved = |kind, name: &str, value: &[u8]| Captured {
        kind,
        name: name.into(),
        value: value.to_vec(),
    };
    // The digit is from the first match; the second has none.
    assert_eq!(
        ready.context.take_captures(),
        [saved(CaptureKind::Flow, "letter", b"b"), saved(CaptureKind::Packet, "digit", b"1")]
    );
    assert!(ready.holds(b"k=cz"));
    assert_eq!(ready.context.take_captures(), [saved(CaptureKind::Flow, "letter", b"c")]);
    assert!(!ready.holds(b"none"));
    assert_eq!(ready.context.take_captures(), []);
}

fn program(options: &str) -> Program {
    let rule = rule(options);
    Program::compile(&rule, &rule.inspections[0], &mut Datasets::new(None)).unwrap()
}

#[test]
fn absence_is_wanted_only_by_absent() {
    assert!(program("http.uri; absent;").wants_absence());
    assert!(program("http.uri; absent:or_else; content:\"a\";").wants_absence());
    assert!(!program("http.uri; content:!\"a\";").wants_absence());
    assert!(!holds("http.uri; absent;", "a"));
    assert!(holds("http.uri; absent:or_else; content:\"a\";", "a"));
    assert!(!holds("http.uri; absent:or_else; content:\"a\";", "b"));
}

#[test]
fn the_whole_is_needed_where_more_can_undo_it() {
    for (options, needed) in [
        ("content:\"a\";", false),
        ("content:\"a\"; endswith;", true),
        ("content:!\"a\";", true),
        ("pcre:\"/a/\";", false),
        ("pcre:\"/a$/\";", true),
        ("pcre:!\"/a/\";", true),
        ("isdataat:5;", false),
        ("isdataat:!5;", true),
        ("http.uri; bsize:5;", true),
        ("http.uri; bsize:>5;", false),
        ("byte_jump:1,0; isdataat:1,relative;", false),
        ("byte_jump:1,0,from_end; isdataat:1,relative;", true),
        ("entropy:value > 5;", true),
        ("entropy:bytes 5, value > 5;", false),
        ("http.uri; to_lowercase; content:\"a\";", false),
        ("http.uri; to_md5; content:\"a\";", true),
        ("base64_decode; base64_data; content:\"a\";", false),
        ("base64_decode; base64_data; content:!\"a\";", true),
    ] {
        assert_eq!(program(options).needs_whole(), needed, "{options}");
    }
}

#[test]
fn programs_and_transforms_are_shared_between_threads() {
    fn shared<T: Send + Sync + std::fmt::Debug>() {}
    shared::<Program>();
    shared::<Transforms>();
}

#[test]
fn what_does_not_compile_is_an_error() {
    let rule = rule("pcre:\"/a(/\";");
    let error = Program::compile(&rule, &rule.inspections[0], &mut Datasets::new(None));
    assert!(error.unwrap_err().starts_with("pcre: "));
}

#[test]
fn there_may_be_many_matches_but_not_any_number() {
    let chain = |n| "content:\"a\"; distance:0; ".repeat(n);
    assert!(holds(&chain(512), [b'a'; 512]));
    assert!(!holds(&chain(512), [b'a'; 511]));
    let error = Ready::of(&rule(&chain(513))).err().unwrap();
    assert_eq!(error, "513 matches are looked for in one buffer, 512 are allowed");
}

#[test]
fn base64_decode_ends_its_list_but_for_the_prefilters_literal() {
    let options =
        "base64_decode; byte_test:1,=,0,0; content:\"zzzz\"; base64_data; content:\"hel\";";
    assert!(holds(options, "aGVs*zzzz"));
    assert!(!holds(options, "aGVs*zzz"));
    assert!(!holds(options, "aGVt*zzzz"));
}

#[test]
fn the_literal_is_the_longest_or_the_one_named() {
    let of = |options: &str| fast_literal(&rule(options).inspections[0]);
    let (literal, named) = of("content:\"ab\"; content:\"abcd\"; content:!\"abcdef\";").unwrap();
    assert_eq!((&literal.bytes[..], literal.match_index, named), (&b"abcd"[..], 1, false));
    let (literal, named) = of("content:\"ab\"; nocase; fast_pattern; content:\"abcd\";").unwrap();
    assert_eq!((&literal.bytes[..], literal.nocase, named), (&b"ab"[..], true, true));
    let (literal, _) = of("content:\"abcd\"; fast_pattern:1,2;").unwrap();
    assert_eq!(literal.bytes, b"bc");
    let (literal, _) = of("content:\"aaaa\"; content:\"q|01|Z|02|\";").unwrap();
    assert_eq!(literal.match_index, 1);
    assert_eq!(of("content:!\"abcd\";"), None);
    assert_eq!(of("pcre:\"/a/\";"), None);
}

/// Options that look at everything there is to look at.
const ALL: &[&str] = &[
    "content:\"a\"; content:\"b\"; distance:-3; within:9; content:!\"c\"; distance:1;",
    "byte_extract:2,-1,v,relative,little; content:\"a\"; offset:v; content:\"a\"; within:v;",
    "byte_extract:1,0,v; byte_jump:v,v,string,hex; isdataat:!v,relative;",
    "byte_extract:4,1,v; byte_math:bytes v,offset v,oper <<,rvalue v,result w; byte_jump:8,0,relative,multiplier 65535,align;",
    "byte_extract:8,0,v; content:\"a\"; distance:v; content:!\"b\"; within:v; isdataat:v;",
    "byte_jump:0,0,string,from_end,post_offset -9; byte_test:0,!=,1,-3,relative,string,oct; content:\"a\"; endswith; distance:-1;",
    "pcre:\"/(a|b)*?[^c]/\"; pcre:\"/^.b?/Rs\"; byte_jump:1,0,relative;",
    "content:\"a\"; base64_decode:offset 1, relative; base64_data; byte_jump:1,0; content:\"a\"; distance:-9;",
    "entropy:bytes 3, offset 2, value > 1;",
];

proptest! {
    #[test]
    fn nothing_panics(
        bytes in proptest::collection::vec(prop_oneof![
            Just(b'a'), Just(b'b'), Just(0u8), Just(1u8), Just(0xffu8), any::<u8>()
        ], 0..60),
        offset in prop_oneof![Just(0u64), 0..100u64, any::<u64>()],
        complete: bool,
    ) {
        let mut context = MatchContext::new();
        for options in ALL {
            let rule: Rule = try_rule(options).unwrap();
            context.begin_rule(rule.variables.len());
            for inspection in &rule.inspections {
                let program = Program::compile(&rule, inspection, &mut Datasets::new(None)).unwrap();
                program.holds(&View { bytes: &bytes, complete, offset }, &mut context);
            }
        }
    }
}
