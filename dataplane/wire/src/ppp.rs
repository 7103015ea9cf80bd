//! PPP with and without HDLC's two bytes, and PPPoE.
//!
//! Source: RFC 1661, RFC 1662, RFC 2516.

use crate::error::{Layer, ViewError, header};

/// A PPP header; 1 to 4 bytes.
#[derive(Clone, Copy, Debug)]
pub struct Ppp<'a> {
    protocol: u16,
    len: usize,
    payload: &'a [u8],
}

impl<'a> Ppp<'a> {
    /// Takes off address and control where they are, and a protocol field that may be compressed
    /// to one byte.
    ///
    /// # Errors
    /// The bytes end within the header.
    pub fn new_checked(bytes: &'a [u8]) -> Result<Self, ViewError> {
        let (framing, rest) = match bytes.split_first_chunk() {
            Some((&[0xff, 3], rest)) => (2, rest),
            _ => (0, bytes),
        };
        let short = |need| ViewError::short(Layer::Ppp, need, bytes.len());
        match *rest {
            // The low bit of a protocol number's last byte is 1, of its first 0.
            [first, ref payload @ ..] if first & 1 == 1 => {
                Ok(Self { protocol: first.into(), len: framing + 1, payload })
            }
            [first, second, ref payload @ ..] => {
                let protocol = u16::from_be_bytes([first, second]);
                Ok(Self { protocol, len: framing + 2, payload })
            }
            [] => Err(short(framing + 1)),
            [_] => Err(short(framing + 2)),
        }
    }

    #[must_use]
    pub fn protocol(&self) -> u16 {
        self.protocol
    }

    #[must_use]
    pub fn header_len(&self) -> usize {
        self.len
    }

    #[must_use]
    pub fn payload(&self) -> &'a [u8] {
        self.payload
    }
}

/// A PPPoE header; 6 bytes.
#[derive(Clone, Copy, Debug)]
pub struct Pppoe<'a> {
    header: &'a [u8; 6],
    behind: &'a [u8],
}

impl<'a> Pppoe<'a> {
    /// # Errors
    /// Fewer than 6 bytes, or version and type not 1.
    pub fn new_checked(bytes: &'a [u8]) -> Result<Self, ViewError> {
        let (header, behind) = header::<6>(Layer::PppoeSession, bytes)?;
        if header[0] != 0x11 {
            let have = header[0].into();
            let field = "version and type";
            return Err(ViewError::Field { layer: Layer::PppoeSession, field, have });
        }
        Ok(Self { header, behind })
    }

    /// 0 in a session; discovery has others.
    #[must_use]
    pub fn code(&self) -> u8 {
        self.header[1]
    }

    #[must_use]
    pub fn session(&self) -> u16 {
        u16::from_be_bytes([self.header[2], self.header[3]])
    }

    /// Bytes behind the header, as stated.
    #[must_use]
    pub fn len_field(&self) -> u16 {
        u16::from_be_bytes([self.header[4], self.header[5]])
    }

    /// Up to the stated length or the end of the bytes, whichever comes first.
    #[must_use]
    pub fn payload(&self) -> &'a [u8] {
        self.behind.get(..self.len_field().into()).unwrap_or(self.behind)
    }
}
