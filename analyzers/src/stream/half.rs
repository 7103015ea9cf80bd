//! One direction of a connection: its numbers, and its bytes as consumers see them.

use super::StreamPool;
use super::buffer::Buffer;

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
    /// There was no memory for it.
    pub(crate) const GIVEN_UP: u16 = 1 << 9;
}

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
    /// Without what was inspected already and lies before `floor`.
    #[must_use]
    pub fn behind(self, floor: u64) -> Self {
        let cut = usize::try_from(floor.saturating_sub(self.offset)).unwrap_or(usize::MAX);
        let cut = cut.min(self.new_from);
        Self {
            bytes: self.bytes.get(cut..).unwrap_or_default(),
            offset: self.offset + cut as u64,
            new_from: self.new_from - cut,
        }
    }

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
    /// A number that certainly is of this connection, and its offset. It moves with what is
    /// acknowledged, never with what a sender claims.
    pub(super) base: (u32, u64),
    /// Where the FIN stands.
    pub(super) fin: Option<u64>,
    /// Application layers have had what lies before.
    pub(super) app: u64,
    /// Rules have.
    pub(super) raw: u64,
    pub(super) buffer: Buffer,
    /// Numbers of bytes out of band that may be sent again.
    pub(super) urgent: Vec<u32>,
    /// What the pool knows of.
    pub(super) charged: u64,
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

    /// Up to where application layers have had it.
    #[must_use]
    pub const fn taken(&self) -> u64 {
        self.app
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

    /// The most pieces that its bytes were in at some time, 1 where all came in order.
    #[must_use]
    pub fn most_pieces(&self) -> u32 {
        self.buffer.most_pieces()
    }

    /// It ended, and all before its FIN was acknowledged.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.fin.is_some_and(|fin| self.acked() >= fin)
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
}
