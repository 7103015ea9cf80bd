//! `entropy`: Shannon's, in bits per byte.

use crate::ids::rule::ast::{Entropy, EntropyCompare};

pub(super) fn holds(entropy: &Entropy, bytes: &[u8]) -> bool {
    let from = usize::try_from(entropy.offset).unwrap_or(usize::MAX);
    let Some(part) = bytes.get(from..) else { return false };
    let part = match usize::try_from(entropy.bytes) {
        Ok(0) | Err(_) => part,
        Ok(len) => match part.get(..len) {
            Some(part) => part,
            None => return false,
        },
    };
    let found = of(part);
    let same = |n: f64| (found - n).abs() < f64::EPSILON;
    match entropy.compare {
        EntropyCompare::Equal(n) => same(n),
        EntropyCompare::NotEqual(n) => !same(n),
        EntropyCompare::Less(n) => found < n,
        EntropyCompare::LessOrEqual(n) => found <= n,
        EntropyCompare::Greater(n) => found > n,
        EntropyCompare::GreaterOrEqual(n) => found >= n,
        EntropyCompare::Between(low, high) => low < found && found < high,
        EntropyCompare::NotBetween(low, high) => !(low < found && found < high),
    }
}

/// 0 of nothing, 8 where all bytes are as frequent.
pub(super) fn of(bytes: &[u8]) -> f64 {
    let mut counts = [0u32; 256];
    for byte in bytes {
        if let Some(count) = counts.get_mut(usize::from(*byte)) {
            *count = count.saturating_add(1);
        }
    }
    #[expect(clippy::cast_precision_loss, reason = "buffers are far below 2^52 bytes")]
    let all = bytes.len() as f64;
    let bits = counts.iter().filter(|count| **count > 0).map(|count| {
        let share = f64::from(*count) / all;
        -share * share.log2()
    });
    bits.sum()
}
