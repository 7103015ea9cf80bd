//! Behind the first FIN (RFC 9293 section 3.6).
//!
//! The states are the server's: a client that closes first makes `CloseWait`, a server `FinWait1`.

use super::segment::flag;
use super::seq::{ge, le};
use super::session::{Outcome, Rejected, Session, Step, bit};
use super::{SessionState, StreamEvent};

/// Names for what is wrong in a state.
struct Names {
    ack: StreamEvent,
    data: StreamEvent,
    fin: StreamEvent,
}

const fn names(state: SessionState) -> Names {
    use StreamEvent as E;
    match state {
        SessionState::FinWait1 => {
            Names { ack: E::Fin1InvalidAck, data: E::Fin1AckWrongSeq, fin: E::Fin1FinWrongSeq }
        }
        SessionState::FinWait2 => {
            Names { ack: E::Fin2InvalidAck, data: E::Fin2AckWrongSeq, fin: E::Fin2FinWrongSeq }
        }
        SessionState::Closing => Names {
            ack: E::ClosingInvalidAck,
            data: E::ClosingAckWrongSeq,
            fin: E::ClosingAckWrongSeq,
        },
        SessionState::LastAck => Names {
            ack: E::LastAckInvalidAck,
            data: E::LastAckAckWrongSeq,
            fin: E::LastAckAckWrongSeq,
        },
        SessionState::TimeWait => Names {
            ack: E::TimeWaitInvalidAck,
            data: E::TimeWaitAckWrongSeq,
            fin: E::TimeWaitAckWrongSeq,
        },
        _ => Names {
            ack: E::CloseWaitInvalidAck,
            data: E::CloseWaitAckOutOfWindow,
            fin: E::CloseWaitFinOutOfWindow,
        },
    }
}

impl Session {
    pub(super) fn on_closing(&mut self, step: &mut Step<'_>, state: SessionState) -> Outcome {
        let segment = step.segment;
        if segment.has(flag::RST) {
            return self.on_rst(step);
        }
        if segment.has(flag::SYN) && !segment.has(flag::FIN) {
            return Err(StreamEvent::ShutdownSynResend.into());
        }
        if !segment.has_any(flag::FIN | flag::ACK) || !self.timestamp_is_valid(step) {
            return Err(Rejected(None));
        }
        let from_client = self.is_from_client(step.heading);
        match state {
            // Nothing is left to say for the server, and a FIN here is one that was sent again.
            SessionState::LastAck if !from_client || segment.has(flag::FIN) => {}
            SessionState::FinWait1 | SessionState::FinWait2 | SessionState::CloseWait
                if segment.has(flag::FIN) =>
            {
                self.on_another_fin(step, state, from_client)?;
            }
            _ => self.on_closing_ack(step, state, from_client)?,
        }
        let [a, b] = &self.halves;
        if a.fin_acked() && b.fin_acked() {
            self.state = SessionState::Closed;
        }
        Ok(())
    }

    fn on_another_fin(
        &mut self,
        step: &mut Step<'_>,
        state: SessionState,
        from_client: bool,
    ) -> Outcome {
        let segment = step.segment;
        let names = names(state);
        let relaxed = self.has(bit::ONE_SIDED);
        let again =
            !(from_client && state == SessionState::FinWait2) && self.is_retransmission(step);
        let (sender, _) = self.pair(step.heading);
        let first = !sender.fin_seen();
        let repeated =
            segment.seq == sender.next_seq.wrapping_sub(1) && state != SessionState::CloseWait;
        let in_window = ge(segment.seq, sender.next_seq)
            && le(segment.seq, sender.last_ack.wrapping_add(sender.window));
        if !(again || repeated || relaxed || in_window) {
            return Err(names.fin.into());
        }
        if !self.ack_is_valid(step) {
            return Err(names.ack.into());
        }
        self.exchange_at_end(step);
        if first {
            let next = match (state, from_client) {
                (SessionState::CloseWait, false) => Some(SessionState::LastAck),
                (SessionState::FinWait1, true) if !segment.has(flag::ACK) => {
                    Some(SessionState::Closing)
                }
                (SessionState::FinWait1 | SessionState::FinWait2, true) => {
                    Some(SessionState::TimeWait)
                }
                _ => None,
            };
            self.state = next.unwrap_or(self.state);
        }
        Ok(())
    }

    fn on_closing_ack(
        &mut self,
        step: &mut Step<'_>,
        state: SessionState,
        from_client: bool,
    ) -> Outcome {
        let segment = step.segment;
        let names = names(state);
        let again = !segment.has(flag::FIN) && self.is_retransmission(step);
        if !self.ack_is_valid(step) {
            return Err(names.ack.into());
        }
        let relaxed = self.has(bit::MIDSTREAM) || self.has(bit::ONE_SIDED);
        let (sender, _) = self.pair(step.heading);
        let end = segment.end();
        let fits = match state {
            SessionState::FinWait1 | SessionState::FinWait2 => le(end, sender.next_win),
            SessionState::CloseWait => {
                if !segment.payload.is_empty() && le(end, sender.last_ack) {
                    return Err(StreamEvent::CloseWaitPktBeforeLastAck.into());
                }
                le(segment.seq, sender.last_ack.wrapping_add(sender.window))
            }
            SessionState::TimeWait if segment.has(flag::FIN) => true,
            _ => segment.seq == sender.next_seq || segment.seq == sender.next_seq.wrapping_add(1),
        };
        if !(fits || relaxed || again) {
            return Err(names.data.into());
        }
        self.exchange_at_end(step);
        let (_, receiver) = self.pair(step.heading);
        let acks_fin = receiver.fin_acked();
        match (state, from_client) {
            (SessionState::FinWait1, true) if acks_fin => self.state = SessionState::FinWait2,
            (SessionState::Closing, _) if acks_fin => self.state = SessionState::TimeWait,
            _ => {}
        }
        Ok(())
    }

    /// As [`exchange`](Self::exchange), but what lies behind a FIN does not move the end.
    fn exchange_at_end(&mut self, step: &mut Step<'_>) {
        let segment = step.segment;
        let from_client = self.is_from_client(step.heading);
        let (sender, receiver) = self.pair(step.heading);
        receiver.answer(segment);
        if segment.has(flag::ACK) {
            receiver.advance(segment.ack);
        }
        let in_order = le(segment.seq, sender.next_seq);
        let bogus = !from_client && sender.fin_seen();
        if segment.seq == sender.next_seq && !bogus {
            sender.extend(segment, step.pool.config().urgent, step.taken);
        }
        if in_order {
            self.note_timestamp(step);
        }
        self.reassemble(step);
    }
}
