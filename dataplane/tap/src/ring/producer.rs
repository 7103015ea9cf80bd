//! The writing half of the ring.

use super::PushError;
use super::memory::Memory;
use super::stage::{STAGE_LEN, Stage};
use crate::primitive::{Arc, Ordering};
use crate::record::{
    CONTEXT_LEN, Context, HEADER_LEN, LINE, MAX_FRAME_LEN, RecordHead, RecordMeta, VERDICT_OFFSET,
    Verdict, encode_padding, record_len,
};
use core::cell::Cell;
use core::marker::PhantomData;

/// A pushed record whose verdict can still be set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    position: u64,
    /// Where its header is in the stage, if it still is there.
    at: u32,
}

/// Room for a record, in the ring and in the stage.
#[derive(Debug)]
struct Place {
    position: u64,
    at: usize,
}

/// Records pushed one after another: where the next one goes is kept here and not in the producer, whose
/// fields the compiler must take for changed by every write into the stage. Given back on drop.
#[derive(Debug)]
pub struct Run<'p> {
    producer: &'p mut Producer,
    /// The producer's head.
    head: u64,
    /// The stage's length.
    at: usize,
    /// How far both may go without another look.
    limit: u64,
    stage_limit: usize,
    records: u64,
    context: Context,
}

impl Run<'_> {
    /// Pushes a frame that lies in one piece and is small, while context and room are as they were for the
    /// one before; `None` where that is not so, and nothing has happened.
    #[inline(always)]
    pub fn push(&mut self, record: RecordHead, snaplen: u32, frame: &[u8]) -> Option<Slot> {
        let wanted = record.frame_len.min(snaplen) as usize;
        let frame = frame.get(..wanted)?;
        let len = record_len(wanted);
        let (head, at) = (self.head, self.at);
        if wanted >= DIRECT_LEN
            || record.frame_len > MAX_FRAME_LEN
            || record.context != self.context
            || head + len as u64 > self.limit
            || at + len > self.stage_limit
        {
            return None;
        }
        self.producer.stage.write_bytes(at + HEADER_LEN, frame);
        self.producer.stage.write_words(at, record.encode(wanted, self.producer.presumed));
        self.head = head + len as u64;
        self.at = at + len;
        self.records += 1;
        #[expect(clippy::cast_possible_truncation, reason = "below STAGE_LEN")]
        Some(Slot { position: head, at: at as u32 })
    }

    /// [`Producer::push_headed`] in the middle of a run.
    ///
    /// # Errors
    ///
    /// As [`Producer::push`].
    #[inline(never)]
    pub fn push_slowly<'s>(
        &mut self,
        record: RecordHead,
        snaplen: u32,
        segments: impl Iterator<Item = &'s [u8]>,
    ) -> Result<Slot, PushError> {
        self.give_back();
        let pushed = self.producer.push_headed(record, snaplen, segments);
        self.take();
        pushed
    }

    #[inline(always)]
    fn take(&mut self) {
        self.head = self.producer.head;
        self.at = self.producer.stage.len();
        self.limit = self.producer.limit;
        self.stage_limit = self.producer.stage.limit();
        self.context = self.producer.context;
        self.records = 0;
    }

    #[inline(always)]
    fn give_back(&mut self) {
        self.producer.head = self.head;
        self.producer.stage.set_len(self.at);
        self.producer.pushed_records += self.records;
    }
}

impl Drop for Run<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        self.give_back();
    }
}

/// From here on a frame's whole lines do not go by way of the stage.
const DIRECT_LEN: usize = 256;

/// From so many bytes on a stage goes past the caches. Of fewer lines the store buffer hides the way
/// to the other core, and a fence would hold up the stores that follow.
const STREAM_LEN: usize = 512;

/// The writing half: owned by one worker. Send, not Sync, not Clone.
///
/// Dropping it publishes what was pushed and tells the consumer that nothing will follow.
///
/// ```compile_fail,E0277
/// fn shared<T: Sync>() {}
/// shared::<umbra_tap::Producer>();
/// ```
#[derive(Debug)]
#[repr(align(128))]
pub struct Producer {
    pub(super) memory: Arc<Memory>,
    capacity: u64,
    /// Most frame bytes in a record.
    largest_captured: usize,
    /// End of what was pushed; at or ahead of `published`.
    head: u64,
    /// End of what is in the ring and not in the stage: a multiple of a line.
    flushed: u64,
    /// Up to here the head may go without another look: the tail's line one lap further, or the end
    /// of this lap.
    limit: u64,
    /// End of what the consumer may see; equals the shared head.
    published: u64,
    /// The consumer's tail when last looked at; at or behind the real one.
    cached_tail: u64,
    pushed_records: u64,
    published_records: u64,
    /// The last one written. Until there is one, no room has been looked for either, which leads to
    /// where `has_context` is asked.
    context: Context,
    has_context: bool,
    /// What a record says until it is told otherwise.
    presumed: Verdict,
    /// Lines went past the caches since the last publication.
    streamed: bool,
    /// On its own, so that a producer is cheap to hand over.
    stage: Box<Stage>,
    corrupt: bool,
    not_sync: PhantomData<Cell<()>>,
}

impl Producer {
    pub(super) fn new(memory: Arc<Memory>) -> Self {
        let capacity = memory.capacity();
        Self {
            capacity: capacity as u64,
            // Half: a record that does not fit before the end costs its own length in padding, and
            // must still fit an empty ring.
            largest_captured: (capacity / 2 - HEADER_LEN - CONTEXT_LEN).min(MAX_FRAME_LEN as usize),
            memory,
            head: 0,
            flushed: 0,
            limit: 0,
            published: 0,
            cached_tail: 0,
            pushed_records: 0,
            published_records: 0,
            context: Context::default(),
            has_context: false,
            presumed: Verdict::Pending,
            streamed: false,
            stage: Stage::new(),
            corrupt: false,
            not_sync: PhantomData,
        }
    }

    /// What the records pushed from now on say of their frames unless
    /// [`set_verdict`](Self::set_verdict) says otherwise; at first [`Verdict::Pending`].
    pub fn presume(&mut self, verdict: Verdict) {
        self.presumed = verdict;
    }

    /// Begins to push several records.
    #[inline(always)]
    pub fn begin_run(&mut self) -> Run<'_> {
        let mut run = Run {
            head: 0,
            at: 0,
            limit: 0,
            stage_limit: 0,
            records: 0,
            context: self.context,
            producer: self,
        };
        run.take();
        run
    }

    /// Copies a frame in, cut at `snaplen` and at `head.frame_len`; the consumer sees it after
    /// [`publish`](Self::publish). If the segments hold less than that, so does the record.
    ///
    /// # Errors
    ///
    /// [`PushError::Full`] when there is no room, [`PushError::Oversize`] when the cut frame is longer
    /// than [`largest_record`](Self::largest_record) (or the frame than [`MAX_FRAME_LEN`]). Nothing is
    /// enqueued then.
    #[inline]
    pub fn push<'s>(
        &mut self,
        meta: &RecordMeta,
        snaplen: u32,
        segments: impl Iterator<Item = &'s [u8]>,
    ) -> Result<Slot, PushError> {
        self.push_headed(RecordHead::of(meta), snaplen, segments)
    }

    /// [`push`](Self::push) with the metadata as it is stored.
    ///
    /// # Errors
    ///
    /// As `push`.
    #[inline(always)]
    pub fn push_headed<'s>(
        &mut self,
        head: RecordHead,
        snaplen: u32,
        mut segments: impl Iterator<Item = &'s [u8]>,
    ) -> Result<Slot, PushError> {
        let wanted = head.frame_len.min(snaplen) as usize;
        if wanted > self.largest_captured || head.frame_len > MAX_FRAME_LEN {
            return Err(PushError::Oversize);
        }
        let first = segments.next().unwrap_or_default();
        if let Some(frame) = first.get(..wanted) {
            // Nearly every frame is one segment.
            if wanted < DIRECT_LEN {
                let place = self.place(head, wanted, record_len(wanted))?;
                self.stage.write_bytes(place.at + HEADER_LEN, frame);
                let end = place.at + record_len(wanted);
                return Ok(self.commit(head, &place, wanted, end));
            }
            return self.push_direct(head, frame);
        }
        self.push_segments(head, wanted, first, segments)
    }

    /// A large frame: its first and last lines by way of the stage, what is between straight from
    /// where it lies.
    #[inline(never)]
    fn push_direct(&mut self, head: RecordHead, frame: &[u8]) -> Result<Slot, PushError> {
        let place = self.place(head, frame.len(), HEADER_LEN + 2 * LINE)?;
        let start = place.at + HEADER_LEN;
        let to_line = start.next_multiple_of(LINE) - start;
        let (front, rest) = frame.split_at(to_line);
        let (lines, back) = rest.split_at(rest.len() - rest.len() % LINE);
        self.stage.write_bytes(start, front);
        let lines_at = self.offset(place.position + (HEADER_LEN + to_line) as u64);
        // SAFETY: `place` reserved the whole record in one piece; the stage and the ring are at the
        // same place of a line, so `lines_at` is a multiple of one. All is ours until published.
        unsafe { self.memory.stream_lines(lines_at, lines) };
        self.streamed = true;
        let back_at = start + to_line;
        self.stage.write_bytes(back_at, back);
        let record_end = place.position + record_len(frame.len()) as u64;
        let back_offset = self.offset(place.position + (HEADER_LEN + to_line + lines.len()) as u64);
        let slot = self.commit(head, &place, frame.len(), back_at + back.len().next_multiple_of(8));
        debug_assert_eq!(self.head, record_end);
        self.stage.begin_run(back_offset, back_at);
        Ok(slot)
    }

    /// A frame in pieces, or one that is shorter than it should be.
    #[inline(never)]
    fn push_segments<'s>(
        &mut self,
        head: RecordHead,
        wanted: usize,
        first: &'s [u8],
        segments: impl Iterator<Item = &'s [u8]>,
    ) -> Result<Slot, PushError> {
        let segments = core::iter::once(first).chain(segments);
        if record_len(wanted) > STAGE_LEN / 2 {
            return self.push_unstaged(head, wanted, segments);
        }
        let place = self.place(head, wanted, record_len(wanted))?;
        let mut captured = 0;
        for segment in segments {
            let part = &segment[..segment.len().min(wanted - captured)];
            self.stage.write_bytes(place.at + HEADER_LEN + captured, part);
            captured += part.len();
            if captured == wanted {
                break;
            }
        }
        Ok(self.commit(head, &place, captured, place.at + record_len(captured)))
    }

    /// A large frame in pieces: straight into the ring, in lines of its own.
    fn push_unstaged<'s>(
        &mut self,
        head: RecordHead,
        wanted: usize,
        segments: impl Iterator<Item = &'s [u8]>,
    ) -> Result<Slot, PushError> {
        let context = head.context;
        let context_len = self.context_len(context);
        self.flush();
        self.reserve((context_len + record_len(wanted)) as u64)?;
        // What was left before the end has become padding, in the stage.
        self.flush();
        let position = self.head + context_len as u64;
        let offset = self.offset(position);
        let mut captured = 0;
        for segment in segments {
            let part = &segment[..segment.len().min(wanted - captured)];
            // SAFETY: `reserve` found room for context and record in one piece, and
            // `captured + part.len() <= wanted`.
            unsafe { self.memory.write_bytes(offset + HEADER_LEN + captured, part) };
            captured += part.len();
            if captured == wanted {
                break;
            }
        }
        if context_len != 0 {
            // SAFETY: the context is the start of what was reserved.
            unsafe { self.memory.write_words(self.offset(self.head), context.encode()) };
        }
        // SAFETY: the header is inside of what was reserved.
        unsafe { self.memory.write_words(offset, head.encode(captured, self.presumed)) };
        let end = position + record_len(captured) as u64;
        let padding = end.next_multiple_of(LINE as u64) - end;
        if padding != 0 {
            // SAFETY: `reserve` finds room for whole lines, and the end is a multiple of 8.
            unsafe { self.memory.write_words(self.offset(end), [encode_padding(padding)]) };
        }
        self.head = end + padding;
        self.flushed = self.head;
        self.pushed_records += 1;
        self.set_context(context);
        Ok(Slot { position, at: 0 })
    }

    /// Finds room for a record with up to `captured` bytes, of which up to `staged`, header
    /// included, come into the stage; writes its context there if that has changed. Nothing is
    /// pushed until [`commit`](Self::commit).
    #[inline(always)]
    fn place(
        &mut self,
        head: RecordHead,
        captured: usize,
        staged: usize,
    ) -> Result<Place, PushError> {
        let len = record_len(captured) as u64;
        if head.context != self.context
            || self.head + len > self.limit
            || !self.stage.has_room(staged)
        {
            return self.place_slowly(head, len, staged);
        }
        Ok(Place { position: self.head, at: self.stage.len() })
    }

    /// Adds a record whose frame is where it belongs; the stage then ends at `end`.
    #[inline(always)]
    fn commit(&mut self, head: RecordHead, place: &Place, captured: usize, end: usize) -> Slot {
        self.stage.write_words(place.at, head.encode(captured, self.presumed));
        self.stage.set_len(end);
        self.head = place.position + record_len(captured) as u64;
        self.pushed_records += 1;
        #[expect(clippy::cast_possible_truncation, reason = "below STAGE_LEN")]
        Slot { position: place.position, at: place.at as u32 }
    }

    /// Once per burst, per context, per lap and per full stage.
    #[cold]
    #[inline(never)]
    fn place_slowly(
        &mut self,
        head: RecordHead,
        len: u64,
        staged: usize,
    ) -> Result<Place, PushError> {
        let context = head.context;
        let context_len = self.context_len(context);
        self.make_room(len + context_len as u64, staged + context_len)?;
        if context_len != 0 {
            // Room for the record too was found, so the context is never parted from it by the end of
            // the data area; alone it would do no harm.
            self.stage.write_words(self.stage.len(), context.encode());
            self.stage.set_len(self.stage.len() + context_len);
            self.head += context_len as u64;
            self.set_context(context);
        }
        Ok(Place { position: self.head, at: self.stage.len() })
    }

    /// Bytes of context before a record with this one.
    fn context_len(&self, context: Context) -> usize {
        if self.has_context && self.context == context { 0 } else { CONTEXT_LEN }
    }

    fn set_context(&mut self, context: Context) {
        self.context = context;
        self.has_context = true;
    }

    fn make_room(&mut self, len: u64, staged: usize) -> Result<(), PushError> {
        if !self.stage.could_have_room(staged) {
            self.flush();
        }
        self.reserve(len)?;
        let offset = self.offset(self.head);
        if self.stage.is_empty() || (offset == 0 && !self.stage.is_at_start_of_run()) {
            // The first of a burst, or what is before it ends exactly where the data area does.
            self.stage.begin_run(offset, self.stage.len());
        }
        Ok(())
    }

    /// Writes what is staged into the ring, in whole lines: what is left of the last is padding, so
    /// that no line is the consumer's in part.
    #[inline]
    fn flush(&mut self) {
        let padding = self.head.next_multiple_of(LINE as u64) - self.head;
        if padding != 0 {
            let at = self.stage.len();
            self.stage.write_words(at, [encode_padding(padding)]);
            self.stage.set_len(at + padding as usize);
            self.head += padding;
        }
        let memory = &self.memory;
        let streams = self.stage.len() >= STREAM_LEN;
        self.streamed |= streams;
        self.stage.drain(|offset, lines| {
            // SAFETY: a run's place came from the head when it was begun, and it holds only what was
            // reserved since, in whole lines and in one piece: ours until published.
            unsafe {
                if streams {
                    memory.stream_lines(offset, lines);
                } else {
                    memory.write_lines(offset, lines);
                }
            }
        });
        self.flushed = self.head;
    }

    /// States what became of a pushed frame. Only before [`publish`](Self::publish); a slot that is
    /// already published is left alone (and is a panic in a debug build).
    #[inline]
    pub fn set_verdict(&mut self, slot: Slot, verdict: Verdict) {
        let pending = (self.published..self.head).contains(&slot.position);
        debug_assert!(pending, "verdict for a record that is already published");
        if slot.position >= self.flushed && pending {
            self.stage.write_byte(slot.at as usize + VERDICT_OFFSET, verdict as u8);
        } else if pending {
            // SAFETY: from `published` to `head` all is ours; both are multiples of 8 as is the
            // slot, so the byte 3 further is inside too.
            unsafe {
                self.memory.write_byte(self.offset(slot.position) + VERDICT_OFFSET, verdict as u8);
            }
        }
    }

    /// Makes all pushed records visible with one release store.
    #[inline]
    pub fn publish(&mut self) {
        if self.head != self.published {
            self.flush();
            if self.streamed {
                self.memory.fence();
                self.streamed = false;
            }
            let shared = &self.memory.producer_page().head.0;
            shared.bytes.store(self.head, Ordering::Relaxed);
            // Release: pairs with the consumer's acquire of `records`, which then sees so many
            // records' bytes and a head that is no older.
            shared.records.store(self.pushed_records, Ordering::Release);
            self.published = self.head;
            self.published_records = self.pushed_records;
        }
    }

    /// Records published since the ring was made.
    #[must_use]
    pub fn published_records(&self) -> u64 {
        self.published_records
    }

    /// Bytes published since the ring was made, headers and padding included.
    #[must_use]
    pub fn published_bytes(&self) -> u64 {
        self.published
    }

    /// Bytes in use, unpublished ones and records in the consumer's hand included.
    #[must_use]
    pub fn occupancy_bytes(&mut self) -> usize {
        self.refresh_tail();
        (self.head - self.cached_tail) as usize
    }

    /// Size of the data area, bytes.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.capacity as usize
    }

    /// Most bytes of a frame that one record can hold: half the capacity less the headers.
    #[must_use]
    pub fn largest_record(&self) -> usize {
        self.largest_captured
    }

    /// Whether the other half was dropped.
    #[must_use]
    pub fn is_consumer_gone(&self) -> bool {
        self.memory.consumer_page().gone.0.load(Ordering::Acquire) != 0
    }

    /// Whether the consumer's index was ever impossible. The ring then counts as full for good.
    #[must_use]
    pub fn is_corrupt(&self) -> bool {
        self.corrupt
    }

    #[inline]
    fn offset(&self, position: u64) -> usize {
        // Below the capacity, which is a usize.
        (position & (self.capacity - 1)) as usize
    }

    /// Finds room for `len` bytes in one piece from the head on, `len` at most half the capacity;
    /// adds the padding that this takes.
    fn reserve(&mut self, len: u64) -> Result<(), PushError> {
        let to_end = self.capacity - (self.head & (self.capacity - 1));
        let padding = if len > to_end { to_end } else { 0 };
        let end = self.head + padding + len;
        if end > self.free_end() {
            self.refresh_tail();
            if self.corrupt || end > self.free_end() {
                return Err(PushError::Full);
            }
        }
        if padding != 0 {
            self.pad_to_end(padding);
        }
        let lap_end = (self.head | (self.capacity - 1)) + 1;
        self.limit = self.free_end().min(lap_end);
        Ok(())
    }

    /// All before is ours. The line of the tail is not; so this is a multiple of a line, and an entry
    /// that ends before it has its last line to itself.
    fn free_end(&self) -> u64 {
        self.cached_tail / LINE as u64 * LINE as u64 + self.capacity
    }

    /// The head goes to the start of the data area.
    #[cold]
    fn pad_to_end(&mut self, padding: u64) {
        if self.stage.is_empty() {
            self.stage.begin_run(self.offset(self.head), 0);
        }
        let at = self.stage.len();
        self.stage.write_words(at, [encode_padding(padding)]);
        let end = (at + 8).next_multiple_of(LINE);
        self.stage.set_len(end);
        self.head += padding;
        self.stage.begin_run(0, end);
    }

    /// Looks at the consumer's tail. One outside of what the cached one and the published head allow
    /// is no consumer's doing but a broken or hostile process's.
    #[cold]
    fn refresh_tail(&mut self) {
        // Acquire: pairs with the consumer's release; its reads of the bytes before the tail
        // happened before we write there again.
        let tail = self.memory.consumer_page().tail.0.bytes.load(Ordering::Acquire);
        if (self.cached_tail..=self.published).contains(&tail) && tail.is_multiple_of(8) {
            if !self.corrupt {
                self.cached_tail = tail;
            }
        } else {
            self.corrupt = true;
        }
    }
}

impl Drop for Producer {
    fn drop(&mut self) {
        self.publish();
        // Release: who sees the flag sees all that was published.
        self.memory.producer_page().gone.0.store(1, Ordering::Release);
    }
}
