//! Link types, numbered as pcap and pcapng files number them.
//!
//! Source: the LINKTYPE_ registry of tcpdump.org.

/// What a capture's frames begin with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum LinkType {
    #[default]
    Ethernet,
    /// IPv4 or IPv6 by the version nibble, also where the file says which.
    RawIp,
    /// BSD loopback: an address family in the byte order of the writing host, or network order.
    Null,
    Ppp,
    LinuxSll,
    LinuxSll2,
    /// Not decoded; counted.
    Unsupported(u16),
}

impl LinkType {
    /// From the number in a capture file.
    #[must_use]
    pub const fn from_dlt(dlt: u16) -> Self {
        match dlt {
            0 | 108 => Self::Null,
            1 => Self::Ethernet,
            // 50 is PPP with HDLC-like framing, whose two bytes are optional in 9 as well.
            // Cisco HDLC (104) has the same four bytes as some of what 50 holds.
            9 | 50 | 104 => Self::Ppp,
            // 12 and 14 are what DLT_RAW is on most systems and on OpenBSD.
            12 | 14 | 101 | 228 | 229 => Self::RawIp,
            113 => Self::LinuxSll,
            276 => Self::LinuxSll2,
            other => Self::Unsupported(other),
        }
    }

    /// Whether frames of this type are decoded.
    #[must_use]
    pub const fn is_supported(self) -> bool {
        !matches!(self, Self::Unsupported(_))
    }
}
