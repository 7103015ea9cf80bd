//! What decoding a frame gives: plain data and borrows of the frame.

use std::net::IpAddr;

use super::fault::Faults;
use super::link::LinkType;
use super::transport::Transport;

/// A frame, decoded once for all profiles.
///
/// The link layer's fields describe the frame as it was on the wire, `ip` and what follows the
/// innermost IP datagram that could be decoded (see [`Self::tunnels`]).
#[derive(Clone, Copy, Debug)]
pub struct Decoded<'f> {
    /// The captured bytes.
    pub frame: &'f [u8],
    /// Length on the wire, bytes, without FCS; more than `frame.len()` where the capture cut it.
    pub frame_len: u32,
    pub link: LinkType,
    /// Zero where the link layer has none. Cooked captures give the sender's.
    pub src_mac: [u8; 6],
    pub dst_mac: [u8; 6],
    /// Of the frame, behind all VLAN tags; 0 for LLC without SNAP. Raw IP links state the one that
    /// their content would have.
    pub ethertype: u16,
    pub vlans: VlanStack,
    /// Labels of all MPLS stacks together.
    pub mpls_labels: u8,
    pub arp: Option<ArpInfo>,
    /// What was unpacked to get at `ip`, outermost first.
    pub tunnels: TunnelStack,
    /// The outermost IP header, where `ip` is an inner one.
    pub outer_ip: Option<OuterIp>,
    pub ip: Option<IpInfo>,
    /// The IP datagram of `ip`: from its header up to its stated length or the end of the capture.
    pub datagram: &'f [u8],
    /// Transport header and payload; empty for fragments.
    pub segment: &'f [u8],
    pub transport: Transport<'f>,
    /// What the transport carries; of an unknown transport everything behind IP, of a fragment its
    /// piece, of a frame without IP what follows the ethertype. Never the padding of a short
    /// Ethernet frame, where lengths say what is padding.
    pub payload: &'f [u8],
    pub checksums: Checksums,
    pub faults: Faults,
    /// A header reaches past the captured bytes, though not past the frame: not a fault of the
    /// sender, but what stands there is not known.
    pub cut_short: bool,
}

impl<'f> Decoded<'f> {
    pub(super) fn new(frame: &'f [u8], frame_len: u32, link: LinkType) -> Self {
        Self {
            frame,
            frame_len,
            link,
            src_mac: [0; 6],
            dst_mac: [0; 6],
            ethertype: 0,
            vlans: VlanStack::default(),
            mpls_labels: 0,
            arp: None,
            tunnels: TunnelStack::default(),
            outer_ip: None,
            ip: None,
            datagram: &[],
            segment: &[],
            transport: Transport::None,
            payload: &[],
            checksums: Checksums::default(),
            faults: Faults::default(),
            cut_short: false,
        }
    }

    /// Source and destination port of TCP, UDP, SCTP and DCCP.
    #[inline]
    #[must_use]
    pub fn ports(&self) -> Option<(u16, u16)> {
        self.transport.ports()
    }

    /// Whether the innermost IP datagram is a fragment, which decoding leaves to the defragmenter.
    #[inline]
    #[must_use]
    pub fn is_fragment(&self) -> bool {
        self.ip.is_some_and(|ip| ip.fragment.is_some())
    }

    /// Whether a fault was found that makes the packet unusable for streams and application layers.
    #[inline]
    #[must_use]
    pub fn is_invalid(&self) -> bool {
        self.faults.any_invalid()
    }

    /// Whether the capture holds less than the frame.
    #[inline]
    #[must_use]
    pub fn is_truncated(&self) -> bool {
        self.frame.len() < self.frame_len as usize
    }
}

/// Up to three VLAN ids, outermost first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct VlanStack {
    ids: [u16; 3],
    len: u8,
}

impl VlanStack {
    /// False when it is full.
    pub(super) fn push(&mut self, id: u16) -> bool {
        match self.ids.get_mut(usize::from(self.len)) {
            Some(slot) => {
                *slot = id;
                self.len += 1;
                true
            }
            None => false,
        }
    }

    /// The ids, 0..=4095 each.
    #[must_use]
    pub fn ids(&self) -> &[u16] {
        self.ids.get(..usize::from(self.len)).unwrap_or(&[])
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The stack as one number, for keys: the ids and how many there are.
    #[must_use]
    pub fn as_u64(&self) -> u64 {
        let [a, b, c] = self.ids.map(u64::from);
        a | b << 16 | c << 32 | u64::from(self.len) << 48
    }
}

/// What carries another packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum TunnelKind {
    Mpls,
    Pppoe,
    Gre,
    Vxlan,
    Geneve,
    GtpU,
    Ipv4InIpv4,
    Ipv6InIpv4,
    Ipv4InIpv6,
    Ipv6InIpv6,
}

impl TunnelKind {
    /// Lower case, as in counters.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Mpls => "mpls",
            Self::Pppoe => "pppoe",
            Self::Gre => "gre",
            Self::Vxlan => "vxlan",
            Self::Geneve => "geneve",
            Self::GtpU => "gtpu",
            Self::Ipv4InIpv4 => "ipv4_in_ipv4",
            Self::Ipv6InIpv4 => "ipv6_in_ipv4",
            Self::Ipv4InIpv6 => "ipv4_in_ipv6",
            Self::Ipv6InIpv6 => "ipv6_in_ipv6",
        }
    }
}

/// One unpacked tunnel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TunnelLayer {
    pub kind: TunnelKind,
    /// VXLAN or Geneve VNI, GTP-U TEID, GRE key, PPPoE session, bottom MPLS label; else 0. TEIDs
    /// and labels differ between the directions of a flow.
    pub id: u32,
}

/// Most tunnels that are unpacked, whatever the options of the decoder say.
pub const MAX_TUNNELS: usize = 8;

/// The tunnels around the innermost packet, outermost first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct TunnelStack {
    layers: [Option<TunnelLayer>; MAX_TUNNELS],
}

impl TunnelStack {
    pub(super) fn push(&mut self, layer: TunnelLayer) {
        if let Some(slot) = self.layers.iter_mut().find(|slot| slot.is_none()) {
            *slot = Some(layer);
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = TunnelLayer> + '_ {
        self.layers.iter().map_while(|layer| *layer)
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.iter().count()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.layers[0].is_none()
    }

    /// The outermost one.
    #[must_use]
    pub fn first(&self) -> Option<TunnelLayer> {
        self.layers[0]
    }
}

/// The IP header around a tunnel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OuterIp {
    pub src: IpAddr,
    pub dst: IpAddr,
    pub protocol: u8,
    /// Of UDP tunnels.
    pub ports: Option<(u16, u16)>,
}

/// An IPv4 or IPv6 header with its extension headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IpInfo {
    /// 4 or 6.
    pub version: u8,
    pub src: IpAddr,
    pub dst: IpAddr,
    /// What the datagram carries, behind all extension headers. Of an IPv6 fragment what its
    /// fragment header says.
    pub protocol: u8,
    /// Hop limit in IPv6.
    pub ttl: u8,
    /// Traffic class in IPv6.
    pub tos: u8,
    /// IPv6 only, 20 bits.
    pub flow_label: u32,
    /// Header with options and extension headers, bytes.
    pub header_len: u16,
    /// As stated, header included, bytes.
    pub total_len: u32,
    /// IPv4 identification, or that of the IPv6 fragment header, 0 where there is none.
    pub id: u32,
    pub dont_fragment: bool,
    /// The reserved bit of the IPv4 flags.
    pub reserved_bit: bool,
    /// `None` for whole datagrams, also for IPv6 atomic fragments.
    pub fragment: Option<Fragment>,
    pub options: Ipv4OptionSet,
    pub extensions: ExtensionSet,
}

/// Where a fragment belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fragment {
    /// Bytes, a multiple of 8.
    pub offset: u16,
    /// More fragments follow this one.
    pub more: bool,
    /// Where the fragment's piece begins in [`Decoded::datagram`], bytes.
    pub data_at: u16,
}

/// Which IPv4 options a header has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Ipv4OptionSet(pub(super) u16);

impl Ipv4OptionSet {
    pub const END_OF_LIST: u16 = 1;
    pub const NO_OPERATION: u16 = 1 << 1;
    pub const SECURITY: u16 = 1 << 2;
    pub const LOOSE_SOURCE_ROUTE: u16 = 1 << 3;
    pub const TIMESTAMP: u16 = 1 << 4;
    pub const EXTENDED_SECURITY: u16 = 1 << 5;
    pub const COMMERCIAL_SECURITY: u16 = 1 << 6;
    pub const RECORD_ROUTE: u16 = 1 << 7;
    pub const STREAM_ID: u16 = 1 << 8;
    pub const STRICT_SOURCE_ROUTE: u16 = 1 << 9;
    pub const ROUTER_ALERT: u16 = 1 << 10;
    pub const OTHER: u16 = 1 << 11;

    /// Whether one of the options in `mask` is there.
    #[must_use]
    pub const fn has(self, mask: u16) -> bool {
        self.0 & mask != 0
    }

    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

/// Which extension headers a datagram has (AH also in IPv4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct ExtensionSet(pub(super) u8);

impl ExtensionSet {
    pub const HOP_BY_HOP: u8 = 1;
    pub const ROUTING: u8 = 1 << 1;
    pub const FRAGMENT: u8 = 1 << 2;
    pub const DESTINATION: u8 = 1 << 3;
    pub const AH: u8 = 1 << 4;
    /// Mobility, HIP or Shim6.
    pub const OTHER: u8 = 1 << 5;

    /// Whether one of the headers in `mask` is there.
    #[must_use]
    pub const fn has(self, mask: u8) -> bool {
        self.0 & mask != 0
    }

    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

/// An ARP packet of Ethernet and IPv4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ArpInfo {
    /// 1 request, 2 reply, 3 and 4 the reverse.
    pub operation: u16,
    pub sender_mac: [u8; 6],
    pub sender_ip: [u8; 4],
    pub target_mac: [u8; 6],
    pub target_ip: [u8; 4],
}

/// What is known of a checksum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ChecksumState {
    /// Not looked at: by policy, because the capture cut the packet, or because it is a fragment.
    #[default]
    Unchecked,
    Good,
    Bad,
    /// The packet has none: UDP over IPv4 with 0, or a virtual NIC that vouches for it.
    Absent,
}

/// The checksums of the innermost datagram. IPv6 has no header checksum: `ip` is `Unchecked`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Checksums {
    pub ip: ChecksumState,
    pub l4: ChecksumState,
}

impl Checksums {
    #[must_use]
    pub fn any_bad(&self) -> bool {
        self.ip == ChecksumState::Bad || self.l4 == ChecksumState::Bad
    }
}
