//! Paired comparisons: median of ratios and its bootstrap interval.

use serde::{Deserialize, Serialize};

/// A ratio with its interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Estimate {
    /// Median of the paired ratios.
    pub(crate) median: f64,
    /// Lower end of the 95% bootstrap interval.
    pub(crate) low: f64,
    /// Upper end.
    pub(crate) high: f64,
}

/// Median of `values`; 0 for none.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => 0.0,
        n if n % 2 == 1 => sorted[n / 2],
        n => (sorted[n / 2 - 1] + sorted[n / 2]) / 2.0,
    }
}

/// splitmix64 (Steele, Lea, Flood 2014); a fixed seed makes the interval repeatable from the JSON.
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// Median of `ratios` with its 95% percentile-bootstrap interval (Efron 1979), 10,000 resamples.
pub(crate) fn estimate(ratios: &[f64]) -> Estimate {
    const RESAMPLES: usize = 10_000;
    let mut state = 1u64;
    let n = ratios.len();
    if n == 0 {
        return Estimate { median: 0.0, low: 0.0, high: 0.0 };
    }
    let mut medians: Vec<f64> = (0..RESAMPLES)
        .map(|_| {
            let sample: Vec<f64> =
                (0..n).map(|_| ratios[(next(&mut state) % n as u64) as usize]).collect();
            median(&sample)
        })
        .collect();
    medians.sort_by(f64::total_cmp);
    Estimate {
        median: median(ratios),
        low: medians[RESAMPLES * 25 / 1000],
        high: medians[RESAMPLES * 975 / 1000 - 1],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_even_and_odd_counts() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
        assert_eq!(median(&[]), 0.0);
    }

    #[test]
    fn the_interval_holds_the_median_and_narrows_with_agreement() {
        let wide = estimate(&[0.90, 1.10, 0.95, 1.05, 1.0, 0.97, 1.03, 0.99, 1.01, 0.94, 1.06]);
        let narrow = estimate(&[1.0, 1.001, 0.999, 1.0, 1.0, 1.0, 1.001, 0.999, 1.0, 1.0, 1.0]);
        assert!(wide.low <= wide.median && wide.median <= wide.high);
        assert!(narrow.high - narrow.low < wide.high - wide.low);
    }
}
