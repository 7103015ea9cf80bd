//! Which flow a frame belongs to, for the sampler.
//!
//! The key is the same in both directions of a flow, so that a sampler which thresholds its hash
//! takes a conversation whole or not at all. It is computed from the first bytes of a frame
//! (the first mbuf segment, possibly cut short) and never fails: what cannot be told is left out
//! of the key, and a frame that is not IP is keyed on its MAC addresses and ethertype.
//!
//! | frame | key |
//! |---|---|
//! | TCP, UDP, UDP-Lite, SCTP, DCCP | addresses, ports, protocol |
//! | ICMP and ICMPv6 queries with an identifier (echo, timestamp, …) | addresses, protocol, the identifier as both ports |
//! | ICMP and ICMPv6 errors, ICMP redirects | the key of the packet that they quote, as far as it is quoted |
//! | other ICMP, ESP, AH, any other protocol | addresses and protocol |
//! | any fragment, also the first | addresses and protocol, so a flow that is partly fragmented can be split; [`FlowKeyMode::Hosts`] avoids it |
//! | IPv6 atomic fragment (offset 0, no more) | as if it were not fragmented (RFC 6946) |
//! | GRE, IP in IP, MPLS, PPPoE, VXLAN, Geneve, GTP-U | [`Tunnel::Inner`]: the key of what is inside, at most [`MAX_TUNNELS`] deep |
//! | the same with [`Tunnel::Outer`] | outer addresses and protocol without ports (VXLAN's source port differs between the directions); MACs and ethertype for MPLS and PPPoE |
//! | anything else | MAC addresses and ethertype (behind VLAN tags; 0 for LLC) |
//!
//! VLAN ids are not part of the key: the two directions of a wire may carry different tags.
//! Lengths in headers are not believed, that of UDP around a tunnel excepted: what is there counts.

mod walk;

pub use walk::flow_key;

/// Tunnels and quotations that are followed before the key is taken from where one stands.
pub const MAX_TUNNELS: u8 = 4;

/// One end of a flow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Endpoint {
    /// IPv6 address, IPv4 address as `::ffff:a.b.c.d`, or the MAC address in the low 48 bits.
    pub addr: u128,
    /// Port, ICMP identifier, or 0 where the key has none.
    pub port: u16,
}

/// What the fields of a [`FlowKey`] mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeyKind {
    /// Addresses, ports and protocol.
    Ip = 0,
    /// Addresses and protocol only; ports are 0.
    IpHosts = 1,
    /// MAC addresses and ethertype; ports are 0.
    L2 = 2,
}

/// A flow, the same for both directions: `lo <= hi`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FlowKey {
    pub lo: Endpoint,
    pub hi: Endpoint,
    /// IP protocol number, for [`KeyKind::L2`] the ethertype.
    pub protocol: u16,
    pub kind: KeyKind,
}

impl FlowKey {
    /// A key from the two ends in any order.
    #[inline]
    #[must_use]
    pub fn new(a: Endpoint, b: Endpoint, protocol: u16, kind: KeyKind) -> Self {
        let (lo, hi) = if a <= b { (a, b) } else { (b, a) };
        Self { lo, hi, protocol, kind }
    }

    /// A key of addresses and protocol.
    #[inline]
    #[must_use]
    pub fn hosts(a: u128, b: u128, protocol: u8) -> Self {
        let end = |addr| Endpoint { addr, port: 0 };
        Self::new(end(a), end(b), protocol.into(), KeyKind::IpHosts)
    }

    /// A key of MAC addresses and ethertype.
    #[inline]
    #[must_use]
    pub fn l2(a: [u8; 6], b: [u8; 6], ethertype: u16) -> Self {
        let end = |mac| Endpoint { addr: mac_to_u128(mac), port: 0 };
        Self::new(end(a), end(b), ethertype, KeyKind::L2)
    }
}

/// Which header of a tunnel is keyed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Tunnel {
    /// What the tunnel carries, so that one tunnel is not all or nothing.
    #[default]
    Inner,
    /// The tunnel itself.
    Outer,
}

/// What of an IP packet is keyed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum FlowKeyMode {
    /// Addresses, ports and protocol where there are ports.
    #[default]
    FiveTuple,
    /// Addresses and protocol for all packets, so that fragments stay with their flow. (A tunnel
    /// whose outer packets are fragmented also needs [`Tunnel::Outer`].)
    Hosts,
}

/// How frames are keyed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct KeyOptions {
    pub tunnel: Tunnel,
    pub flow_key: FlowKeyMode,
}

impl KeyOptions {
    /// All combinations.
    #[must_use]
    pub fn all() -> [Self; 4] {
        let with = |tunnel, flow_key| Self { tunnel, flow_key };
        [
            with(Tunnel::Inner, FlowKeyMode::FiveTuple),
            with(Tunnel::Inner, FlowKeyMode::Hosts),
            with(Tunnel::Outer, FlowKeyMode::FiveTuple),
            with(Tunnel::Outer, FlowKeyMode::Hosts),
        ]
    }
}

/// An IPv4 address as it stands in an [`Endpoint`]: `::ffff:a.b.c.d`.
#[inline]
#[must_use]
pub const fn ipv4_to_u128(address: [u8; 4]) -> u128 {
    0xffff_0000_0000 | u32::from_be_bytes(address) as u128
}

/// A MAC address as it stands in an [`Endpoint`].
#[inline]
#[must_use]
pub const fn mac_to_u128(m: [u8; 6]) -> u128 {
    u64::from_be_bytes([0, 0, m[0], m[1], m[2], m[3], m[4], m[5]]) as u128
}
