//! The reading half of the ring.

use super::memory::Memory;
use crate::primitive::{Arc, Ordering};
use crate::record::{FirstWord, HEADER_LEN, Record, decode_header, parse_first_word, record_len};
use core::cell::Cell;
use core::marker::PhantomData;

/// The reading half: owned by one shadow instance. Send, not Sync, not Clone.
///
/// Dropping it tells the producer that nobody reads any more.
#[derive(Debug)]
#[repr(align(128))]
pub struct Consumer {
    pub(super) memory: Arc<Memory>,
    capacity: u64,
    /// End of what was handed out; at or ahead of the shared tail.
    position: u64,
    /// The producer's head when last looked at, validated.
    cached_head: u64,
    taken_records: u64,
    corrupt: bool,
    not_sync: PhantomData<Cell<()>>,
}

impl Consumer {
    pub(super) fn new(memory: Arc<Memory>) -> Self {
        Self {
            capacity: memory.capacity() as u64,
            memory,
            position: 0,
            cached_head: 0,
            taken_records: 0,
            corrupt: false,
            not_sync: PhantomData,
        }
    }

    /// Takes up to `max_records` published records. Their bytes stay in the ring, and the producer
    /// off them, until the batch is released or dropped.
    ///
    /// Every header is checked. At the first that cannot be true the ring counts as corrupt: the
    /// batch ends there and later ones are empty.
    pub fn take(&mut self, max_records: usize) -> RingBatch<'_> {
        let start = self.position;
        let first_sequence = self.taken_records;
        let mut len = 0;
        while len < max_records && !self.corrupt {
            if self.position == self.cached_head && !self.refresh_head() {
                break;
            }
            match self.check(self.position, self.cached_head) {
                Some(Step::Record { next }) => {
                    self.position = next;
                    len += 1;
                }
                Some(Step::Padding { next }) => self.position = next,
                None => self.corrupt = true,
            }
        }
        self.taken_records += len as u64;
        RingBatch { start, first_sequence, len, consumer: self }
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

    /// Bytes published and not yet handed out.
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

    /// Looks at the producer's head; true if there is more than was known.
    fn refresh_head(&mut self) -> bool {
        // Acquire: pairs with the release in `publish`; the bytes up to the head are then ours.
        let head = self.memory.producer_page().head.0.bytes.load(Ordering::Acquire);
        // `position` may be ahead of the shared tail (a batch that was leaked), never behind it, so
        // this bound is the tightest that is always true of an honest producer.
        let possible = head >= self.cached_head
            && head - self.position <= self.capacity
            && head.is_multiple_of(8);
        if possible {
            self.cached_head = head;
        } else {
            self.corrupt = true;
        }
        possible && head != self.position
    }

    /// Checks the record at `position`, which must lie between the tail and `limit`, a published head.
    #[inline]
    fn check(&self, position: u64, limit: u64) -> Option<Step> {
        let offset = self.offset(position);
        // SAFETY: positions and limits are multiples of 8 and `position < limit`, so there are 8
        // bytes, published and not released.
        let [word] = unsafe { self.memory.read_words(offset) };
        match parse_first_word(word) {
            FirstWord::Record { captured_len } => {
                let len = record_len(captured_len) as u64;
                let next = position + len;
                (next <= limit && offset as u64 + len <= self.capacity)
                    .then_some(Step::Record { next })
            }
            FirstWord::Padding => {
                let next = position + (self.capacity - offset as u64);
                (next <= limit).then_some(Step::Padding { next })
            }
            FirstWord::Invalid => None,
        }
    }

    #[inline]
    fn offset(&self, position: u64) -> usize {
        // Below the capacity, which is a usize.
        (position & (self.capacity - 1)) as usize
    }

    /// Gives everything handed out back to the producer.
    fn release(&mut self) {
        let shared = &self.memory.consumer_page().tail.0;
        shared.records.store(self.taken_records, Ordering::Relaxed);
        // Release: pairs with the producer's acquire; our reads come before its writes.
        shared.bytes.store(self.position, Ordering::Release);
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        self.memory.consumer_page().gone.0.store(1, Ordering::Release);
    }
}

/// What stands at a position.
enum Step {
    Record { next: u64 },
    Padding { next: u64 },
}

/// Records taken together. Their space is freed by [`release`](Self::release) or by dropping.
#[derive(Debug)]
#[must_use = "dropping a batch gives its records back unread"]
pub struct RingBatch<'c> {
    consumer: &'c mut Consumer,
    start: u64,
    first_sequence: u64,
    len: usize,
}

impl RingBatch<'_> {
    /// Number of records.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there was none to take.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The records in the order of their publication.
    #[must_use]
    pub fn iter(&self) -> Records<'_> {
        Records {
            consumer: self.consumer,
            position: self.start,
            sequence: self.first_sequence,
            remaining: self.len,
        }
    }

    /// Gives the space back to the producer.
    pub fn release(self) {}
}

impl Drop for RingBatch<'_> {
    fn drop(&mut self) {
        if self.consumer.position != self.start {
            self.consumer.release();
        }
    }
}

impl<'b> IntoIterator for &'b RingBatch<'_> {
    type Item = Record<'b>;
    type IntoIter = Records<'b>;

    fn into_iter(self) -> Records<'b> {
        self.iter()
    }
}

/// Iterator over a batch.
#[derive(Clone, Debug)]
pub struct Records<'b> {
    consumer: &'b Consumer,
    position: u64,
    sequence: u64,
    remaining: usize,
}

impl<'b> Iterator for Records<'b> {
    type Item = Record<'b>;

    #[inline]
    fn next(&mut self) -> Option<Record<'b>> {
        // Headers were checked when the batch was taken; they are checked again because in a mapping
        // shared with another process nothing holds them still.
        while self.remaining > 0 {
            let at = self.position;
            match self.consumer.check(at, self.consumer.position)? {
                Step::Padding { next } => self.position = next,
                Step::Record { next } => {
                    self.position = next;
                    self.remaining -= 1;
                    let sequence = self.sequence;
                    self.sequence += 1;
                    return self.read(at, (next - at) as usize, sequence);
                }
            }
        }
        None
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (0, Some(self.remaining))
    }
}

impl<'b> Records<'b> {
    /// Reads the record of `len` ring bytes at `position`.
    #[inline]
    fn read(&self, position: u64, len: usize, sequence: u64) -> Option<Record<'b>> {
        let consumer: &'b Consumer = self.consumer;
        let offset = consumer.offset(position);
        // SAFETY: `check` found a record of `len >= 32` bytes here, inside the data area, published
        // and, while the batch that `'b` borrows from lives, not released.
        let words = unsafe { consumer.memory.read_words(offset) };
        let (meta, verdict) = decode_header(words)?;
        let FirstWord::Record { captured_len } = parse_first_word(words[0]) else { return None };
        let captured_len = captured_len.min(len - HEADER_LEN);
        // SAFETY: as above, and `captured_len` ends inside the record.
        let data = unsafe { consumer.memory.bytes(offset + HEADER_LEN, captured_len) };
        Some(Record { meta, verdict, data, sequence })
    }
}
