use serde_json::json;
use umbra_tap::Select;

use super::*;
use crate::decode::LinkType;
use crate::events::{Estimate, EventContext};
use crate::pipeline::{Pipeline, PipelineConfig};
use crate::testing::{TestRecord, arp, records, tcp, traffic, udp};

const SECOND: u64 = 1_000_000_000;
const CLIENT: ([u8; 4], u16) = ([10, 0, 0, 1], 40_000);
const SERVER: ([u8; 4], u16) = ([192, 0, 2, 1], 443);

fn plan(settings: serde_json::Value) -> Result<Plan, Vec<ConfigError>> {
    let mut config = ProfileConfig::standard(ProfileKind::Performance);
    config.settings = settings.as_object().unwrap().clone();
    PerformanceFactory.validate(&config)
}

fn run_as(
    select: Select,
    frames: &[TestRecord],
    settings: serde_json::Value,
) -> Vec<PerformanceSummary> {
    let plan = plan(settings).unwrap();
    let mut pipeline = Pipeline::new(PipelineConfig::offline(), &[plan]).unwrap();
    let mut events = Vec::new();
    let context = EventContext { select, ..EventContext::whole("test", None) };
    let records: Vec<_> = records(frames).collect();
    for batch in records.chunks(64) {
        pipeline.process(batch.iter().copied(), LinkType::Ethernet, &mut events, &context);
    }
    pipeline.finish(&mut events, &context);
    events
        .into_iter()
        .filter_map(|event| match event {
            Event::Performance(summary) => Some(*summary),
            _ => None,
        })
        .collect()
}

fn run(frames: &[TestRecord]) -> PerformanceSummary {
    run_as(Select::Flow, frames, json!({})).pop().unwrap()
}

fn conversation() -> Vec<TestRecord> {
    let at = |ms: u64, data| TestRecord::new(100 * SECOND + ms * 1_000_000, data);
    vec![
        at(0, tcp(CLIENT, SERVER, 0x02, 100, 0, b"")),
        at(20, tcp(SERVER, CLIENT, 0x12, 900, 101, b"")),
        at(25, tcp(CLIENT, SERVER, 0x10, 101, 901, b"")),
        at(30, tcp(CLIENT, SERVER, 0x18, 101, 901, &[b'x'; 500])),
        at(40, udp(([10, 0, 0, 2], 5000), ([192, 0, 2, 9], 53), b"question")),
        at(50, arp()),
        at(1_060, tcp(SERVER, CLIENT, 0x11, 901, 601, b"")),
    ]
}

#[test]
fn what_is_seen_whole_is_counted_exactly() {
    let frames = conversation();
    let bytes: u64 = frames.iter().map(|frame| frame.data.len() as u64).sum();
    let s = run(&frames);
    for (estimate, truth) in [(s.packets, 7), (s.bytes, bytes), (s.flows, 2)] {
        let exact = Estimate {
            observed: truth,
            estimate: truth as f64,
            ci95: [truth as f64; 2],
            unreliable: false,
        };
        assert_eq!(estimate, exact);
    }
    assert!(!s.coverage.sampled);
    let rows = |rows: &[crate::events::ProtocolRow]| {
        rows.iter().map(|row| (row.name.clone(), row.packets)).collect::<Vec<_>>()
    };
    assert_eq!(rows(&s.network), [("ipv4".to_owned(), 6), ("arp".to_owned(), 1)]);
    assert_eq!(rows(&s.transport), [("tcp".to_owned(), 5), ("udp".to_owned(), 1)]);
    assert_eq!((s.frame_len.count, s.frame_len.min, s.frame_len.max), (7, 42, 554));
    assert_eq!((s.rate_pps.count, s.rate_pps.min, s.rate_pps.max), (2, 1, 6));
    let flags = s.tcp_flags;
    assert_eq!((flags.syn, flags.syn_ack, flags.fin, flags.psh, flags.rst), (1, 1, 1, 1, 0));
}

#[test]
fn handshake_times_are_told_apart_by_side() {
    let rtt = run(&conversation()).rtt;
    let near = |value: u64, truth: u64| value.abs_diff(truth) * 1000 <= truth;
    assert_eq!(rtt.handshake_us.count, 1);
    assert!(near(rtt.handshake_us.p50, 25_000));
    assert!(near(rtt.server_side_us.p50, 20_000));
    assert!(near(rtt.client_side_us.p50, 5_000));
}

#[test]
fn the_heaviest_hosts_pairs_and_services_come_first() {
    let s = run(&conversation());
    let keys = |table: &crate::events::TopTable| {
        table.rows.iter().map(|row| row.key.clone()).collect::<Vec<_>>()
    };
    assert_eq!(keys(&s.services), ["tcp/443", "udp/53"]);
    assert_eq!(keys(&s.pairs)[0], "10.0.0.1 192.0.2.1");
    assert_eq!(keys(&s.hosts)[..2], ["10.0.0.1", "192.0.2.1"]);
    assert_eq!(s.services.rows[0].packets, 5.0);
    assert_eq!(s.services.rows[0].bytes, (54 * 4 + 554) as f64);
    assert_eq!(s.services.rows[0].bytes_error, 0.0);
}

#[test]
fn intervals_begin_at_multiples_of_their_length_and_add_up() {
    let frames = traffic(200, 1_003 * SECOND, 60 * SECOND);
    let mut summaries = run_as(Select::Flow, &frames, json!({"interval_s": 5, "top": 1000}));
    let total = summaries.pop().unwrap();
    assert_eq!(total.span, SummarySpan::Total);
    assert!(summaries.len() >= 10);
    for summary in &summaries {
        assert_eq!(summary.span, SummarySpan::Interval);
        assert_eq!(summary.start.as_secs() / 5, summary.end.as_secs() / 5);
    }
    let packets: u64 = summaries.iter().map(|summary| summary.packets.observed).sum();
    assert_eq!(packets, total.packets.observed);
    assert_eq!(total.packets.observed, frames.len() as u64);
    // A flow counts in every interval in which it has a packet, and once in all.
    assert_eq!(total.flows.observed, 200);
    assert!(summaries.iter().map(|summary| summary.flows.observed).sum::<u64>() > 200);
    let bytes = |summary: &PerformanceSummary| summary.services.total_bytes;
    assert_eq!(summaries.iter().map(bytes).sum::<f64>(), bytes(&total));
}

/// The frames of which the sampler would select their flow, as it would mark them.
fn sample(frames: &[TestRecord], percent: u32, seed: u64) -> Vec<TestRecord> {
    let threshold = u64::from(percent) * (1 << 32) / 100;
    let mix = |hash: u64| {
        let mut z = hash ^ seed;
        z = (z ^ (z >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
        z = (z ^ (z >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
        (z ^ (z >> 33)) >> 32
    };
    let selected = frames.iter().filter(|frame| mix(frame.meta.flow_hash) < threshold);
    selected
        .cloned()
        .map(|mut frame| {
            frame.meta.fraction_ppb = percent * 10_000_000;
            frame
        })
        .collect()
}

#[test]
fn a_sample_of_flows_gives_intervals_that_hold_the_truth() {
    let frames = traffic(2000, 1_000 * SECOND, 30 * SECOND);
    let bytes: u64 = frames.iter().map(|frame| frame.data.len() as u64).sum();
    let truths = [frames.len() as f64, bytes as f64, 2000.0];
    let mut held = [0; 3];
    let seeds = 60;
    for seed in 0..seeds {
        let s = run(&sample(&frames, 25, seed * 0x9e37_79b9));
        assert!(s.coverage.sampled && s.coverage.percentage_max == 25.0);
        for ((estimate, truth), held) in
            [s.packets, s.bytes, s.flows].iter().zip(truths).zip(&mut held)
        {
            assert!(!estimate.unreliable);
            *held += u32::from(estimate.ci95[0] <= truth && truth <= estimate.ci95[1]);
        }
    }
    // 57 of 60 are due; fewer than 50 would happen once in a million runs, and the seeds are fixed.
    assert!(held.iter().all(|held| *held >= 50), "{held:?}");
}

#[test]
fn packet_sampling_says_nothing_of_flows() {
    let mut frames = traffic(300, SECOND, 10 * SECOND);
    frames.retain(|frame| frame.meta.timestamp_ns % 10 < 3);
    for frame in &mut frames {
        frame.meta.fraction_ppb = 300_000_000;
    }
    let s = run_as(Select::Packet, &frames, json!({})).pop().unwrap();
    let n = frames.len() as f64;
    assert!((s.packets.estimate - n / 0.3).abs() < 1e-6 * n);
    let half_width = 1.96 * (n * 0.7).sqrt() / 0.3;
    let width = s.packets.ci95[1] - s.packets.ci95[0];
    assert!((width / (2.0 * half_width) - 1.0).abs() < 0.01, "{width} {half_width}");
    assert!(s.flows.unreliable);
    assert_eq!(s.flows.estimate, s.flows.observed as f64);
}

#[test]
fn host_sampling_admits_that_its_error_is_not_known() {
    let frames = sample(&traffic(300, SECOND, 10 * SECOND), 50, 1);
    let s = run_as(Select::Host, &frames, json!({})).pop().unwrap();
    assert!(s.packets.unreliable && s.flows.unreliable);
}

#[test]
fn escalated_packets_stand_for_themselves() {
    let mut frames = sample(&traffic(300, SECOND, 10 * SECOND), 10, 5);
    let escalated = frames.len() / 2;
    for frame in frames.iter_mut().take(escalated) {
        frame.meta.escalated = true;
    }
    let s = run(&frames);
    assert_eq!(s.coverage.escalated_packets, escalated as u64);
    let expected = escalated as f64 + (frames.len() - escalated) as f64 * 10.0;
    assert!((s.packets.estimate - expected).abs() < 1e-6 * expected);
}

#[test]
fn frames_without_flows_are_bounded_and_more_of_them_make_estimates_coarse() {
    let frames: Vec<_> = (0..6000u64)
        .map(|i| {
            let mut frame = TestRecord::new(SECOND + i, arp());
            frame.meta.flow_hash = i;
            frame.meta.fraction_ppb = 500_000_000;
            frame
        })
        .collect();
    let few = run(&frames[..1000]);
    assert!(!few.packets.unreliable);
    let many = run(&frames);
    assert!(many.packets.unreliable);
    assert_eq!(many.packets.estimate, 12_000.0);
}

#[test]
fn settings_are_checked_all_at_once() {
    assert!(plan(json!({"interval_s": 60, "top": 5, "top_capacity": 64})).is_ok());
    let errors = plan(json!({"interval_s": 0, "top": "ten", "topp": 1})).unwrap_err();
    assert_eq!(errors.len(), 3);
    let all = errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
    assert!(all.contains("interval_s = 0: out of range"), "{all}");
    assert!(all.contains("top = \"ten\": the wrong type"), "{all}");
    assert!(all.contains("topp = 1: unknown setting"), "{all}");
}

#[test]
fn documented_defaults_are_the_defaults() {
    let defaults: serde_json::Map<_, _> = SETTINGS
        .iter()
        .map(|info| (info.key.to_owned(), serde_json::from_str(info.default).unwrap()))
        .collect();
    for (key, value) in &defaults {
        SETTINGS.iter().find(|info| info.key == key).unwrap().check(value).unwrap();
    }
    let stated = plan(serde_json::Value::Object(defaults)).unwrap();
    let silent = plan(json!({})).unwrap();
    assert_eq!(stated.content::<PerformancePlan>(), silent.content::<PerformancePlan>());
}
