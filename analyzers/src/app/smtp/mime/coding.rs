//! Content-Transfer-Encoding (RFC 2045, 6): base64 and quoted-printable, line by line.

/// Characters of a group of base64.
const GROUP_LEN: usize = 4;

/// How a body is encoded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Coding {
    /// As it is: 7bit, 8bit, binary, or what is not known.
    #[default]
    Plain,
    Base64,
    QuotedPrintable,
}

impl Coding {
    /// Of a field's value.
    pub(super) fn of(value: &[u8]) -> Self {
        let value = value.trim_ascii();
        if value.eq_ignore_ascii_case(b"base64") {
            Coding::Base64
        } else if value.eq_ignore_ascii_case(b"quoted-printable") {
            Coding::QuotedPrintable
        } else {
            Coding::Plain
        }
    }
}

/// Undoes base64 across lines; what is not of its alphabet is passed over.
#[derive(Debug, Default)]
pub(super) struct Base64 {
    group: [u8; GROUP_LEN],
    len: usize,
}

impl Base64 {
    /// The next bytes. False if there was a group without contents.
    pub(super) fn feed(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> bool {
        let mut valid = true;
        for &byte in bytes.iter().filter(|&&byte| byte == b'=' || sextet(byte).is_some()) {
            if let Some(place) = self.group.get_mut(self.len) {
                *place = byte;
            }
            self.len += 1;
            if self.len == GROUP_LEN {
                valid &= self.flush(out);
            }
        }
        valid
    }

    /// What a group holds, full or not. False if it holds nothing although it is full.
    pub(super) fn flush(&mut self, out: &mut Vec<u8>) -> bool {
        let chars = self.group.get(..self.len).unwrap_or(&self.group);
        let mut values = [0; GROUP_LEN];
        let mut count = 0;
        for (place, value) in values.iter_mut().zip(chars.iter().map_while(|&c| sextet(c))) {
            *place = value;
            count += 1;
        }
        let [a, b, c, d] = values;
        let bytes = [a << 2 | b >> 4, b << 4 | c >> 2, c << 6 | d];
        out.extend_from_slice(bytes.get(..usize::max(count, 1) - 1).unwrap_or_default());
        let valid = count > 1 || self.len < GROUP_LEN;
        *self = Self::default();
        valid
    }
}

fn sextet(byte: u8) -> Option<u8> {
    Some(match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    })
}

/// Undoes quoted-printable of a line without its end. Whether the line goes on in the next one, and
/// whether all that was escaped was escaped well. What was not is left out; digits in lower case are not
/// well but understood, for mail readers do.
pub(super) fn quoted_printable(line: &[u8], out: &mut Vec<u8>) -> (bool, bool) {
    let mut valid = true;
    let mut rest = line;
    while let [byte, behind @ ..] = rest {
        rest = behind;
        if *byte != b'=' {
            out.push(*byte);
            continue;
        }
        let digits = match behind {
            [] => return (true, valid),
            [high, low, ..] => [*high, *low],
            [_] => return (false, false),
        };
        rest = behind.get(2..).unwrap_or_default();
        valid &= digits.iter().all(|digit| matches!(digit, b'0'..=b'9' | b'A'..=b'F'));
        if let [Some(high), Some(low)] = digits.map(nibble) {
            out.push(high << 4 | low);
        }
    }
    (false, valid)
}

/// A hexadecimal digit.
pub(super) fn nibble(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base64(parts: &[&str]) -> (String, bool) {
        let (mut decoder, mut out, mut valid) = (Base64::default(), Vec::new(), true);
        for part in parts {
            valid &= decoder.feed(part.as_bytes(), &mut out);
        }
        decoder.flush(&mut out);
        (String::from_utf8(out).unwrap(), valid)
    }

    #[test]
    fn base64_across_lines() {
        for (parts, text, valid) in [
            (&["QUJDREVG"][..], "ABCDEF", true),
            (&["QUJ", "DRE", "VG"], "ABCDEF", true),
            (&["QUI=", "QUJD"], "ABABC", true),
            (&["QUI=QUJD"], "ABABC", true),
            (&["QQ==QUJD", "QQ=", "=QUJD"], "AABCAABC", true),
            (&["QUJDRE"], "ABCD", true),
            (&["QU!J D"], "ABC", true),
            (&["Q"], "", true),
            (&["====", "QUJD"], "ABC", false),
        ] {
            assert_eq!(base64(parts), (text.to_owned(), valid), "{parts:?}");
        }
    }

    #[test]
    fn quoted_printable_lines() {
        for (line, text, soft, valid) in [
            ("a=3D=C3=A9 b", "a=é b", false, true),
            ("a=c3=a9", "aé", false, false),
            ("a=20=", "a ", true, true),
            ("a=ZZb", "ab", false, false),
            ("a=4", "a", false, false),
            ("a=  ", "a", false, false),
            ("a==41b", "a1b", false, false),
        ] {
            let mut out = Vec::new();
            assert_eq!(quoted_printable(line.as_bytes(), &mut out), (soft, valid), "{line}");
            assert_eq!(String::from_utf8(out).unwrap(), text);
        }
    }
}
