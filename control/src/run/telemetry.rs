//! Commands for `dpdk-telemetry.py`: what `umbra ctl` shows, in the form of DPDK's own commands.

use std::time::Duration;

use serde_json::Value;
use umbra_dpdk::telemetry::{self, TelValue};

use crate::api::{Command, Requester};

/// Telemetry's thread waits for the control thread, which answers within milliseconds.
const LIMIT: Duration = Duration::from_secs(2);

struct Topic {
    command: &'static str,
    help: &'static str,
    ask: fn() -> Command,
    /// Key of the answer; empty for its plain values.
    key: &'static str,
}

const TOPICS: [Topic; 6] = [
    Topic {
        command: "/umbra/status",
        help: "Appliance, percentage, selection, uptime. Takes no parameters",
        ask: || Command::Status,
        key: "",
    },
    Topic {
        command: "/umbra/instances",
        help: "Shadow instances: state, core, load. Takes no parameters",
        ask: || Command::Status,
        key: "instances",
    },
    Topic {
        command: "/umbra/ledger",
        help: "Whether all packet accounts are exact. Takes no parameters",
        ask: || Command::Ledger,
        key: "",
    },
    Topic {
        command: "/umbra/wires",
        help: "Packets by wire, direction and worker. Takes no parameters",
        ask: || Command::Ledger,
        key: "wires",
    },
    Topic {
        command: "/umbra/taps",
        help: "Mirrored packets by worker and instance, up to the ring. Takes no parameters",
        ask: || Command::Ledger,
        key: "taps",
    },
    Topic {
        command: "/umbra/behind",
        help: "Mirrored packets by worker and instance, behind the ring. Takes no parameters",
        ask: || Command::Ledger,
        key: "behind",
    },
];

/// Registers all commands.
pub(super) fn register(requester: &Requester) {
    for topic in &TOPICS {
        let requester = requester.clone();
        let (ask, key) = (topic.ask, topic.key);
        let answer = move |_: &str| match requester.ask(ask(), LIMIT) {
            Ok(value) if key.is_empty() => plain(&value),
            Ok(value) => convert(&value[key]),
            Err(error) => TelValue::Dict(vec![("error".to_owned(), error.into())]),
        };
        if let Err(e) = telemetry::register(topic.command, topic.help, answer) {
            log::warn!("{e}");
        }
    }
}

/// Takes all commands back: what they ask is about to go.
pub(super) fn unregister() {
    TOPICS.iter().for_each(|topic| telemetry::unregister(topic.command));
}

/// The values of an object that are neither lists nor objects, but for the long text.
fn plain(value: &Value) -> TelValue {
    let entries = value.as_object().into_iter().flatten();
    let scalars = entries
        .filter(|(name, v)| !v.is_array() && !v.is_object() && name.as_str() != "text")
        .map(|(name, v)| (name.clone(), convert(v)));
    TelValue::Dict(scalars.collect())
}

fn convert(value: &Value) -> TelValue {
    match value {
        Value::Null => "".into(),
        Value::Bool(b) => u64::from(*b).into(),
        Value::Number(n) => match (n.as_u64(), n.as_i64()) {
            (Some(n), _) => n.into(),
            (_, Some(n)) => n.into(),
            // Telemetry has no fractions.
            _ => n.to_string().into(),
        },
        Value::String(text) => text.as_str().into(),
        Value::Array(values) => TelValue::Array(values.iter().map(convert).collect()),
        Value::Object(entries) => {
            TelValue::Dict(entries.iter().map(|(name, v)| (name.clone(), convert(v))).collect())
        }
    }
}
