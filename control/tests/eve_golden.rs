//! Events as they stand in eve.json, byte for byte.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;

use serde_json::json;
use umbra_analyzers::app::AppProto;
use umbra_analyzers::decode::{Decoder, LinkType, TunnelStack, VlanStack};
use umbra_analyzers::events::{
    AppLayers, AppProtoName, DecodeAnomaly, Event, EventContext, Evidence, Finding, FindingFlow,
    FlowApplication, FlowCounts, FlowEnd, FlowException, FlowPerformance, FlowRecord, FlowState,
    FlowVariables, IcmpRecord, PerDirection, Sampling, Severity, TcpRecord, TcpState, Timestamp,
};
use umbra_control::eve::{EveFormat, EveOptions};
use umbra_tap::{Direction, Select};

const START: u64 = 1_767_323_045_123_456_789;

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn flow(client: &str, server: &str, protocol: u8) -> FlowRecord {
    FlowRecord {
        flow_id: 1_234_567_890_123_456,
        flow_hash: u64::MAX,
        vlans: VlanStack::default(),
        client: ip(client),
        server: ip(server),
        client_port: 0,
        server_port: 0,
        protocol,
        icmp: None,
        tcp: None,
        app_proto: None,
        application: None,
        to_server: FlowCounts { packets: 5, bytes: 487 },
        to_client: FlowCounts { packets: 3, bytes: 313 },
        start: Timestamp(START),
        end: Timestamp(START + 2_900_000_000),
        logged: Timestamp(START + 2_900_000_000),
        state: FlowState::Established,
        reason: FlowEnd::Timeout,
        alerted: false,
        tunnels: TunnelStack::default(),
        wire: 0,
        first_direction: Direction::AtoB,
        sampling: Sampling::WHOLE,
        truncated_packets: 0,
        icmp_errors: 0,
        performance: FlowPerformance::default(),
    }
}

/// Ids 1508 and 7, as a decoder reads them off a frame.
fn two_tags() -> VlanStack {
    let mut frame = vec![2; 12];
    frame.extend([0x88, 0xa8, 0x05, 0xe4, 0x81, 0x00, 0x00, 0x07, 0x08, 0x06]);
    Decoder::default().decode(&frame, 60, LinkType::Ethernet).vlans
}

fn context() -> EventContext {
    EventContext::whole("edge-1", Some(0))
}

fn line_of(event: Event, context: &EventContext, wires: &[&str]) -> String {
    let wires = wires.iter().map(ToString::to_string).collect();
    let options = EveOptions { wires, ..EveOptions::default() };
    let mut out = Vec::new();
    EveFormat::new(options).event(&event, context, &mut out);
    let line = String::from_utf8(out).expect("UTF-8");
    assert!(line.ends_with('\n') && line.matches('\n').count() == 1, "one line: {line}");
    serde_json::from_str::<serde_json::Value>(&line).expect("JSON");
    line.trim_end().to_owned()
}

fn flow_line(flow: FlowRecord) -> String {
    line_of(Event::Flow(Box::new(flow)), &context(), &[])
}

#[test]
fn tcp_flow_has_suricatas_shape() {
    let both = |to_server, to_client| Some(PerDirection { to_server, to_client });
    let record = FlowRecord {
        client_port: 62341,
        server_port: 80,
        tcp: Some(TcpRecord {
            flags_to_server: 0x1b,
            flags_to_client: 0xd3,
            state: TcpState::Closed,
            midstream: false,
        }),
        app_proto: Some("http"),
        state: FlowState::Closed,
        reason: FlowEnd::Shutdown,
        alerted: true,
        performance: FlowPerformance {
            initial_rtt_us: Some(48_120),
            retransmissions: both(1, 2),
            fast_retransmissions: both(0, 1),
            spurious_retransmissions: both(0, 0),
            out_of_order: both(3, 0),
            duplicate_acks: both(0, 4),
            zero_windows: both(0, 0),
            window_full: both(0, 0),
            keep_alives: both(0, 1),
            lost_segments: both(2, 0),
            resets: both(0, 0),
            acked_unseen: both(1, 0),
            partial: true,
        },
        ..flow("10.180.156.141", "192.30.252.130", 6)
    };
    insta::assert_snapshot!(flow_line(record));
}

#[test]
fn a_flow_says_what_its_streams_layers_and_rules_were() {
    let application = FlowApplication {
        layers: AppLayers {
            original: Some(AppProto::Smtp),
            to_server: Some(AppProtoName::Known(AppProto::Tls)),
            to_client: Some(AppProtoName::Failed),
            ..AppLayers::default()
        },
        transactions: Some(3),
        max_regions: Some(PerDirection { to_server: 1, to_client: 2 }),
        gaps: PerDirection { to_server: false, to_client: true },
        urgent_bytes: PerDirection { to_server: 1, to_client: 0 },
        exceptions: vec![FlowException::AppLayerError],
        parent_id: Some(7),
        variables: FlowVariables {
            flowbits: vec![Arc::from("ET.x"), Arc::from("traffic/id/x")],
            ..FlowVariables::default()
        },
    };
    let record = FlowRecord {
        app_proto: Some("tls"),
        application: Some(Box::new(application)),
        tcp: Some(TcpRecord { state: TcpState::Established, ..TcpRecord::default() }),
        logged: Timestamp(START + 9_000_000_000),
        ..flow("10.0.0.1", "10.0.0.2", 6)
    };
    let options = EveOptions { community_id: true, ..EveOptions::default() };
    let mut line = Vec::new();
    EveFormat::new(options).event(&Event::Flow(Box::new(record)), &context(), &mut line);
    let record: serde_json::Value = serde_json::from_slice(&line).expect("JSON");
    for (key, expected) in [
        ("timestamp", json!("2026-01-02T03:04:14.123456+0000")),
        ("parent_id", json!(7)),
        ("app_proto", json!("tls")),
        ("app_proto_orig", json!("smtp")),
        ("app_proto_ts", json!("tls")),
        ("app_proto_tc", json!("failed")),
        ("traffic", json!({"id": ["x"]})),
        ("metadata", json!({"flowbits": ["ET.x"]})),
    ] {
        assert_eq!(record[key], expected, "{key}");
    }
    assert_eq!(record["flow"]["tx_cnt"], 3);
    let policy = json!([{"target": "app_layer_error", "policy": "ignore"}]);
    assert_eq!(record["flow"]["exception_policy"], policy);
    assert_eq!(
        record["tcp"],
        json!({
            "tcp_flags": "00", "tcp_flags_ts": "00", "tcp_flags_tc": "00",
            "state": "established", "ts_max_regions": 1, "tc_max_regions": 2, "tc_gap": true,
            "ts_urgent_oob_data": 1,
        })
    );
    assert_eq!(record["community_id"].as_str().map(str::len), Some(30));
}

#[test]
fn tcp_flow_without_flags_names_none() {
    let record = FlowRecord { tcp: Some(TcpRecord::default()), ..flow("10.0.0.1", "10.0.0.2", 6) };
    insta::assert_snapshot!(flow_line(record));
}

#[test]
fn udp_flow_over_ipv6_with_tags_names_its_wire_live() {
    let record = FlowRecord {
        client_port: 53124,
        server_port: 443,
        vlans: two_tags(),
        wire: 1,
        ..flow("2001:db8::1", "fe80::203:47ff:feeb:3faf", 17)
    };
    insta::assert_snapshot!(line_of(
        Event::Flow(Box::new(record)),
        &context(),
        &["edge", "inner \"quoted\""]
    ));
}

#[test]
fn icmp_flow_has_types_and_codes_instead_of_ports() {
    let icmp = Some(IcmpRecord { first: (128, 0), response: Some((129, 0)) });
    insta::assert_snapshot!(flow_line(FlowRecord { icmp, ..flow("::1", "::2", 58) }));
    let icmp = Some(IcmpRecord { first: (8, 0), response: None });
    insta::assert_snapshot!(flow_line(FlowRecord { icmp, ..flow("1.2.3.4", "5.6.7.8", 1) }));
}

#[test]
fn protocols_without_ports_or_names_are_written_as_suricata_does() {
    let lines =
        [47, 50, 132, 89, 253].map(|protocol| flow_line(flow("1.1.1.1", "2.2.2.2", protocol)));
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn flow_keeps_the_sampling_settings_under_which_it_was_taken() {
    let sampling =
        Sampling { fraction_ppb: 12_500_000, epoch: 7, escalated: false, changed: false };
    let now = EventContext {
        appliance: Arc::from("edge-1"),
        instance: Some(3),
        fraction_ppb: 500_000_000,
        select: Select::Host,
        epoch: 9,
    };
    let record = FlowRecord { sampling, ..flow("1.1.1.1", "2.2.2.2", 17) };
    insta::assert_snapshot!(line_of(Event::Flow(Box::new(record)), &now, &[]));
}

#[test]
fn packet_sampled_flow_is_scaled_up_with_its_error() {
    let sampling =
        Sampling { fraction_ppb: 250_000_000, epoch: 1, escalated: false, changed: false };
    let now = EventContext { fraction_ppb: 250_000_000, select: Select::Packet, ..context() };
    let record = FlowRecord {
        sampling,
        to_server: FlowCounts { packets: 100, bytes: 10_000 },
        to_client: FlowCounts { packets: 300, bytes: 390_000 },
        ..flow("1.1.1.1", "2.2.2.2", 17)
    };
    let line = line_of(Event::Flow(Box::new(record.clone())), &now, &[]);
    insta::assert_snapshot!(line);
    let whole = FlowRecord { sampling: Sampling::WHOLE, ..record.clone() };
    assert!(!line_of(Event::Flow(Box::new(whole)), &now, &[]).contains("estimate"));
    let escalated = FlowRecord { sampling: Sampling { escalated: true, ..sampling }, ..record };
    assert!(!line_of(Event::Flow(Box::new(escalated)), &now, &[]).contains("estimate"));
}

#[test]
fn finding_becomes_an_alert() {
    let finding = Finding {
        timestamp: Timestamp(START),
        profile: Arc::from("Performance_Profiling"),
        gid: 1002,
        sid: 17,
        severity: Severity::Medium,
        title: Cow::Borrowed("tx of wire edge.b is full while its peer is idle"),
        evidence: vec![
            Evidence::new("tx_full", 812_u64),
            Evidence::new("busy_share", 0.25),
            Evidence::new("advice", "raise\tits descriptors \u{1}"),
        ],
        flow: Some(FindingFlow {
            flow_id: 42,
            flow_hash: 1,
            src: ip("10.0.0.5"),
            dst: ip("10.0.0.9"),
            src_port: 443,
            dst_port: 40000,
            protocol: 6,
            vlans: two_tags(),
            to_server: false,
        }),
        place: Some((0, Direction::BtoA)),
        packet_number: Some(44),
    };
    insta::assert_snapshot!(line_of(
        Event::Finding(Box::new(finding.clone())),
        &context(),
        &["edge"]
    ));
    let bare =
        Finding { flow: None, place: None, packet_number: None, evidence: vec![], ..finding };
    insta::assert_snapshot!(line_of(Event::Finding(Box::new(bare)), &context(), &[]));
}

#[test]
fn decode_fault_becomes_an_anomaly() {
    let anomaly = DecodeAnomaly {
        timestamp: Timestamp(START),
        event: "ipv4.trunc_pkt",
        addresses: Some((ip("10.0.0.5"), ip("10.0.0.9"))),
        ports: Some((1, 2)),
        protocol: Some(17),
        vlans: VlanStack::default(),
        wire: 0,
        direction: Direction::AtoB,
        frame_len: 60,
        packet_number: Some(3),
        flow_id: None,
    };
    let bare = DecodeAnomaly {
        event: "ethernet.pkt_too_small",
        addresses: None,
        ports: None,
        protocol: None,
        packet_number: None,
        ..anomaly.clone()
    };
    insta::assert_snapshot!(line_of(Event::Anomaly(Box::new(anomaly)), &context(), &[]));
    insta::assert_snapshot!(line_of(Event::Anomaly(Box::new(bare)), &context(), &["edge"]));
}
