//! Ethernet II and IEEE 802.3 with LLC/SNAP, and the tags and labels between them and IP.
//!
//! Source: IEEE 802.3, IEEE 802.2, RFC 1042, IEEE 802.1Q, RFC 3032.

use crate::error::{Layer, ViewError, header};
use crate::number::ethertype;

/// An Ethernet header; 14 bytes.
#[derive(Clone, Copy, Debug)]
pub struct Ethernet<'a> {
    header: &'a [u8; 14],
    payload: &'a [u8],
}

impl<'a> Ethernet<'a> {
    /// # Errors
    /// Fewer than 14 bytes.
    #[inline]
    pub fn new_checked(bytes: &'a [u8]) -> Result<Self, ViewError> {
        let (header, payload) = header(Layer::Ethernet, bytes)?;
        Ok(Self { header, payload })
    }

    #[inline]
    #[must_use]
    pub fn dst(&self) -> [u8; 6] {
        let [a, b, c, d, e, f, ..] = *self.header;
        [a, b, c, d, e, f]
    }

    #[inline]
    #[must_use]
    pub fn src(&self) -> [u8; 6] {
        let [_, _, _, _, _, _, a, b, c, d, e, f, ..] = *self.header;
        [a, b, c, d, e, f]
    }

    /// The type field, or an 802.3 length below [`ethertype::MIN`].
    #[inline]
    #[must_use]
    pub fn ethertype(&self) -> u16 {
        u16::from_be_bytes([self.header[12], self.header[13]])
    }

    /// Whether the type field is a length (IEEE 802.3 with LLC).
    #[inline]
    #[must_use]
    pub fn is_802_3(&self) -> bool {
        self.ethertype() < ethertype::MIN
    }

    /// Everything behind the header, with padding; behind an 802.3 length no more than it states.
    #[inline]
    #[must_use]
    pub fn payload(&self) -> &'a [u8] {
        if self.is_802_3() {
            self.payload.get(..usize::from(self.ethertype())).unwrap_or(self.payload)
        } else {
            self.payload
        }
    }
}

/// An LLC header, with its SNAP part where there is one; 3 to 8 bytes.
#[derive(Clone, Copy, Debug)]
pub struct Llc<'a> {
    header: &'a [u8; 3],
    snap: Option<&'a [u8; 5]>,
    payload: &'a [u8],
}

impl<'a> Llc<'a> {
    /// # Errors
    /// Fewer than 3 bytes, or fewer than 8 where SNAP is announced.
    #[inline]
    pub fn new_checked(bytes: &'a [u8]) -> Result<Self, ViewError> {
        let (llc, payload) = header::<3>(Layer::LlcSnap, bytes)?;
        if *llc != [0xaa, 0xaa, 3] {
            return Ok(Self { header: llc, snap: None, payload });
        }
        let (snap, payload) =
            payload.split_first_chunk().ok_or(ViewError::short(Layer::LlcSnap, 8, bytes.len()))?;
        Ok(Self { header: llc, snap: Some(snap), payload })
    }

    #[must_use]
    pub fn dsap(&self) -> u8 {
        self.header[0]
    }

    #[must_use]
    pub fn ssap(&self) -> u8 {
        self.header[1]
    }

    #[must_use]
    pub fn control(&self) -> u8 {
        self.header[2]
    }

    /// The ethertype of a SNAP header with OUI 0 (RFC 1042) or 0000f8 (IEEE 802.1H).
    #[must_use]
    pub fn ethertype(&self) -> Option<u16> {
        match *self.snap? {
            [0, 0, 0 | 0xf8, a, b] => Some(u16::from_be_bytes([a, b])),
            _ => None,
        }
    }

    #[must_use]
    pub fn payload(&self) -> &'a [u8] {
        self.payload
    }
}

/// What stands behind a tag's type field: 4 bytes of a VLAN tag without its own type.
#[derive(Clone, Copy, Debug)]
pub struct Vlan<'a> {
    header: &'a [u8; 4],
    payload: &'a [u8],
}

impl<'a> Vlan<'a> {
    /// # Errors
    /// Fewer than 4 bytes.
    #[inline]
    pub fn new_checked(bytes: &'a [u8]) -> Result<Self, ViewError> {
        let (header, payload) = header(Layer::Vlan, bytes)?;
        Ok(Self { header, payload })
    }

    /// VLAN id, 0..=4095.
    #[inline]
    #[must_use]
    pub fn id(&self) -> u16 {
        u16::from_be_bytes([self.header[0], self.header[1]]) & 0x0fff
    }

    /// Priority code point, 0..=7.
    #[must_use]
    pub fn priority(&self) -> u8 {
        self.header[0] >> 5
    }

    /// Drop eligible indicator.
    #[must_use]
    pub fn drop_eligible(&self) -> bool {
        self.header[0] & 0x10 != 0
    }

    /// The next type or length field.
    #[inline]
    #[must_use]
    pub fn ethertype(&self) -> u16 {
        u16::from_be_bytes([self.header[2], self.header[3]])
    }

    /// Everything behind the tag; behind an 802.3 length no more than it states.
    #[inline]
    #[must_use]
    pub fn payload(&self) -> &'a [u8] {
        let kind = self.ethertype();
        if kind < ethertype::MIN {
            self.payload.get(..usize::from(kind)).unwrap_or(self.payload)
        } else {
            self.payload
        }
    }
}

/// One MPLS label stack entry; 4 bytes.
#[derive(Clone, Copy, Debug)]
pub struct MplsLabel<'a> {
    header: &'a [u8; 4],
    payload: &'a [u8],
}

impl<'a> MplsLabel<'a> {
    /// # Errors
    /// Fewer than 4 bytes.
    #[inline]
    pub fn new_checked(bytes: &'a [u8]) -> Result<Self, ViewError> {
        let (header, payload) = header(Layer::Mpls, bytes)?;
        Ok(Self { header, payload })
    }

    /// The label, 20 bits.
    #[must_use]
    pub fn label(&self) -> u32 {
        u32::from_be_bytes(*self.header) >> 12
    }

    #[must_use]
    pub fn traffic_class(&self) -> u8 {
        self.header[2] >> 1 & 7
    }

    #[must_use]
    pub fn is_bottom(&self) -> bool {
        self.header[2] & 1 == 1
    }

    #[must_use]
    pub fn ttl(&self) -> u8 {
        self.header[3]
    }

    /// The next label, or what the stack carries.
    #[must_use]
    pub fn payload(&self) -> &'a [u8] {
        self.payload
    }
}
