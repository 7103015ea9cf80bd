use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, unbounded};
use proptest::prelude::*;
use umbra_tap::{InstanceCounters, Producer, ring};

use super::*;
use crate::events::{FlowRecord, FlowState, PerformanceSummary, SummarySpan};
use crate::flow::FlowId;
use crate::profile::{EndedFlow, ProfileConfig, ProfileKind};
use crate::runner::{
    ConsumedCell, CrashReport, InstanceCommand, InstanceConfig, InstanceEvent, InstanceHandle,
    InstanceRing,
};
use crate::testing::{TestRecord, arp, records, tcp, traffic, udp, udp_in_fragments};

const A: ([u8; 4], u16) = ([10, 0, 0, 1], 40_000);
const B: ([u8; 4], u16) = ([10, 0, 0, 2], 53);
const SECOND: u64 = 1_000_000_000;

fn context() -> EventContext {
    EventContext::whole("test", Some(0))
}

fn performance() -> Plan {
    let factory = factory(ProfileKind::Performance).unwrap();
    factory.validate(&ProfileConfig::standard(ProfileKind::Performance)).unwrap()
}

fn run(config: PipelineConfig, frames: &[TestRecord], batch: usize) -> Vec<Event> {
    let mut pipeline = Pipeline::new(config, &[performance()]).unwrap();
    let mut events = Vec::new();
    let records: Vec<_> = records(frames).collect();
    for batch in records.chunks(batch) {
        pipeline.process(batch.iter().copied(), LinkType::Ethernet, &mut events, &context());
    }
    pipeline.finish(&mut events, &context());
    events
}

fn flows(events: &[Event]) -> Vec<FlowRecord> {
    let mut flows: Vec<_> = events
        .iter()
        .filter_map(|event| match event {
            Event::Flow(flow) => Some((**flow).clone()),
            _ => None,
        })
        .collect();
    flows.sort_by_key(|flow| (flow.start, flow.flow_id));
    flows
}

fn total(events: &[Event]) -> PerformanceSummary {
    events
        .iter()
        .find_map(|event| match event {
            Event::Performance(summary) if summary.span == SummarySpan::Total => {
                Some((**summary).clone())
            }
            _ => None,
        })
        .unwrap()
}

#[test]
fn records_do_not_depend_on_the_batch() {
    let frames = traffic(300, SECOND, 40 * SECOND);
    let whole = run(PipelineConfig::offline(), &frames, usize::MAX);
    for batch in [1, 7, 128] {
        let events = run(PipelineConfig::offline(), &frames, batch);
        assert!(flows(&events) == flows(&whole), "batches of {batch}");
        assert_eq!(total(&events), total(&whole));
    }
    let packets: u64 = flows(&whole).iter().map(FlowRecord::packets).sum();
    assert_eq!(packets, frames.len() as u64);
}

#[test]
fn a_datagram_in_fragments_is_one_packet_of_its_flow() {
    let payload = vec![0x55; 3000];
    let mut frames = vec![TestRecord::new(1, udp(B, A, b"question"))];
    for (i, frame) in udp_in_fragments(A, B, &payload, 1480).into_iter().enumerate() {
        frames.push(TestRecord::new(2 + i as u64, frame));
    }
    assert_eq!(frames.len(), 4);
    for batch in [1, 4] {
        let events = run(PipelineConfig::offline(), &frames, batch);
        let flows = flows(&events);
        assert_eq!(flows.len(), 1);
        assert_eq!(flows[0].to_client.packets, 1);
        assert_eq!(flows[0].to_client.bytes, 14 + 20 + 8 + 3000);
        assert_eq!(flows[0].state, FlowState::Established);
        assert_eq!(total(&events).packets.observed, 4);
    }
}

#[test]
fn decode_faults_are_counted_and_told_only_if_asked_for() {
    let mut broken = udp(A, B, b"x");
    broken[14] = 0x41;
    let frames = [TestRecord::new(1, broken), TestRecord::new(2, udp(A, B, b"x"))];
    let quiet = run(PipelineConfig::offline(), &frames, 2);
    assert!(!quiet.iter().any(|event| matches!(event, Event::Anomaly(_))));
    assert_eq!(total(&quiet).faulty_packets, 1);
    let config = PipelineConfig { decode_anomalies: true, ..PipelineConfig::offline() };
    let events = run(config, &frames, 2);
    let anomalies: Vec<_> = events
        .iter()
        .filter_map(|event| match event {
            Event::Anomaly(anomaly) => Some((anomaly.event, anomaly.packet_number)),
            _ => None,
        })
        .collect();
    assert_eq!(anomalies, [("ipv4.hlen_too_small", Some(1))]);
}

#[test]
fn kinds_that_are_not_built_make_no_pipeline() {
    let plan = Plan::new("Fuzzing", ProfileKind::Fuzzing, ());
    let error = Pipeline::new(PipelineConfig::live(), &[plan]).unwrap_err();
    assert!(error.to_string().contains("not built yet"));
}

/// Looks at every packet, keeps what it is told about flows, panics on a payload `die`.
#[derive(Default)]
struct Probe {
    seen: Arc<AtomicU64>,
    flows: Vec<FlowId>,
    ended: Arc<AtomicU64>,
}

impl Profile for Probe {
    fn on_batch(&mut self, batch: &Batch<'_>, _findings: &mut Findings) {
        for packet in batch.iter() {
            assert!(packet.decoded.payload != b"die", "told to");
            self.seen.fetch_add(1, Ordering::AcqRel);
            if let Some(id) = packet.flow {
                // Also flows that ended within this batch can be read.
                assert!(batch.flows.get(id).is_some());
                self.flows.push(id);
            }
        }
    }
    fn on_flows_ended(&mut self, ended: &[EndedFlow], _findings: &mut Findings) {
        assert!(ended.iter().all(|flow| self.flows.contains(&flow.id)));
        self.ended.fetch_add(ended.len() as u64, Ordering::AcqRel);
    }
    fn on_tick(&mut self, _now: Timestamp, _findings: &mut Findings) {}
    fn finish(&mut self, _now: Timestamp, _findings: &mut Findings) {}
}

#[test]
fn profiles_are_told_of_every_flow_that_ends_once() {
    let probe = Probe::default();
    let ended = Arc::clone(&probe.ended);
    let stages: [(Arc<str>, Box<dyn Profile>); 1] = [(Arc::from("probe"), Box::new(probe))];
    let mut pipeline = Pipeline::with_profiles(PipelineConfig::offline(), stages);
    let frames = traffic(200, SECOND, 400 * SECOND);
    let mut events = Vec::new();
    pipeline.process(records(&frames), LinkType::Ethernet, &mut events, &context());
    pipeline.finish(&mut events, &context());
    assert_eq!(ended.load(Ordering::Acquire), flows(&events).len() as u64);
    assert_eq!(pipeline.summary().counters.flows, flows(&events).len() as u64);
}

#[test]
fn ticks_end_idle_flows_by_the_records_clock() {
    let frames = [TestRecord::new(5 * SECOND, udp(A, B, b"x")), TestRecord::new(6 * SECOND, arp())];
    let pipeline = Pipeline::with_profiles(PipelineConfig::live(), []);
    let mut live = LiveAnalyzer::over(pipeline, Box::new(Vec::new()), Arc::new(context()));
    let (mut producer, mut consumer) = ring(1 << 16).unwrap();
    push(&mut producer, &frames);
    crate::runner::Analyzer::analyse(&mut live, &consumer.take(10));
    // The instance's own clock is far from the records': only its differences count.
    let clock = Timestamp::from_secs(1_900_000_000);
    for (seconds, live_flows) in [(0, 1), (28, 1), (31, 0)] {
        let now = clock + Duration::from_secs(seconds);
        crate::runner::Analyzer::tick(&mut live, now);
        assert_eq!(live.pipeline().flows().live(), live_flows, "after {seconds} s");
    }
}

fn push(producer: &mut Producer, frames: &[TestRecord]) {
    for frame in frames {
        producer.push(&frame.meta, u32::MAX, [&frame.data[..]].into_iter()).unwrap();
    }
    producer.publish();
}

fn wait(what: &str, mut condition: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(60);
    while !condition() {
        assert!(Instant::now() < end, "waited a minute for {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Collects events of an instance's thread.
struct Channel(crossbeam::channel::Sender<Event>);

impl EventSink for Channel {
    fn emit(&mut self, event: &Event, _context: &EventContext) {
        let _ = self.0.send(event.clone());
    }
}

struct Rig {
    handle: InstanceHandle<PipelineSummary>,
    told: Receiver<InstanceEvent>,
    events: Receiver<Event>,
    rings: Vec<(Producer, Arc<ConsumedCell>)>,
}

impl Rig {
    /// An instance with a pipeline and `rings` rings.
    fn new(rings: usize, pipeline: impl FnOnce() -> Pipeline + Send + 'static) -> Self {
        let (told_by, told) = unbounded();
        let (sink, events) = unbounded();
        let config = InstanceConfig::new(0, None);
        let handle = InstanceHandle::spawn(config, told_by, move || {
            let sink = Box::new(Channel(sink));
            Box::new(LiveAnalyzer::over(pipeline(), sink, Arc::new(context())))
                as Box<dyn crate::runner::Analyzer<Summary = PipelineSummary>>
        })
        .unwrap();
        let rings = (0..rings)
            .map(|id| {
                let (producer, consumer) = ring(1 << 22).unwrap();
                let consumed = Arc::new(ConsumedCell::new());
                let ring =
                    InstanceRing { id: id as u64, consumer, consumed: Arc::clone(&consumed) };
                handle.send(InstanceCommand::AddRing(Box::new(ring))).unwrap();
                (producer, consumed)
            })
            .collect();
        Self { handle, told, events, rings }
    }

    fn consumed(&self, ring: usize) -> InstanceCounters {
        let mut words = [0; InstanceCounters::WORDS];
        while !self.rings[ring].1.read_into(&mut words) {}
        InstanceCounters::from_words(words)
    }

    /// Drops the producers, drains, and gives the events.
    fn drain(self) -> Vec<Event> {
        self.handle.send(InstanceCommand::Stop { drain: true }).unwrap();
        drop(self.rings);
        self.handle.join();
        self.events.try_iter().collect()
    }
}

fn wait_for_crash(told: &Receiver<InstanceEvent>) -> Box<CrashReport> {
    loop {
        match told.recv_timeout(Duration::from_secs(60)).unwrap() {
            InstanceEvent::Crashed(report) => return report,
            InstanceEvent::RingDone { .. } => {}
            InstanceEvent::Ended { .. } => panic!("the instance ended in peace"),
        }
    }
}

#[test]
fn a_panicking_profile_is_named_with_its_packet_and_the_flows_are_saved() {
    let seen = Arc::new(AtomicU64::new(0));
    let theirs = Arc::clone(&seen);
    let mut rig = Rig::new(1, move || {
        // Comes first and has nothing to do with it.
        let quiet: Box<dyn Profile> =
            factory(ProfileKind::Performance).unwrap().build(&performance());
        let probe: Box<dyn Profile> = Box::new(Probe { seen: theirs, ..Probe::default() });
        let stages = [(Arc::from("quiet"), quiet), (Arc::from("probe"), probe)];
        Pipeline::with_profiles(PipelineConfig::live(), stages)
    });
    let good: Vec<_> = (0..20).map(|i| TestRecord::new(SECOND + i, udp(A, B, b"live"))).collect();
    push(&mut rig.rings[0].0, &good);
    wait("the first records", || seen.load(Ordering::Acquire) == 20);
    wait("their account", || rig.consumed(0).analysed == 20);
    rig.handle.send(InstanceCommand::Pause).unwrap();
    let bad = [
        TestRecord::new(2 * SECOND, udp(B, A, b"live")),
        TestRecord::new(2 * SECOND + 1, tcp(A, B, 2, 1, 0, b"")),
        TestRecord::new(2 * SECOND + 2, udp(A, B, b"die")),
        TestRecord::new(2 * SECOND + 3, udp(A, B, b"unseen")),
    ];
    push(&mut rig.rings[0].0, &bad);
    rig.handle.send(InstanceCommand::Resume).unwrap();
    let report = wait_for_crash(&rig.told);
    assert_eq!(report.blame.profile.as_deref(), Some("probe"));
    assert_eq!(report.message, "told to");
    assert_eq!(report.packets[report.blame.record.unwrap()].data, bad[2].data);
    let consumed = rig.consumed(0);
    assert_eq!((consumed.taken, consumed.analysed, consumed.lost_in_crash), (24, 20, 4));
    assert_eq!(consumed.in_hand(), 0);
    let Rig { handle, events, .. } = rig;
    handle.join();
    let events: Vec<_> = events.try_iter().collect();
    let flows = flows(&events);
    assert_eq!(flows.len(), 2);
    assert!(flows.iter().all(|flow| flow.reason == FlowEnd::Forced));
    assert_eq!(flows.iter().map(FlowRecord::packets).sum::<u64>(), 24);
}

#[test]
fn every_record_of_several_rings_is_accounted_for_at_every_snapshot() {
    let mut rig = Rig::new(3, || Pipeline::new(PipelineConfig::live(), &[performance()]).unwrap());
    let frames = traffic(400, SECOND, 20 * SECOND);
    let mut pushed = [0u64; 3];
    for (i, chunk) in frames.chunks(50).enumerate() {
        let at = i % 3;
        push(&mut rig.rings[at].0, chunk);
        pushed[at] += chunk.len() as u64;
        for (ring, pushed) in pushed.iter().enumerate() {
            let consumed = rig.consumed(ring);
            assert!(consumed.taken <= *pushed);
            assert!(consumed.in_hand() >= 0);
        }
    }
    for (ring, pushed) in pushed.iter().enumerate() {
        wait("the rings to be empty", || rig.consumed(ring).analysed == *pushed);
        let consumed = rig.consumed(ring);
        assert_eq!((consumed.taken, consumed.in_hand()), (*pushed, 0));
        assert_eq!((consumed.discarded, consumed.lost_in_crash), (0, 0));
    }
    let events = rig.drain();
    assert_eq!(total(&events).packets.observed, frames.len() as u64);
}

/// Runs traffic through `instances` pipelines, sharded by hash, and adds up what they counted.
fn sharded(frames: &[TestRecord], instances: usize) -> (Vec<FlowRecord>, PerformanceSummary) {
    let mut records_of = Vec::new();
    let mut merged: Option<PipelineSummary> = None;
    for instance in 0..instances {
        let mine: Vec<_> = frames
            .iter()
            .filter(|frame| umbra_tap::shard(frame.meta.flow_hash, instances) == instance)
            .cloned()
            .collect();
        let mut pipeline = Pipeline::new(PipelineConfig::offline(), &[performance()]).unwrap();
        let mut events = Vec::new();
        let records: Vec<_> = records(&mine).collect();
        for batch in records.chunks(100) {
            pipeline.process(batch.iter().copied(), LinkType::Ethernet, &mut events, &context());
        }
        let summary = pipeline.summary();
        // Records say when they were written: all instances end at the same time.
        let end = frames.iter().map(|frame| frame.meta.timestamp_ns).max().unwrap_or(0);
        pipeline.finish_at(Timestamp(end), &mut events, &context());
        records_of.extend(flows(&events));
        match &mut merged {
            Some(merged) => merged.merge(&summary),
            None => merged = Some(summary),
        }
    }
    records_of.sort_by_key(|flow| (flow.start, flow.flow_id));
    let merged = merged.unwrap();
    assert_eq!(merged.counters.records, frames.len() as u64);
    let Some(Event::Performance(summary)) = merged.profiles[0].summary.to_event() else {
        panic!("no summary")
    };
    (records_of, *summary)
}

#[test]
fn instances_together_count_what_one_alone_does() {
    let frames = traffic(900, 1_000 * SECOND, 60 * SECOND);
    let (flows, alone) = sharded(&frames, 1);
    for instances in [2, 4] {
        let (theirs, merged) = sharded(&frames, instances);
        assert!(theirs == flows, "{instances} instances tell of other flows");
        assert_eq!(merged, alone, "{instances} instances");
    }
    assert_eq!(alone.packets.observed, frames.len() as u64);
    assert_eq!(alone.flows.observed, 900);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn wild_frames_and_wild_clocks_are_counted_once(
        bytes in prop::collection::vec((0usize..400, 0usize..60, any::<u8>()), 0..300),
        stamps in prop::collection::vec((0usize..400, any::<u64>()), 0..20),
        cuts in prop::collection::vec((0usize..400, 0usize..100), 0..40),
        fraction_ppb in 0u32..1_100_000_000,
        batch in 1usize..200,
    ) {
        let mut frames = traffic(60, 1_700_000_000 * SECOND, 20 * SECOND);
        let count = frames.len();
        for (frame, at, value) in bytes {
            let data = &mut frames[frame % count].data;
            let len = data.len();
            data[at % len] = value;
        }
        for (frame, stamp) in stamps {
            frames[frame % count].meta.timestamp_ns = stamp;
        }
        for (frame, len) in cuts {
            frames[frame % count].data.truncate(len.max(1));
        }
        for frame in &mut frames {
            frame.meta.fraction_ppb = fraction_ppb;
        }
        for config in [PipelineConfig::live(), PipelineConfig::offline()] {
            let mut config = config;
            config.flow.max_flows = 32;
            config.flow.lone_icmp_errors = true;
            let events = run(config, &frames, batch);
            let total = total(&events);
            prop_assert_eq!(total.packets.observed, count as u64);
            prop_assert!(total.packets.estimate.is_finite());
            prop_assert!(total.packets.ci95.iter().all(|bound| bound.is_finite()));
            let in_flows: u64 = flows(&events).iter().map(FlowRecord::packets).sum();
            let ip: u64 = total
                .network
                .iter()
                .filter(|row| row.name.starts_with("ipv"))
                .map(|row| row.packets)
                .sum();
            // Fragments that were never put together are in no flow.
            prop_assert!(in_flows <= ip);
        }
    }
}
