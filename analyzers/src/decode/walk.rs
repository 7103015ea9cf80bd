//! The walk from the link layer to what an ethertype announces.

use umbra_wire::ViewError;
use umbra_wire::arp::Arp;
use umbra_wire::cooked::{Cooked, Family, loopback};
use umbra_wire::ethernet::{Ethernet, Llc, Vlan};
use umbra_wire::number::{MAX_VLAN_TAGS, ethertype};

use super::counters::{DecodeCounters, Protocol};
use super::cursor::Cursor;
use super::fault::DecodeFault;
use super::link::LinkType;
use super::types::{ArpInfo, ChecksumState, Decoded};
use super::{ChecksumPolicy, DecodeOptions, NicChecksums};

/// One frame being decoded.
pub(super) struct Walk<'c, 'f> {
    pub(super) counters: &'c mut DecodeCounters,
    pub(super) options: DecodeOptions,
    nic: NicChecksums,
    /// Tunnels unpacked so far.
    pub(super) depth: u8,
    pub(super) out: Decoded<'f>,
}

impl<'c, 'f> Walk<'c, 'f> {
    pub(super) fn new(
        counters: &'c mut DecodeCounters,
        options: DecodeOptions,
        nic: NicChecksums,
        frame: &'f [u8],
        frame_len: u32,
        link: LinkType,
    ) -> Self {
        let out = Decoded::new(frame, frame_len, link);
        Self { counters, options, nic, depth: 0, out }
    }

    pub(super) fn finish(self) -> Decoded<'f> {
        self.out
    }

    pub(super) fn fault(&mut self, fault: DecodeFault) {
        self.out.faults.insert(fault);
    }

    /// A header could not be read: a fault, unless the capture is to blame.
    pub(super) fn refuse(&mut self, at: Cursor<'f>, error: &ViewError, fault: DecodeFault) {
        if at.lacks(error) {
            self.out.cut_short = true;
        } else {
            self.fault(fault);
        }
    }

    /// Whether what stands here is what the wire carried and not the inside of a tunnel.
    pub(super) fn is_outermost(&self) -> bool {
        self.depth == 0
    }

    /// The state of a checksum: by policy, by the NIC's word, by computing it.
    pub(super) fn verify(
        &self,
        nic: impl Fn(&NicChecksums) -> ChecksumState,
        compute: impl FnOnce() -> bool,
    ) -> ChecksumState {
        if self.options.checksums == ChecksumPolicy::None {
            return ChecksumState::Unchecked;
        }
        match nic(&self.nic) {
            word @ (ChecksumState::Good | ChecksumState::Absent) if self.is_outermost() => word,
            _ if compute() => ChecksumState::Good,
            _ => ChecksumState::Bad,
        }
    }

    pub(super) fn link(&mut self, at: Cursor<'f>) {
        match self.out.link {
            LinkType::Ethernet => self.ethernet(at),
            LinkType::RawIp => {
                self.counters.count(Protocol::Raw);
                self.ip(at);
            }
            LinkType::Null => self.null(at),
            LinkType::Ppp => self.ppp_link(at),
            LinkType::LinuxSll => {
                self.counters.count(Protocol::Sll);
                let header = Cooked::v1_checked(at.bytes);
                self.cooked(header, at, 16, DecodeFault::SllPktTooSmall);
            }
            LinkType::LinuxSll2 => {
                self.counters.count(Protocol::Sll2);
                let header = Cooked::v2_checked(at.bytes);
                self.cooked(header, at, 20, DecodeFault::Sll2PktTooSmall);
            }
            LinkType::Unsupported(_) => {
                self.fault(DecodeFault::LinkUnsupported);
                self.out.payload = at.bytes;
            }
        }
    }

    fn null(&mut self, at: Cursor<'f>) {
        self.counters.count(Protocol::Null);
        let behind = at.skip(4);
        match loopback(at.bytes) {
            Ok((Family::Ipv4, _)) => {
                self.stop(ethertype::IPV4, behind);
                self.ipv4(behind);
            }
            Ok((Family::Ipv6, _)) => {
                self.stop(ethertype::IPV6, behind);
                self.ipv6(behind);
            }
            Ok((Family::Other(_), _)) => {
                self.out.payload = behind.bytes;
                self.fault(DecodeFault::LtnullUnsupportedType);
            }
            Err(e) => self.refuse(at, &e, DecodeFault::LtnullPktTooSmall),
        }
    }

    fn ppp_link(&mut self, at: Cursor<'f>) {
        self.out.payload = at.bytes;
        // Cisco's HDLC has an ethertype where PPP has its protocol. Too little may be there to tell.
        if let [0x0f | 0x8f] | [0x0f | 0x8f, 0] | [0x0f | 0x8f, 0, _] = at.bytes
            && at.wire_len() >= 4
        {
            self.out.cut_short = true;
            return;
        }
        match at.bytes.first_chunk() {
            Some(&[0x0f | 0x8f, 0, t0, t1]) => {
                self.announced(u16::from_be_bytes([t0, t1]), at.skip(4), false);
            }
            _ => self.ppp(at),
        }
    }

    fn cooked(
        &mut self,
        header: Result<Cooked<'f>, ViewError>,
        at: Cursor<'f>,
        len: usize,
        fault: DecodeFault,
    ) {
        let header = match header {
            Ok(header) => header,
            Err(e) => return self.refuse(at, &e, fault),
        };
        if header.address_type() == 1 {
            let [a, b, c, d, e, f, _, _] = header.address();
            self.out.src_mac = [a, b, c, d, e, f];
        }
        let behind = at.skip(len);
        match header.protocol() {
            // 802.2 LLC
            4 => self.llc(behind, false),
            kind if kind < ethertype::MIN => self.stop(0, behind),
            kind => self.typed(kind, behind),
        }
    }

    pub(super) fn ethernet(&mut self, at: Cursor<'f>) {
        let header = match Ethernet::new_checked(at.bytes) {
            Ok(header) => header,
            Err(e) => return self.refuse(at, &e, DecodeFault::EthernetPktTooSmall),
        };
        self.counters.count(Protocol::Ethernet);
        if self.is_outermost() {
            self.out.src_mac = header.src();
            self.out.dst_mac = header.dst();
        }
        self.typed(header.ethertype(), at.skip(14));
    }

    /// What stands behind a type (or length) field: tags first.
    pub(super) fn typed(&mut self, mut kind: u16, mut at: Cursor<'f>) {
        let mut tags = 0;
        while ethertype::is_tag(kind) {
            if tags == MAX_VLAN_TAGS {
                self.fault(DecodeFault::VlanTooManyLayers);
                return self.stop(kind, at);
            }
            let tag = match Vlan::new_checked(at.bytes) {
                Ok(tag) => tag,
                Err(e) => {
                    self.refuse(at, &e, DecodeFault::VlanHeaderTooSmall);
                    return self.stop(kind, at);
                }
            };
            self.counters.count(match tags {
                0 => Protocol::Vlan,
                1 => Protocol::VlanQinq,
                _ => Protocol::VlanQinqinq,
            });
            if self.is_outermost() {
                self.out.vlans.push(tag.id());
            }
            kind = tag.ethertype();
            at = at.skip(4);
            tags += 1;
        }
        if kind < ethertype::MIN {
            return self.llc(at.limit(kind.into()), tags > 0);
        }
        self.announced(kind, at, tags > 0);
    }

    fn llc(&mut self, at: Cursor<'f>, tagged: bool) {
        match Llc::new_checked(at.bytes) {
            Ok(llc) => {
                self.counters.count(Protocol::Llc);
                let behind = at.behind(llc.payload());
                match llc.ethertype() {
                    Some(kind) => self.announced(kind, behind, tagged),
                    None => {
                        self.stop(0, behind);
                        self.unknown(tagged);
                    }
                }
            }
            Err(e) => {
                self.refuse(at, &e, DecodeFault::LlcPktTooSmall);
                self.stop(0, at);
            }
        }
    }

    fn unknown(&mut self, tagged: bool) {
        self.counters.count(Protocol::UnknownEthertype);
        self.fault(if tagged {
            DecodeFault::VlanUnknownType
        } else {
            DecodeFault::EthernetUnknownEthertype
        });
    }

    /// Nothing further is decoded.
    pub(super) fn stop(&mut self, kind: u16, at: Cursor<'f>) {
        if self.is_outermost() {
            self.out.ethertype = kind;
        }
        self.out.payload = at.bytes;
    }

    /// What an ethertype announces, behind all tags.
    pub(super) fn announced(&mut self, kind: u16, at: Cursor<'f>, tagged: bool) {
        self.stop(kind, at);
        match kind {
            ethertype::IPV4 => self.ipv4(at),
            ethertype::IPV6 => self.ipv6(at),
            ethertype::ARP => self.arp(at),
            ethertype::MPLS | ethertype::MPLS_MULTICAST => self.mpls(at),
            ethertype::PPPOE_SESSION => self.pppoe(at),
            ethertype::PPPOE_DISCOVERY => self.counters.count(Protocol::Pppoe),
            _ => self.unknown(tagged),
        }
    }

    fn arp(&mut self, at: Cursor<'f>) {
        let arp = match Arp::new_checked(at.bytes) {
            Ok(arp) => arp,
            Err(e) => return self.refuse(at, &e, DecodeFault::ArpPktTooSmall),
        };
        self.counters.count(Protocol::Arp);
        let odd = [
            (arp.hardware() != 1, DecodeFault::ArpUnsupportedHardware),
            (arp.protocol() != ethertype::IPV4, DecodeFault::ArpUnsupportedProtocol),
            (arp.hardware_len() != 6, DecodeFault::ArpInvalidHardwareSize),
            (arp.protocol_len() != 4, DecodeFault::ArpInvalidProtocolSize),
            (!(1..=4).contains(&arp.operation()), DecodeFault::ArpUnsupportedOpcode),
        ];
        for (_, fault) in odd.into_iter().filter(|(is, _)| *is) {
            self.fault(fault);
        }
        let addresses = (
            arp.sender_hardware().try_into(),
            arp.sender_protocol().try_into(),
            arp.target_hardware().try_into(),
            arp.target_protocol().try_into(),
        );
        if let (Ok(sender_mac), Ok(sender_ip), Ok(target_mac), Ok(target_ip)) = addresses {
            let operation = arp.operation();
            self.out.arp =
                Some(ArpInfo { operation, sender_mac, sender_ip, target_mac, target_ip });
        }
    }

    /// IP of the version that its first nibble says.
    pub(super) fn ip(&mut self, at: Cursor<'f>) {
        self.out.payload = at.bytes;
        match at.bytes.first().map(|b| b >> 4) {
            Some(4) => {
                self.stop(ethertype::IPV4, at);
                self.ipv4(at);
            }
            Some(6) => {
                self.stop(ethertype::IPV6, at);
                self.ipv6(at);
            }
            Some(_) => self.fault(DecodeFault::IprawInvalidIpVersion),
            None if at.cut > 0 => self.out.cut_short = true,
            None => self.fault(DecodeFault::IprawInvalidIpVersion),
        }
    }
}
