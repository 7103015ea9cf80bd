//! Every frame of the shared captures, and a great many mutated ones, through decode and
//! defragmentation, and on through flows and profiles: no panic, everything counted, and the flow
//! that the sampler saw is the one that the analyzers see.
//!
//! `UMBRA_MUTATIONS` says how many mutated frames (default 1,000,000), `UMBRA_SEED` from where.

mod captures;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use captures::Frame;
use umbra_analyzers::decode::{ChecksumPolicy, Decoded, Decoder, LinkType, MAX_TUNNELS, Transport};
use umbra_analyzers::defrag::{DefragOptions, DefragOutcome, Defragmenter};
use umbra_analyzers::events::{EventContext, NullSink};
use umbra_analyzers::pipeline::{Pipeline, PipelineConfig};
use umbra_analyzers::profile::{ProfileConfig, ProfileKind, factory};
use umbra_tap::{Checksum, Direction, Record, RecordMeta, Verdict};
use umbra_wire::key::ipv4_to_u128;
use umbra_wire::number::port;
use umbra_wire::{Endpoint, FlowKey, KeyKind, KeyOptions, SymmetricHash, build, flow_key};

/// What an instance does with a frame, up to the flow table.
struct Shadow {
    decoder: Decoder,
    defragmenter: Defragmenter,
    hash: SymmetricHash,
    reassembled: u64,
    /// Over everything decoded, to compare runs.
    digest: u64,
    keyed: u64,
}

impl Shadow {
    fn new(options: DefragOptions) -> Self {
        Self {
            decoder: Decoder::default(),
            defragmenter: Defragmenter::new(options),
            hash: SymmetricHash::new([1, 2, 3, 4]),
            reassembled: 0,
            digest: 0,
            keyed: 0,
        }
    }

    fn frame(&mut self, frame: &[u8], frame_len: u32, link: LinkType, now_ns: u64) {
        let decoded = self.decoder.decode(frame, frame_len, link);
        check(&decoded, frame);
        self.note(&decoded);
        if link == LinkType::Ethernet {
            self.check_key(&decoded, frame);
        }
        let mut pushed = self.defragmenter.push(&decoded, now_ns);
        assert_eq!(decoded.is_fragment(), pushed.outcome != DefragOutcome::NotFragment);
        self.decoder.count_faults(pushed.faults);
        // What was in fragments may turn out to carry fragments in turn.
        for _ in 0..MAX_TUNNELS {
            let DefragOutcome::Complete(whole) = pushed.outcome else { break };
            self.reassembled += 1;
            let decoded = self.decoder.decode_ip(&whole.datagram);
            check(&decoded, &whole.datagram);
            self.note(&decoded);
            pushed = self.defragmenter.push(&decoded, now_ns);
        }
        let options = self.defragmenter.options();
        assert!(self.defragmenter.trackers() <= options.max_trackers);
        assert!(self.defragmenter.memory() <= options.max_memory);
    }

    fn note(&mut self, decoded: &Decoded<'_>) {
        let mut word = |n: u64| {
            self.digest = (self.digest ^ n).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29);
        };
        word(decoded.payload.len() as u64);
        word(decoded.faults.iter().count() as u64);
        let (src, dst) = decoded.ports().unwrap_or_default();
        word(u64::from(src) << 16 | u64::from(dst));
    }

    /// The hash's short cut agrees with the key, and the key with what was decoded.
    fn check_key(&mut self, decoded: &Decoded<'_>, frame: &[u8]) {
        for options in KeyOptions::all() {
            let key = flow_key(frame, &options);
            assert_eq!(self.hash.frame(frame, &options), self.hash.key(&key));
            assert_eq!(self.hash.subject(frame, &options).hash, self.hash.key(&key));
        }
        let (Some(ip), Some((src, dst))) = (decoded.ip, decoded.ports()) else { return };
        // Lengths are believed by one of the two only, so that padding may look like ports.
        let too_deep = decoded.tunnels.len() > usize::from(umbra_wire::key::MAX_TUNNELS);
        if decoded.is_invalid() || decoded.cut_short || too_deep {
            return;
        }
        let end = |addr, port| Endpoint {
            addr: match addr {
                std::net::IpAddr::V4(a) => ipv4_to_u128(a.octets()),
                std::net::IpAddr::V6(a) => u128::from(a),
            },
            port,
        };
        let (a, b) = (end(ip.src, src), end(ip.dst, dst));
        let expected = FlowKey::new(a, b, ip.protocol.into(), KeyKind::Ip);
        let key = flow_key(frame, &KeyOptions::default());
        // A tunnel whose inside is not IP is a UDP flow to the analyzers. The sampler keys it on
        // its hosts, or on the MAC addresses inside.
        let tunnel = matches!(decoded.transport, Transport::Udp(_)) && port::is_tunnel(dst);
        if tunnel && key.kind != KeyKind::Ip {
            return;
        }
        assert_eq!(key, expected, "the sampler's flow is not the analyzers': {decoded:?}");
        self.keyed += 1;
    }

    fn print(&self, title: &str) {
        let counters = self.decoder.counters();
        println!(
            "{title}: {} frames, {} bytes, {} invalid, {} cut short, {} with the sampler's flow",
            counters.packets, counters.bytes, counters.invalid, counters.cut_short, self.keyed
        );
        let print = |what: &str, pairs: &mut dyn Iterator<Item = (&'static str, u64)>| {
            let pairs: Vec<_> =
                pairs.filter(|(_, n)| *n > 0).map(|(name, n)| format!("{name} {n}")).collect();
            println!("  {what}: {}", pairs.join(", "));
        };
        print("protocols", &mut counters.protocols());
        print("faults", &mut counters.faults());
        print("defragmentation", &mut self.defragmenter.counters().iter());
        print("fragments dropped", &mut self.defragmenter.counters().drops());
    }
}

/// What holds for whatever was decoded.
fn check(decoded: &Decoded<'_>, frame: &[u8]) {
    let within = |part: &[u8]| {
        let (frame, part) = (frame.as_ptr_range(), part.as_ptr_range());
        part.is_empty() || (frame.start <= part.start && part.end <= frame.end)
    };
    assert!(within(decoded.payload) && within(decoded.datagram) && within(decoded.segment));
    assert!(decoded.payload.len() <= frame.len());
    assert!(decoded.ip.is_some() || decoded.transport.is_none());
    assert!(!decoded.is_fragment() || decoded.transport.is_none());
    if let Transport::Tcp(tcp) = decoded.transport {
        let len = decoded.payload.len() + usize::from(tcp.header_len);
        assert_eq!(decoded.segment.len(), len);
    }
    for fault in decoded.faults.iter() {
        assert!(decoded.faults.contains(fault));
    }
}

fn run(shadow: &mut Shadow, frame: &[u8], frame_len: u32, link: LinkType, now_ns: u64) {
    let result = catch_unwind(AssertUnwindSafe(|| shadow.frame(frame, frame_len, link, now_ns)));
    if let Err(panic) = result {
        let hex: String = frame.iter().map(|b| format!("{b:02x}")).collect();
        println!("the frame: {link:?}, {frame_len} bytes on the wire, captured {hex}");
        std::panic::resume_unwind(panic);
    }
}

/// Frames to mutate where there are no captures: all that the builder can build.
fn built() -> Vec<Frame> {
    use umbra_wire::number::protocol;
    let eth = || build::Frame::ethernet([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2]);
    let (x, y) = ([10, 0, 0, 1], [10, 0, 0, 2]);
    let (v, w) = ([0x20; 16], [0x21; 16]);
    let error = build::Frame::new().ipv4(x, y).tcp(1, 2).payload(b"quoted").bytes();
    let mut frames: Vec<Vec<u8>> = [
        eth().ipv4(x, y).tcp(40_000, 80).payload(b"GET / HTTP/1.0\r\n\r\n"),
        eth().qinq(7).vlan(8).ipv6(v, w).udp(53, 53).payload(&[7; 60]),
        eth().ipv4(x, y).sctp(1, 2).payload(&[0, 3, 0, 8, 1, 2, 3, 4]),
        eth().ipv4(y, x).icmp(3, 1, 0).payload(&error),
        eth().ipv4(x, y).udp(50_000, 4789).vxlan(5).eth([1; 6], [2; 6]).ipv4(x, y).tcp(1, 2),
        eth().ipv4(x, y).udp(50_000, 6081).geneve(5).eth([1; 6], [2; 6]).ipv6(v, w).tcp(1, 2),
        eth().ipv4(x, y).udp(2152, 2152).gtpu(5).ipv4(x, y).udp(1, 2).payload(b"data"),
        eth().mpls(16).mpls(17).ipv4(x, y).gre().ipv6(v, w).tcp(1, 2).payload(b"data"),
        eth().pppoe(7).ipv4(x, y).tcp(1, 2).payload(b"data"),
        eth()
            .ipv6(v, w)
            .extension(protocol::HOP_BY_HOP, &[5, 2, 0, 0, 1, 0])
            .extension(protocol::ROUTING, &[4, 0, 0, 0, 0, 0])
            .extension(protocol::FRAGMENT, &[0, 1, 0, 0, 0, 7])
            .udp(1, 2),
    ]
    .iter()
    .map(build::Frame::bytes)
    .collect();
    let whole = build::Frame::new().ipv4(x, y).udp(1, 2).payload(&[9; 200]).bytes();
    for piece in build::fragment_ipv4(&whole, 64) {
        let link = build::Ethernet { dst: [1; 6], src: [2; 6], ethertype: Some(0x0800) };
        let mut frame = build::Frame::new().layer(link).bytes();
        frame.extend(piece);
        frames.push(frame);
    }
    let frame = |data: Vec<u8>| Frame { link: 1, frame_len: data.len() as u32, time_ns: 0, data };
    frames.into_iter().map(frame).collect()
}

fn corpus() -> Vec<Frame> {
    let mut frames = built();
    if let Some(folder) = captures::shared_data() {
        frames.extend(captures::captures(&folder).iter().flat_map(|path| captures::frames(path)));
    }
    frames
}

#[test]
fn every_frame_of_every_capture_is_decoded_and_counted_the_same_each_time() {
    let frames = corpus();
    let mut runs = [Shadow::new(DefragOptions::default()), Shadow::new(DefragOptions::default())];
    for shadow in &mut runs {
        for frame in &frames {
            let link = LinkType::from_dlt(frame.link);
            run(shadow, &frame.data, frame.frame_len, link, frame.time_ns);
        }
    }
    let [first, second] = runs;
    first.print("captures");
    assert_eq!(first.decoder.counters().packets, frames.len() as u64);
    assert_eq!(first.digest, second.digest);
    assert_eq!(first.defragmenter.counters(), second.defragmenter.counters());
    let mut links: BTreeMap<u16, u64> = BTreeMap::new();
    frames.iter().for_each(|frame| *links.entry(frame.link).or_default() += 1);
    println!("  link types: {links:?}");
}

/// splitmix64
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() % n.max(1) as u64) as usize
    }
}

/// Changes a frame in one to four ways.
fn mutate(random: &mut Random, frame: &mut Vec<u8>, corpus: &[Frame]) {
    for _ in 0..=random.below(4) {
        // Headers are where decoding happens.
        let reach = if random.below(4) == 0 { frame.len() } else { frame.len().min(96) };
        let at = random.below(reach);
        match random.below(8) {
            0 | 1 => {
                for _ in 0..=random.below(8) {
                    let at = random.below(reach);
                    if let Some(byte) = frame.get_mut(at) {
                        *byte ^= 1 << random.below(8);
                    }
                }
            }
            2 | 3 => {
                let values = [0, 1, 4, 5, 6, 17, 41, 43, 44, 47, 58, 60, 0x45, 0x7f, 0x80, 0xff];
                if let Some(byte) = frame.get_mut(at) {
                    *byte = values[random.below(values.len())];
                }
            }
            4 => frame.truncate(at),
            5 => {
                // The front of this one, the back of another.
                let other = &corpus[random.below(corpus.len())].data;
                frame.truncate(at);
                frame.extend(other.get(random.below(other.len())..).unwrap_or(&[]));
            }
            6 => {
                // Known numbers where a type, protocol or port may stand.
                let numbers = [
                    0x0800, 0x86dd, 0x8100, 0x88a8, 0x8847, 0x8864, 0x0806, 0x6558, 4789, 6081,
                    2152, 0xffff, 0, 20, 40, 0x2000, 0x1fff,
                ];
                let number: u16 = numbers[random.below(numbers.len())];
                if let Some(bytes) = frame.get_mut(at..at + 2) {
                    bytes.copy_from_slice(&number.to_be_bytes());
                }
            }
            _ => {
                let part = frame.get(at..at + random.below(40)).unwrap_or(&[]).to_vec();
                let to = random.below(frame.len() + 1);
                frame.splice(to..to, part);
            }
        }
    }
    frame.truncate(9216);
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |value| {
        value.parse().unwrap_or_else(|_| panic!("{name} is {value:?}, not a whole number"))
    })
}

/// A record as a ring would give it, of a frame whose every byte was captured but `missing`.
fn record(data: &[u8], missing: u32, sequence: u64) -> Record<'_> {
    let meta = RecordMeta {
        timestamp_ns: sequence * 1_000_000,
        frame_len: data.len() as u32 + missing,
        flow_hash: 0,
        fraction_ppb: 1_000_000_000,
        wire: 0,
        direction: if sequence.is_multiple_of(2) { Direction::AtoB } else { Direction::BtoA },
        ip_checksum: Checksum::Unknown,
        l4_checksum: Checksum::Unknown,
        escalated: false,
        epoch: 0,
    };
    Record { meta, verdict: Verdict::Forwarded, data, sequence }
}

/// The same frames go on to the flow table and the performance profile, as in an instance.
#[test]
fn mutated_frames_pass_flows_and_profiles_without_a_panic_and_within_all_caps() {
    const BATCH: usize = 64;
    const MAX_FLOWS: u32 = 4096;
    let (count, seed) = (number("UMBRA_MUTATIONS", 1_000_000), number("UMBRA_SEED", 2));
    let corpus: Vec<Frame> = corpus().into_iter().filter(|f| f.link == 1).collect();
    let mut random = Random(seed ^ 0x5eed);
    let mut config = PipelineConfig { decode_anomalies: true, ..PipelineConfig::live() };
    config.flow.max_flows = MAX_FLOWS;
    let plan = factory(ProfileKind::Performance)
        .unwrap()
        .validate(&ProfileConfig::standard(ProfileKind::Performance))
        .unwrap();
    let mut pipeline = Pipeline::new(config, &[plan]).unwrap();
    let context = EventContext::whole("mutated", Some(0));
    let mut sequence = 0;
    while sequence < count {
        let batch: Vec<(Vec<u8>, u32)> = (0..BATCH)
            .map(|_| {
                let mut frame = corpus[random.below(corpus.len())].data.clone();
                mutate(&mut random, &mut frame, &corpus);
                (frame, if random.below(4) == 0 { random.below(200) as u32 } else { 0 })
            })
            .collect();
        let records =
            batch.iter().zip(sequence..).map(|((data, missing), n)| record(data, *missing, n));
        let processed = catch_unwind(AssertUnwindSafe(|| {
            pipeline.process(records, LinkType::Ethernet, &mut NullSink, &context);
        }));
        if processed.is_err() {
            let at = pipeline.blame().record.unwrap_or(0);
            panic!("seed {seed}, frame {}: {:02x?}", sequence + at as u64, batch[at].0);
        }
        sequence += BATCH as u64;
        assert!(pipeline.flows().live() <= MAX_FLOWS);
    }
    pipeline.finish(&mut NullSink, &context);
    let summary = pipeline.summary();
    assert_eq!(summary.counters.records, sequence);
    assert_eq!(summary.decode.packets, sequence);
    assert!(summary.counters.flows > 0 && summary.counters.anomalies > 0);
    println!("{sequence} mutated frames: {:?}", summary.counters);
    for (name, n) in summary.decode.faults().filter(|(_, n)| *n > 0) {
        println!("  {name}: {n}");
    }
}

#[test]
fn mutated_frames_are_decoded_without_a_panic_and_within_all_caps() {
    let (count, seed) = (number("UMBRA_MUTATIONS", 1_000_000), number("UMBRA_SEED", 2));
    let corpus = corpus();
    let mut random = Random(seed);
    // Caps that are reached.
    let mut shadow = Shadow::new(DefragOptions {
        max_trackers: 64,
        max_memory: 128 << 10,
        max_fragments: 40,
        ..DefragOptions::default()
    });
    let links = [1u16, 1, 1, 1, 0, 9, 12, 113, 276, 147];
    let mut decoder = Decoder::default();
    let fragments: Vec<&Frame> = corpus
        .iter()
        .filter(|f| decoder.decode(&f.data, f.frame_len, LinkType::from_dlt(f.link)).is_fragment())
        .collect();
    for n in 0..count {
        let source = match random.below(16) {
            0 => fragments[random.below(fragments.len())],
            _ => &corpus[random.below(corpus.len())],
        };
        // With checksums most mutated fragments would not get past them.
        shadow.decoder.set_checksums(match random.below(2) {
            0 => ChecksumPolicy::None,
            _ => ChecksumPolicy::All,
        });
        let mut frame = source.data.clone();
        mutate(&mut random, &mut frame, &corpus);
        let link =
            if random.below(16) == 0 { links[random.below(links.len())] } else { source.link };
        let missing = if random.below(4) == 0 { random.below(200) as u32 } else { 0 };
        let frame_len = frame.len() as u32 + missing;
        run(&mut shadow, &frame, frame_len, LinkType::from_dlt(link), n * 1_000_000);
    }
    shadow.print(&format!("mutated from seed {seed}"));
    let counters = shadow.decoder.counters();
    assert_eq!(counters.packets, count);
    let faults = counters.faults().filter(|(_, n)| *n > 0).count();
    println!("  {faults} kinds of faults, {} reassembled", shadow.reassembled);
    if count >= 100_000 {
        assert!(faults >= 40, "mutation meets only {faults} kinds of faults");
    }
}
