//! The profile at work: learning first, then watching.

use std::any::Any;
use std::sync::Arc;
use std::thread::JoinHandle;

use super::alarms::Alarms;
use super::detect::{Detection, Detectors, Known, Seen, Told};
use super::hash::Key;
use super::keys::{Keys, RELATIONS, Relation};
use super::learner::Learner;
use super::model::Model;
use super::names::{GID, Sid};
use super::plan::{AnomalyPlan, ScoreRow};
use super::watch::{Scored, Watch};
use crate::events::{Event, Evidence, Finding, FindingFlow, Timestamp};
use crate::profile::{Batch, Findings, Packet, Profile, ProfileSummary};

/// Backward jumps of time that are taken for a new beginning, seconds: as the flow table's clock.
const STEP_BACK_S: f64 = 60.0;
/// Tests named in an alarm.
const REASONS: usize = 4;

enum Phase {
    Learning(Box<Learner>),
    /// Behind rings models are trained on a thread of their own: it takes a second, which no ring waits for.
    Training(JoinHandle<Model>),
    Watching(Box<Watch>),
}

/// One instance's.
pub(super) struct Anomaly {
    id: Arc<str>,
    plan: AnomalyPlan,
    phase: Phase,
    alarms: Alarms,
    detectors: Detectors,
    told: Told,
    found: Vec<Detection>,
    /// Time of the first packet: seconds are counted from there.
    origin: Option<Timestamp>,
    latest: f64,
    frames: u64,
    unusual: u64,
    named: u64,
}

impl Anomaly {
    pub(super) fn new(id: Arc<str>, plan: AnomalyPlan) -> Self {
        let phase = match &plan.model {
            Some(model) => Phase::Watching(Box::new(Watch::new(Arc::clone(model), &plan.settings))),
            None => Phase::Learning(Box::new(Learner::new(&plan.settings))),
        };
        let alarms = Alarms::new(plan.settings.alarms_per_day);
        Self {
            detectors: Detectors::new(plan.settings.keys),
            told: Told::new(),
            found: Vec::new(),
            id,
            plan,
            phase,
            alarms,
            origin: None,
            latest: 0.0,
            frames: 0,
            unusual: 0,
            named: 0,
        }
    }

    fn seconds(&mut self, time: Timestamp) -> f64 {
        let origin = *self.origin.get_or_insert(time);
        let ahead = time.nanos_since(origin) as f64;
        let behind = origin.nanos_since(time) as f64;
        (ahead - behind) / 1e9
    }

    fn packet(&mut self, packet: &Packet<'_>, batch: &Batch<'_>, findings: &mut Findings) {
        let now = self.seconds(packet.timestamp());
        let stepped_back = now < self.latest - STEP_BACK_S;
        self.latest = if stepped_back { now } else { self.latest.max(now) };
        self.frames += 1;
        let keys = Keys::of(packet, batch.flows, self.seed());
        let length = f64::from(packet.meta.frame_len);
        let score = match &mut self.phase {
            Phase::Learning(learner) => learner.observe(&keys, now, length),
            Phase::Training(_) => 0.0,
            Phase::Watching(watch) => {
                if stepped_back {
                    watch.restart();
                }
                let known = Known::of(&keys, |observation| watch.knows(observation));
                let scored = watch.observe(&keys, now, length);
                self.detect(packet, &keys, now, known, batch, findings);
                if scored.exceeds {
                    self.alarm(packet, &keys, &scored, now, batch, findings);
                }
                scored.score
            }
        };
        if let Some(scores) = &self.plan.scores {
            let number = packet.sequence + 1;
            scores.score(&ScoreRow { number, time: packet.timestamp(), score, key: &keys.subject });
        }
        self.end_learning(batch.offline);
    }

    /// Keys have to be those of the model.
    fn seed(&self) -> u64 {
        match &self.phase {
            Phase::Watching(watch) => watch.model().seed,
            _ => self.plan.settings.seed,
        }
    }

    fn end_learning(&mut self, offline: bool) {
        let settings = &self.plan.settings;
        match &mut self.phase {
            Phase::Learning(learner)
                if self.plan.learn.is_none() && learner.seconds() >= settings.learn_s =>
            {
                let learner = std::mem::replace(learner, Box::new(Learner::new(settings)));
                if offline {
                    self.watch(learner.finish());
                } else {
                    self.phase = Phase::Training(std::thread::spawn(move || learner.finish()));
                }
            }
            Phase::Training(thread) if thread.is_finished() => {
                let fresh = Phase::Learning(Box::new(Learner::new(settings)));
                let Phase::Training(thread) = std::mem::replace(&mut self.phase, fresh) else {
                    return;
                };
                // A panic there is a fault of umbra; the traffic is learned once more.
                match thread.join() {
                    Ok(model) => self.watch(model),
                    Err(_) => log::error!("{}: training failed, learning anew", self.id),
                }
            }
            _ => {}
        }
    }

    fn watch(&mut self, model: Model) {
        if let Some(path) = &self.plan.settings.model
            && let Err(error) = model.save(path)
        {
            log::error!("{}: the model is not saved: {error}", self.id);
        }
        let watch = Watch::new(Arc::new(model), &self.plan.settings);
        log::info!(
            "{}: learned from {} frames; alarms from a score of {:.2}",
            self.id,
            watch.model().frames(),
            watch.threshold()
        );
        self.phase = Phase::Watching(Box::new(watch));
    }

    fn alarm(
        &mut self,
        packet: &Packet<'_>,
        keys: &Keys,
        scored: &Scored,
        now: f64,
        batch: &Batch<'_>,
        findings: &mut Findings,
    ) {
        let host = keys.source.key();
        let Some(more) = self.alarms.raise(host, &causes(keys, scored), now) else { return };
        self.unusual += 1;
        let threshold = match &self.phase {
            Phase::Watching(watch) => watch.threshold(),
            _ => 0.0,
        };
        let mut evidence = vec![
            Evidence::new("subject", keys.subject.to_string()),
            Evidence::new("operation", keys.operation.protocol.as_str()),
            Evidence::new("score", scored.score),
            Evidence::new("not_told_before", more),
        ];
        if threshold.is_finite() {
            evidence.push(Evidence::new("threshold", threshold));
        }
        let reasons = scored.tests.strongest().take(REASONS).filter(|(_, p)| *p < 0.1);
        evidence.extend(reasons.map(|(test, p)| Evidence::new(reason(test), p)));
        self.report(Sid::Unusual, evidence, packet, batch, findings);
    }

    /// What detectors find, after what is told already.
    fn detect(
        &mut self,
        packet: &Packet<'_>,
        keys: &Keys,
        now: f64,
        known: Known,
        batch: &Batch<'_>,
        findings: &mut Findings,
    ) {
        let weight = if packet.meta.escalated {
            1.0
        } else {
            1e9 / f64::from(packet.meta.fraction_ppb.clamp(1, 1_000_000_000))
        };
        let mut found = std::mem::take(&mut self.found);
        self.detectors.look(&Seen { packet, keys, now, weight, known }, &mut found);
        for detection in found.drain(..) {
            let Some(left_out) = self.told.admit(&detection, now) else { continue };
            self.named += 1;
            let mut evidence = detection.evidence;
            if left_out.same > 0 {
                evidence.push(Evidence::new("same_not_told_before", left_out.same));
            }
            if left_out.others > 0 {
                evidence.push(Evidence::new("others_not_told_before", left_out.others));
            }
            self.report(detection.sid, evidence, packet, batch, findings);
        }
        self.found = found;
    }

    fn report(
        &self,
        sid: Sid,
        evidence: Vec<Evidence>,
        packet: &Packet<'_>,
        batch: &Batch<'_>,
        findings: &mut Findings,
    ) {
        let finding = Finding {
            timestamp: packet.timestamp(),
            profile: Arc::clone(&self.id),
            gid: GID,
            sid: sid as u32,
            severity: sid.severity(),
            title: sid.title().into(),
            evidence,
            flow: flow_of(packet, batch),
            place: Some((packet.meta.wire, packet.meta.direction)),
            packet_number: batch.packet_number(packet),
        };
        match packet.flow {
            Some(flow) => findings.report_on(flow, finding),
            None => findings.report(finding),
        }
    }
}

/// What the score rests on: the tests within a factor of ten of the strongest.
fn causes(keys: &Keys, scored: &Scored) -> Vec<u64> {
    let strongest = scored.tests.strongest().next().map_or(1.0, |(_, p)| p);
    let near = scored.tests.strongest().take_while(|(_, p)| *p <= 10.0 * strongest);
    near.map(|(test, _)| {
        let observation = keys.observations.get(test).copied().flatten();
        // Of the trained models and the baseline the host is all that can be said.
        let value = observation.map_or(keys.source.key(), |o| Key::new(o.context, o.value).get());
        Key::new(value, test as u64).get()
    })
    .collect()
}

/// How improbable what was: the key of an evidence.
fn reason(test: usize) -> String {
    let name = match Relation::ALL.get(test) {
        Some(relation) => relation.as_str(),
        None if test == RELATIONS => "autoencoders",
        None if test == RELATIONS + 1 => "half-space trees",
        None => "baseline",
    };
    format!("p_{}", name.replace([' ', '-'], "_").to_lowercase())
}

fn flow_of(packet: &Packet<'_>, batch: &Batch<'_>) -> Option<FindingFlow> {
    let flow = batch.flows.get(packet.flow?)?;
    let ip = packet.decoded.ip?;
    let (src_port, dst_port) = packet.decoded.ports().unwrap_or_default();
    Some(FindingFlow {
        flow_id: flow.flow_id(),
        flow_hash: packet.meta.flow_hash,
        src: ip.src,
        dst: ip.dst,
        src_port,
        dst_port,
        protocol: ip.protocol,
        vlans: packet.decoded.vlans,
        to_server: packet.to_server,
    })
}

impl Profile for Anomaly {
    fn on_batch(&mut self, batch: &Batch<'_>, findings: &mut Findings) {
        for packet in batch.iter() {
            self.packet(packet, batch, findings);
        }
    }

    fn on_tick(&mut self, _now: Timestamp, _findings: &mut Findings) {
        if matches!(self.phase, Phase::Training(_)) {
            self.end_learning(false);
        }
    }

    fn finish(&mut self, _now: Timestamp, _findings: &mut Findings) {
        let Some(learned) = &self.plan.learn else { return };
        if let Phase::Learning(learner) = &mut self.phase
            && learner.frames() > 0
        {
            let fresh = Box::new(Learner::new(&self.plan.settings));
            learned.put(std::mem::replace(learner, fresh).finish());
        }
    }

    fn summary(&self) -> Option<Box<dyn ProfileSummary>> {
        let (watching, threshold, values) = match &self.phase {
            Phase::Watching(watch) => (1, Some(watch.threshold()), watch.sizes().0),
            _ => (0, None, 0),
        };
        Some(Box::new(AnomalySummary {
            frames: self.frames,
            alarms: self.unusual,
            named: self.named,
            not_told: self.alarms.suppressed() + self.told.suppressed(),
            instances: 1,
            watching,
            threshold,
            known_values: values as u64,
        }))
    }
}

/// What instances have scored and alarmed on.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize)]
pub struct AnomalySummary {
    pub frames: u64,
    /// Of unusual traffic, within the budget.
    pub alarms: u64,
    /// Of what has a name.
    pub named: u64,
    /// Exceedances and detections that were left out.
    pub not_told: u64,
    pub instances: u64,
    /// Instances that have a model; the rest learns.
    pub watching: u64,
    /// The lowest one.
    pub threshold: Option<f64>,
    pub known_values: u64,
}

impl ProfileSummary for AnomalySummary {
    fn merge(&mut self, other: &dyn ProfileSummary) {
        let Some(other) = other.as_any().downcast_ref::<Self>() else { return };
        self.frames += other.frames;
        self.alarms += other.alarms;
        self.named += other.named;
        self.not_told += other.not_told;
        self.instances += other.instances;
        self.watching += other.watching;
        self.known_values = self.known_values.max(other.known_values);
        self.threshold = match (self.threshold, other.threshold) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
    }

    fn to_json(&self) -> serde_json::Value {
        serde_json::to_value(self).unwrap_or_default()
    }

    fn to_event(&self) -> Option<Event> {
        None
    }

    fn boxed_clone(&self) -> Box<dyn ProfileSummary> {
        Box::new(self.clone())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
