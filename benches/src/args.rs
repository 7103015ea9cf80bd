//! Values on the command line, each with its legal range in its error.

use crate::traffic::{LONGEST, SHORTEST};

fn number(
    text: &str,
    what: &str,
    legal: &str,
    is_legal: impl Fn(f64) -> bool,
) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if is_legal(value) => Ok(value),
        _ => Err(format!("{what} {text:?}: legal are {legal}")),
    }
}

/// 0 to 100.
pub(crate) fn percentage(text: &str) -> Result<f64, String> {
    number(text, "percentage", "0 to 100", |value| (0.0..=100.0).contains(&value))
}

/// Above 0, to 100.
pub(crate) fn load(text: &str) -> Result<f64, String> {
    number(text, "load", "more than 0, to 100 %", |value| value > 0.0 && value <= 100.0)
}

/// Packets per second.
pub(crate) fn rate(text: &str) -> Result<f64, String> {
    number(text, "rate", "1 to 1e9 packets per second", |value| (1.0..=1e9).contains(&value))
}

/// How long a trial or a window is.
pub(crate) fn seconds(text: &str) -> Result<f64, String> {
    number(text, "seconds", "0.001 to 3600", |value| (0.001..=3600.0).contains(&value))
}

/// Width of an interval in percent.
pub(crate) fn width(text: &str) -> Result<f64, String> {
    number(text, "width", "0.01 to 50 %", |value| (0.01..=50.0).contains(&value))
}

/// Bytes of a frame.
pub(crate) fn frame_size(text: &str) -> Result<u16, String> {
    match text.parse() {
        Ok(size) if (SHORTEST..=LONGEST).contains(&size) => Ok(size),
        _ => {
            Err(format!("frame size {text:?}: legal are {SHORTEST} to {LONGEST} bytes without FCS"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_out_of_range_is_told_the_range() {
        assert_eq!(percentage("0"), Ok(0.0));
        assert_eq!(frame_size("1514"), Ok(1514));
        for (refused, range) in [
            (percentage("101").map(drop), "0 to 100"),
            (percentage("NaN").map(drop), "0 to 100"),
            (load("0").map(drop), "more than 0"),
            (rate("-1").map(drop), "1 to 1e9"),
            (seconds("inf").map(drop), "0.001 to 3600"),
            (width("").map(drop), "0.01 to 50"),
            (frame_size("53").map(drop), "54 to 9014"),
        ] {
            assert!(refused.clone().is_err_and(|e| e.contains(range)), "{refused:?}");
        }
    }
}
