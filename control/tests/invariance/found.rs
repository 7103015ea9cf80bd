//! Runs captures and says what was found, so that two runs can be compared.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::PathBuf;

use tempfile::TempDir;
use umbra_analyzers::events::{Event, EventContext, EventSink, SignatureAlert};
use umbra_analyzers::ids::IdsPlan;
use umbra_analyzers::profile::{ProfileConfig, ProfileKind, factory};
use umbra_control::pcap::{DataLink, PcapWriter};
use umbra_control::replay::{self, ChecksumMode, ReplayOptions};

use super::wire::Seen;

/// How often rules are found in a flow and transaction. A transaction that is only guessed is none.
pub(crate) type Found = BTreeMap<Key, usize>;

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    pub(crate) sid: u32,
    pub(crate) gid: u32,
    /// Client and server.
    pub(crate) flow: String,
    pub(crate) transaction: Option<u64>,
}

impl Key {
    fn of(alert: &SignatureAlert) -> Self {
        let flow = alert.flow.as_ref().map_or_else(String::new, |flow| {
            let ends = &flow.ends;
            format!("{}:{} {}:{}", ends.src, ends.src_port, ends.dst, ends.dst_port)
        });
        let transaction = alert.transaction.as_ref().filter(|tx| !tx.guessed).map(|tx| tx.tx_id);
        Key { sid: alert.signature.sid, gid: alert.signature.gid, flow, transaction }
    }
}

struct Alerts(Found);

impl EventSink for Alerts {
    fn emit(&mut self, event: &Event, _context: &EventContext) {
        if let Event::Alert(alert) = event {
            *self.0.entry(Key::of(alert)).or_default() += 1;
        }
    }
}

/// Rules in a folder of their own.
pub(crate) struct Lab {
    folder: TempDir,
    config: ProfileConfig,
}

impl Lab {
    /// All of these must load.
    pub(crate) fn new(rules: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("test.rules");
        std::fs::write(&path, rules).expect("written");
        let mut config = ProfileConfig::standard(ProfileKind::Ids);
        config.settings.insert("rules".into(), vec![path.to_str().expect("UTF-8")].into());
        let plan = factory(ProfileKind::Ids).expect("built").validate(&config).expect("a plan");
        let report = IdsPlan::of(&plan).expect("of this kind").report();
        let mut problems = String::new();
        for problem in report.errors.iter().chain(&report.skipped) {
            writeln!(problems, "{problem}").expect("written");
        }
        assert!(problems.is_empty(), "{problems}");
        Self { folder, config }
    }

    /// The capture's alerts, with so many instances.
    pub(crate) fn run(&self, frames: &[Seen], instances: usize) -> Found {
        let capture = self.capture(frames);
        let options = ReplayOptions {
            instances,
            profiles: vec![self.config.clone()],
            checksums: ChecksumMode::All,
            ..ReplayOptions::new(&capture)
        };
        self.replay(&options)
    }

    pub(crate) fn replay(&self, options: &ReplayOptions) -> Found {
        let options = ReplayOptions { profiles: vec![self.config.clone()], ..options.clone() };
        let mut alerts = Alerts(Found::new());
        replay::run(&options, &mut alerts).expect("a report");
        alerts.0
    }

    pub(crate) fn capture(&self, frames: &[Seen]) -> PathBuf {
        let path = self.folder.path().join("capture.pcap");
        let mut writer = PcapWriter::new(Vec::new(), DataLink::ETHERNET).expect("header");
        for (at, frame) in frames {
            writer.write(*at, frame.len() as u32, frame).expect("frame");
        }
        std::fs::write(&path, writer.finish().expect("flush")).expect("written");
        path
    }
}

/// The rules that alerted.
pub(crate) fn sids(found: &Found) -> Vec<u32> {
    let mut sids: Vec<_> = found.keys().map(|key| key.sid).collect();
    sids.dedup();
    sids
}

/// What one run found and another did not, for people; empty where they are equal. Of rules of which
/// `counts` says no, it matters whether they were found, not how often.
pub(crate) fn difference(expected: &Found, found: &Found, counts: impl Fn(u32) -> bool) -> String {
    let mut text = String::new();
    let keys: std::collections::BTreeSet<_> = expected.keys().chain(found.keys()).collect();
    for key in keys {
        let of = |found: &Found| {
            let times = found.get(key).copied().unwrap_or_default();
            if counts(key.sid) { times } else { times.min(1) }
        };
        let (a, b) = (of(expected), of(found));
        if a != b {
            let tx = key.transaction.map_or_else(String::new, |tx| format!(" tx {tx}"));
            writeln!(text, "  {b} times, not {a}: {} in {}{tx}", key.sid, key.flow).expect("text");
        }
    }
    text
}
