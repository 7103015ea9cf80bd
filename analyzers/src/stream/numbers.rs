//! Sequence numbers, windows and offsets of one direction.

use super::buffer::Buffer;
use super::segment::flag;
use super::{Half, Segment, StreamEvent, StreamPool, Taken, UrgentPolicy, seq};

/// Bytes out of band that are remembered until they are acknowledged.
const MAX_URGENT: usize = 64;

impl Half {
    /// The stream begins behind a SYN of this number. What was there before is dropped.
    pub(super) fn begin(&mut self, pool: &mut StreamPool, isn: u32) {
        self.isn = isn;
        self.next_seq = isn.wrapping_add(1);
        self.last_ack = self.next_seq;
        self.next_win = self.next_seq;
        self.base = (self.next_seq, 0);
        self.fin = None;
        self.urgent = Vec::new();
        self.app = 0;
        self.raw = 0;
        self.buffer = Buffer::default();
        self.account(pool);
    }

    /// Offset of a sequence number, negative before the stream.
    pub(super) fn offset_of(&self, number: u32) -> i64 {
        let (base, offset) = self.base;
        let skipped = self.urgent.iter().filter(|urgent| seq::lt(**urgent, number)).count();
        offset.cast_signed() + i64::from(seq::diff(number, base))
            - i64::try_from(skipped).unwrap_or(0)
    }

    /// Something was seen up to `number`. False if that is not new.
    pub(super) fn advance(&mut self, number: u32) -> bool {
        let new = seq::gt(number, self.next_seq);
        if new {
            self.next_seq = number;
        }
        new
    }

    /// A segment that is accepted brings the stream up to its end.
    pub(super) fn extend(
        &mut self,
        segment: &Segment<'_>,
        urgent: UrgentPolicy,
        taken: &mut Taken,
    ) {
        let new = self.advance(segment.end());
        if segment.has(flag::URG)
            && new
            && (1..=segment.len()).contains(&segment.urgent.into())
            && urgent == UrgentPolicy::OutOfBand
        {
            if self.urgent.len() < MAX_URGENT {
                self.urgent.push(segment.end().wrapping_sub(1));
            } else {
                taken.events.insert(StreamEvent::UrgentOobLimit);
            }
        }
    }

    /// The other end acknowledged up to `number`.
    pub(super) fn acknowledge(&mut self, number: u32) {
        if seq::gt(number, self.last_ack) {
            self.last_ack = number;
            self.rebase(number);
        }
    }

    /// Offsets are counted from here on: distances of more than 2 GiB cannot be told.
    fn rebase(&mut self, number: u32) {
        let offset = self.offset_of(number);
        if let Ok(offset) = u64::try_from(offset)
            && offset >= self.base.1
        {
            self.base = (number, offset);
            self.urgent.retain(|urgent| seq::ge(*urgent, number));
        }
    }

    /// Where nobody acknowledges, what the sender says has to do.
    pub(super) fn rebase_to_end(&mut self) {
        self.rebase(self.next_seq);
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
}
