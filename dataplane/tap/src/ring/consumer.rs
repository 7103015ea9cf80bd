//! The reading half of the ring.

use super::memory::Memory;
use crate::primitive::{Arc, Ordering};
use crate::record::{
    CONTEXT_LEN, Context, FirstWord, HEADER_LEN, LINE, Record, decode_header, parse_first_word,
    record_len,
};
use core::cell::Cell;
use core::marker::PhantomData;

/// The reading half: owned by one shadow instance. Send, not Sync, not Clone.
///
/// Dropping it tells the producer that nobody reads any more.
///
/// ```compile_fail,E0277
/// fn shared<T: Sync>() {}
/// shared::<umbra_tap::Consumer>();
/// ```
#[derive(Debug)]
#[repr(align(128))]
pub struct Consumer {
    pub(super) memory: Arc<Memory>,
    capacity: u64,
    /// Where the next batch starts, or the one in hand; equals the shared tail.
    position: u64,
    /// The last context before `position`, if there was one.
    context: Option<Context>,
    /// Records of the batch in hand, from `position` on.
    held_records: usize,
    /// The producer's head and count when last looked at, validated: `cached_head` is at or beyond
    /// the end of record `cached_records`.
    cached_head: u64,
    cached_records: u64,
    taken_records: u64,
    corrupt: bool,
    not_sync: PhantomData<Cell<()>>,
}

/// How far ahead of the reader lines are asked for, bytes. Where a record starts is known only when
/// the one before has arrived, so without it the lines would come from the other core one by one.
const AHEAD: u64 = 24 * LINE as u64;

impl Consumer {
    pub(super) fn new(memory: Arc<Memory>) -> Self {
        Self {
            capacity: memory.capacity() as u64,
            memory,
            position: 0,
            context: None,
            held_records: 0,
            cached_head: 0,
            cached_records: 0,
            taken_records: 0,
            corrupt: false,
            not_sync: PhantomData,
        }
    }

    /// Takes up to `max_records` published records. Their bytes stay in the ring, and the producer
    /// off them, until the batch is released or dropped.
    ///
    /// Every header is checked when it is reached. At the first that cannot be true the iteration
    /// ends; once that batch is given back the ring counts as corrupt, what was not delivered as not
    /// taken, and later batches are empty.
    #[inline]
    pub fn take(&mut self, max_records: usize) -> RingBatch<'_> {
        if self.held_records != 0 {
            // A batch was leaked.
            self.release(None);
        }
        let mut available = self.cached_records - self.taken_records;
        if available < max_records as u64 {
            self.refresh();
            available = self.cached_records - self.taken_records;
        }
        // What is available takes 16 bytes each in a ring of at most 2^30.
        let len = if self.corrupt { 0 } else { max_records.min(available as usize) };
        let first_sequence = self.taken_records;
        self.held_records = len;
        self.taken_records += len as u64;
        RingBatch { first_sequence, end: Cell::new(None), consumer: self }
    }

    /// Takes and drops everything published; gives the number of records. For a retired ring, whose
    /// producer is gone. Of a corrupt ring the producer's count is believed.
    pub fn discard_all(&mut self) -> u64 {
        let before = self.taken_records;
        while !self.take(usize::MAX).is_empty() {}
        if self.corrupt {
            self.taken_records = self.taken_records.max(self.published_records());
        }
        self.taken_records - before
    }

    /// Records handed out since the ring was made, discarded ones included.
    #[must_use]
    pub fn taken_records(&self) -> u64 {
        self.taken_records
    }

    /// Records that the producer has published since the ring was made.
    #[must_use]
    pub fn published_records(&self) -> u64 {
        self.memory.producer_page().head.0.records.load(Ordering::Acquire)
    }

    /// Bytes published and not yet released, headers and padding included.
    #[must_use]
    pub fn occupancy_bytes(&self) -> usize {
        let head = self.memory.producer_page().head.0.bytes.load(Ordering::Relaxed);
        head.saturating_sub(self.position).min(self.capacity) as usize
    }

    /// Size of the data area, bytes.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.capacity as usize
    }

    /// Whether the other half was dropped. What it published can still be taken: ask first, take
    /// after, and an empty batch is the end.
    #[must_use]
    pub fn is_producer_gone(&self) -> bool {
        self.memory.producer_page().gone.0.load(Ordering::Acquire) != 0
    }

    /// Whether an index or a header was impossible. Nothing more will be taken.
    #[must_use]
    pub fn is_corrupt(&self) -> bool {
        self.corrupt
    }

    /// Looks at the producer's index; one that no honest producer can have written is corruption.
    fn refresh(&mut self) {
        let shared = &self.memory.producer_page().head.0;
        // Acquire: pairs with the release in `publish`; the bytes of so many records are then ours,
        // and the head read next is no older.
        let records = shared.records.load(Ordering::Acquire);
        let head = shared.bytes.load(Ordering::Relaxed);
        let possible = head >= self.cached_head
            && head - self.position <= self.capacity
            && head.is_multiple_of(8)
            && records >= self.cached_records
            && records - self.taken_records <= (head - self.position) / HEADER_LEN as u64;
        if possible {
            self.cached_head = head;
            self.cached_records = records;
        } else {
            self.corrupt = true;
        }
    }

    /// Checks what stands at `position`, a multiple of 8 from the tail on.
    #[inline]
    fn check(&self, position: u64) -> Option<Step> {
        let limit = self.cached_head;
        if position >= limit {
            return None;
        }
        let offset = self.offset(position);
        // SAFETY: position and limit are multiples of 8, so there are 8 bytes, published and not
        // released.
        let [word] = unsafe { self.memory.read_words(offset) };
        match parse_first_word(word) {
            FirstWord::Record { captured_len } => {
                let len = record_len(captured_len) as u64;
                let next = position + len;
                (next <= limit && offset as u64 + len <= self.capacity)
                    .then_some(Step::Record { captured_len, next })
            }
            FirstWord::Context => {
                let len = CONTEXT_LEN as u64;
                if position + len > limit || offset as u64 + len > self.capacity {
                    return None;
                }
                // SAFETY: so many bytes are published and inside the data area, by the line above.
                let words = unsafe { self.memory.read_words(offset) };
                Some(Step::Context { context: Context::decode(words), next: position + len })
            }
            FirstWord::Padding { len } => {
                // Below 2^56, as the position is in practice: no overflow. At least 8, or a walk over
                // padding would not end.
                let next = position + len;
                (len >= 8
                    && len.is_multiple_of(8)
                    && next <= limit
                    && offset as u64 + len <= self.capacity)
                    .then_some(Step::Padding { next })
            }
            FirstWord::Invalid => None,
        }
    }

    /// Asks for a line that has been published. One that has not must be left alone: the producer is
    /// writing there.
    #[inline(always)]
    fn prefetch(&self, position: u64) {
        if position < self.cached_head {
            self.memory.prefetch(self.offset(position));
        }
    }

    #[inline]
    fn offset(&self, position: u64) -> usize {
        // Below the capacity, which is a usize.
        (position & (self.capacity - 1)) as usize
    }

    /// Gives the batch in hand back to the producer. `end` is where its last record ends, if the
    /// batch was iterated so far.
    fn release(&mut self, end: Option<End>) {
        match end {
            Some(end) => (self.position, self.context) = (end.position, Some(end.context)),
            None => self.walk_over_held(),
        }
        self.held_records = 0;
        if !self.position.is_multiple_of(LINE as u64)
            && let Some(Step::Padding { next }) = self.check(self.position)
        {
            // The end of a burst goes back with it, so that a ring that was read is empty.
            self.position = next;
        }
        let shared = &self.memory.consumer_page().tail.0;
        shared.records.store(self.taken_records, Ordering::Relaxed);
        // Release: pairs with the producer's acquire; our reads come before its writes.
        shared.bytes.store(self.position, Ordering::Release);
    }

    #[cold]
    fn walk_over_held(&mut self) {
        while self.held_records > 0 {
            match self.check(self.position) {
                Some(Step::Record { next, .. }) if self.context.is_some() => {
                    self.position = next;
                    self.held_records -= 1;
                }
                Some(Step::Context { context, next }) => {
                    self.context = Some(context);
                    self.position = next;
                }
                Some(Step::Padding { next }) => self.position = next,
                Some(Step::Record { .. }) | None => {
                    self.corrupt = true;
                    self.taken_records -= self.held_records as u64;
                    return;
                }
            }
        }
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        self.memory.consumer_page().gone.0.store(1, Ordering::Release);
    }
}

/// What stands at a position.
enum Step {
    Record { captured_len: usize, next: u64 },
    Context { context: Context, next: u64 },
    Padding { next: u64 },
}

/// Where a batch ends, and the context there.
#[derive(Clone, Copy, Debug)]
struct End {
    position: u64,
    context: Context,
}

/// Records taken together. Their space is freed by [`release`](Self::release) or by dropping.
#[derive(Debug)]
#[must_use = "dropping a batch gives its records back unread"]
pub struct RingBatch<'c> {
    consumer: &'c mut Consumer,
    first_sequence: u64,
    /// Where the last record ends, once an iterator has been there.
    end: Cell<Option<End>>,
}

impl RingBatch<'_> {
    /// Number of records.
    #[must_use]
    pub fn len(&self) -> usize {
        self.consumer.held_records
    }

    /// Whether there was none to take.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The records in the order of their publication.
    #[inline]
    #[must_use]
    pub fn iter(&self) -> Records<'_> {
        for ahead in (0..AHEAD).step_by(LINE) {
            self.consumer.prefetch(self.consumer.position + ahead);
        }
        Records {
            consumer: self.consumer,
            end: &self.end,
            position: self.consumer.position,
            context: self.consumer.context,
            sequence: self.first_sequence,
            remaining: self.len(),
        }
    }

    /// Gives the space back to the producer.
    pub fn release(self) {}
}

impl Drop for RingBatch<'_> {
    #[inline]
    fn drop(&mut self) {
        if !self.is_empty() {
            self.consumer.release(self.end.get());
        }
    }
}

impl<'b> IntoIterator for &'b RingBatch<'_> {
    type Item = Record<'b>;
    type IntoIter = Records<'b>;

    #[inline]
    fn into_iter(self) -> Records<'b> {
        self.iter()
    }
}

/// Iterator over a batch. It ends early only at a header that cannot be true.
#[derive(Clone, Debug)]
pub struct Records<'b> {
    consumer: &'b Consumer,
    end: &'b Cell<Option<End>>,
    position: u64,
    context: Option<Context>,
    sequence: u64,
    remaining: usize,
}

impl<'b> Iterator for Records<'b> {
    type Item = Record<'b>;

    #[inline]
    fn next(&mut self) -> Option<Record<'b>> {
        if self.remaining == 0 {
            return None;
        }
        let mut position = self.position;
        let (captured_len, next) = loop {
            match self.consumer.check(position)? {
                Step::Record { captured_len, next } => break (captured_len, next),
                Step::Context { context, next } => {
                    self.context = Some(context);
                    position = next;
                }
                Step::Padding { next } => position = next,
            }
        };
        let consumer: &'b Consumer = self.consumer;
        let offset = consumer.offset(position);
        // SAFETY: `check` found a record here, inside the data area and published; it is not released
        // while the batch that `'b` borrows from lives.
        let words = unsafe { consumer.memory.read_words(offset) };
        // A record before any context is no honest producer's.
        let context = self.context?;
        let (meta, verdict) = decode_header(words, context)?;
        // SAFETY: as above; the record has so many bytes after its header.
        let data = unsafe { consumer.memory.bytes(offset + HEADER_LEN, captured_len) };
        let sequence = self.sequence;
        consumer.prefetch(next + AHEAD);
        consumer.prefetch(next + AHEAD + LINE as u64);
        self.position = next;
        self.sequence += 1;
        self.remaining -= 1;
        if self.remaining == 0 {
            self.end.set(Some(End { position: next, context }));
        }
        Some(Record { meta, verdict, data, sequence })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (0, Some(self.remaining))
    }
}
