//! The symmetric hash that the sampler thresholds and the shards divide.
//!
//! A keyed 64-bit hash of a [`FlowKey`], built of wide multiplications whose halves are folded
//! together: the construction of wyhash (Wang Yi, public domain, "mum" of its final version 4, for
//! keys of up to 16 bytes) which foldhash (Orson Peters) also uses. It is no cryptographic hash; the
//! secret seed keeps a sender who does not see the selection from steering around it.
//!
//! Keys of IPv6 are folded by 64×64→128 bits. Those of IPv4 and MAC addresses, two ends of 48 bits,
//! by 52×52→104 bits, because that is what vector units multiply (AVX512-IFMA): [`lanes`] hashes
//! eight frames at once where the processor can, to the same values.
//!
//! All 64 bits are usable. The sampler reads the high 32 (selected iff `hash >> 32 < threshold`),
//! sharding over instances the low 32, so that the one says nothing about the other.

mod lanes;

use std::hash::{BuildHasher, RandomState};

use lanes::{Lanes, NO_FRAME};

use crate::key::{Endpoint, FlowKey, FlowKeyMode, KeyKind, KeyOptions, flow_key};
use crate::number::{MAX_VLAN_TAGS, ethertype, port, protocol};

/// A keyed hash, the same for both directions of a flow.
#[derive(Clone, Copy)]
pub struct SymmetricHash {
    secret: [u64; 4],
    /// How bursts are hashed on this processor.
    lanes: Lanes,
}

/// What the sampler needs to know of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Subject {
    /// [`SymmetricHash::key`] of the frame's [`FlowKey`].
    pub hash: u64,
    /// The two addresses of that key, lower first: IPv6, v4-mapped IPv4, or MAC for
    /// [`KeyKind::L2`].
    pub a: u128,
    pub b: u128,
    pub kind: KeyKind,
}

impl std::fmt::Debug for SymmetricHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The seed is a secret: whoever knows it can choose flows that are never sampled.
        f.debug_struct("SymmetricHash").finish_non_exhaustive()
    }
}

/// Bits 32..48 set: a v4-mapped address without its address.
const V4_PREFIX: u128 = 0xffff;
const V4_MAPPED: u128 = V4_PREFIX << 32;

impl SymmetricHash {
    /// A hash with the given seed; any value will do, zeros too, but only a secret one protects.
    #[must_use]
    pub fn new(seed: [u64; 4]) -> Self {
        // Each word through splitmix64's finaliser (Steele, Lea, Flood 2014), a bijection, so that
        // all 256 bits count and a small seed gives dense words. Odd increments by position keep
        // equal words apart.
        let mut increment = 0u64;
        let secret = seed.map(|word| {
            increment = increment.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = word.wrapping_add(increment);
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            z ^ (z >> 31)
        });
        Self { secret, lanes: Lanes::detect() }
    }

    /// A hash with a seed from the operating system, by way of the standard library's
    /// [`RandomState`]: 128 bits of entropy through SipHash, no file to open and nothing to fail.
    #[must_use]
    pub fn from_os_entropy() -> Self {
        let state = RandomState::new();
        Self::new([0u64, 1, 2, 3].map(|i| state.hash_one(i)))
    }

    /// The hash of a key. The order of the two ends does not matter.
    #[inline]
    #[must_use]
    pub fn key(&self, key: &FlowKey) -> u64 {
        let FlowKey { lo, hi, protocol, kind } = *key;
        if kind == KeyKind::L2 {
            return self.short(low64(lo.addr), low64(hi.addr), protocol, kind);
        }
        if (lo.addr >> 32 == V4_PREFIX) & (hi.addr >> 32 == V4_PREFIX) {
            return self.short(v4_word(lo), v4_word(hi), protocol, kind);
        }
        let (lo, hi) = if lo <= hi { (lo, hi) } else { (hi, lo) };
        let [s0, s1, s2, s3] = self.secret;
        let a = fold(high64(lo.addr) ^ s0, low64(lo.addr) ^ s1);
        let b = fold(high64(hi.addr) ^ s2, low64(hi.addr) ^ s3);
        let tail = u64::from(lo.port)
            | u64::from(hi.port) << 16
            | u64::from(protocol) << 32
            | (kind as u64) << 48;
        let (low, high) = wide(a ^ tail ^ s1, b ^ s2);
        fold(low ^ s3, high ^ s0)
    }

    /// The hash of one address, for the sampler's host mode (which takes the lower of the two).
    #[inline]
    #[must_use]
    pub fn host(&self, addr: u128) -> u64 {
        let [s0, s1, s2, s3] = self.secret;
        let (low, high) = wide(high64(addr) ^ s2, low64(addr) ^ s3);
        fold(low ^ s0, high ^ s1)
    }

    /// The hash of an Ethernet frame: `key(&flow_key(frame, options))`, with a short cut for
    /// unfragmented TCP and UDP without IP options or extension headers that cannot be a tunnel
    /// (13 cycles over IPv4, 30 over IPv6 instead of 70; one core of a 2.6 GHz Xeon).
    #[inline]
    #[must_use]
    pub fn frame(&self, frame: &[u8], options: &KeyOptions) -> u64 {
        match short_cut(frame, options) {
            Some(Plain::V4 { src, dst, protocol }) => {
                self.short(src, dst, protocol.into(), KeyKind::Ip)
            }
            Some(Plain::V6 { src, dst, protocol }) => self.key(&FlowKey {
                lo: src,
                hi: dst,
                protocol: protocol.into(),
                kind: KeyKind::Ip,
            }),
            None => self.key(&flow_key(frame, options)),
        }
    }

    /// The same hash computed without vector instructions, whatever the processor has.
    #[must_use]
    pub fn portable(mut self) -> Self {
        self.lanes = Lanes::One;
        self
    }

    /// The hashes of a burst of `len` frames, at most 64, given by `head` with as many bytes as are at
    /// hand: `out[i]` is [`frame`](Self::frame) of frame `i`. What is beyond `len` holds anything.
    #[inline]
    pub fn burst<'f>(
        &self,
        len: usize,
        head: impl Fn(usize) -> &'f [u8],
        options: &KeyOptions,
        out: &mut [u64; 64],
    ) {
        self.burst_below(len, head, options, 0, out);
    }

    /// The same, and a bit for each frame whose hash's high 32 bits are below `threshold`.
    ///
    /// Frames of plain IPv4 are hashed eight at a time, the others one by one after them. Cycles per
    /// frame in L1 (2.6 GHz TSC, Zen 4): 3.4 with AVX-512, 7 with SSE4.2, 10 without, and 14 by
    /// `frame` in a loop.
    #[inline]
    pub fn burst_below<'f>(
        &self,
        len: usize,
        head: impl Fn(usize) -> &'f [u8],
        options: &KeyOptions,
        threshold: u64,
        out: &mut [u64; 64],
    ) -> u64 {
        let all = if len < 64 { (1 << len) - 1 } else { u64::MAX };
        let (mut odd, mut below) = (all, 0);
        if options.flow_key == FlowKeyMode::FiveTuple {
            let start = |i| head(i).first_chunk().unwrap_or(NO_FRAME);
            let hashed = self.lanes.hash(&self.secret, start, len, threshold, out);
            odd = hashed.odd & all;
            below = hashed.below & all & !odd;
        }
        while odd != 0 {
            let i = odd.trailing_zeros() as usize;
            odd &= odd - 1;
            out[i] = self.odd(head(i), options);
            below |= u64::from(out[i] >> 32 < threshold) << i;
        }
        below
    }

    #[inline(never)]
    fn odd(&self, frame: &[u8], options: &KeyOptions) -> u64 {
        self.frame(frame, options)
    }

    /// The hash of a frame together with the addresses of its key.
    #[inline]
    #[must_use]
    pub fn subject(&self, frame: &[u8], options: &KeyOptions) -> Subject {
        match short_cut(frame, options) {
            Some(Plain::V4 { src, dst, protocol }) => Subject {
                hash: self.short(src, dst, protocol.into(), KeyKind::Ip),
                a: V4_MAPPED | u128::from(src.min(dst) >> 16),
                b: V4_MAPPED | u128::from(src.max(dst) >> 16),
                kind: KeyKind::Ip,
            },
            Some(Plain::V6 { src, dst, protocol }) => {
                self.subject_of(&FlowKey::new(src, dst, protocol.into(), KeyKind::Ip))
            }
            None => self.subject_of(&flow_key(frame, options)),
        }
    }

    #[inline]
    fn subject_of(&self, key: &FlowKey) -> Subject {
        Subject { hash: self.key(key), a: key.lo.addr, b: key.hi.addr, kind: key.kind }
    }

    /// The hash of two ends of 48 bits, in any order.
    #[inline]
    fn short(&self, a: u64, b: u64, protocol: u16, kind: KeyKind) -> u64 {
        let extra = u64::from(protocol) | (kind as u64) << 16;
        mix52(&self.secret, a.min(b), a.max(b), extra)
    }
}

/// The lower 52 bits.
const LOW_52: u64 = (1 << 52) - 1;

/// wyhash's two rounds over 52-bit words. `lo` and `hi` have 48 bits, `extra` 18; the result uses all 64:
/// the lower half of the last product shifted up against the upper half.
#[inline(always)]
fn mix52(secret: &[u64; 4], lo: u64, hi: u64, extra: u64) -> u64 {
    let [s0, s1, s2, s3] = *secret;
    let (low, high) = wide52(lo ^ s0, hi ^ s1);
    let (low, high) = wide52(low ^ s2 ^ extra, high ^ s3);
    low << 12 ^ high
}

/// Lower and upper 52 bits of the product of the lower 52 bits of each.
#[inline(always)]
const fn wide52(a: u64, b: u64) -> (u64, u64) {
    let product = (a & LOW_52) as u128 * (b & LOW_52) as u128;
    (product as u64 & LOW_52, (product >> 52) as u64)
}

/// The ends of a frame that takes the short cut, unsorted.
enum Plain {
    /// Address and port in 48 bits.
    V4 {
        src: u64,
        dst: u64,
        protocol: u8,
    },
    V6 {
        src: Endpoint,
        dst: Endpoint,
        protocol: u8,
    },
}

/// The ends of a frame that is what most traffic is: behind up to three VLAN tags IPv4 without
/// options and not fragmented, or IPv6 without extension headers, then TCP or UDP.
#[inline]
fn short_cut(frame: &[u8], options: &KeyOptions) -> Option<Plain> {
    if options.flow_key != FlowKeyMode::FiveTuple {
        return None;
    }
    let mut rest = frame.get(12..)?;
    let mut kind = u16::from_be_bytes(*rest.first_chunk()?);
    let mut tags = 0;
    while ethertype::is_tag(kind) & (tags < MAX_VLAN_TAGS) {
        rest = rest.get(4..)?;
        kind = u16::from_be_bytes(*rest.first_chunk()?);
        tags += 1;
    }
    // Type, header, ports. `&` and `|` on purpose: one branch for all of it.
    let b = rest.first_chunk::<26>()?;
    if kind == ethertype::IPV4 {
        let fragment = u16::from_be_bytes([b[8], b[9]]) & 0x3fff;
        let protocol = b[11];
        let ports = plain_ports(protocol, u16::from_be_bytes([b[24], b[25]]));
        if !((b[2] == 0x45) & (fragment == 0) & ports) {
            return None;
        }
        let src = u64::from_be_bytes([0, 0, b[14], b[15], b[16], b[17], b[22], b[23]]);
        let dst = u64::from_be_bytes([0, 0, b[18], b[19], b[20], b[21], b[24], b[25]]);
        return Some(Plain::V4 { src, dst, protocol });
    }
    let (header, ports) = rest.split_first_chunk::<42>()?;
    let &[s0, s1, d0, d1] = ports.first_chunk()?;
    let (protocol, dst_port) = (header[8], u16::from_be_bytes([d0, d1]));
    let plain = plain_ports(protocol, dst_port);
    if !((kind == ethertype::IPV6) & (header[2] >> 4 == 6) & plain) {
        return None;
    }
    let (_, addresses) = header.split_first_chunk::<10>()?;
    let (src, dst) = addresses.split_first_chunk::<16>()?;
    let src = Endpoint { addr: u128::from_be_bytes(*src), port: u16::from_be_bytes([s0, s1]) };
    let dst = Endpoint { addr: u128::from_be_bytes(*dst.first_chunk()?), port: dst_port };
    Some(Plain::V6 { src, dst, protocol })
}

/// TCP, or UDP that is not sent to a tunnel's port.
#[inline]
fn plain_ports(proto: u8, dst_port: u16) -> bool {
    (proto == protocol::TCP) | ((proto == protocol::UDP) & !port::is_tunnel(dst_port))
}

#[inline]
fn v4_word(end: Endpoint) -> u64 {
    (low64(end.addr) & 0xffff_ffff) << 16 | u64::from(end.port)
}

#[inline]
const fn low64(x: u128) -> u64 {
    x as u64
}

#[inline]
const fn high64(x: u128) -> u64 {
    (x >> 64) as u64
}

#[inline]
const fn wide(a: u64, b: u64) -> (u64, u64) {
    let product = a as u128 * b as u128;
    (low64(product), high64(product))
}

#[inline]
const fn fold(a: u64, b: u64) -> u64 {
    let (low, high) = wide(a, b);
    low ^ high
}
