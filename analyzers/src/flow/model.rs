//! The flow table as one would write it without caring for cost: every packet looks at every flow.

use umbra_tap::{Checksum, Direction, RecordMeta};

use super::packet::{FlowPacket, ICMP4, L4, Segment, TCP, UDP, icmp_counterpart};
use super::tcp::flag;
use super::{FlowConfig, QuotedTuple};
use crate::decode::VlanStack;
use crate::events::{FlowEnd, FlowState};

/// An owned packet of a test.
#[derive(Clone, Debug)]
pub(super) struct TestPacket {
    pub meta: RecordMeta,
    pub src: u128,
    pub dst: u128,
    pub src_port: u16,
    pub dst_port: u16,
    pub protocol: u8,
    pub l4: L4,
    pub quoted: Option<QuotedTuple>,
}

/// `10.0.0.host` as a mapped address.
pub(super) fn host(host: u8) -> u128 {
    0xffff_0000_0000 | 0x0a00_0000 | u128::from(host)
}

impl TestPacket {
    pub(super) fn new(ms: u64, src: (u8, u16), dst: (u8, u16), protocol: u8) -> Self {
        Self {
            meta: RecordMeta {
                timestamp_ns: 1_700_000_000_000_000_000 + ms * 1_000_000,
                frame_len: 100,
                flow_hash: 7,
                fraction_ppb: 1_000_000_000,
                wire: 0,
                direction: Direction::AtoB,
                ip_checksum: Checksum::Unknown,
                l4_checksum: Checksum::Unknown,
                escalated: false,
                epoch: 0,
            },
            src: host(src.0),
            dst: host(dst.0),
            src_port: src.1,
            dst_port: dst.1,
            protocol,
            l4: L4::None,
            quoted: None,
        }
    }

    pub(super) fn udp(ms: u64, src: (u8, u16), dst: (u8, u16)) -> Self {
        Self::new(ms, src, dst, UDP)
    }

    pub(super) fn tcp(
        ms: u64,
        src: (u8, u16),
        dst: (u8, u16),
        flags: u8,
        seq: u32,
        ack: u32,
    ) -> Self {
        let l4 = L4::Tcp(Segment { flags, seq, ack, payload_len: 0 });
        Self { l4, ..Self::new(ms, src, dst, TCP) }
    }

    pub(super) fn icmp(ms: u64, src: u8, dst: u8, kind: u8, id: u16) -> Self {
        let l4 = L4::Icmp { kind, code: 0 };
        Self { l4, ..Self::new(ms, (src, id), (dst, id), ICMP4) }
    }

    pub(super) fn with_payload(mut self, len: u32) -> Self {
        if let L4::Tcp(segment) = &mut self.l4 {
            segment.payload_len = len;
        }
        self
    }

    pub(super) fn view(&self) -> FlowPacket<'_> {
        FlowPacket {
            meta: &self.meta,
            frame_len: self.meta.frame_len,
            src: self.src,
            dst: self.dst,
            src_port: self.src_port,
            dst_port: self.dst_port,
            protocol: self.protocol,
            v6: false,
            truncated: false,
            l4: self.l4,
            quoted: self.quoted,
            vlans: VlanStack::default(),
            tunnels: None,
        }
    }
}

/// What model and table must agree on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ModelRecord {
    pub client: (u128, u16),
    pub server: (u128, u16),
    pub protocol: u8,
    pub packets: [u64; 2],
    pub bytes: [u64; 2],
    pub start: u64,
    pub end: u64,
    pub state: FlowState,
    pub reason: FlowEnd,
    pub flags: [u8; 2],
    pub errors: u32,
}

#[derive(Clone, Debug)]
struct ModelFlow {
    record: ModelRecord,
    kind: u8,
    client_isn: Option<u32>,
    server_isn: Option<u32>,
    /// `end` of the FIN of client and server.
    fins: [Option<u32>; 2],
    reset: bool,
    done: bool,
    tcp_packets: u32,
}

/// The naive table.
#[derive(Debug)]
pub(super) struct Model {
    config: FlowConfig,
    flows: Vec<ModelFlow>,
    pub ended: Vec<ModelRecord>,
    now: u64,
}

impl Model {
    pub(super) fn new(config: FlowConfig) -> Self {
        Self { config, flows: Vec::new(), ended: Vec::new(), now: 0 }
    }

    fn end_where(&mut self, reason: FlowEnd, which: impl Fn(&ModelFlow, u64) -> bool) {
        let now = self.now;
        let ended = &mut self.ended;
        self.flows.retain(|flow| {
            let ends = which(flow, now);
            if ends {
                ended.push(ModelRecord { reason, ..flow.record.clone() });
            }
            !ends
        });
    }

    fn expire(&mut self) {
        let timeouts = self.config.timeouts;
        self.end_where(FlowEnd::Timeout, |flow, now| {
            let idle_ns = now.saturating_sub(flow.record.end);
            idle_ns >= timeouts.nanos(flow.record.protocol, flow.record.state)
        });
    }

    pub(super) fn finish(&mut self) {
        self.expire();
        self.end_where(FlowEnd::Shutdown, |_, _| true);
    }

    fn position(&self, p: &TestPacket, kind: u8) -> Option<(usize, usize)> {
        let (src, dst) = ((p.src, p.src_port), (p.dst, p.dst_port));
        let icmp = p.protocol == ICMP4;
        self.flows.iter().enumerate().find_map(|(at, flow)| {
            let r = &flow.record;
            if r.protocol != p.protocol {
                None
            } else if (r.client, r.server) == (src, dst) && (!icmp || flow.kind == kind) {
                Some((at, 0))
            } else if (r.client, r.server) == (dst, src)
                && (!icmp || icmp_counterpart(ICMP4, flow.kind) == Some(kind))
            {
                Some((at, 1))
            } else {
                None
            }
        })
    }

    pub(super) fn observe(&mut self, p: &TestPacket) {
        let at_ns = p.meta.timestamp_ns;
        self.now = self.now.max(at_ns);
        self.expire();
        if let Some(quoted) = p.quoted {
            let inner = TestPacket {
                src: quoted.src,
                dst: quoted.dst,
                src_port: quoted.src_port,
                dst_port: quoted.dst_port,
                protocol: quoted.protocol,
                ..p.clone()
            };
            if let Some((at, side)) = self.position(&inner, 8) {
                let flow = &mut self.flows[at];
                flow.record.errors += 1;
                count(flow, 1 - side, p, true);
                return;
            }
        }
        let kind = match p.l4 {
            L4::Icmp { kind, .. } => kind,
            _ => 0,
        };
        let mut found = self.position(p, kind);
        if let (Some((at, side)), L4::Tcp(s)) = (found, p.l4)
            && s.flags & (flag::SYN | flag::ACK | flag::RST) == flag::SYN
        {
            let flow = &self.flows[at];
            let isn = [flow.client_isn, flow.server_isn][side];
            let idle_ns = at_ns.saturating_sub(flow.record.end);
            let again = match flow.record.state {
                FlowState::Closed => isn != Some(s.seq),
                FlowState::New => false,
                _ => isn != Some(s.seq) && idle_ns >= 60_000_000_000,
            };
            if again {
                let old = self.flows.remove(at);
                self.ended.push(ModelRecord { reason: FlowEnd::TcpReuse, ..old.record });
                found = None;
            }
        }
        let (at, side) = found.unwrap_or_else(|| {
            let answer = matches!(p.l4, L4::Tcp(s)
                if s.flags & (flag::SYN | flag::ACK | flag::RST) == flag::SYN | flag::ACK);
            let (src, dst) = ((p.src, p.src_port), (p.dst, p.dst_port));
            let (client, server) = if answer { (dst, src) } else { (src, dst) };
            self.flows.push(ModelFlow {
                record: ModelRecord {
                    client,
                    server,
                    protocol: p.protocol,
                    packets: [0; 2],
                    bytes: [0; 2],
                    start: at_ns,
                    end: at_ns,
                    state: FlowState::New,
                    reason: FlowEnd::Shutdown,
                    flags: [0; 2],
                    errors: 0,
                },
                kind,
                client_isn: None,
                server_isn: None,
                fins: [None; 2],
                reset: false,
                done: false,
                tcp_packets: 0,
            });
            (self.flows.len() - 1, usize::from(answer && client != server))
        });
        let flow = &mut self.flows[at];
        if let L4::Tcp(segment) = p.l4 {
            follow(flow, segment, side);
        }
        count(flow, side, p, false);
    }
}

fn count(flow: &mut ModelFlow, side: usize, p: &TestPacket, error: bool) {
    let r = &mut flow.record;
    r.packets[side] += 1;
    r.bytes[side] += u64::from(p.meta.frame_len);
    r.end = r.end.max(p.meta.timestamp_ns);
    if r.protocol != TCP && r.state == FlowState::New && side == 1 && !error {
        r.state = FlowState::Established;
    }
}

/// TCP in words: a connection is established once the client has acknowledged the server's SYN (or
/// just acknowledges, where that was not seen), or the server has sent data, or a midstream flow has
/// its second packet; closed once it is reset or both sides have sent FIN.
fn follow(flow: &mut ModelFlow, s: Segment, side: usize) {
    let first = flow.tcp_packets == 0;
    flow.tcp_packets += 1;
    flow.record.flags[side] |= s.flags;
    let behind = |isn: u32| s.ack.wrapping_sub(isn.wrapping_add(1)).cast_signed() >= 0;
    if s.flags & flag::RST != 0 {
        flow.reset = true;
    } else if flow.reset {
        // Nothing revives it, but a FIN is still remembered.
    } else if s.flags & flag::SYN != 0 {
        let unfinished = flow.record.state == FlowState::New;
        if unfinished && s.flags & flag::ACK == 0 {
            if side == 0 {
                flow.client_isn = Some(s.seq);
            } else {
                flow.server_isn = Some(s.seq);
            }
        } else if unfinished && side == 1 && flow.client_isn.is_none_or(behind) {
            flow.server_isn = Some(s.seq);
        }
    } else if flow.record.state == FlowState::New {
        let handshake = flow.client_isn.is_some() || flow.server_isn.is_some();
        let ack = s.flags & flag::ACK != 0;
        let goes_on = if handshake {
            ack && (side == 0 && flow.server_isn.is_none_or(behind)
                || side == 1 && s.payload_len > 0)
        } else {
            !first && ack
        };
        if goes_on {
            flow.record.state = FlowState::Established;
        }
    }
    if s.flags & (flag::FIN | flag::RST | flag::SYN) == flag::FIN {
        let again = flow.fins[side].is_some();
        flow.fins[side] = Some(0);
        if !first && !again && !flow.reset {
            flow.record.state = FlowState::Established;
            flow.done |= flow.fins[1 - side].is_some();
        }
    }
    if flow.reset || flow.done {
        flow.record.state = FlowState::Closed;
    }
}
