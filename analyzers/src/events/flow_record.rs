//! The record of a finished flow: everything that an EVE `flow` event of Suricata says, and what is
//! ours about sampling and performance.

use std::net::IpAddr;

use serde::Serialize;
use umbra_tap::Direction;

use super::Timestamp;
use super::alert::AppLayers;
use super::variables::FlowVariables;
use crate::decode::{TunnelStack, VlanStack};

/// A figure for each direction of a flow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
pub struct PerDirection<T> {
    /// From the client to the server.
    pub to_server: T,
    /// From the server to the client.
    pub to_client: T,
}

/// Packets and bytes of one direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
pub struct FlowCounts {
    /// Packets. A datagram that came in fragments is one, as in Suricata.
    pub packets: u64,
    /// Frame bytes on the wire, all headers included, FCS not. A datagram that came in fragments has
    /// as many as a frame with all of it would have.
    pub bytes: u64,
}

/// How far a flow got. The words are Suricata's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FlowState {
    /// One direction only, or a TCP handshake that did not finish.
    #[default]
    New = 0,
    /// Both directions; TCP: handshake finished, or data seen midstream.
    Established = 1,
    /// TCP only: a reset, or both sides finished.
    Closed = 2,
    /// No longer looked at.
    Bypassed = 3,
}

impl FlowState {
    /// The word that EVE uses.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            FlowState::New => "new",
            FlowState::Established => "established",
            FlowState::Closed => "closed",
            FlowState::Bypassed => "bypassed",
        }
    }
}

/// Why a record was written. The words are Suricata's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FlowEnd {
    /// Idle for longer than its state allows.
    Timeout,
    /// Pushed out of a full table, or by an instance's replacement.
    Forced,
    /// The tuple was used again by a new connection.
    TcpReuse,
    /// The run ended.
    Shutdown,
}

impl FlowEnd {
    /// The word that EVE uses.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            FlowEnd::Timeout => "timeout",
            FlowEnd::Forced => "forced",
            FlowEnd::TcpReuse => "tcp_reuse",
            FlowEnd::Shutdown => "shutdown",
        }
    }
}

/// State of a TCP connection as seen from between its ends. The words are Suricata's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TcpState {
    /// Nothing that says where in its life it is.
    #[default]
    None = 0,
    /// SYN.
    SynSent = 1,
    /// SYN and SYN/ACK.
    SynRecv = 2,
    /// Handshake finished, or packets without one (midstream).
    Established = 3,
    /// One side sent FIN.
    FinWait1 = 4,
    /// That FIN was acknowledged.
    FinWait2 = 5,
    /// Both sent FIN, neither acknowledged.
    Closing = 6,
    /// The server sent FIN first.
    CloseWait = 7,
    /// Both sent FIN, one is acknowledged.
    LastAck = 8,
    /// Both sent FIN, both are acknowledged, or nearly so.
    TimeWait = 9,
    /// A reset, or the end after `TimeWait`.
    Closed = 10,
}

impl TcpState {
    const ALL: [TcpState; 11] = [
        TcpState::None,
        TcpState::SynSent,
        TcpState::SynRecv,
        TcpState::Established,
        TcpState::FinWait1,
        TcpState::FinWait2,
        TcpState::Closing,
        TcpState::CloseWait,
        TcpState::LastAck,
        TcpState::TimeWait,
        TcpState::Closed,
    ];

    /// The state of this number, `None` where there is no such.
    pub(crate) fn from_number(number: u8) -> Self {
        Self::ALL.get(usize::from(number)).copied().unwrap_or_default()
    }

    /// How far the flow of such a connection got.
    #[must_use]
    pub const fn of_flow(self) -> FlowState {
        match self {
            TcpState::None | TcpState::SynSent | TcpState::SynRecv => FlowState::New,
            TcpState::Closing | TcpState::LastAck | TcpState::TimeWait | TcpState::Closed => {
                FlowState::Closed
            }
            _ => FlowState::Established,
        }
    }

    /// The word that EVE uses.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            TcpState::None => "none",
            TcpState::SynSent => "syn_sent",
            TcpState::SynRecv => "syn_recv",
            TcpState::Established => "established",
            TcpState::FinWait1 => "fin_wait1",
            TcpState::FinWait2 => "fin_wait2",
            TcpState::Closing => "closing",
            TcpState::CloseWait => "close_wait",
            TcpState::LastAck => "last_ack",
            TcpState::TimeWait => "time_wait",
            TcpState::Closed => "closed",
        }
    }
}

/// The TCP part of a record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
pub struct TcpRecord {
    /// All flag bits that the client set at some time (bit 0 FIN … bit 7 CWR).
    pub flags_to_server: u8,
    /// All flag bits that the server set at some time.
    pub flags_to_client: u8,
    /// Where the connection was when the record was written.
    pub state: TcpState,
    /// The first packet seen was no SYN.
    pub midstream: bool,
}

impl TcpRecord {
    /// All flag bits of both sides.
    #[must_use]
    pub const fn flags(&self) -> u8 {
        self.flags_to_server | self.flags_to_client
    }
}

/// The ICMP part of a record: type and code of the first packet, and of the first answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
pub struct IcmpRecord {
    /// `(type, code)` of the first packet.
    pub first: (u8, u8),
    /// `(type, code)` of the first packet in the other direction.
    pub response: Option<(u8, u8)>,
}

/// Under which sampling settings a flow was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Sampling {
    /// The fraction when the first packet was selected, parts per billion.
    pub fraction_ppb: u32,
    /// The settings' epoch at the first packet.
    pub epoch: u16,
    /// Some packet was selected by the escalation set.
    pub escalated: bool,
    /// The fraction changed while the flow lived: its counts cover only what was selected.
    pub changed: bool,
}

impl Sampling {
    /// 100 % in parts per billion.
    pub const WHOLE_PPB: u32 = 1_000_000_000;

    /// Everything was selected.
    pub const WHOLE: Sampling =
        Sampling { fraction_ppb: Self::WHOLE_PPB, epoch: 0, escalated: false, changed: false };

    /// The fraction at the first packet in percent, 0.0–100.0.
    #[must_use]
    pub fn percentage(&self) -> f64 {
        f64::from(self.fraction_ppb) / 1e7
    }
}

/// The performance figures of a TCP flow. A field that is absent was not measured, which is not 0.
/// The words have tshark's meanings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
pub struct FlowPerformance {
    /// From the latest SYN to the first segment with ACK and without SYN, of either side,
    /// microseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub initial_rtt_us: Option<u64>,
    /// Segments sent again, fast and spurious ones included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retransmissions: Option<PerDirection<u64>>,
    /// Those sent again because of duplicate ACKs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fast_retransmissions: Option<PerDirection<u64>>,
    /// Those sent again though they were acknowledged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spurious_retransmissions: Option<PerDirection<u64>>,
    /// Segments that arrived behind later ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub out_of_order: Option<PerDirection<u64>>,
    /// ACKs that repeat the previous one while data is outstanding.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duplicate_acks: Option<PerDirection<u64>>,
    /// Segments that announce a window of 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zero_windows: Option<PerDirection<u64>>,
    /// Segments that fill the window which the other end announced.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub window_full: Option<PerDirection<u64>>,
    /// Segments of at most one byte that repeat the last one sent, to see whether the other end is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep_alives: Option<PerDirection<u64>>,
    /// Segments before which something was not seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lost_segments: Option<PerDirection<u64>>,
    /// Segments with RST.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resets: Option<PerDirection<u64>>,
    /// ACKs of what was not seen: what was lost was lost on the way to the analysis.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub acked_unseen: Option<PerDirection<u64>>,
    /// Round trips along the connection between the tap and each end, by data and its acknowledgment,
    /// microseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rtt_us: Option<PerSide>,
    /// The same by TCP timestamps and their echo.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rtt_timestamps_us: Option<PerSide>,
    /// From the last the client said to the first that the server answers, microseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response_us: Option<FlowTimes>,
    /// Most bytes that were sent and not acknowledged at a time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_in_flight: Option<PerDirection<u64>>,
    /// Payload, whatever is sent again included: throughput.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payload_bytes: Option<PerDirection<u64>>,
    /// Bytes that were acknowledged from the first ACK on: goodput.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub acked_bytes: Option<PerDirection<u64>>,
    /// SACK blocks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sack_blocks: Option<PerDirection<u64>>,
    /// It never came to a connection.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connect: Option<ConnectFailure>,
    /// Only one end was ever heard, though it was answered.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub one_sided: bool,
    /// The figures are of a part of the flow: it did not begin with a SYN, its packets were sampled one by
    /// one or under changing fractions, or some were acknowledged that were not seen.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub partial: bool,
}

/// Times of one kind in a flow, microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
pub struct FlowTimes {
    /// How many were taken.
    pub samples: u64,
    /// Shortest.
    pub min: u64,
    /// Arithmetic mean.
    pub mean: u64,
    /// Longest.
    pub max: u64,
}

/// Times on the two sides of the tap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
pub struct PerSide {
    /// From the tap to the server and back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_side: Option<FlowTimes>,
    /// From the tap to the client and back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_side: Option<FlowTimes>,
}

/// Why an attempt did not become a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ConnectFailure {
    /// A reset came back.
    Refused,
    /// Nothing did.
    Unanswered,
}

impl FlowPerformance {
    /// Whether nothing at all was measured.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// What streams, application layers and rules add to a flow's record.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FlowApplication {
    /// Beside [`FlowRecord::app_proto`]; its own `proto` is of no consequence.
    pub layers: AppLayers,
    /// Transactions that there were, where a parser looked for them.
    pub transactions: Option<u64>,
    /// Most pieces that a stream was in at some time, where it was put together: 1 without holes.
    pub max_regions: Option<PerDirection<u32>>,
    /// A stream lacked a piece that its other end had got.
    pub gaps: PerDirection<bool>,
    /// Bytes of urgent data that were left out of a stream.
    pub urgent_bytes: PerDirection<u32>,
    /// What was met that a policy decides on. The policy here is to go on.
    pub exceptions: Vec<FlowException>,
    /// The flow that announced it, if one did (FTP).
    pub parent_id: Option<u64>,
    /// What rules have noted about it.
    pub variables: FlowVariables,
}

/// What policies decide on. The words are Suricata's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FlowException {
    /// A parser gave up.
    AppLayerError,
    /// TCP without a beginning, not picked up.
    StreamMidstream,
}

impl FlowException {
    /// The word that EVE uses.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            FlowException::AppLayerError => "app_layer_error",
            FlowException::StreamMidstream => "stream_midstream",
        }
    }
}

/// A flow from its first packet to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlowRecord {
    /// Stable id below 2^53 (so that JSON readers keep it): a hash of tuple and start.
    pub flow_id: u64,
    /// The sampler's symmetric hash of the first packet: what escalation and blocking refer to.
    pub flow_hash: u64,
    /// VLAN ids of the first packet, outermost first.
    pub vlans: VlanStack,
    /// EVE's `src_ip`: the sender of the first packet (TCP: of the SYN, if its answer came first).
    pub client: IpAddr,
    /// EVE's `dest_ip`.
    pub server: IpAddr,
    /// 0 where the protocol has no ports.
    pub client_port: u16,
    /// 0 where the protocol has no ports.
    pub server_port: u16,
    /// IP protocol number.
    pub protocol: u8,
    /// Present for ICMP and ICMPv6.
    pub icmp: Option<IcmpRecord>,
    /// Present for TCP.
    pub tcp: Option<TcpRecord>,
    /// Name of the application protocol, absent while unknown.
    pub app_proto: Option<&'static str>,
    /// `None` where only packets were counted.
    pub application: Option<Box<FlowApplication>>,
    /// From the client.
    pub to_server: FlowCounts,
    /// From the server.
    pub to_client: FlowCounts,
    /// Time of the first packet.
    pub start: Timestamp,
    /// Time of the last packet.
    pub end: Timestamp,
    /// When the record was written, by record time: EVE's `timestamp`. At the end of a replay that of the last
    /// packet of all.
    pub logged: Timestamp,
    /// How far the flow got.
    pub state: FlowState,
    /// Why the record was written.
    pub reason: FlowEnd,
    /// A profile alerted on it.
    pub alerted: bool,
    /// Tunnels around the first packet, outermost first.
    pub tunnels: TunnelStack,
    /// Index of the wire of the first packet.
    pub wire: u16,
    /// Which way the first packet crossed the wire.
    pub first_direction: Direction,
    /// Under which sampling settings the flow was taken.
    pub sampling: Sampling,
    /// Packets of which not all bytes were there (snaplen).
    pub truncated_packets: u64,
    /// ICMP errors that quote a packet of this flow. They are among its packets and bytes, in the
    /// direction of whom they tell.
    pub icmp_errors: u32,
    /// TCP performance figures.
    pub performance: FlowPerformance,
}

impl FlowRecord {
    /// EVE's `age`: difference of the whole seconds of end and start.
    #[must_use]
    pub const fn age_s(&self) -> u64 {
        self.end.as_secs().saturating_sub(self.start.as_secs())
    }

    /// Packets of both directions.
    #[must_use]
    pub const fn packets(&self) -> u64 {
        self.to_server.packets + self.to_client.packets
    }

    /// Frame bytes of both directions.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        self.to_server.bytes + self.to_client.bytes
    }
}
