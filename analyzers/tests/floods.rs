//! Floods that are made to exhaust memory, through the whole pipeline with rules.
//!
//! What is held stays below what is configured, what had to go is counted, and ordinary connections that
//! run in between are still analysed, or their loss is counted as well. Each flood runs here with small
//! caps and is over in a second or so; with stock caps and a million connections each is run by
//! `scripts/test floods`.

use std::path::PathBuf;

use umbra_analyzers::decode::{ChecksumPolicy, DecodeOptions, LinkType};
use umbra_analyzers::events::{Event, EventContext, EventSink, Timestamp};
use umbra_analyzers::ids::IdsFactory;
use umbra_analyzers::pipeline::{Pipeline, PipelineConfig, PipelineSummary};
use umbra_analyzers::profile::{Plan, ProfileConfig, ProfileFactory, ProfileKind};
use umbra_tap::{Checksum, Direction, Record, RecordMeta, Verdict};
use umbra_wire::build::{Frame, Ipv4, Tcp};

const RULES: &str = r#"
alert http any any -> any any (msg:"ordinary"; http.uri; content:"/ordinary"; http.request_body; content:"the end"; sid:1;)
alert tcp any any -> any any (msg:"flood"; flow:established; content:"flooded"; sid:2;)
"#;

const FIN: u16 = 1;
const SYN: u16 = 2;
const ACK: u16 = 16;
const BATCH: usize = 128;
/// Frames of a flood between two of an ordinary connection.
const BETWEEN: u64 = 50;
/// Record time between frames: 250,000 a second.
const STEP_NS: u64 = 4000;
const TICK_NS: u64 = 100_000_000;
const ETHERNET: [u8; 14] = [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0];
const SERVER: [u8; 4] = [192, 0, 2, 80];

/// How many connections or datagrams, and under which caps.
#[derive(Clone, Copy, Debug)]
struct Scale {
    count: u32,
    config: PipelineConfig,
}

impl Scale {
    fn small() -> Self {
        let mut config = stock();
        config.flow.max_flows = 1 << 12;
        config.follow.stream.max_sessions = 1 << 13;
        config.follow.stream.max_bytes = 2 << 20;
        config.follow.app_bytes = 4 << 20;
        config.defrag.max_memory = 1 << 20;
        config.defrag.max_trackers = 1 << 11;
        Self { count: 15_000, config }
    }

    /// What the figures in the notes are made with.
    fn stock() -> Self {
        Self { count: 1_000_000, config: stock() }
    }
}

/// Checksums are left out: frames are patched.
fn stock() -> PipelineConfig {
    let decode = DecodeOptions { checksums: ChecksumPolicy::None, ..DecodeOptions::default() };
    PipelineConfig { decode, ..PipelineConfig::live() }
}

fn plan() -> Plan {
    let folder =
        PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("f{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("flood.rules");
    std::fs::write(&path, RULES).unwrap();
    let mut config = ProfileConfig::standard(ProfileKind::Ids);
    config.settings.insert("rules".to_owned(), vec![path.display().to_string()].into());
    let plan = IdsFactory.validate(&config).unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
    plan
}

#[derive(Debug, Default)]
struct Sink {
    flows: u64,
    ordinary: u64,
    flooded: u64,
}

impl EventSink for Sink {
    fn emit(&mut self, event: &Event, _context: &EventContext) {
        match event {
            Event::Flow(_) => self.flows += 1,
            Event::Alert(alert) if alert.signature.sid == 1 => self.ordinary += 1,
            Event::Alert(_) => self.flooded += 1,
            _ => {}
        }
    }
}

/// The most that was held at any time, bytes.
#[derive(Clone, Copy, Debug, Default)]
struct Peak {
    flow: u64,
    follow: u64,
    profile: u64,
    stream: u64,
    app: u64,
    defrag: u64,
}

struct Flood {
    scale: Scale,
    pipeline: Pipeline,
    context: EventContext,
    sink: Sink,
    waiting: Vec<(u64, Vec<u8>)>,
    now_ns: u64,
    last_tick_ns: u64,
    sent: u64,
    peak: Peak,
    rest_before: u64,
    ordinary: Ordinary,
}

/// What became of it.
struct Outcome {
    summary: PipelineSummary,
    peak: Peak,
    sink: Sink,
    ordinary: u64,
}

impl Flood {
    fn new(scale: Scale) -> Self {
        let rest_before = resident_bytes();
        let pipeline = Pipeline::new(scale.config, &[plan()]).unwrap();
        Self {
            scale,
            pipeline,
            context: EventContext::whole("floods", Some(0)),
            sink: Sink::default(),
            waiting: Vec::new(),
            now_ns: 1_700_000_000_000_000_000,
            last_tick_ns: 0,
            sent: 0,
            peak: Peak::default(),
            rest_before,
            ordinary: Ordinary::default(),
        }
    }

    /// A frame of the flood, and now and then one of an ordinary connection.
    fn send(&mut self, frame: Vec<u8>) {
        self.put(frame);
        self.sent += 1;
        if self.sent.is_multiple_of(BETWEEN) {
            let frame = self.ordinary.next();
            self.put(frame);
        }
    }

    fn put(&mut self, frame: Vec<u8>) {
        self.now_ns += STEP_NS;
        self.waiting.push((self.now_ns, frame));
        if self.waiting.len() == BATCH {
            self.process();
        }
    }

    fn process(&mut self) {
        let records = self.waiting.iter().map(|(timestamp_ns, data)| Record {
            meta: RecordMeta {
                timestamp_ns: *timestamp_ns,
                frame_len: data.len() as u32,
                flow_hash: 0,
                fraction_ppb: 1_000_000_000,
                wire: 0,
                direction: Direction::AtoB,
                ip_checksum: Checksum::Unknown,
                l4_checksum: Checksum::Unknown,
                escalated: false,
                epoch: 0,
            },
            verdict: Verdict::Forwarded,
            data,
            sequence: 0,
        });
        self.pipeline.process(records, LinkType::Ethernet, &mut self.sink, &self.context);
        self.waiting.clear();
        if self.now_ns - self.last_tick_ns >= TICK_NS {
            self.last_tick_ns = self.now_ns;
            self.pipeline.tick(Timestamp(self.now_ns), &mut self.sink, &self.context);
        }
        let summary = self.pipeline.summary();
        let peak = &mut self.peak;
        peak.flow = peak.flow.max(summary.flow_memory_bytes);
        peak.follow = peak.follow.max(summary.follow_memory_bytes);
        peak.profile = peak.profile.max(summary.profile_memory_bytes);
        peak.stream = peak.stream.max(summary.stream_memory_bytes);
        peak.app = peak.app.max(summary.app_memory_bytes);
        peak.defrag = peak.defrag.max(summary.defrag_memory_bytes);
    }

    /// The end: caps are checked, everything is given back, and the figures are told.
    fn finish(mut self, name: &str) -> Outcome {
        // The ordinary connection that is under way comes to its end.
        while self.ordinary.step > 0 {
            let frame = self.ordinary.next();
            self.put(frame);
        }
        self.process();
        let (peak, config) = (self.peak, &self.scale.config);
        let resident = resident_bytes().saturating_sub(self.rest_before);
        let flows = u64::from(config.flow.max_flows);
        // 128 bytes a flow, 80 beside it for TCP, 16 of index; slabs and index grow in steps.
        assert!(peak.flow <= flows * 224 + (1 << 20), "flows: {peak:?}");
        // A place, which may be reserved twice, and the context.
        assert!(peak.follow <= flows * (2 << 10), "what is followed: {peak:?}");
        assert!(peak.profile <= flows * 512, "what rules remember: {peak:?}");
        assert!(peak.stream <= config.follow.stream.max_bytes, "streams: {peak:?}");
        // What one packet adds may come on top.
        assert!(peak.app <= config.follow.app_bytes + (64 << 10), "layers: {peak:?}");
        assert!(peak.defrag <= config.defrag.max_memory as u64, "fragments: {peak:?}");
        // And nothing is held that is not counted: rules, code and what the allocator keeps are the rest.
        let counted = peak.flow + peak.follow + peak.profile + peak.stream + peak.app + peak.defrag;
        assert!(resident <= 2 * counted + (64 << 20), "{resident} bytes are resident: {peak:?}");
        self.pipeline.finish(&mut self.sink, &self.context);
        let summary = self.pipeline.summary();
        let held = [
            summary.flows_live,
            summary.stream_memory_bytes,
            summary.app_memory_bytes,
            summary.flow.opened - summary.counters.flows,
        ];
        assert_eq!(
            held, [0; 4],
            "flows, streams and layers behind the end, flows without a record"
        );
        assert_eq!(summary.counters.flows, self.sink.flows);
        let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
        println!(
            "{name}: {} frames; most held, MiB: flows {:.1}, what is followed {:.1}, rules {:.1}, \
             streams {:.1}, application layers {:.1}, fragments {:.1}; resident {:.1} more than before",
            summary.counters.records,
            mib(peak.flow),
            mib(peak.follow),
            mib(peak.profile),
            mib(peak.stream),
            mib(peak.app),
            mib(peak.defrag),
            mib(resident),
        );
        println!("{name}: {:?}\n{:?}", summary.flow, summary.stream);
        println!("{name}: {:?}\n{:?}", summary.follow, summary.defrag);
        let ordinary = self.ordinary.finished;
        println!("{name}: {} of {ordinary} ordinary connections alerted", self.sink.ordinary);
        Outcome { summary, peak, sink: self.sink, ordinary }
    }
}

/// Bytes of memory that the process has, 0 where that is not told.
fn resident_bytes() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = text.split(' ').nth(1).and_then(|pages| pages.parse().ok()).unwrap_or(0u64);
    pages * 4096
}

/// Connections one after the other, each a request whose body comes in two pieces, the response, and the end.
#[derive(Debug, Default)]
struct Ordinary {
    number: u16,
    step: usize,
    finished: u64,
}

impl Ordinary {
    fn next(&mut self) -> Vec<u8> {
        let head = "POST /ordinary HTTP/1.1\r\nHost: h\r\nContent-Length: 16\r\n\r\nbody at ";
        let tail = "the end ";
        let answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
        let (h, t, a) = (head.len() as u32, tail.len() as u32, answer.len() as u32);
        // Who speaks, flags, what was said before by both, what is said.
        let steps = [
            (true, SYN, 0, 0, ""),
            (false, SYN | ACK, 0, 1, ""),
            (true, ACK, 1, 1, ""),
            (true, ACK, 1, 1, head),
            (false, ACK, 1, 1 + h, ""),
            (true, ACK, 1 + h, 1, tail),
            (false, ACK, 1, 1 + h + t, answer),
            (true, FIN | ACK, 1 + h + t, 1 + a, ""),
            (false, FIN | ACK, 1 + a, 2 + h + t, ""),
            (true, ACK, 2 + h + t, 2 + a, ""),
        ];
        let (client, flags, seq, ack, said) = steps[self.step];
        let port = 20_000 + self.number % 40_000;
        let frame = segment([198, 51, 100, 7], port, client, flags, (seq, ack), said.as_bytes());
        self.step += 1;
        if self.step == steps.len() {
            self.step = 0;
            self.number = self.number.wrapping_add(1);
            self.finished += 1;
        }
        frame
    }
}

/// A segment between a client and the server; numbers are those behind 1000.
fn segment(
    client: [u8; 4],
    port: u16,
    from_client: bool,
    flags: u16,
    (seq, ack): (u32, u32),
    payload: &[u8],
) -> Vec<u8> {
    let (src, dst) = if from_client { (client, SERVER) } else { (SERVER, client) };
    let (from, to) = if from_client { (port, 80) } else { (80, port) };
    let tcp = Tcp {
        seq: 1000 + seq,
        ack: if flags & ACK == 0 { 0 } else { 1000 + ack },
        flags,
        window: 0xffff,
        ..Tcp::new(from, to)
    };
    let datagram = Frame::new().ipv4(src, dst).layer(tcp).payload(payload).bytes();
    [&ETHERNET[..], &datagram].concat()
}

/// Clients of a flood, none twice.
fn client(n: u32) -> ([u8; 4], u16) {
    let [_, a, b, c] = n.to_be_bytes();
    ([10, a, b, c], 1024 + (n % 50_000) as u16)
}

/// The handshake, as one side of it after the other.
fn open(flood: &mut Flood, n: u32) {
    let (address, port) = client(n);
    for (from_client, flags, numbers) in
        [(true, SYN, (0, 0)), (false, SYN | ACK, (0, 1)), (true, ACK, (1, 1))]
    {
        flood.send(segment(address, port, from_client, flags, numbers, b""));
    }
}

/// Ordinary connections were analysed, or it is counted why not.
fn check_ordinary(outcome: &Outcome) {
    let Outcome { summary, sink, ordinary, .. } = outcome;
    assert!(*ordinary >= 20, "{ordinary} connections are too few to say anything");
    let missed = ordinary.saturating_sub(sink.ordinary);
    let counted = summary.flow.evicted
        + summary.follow.app_given_up
        + summary.follow.streams_given_up
        + summary.stream.memory_drops
        + summary.stream.session_drops;
    assert!(missed <= counted, "{missed} were missed and {counted} counted");
    // And a flood is no reason to miss most.
    assert!(sink.ordinary * 10 >= ordinary * 9, "{} of {ordinary}", sink.ordinary);
}

fn syn_flood(scale: Scale) {
    let mut flood = Flood::new(scale);
    for n in 0..scale.count {
        let (address, port) = client(n);
        flood.send(segment(address, port, true, SYN, (0, 0), b""));
    }
    let outcome = flood.finish("SYN flood");
    let counters = outcome.summary.flow;
    assert!(counters.opened >= u64::from(scale.count));
    assert!(counters.evicted + counters.emergency_timed_out + counters.timed_out > 0);
    assert_eq!(outcome.sink.flooded, 0);
    check_ordinary(&outcome);
}

/// Connections that lack a byte and go on behind it.
fn hole_flood(scale: Scale) {
    let mut flood = Flood::new(scale);
    let payload = vec![b'x'; 1400];
    for n in 0..scale.count / 4 {
        open(&mut flood, n);
        let (address, port) = client(n);
        for piece in 0..4 {
            let seq = 2 + piece * 1400;
            flood.send(segment(address, port, true, ACK, (seq, 1), &payload));
        }
    }
    let outcome = flood.finish("hole flood");
    assert!(outcome.summary.follow.streams_given_up > 0, "nothing had to go");
    assert!(outcome.peak.stream > scale.config.follow.stream.max_bytes / 2);
    check_ordinary(&outcome);
}

/// Datagrams of which the end never comes.
fn fragment_flood(scale: Scale) {
    let mut flood = Flood::new(scale);
    let payload = vec![b'x'; 1400];
    for n in 0..scale.count {
        let (src, _) = client(n);
        let ip = Ipv4 {
            id: n as u16,
            protocol: Some(17),
            more_fragments: true,
            fragment_offset: if n % 3 == 0 { 1400 } else { 0 },
            ..Ipv4::new(src, SERVER)
        };
        let datagram = Frame::new().layer(ip).payload(&payload).bytes();
        flood.send([&ETHERNET[..], &datagram].concat());
    }
    let outcome = flood.finish("fragment flood");
    let defrag = &outcome.summary.defrag;
    assert_eq!(defrag.ipv4_fragments, u64::from(scale.count));
    let gone = defrag.evicted_memory + defrag.evicted_trackers + defrag.timeouts;
    assert!(gone + 16_384 >= u64::from(scale.count) && gone > 0, "{gone} were given up");
    check_ordinary(&outcome);
}

/// Requests that announce a body and send some of it.
fn half_open_bodies(scale: Scale) {
    let mut flood = Flood::new(scale);
    let head = b"POST /upload HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n";
    let request = [&head[..], &[b'x'; 1200]].concat();
    let end = 1 + request.len() as u32;
    for n in 0..scale.count {
        open(&mut flood, n);
        let (address, port) = client(n);
        flood.send(segment(address, port, true, ACK, (1, 1), &request));
        flood.send(segment(address, port, false, ACK, (1, end), b""));
    }
    let outcome = flood.finish("half-open bodies");
    assert!(outcome.summary.follow.app_given_up > 0, "nothing had to go");
    assert!(outcome.peak.app > scale.config.follow.app_bytes / 2);
    check_ordinary(&outcome);
}

macro_rules! floods {
    ($($small:ident $large:ident $flood:ident)*) => {
        $(#[test]
        fn $small() {
            $flood(Scale::small());
        }

        #[test]
        #[ignore = "takes up to a minute"]
        fn $large() {
            $flood(Scale::stock());
        })*
    };
}

floods! {
    syns_from_everywhere_are_bounded a_million_syns syn_flood
    data_behind_holes_is_bounded a_million_segments_with_holes hole_flood
    fragments_without_an_end_are_bounded a_million_fragments fragment_flood
    bodies_without_an_end_are_bounded a_million_half_open_bodies half_open_bodies
}
