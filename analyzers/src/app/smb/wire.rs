//! Reads fields in order; little-endian, as all of SMB is.

/// What is left to be read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    /// From `at` on in `bytes`; empty where that is behind the end.
    pub(super) fn at(bytes: &'a [u8], at: usize) -> Self {
        Self { bytes: bytes.get(at..).unwrap_or_default() }
    }

    pub(super) fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.bytes.split_at_checked(len)?;
        self.bytes = rest;
        Some(taken)
    }

    /// So many bytes, or as many as there are.
    pub(super) fn up_to(&mut self, len: usize) -> &'a [u8] {
        self.take(len.min(self.bytes.len())).unwrap_or_default()
    }

    pub(super) const fn rest(&self) -> &'a [u8] {
        self.bytes
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    pub(super) fn u8(&mut self) -> Option<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub(super) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    pub(super) fn guid(&mut self) -> Option<[u8; 16]> {
        self.array()
    }

    /// Up to a zero character, which is taken and left out; one or two bytes each. To the end where
    /// there is none.
    pub(super) fn string(&mut self, unicode: bool) -> Vec<u8> {
        let (end, width) = if unicode {
            (self.bytes.chunks_exact(2).position(|c| c == [0, 0]).map(|at| at * 2), 2)
        } else {
            (self.bytes.iter().position(|&b| b == 0), 1)
        };
        let text = self.up_to(end.unwrap_or(self.bytes.len()));
        self.up_to(width);
        narrow(text, unicode)
    }
}

/// Text with one byte for each character that has one, as rules look at it. Others keep their bytes.
pub(super) fn narrow(text: &[u8], unicode: bool) -> Vec<u8> {
    if unicode { text.iter().copied().filter(|&b| b != 0).collect() } else { text.to_vec() }
}

/// Seconds since 1970 of a time in tenths of microseconds since 1601; 0 for none.
pub(super) const fn unix_seconds(time: u64) -> u64 {
    (time / 10_000_000).saturating_sub(11_644_473_600)
}

/// A GUID in the groups and order that Suricata prints, which are not quite the usual ones.
pub(super) fn guid_text(guid: &[u8; 16]) -> String {
    const ORDER: [usize; 16] = [3, 2, 1, 0, 5, 4, 7, 6, 9, 8, 11, 10, 15, 14, 13, 12];
    let mut text = String::with_capacity(36);
    for (at, from) in ORDER.into_iter().enumerate() {
        if matches!(at, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        text.push_str(&format!("{:02x}", guid[from]));
    }
    text
}
