//! The replay itself: reads, samples, shards, and keeps all instances on the capture's clock.

use std::collections::BTreeMap;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

use umbra_analyzers::decode::{ChecksumPolicy, LinkType};
use umbra_analyzers::events::{EventContext, EventSink, Timestamp};
use umbra_analyzers::ids::IdsPlan;
use umbra_analyzers::pipeline::{Announcements, Ending, Pipeline, PipelineConfig, PipelineSummary};
use umbra_analyzers::profile::{Plan, ProfileConfig, ProfileKind, factory};
use umbra_tap::Distribute;

use crate::pcap::{CaptureReader, CapturedFrame, DataLink};

use super::batch::{FrameBatch, Tapped};
use super::error::ReplayError;
use super::offload::{OffloadProbe, PROBE_BYTES, PROBE_FRAMES};
use super::options::{ChecksumMode, ReplayOptions};
use super::report::{ChecksumDecision, LinkFrames, ReplayReport};
use super::sampling::Sampler;

/// Frames of a batch, as behind a ring.
const BATCH_FRAMES: usize = 128;
/// Bytes after which a batch is not filled further.
const BATCH_BYTES: usize = 1 << 20;
/// Capture time after which idle instances are told that time went on.
const TICK_NS: u64 = 100_000_000;

/// Analyses a capture and gives the events to `sink` in an order that depends on capture and options
/// alone.
///
/// # Errors
/// When nothing of the capture can be read, or a profile cannot be built. A panic in an analyzer is
/// caught and named; what was found until then has reached the sink.
pub fn run(options: &ReplayOptions, sink: &mut dyn EventSink) -> Result<ReplayReport, ReplayError> {
    let plans = options.profiles.iter().map(plan).collect::<Result<Vec<_>, _>>()?;
    tell_of_rules(&plans, options.strict)?;
    let mut reader = CaptureReader::open(&options.capture)?;
    let started = Instant::now();
    let mut head = FrameBatch::default();
    let mut probe = OffloadProbe::default();
    if options.checksums == ChecksumMode::Auto {
        while head.len() < PROBE_FRAMES && head.bytes() < PROBE_BYTES {
            let Some(frame) = reader.next_frame() else { break };
            probe.observe(frame.link_type, frame.data);
            head.push(&frame, Tapped { flow_hash: 0, fraction_ppb: 0 }, usize::MAX);
        }
    }
    let seen = probe.verdict();
    let verified = match options.checksums {
        ChecksumMode::All => true,
        ChecksumMode::None => false,
        ChecksumMode::Auto => seen.source.is_none(),
    };
    let mut replay = Replay::new(options, verified, &plans, sink)?;
    for frame in head.captured() {
        replay.frame(&frame)?;
    }
    drop(head);
    while let Some(frame) = reader.next_frame() {
        replay.frame(&frame)?;
    }
    let analysis = replay.finish()?;
    let Replay { counts, .. } = replay;
    Ok(ReplayReport {
        appliance: options.appliance.clone(),
        capture: options.capture.clone(),
        format: reader.format(),
        remarks: reader.remarks().to_vec(),
        end: reader.into_end(),
        frames: counts.frames,
        bytes: counts.bytes,
        captured_bytes: counts.captured_bytes,
        span_ns: counts.span_ns,
        links: counts.links_by_frames(),
        sampling: options.sampling,
        instances: options.instances.max(1),
        selected: counts.selected,
        analysed: counts.analysed,
        checksums: ChecksumDecision { mode: options.checksums, verified, seen },
        analysis,
        elapsed: started.elapsed(),
    })
}

fn plan(config: &ProfileConfig) -> Result<Plan, ReplayError> {
    factory(config.kind)?
        .validate(config)
        .map_err(|errors| ReplayError::Profile { id: config.id.clone(), errors })
}

/// Names every rule that did not load.
fn tell_of_rules(plans: &[Plan], strict: bool) -> Result<(), ReplayError> {
    let mut count = 0;
    for report in plans.iter().filter_map(IdsPlan::of).map(IdsPlan::report) {
        report.lines.iter().for_each(|line| log::warn!("{line}"));
        report.errors.iter().for_each(|error| log::warn!("not loaded: {error}"));
        report.skipped.iter().for_each(|error| log::info!("skipped: {error}"));
        report.warnings.iter().for_each(|warning| log::info!("{warning}"));
        count += report.errors.len();
    }
    if strict && count > 0 { Err(ReplayError::Rules { count }) } else { Ok(()) }
}

#[derive(Debug, Default)]
struct Counts {
    frames: u64,
    bytes: u64,
    captured_bytes: u64,
    span_ns: Option<(u64, u64)>,
    links: BTreeMap<DataLink, u64>,
    selected: u64,
    analysed: u64,
}

impl Counts {
    fn frame(&mut self, frame: &CapturedFrame<'_>) {
        self.frames += 1;
        self.bytes += u64::from(frame.wire_len);
        self.captured_bytes += frame.data.len() as u64;
        let time = frame.timestamp_ns;
        self.span_ns = Some(self.span_ns.map_or((time, time), |(a, b)| (a.min(time), b.max(time))));
        *self.links.entry(frame.link_type).or_default() += 1;
    }

    fn links_by_frames(&self) -> Vec<LinkFrames> {
        let mut links: Vec<_> = self
            .links
            .iter()
            .map(|(&link_type, &frames)| LinkFrames { link_type, frames })
            .collect();
        links.sort_by_key(|link| std::cmp::Reverse(link.frames));
        links
    }
}

struct Instance {
    pipeline: Pipeline,
    context: EventContext,
}

/// Consecutive frames of the batch that one instance gets.
#[derive(Debug)]
struct Share {
    instance: usize,
    frames: Range<usize>,
}

/// A replay under way.
struct Replay<'s> {
    sink: &'s mut dyn EventSink,
    sampler: Sampler,
    distribute: Distribute,
    fraction_ppb: u32,
    snaplen: usize,
    instances: Vec<Instance>,
    counts: Counts,
    /// Frames that wait, and who gets them, in the capture's order: what rules remember of hosts is
    /// shared by all instances, so that who comes first makes a difference.
    batch: FrameBatch,
    shares: Vec<Share>,
    link: Option<DataLink>,
    /// Latest stamp so far, and that of the latest tick.
    clock_ns: u64,
    ticked_ns: u64,
}

impl<'s> Replay<'s> {
    fn new(
        options: &ReplayOptions,
        verified: bool,
        plans: &[Plan],
        sink: &'s mut dyn EventSink,
    ) -> Result<Self, ReplayError> {
        let count = options.instances.max(1);
        let mut config = PipelineConfig::offline();
        config.decode.checksums = if verified { ChecksumPolicy::All } else { ChecksumPolicy::None };
        config.decode_anomalies = options.anomalies;
        // Rules count on flows as Suricata makes them; who measures wants each attempt.
        config.flow.attempts_apart = !plans.iter().any(|plan| plan.kind() == ProfileKind::Ids);
        let fraction_ppb = options.sampling.percentage.fraction_ppb();
        let announcements = Arc::<Announcements>::default();
        let pipeline = || -> Result<_, ReplayError> {
            if options.sampling.distribute == Distribute::Shard {
                return Ok(Pipeline::new(config, plans)?.sharing(&announcements));
            }
            // A replica sees everything itself.
            let apart = plans.iter().map(|plan| Ok(factory(plan.kind())?.apart(plan)));
            Ok(Pipeline::new(config, &apart.collect::<Result<Vec<_>, ReplayError>>()?)?)
        };
        let instances = (0..count)
            .map(|number| {
                Ok(Instance {
                    pipeline: pipeline()?,
                    context: EventContext {
                        appliance: options.appliance.as_str().into(),
                        instance: u32::try_from(number).ok(),
                        fraction_ppb,
                        select: options.sampling.select,
                        epoch: 0,
                    },
                })
            })
            .collect::<Result<Vec<_>, ReplayError>>()?;
        Ok(Self {
            sink,
            sampler: Sampler::new(options.sampling, count),
            distribute: options.sampling.distribute,
            fraction_ppb,
            snaplen: options.snaplen_bytes.map_or(usize::MAX, |bytes| bytes as usize),
            instances,
            counts: Counts::default(),
            batch: FrameBatch::default(),
            shares: Vec::new(),
            link: None,
            clock_ns: 0,
            ticked_ns: 0,
        })
    }

    fn frame(&mut self, frame: &CapturedFrame<'_>) -> Result<(), ReplayError> {
        self.counts.frame(frame);
        self.clock_ns = self.clock_ns.max(frame.timestamp_ns);
        let choice = self.sampler.choose(frame.link_type, frame.data);
        if choice.selected {
            self.counts.selected += 1;
            if self.link.is_some_and(|link| link != frame.link_type) {
                self.flush()?;
            }
            self.link = Some(frame.link_type);
            let tapped = Tapped { flow_hash: choice.flow_hash, fraction_ppb: self.fraction_ppb };
            let at = self.batch.len();
            self.batch.push(frame, tapped, self.snaplen);
            match (self.distribute, self.shares.last_mut()) {
                (Distribute::Shard, Some(share)) if share.instance == choice.instance => {
                    share.frames.end = at + 1;
                }
                (Distribute::Shard, _) => {
                    self.shares.push(Share { instance: choice.instance, frames: at..at + 1 });
                }
                (Distribute::Replicate, _) => {}
            }
        }
        let full = match self.distribute {
            Distribute::Shard => BATCH_FRAMES * self.instances.len(),
            Distribute::Replicate => BATCH_FRAMES,
        };
        if self.batch.len() >= full || self.batch.bytes() >= BATCH_BYTES {
            self.flush()?;
        }
        // Instances that get few frames, or none for lack of selection, live on the same clock.
        if self.clock_ns.saturating_sub(self.ticked_ns) >= TICK_NS {
            self.flush()?;
            self.tick()?;
        }
        Ok(())
    }

    /// What waits is analysed.
    fn flush(&mut self) -> Result<(), ReplayError> {
        let link = LinkType::from_dlt(self.link.map_or(DataLink::ETHERNET.0, |link| link.0));
        if self.distribute == Distribute::Replicate {
            let all = 0..self.batch.len();
            let everybody = 0..self.instances.len();
            self.shares =
                everybody.map(|instance| Share { instance, frames: all.clone() }).collect();
        }
        debug_assert!(self.batch.is_empty() || self.batch.link() == self.link);
        for Share { instance, frames } in self.shares.drain(..).filter(|s| !s.frames.is_empty()) {
            let Some(instance) = self.instances.get_mut(instance) else { continue };
            self.counts.analysed += frames.len() as u64;
            let (batch, sink) = (&self.batch, &mut *self.sink);
            contain(
                instance,
                |at| batch.number(at.map_or(frames.end - 1, |at| frames.start + at)),
                |instance| {
                    let Instance { pipeline, context } = instance;
                    pipeline.process(batch.records(frames.clone()), link, sink, context);
                },
            )?;
        }
        self.batch.clear();
        Ok(())
    }

    fn tick(&mut self) -> Result<(), ReplayError> {
        self.ticked_ns = self.clock_ns;
        for instance in &mut self.instances {
            contain(
                instance,
                |_| None,
                |Instance { pipeline, context }| {
                    pipeline.tick(Timestamp(self.clock_ns), self.sink, context);
                },
            )?;
        }
        Ok(())
    }

    /// Analyses the rest, ends all flows and adds up what the instances counted.
    fn finish(&mut self) -> Result<PipelineSummary, ReplayError> {
        self.flush()?;
        self.tick()?;
        let end = Timestamp(self.clock_ns);
        self.instances.iter_mut().for_each(|instance| instance.pipeline.list_leftover());
        while let Some((first, turn)) = self.whose_turn() {
            let Some(instance) = self.instances.get_mut(first) else { break };
            contain(
                instance,
                |_| None,
                |Instance { pipeline, context }| {
                    pipeline.finish_up_to(turn, end, self.sink, context);
                },
            )?;
        }
        let mut all = PipelineSummary::default();
        for instance in &mut self.instances {
            contain(
                instance,
                |_| None,
                |Instance { pipeline, context }| {
                    pipeline.finish_at(end, self.sink, context);
                },
            )?;
            all.merge(&instance.pipeline.summary());
        }
        Ok(all)
    }

    /// The instance whose flow is the next to end because the capture does, and when it is another's turn.
    fn whose_turn(&self) -> Option<(usize, Option<Ending>)> {
        let mut turns: Vec<_> = (0..)
            .zip(&self.instances)
            .filter_map(|(at, instance)| Some((instance.pipeline.next_ending()?, at)))
            .collect();
        turns.sort_unstable();
        let (_, first) = turns.first()?;
        Some((*first, turns.get(1).map(|(turn, _)| *turn)))
    }
}

/// Runs a call into a pipeline; a panic becomes an error that names frame and profile. The pipeline is
/// not used after that. `number` gives the number in the capture of a record that was worked on.
fn contain(
    instance: &mut Instance,
    number: impl Fn(Option<usize>) -> Option<u64>,
    call: impl FnOnce(&mut Instance),
) -> Result<(), ReplayError> {
    catch_unwind(AssertUnwindSafe(|| call(instance))).map_err(|panic| {
        let blame = instance.pipeline.blame();
        let message = panic
            .downcast_ref::<&str>()
            .map(|text| (*text).to_owned())
            .or_else(|| panic.downcast_ref::<String>().cloned())
            .unwrap_or_else(|| "a panic without a message".to_owned());
        let frame = number(blame.record).unwrap_or(0);
        ReplayError::Panicked { frame, profile: blame.profile, message }
    })
}
