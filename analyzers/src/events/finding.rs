//! What a profile reports. The Shadow Manager makes alerts of findings.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;

use serde::Serialize;
use umbra_tap::Direction;

use super::Timestamp;
use crate::decode::VlanStack;

/// How bad it is. The numbers are Suricata's priorities: 1 is worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum Severity {
    /// Act now.
    High = 1,
    /// Look soon.
    Medium = 2,
    /// Worth knowing.
    Low = 3,
    /// For the record.
    Info = 4,
}

/// A value of evidence.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum EvidenceValue {
    /// A count.
    Count(u64),
    /// A measurement; the unit is in the key.
    Number(f64),
    /// Anything else.
    Text(String),
}

impl From<u64> for EvidenceValue {
    fn from(count: u64) -> Self {
        EvidenceValue::Count(count)
    }
}

impl From<f64> for EvidenceValue {
    fn from(number: f64) -> Self {
        EvidenceValue::Number(number)
    }
}

impl From<String> for EvidenceValue {
    fn from(text: String) -> Self {
        EvidenceValue::Text(text)
    }
}

impl From<&str> for EvidenceValue {
    fn from(text: &str) -> Self {
        EvidenceValue::Text(text.to_owned())
    }
}

/// What a finding rests on: `rtt_p99_us = 812000`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Evidence {
    /// Name with its unit, in snake case.
    pub key: Cow<'static, str>,
    /// What was seen.
    pub value: EvidenceValue,
}

impl Evidence {
    /// A key with its value.
    pub fn new(key: impl Into<Cow<'static, str>>, value: impl Into<EvidenceValue>) -> Self {
        Self { key: key.into(), value: value.into() }
    }
}

/// The flow that a finding is about, as it stood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FindingFlow {
    /// [`FlowRecord::flow_id`](super::FlowRecord::flow_id).
    pub flow_id: u64,
    /// The sampler's symmetric hash.
    pub flow_hash: u64,
    /// Source of the packet that triggered (not necessarily the client).
    pub src: IpAddr,
    /// Its destination.
    pub dst: IpAddr,
    /// 0 where the protocol has no ports.
    pub src_port: u16,
    /// 0 where the protocol has no ports.
    pub dst_port: u16,
    /// IP protocol number.
    pub protocol: u8,
    /// Outermost first.
    pub vlans: VlanStack,
    /// The packet went from client to server.
    pub to_server: bool,
}

/// Something that a profile found.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// Of the packet that triggered, or of the tick.
    pub timestamp: Timestamp,
    /// Id of the profile, such as `Performance_Profiling`.
    pub profile: Arc<str>,
    /// Who numbers the signature: 1 rules, 1001 anomaly, 1002 performance.
    pub gid: u32,
    /// Number of what was found, from the profile's documented table.
    pub sid: u32,
    /// How bad it is.
    pub severity: Severity,
    /// One line for the operator.
    pub title: Cow<'static, str>,
    /// What it rests on.
    pub evidence: Vec<Evidence>,
    /// The flow concerned, if one is.
    pub flow: Option<FindingFlow>,
    /// Index of the wire and direction, if one packet triggered.
    pub place: Option<(u16, Direction)>,
    /// That packet's number in a capture, from 1; absent when live.
    pub packet_number: Option<u64>,
}
