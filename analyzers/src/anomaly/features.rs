//! The hundred features of a frame: Kitsune's statistics of its sender, channel, jitter and socket.
//!
//! Per window ([`LAMBDAS`](super::damped::LAMBDAS)): sender (MAC and address) weight, mean and deviation of
//! frame lengths; channel (source and destination) the same and magnitude, radius, covariance and
//! correlation with the other heading; the channel's jitter weight, mean and deviation; socket as channel.
//! 15 + 35 + 15 + 35 = 100, the published extractor's set.

use super::damped::{Damped, Paired, WINDOWS, rate};
use super::keys::Keys;
use super::table::Table;

/// Features of a frame.
pub(super) const FEATURES: usize = WINDOWS * 20;

/// A frame's features.
pub(super) type Vector = [f64; FEATURES];

/// Both headings of a channel and how evenly they come.
#[derive(Clone, Copy, Debug, Default)]
struct Channel {
    lengths: Paired,
    jitter: [Damped; 2],
}

/// Computes features. Three tables of `capacity` keys each: at most 1,900 bytes × `capacity`.
#[derive(Clone, Debug)]
pub(super) struct Extractor {
    senders: Table<Damped>,
    channels: Table<Channel>,
    sockets: Table<Paired>,
    /// Seconds of the first frame.
    since: Option<f64>,
}

impl Extractor {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            senders: Table::new(capacity),
            channels: Table::new(capacity),
            sockets: Table::new(capacity),
            since: None,
        }
    }

    /// Begins anew, as where a capture begins.
    pub(super) fn clear(&mut self) {
        self.senders.clear();
        self.channels.clear();
        self.sockets.clear();
        self.since = None;
    }

    /// Takes a frame in and gives its features, conditioned for the models: weights as arrivals per second
    /// ([`rate`]), and magnitudes as logarithms, because lengths, gaps and rates are spread over orders of
    /// magnitude and a linear scale from least to most seen leaves nothing of the small ones.
    pub(super) fn observe(&mut self, keys: &Keys, now: f64, length: f64, out: &mut Vector) {
        let watched = now - *self.since.get_or_insert(now);
        let mut out = Writer { out, at: 0 };
        let (sender, _) = self.senders.entry(keys.sender);
        sender.add(now, length);
        for window in 0..WINDOWS {
            out.stream(sender, window, watched);
        }
        let (channel, _) = self.channels.entry(keys.channel);
        let side = keys.side & 1;
        let jitter = channel.lengths.sides[side].since_last(now);
        channel.lengths.add(side, now, length);
        for window in 0..WINDOWS {
            out.pair(&channel.lengths, side, window, watched);
        }
        channel.jitter[side].add(now, jitter.unwrap_or(0.0));
        for window in 0..WINDOWS {
            out.stream(&channel.jitter[side], window, watched);
        }
        let (socket, _) = self.sockets.entry(keys.socket);
        socket.add(side, now, length);
        for window in 0..WINDOWS {
            out.pair(socket, side, window, watched);
        }
    }

    /// Keys that it holds, and that had to make room.
    pub(super) fn counts(&self) -> (usize, u64) {
        (
            self.senders.len() + self.channels.len() + self.sockets.len(),
            self.senders.evicted() + self.channels.evicted() + self.sockets.evicted(),
        )
    }
}

struct Writer<'v> {
    out: &'v mut Vector,
    at: usize,
}

impl Writer<'_> {
    fn put(&mut self, value: f64) {
        if let Some(slot) = self.out.get_mut(self.at) {
            *slot = if value.is_finite() { value } else { 0.0 };
        }
        self.at += 1;
    }

    /// The logarithm of 1 + the magnitude, with the sign.
    fn log(&mut self, value: f64) {
        self.put(value.abs().ln_1p().copysign(value));
    }

    fn stream(&mut self, stream: &Damped, window: usize, watched: f64) {
        let Some(sums) = stream.windows.get(window) else { return };
        self.log(rate(window, sums.weight, watched));
        self.log(sums.mean());
        self.log(sums.deviation());
    }

    fn pair(&mut self, pair: &Paired, side: usize, window: usize, watched: f64) {
        if let Some(stream) = pair.sides.get(side) {
            self.stream(stream, window, watched);
        }
        let joint = pair.joint(window);
        self.log(joint.magnitude);
        self.log(joint.radius);
        self.log(joint.covariance);
        self.put(joint.correlation);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(n: u64, side: usize) -> Keys {
        Keys { sender: n, channel: n, socket: n, side, ..Keys::default() }
    }

    #[test]
    fn all_hundred_are_written_and_finite() {
        let mut extractor = Extractor::new(4);
        let mut out = [f64::NAN; FEATURES];
        for i in 0..100u32 {
            extractor.observe(
                &keys(u64::from(i % 7), (i % 2) as usize),
                f64::from(i) * 0.3,
                60.0 + f64::from(i),
                &mut out,
            );
            assert!(out.iter().all(|x| x.is_finite()));
        }
        let (kept, evicted) = extractor.counts();
        assert_eq!(kept, 12);
        assert!(evicted > 0);
    }

    #[test]
    fn a_frame_that_goes_back_in_time_does_no_harm() {
        let mut extractor = Extractor::new(4);
        let mut out = [0.0; FEATURES];
        for now in [100.0, 50.0, 1e9, 0.0] {
            extractor.observe(&keys(1, 0), now, 60.0, &mut out);
            assert!(out.iter().all(|x| x.is_finite()), "{now}");
        }
    }
}
