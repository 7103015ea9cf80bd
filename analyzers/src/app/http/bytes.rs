//! Small things about bytes: HTTP's ideas of space, numbers and tokens.

/// Space and tab: what may stand around values and begins a folded line.
pub(super) const fn is_lws(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// What begins a continuation line. NUL does, for clients take it so.
pub(super) const fn is_folding(byte: u8) -> bool {
    is_lws(byte) || byte == 0
}

/// What C's `isspace` takes for space.
pub(super) const fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | 0x09..=0x0d)
}

/// Without what `strip` holds of at both ends.
pub(super) fn trim(bytes: &[u8], strip: impl Fn(u8) -> bool) -> &[u8] {
    let start = bytes.iter().position(|&b| !strip(b)).unwrap_or(bytes.len());
    let end = bytes.iter().rposition(|&b| !strip(b)).map_or(start, |at| at + 1);
    bytes.get(start..end).unwrap_or_default()
}

/// Without line ends at the end.
pub(super) fn chomp(line: &[u8]) -> &[u8] {
    let end = line.iter().rposition(|b| !matches!(b, b'\r' | b'\n')).map_or(0, |at| at + 1);
    line.get(..end).unwrap_or_default()
}

/// Where `needle` begins, in any case. Meant for short haystacks such as header values.
pub(super) fn find_ci(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len().max(1)).position(|window| window.eq_ignore_ascii_case(needle))
}

/// Whether `needle` is in it, in any case, were there no NULs.
pub(super) fn contains_without_nul(haystack: &[u8], needle: &[u8]) -> bool {
    if haystack.contains(&0) {
        let clean: Vec<u8> = haystack.iter().copied().filter(|&b| b != 0).collect();
        find_ci(&clean, needle).is_some()
    } else {
        find_ci(haystack, needle).is_some()
    }
}

/// The digits at the beginning as a number; `None` without digits or beyond 64 bits.
pub(super) fn leading_number(bytes: &[u8], radix: u32) -> Option<u64> {
    let mut value: Option<u64> = None;
    for &byte in bytes {
        let Some(digit) = char::from(byte).to_digit(radix) else { break };
        value =
            Some(value.unwrap_or(0).checked_mul(u64::from(radix))?.checked_add(u64::from(digit))?);
    }
    value
}

/// A body's length as browsers read it: the first number there is.
pub(super) fn content_length(value: &[u8]) -> Option<u64> {
    let start = value.iter().position(u8::is_ascii_digit)?;
    leading_number(value.get(start..)?, 10).filter(|&len| len <= i64::MAX as u64)
}

/// Where a parameter's value is in a header field such as `attachment; filename="a;b"`.
pub(super) fn parameter<'a>(value: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let mut rest = value;
    loop {
        let at = find_ci(rest, name)?;
        let starts = rest
            .get(..at)
            .and_then(<[u8]>::last)
            .is_none_or(|&before| before == b';' || before == b',' || is_space(before));
        rest = rest.get(at + name.len()..)?;
        let after = trim(rest, is_space);
        if !starts || after.first() != Some(&b'=') {
            continue;
        }
        let text = trim(after.get(1..)?, is_space);
        return if text.first() == Some(&b'"') {
            let text = text.get(1..)?;
            text.get(..text.iter().position(|&b| b == b'"').unwrap_or(text.len()))
        } else {
            let end = text.iter().position(|&b| b == b';' || is_space(b)).unwrap_or(text.len());
            text.get(..end)
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_number_is_the_length() {
        assert_eq!(content_length(b"68"), Some(68));
        assert_eq!(content_length(b"(68) 34"), Some(68));
        assert_eq!(content_length(b"34 68"), Some(34));
        assert_eq!(content_length(b"68.0"), Some(68));
        assert_eq!(content_length(b"none"), None);
        assert_eq!(content_length(b"99999999999999999999999"), None);
    }

    #[test]
    fn parameters_quoted_and_not() {
        assert_eq!(parameter(b"attachment; filename=\"a;b\"", b"filename"), Some(&b"a;b"[..]));
        assert_eq!(parameter(b"attachment; FileName = a ; x=y", b"filename"), Some(&b"a"[..]));
        assert_eq!(parameter(b"form-data; xname=1; name=2", b"name"), Some(&b"2"[..]));
        assert_eq!(parameter(b"form-data; name", b"name"), None);
    }

    #[test]
    fn nul_does_not_hide_a_token() {
        assert!(contains_without_nul(b"chu\0nKed", b"chunked"));
        assert!(!contains_without_nul(b"chunk", b"chunked"));
    }
}
