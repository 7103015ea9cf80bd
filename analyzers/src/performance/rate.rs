//! Packets over time, in bins that add up over instances.

use std::collections::VecDeque;

use hdrhistogram::Histogram;

use crate::events::Timestamp;

/// Bins kept: an hour and more of seconds.
const BINS: u64 = 4096;

/// Packets per bin of 2^`shift` seconds. Bins become longer when the span no longer fits, and begin
/// at multiples of their length, so that the series of two instances have the same borders.
#[derive(Clone, Debug, Default)]
pub(super) struct RateSeries {
    shift: u32,
    /// Number of the first bin since the epoch.
    first: u64,
    packets: VecDeque<u64>,
}

impl RateSeries {
    pub(super) fn add(&mut self, at: Timestamp, packets: u64) {
        self.add_at(at.as_secs() >> self.shift, packets);
    }

    fn add_at(&mut self, mut bin: u64, packets: u64) {
        if self.packets.is_empty() {
            self.first = bin;
        }
        let last = |series: &Self| series.first + (series.packets.len() as u64).saturating_sub(1);
        while bin.max(last(self)) - bin.min(self.first) >= BINS {
            self.coarsen();
            bin >>= 1;
        }
        while bin < self.first {
            self.packets.push_front(0);
            self.first -= 1;
        }
        let at = (bin - self.first) as usize;
        if at >= self.packets.len() {
            self.packets.resize(at + 1, 0);
        }
        if let Some(count) = self.packets.get_mut(at) {
            *count += packets;
        }
    }

    fn coarsen(&mut self) {
        let old = std::mem::take(&mut self.packets);
        let old_first = self.first;
        self.shift += 1;
        self.first >>= 1;
        for (bin, packets) in (old_first..).zip(old) {
            let at = ((bin >> 1) - self.first) as usize;
            if at >= self.packets.len() {
                self.packets.resize(at + 1, 0);
            }
            if let Some(count) = self.packets.get_mut(at) {
                *count += packets;
            }
        }
    }

    pub(super) fn merge(&mut self, other: &Self) {
        let mut other = other.clone();
        while other.shift < self.shift {
            other.coarsen();
        }
        while self.shift < other.shift {
            self.coarsen();
        }
        for (bin, packets) in (other.first..).zip(other.packets) {
            // A coarser bin may have become necessary meanwhile.
            self.add_at(bin >> (self.shift - other.shift), packets);
        }
    }

    /// Adds packets per second, a value for each bin, empty ones between included.
    pub(super) fn record_into(&self, histogram: &mut Histogram<u64>) {
        for packets in &self.packets {
            histogram.saturating_record(packets >> self.shift);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn total(series: &RateSeries) -> u64 {
        series.packets.iter().sum()
    }

    #[test]
    fn series_of_two_instances_add_up_second_by_second() {
        let (mut a, mut b) = (RateSeries::default(), RateSeries::default());
        a.add(Timestamp::from_secs(100), 5);
        a.add(Timestamp::from_secs(102), 1);
        b.add(Timestamp::from_secs(99), 2);
        b.add(Timestamp::from_secs(100), 3);
        a.merge(&b);
        assert_eq!(a.packets, [2, 8, 0, 1]);
    }

    #[test]
    fn a_long_span_has_longer_bins_and_loses_nothing() {
        let mut series = RateSeries::default();
        for second in (0..100_000).step_by(10) {
            series.add(Timestamp::from_secs(1_700_000_000 + second), 1);
        }
        series.add(Timestamp::from_secs(1), 1);
        assert_eq!(total(&series), 10_001);
        assert!(series.packets.len() as u64 <= BINS);
        let mut other = RateSeries::default();
        other.add(Timestamp(u64::MAX), 7);
        other.merge(&series);
        assert_eq!(total(&other), 10_008);
    }
}
