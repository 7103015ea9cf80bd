//! A connection: dispatch by state, and what all states share.

use super::half::bit as half_bit;
use super::segment::flag;
use super::{Half, Segment, SessionState, StreamEvent, StreamPool, Taken, seq};
use crate::app::Heading;

pub(super) mod bit {
    /// It counts in the pool.
    pub(crate) const OPEN: u16 = 1;
    /// Its beginning was not seen.
    pub(crate) const MIDSTREAM: u16 = 1 << 1;
    /// The first that was seen was a SYN/ACK.
    pub(crate) const MIDSTREAM_SYN_ACK: u16 = 1 << 2;
    /// One direction is seen.
    pub(crate) const ONE_SIDED: u16 = 1 << 3;
    /// The SYN had a timestamp; both have.
    pub(crate) const SYN_TIMESTAMP: u16 = 1 << 4;
    pub(crate) const TIMESTAMPS: u16 = 1 << 5;
    /// The SYN had a window scale.
    pub(crate) const SYN_SCALE: u16 = 1 << 6;
    /// Both ends sent a SYN without ACK.
    pub(crate) const FOUR_WAY: u16 = 1 << 7;
    pub(crate) const FAST_OPEN: u16 = 1 << 8;
    /// The server acknowledged something behind the handshake.
    pub(crate) const CONFIRMED: u16 = 1 << 9;
    /// Somebody tried to make systems differ.
    pub(crate) const EVASION: u16 = 1 << 10;
    /// The client of the connection is the server of the flow.
    pub(crate) const REVERSED: u16 = 1 << 11;
    /// It could have been picked up in the middle, but was not.
    pub(crate) const PASSED_BY: u16 = 1 << 12;
}

/// Why a segment does not belong to the connection, as far as there is a name for it.
#[derive(Debug)]
pub(super) struct Rejected(pub(super) Option<StreamEvent>);

impl From<StreamEvent> for Rejected {
    fn from(event: StreamEvent) -> Self {
        Self(Some(event))
    }
}

pub(super) type Outcome = Result<(), Rejected>;

/// A segment on its way through a session.
pub(super) struct Step<'s> {
    pub(super) pool: &'s mut StreamPool,
    pub(super) heading: Heading,
    pub(super) segment: &'s Segment<'s>,
    pub(super) taken: &'s mut Taken,
}

/// A SYN or SYN/ACK that may turn out to be the one that counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Opening {
    pub(super) seq: u32,
    /// Not scaled.
    pub(super) window: u32,
    pub(super) wscale: Option<u8>,
    pub(super) timestamp: Option<u32>,
}

impl Opening {
    pub(super) fn of(segment: &Segment<'_>) -> Self {
        Self {
            seq: segment.seq,
            window: segment.window.into(),
            wscale: segment.wscale,
            timestamp: segment.timestamp_option.map(|(value, _)| value),
        }
    }
}

/// One connection.
#[derive(Debug)]
pub struct Session {
    /// By heading.
    pub(super) halves: [Half; 2],
    pub(super) state: SessionState,
    /// Where it was when it was reset.
    pub(super) before_reset: SessionState,
    pub(super) bits: u16,
    /// All bits of the headers of each heading, from the segment on that opened it.
    flags: [u8; 2],
    /// Those seen besides the one that the halves know.
    pub(super) syns: Vec<Opening>,
    pub(super) syn_acks: Vec<Opening>,
}

impl Session {
    /// A session for a connection of which nothing was seen. The first segment goes to
    /// [`segment`](Self::segment) as all others do.
    #[must_use]
    pub fn new(_pool: &mut StreamPool, _first: &Segment<'_>, _heading: Heading) -> Self {
        Self {
            halves: Default::default(),
            state: SessionState::None,
            before_reset: SessionState::None,
            bits: 0,
            flags: [0; 2],
            syns: Vec::new(),
            syn_acks: Vec::new(),
        }
    }

    /// Takes a segment in. Says whether it belongs to the connection.
    pub fn segment(
        &mut self,
        pool: &mut StreamPool,
        heading: Heading,
        segment: &Segment<'_>,
    ) -> Taken {
        let mut taken = Taken::default();
        let was_closed = self.is_closed();
        if !segment.has(flag::ACK) && segment.ack != 0 {
            taken.events.insert(StreamEvent::PktBrokenAck);
        }
        let outcome = {
            let mut step = Step { pool, heading, segment, taken: &mut taken };
            self.dispatch(&mut step)
        };
        match outcome {
            Ok(()) => taken.accepted = true,
            Err(Rejected(event)) => {
                event.into_iter().for_each(|event| taken.events.insert(event));
                if self.has(bit::OPEN) {
                    pool.count().invalid += 1;
                }
            }
        }
        if self.state != SessionState::None {
            self.flags[heading.index()] |= segment.flags;
        }
        for (progressed, half) in taken.progressed.iter_mut().zip(&mut self.halves) {
            *progressed = half.take_progress();
        }
        // Behind a RST that may not have been believed there may be more.
        let doubtful = self.halves.iter().any(|half| half.has(half_bit::DOUBTFUL_RST));
        taken.ended = !was_closed && self.is_closed() && !doubtful;
        taken
    }

    fn dispatch(&mut self, step: &mut Step<'_>) -> Outcome {
        if self.state == SessionState::None {
            return self.on_none(step);
        }
        if self.is_idle_chatter(step) {
            return Ok(());
        }
        if self.repeats_what_is_gone(step) {
            return Ok(());
        }
        if self.state == SessionState::Closed {
            if !self.half(step.heading).has(half_bit::DOUBTFUL_RST) || step.segment.has(flag::RST) {
                return Ok(());
            }
            // Its sender goes on: the RST was somebody else's, and the signature was not checked.
            step.taken.events.insert(StreamEvent::SuspectedRstInject);
            self.half_mut(step.heading).unset(half_bit::DOUBTFUL_RST);
            self.state = self.before_reset;
        }
        let outcome = match self.state {
            SessionState::None | SessionState::Closed => Ok(()),
            SessionState::SynSent => self.on_syn_sent(step),
            SessionState::SynRecv => self.on_syn_recv(step),
            SessionState::Established => self.on_established(step),
            state => self.on_closing(step, state),
        };
        if outcome.is_ok() {
            self.half_mut(step.heading).set(half_bit::SEEN);
        }
        outcome
    }

    /// What was sent with a heading.
    #[must_use]
    pub fn half(&self, heading: Heading) -> &Half {
        let [to_server, to_client] = &self.halves;
        match heading {
            Heading::ToServer => to_server,
            Heading::ToClient => to_client,
        }
    }

    /// What was sent with a heading.
    pub fn half_mut(&mut self, heading: Heading) -> &mut Half {
        self.pair(heading).0
    }

    /// The half of the sender and that of the receiver.
    pub(super) fn pair(&mut self, heading: Heading) -> (&mut Half, &mut Half) {
        let [to_server, to_client] = &mut self.halves;
        match heading {
            Heading::ToServer => (to_server, to_client),
            Heading::ToClient => (to_client, to_server),
        }
    }

    /// How far the connection got.
    #[must_use]
    pub fn state(&self) -> SessionState {
        self.state
    }

    /// All flag bits that were seen in a heading since the connection is followed, also those of segments that do
    /// not belong to it.
    #[must_use]
    pub fn flags(&self, heading: Heading) -> u8 {
        self.flags[heading.index()]
    }

    /// It began before what was seen and is not followed, since that was not asked for.
    #[must_use]
    pub fn is_passed_by(&self) -> bool {
        self.state == SessionState::None && self.has(bit::PASSED_BY)
    }

    /// The handshake is finished, or data was seen midstream. Stays true after the end.
    #[must_use]
    pub fn is_established(&self) -> bool {
        self.state >= SessionState::Established
    }

    /// Its beginning was not seen.
    #[must_use]
    pub fn is_midstream(&self) -> bool {
        self.has(bit::MIDSTREAM)
    }

    /// One direction alone is followed.
    #[must_use]
    pub fn is_one_sided(&self) -> bool {
        self.has(bit::ONE_SIDED)
    }

    /// Both FINs are acknowledged, or there was a valid RST.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.state == SessionState::Closed
    }

    /// Memory that its streams take, bytes.
    #[must_use]
    pub fn footprint(&self) -> u64 {
        self.halves.iter().map(|half| half.charged).sum()
    }

    /// Gives memory back that only [`raw_overlap`](super::StreamConfig::raw_overlap) asks for.
    pub fn squeeze(&mut self, pool: &mut StreamPool) {
        self.halves.iter_mut().for_each(|half| half.squeeze(pool));
    }

    /// Gives all memory back; the flow goes on, without its streams.
    pub fn give_up(&mut self, pool: &mut StreamPool) {
        self.halves.iter_mut().for_each(|half| half.give_up(pool));
    }

    /// Gives memory back: the flow is over. Nothing is kept from then on.
    pub fn release(&mut self, pool: &mut StreamPool) {
        self.halves.iter_mut().for_each(|half| half.release(pool));
        self.syns = Vec::new();
        self.syn_acks = Vec::new();
        if self.has(bit::OPEN) {
            self.bits &= !bit::OPEN;
            self.state = SessionState::Closed;
            pool.close_session();
        }
    }

    #[inline]
    pub(super) const fn has(&self, bit: u16) -> bool {
        self.bits & bit != 0
    }

    /// Whether a heading is that of the connection's client.
    pub(super) fn is_from_client(&self, heading: Heading) -> bool {
        (heading == Heading::ToServer) != self.has(bit::REVERSED)
    }

    /// A segment that fits: the other end's numbers, the data, the FIN.
    pub(super) fn exchange(&mut self, step: &mut Step<'_>) {
        let segment = step.segment;
        let (sender, receiver) = self.pair(step.heading);
        receiver.answer(segment);
        let in_order = seq::le(segment.seq, sender.next_seq);
        sender.extend(segment, step.pool.config().urgent, step.taken);
        if in_order {
            self.note_timestamp(step);
        }
        self.reassemble(step);
    }

    /// The data of a segment, and what it acknowledges.
    pub(super) fn reassemble(&mut self, step: &mut Step<'_>) {
        let segment = step.segment;
        let one_sided = self.has(bit::ONE_SIDED);
        let (sender, receiver) = self.pair(step.heading);
        if !segment.payload.is_empty() {
            sender.add(step.pool, segment.data_seq(), segment.payload, step.taken);
        }
        if segment.has(flag::FIN) {
            sender.note_fin(segment.end());
        }
        // What came later than its ACK is settled by the next one.
        let mut gap = receiver.settle(step.pool);
        if one_sided {
            gap |= sender.settle_one_sided(step.pool);
        }
        if gap {
            step.taken.events.insert(StreamEvent::SeqGap);
        }
    }

    /// Notes data that was acknowledged before. True if all of it lies before what is kept, so that
    /// there is nothing to compare it with.
    fn repeats_what_is_gone(&mut self, step: &mut Step<'_>) -> bool {
        let segment = step.segment;
        let sender = self.half(step.heading);
        // While nothing is acknowledged number 0 stands for it, as in Suricata.
        let unanswered = self.state == SessionState::SynSent;
        let last_ack = if unanswered { 0 } else { sender.last_ack };
        if segment.payload.is_empty() || seq::gt(segment.end(), last_ack) {
            return false;
        }
        step.taken.events.insert(StreamEvent::PktSpuriousRetransmission);
        sender.is_gone(segment.end())
    }

    /// A RST that its target would believe.
    pub(super) fn reset(&mut self, step: &mut Step<'_>) {
        let segment = step.segment;
        if self.state != SessionState::Closed {
            self.before_reset = self.state;
        }
        self.state = SessionState::Closed;
        step.pool.count().resets += 1;
        let (sender, receiver) = self.pair(step.heading);
        if segment.signed {
            sender.set(half_bit::DOUBTFUL_RST);
        }
        sender.set(half_bit::EAGER);
        receiver.set(half_bit::EAGER);
        if segment.has(flag::ACK) {
            receiver.acknowledge(segment.ack);
        }
        // What a RST carries is a message for people, not data (RFC 9293 section 3.5.3).
        sender.settle(step.pool);
        receiver.settle(step.pool);
    }
}
