//! Records of application layers: a finished transaction, a finished file.

use std::net::IpAddr;

use serde_json::{Map, Value};

use super::alert::AlertSource;
use super::variables::FlowVariables;
use super::{Sampling, Timestamp};
use crate::app::{AppProto, File, FileState};
use crate::decode::VlanStack;

/// Objects of an application layer as they stand at the top of a record: `{"http":{…}}`, or
/// `{"smtp":{…},"email":{…}}`. Keys and shapes are Suricata's.
pub type AppObjects = Map<String, Value>;

/// Two ends of a packet or a flow. Which is which depends on where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FlowEnds {
    pub src: IpAddr,
    pub dst: IpAddr,
    /// 0 where the protocol has no ports.
    pub src_port: u16,
    /// 0 where the protocol has no ports.
    pub dst_port: u16,
    /// IP protocol number.
    pub protocol: u8,
    /// ICMP type and code, where it is ICMP or ICMPv6.
    pub icmp: Option<(u8, u8)>,
}

impl FlowEnds {
    /// The other way round.
    #[must_use]
    pub const fn reversed(self) -> Self {
        Self {
            src: self.dst,
            dst: self.src,
            src_port: self.dst_port,
            dst_port: self.src_port,
            ..self
        }
    }
}

/// What records of application layers have in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppFlow {
    /// [`FlowRecord::flow_id`](super::FlowRecord::flow_id).
    pub flow_id: u64,
    /// The flow that announced it, if one did (FTP).
    pub parent_id: Option<u64>,
    /// Index of the wire.
    pub wire: u16,
    /// Of the flow's first packet, outermost first.
    pub vlans: VlanStack,
    /// Under which sampling settings the flow was taken.
    pub sampling: Sampling,
    /// What rules have noted about it so far.
    pub variables: FlowVariables,
}

/// A finished transaction.
#[derive(Clone, Debug, PartialEq)]
pub struct AppRecord {
    /// Of the packet with which it was written: most often that which completed it. At the end of a flow, when
    /// that end was dealt with: at the end of a replay the time of the last packet of all.
    pub timestamp: Timestamp,
    /// That packet's number in a capture, from 1; absent when live, and when the flow's end caused it.
    pub number: Option<u64>,
    /// Where that packet came from, as in alerts.
    pub source: AlertSource,
    pub flow: AppFlow,
    /// From client to server, whatever packet completed it; of DNS the way that the message went.
    pub ends: FlowEnds,
    /// EVE's `event_type`: `http`, `dns`, `ftp_data`…
    pub event_type: &'static str,
    /// Number of the transaction in its flow.
    pub tx_id: Option<u64>,
    pub objects: AppObjects,
}

/// A finished file, or one that will not be followed any further.
#[derive(Clone, Debug, PartialEq)]
pub struct FileRecord {
    /// Of the packet with which it was written: as in Suricata the first after its end that goes the file's way.
    /// At the end of a flow as in [`AppRecord`].
    pub timestamp: Timestamp,
    /// That packet's number in a capture, from 1; absent when live, and when the flow's end caused it.
    pub number: Option<u64>,
    /// Where that packet came from, as in alerts.
    pub source: AlertSource,
    pub flow: AppFlow,
    /// From who sent the file to who got it.
    pub ends: FlowEnds,
    pub app_proto: AppProto,
    /// What the record of its transaction says so far.
    pub objects: AppObjects,
    pub file: FileInfo,
}

/// What is said of a file in a record of its own, and in alerts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FileInfo {
    /// As sent. HTTP: of the URI where nothing else names it.
    pub name: Box<[u8]>,
    /// A part was lost.
    pub gaps: bool,
    pub state: FileState,
    /// Bytes followed.
    pub size: u64,
    /// Number of the transaction that carried it.
    pub tx_id: u64,
    /// A range of the whole (HTTP 206), first and last byte.
    pub range: Option<(u64, u64)>,
    /// Sids of rules that asked for the file to be stored. Nothing is stored here.
    pub sids: Vec<u32>,
    /// Where asked for, and the file came whole.
    pub hashes: FileHashes,
}

/// Hashes of a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct FileHashes {
    pub md5: Option<[u8; 16]>,
    pub sha1: Option<[u8; 20]>,
    pub sha256: Option<[u8; 32]>,
}

impl FileInfo {
    /// What a parser followed of a file.
    #[must_use]
    pub fn of(file: &File, tx_id: u64) -> Self {
        Self {
            name: file.name.as_slice().into(),
            gaps: file.gaps,
            state: file.state,
            size: file.size,
            range: file.range,
            tx_id,
            ..Self::default()
        }
    }
}

impl FileState {
    /// The word in EVE's `fileinfo`; of a file that still comes, what Suricata says of one that it does
    /// not know.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            FileState::Open => "UNKNOWN",
            FileState::Closed => "CLOSED",
            FileState::Truncated => "TRUNCATED",
            FileState::Error => "ERROR",
        }
    }
}
