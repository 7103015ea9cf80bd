//! SCTP: the common header and the chunks behind it.
//!
//! Source: RFC 9260.

use crate::error::{Layer, ViewError, header};

pub const HEADER_LEN: usize = 12;

/// An SCTP common header.
#[derive(Clone, Copy, Debug)]
pub struct Sctp<'a> {
    header: &'a [u8; HEADER_LEN],
    behind: &'a [u8],
}

impl<'a> Sctp<'a> {
    /// # Errors
    /// Fewer than 12 bytes.
    pub fn new_checked(bytes: &'a [u8]) -> Result<Self, ViewError> {
        let (header, behind) = header(Layer::Sctp, bytes)?;
        Ok(Self { header, behind })
    }

    #[must_use]
    pub fn src_port(&self) -> u16 {
        u16::from_be_bytes([self.header[0], self.header[1]])
    }

    #[must_use]
    pub fn dst_port(&self) -> u16 {
        u16::from_be_bytes([self.header[2], self.header[3]])
    }

    #[must_use]
    pub fn verification_tag(&self) -> u32 {
        u32::from_be_bytes([self.header[4], self.header[5], self.header[6], self.header[7]])
    }

    /// The CRC32c, which the header holds least significant byte first.
    #[must_use]
    pub fn checksum(&self) -> u32 {
        u32::from_le_bytes([self.header[8], self.header[9], self.header[10], self.header[11]])
    }

    /// The first 8 bytes, which the checksum covers as they are (its own field as 0).
    #[must_use]
    pub fn before_checksum(&self) -> [u8; 8] {
        let [a, b, c, d, e, f, g, h, ..] = *self.header;
        [a, b, c, d, e, f, g, h]
    }

    /// The chunks one by one.
    #[must_use]
    pub fn chunks(&self) -> Chunks<'a> {
        Chunks { rest: self.behind }
    }

    /// Everything behind the common header.
    #[must_use]
    pub fn behind_header(&self) -> &'a [u8] {
        self.behind
    }
}

/// One chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chunk<'a> {
    /// The type: 0 data, 1 init, 2 init ack, …
    pub kind: u8,
    pub flags: u8,
    /// Without the 4 bytes of its header and without padding.
    pub value: &'a [u8],
}

/// Iterates over chunks; ends after one whose length is below 4 or reaches past the end, which is
/// given as `Err` with its type.
#[derive(Clone, Debug)]
pub struct Chunks<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Chunks<'a> {
    type Item = Result<Chunk<'a>, u8>;

    fn next(&mut self) -> Option<Self::Item> {
        let &kind = self.rest.first()?;
        let Some((&[_, flags, l0, l1], rest)) = self.rest.split_first_chunk() else {
            self.rest = &[];
            return Some(Err(kind));
        };
        let len = usize::from(u16::from_be_bytes([l0, l1]));
        let Some(value) = len.checked_sub(4).and_then(|n| rest.get(..n)) else {
            self.rest = &[];
            return Some(Err(kind));
        };
        // The padding of the last chunk may be missing.
        self.rest = rest.get(value.len().next_multiple_of(4)..).unwrap_or(&[]);
        Some(Ok(Chunk { kind, flags, value }))
    }
}
