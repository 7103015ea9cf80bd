//! From the SYN/ACK to the end of the handshake.

use super::policy::RstRule;
use super::segment::flag;
use super::seq::{gt, le};
use super::session::{Opening, Outcome, Rejected, Session, Step, bit};
use super::{SessionState, StreamEvent};

impl Session {
    /// There was a SYN/ACK.
    pub(super) fn on_syn_recv(&mut self, step: &mut Step<'_>) -> Outcome {
        let segment = step.segment;
        let from_client = self.is_from_client(step.heading);
        if segment.has(flag::RST) {
            if !self.rst_is_valid(step) {
                return Err(Rejected(None));
            }
            // Some systems take it for a stray after what else they did not believe.
            let stray = step.pool.config().policy.rst_rule() == RstRule::Window;
            if !(self.has(bit::EVASION) && stray) {
                self.reset(step);
            }
            return Ok(());
        }
        if segment.has(flag::FIN) {
            return self.on_first_fin(step);
        }
        match (segment.has(flag::SYN), segment.has(flag::ACK)) {
            (true, true) if from_client => Err(StreamEvent::HsSynackToserverOnSynRecv.into()),
            (true, true) => self.on_another_syn_ack(step),
            (true, false) if !from_client => Err(StreamEvent::HsSynToclientOnSynRecv.into()),
            (true, false) if self.half(step.heading).isn != segment.seq => {
                Err(StreamEvent::HsSynResendDiffSeqOnSynRecv.into())
            }
            (true, false) => Ok(()),
            (false, true) => self.on_handshake_ack(step, from_client),
            (false, false) => Err(Rejected(None)),
        }
    }

    fn on_another_syn_ack(&mut self, step: &mut Step<'_>) -> Outcome {
        let segment = step.segment;
        let (server, client) = self.pair(step.heading);
        if segment.ack != client.isn.wrapping_add(1) && segment.ack != client.next_seq {
            return Err(StreamEvent::HsSynackResendWithDifferentAck.into());
        }
        if segment.seq == server.isn {
            return Ok(());
        }
        // Which of them the client takes, its ACK will tell.
        let syn_ack = Opening::of(segment);
        if self.syn_acks.contains(&syn_ack) {
            return Ok(());
        }
        if self.syn_acks.len() >= step.pool.config().max_syn_acks {
            return Err(StreamEvent::HsSynackFlood.into());
        }
        self.syn_acks.push(syn_ack);
        Ok(())
    }

    /// What should be the third step.
    fn on_handshake_ack(&mut self, step: &mut Step<'_>, from_client: bool) -> Outcome {
        let segment = step.segment;
        if from_client && !self.syn_acks.is_empty() {
            let mut seen = self.syn_acks.iter().copied();
            let chosen = seen.find(|it| it.seq.wrapping_add(1) == segment.ack);
            if let Some(syn_ack) = chosen {
                let ack = self.half(step.heading).isn.wrapping_add(1);
                self.adopt_syn_ack(step, syn_ack, ack);
            }
            self.syn_acks = Vec::new();
        }
        if !from_client && self.has(bit::FOUR_WAY) {
            let (server, _) = self.pair(step.heading);
            if segment.seq != server.next_seq {
                return Err(StreamEvent::Hs4WrongSeq.into());
            }
            if !self.ack_is_valid(step) {
                return Err(StreamEvent::Hs4InvalidAck.into());
            }
            self.establish(step);
            return Ok(());
        }
        if !self.timestamp_is_valid(step) {
            return Err(Rejected(None));
        }
        let one_sided = step.pool.config().async_oneside;
        let (sender, receiver) = self.pair(step.heading);
        let (seq, ack) = (segment.seq, segment.ack);
        let in_turn = seq == sender.next_seq;
        let acks_all = ack == receiver.next_seq;
        let lost_some = gt(seq, sender.next_seq);
        if from_client {
            if in_turn && acks_all || lost_some && le(seq, sender.next_win) && acks_all {
                self.establish(step);
                return Ok(());
            }
            if in_turn {
                self.bits |= bit::EVASION;
                return Err(StreamEvent::HsRightSeqWrongAckEvasion.into());
            }
        } else {
            // The third step was not seen, or the server need not wait for it.
            if in_turn && ack == receiver.last_ack
                || lost_some && gt(ack, receiver.last_ack)
                || in_turn && gt(ack, receiver.last_ack) && le(ack, receiver.next_win)
            {
                self.establish(step);
                return Ok(());
            }
            if one_sided && in_turn {
                self.bits |= bit::ONE_SIDED;
                self.establish(step);
                return Ok(());
            }
        }
        Err(StreamEvent::HsWrongSeqWrongAck.into())
    }

    fn establish(&mut self, step: &mut Step<'_>) {
        self.state = SessionState::Established;
        self.syns = Vec::new();
        self.syn_acks = Vec::new();
        self.exchange(step);
        // What counts is the window that the third step states, also where it is smaller.
        let (_, receiver) = self.pair(step.heading);
        receiver.next_win = receiver.last_ack.wrapping_add(receiver.window);
    }
}
