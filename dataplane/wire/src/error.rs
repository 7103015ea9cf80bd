//! Why bytes are not the header that they were taken for.

use std::fmt;

/// The header a view reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Layer {
    Ethernet,
    LlcSnap,
    Vlan,
    Mpls,
    Arp,
    Ipv4,
    Ipv6,
    Ipv6Extension,
    Tcp,
    Udp,
    Sctp,
    Icmp4,
    Icmp6,
    Igmp,
    Esp,
    Ah,
    Gre,
    Vxlan,
    Geneve,
    GtpU,
    PppoeSession,
    Ppp,
    LinuxSll,
    LinuxSll2,
    Loopback,
}

impl Layer {
    /// The header's usual name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ethernet => "Ethernet",
            Self::LlcSnap => "LLC/SNAP",
            Self::Vlan => "VLAN tag",
            Self::Mpls => "MPLS label",
            Self::Arp => "ARP",
            Self::Ipv4 => "IPv4",
            Self::Ipv6 => "IPv6",
            Self::Ipv6Extension => "IPv6 extension",
            Self::Tcp => "TCP",
            Self::Udp => "UDP",
            Self::Sctp => "SCTP",
            Self::Icmp4 => "ICMP",
            Self::Icmp6 => "ICMPv6",
            Self::Igmp => "IGMP",
            Self::Esp => "ESP",
            Self::Ah => "AH",
            Self::Gre => "GRE",
            Self::Vxlan => "VXLAN",
            Self::Geneve => "Geneve",
            Self::GtpU => "GTP-U",
            Self::PppoeSession => "PPPoE session",
            Self::Ppp => "PPP",
            Self::LinuxSll => "Linux cooked",
            Self::LinuxSll2 => "Linux cooked v2",
            Self::Loopback => "loopback",
        }
    }
}

/// Why a view could not be made. Lengths are bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ViewError {
    /// The header needs `need` bytes and there are `have`.
    Short { layer: Layer, need: usize, have: usize },
    /// The header states `have` as its own length, below the `need` it has at least.
    HeaderLength { layer: Layer, need: usize, have: usize },
    /// The version field reads `have`; this view is of version `need`.
    Version { layer: Layer, need: u8, have: u8 },
    /// A field has a value that this header cannot have.
    Field { layer: Layer, field: &'static str, have: u32 },
}

impl ViewError {
    pub(crate) const fn short(layer: Layer, need: usize, have: usize) -> Self {
        Self::Short { layer, need, have }
    }

    /// The header in question.
    #[must_use]
    pub const fn layer(&self) -> Layer {
        match *self {
            Self::Short { layer, .. }
            | Self::HeaderLength { layer, .. }
            | Self::Version { layer, .. }
            | Self::Field { layer, .. } => layer,
        }
    }
}

impl fmt::Display for ViewError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let layer = self.layer().as_str();
        match *self {
            Self::Short { need, have, .. } => {
                write!(f, "{layer} header cut short: needs {need} bytes, has {have}")
            }
            Self::HeaderLength { need, have, .. } => {
                write!(f, "{layer} header states a length of {have} bytes, at least {need}")
            }
            Self::Version { need, have, .. } => {
                write!(f, "{layer} header has version {have}, not {need}")
            }
            Self::Field { field, have, .. } => {
                write!(f, "{layer} header cannot have {field} {have}")
            }
        }
    }
}

impl std::error::Error for ViewError {}

/// Splits a fixed header off, or says what is missing.
#[inline]
pub(crate) fn header<const N: usize>(
    layer: Layer,
    bytes: &[u8],
) -> Result<(&[u8; N], &[u8]), ViewError> {
    bytes.split_first_chunk().ok_or(ViewError::short(layer, N, bytes.len()))
}

/// Splits the variable part of a header off: `len` bytes behind a fixed part of `fixed` bytes.
#[inline]
pub(crate) fn variable(
    layer: Layer,
    fixed: usize,
    len: usize,
    bytes: &[u8],
) -> Result<(&[u8], &[u8]), ViewError> {
    bytes.split_at_checked(len).ok_or(ViewError::short(layer, fixed + len, fixed + bytes.len()))
}
