//! The writing half of the ring.

use super::PushError;
use super::memory::Memory;
use crate::primitive::{Arc, Ordering};
use crate::record::{
    HEADER_LEN, MAX_FRAME_LEN, PADDING_WORD, RecordMeta, VERDICT_OFFSET, Verdict, encode_header,
    record_len,
};
use core::cell::Cell;
use core::marker::PhantomData;

/// A pushed record whose verdict can still be set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    position: u64,
}

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
    /// End of what the consumer may see; equals the shared head.
    published: u64,
    /// The consumer's tail when last looked at; at or behind the real one.
    cached_tail: u64,
    pushed_records: u64,
    published_records: u64,
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
            largest_captured: (capacity / 2 - HEADER_LEN).min(MAX_FRAME_LEN as usize),
            memory,
            head: 0,
            published: 0,
            cached_tail: 0,
            pushed_records: 0,
            published_records: 0,
            corrupt: false,
            not_sync: PhantomData,
        }
    }

    /// Copies a frame in, cut at `snaplen` and at `meta.frame_len`; the consumer sees it after
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
        let wanted = meta.frame_len.min(snaplen) as usize;
        if wanted > self.largest_captured || meta.frame_len > MAX_FRAME_LEN {
            return Err(PushError::Oversize);
        }
        let position = self.reserve(record_len(wanted) as u64)?;
        let offset = self.offset(position);
        let mut captured = 0;
        for segment in segments {
            let part = &segment[..segment.len().min(wanted - captured)];
            // SAFETY: `reserve` gave us `record_len(wanted)` bytes at `offset` without a wrap, and
            // `captured + part.len() <= wanted`.
            unsafe { self.memory.write_bytes(offset + HEADER_LEN + captured, part) };
            captured += part.len();
            if captured == wanted {
                break;
            }
        }
        // SAFETY: the header's 32 bytes are the start of what `reserve` gave us.
        unsafe { self.memory.write_words(offset, encode_header(meta, captured)) };
        self.head = position + record_len(captured) as u64;
        self.pushed_records += 1;
        Ok(Slot { position })
    }

    /// States what became of a pushed frame. Only before [`publish`](Self::publish); a slot that is
    /// already published is left alone (and is a panic in a debug build).
    #[inline]
    pub fn set_verdict(&mut self, slot: Slot, verdict: Verdict) {
        let pending = (self.published..self.head).contains(&slot.position);
        debug_assert!(pending, "verdict for a record that is already published");
        if pending {
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

    /// Most bytes of a frame that one record can hold: half the capacity less the header.
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

    /// Finds room for `len` bytes in one piece, `len` at most half the capacity; writes the padding
    /// that this takes.
    #[inline]
    fn reserve(&mut self, len: u64) -> Result<u64, PushError> {
        let to_end = self.capacity - (self.head & (self.capacity - 1));
        let padding = if len > to_end { to_end } else { 0 };
        let needed = padding + len;
        if self.head - self.cached_tail + needed > self.capacity {
            self.refresh_tail();
            if self.corrupt || self.head - self.cached_tail + needed > self.capacity {
                return Err(PushError::Full);
            }
        }
        if padding != 0 {
            // SAFETY: the head is a multiple of 8 and so is the end, so there are 8 bytes at least,
            // free by the check above.
            unsafe { self.memory.write_words(self.offset(self.head), [PADDING_WORD.to_le()]) };
        }
        Ok(self.head + padding)
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
