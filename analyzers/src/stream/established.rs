//! Between handshake and end: data and its acknowledgements, resets, the first FIN.

use super::segment::flag;
use super::seq::{ge, gt, le, lt};
use super::session::{Outcome, Rejected, Session, Step, bit};
use super::{SessionState, StreamEvent};

impl Session {
    pub(super) fn on_established(&mut self, step: &mut Step<'_>) -> Outcome {
        let segment = step.segment;
        if segment.has(flag::RST) {
            return self.on_rst(step);
        }
        if segment.has(flag::FIN) {
            return self.on_first_fin(step);
        }
        match (segment.has(flag::SYN), segment.has(flag::ACK)) {
            (true, true) => self.on_late_syn_ack(step),
            (true, false) => self.on_late_syn(step),
            (false, true) => {
                if !self.timestamp_is_valid(step) {
                    return Err(Rejected(None));
                }
                self.on_data(step)
            }
            (false, false) => Err(Rejected(None)),
        }
    }

    pub(super) fn on_rst(&mut self, step: &mut Step<'_>) -> Outcome {
        if !self.rst_is_valid(step) {
            return Err(Rejected(None));
        }
        self.reset(step);
        Ok(())
    }

    fn on_late_syn_ack(&mut self, step: &mut Step<'_>) -> Outcome {
        let segment = step.segment;
        if self.is_from_client(step.heading) {
            return Err(StreamEvent::EstSynackToserver.into());
        }
        let confirmed = self.has(bit::CONFIRMED);
        let (server, client) = self.pair(step.heading);
        if segment.ack != client.last_ack {
            return Err(StreamEvent::EstSynackResendWithDifferentAck.into());
        }
        if segment.seq != server.isn {
            return Err(StreamEvent::EstSynackResendWithDiffSeq.into());
        }
        if confirmed {
            return Err(StreamEvent::EstSynackResend.into());
        }
        // The ACK that was seen here did not get there.
        Ok(())
    }

    fn on_late_syn(&mut self, step: &mut Step<'_>) -> Outcome {
        if !self.is_from_client(step.heading) {
            return Err(StreamEvent::EstSynToclient.into());
        }
        Err(StreamEvent::EstSynResendDiffSeq.into())
    }

    /// A segment with ACK and neither SYN, FIN nor RST.
    fn on_data(&mut self, step: &mut Step<'_>) -> Outcome {
        let segment = step.segment;
        self.note_other_side(step);
        if !self.ack_is_valid(step) {
            return Err(StreamEvent::EstInvalidAck.into());
        }
        if !self.is_from_client(step.heading) {
            self.bits |= bit::CONFIRMED;
        }
        let relaxed = self.has(bit::MIDSTREAM) || self.has(bit::ONE_SIDED);
        let one_sided = self.has(bit::ONE_SIDED);
        let (sender, _) = self.pair(step.heading);
        let end = segment.end();
        let keep_alive = segment.len() <= 1 && segment.seq == sender.next_seq.wrapping_sub(1);
        // Acknowledged before it was seen, as happens where the two directions are merged.
        let seen_late = gt(sender.last_ack, sender.next_seq) && gt(end, sender.next_seq);
        if lt(end, sender.last_ack) && !keep_alive && !seen_late && !one_sided {
            return Err(StreamEvent::EstPktBeforeLastAck.into());
        }
        // One byte beyond a closed window asks whether it is still closed.
        if segment.len() == 1 && sender.window == 0 && segment.seq == sender.next_seq {
            sender.add(step.pool, segment.seq, segment.payload, step.taken);
            return Ok(());
        }
        if !le(end, sender.next_win) && !relaxed {
            sender.advance(end);
            return Err(StreamEvent::EstPacketOutOfWindow.into());
        }
        self.exchange(step);
        Ok(())
    }

    /// The direction that was thought not to be seen is.
    fn note_other_side(&mut self, step: &mut Step<'_>) {
        if self.has(bit::ONE_SIDED) && !self.half(step.heading).seen() {
            self.bits &= !bit::ONE_SIDED;
        }
    }

    /// One end has nothing more to say.
    pub(super) fn on_first_fin(&mut self, step: &mut Step<'_>) -> Outcome {
        let segment = step.segment;
        if !self.timestamp_is_valid(step) {
            return Err(Rejected(None));
        }
        self.note_other_side(step);
        if !self.ack_is_valid(step) {
            return Err(StreamEvent::FinInvalidAck.into());
        }
        let relaxed = self.has(bit::ONE_SIDED);
        let from_client = self.is_from_client(step.heading);
        let (sender, receiver) = self.pair(step.heading);
        let in_window = ge(segment.seq, sender.last_ack)
            && le(segment.seq, sender.last_ack.wrapping_add(sender.window));
        if !in_window && !relaxed {
            return Err(StreamEvent::FinOutOfWindow.into());
        }
        if segment.has(flag::SYN) && from_client {
            return Err(StreamEvent::FinSyn.into());
        }
        if segment.has(flag::ACK) && gt(segment.ack, receiver.next_seq) {
            receiver.advance(segment.ack);
        }
        self.state = if from_client { SessionState::CloseWait } else { SessionState::FinWait1 };
        self.exchange(step);
        let (sender, _) = self.pair(step.heading);
        sender.next_seq = segment.end().wrapping_add(u32::from(!from_client));
        Ok(())
    }
}
