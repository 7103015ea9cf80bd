//! IPv4 and IPv6, up to what they carry.

use std::net::IpAddr;

use umbra_wire::checksum;
use umbra_wire::ipv4::Ipv4;
use umbra_wire::ipv6::{Extension, Extensions, HEADER_LEN, Ipv6};
use umbra_wire::number::{MAX_EXTENSION_HEADERS, protocol};
use umbra_wire::{Layer, ViewError};

use super::counters::Protocol;
use super::cursor::Cursor;
use super::fault::DecodeFault;
use super::options;
use super::types::{ChecksumState, ExtensionSet, Fragment, IpInfo, Ipv4OptionSet};
use super::walk::Walk;

/// What the checksum of a transport covers besides the transport.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pseudo {
    pub(super) src: IpAddr,
    /// Where the datagram goes in the end; `None` behind a routing header that is not understood.
    pub(super) dst: Option<IpAddr>,
}

impl<'f> Walk<'_, 'f> {
    pub(super) fn ipv4(&mut self, at: Cursor<'f>) {
        let ip = match Ipv4::new_checked(at.bytes) {
            Ok(ip) => ip,
            Err(e) => return self.refuse_ipv4(at, &e),
        };
        self.counters.count(Protocol::Ipv4);
        let header_len = ip.header_len();
        // What a sender's NIC is still to cut has no length yet: it is as long as the frame.
        let uncut = ip.total_len() == 0 && ip.protocol() == protocol::TCP && !ip.is_fragment();
        let total_len = if uncut { at.wire_len() } else { usize::from(ip.total_len()) };
        let mut info = IpInfo {
            version: 4,
            src: ip.src().into(),
            dst: ip.dst().into(),
            protocol: ip.protocol(),
            ttl: ip.ttl(),
            tos: ip.tos(),
            flow_label: 0,
            header_len: header_len as u16,
            total_len: u32::try_from(total_len).unwrap_or(u32::MAX),
            id: ip.id().into(),
            dont_fragment: ip.dont_fragment(),
            reserved_bit: ip.reserved_bit(),
            fragment: ip.is_fragment().then(|| Fragment {
                offset: ip.fragment_offset(),
                more: ip.more_fragments(),
                data_at: header_len as u16,
            }),
            options: Ipv4OptionSet::default(),
            extensions: ExtensionSet::default(),
        };
        self.out.ip = Some(info);
        self.out.checksums.ip = self.verify(|nic| nic.ip, || checksum::is_right(ip.header_bytes()));
        if self.out.checksums.ip == ChecksumState::Bad {
            self.fault(DecodeFault::Ipv4ChecksumInvalid);
        }
        self.out.datagram = if uncut { at.bytes } else { ip.datagram() };
        self.out.payload =
            if uncut { at.bytes.get(header_len..).unwrap_or_default() } else { ip.payload() };
        if total_len < header_len {
            return self.fault(DecodeFault::Ipv4IplenSmallerThanHlen);
        }
        if total_len > at.wire_len() {
            return self.fault(DecodeFault::Ipv4TruncPkt);
        }
        if header_len > umbra_wire::ipv4::MIN_HEADER_LEN {
            info.options = options::ipv4(&ip, &mut self.out.faults);
            self.out.ip = Some(info);
            if self.out.faults.contains(DecodeFault::Ipv4OptInvalidLen) {
                return;
            }
        }
        if info.fragment.is_some() {
            return self.counters.count(Protocol::Fragment);
        }
        let pseudo = Pseudo { src: info.src, dst: Some(info.dst) };
        self.upper(info.protocol, at.limit(total_len).skip(header_len), pseudo);
    }

    fn refuse_ipv4(&mut self, at: Cursor<'f>, error: &ViewError) {
        let fault = match *error {
            ViewError::Version { .. } => DecodeFault::Ipv4WrongIpVersion,
            ViewError::HeaderLength { .. } => DecodeFault::Ipv4HlenTooSmall,
            _ if at.wire_len() < umbra_wire::ipv4::MIN_HEADER_LEN => DecodeFault::Ipv4PktTooSmall,
            // The options reach past the end, so that one of the lengths is a lie.
            ViewError::Short { need, .. } => {
                let total = at.bytes.get(2..4).and_then(|b| b.first_chunk());
                match total.map(|b| usize::from(u16::from_be_bytes(*b))) {
                    Some(total) if total < need => DecodeFault::Ipv4IplenSmallerThanHlen,
                    _ => DecodeFault::Ipv4TruncPkt,
                }
            }
            ViewError::Field { .. } => DecodeFault::Ipv4PktTooSmall,
        };
        self.refuse(at, error, fault);
    }

    pub(super) fn ipv6(&mut self, at: Cursor<'f>) {
        let ip = match Ipv6::new_checked(at.bytes) {
            Ok(ip) => ip,
            Err(e @ ViewError::Version { .. }) => {
                return self.refuse(at, &e, DecodeFault::Ipv6WrongIpVersion);
            }
            Err(e) => return self.refuse(at, &e, DecodeFault::Ipv6PktTooSmall),
        };
        self.counters.count(Protocol::Ipv6);
        let jumbo = ip.payload_len() == 0 && ip.next_header() == protocol::HOP_BY_HOP;
        let payload_len =
            if jumbo { at.wire_len() - HEADER_LEN } else { usize::from(ip.payload_len()) };
        let info = IpInfo {
            version: 6,
            src: ip.src().into(),
            dst: ip.dst().into(),
            protocol: ip.next_header(),
            ttl: ip.hop_limit(),
            tos: ip.traffic_class(),
            flow_label: ip.flow_label(),
            header_len: HEADER_LEN as u16,
            total_len: u32::try_from(HEADER_LEN + payload_len).unwrap_or(u32::MAX),
            id: 0,
            dont_fragment: false,
            reserved_bit: false,
            fragment: None,
            options: Ipv4OptionSet::default(),
            extensions: ExtensionSet::default(),
        };
        self.out.ip = Some(info);
        self.out.datagram = ip.datagram();
        self.out.payload = ip.payload();
        if payload_len > at.wire_len().saturating_sub(HEADER_LEN) {
            return self.fault(DecodeFault::Ipv6TruncPkt);
        }
        let behind = at.skip(HEADER_LEN).limit(payload_len);
        self.extensions(info, ip.extensions(), behind);
    }

    /// Walks over the extension headers and on to what they lead to. `info` is updated to the end.
    fn extensions(&mut self, mut info: IpInfo, mut walk: Extensions<'f>, mut at: Cursor<'f>) {
        let mut pseudo = Pseudo { src: info.src, dst: Some(info.dst) };
        let mut seen = Seen::default();
        let mut whole = true;
        loop {
            let extension = match walk.step() {
                Ok(None) => break,
                Ok(Some(extension)) => extension,
                Err(e) => {
                    self.refuse(at, &e, DecodeFault::Ipv6TruncExthdr);
                    whole = false;
                    break;
                }
            };
            if seen.count == MAX_EXTENSION_HEADERS {
                self.fault(DecodeFault::Ipv6TooManyExthdr);
                whole = false;
                break;
            }
            at = at.skip(extension.bytes.len());
            seen.count += 1;
            info.protocol = extension.next_header;
            info.header_len = u16::try_from(walk.offset()).unwrap_or(u16::MAX);
            self.extension(&extension, &mut seen, &mut info);
            if let Some((_, 1..)) = extension.routing() {
                pseudo.dst = extension.final_destination().map(IpAddr::from);
            }
            if info.fragment.is_some() {
                break;
            }
        }
        self.out.ip = Some(info);
        self.out.payload = at.bytes;
        if !whole || self.out.faults.contains(DecodeFault::Ipv6ExthdrInvalidOptlen) {
            return;
        }
        if info.fragment.is_some() {
            return self.counters.count(Protocol::Fragment);
        }
        // Extension headers that lead to nothing; whole datagrams without any may be empty.
        if seen.count > 0 && at.bytes.len() < 2 && info.protocol != protocol::NO_NEXT_HEADER {
            let have = at.bytes.len();
            let error = ViewError::Short { layer: Layer::Ipv6Extension, need: 2, have };
            return self.refuse(at, &error, DecodeFault::Ipv6TruncExthdr);
        }
        self.upper(info.protocol, at, pseudo);
    }

    fn extension(&mut self, extension: &Extension<'f>, seen: &mut Seen, info: &mut IpInfo) {
        let (bit, most, fault) = match extension.kind {
            protocol::HOP_BY_HOP => (ExtensionSet::HOP_BY_HOP, 1, DecodeFault::Ipv6ExthdrDuplHh),
            protocol::ROUTING => (ExtensionSet::ROUTING, 1, DecodeFault::Ipv6ExthdrDuplRh),
            protocol::FRAGMENT => (ExtensionSet::FRAGMENT, 1, DecodeFault::Ipv6ExthdrDuplFh),
            protocol::DESTINATION => (ExtensionSet::DESTINATION, 2, DecodeFault::Ipv6ExthdrDuplDh),
            protocol::AH => (ExtensionSet::AH, 1, DecodeFault::Ipv6ExthdrDuplAh),
            _ => {
                info.extensions.0 |= ExtensionSet::OTHER;
                return;
            }
        };
        info.extensions.0 |= bit;
        if seen.another(bit) > most {
            self.fault(fault);
        }
        match extension.kind {
            protocol::HOP_BY_HOP | protocol::DESTINATION => {
                options::ipv6(extension, &mut self.out.faults);
            }
            protocol::ROUTING if matches!(extension.routing(), Some((0, _))) => {
                self.fault(DecodeFault::Ipv6RhType0);
            }
            protocol::AH => {
                self.counters.count(Protocol::Ah);
                if extension.ah_reserved() != Some(0) {
                    self.fault(DecodeFault::Ipv6ExthdrAhResNotNull);
                }
            }
            _ => {}
        }
        if let Some(fragment) = extension.fragment() {
            if fragment.reserved != 0 {
                self.fault(DecodeFault::Ipv6FhNonZeroReservedField);
            }
            info.id = fragment.id;
            if fragment.is_atomic() {
                self.fault(DecodeFault::Ipv6ExthdrUselessFh);
            } else {
                let data_at = info.header_len;
                let (offset, more) = (fragment.offset, fragment.more);
                info.fragment = Some(Fragment { offset, more, data_at });
            }
        }
    }

    /// AH in IPv4: a header to walk over like in IPv6.
    pub(super) fn ah(&mut self, at: Cursor<'f>, pseudo: Pseudo) {
        let len = at.bytes.get(1).map_or(12, |n| (usize::from(*n) + 2) * 4).max(12);
        let Some(&[next, ..]) = at.bytes.get(..len) else {
            let error = ViewError::Short { layer: Layer::Ah, need: len, have: at.bytes.len() };
            return self.refuse(at, &error, DecodeFault::AhPktTooSmall);
        };
        self.counters.count(Protocol::Ah);
        if let Some(info) = &mut self.out.ip {
            // A second one would lead around here again without end being in sight for a reader.
            if info.extensions.has(ExtensionSet::AH) {
                return self.fault(DecodeFault::TooManyLayers);
            }
            info.extensions.0 |= ExtensionSet::AH;
            info.protocol = next;
        }
        self.upper(next, at.skip(len), pseudo);
    }
}

/// Extension headers so far.
#[derive(Default)]
struct Seen {
    count: usize,
    of_kind: [u8; 8],
}

impl Seen {
    /// How many of this kind there are with the present one.
    fn another(&mut self, bit: u8) -> u8 {
        self.of_kind.get_mut(bit.trailing_zeros() as usize).map_or(0, |n| {
            *n = n.saturating_add(1);
            *n
        })
    }
}
