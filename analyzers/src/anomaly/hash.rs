//! Hashes of keys: the same in every run and on every machine, because models are saved with them.

use std::hash::{BuildHasher, Hasher};

/// The finaliser of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014).
pub(super) const fn mix(mut z: u64) -> u64 {
    z = z.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A key of several numbers. The seed makes collisions hard to aim at.
#[derive(Clone, Copy, Debug)]
pub(super) struct Key(u64);

impl Key {
    pub(super) const fn new(seed: u64, what: u64) -> Self {
        Self(mix(seed ^ what.rotate_left(32)))
    }

    #[must_use]
    pub(super) const fn with(self, part: u64) -> Self {
        Self(mix(self.0.rotate_left(23) ^ part))
    }

    #[must_use]
    pub(super) const fn wide(self, part: u128) -> Self {
        self.with(part as u64).with((part >> 64) as u64)
    }

    pub(super) const fn get(self) -> u64 {
        self.0
    }
}

/// Takes keys that are hashes already as they are.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Mixed;

impl BuildHasher for Mixed {
    type Hasher = Already;

    fn build_hasher(&self) -> Already {
        Already(0)
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Already(u64);

impl Hasher for Already {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = mix(self.0 ^ u64::from(*byte));
        }
    }

    fn write_u64(&mut self, key: u64) {
        self.0 = key;
    }
}

/// Random numbers from a seed: SplitMix64.
#[derive(Clone, Copy, Debug)]
pub(super) struct Random(u64);

impl Random {
    pub(super) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) const fn next(&mut self) -> u64 {
        let value = mix(self.0);
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        value
    }

    /// From 0 up to but without 1.
    pub(super) fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// From 0 up to but without `bound`; 0 if that is 0.
    pub(super) const fn below(&mut self, bound: usize) -> usize {
        if bound == 0 { 0 } else { (self.next() % bound as u64) as usize }
    }
}
