//! The Internet checksum and CRC32c.
//!
//! Source: RFC 1071; RFC 9260 appendix A for SCTP's CRC32c (Castagnoli), here in the
//! slicing-by-8 form of Kounavis and Berry (2005).

/// A ones' complement sum in the making.
///
/// ```
/// use umbra_wire::checksum::Sum;
/// let mut sum = Sum::default();
/// sum.add(&[0x45, 0, 0, 0x1c]);
/// sum.add(&[1]);
/// assert_eq!(sum.folded(), 0x4500 + 0x001c + 0x0100);
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Sum(
    /// In the byte order of this machine: the sum of swapped words is the swapped sum (RFC 1071
    /// section 2 B). Every addition is of at most 32 bits, so it takes 2^32 of them to overflow.
    u64,
);

impl Sum {
    /// Adds bytes; every piece but the last must have an even length.
    #[inline]
    pub fn add(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<4>();
        let mut sum = self.0;
        for word in words {
            sum += u64::from(u32::from_ne_bytes(*word));
        }
        sum += match *rest {
            [a, b, c] => u64::from(u32::from_ne_bytes([a, b, c, 0])),
            [a, b] => u64::from(u16::from_ne_bytes([a, b])),
            [a] => u64::from(u16::from_ne_bytes([a, 0])),
            _ => 0,
        };
        self.0 = sum;
    }

    /// Adds one number of 16 bits.
    #[inline]
    pub fn add_u16(&mut self, value: u16) {
        self.0 += u64::from(value.to_be());
    }

    /// Adds one number of 32 bits.
    #[inline]
    pub fn add_u32(&mut self, value: u32) {
        self.0 += u64::from(value.to_be());
    }

    /// Adds a pseudo header of IPv4 (addresses of 4 bytes) or IPv6 (of 16).
    #[inline]
    pub fn add_pseudo(&mut self, src: &[u8], dst: &[u8], protocol: u8, len: u32) {
        self.add(src);
        self.add(dst);
        self.add_u32(len);
        self.add_u16(protocol.into());
    }

    /// The sum folded to 16 bits; 0xffff over data with a right checksum.
    #[inline]
    #[must_use]
    pub fn folded(self) -> u16 {
        let a = (self.0 >> 32) + (self.0 & 0xffff_ffff);
        let b = (a >> 32) + (a & 0xffff_ffff);
        let c = (b >> 16) + (b & 0xffff);
        let d = (c >> 16) + (c & 0xffff);
        u16::from_be(((d >> 16) + (d & 0xffff)) as u16)
    }

    /// What belongs into a checksum field that was 0 when it was added.
    #[inline]
    #[must_use]
    pub fn checksum(self) -> u16 {
        !self.folded()
    }
}

/// Whether an IPv4 header (or an ICMP message) carries a right checksum.
#[inline]
#[must_use]
pub fn is_right(bytes: &[u8]) -> bool {
    let mut sum = Sum::default();
    sum.add(bytes);
    sum.folded() == 0xffff
}

const POLYNOMIAL: u32 = 0x82f6_3b78;

static TABLES: [[u32; 256]; 8] = {
    let mut tables = [[0; 256]; 8];
    let mut i = 0;
    while i < 256 {
        let mut crc = i as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = crc >> 1 ^ if crc & 1 == 1 { POLYNOMIAL } else { 0 };
            bit += 1;
        }
        tables[0][i] = crc;
        i += 1;
    }
    let mut t = 1;
    while t < 8 {
        let mut i = 0;
        while i < 256 {
            let before = tables[t - 1][i];
            tables[t][i] = before >> 8 ^ tables[0][(before & 0xff) as usize];
            i += 1;
        }
        t += 1;
    }
    tables
};

/// CRC32c in the making.
#[derive(Clone, Copy, Debug)]
pub struct Crc32c(u32);

impl Default for Crc32c {
    fn default() -> Self {
        Self(u32::MAX)
    }
}

impl Crc32c {
    /// Adds bytes.
    pub fn add(&mut self, bytes: &[u8]) {
        // Indexes are bytes and tables have 256 entries, so none of these can be out of range.
        let [t0, t1, t2, t3, t4, t5, t6, t7] = &TABLES;
        let at = |table: &[u32; 256], byte: u8| table[usize::from(byte)];
        let (words, rest) = bytes.as_chunks::<8>();
        let mut crc = self.0;
        for &[a, b, c, d, e, f, g, h] in words {
            let [w, x, y, z] = crc.to_le_bytes();
            crc = at(t7, a ^ w)
                ^ at(t6, b ^ x)
                ^ at(t5, c ^ y)
                ^ at(t4, d ^ z)
                ^ at(t3, e)
                ^ at(t2, f)
                ^ at(t1, g)
                ^ at(t0, h);
        }
        for byte in rest {
            let [low, ..] = crc.to_le_bytes();
            crc = crc >> 8 ^ at(t0, low ^ byte);
        }
        self.0 = crc;
    }

    /// The CRC; an SCTP header holds it least significant byte first.
    #[must_use]
    pub fn finish(self) -> u32 {
        !self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slow_sum(bytes: &[u8]) -> u16 {
        let mut sum = 0u32;
        for pair in bytes.chunks(2) {
            let low = pair.get(1).copied().unwrap_or(0);
            sum += u32::from(u16::from_be_bytes([pair[0], low]));
            sum = (sum >> 16) + (sum & 0xffff);
        }
        sum as u16
    }

    #[test]
    fn internet_sum_equals_the_word_by_word_sum_for_every_length() {
        let bytes: Vec<u8> = (0..700u32).map(|i| (i * 151 + i / 7) as u8).collect();
        for len in 0..bytes.len() {
            let mut sum = Sum::default();
            sum.add(&bytes[..len]);
            assert_eq!(sum.folded(), slow_sum(&bytes[..len]), "{len} bytes");
            let mut parts = Sum::default();
            parts.add(&bytes[..(len / 2) & !1]);
            parts.add(&bytes[(len / 2) & !1..len]);
            assert_eq!(parts.folded(), sum.folded(), "{len} bytes in two pieces");
        }
    }

    #[test]
    fn crc32c_gives_the_published_check_values() {
        // RFC 3720 appendix B.4, and "123456789" of the CRC catalogue.
        let cases: [(Vec<u8>, u32); 5] = [
            (b"123456789".to_vec(), 0xe306_9283),
            (vec![0; 32], 0x8a91_36aa),
            (vec![0xff; 32], 0x62a8_ab43),
            ((0..32).collect(), 0x46dd_794e),
            ((0..32).rev().collect(), 0x113f_db5c),
        ];
        for (bytes, expected) in cases {
            let mut crc = Crc32c::default();
            crc.add(&bytes);
            assert_eq!(crc.finish(), expected);
            let mut parts = Crc32c::default();
            parts.add(&bytes[..5]);
            parts.add(&bytes[5..]);
            assert_eq!(parts.finish(), expected);
        }
    }
}
