//! Flow hashes of frames for the tap and the filters: `umbra-wire`'s key behind `umbra-tap`'s trait.

use umbra_tap::{FlowHasher, FlowThreshold, MAX_BURST, Subject, TapBatch, TapFrame};
use umbra_wire::{KeyOptions, SymmetricHash};

/// Hashes frames with a secret seed that all workers of the process share, so that both directions
/// of a flow agree wherever they are received.
#[derive(Debug, Clone)]
pub struct WireHasher {
    hash: SymmetricHash,
    options: KeyOptions,
    /// Spreads a NIC's 32 bits, with a key that may be known, over 64.
    rss_secret: u64,
}

impl WireHasher {
    /// A hasher over `hash` with the key that `options` describe.
    pub fn new(hash: SymmetricHash, options: KeyOptions) -> Self {
        WireHasher { hash, options, rss_secret: hash.host(0) }
    }

    /// The hasher with another key.
    pub fn with_options(&self, options: KeyOptions) -> Self {
        WireHasher::new(self.hash, options)
    }
}

impl FlowHasher for WireHasher {
    #[inline]
    fn flow<F: TapFrame>(&self, frame: &F) -> u64 {
        match frame.nic_hash() {
            Some(hash) => umbra_tap::spread_rss_hash(hash, self.rss_secret),
            None => self.hash.frame(frame.head(), &self.options),
        }
    }

    #[inline]
    fn select<B: TapBatch>(
        &self,
        frames: &B,
        threshold: FlowThreshold,
        hashes: &mut [u64; MAX_BURST],
    ) -> u64 {
        let len = frames.len();
        if frames.may_have_nic_hash() {
            let mut rss = [0u32; MAX_BURST];
            return if frames.nic_hashes(&mut rss) {
                threshold.select_rss(&rss, len, self.rss_secret, hashes)
            } else {
                // Some have it, some have not.
                umbra_tap::tap::select_one_by_one(self, frames, threshold, hashes)
            };
        }
        frames.prefetch_heads();
        self.hash.burst_below(len, |i| frames.head(i), &self.options, threshold.raw(), hashes)
    }

    fn subject<F: TapFrame>(&self, frame: &F) -> Subject {
        let subject = self.hash.subject(frame.head(), &self.options);
        Subject { hash: self.flow(frame), a: subject.a, b: subject.b }
    }

    #[inline]
    fn host(&self, address: u128) -> u64 {
        self.hash.host(address)
    }
}
