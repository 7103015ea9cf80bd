//! TCP with its options.
//!
//! Source: RFC 9293; RFC 7323 (window scale, timestamps), RFC 2018 (SACK), RFC 9768 (the AE flag), RFC
//! 2385 and RFC 5925 (signatures), RFC 7413 (Fast Open).

use crate::error::{Layer, ViewError, header, variable};
use crate::ipv4::{OptionError, next_option};

/// Header without options.
pub const MIN_HEADER_LEN: usize = 20;

/// Bits of the flags field as [`Tcp::flags`] gives them.
pub mod flag {
    pub const FIN: u16 = 0x001;
    pub const SYN: u16 = 0x002;
    pub const RST: u16 = 0x004;
    pub const PSH: u16 = 0x008;
    pub const ACK: u16 = 0x010;
    pub const URG: u16 = 0x020;
    pub const ECE: u16 = 0x040;
    pub const CWR: u16 = 0x080;
    /// Accurate ECN, the former nonce sum.
    pub const AE: u16 = 0x100;
}

/// A TCP header and what it carries.
#[derive(Clone, Copy, Debug)]
pub struct Tcp<'a> {
    header: &'a [u8; MIN_HEADER_LEN],
    options: &'a [u8],
    payload: &'a [u8],
}

impl<'a> Tcp<'a> {
    /// # Errors
    /// Data offset below 20 bytes, or fewer bytes than it says.
    #[inline]
    pub fn new_checked(bytes: &'a [u8]) -> Result<Self, ViewError> {
        let (header, rest) = header::<MIN_HEADER_LEN>(Layer::Tcp, bytes)?;
        let len = usize::from(header[12] >> 4) * 4;
        let Some(options_len) = len.checked_sub(MIN_HEADER_LEN) else {
            let need = MIN_HEADER_LEN;
            return Err(ViewError::HeaderLength { layer: Layer::Tcp, need, have: len });
        };
        let (options, payload) = variable(Layer::Tcp, MIN_HEADER_LEN, options_len, rest)?;
        Ok(Self { header, options, payload })
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

    #[inline]
    #[must_use]
    pub fn seq(&self) -> u32 {
        u32::from_be_bytes([self.header[4], self.header[5], self.header[6], self.header[7]])
    }

    #[inline]
    #[must_use]
    pub fn ack(&self) -> u32 {
        u32::from_be_bytes([self.header[8], self.header[9], self.header[10], self.header[11]])
    }

    /// With options, 20..=60 bytes.
    #[inline]
    #[must_use]
    pub fn header_len(&self) -> usize {
        MIN_HEADER_LEN + self.options.len()
    }

    /// Nine bits, see [`flag`].
    #[inline]
    #[must_use]
    pub fn flags(&self) -> u16 {
        u16::from_be_bytes([self.header[12] & 1, self.header[13]])
    }

    /// The three bits that must be zero.
    #[must_use]
    pub fn reserved(&self) -> u8 {
        self.header[12] >> 1 & 7
    }

    /// As in the header, not scaled.
    #[inline]
    #[must_use]
    pub fn window(&self) -> u16 {
        u16::from_be_bytes([self.header[14], self.header[15]])
    }

    #[must_use]
    pub fn checksum(&self) -> u16 {
        u16::from_be_bytes([self.header[16], self.header[17]])
    }

    #[inline]
    #[must_use]
    pub fn urgent(&self) -> u16 {
        u16::from_be_bytes([self.header[18], self.header[19]])
    }

    /// The options' bytes, 0..=40.
    #[inline]
    #[must_use]
    pub fn options_bytes(&self) -> &'a [u8] {
        self.options
    }

    /// The options one by one.
    #[inline]
    #[must_use]
    pub fn options(&self) -> TcpOptions<'a> {
        TcpOptions { rest: self.options }
    }

    #[inline]
    #[must_use]
    pub fn payload(&self) -> &'a [u8] {
        self.payload
    }
}

/// One TCP option. A known kind with a length that it cannot have is [`TcpOption::Malformed`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TcpOption<'a> {
    EndOfList,
    NoOperation,
    MaximumSegmentSize(u16),
    WindowScale(u8),
    SackPermitted,
    /// Blocks of left and right edge, eight bytes each, 0..=4 of them; see [`sack_blocks`].
    Sack(&'a [u8]),
    /// Value and echo reply.
    Timestamps(u32, u32),
    /// A signature of 16 bytes (RFC 2385).
    Md5(&'a [u8]),
    /// Key ids and a signature, at least 2 bytes (RFC 5925).
    Authentication(&'a [u8]),
    /// A cookie of 4..=16 bytes, or none (RFC 7413).
    FastOpen(&'a [u8]),
    Other {
        kind: u8,
        data: &'a [u8],
    },
    Malformed {
        kind: u8,
        data: &'a [u8],
    },
}

/// The blocks of a [`TcpOption::Sack`].
pub fn sack_blocks(data: &[u8]) -> impl Iterator<Item = (u32, u32)> + '_ {
    data.chunks_exact(8).filter_map(|block| {
        let &[a, b, c, d, e, f, g, h] = block.first_chunk()?;
        Some((u32::from_be_bytes([a, b, c, d]), u32::from_be_bytes([e, f, g, h])))
    })
}

/// Iterates over options; ends behind an end-of-list or after an error.
#[derive(Clone, Debug)]
pub struct TcpOptions<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for TcpOptions<'a> {
    type Item = Result<TcpOption<'a>, OptionError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let (item, rest) = next_option(self.rest)?;
        self.rest = rest;
        Some(item.map(|(kind, data)| match (kind, data) {
            (0, _) => TcpOption::EndOfList,
            (1, _) => TcpOption::NoOperation,
            (2, &[a, b]) => TcpOption::MaximumSegmentSize(u16::from_be_bytes([a, b])),
            (3, &[shift]) => TcpOption::WindowScale(shift),
            (4, &[]) => TcpOption::SackPermitted,
            (5, blocks) if matches!(blocks.len(), 0 | 8 | 16 | 24 | 32) => TcpOption::Sack(blocks),
            (8, &[a, b, c, d, e, f, g, h]) => TcpOption::Timestamps(
                u32::from_be_bytes([a, b, c, d]),
                u32::from_be_bytes([e, f, g, h]),
            ),
            (19, signature) if signature.len() == 16 => TcpOption::Md5(signature),
            (29, data) if data.len() >= 2 => TcpOption::Authentication(data),
            (34, cookie) if matches!(cookie.len(), 0 | 4..=16) => TcpOption::FastOpen(cookie),
            (2 | 3 | 4 | 5 | 8 | 19 | 29 | 34, data) => TcpOption::Malformed { kind, data },
            _ => TcpOption::Other { kind, data },
        }))
    }
}
