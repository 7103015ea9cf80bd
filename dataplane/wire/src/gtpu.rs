//! GTP-U: user data of mobile networks.
//!
//! Source: 3GPP TS 29.281 clause 5.

use crate::error::{Layer, ViewError, header};
use crate::number::MAX_EXTENSION_HEADERS;

/// Message type of user data.
pub const G_PDU: u8 = 255;

/// A GTP-U header of version 1 with its optional part and extension headers.
#[derive(Clone, Copy, Debug)]
pub struct GtpU<'a> {
    header: &'a [u8; 8],
    len: usize,
    payload: &'a [u8],
}

impl<'a> GtpU<'a> {
    /// # Errors
    /// Fewer than 8 bytes or than the flags announce, version not 1 or the protocol GTP' , an
    /// extension header of length 0 or too many of them.
    pub fn new_checked(bytes: &'a [u8]) -> Result<Self, ViewError> {
        let (header, _) = header::<8>(Layer::GtpU, bytes)?;
        let flags = header[0];
        if flags >> 5 != 1 {
            return Err(ViewError::Version { layer: Layer::GtpU, need: 1, have: flags >> 5 });
        }
        // Protocol type must be 1 and the spare bit 0.
        if flags & 0x18 != 0x10 {
            let have = flags.into();
            return Err(ViewError::Field { layer: Layer::GtpU, field: "flags", have });
        }
        let mut len = 8;
        if flags & 7 != 0 {
            let short = |need: usize| ViewError::short(Layer::GtpU, need, bytes.len());
            let mut next = *bytes.get(11).ok_or(short(12))?;
            len = 12;
            let mut left = MAX_EXTENSION_HEADERS;
            while flags & 4 != 0 && next != 0 {
                let words = *bytes.get(len).ok_or(short(len + 1))?;
                if words == 0 || left == 0 {
                    let have = words.into();
                    return Err(ViewError::Field { layer: Layer::GtpU, field: "extension", have });
                }
                len += usize::from(words) * 4;
                next = *bytes.get(len - 1).ok_or(short(len))?;
                left -= 1;
            }
        }
        let payload = bytes.get(len..).ok_or(ViewError::short(Layer::GtpU, len, bytes.len()))?;
        Ok(Self { header, len, payload })
    }

    /// [`G_PDU`] for user data.
    #[must_use]
    pub fn message(&self) -> u8 {
        self.header[1]
    }

    /// Bytes behind the first 8, as stated.
    #[must_use]
    pub fn len_field(&self) -> u16 {
        u16::from_be_bytes([self.header[2], self.header[3]])
    }

    /// Tunnel endpoint of the receiver: each direction has its own.
    #[must_use]
    pub fn teid(&self) -> u32 {
        u32::from_be_bytes([self.header[4], self.header[5], self.header[6], self.header[7]])
    }

    /// With the optional part and extension headers, bytes.
    #[must_use]
    pub fn header_len(&self) -> usize {
        self.len
    }

    #[must_use]
    pub fn payload(&self) -> &'a [u8] {
        self.payload
    }
}
