//! A rule matched: everything that an EVE `alert` event of Suricata says.
//!
//! What belongs to the rule is made once and shared; what belongs to the match is plain values. Parts
//! that are only written when asked for are only made when [`AlertDetail`] asks for them.

use std::net::IpAddr;
use std::sync::Arc;

use umbra_tap::Direction;

use super::app::{AppFlow, AppObjects, FileInfo, FlowEnds};
use super::variables::FlowVariables;
use super::{FlowCounts, Sampling, Timestamp};
use crate::app::AppProto;
use crate::decode::VlanStack;

/// Which parts of an alert are wanted beside what it always says. Copying payloads and frames costs, so
/// nobody does it unasked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct AlertDetail {
    /// [`SignatureAlert::payload`]: at most this many bytes; 0 for none.
    pub payload_bytes: u32,
    /// [`AlertPacket::data`].
    pub packet: bool,
    /// [`Signature::text`].
    pub rule_text: bool,
}

/// What an alert says of its rule; one per rule, shared by its alerts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Signature {
    pub gid: u32,
    pub sid: u32,
    pub rev: u32,
    pub msg: Box<str>,
    /// Description of the rule's class; empty without one.
    pub category: Box<str>,
    /// The rule's priority: 1 is worst.
    pub severity: u8,
    /// The rule's action: what would happen if this were no shadow.
    pub action: SignatureAction,
    /// Keys in the order in which the rule first names them, each with all its values; see
    /// [`MetadataEntry::group`].
    pub metadata: Vec<MetadataEntry>,
    /// What `reference.config` says of the system, and the id: `https://www.example.org/`. Of a system that it
    /// does not know, `undefined` and the id.
    pub references: Vec<Box<str>>,
    /// Which end of the packet is the target, where the rule says so.
    pub target: Option<SignatureTarget>,
    /// The rule itself, where [`AlertDetail::rule_text`] asks for it.
    pub text: Option<Box<str>>,
}

/// A key of `metadata` with its values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MetadataEntry {
    pub key: Box<str>,
    pub values: Vec<Box<str>>,
}

impl MetadataEntry {
    /// Groups pairs by key, the values of a key from its last to its first, as Suricata has them: `tag a,
    /// tag b` is one entry with `b` and `a`. Pairs without a value, which Suricata does not write, are left
    /// out.
    pub fn group<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Vec<Self> {
        let mut entries: Vec<Self> = Vec::new();
        for (key, value) in pairs {
            if value.is_empty() {
                continue;
            }
            match entries.iter_mut().find(|entry| &*entry.key == key) {
                Some(entry) => entry.values.push(value.into()),
                None => entries.push(Self { key: key.into(), values: vec![value.into()] }),
            }
        }
        entries.iter_mut().for_each(|entry| entry.values.reverse());
        entries
    }
}

/// What a rule wants done with what it matches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum SignatureAction {
    #[default]
    Alert,
    Pass,
    Drop,
    Reject,
    RejectSrc,
    RejectDst,
    RejectBoth,
}

impl SignatureAction {
    /// The word of the rule language.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            SignatureAction::Alert => "alert",
            SignatureAction::Pass => "pass",
            SignatureAction::Drop => "drop",
            SignatureAction::Reject => "reject",
            SignatureAction::RejectSrc => "rejectsrc",
            SignatureAction::RejectDst => "rejectdst",
            SignatureAction::RejectBoth => "rejectboth",
        }
    }

    /// Whether the traffic would have been touched. In a shadow it never is.
    #[must_use]
    pub const fn interferes(self) -> bool {
        !matches!(self, SignatureAction::Alert | SignatureAction::Pass)
    }
}

/// `target` of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SignatureTarget {
    /// Whoever sent the packet.
    Source,
    /// Whoever it went to.
    Destination,
}

/// Where the packet of an alert came from, in Suricata's words (`pkt_src`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum AlertSource {
    /// A frame.
    #[default]
    Frame,
    GreTunnel,
    /// IPv4 or IPv6 in IPv4.
    Ipv4Tunnel,
    /// IPv4 or IPv6 in IPv6.
    Ipv6Tunnel,
    TeredoTunnel,
    Vxlan,
    Geneve,
    /// A datagram put together of fragments.
    Defrag,
    /// What was left of a stream when its flow ended or timed out.
    StreamEnd,
    /// What was left of a stream when a packet without a checksum or the like had it looked at.
    StreamFlush,
}

impl AlertSource {
    /// The word in `pkt_src`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            AlertSource::Frame => "wire/pcap",
            AlertSource::GreTunnel => "gre tunnel",
            AlertSource::Ipv4Tunnel => "ipv4 tunnel",
            AlertSource::Ipv6Tunnel => "ipv6 tunnel",
            AlertSource::TeredoTunnel => "teredo tunnel",
            AlertSource::Vxlan => "vxlan encapsulation",
            AlertSource::Geneve => "geneve encapsulation",
            AlertSource::Defrag => "defrag",
            AlertSource::StreamEnd => "stream (flow timeout)",
            AlertSource::StreamFlush => "stream (detect/log)",
        }
    }
}

/// The frame that triggered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlertPacket {
    /// Its number in a capture, from 1; absent when live.
    pub number: Option<u64>,
    /// Index of the wire.
    pub wire: u16,
    /// Which way it crossed the wire.
    pub direction: Direction,
    /// Its bytes as captured, where [`AlertDetail::packet`] asks for them: all of the frame, but of what
    /// came out of a tunnel or was put together only the inner datagram.
    pub data: Option<Box<[u8]>>,
    /// What `data` begins with, as capture files number it: 1 Ethernet, 12 IP.
    pub link_type: u16,
}

/// What carried the packet, where that was a tunnel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlertTunnel {
    /// Outer ends.
    pub ends: FlowEnds,
    /// How many tunnels are around the packet.
    pub depth: u8,
    /// Where the outer packet came from.
    pub source: AlertSource,
    /// Number of the outer packet in a capture. The alert itself has none then.
    pub number: Option<u64>,
}

/// The flow of an alert, as it stood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlertFlow {
    /// [`FlowRecord::flow_id`](super::FlowRecord::flow_id).
    pub flow_id: u64,
    /// The flow that announced it, if one did (FTP).
    pub parent_id: Option<u64>,
    /// Time of the first packet.
    pub start: Timestamp,
    /// From client to server.
    pub ends: FlowEnds,
    /// So far.
    pub to_server: FlowCounts,
    /// So far.
    pub to_client: FlowCounts,
    /// Under which sampling settings it was taken.
    pub sampling: Sampling,
}

/// What application layer the flow is, as far as that is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct AppLayers {
    /// Of the flow.
    pub proto: Option<AppProtoName>,
    /// Of what the client says, where it differs.
    pub to_server: Option<AppProtoName>,
    /// Of what the server says, where it differs.
    pub to_client: Option<AppProtoName>,
    /// What it was before it changed (STARTTLS, CONNECT).
    pub original: Option<AppProto>,
    /// What it was expected to change to, where it became something else.
    pub expected: Option<AppProto>,
}

/// What is said of a protocol: its name, or that none was recognised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AppProtoName {
    Known(AppProto),
    /// Nothing fits: `failed` in EVE.
    Failed,
}

impl AppProtoName {
    /// The word in EVE.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            AppProtoName::Known(proto) => proto.as_str(),
            AppProtoName::Failed => "failed",
        }
    }
}

/// The transaction that a rule matched, or that was looked at when it did.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AlertTransaction {
    /// Its number in the flow.
    pub tx_id: u64,
    /// The rule does not look at transactions; this is the latest of the flow. Suricata's stock configuration
    /// does not guess (`guess-applayer-tx`): then there is no transaction in the alert at all.
    pub guessed: bool,
    /// How far it has come, by the protocol's names for that (`request_complete`).
    pub progress_to_server: Option<&'static str>,
    /// The same of the answer.
    pub progress_to_client: Option<&'static str>,
    /// What its record says so far. Empty for protocols without a record.
    pub objects: AppObjects,
    /// Files that it carries in the packet's heading, as far as they came.
    pub files: Vec<FileInfo>,
}

/// The payload that a rule matched. Suricata has one wherever the packet is IP, if an empty one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AlertPayload {
    /// Of the stream in the packet's heading (what is missing as `[4 bytes missing]`), or of the packet.
    pub data: Box<[u8]>,
    /// Bytes that there were in all, those missing and those cut off included.
    pub len: u64,
}

/// A rule matched.
#[derive(Clone, Debug, PartialEq)]
pub struct SignatureAlert {
    /// Of the packet; of what remained of a flow at its end, when that end was dealt with: at the end of a
    /// replay the time of the last packet of all.
    pub timestamp: Timestamp,
    /// Id of the profile.
    pub profile: Arc<str>,
    pub signature: Arc<Signature>,
    /// `None` for what remained of a flow at its end: no frame triggered that.
    pub packet: Option<AlertPacket>,
    pub source: AlertSource,
    /// Of the packet, as it went; `None` without IP.
    pub ends: Option<FlowEnds>,
    /// Of the packet, outermost first.
    pub vlans: VlanStack,
    pub tunnel: Option<AlertTunnel>,
    pub flow: Option<AlertFlow>,
    /// The packet went from client to server; without meaning where there is no flow.
    pub to_server: bool,
    pub app: AppLayers,
    pub transaction: Option<AlertTransaction>,
    /// It was found in a stream, or in a transaction that came out of one, not in a packet alone.
    pub in_stream: bool,
    pub variables: FlowVariables,
    /// Where [`AlertDetail::payload_bytes`] asks for it.
    pub payload: Option<AlertPayload>,
}

/// A packet that a rule asked for by `tag`: EVE's `packet`.
#[derive(Clone, Debug, PartialEq)]
pub struct TaggedPacket {
    /// Of the packet.
    pub timestamp: Timestamp,
    /// Always with its bytes.
    pub packet: AlertPacket,
    pub source: AlertSource,
    /// Of the packet, as it went; `None` without IP.
    pub ends: Option<FlowEnds>,
    /// Of the packet, outermost first.
    pub vlans: VlanStack,
    /// The flow, if there is one.
    pub flow: Option<AppFlow>,
}

/// Addresses as they stand in `source` and `target` of an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Endpoint {
    pub ip: IpAddr,
    /// 0 where the protocol has no ports.
    pub port: u16,
}

impl SignatureAlert {
    /// Who attacks and who is the target, in that order, where the rule says so.
    #[must_use]
    pub fn attacker_and_target(&self) -> Option<[Endpoint; 2]> {
        let ends = self.ends?;
        let (from, to) = (
            Endpoint { ip: ends.src, port: ends.src_port },
            Endpoint { ip: ends.dst, port: ends.dst_port },
        );
        match self.signature.target? {
            SignatureTarget::Source => Some([to, from]),
            SignatureTarget::Destination => Some([from, to]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_is_grouped_latest_first_and_without_empty_values() {
        let entries = MetadataEntry::group([
            ("affected_product", "A"),
            ("created_at", "2020_01_02"),
            ("affected_product", "B"),
            ("policy", ""),
        ]);
        let shown: Vec<_> = entries
            .iter()
            .map(|entry| (&*entry.key, entry.values.iter().map(|v| &**v).collect::<Vec<_>>()))
            .collect();
        assert_eq!(
            shown,
            [("affected_product", vec!["B", "A"]), ("created_at", vec!["2020_01_02"])]
        );
    }
}
