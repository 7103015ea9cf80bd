//! What the control side tells a worker, and how: a version number that the worker compares in
//! housekeeping, behind it one immutable value that is swapped as a whole.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;
use umbra_tap::{MatchSet, TapSettings};

use crate::clock::TscClock;
use crate::hashing::WireHasher;

/// Settings of one tap (one appliance) on a worker.
#[derive(Debug, Clone)]
pub struct TapKnobs {
    /// Sampler and distribution.
    pub settings: TapSettings,
    /// What a flow is.
    pub hasher: WireHasher,
}

/// Everything that may change while a worker runs, but for rings and queues, which are moved.
#[derive(Debug, Clone)]
pub struct Knobs {
    /// By tap index.
    pub taps: Vec<TapKnobs>,
    /// Frames that match are not forwarded.
    pub block: Arc<MatchSet>,
    /// What a flow is to the block filter, on lanes that no tap sees.
    pub hasher: WireHasher,
    /// TSC to wall clock.
    pub clock: TscClock,
}

/// The board on which the control side puts knobs up and workers read them.
#[derive(Debug)]
pub struct KnobBoard {
    version: AtomicU64,
    current: ArcSwap<Knobs>,
}

impl KnobBoard {
    /// A board with its first knobs, version 1.
    pub fn new(knobs: Knobs) -> Arc<Self> {
        Arc::new(KnobBoard { version: AtomicU64::new(1), current: ArcSwap::from_pointee(knobs) })
    }

    /// Puts up new knobs. Control side only; returns their version and the knobs that they replace.
    ///
    /// The caller keeps the replaced knobs until every worker has reported the new version, so that
    /// a worker never frees a large block table.
    pub fn publish(&self, knobs: Knobs) -> (u64, Arc<Knobs>) {
        let old = self.current.swap(Arc::new(knobs));
        (self.version.fetch_add(1, Ordering::Release) + 1, old)
    }

    /// Version of the knobs that are up.
    #[inline]
    pub fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// The knobs that are up.
    pub fn load(&self) -> Arc<Knobs> {
        self.current.load_full()
    }
}
