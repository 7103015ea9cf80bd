//! How the layers of a built frame become bytes.

use super::layer::{Gre, GtpU, Ipv4, Layer};
use crate::checksum::{Crc32c, Sum};
use crate::number::{ethertype, ppp, protocol};

fn put(bytes: &mut [u8], at: usize, value: u16) {
    bytes[at..at + 2].copy_from_slice(&value.to_be_bytes());
}

fn pad(mut bytes: Vec<u8>, to: usize) -> Vec<u8> {
    bytes.resize(bytes.len().next_multiple_of(to), 0);
    bytes
}

fn short(len: usize) -> u16 {
    u16::try_from(len).unwrap_or(u16::MAX)
}

impl Layer {
    fn ethertype(&self, outside: &[Self]) -> u16 {
        match self {
            Self::Vlan(vlan) => vlan.tpid,
            Self::Mpls(_) => ethertype::MPLS,
            Self::Arp(_) => ethertype::ARP,
            Self::Pppoe(_) => ethertype::PPPOE_SESSION,
            Self::Ipv4(_) => ethertype::IPV4,
            Self::Ipv6(_) => ethertype::IPV6,
            Self::Ethernet(_) if !outside.is_empty() => ethertype::TEB,
            _ => 0xffff,
        }
    }

    fn protocol(&self, in_v6: bool) -> u8 {
        match self {
            Self::Ipv4(_) => protocol::IPV4,
            Self::Ipv6(_) => protocol::IPV6,
            Self::Extension(extension) => extension.kind,
            Self::Tcp(_) => protocol::TCP,
            Self::Udp(udp) if udp.lite => protocol::UDP_LITE,
            Self::Udp(_) => protocol::UDP,
            Self::Sctp(_) => protocol::SCTP,
            Self::Icmp(_) if in_v6 => protocol::ICMPV6,
            Self::Icmp(_) => protocol::ICMP,
            Self::Gre(_) => protocol::GRE,
            Self::Mpls(_) => protocol::MPLS,
            _ => 0xff,
        }
    }

    pub(super) fn is_udp_tunnel(&self) -> bool {
        matches!(self, Self::Vxlan(_) | Self::Geneve(_) | Self::GtpU(_))
    }

    pub(super) fn reverse(&mut self, carries_tunnel: bool) {
        use std::mem::swap;
        match self {
            Self::Ethernet(l) => swap(&mut l.src, &mut l.dst),
            Self::Ipv4(l) => swap(&mut l.src, &mut l.dst),
            Self::Ipv6(l) => swap(&mut l.src, &mut l.dst),
            Self::Tcp(l) => swap(&mut l.src, &mut l.dst),
            Self::Udp(l) if carries_tunnel => l.src ^= 0x15a5,
            Self::Udp(l) => swap(&mut l.src, &mut l.dst),
            Self::Sctp(l) => swap(&mut l.src, &mut l.dst),
            Self::GtpU(l) => l.teid = l.teid.wrapping_add(1),
            Self::Mpls(l) => l.label ^= 0x40,
            _ => {}
        }
    }

    /// The layer's bytes with what it carries behind them.
    pub(super) fn render(&self, outside: &[Self], inside: Option<&Self>, body: Vec<u8>) -> Vec<u8> {
        let next_type = inside.map_or(0xffff, |l| l.ethertype(std::slice::from_ref(self)));
        let mut out = Vec::with_capacity(body.len() + 64);
        match self {
            Self::Ethernet(l) => {
                out.extend(l.dst);
                out.extend(l.src);
                match l.ethertype {
                    Some(0) => {
                        out.extend(short(body.len() + 8).to_be_bytes());
                        out.extend([0xaa, 0xaa, 3, 0, 0, 0]);
                        out.extend(next_type.to_be_bytes());
                    }
                    kind => out.extend(kind.unwrap_or(next_type).to_be_bytes()),
                }
            }
            Self::Vlan(l) => {
                out.extend((u16::from(l.priority) << 13 | l.id & 0xfff).to_be_bytes());
                out.extend(next_type.to_be_bytes());
            }
            Self::Mpls(l) => {
                let bottom = !matches!(inside, Some(Self::Mpls(_)));
                let entry = l.label << 12 | u32::from(bottom) << 8 | u32::from(l.ttl);
                out.extend(entry.to_be_bytes());
                if matches!(inside, Some(Self::Ethernet(_))) {
                    // a pseudowire's control word
                    out.extend([0; 4]);
                }
            }
            Self::Arp(l) => {
                out.extend([0, 1, 8, 0, 6, 4]);
                out.extend(l.operation.to_be_bytes());
                out.extend(l.sender_mac);
                out.extend(l.sender_ip);
                out.extend(l.target_mac);
                out.extend(l.target_ip);
            }
            Self::Pppoe(l) => {
                let v6 = matches!(inside, Some(Self::Ipv6(_)));
                out.extend([0x11, 0]);
                out.extend(l.session.to_be_bytes());
                out.extend(short(body.len() + 2).to_be_bytes());
                out.extend(if v6 { ppp::IPV6 } else { ppp::IPV4 }.to_be_bytes());
            }
            Self::Ipv4(l) => l.render(inside, body.len(), &mut out),
            Self::Ipv6(l) => {
                let class = u32::from(l.traffic_class) << 20;
                out.extend((6 << 28 | class | l.flow_label & 0xf_ffff).to_be_bytes());
                out.extend(short(body.len()).to_be_bytes());
                let next = inside.map_or(0xff, |layer| layer.protocol(true));
                out.extend([l.next_header.unwrap_or(next), l.hop_limit]);
                out.extend(l.src);
                out.extend(l.dst);
            }
            Self::Extension(l) => {
                let unit = if l.kind == protocol::AH { 4 } else { 8 };
                out.extend([inside.map_or(0xff, |layer| layer.protocol(true)), 0]);
                out.extend(&l.body);
                out = pad(out, unit);
                out[1] = match l.kind {
                    protocol::FRAGMENT => 0,
                    protocol::AH => (out.len() / 4 - 2) as u8,
                    _ => (out.len() / 8 - 1) as u8,
                };
            }
            Self::Gre(l) => l.render(next_type, &body, &mut out),
            Self::Vxlan(l) => {
                out.extend([if l.next.is_some() { 0x0c } else { 8 }, 0, 0, l.next.unwrap_or(0)]);
                out.extend((l.vni << 8).to_be_bytes());
            }
            Self::Geneve(l) => {
                let options = pad(l.options.clone(), 4);
                out.extend([(options.len() / 4) as u8, 0]);
                out.extend(next_type.to_be_bytes());
                out.extend((l.vni << 8).to_be_bytes());
                out.extend(options);
            }
            Self::GtpU(l) => l.render(body.len(), &mut out),
            Self::Tcp(_) | Self::Udp(_) | Self::Sctp(_) | Self::Icmp(_) => {
                return self.render_transport(outside, body);
            }
        }
        out.extend(body);
        out
    }

    fn render_transport(&self, outside: &[Self], body: Vec<u8>) -> Vec<u8> {
        let in_v6 = outside.iter().rev().find_map(|layer| match layer {
            Self::Ipv4(_) => Some(false),
            Self::Ipv6(_) => Some(true),
            _ => None,
        });
        let in_v6 = in_v6.unwrap_or(false);
        let mut out = Vec::with_capacity(body.len() + 64);
        let checksum_at = match self {
            Self::Tcp(l) => {
                let options = pad(l.options.clone(), 4);
                out.extend(l.src.to_be_bytes());
                out.extend(l.dst.to_be_bytes());
                out.extend(l.seq.to_be_bytes());
                out.extend(l.ack.to_be_bytes());
                let offset = short(5 + options.len() / 4) << 12;
                out.extend((offset | l.flags & 0x1ff).to_be_bytes());
                out.extend(l.window.to_be_bytes());
                out.extend([0, 0]);
                out.extend(l.urgent.to_be_bytes());
                out.extend(options);
                16
            }
            Self::Udp(l) => {
                out.extend(l.src.to_be_bytes());
                out.extend(l.dst.to_be_bytes());
                let len = if l.lite { 0 } else { short(body.len() + 8) };
                out.extend(len.to_be_bytes());
                out.extend([0, 0]);
                6
            }
            Self::Sctp(l) => {
                out.extend(l.src.to_be_bytes());
                out.extend(l.dst.to_be_bytes());
                out.extend(l.verification_tag.to_be_bytes());
                out.extend([0; 4]);
                out.extend(body);
                let mut crc = Crc32c::default();
                crc.add(&out);
                out[8..12].copy_from_slice(&crc.finish().to_le_bytes());
                return out;
            }
            Self::Icmp(l) => {
                out.extend([l.kind, l.code, 0, 0]);
                out.extend(l.word.to_be_bytes());
                2
            }
            _ => 0,
        };
        out.extend(body);
        let mut sum = Sum::default();
        if !matches!(self, Self::Icmp(_)) || in_v6 {
            self.add_pseudo(outside, in_v6, out.len(), &mut sum);
        }
        sum.add(&out);
        let checksum = match (self, sum.checksum()) {
            (Self::Udp(l), _) if l.no_checksum => 0,
            // 0 would say that there is none
            (Self::Udp(_), 0) => 0xffff,
            (_, checksum) => checksum,
        };
        put(&mut out, checksum_at, checksum);
        out
    }

    fn add_pseudo(&self, outside: &[Self], in_v6: bool, len: usize, sum: &mut Sum) {
        let (number, len) = (self.protocol(in_v6), len as u32);
        for layer in outside.iter().rev() {
            match layer {
                Self::Ipv4(ip) => return sum.add_pseudo(&ip.src, &ip.dst, number, len),
                Self::Ipv6(ip) => return sum.add_pseudo(&ip.src, &ip.dst, number, len),
                _ => {}
            }
        }
    }
}

impl Ipv4 {
    fn render(&self, inside: Option<&Layer>, body: usize, out: &mut Vec<u8>) {
        let options = pad(self.options.clone(), 4);
        let header = 20 + options.len();
        out.extend([0x40 | (header / 4) as u8, self.tos]);
        out.extend(short(header + body).to_be_bytes());
        out.extend(self.id.to_be_bytes());
        let flags = u16::from(self.dont_fragment) << 14 | u16::from(self.more_fragments) << 13;
        out.extend((flags | (self.fragment_offset >> 3)).to_be_bytes());
        let next = inside.map_or(0xff, |layer| layer.protocol(false));
        out.extend([self.ttl, self.protocol.unwrap_or(next), 0, 0]);
        out.extend(self.src);
        out.extend(self.dst);
        out.extend(options);
        let mut sum = Sum::default();
        sum.add(out);
        put(out, 10, sum.checksum());
    }
}

impl Gre {
    fn render(&self, next_type: u16, body: &[u8], out: &mut Vec<u8>) {
        let flags = u16::from(self.checksum) << 15
            | u16::from(self.key.is_some()) << 13
            | u16::from(self.sequence.is_some()) << 12;
        out.extend(flags.to_be_bytes());
        out.extend(next_type.to_be_bytes());
        if self.checksum {
            out.extend([0; 4]);
        }
        out.extend(self.key.iter().flat_map(|n| n.to_be_bytes()));
        out.extend(self.sequence.iter().flat_map(|n| n.to_be_bytes()));
        if self.checksum {
            let mut sum = Sum::default();
            sum.add(out);
            sum.add(body);
            put(out, 4, sum.checksum());
        }
    }
}

impl GtpU {
    fn render(&self, body: usize, out: &mut Vec<u8>) {
        let optional = self.sequence.is_some() || !self.extensions.is_empty();
        let flags = 0x30
            | u8::from(!self.extensions.is_empty()) << 2
            | u8::from(self.sequence.is_some()) << 1;
        out.extend([flags, 255, 0, 0]);
        out.extend(self.teid.to_be_bytes());
        if optional {
            out.extend(self.sequence.unwrap_or(0).to_be_bytes());
            out.extend([0, self.extensions.first().map_or(0, |(kind, _)| *kind)]);
            for (at, (_, content)) in self.extensions.iter().enumerate() {
                out.push(((content.len() + 2) / 4) as u8);
                out.extend(content);
                out.push(self.extensions.get(at + 1).map_or(0, |(kind, _)| *kind));
            }
        }
        let len = short(out.len() - 8 + body);
        put(out, 2, len);
    }
}
