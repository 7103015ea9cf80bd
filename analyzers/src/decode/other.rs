//! SCTP, DCCP, ESP and IGMP.

use umbra_wire::checksum::Crc32c;
use umbra_wire::icmp::{Esp, Igmp};
use umbra_wire::sctp::Sctp;

use super::counters::Protocol;
use super::cursor::Cursor;
use super::fault::DecodeFault;
use super::transport::{DccpInfo, EspInfo, IgmpInfo, SctpInfo, Transport};
use super::walk::Walk;

impl<'f> Walk<'_, 'f> {
    pub(super) fn sctp(&mut self, at: Cursor<'f>) {
        let sctp = match Sctp::new_checked(at.bytes) {
            Ok(sctp) => sctp,
            Err(e) => return self.refuse(at, &e, DecodeFault::SctpPktTooSmall),
        };
        self.counters.count(Protocol::Sctp);
        self.out.payload = sctp.behind_header();
        self.out.transport = Transport::Sctp(SctpInfo {
            src_port: sctp.src_port(),
            dst_port: sctp.dst_port(),
            verification_tag: sctp.verification_tag(),
            first_chunk: sctp.behind_header().first().copied(),
        });
        if at.cut > 0 {
            return;
        }
        let state = self.verify(
            |nic| nic.l4,
            || {
                let mut crc = Crc32c::default();
                crc.add(&sctp.before_checksum());
                crc.add(&[0; 4]);
                crc.add(sctp.behind_header());
                crc.finish() == sctp.checksum()
            },
        );
        self.set_l4_checksum(state, DecodeFault::SctpChecksumInvalid);
    }

    pub(super) fn dccp(&mut self, at: Cursor<'f>) {
        // Ports, data offset, coverage, checksum, type, sequence: 12 bytes at least (RFC 4340).
        let Some(&[s0, s1, d0, d1, offset, ..]) = at.bytes.first_chunk::<12>() else {
            if at.wire_len() < 12 {
                self.fault(DecodeFault::DccpPktTooSmall);
            } else {
                self.out.cut_short = true;
            }
            return;
        };
        self.counters.count(Protocol::Dccp);
        self.out.transport = Transport::Dccp(DccpInfo {
            src_port: u16::from_be_bytes([s0, s1]),
            dst_port: u16::from_be_bytes([d0, d1]),
        });
        self.out.payload = at.skip(usize::from(offset) * 4).bytes;
    }

    pub(super) fn esp(&mut self, at: Cursor<'f>) {
        match Esp::new_checked(at.bytes) {
            Ok(esp) => {
                self.counters.count(Protocol::Esp);
                self.out.payload = esp.behind_header();
                self.out.transport = Transport::Esp(EspInfo { spi: esp.spi(), seq: esp.seq() });
            }
            Err(e) => self.refuse(at, &e, DecodeFault::EspPktTooSmall),
        }
    }

    pub(super) fn igmp(&mut self, at: Cursor<'f>) {
        match Igmp::new_checked(at.bytes) {
            Ok(igmp) => {
                self.counters.count(Protocol::Igmp);
                let (kind, mut group) = (igmp.kind(), igmp.group());
                // Where a version 3 report has its number of records.
                if kind == 0x22 {
                    group = [0; 4];
                }
                self.out.transport = Transport::Igmp(IgmpInfo { kind, group });
            }
            Err(e) => self.refuse(at, &e, DecodeFault::IgmpPktTooSmall),
        }
    }
}
