//! Records of application layers against the peer's, field by field.
//!
//! `UMBRA_PEER_EVE` names a folder with what Suricata's `eve.json` says about captures: a file named like
//! the capture below the shared folder (or `UMBRA_CAPTURES`), with `__` for `/` and `.json` behind. The streams
//! of those captures are put together naively and parsed, and every field of every record is held against the
//! peer's. Prints a table of differences, with `UMBRA_VERBOSE` each of them; `UMBRA_AGREEMENT` says how many per
//! cent of the fields must agree.

mod captures;
mod streams;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use streams::{Conversation, Said};
use umbra_analyzers::app::dcerpc::{Dcerpc, DcerpcUdp};
use umbra_analyzers::app::detect::{Carrier, Detector, Origin, Verdict};
use umbra_analyzers::app::dns::DnsParser;
use umbra_analyzers::app::http::{HttpConfig, HttpParser};
use umbra_analyzers::app::smb::Smb;
use umbra_analyzers::app::tls::{TlsConfig, TlsParser};
use umbra_analyzers::app::{AppProto, Heading, Parser, Switch};
use umbra_analyzers::events::{FileInfo, Timestamp};

const TYPES: [&str; 6] = ["http", "dns", "tls", "smb", "dcerpc", "fileinfo"];

/// A record without what depends on the packet that it was written with.
#[derive(Clone, Debug)]
struct Record {
    event_type: &'static str,
    /// What tells it from the others of its flow.
    id: String,
    object: Value,
}

impl Record {
    fn new(event_type: &'static str, object: Value, tx: &Value) -> Self {
        let id = match event_type {
            "http" => tx.to_string(),
            "dns" => object["tx_id"].to_string(),
            "smb" => object["id"].to_string(),
            "dcerpc" => object["call_id"].to_string(),
            "fileinfo" => format!("{} {}", object["tx_id"], object["filename"]),
            _ => String::new(),
        };
        Self { event_type, id, object }
    }

    fn of_peer(event: &Value) -> Option<Self> {
        let event_type = TYPES.into_iter().find(|name| event["event_type"] == *name)?;
        Some(Self::new(event_type, event[event_type].clone(), &event["tx_id"]))
    }
}

fn parser(protocol: AppProto, tcp: bool, from: Option<AppProto>) -> Option<Box<dyn Parser>> {
    Some(match protocol {
        AppProto::Http1 => Box::new(HttpParser::new(HttpConfig::default())),
        AppProto::Dns if tcp => Box::new(DnsParser::tcp()),
        AppProto::Dns => Box::new(DnsParser::udp()),
        AppProto::Tls => {
            // As with rules that ask for fingerprints.
            Box::new(TlsParser::new(TlsConfig { ja3: true, ja4: true, from_proto: from }))
        }
        AppProto::Smb => Box::new(Smb::new()),
        AppProto::Dcerpc if tcp => Box::new(Dcerpc::new()),
        AppProto::Dcerpc => Box::new(DcerpcUdp::new()),
        _ => return None,
    })
}

/// What is left of a conversation, from the beginning or from where its protocol changed.
fn detect(conversation: &Conversation, from: usize) -> Option<AppProto> {
    let carrier = if conversation.tcp { Carrier::Tcp } else { Carrier::Udp };
    let origin = Origin { carrier, server_port: conversation.server.1 };
    let mut detector = Detector::new();
    let mut heads = [Vec::new(), Vec::new()];
    for (heading, said, _) in conversation.said.get(from..).unwrap_or_default() {
        let Said::Bytes(bytes) = said else { continue };
        let head: &mut Vec<u8> = &mut heads[heading.index()];
        if !conversation.tcp {
            head.clear();
        }
        head.extend_from_slice(bytes);
        let total = head.len() as u64;
        detector.data(*heading, head, total, &origin);
        detector.count(*heading, total);
    }
    match detector.verdict() {
        Verdict::Found(protocol) => Some(protocol),
        _ => None,
    }
}

/// As EVE has names that need not be text.
fn text(bytes: &[u8]) -> String {
    let escaped = |&byte: &u8| match byte {
        0..=0x7f => char::from(byte).to_string(),
        _ => format!("\\x{byte:02x}"),
    };
    std::str::from_utf8(bytes)
        .map_or_else(|_| bytes.iter().map(escaped).collect(), ToOwned::to_owned)
}

fn take(parser: &mut dyn Parser, behind: u64, records: &mut Vec<Record>) {
    let up_to = parser.next().saturating_sub(behind).max(parser.first());
    for number in parser.first()..up_to {
        let Some(transaction) = parser.transaction(number) else { continue };
        let name = parser.protocol().as_str();
        let event_type = TYPES.into_iter().find(|known| *known == name).expect("a known type");
        if transaction.is_logged() {
            let object = Value::Object(transaction.record());
            records.push(Record::new(event_type, object, &json!(number)));
        }
        for file in transaction.files() {
            let info = FileInfo::of(file, number);
            let mut object = json!({
                "filename": text(&info.name),
                "gaps": info.gaps,
                "state": info.state.as_str(),
                "stored": false,
                "size": info.size,
                "tx_id": info.tx_id,
            });
            if let Some((start, end)) = info.range {
                object["start"] = start.into();
                object["end"] = end.into();
            }
            records.push(Record::new("fileinfo", object, &Value::Null));
        }
    }
    parser.release(up_to);
}

fn records(conversation: &Conversation) -> Vec<Record> {
    let mut records = Vec::new();
    let Some(protocol) = detect(conversation, 0) else { return records };
    let Some(mut at_work) = parser(protocol, conversation.tcp, None) else { return records };
    for (index, (heading, said, now)) in conversation.said.iter().enumerate() {
        take(&mut *at_work, 100, &mut records);
        let result = match said {
            Said::Bytes(bytes) if bytes.is_empty() => Ok(()),
            Said::Bytes(bytes) => at_work.data(*heading, bytes, *now),
            Said::Gap(len) => at_work.gap(*heading, *len, *now),
        };
        if result.is_err() {
            break;
        }
        let next = match at_work.switch() {
            Some(Switch::To(protocol)) => Some(protocol),
            Some(Switch::Detect) => detect(conversation, index + 1),
            None => continue,
        };
        take(&mut *at_work, 0, &mut records);
        match next.and_then(|next| parser(next, conversation.tcp, Some(at_work.protocol()))) {
            Some(next) => at_work = next,
            None => return records,
        }
    }
    let last = conversation.said.last().map_or(Timestamp::ZERO, |said| said.2);
    for heading in Heading::ALL {
        at_work.end(heading, last);
    }
    take(&mut *at_work, 0, &mut records);
    records
}

type Key = (bool, (String, u64), (String, u64), &'static str, String);

fn key(tcp: bool, a: (String, u64), b: (String, u64), record: &Record) -> Key {
    (tcp, a.clone().min(b.clone()), a.max(b), record.event_type, record.id.clone())
}

fn end(event: &Value, which: &str) -> (String, u64) {
    let address = event[format!("{which}_ip")].as_str().unwrap_or_default();
    let parsed: Result<std::net::IpAddr, _> = address.parse();
    let address = parsed.map_or_else(|_| address.to_owned(), |address| address.to_string());
    (address, event[format!("{which}_port")].as_u64().unwrap_or(0))
}

/// Every leaf with its path: `answers[0].rdata`.
fn leaves(value: &Value, path: &str, into: &mut BTreeMap<String, Value>) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            for (key, value) in map {
                let dot = if path.is_empty() { "" } else { "." };
                leaves(value, &format!("{path}{dot}{key}"), into);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for (index, value) in items.iter().enumerate() {
                leaves(value, &format!("{path}[{index}]"), into);
            }
        }
        value => drop(into.insert(path.to_owned(), value.clone())),
    }
}

#[derive(Default)]
struct Table {
    equal: u32,
    all: u32,
    records: u32,
    /// Kind of difference at a path, how often, and an example.
    differences: BTreeMap<(String, &'static str), (u32, String)>,
}

impl Table {
    fn pair(&mut self, ours: Option<&Value>, theirs: Option<&Value>, place: &str) {
        self.records += u32::from(theirs.is_some());
        let (mut mine, mut peers) = (BTreeMap::new(), BTreeMap::new());
        ours.iter().for_each(|value| leaves(value, "", &mut mine));
        theirs.iter().for_each(|value| leaves(value, "", &mut peers));
        let whole = match (ours, theirs) {
            (None, Some(theirs)) => Some(("only theirs", theirs)),
            (Some(ours), None) => Some(("only ours", ours)),
            _ => None,
        };
        if let Some((kind, record)) = whole {
            self.all += (mine.len() + peers.len()) as u32;
            self.note("(the whole record)".to_owned(), kind, || format!("{place}: {record}"));
            return;
        }
        for (path, theirs) in &peers {
            self.all += 1;
            match mine.remove(path) {
                Some(ours) if ours == *theirs => self.equal += 1,
                Some(ours) => {
                    let shown = || format!("{place}: theirs {theirs}, ours {ours}");
                    self.note(general(path), "differs", shown);
                }
                None => self.note(general(path), "only theirs", || format!("{place}: {theirs}")),
            }
        }
        for (path, ours) in mine {
            self.all += 1;
            self.note(general(&path), "only ours", || format!("{place}: {ours}"));
        }
    }

    fn note(&mut self, path: String, kind: &'static str, example: impl Fn() -> String) {
        if std::env::var_os("UMBRA_VERBOSE").is_some() {
            println!("{path} {kind}: {}", example());
        }
        let entry = self.differences.entry((path, kind)).or_insert_with(|| (0, example()));
        entry.0 += 1;
    }
}

/// A path without places in lists.
fn general(path: &str) -> String {
    let mut general = String::new();
    let mut inside = false;
    for c in path.chars() {
        inside = (inside || c == '[') && c != ']';
        if !inside || c == '[' {
            general.push(c);
        }
    }
    general
}

fn compare(capture: &Path, events: &str, tables: &mut BTreeMap<&'static str, Table>) {
    let mut peers: HashMap<Key, VecDeque<Value>> = HashMap::new();
    for line in events.lines() {
        let Ok(event) = serde_json::from_str::<Value>(line) else { continue };
        let Some(record) = Record::of_peer(&event) else { continue };
        let tcp = event["proto"] == "TCP";
        let key = key(tcp, end(&event, "src"), end(&event, "dest"), &record);
        peers.entry(key).or_default().push_back(record.object);
    }
    let place = capture.file_name().unwrap_or_default().to_string_lossy().into_owned();
    for conversation in streams::conversations(capture) {
        let name = |(address, port): streams::End| (address.to_string(), u64::from(port));
        let (client, server) = (name(conversation.client), name(conversation.server));
        for record in records(&conversation) {
            let key = key(conversation.tcp, client.clone(), server.clone(), &record);
            let theirs = peers.get_mut(&key).and_then(VecDeque::pop_front);
            let place = format!("{place} {}:{}", client.0, client.1);
            let table = tables.entry(record.event_type).or_default();
            table.pair(Some(&record.object), theirs.as_ref(), &place);
        }
    }
    for ((_, a, b, event_type, _), left) in peers {
        let place = format!("{place} {}:{} {}:{}", a.0, a.1, b.0, b.1);
        for record in left {
            tables.entry(event_type).or_default().pair(None, Some(&record), &place);
        }
    }
}

#[test]
fn records_are_the_peers() {
    let Some(folder) = std::env::var_os("UMBRA_PEER_EVE") else { return };
    let other = std::env::var_os("UMBRA_CAPTURES").map(std::path::PathBuf::from);
    let Some(shared) = other.or_else(captures::shared_data) else { return };
    let mut tables = BTreeMap::new();
    for capture in captures::captures(&shared) {
        let name = capture.strip_prefix(&shared).expect("a capture below the folder");
        let name = format!("{}.json", name.to_string_lossy().replace('/', "__"));
        if let Ok(events) = fs::read_to_string(Path::new(&folder).join(name)) {
            compare(&capture, &events, &mut tables);
        }
    }
    let (mut equal, mut all) = (0, 0);
    for (event_type, table) in &tables {
        equal += table.equal;
        all += table.all;
        let per_cent = 100.0 * f64::from(table.equal) / f64::from(table.all.max(1));
        let counts = format!("{} of {} fields of {}", table.equal, table.all, table.records);
        println!("{event_type}: {counts} records: {per_cent:.3} %");
        for ((path, kind), (count, example)) in &table.differences {
            let example: String = example.chars().take(400).collect();
            println!("  {count:6} {path} {kind}: {example}");
        }
    }
    assert!(all > 0, "nothing was compared");
    let per_cent = 100.0 * f64::from(equal) / f64::from(all);
    println!("all: {equal} of {all}: {per_cent:.3} %");
    let least = std::env::var("UMBRA_AGREEMENT").ok().and_then(|v| v.parse().ok()).unwrap_or(0.0);
    assert!(per_cent >= least);
}
