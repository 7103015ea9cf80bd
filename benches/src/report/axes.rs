//! Axes of the plots: where a value lies, where the ticks are, and what they say.
//!
//! A logarithmic axis is a linear one of logarithms. The ticks are ours in both cases: those of the
//! library know neither units nor a zero on a logarithmic axis.

use std::ops::Range;

use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, ValueFormatter};
use plotters::prelude::Ranged;

/// A tick: where it lies on the axis, and its label.
pub(crate) type Tick = (f64, String);

/// One axis.
#[derive(Debug, Clone)]
pub(crate) struct Axis {
    /// From end to end, in places, not values.
    pub(crate) range: Range<f64>,
    pub(crate) ticks: Vec<Tick>,
    log: bool,
    /// Where a logarithmic axis has its zero, if it has one.
    zero: Option<f64>,
}

/// Smallest and largest finite value.
fn ends(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    values.filter(|v| v.is_finite()).fold(None, |ends, v| {
        let (low, high): (f64, f64) = ends.unwrap_or((v, v));
        Some((low.min(v), high.max(v)))
    })
}

impl Axis {
    /// From the values that it must hold. It starts at zero unless they all lie far from it: a
    /// ratio between 0.95 and 1.00 would otherwise be a flat line.
    pub(crate) fn linear(values: impl Iterator<Item = f64>) -> Self {
        let (mut low, mut high) = ends(values).unwrap_or((0.0, 1.0));
        if low >= 0.0 && low < high * 0.7 {
            low = 0.0;
        }
        if high - low <= high.abs().max(low.abs()) * 1e-9 {
            let widen = if high == 0.0 { 1.0 } else { high.abs() * 0.1 };
            (low, high) = (low - widen, high + widen);
        }
        let margin = (high - low) * 0.05;
        let range = if low == 0.0 { 0.0 } else { low - margin }..high + margin;
        let ticks = linear_ticks(&range);
        Axis { range, ticks, log: false, zero: None }
    }

    /// The same with logarithms. A value of zero gets a place of its own on the left, since "none"
    /// is often the first thing measured; negative values have no place. Without any positive value
    /// the axis is linear.
    pub(crate) fn logarithmic(
        values: impl Iterator<Item = f64> + Clone,
        label: impl Fn(f64) -> String,
    ) -> Self {
        let Some((low, high)) = ends(values.clone().filter(|v| *v > 0.0)) else {
            return Self::linear(values);
        };
        let (mut low, mut high) = (low.log10(), high.log10());
        if high - low < 0.1 {
            (low, high) = (low - 0.15, high + 0.15);
        }
        let mut ticks = log_ticks(low, high, &label);
        let margin = (high - low) * 0.04;
        let mut range = low - margin..high + margin;
        let zero = values.into_iter().any(|v| v == 0.0).then_some(low - (high - low) * 0.12);
        if let Some(zero) = zero {
            range.start = zero - margin;
            ticks.insert(0, (zero, "0".to_owned()));
        }
        Axis { range, ticks, log: true, zero }
    }

    /// Bars of these names, the first on top.
    pub(crate) fn of_names(names: &[String]) -> Self {
        let count = names.len();
        let ticks = names.iter().enumerate().map(|(i, n)| (Self::bar(i, count), n.clone()));
        Axis { range: 0.0..count.max(1) as f64, ticks: ticks.collect(), log: false, zero: None }
    }

    /// The middle of a bar.
    pub(crate) fn bar(index: usize, count: usize) -> f64 {
        (count - index) as f64 - 0.5
    }

    /// Where a value lies; `None` where it has no place.
    pub(crate) fn place(&self, value: f64) -> Option<f64> {
        match value {
            v if !v.is_finite() => None,
            v if !self.log => Some(v),
            v if v > 0.0 => Some(v.log10()),
            0.0 => self.zero,
            _ => None,
        }
    }

    /// The same, with the nearer end of the axis for what lies beyond it or has no place: an
    /// interval that reaches below zero ends at the edge of the plot.
    pub(crate) fn place_within(&self, value: f64) -> f64 {
        let place = if value.is_nan() { self.range.start } else { value };
        let place = self.place(place).unwrap_or(if value > 0.0 {
            self.range.end
        } else {
            self.range.start
        });
        place.clamp(self.range.start, self.range.end)
    }

    /// Whether the value lies apart from the others, so that no line leads to it.
    pub(crate) fn is_apart(&self, value: f64) -> bool {
        self.log && value == 0.0
    }

    /// The label of the tick at a place.
    fn label_at(&self, place: f64) -> String {
        let nearest =
            self.ticks.iter().min_by(|a, b| (a.0 - place).abs().total_cmp(&(b.0 - place).abs()));
        nearest.map(|tick| tick.1.clone()).unwrap_or_default()
    }
}

impl Ranged for Axis {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, place: &f64, limit: (i32, i32)) -> i32 {
        let share = (place - self.range.start) / (self.range.end - self.range.start);
        limit.0 + (share * f64::from(limit.1 - limit.0)).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, hint: Hint) -> Vec<f64> {
        // Light ones would lie between the ticks; the grid has none.
        if hint.weight().allow_light_points() {
            return Vec::new();
        }
        self.ticks.iter().map(|tick| tick.0).collect()
    }

    fn range(&self) -> Range<f64> {
        self.range.clone()
    }
}

impl ValueFormatter<f64> for Axis {
    fn format_ext(&self, place: &f64) -> String {
        self.label_at(*place)
    }
}

/// Ticks at multiples of 1, 2 or 5 times a power of ten.
fn linear_ticks(range: &Range<f64>) -> Vec<Tick> {
    const WANTED: f64 = 8.0;
    let rough = (range.end - range.start) / WANTED;
    let power = 10f64.powf(rough.log10().floor());
    let step =
        power * [1.0, 2.0, 5.0, 10.0].into_iter().find(|m| power * m >= rough).unwrap_or(10.0);
    let first = (range.start / step).ceil() as i64;
    let last = (range.end / step).floor() as i64;
    let size = range.start.abs().max(range.end.abs());
    (first..=last)
        .take(20)
        .map(|i| {
            let value = i as f64 * step;
            (value, number(value, size, step))
        })
        .collect()
}

/// Ticks at powers of ten, and between them where there are few.
fn log_ticks(low: f64, high: f64, label: &impl Fn(f64) -> String) -> Vec<Tick> {
    let span = high - low;
    let factors: &[f64] = match span {
        s if s <= 0.4 => &[1.0, 1.2, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0],
        s if s <= 1.3 => &[1.0, 1.5, 2.0, 3.0, 5.0, 7.0],
        s if s <= 2.6 => &[1.0, 2.0, 5.0],
        _ => &[1.0],
    };
    let every = (span / 9.0).ceil().max(1.0) as i32;
    let powers = (low.floor() as i32..=high.ceil() as i32).filter(|p| p.rem_euclid(every) == 0);
    powers
        .flat_map(|power| factors.iter().map(move |f| (f.log10() + f64::from(power), f, power)))
        .filter(|(place, ..)| (low - 1e-9..=high + 1e-9).contains(place))
        .map(|(place, factor, power)| (place, label(factor * 10f64.powi(power))))
        .collect()
}

/// A number in the multiple that suits `size`, with the digits that `step` needs.
fn number(value: f64, size: f64, step: f64) -> String {
    let (divisor, suffix) = match size {
        s if s >= 1e9 => (1e9, "G"),
        s if s >= 1e6 => (1e6, "M"),
        s if s >= 1e4 => (1e3, "k"),
        _ => (1.0, ""),
    };
    let places = (-(step / divisor).log10().floor()).clamp(0.0, 12.0) as usize;
    if value == 0.0 {
        return "0".to_owned();
    }
    format!("{:.places$}{suffix}", value / divisor).replace('-', "−")
}

/// Label of a logarithmic tick that counts something.
pub(crate) fn count_label(value: f64) -> String {
    let text = match value {
        v if v >= 1e9 => format!("{:.3}G", v / 1e9),
        v if v >= 1e6 => format!("{:.3}M", v / 1e6),
        v if v >= 1e3 => format!("{:.3}k", v / 1e3),
        v => format!("{v:.9}"),
    };
    trim_zeros(&text)
}

/// Label of a logarithmic tick in nanoseconds.
pub(crate) fn time_label(ns: f64) -> String {
    let (value, unit) = match ns {
        v if v >= 1e9 => (v / 1e9, "s"),
        v if v >= 1e6 => (v / 1e6, "ms"),
        v if v >= 1e3 => (v / 1e3, "µs"),
        v => (v, "ns"),
    };
    trim_zeros(&format!("{value:.3} {unit}"))
}

/// Label of a logarithmic tick that is a share.
pub(crate) fn share_label(share: f64) -> String {
    trim_zeros(&format!("{:.9} %", share * 100.0))
}

/// "1.500k" to "1.5k", "20.000 µs" to "20 µs".
fn trim_zeros(text: &str) -> String {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (digits, unit) = text.split_at(end);
    let digits = match digits.contains('.') {
        true => digits.trim_end_matches('0').trim_end_matches('.'),
        false => digits,
    };
    format!("{digits}{unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(axis: &Axis) -> Vec<&str> {
        axis.ticks.iter().map(|tick| tick.1.as_str()).collect()
    }

    #[test]
    fn a_linear_axis_starts_at_zero_unless_its_values_are_far_from_it() {
        assert_eq!(labels(&Axis::linear([3.0, 41.0].into_iter())), ["0", "10", "20", "30", "40"]);
        assert_eq!(
            labels(&Axis::linear([0.95, 1.0].into_iter())),
            ["0.95", "0.96", "0.97", "0.98", "0.99", "1.00"]
        );
        assert_eq!(labels(&Axis::linear([0.0, 4e6].into_iter())), ["0", "1M", "2M", "3M", "4M"]);
    }

    #[test]
    fn a_logarithmic_axis_has_a_place_for_zero_and_none_below() {
        let axis = Axis::logarithmic([0.0, 0.1, 100.0].into_iter(), count_label);
        assert_eq!(labels(&axis), ["0", "0.1", "1", "10", "100"]);
        assert!(axis.place(0.0).unwrap() < axis.place(0.1).unwrap());
        assert_eq!(axis.place(-1.0), None);
        assert_eq!(axis.place_within(-1.0), axis.range.start);
        assert!(axis.is_apart(0.0) && !axis.is_apart(0.1));
    }

    #[test]
    fn axes_stand_any_values() {
        let odd = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.0, -3.0, 1e-300, 1e300, 5.0];
        for from in 0..odd.len() {
            for to in from..odd.len() {
                let values = odd[from..=to].iter().copied();
                for axis in
                    [Axis::linear(values.clone()), Axis::logarithmic(values.clone(), count_label)]
                {
                    assert!(axis.range.start < axis.range.end, "{axis:?}");
                    assert!(axis.ticks.len() <= 20, "{axis:?}");
                    for value in values.clone() {
                        assert!(axis.place_within(value).is_finite(), "{axis:?} {value}");
                    }
                }
            }
        }
    }

    #[test]
    fn labels_are_short() {
        assert_eq!(count_label(0.001), "0.001");
        assert_eq!(count_label(200_000.0), "200k");
        assert_eq!(time_label(1500.0), "1.5 µs");
        assert_eq!(time_label(200.0), "200 ns");
        assert_eq!(share_label(0.0001), "0.01 %");
    }
}
