//! A little builder of frames, for tests and tools; the one part of this crate that allocates.
//!
//! Layers are stacked from the outside in. Lengths, checksums and the numbers that announce the
//! next layer are filled in unless a layer says otherwise.
//!
//! ```
//! use umbra_wire::build::Frame;
//!
//! let inner = Frame::ethernet([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2])
//!     .vlan(100)
//!     .ipv4([10, 0, 0, 1], [10, 0, 0, 2])
//!     .udp(40_000, 4789)
//!     .vxlan(7)
//!     .eth([2, 0, 0, 0, 0, 3], [2, 0, 0, 0, 0, 4])
//!     .ipv4([192, 168, 0, 1], [192, 168, 0, 2])
//!     .tcp(1234, 80)
//!     .payload(b"GET / HTTP/1.1\r\n\r\n");
//! assert_eq!(inner.bytes().len(), 14 + 4 + 20 + 8 + 8 + 14 + 20 + 20 + 18);
//! ```

mod fragment;
mod layer;
mod render;

pub use fragment::{fragment_ipv4, fragment_ipv6};
pub use layer::{
    Arp, Ethernet, Extension, Geneve, Gre, GtpU, Icmp, Ipv4, Ipv6, Layer, Mpls, Pppoe, Sctp, Tcp,
    Udp, Vlan, Vxlan,
};

use crate::number::ethertype;

/// Layers from the outside in, and what the innermost carries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frame {
    layers: Vec<Layer>,
    payload: Vec<u8>,
}

impl Frame {
    /// Nothing yet; a frame that begins with IP starts here.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A frame that begins with an Ethernet header.
    #[must_use]
    pub fn ethernet(dst: [u8; 6], src: [u8; 6]) -> Self {
        Self::new().eth(dst, src)
    }

    /// One more layer.
    #[must_use]
    pub fn layer(mut self, layer: impl Into<Layer>) -> Self {
        self.layers.push(layer.into());
        self
    }

    /// What the innermost layer carries.
    #[must_use]
    pub fn payload(mut self, payload: &[u8]) -> Self {
        self.payload = payload.to_vec();
        self
    }

    /// An Ethernet header inside of a tunnel.
    #[must_use]
    pub fn eth(self, dst: [u8; 6], src: [u8; 6]) -> Self {
        self.layer(Ethernet { dst, src, ethertype: None })
    }

    /// A VLAN tag of type 0x8100.
    #[must_use]
    pub fn vlan(self, id: u16) -> Self {
        self.layer(Vlan { tpid: ethertype::VLAN, id, priority: 0 })
    }

    /// A service tag of type 0x88a8.
    #[must_use]
    pub fn qinq(self, id: u16) -> Self {
        self.layer(Vlan { tpid: ethertype::QINQ, id, priority: 0 })
    }

    #[must_use]
    pub fn mpls(self, label: u32) -> Self {
        self.layer(Mpls { label, ttl: 64 })
    }

    #[must_use]
    pub fn pppoe(self, session: u16) -> Self {
        self.layer(Pppoe { session })
    }

    #[must_use]
    pub fn ipv4(self, src: [u8; 4], dst: [u8; 4]) -> Self {
        self.layer(Ipv4::new(src, dst))
    }

    #[must_use]
    pub fn ipv6(self, src: [u8; 16], dst: [u8; 16]) -> Self {
        self.layer(Ipv6::new(src, dst))
    }

    /// An IPv6 extension header; `body` without its first two bytes, padded to fit.
    #[must_use]
    pub fn extension(self, kind: u8, body: &[u8]) -> Self {
        self.layer(Extension { kind, body: body.to_vec() })
    }

    #[must_use]
    pub fn tcp(self, src: u16, dst: u16) -> Self {
        self.layer(Tcp::new(src, dst))
    }

    #[must_use]
    pub fn udp(self, src: u16, dst: u16) -> Self {
        self.layer(Udp { src, dst, lite: false, no_checksum: false })
    }

    #[must_use]
    pub fn sctp(self, src: u16, dst: u16) -> Self {
        self.layer(Sctp { src, dst, verification_tag: 1 })
    }

    /// ICMP, or ICMPv6 behind IPv6; `word` are the bytes 4 to 7.
    #[must_use]
    pub fn icmp(self, kind: u8, code: u8, word: u32) -> Self {
        self.layer(Icmp { kind, code, word })
    }

    /// GRE version 0 without optional fields.
    #[must_use]
    pub fn gre(self) -> Self {
        self.layer(Gre::default())
    }

    #[must_use]
    pub fn vxlan(self, vni: u32) -> Self {
        self.layer(Vxlan { vni, next: None })
    }

    #[must_use]
    pub fn geneve(self, vni: u32) -> Self {
        self.layer(Geneve { vni, options: Vec::new() })
    }

    #[must_use]
    pub fn gtpu(self, teid: u32) -> Self {
        self.layer(GtpU { teid, sequence: None, extensions: Vec::new() })
    }

    /// The layers so far.
    #[must_use]
    pub fn layers(&self) -> &[Layer] {
        &self.layers
    }

    /// The bytes, with all lengths and checksums.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = self.payload.clone();
        for (at, layer) in self.layers.iter().enumerate().rev() {
            let (outside, inside) = (&self.layers[..at], self.layers.get(at + 1));
            bytes = layer.render(outside, inside, bytes);
        }
        bytes
    }

    /// The same going the other way: addresses and ports swapped in every layer. A tunnel over
    /// UDP keeps its destination port and gets another source port, as it does on the wire.
    #[must_use]
    pub fn reversed(&self) -> Self {
        let mut reversed = self.clone();
        for at in 0..reversed.layers.len() {
            let carries_tunnel = reversed.layers.get(at + 1).is_some_and(Layer::is_udp_tunnel);
            reversed.layers[at].reverse(carries_tunnel);
        }
        reversed
    }
}
