//! How data gets into one direction's buffer, becomes final, and is freed.

use super::half::bit;
use super::{Half, StreamEvent, StreamPool, Taken, seq};

/// In one-sided connections nobody acknowledges, so a hole is given up when this many pieces came
/// behind it.
const ONE_SIDED_PATIENCE: usize = 16;

impl Half {
    /// True if more was acknowledged since the last call.
    pub(super) fn take_progress(&mut self) -> bool {
        let progressed = self.has(bit::PROGRESSED);
        self.unset(bit::PROGRESSED);
        progressed
    }

    /// Puts a segment's data into the stream.
    pub(super) fn add(
        &mut self,
        pool: &mut StreamPool,
        number: u32,
        data: &[u8],
        taken: &mut Taken,
    ) {
        if self.has(bit::GIVEN_UP) {
            // Packets speak for themselves.
            return;
        }
        if self.is_disabled() {
            taken.no_payload_inspection = true;
            return;
        }
        taken.added = true;
        let (mut from, mut rest) = (number, data);
        for index in 0..self.urgent.len() {
            let Some(urgent) = self.urgent.get(index).copied() else { break };
            let before = usize::try_from(seq::diff(urgent, from)).unwrap_or(usize::MAX);
            if let Some((part, [_, behind @ ..])) = rest.split_at_checked(before) {
                self.add_part(pool, from, part, taken);
                (from, rest) = (urgent.wrapping_add(1), behind);
            }
        }
        self.add_part(pool, from, rest, taken);
        self.account(pool);
    }

    fn add_part(&mut self, pool: &mut StreamPool, number: u32, data: &[u8], taken: &mut Taken) {
        if data.is_empty() {
            return;
        }
        let at = self.offset_of(number);
        // What lies before the beginning was never part of it.
        let before = usize::try_from(at.min(0).unsigned_abs()).unwrap_or(usize::MAX);
        let Some(data) = data.get(before..).filter(|data| !data.is_empty()) else {
            taken.events.insert(StreamEvent::SegmentBeforeBaseSeq);
            return;
        };
        let at = at.max(0).unsigned_abs();
        let Some(data) = self.within_depth(pool, at, data, taken) else { return };
        let inserted = self.buffer.insert(at, data, pool);
        let count = pool.count();
        if inserted.no_memory {
            count.memory_drops += 1;
            taken.events.insert(StreamEvent::InsertMemcap);
            taken.added = false;
        } else if inserted.no_place {
            count.hole_drops += 1;
            taken.events.insert(StreamEvent::InsertLimit);
            taken.added = false;
        } else if inserted.late {
            taken.events.insert(StreamEvent::SegmentBeforeBaseSeq);
        } else {
            count.bytes += data.len() as u64;
            count.overlaps += u64::from(inserted.overlap);
        }
        if inserted.different {
            count.overlaps_different += 1;
            if pool.config().check_overlaps && !inserted.again {
                taken.events.insert(StreamEvent::OverlapDifferentData);
            }
        }
    }

    fn within_depth<'d>(
        &mut self,
        pool: &mut StreamPool,
        at: u64,
        data: &'d [u8],
        taken: &mut Taken,
    ) -> Option<&'d [u8]> {
        let depth = pool.config().depth;
        if depth == 0 {
            return Some(data);
        }
        let end = at + data.len() as u64;
        if end > depth && !self.has(bit::DEPTH) {
            self.set(bit::DEPTH);
            pool.count().depth_reached += 1;
            taken.events.insert(StreamEvent::DepthReached);
        } else if at >= depth {
            // From here on packets speak for themselves.
            taken.added = false;
        }
        let keep = usize::try_from(depth.saturating_sub(at)).unwrap_or(usize::MAX);
        data.get(..keep.min(data.len())).filter(|data| !data.is_empty())
    }

    /// What is acknowledged becomes final. True if an application layer has to know of a gap.
    pub(super) fn settle(&mut self, pool: &mut StreamPool) -> bool {
        let mut to = self.offset_of(self.last_ack).max(0).unsigned_abs();
        if self.has(bit::EAGER) {
            to = to.max(self.buffer.in_order());
        }
        self.settle_to(pool, to)
    }

    /// As [`settle`](Self::settle) where nobody acknowledges.
    pub(super) fn settle_one_sided(&mut self, pool: &mut StreamPool) -> bool {
        let patient = self.buffer.held() < ONE_SIDED_PATIENCE && self.fin.is_none();
        let to = if patient { self.buffer.in_order() } else { self.buffer.end() };
        self.rebase_to_end();
        self.settle_to(pool, to)
    }

    pub(super) fn settle_to(&mut self, pool: &mut StreamPool, to: u64) -> bool {
        let before = self.buffer.settled();
        if to <= before {
            return false;
        }
        let (gaps, bytes) = self.buffer.settle(to, pool);
        if gaps > 0 {
            self.set(bit::GAP);
            pool.count().gaps += gaps;
            pool.count().gap_bytes += bytes;
        }
        if self.buffer.settled() > before {
            self.set(bit::PROGRESSED);
            // Nobody takes what nobody wants.
            if self.is_disabled() {
                self.buffer.clear();
            }
        }
        self.account(pool);
        gaps > 0 && !self.has(bit::NO_APP)
    }

    /// Frees what everybody has had.
    pub(super) fn free(&mut self, pool: &mut StreamPool) {
        let raw = self.raw.saturating_sub(pool.config().raw_overlap as u64);
        let keep = match (self.has(bit::NO_APP), self.has(bit::NO_RAW)) {
            (false, false) => self.app.min(raw),
            (false, true) => self.app,
            (true, false) => raw,
            (true, true) => {
                self.buffer.clear();
                self.account(pool);
                return;
            }
        };
        self.buffer.free(keep);
        self.account(pool);
    }

    /// Frees what everybody has had, also what is kept of it for windows to begin in.
    pub(super) fn squeeze(&mut self, pool: &mut StreamPool) {
        let app = if self.has(bit::NO_APP) { u64::MAX } else { self.app };
        let raw = if self.has(bit::NO_RAW) { u64::MAX } else { self.raw };
        self.buffer.squeeze(app.min(raw));
        self.account(pool);
    }

    /// Frees everything, and takes nothing from now on.
    pub(super) fn give_up(&mut self, pool: &mut StreamPool) {
        self.set(bit::GIVEN_UP);
        self.release(pool);
    }

    pub(super) fn account(&mut self, pool: &mut StreamPool) {
        let now = self.buffer.footprint();
        pool.account(self.charged, now);
        self.charged = now;
    }

    /// Gives all memory back.
    pub(super) fn release(&mut self, pool: &mut StreamPool) {
        self.bits |= bit::NO_APP | bit::NO_RAW;
        self.buffer.clear();
        self.account(pool);
    }
}
