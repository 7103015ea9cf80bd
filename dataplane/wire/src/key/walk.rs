//! From a frame to its key, header by header. The slow path: [`crate::SymmetricHash::frame`] has
//! a short cut for the frames that are most of the traffic.

use super::{
    Endpoint, FlowKey, FlowKeyMode, KeyKind, KeyOptions, MAX_TUNNELS, Tunnel, ipv4_to_u128,
};
use crate::number::{
    MAX_EXTENSION_HEADERS, MAX_MPLS_LABELS, MAX_VLAN_TAGS, ethertype, port, ppp, protocol,
};
use crate::read::{chunk_at, u8_at, u16_at, u32_at};

/// The key of an Ethernet frame of which `frame` holds the first bytes.
#[must_use]
pub fn flow_key(frame: &[u8], options: &KeyOptions) -> FlowKey {
    let walk = Walk { inner: options.tunnel == Tunnel::Inner, options, quoting: false, depth: 0 };
    walk.ethernet(frame).unwrap_or_else(|| {
        // Shorter than an Ethernet header: no NIC delivers this, an in-memory port may.
        let mut start = [0; 12];
        start.iter_mut().zip(frame).for_each(|(to, from)| *to = *from);
        let [d0, d1, d2, d3, d4, d5, s0, s1, s2, s3, s4, s5] = start;
        FlowKey::l2([d0, d1, d2, d3, d4, d5], [s0, s1, s2, s3, s4, s5], 0)
    })
}

#[derive(Clone, Copy)]
struct Walk<'o> {
    options: &'o KeyOptions,
    inner: bool,
    /// Inside of an ICMP error, where a further error is not followed.
    quoting: bool,
    depth: u8,
}

/// Why the bytes behind an ethertype gave no key of their own: the ethertype to key on.
struct NotIp(u16);

impl Walk<'_> {
    /// One tunnel deeper, `None` at the bottom.
    fn deeper(self) -> Option<Self> {
        (self.depth < MAX_TUNNELS).then_some(Self { depth: self.depth + 1, ..self })
    }

    fn ethernet(self, frame: &[u8]) -> Option<FlowKey> {
        let (header, rest) = frame.split_first_chunk::<14>()?;
        let [d0, d1, d2, d3, d4, d5, s0, s1, s2, s3, s4, s5, t0, t1] = *header;
        let key = self.typed(u16::from_be_bytes([t0, t1]), rest);
        Some(key.unwrap_or_else(|NotIp(ethertype)| {
            FlowKey::l2([d0, d1, d2, d3, d4, d5], [s0, s1, s2, s3, s4, s5], ethertype)
        }))
    }

    /// What stands behind an Ethernet type (or length) field.
    fn typed(self, mut kind: u16, mut bytes: &[u8]) -> Result<FlowKey, NotIp> {
        for _ in 0..MAX_VLAN_TAGS {
            if !ethertype::is_tag(kind) {
                break;
            }
            let Some((tag, rest)) = bytes.split_first_chunk::<4>() else { return Err(NotIp(kind)) };
            kind = u16::from_be_bytes([tag[2], tag[3]]);
            bytes = rest;
        }
        if kind < ethertype::MIN {
            // 802.3 length; SNAP with OUI 0 (RFC 1042) or 0000f8 (802.1H) holds an ethertype.
            match bytes.split_first_chunk::<8>() {
                Some((&[0xaa, 0xaa, 3, 0, 0, 0 | 0xf8, t0, t1], rest)) => {
                    kind = u16::from_be_bytes([t0, t1]);
                    bytes = rest;
                }
                _ => return Err(NotIp(0)),
            }
        }
        let key = match kind {
            ethertype::IPV4 => self.ipv4(bytes),
            ethertype::IPV6 => self.ipv6(bytes),
            ethertype::MPLS | ethertype::MPLS_MULTICAST if self.inner => self.mpls(bytes),
            ethertype::PPPOE_SESSION if self.inner => self.pppoe(bytes),
            _ => None,
        };
        key.ok_or(NotIp(kind))
    }

    fn ip(self, bytes: &[u8]) -> Option<FlowKey> {
        match u8_at(bytes, 0)? >> 4 {
            4 => self.ipv4(bytes),
            6 => self.ipv6(bytes),
            _ => None,
        }
    }

    fn ipv4(self, bytes: &[u8]) -> Option<FlowKey> {
        let header = bytes.first_chunk::<20>()?;
        let header_len = usize::from(header[0] & 15) * 4;
        if header[0] >> 4 != 4 || header_len < 20 {
            return None;
        }
        let ends = Ends {
            src: ipv4_to_u128([header[12], header[13], header[14], header[15]]),
            dst: ipv4_to_u128([header[16], header[17], header[18], header[19]]),
            protocol: header[9],
        };
        // more fragments, or an offset
        let fragmented = u16::from_be_bytes([header[6], header[7]]) & 0x3fff != 0;
        match bytes.get(header_len..) {
            Some(rest) if !fragmented => Some(self.upper(ends, rest)),
            _ => Some(ends.hosts()),
        }
    }

    fn ipv6(self, bytes: &[u8]) -> Option<FlowKey> {
        let (header, mut rest) = bytes.split_first_chunk::<40>()?;
        if header[0] >> 4 != 6 {
            return None;
        }
        let address = |at| chunk_at(header, at).map_or(0, |b| u128::from_be_bytes(*b));
        let mut ends = Ends { src: address(8), dst: address(24), protocol: header[6] };
        for _ in 0..MAX_EXTENSION_HEADERS {
            let len = match ends.protocol {
                protocol::HOP_BY_HOP
                | protocol::ROUTING
                | protocol::DESTINATION
                | protocol::MOBILITY
                | protocol::HIP
                | protocol::SHIM6 => |n: u8| (usize::from(n) + 1) * 8,
                protocol::AH => |n: u8| (usize::from(n) + 2) * 4,
                protocol::FRAGMENT => |_| 8,
                _ => return Some(self.upper(ends, rest)),
            };
            let Some(&[next, n, o0, o1]) = rest.first_chunk() else { break };
            let fragment = ends.protocol == protocol::FRAGMENT;
            ends.protocol = next;
            if fragment && u16::from_be_bytes([o0, o1]) & 0xfff9 != 0 {
                break;
            }
            let Some(behind) = rest.get(len(n)..) else { break };
            rest = behind;
        }
        Some(ends.hosts())
    }

    fn upper(self, ends: Ends, bytes: &[u8]) -> FlowKey {
        let key = match ends.protocol {
            protocol::TCP | protocol::UDP_LITE | protocol::SCTP | protocol::DCCP => {
                self.ports(ends, bytes)
            }
            protocol::UDP => self.udp(ends, bytes),
            protocol::ICMP => match u8_at(bytes, 0) {
                Some(3 | 4 | 5 | 11 | 12) => self.quoted(bytes),
                Some(0 | 8 | 13..=18) => self.identifier(ends, bytes),
                _ => None,
            },
            protocol::ICMPV6 => match u8_at(bytes, 0) {
                Some(1..=4) => self.quoted(bytes),
                Some(128 | 129) => self.identifier(ends, bytes),
                _ => None,
            },
            _ if !self.inner => None,
            protocol::GRE => self.gre(bytes),
            protocol::IPV4 => self.deeper().and_then(|w| w.ipv4(bytes)),
            protocol::IPV6 => self.deeper().and_then(|w| w.ipv6(bytes)),
            protocol::MPLS => self.mpls(bytes),
            _ => None,
        };
        key.unwrap_or_else(|| ends.hosts())
    }

    fn ports(self, ends: Ends, bytes: &[u8]) -> Option<FlowKey> {
        let &[s0, s1, d0, d1] = bytes.first_chunk()?;
        self.with_ports(ends, u16::from_be_bytes([s0, s1]), u16::from_be_bytes([d0, d1]))
    }

    /// Queries are keyed on their identifier as both ports: requests and replies carry the same.
    fn identifier(self, ends: Ends, bytes: &[u8]) -> Option<FlowKey> {
        let id = u16_at(bytes, 4)?;
        self.with_ports(ends, id, id)
    }

    fn with_ports(self, ends: Ends, src: u16, dst: u16) -> Option<FlowKey> {
        if self.options.flow_key == FlowKeyMode::Hosts {
            return None;
        }
        let src = Endpoint { addr: ends.src, port: src };
        let dst = Endpoint { addr: ends.dst, port: dst };
        Some(FlowKey::new(src, dst, ends.protocol.into(), KeyKind::Ip))
    }

    /// The packet behind the eight bytes of an ICMP error.
    fn quoted(self, bytes: &[u8]) -> Option<FlowKey> {
        let walk = if self.quoting { None } else { self.deeper() }?;
        Self { quoting: true, ..walk }.ip(bytes.get(8..)?)
    }

    fn udp(self, ends: Ends, bytes: &[u8]) -> Option<FlowKey> {
        let dst_port = u16_at(bytes, 2)?;
        let tunnel = if port::is_tunnel(dst_port) {
            // Of all lengths this one is believed, where it is the shorter: what stands behind it
            // is not in the tunnel, and a whole packet might.
            let body = bytes.get(8..)?;
            let len = usize::from(u16_at(bytes, 4)?).saturating_sub(8);
            let body = body.get(..len).unwrap_or(body);
            match dst_port {
                port::GTP_U => self.gtp_u(body),
                port::GENEVE => self.geneve(body),
                _ => self.vxlan(body),
            }
        } else {
            Tunnelled::No
        };
        match tunnel {
            // A client that was given a tunnel's port as its own must keep one key for both
            // directions, so what does not look like the tunnel is keyed on its ports.
            Tunnelled::No => self.ports(ends, bytes),
            // The hosts' key: source ports of tunnels are no part of a flow, they carry entropy.
            Tunnelled::Opaque => None,
            Tunnelled::Holds(key) if self.inner => Some(key),
            Tunnelled::Holds(_) => None,
        }
    }

    fn vxlan(self, bytes: &[u8]) -> Tunnelled {
        let Some((&[flags, _, _, next, _, _, _, reserved], rest)) = bytes.split_first_chunk()
        else {
            return Tunnelled::No;
        };
        // The I bit must be set. Besides it: P (generic protocol extension), G (group policy).
        if flags & 0b0111_1011 != 0b0000_1000 || reserved != 0 {
            return Tunnelled::No;
        }
        let walk = self.deeper();
        walk.and_then(|w| match (flags & 4 != 0, next) {
            (false, _) | (true, 3) => w.ethernet(rest),
            (true, 1) => w.ipv4(rest),
            (true, 2) => w.ipv6(rest),
            (true, 5) => w.mpls(rest),
            _ => None,
        })
        .into()
    }

    fn geneve(self, bytes: &[u8]) -> Tunnelled {
        let Some(&[first, flags, t0, t1, _, _, _, reserved]) = bytes.first_chunk() else {
            return Tunnelled::No;
        };
        let kind = u16::from_be_bytes([t0, t1]);
        let known =
            matches!(kind, ethertype::TEB | ethertype::IPV4 | ethertype::IPV6 | ethertype::ARP);
        if first >> 6 != 0 || flags & 0x3f != 0 || reserved != 0 || !known {
            return Tunnelled::No;
        }
        let rest = bytes.get(8 + usize::from(first & 0x3f) * 4..);
        rest.zip(self.deeper()).and_then(|(rest, w)| w.carried(kind, rest)).into()
    }

    fn gtp_u(self, bytes: &[u8]) -> Tunnelled {
        // Version 1, protocol type GTP, a G-PDU (TS 29.281 clause 5.1).
        let Some(&[flags, 255]) = bytes.first_chunk() else { return Tunnelled::No };
        if flags & 0xf8 != 0x30 {
            return Tunnelled::No;
        }
        let mut at = 8;
        if flags & 7 != 0 {
            let Some(mut next) = u8_at(bytes, 11) else { return Tunnelled::No };
            at = 12;
            for _ in 0..MAX_EXTENSION_HEADERS {
                if flags & 4 == 0 || next == 0 {
                    break;
                }
                let len = u8_at(bytes, at).map_or(0, |n| usize::from(n) * 4);
                let Some(following) = len.checked_sub(1).and_then(|n| u8_at(bytes, at + n)) else {
                    return Tunnelled::Opaque;
                };
                next = following;
                at += len;
            }
        }
        let rest = bytes.get(at..);
        rest.zip(self.deeper()).and_then(|(rest, w)| w.ip(rest)).into()
    }

    fn gre(self, bytes: &[u8]) -> Option<FlowKey> {
        let flags = u16_at(bytes, 0)?;
        let kind = u16_at(bytes, 2)?;
        let bit = |mask: u16, len: usize| if flags & mask != 0 { len } else { 0 };
        let walk = self.deeper()?;
        if flags & 7 == 1 {
            // PPTP: key always, sequence and acknowledgement by bit (RFC 2637).
            let rest = bytes.get(8 + bit(0x1000, 4) + bit(0x0080, 4)..)?;
            return if kind == ethertype::PPP { walk.ppp(rest) } else { None };
        }
        if flags & 7 != 0 {
            return None;
        }
        // Checksum and routing share one word pair: either bit brings both (RFC 1701).
        let mut at = 4 + bit(0xc000, 4) + bit(0x2000, 4) + bit(0x1000, 4);
        if flags & 0x4000 != 0 {
            for _ in 0..MAX_EXTENSION_HEADERS {
                let entry = u32_at(bytes, at)?;
                let [_, _, _, len] = entry.to_be_bytes();
                at += 4 + usize::from(len);
                if entry == 0 {
                    break;
                }
            }
        }
        // ERSPAN type II has a header of 8 bytes and a sequence number, type I neither.
        if kind == ethertype::ERSPAN {
            return walk.ethernet(bytes.get(at + bit(0x1000, 8)..)?);
        }
        walk.carried(kind, bytes.get(at..)?)
    }

    /// What an ethertype says is inside of a tunnel.
    fn carried(self, kind: u16, bytes: &[u8]) -> Option<FlowKey> {
        match kind {
            ethertype::TEB => self.ethernet(bytes),
            ethertype::PPP => self.ppp(bytes),
            _ => self.typed(kind, bytes).ok(),
        }
    }

    fn pppoe(self, bytes: &[u8]) -> Option<FlowKey> {
        self.deeper()?.ppp(bytes.get(6..)?)
    }

    fn ppp(self, mut bytes: &[u8]) -> Option<FlowKey> {
        if let Some((&[0xff, 3], rest)) = bytes.split_first_chunk() {
            bytes = rest;
        }
        // An odd first byte is a compressed protocol field (RFC 1661 section 6.5).
        let first = u8_at(bytes, 0)?;
        let (kind, at) = if first & 1 == 1 { (first.into(), 1) } else { (u16_at(bytes, 0)?, 2) };
        let rest = bytes.get(at..)?;
        match kind {
            ppp::IPV4 => self.ipv4(rest),
            ppp::IPV6 => self.ipv6(rest),
            ppp::MPLS => self.mpls(rest),
            _ => None,
        }
    }

    fn mpls(self, bytes: &[u8]) -> Option<FlowKey> {
        let walk = self.deeper()?;
        let bottom = bytes
            .chunks_exact(4)
            .take(MAX_MPLS_LABELS)
            .position(|label| label.get(2).is_some_and(|b| b & 1 == 1))?;
        let rest = bytes.get((bottom + 1) * 4..)?;
        // Labels do not say what they carry. IP shows by its version; a pseudowire with a control
        // word begins with a 0 nibble (RFC 4385) and counts where its ethertype is a known one.
        if u8_at(rest, 0)? >> 4 != 0 {
            return walk.ip(rest);
        }
        let frame = rest.get(4..)?;
        match u16_at(frame, 12)? {
            ethertype::IPV4
            | ethertype::IPV6
            | ethertype::ARP
            | ethertype::MPLS
            | ethertype::MPLS_MULTICAST => walk.ethernet(frame),
            t if ethertype::is_tag(t) => walk.ethernet(frame),
            _ => None,
        }
    }
}

/// What a UDP datagram to a tunnel's port turned out to be.
enum Tunnelled {
    /// No such tunnel.
    No,
    /// The tunnel, with nothing inside that can be keyed.
    Opaque,
    Holds(FlowKey),
}

impl From<Option<FlowKey>> for Tunnelled {
    fn from(key: Option<FlowKey>) -> Self {
        key.map_or(Self::Opaque, Self::Holds)
    }
}

#[derive(Clone, Copy)]
struct Ends {
    src: u128,
    dst: u128,
    protocol: u8,
}

impl Ends {
    fn hosts(self) -> FlowKey {
        FlowKey::hosts(self.src, self.dst, self.protocol)
    }
}
