//! A share of the traffic, 0.0 to 100.0 percent, held as parts per billion.

use crate::sampler::FlowThreshold;
use core::fmt;
use core::str::FromStr;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

const PPB_PER_PERCENT: u32 = 10_000_000;
const PPB_FULL: u32 = 100 * PPB_PER_PERCENT;

/// From 0 to 100 percent in steps of 10⁻⁷ percent (one part per billion). Input between two steps
/// is rounded to the nearer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Percentage {
    ppb: u32,
}

/// Why a value is no percentage.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PercentageError {
    /// Not a number at all.
    #[error("{text:?} is not a number; a percentage is a number from 0.0 to 100.0")]
    NotANumber {
        /// What was given.
        text: String,
    },
    /// NaN, infinite, negative or above 100.
    #[error("percentage {value} is out of range; legal is 0.0 to 100.0")]
    OutOfRange {
        /// What was given.
        value: f64,
    },
    /// More than 0 but it would round to 0, which would switch sampling off in silence.
    #[error("percentage {value} is finer than the resolution; legal is 0.0, or 0.0000001 to 100.0")]
    TooFine {
        /// What was given.
        value: f64,
    },
}

impl Percentage {
    /// Nothing.
    pub const ZERO: Self = Self { ppb: 0 };
    /// Everything.
    pub const FULL: Self = Self { ppb: PPB_FULL };

    /// From parts per billion; `None` above 1,000,000,000.
    #[must_use]
    pub const fn from_ppb(ppb: u32) -> Option<Self> {
        if ppb <= PPB_FULL { Some(Self { ppb }) } else { None }
    }

    /// Parts per billion: 1,000,000,000 is 100 %.
    #[must_use]
    pub const fn fraction_ppb(self) -> u32 {
        self.ppb
    }

    /// 0.0 to 1.0.
    #[must_use]
    pub fn fraction(self) -> f64 {
        f64::from(self.ppb) / f64::from(PPB_FULL)
    }

    /// 0.0 to 100.0.
    #[must_use]
    pub fn percent(self) -> f64 {
        f64::from(self.ppb) / f64::from(PPB_PER_PERCENT)
    }

    /// Whether nothing is selected.
    #[must_use]
    pub const fn is_zero(self) -> bool {
        self.ppb == 0
    }

    /// Whether everything is selected.
    #[must_use]
    pub const fn is_full(self) -> bool {
        self.ppb == PPB_FULL
    }

    /// The threshold that selects this share of flows.
    #[must_use]
    pub fn threshold(self) -> FlowThreshold {
        FlowThreshold::from(self)
    }
}

impl TryFrom<f64> for Percentage {
    type Error = PercentageError;

    fn try_from(value: f64) -> Result<Self, PercentageError> {
        if !(0.0..=100.0).contains(&value) {
            return Err(PercentageError::OutOfRange { value });
        }
        // 0 to 10^9, so it fits.
        let ppb = (value * f64::from(PPB_PER_PERCENT)).round() as u32;
        if ppb == 0 && value > 0.0 {
            return Err(PercentageError::TooFine { value });
        }
        Ok(Self { ppb })
    }
}

impl FromStr for Percentage {
    type Err = PercentageError;

    /// A decimal number; a trailing `%` is allowed.
    fn from_str(text: &str) -> Result<Self, PercentageError> {
        let trimmed = text.trim();
        let number = trimmed.strip_suffix('%').map_or(trimmed, str::trim_end);
        let value: f64 =
            number.parse().map_err(|_| PercentageError::NotANumber { text: text.to_owned() })?;
        Self::try_from(value)
    }
}

/// The shortest exact decimal, without a percent sign: `12.5`, `0.0001`, `100`.
impl fmt::Display for Percentage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, rest) = (self.ppb / PPB_PER_PERCENT, self.ppb % PPB_PER_PERCENT);
        if rest == 0 {
            return f.pad(&whole.to_string());
        }
        let digits = format!("{whole}.{rest:07}");
        f.pad(digits.trim_end_matches('0'))
    }
}

impl Serialize for Percentage {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.percent())
    }
}

impl<'de> Deserialize<'de> for Percentage {
    /// From a float or an integer, as TOML and JSON write numbers.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Number;

        impl serde::de::Visitor<'_> for Number {
            type Value = Percentage;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number from 0.0 to 100.0")
            }

            fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Percentage, E> {
                Percentage::try_from(value).map_err(E::custom)
            }

            fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<Percentage, E> {
                self.visit_f64(value as f64)
            }

            fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<Percentage, E> {
                self.visit_f64(value as f64)
            }
        }

        deserializer.deserialize_any(Number)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(text: &str) -> Result<Percentage, PercentageError> {
        text.parse()
    }

    #[test]
    fn accepts_the_whole_range_and_its_ends() {
        assert_eq!(parse("0"), Ok(Percentage::ZERO));
        assert_eq!(parse("-0.0"), Ok(Percentage::ZERO));
        assert_eq!(parse("100.0"), Ok(Percentage::FULL));
        assert_eq!(parse(" 37.5 % ").unwrap().fraction_ppb(), 375_000_000);
        assert_eq!(parse("0.0001").unwrap().fraction_ppb(), 1_000);
        assert_eq!(parse("1e-3").unwrap().fraction_ppb(), 10_000);
    }

    #[test]
    fn rejects_what_is_no_share_and_names_the_range() {
        for text in ["NaN", "inf", "-inf", "-0.1", "100.0000001", "1e300"] {
            let error = parse(text).unwrap_err();
            assert!(matches!(error, PercentageError::OutOfRange { .. }), "{text}: {error:?}");
            assert!(error.to_string().contains("legal is 0.0 to 100.0"), "{error}");
        }
        for text in ["", "five", "5 percent", "%", "1,5"] {
            let error = parse(text).unwrap_err();
            assert!(matches!(error, PercentageError::NotANumber { .. }), "{text}: {error:?}");
            assert!(error.to_string().contains("0.0 to 100.0"), "{error}");
        }
        assert!(matches!(parse("0.00000001"), Err(PercentageError::TooFine { .. })));
    }

    #[test]
    fn display_trims_zeros() {
        for text in ["0", "100", "12.5", "0.0001", "0.0000001", "99.9999999", "10", "1.05"] {
            assert_eq!(parse(text).unwrap().to_string(), text);
        }
        assert_eq!(format!("{:>6}", parse("1.50").unwrap()), "   1.5");
    }

    #[test]
    fn serde_reads_floats_and_integers() {
        assert_eq!(serde_json::from_str::<Percentage>("1").unwrap(), parse("1").unwrap());
        assert_eq!(serde_json::from_str::<Percentage>("0.0001").unwrap(), parse("0.0001").unwrap());
        assert_eq!(serde_json::to_string(&parse("37.5").unwrap()).unwrap(), "37.5");
        for bad in ["-1", "101", "100.1", "\"5\"", "null", "18446744073709551615"] {
            let error = serde_json::from_str::<Percentage>(bad).unwrap_err().to_string();
            assert!(error.contains("0.0 to 100.0"), "{bad}: {error}");
        }
    }

    proptest! {
        #[test]
        fn every_step_round_trips(ppb in 0..=PPB_FULL) {
            let percentage = Percentage::from_ppb(ppb).unwrap();
            prop_assert_eq!(parse(&percentage.to_string()), Ok(percentage));
            prop_assert_eq!(Percentage::try_from(percentage.percent()), Ok(percentage));
            let json = serde_json::to_string(&percentage).unwrap();
            prop_assert_eq!(serde_json::from_str::<Percentage>(&json).unwrap(), percentage);
        }
    }

    #[test]
    fn more_than_full_is_refused() {
        assert_eq!(Percentage::from_ppb(PPB_FULL + 1), None);
    }
}
