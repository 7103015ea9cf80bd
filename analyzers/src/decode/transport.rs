//! What decoding a transport header gives.

use std::net::IpAddr;

/// The transport of the innermost IP datagram.
#[derive(Clone, Copy, Debug, Default)]
pub enum Transport<'f> {
    /// No IP, a fragment, or a header that is not there or wrong (then a fault says which).
    #[default]
    None,
    Tcp(TcpInfo<'f>),
    /// UDP and UDP-Lite.
    Udp(UdpInfo),
    Sctp(SctpInfo),
    Icmp4(IcmpInfo<'f>),
    Icmp6(IcmpInfo<'f>),
    Igmp(IgmpInfo),
    Esp(EspInfo),
    Dccp(DccpInfo),
    /// Any other, by IP protocol number; also GRE and the like that carry nothing known.
    Other(u8),
}

impl Transport<'_> {
    /// Source and destination port where the transport has ports.
    #[inline]
    #[must_use]
    pub fn ports(&self) -> Option<(u16, u16)> {
        match self {
            Self::Tcp(t) => Some((t.src_port, t.dst_port)),
            Self::Udp(u) => Some((u.src_port, u.dst_port)),
            Self::Sctp(s) => Some((s.src_port, s.dst_port)),
            Self::Dccp(d) => Some((d.src_port, d.dst_port)),
            _ => None,
        }
    }

    #[must_use]
    pub fn is_none(&self) -> bool {
        matches!(self, Self::None)
    }
}

/// A TCP header.
#[derive(Clone, Copy, Debug)]
pub struct TcpInfo<'f> {
    pub src_port: u16,
    pub dst_port: u16,
    pub seq: u32,
    pub ack: u32,
    /// Nine bits, see `umbra_wire::tcp::flag`.
    pub flags: u16,
    /// As in the header, not scaled.
    pub window: u16,
    pub urgent: u16,
    /// With options, bytes.
    pub header_len: u8,
    /// The options' bytes.
    pub options: &'f [u8],
    /// Maximum segment size, bytes.
    pub mss: Option<u16>,
    /// Shift count, as sent; above 14 it counts as 14 (RFC 7323 section 2.3).
    pub window_scale: Option<u8>,
    pub sack_permitted: bool,
    pub sack: SackBlocks,
    /// Value and echo reply.
    pub timestamps: Option<(u32, u32)>,
    /// The cookie of TCP Fast Open, empty where one is asked for.
    pub fast_open: Option<&'f [u8]>,
}

impl TcpInfo<'_> {
    /// Whether all bits of `mask` are set.
    #[inline]
    #[must_use]
    pub const fn has(&self, mask: u16) -> bool {
        self.flags & mask == mask
    }
}

/// Left and right edges of up to four SACK blocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SackBlocks {
    edges: [(u32, u32); 4],
    len: u8,
}

impl SackBlocks {
    pub(crate) fn new(blocks: impl Iterator<Item = (u32, u32)>) -> Self {
        let mut out = Self::default();
        for (slot, block) in out.edges.iter_mut().zip(blocks) {
            *slot = block;
            out.len += 1;
        }
        out
    }

    /// The blocks in the order of the option.
    #[must_use]
    pub fn as_slice(&self) -> &[(u32, u32)] {
        self.edges.get(..usize::from(self.len)).unwrap_or(&[])
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}

/// A UDP or UDP-Lite header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UdpInfo {
    pub src_port: u16,
    pub dst_port: u16,
    /// Header and payload as stated, bytes; of UDP-Lite as they are.
    pub len: u32,
    pub lite: bool,
}

/// An SCTP common header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SctpInfo {
    pub src_port: u16,
    pub dst_port: u16,
    pub verification_tag: u32,
    /// Type of the first chunk.
    pub first_chunk: Option<u8>,
}

/// An ICMP or ICMPv6 message.
#[derive(Clone, Copy, Debug)]
pub struct IcmpInfo<'f> {
    /// The type.
    pub kind: u8,
    pub code: u8,
    /// Identifier of echo and the like, else 0.
    pub id: u16,
    /// Sequence number of echo and the like, else 0.
    pub seq: u16,
    /// The second word as it is: gateway, MTU, pointer, flags.
    pub word: u32,
    /// The packet that an error message quotes, as far as it could be read.
    pub quoted: Option<Quoted<'f>>,
}

/// The packet in an ICMP error: it went against the direction of the error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quoted<'f> {
    pub src: IpAddr,
    pub dst: IpAddr,
    pub protocol: u8,
    /// Source and destination, where the quotation reaches that far and is no later fragment.
    pub ports: Option<(u16, u16)>,
    /// Identifier of a quoted ICMP query.
    pub icmp_id: Option<u16>,
    /// The quoted packet is a fragment.
    pub fragment: bool,
    /// The quotation, from its IP header on.
    pub datagram: &'f [u8],
}

/// An IGMP message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IgmpInfo {
    /// The type.
    pub kind: u8,
    /// Group address, 0 for IGMPv3 reports.
    pub group: [u8; 4],
}

/// An ESP header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EspInfo {
    /// Security parameters index.
    pub spi: u32,
    pub seq: u32,
}

/// The ports of a DCCP header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DccpInfo {
    pub src_port: u16,
    pub dst_port: u16,
}
