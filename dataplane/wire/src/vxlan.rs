//! VXLAN with its generic protocol extension, and Geneve.
//!
//! Source: RFC 7348, draft-ietf-nvo3-vxlan-gpe, draft-smith-vxlan-group-policy; RFC 8926.

use crate::error::{Layer, ViewError, header, variable};
use crate::number::ethertype;

/// What a VXLAN header announces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VxlanNext {
    Ethernet,
    Ipv4,
    Ipv6,
    Mpls,
    /// By its number in the extension's registry.
    Other(u8),
}

/// A VXLAN header; 8 bytes.
#[derive(Clone, Copy, Debug)]
pub struct Vxlan<'a> {
    header: &'a [u8; 8],
    payload: &'a [u8],
}

impl<'a> Vxlan<'a> {
    /// Strict, because only a port number hints at VXLAN: what has a reserved flag set, or no
    /// VNI, is taken for something else.
    ///
    /// # Errors
    /// Fewer than 8 bytes, the VNI flag not set, a reserved flag or the last reserved byte set.
    pub fn new_checked(bytes: &'a [u8]) -> Result<Self, ViewError> {
        let (header, payload) = header::<8>(Layer::Vxlan, bytes)?;
        // G (group policy) and P (protocol extension) beside I.
        if header[0] & 0b0111_1011 != 0b0000_1000 {
            let have = header[0].into();
            return Err(ViewError::Field { layer: Layer::Vxlan, field: "flags", have });
        }
        if header[7] != 0 {
            let have = header[7].into();
            return Err(ViewError::Field { layer: Layer::Vxlan, field: "reserved", have });
        }
        Ok(Self { header, payload })
    }

    /// Network identifier, 24 bits.
    #[must_use]
    pub fn vni(&self) -> u32 {
        u32::from_be_bytes([0, self.header[4], self.header[5], self.header[6]])
    }

    /// The policy group of the sender.
    #[must_use]
    pub fn group(&self) -> Option<u16> {
        let group = u16::from_be_bytes([self.header[2], self.header[3]]);
        (self.header[0] & 0x80 != 0).then_some(group)
    }

    /// What it carries: Ethernet unless the protocol extension's flag says otherwise.
    #[must_use]
    pub fn next(&self) -> VxlanNext {
        if self.header[0] & 4 == 0 {
            return VxlanNext::Ethernet;
        }
        match self.header[3] {
            1 => VxlanNext::Ipv4,
            2 => VxlanNext::Ipv6,
            3 => VxlanNext::Ethernet,
            5 => VxlanNext::Mpls,
            other => VxlanNext::Other(other),
        }
    }

    #[must_use]
    pub fn payload(&self) -> &'a [u8] {
        self.payload
    }
}

/// A Geneve header with its options; 8..=260 bytes.
#[derive(Clone, Copy, Debug)]
pub struct Geneve<'a> {
    header: &'a [u8; 8],
    options: &'a [u8],
    payload: &'a [u8],
}

impl<'a> Geneve<'a> {
    /// Strict for the reason given at [`Vxlan::new_checked`].
    ///
    /// # Errors
    /// Fewer than 8 bytes, version not 0, reserved bits set, a protocol that is neither Ethernet
    /// nor IP nor ARP, fewer bytes than the options' length.
    pub fn new_checked(bytes: &'a [u8]) -> Result<Self, ViewError> {
        let (header, rest) = header::<8>(Layer::Geneve, bytes)?;
        let version = header[0] >> 6;
        if version != 0 {
            return Err(ViewError::Version { layer: Layer::Geneve, need: 0, have: version });
        }
        let reserved = header[1] & 0x3f | header[7];
        if reserved != 0 {
            let have = reserved.into();
            return Err(ViewError::Field { layer: Layer::Geneve, field: "reserved", have });
        }
        let protocol = u16::from_be_bytes([header[2], header[3]]);
        if !matches!(protocol, ethertype::TEB | ethertype::IPV4 | ethertype::IPV6 | ethertype::ARP)
        {
            let have = protocol.into();
            return Err(ViewError::Field { layer: Layer::Geneve, field: "protocol", have });
        }
        let len = usize::from(header[0] & 0x3f) * 4;
        let (options, payload) = variable(Layer::Geneve, 8, len, rest)?;
        Ok(Self { header, options, payload })
    }

    /// Network identifier, 24 bits.
    #[must_use]
    pub fn vni(&self) -> u32 {
        u32::from_be_bytes([0, self.header[4], self.header[5], self.header[6]])
    }

    /// A control packet of the tunnel's ends.
    #[must_use]
    pub fn is_control(&self) -> bool {
        self.header[1] & 0x80 != 0
    }

    /// Options are there that must be understood.
    #[must_use]
    pub fn has_critical_options(&self) -> bool {
        self.header[1] & 0x40 != 0
    }

    /// An ethertype; [`ethertype::TEB`] for Ethernet.
    #[must_use]
    pub fn protocol(&self) -> u16 {
        u16::from_be_bytes([self.header[2], self.header[3]])
    }

    /// The options' bytes, 0..=252.
    #[must_use]
    pub fn options_bytes(&self) -> &'a [u8] {
        self.options
    }

    #[must_use]
    pub fn header_len(&self) -> usize {
        8 + self.options.len()
    }

    #[must_use]
    pub fn payload(&self) -> &'a [u8] {
        self.payload
    }
}
