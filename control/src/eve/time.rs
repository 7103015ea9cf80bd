//! Time stamps as EVE writes them, without a calendar library and without allocation.

use std::fmt;

use serde::{Serialize, Serializer};

/// Length of `2026-01-02T03:04:05.123456+0000`.
pub(super) const STAMP_LEN: usize = 31;

const NS_PER_US: u64 = 1_000;
const NS_PER_S: u64 = 1_000_000_000;
const S_PER_DAY: u64 = 86_400;

/// Nanoseconds since the Unix epoch, shown in UTC with microseconds: `2026-01-02T03:04:05.123456+0000`.
/// Digits below a microsecond are cut, not rounded, as in Suricata.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp(pub u64);

impl Stamp {
    /// The text, always 31 bytes of ASCII: 2^64 ns end in the year 2554.
    pub(super) fn text(self) -> [u8; STAMP_LEN] {
        let seconds = self.0 / NS_PER_S;
        let microseconds = self.0 % NS_PER_S / NS_PER_US;
        let (year, month, day) = civil_from_days(seconds / S_PER_DAY);
        let of_day = seconds % S_PER_DAY;
        let mut out = *b"0000-00-00T00:00:00.000000+0000";
        digits(&mut out[0..4], year);
        digits(&mut out[5..7], month);
        digits(&mut out[8..10], day);
        digits(&mut out[11..13], of_day / 3_600);
        digits(&mut out[14..16], of_day / 60 % 60);
        digits(&mut out[17..19], of_day % 60);
        digits(&mut out[20..26], microseconds);
        out
    }
}

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(std::str::from_utf8(&self.text()).map_err(|_| fmt::Error)?)
    }
}

impl Serialize for Stamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text = self.text();
        serializer.serialize_str(std::str::from_utf8(&text).map_err(serde::ser::Error::custom)?)
    }
}

fn digits(into: &mut [u8], mut value: u64) {
    for place in into.iter_mut().rev() {
        *place = b'0' + (value % 10) as u8;
        value /= 10;
    }
}

/// Days since 1970-01-01 to year, month 1–12, day 1–31 (H. Hinnant, "chrono-compatible low-level date
/// algorithms", civil_from_days, for days at or after the epoch).
fn civil_from_days(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let era = shifted / 146_097;
    let day_of_era = shifted % 146_097;
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (year_of_era + era * 400 + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_instants_are_written_as_suricata_writes_them() {
        for (ns, text) in [
            (0, "1970-01-01T00:00:00.000000+0000"),
            (1_767_323_045_123_456_789, "2026-01-02T03:04:05.123456+0000"),
            (1_385_394_928_482_374_000, "2013-11-25T15:55:28.482374+0000"),
            (951_782_400_000_000_999, "2000-02-29T00:00:00.000000+0000"),
            (951_868_799_999_999_999, "2000-02-29T23:59:59.999999+0000"),
            (4_107_542_399_000_001_000, "2100-02-28T23:59:59.000001+0000"),
            (4_107_542_400_000_000_000, "2100-03-01T00:00:00.000000+0000"),
            (u64::MAX, "2554-07-21T23:34:33.709551+0000"),
        ] {
            assert_eq!(Stamp(ns).to_string(), text);
            assert_eq!(serde_json::to_string(&Stamp(ns)).expect("json"), format!("\"{text}\""));
        }
    }

    #[test]
    fn every_day_of_five_centuries_follows_the_one_before() {
        let (mut year, mut month, mut day) = (1970, 1, 1);
        for days in 0..213_000 {
            assert_eq!(civil_from_days(days), (year, month, day));
            let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
            let last = match month {
                2 => 28 + u64::from(leap),
                4 | 6 | 9 | 11 => 30,
                _ => 31,
            };
            day += 1;
            if day > last {
                (day, month) = (1, month + 1);
            }
            if month > 12 {
                (month, year) = (1, year + 1);
            }
        }
    }
}
