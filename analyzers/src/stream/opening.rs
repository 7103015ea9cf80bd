//! Up to the end of the handshake: SYN, SYN/ACK and ACK in the order and shape that systems accept
//! (RFC 9293 section 3.5), connections that both open or split in four steps, Fast Open (RFC 7413), and
//! pickup in the middle.

use super::half::bit as half_bit;
use super::segment::flag;
use super::session::{Opening, Outcome, Rejected, Session, Step, bit};
use super::{SessionState, StreamEvent};
use crate::app::Heading;

/// Largest shift (RFC 7323 section 2.3), and what is assumed where the handshake was not seen.
const MAX_SHIFT: u8 = 14;

impl Session {
    /// Nothing is known of the connection.
    pub(super) fn on_none(&mut self, step: &mut Step<'_>) -> Outcome {
        let segment = step.segment;
        let config = *step.pool.config();
        if segment.has(flag::RST) {
            return Err(StreamEvent::RstButNoSession.into());
        }
        if segment.has(flag::FIN) && (!config.midstream || segment.payload.is_empty()) {
            return Err(StreamEvent::FinButNoSession.into());
        }
        let outcome = if segment.has(flag::SYN | flag::ACK) {
            if !config.midstream && !config.async_oneside {
                return Err(self.pass_by());
            }
            self.open(step, step.heading == Heading::ToServer)?;
            self.pick_up_syn_ack(step);
            Ok(())
        } else if segment.has(flag::SYN) {
            self.open(step, step.heading == Heading::ToClient)?;
            self.on_first_syn(step);
            Ok(())
        } else if segment.has(flag::ACK) && config.midstream {
            self.open(step, false)?;
            self.pick_up(step);
            Ok(())
        } else {
            Err(self.pass_by())
        };
        if outcome.is_ok() {
            self.half_mut(step.heading).set(half_bit::SEEN);
            if self.has(bit::MIDSTREAM) {
                step.pool.count().midstream += 1;
            }
        }
        outcome
    }

    fn pass_by(&mut self) -> Rejected {
        self.bits |= bit::PASSED_BY;
        Rejected(None)
    }

    fn open(&mut self, step: &mut Step<'_>, reversed: bool) -> Outcome {
        if !step.pool.open_session() {
            return Err(Rejected(None));
        }
        self.bits = bit::OPEN | if reversed { bit::REVERSED } else { 0 };
        Ok(())
    }

    fn on_first_syn(&mut self, step: &mut Step<'_>) {
        let segment = step.segment;
        self.state = SessionState::SynSent;
        let (client, _) = self.pair(step.heading);
        client.begin(step.pool, segment.seq);
        self.note_syn(step.heading, Opening::of(segment), segment.now.as_secs());
        if segment.fast_open {
            self.bits |= bit::FAST_OPEN;
            let (client, _) = self.pair(step.heading);
            client.advance(segment.end());
            self.reassemble(step);
        }
    }

    /// What a SYN says of windows and options.
    fn note_syn(&mut self, heading: Heading, syn: Opening, secs: u64) {
        self.bits &= !(bit::SYN_SCALE | bit::SYN_TIMESTAMP);
        if syn.wscale.is_some() {
            self.bits |= bit::SYN_SCALE;
        }
        let (client, server) = self.pair(heading);
        server.window = syn.window;
        server.wscale = syn.wscale.unwrap_or(0).min(MAX_SHIFT);
        client.last_ts = syn.timestamp.unwrap_or(0);
        client.last_ts_secs = secs;
        if syn.timestamp.is_some() {
            self.bits |= bit::SYN_TIMESTAMP;
        }
    }

    /// The first that is seen is a SYN/ACK: the SYN went by, or another way.
    fn pick_up_syn_ack(&mut self, step: &mut Step<'_>) {
        let segment = step.segment;
        self.bits |= bit::MIDSTREAM | bit::MIDSTREAM_SYN_ACK;
        self.state = SessionState::SynRecv;
        let (server, client) = self.pair(step.heading);
        server.begin(step.pool, segment.seq);
        client.begin(step.pool, segment.ack.wrapping_sub(1));
        client.wscale = segment.wscale.unwrap_or(0).min(MAX_SHIFT);
        client.open_window(segment.window.into());
        // What the client stated is not known.
        server.wscale = if segment.wscale.is_some() { MAX_SHIFT } else { 0 };
        server.open_window(u32::from(segment.window) << server.wscale);
        if let Some((value, _)) = segment.timestamp_option {
            server.last_ts = value;
            server.last_ts_secs = segment.now.as_secs();
            self.bits |= bit::TIMESTAMPS;
        }
    }

    /// The first that is seen is in the middle.
    fn pick_up(&mut self, step: &mut Step<'_>) {
        let segment = step.segment;
        self.bits |= bit::MIDSTREAM;
        if step.pool.config().async_oneside {
            self.bits |= bit::ONE_SIDED;
        }
        self.state = SessionState::Established;
        let window = u32::from(segment.window) << MAX_SHIFT;
        let (sender, receiver) = self.pair(step.heading);
        for (half, isn) in [(&mut *sender, segment.seq), (&mut *receiver, segment.ack)] {
            half.begin(step.pool, isn.wrapping_sub(1));
            half.wscale = MAX_SHIFT;
            half.open_window(window);
        }
        sender.advance(segment.end());
        if let Some((value, _)) = segment.timestamp_option {
            sender.last_ts = value;
            sender.last_ts_secs = segment.now.as_secs();
            self.bits |= bit::TIMESTAMPS;
        }
        self.reassemble(step);
    }

    /// There was a SYN.
    pub(super) fn on_syn_sent(&mut self, step: &mut Step<'_>) -> Outcome {
        let segment = step.segment;
        let from_client = self.is_from_client(step.heading);
        // All that the server can echo is the SYN's timestamp.
        let echo = segment.timestamp_option.map_or(0, |(_, echo)| echo);
        if !from_client
            && !segment.has(flag::SYN)
            && echo != 0
            && echo != self.half(step.heading.opposite()).last_ts
        {
            return Err(StreamEvent::PktInvalidTimestamp.into());
        }
        if segment.has(flag::RST) {
            if !self.rst_is_valid(step) {
                return Err(Rejected(None));
            }
            let (sender, _) = self.pair(step.heading);
            let isn = sender.isn;
            // The client takes its SYN back; anything else of its own is not for the server's ears.
            let own =
                segment.seq == isn && segment.window == 0 && segment.ack == isn.wrapping_add(1);
            if !from_client || own {
                self.reset(step);
            }
            return Ok(());
        }
        if segment.has(flag::FIN) {
            return Ok(());
        }
        match (segment.has(flag::SYN), segment.has(flag::ACK)) {
            (true, true) if from_client && self.has(bit::FOUR_WAY) => self.on_four_way_answer(step),
            (true, true) if from_client => Err(StreamEvent::HsSynackInWrongDirection.into()),
            (true, true) => self.on_syn_ack(step),
            (true, false) if from_client => self.on_another_syn(step),
            (true, false) => {
                // Both opened at once, or the server splits the handshake.
                self.bits |= bit::FOUR_WAY;
                let (server, client) = self.pair(step.heading);
                server.begin(step.pool, segment.seq);
                client.window = segment.window.into();
                client.wscale = segment.wscale.unwrap_or(0).min(MAX_SHIFT);
                client.next_win = client.last_ack.wrapping_add(client.window);
                server.last_ts = segment.timestamp_option.map_or(0, |(value, _)| value);
                Ok(())
            }
            (false, true) => self.on_ack_without_syn_ack(step),
            (false, false) => Err(Rejected(None)),
        }
    }

    /// The latest is the one that is expected to be answered; of those before it some are kept.
    fn on_another_syn(&mut self, step: &mut Step<'_>) -> Outcome {
        let segment = step.segment;
        let most = step.pool.config().max_syns;
        let (client, server) = self.pair(step.heading);
        let former = Opening {
            seq: client.isn,
            window: server.window,
            wscale: self.has(bit::SYN_SCALE).then_some(self.half(step.heading.opposite()).wscale),
            timestamp: self.has(bit::SYN_TIMESTAMP).then_some(self.half(step.heading).last_ts),
        };
        if self.syns.len() >= most {
            step.taken.events.insert(StreamEvent::HsSynFlood);
            self.syns.drain(..(self.syns.len() + 1 - most).min(self.syns.len()));
        }
        if most > 0 {
            self.syns.push(former);
        }
        self.begin_client(step, Opening::of(segment));
        Ok(())
    }

    /// A SYN becomes the one that counts.
    fn begin_client(&mut self, step: &mut Step<'_>, syn: Opening) {
        let heading = if self.has(bit::REVERSED) { Heading::ToClient } else { Heading::ToServer };
        let (client, _) = self.pair(heading);
        if client.isn != syn.seq {
            client.begin(step.pool, syn.seq);
        }
        self.note_syn(heading, syn, step.segment.now.as_secs());
    }

    fn on_syn_ack(&mut self, step: &mut Step<'_>) -> Outcome {
        let segment = step.segment;
        if segment.fast_open {
            self.bits |= bit::FAST_OPEN;
        }
        let fast_open = self.has(bit::FAST_OPEN);
        let client = self.half(step.heading.opposite());
        let (isn, first) = (client.isn, client.isn.wrapping_add(1));
        let ignored = fast_open && segment.ack == first && client.next_seq != first;
        let answers = segment.ack == first || fast_open && segment.ack == client.next_seq;
        if !answers {
            // It may answer another one.
            let other = self.syns.iter().find(|syn| syn.seq.wrapping_add(1) == segment.ack);
            let Some(syn) = other.copied() else {
                return Err(StreamEvent::HsSynackWithWrongAck.into());
            };
            self.begin_client(step, syn);
        } else if ignored {
            step.taken.events.insert(StreamEvent::HsSynackTfoDataIgnored);
            self.pair(step.heading).1.begin(step.pool, isn);
        }
        self.adopt_syn_ack(step, Opening::of(segment), segment.ack);
        if self.has(bit::FAST_OPEN) {
            let (server, _) = self.pair(step.heading);
            server.advance(segment.end());
            self.reassemble(step);
        }
        Ok(())
    }

    /// This SYN/ACK is the one that counts.
    pub(super) fn adopt_syn_ack(&mut self, step: &mut Step<'_>, syn_ack: Opening, ack: u32) {
        self.state = SessionState::SynRecv;
        let scaled = self.has(bit::SYN_SCALE);
        let stamped = self.has(bit::SYN_TIMESTAMP) && syn_ack.timestamp.is_some();
        self.bits &= !bit::TIMESTAMPS;
        if stamped {
            self.bits |= bit::TIMESTAMPS;
        }
        let heading = if self.has(bit::REVERSED) { Heading::ToServer } else { Heading::ToClient };
        let (server, client) = self.pair(heading);
        let window = server.window;
        server.begin(step.pool, syn_ack.seq);
        server.open_window(window);
        server.last_ts = syn_ack.timestamp.unwrap_or(0);
        server.last_ts_secs = step.segment.now.as_secs();
        client.acknowledge(ack);
        match syn_ack.wscale {
            Some(shift) if scaled => client.wscale = shift.min(MAX_SHIFT),
            // Both or none (RFC 7323 section 2.2).
            _ => {
                client.wscale = 0;
                server.wscale = 0;
            }
        }
        client.open_window(syn_ack.window);
    }

    /// Four steps: the client answers the server's SYN.
    fn on_four_way_answer(&mut self, step: &mut Step<'_>) -> Outcome {
        let segment = step.segment;
        let (client, server) = self.pair(step.heading);
        if segment.ack != server.isn.wrapping_add(1) {
            return Err(StreamEvent::Hs4SynackWithWrongAck.into());
        }
        if segment.seq != client.isn {
            return Err(StreamEvent::Hs4SynackWithWrongSyn.into());
        }
        server.acknowledge(segment.ack);
        server.open_window(segment.window.into());
        self.state = SessionState::SynRecv;
        Ok(())
    }

    /// A SYN, and the next that is seen is an ACK: the other direction goes another way.
    fn on_ack_without_syn_ack(&mut self, step: &mut Step<'_>) -> Outcome {
        let segment = step.segment;
        if !step.pool.config().async_oneside || !self.is_from_client(step.heading) {
            return Ok(());
        }
        let (client, server) = self.pair(step.heading);
        if segment.seq != client.next_seq {
            return Err(StreamEvent::HsAsyncWrongSeq.into());
        }
        server.begin(step.pool, segment.ack.wrapping_sub(1));
        server.open_window(u32::from(segment.window) << server.wscale);
        client.wscale = MAX_SHIFT;
        client.open_window(u32::from(segment.window) << MAX_SHIFT);
        self.bits |= bit::ONE_SIDED;
        self.state = SessionState::Established;
        self.exchange(step);
        Ok(())
    }
}
