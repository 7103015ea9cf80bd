//! The block filter: which frames of a burst are not forwarded. Reached only while the block table
//! is not empty.

use umbra_tap::{FlowHasher, MatchSet, TapBatch};

/// Bits of the frames that `table` matches by flow, host or prefix.
pub fn blocked<B: TapBatch, H: FlowHasher>(batch: &B, hasher: &H, table: &MatchSet) -> u64 {
    let mut mask = 0u64;
    for i in 0..batch.len() {
        let subject = hasher.subject(&batch.frame(i));
        mask |= u64::from(table.contains(subject.hash, subject.a, subject.b)) << i;
    }
    mask
}
