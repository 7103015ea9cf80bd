//! How figures are written: as many digits as they carry, with their unit, alike wherever they
//! stand.

use crate::results::{Better, Verdict};
use crate::stats::Estimate;

/// What stands where a run has no figure.
pub(crate) const ABSENT: &str = "not measured in this run";

/// Whether figures of this unit are quotients, which need no unit beside them.
pub(crate) fn is_ratio(unit: &str) -> bool {
    unit.starts_with('×') || unit == "times" || unit.starts_with("ratio") || unit.contains('÷')
}

/// Divisor and unit under which rates are readable.
fn scaled(unit: &str, size: f64) -> (f64, &str) {
    match unit {
        "pps" | "packets/s" if size >= 1e5 => (1e6, "Mpps"),
        _ if is_ratio(unit) => (1.0, ""),
        _ => (1.0, unit),
    }
}

/// Digits behind the point: four significant ones, and as many as an interval around 1 needs.
fn decimals(size: f64, ratio: bool) -> usize {
    match size.abs() {
        s if s == 0.0 || !s.is_finite() || s >= 1000.0 => 0,
        s if s >= 100.0 => 1,
        s if s >= 10.0 => 2,
        _ if ratio => 4,
        s if s >= 1.0 => 2,
        s if s >= 0.01 => 3,
        s => (2 - s.log10().floor() as i32).clamp(0, 12) as usize,
    }
}

/// `places` digits behind the point, and no minus before a zero.
fn fixed(value: f64, places: usize) -> String {
    if !value.is_finite() {
        return "–".to_owned();
    }
    let text = format!("{value:.places$}");
    match text.strip_prefix('-') {
        Some(digits) if digits.chars().any(|c| matches!(c, '1'..='9')) => format!("−{digits}"),
        Some(digits) => digits.to_owned(),
        None => text,
    }
}

fn with_unit(number: String, unit: &str) -> String {
    match unit {
        "" => number,
        // A percentage is as wide apart from its sign as anything else from its unit.
        unit => format!("{number} {unit}"),
    }
}

/// A figure with its unit: "12.30 cycles", "14.20 Mpps", "0.9987".
pub(crate) fn figure(value: f64, unit: &str) -> String {
    let (divisor, shown) = scaled(unit, value.abs());
    let value = value / divisor;
    with_unit(fixed(value, decimals(value, is_ratio(unit))), shown)
}

/// An interval: "0.9981 to 1.0012", with the digits of the figure that it belongs to.
pub(crate) fn interval(ends: [f64; 2], of: f64, unit: &str) -> String {
    let (divisor, shown) = scaled(unit, of.abs());
    // A figure of exactly zero says nothing of how fine its interval is.
    let size = if of == 0.0 { ends[0].abs().max(ends[1].abs()) } else { of };
    let places = decimals(size / divisor, is_ratio(unit));
    let both =
        format!("{} to {}", fixed(ends[0] / divisor, places), fixed(ends[1] / divisor, places));
    with_unit(both, shown)
}

/// The interval of an estimate.
pub(crate) fn interval_of(estimate: &Estimate, unit: &str) -> String {
    interval([estimate.low, estimate.high], estimate.median, unit)
}

/// What a figure is held against: "≥ 0.97", "≤ 8 cycles". Bounds are round; they get no more
/// digits than they have.
pub(crate) fn bound(value: f64, better: Better, unit: &str) -> String {
    let sign = match better {
        Better::Higher => "≥",
        Better::Lower => "≤",
    };
    let (divisor, shown) = scaled(unit, value.abs());
    let text = format!("{:.4}", value / divisor);
    let text = text.trim_end_matches('0').trim_end_matches('.');
    with_unit(format!("{sign} {text}"), shown)
}

/// In the words of the performance page.
pub(crate) fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Short => "short",
        Verdict::Match => "match",
        Verdict::Goal => "goal",
    }
}

/// Packets per second in millions, without the unit.
pub(crate) fn mpps(pps: f64) -> String {
    let value = pps / 1e6;
    fixed(value, decimals(value, false).max(2))
}

/// `part` of `whole` in percent; a dash where there is no whole.
pub(crate) fn percent(part: f64, whole: f64) -> String {
    if whole > 0.0 { format!("{} %", fixed(part / whole * 100.0, 1)) } else { "–".to_owned() }
}

/// Nanoseconds in the unit in which they are shortest.
pub(crate) fn duration(ns: u64) -> String {
    match ns {
        0..10_000 => format!("{ns} ns"),
        10_000..10_000_000 => format!("{} µs", fixed(ns as f64 / 1e3, 1)),
        _ => format!("{} ms", fixed(ns as f64 / 1e6, 1)),
    }
}

/// A date and time in UTC. Days to a civil date after Hinnant, "chrono-Compatible Low-Level Date
/// Algorithms" (`civil_from_days`).
pub(crate) fn utc(unix_s: u64) -> String {
    let (days, second) = (unix_s / 86_400 + 719_468, unix_s % 86_400);
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    format!("{year}-{month:02}-{day:02} {:02}:{:02} UTC", second / 3600, second / 60 % 60)
}

/// Text as a cell of a table: a bar or a line end would tear it apart.
pub(crate) fn cell(text: &str) -> String {
    text.replace('|', "\\|").split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_carry_their_unit_and_four_digits() {
        assert_eq!(figure(12.3, "cycles"), "12.30 cycles");
        assert_eq!(figure(0.99871, "ratio of Mpps"), "0.9987");
        assert_eq!(figure(15.25, "ratio"), "15.25");
        assert_eq!(figure(14_203_000.0, "pps"), "14.20 Mpps");
        assert_eq!(figure(-0.000_123_4, "cycles"), "−0.000123 cycles");
        assert_eq!(figure(-0.0, "cycles"), "0 cycles");
        assert_eq!(figure(f64::NAN, "ratio"), "–");
    }

    #[test]
    fn an_interval_has_the_digits_of_its_figure() {
        assert_eq!(interval([9.0, 10.5], 9.9, "cycles"), "9.00 to 10.50 cycles");
        assert_eq!(interval([-0.5, 0.25], 0.0, "cycles"), "−0.500 to 0.250 cycles");
        assert_eq!(interval([0.0, 0.0], 0.0, "packets"), "0 to 0 packets");
    }

    #[test]
    fn bounds_say_which_way_is_better() {
        assert_eq!(bound(0.97, Better::Higher, "ratio"), "≥ 0.97");
        assert_eq!(bound(8.0, Better::Lower, "cycles"), "≤ 8 cycles");
        assert_eq!(bound(0.0, Better::Lower, "packets"), "≤ 0 packets");
    }

    #[test]
    fn dates_are_those_of_the_calendar() {
        assert_eq!(utc(0), "1970-01-01 00:00 UTC");
        assert_eq!(utc(951_827_696), "2000-02-29 12:34 UTC");
        assert_eq!(utc(1_798_761_599), "2026-12-31 23:59 UTC");
    }

    #[test]
    fn a_cell_keeps_its_table_whole() {
        assert_eq!(cell("a|b\n c"), "a\\|b c");
    }
}
