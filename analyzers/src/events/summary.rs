//! What the performance profile says of a span of time: counted figures, and what they stand for.
//!
//! Everything counted is a plain number of the sample. An [`Estimate`] beside it is scaled up by the
//! sampling fractions under which it was counted, with the error of doing so.

use serde::Serialize;

use super::Timestamp;

/// A figure of the whole traffic, estimated from the sample.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Estimate {
    /// What was counted in the sample.
    pub observed: u64,
    /// What that stands for: the Horvitz–Thompson estimate Σ y/p.
    pub estimate: f64,
    /// Bounds that hold the true figure in 95 % of samples. Not below what was counted.
    pub ci95: [f64; 2],
    /// The sample is too small or too uneven for the bounds to be trusted.
    pub unreliable: bool,
}

/// What a [`PerformanceSummary`] covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SummarySpan {
    /// Since the previous summary.
    Interval,
    /// Since the instance started.
    Total,
}

/// Under which fractions the figures were counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Coverage {
    /// Smallest fraction seen, percent.
    pub percentage_min: f64,
    /// Largest fraction seen, percent.
    pub percentage_max: f64,
    /// Packets selected by the escalation set, each of which stands for itself only.
    pub escalated_packets: u64,
    /// The sample did not contain what full selection would: set when some fraction was below 100 %.
    pub sampled: bool,
}

/// A line of a protocol table.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ProtocolRow {
    /// Such as `ipv4`, `tcp`, `udp/443`.
    pub name: String,
    /// In the sample.
    pub packets: u64,
    /// Frame bytes in the sample.
    pub bytes: u64,
    /// Estimated packets.
    pub estimated_packets: f64,
    /// Estimated frame bytes.
    pub estimated_bytes: f64,
}

/// A line of a top table.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TopRow {
    /// Host, pair of hosts (`a b`, lower first) or service (`tcp/443`).
    pub key: String,
    /// Estimated packets of it while it was in the table: a lower bound.
    pub packets: f64,
    /// Estimated frame bytes: an upper bound, too high by at most `bytes_error`.
    pub bytes: f64,
    /// By how much `bytes` may be too high because the table is bounded. Sampling error is apart.
    pub bytes_error: f64,
}

/// Who moves most bytes, by an algorithm of bounded memory (space-saving).
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct TopTable {
    /// Largest first.
    pub rows: Vec<TopRow>,
    /// Estimated bytes of all keys together, those not listed included.
    pub total_bytes: f64,
    /// What is not in the table has at most this many estimated bytes.
    pub unlisted_at_most: f64,
}

/// A distribution, from a histogram of three significant digits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Distribution {
    /// Values counted.
    pub count: u64,
    /// Smallest.
    pub min: u64,
    /// Arithmetic mean.
    pub mean: f64,
    /// Median.
    pub p50: u64,
    /// 90th percentile.
    pub p90: u64,
    /// 99th percentile.
    pub p99: u64,
    /// Largest.
    pub max: u64,
}

/// Handshake round trips.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct RttSummary {
    /// SYN to the ACK that completes the handshake, microseconds.
    pub handshake_us: Distribution,
    /// SYN to SYN/ACK: the path from the tap to the server and back, microseconds.
    pub server_side_us: Distribution,
    /// SYN/ACK to ACK: the path from the tap to the client and back, microseconds.
    pub client_side_us: Distribution,
}

/// TCP segments by flag.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct TcpFlagCounts {
    /// SYN without ACK.
    pub syn: u64,
    /// SYN and ACK.
    pub syn_ack: u64,
    /// FIN.
    pub fin: u64,
    /// RST.
    pub rst: u64,
    /// PSH.
    pub psh: u64,
    /// URG.
    pub urg: u64,
    /// ECE.
    pub ece: u64,
    /// CWR.
    pub cwr: u64,
    /// No flag at all.
    pub none: u64,
}

/// How TCP went with one server, network, service, VLAN or wire. Counts and times are of the sample.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct KeyRow {
    /// `server`, `client_network`, `service`, `vlan` or `wire`.
    pub kind: &'static str,
    /// Such as `192.0.2.1`, `10.1.2.0/24`, `tcp/443`; index of the wire.
    pub key: String,
    /// Round trips between the tap and the server, microseconds, at most one per connection and 10 ms.
    pub server_side_us: Distribution,
    /// Round trips between the tap and the client, likewise.
    pub client_side_us: Distribution,
    /// From the last that a client said to the server's first answer, microseconds.
    pub response_us: Distribution,
    /// Segments with payload.
    pub segments: u64,
    /// As in flow records, both directions.
    pub retransmissions: u64,
    /// Among them.
    pub fast_retransmissions: u64,
    /// Among them.
    pub spurious_retransmissions: u64,
    /// Reordered segments.
    pub out_of_order: u64,
    /// Closed windows.
    pub zero_windows: u64,
    /// Segments with RST.
    pub resets: u64,
    /// Handshakes that were finished.
    pub connected: u64,
    /// Attempts that a reset answered.
    pub refused: u64,
    /// Attempts that nothing answered.
    pub unanswered: u64,
    /// Connections of which one direction was seen.
    pub one_sided: u64,
}

/// What the performance profile counted over a span.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PerformanceSummary {
    /// Id of the profile.
    pub profile: String,
    /// What is covered.
    pub span: SummarySpan,
    /// First record of the span.
    pub start: Timestamp,
    /// Last record of the span.
    pub end: Timestamp,
    /// Sampling fractions.
    pub coverage: Coverage,
    /// Frames.
    pub packets: Estimate,
    /// Frame bytes without FCS.
    pub bytes: Estimate,
    /// Flows that had a packet in the span.
    pub flows: Estimate,
    /// Packets per second over the span, estimated.
    pub mean_rate_pps: f64,
    /// Bits per second over the span, estimated.
    pub mean_rate_bps: f64,
    /// Packets in each whole second, in the sample.
    pub rate_pps: Distribution,
    /// Frame lengths in bytes.
    pub frame_len: Distribution,
    /// By network layer.
    pub network: Vec<ProtocolRow>,
    /// By transport.
    pub transport: Vec<ProtocolRow>,
    /// Services (the server's port of a flow).
    pub services: TopTable,
    /// Hosts, sending and receiving.
    pub hosts: TopTable,
    /// Pairs of hosts.
    pub pairs: TopTable,
    /// TCP segments by flag, in the sample.
    pub tcp_flags: TcpFlagCounts,
    /// Handshake times, in the sample.
    pub rtt: RttSummary,
    /// Packets of which not all bytes were there (snaplen).
    pub truncated_packets: u64,
    /// Packets with at least one decode fault.
    pub faulty_packets: u64,
    /// TCP by server, clients' network, service, VLAN and wire: of each kind those with most to say.
    pub by_key: Vec<KeyRow>,
}
