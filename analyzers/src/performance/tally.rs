//! What is counted over a span, in a form that can be added up over instances.

use foldhash::quality::RandomState;
use hashbrown::HashMap;
use hdrhistogram::Histogram;

use super::estimate::Estimator;
use super::keyed::Keyed;
use super::rate::RateSeries;
use super::top::Top;
use super::units::Unit;
use super::{PerformancePlan, names};
use crate::events::{
    Coverage, Distribution, PerformanceSummary, ProtocolRow, RttSummary, SummarySpan,
    TcpFlagCounts, Timestamp,
};
use crate::flow::Handshake;
use crate::profile::Packet;

/// Different non-IP ethertypes counted apart; frames of others are counted under 0xffff.
const NETWORKS: usize = 64;

/// A handshake that takes longer than a minute counts as a minute.
const LONGEST_RTT_US: u64 = 60_000_000;
/// Faster than any port.
const HIGHEST_RATE_PPS: u64 = 1 << 32;
const LONGEST_FRAME: u64 = umbra_tap::MAX_FRAME_LEN as u64;

/// Totals with their error.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Estimators {
    pub packets: Estimator,
    pub bytes: Estimator,
    pub flows: Estimator,
}

impl Estimators {
    pub(super) fn merge(&mut self, other: &Self) {
        self.packets.merge(&other.packets);
        self.bytes.merge(&other.bytes);
        self.flows.merge(&other.flows);
    }

    pub(super) fn mark_coarse(&mut self) {
        self.packets.mark_coarse();
        self.bytes.mark_coarse();
        self.flows.mark_coarse();
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Row {
    packets: u64,
    bytes: u64,
    estimated_packets: f64,
    estimated_bytes: f64,
}

impl Row {
    fn add(&mut self, other: &Self) {
        self.packets += other.packets;
        self.bytes += other.bytes;
        self.estimated_packets += other.estimated_packets;
        self.estimated_bytes += other.estimated_bytes;
    }

    fn named(&self, name: String) -> ProtocolRow {
        ProtocolRow {
            name,
            packets: self.packets,
            bytes: self.bytes,
            estimated_packets: self.estimated_packets,
            estimated_bytes: self.estimated_bytes,
        }
    }
}

/// Key of the services table: IP protocol and the server's port.
pub(super) type Service = (u8, u16);

/// Everything but the totals.
#[derive(Clone, Debug)]
pub(super) struct Detail {
    span: Option<(Timestamp, Timestamp)>,
    fractions: Option<(f64, f64)>,
    escalated: u64,
    frame_len: Histogram<u64>,
    rate: RateSeries,
    /// IPv4, IPv6.
    ip: [Row; 2],
    other_networks: HashMap<u16, Row, RandomState>,
    transport: Box<[Row; 256]>,
    services: Top<Service>,
    hosts: Top<u128>,
    pairs: Top<(u128, u128)>,
    tcp_flags: TcpFlagCounts,
    /// Whole, server's side, client's side.
    rtt: [Histogram<u64>; 3],
    truncated: u64,
    faulty: u64,
    pub(super) keyed: Keyed,
}

/// Histogram of three digits from 1 to `longest`. Legal bounds never fail.
fn histogram(longest: u64) -> Histogram<u64> {
    Histogram::new_with_bounds(1, longest.max(2), 3)
        .unwrap_or_else(|_| unreachable!("bounds are constants and in order"))
}

impl Detail {
    pub(super) fn new(plan: &PerformancePlan) -> Self {
        Self {
            span: None,
            fractions: None,
            escalated: 0,
            frame_len: histogram(LONGEST_FRAME),
            rate: RateSeries::default(),
            ip: [Row::default(); 2],
            other_networks: HashMap::default(),
            transport: Box::new([Row::default(); 256]),
            services: Top::new(plan.table_capacity),
            hosts: Top::new(plan.table_capacity),
            pairs: Top::new(plan.table_capacity),
            tcp_flags: TcpFlagCounts::default(),
            rtt: [(); 3].map(|()| histogram(LONGEST_RTT_US)),
            truncated: 0,
            faulty: 0,
            keyed: Keyed::default(),
        }
    }

    /// Time of the latest record.
    pub(super) fn last(&self) -> Timestamp {
        self.span.unwrap_or_default().1
    }

    pub(super) fn is_empty(&self) -> bool {
        self.span.is_none()
    }

    /// Counts a packet that was selected with probability `p`.
    pub(super) fn packet(&mut self, packet: &Packet<'_>, p: f64) {
        let at = packet.timestamp();
        self.span = Some(match self.span {
            Some((first, last)) => (first.min(at), last.max(at)),
            None => (at, at),
        });
        if packet.meta.escalated {
            self.escalated += 1;
        } else {
            self.fractions =
                Some(self.fractions.map_or((p, p), |(low, high)| (low.min(p), high.max(p))));
        }
        let len = u64::from(packet.meta.frame_len);
        self.frame_len.saturating_record(len);
        self.rate.add(at, 1);
        let row = Row {
            packets: 1,
            bytes: len,
            estimated_packets: 1.0 / p,
            estimated_bytes: len as f64 / p,
        };
        let decoded = &packet.decoded;
        match &decoded.ip {
            Some(ip) => {
                self.ip[usize::from(ip.version == 6)].add(&row);
                self.transport[usize::from(ip.protocol)].add(&row);
            }
            None => {
                let known = self.other_networks.contains_key(&decoded.ethertype);
                let full = self.other_networks.len() >= NETWORKS && !known;
                let key = if full { u16::MAX } else { decoded.ethertype };
                self.other_networks.entry(key).or_default().add(&row);
            }
        }
        if let crate::decode::Transport::Tcp(tcp) = &decoded.transport {
            self.flags(tcp.flags);
        }
        if let Some(handshake) = packet.handshake {
            self.handshake(&handshake);
        }
        self.truncated += u64::from(packet.is_truncated());
        self.faulty += u64::from(!decoded.faults.is_empty());
    }

    fn flags(&mut self, flags: u16) {
        let set = |bit: u16| u64::from(flags >> bit & 1);
        let counts = &mut self.tcp_flags;
        counts.fin += set(0);
        counts.rst += set(2);
        counts.psh += set(3);
        counts.urg += set(5);
        counts.ece += set(6);
        counts.cwr += set(7);
        counts.syn += u64::from(flags & 0x12 == 0x02);
        counts.syn_ack += u64::from(flags & 0x12 == 0x12);
        counts.none += u64::from(flags & 0xff == 0);
    }

    fn handshake(&mut self, handshake: &Handshake) {
        let [whole, server, client] = &mut self.rtt;
        whole.saturating_record(handshake.rtt_us());
        if let (Some(server_us), Some(client_us)) =
            (handshake.server_side_us(), handshake.client_side_us())
        {
            server.saturating_record(server_us);
            client.saturating_record(client_us);
        }
    }

    /// Takes what a flow brought in this interval into the top tables.
    pub(super) fn flow(&mut self, unit: &Unit) {
        let (bytes, packets) = (unit.interval.bytes.weighted, unit.interval.packets.weighted);
        let parties = &unit.parties;
        let pair = if parties.client <= parties.server {
            (parties.client, parties.server)
        } else {
            (parties.server, parties.client)
        };
        self.hosts.add(pair.0, bytes, packets);
        if pair.0 != pair.1 {
            self.hosts.add(pair.1, bytes, packets);
        }
        self.pairs.add(pair, bytes, packets);
        if matches!(parties.protocol, 6 | 17 | 33 | 132 | 136) {
            self.services.add((parties.protocol, parties.server_port), bytes, packets);
        }
    }

    pub(super) fn merge(&mut self, other: &Self) {
        self.span = match (self.span, other.span) {
            (Some(a), Some(b)) => Some((a.0.min(b.0), a.1.max(b.1))),
            (a, b) => a.or(b),
        };
        self.fractions = match (self.fractions, other.fractions) {
            (Some(a), Some(b)) => Some((a.0.min(b.0), a.1.max(b.1))),
            (a, b) => a.or(b),
        };
        self.escalated += other.escalated;
        // Same bounds, so neither can fail.
        let _ = self.frame_len.add(&other.frame_len);
        for (mine, theirs) in self.rtt.iter_mut().zip(&other.rtt) {
            let _ = mine.add(theirs);
        }
        self.rate.merge(&other.rate);
        self.ip.iter_mut().zip(&other.ip).for_each(|(a, b)| a.add(b));
        self.transport.iter_mut().zip(other.transport.iter()).for_each(|(a, b)| a.add(b));
        for (ethertype, row) in &other.other_networks {
            self.other_networks.entry(*ethertype).or_default().add(row);
        }
        self.services.merge(&other.services);
        self.hosts.merge(&other.hosts);
        self.pairs.merge(&other.pairs);
        let (a, b) = (&mut self.tcp_flags, &other.tcp_flags);
        a.syn += b.syn;
        a.syn_ack += b.syn_ack;
        a.fin += b.fin;
        a.rst += b.rst;
        a.psh += b.psh;
        a.urg += b.urg;
        a.ece += b.ece;
        a.cwr += b.cwr;
        a.none += b.none;
        self.truncated += other.truncated;
        self.faulty += other.faulty;
        self.keyed.merge(&other.keyed);
    }

    /// The figures in the shape of an event.
    pub(super) fn summary(
        &self,
        totals: &Estimators,
        plan: &PerformancePlan,
        profile: &str,
        span: SummarySpan,
    ) -> PerformanceSummary {
        let (start, end) = self.span.unwrap_or_default();
        let seconds = end.nanos_since(start) as f64 / 1e9;
        let rate = |total: f64| if seconds > 0.0 { total / seconds } else { 0.0 };
        let mut rate_pps = histogram(HIGHEST_RATE_PPS);
        self.rate.record_into(&mut rate_pps);
        let rows = plan.rows;
        let [handshake, server, client] = &self.rtt;
        PerformanceSummary {
            profile: profile.to_owned(),
            span,
            start,
            end,
            coverage: self.coverage(),
            packets: totals.packets.estimate(),
            bytes: totals.bytes.estimate(),
            flows: totals.flows.estimate(),
            mean_rate_pps: rate(totals.packets.total()),
            mean_rate_bps: rate(totals.bytes.total() * 8.0),
            rate_pps: distribution(&rate_pps),
            frame_len: distribution(&self.frame_len),
            network: self.network_rows(),
            transport: (0u8..=255)
                .zip(self.transport.iter())
                .filter(|(_, row)| row.packets > 0)
                .map(|(number, row)| row.named(names::transport(number)))
                .collect(),
            services: self
                .services
                .table(rows, |(protocol, port)| format!("{}/{port}", names::transport(*protocol))),
            hosts: self.hosts.table(rows, |host| names::host(*host)),
            pairs: self
                .pairs
                .table(rows, |(low, high)| format!("{} {}", names::host(*low), names::host(*high))),
            tcp_flags: self.tcp_flags,
            rtt: RttSummary {
                handshake_us: distribution(handshake),
                server_side_us: distribution(server),
                client_side_us: distribution(client),
            },
            truncated_packets: self.truncated,
            faulty_packets: self.faulty,
            by_key: self.keyed.rows(rows),
        }
    }

    fn coverage(&self) -> Coverage {
        let (low, high) = self.fractions.unwrap_or((1.0, 1.0));
        Coverage {
            percentage_min: low * 100.0,
            percentage_max: high * 100.0,
            escalated_packets: self.escalated,
            sampled: low < 1.0,
        }
    }

    fn network_rows(&self) -> Vec<ProtocolRow> {
        let mut others: Vec<_> = self.other_networks.iter().collect();
        others.sort_unstable_by_key(|(ethertype, _)| **ethertype);
        ["ipv4", "ipv6"]
            .into_iter()
            .zip(&self.ip)
            .map(|(name, row)| row.named(name.to_owned()))
            .chain(others.into_iter().map(|(number, row)| row.named(names::ethertype(*number))))
            .filter(|row| row.packets > 0)
            .collect()
    }
}

fn distribution(histogram: &Histogram<u64>) -> Distribution {
    if histogram.is_empty() {
        return Distribution::default();
    }
    Distribution {
        count: histogram.len(),
        min: histogram.min(),
        mean: histogram.mean(),
        p50: histogram.value_at_quantile(0.5),
        p90: histogram.value_at_quantile(0.9),
        p99: histogram.value_at_quantile(0.99),
        max: histogram.max(),
    }
}
