//! What rules look for, in any bytes: a byte chooses how they travel, the rest is a datagram's payload or
//! the body of an HTTP request or response.
//!
//! Of the rules of [`MODELLED`] those alert that a model of one line says, and no others. Those of
//! [`UNMODELLED`] go through every keyword that looks at bytes, with numbers taken from the bytes.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::sync::OnceLock;

use umbra_analyzers::events::Event;
use umbra_analyzers::ids::IdsPlan;
use umbra_analyzers::pipeline::PipelineConfig;
use umbra_analyzers::profile::Plan;

use super::frames::of_steps;
use super::script::Script;
use super::signatures::{check_empty, plan_beside, run};

/// A packet alerts 15 times at most, so only so many rules look at one.
const PER_PORT: usize = 12;
/// Ports by their number in scripts of frames.
const PORTS: [(u8, u16); 6] = [(15, 40_001), (12, 8080), (0, 80), (11, 20), (14, 2121), (10, 123)];
/// Bytes of a datagram: no search of two contents takes so many steps that it is given up.
const MOST: usize = 600;

type Model = fn(&[u8]) -> bool;

/// Of whole payloads and whole bodies, neither empty.
const MODELLED: &[(&str, Model)] = &[
    (r#"content:"ab";"#, |d| find(d, b"ab", 0).is_some()),
    (r#"content:"Ab"; nocase;"#, |d| find(&d.to_ascii_lowercase(), b"ab", 0).is_some()),
    (r#"content:"ab"; offset:3; depth:5;"#, |d| {
        find(d.get(3..d.len().min(8)).unwrap_or(&[]), b"ab", 0).is_some()
    }),
    (r#"content:"ab"; startswith;"#, |d| d.starts_with(b"ab")),
    (r#"content:"ab"; endswith;"#, |d| d.ends_with(b"ab")),
    (r#"content:"x"; content:!"ab";"#, |d| d.contains(&b'x') && find(d, b"ab", 0).is_none()),
    (r#"content:"a"; content:"b"; distance:1; within:2;"#, |d| any_a(d, |r| has(r, 1..3, b'b'))),
    (r#"content:"a"; fast_pattern; content:"b"; distance:1; within:2;"#, |d| {
        any_a(d, |r| has(r, 1..3, b'b'))
    }),
    (r#"pcre:"/a.{1,2}b/s";"#, |d| any_a(d, |r| has(r, 1..3, b'b'))),
    (r#"content:"a"; pcre:"/^.{1,2}b/sR";"#, |d| any_a(d, |r| has(r, 1..3, b'b'))),
    (r#"pcre:"/^a[^b]*b/si";"#, |d| {
        let low = d.to_ascii_lowercase();
        low.starts_with(b"a") && low.contains(&b'b')
    }),
    (r#"content:"a"; content:!"b"; distance:0; within:3;"#, |d| any_a(d, |r| !has(r, 0..3, b'b'))),
    (r#"content:"a"; isdataat:!2,relative;"#, |d| any_a(d, |r| r.len() < 2)),
    (r#"content:"a"; byte_test:1,>,64,0,relative;"#, |d| any_a(d, |r| at(r, 0) > 64)),
    (r#"content:"a"; byte_jump:1,0,relative; content:"b"; distance:0;"#, |d| {
        any_a(d, |r| has(r, at(r, 0) as usize + 1..usize::MAX, b'b'))
    }),
    (r#"byte_extract:1,0,n; content:"b"; offset:n;"#, |d| {
        has(d, at(d, 0) as usize..usize::MAX, b'b')
    }),
    (r#"byte_extract:1,0,n; isdataat:n;"#, |d| d.len() as u64 > at(d, 0)),
    (r#"byte_math:bytes 1,offset 0,oper +,rvalue 3,result r; byte_test:1,=,r,1;"#, |d| {
        d.len() > 1 && at(d, 1) == at(d, 0) + 3
    }),
    (r#"byte_test:2,=,258,0,little;"#, |d| d.starts_with(&[2, 1])),
    (r#"byte_test:2,>=,0x80,1,bitmask 0x3fc0;"#, |d| {
        d.len() > 2 && (at(d, 1) << 8 | at(d, 2)) >> 6 & 0xff >= 0x80
    }),
    (r#"byte_test:3,!&,0x10203,0;"#, |d| {
        d.len() > 2 && (at(d, 0) << 16 | at(d, 1) << 8 | at(d, 2)) & 0x10203 == 0
    }),
];

/// With a buffer before them; of bodies alone.
const OF_BUFFERS: &[(&str, Model)] = &[
    (r#"to_lowercase; content:"ab";"#, |d| find(&d.to_ascii_lowercase(), b"ab", 0).is_some()),
    (r#"to_uppercase; content:"AB";"#, |d| find(&d.to_ascii_lowercase(), b"ab", 0).is_some()),
    (r#"strip_whitespace; content:"ab";"#, |d| {
        let is_space = |byte: &u8| matches!(byte, b' ' | 9..=13);
        let rest: Vec<u8> = d.iter().copied().filter(|byte| !is_space(byte)).collect();
        find(&rest, b"ab", 0).is_some()
    }),
    (r#"xor:"0102"; content:"ab"; startswith;"#, |d| d.starts_with(b"``")),
    (r#"dotprefix; content:".ab"; startswith;"#, |d| d.starts_with(b"ab")),
    (r#"to_sha256; bsize:32;"#, |d| !d.is_empty()),
    (r#"dataset:isset,names,type string,load names.lst;"#, |d| d == b"ab" || d == b"xab"),
    (r#"to_md5; dataset:isset,sums,type md5,load sums.lst;"#, |d| d == b"ab"),
    (r#"bsize:10<>13;"#, |d| matches!(d.len(), 11 | 12)),
];

/// As many ways as there are, with lengths, places and counts that the bytes say.
const UNMODELLED: &[&str] = &[
    r#"content:"a"; byte_extract:2,0,n,relative,little; byte_jump:n,n,from_end; content:"b"; within:n;"#,
    r#"byte_extract:4,0,n,multiplier 65535; byte_extract:8,4,m; byte_test:m,<,n,m; content:"a"; depth:n; offset:m;"#,
    r#"byte_math:bytes 4,offset 0,oper *,rvalue 4294967295,result r; byte_jump:0,r,post_offset r; isdataat:r,relative;"#,
    r#"byte_extract:1,0,n; byte_math:bytes 4,offset n,oper /,rvalue n,result r,string dec; byte_math:bytes 4,offset -1,oper <<,rvalue r,result s,relative; byte_test:4,>,s,r;"#,
    r#"byte_jump:4,0,multiplier 65535,post_offset -65535,from_beginning; byte_jump:1,-3,relative,align,from_end; content:"a"; distance:-9; within:3;"#,
    r#"byte_jump:0,1,relative,string,hex; byte_jump:10,0,string,dec,relative; byte_test:0,=,16,0,string; byte_test:14,>,1,0,string,hex;"#,
    r#"content:"a"; byte_test:5,^,7,-1,relative,string,oct; byte_extract:20,0,n,string,dec,relative,align 4; isdataat:!n,relative;"#,
    r#"byte_jump:4,0,bitmask 0xf0f0f0f0,multiplier 3,relative,little; content:!"a"; within:4; content:"b"; distance:-300;"#,
    r#"content:"a"; base64_decode:bytes 8,offset 1,relative; base64_data; content:"b"; distance:0; isdataat:2;"#,
    r#"base64_decode; base64_data; pcre:"/[^a]b/"; byte_test:2,>,7,0;"#,
    r#"base64_decode:bytes 5,offset 2; base64_data; content:"a"; offset:1;"#,
    r#"entropy:value > 1.5; byte_extract:1,0,n; content:"a"; content:"a"; distance:n;"#,
    r#"entropy:bytes 5,offset 3,value <= 2; content:"aa";"#,
    r#"content:"c"; pcre:"/(?P<flow_one>a.)(b+)?/R,pkt:two";"#,
    r#"pcre:"/^(a|b)*c\1$/smxi"; content:"c"; distance:-2;"#,
    r#"content:"a"; pcre:"/(?<=a)b{2,}?/GRs"; content:"b"; within:3; pcre:!"/c$/RE";"#,
    r#"pcre:"/(a+)+b/"; pcre:"/\xff[\x80-\xfe]/";"#,
    r#"content:"a"; content:"a"; distance:0; content:"a"; distance:1; content:"a"; distance:-1; within:9; content:!"zz"; distance:0;"#,
    r#"content:"|00 ff|"; depth:4; content:!"|0a|"; within:2; isdataat:!4,relative; content:"a"; fast_pattern:only;"#,
];

/// Transforms, one behind the other and several at once; of bodies alone.
const TRANSFORMS: &[&str] = &[
    r#"url_decode; url_decode; content:"a b";"#,
    r#"compress_whitespace; content:"a b"; endswith;"#,
    r#"header_lowercase; strip_pseudo_headers; content:"a|3a|";"#,
    r#"from_base64: bytes 12, offset 1, mode strict; content:"a";"#,
    r#"from_base64: mode rfc2045; gunzip; content:"a";"#,
    r#"from_base64; zlib_deflate: max-size 64; to_sha1; bsize:20;"#,
    r#"gunzip: max-size 100; content:"a";"#,
    r#"zlib_deflate; pcrexform:"(a.*?)b"; xor:"01ff20"; content:"a";"#,
    r#"pcrexform:"[a-c]+ (\S+)"; domain; content:"ab";"#,
    r#"domain; tld; dotprefix; content:".";"#,
    r#"tld; pcre:"/^[a-z]{2}$/"; bsize:<4; byte_test:1,>,97,0;"#,
    r#"to_uppercase; dataset:isnotset,names; datarep:rep,>,3,type string,load rep.lst;"#,
    r#"dataset:set,seen,type string,memcap 20000,hashsize 64;"#,
    r#"to_sha256; dataset:set,hashes,type sha256,memcap 20000,hashsize 64; dataset:isset,hashes;"#,
    r#"strip_whitespace; dataset:unset,seen; content:"a"; pcre:!"/b/";"#,
];

/// A place that a rule looks at, with how it is said there.
#[derive(Clone, Copy, Debug)]
struct Way {
    header: &'static str,
    buffer: &'static str,
    sids: u32,
}

const WAYS: [Way; 3] = [
    Way { header: "udp", buffer: "", sids: 1000 },
    Way { header: "http", buffer: "http.request_body; ", sids: 2000 },
    Way { header: "http", buffer: "flow:to_client; file.data; ", sids: 3000 },
];

impl Way {
    /// Rules with what is known of them.
    fn rules(self) -> Vec<(&'static str, Option<Model>)> {
        let with = |modelled: &[(&'static str, Model)], not: &[&'static str]| {
            let modelled: Vec<_> =
                modelled.iter().map(|(rule, model)| (*rule, Some(*model))).collect();
            let not = not.iter().map(|rule| (*rule, None));
            modelled.into_iter().chain(not).collect::<Vec<_>>()
        };
        let mut rules = with(MODELLED, UNMODELLED);
        if !self.buffer.is_empty() {
            rules.extend(with(OF_BUFFERS, TRANSFORMS));
        }
        rules
    }

    fn write(self, to: &mut String) {
        let Self { header, buffer, sids } = self;
        for ((options, _), n) in self.rules().iter().zip(0..) {
            let (_, port) = PORTS[n / PER_PORT];
            let sid = sids + n as u32;
            let _ = writeln!(
                to,
                "alert {header} any any <> any {port} (msg:\"m\"; {buffer}{options} sid:{sid};)"
            );
        }
    }
}

fn all_rules() -> Plan {
    let mut text = String::new();
    WAYS.iter().for_each(|way| way.write(&mut text));
    let files: [(&str, &[u8]); 3] = [
        ("names.lst", b"YWI=\neGFi\n"),
        ("sums.lst", b"187ef4436122d1cc2f40dc2b92f0eba0\n"),
        ("rep.lst", b"QUI=,9\nWA==,2\n"),
    ];
    let plan = plan_beside(text.as_bytes(), &files);
    let report = IdsPlan::of(&plan).expect("a plan of rules").report();
    let refused: Vec<_> = report.errors.iter().map(|error| error.to_string()).collect();
    assert!(refused.is_empty(), "{refused:#?}");
    plan
}

pub(crate) fn matching(bytes: &[u8]) {
    static PLAN: OnceLock<Plan> = OnceLock::new();
    let plan = PLAN.get_or_init(all_rules);
    let mut script = Script(bytes);
    let way = script.of(&WAYS);
    let said = script.0.get(..MOST).unwrap_or(script.0);
    if said.is_empty() {
        return;
    }
    let rules = way.rules();
    let ports = &PORTS[..rules.len().div_ceil(PER_PORT)];
    let post = format!("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\n\r\n", said.len());
    let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", said.len());
    let (post, answer) = ([post.as_bytes(), said].concat(), [answer.as_bytes(), said].concat());
    let get = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n";
    let (chosen, mut steps): (Vec<_>, Vec<(u8, &[u8])>) =
        (ports.iter().map(|(port, _)| [port << 2]).collect(), Vec::new());
    for port in &chosen {
        steps.push((b'+', port));
        match way.sids {
            1000 => steps.push((b'u', said)),
            2000 => steps.extend([(b'>', &post[..]), (b'c', b""), (b's', b"")]),
            _ => steps.extend([(b'>', &get[..]), (b'<', &answer[..]), (b'c', b""), (b's', b"")]),
        }
    }
    let (events, summary) = run(plan, PipelineConfig::offline(), &of_steps(steps), 16);
    check_empty(&summary);
    let alerted: BTreeSet<u32> = events
        .iter()
        .filter_map(|event| match event {
            Event::Alert(alert) => Some(alert.signature.sid),
            _ => None,
        })
        .collect();
    for ((options, model), n) in rules.iter().zip(0..) {
        let Some(model) = model else { continue };
        let shown = said.escape_ascii();
        assert_eq!(alerted.contains(&(way.sids + n)), model(said), "{way:?} {options}: {shown}");
    }
}

fn find(bytes: &[u8], what: &[u8], from: usize) -> Option<usize> {
    bytes.get(from..)?.windows(what.len()).position(|window| window == what)
}

/// Whether what is said of the bytes behind is true of any `a`.
fn any_a(bytes: &[u8], of: impl Fn(&[u8]) -> bool) -> bool {
    bytes.iter().zip(1..).any(|(byte, behind)| *byte == b'a' && of(&bytes[behind..]))
}

/// Whether a byte is at one of these places.
fn has(bytes: &[u8], places: std::ops::Range<usize>, byte: u8) -> bool {
    let end = places.end.min(bytes.len());
    bytes.get(places.start..end).is_some_and(|part| part.contains(&byte))
}

fn at(bytes: &[u8], place: usize) -> u64 {
    bytes.get(place).copied().unwrap_or(0).into()
}
