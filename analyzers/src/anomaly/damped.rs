//! Statistics that forget: Kitsune's damped incremental statistics.
//!
//! Mirsky, Doitshman, Elovici and Shabtai, "Kitsune: An Ensemble of Autoencoders for Online Network
//! Intrusion Detection", NDSS 2018, section IV: weight, linear and squared sum of a stream decay by
//! 2^(-λΔt), so that each λ is a window of about 1/λ seconds without any sample being kept.

/// Decay per second, the published ones: windows of 0.2, 0.33, 1, 10 and 100 s.
pub(super) const LAMBDAS: [f64; WINDOWS] = [5.0, 3.0, 1.0, 0.1, 0.01];
pub(super) const WINDOWS: usize = 5;
pub(super) const LONGEST_WINDOW_S: f64 = 100.0;

/// Weight, linear sum and sum of squares in one window.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sums {
    pub(super) weight: f64,
    linear: f64,
    squares: f64,
}

impl Sums {
    fn add(&mut self, decay: f64, value: f64) {
        self.weight = self.weight * decay + 1.0;
        self.linear = self.linear * decay + value;
        self.squares = self.squares * decay + value * value;
    }

    pub(super) fn mean(&self) -> f64 {
        if self.weight > 0.0 { self.linear / self.weight } else { 0.0 }
    }

    pub(super) fn variance(&self) -> f64 {
        if self.weight > 0.0 {
            let mean = self.mean();
            (self.squares / self.weight - mean * mean).abs()
        } else {
            0.0
        }
    }

    pub(super) fn deviation(&self) -> f64 {
        self.variance().sqrt()
    }
}

/// What is left of a weight after so many seconds; time that goes back counts as none.
fn decay(window: usize, seconds: f64) -> f64 {
    let lambda = LAMBDAS.get(window).copied().unwrap_or(1.0);
    (-lambda * seconds.max(0.0)).exp2()
}

/// One stream in all windows.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Damped {
    pub(super) windows: [Sums; WINDOWS],
    last: Option<f64>,
}

impl Damped {
    /// A value at a time in seconds, finite both.
    pub(super) fn add(&mut self, now: f64, value: f64) {
        let passed = self.last.map_or(0.0, |last| now - last);
        for (window, sums) in self.windows.iter_mut().enumerate() {
            sums.add(decay(window, passed), value);
        }
        self.last = Some(self.last.map_or(now, |last| last.max(now)));
    }

    /// Seconds since the value before; `None` at the first.
    pub(super) fn since_last(&self, now: f64) -> Option<f64> {
        self.last.map(|last| (now - last).max(0.0))
    }
}

/// Two streams that answer each other, such as both headings of a channel: what they are together.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Paired {
    pub(super) sides: [Damped; 2],
    /// Decaying sum of products of residuals, and its weight.
    products: [(f64, f64); WINDOWS],
    /// The last residual of either side.
    residuals: [[f64; WINDOWS]; 2],
    last: Option<f64>,
}

/// What two streams are together in one window.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Joint {
    pub(super) magnitude: f64,
    pub(super) radius: f64,
    pub(super) covariance: f64,
    pub(super) correlation: f64,
}

impl Paired {
    /// A value of one side.
    pub(super) fn add(&mut self, side: usize, now: f64, value: f64) {
        let side = side & 1;
        self.sides[side].add(now, value);
        let passed = self.last.map_or(0.0, |last| now - last);
        for window in 0..WINDOWS {
            let residual = value - self.sides[side].windows[window].mean();
            let (sum, weight) = &mut self.products[window];
            let decay = decay(window, passed);
            *sum = *sum * decay + residual * self.residuals[1 - side][window];
            *weight = *weight * decay + 1.0;
            self.residuals[side][window] = residual;
        }
        self.last = Some(self.last.map_or(now, |last| last.max(now)));
    }

    /// Magnitude and radius of both sides, approximate covariance and correlation.
    pub(super) fn joint(&self, window: usize) -> Joint {
        let (Some(a), Some(b), Some(&(sum, weight))) = (
            self.sides[0].windows.get(window),
            self.sides[1].windows.get(window),
            self.products.get(window),
        ) else {
            return Joint::default();
        };
        let covariance = if weight > 0.0 { sum / weight } else { 0.0 };
        let deviations = a.deviation() * b.deviation();
        Joint {
            magnitude: a.mean().hypot(b.mean()),
            radius: a.variance().hypot(b.variance()),
            covariance,
            correlation: if deviations > 1e-12 {
                (covariance / deviations).clamp(-1.0, 1.0)
            } else {
                0.0
            },
        }
    }
}

/// Arrivals per second that a weight stands for, given for how long arrivals were looked at. A window that
/// is longer than that has not filled yet: without this the weight of a steady stream would grow for
/// minutes, and what is learned in the first of them would be strange in the third.
pub(super) fn rate(window: usize, weight: f64, watched_s: f64) -> f64 {
    let lambda = LAMBDAS.get(window).copied().unwrap_or(1.0);
    // Watched for less than the shortest window nothing can be said about rates.
    let filled = 1.0 - (-lambda * watched_s.max(0.2)).exp2();
    weight * lambda * std::f64::consts::LN_2 / filled.max(1e-9)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The definition, with every sample kept.
    fn direct(samples: &[(f64, f64)], window: usize) -> (f64, f64, f64) {
        let end = samples.last().unwrap().0;
        let (mut w, mut l, mut s) = (0.0, 0.0, 0.0);
        for (t, v) in samples {
            let d = (-LAMBDAS[window] * (end - t)).exp2();
            w += d;
            l += d * v;
            s += d * v * v;
        }
        (w, l / w, (s / w - (l / w) * (l / w)).abs().sqrt())
    }

    proptest! {
        #[test]
        fn sums_are_those_of_the_definition(
            steps in prop::collection::vec((0.0f64..3.0, 0.0f64..1500.0), 1..60)
        ) {
            let mut damped = Damped::default();
            let (mut now, mut samples) = (0.0, Vec::new());
            for (step, value) in steps {
                now += step;
                samples.push((now, value));
                damped.add(now, value);
            }
            for window in 0..WINDOWS {
                let (weight, mean, deviation) = direct(&samples, window);
                let sums = &damped.windows[window];
                prop_assert!((sums.weight - weight).abs() < 1e-9 * weight.max(1.0));
                prop_assert!((sums.mean() - mean).abs() < 1e-6);
                prop_assert!((sums.deviation() - deviation).abs() < 1e-2);
            }
        }

        #[test]
        fn nothing_is_ever_not_a_number(
            steps in prop::collection::vec((-1e6f64..1e6, 0.0f64..1e9, 0usize..3), 1..60)
        ) {
            let mut paired = Paired::default();
            for (now, value, side) in steps {
                paired.add(side, now, value);
                for window in 0..WINDOWS {
                    let joint = paired.joint(window);
                    for x in [joint.magnitude, joint.radius, joint.covariance, joint.correlation] {
                        prop_assert!(x.is_finite());
                    }
                }
            }
        }
    }

    #[test]
    fn two_sides_that_rise_together_correlate() {
        let mut paired = Paired::default();
        for i in 0..200 {
            let now = f64::from(i) * 0.01;
            let value = f64::from(i % 20) * 50.0;
            paired.add(0, now, value);
            paired.add(1, now + 0.001, value + 10.0);
        }
        assert!(paired.joint(2).correlation > 0.5, "{:?}", paired.joint(2));
        assert!(paired.joint(2).covariance > 0.0);
    }

    #[test]
    fn the_rate_of_a_steady_stream_does_not_depend_on_how_long_it_was_watched() {
        let mut damped = Damped::default();
        let mut rates = Vec::new();
        for i in 0..6000 {
            let now = f64::from(i) * 0.05;
            damped.add(now, 100.0);
            if [200, 1000, 5999].contains(&i) {
                rates.push(rate(4, damped.windows[4].weight, now));
            }
        }
        assert!(rates.iter().all(|rate| (rate - 20.0).abs() < 1.0), "{rates:?}");
    }
}
