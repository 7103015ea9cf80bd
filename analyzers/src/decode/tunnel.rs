//! What carries another packet: MPLS, PPP and PPPoE, GRE, VXLAN, Geneve, GTP-U, IP in IP.

use umbra_wire::ViewError;
use umbra_wire::ethernet::MplsLabel;
use umbra_wire::gre::Gre;
use umbra_wire::gtpu::{G_PDU, GtpU};
use umbra_wire::number::{MAX_MPLS_LABELS, ethertype, port, ppp, protocol};
use umbra_wire::ppp::{Ppp, Pppoe};
use umbra_wire::vxlan::{Geneve, Vxlan, VxlanNext};

use super::counters::Protocol;
use super::cursor::Cursor;
use super::fault::DecodeFault;
use super::transport::Transport;
use super::types::{Checksums, MAX_TUNNELS, OuterIp, TunnelKind, TunnelLayer};
use super::walk::Walk;

/// The control word of a pseudowire and the Ethernet header behind it.
const PSEUDOWIRE_LEN: usize = 4 + 14;

impl<'f> Walk<'_, 'f> {
    /// Decodes the inside of a tunnel. Where that leads to no IP header the packet stays what it
    /// was outside, with the faults of both.
    pub(super) fn enter(&mut self, kind: TunnelKind, id: u32, inside: impl FnOnce(&mut Self)) {
        if usize::from(self.depth) >= usize::from(self.options.max_tunnels).min(MAX_TUNNELS) {
            return self.fault(DecodeFault::TooManyLayers);
        }
        let outside = self.out;
        let out = &mut self.out;
        out.tunnels.push(TunnelLayer { kind, id });
        if let (None, Some(ip)) = (out.outer_ip, out.ip) {
            let ports = out.transport.ports();
            let (src, dst) = (ip.src, ip.dst);
            out.outer_ip = Some(OuterIp { src, dst, protocol: ip.protocol, ports });
        }
        out.ip = None;
        out.transport = Transport::None;
        out.checksums = Checksums::default();
        self.depth += 1;
        inside(self);
        self.depth -= 1;
        if self.out.ip.is_none() {
            let inside = std::mem::replace(&mut self.out, outside);
            self.out.faults = inside.faults;
            self.out.cut_short = inside.cut_short;
        }
    }

    pub(super) fn mpls(&mut self, mut at: Cursor<'f>) {
        let mut bottom = None;
        for count in 1..=MAX_MPLS_LABELS {
            let label = match MplsLabel::new_checked(at.bytes) {
                Ok(label) => label,
                Err(e) => return self.refuse(at, &e, DecodeFault::MplsHeaderTooSmall),
            };
            at = at.skip(4);
            // RFC 3032, RFC 6790 (7), RFC 5586 (13), RFC 3429 (14), RFC 7274 (15).
            match label.label() {
                1 if label.is_bottom() => self.fault(DecodeFault::MplsBadLabelRouterAlert),
                3 => self.fault(DecodeFault::MplsBadLabelImplicitNull),
                4..=6 | 8..=12 => self.fault(DecodeFault::MplsBadLabelReserved),
                _ => {}
            }
            if label.is_bottom() {
                self.out.mpls_labels = self.out.mpls_labels.saturating_add(count as u8);
                bottom = Some(label.label());
                break;
            }
        }
        self.counters.count(Protocol::Mpls);
        let Some(id) = bottom else { return self.fault(DecodeFault::TooManyLayers) };
        let nibble = match at.bytes.first() {
            Some(first) => first >> 4,
            None if at.cut > 0 => {
                self.out.cut_short = true;
                return;
            }
            None => return self.fault(DecodeFault::MplsPktTooSmall),
        };
        self.enter(TunnelKind::Mpls, id, |walk| match nibble {
            4 => walk.ipv4(at),
            6 => walk.ipv6(at),
            // A pseudowire's control word (RFC 4385); that it carries Ethernet only shows by an
            // ethertype that is known.
            0 if holds_ethernet(at.skip(4)) => walk.ethernet(at.skip(4)),
            0 if at.bytes.len() < PSEUDOWIRE_LEN && at.wire_len() >= PSEUDOWIRE_LEN => {
                walk.out.cut_short = true;
            }
            _ => walk.fault(DecodeFault::MplsUnknownPayloadType),
        });
    }

    pub(super) fn pppoe(&mut self, at: Cursor<'f>) {
        let header = match Pppoe::new_checked(at.bytes) {
            Ok(header) => header,
            Err(e @ ViewError::Short { .. }) => {
                return self.refuse(at, &e, DecodeFault::PppoePktTooSmall);
            }
            Err(_) => return self.fault(DecodeFault::PppoeWrongCode),
        };
        self.counters.count(Protocol::Pppoe);
        if header.code() != 0 {
            return self.fault(DecodeFault::PppoeWrongCode);
        }
        let behind = at.skip(6);
        let len = usize::from(header.len_field());
        if len > behind.wire_len() {
            return self.fault(DecodeFault::PppoePktTooSmall);
        }
        let session = header.session().into();
        self.enter(TunnelKind::Pppoe, session, |walk| walk.ppp(behind.limit(len)));
    }

    pub(super) fn ppp(&mut self, at: Cursor<'f>) {
        // Address and control, or a protocol of one byte: the second one tells.
        if at.bytes == [0xff] && at.wire_len() > 1 {
            self.out.cut_short = true;
            return;
        }
        let header = match Ppp::new_checked(at.bytes) {
            Ok(header) => header,
            Err(e) => return self.refuse(at, &e, DecodeFault::PppPktTooSmall),
        };
        self.counters.count(Protocol::Ppp);
        let behind = at.skip(header.header_len());
        match header.protocol() {
            ppp::IPV4 if behind.wire_len() < 20 => self.fault(DecodeFault::PppIp4PktTooSmall),
            ppp::IPV6 if behind.wire_len() < 40 => self.fault(DecodeFault::PppIp6PktTooSmall),
            ppp::VJ_UNCOMPRESSED if behind.wire_len() < 20 => {
                self.fault(DecodeFault::PppVjuPktTooSmall);
            }
            ppp::IPV4 => {
                self.stop(ethertype::IPV4, behind);
                self.ipv4(behind);
            }
            ppp::IPV6 => {
                self.stop(ethertype::IPV6, behind);
                self.ipv6(behind);
            }
            ppp::MPLS => {
                self.stop(ethertype::MPLS, behind);
                self.mpls(behind);
            }
            number if ppp::is_assigned(number) => self.fault(DecodeFault::PppUnsupProto),
            _ => self.fault(DecodeFault::PppWrongType),
        }
    }

    pub(super) fn gre(&mut self, at: Cursor<'f>) {
        self.out.transport = Transport::Other(protocol::GRE);
        let gre = match Gre::new_checked(at.bytes) {
            Ok(gre) => gre,
            Err(e) => return self.refuse(at, &e, gre_fault(at.bytes, &e)),
        };
        self.counters.count(Protocol::Gre);
        let behind = at.skip(gre.header_len());
        self.out.payload = behind.bytes;
        let wrong: [(bool, DecodeFault); 7] = if gre.version() == 0 {
            let none = (false, DecodeFault::GreVersion0Flags);
            let recursion = (gre.recursion() != 0, DecodeFault::GreVersion0Recur);
            let flags = (gre.reserved() != 0, DecodeFault::GreVersion0Flags);
            [recursion, flags, none, none, none, none, none]
        } else {
            [
                (gre.has_checksum(), DecodeFault::GreVersion1Chksum),
                (gre.has_routing(), DecodeFault::GreVersion1Route),
                (gre.has_strict_route(), DecodeFault::GreVersion1Ssr),
                (gre.recursion() != 0, DecodeFault::GreVersion1Recur),
                (gre.reserved() != 0, DecodeFault::GreVersion1Flags),
                (!gre.has_key(), DecodeFault::GreVersion1NoKey),
                (gre.protocol() != ethertype::PPP, DecodeFault::GreVersion1WrongProtocol),
            ]
        };
        for (_, fault) in wrong.into_iter().filter(|(is, _)| *is) {
            self.fault(fault);
            if fault.is_invalid() {
                return;
            }
        }
        let id = gre.key().unwrap_or(0);
        match gre.protocol() {
            // An acknowledgement of PPTP carries nothing.
            ethertype::PPP if behind.wire_len() == 0 => {}
            ethertype::PPP => self.enter(TunnelKind::Gre, id, |walk| walk.ppp(behind)),
            ethertype::TEB => self.enter(TunnelKind::Gre, id, |walk| walk.ethernet(behind)),
            // Type II has a header of 8 bytes and a sequence number, type I neither.
            ethertype::ERSPAN => {
                let frame = if gre.has_sequence() { behind.skip(8) } else { behind };
                self.enter(TunnelKind::Gre, id, |walk| walk.ethernet(frame));
            }
            kind if is_decoded(kind) => {
                self.enter(TunnelKind::Gre, id, |walk| walk.typed(kind, behind));
            }
            _ => {}
        }
    }

    /// A UDP datagram to the port of a tunnel; it stays UDP unless it is one.
    pub(super) fn udp_tunnel(&mut self, dst_port: u16, at: Cursor<'f>) {
        match dst_port {
            port::GTP_U => self.gtp_u(at),
            port::GENEVE => self.geneve(at),
            _ => self.vxlan(at),
        }
    }

    fn vxlan(&mut self, at: Cursor<'f>) {
        let Ok(vxlan) = Vxlan::new_checked(at.bytes) else { return };
        self.counters.count(Protocol::Vxlan);
        let behind = at.skip(8);
        self.enter(TunnelKind::Vxlan, vxlan.vni(), |walk| match vxlan.next() {
            VxlanNext::Ethernet => walk.ethernet(behind),
            VxlanNext::Ipv4 => walk.ipv4(behind),
            VxlanNext::Ipv6 => walk.ipv6(behind),
            VxlanNext::Mpls => walk.mpls(behind),
            VxlanNext::Other(_) => walk.fault(DecodeFault::VxlanUnknownPayloadType),
        });
    }

    fn geneve(&mut self, at: Cursor<'f>) {
        let geneve = match Geneve::new_checked(at.bytes) {
            Ok(geneve) => geneve,
            Err(ViewError::Field { field: "protocol", .. }) => {
                return self.fault(DecodeFault::GeneveUnknownPayloadType);
            }
            Err(_) => return,
        };
        self.counters.count(Protocol::Geneve);
        let behind = at.skip(geneve.header_len());
        self.enter(TunnelKind::Geneve, geneve.vni(), |walk| match geneve.protocol() {
            ethertype::TEB => walk.ethernet(behind),
            kind => walk.typed(kind, behind),
        });
    }

    fn gtp_u(&mut self, at: Cursor<'f>) {
        let Ok(gtp) = GtpU::new_checked(at.bytes) else { return };
        if gtp.message() != G_PDU {
            return;
        }
        self.counters.count(Protocol::GtpU);
        let behind = at.skip(gtp.header_len());
        match behind.bytes.first().map(|b| b >> 4) {
            Some(4) => self.enter(TunnelKind::GtpU, gtp.teid(), |walk| walk.ipv4(behind)),
            Some(6) => self.enter(TunnelKind::GtpU, gtp.teid(), |walk| walk.ipv6(behind)),
            Some(_) => self.fault(DecodeFault::GtpuUnknownPayloadType),
            None => {}
        }
    }

    /// IPv4 (protocol 4) or IPv6 (41) in IP.
    pub(super) fn ip_in_ip(&mut self, number: u8, at: Cursor<'f>) {
        self.out.transport = Transport::Other(number);
        let in_v6 = self.out.ip.is_some_and(|ip| ip.version == 6);
        let nibble = at.bytes.first().map(|b| b >> 4);
        let v4 = number == protocol::IPV4;
        let (least, version) = if v4 { (20, 4) } else { (40, 6) };
        if in_v6 && at.wire_len() < least {
            return self.fault(if v4 {
                DecodeFault::Ipv4InIpv6TooSmall
            } else {
                DecodeFault::Ipv6InIpv6TooSmall
            });
        }
        if in_v6 && nibble.is_some_and(|n| n != version) {
            return self.fault(if v4 {
                DecodeFault::Ipv4InIpv6WrongVersion
            } else {
                DecodeFault::Ipv6InIpv6WrongVersion
            });
        }
        let (kind, counter) = match (v4, in_v6) {
            (true, false) => (TunnelKind::Ipv4InIpv4, Protocol::Ipv4InIpv4),
            (false, false) => (TunnelKind::Ipv6InIpv4, Protocol::Ipv6InIpv4),
            (true, true) => (TunnelKind::Ipv4InIpv6, Protocol::Ipv4InIpv6),
            (false, true) => (TunnelKind::Ipv6InIpv6, Protocol::Ipv6InIpv6),
        };
        self.counters.count(counter);
        self.enter(kind, 0, |walk| if v4 { walk.ipv4(at) } else { walk.ipv6(at) });
    }
}

/// Whether an ethertype is one whose content is decoded.
fn is_decoded(kind: u16) -> bool {
    ethertype::is_tag(kind)
        || matches!(
            kind,
            ethertype::IPV4
                | ethertype::IPV6
                | ethertype::ARP
                | ethertype::MPLS
                | ethertype::MPLS_MULTICAST
        )
}

fn holds_ethernet(at: Cursor<'_>) -> bool {
    let kind = at.bytes.get(12..).and_then(|b| b.first_chunk());
    kind.is_some_and(|kind| is_decoded(u16::from_be_bytes(*kind)))
}

fn gre_fault(bytes: &[u8], error: &ViewError) -> DecodeFault {
    let Some(&[flags, version, _, _]) = bytes.first_chunk() else {
        return DecodeFault::GrePktTooSmall;
    };
    match error {
        ViewError::Version { .. } => DecodeFault::GreWrongVersion,
        _ if version & 7 == 1 => DecodeFault::GreVersion1HdrTooBig,
        _ if flags & 0x40 != 0 => DecodeFault::GreVersion0MalformedSreHdr,
        _ => DecodeFault::GreVersion0HdrTooBig,
    }
}
