//! What a worker publishes: one coherent snapshot of all its counters, taken at a burst's border.
//!
//! The words lie behind a sequence lock ([`SnapshotBlock`]): the worker never waits, a reader that
//! meets a write in progress tries again.

use std::sync::atomic::{AtomicBool, Ordering};

use umbra_tap::snapshot::Publication;
use umbra_tap::{DirectionCounters, SnapshotBlock, TapCounters, WorkerCounters};

/// Identifies one ring for the life of the process; 0 is "none".
pub type RingId = u64;

/// How the words of a worker's snapshot are laid out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// Lanes of the worker.
    pub lanes: usize,
    /// Instance slots of each tap.
    pub taps: Vec<usize>,
}

const HEAD_WORDS: usize = 2;
const SLOT_EXTRA_WORDS: usize = 2;

impl Layout {
    fn words(&self) -> usize {
        HEAD_WORDS
            + WorkerCounters::WORDS
            + self.lanes * DirectionCounters::WORDS
            + self.taps.iter().sum::<usize>() * (TapCounters::WORDS + SLOT_EXTRA_WORDS)
    }
}

/// One instance slot of one tap as its worker sees it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SlotSnapshot {
    /// Counters over all rings that were in the slot.
    pub counters: TapCounters,
    /// The ring that is in the slot, 0 for none.
    pub ring: RingId,
    /// Records published to that ring, by the ring's own count.
    pub published_records: u64,
}

/// All counters of a worker at one burst's border.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkerSnapshot {
    /// Count of the worker's publications.
    pub sequence: u64,
    /// TSC at the publication.
    pub tsc: u64,
    /// Version of the knobs in force.
    pub knobs_version: u64,
    /// Counters of the worker itself.
    pub worker: WorkerCounters,
    /// By lane.
    pub lanes: Vec<DirectionCounters>,
    /// By tap, then by instance slot.
    pub taps: Vec<Vec<SlotSnapshot>>,
}

/// Written by one worker, read by the control side.
#[derive(Debug)]
pub struct WorkerShared {
    layout: Layout,
    /// Written by the worker.
    block: SnapshotBlock,
    /// Written by control, read by the worker in housekeeping.
    stop: AtomicBool,
    /// Written by the worker when its loop has ended.
    ended: AtomicBool,
}

impl WorkerShared {
    /// Zeroed counters for `layout`.
    pub fn new(layout: Layout) -> Self {
        WorkerShared {
            block: SnapshotBlock::new(layout.words()),
            layout,
            stop: AtomicBool::new(false),
            ended: AtomicBool::new(false),
        }
    }

    /// Asks the worker to end its loop at the next housekeeping.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Release);
    }

    /// True once asked to stop.
    #[inline]
    pub fn is_stopping(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }

    /// True once the loop has ended; the snapshot is final then.
    pub fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }

    pub(crate) fn set_ended(&self) {
        self.ended.store(true, Ordering::Release);
    }

    /// Opens a publication of all words in the order of the layout; only the worker calls it.
    pub(crate) fn publish(&self) -> Publication<'_> {
        self.block.publish()
    }

    /// Number of publications so far.
    pub fn publications(&self) -> u64 {
        self.block.sequence()
    }

    /// A coherent snapshot. Spins through a publication in progress, which is some hundred stores
    /// long; yields between tries because the writer may share the reader's core.
    pub fn snapshot(&self) -> WorkerSnapshot {
        loop {
            if let Some((number, words)) = self.block.read_numbered() {
                return self.decode(number, &words);
            }
            std::thread::yield_now();
        }
    }

    fn decode(&self, sequence: u64, words: &[u64]) -> WorkerSnapshot {
        let mut at = Words { words };
        let tsc = at.one();
        let knobs_version = at.one();
        let worker = WorkerCounters::from_words(at.take());
        let lanes =
            (0..self.layout.lanes).map(|_| DirectionCounters::from_words(at.take())).collect();
        let taps = self
            .layout
            .taps
            .iter()
            .map(|&slots| {
                (0..slots)
                    .map(|_| SlotSnapshot {
                        counters: TapCounters::from_words(at.take()),
                        ring: at.one(),
                        published_records: at.one(),
                    })
                    .collect()
            })
            .collect();
        WorkerSnapshot { sequence, tsc, knobs_version, worker, lanes, taps }
    }
}

/// The words of a snapshot, taken in order.
struct Words<'a> {
    words: &'a [u64],
}

impl Words<'_> {
    fn one(&mut self) -> u64 {
        self.take::<1>()[0]
    }

    fn take<const N: usize>(&mut self) -> [u64; N] {
        let mut out = [0; N];
        let (head, rest) = self.words.split_at(N.min(self.words.len()));
        out[..head.len()].copy_from_slice(head);
        self.words = rest;
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[test]
    fn a_snapshot_never_mixes_two_publications() {
        let layout = Layout { lanes: 2, taps: vec![1] };
        let words = layout.words();
        let shared = Arc::new(WorkerShared::new(layout));
        let writer = {
            let shared = Arc::clone(&shared);
            std::thread::spawn(move || {
                for i in 1..=20_000u64 {
                    shared.publish().put(&vec![i; words]);
                }
                shared.set_ended();
            })
        };
        let mut last = 0;
        while !shared.has_ended() {
            let s = shared.snapshot();
            assert_eq!(s.tsc, s.knobs_version);
            assert_eq!(s.tsc, s.lanes[1].rx);
            assert_eq!(s.tsc, s.taps[0][0].published_records);
            assert!(s.tsc >= last, "snapshots go forward");
            last = s.tsc;
        }
        writer.join().unwrap();
        assert_eq!(shared.snapshot().tsc, 20_000);
        assert_eq!(shared.publications(), 20_000);
    }
}
