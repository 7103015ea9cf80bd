//! What the flow table needs to know of a packet, and what makes two packets the same flow.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use umbra_tap::RecordMeta;

use crate::decode::{Decoded, IpInfo, Quoted, Transport, TunnelStack, VlanStack};

pub(super) const ICMP4: u8 = 1;
pub(super) const TCP: u8 = 6;
pub(super) const UDP: u8 = 17;
pub(super) const ICMP6: u8 = 58;
pub(super) const UDP_LITE: u8 = 136;

/// A TCP segment as far as the state of its connection is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Bit 0 FIN … bit 7 CWR.
    pub flags: u8,
    pub seq: u32,
    pub ack: u32,
    /// Bytes.
    pub payload_len: u32,
}

/// What stands behind the IP header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum L4 {
    /// Nothing that tells flows apart.
    None,
    /// TCP.
    Tcp(Segment),
    /// ICMP or ICMPv6.
    Icmp { kind: u8, code: u8 },
}

/// The tuple of the packet that an ICMP error quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuotedTuple {
    pub src: u128,
    pub dst: u128,
    pub src_port: u16,
    pub dst_port: u16,
    pub protocol: u8,
}

/// A packet as the flow table sees it. Addresses are IPv6, or IPv4 as `::ffff:a.b.c.d`.
#[derive(Clone, Copy, Debug)]
pub struct FlowPacket<'p> {
    /// Timestamp, wire, sampling.
    pub meta: &'p RecordMeta,
    /// What counts as its bytes: the frame's length, of a reassembled datagram that of the frame it
    /// would have been.
    pub frame_len: u32,
    pub src: u128,
    pub dst: u128,
    /// TCP, UDP, SCTP, DCCP: the port; ICMP queries: the identifier on both sides; else 0.
    pub src_port: u16,
    pub dst_port: u16,
    pub protocol: u8,
    pub v6: bool,
    /// Not all bytes of the frame were captured.
    pub truncated: bool,
    pub l4: L4,
    /// Of ICMP errors whose quotation reaches far enough.
    pub quoted: Option<QuotedTuple>,
    pub vlans: VlanStack,
    pub tunnels: Option<&'p TunnelStack>,
}

impl<'p> FlowPacket<'p> {
    /// `frame_len`: what is to count as its bytes. `None` where there is no IP datagram, or only a
    /// fragment of one.
    #[must_use]
    pub fn new(meta: &'p RecordMeta, decoded: &'p Decoded<'_>, frame_len: u32) -> Option<Self> {
        let ip = decoded.ip.as_ref()?;
        if ip.fragment.is_some() {
            return None;
        }
        let (src_port, dst_port) = decoded.ports().unwrap_or((0, 0));
        let mut packet = Self {
            meta,
            frame_len,
            src: address_bits(ip.src),
            dst: address_bits(ip.dst),
            src_port,
            dst_port,
            protocol: ip.protocol,
            v6: ip.version == 6,
            truncated: decoded.is_truncated(),
            l4: L4::None,
            quoted: None,
            vlans: decoded.vlans,
            tunnels: (!decoded.tunnels.is_empty()).then_some(&decoded.tunnels),
        };
        match &decoded.transport {
            Transport::Tcp(tcp) => {
                packet.l4 = L4::Tcp(Segment {
                    flags: (tcp.flags & 0xff) as u8,
                    seq: tcp.seq,
                    ack: tcp.ack,
                    payload_len: payload_len(ip, tcp.header_len),
                });
            }
            Transport::Icmp4(icmp) | Transport::Icmp6(icmp) => {
                packet.l4 = L4::Icmp { kind: icmp.kind, code: icmp.code };
                packet.src_port = icmp.id;
                packet.dst_port = icmp.id;
                packet.quoted = icmp.quoted.as_ref().and_then(quoted_tuple);
            }
            _ => {}
        }
        Some(packet)
    }
}

impl FlowPacket<'_> {
    /// Unreachable, quench, redirect, time exceeded, parameter problem.
    pub(super) fn is_icmp4_error(&self) -> bool {
        self.protocol == ICMP4 && matches!(self.l4, L4::Icmp { kind: 3 | 4 | 5 | 11 | 12, .. })
    }
}

/// What the headers say, which a capture may have cut off.
fn payload_len(ip: &IpInfo, tcp_header_len: u8) -> u32 {
    ip.total_len.saturating_sub(u32::from(ip.header_len) + u32::from(tcp_header_len))
}

impl QuotedTuple {
    /// The quoted packet in the place of the one that quotes it.
    pub(super) fn as_packet<'p>(&self, of: &FlowPacket<'p>) -> FlowPacket<'p> {
        let l4 = match self.protocol {
            // A quotation keeps the identifier, not the type: queries are nearly always echoes.
            ICMP4 => L4::Icmp { kind: 8, code: 0 },
            ICMP6 => L4::Icmp { kind: 128, code: 0 },
            _ => L4::None,
        };
        FlowPacket {
            src: self.src,
            dst: self.dst,
            src_port: self.src_port,
            dst_port: self.dst_port,
            protocol: self.protocol,
            l4,
            quoted: None,
            ..*of
        }
    }
}

fn quoted_tuple(quoted: &Quoted<'_>) -> Option<QuotedTuple> {
    let (src_port, dst_port) = match (quoted.ports, quoted.icmp_id) {
        (Some(ports), _) => ports,
        (None, Some(id)) => (id, id),
        (None, None) => match quoted.protocol {
            // The ports are cut off or in an earlier fragment.
            TCP | UDP | UDP_LITE | 132 | 33 | ICMP4 | ICMP6 => return None,
            _ => (0, 0),
        },
    };
    Some(QuotedTuple {
        src: address_bits(quoted.src),
        dst: address_bits(quoted.dst),
        src_port,
        dst_port,
        protocol: quoted.protocol,
    })
}

/// The type that answers a type, in either direction. Pairs as in Suricata.
pub(super) const fn icmp_counterpart(protocol: u8, kind: u8) -> Option<u8> {
    Some(match (protocol, kind) {
        (ICMP4, 0) => 8,
        (ICMP4, 8) => 0,
        (ICMP4, 9) => 10,
        (ICMP4, 10) => 9,
        (ICMP4, 13) => 14,
        (ICMP4, 14) => 13,
        (ICMP4, 15) => 16,
        (ICMP4, 16) => 15,
        (ICMP4, 17) => 18,
        (ICMP4, 18) => 17,
        (ICMP6, 128) => 129,
        (ICMP6, 129) => 128,
        (ICMP6, 130) => 131,
        (ICMP6, 131) => 130,
        (ICMP6, 133) => 134,
        (ICMP6, 134) => 133,
        (ICMP6, 135) => 136,
        (ICMP6, 136) => 135,
        (ICMP6, 139) => 140,
        (ICMP6, 140) => 139,
        (ICMP6, 144) => 145,
        (ICMP6, 145) => 144,
        (ICMP6, 146) => 147,
        (ICMP6, 147) => 146,
        _ => return None,
    })
}

/// The same number for both types of a pair, for the hash.
pub(super) const fn icmp_class(protocol: u8, kind: u8) -> u8 {
    match icmp_counterpart(protocol, kind) {
        Some(other) if other < kind => other,
        _ => kind,
    }
}

/// An address as a number, IPv4 mapped.
pub(crate) fn address_bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().to_bits(),
        IpAddr::V6(v6) => v6.to_bits(),
    }
}

/// The address that `bits` stand for in a packet of IP version 6 or not.
pub(crate) fn address(bits: u128, v6: bool) -> IpAddr {
    let full = Ipv6Addr::from_bits(bits);
    if v6 {
        IpAddr::V6(full)
    } else {
        let [.., a, b, c, d] = full.octets();
        IpAddr::V4(Ipv4Addr::new(a, b, c, d))
    }
}
