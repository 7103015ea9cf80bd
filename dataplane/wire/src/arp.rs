//! ARP and its relatives.
//!
//! Source: RFC 826; IANA "Address Resolution Protocol Parameters".

use crate::error::{Layer, ViewError, header, variable};

/// An ARP packet: 8 bytes and four addresses whose lengths it states.
#[derive(Clone, Copy, Debug)]
pub struct Arp<'a> {
    header: &'a [u8; 8],
    addresses: &'a [u8],
}

impl<'a> Arp<'a> {
    /// # Errors
    /// Fewer than 8 bytes, or fewer than the stated address lengths need.
    pub fn new_checked(bytes: &'a [u8]) -> Result<Self, ViewError> {
        let (header, rest) = header::<8>(Layer::Arp, bytes)?;
        let len = 2 * (usize::from(header[4]) + usize::from(header[5]));
        let (addresses, _) = variable(Layer::Arp, 8, len, rest)?;
        Ok(Self { header, addresses })
    }

    /// 1 is Ethernet.
    #[must_use]
    pub fn hardware(&self) -> u16 {
        u16::from_be_bytes([self.header[0], self.header[1]])
    }

    /// An ethertype, `0x0800` for IPv4.
    #[must_use]
    pub fn protocol(&self) -> u16 {
        u16::from_be_bytes([self.header[2], self.header[3]])
    }

    /// Bytes.
    #[must_use]
    pub fn hardware_len(&self) -> u8 {
        self.header[4]
    }

    /// Bytes.
    #[must_use]
    pub fn protocol_len(&self) -> u8 {
        self.header[5]
    }

    /// 1 request, 2 reply.
    #[must_use]
    pub fn operation(&self) -> u16 {
        u16::from_be_bytes([self.header[6], self.header[7]])
    }

    fn address(&self, at: usize, len: u8) -> &'a [u8] {
        self.addresses.get(at..at + usize::from(len)).unwrap_or(&[])
    }

    #[must_use]
    pub fn sender_hardware(&self) -> &'a [u8] {
        self.address(0, self.hardware_len())
    }

    #[must_use]
    pub fn sender_protocol(&self) -> &'a [u8] {
        self.address(self.hardware_len().into(), self.protocol_len())
    }

    #[must_use]
    pub fn target_hardware(&self) -> &'a [u8] {
        self.address(self.addresses.len() / 2, self.hardware_len())
    }

    #[must_use]
    pub fn target_protocol(&self) -> &'a [u8] {
        let at = self.addresses.len() / 2 + usize::from(self.hardware_len());
        self.address(at, self.protocol_len())
    }
}
