//! UDP and UDP-Lite, whose length field is the checksum's coverage instead.
//!
//! Source: RFC 768, RFC 3828.

use crate::error::{Layer, ViewError, header};

pub const HEADER_LEN: usize = 8;

/// A UDP or UDP-Lite header and what it carries.
#[derive(Clone, Copy, Debug)]
pub struct Udp<'a> {
    header: &'a [u8; HEADER_LEN],
    behind: &'a [u8],
}

impl<'a> Udp<'a> {
    /// The length field is not checked: see [`Self::len_field`] and [`Self::payload`].
    ///
    /// # Errors
    /// Fewer than 8 bytes.
    #[inline]
    pub fn new_checked(bytes: &'a [u8]) -> Result<Self, ViewError> {
        let (header, behind) = header(Layer::Udp, bytes)?;
        Ok(Self { header, behind })
    }

    #[inline]
    #[must_use]
    pub fn src_port(&self) -> u16 {
        u16::from_be_bytes([self.header[0], self.header[1]])
    }

    #[inline]
    #[must_use]
    pub fn dst_port(&self) -> u16 {
        u16::from_be_bytes([self.header[2], self.header[3]])
    }

    /// UDP: header and payload in bytes (0 in a jumbogram). UDP-Lite: how many bytes the checksum
    /// covers, 0 for all.
    #[inline]
    #[must_use]
    pub fn len_field(&self) -> u16 {
        u16::from_be_bytes([self.header[4], self.header[5]])
    }

    /// 0 means none, over IPv4.
    #[must_use]
    pub fn checksum(&self) -> u16 {
        u16::from_be_bytes([self.header[6], self.header[7]])
    }

    /// Up to the length field (0: all) or the end of the bytes, whichever comes first.
    #[inline]
    #[must_use]
    pub fn payload(&self) -> &'a [u8] {
        match usize::from(self.len_field()) {
            0 => self.behind,
            len => self.behind.get(..len.saturating_sub(HEADER_LEN)).unwrap_or(self.behind),
        }
    }

    /// Everything behind the header: what UDP-Lite carries.
    #[inline]
    #[must_use]
    pub fn behind_header(&self) -> &'a [u8] {
        self.behind
    }
}
