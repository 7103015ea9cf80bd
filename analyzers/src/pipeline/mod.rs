//! From records to events: decode once, defragment, find the flow, let the profiles look.
//!
//! The same pipeline runs behind rings and over captures. It works on batches, which it goes over
//! stage by stage; time is that of the records, and [`Pipeline::tick`] where there are none. It knows
//! at every moment which profile is at work on which record, so that a panic can be put down to them
//! ([`Pipeline::blame`]).

mod contexts;
mod ending;
mod expected;
mod follow;
mod live;
mod records;
mod summary;

#[cfg(test)]
mod tests;

pub use contexts::FollowCounters;
pub use ending::Ending;
pub use expected::Announcements;
pub use follow::FollowConfig;
pub use live::LiveAnalyzer;
pub(crate) use records::{app_flow, ends_of, layers, objects};
pub use summary::{PipelineCounters, PipelineSummary, ProfileTotals};

use std::cell::Cell;
use std::sync::Arc;

use umbra_tap::{Checksum, Record, RecordMeta};

use crate::app::Heading;
use crate::decode::{ChecksumState, Checksums, DecodeOptions, Decoded, Decoder, LinkType};
use crate::defrag::{DefragOptions, DefragOutcome, Defragmenter};
use crate::events::{
    DecodeAnomaly, Event, EventContext, EventSink, FlowEnd, FlowVariables, Timestamp,
};
use crate::flow::{FlowConfig, FlowId, FlowPacket, FlowTable};
use crate::profile::{Batch, Findings, NotBuilt, Packet, Plan, Profile, factory};
use crate::runner::Blame;

use follow::Follower;

/// Flows that the sweep looks at before what ended is handed on, so that neither takes long.
const SWEEP_STEPS: u32 = 1024;
/// Rounds of the sweep in one tick.
const SWEEP_ROUNDS: u32 = 64;
/// Pieces of a stream that are looked at when its flow has ended, at most.
const MOST_PIECES: u32 = 64;
/// Record time between ticks that an offline pipeline gives itself.
const OFFLINE_TICK_NS: u64 = 100_000_000;

/// How a pipeline is made.
#[derive(Clone, Copy, Debug)]
pub struct PipelineConfig {
    /// Checksums, tunnels.
    pub decode: DecodeOptions,
    /// Caps and policies for fragments.
    pub defrag: DefragOptions,
    /// Size and time-outs of the flow table.
    pub flow: FlowConfig,
    /// Streams and application layers, if a profile needs them.
    pub follow: FollowConfig,
    /// Emit an [`Event::Anomaly`] for each decode fault of each frame. They are counted always.
    pub decode_anomalies: bool,
    /// Records come from a capture: their sequence is the frame's number there (from 0), and time goes
    /// on with them alone.
    pub offline: bool,
}

impl PipelineConfig {
    /// Behind rings.
    #[must_use]
    pub fn live() -> Self {
        Self {
            decode: DecodeOptions::default(),
            defrag: DefragOptions::default(),
            flow: FlowConfig::default(),
            follow: FollowConfig::live(),
            decode_anomalies: false,
            offline: false,
        }
    }

    /// Over a capture, with flows as Suricata makes them there.
    #[must_use]
    pub fn offline() -> Self {
        Self {
            offline: true,
            flow: FlowConfig::like_suricata(),
            follow: FollowConfig::offline(),
            ..Self::live()
        }
    }
}

/// A profile at work.
struct Stage {
    id: Arc<str>,
    profile: Box<dyn Profile>,
}

/// Decode, defragmentation, flow table and profiles of one instance.
pub struct Pipeline {
    config: PipelineConfig,
    decoder: Decoder,
    defrag: Defragmenter,
    flows: FlowTable,
    /// Where a profile wants it.
    follower: Option<Follower>,
    stages: Vec<Stage>,
    findings: Findings,
    counters: PipelineCounters,
    /// Of the flows that ended, so many have been looked at for the last time.
    ends_followed: usize,
    /// Flows still to be ended because the run is over, the first last.
    leftover: Vec<(Ending, FlowId)>,
    /// Room for a batch, empty between batches.
    spare: Vec<Packet<'static>>,
    /// Index of the profile at work.
    working: Option<usize>,
    /// Index of the record that is being worked on.
    at: Cell<Option<usize>>,
    last_tick: Timestamp,
}

impl std::fmt::Debug for Pipeline {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let profiles: Vec<_> = self.stages.iter().map(|stage| &stage.id).collect();
        f.debug_struct("Pipeline")
            .field("profiles", &profiles)
            .field("flows", &self.flows)
            .field("counters", &self.counters)
            .finish_non_exhaustive()
    }
}

impl Pipeline {
    /// A pipeline that runs these profiles.
    ///
    /// # Errors
    ///
    /// If a plan is of a kind that is not built yet.
    pub fn new(config: PipelineConfig, plans: &[Plan]) -> Result<Self, NotBuilt> {
        let mut stages = Vec::with_capacity(plans.len());
        for plan in plans {
            let profile = factory(plan.kind())?.build(plan);
            stages.push(Stage { id: Arc::clone(plan.id()), profile });
        }
        Ok(Self::with_stages(config, stages))
    }

    /// A pipeline that runs these profiles, made by the caller.
    #[must_use]
    pub fn with_profiles(
        config: PipelineConfig,
        profiles: impl IntoIterator<Item = (Arc<str>, Box<dyn Profile>)>,
    ) -> Self {
        let stages = profiles.into_iter().map(|(id, profile)| Stage { id, profile }).collect();
        Self::with_stages(config, stages)
    }

    fn with_stages(config: PipelineConfig, stages: Vec<Stage>) -> Self {
        let follows = stages.iter().any(|stage| stage.profile.follows_streams());
        Self {
            config,
            decoder: Decoder::new(config.decode),
            defrag: Defragmenter::new(config.defrag),
            flows: FlowTable::new(&config.flow),
            follower: follows.then(|| {
                let mut follow = config.follow;
                for stage in &stages {
                    stage.profile.configure(&mut follow.conversation);
                }
                Follower::new(follow)
            }),
            stages,
            findings: Findings::default(),
            counters: PipelineCounters::default(),
            ends_followed: 0,
            leftover: Vec::new(),
            spare: Vec::new(),
            working: None,
            at: Cell::new(None),
            last_tick: Timestamp::ZERO,
        }
    }

    /// With what is announced known to other pipelines and theirs to it: those of one appliance that get
    /// each a share of its flows.
    #[must_use]
    pub fn sharing(mut self, announcements: &Arc<Announcements>) -> Self {
        if let Some(follower) = &mut self.follower {
            follower.share(Arc::clone(announcements));
        }
        self
    }

    /// The latest record time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.flows.now()
    }

    /// The flow table.
    #[must_use]
    pub fn flows(&self) -> &FlowTable {
        &self.flows
    }

    /// Changes how checksums are treated, from the next record on.
    pub fn set_checksums(&mut self, policy: crate::decode::ChecksumPolicy) {
        self.decoder.set_checksums(policy);
    }

    /// Who was at work, to be asked after a panic.
    #[must_use]
    pub fn blame(&self) -> Blame {
        Blame {
            profile: self.working.and_then(|at| self.stages.get(at)).map(|s| Arc::clone(&s.id)),
            record: self.at.get(),
        }
    }

    /// Analyses a batch of records, in order. A few hundred at a time are best.
    pub fn process<'r>(
        &mut self,
        records: impl IntoIterator<Item = Record<'r>>,
        link: LinkType,
        sink: &mut dyn EventSink,
        context: &EventContext,
    ) {
        self.working = None;
        // What was put together in this batch: of fragments, and of fragments that those carried.
        let (mut wholes, mut inner_wholes) = (Vec::new(), Vec::new());
        let mut packets: Vec<Packet<'_>> = reuse(std::mem::take(&mut self.spare));
        for record in records {
            let at = packets.len();
            self.at.set(Some(at));
            let mut packet = self.decode(&record, link);
            if let Some(datagram) = self.defragment(&mut packet) {
                wholes.push((at, datagram));
            }
            packets.push(packet);
        }
        for (at, datagram) in &wholes {
            self.at.set(Some(*at));
            let packet = &mut packets[*at];
            self.put_in(packet, datagram);
            if let Some(datagram) = self.defragment(packet) {
                inner_wholes.push((*at, datagram));
            }
        }
        for (at, datagram) in &inner_wholes {
            self.at.set(Some(*at));
            let packet = &mut packets[*at];
            self.put_in(packet, datagram);
            // A third time is not believed.
            packet.held_fragment |= packet.decoded.is_fragment();
        }
        for (at, packet) in packets.iter_mut().enumerate() {
            self.at.set(Some(at));
            self.find_flow(packet);
            // What is left of the flow whose place it takes comes before it.
            self.follow_ends();
            self.follow(packet);
        }
        self.at.set(None);
        self.counters.records += packets.len() as u64;
        if self.config.decode_anomalies {
            self.emit_anomalies(&packets, sink, context);
        }
        if !packets.is_empty() {
            self.run_profiles(&packets, context);
        }
        packets.clear();
        self.spare = reuse(packets);
        self.hand_on(sink, context);
        if self.config.offline && self.now().nanos_since(self.last_tick) >= OFFLINE_TICK_NS {
            self.tick(self.now(), sink, context);
        }
    }

    fn decode<'r>(&mut self, record: &Record<'r>, link: LinkType) -> Packet<'r> {
        let meta = record.meta;
        let decoded =
            self.decoder.decode_checked(record.data, meta.frame_len, link, nic_checksums(&meta));
        Packet {
            meta,
            verdict: record.verdict,
            sequence: record.sequence,
            decoded,
            counted_len: meta.frame_len,
            flow: None,
            to_server: true,
            opens_flow: false,
            quotes_flow: false,
            handshake: None,
            held_fragment: false,
        }
    }

    /// Takes a fragment in. The datagram, if it was the last one missing.
    fn defragment(&mut self, packet: &mut Packet<'_>) -> Option<Vec<u8>> {
        if !packet.decoded.is_fragment() {
            return None;
        }
        let pushed = self.defrag.push(&packet.decoded, packet.meta.timestamp_ns);
        self.decoder.count_faults(pushed.faults);
        packet.decoded.faults = packet.decoded.faults.union(pushed.faults);
        match pushed.outcome {
            DefragOutcome::Complete(whole) => Some(whole.datagram),
            DefragOutcome::NotFragment => None,
            DefragOutcome::Held | DefragOutcome::Dropped(_) => {
                packet.held_fragment = true;
                None
            }
        }
    }

    /// Puts a datagram in the place of the fragment that completed it.
    fn put_in<'d>(&mut self, packet: &mut Packet<'d>, datagram: &'d [u8]) {
        let outer = packet.decoded;
        let before = outer.datagram.as_ptr().addr().wrapping_sub(outer.frame.as_ptr().addr());
        let before = if before < outer.frame.len() { before } else { 0 };
        packet.counted_len = u32::try_from(before + datagram.len()).unwrap_or(u32::MAX);
        let inner = self.decoder.decode_ip(datagram);
        packet.decoded = Decoded {
            frame: outer.frame,
            frame_len: outer.frame_len,
            link: outer.link,
            src_mac: outer.src_mac,
            dst_mac: outer.dst_mac,
            ethertype: outer.ethertype,
            vlans: outer.vlans,
            mpls_labels: outer.mpls_labels,
            tunnels: if inner.tunnels.is_empty() { outer.tunnels } else { inner.tunnels },
            outer_ip: outer.outer_ip.or(inner.outer_ip),
            faults: outer.faults.union(inner.faults),
            ..inner
        };
    }

    fn find_flow(&mut self, packet: &mut Packet<'_>) {
        let Some(seen) = FlowPacket::new(&packet.meta, &packet.decoded, packet.counted_len) else {
            return;
        };
        let Some(observed) = self.flows.observe(&seen) else { return };
        packet.flow = Some(observed.id);
        packet.to_server = observed.to_server;
        packet.opens_flow = observed.opened;
        packet.quotes_flow = observed.quotes;
        packet.handshake = observed.handshake;
    }

    /// Brings the packet's stream and application layer up to it and lets those profiles look that
    /// follow them.
    fn follow(&mut self, packet: &Packet<'_>) {
        let Some(follower) = &mut self.follower else { return };
        let offline = self.config.offline;
        let followed = follower.follow(packet, &self.flows);
        let view = follower.view(packet, &followed, &self.flows, offline);
        for (index, stage) in self.stages.iter_mut().enumerate() {
            self.working = Some(index);
            stage.profile.on_packet(&view, &mut self.findings);
        }
        self.working = None;
        let (stages, flow) = (&self.stages, packet.flow);
        let variables = || variables_of(stages, flow);
        let (flows, findings) = (&self.flows, &mut self.findings);
        follower.settle(packet, &followed, flows, offline, &variables, findings);
    }

    /// Lets profiles look at what is left of flows that ended.
    fn follow_ends(&mut self) {
        let Some(follower) = &mut self.follower else { return };
        let Some(ended) = self.flows.ended().get(self.ends_followed..) else { return };
        self.ends_followed += ended.len();
        for ended in ended {
            for heading in Heading::ALL {
                if !follower.end(ended.id, heading, &self.flows) {
                    break;
                }
                // A stream with gaps is left in several pieces.
                let is_left = follower.is_left(ended.id, heading);
                for _ in 0..MOST_PIECES {
                    let view = follower.end_view(ended.id, heading, &self.flows);
                    let Some(view) = view else { break };
                    for (index, stage) in self.stages.iter_mut().enumerate().filter(|_| is_left) {
                        self.working = Some(index);
                        stage.profile.on_packet(&view, &mut self.findings);
                    }
                    self.working = None;
                    let (stages, flow) = (&self.stages, Some(ended.id));
                    let variables = || variables_of(stages, flow);
                    let (flows, findings) = (&self.flows, &mut self.findings);
                    follower.settle_end(ended.id, heading, flows, &variables, findings);
                    if !follower.has_more(ended.id, heading) {
                        break;
                    }
                }
            }
        }
    }

    fn emit_anomalies(
        &mut self,
        packets: &[Packet<'_>],
        sink: &mut dyn EventSink,
        context: &EventContext,
    ) {
        for packet in packets {
            for fault in packet.decoded.faults.iter() {
                let ip = packet.decoded.ip.as_ref();
                let anomaly = DecodeAnomaly {
                    timestamp: packet.timestamp(),
                    event: fault.event(),
                    addresses: ip.map(|ip| (ip.src, ip.dst)),
                    ports: packet.decoded.ports(),
                    protocol: ip.map(|ip| ip.protocol),
                    vlans: packet.decoded.vlans,
                    wire: packet.meta.wire,
                    direction: packet.meta.direction,
                    frame_len: packet.meta.frame_len,
                    packet_number: self.config.offline.then_some(packet.sequence + 1),
                    flow_id: packet
                        .flow
                        .and_then(|id| self.flows.get(id))
                        .map(|flow| flow.flow_id()),
                };
                self.counters.anomalies += 1;
                sink.emit(&Event::Anomaly(Box::new(anomaly)), context);
            }
        }
    }

    fn run_profiles(&mut self, packets: &[Packet<'_>], context: &EventContext) {
        let batch = Batch {
            packets,
            at: &self.at,
            flows: &self.flows,
            now: self.flows.now(),
            select: context.select,
            offline: self.config.offline,
        };
        for (index, stage) in self.stages.iter_mut().enumerate() {
            self.working = Some(index);
            self.at.set(None);
            stage.profile.on_batch(&batch, &mut self.findings);
        }
        self.working = None;
        self.at.set(None);
    }

    /// Tells profiles and the outside what was found and which flows ended.
    fn hand_on(&mut self, sink: &mut dyn EventSink, context: &EventContext) {
        self.follow_ends();
        for id in self.findings.drain_alerted() {
            self.flows.mark_alerted(id);
        }
        if !self.flows.ended().is_empty() {
            for (index, stage) in self.stages.iter_mut().enumerate() {
                self.working = Some(index);
                stage.profile.on_flows_ended(self.flows.ended(), &mut self.findings);
            }
            self.working = None;
            // A profile may find something in a flow as a whole.
            for id in self.findings.drain_alerted() {
                self.flows.mark_alerted(id);
            }
        }
        for event in self.findings.drain_events() {
            self.counters.findings +=
                u64::from(matches!(event, Event::Finding(_) | Event::Alert(_)));
            sink.emit(&event, context);
        }
        self.emit_ended(sink, context);
    }

    fn emit_ended(&mut self, sink: &mut dyn EventSink, context: &EventContext) {
        for ended in self.flows.ended() {
            self.counters.flows += 1;
            let mut record = Box::new(ended.record.clone());
            if let Some(follower) = &mut self.follower {
                let variables = variables_of(&self.stages, Some(ended.id));
                let (word, application) = follower.application(ended.id, variables);
                if let Some(tcp) = record.tcp
                    && let Some((tcp, state)) = follower.connection(ended.id, tcp)
                {
                    record.tcp = Some(tcp);
                    record.state = state;
                }
                record.app_proto = word;
                record.application = Some(Box::new(application));
                follower.release(ended.id);
            }
            for stage in &self.stages {
                stage.profile.measured(ended, &mut record.performance);
            }
            sink.emit(&Event::Flow(record), context);
        }
        for stage in &mut self.stages {
            for ended in self.flows.ended() {
                stage.profile.forget(ended.id);
            }
        }
        self.flows.release_ended();
        self.ends_followed = 0;
    }

    /// Time goes on: idle flows end, profiles do what they do now and then.
    pub fn tick(&mut self, now: Timestamp, sink: &mut dyn EventSink, context: &EventContext) {
        self.last_tick = now;
        for _ in 0..SWEEP_ROUNDS {
            let more = self.flows.sweep(now, SWEEP_STEPS);
            self.hand_on(sink, context);
            if !more {
                break;
            }
        }
        self.defrag.tick(now.as_nanos());
        for (index, stage) in self.stages.iter_mut().enumerate() {
            self.working = Some(index);
            stage.profile.on_tick(now, &mut self.findings);
        }
        self.working = None;
        self.hand_on(sink, context);
    }

    /// The run ends with the latest record: all flows end, profiles say their last.
    pub fn finish(&mut self, sink: &mut dyn EventSink, context: &EventContext) {
        if self.config.offline {
            self.list_leftover();
            self.finish_up_to(None, self.now(), sink, context);
        }
        self.finish_at(self.now(), sink, context);
    }

    /// The run ends at a record time of which other instances know.
    pub fn finish_at(&mut self, now: Timestamp, sink: &mut dyn EventSink, context: &EventContext) {
        loop {
            let more = self.flows.finish(now, SWEEP_STEPS, FlowEnd::Shutdown);
            self.hand_on(sink, context);
            if !more {
                break;
            }
        }
        for (index, stage) in self.stages.iter_mut().enumerate() {
            self.working = Some(index);
            stage.profile.finish(now, &mut self.findings);
        }
        self.working = None;
        self.hand_on(sink, context);
    }

    /// After a panic of a profile: the flows are saved as records that were forced to end, what was
    /// found is handed on, and no profile is asked.
    pub fn abandon(&mut self, sink: &mut dyn EventSink, context: &EventContext) {
        let now = self.now();
        for event in self.findings.drain_events() {
            sink.emit(&event, context);
        }
        loop {
            let more = self.flows.finish(now, SWEEP_STEPS, FlowEnd::Forced);
            self.emit_ended(sink, context);
            if !more {
                break;
            }
        }
    }

    /// What has been counted so far.
    #[must_use]
    pub fn summary(&self) -> PipelineSummary {
        let follower = self.follower.as_ref();
        PipelineSummary {
            counters: self.counters,
            decode: self.decoder.counters().clone(),
            defrag: self.defrag.counters().clone(),
            flow: self.flows.counters(),
            flows_live: u64::from(self.flows.live()),
            flow_memory_bytes: self.flows.memory_bytes() as u64,
            stream: follower.map(Follower::counters).unwrap_or_default(),
            profile_memory_bytes: self
                .stages
                .iter()
                .map(|stage| stage.profile.memory_bytes() as u64)
                .sum(),
            defrag_memory_bytes: self.defrag.memory() as u64,
            stream_memory_bytes: follower.map_or(0, Follower::stream_bytes),
            follow: follower.map(Follower::given_up).unwrap_or_default(),
            app_memory_bytes: follower.map_or(0, Follower::conversation_bytes),
            follow_memory_bytes: follower.map_or(0, Follower::context_bytes),
            profiles: self
                .stages
                .iter()
                .filter_map(|stage| {
                    let summary = stage.profile.summary()?;
                    Some(ProfileTotals { id: Arc::clone(&stage.id), summary })
                })
                .collect(),
        }
    }
}

/// What rules have noted about a flow.
fn variables_of(stages: &[Stage], flow: Option<FlowId>) -> FlowVariables {
    let Some(flow) = flow else { return FlowVariables::default() };
    stages.iter().find_map(|stage| stage.profile.variables_of(flow)).unwrap_or_default()
}

/// What the NIC said, in the decoder's words.
fn nic_checksums(meta: &RecordMeta) -> Checksums {
    let state = |checksum| match checksum {
        Checksum::Unknown => ChecksumState::Unchecked,
        Checksum::Good => ChecksumState::Good,
        Checksum::Bad => ChecksumState::Bad,
        Checksum::Absent => ChecksumState::Absent,
    };
    Checksums { ip: state(meta.ip_checksum), l4: state(meta.l4_checksum) }
}

/// The room of an empty vector for packets of another batch. Collecting in place keeps the
/// allocation; that nothing is in it makes the types agree without unsafe code.
fn reuse<'to>(mut packets: Vec<Packet<'_>>) -> Vec<Packet<'to>> {
    packets.clear();
    packets.into_iter().map(|_| unreachable!("the vector is empty")).collect()
}
