//! The shape of a record: every top-level key that umbra writes, in the order in which it writes them.

use serde::{Serialize, Serializer};
use umbra_analyzers::events::{FlowApplication, FlowException, TcpRecord, TcpState};

use super::address::Address;
use super::shadow::Shadow;
use super::time::Stamp;
use super::variables::{Metadata, Traffic};

/// One line. Each kind of event fills in its part.
#[derive(Serialize)]
pub(super) struct Record<'a, P> {
    pub(super) timestamp: Stamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) flow_id: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) parent_id: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) in_iface: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) pcap_cnt: Option<u64>,
    pub(super) event_type: &'static str,
    #[serde(skip_serializing_if = "<[u16]>::is_empty")]
    pub(super) vlan: &'a [u16],
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) src_ip: Option<Address>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) src_port: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) dest_ip: Option<Address>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) dest_port: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) ip_v: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) proto: Option<std::borrow::Cow<'static, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) pkt_src: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) icmp_type: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) icmp_code: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) response_icmp_type: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) response_icmp_code: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) community_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) app_proto: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) app_proto_orig: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) app_proto_expected: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) app_proto_ts: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) app_proto_tc: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) direction: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) alert: Option<Alert<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) anomaly: Option<Anomaly>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) flow: Option<Flow<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) traffic: Option<Traffic<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) metadata: Option<Metadata<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) tcp: Option<Tcp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) stats: Option<serde_json::Value>,
    pub(super) shadow: Shadow<'a, P>,
}

impl<'a, P> Record<'a, P> {
    /// A record of which nothing is known but these three.
    pub(super) fn new(timestamp: Stamp, event_type: &'static str, shadow: Shadow<'a, P>) -> Self {
        Self {
            timestamp,
            flow_id: None,
            parent_id: None,
            in_iface: None,
            pcap_cnt: None,
            event_type,
            vlan: &[],
            src_ip: None,
            src_port: None,
            dest_ip: None,
            dest_port: None,
            ip_v: None,
            proto: None,
            pkt_src: None,
            icmp_type: None,
            icmp_code: None,
            response_icmp_type: None,
            response_icmp_code: None,
            community_id: None,
            app_proto: None,
            app_proto_orig: None,
            app_proto_expected: None,
            app_proto_ts: None,
            app_proto_tc: None,
            direction: None,
            alert: None,
            anomaly: None,
            flow: None,
            traffic: None,
            metadata: None,
            tcp: None,
            stats: None,
            shadow,
        }
    }
}

/// The `flow` object of a flow event.
#[derive(Serialize)]
pub(super) struct Flow<'a> {
    pub(super) pkts_toserver: u64,
    pub(super) pkts_toclient: u64,
    pub(super) bytes_toserver: u64,
    pub(super) bytes_toclient: u64,
    pub(super) start: Stamp,
    pub(super) end: Stamp,
    pub(super) age: u64,
    pub(super) state: &'static str,
    pub(super) reason: &'static str,
    pub(super) alerted: bool,
    #[serde(skip_serializing_if = "<[FlowException]>::is_empty", serialize_with = "policies")]
    pub(super) exception_policy: &'a [FlowException],
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) tx_cnt: Option<u64>,
}

/// What was met, and that umbra goes on.
fn policies<S: Serializer>(met: &[FlowException], serializer: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Policy {
        target: &'static str,
        policy: &'static str,
    }
    serializer.collect_seq(met.iter().map(|met| Policy { target: met.as_str(), policy: "ignore" }))
}

/// The `tcp` object of a flow event: flags as hexadecimal, and by name those that were set.
#[derive(Serialize)]
pub(super) struct Tcp {
    tcp_flags: String,
    tcp_flags_ts: String,
    tcp_flags_tc: String,
    #[serde(skip_serializing_if = "is_false")]
    syn: bool,
    #[serde(skip_serializing_if = "is_false")]
    fin: bool,
    #[serde(skip_serializing_if = "is_false")]
    rst: bool,
    #[serde(skip_serializing_if = "is_false")]
    psh: bool,
    #[serde(skip_serializing_if = "is_false")]
    ack: bool,
    #[serde(skip_serializing_if = "is_false")]
    urg: bool,
    #[serde(skip_serializing_if = "is_false")]
    ecn: bool,
    #[serde(skip_serializing_if = "is_false")]
    cwr: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ts_max_regions: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tc_max_regions: Option<u32>,
    #[serde(skip_serializing_if = "is_false")]
    ts_gap: bool,
    #[serde(skip_serializing_if = "is_false")]
    tc_gap: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    ts_urgent_oob_data: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tc_urgent_oob_data: Option<u32>,
}

impl Tcp {
    /// Flag bits in the header's order: FIN is bit 0, CWR bit 7. No state is written where nothing is known
    /// of one.
    pub(super) fn new(tcp: &TcpRecord, streams: &FlowApplication) -> Self {
        let (to_server, to_client) = (tcp.flags_to_server, tcp.flags_to_client);
        let all = to_server | to_client;
        let set = |bit: u32| all & (1 << bit) != 0;
        Self {
            tcp_flags: format!("{all:02x}"),
            tcp_flags_ts: format!("{to_server:02x}"),
            tcp_flags_tc: format!("{to_client:02x}"),
            syn: set(1),
            fin: set(0),
            rst: set(2),
            psh: set(3),
            ack: set(4),
            urg: set(5),
            ecn: set(6),
            cwr: set(7),
            state: (tcp.state != TcpState::None).then(|| tcp.state.as_str()),
            ts_max_regions: streams.max_regions.map(|regions| regions.to_server),
            tc_max_regions: streams.max_regions.map(|regions| regions.to_client),
            ts_gap: streams.gaps.to_server,
            tc_gap: streams.gaps.to_client,
            ts_urgent_oob_data: some_bytes(streams.urgent_bytes.to_server),
            tc_urgent_oob_data: some_bytes(streams.urgent_bytes.to_client),
        }
    }
}

fn some_bytes(count: u32) -> Option<u32> {
    (count > 0).then_some(count)
}

/// The `alert` object.
#[derive(Serialize)]
pub(super) struct Alert<'a> {
    pub(super) action: &'static str,
    pub(super) gid: u32,
    pub(super) signature_id: u32,
    pub(super) rev: u32,
    pub(super) signature: &'a str,
    pub(super) category: &'static str,
    pub(super) severity: u8,
}

/// The `anomaly` object of a decode fault.
#[derive(Serialize)]
pub(super) struct Anomaly {
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
    pub(super) event: String,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde asks for")]
fn is_false(value: &bool) -> bool {
    !*value
}
