//! A message as EVE's `dns` object, version 3.

use serde_json::{Map, Value, json};

use super::kind;
use super::message::{RESPONSE, Rdata, Record, Soa, Srv, Sshfp, Z};
use super::name::Name;
use super::transaction::{DnsTransaction, is_grouped};
use crate::app::Heading;

const AA: u16 = 0x0400;
const TC: u16 = 0x0200;
const RD: u16 = 0x0100;
const RA: u16 = 0x0080;

pub(super) fn record(transaction: &DnsTransaction) -> Map<String, Value> {
    let message = &transaction.message;
    let mut object = Map::new();
    let mut set = |key: &str, value: Value| {
        object.insert(key.to_owned(), value);
    };
    set("version", json!(3));
    set(
        "type",
        json!(match transaction.heading {
            Heading::ToServer => "request",
            Heading::ToClient => "response",
        }),
    );
    set("tx_id", json!(transaction.number));
    set("id", json!(message.id));
    set("flags", json!(format!("{:x}", message.flags)));
    for (key, bit) in [("qr", RESPONSE), ("aa", AA), ("tc", TC), ("rd", RD), ("ra", RA), ("z", Z)] {
        if message.flags & bit != 0 {
            set(key, json!(true));
        }
    }
    set("opcode", json!(message.opcode()));
    set("rcode", json!(kind::rcode_name(message.rcode())));
    if !message.questions.is_empty() {
        let questions = message.questions.iter().map(|question| {
            let mut entry = named("rrname", &question.name);
            entry.insert("rrtype".to_owned(), json!(kind::type_name(question.kind)));
            Value::Object(entry)
        });
        set("queries", questions.collect());
    }
    if !message.answers.is_empty() {
        set("answers", entries(&message.answers));
        set("grouped", grouped(&message.answers));
    }
    if !message.authorities.is_empty() {
        set("authorities", entries(&message.authorities));
    }
    // EDNS without options is not told.
    let told =
        |record: &&Record| !matches!(&record.data, Rdata::Options(options) if options.is_empty());
    if message.additionals.iter().any(|record| told(&record)) {
        set("additionals", entries(message.additionals.iter().filter(told)));
    }
    object
}

fn entries<'r>(records: impl IntoIterator<Item = &'r Record>) -> Value {
    let mut entries = Vec::new();
    for record in records {
        let mut entry = named("rrname", &record.name);
        entry.insert("rrtype".to_owned(), json!(kind::type_name(record.kind)));
        entry.insert("ttl".to_owned(), json!(record.ttl));
        match &record.data {
            // An entry for each string.
            Rdata::Text(_) => {
                for value in values(record) {
                    let mut entry = entry.clone();
                    entry.insert("rdata".to_owned(), value);
                    entries.push(Value::Object(entry));
                }
                continue;
            }
            Rdata::Name(name) => {
                entry.insert("rdata".to_owned(), json!(text(&name.bytes)));
                if name.truncated {
                    entry.insert("rdata_truncated".to_owned(), json!(true));
                }
            }
            data => {
                let key = match data {
                    Rdata::Soa(_) => "soa",
                    Rdata::Srv(_) => "srv",
                    Rdata::Sshfp(_) => "sshfp",
                    Rdata::Options(_) => "opt",
                    _ => "rdata",
                };
                entry.extend(values(record).pop().map(|value| (key.to_owned(), value)));
            }
        }
        entries.push(Value::Object(entry));
    }
    Value::Array(entries)
}

/// By types, in lists.
fn grouped(answers: &[Record]) -> Value {
    let mut groups: Map<String, Value> = Map::new();
    for record in answers.iter().filter(|record| is_grouped(record.kind)) {
        let group = groups.entry(kind::type_name(record.kind)).or_insert_with(|| json!([]));
        if let Value::Array(group) = group {
            group.extend(values(record));
        }
    }
    Value::Object(groups)
}

/// What a record's data is rendered as: one value, one per string, or none.
fn values(record: &Record) -> Vec<Value> {
    vec![match &record.data {
        Rdata::Address(bytes) => json!(address(bytes)),
        Rdata::Name(name) => json!(text(&name.bytes)),
        Rdata::Null(bytes) => json!(text(bytes)),
        Rdata::Text(strings) => return strings.iter().map(|s| json!(text(s))).collect(),
        Rdata::Soa(soa) => soa_object(soa),
        Rdata::Srv(srv) => srv_object(srv),
        Rdata::Sshfp(sshfp) => sshfp_object(sshfp),
        Rdata::Options(options) => options
            .iter()
            .map(|(code, data)| json!({ "code": code, "data": hex(data, "") }))
            .collect(),
        Rdata::Other => return Vec::new(),
    }]
}

fn soa_object(soa: &Soa) -> Value {
    let [serial, refresh, retry, expire, minimum] = soa.numbers;
    let mut object = named("mname", &soa.mname);
    object.extend(named("rname", &soa.rname));
    for (key, number) in [
        ("serial", serial),
        ("refresh", refresh),
        ("retry", retry),
        ("expire", expire),
        ("minimum", minimum),
    ] {
        object.insert(key.to_owned(), json!(number));
    }
    Value::Object(object)
}

fn srv_object(srv: &Srv) -> Value {
    let mut object = named("name", &srv.target);
    for (key, number) in [("priority", srv.priority), ("weight", srv.weight), ("port", srv.port)] {
        object.insert(key.to_owned(), json!(number));
    }
    Value::Object(object)
}

fn sshfp_object(sshfp: &Sshfp) -> Value {
    json!({
        "fingerprint": hex(&sshfp.fingerprint, ":"),
        "algo": sshfp.algorithm,
        "type": sshfp.kind,
    })
}

/// A name, with a mark beside it if it was cut.
fn named(key: &str, name: &Name) -> Map<String, Value> {
    let mut object = Map::new();
    object.insert(key.to_owned(), json!(text(&name.bytes)));
    if name.truncated {
        object.insert(format!("{key}_truncated"), json!(true));
    }
    object
}

/// All digits, as opposed to how IPv6 addresses are written elsewhere in EVE.
fn address(bytes: &[u8]) -> String {
    if let Ok(v4) = <[u8; 4]>::try_from(bytes) {
        return std::net::Ipv4Addr::from(v4).to_string();
    }
    if bytes.len() != 16 {
        return String::new();
    }
    let groups: Vec<String> = bytes.chunks(2).map(|pair| hex(pair, "")).collect();
    groups.join(":")
}

fn hex(bytes: &[u8], between: &str) -> String {
    let digits: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    digits.join(between)
}

/// UTF-8 as it is; of anything else the bytes beyond ASCII as `\xff`.
fn text(bytes: &[u8]) -> String {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return text.to_owned();
    }
    let mut text = String::new();
    for &byte in bytes {
        if byte.is_ascii() {
            text.push(char::from(byte));
        } else {
            text.push_str(&format!("\\x{byte:02x}"));
        }
    }
    text
}
