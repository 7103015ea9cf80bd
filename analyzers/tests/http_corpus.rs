//! HTTP of the shared captures against what the rules beside them are expected to find.
//!
//! A stand-in for streams (in order, first wins) and for the rules (contents in buffers, events, directions),
//! so that the parser is measured alone. Rules that need more are left out and counted.

mod captures;

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::path::Path;

use captures::{captures, frames, shared_data};
use umbra_analyzers::app::http::{HttpConfig, HttpParser};
use umbra_analyzers::app::{Buffer, Heading, Parser, Transaction};
use umbra_analyzers::decode::{Decoder, LinkType, Transport};
use umbra_analyzers::events::Timestamp;

const FIN: u8 = 1;
const SYN: u8 = 2;
const RST: u8 = 4;
const ACK: u8 = 16;

/// One end of a connection.
#[derive(Default)]
struct Side {
    next: Option<u32>,
    waiting: BTreeMap<u32, Vec<u8>>,
    ended: bool,
}

enum Heard {
    Data(Heading, Vec<u8>),
    Gap(Heading, u64),
    End(Heading),
}

type Address = (IpAddr, u16);

#[derive(Default)]
struct Connection {
    client: Option<Address>,
    sides: [Side; 2],
    heard: Vec<Heard>,
    /// Of its last packet.
    time: Timestamp,
}

impl Connection {
    /// The other end has what was not captured.
    fn acknowledged(&mut self, heading: Heading, ack: u32) {
        let side = &mut self.sides[heading.index()];
        let Some(next) = side.next.filter(|next| !side.waiting.contains_key(next)) else { return };
        let until = side
            .waiting
            .keys()
            .map(|seq| seq.wrapping_sub(next))
            .chain([ack.wrapping_sub(next)])
            .min();
        // Acknowledging the FIN is no gap.
        if let Some(len) = until.filter(|len| (2..1 << 20).contains(len) && !side.ended) {
            side.next = Some(next.wrapping_add(len));
            self.heard.push(Heard::Gap(heading, len.into()));
            self.deliver(heading);
        }
    }

    fn deliver(&mut self, heading: Heading) {
        let side = &mut self.sides[heading.index()];
        while let Some((next, bytes)) =
            side.next.and_then(|next| Some((next, side.waiting.remove(&next)?)))
        {
            side.next = Some(next.wrapping_add(bytes.len() as u32));
            self.heard.push(Heard::Data(heading, bytes));
        }
    }

    fn segment(&mut self, heading: Heading, seq: u32, flags: u8, payload: &[u8]) {
        let side = &mut self.sides[heading.index()];
        let mut seq = seq;
        if flags & SYN != 0 {
            seq = seq.wrapping_add(1);
            side.next.get_or_insert(seq);
        }
        let next = *side.next.get_or_insert(seq);
        let ahead = seq.wrapping_sub(next);
        if !payload.is_empty() && !side.ended {
            if ahead < 1 << 20 {
                side.waiting.entry(seq).or_insert_with(|| payload.to_vec());
            } else {
                let known = next.wrapping_sub(seq) as usize;
                if let Some(new) = payload.get(known..).filter(|new| !new.is_empty()) {
                    side.waiting.entry(next).or_insert_with(|| new.to_vec());
                }
            }
        }
        self.deliver(heading);
        let side = &mut self.sides[heading.index()];
        if flags & (FIN | RST) != 0 && !side.ended {
            side.ended = true;
            self.heard.push(Heard::End(heading));
        }
    }

    fn is_http(&self) -> bool {
        let first = |wanted: Heading| {
            self.heard.iter().find_map(|heard| match heard {
                Heard::Data(heading, bytes) if *heading == wanted => Some(bytes.as_slice()),
                _ => None,
            })
        };
        first(Heading::ToServer)
            .is_some_and(|bytes| bytes.iter().take(3).all(u8::is_ascii_uppercase))
            || first(Heading::ToClient)
                .is_some_and(|bytes| bytes.windows(5).take(8).any(|w| w == b"HTTP/"))
    }

    fn parse(&self, config: HttpConfig) -> HttpParser {
        let (mut parser, now) = (HttpParser::new(config), self.time);
        for heard in &self.heard {
            match heard {
                Heard::Data(heading, bytes) => {
                    if parser.data(*heading, bytes, now).is_err() {
                        break;
                    }
                }
                Heard::Gap(heading, len) => {
                    if parser.gap(*heading, *len, now).is_err() {
                        break;
                    }
                }
                Heard::End(heading) => parser.end(*heading, now),
            }
        }
        for heading in Heading::ALL {
            parser.end(heading, now);
        }
        parser
    }
}

fn connections(path: &Path) -> Vec<Connection> {
    let mut decoder = Decoder::default();
    let mut order: Vec<Connection> = Vec::new();
    let mut known: HashMap<[Address; 2], usize> = HashMap::new();
    for frame in frames(path) {
        let decoded = decoder.decode(&frame.data, frame.frame_len, LinkType::from_dlt(frame.link));
        let (Some(ip), Transport::Tcp(tcp)) = (decoded.ip, &decoded.transport) else { continue };
        let (from, to) = ((ip.src, tcp.src_port), (ip.dst, tcp.dst_port));
        let key = if from < to { [from, to] } else { [to, from] };
        let flags = tcp.flags as u8;
        let begins = flags & (SYN | ACK) == SYN;
        let over = known.get(&key).is_some_and(|&at| order[at].sides.iter().all(|side| side.ended));
        if !known.contains_key(&key) || (begins && over) {
            known.insert(key, order.len());
            order.push(Connection::default());
        }
        let connection = &mut order[known[&key]];
        connection.time = Timestamp(frame.time_ns);
        let opposite = flags & (SYN | ACK) == SYN | ACK;
        let client = *connection.client.get_or_insert(if opposite { to } else { from });
        let heading = Heading::to_server_if(from == client);
        if flags & ACK != 0 {
            connection.acknowledged(heading.opposite(), tcp.ack);
        }
        connection.segment(heading, tcp.seq, flags, decoded.payload);
    }
    order
}

struct Pattern {
    buffer: Buffer,
    bytes: Vec<u8>,
    negated: bool,
    nocase: bool,
    starts: bool,
    ends: bool,
}

impl Pattern {
    fn found(&self, hay: &[u8]) -> bool {
        let (hay, needle) = if self.nocase {
            (hay.to_ascii_lowercase(), self.bytes.to_ascii_lowercase())
        } else {
            (hay.to_vec(), self.bytes.clone())
        };
        match (self.starts, self.ends) {
            (true, true) => hay == needle,
            (true, false) => hay.starts_with(&needle),
            (false, true) => hay.ends_with(&needle),
            (false, false) => {
                needle.is_empty() || hay.windows(needle.len()).any(|window| window == needle)
            }
        }
    }
}

#[derive(Default)]
struct Rule {
    sid: String,
    headings: Vec<Heading>,
    patterns: Vec<Pattern>,
    sizes: Vec<(Buffer, usize)>,
    events: Vec<String>,
}

/// A rule, if it needs nothing that the stand-in has not.
fn rule(line: &str) -> Option<Rule> {
    let options = line.get(line.find('(')? + 1..line.rfind(')')?)?;
    let mut rule = Rule { headings: Heading::ALL.to_vec(), ..Rule::default() };
    let mut sticky = None;
    let mut fits = true;
    for option in options.split(';').map(str::trim).filter(|option| !option.is_empty()) {
        let (key, value) = option.split_once(':').unwrap_or((option, ""));
        let (key, value) = (key.trim(), value.trim());
        let modifier = key.strip_prefix("http_").map(|name| match name {
            "client_body" => "http.request_body".to_owned(),
            "raw_uri" => "http.uri.raw".to_owned(),
            "raw_header" => "http.header.raw".to_owned(),
            "raw_host" => "http.host.raw".to_owned(),
            name => format!("http.{name}"),
        });
        match key {
            "msg" | "rev" | "classtype" | "fast_pattern" | "flowint" | "priority" | "reference"
            | "metadata" => {}
            "sid" => value.clone_into(&mut rule.sid),
            "flow" if value.contains("to_server") => rule.headings = vec![Heading::ToServer],
            "flow" if value.contains("to_client") => rule.headings = vec![Heading::ToClient],
            "flow" => {}
            "app-layer-event" => rule.events.push(value.to_owned()),
            "content" | "uricontent" => {
                let negated = value.starts_with('!');
                let text = value.trim_start_matches('!').trim().trim_matches('"');
                rule.patterns.push(Pattern {
                    buffer: if key == "uricontent" {
                        Buffer::HttpUri
                    } else {
                        sticky.unwrap_or(Buffer::DnsQuery)
                    },
                    bytes: content(text)?,
                    negated,
                    nocase: false,
                    starts: false,
                    ends: false,
                });
            }
            "nocase" => rule.patterns.last_mut()?.nocase = true,
            "startswith" => rule.patterns.last_mut()?.starts = true,
            "endswith" => rule.patterns.last_mut()?.ends = true,
            "bsize" => rule.sizes.push((sticky?, value.parse().ok()?)),
            "pkt_data" => sticky = None,
            _ => match (
                Buffer::from_keyword(key),
                modifier.and_then(|name| Buffer::from_keyword(&name)),
            ) {
                (Some(buffer), _) => sticky = Some(buffer),
                (None, Some(buffer)) => rule.patterns.last_mut()?.buffer = buffer,
                (None, None) => fits = false,
            },
        }
    }
    fits &= rule.patterns.iter().all(|pattern| pattern.buffer != Buffer::DnsQuery);
    fits &= !(rule.patterns.is_empty() && rule.events.is_empty() && rule.sizes.is_empty());
    fits.then_some(rule)
}

fn content(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    for (index, part) in text.split('|').enumerate() {
        if index % 2 == 0 {
            bytes.extend(
                part.replace("\\\"", "\"")
                    .replace("\\;", ";")
                    .replace("\\:", ":")
                    .replace("\\\\", "\\")
                    .bytes(),
            );
        } else {
            let digits: Vec<u8> = part.bytes().filter(|b| !b.is_ascii_whitespace()).collect();
            for pair in digits.chunks(2) {
                bytes.push(u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?);
            }
        }
    }
    Some(bytes)
}

impl Rule {
    fn holds(&self, transaction: &dyn Transaction) -> bool {
        self.events.iter().all(|event| transaction.events().contains(&event.as_str()))
            && self.headings.iter().any(|&heading| {
                let mut buffers: Vec<Buffer> =
                    self.patterns.iter().map(|pattern| pattern.buffer).collect();
                buffers.extend(self.sizes.iter().map(|(buffer, _)| *buffer));
                buffers.dedup();
                buffers.iter().all(|&buffer| {
                    (0..).map_while(|index| transaction.buffer(buffer, heading, index)).any(
                        |view| {
                            let patterns =
                                self.patterns.iter().filter(|pattern| pattern.buffer == buffer);
                            let sizes = self.sizes.iter().filter(|(of, _)| *of == buffer);
                            patterns
                                .clone()
                                .all(|pattern| pattern.found(view.bytes) != pattern.negated)
                                && sizes.clone().all(|(_, size)| *size == view.bytes.len())
                        },
                    )
                })
            })
    }
}

/// The files that a case's own checks name are there, once each, carried in what the rules look at.
fn has_its_files(folder: &Path, case: &serde_json::Value, parsers: &[HttpParser]) -> bool {
    let checks = folder.join("tests").join(case["test"].as_str().unwrap_or("")).join("test.yaml");
    let text = std::fs::read_to_string(checks).unwrap_or_default();
    text.lines().filter_map(|line| line.trim().strip_prefix("fileinfo.filename:")).all(|name| {
        let name = name.trim().trim_matches('"').as_bytes();
        let held = parsers.iter().flat_map(|parser| {
            (parser.first()..parser.next()).filter_map(|n| parser.transaction(n))
        });
        held.flat_map(Transaction::files).filter(|file| file.name == name).count() == 1
    })
}

/// How a case went: rules that fit, rules of which the count was met, and what was not.
fn run(folder: &Path, case: &serde_json::Value, stock: bool) -> (usize, usize, Vec<String>) {
    let text = std::fs::read_to_string(folder.join(case["rules"].as_str().unwrap_or("")))
        .unwrap_or_default();
    let rules: Vec<Rule> =
        text.lines().filter(|line| line.starts_with("alert")).filter_map(rule).collect();
    let args = case["args"].to_string();
    let decompress_layers = if !stock && args.contains("layer-limit=3") { 3 } else { 2 };
    let config = HttpConfig { decompress_layers, ..HttpConfig::default() };
    let connections = connections(&folder.join(case["pcap"].as_str().unwrap_or("")));
    let parsers: Vec<HttpParser> = connections
        .iter()
        .filter(|connection| connection.is_http())
        .map(|c| c.parse(config))
        .collect();
    let (mut fit, mut met, mut missed) = (0, 0, Vec::new());
    if case["family"] == "http-evader" {
        fit += 1;
        if has_its_files(folder, case, &parsers) {
            met += 1;
        } else {
            missed.push(format!("{}: other files", case["test"]));
        }
    }
    for rule in &rules {
        let Some(expected) = case["expected"][&rule.sid].as_u64() else { continue };
        fit += 1;
        let count: usize = parsers
            .iter()
            .flat_map(|parser| {
                (parser.first()..parser.next()).filter_map(|number| parser.transaction(number))
            })
            .filter(|transaction| rule.holds(*transaction))
            .count();
        if count as u64 == expected {
            met += 1;
        } else {
            missed
                .push(format!("{}: sid {} {count} instead of {expected}", case["test"], rule.sid));
        }
    }
    (fit, met, missed)
}

#[test]
fn rules_find_in_captures_what_they_are_expected_to() {
    let Some(data) = shared_data() else { return };
    let folder = data.join("suricata-verify");
    let cases = std::fs::read_to_string(folder.join("corpus.json")).unwrap();
    let cases: Vec<serde_json::Value> = serde_json::from_str(&cases).unwrap();
    let mut tally: BTreeMap<bool, [usize; 4]> = BTreeMap::new();
    let (mut all_missed, mut stock) = (Vec::new(), [0; 2]);
    for case in &cases {
        let evader = case["family"] == "http-evader";
        let http = case["protos"]
            .as_array()
            .is_some_and(|protos| protos.iter().any(|p| p == "http" || p == "tcp"));
        if !http || case["core"] != true || case["peer_passes"] != true && !evader {
            continue;
        }
        let (fit, met, missed) = run(&folder, case, false);
        let numbers = tally.entry(evader).or_default();
        numbers[0] += usize::from(fit > 0);
        numbers[1] += usize::from(fit > 0 && fit == met);
        numbers[2] += fit;
        numbers[3] += met;
        all_missed.extend(missed);
        // Without the arguments of its own, as the peer was run.
        let (fit, met, _) = run(&folder, case, true);
        if evader {
            stock[usize::from(fit > 0 && fit == met)] += 1;
            assert!(fit == met || case["peer_passes"] != true, "{}", case["test"]);
        }
    }
    println!(
        "evasive responses with the stock configuration: {} of {}",
        stock[1],
        stock[0] + stock[1]
    );
    for (evader, [cases, passed, rules, met]) in &tally {
        let name = if *evader { "evasive responses" } else { "others" };
        println!("{name}: {passed} of {cases} cases, {met} of {rules} rules");
    }
    for missed in &all_missed {
        println!("{missed}");
    }
    let [cases, passed, ..] = tally[&true];
    assert_eq!(passed, cases);
}

#[test]
fn captures_give_the_same_however_cut() {
    let Some(data) = shared_data() else { return };
    let mut transactions = 0;
    for path in captures(&data) {
        for connection in
            connections(&path).iter().filter(|connection| connection.is_http()).take(20)
        {
            let whole = connection.parse(HttpConfig::default());
            let (mut cut, now) = (HttpParser::new(HttpConfig::default()), connection.time);
            let mut failed = false;
            for heard in &connection.heard {
                if failed {
                    break;
                }
                match heard {
                    Heard::Data(heading, bytes) => {
                        for piece in bytes.chunks(3) {
                            failed = failed || cut.data(*heading, piece, now).is_err();
                        }
                    }
                    Heard::Gap(heading, len) => {
                        failed = failed || cut.gap(*heading, *len, now).is_err()
                    }
                    Heard::End(heading) => cut.end(*heading, now),
                }
            }
            for heading in Heading::ALL {
                cut.end(heading, now);
            }
            assert_eq!(whole.next(), cut.next(), "{}", path.display());
            for number in whole.first()..whole.next() {
                let (a, b) = (whole.transaction(number).unwrap(), cut.transaction(number).unwrap());
                assert_eq!(a.record(), b.record(), "{}", path.display());
                assert_eq!(a.files(), b.files(), "{}", path.display());
                assert_eq!(a.events(), b.events(), "{}", path.display());
                transactions += 1;
            }
        }
    }
    println!("{transactions} transactions");
}
