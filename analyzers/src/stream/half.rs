//! One direction of a connection: its numbers, and its bytes as consumers see them.

use super::buffer::Buffer;
use super::segment::flag;
use super::{Segment, StreamEvent, StreamPool, Taken, seq};

pub(super) mod bit {
    /// A segment of this direction was seen.
    pub(crate) const SEEN: u16 = 1;
    /// The last segment was a keep-alive.
    pub(crate) const KEEP_ALIVE: u16 = 1 << 1;
    /// There was more than the depth.
    pub(crate) const DEPTH: u16 = 1 << 2;
    /// There was a gap.
    pub(crate) const GAP: u16 = 1 << 3;
    pub(crate) const NO_APP: u16 = 1 << 4;
    pub(crate) const NO_RAW: u16 = 1 << 5;
    /// What comes in order counts as acknowledged.
    pub(crate) const EAGER: u16 = 1 << 6;
    /// Something more is acknowledged since the last look.
    pub(crate) const PROGRESSED: u16 = 1 << 7;
    /// Its RST was signed, so that the other end may go on.
    pub(crate) const DOUBTFUL_RST: u16 = 1 << 8;
}

/// Bytes out of band that are remembered until they are acknowledged.
const MAX_URGENT: usize = 64;

/// In one-sided connections nobody acknowledges, so a hole is given up when this many pieces came
/// behind it.
const ONE_SIDED_PATIENCE: usize = 16;

/// Bytes of a stream in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    /// The next bytes, never empty.
    Data(&'a [u8]),
    /// So many bytes that will never come.
    Gap(u64),
}

/// A stretch of a stream without gaps, for rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RawWindow<'a> {
    /// The bytes.
    pub bytes: &'a [u8],
    /// Where they begin in the stream.
    pub offset: u64,
    /// Those from here on were not inspected.
    pub new_from: usize,
}

impl RawWindow<'_> {
    /// Where they end in the stream: what to tell [`Half::raw_inspected`].
    #[must_use]
    pub const fn end(&self) -> u64 {
        self.offset + self.bytes.len() as u64
    }
}

/// What one end of a connection sent.
///
/// Offsets count from 0, the first byte after the SYN, or the first that was seen.
#[derive(Debug, Default)]
pub struct Half {
    pub(super) isn: u32,
    /// Behind the furthest byte that was seen.
    pub(super) next_seq: u32,
    /// What the other end has acknowledged.
    pub(super) last_ack: u32,
    /// How much the other end takes, bytes, and up to where.
    pub(super) window: u32,
    pub(super) next_win: u32,
    /// By what the windows are shifted that the other end states.
    pub(super) wscale: u8,
    pub(super) bits: u16,
    /// The latest timestamp of this end, and when it came, seconds.
    pub(super) last_ts: u32,
    pub(super) last_ts_secs: u64,
    /// Offset that `next_seq` stands for.
    next_offset: u64,
    /// Where the FIN stands.
    fin: Option<u64>,
    /// Application layers have had what lies before.
    app: u64,
    /// Rules have.
    raw: u64,
    buffer: Buffer,
    /// Numbers of bytes out of band that may be sent again.
    urgent: Vec<u32>,
    /// What the pool knows of.
    charged: u64,
}

impl Half {
    /// Up to where the other end has acknowledged: up to there [`take`](Self::take) gives. Never
    /// beyond a hole with nothing behind it; gaps in it are definite.
    #[must_use]
    pub fn acked(&self) -> u64 {
        self.buffer.settled()
    }

    /// Gives application layers what they have not had, in order, as far as it is
    /// [acknowledged](Self::acked). `all`: also what is not, because nothing more is expected; holes
    /// are gaps then.
    pub fn take(&mut self, pool: &mut StreamPool, all: bool, f: &mut dyn FnMut(Piece<'_>)) {
        if all {
            self.finish(pool);
        }
        if self.has(bit::NO_APP) {
            return;
        }
        self.app = self.buffer.pieces(self.app, f);
        self.free(pool);
    }

    /// The next window for rules: a stretch without gaps that ends with what is
    /// [acknowledged](Self::acked) (`all`: with what came), or at a gap, and begins `overlap` bytes before
    /// what was not inspected, as far as those are kept
    /// ([`raw_overlap`](super::StreamConfig::raw_overlap)). `None` if there is nothing new. Behind a gap
    /// there is another window: ask again after [`raw_inspected`](Self::raw_inspected).
    #[must_use]
    pub fn raw(&self, all: bool, overlap: usize) -> Option<RawWindow<'_>> {
        if self.has(bit::NO_RAW) {
            return None;
        }
        let (offset, bytes) = self.buffer.window(self.raw, overlap, all)?;
        let new_from = usize::try_from(self.raw.saturating_sub(offset)).unwrap_or(bytes.len());
        Some(RawWindow { bytes, offset, new_from })
    }

    /// Rules have seen what lies before `up_to`: [`RawWindow::end`].
    pub fn raw_inspected(&mut self, pool: &mut StreamPool, up_to: u64) {
        self.raw = self.raw.max(up_to.min(self.buffer.end()));
        self.free(pool);
    }

    /// Everything that came counts as acknowledged, holes in it as gaps; so does from now on what
    /// comes in order.
    pub fn finish(&mut self, pool: &mut StreamPool) {
        self.set(bit::EAGER);
        let end = self.buffer.end();
        self.settle_to(pool, end);
    }

    /// No application layer wants the data.
    pub fn disable_app(&mut self, pool: &mut StreamPool) {
        self.set(bit::NO_APP);
        self.free(pool);
    }

    /// No rule wants the data.
    pub fn disable_raw(&mut self, pool: &mut StreamPool) {
        self.set(bit::NO_RAW);
        self.free(pool);
    }

    /// Whether nothing is kept because nobody wants it.
    #[must_use]
    pub fn is_disabled(&self) -> bool {
        self.has(bit::NO_APP) && self.has(bit::NO_RAW)
    }

    /// There was more than [`depth`](super::StreamConfig::depth); the rest is not put together.
    #[must_use]
    pub fn depth_reached(&self) -> bool {
        self.has(bit::DEPTH)
    }

    /// Sequence numbers used, for `stream_size`: of the next segment less the initial one. The SYN
    /// counts as one.
    #[must_use]
    pub fn stream_bytes(&self) -> u64 {
        u64::from(self.next_seq.wrapping_sub(self.isn))
    }

    /// Initial sequence number.
    #[must_use]
    pub fn isn(&self) -> u32 {
        self.isn
    }

    /// Number behind the furthest byte that was seen.
    #[must_use]
    pub fn next_seq(&self) -> u32 {
        self.next_seq
    }

    /// What the other end has acknowledged.
    #[must_use]
    pub fn last_ack(&self) -> u32 {
        self.last_ack
    }

    /// What the other end takes at once, bytes.
    #[must_use]
    pub fn window(&self) -> u32 {
        self.window
    }

    /// Bytes were acknowledged that were never seen.
    #[must_use]
    pub fn has_gap(&self) -> bool {
        self.has(bit::GAP)
    }

    /// A segment of this direction was seen.
    #[must_use]
    pub fn seen(&self) -> bool {
        self.has(bit::SEEN)
    }

    #[must_use]
    pub fn fin_seen(&self) -> bool {
        self.fin.is_some()
    }

    /// Bytes held.
    #[must_use]
    pub fn buffered(&self) -> usize {
        self.buffer.len()
    }

    /// Gives all memory back.
    pub(super) fn release(&mut self, pool: &mut StreamPool) {
        self.bits |= bit::NO_APP | bit::NO_RAW;
        self.buffer.clear();
        self.account(pool);
    }

    #[inline]
    pub(super) const fn has(&self, bit: u16) -> bool {
        self.bits & bit != 0
    }

    #[inline]
    pub(super) const fn set(&mut self, bit: u16) {
        self.bits |= bit;
    }

    #[inline]
    pub(super) const fn unset(&mut self, bit: u16) {
        self.bits &= !bit;
    }

    /// True if more was acknowledged since the last call.
    pub(super) fn take_progress(&mut self) -> bool {
        let progressed = self.has(bit::PROGRESSED);
        self.unset(bit::PROGRESSED);
        progressed
    }

    /// The stream begins behind a SYN of this number. What was there before is dropped.
    pub(super) fn begin(&mut self, pool: &mut StreamPool, isn: u32) {
        self.isn = isn;
        self.next_seq = isn.wrapping_add(1);
        self.last_ack = self.next_seq;
        self.next_win = self.next_seq;
        self.next_offset = 0;
        self.fin = None;
        self.urgent = Vec::new();
        self.app = 0;
        self.raw = 0;
        self.buffer = Buffer::default();
        self.account(pool);
    }

    /// Offset of a sequence number, negative before the stream.
    pub(super) fn offset_of(&self, number: u32) -> i64 {
        let behind = self.urgent.iter().filter(|urgent| seq::ge(**urgent, number)).count();
        self.next_offset.cast_signed()
            + i64::from(seq::diff(number, self.next_seq))
            + i64::try_from(behind).unwrap_or(0)
    }

    /// Something was seen up to `number`. False if that is not new.
    pub(super) fn advance(&mut self, number: u32) -> bool {
        let behind = seq::diff(number, self.next_seq);
        if behind > 0 {
            self.next_seq = number;
            self.next_offset += u64::from(behind.unsigned_abs());
        }
        behind > 0
    }

    /// The stream ends at `number`, whatever was seen behind it.
    pub(super) fn end_at(&mut self, number: u32) {
        if let Ok(offset) = u64::try_from(self.offset_of(number)) {
            self.next_seq = number;
            self.next_offset = offset;
        }
    }

    /// The other end acknowledged up to `number`.
    pub(super) fn acknowledge(&mut self, number: u32) {
        if seq::gt(number, self.last_ack) {
            self.last_ack = number;
        }
    }

    /// What a segment of the other end says of this half. Less room without anything acknowledged
    /// is not believed (RFC 9293 section 3.8.6: windows should not shrink).
    pub(super) fn answer(&mut self, segment: &Segment<'_>) {
        let window = u32::from(segment.window) << self.wscale;
        let says_nothing = segment.payload.is_empty() && segment.ack == self.last_ack;
        if segment.has(flag::ACK) {
            self.acknowledge(segment.ack);
        }
        if window >= self.window || !says_nothing {
            self.open_window(window);
        }
    }

    /// The other end takes `window` bytes behind what it acknowledged.
    pub(super) fn open_window(&mut self, window: u32) {
        self.window = window;
        let end = self.last_ack.wrapping_add(window);
        if seq::gt(end, self.next_win) {
            self.next_win = end;
        }
    }

    /// Whether nothing before this number is kept any more.
    pub(super) fn is_gone(&self, number: u32) -> bool {
        self.offset_of(number) <= self.buffer.begin().cast_signed()
    }

    /// The other end acknowledged the FIN.
    pub(super) fn fin_acked(&self) -> bool {
        self.fin.is_some_and(|fin| {
            u64::try_from(self.offset_of(self.last_ack)).is_ok_and(|acked| acked > fin)
        })
    }

    pub(super) fn note_fin(&mut self, number: u32) {
        let at = self.offset_of(number);
        if self.fin.is_none() {
            self.fin = u64::try_from(at).ok();
        }
    }

    /// The byte of this number is out of band: offsets go on as if it were not there.
    pub(super) fn note_urgent(&mut self, number: u32, taken: &mut Taken) {
        self.urgent.retain(|known| seq::ge(*known, self.last_ack));
        if self.urgent.len() >= MAX_URGENT {
            taken.events.insert(StreamEvent::UrgentOobLimit);
            return;
        }
        self.urgent.push(number);
        self.next_offset = self.next_offset.saturating_sub(1);
    }

    /// Puts a segment's data into the stream.
    pub(super) fn add(
        &mut self,
        pool: &mut StreamPool,
        number: u32,
        data: &[u8],
        taken: &mut Taken,
    ) {
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
        }
        if self.has(bit::DEPTH) {
            taken.events.insert(StreamEvent::DepthReached);
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
        self.settle_to(pool, to)
    }

    fn settle_to(&mut self, pool: &mut StreamPool, to: u64) -> bool {
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
    fn free(&mut self, pool: &mut StreamPool) {
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

    fn account(&mut self, pool: &mut StreamPool) {
        let now = self.buffer.footprint();
        pool.account(self.charged, now);
        self.charged = now;
    }
}
