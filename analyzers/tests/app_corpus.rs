//! Application layers over the shared captures, their streams put together naively.
//!
//! `UMBRA_PEER_EVE` may name a folder with what Suricata's `eve.json` says about each capture: a file
//! named like the capture below the shared folder, with `__` for `/` and `.json` behind. Then what is found
//! here is held against that, and the agreement printed; `UMBRA_AGREEMENT` says how many per cent of the
//! flows have to agree.

mod captures;
mod streams;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use streams::{Conversation, Said};
use umbra_analyzers::app::dcerpc::{Dcerpc, DcerpcUdp};
use umbra_analyzers::app::detect::{Carrier, Detector, Origin, Verdict};
use umbra_analyzers::app::ftp::{Ftp, FtpConfig, FtpData};
use umbra_analyzers::app::smb::Smb;
use umbra_analyzers::app::smtp::{Smtp, SmtpConfig};
use umbra_analyzers::app::ssh::{Ssh, SshConfig};
use umbra_analyzers::app::{AppProto, Expected, Heading, Parser};
use umbra_analyzers::events::Timestamp;

/// The peer's events for a capture, by type.
fn peer(folder: &Path, capture: &Path, shared: &Path) -> Option<Vec<Value>> {
    let name = capture.strip_prefix(shared).ok()?.to_str()?.replace('/', "__");
    let text = fs::read_to_string(folder.join(format!("{name}.json"))).ok()?;
    Some(text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect())
}

fn peer_folder() -> Option<PathBuf> {
    std::env::var_os("UMBRA_PEER_EVE").map(PathBuf::from)
}

fn detect(conversation: &Conversation) -> Detector {
    let carrier = if conversation.tcp { Carrier::Tcp } else { Carrier::Udp };
    let origin = Origin { carrier, server_port: conversation.server.1 };
    let mut detector = Detector::new();
    let mut heads = [Vec::new(), Vec::new()];
    for (heading, said, _) in &conversation.said {
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
    detector
}

#[test]
fn protocols_are_those_that_the_peer_names() {
    let Some(shared) = captures::shared_data() else { return };
    let folder = peer_folder();
    let (mut equal, mut all, mut named, mut named_equal) = (0u32, 0u32, 0u32, 0u32);
    let mut names: BTreeMap<&str, u32> = BTreeMap::new();
    let mut differences: BTreeMap<(String, String), (u32, String)> = BTreeMap::new();
    for capture in captures::captures(&shared) {
        let conversations = streams::conversations(&capture);
        let events = folder.as_ref().and_then(|folder| peer(folder, &capture, &shared));
        let mut peers: HashMap<_, VecDeque<&Value>> = HashMap::new();
        for event in events.iter().flatten().filter(|event| event["event_type"] == "flow") {
            peers.entry(tuple(event)).or_default().push_back(event);
        }
        for conversation in &conversations {
            let detector = detect(conversation);
            let name = detector.verdict().as_str();
            *names.entry(name.unwrap_or("-")).or_default() += 1;
            let (a, b) = (text(conversation.client), text(conversation.server));
            let key = (conversation.tcp, a.clone().min(b.clone()), a.max(b));
            let Some(event) = peers.get_mut(&key).and_then(VecDeque::pop_front) else { continue };
            // What a flow was before it became something else is what was recognised.
            let theirs = event["app_proto_orig"].as_str().or(event["app_proto"].as_str());
            // Announced by a control connection, which is not known here.
            if theirs == Some("ftp-data") {
                continue;
            }
            all += 1;
            let is_named = [theirs, name].iter().any(|n| n.is_some_and(|n| n != "failed"));
            named += u32::from(is_named);
            named_equal += u32::from(is_named && theirs == name);
            if theirs == name {
                equal += 1;
                continue;
            }
            let key = (theirs.unwrap_or("-").to_owned(), name.unwrap_or("-").to_owned());
            let entry = differences.entry(key).or_default();
            entry.0 += 1;
            entry.1 = format!("{} {:?}", capture.display(), conversation.client);
        }
    }
    println!("recognised here: {names:?}");
    if all > 0 {
        let per_cent = 100.0 * f64::from(equal) / f64::from(all);
        println!("{equal} of {all} flows as the peer says: {per_cent:.2} %");
        let of_named = 100.0 * f64::from(named_equal) / f64::from(named.max(1));
        println!("{named_equal} of {named} that either names: {of_named:.2} %");
        for ((theirs, ours), (count, example)) in &differences {
            println!("  {count:5} {theirs} there, {ours} here; such as {example}");
        }
        let least: f64 =
            std::env::var("UMBRA_AGREEMENT").ok().and_then(|v| v.parse().ok()).unwrap_or(0.0);
        assert!(per_cent >= least);
    }
    let found = |name: &str| names.get(name).copied().unwrap_or(0);
    assert!(found("http") > 0 && found("tls") > 0 && found("dns") > 0 && found("smb") > 0);
    assert_eq!(Verdict::Failed.as_str(), Some("failed"));
}

fn text((address, port): streams::End) -> (String, u64) {
    (address.to_string(), port.into())
}

type Key = (bool, (String, u64), (String, u64));

fn tuple(event: &Value) -> Key {
    let address = |name: &str| {
        let address = event[name].as_str().unwrap_or_default();
        let parsed: Result<std::net::IpAddr, _> = address.parse();
        parsed.map_or_else(|_| address.to_owned(), |address| address.to_string())
    };
    let port = |name: &str| event[name].as_u64().unwrap_or(0);
    let a = (address("src_ip"), port("src_port"));
    let b = (address("dest_ip"), port("dest_port"));
    (event["proto"] == "TCP", a.clone().min(b.clone()), a.max(b))
}

/// The objects of a type of event that are held against each other.
fn shape(event: &Value, key: &str) -> Value {
    let mut object = event[key].clone();
    if let (Some(object), Some(email)) = (object.as_object_mut(), event.get("email")) {
        object.insert("email".to_owned(), email.clone());
    }
    object
}

/// What a parser makes of a conversation, as EVE would have it, and what it found odd.
fn records(
    parser: &mut dyn Parser,
    conversation: &Conversation,
) -> (Vec<Value>, Vec<&'static str>) {
    let (mut all, mut odd) = (Vec::new(), Vec::new());
    let mut take = |parser: &mut dyn Parser, behind: u64| {
        let up_to = parser.next().saturating_sub(behind).max(parser.first());
        let transactions = (parser.first()..up_to).filter_map(|n| parser.transaction(n));
        let transactions = transactions.inspect(|transaction| odd.extend(transaction.events()));
        all.extend(transactions.filter(|transaction| transaction.is_logged()).map(|transaction| {
            let mut record = transaction.record();
            for (key, companion) in transaction.companions() {
                record.insert(key.to_owned(), companion.into());
            }
            Value::Object(record)
        }));
        parser.release(up_to);
    };
    for (heading, said, now) in &conversation.said {
        // Those far back are finished.
        take(&mut *parser, 100);
        let result = match said {
            Said::Bytes(bytes) if bytes.is_empty() => Ok(()),
            Said::Bytes(bytes) => parser.data(*heading, bytes, *now),
            Said::Gap(len) => parser.gap(*heading, *len, *now),
        };
        if result.is_err() {
            break;
        }
    }
    for heading in Heading::ALL {
        parser.end(heading, conversation.said.last().map_or(Timestamp::ZERO, |said| said.2));
    }
    take(&mut *parser, 0);
    (all, odd)
}

/// What parsers found odd, by the names that EVE's anomalies have.
fn oddities<'e>(events: impl Iterator<Item = &'e Value>, protocol: AppProto) -> Vec<(Key, String)> {
    let is_odd = |event: &&Value| {
        event["anomaly"]["layer"] == "proto_parser"
            && event["anomaly"]["app_proto"] == protocol.as_str()
    };
    let name = |event: &Value| {
        let name = event["anomaly"]["event"].as_str().unwrap_or_default().to_ascii_lowercase();
        (tuple(event), name)
    };
    let mut all: Vec<_> = events.filter(is_odd).map(name).collect();
    all.sort();
    all.dedup();
    all
}

/// Holds the records of a protocol against the peer's, flow by flow and each only once.
fn compare(protocol: AppProto, make: impl Fn(&Conversation) -> Box<dyn Parser>) {
    let Some(shared) = captures::shared_data() else { return };
    let folder = peer_folder();
    let (mut made, mut theirs_all, mut equal) = (0usize, 0usize, 0usize);
    let (mut odd_theirs, mut odd_equal) = (0usize, 0usize);
    let mut missing: BTreeMap<String, (u32, String)> = BTreeMap::new();
    let verbose = std::env::var_os("UMBRA_VERBOSE").is_some();
    for capture in captures::captures(&shared) {
        let events = folder.as_ref().and_then(|folder| peer(folder, &capture, &shared));
        let mut peers: HashMap<Key, Vec<Value>> = HashMap::new();
        let is_wanted = |event: &&Value| event["event_type"] == protocol.as_str();
        for event in events.iter().flatten().filter(is_wanted) {
            peers.entry(tuple(event)).or_default().push(shape(event, protocol.as_str()));
        }
        let mut ours: HashMap<Key, Vec<Value>> = HashMap::new();
        let mut ours_odd = Vec::new();
        for conversation in streams::conversations(&capture) {
            if detect(&conversation).verdict() != Verdict::Found(protocol) {
                continue;
            }
            let (a, b) = (text(conversation.client), text(conversation.server));
            let key = (conversation.tcp, a.clone().min(b.clone()), a.max(b));
            let (records, odd) = records(&mut *make(&conversation), &conversation);
            made += records.len();
            let name = |event: &str| event.split_once('.').map_or("", |event| event.1).to_owned();
            ours_odd.extend(odd.into_iter().map(|event| (key.clone(), name(event))));
            ours.entry(key).or_default().extend(records);
        }
        let theirs_odd = oddities(events.iter().flatten(), protocol);
        odd_equal += theirs_odd.iter().filter(|odd| ours_odd.contains(odd)).count();
        odd_theirs += theirs_odd.len();
        if verbose && events.is_some() {
            let missing = theirs_odd.iter().filter(|odd| !ours_odd.contains(odd));
            missing.for_each(|(key, name)| println!("only there: {name} {key:?}"));
            let extra = ours_odd.iter().filter(|odd| !theirs_odd.contains(odd));
            extra.for_each(|(key, name)| println!("only here: {name} {key:?}"));
        }
        for (key, theirs) in peers {
            let mut mine = ours.remove(&key).unwrap_or_default();
            theirs_all += theirs.len();
            for record in theirs {
                if let Some(at) = mine.iter().position(|mine| *mine == record) {
                    mine.swap_remove(at);
                    equal += 1;
                    continue;
                }
                let name = record["command"].as_str().or(record["request"].as_str());
                let entry = missing.entry(name.unwrap_or("?").to_owned()).or_default();
                entry.0 += 1;
                entry.1 = format!("{} {record}", capture.display());
                if verbose {
                    let near = |mine: &&Value| {
                        mine["id"] == record["id"] && mine["call_id"] == record["call_id"]
                    };
                    println!("{}\n  theirs {record}", capture.display());
                    mine.iter().filter(near).for_each(|mine| println!("  ours   {mine}"));
                }
            }
            if verbose && !mine.is_empty() {
                println!("{}: {} of ours are not theirs", capture.display(), mine.len());
                mine.iter().take(3).for_each(|mine| println!("  {mine}"));
            }
        }
    }
    println!("{}: {made} transactions here", protocol.as_str());
    if theirs_all > 0 {
        let per_cent = 100.0 * equal as f64 / theirs_all as f64;
        println!("{equal} of the peer's {theirs_all} records are the same: {per_cent:.2} %");
        println!("{odd_equal} of the peer's {odd_theirs} oddities are found here");
        for (name, (count, example)) in missing {
            println!("  {count} {name}, such as {example}");
        }
    }
    assert!(made > 0);
}

#[test]
fn dcerpc_records_are_the_peers() {
    compare(AppProto::Dcerpc, |conversation| match conversation.tcp {
        true => Box::new(Dcerpc::new()),
        false => Box::new(DcerpcUdp::new()),
    });
}

#[test]
fn smb_records_are_the_peers() {
    compare(AppProto::Smb, |_| Box::new(Smb::new()));
}

#[test]
fn ssh_records_are_the_peers() {
    // The peer was told to fingerprint.
    compare(AppProto::Ssh, |_| Box::new(Ssh::new(SshConfig { hassh: true })));
}

#[test]
fn smtp_records_are_the_peers() {
    compare(AppProto::Smtp, |_| Box::new(Smtp::new(SmtpConfig::default())));
}

#[test]
fn ftp_records_are_the_peers() {
    compare(AppProto::Ftp, |_| Box::new(Ftp::new(FtpConfig::default())));
}

/// The data connections that a control connection announces.
fn announced(conversation: &Conversation) -> Vec<Expected> {
    let mut ftp = Ftp::new(FtpConfig::default());
    let _ = records(&mut ftp, conversation);
    std::iter::from_fn(|| ftp.expected()).collect()
}

#[test]
fn ftp_data_records_are_the_peers() {
    let Some(shared) = captures::shared_data() else { return };
    let folder = peer_folder();
    let (mut made, mut theirs, mut equal) = (0, 0, 0);
    for capture in captures::captures(&shared) {
        let events = folder.as_ref().and_then(|folder| peer(folder, &capture, &shared));
        let of_type = events.iter().flatten().filter(|event| event["event_type"] == "ftp_data");
        let mut peers: Vec<Value> = of_type.map(|event| event["ftp_data"].clone()).collect();
        theirs += peers.len();
        let conversations = streams::conversations(&capture);
        let is_ftp = |c: &&Conversation| detect(c).verdict() == Verdict::Found(AppProto::Ftp);
        let mut waiting: Vec<_> = conversations
            .iter()
            .filter(is_ftp)
            .flat_map(|c| {
                announced(c).into_iter().map(|expected| (c.client.0, c.server.0, expected))
            })
            .collect();
        for conversation in &conversations {
            let place = waiting.iter().position(|(client, server, expected)| {
                let (from, to) = match expected.opens {
                    Heading::ToServer => (client, server),
                    Heading::ToClient => (server, client),
                };
                let ends = (conversation.client.0, conversation.server);
                conversation.tcp && ends == (*from, (*to, expected.port))
            });
            let Some(place) = place else { continue };
            let (.., expected) = waiting.remove(place);
            for record in records(&mut FtpData::new(expected), conversation).0 {
                made += 1;
                match peers.iter().position(|theirs| *theirs == record) {
                    Some(at) => {
                        equal += 1;
                        peers.swap_remove(at);
                    }
                    None if events.is_some() => println!("{}: {record}", capture.display()),
                    None => {}
                }
            }
        }
        peers.iter().for_each(|theirs| println!("{}: theirs {theirs}", capture.display()));
    }
    println!("ftp-data: {made} transactions here, {equal} of the peer's {theirs} are the same");
    assert!(made > 0);
}
