//! IPv4 with its options.
//!
//! Source: RFC 791; RFC 6864 on the identification, RFC 3168 on the last two bits of the ToS.

use crate::error::{Layer, ViewError, header, variable};

/// Header without options.
pub const MIN_HEADER_LEN: usize = 20;

/// An IPv4 header and what it carries.
#[derive(Clone, Copy, Debug)]
pub struct Ipv4<'a> {
    bytes: &'a [u8],
    header: &'a [u8; MIN_HEADER_LEN],
    options: &'a [u8],
    behind: &'a [u8],
}

impl<'a> Ipv4<'a> {
    /// Takes the header at the start of `bytes`. The total length is not checked: see
    /// [`Self::total_len`] and [`Self::payload`].
    ///
    /// # Errors
    /// Version not 4, header length below 20, or fewer bytes than the header length.
    #[inline]
    pub fn new_checked(bytes: &'a [u8]) -> Result<Self, ViewError> {
        let (header, rest) = header::<MIN_HEADER_LEN>(Layer::Ipv4, bytes)?;
        let version = header[0] >> 4;
        if version != 4 {
            return Err(ViewError::Version { layer: Layer::Ipv4, need: 4, have: version });
        }
        let len = usize::from(header[0] & 15) * 4;
        let Some(options_len) = len.checked_sub(MIN_HEADER_LEN) else {
            let need = MIN_HEADER_LEN;
            return Err(ViewError::HeaderLength { layer: Layer::Ipv4, need, have: len });
        };
        let (options, behind) = variable(Layer::Ipv4, MIN_HEADER_LEN, options_len, rest)?;
        Ok(Self { bytes, header, options, behind })
    }

    /// With options, 20..=60 bytes.
    #[inline]
    #[must_use]
    pub fn header_len(&self) -> usize {
        MIN_HEADER_LEN + self.options.len()
    }

    /// The 20 fixed bytes.
    #[must_use]
    pub fn fixed_header(&self) -> &'a [u8; MIN_HEADER_LEN] {
        self.header
    }

    /// The header with its options.
    #[must_use]
    pub fn header_bytes(&self) -> &'a [u8] {
        self.bytes.get(..self.header_len()).unwrap_or(self.bytes)
    }

    /// The former type of service: DSCP and ECN.
    #[inline]
    #[must_use]
    pub fn tos(&self) -> u8 {
        self.header[1]
    }

    /// Length of the datagram as stated, header included, in bytes.
    #[inline]
    #[must_use]
    pub fn total_len(&self) -> u16 {
        u16::from_be_bytes([self.header[2], self.header[3]])
    }

    #[inline]
    #[must_use]
    pub fn id(&self) -> u16 {
        u16::from_be_bytes([self.header[4], self.header[5]])
    }

    /// The bit that must be zero ("evil bit", RFC 3514).
    #[must_use]
    pub fn reserved_bit(&self) -> bool {
        self.header[6] & 0x80 != 0
    }

    #[inline]
    #[must_use]
    pub fn dont_fragment(&self) -> bool {
        self.header[6] & 0x40 != 0
    }

    #[inline]
    #[must_use]
    pub fn more_fragments(&self) -> bool {
        self.header[6] & 0x20 != 0
    }

    /// In bytes, a multiple of 8.
    #[inline]
    #[must_use]
    pub fn fragment_offset(&self) -> u16 {
        u16::from_be_bytes([self.header[6], self.header[7]]) << 3
    }

    #[inline]
    #[must_use]
    pub fn is_fragment(&self) -> bool {
        u16::from_be_bytes([self.header[6], self.header[7]]) & 0x3fff != 0
    }

    #[inline]
    #[must_use]
    pub fn ttl(&self) -> u8 {
        self.header[8]
    }

    #[inline]
    #[must_use]
    pub fn protocol(&self) -> u8 {
        self.header[9]
    }

    #[must_use]
    pub fn checksum(&self) -> u16 {
        u16::from_be_bytes([self.header[10], self.header[11]])
    }

    #[inline]
    #[must_use]
    pub fn src(&self) -> [u8; 4] {
        let [.., a, b, c, d, _, _, _, _] = *self.header;
        [a, b, c, d]
    }

    #[inline]
    #[must_use]
    pub fn dst(&self) -> [u8; 4] {
        let [.., a, b, c, d] = *self.header;
        [a, b, c, d]
    }

    /// The options' bytes, 0..=40.
    #[must_use]
    pub fn options_bytes(&self) -> &'a [u8] {
        self.options
    }

    /// The options one by one.
    #[must_use]
    pub fn options(&self) -> Ipv4Options<'a> {
        Ipv4Options { rest: self.options }
    }

    /// What the datagram carries: up to the total length or the end of the bytes, whichever comes
    /// first, so without the padding of a short Ethernet frame.
    #[inline]
    #[must_use]
    pub fn payload(&self) -> &'a [u8] {
        let len = usize::from(self.total_len()).saturating_sub(self.header_len());
        self.behind.get(..len).unwrap_or(self.behind)
    }

    /// The datagram, header included, limited like [`Self::payload`].
    #[inline]
    #[must_use]
    pub fn datagram(&self) -> &'a [u8] {
        let len = usize::from(self.total_len()).max(self.header_len());
        self.bytes.get(..len).unwrap_or(self.bytes)
    }

    /// Everything behind the header, whatever the total length says.
    #[must_use]
    pub fn behind_header(&self) -> &'a [u8] {
        self.behind
    }
}

/// One IPv4 option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ipv4Option<'a> {
    /// Copied flag, class and number in one byte.
    pub kind: u8,
    /// Without kind and length; empty for end of list (0) and no operation (1).
    pub data: &'a [u8],
}

/// Why an option could not be read; nothing behind it can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OptionError {
    /// No length byte behind the kind.
    NoLength { kind: u8 },
    /// The length is below 2 or reaches past the header.
    Length { kind: u8, len: u8 },
}

/// Iterates over options; ends behind an end-of-list or after an error.
#[derive(Clone, Debug)]
pub struct Ipv4Options<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Ipv4Options<'a> {
    type Item = Result<Ipv4Option<'a>, OptionError>;

    fn next(&mut self) -> Option<Self::Item> {
        let (item, rest) = next_option(self.rest)?;
        self.rest = rest;
        Some(item.map(|(kind, data)| Ipv4Option { kind, data }))
    }
}

type RawOption<'a> = Result<(u8, &'a [u8]), OptionError>;

/// The encoding that IPv4 and TCP share: end of list 0, no operation 1, else kind, length, data.
#[inline]
pub(crate) fn next_option(bytes: &[u8]) -> Option<(RawOption<'_>, &[u8])> {
    let (&kind, rest) = bytes.split_first()?;
    match kind {
        0 => Some((Ok((0, &[])), &[])),
        1 => Some((Ok((1, &[])), rest)),
        _ => Some(match rest.split_first() {
            None => (Err(OptionError::NoLength { kind }), &[]),
            Some((&len, rest)) => {
                match usize::from(len).checked_sub(2).and_then(|n| rest.split_at_checked(n)) {
                    Some((data, rest)) => (Ok((kind, data)), rest),
                    None => (Err(OptionError::Length { kind, len }), &[]),
                }
            }
        }),
    }
}
