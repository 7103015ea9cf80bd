//! A flow as others may see it: while it lives, and as a record when it has ended.

use std::net::IpAddr;

use super::packet::{ICMP4, ICMP6, TCP, address};
use super::slab::{Extra, Flow, Slab, bit};
use super::tcp::Handshake;
use crate::decode::VlanStack;
use crate::events::{
    FlowCounts, FlowEnd, FlowPerformance, FlowRecord, FlowState, IcmpRecord, Sampling, TcpRecord,
    TcpState, Timestamp,
};

/// A flow of the table, borrowed.
#[derive(Clone, Copy)]
pub struct FlowView<'t> {
    flow: &'t Flow,
    extra: Option<&'t Extra>,
}

impl std::fmt::Debug for FlowView<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} {}:{} -> {}:{} {}",
            self.protocol(),
            self.client(),
            self.client_port(),
            self.server(),
            self.server_port(),
            self.state().as_str(),
        )
    }
}

impl<'t> FlowView<'t> {
    pub(super) fn new(slab: &'t Slab, place: u32) -> Self {
        let flow = slab.get(place);
        Self { flow, extra: slab.extra(flow) }
    }

    /// Sender of the first packet.
    #[must_use]
    pub fn client(&self) -> IpAddr {
        address(self.flow.address[0], self.flow.has(bit::V6))
    }

    /// The other end.
    #[must_use]
    pub fn server(&self) -> IpAddr {
        address(self.flow.address[1], self.flow.has(bit::V6))
    }

    /// Client and server as numbers, IPv4 mapped.
    #[must_use]
    pub fn address_bits(&self) -> (u128, u128) {
        (self.flow.address[0], self.flow.address[1])
    }

    /// 0 where the protocol has no ports.
    #[must_use]
    pub fn client_port(&self) -> u16 {
        if self.is_icmp() { 0 } else { self.flow.port[0] }
    }

    /// 0 where the protocol has no ports.
    #[must_use]
    pub fn server_port(&self) -> u16 {
        if self.is_icmp() { 0 } else { self.flow.port[1] }
    }

    /// IP protocol number.
    #[must_use]
    pub fn protocol(&self) -> u8 {
        self.flow.protocol
    }

    /// Outermost first.
    #[must_use]
    pub fn vlans(&self) -> VlanStack {
        self.flow.vlans
    }

    /// The sampler's hash of the first packet.
    #[must_use]
    pub fn flow_hash(&self) -> u64 {
        self.flow.flow_hash
    }

    /// Index of the wire of the first packet.
    #[must_use]
    pub fn wire(&self) -> u16 {
        self.flow.wire
    }

    /// Under which sampling settings it is taken.
    #[must_use]
    pub fn sampling(&self) -> Sampling {
        let f = self.flow;
        Sampling {
            fraction_ppb: f.fraction_ppb,
            epoch: f.epoch,
            escalated: f.has(bit::ESCALATED),
            changed: f.has(bit::FRACTION_CHANGED),
        }
    }

    /// Time of the first packet.
    #[must_use]
    pub fn start(&self) -> Timestamp {
        self.flow.start
    }

    /// Time of the latest packet.
    #[must_use]
    pub fn last(&self) -> Timestamp {
        self.flow.last
    }

    /// How far it got.
    #[must_use]
    pub fn state(&self) -> FlowState {
        self.flow.state
    }

    /// How far it got, if it is TCP.
    #[must_use]
    pub fn tcp_state(&self) -> Option<TcpState> {
        (self.flow.protocol == TCP).then(|| self.flow.tcp_state())
    }

    /// TCP that did not begin with a SYN.
    #[must_use]
    pub fn is_midstream(&self) -> bool {
        self.flow.has(bit::MIDSTREAM)
    }

    /// A profile alerted on it.
    #[must_use]
    pub fn is_alerted(&self) -> bool {
        self.flow.has(bit::ALERTED)
    }

    /// Packets and bytes from the client.
    #[must_use]
    pub fn to_server(&self) -> FlowCounts {
        self.counts(0)
    }

    /// Packets and bytes from the server.
    #[must_use]
    pub fn to_client(&self) -> FlowCounts {
        self.counts(1)
    }

    /// Initial sequence numbers of client and server, where seen.
    #[must_use]
    pub fn initial_sequence_numbers(&self) -> (Option<u32>, Option<u32>) {
        let isn = |side| self.extra.and_then(|extra| extra.isn(side));
        (isn(0), isn(1))
    }

    /// The handshake, once finished.
    #[must_use]
    pub fn handshake(&self) -> Option<Handshake> {
        self.extra.and_then(Extra::finished_handshake)
    }

    /// Stable id below 2^53, never 0: a fixed hash of tuple and start, the same in every run and for
    /// any number of instances.
    #[must_use]
    pub fn flow_id(&self) -> u64 {
        let f = self.flow;
        let [client, server] = f.address;
        let ports = u64::from(f.port[0]) | u64::from(f.port[1]) << 16 | u64::from(f.protocol) << 32;
        let words = [
            (client >> 64) as u64,
            client as u64,
            (server >> 64) as u64,
            server as u64,
            ports | u64::from(if self.is_icmp() { f.l4[0] } else { 0 }) << 40,
            f.vlans.as_u64(),
            f.start.as_nanos(),
        ];
        let mut hash = 0x756d_6272_6166_6c77u64;
        for word in words {
            // The finaliser of splitmix64 (Steele, Lea, Flood 2014) as a chain.
            let mut z = (hash ^ word).wrapping_add(0x9e37_79b9_7f4a_7c15);
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            hash = z ^ (z >> 31);
        }
        (hash >> 11).max(1)
    }

    fn is_icmp(&self) -> bool {
        matches!(self.flow.protocol, ICMP4 | ICMP6)
    }

    fn counts(&self, side: usize) -> FlowCounts {
        let carry = self.extra.map_or(0, |extra| extra.packets_carry[side]);
        FlowCounts {
            packets: u64::from(self.flow.packets[side]) | u64::from(carry) << 32,
            bytes: self.flow.bytes[side],
        }
    }

    fn icmp_record(&self) -> Option<IcmpRecord> {
        let [kind, code, answer_kind, answer_code] = self.flow.l4;
        self.is_icmp().then(|| IcmpRecord {
            first: (kind, code),
            response: self.flow.has(bit::ANSWERED).then_some((answer_kind, answer_code)),
        })
    }

    /// The record, as it stands.
    #[must_use]
    pub fn record(&self, reason: FlowEnd) -> FlowRecord {
        let f = self.flow;
        FlowRecord {
            flow_id: self.flow_id(),
            flow_hash: f.flow_hash,
            vlans: f.vlans,
            client: self.client(),
            server: self.server(),
            client_port: self.client_port(),
            server_port: self.server_port(),
            protocol: f.protocol,
            icmp: self.icmp_record(),
            tcp: (f.protocol == TCP).then(|| TcpRecord {
                flags_to_server: f.l4[0],
                flags_to_client: f.l4[1],
                state: f.tcp_state(),
                midstream: f.has(bit::MIDSTREAM),
            }),
            app_proto: None,
            application: None,
            to_server: self.to_server(),
            to_client: self.to_client(),
            start: f.start,
            end: f.last,
            logged: f.last,
            state: f.state,
            reason,
            alerted: f.has(bit::ALERTED),
            tunnels: self.extra.and_then(|x| x.tunnels.as_deref().copied()).unwrap_or_default(),
            wire: f.wire,
            first_direction: f.first_direction(),
            sampling: self.sampling(),
            truncated_packets: self.extra.map_or(0, |x| u64::from(x.truncated_packets)),
            icmp_errors: self.extra.map_or(0, |x| x.icmp_errors),
            performance: FlowPerformance {
                initial_rtt_us: self.extra.and_then(Extra::initial_rtt_us),
                ..FlowPerformance::default()
            },
        }
    }
}
