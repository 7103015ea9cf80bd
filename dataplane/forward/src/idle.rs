//! What a worker does when a whole loop found nothing.

use std::time::{Duration, Instant};

/// How a worker polls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Poll {
    /// Never gives up the core.
    Busy,
    /// Backs off when idle, never longer than `bound`: half the time in which the smallest rx
    /// descriptor ring of the worker fills at line rate, so that a burst that arrives during the
    /// sleep still fits.
    Adaptive { bound: Duration },
}

/// Empty loops before the first sleep. Some microseconds of polling: a flow with short gaps never
/// meets a sleeping worker.
const SPINS: u32 = 256;
/// A sleep shorter than this is not asked for: with a timer slack of 1 ns the kernel comes back
/// after 16 µs in the middle and 39 µs at the 99.9th percentile (measured).
const OVERSHOOT: Duration = Duration::from_micros(40);
/// Longest sleep, whatever the bound: commands and knobs are waited for too.
const LONGEST: Duration = Duration::from_millis(1);

/// The idle state of one worker.
#[derive(Debug)]
pub struct Idle {
    sleep: Option<Duration>,
    bound: Duration,
    empty: u32,
    sleeps: u64,
    overslept: u64,
}

impl Idle {
    /// Idle behaviour for `poll`. To be made on the worker's own thread, whose timer slack it sets.
    pub fn new(poll: Poll) -> Self {
        let (sleep, bound) = match poll {
            Poll::Busy => (None, Duration::ZERO),
            Poll::Adaptive { bound } => {
                // Best effort: with the default slack of 50 µs sleeps are longer and are counted.
                let _ = std::fs::write("/proc/thread-self/timerslack_ns", "1");
                let bound = bound.min(LONGEST);
                (bound.checked_sub(OVERSHOOT).filter(|s| !s.is_zero()), bound)
            }
        };
        Idle { sleep, bound, empty: 0, sleeps: 0, overslept: 0 }
    }

    /// Something arrived.
    #[inline]
    pub fn reset(&mut self) {
        self.empty = 0;
    }

    /// Nothing arrived: pauses or sleeps; true when it slept.
    #[inline]
    pub fn wait(&mut self) -> bool {
        let Some(sleep) = self.sleep else {
            return false;
        };
        self.empty += 1;
        if self.empty < SPINS {
            std::hint::spin_loop();
            return false;
        }
        self.empty = SPINS;
        let before = Instant::now();
        std::thread::sleep(sleep);
        self.sleeps += 1;
        self.overslept += u64::from(before.elapsed() > self.bound);
        true
    }

    /// Sleeps so far.
    pub fn sleeps(&self) -> u64 {
        self.sleeps
    }

    /// Sleeps that took longer than the bound.
    pub fn overslept(&self) -> u64 {
        self.overslept
    }
}

/// Half the time in which `descriptors` fill with 64-byte frames (84 bytes with preamble, FCS and
/// gap, IEEE 802.3) at `link_mbps`.
pub fn half_fill_time(descriptors: u32, link_mbps: u32) -> Duration {
    let bits = u64::from(descriptors) * 84 * 8;
    Duration::from_nanos(bits * 1_000 / u64::from(link_mbps.max(1)) / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_of_512_descriptors_at_10g_is_17_us() {
        assert_eq!(half_fill_time(512, 10_000).as_micros(), 17);
        assert_eq!(half_fill_time(4096, 10_000).as_micros(), 137);
    }

    #[test]
    fn busy_never_sleeps_and_a_tight_bound_only_spins() {
        for poll in [Poll::Busy, Poll::Adaptive { bound: Duration::from_micros(17) }] {
            let mut idle = Idle::new(poll);
            assert!((0..2_000).all(|_| !idle.wait()));
            assert_eq!(idle.sleeps(), 0);
        }
    }

    #[test]
    fn adaptive_sleeps_after_enough_empty_loops_and_traffic_wakes_it() {
        let mut idle = Idle::new(Poll::Adaptive { bound: Duration::from_micros(500) });
        assert!((1..SPINS).all(|_| !idle.wait()));
        assert!(idle.wait());
        idle.reset();
        assert!(!idle.wait());
        assert_eq!(idle.sleeps(), 1);
    }
}
