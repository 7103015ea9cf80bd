use umbra_wire::tcp::flag;

use super::*;
use crate::decode::LinkType;
use crate::events::{Event, EventContext, EvidenceValue};
use crate::flow::FlowTable;
use crate::pipeline::{Pipeline, PipelineConfig};
use crate::profile::{Batch, Findings, Profile};
use crate::testing::{End, TestRecord, arp, records, tcp, udp};

const SECOND: u64 = 1_000_000_000;
const SYN: u8 = flag::SYN as u8;
const ACK: u8 = flag::ACK as u8;
const RST: u8 = flag::RST as u8;

/// Runs detectors over a pipeline's packets, nothing being known, or all.
struct Probe {
    detectors: Detectors,
    known: Known,
    found: std::sync::Arc<std::sync::Mutex<Vec<(f64, Detection)>>>,
}

impl Profile for Probe {
    fn on_batch(&mut self, batch: &Batch<'_>, _findings: &mut Findings) {
        let flows: &FlowTable = batch.flows;
        for packet in batch.iter() {
            let keys = Keys::of(packet, flows, 1);
            let now = packet.timestamp().as_nanos() as f64 / 1e9;
            let mut found = Vec::new();
            let seen = Seen { packet, keys: &keys, now, weight: 1.0, known: self.known };
            self.detectors.look(&seen, &mut found);
            self.found.lock().unwrap().extend(found.into_iter().map(|d| (now, d)));
        }
    }

    fn on_tick(&mut self, _: crate::events::Timestamp, _: &mut Findings) {}

    fn finish(&mut self, _: crate::events::Timestamp, _: &mut Findings) {}
}

fn run_as(known: Known, frames: &[TestRecord]) -> Vec<(f64, Detection)> {
    let found = std::sync::Arc::default();
    let probe =
        Probe { detectors: Detectors::new(4096), known, found: std::sync::Arc::clone(&found) };
    let profile: Box<dyn Profile> = Box::new(probe);
    let mut pipeline =
        Pipeline::with_profiles(PipelineConfig::offline(), [("probe".into(), profile)]);
    let (mut events, context) = (Vec::<Event>::new(), EventContext::whole("test", None));
    let records: Vec<_> = records(frames).collect();
    for batch in records.chunks(64) {
        pipeline.process(batch.iter().copied(), LinkType::Ethernet, &mut events, &context);
    }
    std::mem::take(&mut *found.lock().unwrap())
}

/// What is found where nothing is known, but for new devices.
fn run(frames: &[TestRecord]) -> Vec<(f64, Detection)> {
    let found = run_as(Known(0), frames);
    found.into_iter().filter(|(_, d)| d.sid != Sid::NewDevice).collect()
}

fn sids(found: &[(f64, Detection)]) -> Vec<Sid> {
    let mut sids: Vec<_> = found.iter().map(|(_, d)| d.sid).collect();
    sids.dedup();
    sids
}

fn number(detection: &Detection, key: &str) -> f64 {
    match detection.evidence.iter().find(|e| e.key == key).map(|e| &e.value) {
        Some(EvidenceValue::Number(x)) => *x,
        Some(EvidenceValue::Count(x)) => *x as f64,
        other => panic!("{key}: {other:?}"),
    }
}

fn at(ms: u64, data: Vec<u8>) -> TestRecord {
    TestRecord::new(1000 * SECOND + ms * 1_000_000, data)
}

/// A connection that is opened, says this and is answered.
fn session(ms: u64, client: End, server: End, says: &[u8], answer: &[u8]) -> Vec<TestRecord> {
    let said = 101 + says.len() as u32;
    vec![
        at(ms, tcp(client, server, SYN, 100, 0, b"")),
        at(ms + 1, tcp(server, client, SYN | ACK, 900, 101, b"")),
        at(ms + 2, tcp(client, server, ACK, 101, 901, b"")),
        at(ms + 3, tcp(client, server, ACK | 8, 101, 901, says)),
        at(ms + 4, tcp(server, client, ACK | 8, 901, said, answer)),
    ]
}

fn quiet_session(ms: u64, client: End, server: End) -> Vec<TestRecord> {
    session(ms, client, server, b"hello there", b"well, hello")
}

#[test]
fn first_contacts_that_fail_are_a_scan_of_hosts_or_of_ports() {
    let client = |n: u64| ([10, 0, 0, 1], 40_000 + n as u16);
    let hosts: Vec<_> = (0..30)
        .map(|n| at(n * 100, tcp(client(n), ([10, 0, 1, n as u8], 445), SYN, 1, 0, b"")))
        .chain([at(20_000, udp(([10, 0, 0, 7], 5), ([10, 0, 0, 8], 6), b"time goes on"))])
        .collect();
    let found = run(&hosts);
    assert_eq!(sids(&found), [Sid::HorizontalScan]);
    assert!(number(&found[0].1, "hosts_at_least") >= 9.0);
    let ports: Vec<_> = (0..40u64)
        .flat_map(|n| {
            let server = ([10, 0, 1, 1], 100 + n as u16);
            [
                at(n * 10, tcp(client(n), server, SYN, 1, 0, b"")),
                at(n * 10 + 1, tcp(server, client(n), RST | ACK, 0, 2, b"")),
            ]
        })
        .chain([at(20_000, udp(([10, 0, 0, 7], 5), ([10, 0, 0, 8], 6), b"time goes on"))])
        .collect();
    assert_eq!(sids(&run(&ports)), [Sid::VerticalScan]);
}

#[test]
fn a_client_whose_contacts_are_answered_is_no_scanner_however_many_there_are() {
    let frames: Vec<_> = (0..300u64)
        .flat_map(|n| {
            let client = ([10, 0, 0, 1], 40_000 + n as u16);
            quiet_session(n * 20, client, ([10, 0, (n / 250) as u8, (n % 250) as u8], 8443 + 1))
        })
        .collect();
    assert_eq!(sids(&run(&frames)), []);
}

#[test]
fn floods_are_named_by_what_comes_and_by_nothing_coming_back() {
    let victim = ([10, 0, 0, 9], 80);
    let flood = |of: fn(u64) -> End, make: &dyn Fn(End) -> Vec<u8>, pps: u64| -> Vec<TestRecord> {
        let frames = 6 * pps;
        (0..frames)
            .map(|n| TestRecord::new(1000 * SECOND + n * SECOND / pps, make(of(n))))
            .collect()
    };
    let forged: fn(u64) -> End =
        |n| ([172, 16, (n / 250 % 250) as u8, (n % 250) as u8], 1025 + (n % 60_000) as u16);
    let syns = flood(forged, &|from| tcp(from, victim, SYN, 1, 0, b""), 500);
    assert_eq!(sids(&run(&syns)), [Sid::SynFlood]);
    let datagrams = flood(forged, &|from| udp(from, victim, &[0; 100]), 2000);
    assert_eq!(sids(&run(&datagrams)), [Sid::UdpFlood]);
    let servers: fn(u64) -> End = |n| ([8, 8, (n / 250 % 250) as u8, (n % 250) as u8], 53);
    let answers = flood(servers, &|from| udp(from, victim, &[0x80; 1000]), 300);
    let found = run(&answers);
    assert_eq!(sids(&found), [Sid::Amplification]);
    assert!(number(&found[0].1, "rate_bps") > 2e6);
}

#[test]
fn a_busy_server_that_completes_its_handshakes_is_not_flooded() {
    let frames: Vec<_> = (0..2400u64)
        .flat_map(|n| {
            let client = ([10, 1, (n / 250) as u8, (n % 250) as u8], 2000);
            quiet_session(n * 4, client, ([10, 0, 0, 9], 80))
        })
        .collect();
    let mut frames = frames;
    frames.sort_by_key(|frame| frame.meta.timestamp_ns);
    assert_eq!(sids(&run(&frames)), []);
}

#[test]
fn session_after_session_with_a_password_service_is_brute_force() {
    let sessions = |every_ms: u64, count: u64| -> Vec<TestRecord> {
        (0..count)
            .flat_map(|n| {
                let client = ([10, 0, 0, 5], 30_000 + n as u16);
                session(
                    n * every_ms,
                    client,
                    ([10, 0, 0, 9], 22),
                    b"SSH-2.0-x\r\n",
                    b"SSH-2.0-y\r\n",
                )
            })
            .collect()
    };
    let found = run(&sessions(1000, 40));
    assert_eq!(sids(&found), [Sid::BruteForce]);
    assert!(number(&found[0].1, "over_s") < 30.0, "found early");
    let now_and_then: Vec<_> = sids(&run(&sessions(7000, 40)));
    assert!(!now_and_then.contains(&Sid::BruteForce));
}

#[test]
fn even_intervals_are_a_beacon_unless_they_were_learned() {
    let calls = |spread: u64| -> Vec<TestRecord> {
        (0..20u64)
            .flat_map(|n| {
                let noise = n * n * 7919 % (spread + 1);
                let client = ([10, 0, 0, 5], 30_000 + n as u16);
                quiet_session(n * 60_000 + noise, client, ([192, 0, 2, 1], 8080))
            })
            .collect()
    };
    let found = run(&calls(3_000));
    assert_eq!(sids(&found), [Sid::Beaconing]);
    assert!((number(&found[0].1, "period_s") - 60.0).abs() < 5.0);
    assert_eq!(sids(&run(&calls(50_000))), []);
    assert_eq!(sids(&run_as(Known(u32::MAX), &calls(3_000))), []);
}

fn query(name: &str) -> Vec<u8> {
    let mut message = vec![0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.split('.') {
        message.push(label.len() as u8);
        message.extend(label.bytes());
    }
    message.extend([0, 0, 16, 0, 1]);
    message
}

#[test]
fn much_information_in_names_of_one_domain_is_a_tunnel() {
    let ask = |n: u64, name: &str| {
        at(n * 200, udp(([10, 0, 0, 5], 6000 + n as u16), ([10, 0, 0, 1], 53), &query(name)))
    };
    let mut random = crate::anomaly::hash::Random::new(1);
    let tunnel: Vec<_> = (0..300)
        .map(|n| {
            let data =
                format!("{:016x}{:016x}{:016x}", random.next(), random.next(), random.next());
            ask(n, &format!("{data}.t.example.com"))
        })
        .collect();
    let found = run(&tunnel);
    assert_eq!(sids(&found), [Sid::DnsTunnel]);
    let browsing: Vec<_> =
        (0..300).map(|n| ask(n, &format!("www.host-{}.example{}.com", n % 7, n % 90))).collect();
    assert_eq!(sids(&run(&browsing)), []);
    let again: Vec<_> =
        (0..300).map(|n| ask(n, &format!("{:048x}.t.example.com", n % 5))).collect();
    assert_eq!(sids(&run(&again)), [], "names that come again carry nothing");
}

#[test]
fn much_that_goes_out_to_a_stranger_is_exfiltration() {
    let (inside, outside) = (([10, 0, 0, 5], 5000), ([192, 0, 2, 1], 443));
    let transfer = |from: End, to: End| -> Vec<TestRecord> {
        (0..16_000u32)
            .map(|n| {
                let data = tcp(from, to, ACK | 8, 1 + n * 1400, 1, &[7; 1400]);
                TestRecord::new(1000 * SECOND + u64::from(n) * 1_000_000, data)
            })
            .collect()
    };
    assert_eq!(sids(&run(&transfer(inside, outside))), [Sid::Exfiltration]);
    assert_eq!(sids(&run(&transfer(outside, inside))), [], "a download");
    assert_eq!(sids(&run_as(Known(u32::MAX), &transfer(inside, outside))), []);
}

fn claim(mac: u8, ip: u8) -> Vec<u8> {
    let mut frame = arp();
    frame[11] = mac;
    frame[22..32].copy_from_slice(&[2, 0, 0, 0, 0, mac, 10, 0, 0, ip]);
    frame
}

#[test]
fn an_address_claimed_by_another_device_while_its_holder_is_there_is_spoofed() {
    let moved = [at(0, claim(1, 7)), at(900_000, claim(2, 7))];
    assert_eq!(sids(&run(&moved)), [], "an address may be given to another device later");
    let spoofed = [at(0, claim(1, 7)), at(10_000, claim(2, 7)), at(11_000, claim(1, 7))];
    let found = run(&spoofed);
    assert_eq!(sids(&found), [Sid::ArpSpoofing]);
    let probes = [at(0, claim(1, 0)), at(100, claim(2, 0))];
    let zero: Vec<_> = probes
        .into_iter()
        .map(|mut record| {
            record.data[28..32].copy_from_slice(&[0; 4]);
            record
        })
        .collect();
    assert_eq!(sids(&run(&zero)), [], "probes claim nothing");
}

#[test]
fn a_device_is_new_once() {
    let frames = [at(0, claim(1, 7)), at(10, claim(1, 7)), at(20, claim(1, 7))];
    assert_eq!(sids(&run_as(Known(0), &frames)), [Sid::NewDevice]);
    assert_eq!(run_as(Known(0), &frames).len(), 1);
    assert_eq!(sids(&run_as(Known(u32::MAX), &frames)), []);
}

#[test]
fn protocols_are_told_by_their_first_words_and_only_by_them() {
    let hello = [0x16, 3, 1, 0, 5, 1, 0, 0, 1, 0];
    let on = |port, says: &[u8], answer: &[u8]| {
        run(&session(0, ([10, 0, 0, 5], 5000), ([10, 0, 0, 9], port), says, answer))
    };
    assert_eq!(sids(&on(4444, &hello, &hello)), [Sid::WrongPort]);
    assert_eq!(sids(&on(443, &hello, &hello)), []);
    assert_eq!(sids(&on(443, b"SSH-2.0-tunnel", b"SSH-2.0-tunnel")), [Sid::WrongPort]);
    assert_eq!(sids(&on(9999, b"something else", b"of no name")), []);
    // In the middle of a connection octets mean nothing.
    let midstream =
        [at(0, tcp(([10, 0, 0, 5], 5000), ([10, 0, 0, 9], 443), ACK | 8, 5, 5, b"rest of it"))];
    assert_eq!(sids(&run(&midstream)), []);
}

#[test]
fn many_detections_are_few_alerts() {
    let mut told = Told::new();
    let detection = |about| Detection { sid: Sid::SynFlood, about, evidence: Vec::new() };
    let admitted = (0..1000).filter(|n| told.admit(&detection(*n), 5.0).is_some()).count();
    assert_eq!(admitted, 10);
    assert_eq!(told.admit(&detection(3), 100.0), None);
    assert_eq!(
        told.admit(&detection(3), 700.0).map(|left| (left.same, left.others)),
        Some((1, 990))
    );
    assert_eq!(told.suppressed(), 991);
}
