//! What a burst has pushed and not yet published, in memory of the worker's own.
//!
//! A line of the ring is written once and whole, when all of it is known, verdicts included. That is
//! what lets it be written past the caches: no line is fetched from the consumer's core to be changed.
//! Of large frames only the first and the last line come here.

use crate::record::LINE;

/// Bytes: a burst of [`crate::MAX_BURST`] small frames, in a quarter of a level-1 cache.
pub(super) const STAGE_LEN: usize = 8192;
/// Entries end before: two lines are kept for padding, that before the end of the data area and that
/// at the end of a burst.
const LIMIT: usize = STAGE_LEN - 2 * LINE;
/// Pieces of the ring that a stage can hold lines for.
const MAX_RUNS: usize = 72;

/// Lines that go to one place: from `start` in the stage to the next run's start.
#[derive(Clone, Copy, Debug, Default)]
struct Run {
    /// In the data area, a multiple of a line.
    offset: usize,
    /// In the stage, a multiple of a line.
    start: usize,
}

#[derive(Debug)]
#[repr(align(64))]
struct Bytes([u8; STAGE_LEN]);

#[derive(Debug)]
pub(super) struct Stage {
    bytes: Bytes,
    /// Bytes in use. Modulo a line it equals the ring's head.
    len: usize,
    /// Up to here an entry may reach. Zero when a run must be begun or the stage emptied first, so
    /// that one comparison says that all is well.
    limit: usize,
    runs: [Run; MAX_RUNS],
    run_count: usize,
}

impl Stage {
    pub(super) fn new() -> Box<Self> {
        Box::new(Stage {
            bytes: Bytes([0; STAGE_LEN]),
            len: 0,
            limit: 0,
            runs: [Run::default(); MAX_RUNS],
            run_count: 0,
        })
    }

    #[inline(always)]
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Up to where entries may reach without another look.
    #[inline(always)]
    pub(super) fn limit(&self) -> usize {
        self.limit
    }

    #[inline(always)]
    pub(super) fn is_empty(&self) -> bool {
        self.run_count == 0
    }

    /// Whether `len` bytes more can be written without another look.
    #[inline(always)]
    pub(super) fn has_room(&self, len: usize) -> bool {
        self.len + len <= self.limit
    }

    /// Whether they could be once a run is begun.
    pub(super) fn could_have_room(&self, len: usize) -> bool {
        self.len + len <= LIMIT && self.run_count + 3 <= MAX_RUNS
    }

    /// From `start` on, the stage is for the ring from `offset` on; both are multiples of a line.
    #[inline(always)]
    pub(super) fn begin_run(&mut self, offset: usize, start: usize) {
        debug_assert!(offset.is_multiple_of(LINE) && start.is_multiple_of(LINE));
        self.runs[self.run_count] = Run { offset, start };
        self.run_count += 1;
        self.limit = if self.run_count + 3 <= MAX_RUNS { LIMIT } else { 0 };
    }

    #[inline]
    pub(super) fn is_at_start_of_run(&self) -> bool {
        self.run_count != 0 && self.runs[self.run_count - 1].start == self.len
    }

    /// States how many bytes are in use.
    #[inline(always)]
    pub(super) fn set_len(&mut self, len: usize) {
        debug_assert!(len <= STAGE_LEN);
        self.len = len;
    }

    #[inline(always)]
    pub(super) fn write_words<const N: usize>(&mut self, at: usize, words: [u64; N]) {
        let target = &mut self.bytes.0[at..at + 8 * N];
        for (target, word) in target.as_chunks_mut::<8>().0.iter_mut().zip(words) {
            *target = word.to_ne_bytes();
        }
    }

    #[inline(always)]
    pub(super) fn write_byte(&mut self, at: usize, byte: u8) {
        self.bytes.0[at] = byte;
    }

    #[inline(always)]
    pub(super) fn write_bytes(&mut self, at: usize, source: &[u8]) {
        copy(&mut self.bytes.0[at..at + source.len()], source);
    }

    /// Every run: its place in the ring, its whole lines. Empties the stage.
    #[inline(always)]
    pub(super) fn drain(&mut self, mut write: impl FnMut(usize, &[u8])) {
        debug_assert!(self.len.is_multiple_of(LINE));
        let mut end = self.len;
        for run in self.runs[..self.run_count].iter().rev() {
            write(run.offset, &self.bytes.0[run.start..end]);
            end = run.start;
        }
        self.len = 0;
        self.limit = 0;
        self.run_count = 0;
    }
}

/// `memcpy` with the lengths of most frames done in place: a call costs as much as the copy.
#[inline(always)]
fn copy(target: &mut [u8], source: &[u8]) {
    /// Two blocks that overlap in the middle, for any length from one block to two. Straight from
    /// one place to the other: held in a variable between, the compiler puts them on its stack.
    #[inline(always)]
    fn ends<const N: usize>(target: &mut [u8], source: &[u8]) {
        let last = source.len() - N;
        target[..N].copy_from_slice(&source[..N]);
        target[last..last + N].copy_from_slice(&source[last..]);
    }
    match source.len() {
        32..=64 => ends::<32>(target, source),
        65..=128 => ends::<64>(target, source),
        16..=31 => ends::<16>(target, source),
        8..=15 => ends::<8>(target, source),
        _ => target.copy_from_slice(source),
    }
}
