//! Content-Range: what part of the whole a body is.

use serde_json::{Map, Value, json};

use super::bytes::leading_number;
use super::record::text;

/// `bytes 0-67/68`, with `*` for the range or for the size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) struct ContentRange {
    /// First and last byte.
    span: Option<(u64, u64)>,
    size: Option<u64>,
}

impl ContentRange {
    /// Any unit will do, and anything may follow.
    pub(in super::super) fn of(value: &[u8]) -> Option<Self> {
        let unit = value.iter().position(|&b| b == b' ')?;
        let rest = value.get(unit..)?;
        let rest = rest.get(rest.iter().position(|&b| b != b' ')?..)?;
        let (span, rest) = match rest.strip_prefix(b"*") {
            Some(rest) => (None, rest),
            None => {
                let (start, rest) = number(rest)?;
                let (end, rest) = number(rest.strip_prefix(b"-")?)?;
                (Some((start, end)), rest)
            }
        };
        let rest = rest.strip_prefix(b"/")?;
        let size = if rest.starts_with(b"*") { None } else { Some(number(rest)?.0) };
        Some(Self { span, size })
    }

    /// Whether the range is one, and within the whole.
    pub(in super::super) fn is_possible(&self) -> bool {
        match (self.span, self.size) {
            (Some((start, end)), Some(size)) if size > 0 => start <= end && end < size,
            _ => true,
        }
    }

    /// First and last byte of what is less than the whole.
    pub(super) fn part(&self) -> Option<(u64, u64)> {
        let ((start, end), size) = self.span.zip(self.size)?;
        let is_part = start <= end && end < size && end - start + 1 < size;
        is_part.then_some((start, end))
    }
}

/// Digits, as many as there are; no more than a signed number holds.
fn number(text: &[u8]) -> Option<(u64, &[u8])> {
    let end = text.iter().position(|b| !b.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    let number = leading_number(digits, 10).filter(|&n| i64::try_from(n).is_ok())?;
    Some((number, rest))
}

/// EVE's `content_range`: the value, and its numbers if it is one.
pub(super) fn object(value: &[u8]) -> Value {
    let mut object = Map::new();
    if !value.is_empty() {
        object.insert("raw".to_owned(), text(value));
    }
    let range = ContentRange::of(value);
    if let Some((start, end)) = range.and_then(|range| range.span) {
        object.insert("start".to_owned(), json!(start));
        object.insert("end".to_owned(), json!(end));
    }
    if let Some(size) = range.and_then(|range| range.size) {
        object.insert("size".to_owned(), json!(size));
    }
    Value::Object(object)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_a_range_and_what_is_a_part() {
        // Value, whether it is a range at all, whether that is possible, and the part.
        for (value, is_range, possible, part) in [
            ("bytes 0-2/30", true, true, Some((0, 2))),
            ("items  27-029/30x", true, true, Some((27, 29))),
            ("bytes 0-29/30", true, true, None),
            ("bytes 0-2/*", true, true, None),
            ("bytes */30", true, true, None),
            ("bytes 0-2/0", true, true, None),
            ("bytes 5-3/100", true, false, None),
            ("bytes 5-5/5", true, false, None),
            ("bytes 0-18446744073709551615/18446744073709551615", false, false, None),
            ("bytes=0-2/3", false, false, None),
            ("0-2/3", false, false, None),
            ("bytes 0-2", false, false, None),
            ("bytes 0 - 2/3", false, false, None),
            ("bytes -2/3", false, false, None),
            ("x y 0-2/3", false, false, None),
            ("bytes\t0-2/3", false, false, None),
            ("", false, false, None),
        ] {
            let range = ContentRange::of(value.as_bytes());
            assert_eq!(range.is_some(), is_range, "{value}");
            assert_eq!(range.is_some_and(|r| r.is_possible()), possible, "{value}");
            assert_eq!(range.and_then(|r| r.part()), part, "{value}");
        }
    }

    #[test]
    fn what_stands_in_the_record() {
        let all = json!({"raw": "bytes 0-67/68", "start": 0, "end": 67, "size": 68});
        assert_eq!(object(b"bytes 0-67/68"), all);
        assert_eq!(object(b"bytes */68"), json!({"raw": "bytes */68", "size": 68}));
        assert_eq!(object(b"bytes 0-2"), json!({"raw": "bytes 0-2"}));
        assert_eq!(object(b""), json!({}));
    }
}
