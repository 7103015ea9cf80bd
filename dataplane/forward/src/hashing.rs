//! Flow hashes of frames for the tap and the filters: `umbra-wire`'s key behind `umbra-tap`'s trait.

use umbra_tap::{FlowHasher, Subject, TapFrame};
use umbra_wire::{KeyOptions, SymmetricHash};

/// Hashes frames with a secret seed that all workers of the process share, so that both directions
/// of a flow agree wherever they are received.
#[derive(Debug, Clone)]
pub struct WireHasher {
    hash: SymmetricHash,
    options: KeyOptions,
}

impl WireHasher {
    /// A hasher over `hash` with the key that `options` describe.
    pub fn new(hash: SymmetricHash, options: KeyOptions) -> Self {
        WireHasher { hash, options }
    }

    /// The hasher with another key.
    pub fn with_options(&self, options: KeyOptions) -> Self {
        WireHasher { hash: self.hash, options }
    }
}

impl FlowHasher for WireHasher {
    #[inline]
    fn flow<F: TapFrame>(&self, frame: &F) -> u64 {
        match frame.nic_hash() {
            // 32 bits with a key that may be known: spread over 64 with the secret.
            Some(hash) => umbra_tap::spread_rss_hash(hash, self.hash.host(0)),
            None => self.hash.frame(frame.head(), &self.options),
        }
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
