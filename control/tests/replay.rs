//! Generated captures through the replay: what goes in comes out in the flow records, whatever the
//! number of instances, every time the same.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;
use umbra_analyzers::profile::{ProfileConfig, ProfileKind};
use umbra_control::eve::{BlockingSink, EveFormat, EveWriter};
use umbra_control::pcap::{CaptureEnd, DataLink, PcapWriter};
use umbra_control::replay::{self, ChecksumMode, ReplayError, ReplayOptions, ReplayReport};
use umbra_tap::{Distribute, Percentage, Select};
use umbra_wire::build::{Frame, Tcp, fragment_ipv4};

const START_NS: u64 = 1_767_323_045_000_000_000;
const MS: u64 = 1_000_000;
const SECOND: u64 = 1_000 * MS;

const SYN: u16 = 0x02;
const SYN_ACK: u16 = 0x12;
const ACK: u16 = 0x10;
const PSH_ACK: u16 = 0x18;
const FIN_ACK: u16 = 0x11;

/// A capture in a temporary directory that goes with it.
struct Capture {
    directory: tempfile::TempDir,
    path: PathBuf,
}

impl Capture {
    fn of(link: DataLink, frames: &[(u64, Vec<u8>)]) -> Self {
        let mut writer = PcapWriter::new(Vec::new(), link).expect("header");
        for (at, frame) in frames {
            writer.write(START_NS + at, frame.len() as u32, frame).expect("frame");
        }
        Self::raw(&writer.finish().expect("flush"))
    }

    fn raw(bytes: &[u8]) -> Self {
        let directory = tempfile::tempdir().expect("temporary directory");
        let path = directory.path().join("capture.pcap");
        std::fs::write(&path, bytes).expect("written");
        Self { directory, path }
    }

    fn options(&self) -> ReplayOptions {
        ReplayOptions::new(&self.path)
    }

    fn run(&self, options: &ReplayOptions) -> (ReplayReport, String) {
        let eve = self.directory.path().join("eve.json");
        let _ = std::fs::remove_file(&eve);
        let writer = EveWriter::append(&eve).expect("eve.json");
        let mut sink = BlockingSink::new(EveFormat::default(), writer);
        let report = replay::run(options, &mut sink).expect("a report");
        sink.stats(&report.stats(), &report.context());
        sink.writer().flush();
        (report, std::fs::read_to_string(eve).expect("events"))
    }

    fn events(&self, options: &ReplayOptions) -> (ReplayReport, Vec<Value>) {
        let (report, text) = self.run(options);
        let parsed = text.lines().map(|line| serde_json::from_str(line).expect("JSON"));
        (report, parsed.collect())
    }

    fn flows(&self, options: &ReplayOptions) -> Vec<Value> {
        let (_, events) = self.events(options);
        events.into_iter().filter(|event| event["event_type"] == "flow").collect()
    }
}

fn ether() -> Frame {
    Frame::ethernet([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2])
}

/// A TCP conversation at `at`: handshake, a request, an answer of `answer` bytes, both FINs.
fn conversation(at: u64, client: [u8; 4], port: u16, answer: usize) -> Vec<(u64, Vec<u8>)> {
    let server = [192, 0, 2, 80];
    let segment = |to_server: bool, flags: u16, seq: u32, ack: u32, payload: &[u8]| {
        let (src, dst) = if to_server { (client, server) } else { (server, client) };
        let (src_port, dst_port) = if to_server { (port, 80) } else { (80, port) };
        let tcp = Tcp { flags, seq, ack, ..Tcp::new(src_port, dst_port) };
        ether().ipv4(src, dst).layer(tcp).payload(payload).bytes()
    };
    let (request, answer) = (vec![b'q'; 100], vec![b'a'; answer]);
    let end = 1001 + answer.len() as u32;
    vec![
        (at, segment(true, SYN, 0, 0, &[])),
        (at + 20 * MS, segment(false, SYN_ACK, 1000, 1, &[])),
        (at + 40 * MS, segment(true, ACK, 1, 1001, &[])),
        (at + 41 * MS, segment(true, PSH_ACK, 1, 1001, &request)),
        (at + 61 * MS, segment(false, PSH_ACK, 1001, 101, &answer)),
        (at + 62 * MS, segment(true, FIN_ACK, 101, end, &[])),
        (at + 82 * MS, segment(false, FIN_ACK, end, 102, &[])),
        (at + 83 * MS, segment(true, ACK, 102, end + 1, &[])),
    ]
}

/// Many conversations of several kinds, interleaved, over some minutes.
fn mixture(conversations: u16) -> Vec<(u64, Vec<u8>)> {
    let mut frames = Vec::new();
    for n in 0..conversations {
        let [high, low] = n.to_be_bytes();
        let at = u64::from(n) * 137 * MS;
        let host = [10, high, low, 1];
        match n % 5 {
            0 | 1 => frames.extend(conversation(at, host, 20_000 + n, usize::from(n % 1400))),
            2 => {
                let query =
                    ether().ipv4(host, [192, 0, 2, 53]).udp(30_000 + n, 53).payload(b"query?");
                frames.push((at, query.bytes()));
                frames.push((at + 5 * MS, query.reversed().payload(b"an answer").bytes()));
            }
            3 => {
                let v6 = |last: u8| {
                    let mut address =
                        [0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, high, low, 0, 0];
                    address[15] = last;
                    address
                };
                let frame = ether().vlan(7).ipv6(v6(1), v6(2)).udp(443, 40_000).payload(&[0; 700]);
                frames.push((at, frame.bytes()));
                // Longer than the time-out of a flow that got no answer.
                frames.push((at + 40 * SECOND, frame.bytes()));
            }
            _ => {
                let echo = ether().ipv4(host, [192, 0, 2, 1]).icmp(8, 0, u32::from(n) << 16 | 1);
                frames.push((at, echo.payload(b"ping").bytes()));
                let reply = ether().ipv4([192, 0, 2, 1], host).icmp(0, 0, u32::from(n) << 16 | 1);
                frames.push((at + 3 * MS, reply.payload(b"ping").bytes()));
            }
        }
    }
    frames.sort_by_key(|(at, _)| *at);
    frames
}

/// Flow records without what legitimately depends on the instance.
fn multiset(flows: &[Value]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for flow in flows {
        let mut flow = flow.clone();
        flow["shadow"].as_object_mut().expect("shadow").remove("instance");
        *counts.entry(flow.to_string()).or_default() += 1;
    }
    counts
}

#[test]
fn a_conversation_becomes_its_flow_record() {
    let capture = Capture::of(DataLink::ETHERNET, &conversation(0, [10, 0, 0, 1], 40_000, 500));
    let (report, events) = capture.events(&capture.options());
    assert_eq!((report.frames, report.selected, report.analysed), (8, 8, 8));
    assert!(matches!(report.end, CaptureEnd::Complete));
    let flows: Vec<_> = events.iter().filter(|e| e["event_type"] == "flow").collect();
    assert_eq!(flows.len(), 1);
    let flow = flows[0];
    assert_eq!(flow["src_ip"], "10.0.0.1");
    assert_eq!(flow["src_port"], 40_000);
    assert_eq!(flow["dest_ip"], "192.0.2.80");
    assert_eq!(flow["dest_port"], 80);
    assert_eq!(flow["proto"], "TCP");
    assert_eq!(flow["flow"]["pkts_toserver"], 5);
    assert_eq!(flow["flow"]["pkts_toclient"], 3);
    assert_eq!(flow["flow"]["bytes_toserver"], 5 * 54 + 100);
    assert_eq!(flow["flow"]["bytes_toclient"], 3 * 54 + 500);
    assert_eq!(flow["flow"]["start"], "2026-01-02T03:04:05.000000+0000");
    assert_eq!(flow["flow"]["end"], "2026-01-02T03:04:05.083000+0000");
    assert_eq!(flow["flow"]["state"], "closed");
    assert_eq!(flow["flow"]["reason"], "shutdown");
    assert_eq!(flow["tcp"]["tcp_flags"], "1b");
    assert_eq!(flow["tcp"]["state"], "closed");
    assert_eq!(flow["shadow"]["appliance"], "replay");
    assert_eq!(flow["shadow"]["instance"], 0);
    assert_eq!(flow["shadow"]["percentage"], 100.0);
    assert_eq!(flow["shadow"]["performance"]["initial_rtt_us"], 40_000);
    let stats = events.last().expect("a stats record");
    assert_eq!(stats["event_type"], "stats");
    assert_eq!(stats["stats"]["capture"]["kernel_packets"], 8);
    assert_eq!(stats["stats"]["decoder"]["pkts"], 8);
    assert_eq!(stats["stats"]["decoder"]["event"]["ipv4"]["trunc_pkt"], 0);
    assert_eq!(stats["stats"]["flow"]["total"], 1);
    assert_eq!(stats["shadow"]["performance"]["packets"]["observed"], 8);
    assert_eq!(stats["shadow"]["performance"]["start"], "2026-01-02T03:04:05.000000+0000");
    assert!(stats["shadow"].get("instance").is_none(), "all instances together");
}

#[test]
fn two_runs_give_the_same_bytes() {
    let capture = Capture::of(DataLink::ETHERNET, &mixture(400));
    for instances in [1, 3] {
        let options = ReplayOptions { instances, ..capture.options() };
        let (_, first) = capture.run(&options);
        assert!(first.lines().count() > 400);
        assert_eq!(capture.run(&options).1, first);
    }
}

#[test]
fn flow_records_do_not_depend_on_the_number_of_instances() {
    let capture = Capture::of(DataLink::ETHERNET, &mixture(700));
    let one = multiset(&capture.flows(&capture.options()));
    assert!(one.len() > 700, "time-outs split the one-way flows: {}", one.len());
    for instances in [2, 4] {
        let options = ReplayOptions { instances, ..capture.options() };
        let flows = capture.flows(&options);
        let used: std::collections::BTreeSet<_> =
            flows.iter().map(|flow| flow["shadow"]["instance"].to_string()).collect();
        assert_eq!(used.len(), instances, "all instances have work");
        assert_eq!(multiset(&flows), one, "{instances} instances");
    }
}

#[test]
fn replicate_gives_every_instance_everything() {
    let capture = Capture::of(DataLink::ETHERNET, &mixture(50));
    let one = capture.flows(&capture.options()).len();
    let mut options = ReplayOptions { instances: 3, ..capture.options() };
    options.sampling.distribute = Distribute::Replicate;
    let (report, _) = capture.run(&options);
    assert_eq!(report.analysed, 3 * report.selected);
    assert_eq!(capture.flows(&options).len(), 3 * one);
}

#[test]
fn a_sample_takes_whole_flows_and_says_so() {
    let capture = Capture::of(DataLink::ETHERNET, &mixture(700));
    let whole = multiset(&capture.flows(&capture.options()));
    let strip = |flows: &BTreeMap<String, usize>| -> BTreeMap<String, usize> {
        flows
            .iter()
            .map(|(flow, n)| (flow[..flow.find("shadow").expect("shadow")].into(), *n))
            .collect()
    };
    let mut options = capture.options();
    options.sampling.percentage = Percentage::try_from(40.0).expect("a percentage");
    let (report, events) = capture.events(&options);
    let flows: Vec<_> =
        events.iter().filter(|event| event["event_type"] == "flow").cloned().collect();
    assert!(report.selected > 0 && report.selected < report.frames);
    assert!(flows.iter().all(|flow| flow["shadow"]["percentage"] == 40.0));
    let (sampled, whole) = (strip(&multiset(&flows)), strip(&whole));
    assert!(sampled.keys().all(|flow| whole.contains_key(flow)), "a flow was split");
    let stats = events.last().expect("stats");
    let estimate = &stats["shadow"]["estimate"];
    assert!(estimate["flows"].as_u64().expect("flows") > flows.len() as u64, "{estimate}");
    assert!(estimate["ci95"]["packets"].is_array());
    options.sampling.select = Select::Packet;
    let flow = &capture.flows(&options)[0];
    assert!(
        flow["shadow"]["estimate"]["packets"].as_u64() > flow["flow"]["pkts_toserver"].as_u64()
    );
}

#[test]
fn fragments_are_put_together_whatever_the_instance() {
    let datagram =
        Frame::new().ipv4([10, 0, 0, 1], [10, 0, 0, 2]).udp(5000, 6000).payload(&[7; 3000]).bytes();
    let frames: Vec<_> = fragment_ipv4(&datagram, 1000)
        .into_iter()
        .enumerate()
        .map(|(n, packet)| (n as u64 * MS, packet))
        .collect();
    let capture = Capture::of(DataLink::RAW, &frames);
    for instances in [1, 4] {
        let options = ReplayOptions { instances, ..capture.options() };
        let (report, events) = capture.events(&options);
        assert_eq!(report.analysis.defrag.ipv4_reassembled, 1);
        let flow = events.iter().find(|event| event["event_type"] == "flow").expect("a flow");
        assert_eq!((&flow["src_port"], &flow["dest_port"]), (&5000.into(), &6000.into()));
    }
}

/// A conversation whose client's checksums are what its NIC would have made right.
fn offloaded() -> Vec<(u64, Vec<u8>)> {
    let mut frames = conversation(0, [10, 0, 0, 1], 40_000, 500);
    for (_, frame) in &mut frames {
        if frame[26..30] == [10, 0, 0, 1] {
            frame[50..52].fill(0);
        }
    }
    frames
}

#[test]
fn offloading_turns_verification_off_in_auto_mode() {
    let capture = Capture::of(DataLink::ETHERNET, &offloaded());
    let invalid = |checksums| {
        let options = ReplayOptions { checksums, ..capture.options() };
        let (report, events) = capture.events(&options);
        let stats = events.last().expect("stats");
        let count = stats["stats"]["tcp"]["invalid_checksum"].as_u64().expect("a count");
        (report.checksums.verified, count)
    };
    assert_eq!(invalid(ChecksumMode::Auto), (false, 0));
    assert_eq!(invalid(ChecksumMode::None), (false, 0));
    assert_eq!(invalid(ChecksumMode::All), (true, 5));
}

#[test]
fn right_checksums_keep_verification_on_in_auto_mode() {
    let mut frames = conversation(0, [10, 0, 0, 1], 40_000, 500);
    // One damaged segment among good ones of the same sender.
    frames[4].1[60] ^= 0xff;
    let capture = Capture::of(DataLink::ETHERNET, &frames);
    let (report, events) = capture.events(&capture.options());
    assert!(report.checksums.verified);
    assert_eq!(report.checksums.seen.bad, 1);
    assert_eq!(events.last().expect("stats")["stats"]["tcp"]["invalid_checksum"], 1);
}

#[test]
fn nanosecond_stamps_and_long_captures_keep_all_frames_behind_the_probe() {
    let frame = ether().ipv4([10, 0, 0, 1], [10, 0, 0, 2]).udp(1, 2).bytes();
    let frames: Vec<_> = (0..2500).map(|n| (n * 1_001, frame.clone())).collect();
    let capture = Capture::of(DataLink::ETHERNET, &frames);
    let (report, events) = capture.events(&capture.options());
    assert_eq!(report.frames, 2500);
    assert_eq!(report.span_ns, Some((START_NS, START_NS + 2499 * 1_001)));
    let flow = events.iter().find(|event| event["event_type"] == "flow").expect("a flow");
    assert_eq!(flow["flow"]["pkts_toserver"], 2500);
    assert_eq!(flow["flow"]["end"], "2026-01-02T03:04:05.002501+0000");
}

#[test]
fn anomalies_name_the_frame_when_they_are_asked_for() {
    let good = ether().ipv4([10, 0, 0, 1], [10, 0, 0, 2]).udp(1, 2).bytes();
    let mut bad = good.clone();
    bad[16..18].copy_from_slice(&2000_u16.to_be_bytes());
    let capture = Capture::of(DataLink::ETHERNET, &[(0, good.clone()), (MS, bad), (2 * MS, good)]);
    let options = ReplayOptions { anomalies: true, ..capture.options() };
    let (_, events) = capture.events(&options);
    let anomalies: Vec<_> =
        events.iter().filter(|event| event["event_type"] == "anomaly").collect();
    assert!(anomalies.iter().all(|anomaly| anomaly["pcap_cnt"] == 2));
    // The changed length makes the header's checksum wrong as well.
    let names: Vec<_> = anomalies.iter().map(|anomaly| &anomaly["anomaly"]["event"]).collect();
    assert_eq!(names.len(), 2);
    assert!(names.contains(&&Value::from("decoder.ipv4.trunc_pkt")), "{names:?}");
    assert!(capture.events(&capture.options()).1.iter().all(|e| e["event_type"] != "anomaly"));
}

#[test]
fn frames_of_an_unknown_link_are_counted_and_nothing_more() {
    let capture = Capture::of(DataLink(127), &[(0, vec![0; 60]), (MS, vec![1; 3])]);
    let (report, events) = capture.events(&capture.options());
    assert_eq!(report.links.len(), 1);
    assert!(!report.links[0].is_decoded());
    assert!(report.to_string().contains("127 (IEEE802_11_RADIOTAP): 2 frames, not decoded"));
    assert_eq!(report.analysis.decode.packets, 2);
    assert!(events.iter().all(|event| event["event_type"] != "flow"));
}

#[test]
fn damaged_captures_give_what_is_in_front_of_the_damage() {
    let whole = {
        let capture = Capture::of(DataLink::ETHERNET, &conversation(0, [10, 0, 0, 1], 4000, 50));
        std::fs::read(&capture.path).expect("readable")
    };
    for (bytes, frames, flows) in [
        (whole[..whole.len() - 1].to_vec(), 7, 1),
        ([&whole[..], &[0xff; 16]].concat(), 8, 1),
        (whole[..24].to_vec(), 0, 0),
        (whole[..30].to_vec(), 0, 0),
    ] {
        let capture = Capture::raw(&bytes);
        let (report, events) = capture.events(&capture.options());
        assert_eq!(report.frames, frames);
        let found = events.iter().filter(|event| event["event_type"] == "flow").count();
        assert_eq!(found, flows);
    }
}

#[test]
fn captures_of_which_nothing_can_be_read_are_errors_that_say_why() {
    let reason = |bytes: &[u8]| {
        let capture = Capture::raw(bytes);
        let mut sink = Vec::new();
        let error = replay::run(&capture.options(), &mut sink).expect_err("nothing to read");
        assert!(matches!(error, ReplayError::Capture(_)));
        error.to_string()
    };
    assert!(reason(b"").starts_with("the file is empty"));
    assert!(reason(b"not a capture at all").contains("is the magic of no capture format"));
    assert!(reason(&[0x1f, 0x8b, 8, 0]).contains("compressed with gzip"));
    let missing = ReplayOptions::new(Path::new("/nonexistent/capture.pcap"));
    let error = replay::run(&missing, &mut Vec::new()).expect_err("no file");
    assert!(error.to_string().starts_with("cannot be opened: "));
}

#[test]
fn profiles_that_are_not_built_are_refused_by_name() {
    let capture = Capture::of(DataLink::ETHERNET, &[]);
    let profiles = vec![ProfileConfig::standard(ProfileKind::Fuzzing)];
    let options = ReplayOptions { profiles, ..capture.options() };
    let error = replay::run(&options, &mut Vec::new()).expect_err("not built");
    assert!(error.to_string().contains("Fuzzing"), "{error}");
}

#[test]
fn report_sums_up_in_a_few_lines() {
    let capture = Capture::of(DataLink::ETHERNET, &mixture(50));
    let (report, _) = capture.run(&capture.options());
    let text = report.to_string();
    for part in
        ["frames      ", "checksums   verified", "flows       ", "ethernet ", "hosts", "speed"]
    {
        assert!(text.contains(part), "{part:?} in\n{text}");
    }
}

/// A small generator of numbers (xorshift64), so that the mutations are the same every time.
fn numbers(mut state: u64) -> impl FnMut() -> u64 {
    move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    }
}

#[test]
fn mutated_captures_are_analysed_without_a_panic_and_without_losing_a_frame() {
    let original = {
        let capture = Capture::of(DataLink::ETHERNET, &mixture(60));
        std::fs::read(&capture.path).expect("readable")
    };
    let mut next = numbers(0x0075_6d62_7261);
    for round in 0..300 {
        let mut bytes = original.clone();
        for _ in 0..=next() % 40 {
            let at = (next() % bytes.len() as u64) as usize;
            bytes[at] = next() as u8;
        }
        if round % 3 == 0 {
            bytes.truncate((next() % bytes.len() as u64) as usize);
        }
        let capture = Capture::raw(&bytes);
        let options = ReplayOptions { instances: 2, anomalies: true, ..capture.options() };
        let mut events = Vec::new();
        match replay::run(&options, &mut events) {
            Ok(report) => {
                assert_eq!(report.analysis.decode.packets, report.frames, "round {round}");
                assert_eq!(report.analysis.flows_live, 0, "round {round}");
            }
            Err(ReplayError::Capture(_)) => {}
            Err(error) => panic!("round {round}: {error}"),
        }
    }
}
