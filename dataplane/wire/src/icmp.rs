//! ICMP and ICMPv6 messages, IGMP, and the headers of ESP and AH.
//!
//! Source: RFC 792, RFC 4443, RFC 3376 and predecessors, RFC 4303, RFC 4302; types and codes from
//! IANA "ICMP Parameters" and "ICMPv6 Parameters".

use crate::error::{Layer, ViewError, header};

/// The part that all ICMP and ICMPv6 messages have: 8 bytes. (A few ICMPv6 messages are allowed
/// to be of 4 bytes only by the letter of RFC 4443; none that is in use is.)
#[derive(Clone, Copy, Debug)]
pub struct Icmp<'a> {
    header: &'a [u8; 8],
    behind: &'a [u8],
}

impl<'a> Icmp<'a> {
    /// # Errors
    /// Fewer than 8 bytes.
    pub fn new_checked(layer: Layer, bytes: &'a [u8]) -> Result<Self, ViewError> {
        let (header, behind) = header(layer, bytes)?;
        Ok(Self { header, behind })
    }

    /// The type.
    #[must_use]
    pub fn kind(&self) -> u8 {
        self.header[0]
    }

    #[must_use]
    pub fn code(&self) -> u8 {
        self.header[1]
    }

    #[must_use]
    pub fn checksum(&self) -> u16 {
        u16::from_be_bytes([self.header[2], self.header[3]])
    }

    /// The second word: identifier and sequence, gateway, MTU, pointer, …
    #[must_use]
    pub fn word(&self) -> u32 {
        u32::from_be_bytes([self.header[4], self.header[5], self.header[6], self.header[7]])
    }

    /// Identifier and sequence number of a query or its reply.
    #[must_use]
    pub fn echo(&self) -> (u16, u16) {
        let [a, b, c, d] = self.word().to_be_bytes();
        (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]))
    }

    /// What follows: data of an echo, the quoted packet of an error.
    #[must_use]
    pub fn behind_header(&self) -> &'a [u8] {
        self.behind
    }
}

/// Whether an ICMP message quotes the packet it is about.
#[must_use]
pub const fn icmp4_quotes(kind: u8) -> bool {
    matches!(kind, 3 | 4 | 5 | 11 | 12)
}

/// Whether an ICMPv6 message quotes the packet it is about.
#[must_use]
pub const fn icmp6_quotes(kind: u8) -> bool {
    matches!(kind, 1..=4)
}

/// Whether an ICMP message has an identifier and a sequence number.
#[must_use]
pub const fn icmp4_has_id(kind: u8) -> bool {
    matches!(kind, 0 | 8 | 13..=18)
}

/// Whether an ICMPv6 message has an identifier and a sequence number.
#[must_use]
pub const fn icmp6_has_id(kind: u8) -> bool {
    matches!(kind, 128 | 129)
}

/// An IGMP message: 8 bytes in all versions.
#[derive(Clone, Copy, Debug)]
pub struct Igmp<'a> {
    header: &'a [u8; 8],
}

impl<'a> Igmp<'a> {
    /// # Errors
    /// Fewer than 8 bytes.
    pub fn new_checked(bytes: &'a [u8]) -> Result<Self, ViewError> {
        Ok(Self { header: header(Layer::Igmp, bytes)?.0 })
    }

    /// The type: 0x11 query, 0x16 and 0x22 reports, 0x17 leave.
    #[must_use]
    pub fn kind(&self) -> u8 {
        self.header[0]
    }

    /// The group; of a version 3 report the number of records.
    #[must_use]
    pub fn group(&self) -> [u8; 4] {
        [self.header[4], self.header[5], self.header[6], self.header[7]]
    }
}

/// An ESP header: 8 bytes, then ciphertext.
#[derive(Clone, Copy, Debug)]
pub struct Esp<'a> {
    header: &'a [u8; 8],
    behind: &'a [u8],
}

impl<'a> Esp<'a> {
    /// # Errors
    /// Fewer than 8 bytes.
    pub fn new_checked(bytes: &'a [u8]) -> Result<Self, ViewError> {
        let (header, behind) = header(Layer::Esp, bytes)?;
        Ok(Self { header, behind })
    }

    /// Security parameters index.
    #[must_use]
    pub fn spi(&self) -> u32 {
        u32::from_be_bytes([self.header[0], self.header[1], self.header[2], self.header[3]])
    }

    #[must_use]
    pub fn seq(&self) -> u32 {
        u32::from_be_bytes([self.header[4], self.header[5], self.header[6], self.header[7]])
    }

    #[must_use]
    pub fn behind_header(&self) -> &'a [u8] {
        self.behind
    }
}
