//! IPv6 and the walk over its extension headers.
//!
//! Source: RFC 8200; RFC 4302 (AH), RFC 8754 (segment routing), RFC 6946 (atomic fragments).

use crate::error::{Layer, ViewError, header};
use crate::number::protocol;
use crate::read::u16_at;

pub const HEADER_LEN: usize = 40;

/// The fixed IPv6 header and what stands behind it.
#[derive(Clone, Copy, Debug)]
pub struct Ipv6<'a> {
    bytes: &'a [u8],
    header: &'a [u8; HEADER_LEN],
    behind: &'a [u8],
}

impl<'a> Ipv6<'a> {
    /// Takes the header at the start of `bytes`. The payload length is not checked: see
    /// [`Self::payload_len`] and [`Self::payload`].
    ///
    /// # Errors
    /// Version not 6, or fewer than 40 bytes.
    #[inline]
    pub fn new_checked(bytes: &'a [u8]) -> Result<Self, ViewError> {
        let (header, behind) = header::<HEADER_LEN>(Layer::Ipv6, bytes)?;
        let version = header[0] >> 4;
        if version != 6 {
            return Err(ViewError::Version { layer: Layer::Ipv6, need: 6, have: version });
        }
        Ok(Self { bytes, header, behind })
    }

    /// The 40 bytes.
    #[must_use]
    pub fn fixed_header(&self) -> &'a [u8; HEADER_LEN] {
        self.header
    }

    #[inline]
    #[must_use]
    pub fn traffic_class(&self) -> u8 {
        (u16::from_be_bytes([self.header[0], self.header[1]]) >> 4 & 0xff) as u8
    }

    #[inline]
    #[must_use]
    pub fn flow_label(&self) -> u32 {
        u32::from_be_bytes([0, self.header[1] & 15, self.header[2], self.header[3]])
    }

    /// Bytes behind the 40 of the header, as stated.
    #[inline]
    #[must_use]
    pub fn payload_len(&self) -> u16 {
        u16::from_be_bytes([self.header[4], self.header[5]])
    }

    #[inline]
    #[must_use]
    pub fn next_header(&self) -> u8 {
        self.header[6]
    }

    #[inline]
    #[must_use]
    pub fn hop_limit(&self) -> u8 {
        self.header[7]
    }

    #[inline]
    #[must_use]
    pub fn src(&self) -> [u8; 16] {
        self.header.get(8..).and_then(|b| b.first_chunk()).copied().unwrap_or_default()
    }

    #[inline]
    #[must_use]
    pub fn dst(&self) -> [u8; 16] {
        self.header.get(24..).and_then(|b| b.first_chunk()).copied().unwrap_or_default()
    }

    /// What the datagram carries, extension headers included: up to the payload length or the end
    /// of the bytes, whichever comes first. A payload length of 0 before a hop-by-hop header means
    /// all there is: a jumbogram (RFC 2675), which Linux also hands out for large segments.
    #[inline]
    #[must_use]
    pub fn payload(&self) -> &'a [u8] {
        let len = usize::from(self.payload_len());
        if len == 0 && self.next_header() == protocol::HOP_BY_HOP {
            return self.behind;
        }
        self.behind.get(..len).unwrap_or(self.behind)
    }

    /// The datagram, header included, limited like [`Self::payload`].
    #[inline]
    #[must_use]
    pub fn datagram(&self) -> &'a [u8] {
        self.bytes.get(..HEADER_LEN + self.payload().len()).unwrap_or(self.bytes)
    }

    /// Everything behind the header, whatever the payload length says.
    #[must_use]
    pub fn behind_header(&self) -> &'a [u8] {
        self.behind
    }

    /// The extension headers one by one.
    #[inline]
    #[must_use]
    pub fn extensions(&self) -> Extensions<'a> {
        Extensions { next: self.next_header(), rest: self.payload(), offset: HEADER_LEN }
    }
}

/// Whether a next header value announces an extension header that can be walked over. ESP cannot.
#[inline]
#[must_use]
pub const fn is_extension(next_header: u8) -> bool {
    matches!(
        next_header,
        protocol::HOP_BY_HOP
            | protocol::ROUTING
            | protocol::FRAGMENT
            | protocol::AH
            | protocol::DESTINATION
            | protocol::MOBILITY
            | protocol::HIP
            | protocol::SHIM6
    )
}

/// One extension header, whole.
#[derive(Clone, Copy, Debug)]
pub struct Extension<'a> {
    /// Its own protocol number.
    pub kind: u8,
    /// What follows it.
    pub next_header: u8,
    /// Bytes from the start of the IPv6 header.
    pub offset: usize,
    /// All its bytes, at least 8.
    pub bytes: &'a [u8],
}

impl<'a> Extension<'a> {
    /// Options of a hop-by-hop or destination header.
    #[must_use]
    pub fn options(&self) -> Ipv6Options<'a> {
        Ipv6Options { rest: self.bytes.get(2..).unwrap_or(&[]) }
    }

    /// The fields of a fragment header.
    #[must_use]
    pub fn fragment(&self) -> Option<FragmentHeader> {
        let &[next_header, reserved, o0, o1, i0, i1, i2, i3] = self.bytes.first_chunk()?;
        let word = u16::from_be_bytes([o0, o1]);
        (self.kind == protocol::FRAGMENT).then_some(FragmentHeader {
            next_header,
            reserved: u16::from(reserved) << 2 | word >> 1 & 3,
            offset: word & !7,
            more: word & 1 == 1,
            id: u32::from_be_bytes([i0, i1, i2, i3]),
        })
    }

    /// Type and segments left of a routing header.
    #[must_use]
    pub fn routing(&self) -> Option<(u8, u8)> {
        let &[_, _, kind, left] = self.bytes.first_chunk()?;
        (self.kind == protocol::ROUTING).then_some((kind, left))
    }

    /// The address a routing header leads to in the end, which the pseudo header of a checksum
    /// has as its destination (RFC 8200 section 8.1): last of a type 0 or 2 list, first of a
    /// segment routing list (type 4). `None` where no segment is left or the type is unknown.
    #[must_use]
    pub fn final_destination(&self) -> Option<[u8; 16]> {
        let (kind, left) = self.routing()?;
        let list = self.bytes.get(8..)?;
        match (kind, left) {
            (_, 0) => None,
            (0 | 2, _) => {
                let count = list.len() / 16;
                list.get(count.checked_sub(1)? * 16..)?.first_chunk().copied()
            }
            (4, _) => list.first_chunk().copied(),
            _ => None,
        }
    }

    /// The reserved field of an authentication header.
    #[must_use]
    pub fn ah_reserved(&self) -> Option<u16> {
        if self.kind == protocol::AH { u16_at(self.bytes, 2) } else { None }
    }
}

/// The fields of a fragment header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FragmentHeader {
    pub next_header: u8,
    /// The reserved byte and the two reserved bits.
    pub reserved: u16,
    /// In bytes, a multiple of 8.
    pub offset: u16,
    pub more: bool,
    pub id: u32,
}

impl FragmentHeader {
    /// Offset 0 and no more to come: a whole datagram with a fragment header (RFC 6946).
    #[must_use]
    pub const fn is_atomic(&self) -> bool {
        self.offset == 0 && !self.more
    }
}

/// Walks over extension headers: yields each, then holds what the last one leads to. The caller
/// bounds the number, and stops behind the fragment header of a fragment, since what follows is a
/// piece of something.
#[derive(Clone, Copy, Debug)]
pub struct Extensions<'a> {
    next: u8,
    rest: &'a [u8],
    offset: usize,
}

impl<'a> Extensions<'a> {
    /// The protocol that `payload` is of, once the walk ended; of a header cut short, its own.
    #[inline]
    #[must_use]
    pub fn protocol(&self) -> u8 {
        self.next
    }

    /// What follows the headers walked over so far.
    #[inline]
    #[must_use]
    pub fn payload(&self) -> &'a [u8] {
        self.rest
    }

    /// Where [`Self::payload`] begins, in bytes from the start of the IPv6 header.
    #[inline]
    #[must_use]
    pub fn offset(&self) -> usize {
        self.offset
    }

    /// The next extension header, `None` when an upper layer or no next header follows.
    ///
    /// # Errors
    /// The header is cut short; the walk stays where it is.
    #[inline]
    pub fn step(&mut self) -> Result<Option<Extension<'a>>, ViewError> {
        if !is_extension(self.next) {
            return Ok(None);
        }
        let short = |need| ViewError::short(Layer::Ipv6Extension, need, self.rest.len());
        let &[next_header, len] = self.rest.first_chunk().ok_or(short(8))?;
        let len = match self.next {
            protocol::FRAGMENT => 8,
            protocol::AH => (usize::from(len) + 2) * 4,
            _ => (usize::from(len) + 1) * 8,
        };
        let (bytes, rest) = self.rest.split_at_checked(len).ok_or(short(len))?;
        let extension = Extension { kind: self.next, next_header, offset: self.offset, bytes };
        *self = Self { next: next_header, rest, offset: self.offset + len };
        Ok(Some(extension))
    }
}

/// One option of a hop-by-hop or destination header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ipv6Option<'a> {
    /// 0 is Pad1, 1 is PadN.
    pub kind: u8,
    pub data: &'a [u8],
}

/// Iterates over options; ends after an option that reaches past the header, given as `Err` with
/// its kind.
#[derive(Clone, Debug)]
pub struct Ipv6Options<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Ipv6Options<'a> {
    type Item = Result<Ipv6Option<'a>, u8>;

    fn next(&mut self) -> Option<Self::Item> {
        let (&kind, rest) = self.rest.split_first()?;
        if kind == 0 {
            self.rest = rest;
            return Some(Ok(Ipv6Option { kind, data: &[] }));
        }
        let split = rest.split_first().and_then(|(&len, rest)| rest.split_at_checked(len.into()));
        let Some((data, rest)) = split else {
            self.rest = &[];
            return Some(Err(kind));
        };
        self.rest = rest;
        Some(Ok(Ipv6Option { kind, data }))
    }
}
