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

/// `%41` and `+`. Of what is no number, all up to the byte that is no digit stays as it is.
pub(super) fn url_decode(bytes: &mut Vec<u8>) {
    let digit = |byte: Option<&u8>| byte.and_then(|byte| char::from(*byte).to_digit(16));
    let (mut from, mut to) = (0, 0);
    while let Some(&byte) = bytes.get(from) {
        // How many bytes are read, and how many of these stay as they are.
        let (value, read, stay) = match byte {
            b'+' => (b' ', 1, 0),
            b'%' => match (digit(bytes.get(from + 1)), digit(bytes.get(from + 2))) {
                (Some(high), Some(low)) => (u8::try_from(high << 4 | low).unwrap_or(0), 3, 0),
                (Some(_), None) => (0, 3, 3),
                (None, _) => (0, 2, 2),
            },
            _ => (0, 1, 1),
        };
        let read = read.min(bytes.len() - from);
        if stay > 0 {
            bytes.copy_within(from..from + read, to);
            to += read;
        } else if let Some(place) = bytes.get_mut(to) {
            *place = value;
            to += 1;
        }
        from += read;
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

/// The registered domain: a public suffix and one label. Nothing where there is none.
pub(super) fn domain(bytes: &mut Vec<u8>) {
    let len = psl::domain(bytes).map_or(0, |domain| domain.as_bytes().len());
    keep_end(bytes, len);
}

/// The public suffix of a registered domain. Nothing where there is none.
pub(super) fn tld(bytes: &mut Vec<u8>) {
    let len = psl::domain(bytes).map_or(0, |domain| domain.suffix().as_bytes().len());
    keep_end(bytes, len);
}

fn keep_end(bytes: &mut Vec<u8>, len: usize) {
    let start = bytes.len().saturating_sub(len);
    bytes.drain(..start);
}
