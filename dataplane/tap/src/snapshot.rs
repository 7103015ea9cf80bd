//! Counters as a reader may see them: a seqlock over 64-bit words. The writer never waits; a reader
//! gets a copy that some single write made, or knows that it did not.
//!
//! Boehm, "Can seqlocks get along with programming language memory models?" (MSPC 2012), in the
//! variant without fences: words are stored with release and loaded with acquire. A reader that sees
//! one word of a write thereby sees the odd sequence before it, and retries. On x86 the orderings
//! cost nothing, ThreadSanitizer understands them, and no word is ever accessed other than
//! atomically, so there is no race to excuse.

use crate::primitive::{AtomicU64, Ordering, relax};

/// Attempts before a reader gives up: a write takes well under a microsecond, so this many failures
/// mean that the writer was preempted or died within one.
const READ_ATTEMPTS: usize = if cfg!(loom) { 2 } else { 1 << 10 };

/// `N` words of one writer, on cache lines of their own.
#[derive(Debug)]
#[repr(align(128))]
pub struct SnapshotCell<const N: usize> {
    sequence: AtomicU64,
    words: [AtomicU64; N],
}

impl<const N: usize> SnapshotCell<N> {
    /// All words zero, nothing written yet.
    #[must_use]
    pub fn new() -> Self {
        Self { sequence: AtomicU64::new(0), words: core::array::from_fn(|_| AtomicU64::new(0)) }
    }

    /// Publishes the words. One thread at a time may write; two would publish a mixture.
    #[inline]
    pub fn write(&self, words: &[u64; N]) {
        Publication::open(&self.sequence, &self.words).put(words);
    }

    /// The words of one write, the newest that was complete, or zeroes before the first. `None` if a
    /// write was always under way.
    #[must_use]
    pub fn read(&self) -> Option<[u64; N]> {
        self.read_numbered().map(|(_, words)| words)
    }

    /// [`read`](Self::read) with the number of the write, counted from 1.
    #[must_use]
    pub fn read_numbered(&self) -> Option<(u64, [u64; N])> {
        let mut words = [0; N];
        let number = read_words(&self.sequence, &self.words, &mut words)?;
        Some((number, words))
    }

    /// Brings `last` up to date, or leaves it as it is and says false.
    pub fn read_into(&self, last: &mut [u64; N]) -> bool {
        self.read().map(|words| *last = words).is_some()
    }

    /// Number of complete writes.
    #[must_use]
    pub fn sequence(&self) -> u64 {
        self.sequence.load(Ordering::Acquire) / 2
    }
}

impl<const N: usize> Default for SnapshotCell<N> {
    fn default() -> Self {
        Self::new()
    }
}

/// A [`SnapshotCell`] whose number of words is known at run time: all counters of one worker, whose
/// equations hold only if they are read together.
#[derive(Debug)]
#[repr(align(128))]
pub struct SnapshotBlock {
    sequence: AtomicU64,
    words: Box<[AtomicU64]>,
}

impl SnapshotBlock {
    /// `len` words, all zero, nothing written yet.
    #[must_use]
    pub fn new(len: usize) -> Self {
        Self { sequence: AtomicU64::new(0), words: (0..len).map(|_| AtomicU64::new(0)).collect() }
    }

    /// Number of words.
    #[must_use]
    pub fn len(&self) -> usize {
        self.words.len()
    }

    /// Whether there are no words.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// Opens a publication, which puts the words one after the other and closes on drop. One thread
    /// at a time may have one open; two would publish a mixture.
    #[inline]
    pub fn publish(&self) -> Publication<'_> {
        Publication::open(&self.sequence, &self.words)
    }

    /// The words of one write and its number, counted from 1 (0: zeroes before the first). `None` if
    /// a write was always under way.
    #[must_use]
    pub fn read_numbered(&self) -> Option<(u64, Vec<u64>)> {
        let mut words = vec![0; self.words.len()];
        let number = read_words(&self.sequence, &self.words, &mut words)?;
        Some((number, words))
    }

    /// Number of complete writes.
    #[must_use]
    pub fn sequence(&self) -> u64 {
        self.sequence.load(Ordering::Acquire) / 2
    }
}

/// A write that is under way.
#[derive(Debug)]
pub struct Publication<'b> {
    sequence: &'b AtomicU64,
    rest: &'b [AtomicU64],
    even: u64,
}

impl<'b> Publication<'b> {
    #[inline]
    fn open(sequence: &'b AtomicU64, words: &'b [AtomicU64]) -> Self {
        // Relaxed: only this thread writes it.
        let even = sequence.load(Ordering::Relaxed);
        sequence.store(even.wrapping_add(1), Ordering::Relaxed);
        Self { sequence, rest: words, even }
    }

    /// Puts the next words. What is beyond the end is dropped (and is a panic in a debug build);
    /// what is not reached keeps its former value.
    #[inline]
    pub fn put(&mut self, words: &[u64]) {
        debug_assert!(words.len() <= self.rest.len(), "more words than the snapshot has");
        let (now, rest) = self.rest.split_at(words.len().min(self.rest.len()));
        self.rest = rest;
        for (cell, word) in now.iter().zip(words) {
            // Release: who sees the word sees the odd sequence.
            cell.store(*word, Ordering::Release);
        }
    }
}

impl Drop for Publication<'_> {
    #[inline]
    fn drop(&mut self) {
        // Release: who sees the even sequence sees all words.
        self.sequence.store(self.even.wrapping_add(2), Ordering::Release);
    }
}

fn read_words(sequence: &AtomicU64, cells: &[AtomicU64], words: &mut [u64]) -> Option<u64> {
    for _ in 0..READ_ATTEMPTS {
        let before = sequence.load(Ordering::Acquire);
        if before.is_multiple_of(2) {
            for (cell, word) in cells.iter().zip(words.iter_mut()) {
                // Acquire: the load of the sequence below stays below, and is no older than any
                // write whose word this is.
                *word = cell.load(Ordering::Acquire);
            }
            if sequence.load(Ordering::Relaxed) == before {
                return Some(before / 2);
            }
        }
        relax();
    }
    None
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::AtomicBool;

    #[test]
    fn unwritten_cell_reads_zero() {
        let cell = SnapshotCell::<3>::new();
        assert_eq!(cell.read_numbered(), Some((0, [0; 3])));
        assert_eq!(cell.sequence(), 0);
    }

    #[test]
    fn last_write_is_read() {
        let cell = SnapshotCell::new();
        cell.write(&[1, 2]);
        cell.write(&[3, 4]);
        assert_eq!(cell.read_numbered(), Some((2, [3, 4])));
        let block = SnapshotBlock::new(2);
        {
            let mut publication = block.publish();
            publication.put(&[5]);
            assert_eq!(block.read_numbered(), None, "a write is under way");
            publication.put(&[6]);
        }
        assert_eq!(block.read_numbered(), Some((1, vec![5, 6])));
    }

    #[test]
    fn a_writer_that_died_within_a_write_yields_none_and_keeps_the_last() {
        let cell = SnapshotCell::new();
        cell.write(&[7]);
        cell.sequence.store(3, Ordering::Relaxed);
        assert_eq!(cell.read(), None);
        let mut last = [7];
        assert!(!cell.read_into(&mut last));
        assert_eq!(last, [7]);
    }

    #[test]
    fn readers_never_see_a_mixture() {
        const WORDS: usize = 16;
        let cell = Arc::new(SnapshotCell::<WORDS>::new());
        let done = Arc::new(AtomicBool::new(false));
        let readers: Vec<_> = (0..2)
            .map(|_| {
                let (cell, done) = (Arc::clone(&cell), Arc::clone(&done));
                std::thread::spawn(move || {
                    let (mut newest, mut reads) = (0, 0u64);
                    while !done.load(Ordering::Relaxed) {
                        if let Some((number, words)) = cell.read_numbered() {
                            assert!(number >= newest);
                            newest = number;
                            assert_eq!(words, [number; WORDS]);
                            reads += 1;
                        }
                    }
                    reads
                })
            })
            .collect();
        for number in 1..=200_000u64 {
            cell.write(&[number; WORDS]);
        }
        done.store(true, Ordering::Relaxed);
        for reader in readers {
            reader.join().unwrap();
        }
        assert_eq!(cell.read(), Some([200_000; WORDS]));
    }
}
