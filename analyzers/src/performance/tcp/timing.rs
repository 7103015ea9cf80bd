//! How long ends take, and how much is on its way: round trips all along the connection, answers, bytes in flight.
//!
//! Round trips are between the tap and one end, in two manners. By acknowledgment: one segment of new data at a
//! time is followed until an ACK covers it, and given up if anything is sent again (Karn and Partridge 1987). By
//! timestamps (RFC 7323): a new value on a segment with data, until it is echoed (pping, Nichols 2018); that
//! also holds under retransmission. Both include what a receiver waits before it acknowledges.

use super::connection::Segment;
use crate::events::{FlowTimes, Timestamp};
use crate::stream::seq::{ge, gt};

/// Times of one kind: 24 bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Series {
    samples: u32,
    min_us: u32,
    max_us: u32,
    sum_us: u64,
}

impl Series {
    fn add(&mut self, us: u32) {
        self.min_us = if self.samples == 0 { us } else { self.min_us.min(us) };
        self.max_us = self.max_us.max(us);
        self.samples = self.samples.saturating_add(1);
        self.sum_us = self.sum_us.saturating_add(u64::from(us));
    }

    fn times(self) -> Option<FlowTimes> {
        (self.samples > 0).then(|| FlowTimes {
            samples: self.samples.into(),
            min: self.min_us.into(),
            mean: self.sum_us / u64::from(self.samples),
            max: self.max_us.into(),
        })
    }
}

/// A number that waits for its answer.
#[derive(Clone, Copy, Debug)]
struct Probe {
    number: u32,
    at: Timestamp,
}

/// What is timed of what one end sends: the way from the tap to the other end and back.
#[derive(Clone, Debug, Default)]
struct Side {
    by_ack: Series,
    by_stamp: Series,
    ack_probe: Option<Probe>,
    stamp_probe: Option<Probe>,
    last_stamp: Option<u32>,
    most_in_flight: u32,
    payload_bytes: u64,
    acked_bytes: u64,
    sack_blocks: u32,
}

/// A connection's times.
#[derive(Clone, Debug, Default)]
pub(super) struct Timing {
    /// Of what the client sends, of what the server does.
    sides: [Side; 2],
    response: Series,
    /// When the client said the last of what has not been answered.
    asked_at: Option<Timestamp>,
}

/// What a segment was to the analysis, as far as times are concerned.
#[derive(Clone, Copy, Debug)]
pub(super) struct Progress {
    /// It brought new bytes.
    pub fresh: bool,
    /// It brought what was there, or should have been.
    pub repeated: bool,
    /// Behind the highest byte of its end.
    pub next: u32,
    /// Up to where its end is acknowledged, if at all.
    pub acked: Option<u32>,
    /// By how much it moved what the other end has acknowledged.
    pub newly_acked: u32,
}

/// A time that a segment completed, microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Measured {
    /// Between the tap and the server, and back.
    ServerSide(u32),
    /// Between the tap and the client, and back.
    ClientSide(u32),
    /// The server answered.
    Response(u32),
}

fn micros(from: Timestamp, to: Timestamp) -> u32 {
    u32::try_from(to.nanos_since(from) / 1_000).unwrap_or(u32::MAX)
}

impl Timing {
    /// Takes note of a segment; what it completed, best manner first.
    pub(super) fn segment(&mut self, s: &Segment, progress: Progress) -> [Option<Measured>; 2] {
        let response = self.response(s, progress);
        let [client, server] = &mut self.sides;
        let (own, other) = if s.to_server { (client, server) } else { (server, client) };
        let measured = |us| {
            // What the other end was sent is what this end answers to.
            if s.to_server { Measured::ClientSide(us) } else { Measured::ServerSide(us) }
        };
        let by_ack = s.acknowledges().and_then(|ack| other.answered_ack(ack, s.at));
        let by_stamp = s.stamps.and_then(|(_, echo)| other.answered_stamp(echo, s.at));
        other.acked_bytes += u64::from(progress.newly_acked);
        own.sends(s, progress);
        [by_stamp.or(by_ack).map(measured), response.map(Measured::Response)]
    }

    fn response(&mut self, s: &Segment, progress: Progress) -> Option<u32> {
        if s.len == 0 || !progress.fresh {
            return None;
        }
        if s.to_server {
            self.asked_at = Some(s.at);
            return None;
        }
        let us = micros(self.asked_at.take()?, s.at);
        self.response.add(us);
        Some(us)
    }

    pub(super) fn report(&self, figures: &mut crate::events::FlowPerformance) {
        use crate::events::{PerDirection, PerSide};
        let [client, server] = &self.sides;
        let sides = |of: fn(&Side) -> Series| {
            let sides =
                PerSide { server_side: of(client).times(), client_side: of(server).times() };
            (sides != PerSide::default()).then_some(sides)
        };
        let ways = |of: fn(&Side) -> u64| {
            Some(PerDirection { to_server: of(client), to_client: of(server) })
        };
        figures.rtt_us = sides(|side| side.by_ack);
        figures.rtt_timestamps_us = sides(|side| side.by_stamp);
        figures.response_us = self.response.times();
        figures.max_in_flight = ways(|side| side.most_in_flight.into());
        figures.payload_bytes = ways(|side| side.payload_bytes);
        figures.acked_bytes = ways(|side| side.acked_bytes);
        figures.sack_blocks = ways(|side| side.sack_blocks.into());
    }
}

impl Side {
    fn answered_ack(&mut self, ack: u32, at: Timestamp) -> Option<u32> {
        let probe = self.ack_probe.filter(|probe| ge(ack, probe.number))?;
        self.ack_probe = None;
        let us = micros(probe.at, at);
        self.by_ack.add(us);
        Some(us)
    }

    fn answered_stamp(&mut self, echo: u32, at: Timestamp) -> Option<u32> {
        let probe = self.stamp_probe.filter(|probe| ge(echo, probe.number))?;
        self.stamp_probe = None;
        // What was echoed later stands for something later.
        (echo == probe.number).then(|| {
            let us = micros(probe.at, at);
            self.by_stamp.add(us);
            us
        })
    }

    fn sends(&mut self, s: &Segment, progress: Progress) {
        self.sack_blocks = self.sack_blocks.saturating_add(s.sack.as_slice().len() as u32);
        self.payload_bytes += u64::from(s.len);
        if progress.repeated {
            self.ack_probe = None;
        }
        if let Some(acked) = progress.acked
            && gt(progress.next, acked)
        {
            self.most_in_flight = self.most_in_flight.max(progress.next.wrapping_sub(acked));
        }
        if s.len == 0 {
            return;
        }
        if progress.fresh && !progress.repeated && self.ack_probe.is_none() {
            self.ack_probe = Some(Probe { number: s.data_end(), at: s.at });
        }
        if let Some((stamp, _)) = s.stamps
            && self.last_stamp.is_none_or(|last| gt(stamp, last))
        {
            self.last_stamp = Some(stamp);
            self.stamp_probe = self.stamp_probe.or(Some(Probe { number: stamp, at: s.at }));
        }
    }
}
