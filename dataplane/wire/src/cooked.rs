//! Link headers that are made by a capture and not by a wire: Linux cooked, BSD loopback.
//!
//! Source: LINKTYPE_LINUX_SLL, LINKTYPE_LINUX_SLL2 and LINKTYPE_NULL of tcpdump.org.

use crate::error::{Layer, ViewError, header};

/// A Linux cooked header of either version.
#[derive(Clone, Copy, Debug)]
pub struct Cooked<'a> {
    protocol: u16,
    address_type: u16,
    packet_type: u16,
    address: [u8; 8],
    payload: &'a [u8],
}

impl<'a> Cooked<'a> {
    /// Version 1; 16 bytes.
    ///
    /// # Errors
    /// Fewer than 16 bytes.
    pub fn v1_checked(bytes: &'a [u8]) -> Result<Self, ViewError> {
        let (h, payload) = header::<16>(Layer::LinuxSll, bytes)?;
        let &[k0, k1, t0, t1, _, _, a0, a1, a2, a3, a4, a5, a6, a7, p0, p1] = h;
        Ok(Self {
            protocol: u16::from_be_bytes([p0, p1]),
            address_type: u16::from_be_bytes([t0, t1]),
            packet_type: u16::from_be_bytes([k0, k1]),
            address: [a0, a1, a2, a3, a4, a5, a6, a7],
            payload,
        })
    }

    /// Version 2; 20 bytes.
    ///
    /// # Errors
    /// Fewer than 20 bytes.
    pub fn v2_checked(bytes: &'a [u8]) -> Result<Self, ViewError> {
        let (h, payload) = header::<20>(Layer::LinuxSll2, bytes)?;
        let &[p0, p1, _, _, _, _, _, _, t0, t1, kind, _, a0, a1, a2, a3, a4, a5, a6, a7] = h;
        Ok(Self {
            protocol: u16::from_be_bytes([p0, p1]),
            address_type: u16::from_be_bytes([t0, t1]),
            packet_type: kind.into(),
            address: [a0, a1, a2, a3, a4, a5, a6, a7],
            payload,
        })
    }

    /// An ethertype; 1 for 802.3 without LLC, 4 for LLC.
    #[must_use]
    pub fn protocol(&self) -> u16 {
        self.protocol
    }

    /// ARPHRD of the device: 1 Ethernet, 772 loopback.
    #[must_use]
    pub fn address_type(&self) -> u16 {
        self.address_type
    }

    /// 0 to us, 1 broadcast, 2 multicast, 3 to others, 4 sent by us.
    #[must_use]
    pub fn packet_type(&self) -> u16 {
        self.packet_type
    }

    /// The sender's address, padded with zeros.
    #[must_use]
    pub fn address(&self) -> [u8; 8] {
        self.address
    }

    #[must_use]
    pub fn payload(&self) -> &'a [u8] {
        self.payload
    }
}

/// Address families of loopback headers, as systems number them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    Ipv4,
    Ipv6,
    Other(u32),
}

/// The family in the four bytes of a loopback header and what follows.
///
/// The byte order is that of the machine that wrote the capture: a number above 65535 is read in
/// the other one.
///
/// # Errors
/// Fewer than 4 bytes.
pub fn loopback(bytes: &[u8]) -> Result<(Family, &[u8]), ViewError> {
    let (family, payload) = header::<4>(Layer::Loopback, bytes)?;
    let number = u32::from_be_bytes(*family);
    let number = if number > 0xffff { number.swap_bytes() } else { number };
    let family = match number {
        2 => Family::Ipv4,
        // NetBSD and OpenBSD, FreeBSD, Darwin; Linux
        24 | 28 | 30 | 10 => Family::Ipv6,
        other => Family::Other(other),
    };
    Ok((family, payload))
}
