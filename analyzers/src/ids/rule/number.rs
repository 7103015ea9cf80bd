//! Numbers and comparisons as rules write them.

use std::fmt::Display;
use std::ops::BitAnd;

use super::ast::Compare;
use super::problem::{Problem, Result, fail};

/// Decimal or `0x` hexadecimal.
pub(super) fn unsigned(text: &str) -> Option<u64> {
    let text = text.trim();
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(hex) if is_all(hex, |b| b.is_ascii_hexdigit()) => u64::from_str_radix(hex, 16).ok(),
        Some(_) => None,
        None if is_all(text, |b| b.is_ascii_digit()) => text.parse().ok(),
        None => None,
    }
}

fn is_all(text: &str, is: impl Fn(&u8) -> bool) -> bool {
    !text.is_empty() && text.bytes().all(|b| is(&b))
}

/// As [`unsigned`], perhaps with a sign.
pub(super) fn signed(text: &str) -> Option<i64> {
    let text = text.trim();
    match text.strip_prefix('-') {
        Some(rest) => unsigned(rest).and_then(|n| i64::try_from(n).ok()).map(|n| -n),
        None => {
            unsigned(text.strip_prefix('+').unwrap_or(text)).and_then(|n| i64::try_from(n).ok())
        }
    }
}

/// A number from `low` to `high`; says so otherwise.
pub(super) fn within<T>(what: &str, text: &str, low: T, high: T) -> Result<T>
where
    T: TryFrom<i64> + PartialOrd + Display + Copy,
{
    signed(text)
        .and_then(|n| T::try_from(n).ok())
        .filter(|n| low <= *n && *n <= high)
        .ok_or_else(|| out_of_range(what, text, low, high))
}

fn out_of_range(what: &str, text: &str, low: impl Display, high: impl Display) -> Problem {
    Problem::Failed(format!("{what} is {:?}, must be a number from {low} to {high}", text.trim()))
}

/// Numbers that comparisons are made of.
pub(super) trait Number:
    Copy + Ord + Display + TryFrom<u64> + BitAnd<Output = Self>
{
    const MAX: Self;
    const ZERO: Self;
}

macro_rules! numbers {
    ($($t:ty)*) => { $(impl Number for $t { const MAX: Self = <$t>::MAX; const ZERO: Self = 0; })* };
}
numbers! { u8 u16 u32 u64 }

/// With the units that sizes may have.
fn number<T: Number>(text: &str) -> Result<T> {
    let text = text.trim();
    let digits = text.find(|c: char| c.is_ascii_alphabetic() && !text.starts_with("0x"));
    let (digits, unit) = digits.map_or((text, ""), |at| text.split_at(at));
    let factor: u64 = match unit.to_ascii_lowercase().as_str() {
        "" => 1,
        "kb" | "kib" => 1 << 10,
        "mb" | "mib" => 1 << 20,
        "gb" | "gib" => 1 << 30,
        _ => fail!("{text:?} is no number"),
    };
    unsigned(digits)
        .and_then(|n| n.checked_mul(factor))
        .and_then(|n| T::try_from(n).ok())
        .ok_or_else(|| out_of_range("the number", text, T::ZERO, T::MAX))
}

/// `5`, `!5`, `<5`, `>=5`, `5-9`, `5<>9`, `!5-9`, `&0xf`, `&0xf=3`, `!&0xf`.
pub(super) fn compare<T: Number>(text: &str) -> Result<Compare<T>> {
    compare_with(text, number)
}

/// As [`compare`], with other words for numbers.
pub(super) fn compare_with<T: Number>(
    text: &str,
    number: impl Fn(&str) -> Result<T>,
) -> Result<Compare<T>> {
    let text = text.trim();
    if let Some(mask) = text.strip_prefix('&').or_else(|| text.strip_prefix("!&")) {
        let negated = text.starts_with('!');
        let (mask, value) = match mask.split_once('=') {
            Some((mask, value)) => (mask.trim_end_matches('!'), Some(value)),
            None => (mask, None),
        };
        let unequal = text.contains("!=") != negated;
        let mask = number(mask)?;
        return Ok(match value {
            Some(value) if unequal => Compare::NotMasked { mask, value: number(value)? },
            Some(value) => Compare::Masked { mask, value: number(value)? },
            // Some bit of it is set.
            None if negated => Compare::Masked { mask, value: T::ZERO },
            None => Compare::NotMasked { mask, value: T::ZERO },
        });
    }
    type Make<T> = fn(T) -> Compare<T>;
    let signs: [(&str, Make<T>); 8] = [
        ("<=", Compare::LessOrEqual),
        (">=", Compare::GreaterOrEqual),
        ("!=", Compare::NotEqual),
        ("==", Compare::Equal),
        ("<", Compare::Less),
        (">", Compare::Greater),
        ("=", Compare::Equal),
        ("!", Compare::NotEqual),
    ];
    for (sign, make) in signs {
        let Some(rest) = text.strip_prefix(sign) else { continue };
        if sign == "!"
            && let Some((low, high)) = split_range(rest)
        {
            return range(low, high, &number).map(|(low, high)| Compare::NotBetween(low, high));
        }
        let compare = make(number(rest)?);
        return match compare {
            Compare::Less(n) if n == T::ZERO => fail!("nothing is less than 0"),
            Compare::Greater(n) if n == T::MAX => fail!("nothing is greater than {}", T::MAX),
            compare => Ok(compare),
        };
    }
    match split_range(text) {
        Some((low, high)) => {
            range(low, high, &number).map(|(low, high)| Compare::Between(low, high))
        }
        None => number(text).map(Compare::Equal),
    }
}

fn split_range(text: &str) -> Option<(&str, &str)> {
    text.split_once("<>").or_else(|| text.split_once('-'))
}

fn range<T: Number>(low: &str, high: &str, number: &impl Fn(&str) -> Result<T>) -> Result<(T, T)> {
    let (low, high) = (number(low)?, number(high)?);
    if low >= high {
        fail!("the range {low}-{high} is empty: the second must be greater than the first");
    }
    Ok((low, high))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comparisons_are_read_in_all_their_forms() {
        let parse = |text| compare::<u16>(text);
        assert_eq!(parse(" 5 "), Ok(Compare::Equal(5)));
        assert_eq!(parse("0x10"), Ok(Compare::Equal(16)));
        assert_eq!(parse("!5"), Ok(Compare::NotEqual(5)));
        assert_eq!(parse("!= 5"), Ok(Compare::NotEqual(5)));
        assert_eq!(parse("> 5"), Ok(Compare::Greater(5)));
        assert_eq!(parse("<=5"), Ok(Compare::LessOrEqual(5)));
        assert_eq!(parse("5<>9"), Ok(Compare::Between(5, 9)));
        assert_eq!(parse("5 - 9"), Ok(Compare::Between(5, 9)));
        assert_eq!(parse("!5-9"), Ok(Compare::NotBetween(5, 9)));
        assert_eq!(parse("&0xf0"), Ok(Compare::NotMasked { mask: 0xf0, value: 0 }));
        assert_eq!(parse("!&2"), Ok(Compare::Masked { mask: 2, value: 0 }));
        assert_eq!(parse("&6=4"), Ok(Compare::Masked { mask: 6, value: 4 }));
        assert_eq!(parse("1kb"), Ok(Compare::Equal(1024)));
        for bad in ["", "x", "65536", "-1", "9<>5", "<0", ">65535", "1 2", "0x", "5-"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_range_holds_without_its_ends() {
        let range = compare::<u8>("5<>9").unwrap();
        let holds: Vec<u8> = (0..12).filter(|n| range.holds(*n)).collect();
        assert_eq!(holds, [6, 7, 8]);
    }
}
