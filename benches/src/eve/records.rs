//! Records of an `eve.json`, each as its fields, and which of them are the same thing in two files.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::{Map, Value};

/// Of umbra alone, or numbers that every engine makes for itself.
const LEFT_OUT: [&str; 3] = ["shadow", "flow_id", "parent_id"];

/// What a record is about: records of two engines that have the same subject are held against each other.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Subject {
    pub(super) kind: String,
    protocol: String,
    /// Both ends, in an order of their own, since engines may not agree on who is the client.
    ends: [String; 2],
    /// What tells it from others between these ends: the rule, the transaction, the beginning.
    id: String,
}

impl Subject {
    fn of(kind: &str, event: &Map<String, Value>) -> Self {
        let text = |value: Option<&Value>| match value {
            None => String::new(),
            Some(Value::String(text)) => text.clone(),
            Some(value) => value.to_string(),
        };
        let end = |ip, port| format!("{} {}", text(event.get(ip)), text(event.get(port)));
        let mut ends = [end("src_ip", "src_port"), end("dest_ip", "dest_port")];
        ends.sort();
        let object = event.get(kind).and_then(Value::as_object);
        let inner = |name: &str| text(object.and_then(|object| object.get(name)));
        let id = match kind {
            "alert" => inner("signature_id"),
            "dns" => inner("tx_id"),
            "fileinfo" => format!("{} {}", inner("tx_id"), inner("filename")),
            "flow" => inner("start"),
            _ => text(event.get("tx_id")),
        };
        Self { kind: kind.to_owned(), protocol: text(event.get("proto")), ends, id }
    }
}

impl std::fmt::Display for Subject {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [a, b] = &self.ends;
        write!(f, "{} {a} {b} {}", self.protocol, self.id)
    }
}

/// What is not divided any further, by its path: `flow.start`, `alert.metadata.tag[0]`.
pub(super) type Fields = BTreeMap<String, Value>;

/// Records of some kinds, by subject, and those of a subject in the order of their times.
#[derive(Debug, Default)]
pub(super) struct Records(pub(super) BTreeMap<Subject, Vec<Fields>>);

impl Records {
    pub(super) fn read(eve: &Path, kinds: &[String]) -> Result<Self> {
        let file = File::open(eve).with_context(|| eve.display().to_string())?;
        let mut records = Self::default();
        for line in BufReader::new(file).lines() {
            let line = line?;
            records.add(&line, kinds).with_context(|| format!("{}: {line}", eve.display()))?;
        }
        records.sort();
        Ok(records)
    }

    /// Takes a line in, if it is of one of these kinds.
    fn add(&mut self, line: &str, kinds: &[String]) -> Result<()> {
        let mut event: Map<String, Value> = serde_json::from_str(line)?;
        let kind = event.get("event_type").and_then(Value::as_str).unwrap_or_default().to_owned();
        if !kinds.contains(&kind) {
            return Ok(());
        }
        for name in LEFT_OUT {
            event.remove(name);
        }
        let subject = Subject::of(&kind, &event);
        let mut fields = Fields::new();
        for (name, value) in event {
            leaves(name, value, &mut fields);
        }
        self.0.entry(subject).or_default().push(fields);
        Ok(())
    }

    fn sort(&mut self) {
        let time = |fields: &Fields| {
            let of = |name| fields.get(name);
            let number = of("pcap_cnt").and_then(Value::as_u64).unwrap_or(u64::MAX);
            (of("timestamp").map(Value::to_string), number)
        };
        self.0.values_mut().for_each(|fields| fields.sort_by_cached_key(time));
    }
}

fn leaves(path: String, value: Value, fields: &mut Fields) {
    match value {
        Value::Object(object) if !object.is_empty() => {
            for (name, value) in object {
                leaves(format!("{path}.{name}"), value, fields);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for (at, value) in items.into_iter().enumerate() {
                leaves(format!("{path}[{at}]"), value, fields);
            }
        }
        value => {
            fields.insert(path, value);
        }
    }
}

#[cfg(test)]
impl Records {
    /// Of lines, of the kinds that are compared unless told otherwise.
    pub(super) fn of(lines: &[&str]) -> Self {
        let kinds: Vec<_> = super::TYPES.split(',').map(str::to_owned).collect();
        let mut records = Self::default();
        lines.iter().for_each(|line| records.add(line, &kinds).unwrap());
        records.sort();
        records
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALERT: &str = r#"{"event_type":"alert","timestamp":"2","flow_id":9,"src_ip":"a","src_port":1,"dest_ip":"b",
        "dest_port":2,"proto":"TCP","alert":{"signature_id":7,"metadata":{"tag":["x","y"]}},"files":[]}"#;

    #[test]
    fn a_record_is_what_is_at_the_ends_of_its_objects_and_lists() {
        let records = Records::of(&[ALERT, r#"{"event_type":"stats","uptime":1}"#]);
        assert_eq!(records.0.len(), 1);
        let fields = &records.0.values().next().unwrap()[0];
        let of = |name| fields.get(name).map(Value::to_string);
        assert_eq!(of("alert.metadata.tag[1]").as_deref(), Some("\"y\""));
        assert_eq!(of("files").as_deref(), Some("[]"));
        assert_eq!((of("flow_id"), of("alert")), (None, None));
    }

    #[test]
    fn which_end_is_named_first_does_not_matter_but_the_rule_does() {
        let turned = ALERT.replace("\"a\"", "\"c\"").replace("\"b\"", "\"a\"");
        let turned = turned.replace("\"c\"", "\"b\"");
        let turned = turned.replace("_port\":1", "_port\":3").replace("_port\":2", "_port\":1");
        let turned = turned.replace("_port\":3", "_port\":2");
        assert_ne!(turned, ALERT);
        assert_eq!(Records::of(&[ALERT, &turned]).0.len(), 1);
        let other = ALERT.replace(":7,", ":8,");
        assert_eq!(Records::of(&[ALERT, &other]).0.len(), 2);
    }

    #[test]
    fn records_of_a_subject_are_in_the_order_of_their_times() {
        let earlier = ALERT.replace("\"2\"", "\"1\"");
        let records = Records::of(&[ALERT, &earlier]);
        let times: Vec<_> = records.0.values().flatten().map(|f| f["timestamp"].clone()).collect();
        assert_eq!(times, ["1", "2"]);
    }
}
