//! TCP and UDP, and the way to all other protocols behind IP.

use std::net::IpAddr;

use umbra_wire::ViewError;
use umbra_wire::checksum::Sum;
use umbra_wire::number::{port, protocol};
use umbra_wire::tcp::{Tcp, TcpOption, sack_blocks};
use umbra_wire::udp::{HEADER_LEN as UDP_HEADER_LEN, Udp};

use super::counters::Protocol;
use super::cursor::Cursor;
use super::fault::{DecodeFault, Faults};
use super::network::Pseudo;
use super::transport::{SackBlocks, TcpInfo, Transport, UdpInfo};
use super::types::ChecksumState;
use super::walk::Walk;

impl<'f> Walk<'_, 'f> {
    /// What an IP datagram carries. `at` ends where the datagram does.
    pub(super) fn upper(&mut self, number: u8, at: Cursor<'f>, pseudo: Pseudo) {
        self.out.segment = at.bytes;
        self.out.payload = at.bytes;
        let v6 = pseudo.src.is_ipv6();
        match number {
            protocol::TCP => self.tcp(at, pseudo),
            protocol::UDP => self.udp(at, pseudo),
            protocol::UDP_LITE => self.udp_lite(at, pseudo),
            protocol::SCTP => self.sctp(at),
            protocol::DCCP => self.dccp(at),
            protocol::ESP => self.esp(at),
            protocol::GRE => self.gre(at),
            protocol::IPV4 | protocol::IPV6 => self.ip_in_ip(number, at),
            protocol::MPLS => {
                self.out.transport = Transport::Other(number);
                self.mpls(at);
            }
            _ if v6 => self.only_in_v6(number, at, pseudo),
            _ => self.only_in_v4(number, at, pseudo),
        }
    }

    fn only_in_v4(&mut self, number: u8, at: Cursor<'f>, pseudo: Pseudo) {
        match number {
            protocol::ICMP => self.icmp4(at),
            protocol::IGMP => self.igmp(at),
            protocol::AH => self.ah(at, pseudo),
            _ => {
                if number == protocol::ICMPV6 {
                    self.fault(DecodeFault::Ipv4WithIcmpv6);
                }
                self.other(number);
            }
        }
    }

    fn only_in_v6(&mut self, number: u8, at: Cursor<'f>, pseudo: Pseudo) {
        match number {
            protocol::ICMPV6 => self.icmp6(at, pseudo),
            _ => {
                match number {
                    protocol::ICMP => self.fault(DecodeFault::Ipv6WithIcmpv4),
                    protocol::NO_NEXT_HEADER if at.wire_len() == 0 => {}
                    protocol::NO_NEXT_HEADER => self.fault(DecodeFault::Ipv6DataAfterNoneHeader),
                    _ => self.fault(DecodeFault::Ipv6UnknownNextHeader),
                }
                self.other(number);
            }
        }
    }

    fn other(&mut self, number: u8) {
        self.counters.count(Protocol::OtherTransport);
        self.out.transport = Transport::Other(number);
    }

    fn tcp(&mut self, at: Cursor<'f>, pseudo: Pseudo) {
        let tcp = match Tcp::new_checked(at.bytes) {
            Ok(tcp) => tcp,
            Err(e) => {
                let fault = match e {
                    ViewError::HeaderLength { .. } => DecodeFault::TcpInvalidOptlen,
                    ViewError::Short { need, .. } if need > umbra_wire::tcp::MIN_HEADER_LEN => {
                        DecodeFault::TcpHlenTooSmall
                    }
                    _ => DecodeFault::TcpPktTooSmall,
                };
                return self.refuse(at, &e, fault);
            }
        };
        self.counters.count(Protocol::Tcp);
        let mut info = TcpInfo {
            src_port: tcp.src_port(),
            dst_port: tcp.dst_port(),
            seq: tcp.seq(),
            ack: tcp.ack(),
            flags: tcp.flags(),
            window: tcp.window(),
            urgent: tcp.urgent(),
            header_len: tcp.header_len() as u8,
            options: tcp.options_bytes(),
            mss: None,
            window_scale: None,
            sack_permitted: false,
            sack: SackBlocks::default(),
            timestamps: None,
            fast_open: None,
        };
        if !info.options.is_empty() {
            tcp_options(&tcp, &mut info, &mut self.out.faults);
        }
        self.out.payload = tcp.payload();
        self.out.transport = Transport::Tcp(info);
        self.l4_sum(protocol::TCP, at, at.bytes, pseudo, DecodeFault::TcpChecksumInvalid);
    }

    fn udp(&mut self, at: Cursor<'f>, pseudo: Pseudo) {
        let udp = match Udp::new_checked(at.bytes) {
            Ok(udp) => udp,
            Err(e) => return self.refuse(at, &e, DecodeFault::UdpHlenTooSmall),
        };
        // A length of 0 is for jumbograms only (RFC 2675), which are longer than the field can say.
        let len = match usize::from(udp.len_field()) {
            0 if at.wire_len() > usize::from(u16::MAX) => at.wire_len(),
            len => len,
        };
        if len > at.wire_len() {
            return self.fault(DecodeFault::UdpPktTooSmall);
        }
        if len < UDP_HEADER_LEN {
            return self.fault(DecodeFault::UdpLenInvalid);
        }
        self.counters.count(Protocol::Udp);
        let at = at.limit(len);
        let info = UdpInfo {
            src_port: udp.src_port(),
            dst_port: udp.dst_port(),
            len: u32::try_from(len).unwrap_or(u32::MAX),
            lite: false,
        };
        self.out.segment = at.bytes;
        self.out.payload = udp.payload();
        self.out.transport = Transport::Udp(info);
        if udp.checksum() == 0 && pseudo.src.is_ipv4() {
            self.out.checksums.l4 = ChecksumState::Absent;
        } else {
            self.l4_sum(protocol::UDP, at, at.bytes, pseudo, DecodeFault::UdpChecksumInvalid);
        }
        if port::is_tunnel(info.dst_port) {
            self.udp_tunnel(info.dst_port, at.skip(UDP_HEADER_LEN));
        }
    }

    fn udp_lite(&mut self, at: Cursor<'f>, pseudo: Pseudo) {
        let udp = match Udp::new_checked(at.bytes) {
            Ok(udp) => udp,
            Err(e) => return self.refuse(at, &e, DecodeFault::UdpHlenTooSmall),
        };
        let coverage = match usize::from(udp.len_field()) {
            0 => at.wire_len(),
            n => n,
        };
        if coverage > at.wire_len() {
            return self.fault(DecodeFault::UdpPktTooSmall);
        }
        if coverage < UDP_HEADER_LEN {
            return self.fault(DecodeFault::UdpLenInvalid);
        }
        self.counters.count(Protocol::UdpLite);
        let info = UdpInfo {
            src_port: udp.src_port(),
            dst_port: udp.dst_port(),
            len: u32::try_from(at.wire_len()).unwrap_or(u32::MAX),
            lite: true,
        };
        self.out.payload = udp.behind_header();
        self.out.transport = Transport::Udp(info);
        let covered = at.bytes.get(..coverage).unwrap_or(at.bytes);
        self.l4_sum(protocol::UDP_LITE, at, covered, pseudo, DecodeFault::UdpChecksumInvalid);
    }

    /// Verifies a checksum over a pseudo header (with the length of `at`) and `covered`.
    pub(super) fn l4_sum(
        &mut self,
        number: u8,
        at: Cursor<'f>,
        covered: &[u8],
        pseudo: Pseudo,
        fault: DecodeFault,
    ) {
        let (Some(dst), 0) = (pseudo.dst, at.cut) else { return };
        let len = u32::try_from(at.bytes.len()).unwrap_or(u32::MAX);
        let state = self.verify(
            |nic| nic.l4,
            || {
                let mut sum = Sum::default();
                match (pseudo.src, dst) {
                    (IpAddr::V4(src), IpAddr::V4(dst)) => {
                        sum.add_pseudo(&src.octets(), &dst.octets(), number, len);
                    }
                    (IpAddr::V6(src), IpAddr::V6(dst)) => {
                        sum.add_pseudo(&src.octets(), &dst.octets(), number, len);
                    }
                    // Source and destination come from one header.
                    _ => {}
                }
                sum.add(covered);
                sum.folded() == 0xffff
            },
        );
        self.set_l4_checksum(state, fault);
    }

    pub(super) fn set_l4_checksum(&mut self, state: ChecksumState, fault: DecodeFault) {
        self.out.checksums.l4 = state;
        if state == ChecksumState::Bad {
            self.fault(fault);
        }
    }
}

fn tcp_options<'f>(tcp: &Tcp<'f>, info: &mut TcpInfo<'f>, faults: &mut Faults) {
    // What nearly every segment of a connection carries: two no-operations and timestamps.
    if let &[1, 1, 8, 10, a, b, c, d, e, f, g, h] = tcp.options_bytes() {
        let (value, echo) = (u32::from_be_bytes([a, b, c, d]), u32::from_be_bytes([e, f, g, h]));
        info.timestamps = Some((value, echo));
        return;
    }
    let mut seen = 0u32;
    for option in tcp.options() {
        let Ok(option) = option else {
            faults.insert(DecodeFault::TcpOptInvalidLen);
            return;
        };
        let bit = match option {
            TcpOption::EndOfList => return,
            TcpOption::NoOperation | TcpOption::Other { .. } => 0,
            TcpOption::Malformed { .. } => {
                faults.insert(DecodeFault::TcpOptInvalidLen);
                0
            }
            TcpOption::MaximumSegmentSize(_) => 1,
            TcpOption::WindowScale(_) => 2,
            TcpOption::SackPermitted => 4,
            TcpOption::Sack(_) => 8,
            TcpOption::Timestamps(..) => 16,
            TcpOption::Md5(_) => 32,
            TcpOption::FastOpen(_) => 64,
            TcpOption::Authentication(_) => 128,
        };
        if seen & bit != 0 {
            faults.insert(DecodeFault::TcpOptDuplicate);
            continue;
        }
        seen |= bit;
        match option {
            TcpOption::MaximumSegmentSize(mss) => info.mss = Some(mss),
            TcpOption::WindowScale(shift) => {
                if shift > 14 {
                    faults.insert(DecodeFault::TcpOptWscaleOverMax);
                }
                info.window_scale = Some(shift);
            }
            TcpOption::SackPermitted => info.sack_permitted = true,
            TcpOption::Sack(data) => info.sack = SackBlocks::new(sack_blocks(data)),
            TcpOption::Timestamps(value, echo) => info.timestamps = Some((value, echo)),
            TcpOption::FastOpen(cookie) => info.fast_open = Some(cookie),
            _ => {}
        }
    }
}
