//! What comes out of the shadow: flow records, alerts, records of application layers, findings, decode
//! faults and summaries.
//!
//! These are plain values in the words of the field; nothing here knows an output format. Whoever
//! implements [`EventSink`] (EVE, metrics, a test) decides what becomes of them.

mod alert;
mod app;
mod finding;
mod flow_record;
mod summary;
mod time;
mod variables;

pub use alert::{
    AlertDetail, AlertFlow, AlertPacket, AlertPayload, AlertSource, AlertTransaction, AlertTunnel,
    AppLayers, AppProtoName, Endpoint, MetadataEntry, Signature, SignatureAction, SignatureAlert,
    SignatureTarget, TaggedPacket,
};
pub use app::{AppFlow, AppObjects, AppRecord, FileHashes, FileInfo, FileRecord, FlowEnds};
pub use finding::{Evidence, EvidenceValue, Finding, FindingFlow, Severity};
pub use flow_record::{
    ConnectFailure, FlowApplication, FlowCounts, FlowEnd, FlowException, FlowPerformance,
    FlowRecord, FlowState, FlowTimes, IcmpRecord, PerDirection, PerSide, Sampling, TcpRecord,
    TcpState,
};
pub use summary::{
    Coverage, Distribution, Estimate, PerformanceSummary, ProtocolRow, RttSummary, SummarySpan,
    TcpFlagCounts, TopRow, TopTable,
};
pub use time::Timestamp;
pub use variables::{FlowInt, FlowVariables, Variable};

use std::net::IpAddr;
use std::sync::Arc;

use umbra_tap::{Direction, Select};

use crate::decode::VlanStack;

/// Something that the shadow saw.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A flow ended.
    Flow(Box<FlowRecord>),
    /// A rule matched.
    Alert(Box<SignatureAlert>),
    /// A packet that a rule asked for.
    Tagged(Box<TaggedPacket>),
    /// A transaction is finished.
    App(Box<AppRecord>),
    /// A file is finished.
    File(Box<FileRecord>),
    /// A profile found something.
    Finding(Box<Finding>),
    /// A frame could not be decoded to its end, or states an impossible thing.
    Anomaly(Box<DecodeAnomaly>),
    /// What the performance profile has counted.
    Performance(Box<PerformanceSummary>),
}

impl Event {
    /// When it happened: a flow's last packet, the frame of a finding, the end of a summary's span.
    #[must_use]
    pub fn timestamp(&self) -> Timestamp {
        match self {
            Event::Flow(flow) => flow.end,
            Event::Alert(alert) => alert.timestamp,
            Event::Tagged(tagged) => tagged.timestamp,
            Event::App(record) => record.timestamp,
            Event::File(record) => record.timestamp,
            Event::Finding(finding) => finding.timestamp,
            Event::Anomaly(anomaly) => anomaly.timestamp,
            Event::Performance(summary) => summary.end,
        }
    }
}

/// A decode fault of one frame. Emitted only when asked for; always counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecodeAnomaly {
    /// Of the frame.
    pub timestamp: Timestamp,
    /// Suricata's name of the decoder event, such as `ipv4.trunc_pkt`.
    pub event: &'static str,
    /// Source and destination, where the frame got as far as an IP header.
    pub addresses: Option<(IpAddr, IpAddr)>,
    /// Source and destination port, where there was a transport header that has them.
    pub ports: Option<(u16, u16)>,
    /// IP protocol number.
    pub protocol: Option<u8>,
    /// Outermost first.
    pub vlans: VlanStack,
    /// Index of the wire.
    pub wire: u16,
    /// Which way the frame crossed the wire.
    pub direction: Direction,
    /// Bytes on the wire, without FCS.
    pub frame_len: u32,
    /// The frame's number in a capture, from 1; absent when live.
    pub packet_number: Option<u64>,
    /// [`FlowRecord::flow_id`] of the flow that the frame was counted in.
    pub flow_id: Option<u64>,
}

/// Under what circumstances an event was seen. Shared by all events of an instance until it changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventContext {
    /// Name of the appliance.
    pub appliance: Arc<str>,
    /// Number of the shadow instance; absent where instances were merged.
    pub instance: Option<u32>,
    /// The sampling fraction in force, parts per billion. A flow record carries its own.
    pub fraction_ppb: u32,
    /// How the sampler selects.
    pub select: Select,
    /// Counts changes of the sampling settings, modulo 2^16.
    pub epoch: u16,
}

impl EventContext {
    /// A context where everything is selected, as in a replay.
    #[must_use]
    pub fn whole(appliance: &str, instance: Option<u32>) -> Self {
        Self {
            appliance: Arc::from(appliance),
            instance,
            fraction_ppb: Sampling::WHOLE_PPB,
            select: Select::Flow,
            epoch: 0,
        }
    }

    /// The sampling fraction in force in percent, 0.0–100.0.
    #[must_use]
    pub fn percentage(&self) -> f64 {
        f64::from(self.fraction_ppb) / 1e7
    }
}

/// Takes events as they come. Called on the instance's thread, so it must not wait.
pub trait EventSink: Send {
    /// One event. `context` is what held when the event was made.
    fn emit(&mut self, event: &Event, context: &EventContext);
}

/// Forgets everything.
#[derive(Clone, Copy, Debug, Default)]
pub struct NullSink;

impl EventSink for NullSink {
    fn emit(&mut self, _event: &Event, _context: &EventContext) {}
}

/// Keeps everything, for tests and small replays.
impl EventSink for Vec<Event> {
    fn emit(&mut self, event: &Event, _context: &EventContext) {
        self.push(event.clone());
    }
}
