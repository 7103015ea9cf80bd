//! Alerts of rules, records of application layers and files as they stand in eve.json.

use std::net::IpAddr;
use std::sync::Arc;

use serde_json::{Value, json};
use umbra_analyzers::app::{AppProto, FileState};
use umbra_analyzers::decode::VlanStack;
use umbra_analyzers::events::{
    AlertFlow, AlertPacket, AlertPayload, AlertSource, AlertTransaction, AlertTunnel, AppFlow,
    AppLayers, AppObjects, AppProtoName, AppRecord, Event, EventContext, FileHashes, FileInfo,
    FileRecord, FlowCounts, FlowEnds, FlowInt, FlowVariables, MetadataEntry, Sampling, Signature,
    SignatureAction, SignatureAlert, SignatureTarget, TaggedPacket, Timestamp, Variable,
};
use umbra_control::eve::{AlertOptions, EveFormat, EveOptions};
use umbra_control::manifest::EveType;
use umbra_tap::Direction;

const START: u64 = 1_767_323_045_123_456_789;

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn ends() -> FlowEnds {
    FlowEnds {
        src: ip("10.0.0.5"),
        dst: ip("192.0.2.9"),
        src_port: 40_000,
        dst_port: 80,
        protocol: 6,
        icmp: None,
    }
}

fn objects(value: Value) -> AppObjects {
    match value {
        Value::Object(map) => map,
        _ => panic!("an object"),
    }
}

fn signature() -> Signature {
    Signature {
        gid: 1,
        sid: 2_012_694,
        rev: 7,
        msg: "ET \"TEST\"".into(),
        category: "A Network Trojan was detected".into(),
        severity: 1,
        metadata: MetadataEntry::group([("tag", "a"), ("created_at", "2020_01_02"), ("tag", "b")]),
        references: vec!["https://example.org/1".into()],
        text: Some("alert http any any -> any any (sid:2012694;)".into()),
        ..Signature::default()
    }
}

fn alert() -> SignatureAlert {
    SignatureAlert {
        timestamp: Timestamp(START),
        profile: Arc::from("IDS_Signature_Scan"),
        signature: Arc::new(signature()),
        packet: Some(AlertPacket {
            number: Some(17),
            wire: 0,
            direction: Direction::AtoB,
            data: Some((*b"frame").into()),
            link_type: 1,
        }),
        source: AlertSource::Frame,
        ends: Some(ends()),
        vlans: VlanStack::default(),
        tunnel: None,
        flow: Some(AlertFlow {
            flow_id: 42,
            parent_id: None,
            start: Timestamp(START - 1_000_000_000),
            ends: ends(),
            to_server: FlowCounts { packets: 3, bytes: 300 },
            to_client: FlowCounts { packets: 2, bytes: 200 },
            sampling: Sampling { fraction_ppb: 10_000_000, epoch: 3, ..Sampling::WHOLE },
        }),
        to_server: true,
        app: AppLayers {
            proto: Some(AppProtoName::Known(AppProto::Http1)),
            to_client: Some(AppProtoName::Failed),
            ..AppLayers::default()
        },
        transaction: Some(AlertTransaction {
            tx_id: 1,
            guessed: true,
            progress_to_server: Some("request_complete"),
            progress_to_client: Some("response_started"),
            objects: objects(json!({"http": {"hostname": "example.org", "length": 0}})),
            files: vec![file()],
        }),
        in_stream: true,
        variables: FlowVariables {
            flowbits: vec![Arc::from("ET.x"), Arc::from("traffic/label/web")],
            flowints: vec![FlowInt { name: Arc::from("n"), value: 2 }],
            flowvars: vec![Variable { name: Arc::from("v"), value: (*b"a\x00b").into() }],
            pktvars: Vec::new(),
        },
        payload: Some(AlertPayload { data: (*b"GET \xff\r\n").into(), len: 9 }),
    }
}

fn file() -> FileInfo {
    FileInfo {
        name: (*b"/a\xffb").into(),
        gaps: false,
        state: FileState::Closed,
        size: 300,
        tx_id: 1,
        ..FileInfo::default()
    }
}

fn app_flow() -> AppFlow {
    AppFlow {
        flow_id: 42,
        parent_id: Some(41),
        wire: 0,
        vlans: VlanStack::default(),
        sampling: Sampling::WHOLE,
        variables: FlowVariables::default(),
    }
}

fn record(event: Event, options: EveOptions) -> Value {
    let mut out = Vec::new();
    EveFormat::new(options).event(&event, &EventContext::whole("edge-1", Some(0)), &mut out);
    let line = String::from_utf8(out).expect("UTF-8");
    assert!(line.ends_with('\n') && line.matches('\n').count() == 1, "one line: {line}");
    serde_json::from_str(&line).expect("JSON")
}

fn alert_record(alert: SignatureAlert, options: EveOptions) -> Value {
    record(Event::Alert(Box::new(alert)), options)
}

fn shadow(percentage: f64, epoch: u16) -> Value {
    json!({
        "appliance": "edge-1", "instance": 0, "percentage": percentage, "select": "flow",
        "epoch": epoch,
    })
}

#[test]
fn an_alert_says_by_default_what_suricata_says() {
    let mut shadow = shadow(1.0, 3);
    shadow["profile"] = json!("IDS_Signature_Scan");
    assert_eq!(
        alert_record(alert(), EveOptions::default()),
        json!({
            "timestamp": "2026-01-02T03:04:05.123456+0000",
            "flow_id": 42,
            "pcap_cnt": 17,
            "event_type": "alert",
            "src_ip": "10.0.0.5", "src_port": 40000,
            "dest_ip": "192.0.2.9", "dest_port": 80,
            "ip_v": 4,
            "proto": "TCP",
            "pkt_src": "wire/pcap",
            "metadata": {
                "flowbits": ["ET.x"],
                "flowints": {"n": 2},
                "flowvars": [{"v": "a.b"}],
            },
            "traffic": {"label": ["web"]},
            "tx_id": 1,
            "tx_guessed": true,
            "alert": {
                "action": "allowed", "gid": 1, "signature_id": 2_012_694, "rev": 7,
                "signature": "ET \"TEST\"", "category": "A Network Trojan was detected",
                "severity": 1,
                "metadata": {"tag": ["b", "a"], "created_at": ["2020_01_02"]},
            },
            "ts_progress": "request_complete",
            "tc_progress": "response_started",
            "http": {"hostname": "example.org", "length": 0},
            "app_proto": "http",
            "app_proto_tc": "failed",
            "files": [{
                "filename": "/a\\xffb", "gaps": false, "state": "CLOSED", "stored": false,
                "size": 300, "tx_id": 1,
            }],
            "direction": "to_server",
            "flow": {
                "pkts_toserver": 3, "pkts_toclient": 2, "bytes_toserver": 300, "bytes_toclient": 200,
                "start": "2026-01-02T03:04:04.123456+0000",
                "src_ip": "10.0.0.5", "src_port": 40000, "dest_ip": "192.0.2.9", "dest_port": 80,
            },
            "shadow": shadow,
        })
    );
}

#[test]
fn answers_are_grouped_in_dns_records_only() {
    let dns =
        json!({"dns": {"answers": [{"rdata": "192.0.2.1"}], "grouped": {"A": ["192.0.2.1"]}}});
    let transaction =
        AlertTransaction { objects: objects(dns.clone()), ..AlertTransaction::default() };
    let event = SignatureAlert { transaction: Some(transaction), ..alert() };
    let alert = alert_record(event, EveOptions::default());
    assert_eq!(alert["dns"], json!({"answers": [{"rdata": "192.0.2.1"}]}));
    let event = AppRecord { event_type: "dns", objects: objects(dns.clone()), ..app_record() };
    let record = record(Event::App(Box::new(event)), EveOptions::default());
    assert_eq!(record["dns"], dns["dns"]);
}

#[test]
fn what_is_asked_for_is_added() {
    let options = EveOptions {
        wires: vec!["edge".to_owned()],
        alert: AlertOptions {
            payload: true,
            payload_length: true,
            payload_printable: true,
            packet: true,
            rule: true,
            references: true,
            ..AlertOptions::default()
        },
        community_id: true,
        ..EveOptions::default()
    };
    let record = alert_record(alert(), options);
    for (key, expected) in [
        ("in_iface", json!("edge")),
        ("payload", json!("R0VUIP8NCg==")),
        ("payload_printable", json!("GET .\r\n")),
        ("payload_length", json!(9)),
        ("stream", json!(1)),
        ("packet", json!("ZnJhbWU=")),
        ("packet_info", json!({"linktype": 1, "linktype_name": "EN10MB"})),
    ] {
        assert_eq!(record[key], expected, "{key}");
    }
    assert_eq!(record["alert"]["references"], json!(["https://example.org/1"]));
    assert_eq!(record["alert"]["rule"], json!("alert http any any -> any any (sid:2012694;)"));
    let id = record["community_id"].as_str().expect("an id");
    assert!(id.starts_with("1:") && id.len() == 30, "{id}");
}

#[test]
fn an_empty_payload_has_a_length_and_one_that_nobody_copied_nothing() {
    let options = EveOptions {
        alert: AlertOptions {
            payload: true,
            payload_length: true,
            payload_printable: true,
            ..AlertOptions::default()
        },
        ..EveOptions::default()
    };
    let of = |payload| {
        let alert = SignatureAlert { payload, in_stream: false, ..alert() };
        let record = alert_record(alert, options.clone());
        ["payload", "payload_printable", "payload_length", "stream"].map(|key| record[key].clone())
    };
    let empty = of(Some(AlertPayload::default()));
    assert_eq!(empty, [Value::Null, Value::Null, json!(0), json!(0)]);
    assert_eq!(of(None), [Value::Null, Value::Null, Value::Null, Value::Null]);
}

#[test]
fn a_rule_that_drops_lets_pass_and_says_what_it_would_have_done() {
    let signature = Signature {
        action: SignatureAction::Drop,
        target: Some(SignatureTarget::Source),
        ..signature()
    };
    let alert = SignatureAlert { signature: Arc::new(signature), to_server: false, ..alert() };
    let record = alert_record(alert, EveOptions::default());
    assert_eq!(record["alert"]["action"], "allowed");
    assert_eq!(record["shadow"]["would"], "drop");
    assert_eq!(record["direction"], "to_client");
    assert_eq!(record["alert"]["source"], json!({"ip": "192.0.2.9", "port": 80}));
    assert_eq!(record["alert"]["target"], json!({"ip": "10.0.0.5", "port": 40000}));
}

#[test]
fn an_alert_at_the_end_of_a_stream_has_no_frame_and_one_without_a_flow_no_direction() {
    let at_end = SignatureAlert { packet: None, source: AlertSource::StreamEnd, ..alert() };
    let record = alert_record(at_end, EveOptions::default());
    assert_eq!(record["pkt_src"], "stream (flow timeout)");
    assert!(record.get("pcap_cnt").is_none());

    let icmp = FlowEnds { src_port: 0, dst_port: 0, protocol: 1, icmp: Some((3, 1)), ..ends() };
    let alone = SignatureAlert {
        ends: Some(icmp),
        flow: None,
        transaction: None,
        app: AppLayers::default(),
        variables: FlowVariables::default(),
        tunnel: Some(AlertTunnel {
            ends: FlowEnds { protocol: 47, src_port: 0, dst_port: 0, ..ends() },
            depth: 1,
            source: AlertSource::Frame,
            number: Some(17),
        }),
        ..alert()
    };
    let record = alert_record(alone, EveOptions { community_id: true, ..EveOptions::default() });
    for absent in ["flow_id", "direction", "flow", "src_port", "metadata", "tx_id", "community_id"]
    {
        assert!(record.get(absent).is_none(), "{absent}: {record}");
    }
    assert_eq!((&record["icmp_type"], &record["icmp_code"]), (&json!(3), &json!(1)));
    assert_eq!(
        record["tunnel"],
        json!({
            "src_ip": "10.0.0.5", "src_port": 0, "dest_ip": "192.0.2.9", "dest_port": 0,
            "proto": "GRE", "depth": 1, "pcap_cnt": 17, "pkt_src": "wire/pcap",
        })
    );
}

fn app_record() -> AppRecord {
    AppRecord {
        timestamp: Timestamp(START),
        number: Some(18),
        source: AlertSource::Frame,
        flow: app_flow(),
        ends: ends(),
        event_type: "ftp_data",
        tx_id: None,
        objects: objects(json!({"ftp_data": {"filename": "a", "command": "RETR"}})),
    }
}

#[test]
fn a_transaction_stands_under_its_protocols_names() {
    assert_eq!(
        record(Event::App(Box::new(app_record())), EveOptions::default()),
        json!({
            "timestamp": "2026-01-02T03:04:05.123456+0000",
            "flow_id": 42,
            "parent_id": 41,
            "pcap_cnt": 18,
            "event_type": "ftp_data",
            "src_ip": "10.0.0.5", "src_port": 40000,
            "dest_ip": "192.0.2.9", "dest_port": 80,
            "ip_v": 4,
            "proto": "TCP",
            "pkt_src": "wire/pcap",
            "ftp_data": {"filename": "a", "command": "RETR"},
            "shadow": shadow(100.0, 0),
        })
    );
}

#[test]
fn the_number_of_a_transaction_is_shown_where_suricata_shows_it() {
    for (event_type, shown) in [("http", true), ("smb", true), ("dns", false), ("tls", false)] {
        let event = AppRecord { event_type, tx_id: Some(3), ..app_record() };
        let record = record(Event::App(Box::new(event)), EveOptions::default());
        assert_eq!(record.get("tx_id").is_some(), shown, "{event_type}");
    }
}

#[test]
fn a_tagged_packet_is_the_frame_alone() {
    let tagged = TaggedPacket {
        timestamp: Timestamp(START),
        packet: alert().packet.expect("a packet"),
        source: AlertSource::Frame,
        ends: Some(ends()),
        vlans: VlanStack::default(),
        flow: None,
    };
    assert_eq!(
        record(Event::Tagged(Box::new(tagged)), EveOptions::default()),
        json!({
            "timestamp": "2026-01-02T03:04:05.123456+0000",
            "pcap_cnt": 17,
            "event_type": "packet",
            "src_ip": "10.0.0.5", "src_port": 40000,
            "dest_ip": "192.0.2.9", "dest_port": 80,
            "ip_v": 4,
            "proto": "TCP",
            "pkt_src": "wire/pcap",
            "packet": "ZnJhbWU=",
            "packet_info": {"linktype": 1, "linktype_name": "EN10MB"},
            "shadow": shadow(100.0, 0),
        })
    );
}

#[test]
fn a_file_goes_from_who_sent_it() {
    let file = FileInfo {
        state: FileState::Truncated,
        sids: vec![7],
        hashes: FileHashes { md5: Some([0xab; 16]), ..FileHashes::default() },
        ..file()
    };
    let event = FileRecord {
        timestamp: Timestamp(START),
        number: None,
        source: AlertSource::StreamEnd,
        flow: app_flow(),
        ends: ends().reversed(),
        app_proto: AppProto::Http1,
        objects: objects(json!({"http": {"status": 200}})),
        file,
    };
    let record = record(Event::File(Box::new(event)), EveOptions::default());
    assert_eq!((&record["event_type"], &record["app_proto"]), (&json!("fileinfo"), &json!("http")));
    assert_eq!((&record["src_ip"], &record["dest_port"]), (&json!("192.0.2.9"), &json!(40000)));
    assert_eq!(record["http"], json!({"status": 200}));
    assert_eq!(
        record["fileinfo"],
        json!({
            "filename": "/a\\xffb", "sid": [7], "gaps": false, "state": "TRUNCATED",
            "md5": "ab".repeat(16), "stored": false, "size": 300, "tx_id": 1,
        })
    );
}

#[test]
fn only_what_is_asked_for_is_written() {
    let lines = |types: &[EveType], event: Event| {
        let options =
            EveOptions { types: types.iter().copied().collect(), ..EveOptions::default() };
        let mut out = Vec::new();
        EveFormat::new(options).event(&event, &EventContext::whole("edge-1", None), &mut out);
        out.len()
    };
    let transfer = || Event::App(Box::new(app_record()));
    assert_ne!(lines(&[EveType::Ftp], transfer()), 0, "transfers belong to FTP");
    assert_eq!(lines(&[EveType::Alert, EveType::Http], transfer()), 0);
    assert_eq!(lines(&[EveType::Ftp], Event::Alert(Box::new(alert()))), 0);
    let unknown = AppRecord { event_type: "gopher", ..app_record() };
    assert_eq!(lines(&EveType::ALL, Event::App(Box::new(unknown))), 0);
}
