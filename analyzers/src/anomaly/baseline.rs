//! Robust baselines of each conversation's heading: how long its frames are and how long it waits between two.
//!
//! Median and median deviation of the logarithms, followed by stochastic approximation (Robbins and Monro 1951):
//! each value moves the median by a step towards itself whatever its size, so an outlier moves it no more than
//! its neighbour does.

use super::table::Table;

/// Values before a baseline says anything.
const LEAST: u32 = 16;
/// Medians move by this part of the deviation.
const STEP: f64 = 0.05;
/// Deviations of logarithms are at least this: 5%.
const LEAST_DEVIATION: f64 = 0.05;

#[derive(Clone, Copy, Debug, Default)]
struct Median {
    at: f64,
    deviation: f64,
}

impl Median {
    fn begin(value: f64) -> Self {
        Self { at: value, deviation: 4.0 * LEAST_DEVIATION }
    }

    fn distance(self, value: f64) -> f64 {
        (value - self.at).abs() / (1.4826 * self.deviation.max(LEAST_DEVIATION))
    }

    fn learn(&mut self, value: f64) {
        let step = STEP * self.deviation.max(LEAST_DEVIATION);
        let off = value - self.at;
        if off != 0.0 {
            self.at += step.min(off.abs()).copysign(off);
        }
        let further = off.abs() - self.deviation;
        if further != 0.0 {
            self.deviation += step.min(further.abs()).copysign(further);
        }
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Heading {
    count: u32,
    last: f64,
    length: Median,
    gap: Median,
}

/// Baselines by heading: at most 90 bytes × `capacity`.
#[derive(Clone, Debug)]
pub(super) struct Baselines {
    headings: Table<Heading>,
}

impl Baselines {
    pub(super) fn new(capacity: usize) -> Self {
        Self { headings: Table::new(capacity) }
    }

    pub(super) fn clear(&mut self) {
        self.headings.clear();
    }

    /// Distance from the baseline in deviations, the greater of both; `None` while it is too young. A frame that
    /// is far off moves it as little as any other, and with `learn` false not at all.
    pub(super) fn observe(&mut self, key: u64, now: f64, length: f64, learn: bool) -> Option<f64> {
        let (heading, new) = self.headings.entry(key);
        let length = length.max(1.0).ln();
        if new {
            *heading = Heading {
                count: 1,
                last: now,
                length: Median::begin(length),
                gap: Median::default(),
            };
            return None;
        }
        let gap = (now - heading.last).max(1e-6).ln();
        heading.last = now;
        if heading.count == 1 {
            heading.gap = Median::begin(gap);
        }
        let far = heading.length.distance(length).max(heading.gap.distance(gap));
        let known = heading.count >= LEAST;
        heading.count = heading.count.saturating_add(1);
        if learn || !known {
            heading.length.learn(length);
            heading.gap.learn(gap);
        }
        known.then_some(far)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_steady_heading_is_known_and_a_long_frame_in_it_is_far_off() {
        let mut baselines = Baselines::new(4);
        let mut usual = 0.0f64;
        for i in 0..500 {
            let now = f64::from(i) + 0.01 * f64::from(i % 3);
            let far = baselines.observe(1, now, 60.0 + f64::from(i % 4), true);
            if i > 100 {
                usual = usual.max(far.unwrap());
            }
        }
        let far = baselines.observe(1, 500.0, 1500.0, false).unwrap();
        assert!(far > 4.0 * usual, "{far} {usual}");
        assert_eq!(baselines.observe(2, 500.0, 1500.0, true), None);
    }
}
