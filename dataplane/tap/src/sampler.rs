//! Which frames are copied.
//!
//! A 64-bit keyed flow hash is read in two halves: the upper 32 bits against the threshold
//! ([`FlowThreshold`]), the lower 32 to choose the instance ([`shard`]), so that what is selected says
//! nothing about where it goes. In packet mode a geometric skip ([`GeometricSkip`]) chooses.

mod skip;

pub use skip::{GeometricSkip, GeometricTable};

use crate::percentage::Percentage;
use crate::tap::MAX_BURST;
use serde::{Deserialize, Serialize};

/// By what the sampler chooses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Select {
    /// Whole flows, both directions together.
    #[default]
    Flow,
    /// Whole hosts: by the lower-hashing of the two addresses.
    Host,
    /// Packets, each for itself.
    Packet,
}

impl Select {
    /// The name in manifests and JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Select::Flow => "flow",
            Select::Host => "host",
            Select::Packet => "packet",
        }
    }
}

/// The instance, below `instances`, that a flow belongs to. Reads only the hash's lower 32 bits
/// (Lemire's multiply-shift reduction); 0 if there are no instances.
#[inline]
#[must_use]
pub const fn shard(flow_hash: u64, instances: usize) -> usize {
    debug_assert!(instances as u64 <= 1 << 32);
    // Below `instances`, so it fits.
    (((flow_hash & 0xffff_ffff) * instances as u64) >> 32) as usize
}

/// A 64-bit flow hash from a NIC's 32-bit RSS hash. A Toeplitz hash is linear in its input, so its
/// upper and lower bits cannot be used as independent. Each half of the result is a permutation of
/// all 32 bits under its own half of a secret: no two RSS hashes meet, and 32-bit multiplications
/// are what vector units have.
#[inline]
#[must_use]
pub const fn spread_rss_hash(rss_hash: u32, secret: u64) -> u64 {
    (spread_high(rss_hash, secret) as u64) << 32 | spread_low(rss_hash, secret) as u64
}

/// The half that the threshold reads.
#[inline(always)]
const fn spread_high(rss_hash: u32, secret: u64) -> u32 {
    finalise(rss_hash ^ (secret >> 32) as u32)
}

/// The half that the shards read: another secret, so another permutation.
#[inline(always)]
const fn spread_low(rss_hash: u32, secret: u64) -> u32 {
    finalise(rss_hash.rotate_left(16).wrapping_add(secret as u32))
}

/// MurmurHash3's finaliser for 32 bits (Appleby, public domain): every input bit flips every output
/// bit with a chance near one half.
#[inline(always)]
const fn finalise(mut hash: u32) -> u32 {
    hash = (hash ^ (hash >> 16)).wrapping_mul(0x85eb_ca6b);
    hash = (hash ^ (hash >> 13)).wrapping_mul(0xc2b2_ae35);
    hash ^ (hash >> 16)
}

/// Selects a hash if its upper 32 bits are below the threshold, 0 to 2³². A smaller percentage's
/// selection is a subset of a larger one's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct FlowThreshold(u64);

impl FlowThreshold {
    /// Selects nothing.
    pub const NONE: Self = Self(0);
    /// Selects everything.
    pub const ALL: Self = Self(1 << 32);

    /// The threshold for host mode, where a pair of hosts is selected if the smaller of their hashes
    /// is: q = 1 − √(1 − p). For two independent hashes P(min < q) = 1 − (1 − q)² = p, so the
    /// expected share of pairs is p. The share of hosts selected for themselves, all of whose traffic
    /// is then seen, is q, about p/2 for small p.
    #[must_use]
    pub fn for_hosts(percentage: Percentage) -> Self {
        let p = percentage.fraction();
        // p / (1 + √(1 − p)) is the same without the cancellation at small p.
        Self::from_fraction(p / (1.0 + (1.0 - p).sqrt()))
    }

    /// Whether a flow is selected.
    #[inline]
    #[must_use]
    pub const fn selects(self, flow_hash: u64) -> bool {
        (flow_hash >> 32) < self.0
    }

    /// Bit `i` for each of the first `len` hashes of a NIC that is selected once spread by
    /// [`spread_rss_hash`]. Only the half that the threshold reads is computed for all of them, eight at a
    /// time and without a branch, so that it is done in vector registers; `hashes` is filled for the
    /// selected.
    #[inline]
    pub fn select_rss(
        self,
        rss: &[u32; MAX_BURST],
        len: usize,
        secret: u64,
        hashes: &mut [u64; MAX_BURST],
    ) -> u64 {
        if self.0 == 0 || len == 0 {
            return 0;
        }
        // 1 to 2^32, so it fits when one less.
        let highest = (self.0 - 1) as u32;
        let mut selected = 0u64;
        for (at, eight) in rss.as_chunks::<8>().0.iter().enumerate().take(len.div_ceil(8)) {
            let taken = eight.map(|rss| u8::from(spread_high(rss, secret) <= highest));
            // Gathers the lowest bits: the multiplication moves that of byte k to bit 56 + k.
            let bits = u64::from_le_bytes(taken).wrapping_mul(0x0102_0408_1020_4080) >> 56;
            selected |= bits << (8 * at);
        }
        // What lies beyond the burst is no frame.
        selected &= u64::MAX >> (MAX_BURST - len);
        let mut rest = selected;
        while rest != 0 {
            let i = rest.trailing_zeros() as usize;
            rest &= rest - 1;
            hashes[i] = spread_rss_hash(rss[i], secret);
        }
        selected
    }

    /// Whether a pair of hosts is selected, by the lower of their hashes.
    #[inline]
    #[must_use]
    pub const fn selects_hosts(self, a_hash: u64, b_hash: u64) -> bool {
        self.selects(if a_hash < b_hash { a_hash } else { b_hash })
    }

    /// 0 to 2³².
    #[must_use]
    pub const fn raw(self) -> u64 {
        self.0
    }

    fn from_fraction(fraction: f64) -> Self {
        // Exact at both ends: 0 gives 0 and 1 gives 2^32.
        Self((fraction * (1u64 << 32) as f64).round() as u64)
    }
}

impl From<Percentage> for FlowThreshold {
    fn from(percentage: Percentage) -> Self {
        Self::from_fraction(percentage.fraction())
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::skip::Xoshiro256;
    use super::*;
    use proptest::prelude::*;

    fn percent(value: f64) -> Percentage {
        Percentage::try_from(value).unwrap()
    }

    /// The measured share lies within 3σ of the binomial's.
    fn assert_share(selected: u64, of: u64, p: f64) {
        let (n, expected) = (of as f64, of as f64 * p);
        let sigma = (n * p * (1.0 - p)).sqrt();
        assert!((selected as f64 - expected).abs() <= 3.0 * sigma, "{selected} of {of} for {p}");
    }

    #[test]
    fn full_selects_all_hashes_and_zero_none() {
        for hash in [0, 1, 1 << 32, u64::from(u32::MAX), u64::MAX] {
            assert!(Percentage::FULL.threshold().selects(hash));
            assert!(FlowThreshold::for_hosts(Percentage::FULL).selects(hash));
            assert!(!Percentage::ZERO.threshold().selects(hash));
            assert!(!FlowThreshold::for_hosts(Percentage::ZERO).selects(hash));
        }
    }

    #[test]
    fn measured_share_of_flows_is_within_three_sigma() {
        for value in [0.01, 1.0, 12.5, 37.5, 50.0, 99.0] {
            let threshold = percent(value).threshold();
            let mut random = Xoshiro256::new(2026);
            let flows = 1_000_000;
            let selected = (0..flows).filter(|_| threshold.selects(random.next())).count() as u64;
            assert_share(selected, flows, value / 100.0);
        }
    }

    #[test]
    fn measured_share_of_host_pairs_is_within_three_sigma() {
        for value in [0.1, 1.0, 12.5, 50.0, 99.0] {
            let threshold = FlowThreshold::for_hosts(percent(value));
            let mut random = Xoshiro256::new(11);
            let pairs = 1_000_000;
            let selected = (0..pairs)
                .filter(|_| threshold.selects_hosts(random.next(), random.next()))
                .count() as u64;
            assert_share(selected, pairs, value / 100.0);
        }
    }

    #[test]
    fn a_selected_host_brings_its_whole_traffic() {
        let threshold = FlowThreshold::for_hosts(percent(5.0));
        let mut random = Xoshiro256::new(5);
        let scanner = 0;
        for _ in 0..1000 {
            let target = random.next();
            assert!(threshold.selects_hosts(scanner, target));
            assert!(threshold.selects_hosts(target, scanner));
        }
    }

    proptest! {
        #[test]
        fn hashes_of_a_nic_are_selected_together_as_one_by_one(
            rss in proptest::collection::vec(any::<u32>(), MAX_BURST),
            len in 0..=MAX_BURST,
            secret: u64,
            ppb in prop_oneof![0u32..=1_000_000_000, Just(0), Just(1_000_000_000)],
        ) {
            let threshold = Percentage::from_ppb(ppb).unwrap().threshold();
            let rss: [u32; MAX_BURST] = rss.try_into().unwrap();
            let mut hashes = [0; MAX_BURST];
            let selected = threshold.select_rss(&rss, len, secret, &mut hashes);
            for i in 0..MAX_BURST {
                let hash = spread_rss_hash(rss[i], secret);
                let wanted = i < len && threshold.selects(hash);
                prop_assert_eq!(selected >> i & 1 == 1, wanted, "frame {}", i);
                prop_assert!(!wanted || hashes[i] == hash);
            }
        }

        #[test]
        fn smaller_percentages_are_subsets(a in 0u32..=1_000_000_000, b in 0u32..=1_000_000_000, x: u64, y: u64) {
            let small = Percentage::from_ppb(a.min(b)).unwrap();
            let large = Percentage::from_ppb(a.max(b)).unwrap();
            prop_assert!(!small.threshold().selects(x) || large.threshold().selects(x));
            let (small, large) = (FlowThreshold::for_hosts(small), FlowThreshold::for_hosts(large));
            prop_assert!(!small.selects_hosts(x, y) || large.selects_hosts(x, y));
            prop_assert_eq!(large.selects_hosts(x, y), large.selects_hosts(y, x));
        }

        #[test]
        fn shard_is_in_range_and_ignores_the_selecting_bits(hash: u64, upper: u32, instances in 1usize..65536) {
            let instance = shard(hash, instances);
            prop_assert!(instance < instances);
            let elsewhere = u64::from(upper) << 32 | hash & 0xffff_ffff;
            prop_assert_eq!(shard(elsewhere, instances), instance);
        }
    }

    #[test]
    fn the_finest_steps_are_distinct() {
        let step = |ppb| Percentage::from_ppb(ppb).unwrap().threshold().raw();
        assert_eq!(step(1_000), 4295, "0.0001 %");
        assert_eq!(step(2_000), 8590, "0.0002 %");
    }

    #[test]
    fn shards_of_the_selected_are_balanced_even_from_sequential_rss_hashes() {
        let threshold = percent(10.0).threshold();
        for instances in [2usize, 3, 8] {
            let mut counts = vec![0u64; instances];
            for rss in 0..1_000_000 {
                let hash = spread_rss_hash(rss, 0x5eed);
                if threshold.selects(hash) {
                    counts[shard(hash, instances)] += 1;
                }
            }
            let total: u64 = counts.iter().sum();
            assert_share(total, 1_000_000, 0.1);
            for count in counts {
                assert_share(count, total, 1.0 / instances as f64);
            }
        }
    }
}
