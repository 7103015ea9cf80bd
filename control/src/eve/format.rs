//! Events become lines.

use serde::Serialize;
use umbra_analyzers::events::{
    DecodeAnomaly, Event, EventContext, Finding, FlowApplication, FlowEnds, FlowRecord,
    PerformanceSummary, Severity,
};

use crate::manifest::EveType;

use super::address::{Address, has_ports, ip_version};
use super::community::community_id;
use super::options::EveOptions;
use super::protocol::protocol_name;
use super::records::{Alert, Anomaly, Flow, Record, Tcp};
use super::shadow::{EvidenceMap, Scaled, Shadow};
use super::stats::{Stats, performance_object};
use super::time::Stamp;
use super::variables::{Metadata, Traffic};

/// Makes JSON lines of events.
#[derive(Debug, Clone, Default)]
pub struct EveFormat {
    options: EveOptions,
}

/// Suricata's `pkt_src` of what a frame caused, as opposed to a reassembled stream or a time-out.
const FROM_A_FRAME: &str = "wire/pcap";

/// A record without performance figures.
type Plain = ();

impl EveFormat {
    pub fn new(options: EveOptions) -> Self {
        Self { options }
    }

    /// Appends the event's record to `out`, with its newline; nothing where its type is not asked for.
    pub fn event(&self, event: &Event, context: &EventContext, out: &mut Vec<u8>) {
        if !type_of(event).is_some_and(|kind| self.writes(kind)) {
            return;
        }
        match event {
            Event::Flow(flow) => self.flow(flow, context, out),
            Event::Alert(alert) => self.alert(alert, context, out),
            Event::Tagged(tagged) => self.tagged(tagged, context, out),
            Event::App(record) => self.app(record, context, out),
            Event::File(record) => self.file(record, context, out),
            Event::Finding(finding) => self.finding(finding, context, out),
            Event::Anomaly(anomaly) => self.anomaly(anomaly, context, out),
            Event::Performance(summary) => summary_line(summary, context, out),
        }
    }

    /// Appends a `stats` record, if those are asked for.
    pub fn stats(&self, stats: &Stats<'_>, context: &EventContext, out: &mut Vec<u8>) {
        if self.writes(EveType::Stats) {
            stats.write(context, out);
        }
    }

    fn writes(&self, kind: EveType) -> bool {
        self.options.types.contains(&kind)
    }

    pub(super) fn options(&self) -> &EveOptions {
        &self.options
    }

    pub(super) fn wire(&self, index: u16) -> Option<&str> {
        self.options.wires.get(usize::from(index)).map(String::as_str)
    }

    fn flow(&self, flow: &FlowRecord, context: &EventContext, out: &mut Vec<u8>) {
        let mut record =
            Record::new(Stamp(flow.logged.as_nanos()), "flow", Shadow::of_flow(flow, context));
        record.flow_id = Some(flow.flow_id);
        record.in_iface = self.wire(flow.wire);
        record.vlan = flow.vlans.ids();
        record.set_ends(flow.client, flow.server, flow.protocol);
        record.set_ports(flow.client_port, flow.server_port, flow.protocol);
        if let Some(icmp) = flow.icmp {
            record.icmp_type = Some(icmp.first.0);
            record.icmp_code = Some(icmp.first.1);
            record.response_icmp_type = icmp.response.map(|(kind, _)| kind);
            record.response_icmp_code = icmp.response.map(|(_, code)| code);
        }
        record.community_id = self.options.community_id.then(|| community_id(&ends_of(flow)));
        record.app_proto = flow.app_proto;
        let nothing = FlowApplication::default();
        let application = flow.application.as_deref().unwrap_or(&nothing);
        record.parent_id = application.parent_id;
        let layers = &application.layers;
        record.app_proto_orig = layers.original.map(|proto| proto.as_str());
        record.app_proto_expected = layers.expected.map(|proto| proto.as_str());
        record.app_proto_ts = layers.to_server.map(|proto| proto.as_str());
        record.app_proto_tc = layers.to_client.map(|proto| proto.as_str());
        record.traffic = Traffic::of(&application.variables);
        record.metadata = Metadata::of(&application.variables);
        record.flow = Some(Flow {
            pkts_toserver: flow.to_server.packets,
            pkts_toclient: flow.to_client.packets,
            bytes_toserver: flow.to_server.bytes,
            bytes_toclient: flow.to_client.bytes,
            start: Stamp(flow.start.as_nanos()),
            end: Stamp(flow.end.as_nanos()),
            age: flow.age_s(),
            state: flow.state.as_str(),
            reason: flow.reason.as_str(),
            alerted: flow.alerted,
            exception_policy: &application.exceptions,
            tx_cnt: application.transactions,
        });
        record.tcp = flow.tcp.as_ref().map(|tcp| Tcp::new(tcp, application));
        line(&record, out);
    }

    fn finding(&self, finding: &Finding, context: &EventContext, out: &mut Vec<u8>) {
        let mut shadow = Shadow::<Plain>::of_context(context);
        shadow.profile = Some(&finding.profile);
        shadow.evidence = (!finding.evidence.is_empty()).then_some(EvidenceMap(&finding.evidence));
        let mut record = Record::new(Stamp(finding.timestamp.as_nanos()), "alert", shadow);
        record.in_iface = finding.place.and_then(|(wire, _)| self.wire(wire));
        record.pcap_cnt = finding.packet_number;
        record.pkt_src = finding.place.is_some().then_some(FROM_A_FRAME);
        if let Some(flow) = &finding.flow {
            record.flow_id = Some(flow.flow_id);
            record.vlan = flow.vlans.ids();
            record.set_ends(flow.src, flow.dst, flow.protocol);
            record.set_ports(flow.src_port, flow.dst_port, flow.protocol);
            record.direction = Some(if flow.to_server { "to_server" } else { "to_client" });
        }
        record.alert = Some(Alert {
            // A shadow has no way to do otherwise: what enforcement does is another record.
            action: "allowed",
            gid: finding.gid,
            signature_id: finding.sid,
            rev: 1,
            signature: &finding.title,
            category: "",
            severity: severity_number(finding.severity),
        });
        line(&record, out);
    }

    fn anomaly(&self, anomaly: &DecodeAnomaly, context: &EventContext, out: &mut Vec<u8>) {
        let shadow = Shadow::<Plain>::of_context(context);
        let mut record = Record::new(Stamp(anomaly.timestamp.as_nanos()), "anomaly", shadow);
        record.flow_id = anomaly.flow_id;
        record.in_iface = self.wire(anomaly.wire);
        record.pcap_cnt = anomaly.packet_number;
        record.pkt_src = Some(FROM_A_FRAME);
        record.vlan = anomaly.vlans.ids();
        if let Some((src, dst)) = anomaly.addresses {
            record.src_ip = Some(Address(src));
            record.dest_ip = Some(Address(dst));
            record.ip_v = Some(ip_version(src));
        }
        record.src_port = anomaly.ports.map(|(src, _)| src);
        record.dest_port = anomaly.ports.map(|(_, dst)| dst);
        record.proto = anomaly.protocol.map(protocol_name);
        record.anomaly =
            Some(Anomaly { kind: "decode", event: format!("decoder.{}", anomaly.event) });
        line(&record, out);
    }
}

fn ends_of(flow: &FlowRecord) -> FlowEnds {
    FlowEnds {
        src: flow.client,
        dst: flow.server,
        src_port: flow.client_port,
        dst_port: flow.server_port,
        protocol: flow.protocol,
        icmp: flow.icmp.map(|icmp| icmp.first),
    }
}

impl<P> Record<'_, P> {
    fn set_ends(&mut self, src: std::net::IpAddr, dst: std::net::IpAddr, protocol: u8) {
        self.src_ip = Some(Address(src));
        self.dest_ip = Some(Address(dst));
        self.ip_v = Some(ip_version(src));
        self.proto = Some(protocol_name(protocol));
    }

    fn set_ports(&mut self, src: u16, dst: u16, protocol: u8) {
        if has_ports(protocol) || src != 0 || dst != 0 {
            self.src_port = Some(src);
            self.dest_port = Some(dst);
        }
    }
}

/// `None` for records of application layers that nobody can ask for.
fn type_of(event: &Event) -> Option<EveType> {
    Some(match event {
        Event::Flow(_) => EveType::Flow,
        Event::Finding(_) | Event::Alert(_) | Event::Tagged(_) => EveType::Alert,
        Event::App(record) => return EveType::of_event(record.event_type),
        Event::File(_) => EveType::Fileinfo,
        Event::Anomaly(_) => EveType::Anomaly,
        Event::Performance(_) => EveType::Stats,
    })
}

/// Suricata's numbers: 1 is worst.
fn severity_number(severity: Severity) -> u8 {
    severity as u8
}

/// The performance profile's figures: a `stats` event whose content is all ours.
fn summary_line(summary: &PerformanceSummary, context: &EventContext, out: &mut Vec<u8>) {
    let mut shadow = Shadow::of_context(context);
    shadow.performance = performance_object(summary);
    shadow.estimate = Scaled::of_summary(summary);
    let mut record = Record::new(Stamp(summary.end.as_nanos()), "stats", shadow);
    record.stats = Some(serde_json::json!({}));
    line(&record, out);
}

/// Appends one line. Serialising into memory fails only for maps with keys that are no strings, of which
/// there are none; the line is then left out whole.
pub(super) fn line(record: &impl Serialize, out: &mut Vec<u8>) {
    let start = out.len();
    match serde_json::to_writer(&mut *out, record) {
        Ok(()) => out.push(b'\n'),
        Err(error) => {
            out.truncate(start);
            log::error!("a record could not be written as JSON: {error}");
        }
    }
}
