//! Whether a segment's numbers are such that its receiver would take it.

use super::half::bit as half_bit;
use super::policy::RstRule;
use super::segment::flag;
use super::seq::{ge, gt, le, lt};
use super::session::{Session, Step, bit};
use super::{SessionState, StreamEvent};

/// A timestamp older than this says nothing any more (RFC 7323 section 5.5).
const TIMESTAMP_LIFE_SECS: u64 = 24 * 24 * 60 * 60;

impl Session {
    /// Keep-alives, their answers, window updates and ACKs that come late: nothing that changes the
    /// connection.
    pub(super) fn is_idle_chatter(&mut self, step: &mut Step<'_>) -> bool {
        let segment = step.segment;
        let established = self.is_established();
        let closed = self.is_closed();
        let shutting = matches!(
            self.state,
            SessionState::TimeWait | SessionState::CloseWait | SessionState::LastAck
        );
        if segment.has_any(flag::SYN | flag::FIN | flag::RST) || !segment.has(flag::ACK) {
            return false;
        }
        let (sender, receiver) = self.pair(step.heading);
        let window = u32::from(segment.window) << receiver.wscale;
        let (seq, ack) = (segment.seq, segment.ack);
        if segment.payload.len() <= 1
            && ack == receiver.last_ack
            && seq == sender.next_seq.wrapping_sub(1)
        {
            sender.set(half_bit::KEEP_ALIVE);
            return true;
        }
        if !segment.payload.is_empty() {
            sender.unset(half_bit::KEEP_ALIVE);
            return false;
        }
        let answers = receiver.has(half_bit::KEEP_ALIVE)
            && window == receiver.window
            && ack == receiver.last_ack
            && seq == sender.next_seq;
        sender.unset(half_bit::KEEP_ALIVE);
        receiver.unset(half_bit::KEEP_ALIVE);
        if answers {
            return true;
        }
        if !established || closed {
            return false;
        }
        // The last ACK of a connection is no window update.
        if shutting && seq == sender.next_seq && ack == receiver.next_seq.wrapping_add(1) {
            return false;
        }
        let updates =
            window != receiver.window && ack == receiver.last_ack && seq == sender.next_seq;
        // Room goes away by what was received and not read, so by no more than is acknowledged.
        let received = ack.wrapping_sub(receiver.last_ack);
        if !updates
            && receiver.window.saturating_sub(window) > received
            && gt(ack, receiver.next_seq)
            && gt(seq, sender.next_seq)
        {
            step.taken.events.insert(StreamEvent::PktBadWindowUpdate);
            return true;
        }
        seq == sender.next_seq && lt(ack, receiver.last_ack)
    }

    /// Whether what a segment acknowledges can be (RFC 5961 section 5.2, with the ends' windows).
    pub(super) fn ack_is_valid(&mut self, step: &mut Step<'_>) -> bool {
        let segment = step.segment;
        if !segment.has(flag::ACK) {
            return true;
        }
        let unanswered = self.state == SessionState::SynSent;
        let one_sided = self.has(bit::ONE_SIDED);
        let (_, receiver) = self.pair(step.heading);
        let (ack, last) = (segment.ack, receiver.last_ack);
        let valid = if unanswered && receiver.seen() {
            // A RST that answers a SYN.
            ack == last || ack == receiver.next_seq
        } else if le(ack, last) {
            receiver.window == 0 || ge(ack, last.wrapping_sub(receiver.window))
        } else if one_sided || le(ack, receiver.next_win) {
            true
        } else if receiver.fin_seen() && le(ack, receiver.next_seq.wrapping_add(1)) {
            // The FIN itself may lie behind a window that is full.
            true
        } else {
            false
        };
        if !valid {
            step.taken.events.insert(StreamEvent::PktInvalidAck);
        }
        valid
    }

    /// Whether the receiver of a RST would believe it.
    pub(super) fn rst_is_valid(&mut self, step: &mut Step<'_>) -> bool {
        let segment = step.segment;
        let config = *step.pool.config();
        if !self.timestamp_is_valid(step) {
            return false;
        }
        if !segment.payload.is_empty() {
            step.taken.events.insert(StreamEvent::RstWithData);
        }
        if !self.ack_is_valid(step) {
            step.taken.events.insert(StreamEvent::RstInvalidAck);
            return false;
        }
        if !config.check_rst || self.has(bit::ONE_SIDED) {
            return true;
        }
        let (sender, _) = self.pair(step.heading);
        match config.policy.rst_rule() {
            RstRule::Exact => segment.seq == sender.next_seq,
            RstRule::Behind => ge(segment.seq, sender.next_seq),
            RstRule::Window => {
                ge(segment.end(), sender.last_ack)
                    && lt(segment.seq, sender.next_seq.wrapping_add(sender.window))
            }
        }
    }

    /// Protection against wrapped sequence numbers (RFC 7323 section 5), with the tolerance of one tick
    /// that Linux has.
    pub(super) fn timestamp_is_valid(&mut self, step: &mut Step<'_>) -> bool {
        if !self.has(bit::TIMESTAMPS) || !step.pool.config().check_timestamps {
            return true;
        }
        let segment = step.segment;
        let Some((value, _)) = segment.timestamp_option else { return true };
        let (sender, _) = self.pair(step.heading);
        // A SYN's 0 says nothing.
        if sender.last_ts == 0 {
            return true;
        }
        let now = segment.now.as_secs();
        let stale = now > sender.last_ts_secs.saturating_add(TIMESTAMP_LIFE_SECS);
        let older = value.wrapping_sub(sender.last_ts).wrapping_add(1).cast_signed() < 0;
        if !older && !stale {
            return true;
        }
        if stale && segment.seq == sender.next_seq {
            sender.last_ts = value;
            return true;
        }
        step.taken.events.insert(StreamEvent::PktInvalidTimestamp);
        false
    }

    /// Takes note of the timestamp of a segment that was accepted.
    pub(super) fn note_timestamp(&mut self, step: &mut Step<'_>) {
        if !self.has(bit::TIMESTAMPS) {
            return;
        }
        let segment = step.segment;
        let Some((value, _)) = segment.timestamp_option else { return };
        let (sender, _) = self.pair(step.heading);
        // A retransmission must not turn the clock back.
        if value.wrapping_sub(sender.last_ts).cast_signed() > 0 {
            sender.last_ts = value;
        }
        sender.last_ts_secs = segment.now.as_secs();
    }

    /// A segment with nothing in it that was not sent before. Notes which kind.
    pub(super) fn is_retransmission(&mut self, step: &mut Step<'_>) -> bool {
        let segment = step.segment;
        if segment.payload.is_empty() {
            return false;
        }
        let (sender, _) = self.pair(step.heading);
        let end = segment.end();
        let again = le(end, sender.next_seq)
            || le(end, sender.last_ack)
            || lt(segment.seq, sender.last_ack) && gt(end, sender.last_ack);
        if again {
            step.taken.events.insert(StreamEvent::PktRetransmission);
        }
        again
    }
}
