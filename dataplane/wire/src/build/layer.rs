//! The layers of a built frame.

macro_rules! layers {
    ($($name:ident),*) => {
        /// One layer of a frame.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum Layer { $($name($name)),* }

        $(impl From<$name> for Layer {
            fn from(layer: $name) -> Self {
                Self::$name(layer)
            }
        })*
    };
}

layers!(
    Ethernet, Vlan, Mpls, Arp, Pppoe, Ipv4, Ipv6, Extension, Tcp, Udp, Sctp, Icmp, Gre, Vxlan,
    Geneve, GtpU
);

/// An Ethernet header. Without a type the next layer gives it; behind it an 802.3 length and
/// LLC/SNAP when `ethertype` is `Some(0)`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ethernet {
    pub dst: [u8; 6],
    pub src: [u8; 6],
    pub ethertype: Option<u16>,
}

/// A VLAN tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vlan {
    pub tpid: u16,
    pub id: u16,
    pub priority: u8,
}

/// A label; the last of a row is the bottom of the stack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mpls {
    pub label: u32,
    pub ttl: u8,
}

/// ARP for IPv4 over Ethernet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arp {
    pub operation: u16,
    pub sender_mac: [u8; 6],
    pub sender_ip: [u8; 4],
    pub target_mac: [u8; 6],
    pub target_ip: [u8; 4],
}

/// A PPPoE session header and the PPP protocol behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pppoe {
    pub session: u16,
}

/// An IPv4 header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ipv4 {
    pub src: [u8; 4],
    pub dst: [u8; 4],
    /// Of the next layer unless given.
    pub protocol: Option<u8>,
    pub ttl: u8,
    pub tos: u8,
    pub id: u16,
    pub dont_fragment: bool,
    pub more_fragments: bool,
    /// Bytes, a multiple of 8.
    pub fragment_offset: u16,
    /// Padded with zeros to a multiple of 4, at most 40 bytes.
    pub options: Vec<u8>,
}

impl Ipv4 {
    #[must_use]
    pub fn new(src: [u8; 4], dst: [u8; 4]) -> Self {
        Self {
            src,
            dst,
            protocol: None,
            ttl: 64,
            tos: 0,
            id: 0,
            dont_fragment: false,
            more_fragments: false,
            fragment_offset: 0,
            options: Vec::new(),
        }
    }
}

/// An IPv6 header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ipv6 {
    pub src: [u8; 16],
    pub dst: [u8; 16],
    /// Of the next layer unless given.
    pub next_header: Option<u8>,
    pub hop_limit: u8,
    pub traffic_class: u8,
    pub flow_label: u32,
}

impl Ipv6 {
    #[must_use]
    pub fn new(src: [u8; 16], dst: [u8; 16]) -> Self {
        Self { src, dst, next_header: None, hop_limit: 64, traffic_class: 0, flow_label: 0 }
    }
}

/// An IPv6 extension header; next header and length are filled in, `body` is what follows them,
/// padded with zeros to a multiple of 8 (of 4 for AH). A fragment header has a body of 6 bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extension {
    pub kind: u8,
    pub body: Vec<u8>,
}

/// A TCP header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tcp {
    pub src: u16,
    pub dst: u16,
    pub seq: u32,
    pub ack: u32,
    pub flags: u16,
    pub window: u16,
    pub urgent: u16,
    /// Padded with zeros to a multiple of 4, at most 40 bytes.
    pub options: Vec<u8>,
}

impl Tcp {
    #[must_use]
    pub fn new(src: u16, dst: u16) -> Self {
        let flags = crate::tcp::flag::ACK;
        Self { src, dst, seq: 1, ack: 1, flags, window: 65_535, urgent: 0, options: Vec::new() }
    }
}

/// A UDP header, or one of UDP-Lite whose checksum covers all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Udp {
    pub src: u16,
    pub dst: u16,
    pub lite: bool,
    /// Leaves the checksum field 0.
    pub no_checksum: bool,
}

/// An SCTP common header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sctp {
    pub src: u16,
    pub dst: u16,
    pub verification_tag: u32,
}

/// ICMP, or ICMPv6 behind IPv6.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Icmp {
    pub kind: u8,
    pub code: u8,
    /// The bytes 4 to 7.
    pub word: u32,
}

/// GRE version 0.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Gre {
    pub key: Option<u32>,
    pub sequence: Option<u32>,
    pub checksum: bool,
}

/// VXLAN; with a next protocol the generic extension.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vxlan {
    pub vni: u32,
    pub next: Option<u8>,
}

/// Geneve.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Geneve {
    pub vni: u32,
    /// Padded with zeros to a multiple of 4.
    pub options: Vec<u8>,
}

/// GTP-U user data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GtpU {
    pub teid: u32,
    pub sequence: Option<u16>,
    /// Type and content of extension headers, the content 2 bytes more than a multiple of 4.
    pub extensions: Vec<(u8, Vec<u8>)>,
}
