//! Transforms of text, all in place.

use std::ops::Range;

/// What C calls space.
fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | 0x0b | 0x0c | b'\r')
}

/// Only this part stays.
pub(super) fn keep(bytes: &mut Vec<u8>, part: Range<usize>) {
    bytes.truncate(part.end);
    bytes.drain(..part.start.min(bytes.len()));
}

/// Nothing has no prefix.
pub(super) fn dot_prefix(bytes: &mut Vec<u8>) {
    if !bytes.is_empty() {
        bytes.insert(0, b'.');
    }
}

pub(super) fn strip_whitespace(bytes: &mut Vec<u8>) {
    bytes.retain(|byte| !is_space(*byte));
}

/// Of several blanks in a row the first stays.
pub(super) fn compress_whitespace(bytes: &mut Vec<u8>) {
    bytes.dedup_by(|next, before| is_space(*next) && is_space(*before));
}

/// `%41` and `+`. What is no number stays.
pub(super) fn url_decode(bytes: &mut Vec<u8>) {
    let digit = |byte: Option<&u8>| byte.and_then(|byte| char::from(*byte).to_digit(16));
    let (mut from, mut to) = (0, 0);
    while let Some(&byte) = bytes.get(from) {
        let (value, len) = match byte {
            b'+' => (b' ', 1),
            b'%' => match (digit(bytes.get(from + 1)), digit(bytes.get(from + 2))) {
                (Some(high), Some(low)) => (u8::try_from(high << 4 | low).unwrap_or(0), 3),
                _ => (byte, 1),
            },
            byte => (byte, 1),
        };
        if let Some(place) = bytes.get_mut(to) {
            *place = value;
        }
        (from, to) = (from + len, to + 1);
    }
    bytes.truncate(to);
}

/// Lines that begin with a colon go.
pub(super) fn strip_pseudo_headers(bytes: &mut Vec<u8>) {
    let (mut at_start, mut drop) = (true, false);
    bytes.retain(|byte| {
        if at_start {
            drop = *byte == b':';
        }
        at_start = *byte == b'\n';
        !drop
    });
}

/// Of each line what is before its first colon.
pub(super) fn header_lowercase(bytes: &mut Vec<u8>) {
    let mut name = true;
    for byte in bytes {
        match *byte {
            b'\n' => name = true,
            b':' => name = false,
            _ if name => byte.make_ascii_lowercase(),
            _ => {}
        }
    }
}

/// The registered domain: a public suffix and one label.
pub(super) fn domain(bytes: &mut Vec<u8>) {
    let len = psl::domain(bytes).map(|domain| domain.as_bytes().len());
    keep_end(bytes, len);
}

/// The public suffix.
pub(super) fn tld(bytes: &mut Vec<u8>) {
    let len = psl::suffix(bytes).map(|suffix| suffix.as_bytes().len());
    keep_end(bytes, len);
}

fn keep_end(bytes: &mut Vec<u8>, len: Option<usize>) {
    if let Some(start) = len.and_then(|len| bytes.len().checked_sub(len)) {
        bytes.drain(..start);
    }
}
