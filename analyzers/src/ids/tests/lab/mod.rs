//! A laboratory: rules, frames made in memory, and the alerts that come of them.

pub(super) mod dns;
mod dump;
pub(super) mod packets;
pub(super) mod smb;
pub(super) mod talk;
pub(super) mod tls;

use std::fmt::Write;
use std::path::Path;

use serde_json::{Map, Value};
use tempfile::TempDir;

use super::super::{IdsFactory, IdsPlan};
use crate::decode::LinkType;
use crate::events::{Event, EventContext, SignatureAlert};
use crate::pipeline::{Pipeline, PipelineConfig};
use crate::profile::{Plan, ProfileConfig, ProfileFactory, ProfileKind};
use crate::testing::{TestRecord, records};

/// Rules in a folder of their own, beside the files that they name.
#[derive(Debug)]
pub(super) struct Lab {
    folder: TempDir,
    settings: Map<String, Value>,
}

impl Lab {
    pub(super) fn new(rules: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("test.rules");
        let mut lab = Self { folder, settings: Map::new() }.file("test.rules", rules);
        lab.settings.insert("rules".into(), vec![path.to_str().unwrap()].into());
        lab
    }

    /// A file beside the rules.
    pub(super) fn file(self, name: &str, content: impl AsRef<[u8]>) -> Self {
        std::fs::write(self.folder.path().join(name), content).unwrap();
        self
    }

    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(super) fn settings(&self) -> Map<String, Value> {
        self.settings.clone()
    }

    /// The rules, compiled; all of them must have been loaded.
    pub(super) fn plan(&self) -> Plan {
        let config = ProfileConfig {
            settings: self.settings(),
            ..ProfileConfig::standard(ProfileKind::Ids)
        };
        let plan = IdsFactory.validate(&config).unwrap();
        let report = IdsPlan::of(&plan).unwrap().report();
        let mut problems = String::new();
        for error in report.errors.iter().chain(&report.skipped) {
            writeln!(problems, "{error}").unwrap();
        }
        problems.extend(report.lines.iter().map(|line| format!("{line}\n")));
        assert!(problems.is_empty(), "{problems}");
        plan
    }

    /// What the rules say of a capture.
    pub(super) fn alerts(&self, capture: &[TestRecord]) -> Vec<SignatureAlert> {
        let plan = self.plan();
        alerts(&events(&plan, PipelineConfig::offline(), capture, usize::MAX))
    }
}

/// What comes of a capture, in batches of so many frames.
pub(super) fn events(
    plan: &Plan,
    config: PipelineConfig,
    capture: &[TestRecord],
    batch: usize,
) -> Vec<Event> {
    let context = EventContext::whole("test", Some(0));
    let mut pipeline = Pipeline::new(config, std::slice::from_ref(plan)).unwrap();
    let mut events = Vec::new();
    let records: Vec<_> = records(capture).collect();
    for batch in records.chunks(batch) {
        pipeline.process(batch.iter().copied(), LinkType::Ethernet, &mut events, &context);
    }
    pipeline.finish(&mut events, &context);
    events
}

pub(super) fn alerts(events: &[Event]) -> Vec<SignatureAlert> {
    let alerts = events.iter().filter_map(|event| match event {
        Event::Alert(alert) => Some((**alert).clone()),
        _ => None,
    });
    alerts.collect()
}

/// The numbers of the rules that alerted, in order of the alerts.
pub(super) fn sids(alerts: &[SignatureAlert]) -> Vec<u32> {
    alerts.iter().map(|alert| alert.signature.sid).collect()
}

/// Writes a capture, its rules and what is expected where `UMBRA_CASES` names a folder, to be held
/// against another implementation.
pub(super) fn dump(name: &str, lab: &Lab, capture: &[TestRecord], expected: &[(u32, usize)]) {
    if let Some(folder) = std::env::var_os("UMBRA_CASES") {
        dump::write(&Path::new(&folder).join(name), lab.folder(), capture, expected).unwrap();
    }
}
