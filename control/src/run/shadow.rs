//! What the shadow instances run and where their events go.

use std::collections::HashSet;
use std::fs::File;
use std::io::BufWriter;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::{Map, Value, json};
use umbra_analyzers::events::{EventContext, EventSink, NullSink};
use umbra_analyzers::ids::IdsPlan;
use umbra_analyzers::pipeline::{
    Announcements, LiveAnalyzer, Pipeline, PipelineConfig, PipelineSummary,
};
use umbra_analyzers::profile::{Plan, factory};
use umbra_analyzers::runner::{Analyzer, CrashReport};
use umbra_forward::clock::wall_ns;

use super::setup::Running;
use crate::eve::{
    CaptureStats, EveFormat, EveOptions, EveOutput, EveSink, LineSender, Stamp, Stats,
};
use crate::manager::BuildAnalyzer;
use crate::manifest::{Distribute, EveType, Manifest};
use crate::pcap::{DataLink, PcapWriter};
use crate::replay;

/// What an instance counts.
pub(super) type Summary = PipelineSummary;

/// The outputs that all instances share.
pub(super) struct Shadow {
    eve: Option<EveOutput>,
    format: Arc<EveFormat>,
    sender: Option<LineSender>,
}

impl Shadow {
    /// Opens the outputs. One that cannot be opened is said and left out: the wire goes on.
    pub(super) fn start(manifest: &Manifest, wires: &[String]) -> Self {
        let outputs = &manifest.outputs;
        let format = Arc::new(EveFormat::new(EveOptions::of_manifest(outputs, wires)));
        let eve = outputs.eve.as_ref().and_then(|path| {
            if let Some(folder) = path.parent()
                && let Err(e) = std::fs::create_dir_all(folder)
            {
                log::error!("outputs: cannot make folder {}: {e}", folder.display());
            }
            match EveOutput::start(path) {
                Ok(output) => {
                    log::info!("EVE records go to {}", path.display());
                    Some(output)
                }
                Err(e) => {
                    log::error!("outputs: cannot open {}: {e}; no EVE records", path.display());
                    None
                }
            }
        });
        let sender = eve.as_ref().and_then(EveOutput::sender);
        Shadow { eve, format, sender }
    }

    /// Makes the analyzers of the instances.
    pub(super) fn builder(&self, manifest: &Manifest) -> BuildAnalyzer<Summary> {
        let config = PipelineConfig {
            decode_anomalies: manifest.outputs.eve_types.contains(&EveType::Anomaly),
            ..PipelineConfig::live()
        };
        let plans: Vec<Plan> = manifest
            .profiles
            .iter()
            .filter_map(|spec| {
                let plan = factory(spec.config.kind).ok()?.validate(&spec.config).ok();
                match &plan {
                    None => log::error!("profile {} cannot be planned: left out", spec.id),
                    Some(plan) => tell_of_rules(&spec.id, plan),
                }
                plan
            })
            .collect();
        let (format, sender) = (Arc::clone(&self.format), self.sender.clone());
        let memories = Memories::of(manifest, plans);
        Box::new(move |number, context: Arc<EventContext>, quarantined: &HashSet<Arc<str>>| {
            let (mut plans, announcements) = memories.instance(number);
            plans.retain(|plan| !quarantined.contains(plan.id()));
            let sink: Box<dyn EventSink> = match &sender {
                Some(sender) => Box::new(EveSink::new(Arc::clone(&format), sender.clone())),
                None => Box::new(NullSink),
            };
            Box::new(move || -> Box<dyn Analyzer<Summary = Summary>> {
                match Pipeline::new(config, &plans) {
                    Ok(pipeline) => {
                        let pipeline = pipeline.sharing(&announcements);
                        Box::new(LiveAnalyzer::over(pipeline, sink, context))
                    }
                    // Validation has refused kinds that are not built; decode and flows go on.
                    Err(e) => {
                        log::error!("{e}");
                        let pipeline = Pipeline::with_profiles(config, []);
                        Box::new(LiveAnalyzer::over(pipeline, Box::new(NullSink), context))
                    }
                }
            })
        })
    }

    pub(super) fn stats_interval(&self, manifest: &Manifest) -> Option<Duration> {
        let outputs = &manifest.outputs;
        let asked = self.eve.is_some() && outputs.eve_types.contains(&EveType::Stats);
        (asked && outputs.stats_interval_s > 0)
            .then(|| Duration::from_secs(u64::from(outputs.stats_interval_s)))
    }

    pub(super) fn reopen(&self) {
        if let Some(eve) = &self.eve {
            eve.reopen_flag().store(true, Ordering::Release);
        }
    }

    pub(super) fn outputs_json(&self) -> Value {
        match &self.eve {
            None => json!({}),
            Some(eve) => {
                let c = eve.counters();
                json!({
                    "eve_lines": c.written.lines, "eve_bytes": c.written.bytes,
                    "eve_lost": c.written.lost_lines, "eve_errors": c.written.errors,
                    "eve_dropped": c.dropped,
                })
            }
        }
    }

    /// Writes what is queued. Not waited for where a hung instance still holds a sender.
    pub(super) fn finish(&mut self) {
        self.sender = None;
        self.eve = None;
    }
}

/// What instances remember longer than they live. Those that get each a share of the traffic have it in
/// common; a replica sees everything itself and has its own.
struct Memories {
    each: Vec<(Vec<Plan>, Arc<Announcements>)>,
}

impl Memories {
    fn of(manifest: &Manifest, plans: Vec<Plan>) -> Self {
        let shadowing = &manifest.shadowing;
        let apart = |plan: &Plan| Some(factory(plan.kind()).ok()?.apart(plan));
        let replicas = match shadowing.distribute {
            Distribute::Shard => 1,
            Distribute::Replicate => usize::from(shadowing.shadow_instance_count).max(1),
        };
        let mut each: Vec<_> = (1..replicas)
            .map(|_| (plans.iter().filter_map(apart).collect(), Arc::default()))
            .collect();
        each.push((plans, Arc::default()));
        Self { each }
    }

    fn instance(&self, number: u32) -> (Vec<Plan>, Arc<Announcements>) {
        let (plans, announcements) = &self.each[number as usize % self.each.len()];
        (plans.clone(), Arc::clone(announcements))
    }
}

/// Saves the packets that an instance had in hand when it panicked, for a look at leisure.
pub(super) fn crash_saver(directory: Option<PathBuf>) -> Box<dyn FnMut(&CrashReport) + Send> {
    Box::new(move |report| {
        let Some(directory) = &directory else {
            return;
        };
        if report.packets.is_empty() {
            return;
        }
        let name = format!("crash-{}-instance{}.pcap", wall_ns() / 1_000_000, report.instance);
        let path = directory.join(name);
        match save(&path, report) {
            Ok(()) => {
                let culprit = report.blame.record.map_or_else(
                    || "which of them is not known".to_owned(),
                    |index| format!("packet {} was being worked on", index + 1),
                );
                log::error!("packets in hand saved to {}; {culprit}", path.display());
            }
            Err(e) => log::error!("packets in hand cannot be saved to {}: {e}", path.display()),
        }
    })
}

/// Says how many rules are at work, and names those that are not.
fn tell_of_rules(id: &crate::manifest::ProfileId, plan: &Plan) {
    let Some(report) = IdsPlan::of(plan).map(IdsPlan::report) else { return };
    report.lines.iter().for_each(|line| log::warn!("{id}: {line}"));
    report.errors.iter().for_each(|error| log::warn!("{id}: not loaded: {error}"));
    if report.loaded == 0 {
        log::warn!(
            "{id} has no rules and will find nothing: give it some, as in configs/signatures.toml"
        );
    } else {
        log::info!("{id}: {} rules, {} not loaded", report.loaded, report.errors.len());
    }
}

fn save(path: &std::path::Path, report: &CrashReport) -> std::io::Result<()> {
    let mut writer = PcapWriter::new(BufWriter::new(File::create(path)?), DataLink(1))?;
    for packet in &report.packets {
        writer.write(packet.meta.timestamp_ns, packet.meta.frame_len, &packet.data)?;
    }
    writer.finish()?;
    Ok(())
}

impl Running {
    /// What all running instances have counted together.
    fn merged(&mut self) -> (Summary, usize) {
        let (summaries, silent) = self.manager.summaries();
        let mut merged = Summary::default();
        for summary in &summaries {
            merged.merge(summary);
        }
        (merged, silent)
    }

    /// For `umbra ctl profile`.
    pub(super) fn profile(&mut self) -> Value {
        let (merged, silent) = self.merged();
        let profiles: Map<String, Value> = merged
            .profiles
            .iter()
            .map(|profile| (profile.id.to_string(), profile.summary.to_json()))
            .collect();
        json!({
            "profiles": profiles,
            "silent_instances": silent,
            "text": match replay::ProfileText(&merged).to_string() {
                text if text.is_empty() => "nothing has been analysed yet".to_owned(),
                text => text,
            },
        })
    }

    /// Writes a `stats` record.
    pub(super) fn emit_stats(&mut self) {
        let (merged, silent) = self.merged();
        self.write_stats(&merged, silent);
    }

    fn write_stats(&mut self, merged: &Summary, silent: usize) {
        let Some(sender) = self.shadow.sender.clone() else {
            return;
        };
        let ports = self.ports.iter().map(super::ports::PortView::stats);
        let capture = ports.fold(CaptureStats::default(), |sum, s| CaptureStats {
            packets: sum.packets + s.ipackets + s.imissed + s.rx_nombuf,
            drops: sum.drops + s.imissed + s.rx_nombuf,
        });
        let mut ours = Map::new();
        let ledger = self.manager.ledger();
        ours.insert("ledger_exact".to_owned(), json!(ledger.is_exact()));
        ours.insert("ledger".to_owned(), serde_json::to_value(&ledger).unwrap_or_default());
        ours.insert("outputs".to_owned(), self.shadow.outputs_json());
        ours.insert("silent_instances".to_owned(), json!(silent));
        let stats = Stats {
            timestamp: Stamp(wall_ns()),
            uptime_s: self.started.elapsed().as_secs(),
            capture: Some(capture),
            analysis: merged,
            ours,
        };
        let mut line = sender.buffer();
        self.shadow.format.stats(&stats, self.manager.context(), &mut line);
        if !line.is_empty() {
            sender.offer(line);
        }
    }
}
