//! Packet mode: how many frames to let pass before the next selected one.
//!
//! The gaps between the selected of a Bernoulli(p) sample are geometric: P(G = k) = qᵏp, q = 1 − p.
//! Written in base 64, G's digits are independent, because qᵏ is a product over them: digit j has
//! P(d) ∝ (q^64ʲ)ᵈ, 0 ≤ d < 64. So one small alias table per digit (Walker 1977, in Vose's
//! construction of 1991) draws G with one random word and one table word per digit, no logarithm and
//! no rejection. Each alias threshold has 58 bits, so the draw is as exact as the `f64` arithmetic
//! that built the table.
//!
//! The distribution has no memory, so on a change of p the remaining gap may be drawn anew without
//! bias, and a gap is carried from burst to burst as it is.

use crate::percentage::Percentage;
use std::hash::BuildHasher;
use std::sync::Arc;

const DIGIT_BITS: u32 = 6;
const BASE: usize = 1 << DIGIT_BITS;
const DIGIT_MASK: u64 = BASE as u64 - 1;
/// Digits whose chance of not being 0 is below e⁻⁴⁵ (about 2⁻⁶⁵) are left out.
const NEGLIGIBLE: f64 = 45.0;
/// A gap that no appliance outlives.
const NEVER: u64 = u64::MAX / 2;

/// Cell i of a digit's table: threshold in the upper 58 bits, alias in the lower 6.
type Digit = [u64; BASE];

/// The draw for one percentage: up to 6 tables of 512 bytes. It takes some microseconds to build, so
/// control builds it and workers share it.
#[derive(Clone, Debug)]
pub struct GeometricTable {
    percentage: Percentage,
    digits: Vec<Digit>,
}

impl GeometricTable {
    /// Builds the tables.
    #[must_use]
    pub fn new(percentage: Percentage) -> Self {
        let mut digits = Vec::new();
        if !percentage.is_zero() && !percentage.is_full() {
            // −ln(q^64ʲ), without rounding 1 − p first.
            let mut decay = -(-percentage.fraction()).ln_1p();
            while decay < NEGLIGIBLE {
                digits.push(digit_table(decay));
                decay *= BASE as f64;
            }
            if digits.is_empty() {
                digits.push(digit_table(decay));
            }
        }
        Self { percentage, digits }
    }

    /// What the table draws for.
    #[must_use]
    pub fn percentage(&self) -> Percentage {
        self.percentage
    }

    /// Number of frames before the next selected one.
    #[inline]
    fn draw(&self, random: &mut Xoshiro256) -> u64 {
        if self.percentage.is_zero() {
            return NEVER;
        }
        let mut gap = 0;
        let mut shift = 0;
        for digit in &self.digits {
            let word = random.next();
            let cell = word & DIGIT_MASK;
            let entry = digit[cell as usize];
            let value =
                if word >> DIGIT_BITS < entry >> DIGIT_BITS { cell } else { entry & DIGIT_MASK };
            gap |= value << shift;
            shift += DIGIT_BITS;
        }
        gap
    }
}

/// The alias table of P(d) ∝ exp(−decay · d).
fn digit_table(decay: f64) -> Digit {
    // (1 − r) / (1 − r^64), r = exp(−decay); expm1 keeps it exact for r near 1.
    let first = (-decay).exp_m1() / (-decay * BASE as f64).exp_m1();
    let mut scaled: [f64; BASE] =
        core::array::from_fn(|d| (-decay * d as f64).exp() * first * BASE as f64);
    // A cell that is never topped up is its own alias: either outcome of the comparison gives it.
    let mut table: Digit = core::array::from_fn(|cell| cell as u64);
    let (mut small, mut large): (Vec<usize>, Vec<usize>) =
        (0..BASE).partition(|&cell| scaled[cell] < 1.0);
    while let (Some(&poor), Some(&rich)) = (small.last(), large.last()) {
        small.pop();
        // Below 2^58, as scaled[poor] < 1.
        let threshold = (scaled[poor] * (1u64 << (64 - DIGIT_BITS)) as f64) as u64;
        table[poor] = threshold << DIGIT_BITS | rich as u64;
        scaled[rich] -= 1.0 - scaled[poor];
        if scaled[rich] < 1.0 {
            large.pop();
            small.push(rich);
        }
    }
    table
}

/// The sampler of packet mode: the running gap of one worker.
#[derive(Clone, Debug)]
pub struct GeometricSkip {
    table: Arc<GeometricTable>,
    random: Xoshiro256,
    /// Frames to let pass before the next selected one.
    remaining: u64,
}

impl GeometricSkip {
    /// A sampler whose choices `seed` decides.
    #[must_use]
    pub fn new(percentage: Percentage, seed: u64) -> Self {
        Self::with_table(Arc::new(GeometricTable::new(percentage)), seed)
    }

    /// A sampler over a table that others share.
    #[must_use]
    pub fn with_table(table: Arc<GeometricTable>, seed: u64) -> Self {
        let mut random = Xoshiro256::new(seed);
        let remaining = table.draw(&mut random);
        Self { table, random, remaining }
    }

    /// A sampler seeded by the operating system.
    #[must_use]
    pub fn from_entropy(percentage: Percentage) -> Self {
        // The standard library's map keys are the one source of entropy it has.
        Self::new(percentage, std::hash::RandomState::new().hash_one(0))
    }

    /// What is sampled now.
    #[must_use]
    pub fn percentage(&self) -> Percentage {
        self.table.percentage
    }

    /// Samples another share from the next frame on. Builds a table; on the packet path use
    /// [`set_table`](Self::set_table).
    pub fn set_percentage(&mut self, percentage: Percentage) {
        self.set_table(Arc::new(GeometricTable::new(percentage)));
    }

    /// Samples by another table from the next frame on. The gap is drawn anew, which is exact because
    /// the old one has no memory.
    pub fn set_table(&mut self, table: Arc<GeometricTable>) {
        self.remaining = table.draw(&mut self.random);
        self.table = table;
    }

    /// Lets a burst of `burst_len` frames pass if none of them is to be selected; false leaves all as
    /// it was.
    #[inline(always)]
    pub fn pass(&mut self, burst_len: usize) -> bool {
        match self.remaining.checked_sub(burst_len as u64) {
            Some(remaining) => {
                self.remaining = remaining;
                true
            }
            None => false,
        }
    }

    /// Lets a burst of `burst_len` frames pass and gives the offset of each selected one to
    /// `selected`, rising. If none is selected the whole costs a comparison and a subtraction.
    #[inline]
    pub fn advance(&mut self, burst_len: usize, mut selected: impl FnMut(usize)) {
        let burst_len = burst_len as u64;
        while self.remaining < burst_len {
            // Below the burst's length, which was a usize.
            selected(self.remaining as usize);
            self.remaining += 1 + self.table.draw(&mut self.random);
        }
        self.remaining -= burst_len;
    }
}

/// xoshiro256++ 1.0 by Blackman and Vigna, "Scrambled linear pseudorandom number generators" (2021),
/// seeded by SplitMix64 as its authors advise. The algorithms are in the public domain.
#[derive(Clone, Debug)]
pub(super) struct Xoshiro256([u64; 4]);

impl Xoshiro256 {
    pub(super) fn new(seed: u64) -> Self {
        let mut state = seed;
        Self(core::array::from_fn(|_| {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut word = state;
            word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            word ^ (word >> 31)
        }))
    }

    #[inline]
    pub(super) fn next(&mut self) -> u64 {
        let [a, b, c, d] = &mut self.0;
        let result = a.wrapping_add(*d).rotate_left(23).wrapping_add(*a);
        let shifted = *b << 17;
        *c ^= *a;
        *d ^= *b;
        *b ^= *c;
        *a ^= *d;
        *c ^= shifted;
        *d = d.rotate_left(45);
        result
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
