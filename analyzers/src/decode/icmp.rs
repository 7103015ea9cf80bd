//! ICMP and ICMPv6, with the packets that errors quote.

use std::net::IpAddr;

use umbra_wire::icmp::{Icmp, icmp4_has_id, icmp4_quotes, icmp6_has_id, icmp6_quotes};
use umbra_wire::ipv4::Ipv4;
use umbra_wire::ipv6::Ipv6;
use umbra_wire::number::{MAX_EXTENSION_HEADERS, protocol};
use umbra_wire::{Layer, ViewError, checksum};

use super::counters::Protocol;
use super::cursor::Cursor;
use super::fault::DecodeFault;
use super::network::Pseudo;
use super::transport::{IcmpInfo, Quoted, Transport};
use super::walk::Walk;

impl<'f> Walk<'_, 'f> {
    pub(super) fn icmp4(&mut self, at: Cursor<'f>) {
        let icmp = match Icmp::new_checked(Layer::Icmp4, at.bytes) {
            Ok(icmp) => icmp,
            Err(e) => return self.refuse(at, &e, DecodeFault::Icmpv4PktTooSmall),
        };
        self.counters.count(Protocol::Icmpv4);
        match icmp4_codes(icmp.kind()) {
            None => self.fault(DecodeFault::Icmpv4UnknownType),
            Some(most) if icmp.code() > most && !(icmp.kind() == 9 && icmp.code() == 16) => {
                self.fault(DecodeFault::Icmpv4UnknownCode);
            }
            Some(_) => {}
        }
        if at.cut == 0 {
            let state = self.verify(|nic| nic.l4, || checksum::is_right(at.bytes));
            self.set_l4_checksum(state, DecodeFault::Icmpv4ChecksumInvalid);
        }
        let mut info = info(&icmp, icmp4_has_id(icmp.kind()));
        if icmp4_quotes(icmp.kind()) {
            let behind = at.skip(8);
            match quoted4(behind.bytes) {
                Ok(quoted) => info.quoted = Some(quoted),
                Err(e @ ViewError::Version { .. }) => {
                    self.refuse(behind, &e, DecodeFault::Icmpv4Ipv4UnknownVer);
                }
                Err(e) => self.refuse(behind, &e, DecodeFault::Icmpv4Ipv4TruncPkt),
            }
        }
        self.out.payload = icmp.behind_header();
        self.out.transport = Transport::Icmp4(info);
    }

    pub(super) fn icmp6(&mut self, at: Cursor<'f>, pseudo: Pseudo) {
        let icmp = match Icmp::new_checked(Layer::Icmp6, at.bytes) {
            Ok(icmp) => icmp,
            Err(e) => return self.refuse(at, &e, DecodeFault::Icmpv6PktTooSmall),
        };
        self.counters.count(Protocol::Icmpv6);
        match icmp6_codes(icmp.kind()) {
            Err(fault) => self.fault(fault),
            Ok(most) if icmp.code() > most => self.fault(DecodeFault::Icmpv6UnknownCode),
            Ok(_) => {}
        }
        // Multicast listener messages do not leave the link (RFC 2710, RFC 3810).
        let hop_limit = self.out.ip.map(|ip| ip.ttl);
        if matches!(icmp.kind(), 130..=132 | 143) && hop_limit != Some(1) {
            self.fault(DecodeFault::Icmpv6MldInvalidHl);
        }
        let fault = DecodeFault::Icmpv6ChecksumInvalid;
        self.l4_sum(protocol::ICMPV6, at, at.bytes, pseudo, fault);
        let mut info = info(&icmp, icmp6_has_id(icmp.kind()));
        if icmp6_quotes(icmp.kind()) {
            let behind = at.skip(8);
            match quoted6(behind.bytes) {
                Ok(quoted) => info.quoted = Some(quoted),
                Err(e @ ViewError::Version { .. }) => {
                    self.refuse(behind, &e, DecodeFault::Icmpv6Ipv6UnknownVersion);
                }
                Err(e) => self.refuse(behind, &e, DecodeFault::Icmpv6Ipv6TruncPkt),
            }
        }
        self.out.payload = icmp.behind_header();
        self.out.transport = Transport::Icmp6(info);
    }
}

fn info<'f>(icmp: &Icmp<'f>, has_id: bool) -> IcmpInfo<'f> {
    let (id, seq) = if has_id { icmp.echo() } else { (0, 0) };
    IcmpInfo { kind: icmp.kind(), code: icmp.code(), id, seq, word: icmp.word(), quoted: None }
}

fn quoted4(bytes: &[u8]) -> Result<Quoted<'_>, ViewError> {
    let ip = Ipv4::new_checked(bytes)?;
    let quoted = Quoted {
        src: ip.src().into(),
        dst: ip.dst().into(),
        protocol: ip.protocol(),
        ports: None,
        icmp_id: None,
        fragment: ip.is_fragment(),
        datagram: bytes,
    };
    let later = ip.fragment_offset() != 0;
    Ok(if later { quoted } else { with_transport(quoted, ip.behind_header()) })
}

fn quoted6(bytes: &[u8]) -> Result<Quoted<'_>, ViewError> {
    let ip = Ipv6::new_checked(bytes)?;
    let mut quoted = Quoted {
        src: IpAddr::from(ip.src()),
        dst: IpAddr::from(ip.dst()),
        protocol: ip.next_header(),
        ports: None,
        icmp_id: None,
        fragment: false,
        datagram: bytes,
    };
    let mut walk = ip.extensions();
    for _ in 0..MAX_EXTENSION_HEADERS {
        // A header that is cut off is the end of what the quotation can tell.
        let Ok(Some(extension)) = walk.step() else { break };
        quoted.protocol = extension.next_header;
        match extension.fragment() {
            Some(fragment) if fragment.is_atomic() => {}
            Some(fragment) => {
                quoted.fragment = true;
                if fragment.offset != 0 {
                    return Ok(quoted);
                }
            }
            None => {}
        }
    }
    Ok(if umbra_wire::ipv6::is_extension(walk.protocol()) {
        quoted
    } else {
        with_transport(quoted, walk.payload())
    })
}

fn with_transport<'f>(mut quoted: Quoted<'f>, bytes: &[u8]) -> Quoted<'f> {
    let word = |at: usize| {
        let pair = bytes.get(at..).and_then(|b| b.first_chunk());
        pair.map(|b| u16::from_be_bytes(*b))
    };
    let kind = bytes.first().copied();
    match quoted.protocol {
        protocol::TCP | protocol::UDP | protocol::UDP_LITE | protocol::SCTP | protocol::DCCP => {
            quoted.ports = word(0).zip(word(2));
        }
        protocol::ICMP if kind.is_some_and(icmp4_has_id) => quoted.icmp_id = word(4),
        protocol::ICMPV6 if kind.is_some_and(icmp6_has_id) => quoted.icmp_id = word(4),
        _ => {}
    }
    quoted
}

/// The highest code of an ICMP type, `None` for a type that is not in use.
fn icmp4_codes(kind: u8) -> Option<u8> {
    Some(match kind {
        0 | 4 | 8..=10 | 13..=18 => 0,
        3 => 15,
        5 => 3,
        11 => 1,
        12 => 2,
        // Photuris, extended echo request and reply (RFC 8335).
        40 => 5,
        42 => 0,
        43 => 4,
        _ => return None,
    })
}

/// The highest code of an ICMPv6 type, or what is wrong with the type.
fn icmp6_codes(kind: u8) -> Result<u8, DecodeFault> {
    Ok(match kind {
        1 => 8,
        3 => 1,
        4 => 10,
        139 | 140 => 2,
        // Router renumbering has 255 for its reset.
        138 => 255,
        155 => 255,
        161 => 4,
        2 | 128..=137 | 141..=154 | 156..=160 => 0,
        100 | 101 | 200 | 201 => return Err(DecodeFault::Icmpv6ExperimentationType),
        0 | 127 | 255 => return Err(DecodeFault::Icmpv6UnknownType),
        _ => return Err(DecodeFault::Icmpv6UnassignedType),
    })
}
