//! Many frames of plain IPv4 at once.
//!
//! A plain frame is untagged IPv4 without options, not fragmented, with TCP, or UDP that is not for a
//! tunnel's port: most of what is on a wire. Its key lies in bytes 12 to 37, at fixed places, so it can
//! be found without a branch: three ways, which give the same values.
//!
//! | way | needs | cycles per frame in L1 |
//! |---|---|---|
//! | eight frames in AVX-512 registers | AVX512 F, BW, DQ, VL and IFMA: Ice Lake, Zen 4 and later | 3.4 |
//! | one in an SSE register, two scalar multiplications | SSE4.2 | 7 |
//! | scalar | – | 10 |
//!
//! (TSC cycles of 2.6 GHz on a Zen 4.) The first is not chosen by AVX2 alone, which cannot multiply
//! more than 32 bits by 32.
//!
//! `unsafe` stands here for one reason each time: an instruction of a processor that was asked whether it
//! has it.
#![cfg_attr(target_arch = "x86_64", expect(unsafe_code, reason = "vector instructions"))]

use super::mix52;
use crate::number::{port, protocol};

/// Bytes of a frame that are looked at: as far as the ports of TCP or UDP over a plain IPv4 header.
pub(super) const HEAD_LEN: usize = 38;
/// Beginning of a frame.
pub(super) type Head = [u8; HEAD_LEN];

/// How many frames this processor hashes at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lanes {
    One,
    #[cfg(target_arch = "x86_64")]
    Sse42,
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

impl Lanes {
    /// The best that this processor has.
    pub(super) fn detect() -> Self {
        Self::all().pop().unwrap_or(Self::One)
    }

    /// All that this processor has, the best last.
    pub(super) fn all() -> Vec<Self> {
        #[cfg_attr(not(target_arch = "x86_64"), expect(unused_mut, reason = "no others"))]
        let mut all = vec![Self::One];
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("sse4.2") && is_x86_feature_detected!("ssse3") {
                all.push(Self::Sse42);
            }
            if is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("avx512dq")
                && is_x86_feature_detected!("avx512vl")
                && is_x86_feature_detected!("avx512ifma")
                && is_x86_feature_detected!("bmi2")
            {
                all.push(Self::Avx512);
            }
        }
        all
    }

    /// Hashes frames 0 to `len`, at most 64; `head` gives their beginnings and is asked for no others.
    /// `out` of those that are not plain, and all that lies beyond `len`, means nothing.
    #[inline]
    pub(super) fn hash<'f>(
        self,
        secret: &[u64; 4],
        head: impl Fn(usize) -> &'f Head,
        len: usize,
        threshold: u64,
        out: &mut [u64; 64],
    ) -> Hashed {
        match self {
            Self::One => one_by_one(secret, head, len, threshold, out),
            #[cfg(target_arch = "x86_64")]
            // SAFETY: `detect` and `all` give this variant only where the processor has SSE4.2.
            Self::Sse42 => unsafe { x86::sse42(secret, head, len, threshold, out) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as above, for the parts of AVX-512 that the function names.
            Self::Avx512 => unsafe { x86::avx512(secret, head, len, threshold, out) },
        }
    }
}

/// A bit for each frame.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Hashed {
    /// It is not plain, and was not hashed.
    pub(super) odd: u64,
    /// The high 32 bits of its hash are below the threshold; for an odd one this means nothing.
    pub(super) below: u64,
}

/// Stands where there is no frame, or one too short to be plain; it is not plain either.
pub(super) const NO_FRAME: &Head = &[0; HEAD_LEN];

/// Bit 6 and bit 17: TCP and UDP.
const WITH_PORTS: u64 = 1 << protocol::TCP | 1 << protocol::UDP;

fn one_by_one<'f>(
    secret: &[u64; 4],
    head: impl Fn(usize) -> &'f Head,
    len: usize,
    threshold: u64,
    out: &mut [u64; 64],
) -> Hashed {
    let mut hashed = Hashed::default();
    for (i, out) in out.iter_mut().enumerate().take(len) {
        match plain(head(i)) {
            Some((lo, hi, protocol)) => {
                *out = mix52(secret, lo, hi, protocol);
                hashed.below |= u64::from(*out >> 32 < threshold) << i;
            }
            None => hashed.odd |= 1 << i,
        }
    }
    hashed
}

/// The two ends, the lower first, and the protocol of a plain frame. No branch but the last.
#[inline(always)]
fn plain(b: &Head) -> Option<(u64, u64, u64)> {
    // As they lie in memory, little-endian: type, version and length, TOS, total length, id | fragment,
    // TTL, protocol, checksum and more | source and destination | their ports.
    let first = u64::from_le_bytes(part(b, 12));
    let second = u64::from_le_bytes(part(b, 20));
    let addresses = u64::from_be_bytes(part(b, 26));
    let ports = u32::from_be_bytes(part(b, 34));
    let protocol = second >> 24 & 0xff;
    // Ethertype 0800, version 4 with 5 words of header; neither offset nor "more fragments"; and the
    // protocol below 64, so that it can be looked up by a shift.
    let odd = ((first ^ 0x45_0008) & 0xff_ffff) | (second & 0xc000_ff3f);
    let with_ports = WITH_PORTS >> (protocol & 63) & 1;
    // TCP to a tunnel's port takes the slow way too, to the same hash.
    let plain = (odd == 0) & (with_ports == 1) & !port::may_be_tunnel(ports as u16);
    let src = addresses >> 32 << 16 | u64::from(ports >> 16);
    let dst = (addresses & 0xffff_ffff) << 16 | u64::from(ports & 0xffff);
    plain.then_some((src.min(dst), src.max(dst), protocol))
}

/// `N` bytes from `at` on; both are constants, so that it is one load.
#[inline(always)]
fn part<const N: usize>(b: &Head, at: usize) -> [u8; N] {
    b[at..].first_chunk().copied().unwrap_or([0; N])
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use core::arch::x86_64::*;

    use super::{Hashed, Head, NO_FRAME, WITH_PORTS, mix52};
    use crate::number::{port, protocol};

    /// Bytes 8 to 23 of a frame: what of them must be as in [`PLAIN`].
    const CHECKED: [u8; 16] = [0, 0, 0, 0, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0x3f, 0xff, 0, 0];
    /// Ethertype 0800, version 4 and 5 words, no fragment.
    const PLAIN: [u8; 16] = [0, 0, 0, 0, 8, 0, 0x45, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    /// Of bytes 22 to 37: source address and port, two zeros, destination and port, two zeros, each end
    /// as a little-endian number of 48 bits.
    const ENDS: [u8; 16] = [13, 12, 7, 6, 5, 4, 128, 128, 15, 14, 11, 10, 9, 8, 128, 128];

    #[target_feature(enable = "sse2")]
    #[inline]
    fn load(bytes: &[u8; 16]) -> __m128i {
        // SAFETY: 16 bytes are there; the load needs no alignment.
        unsafe { _mm_loadu_si128(bytes.as_ptr().cast()) }
    }

    /// 16 bytes of a frame.
    #[inline(always)]
    fn part(head: &Head, at: usize) -> &[u8; 16] {
        head[at..].first_chunk().unwrap_or(&[0; 16])
    }

    #[target_feature(enable = "sse4.2,ssse3")]
    #[inline]
    pub(super) fn sse42<'f>(
        secret: &[u64; 4],
        head: impl Fn(usize) -> &'f Head,
        len: usize,
        threshold: u64,
        out: &mut [u64; 64],
    ) -> Hashed {
        let (checked, plain, order) = (load(&CHECKED), load(&PLAIN), load(&ENDS));
        let mut hashed = Hashed::default();
        for (i, out) in out.iter_mut().enumerate().take(len) {
            let head = head(i);
            let protocol = u64::from(head[23]);
            let dst_port = u16::from_be_bytes([head[36], head[37]]);
            let differs = _mm_xor_si128(_mm_and_si128(load(part(head, 8)), checked), plain);
            let with_ports = (protocol < 64) & (WITH_PORTS >> (protocol & 63) & 1 == 1);
            if _mm_testz_si128(differs, differs) == 0
                || !with_ports
                || port::may_be_tunnel(dst_port)
            {
                hashed.odd |= 1 << i;
                continue;
            }
            let ends = _mm_shuffle_epi8(load(part(head, 22)), order);
            let swapped = _mm_shuffle_epi32::<0b01_00_11_10>(ends);
            // 48 bits, so the signed compare is right. Where the first end is the higher one the two
            // change places.
            let wrong = _mm_shuffle_epi32::<0b01_00_01_00>(_mm_cmpgt_epi64(ends, swapped));
            let sorted = _mm_blendv_epi8(ends, swapped, wrong);
            let lo = _mm_cvtsi128_si64(sorted).cast_unsigned();
            let hi = _mm_extract_epi64::<1>(sorted).cast_unsigned();
            *out = mix52(secret, lo, hi, protocol);
            hashed.below |= u64::from(*out >> 32 < threshold) << i;
        }
        hashed
    }

    /// For each 16-bit word: entry `port >> 8 & 31` of this table is the port's own where it is a
    /// tunnel's. Words are as in the frame, high byte first, so the index is the port's low byte.
    const TUNNELS: [u16; 32] = {
        // No word with 1 in its index is 0, and none with another index is 0x100.
        let mut table = [0u16; 32];
        table[0] = 0x0100;
        let ports = [port::GTP_U, port::VXLAN, port::VXLAN_GPE, port::GENEVE];
        let mut i = 0;
        while i < ports.len() {
            let place = (ports[i] & 31) as usize;
            assert!(table[place] == 0, "two tunnels with the same low bits");
            table[place] = ports[i].swap_bytes();
            i += 1;
        }
        table
    };

    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma,bmi2")]
    #[inline]
    fn four(heads: &[&Head; 4], at: usize) -> __m512i {
        let pair = |a, b| {
            let low = _mm256_castsi128_si256(load(part(a, at)));
            _mm256_inserti128_si256::<1>(low, load(part(b, at)))
        };
        let low = _mm512_castsi256_si512(pair(heads[0], heads[1]));
        _mm512_inserti64x4::<1>(low, pair(heads[2], heads[3]))
    }

    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma,bmi2")]
    #[inline]
    pub(super) fn avx512<'f>(
        secret: &[u64; 4],
        head: impl Fn(usize) -> &'f Head,
        len: usize,
        threshold: u64,
        out: &mut [u64; 64],
    ) -> Hashed {
        let every = |bytes: &[u8; 16]| _mm512_broadcast_i32x4(load(bytes));
        let (checked, plain, order) = (every(&CHECKED), every(&PLAIN), every(&ENDS));
        let [s0, s1, s2, s3] = secret.map(|s| _mm512_set1_epi64(s.cast_signed()));
        // The protocol, byte 23, is byte 1 of what begins with byte 22.
        let protocol_byte = _mm512_set1_epi64(0xff);
        let tcp = _mm512_set1_epi64(i64::from(protocol::TCP));
        let udp = _mm512_set1_epi64(i64::from(protocol::UDP));
        // SAFETY: the table has 64 bytes; the load needs no alignment.
        let tunnels = unsafe { _mm512_loadu_si512(TUNNELS.as_ptr().cast()) };
        let in_order = _mm512_setr_epi64(0, 2, 4, 6, 1, 3, 5, 7);
        let zero = _mm512_setzero_si512();
        let threshold = _mm512_set1_epi64(threshold.cast_signed());
        let mut hashed = Hashed::default();
        let groups = out.as_chunks_mut::<8>().0.iter_mut();
        for (group, out) in groups.enumerate().take(len.div_ceil(8)) {
            let mut lo = [zero; 2];
            let mut hi = [zero; 2];
            let mut protocols = [zero; 2];
            for half in 0..2 {
                let heads: [&Head; 4] = core::array::from_fn(|i| {
                    let i = 8 * group + 4 * half + i;
                    if i < len { head(i) } else { NO_FRAME }
                });
                let start = four(&heads, 8);
                let key = four(&heads, 22);
                let differs = _mm512_xor_si512(_mm512_and_si512(start, checked), plain);
                let differs = _mm512_test_epi64_mask(differs, differs);
                // Two words of 64 bits a frame, of which the first holds the protocol.
                let this = _mm512_and_si512(_mm512_srli_epi64::<8>(key), protocol_byte);
                let with_ports =
                    _mm512_cmpeq_epi64_mask(this, tcp) | _mm512_cmpeq_epi64_mask(this, udp);
                // The destination port is the last 16-bit word of eight.
                let looked_up = _mm512_permutexvar_epi16(_mm512_srli_epi16::<8>(key), tunnels);
                let tunnel = _mm512_cmpeq_epi16_mask(looked_up, key) & 0x8080_8080;
                let tunnel = _pext_u32(tunnel, 0x8080_8080);
                let differs = _pext_u32(u32::from(differs | differs >> 1), 0x55);
                let with_ports = _pext_u32(u32::from(with_ports), 0x55);
                let this_odd = (differs | !with_ports & 15 | tunnel) & 15;
                hashed.odd |= u64::from(this_odd) << (8 * group + 4 * half);
                let ends = _mm512_shuffle_epi8(key, order);
                let swapped = _mm512_shuffle_epi32::<0b01_00_11_10>(ends);
                lo[half] = _mm512_min_epu64(ends, swapped);
                hi[half] = _mm512_max_epu64(ends, swapped);
                protocols[half] = this;
            }
            // Each end stands twice: of the two halves one copy each, frames 0 4 1 5 2 6 3 7.
            let both = |of: [__m512i; 2]| _mm512_unpacklo_epi64(of[0], of[1]);
            let (lo, hi, extra) = (both(lo), both(hi), both(protocols));
            let (a, b) = (_mm512_xor_si512(lo, s0), _mm512_xor_si512(hi, s1));
            let low = _mm512_madd52lo_epu64(zero, a, b);
            let high = _mm512_madd52hi_epu64(zero, a, b);
            let a = _mm512_xor_si512(_mm512_xor_si512(low, s2), extra);
            let b = _mm512_xor_si512(high, s3);
            let low = _mm512_madd52lo_epu64(zero, a, b);
            let high = _mm512_madd52hi_epu64(zero, a, b);
            let hashes = _mm512_xor_si512(_mm512_slli_epi64::<12>(low), high);
            let hashes = _mm512_permutexvar_epi64(in_order, hashes);
            let below = _mm512_cmplt_epu64_mask(_mm512_srli_epi64::<32>(hashes), threshold);
            hashed.below |= u64::from(below) << (8 * group);
            // SAFETY: `out` has eight words; the store needs no alignment.
            unsafe { _mm512_storeu_si512(out.as_mut_ptr().cast(), hashes) };
        }
        hashed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::build::Frame;
    use proptest::prelude::*;

    const SECRET: [u64; 4] = [0x1234_5678_9abc_def0, !0x5555, u64::MAX / 7, 0x0fed_cba9_8765_4321];

    /// A plain frame's start with any fields, then perhaps one byte changed.
    fn heads() -> impl Strategy<Value = Vec<Head>> {
        let plain = (any::<[u8; 4]>(), any::<[u8; 4]>(), any::<(u16, u16)>(), any::<bool>());
        let port = prop_oneof![
            Just(None),
            prop::sample::select(&[2152u16, 4789, 4790, 6081]).prop_map(Some)
        ];
        let change = prop_oneof![2 => Just(None), 1 => (0..HEAD_LEN, any::<u8>()).prop_map(Some)];
        let head = (plain, port, change).prop_map(|((src, dst, ports, udp), port, change)| {
            let dst_port = port.unwrap_or(ports.1);
            let frame = Frame::ethernet([1; 6], [2; 6]).ipv4(src, dst);
            let frame =
                if udp { frame.udp(ports.0, dst_port) } else { frame.tcp(ports.0, dst_port) };
            let mut head: Head = *frame.bytes().first_chunk().unwrap();
            if let Some((at, byte)) = change {
                head[at] = byte;
            }
            head
        });
        prop::collection::vec(head, 0..=64)
    }

    proptest! {
        #[test]
        fn all_ways_agree(heads in heads(), threshold in 0u64..=1 << 32) {
            let len = heads.len();
            let valid = u64::MAX.checked_shr(64 - len as u32).unwrap_or(0);
            let mut expected = [0; 64];
            let one = one_by_one(&SECRET, |i| &heads[i], len, threshold, &mut expected);
            let odd = one.odd & valid;
            for lanes in Lanes::all() {
                let mut out = [0; 64];
                let hashed = lanes.hash(&SECRET, |i| &heads[i], len, threshold, &mut out);
                prop_assert_eq!(hashed.odd & valid, odd, "{:?}", lanes);
                prop_assert_eq!(hashed.below & valid & !odd, one.below & !odd, "{:?}", lanes);
                for i in (0..len).filter(|i| odd >> i & 1 == 0) {
                    prop_assert_eq!(out[i], expected[i], "{:?} frame {}", lanes, i);
                }
            }
        }
    }

    #[test]
    fn the_best_way_is_the_last() {
        assert_eq!(Lanes::all().first(), Some(&Lanes::One));
        assert_eq!(Lanes::all().last(), Some(&Lanes::detect()));
    }
}
