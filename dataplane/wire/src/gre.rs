//! GRE: version 0 with its optional fields, version 1 of PPTP.
//!
//! Source: RFC 2784, RFC 2890 (key and sequence), RFC 1701 (routing), RFC 2637 (version 1), RFC
//! 7637 (NVGRE: version 0, key, transparent Ethernet bridging).

use crate::error::{Layer, ViewError, header, variable};

/// A GRE header and what it carries.
#[derive(Clone, Copy, Debug)]
pub struct Gre<'a> {
    header: &'a [u8; 4],
    /// Checksum and offset, key, sequence, acknowledgement, as the flags say.
    fields: &'a [u8],
    len: usize,
    payload: &'a [u8],
}

/// Routing entries that are walked over.
const MAX_ROUTES: usize = 16;

impl<'a> Gre<'a> {
    /// # Errors
    /// Fewer than 4 bytes, fewer than the flags announce, a version above 1, or a source route
    /// that does not end.
    pub fn new_checked(bytes: &'a [u8]) -> Result<Self, ViewError> {
        let (header, rest) = header::<4>(Layer::Gre, bytes)?;
        let flags = u16::from_be_bytes([header[0], header[1]]);
        let bit = |mask: u16, len: usize| if flags & mask != 0 { len } else { 0 };
        let version = header[1] & 7;
        let len = match version {
            // Checksum and offset share a word that either bit brings.
            0 => bit(0xc000, 4) + bit(0x2000, 4) + bit(0x1000, 4),
            1 => 4 + bit(0x1000, 4) + bit(0x0080, 4),
            _ => return Err(ViewError::Version { layer: Layer::Gre, need: 1, have: version }),
        };
        let (fields, mut payload) = variable(Layer::Gre, 4, len, rest)?;
        let mut len = 4 + len;
        if version == 0 && flags & 0x4000 != 0 {
            let mut ended = false;
            for _ in 0..MAX_ROUTES {
                let short = |need: usize| ViewError::short(Layer::Gre, need, bytes.len());
                let (entry, behind) = payload.split_first_chunk::<4>().ok_or(short(len + 4))?;
                let route = usize::from(entry[3]);
                payload = behind.get(route..).ok_or(short(len + 4 + route))?;
                len += 4 + route;
                if *entry == [0; 4] {
                    ended = true;
                    break;
                }
            }
            if !ended {
                return Err(ViewError::Field { layer: Layer::Gre, field: "routes", have: 16 });
            }
        }
        Ok(Self { header, fields, len, payload })
    }

    #[must_use]
    pub fn version(&self) -> u8 {
        self.header[1] & 7
    }

    fn flags(&self) -> u16 {
        u16::from_be_bytes([self.header[0], self.header[1]])
    }

    #[must_use]
    pub fn has_checksum(&self) -> bool {
        self.flags() & 0x8000 != 0
    }

    #[must_use]
    pub fn has_routing(&self) -> bool {
        self.flags() & 0x4000 != 0
    }

    #[must_use]
    pub fn has_key(&self) -> bool {
        self.flags() & 0x2000 != 0
    }

    #[must_use]
    pub fn has_sequence(&self) -> bool {
        self.flags() & 0x1000 != 0
    }

    #[must_use]
    pub fn has_strict_route(&self) -> bool {
        self.flags() & 0x0800 != 0
    }

    /// Recursion control, three bits, 0 in use.
    #[must_use]
    pub fn recursion(&self) -> u8 {
        self.header[0] & 7
    }

    /// Flags that must be 0: five bits in version 0, in version 1 the four behind the
    /// acknowledgement bit.
    #[must_use]
    pub fn reserved(&self) -> u8 {
        self.header[1] >> 3 & if self.version() == 0 { 0x1f } else { 0x0f }
    }

    /// An ethertype.
    #[must_use]
    pub fn protocol(&self) -> u16 {
        u16::from_be_bytes([self.header[2], self.header[3]])
    }

    /// Of version 0; NVGRE has the virtual subnet in the upper 24 bits. Version 1 has the payload
    /// length and the call id there.
    #[must_use]
    pub fn key(&self) -> Option<u32> {
        let at = if self.version() == 0 && self.flags() & 0xc000 != 0 { 4 } else { 0 };
        let bytes = self.fields.get(at..)?.first_chunk()?;
        self.has_key().then(|| u32::from_be_bytes(*bytes))
    }

    /// With all optional fields and routes, bytes.
    #[must_use]
    pub fn header_len(&self) -> usize {
        self.len
    }

    #[must_use]
    pub fn payload(&self) -> &'a [u8] {
        self.payload
    }
}
