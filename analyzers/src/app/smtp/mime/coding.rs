//! Content-Transfer-Encoding (RFC 2045, 6): base64 and quoted-printable, line by line.

/// Bytes of a group of base64.
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

/// Undoes base64 across lines; what is not of its alphabet is left out.
#[derive(Debug, Default)]
pub(super) struct Base64 {
    group: [u8; GROUP_LEN],
    len: usize,
}

impl Base64 {
    /// The next bytes. False if there was something that does not belong there.
    pub(super) fn feed(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> bool {
        let mut valid = true;
        for &byte in bytes {
            match sextet(byte) {
                Some(value) => {
                    if let Some(place) = self.group.get_mut(self.len) {
                        *place = value;
                    }
                    self.len += 1;
                    if self.len == GROUP_LEN {
                        self.flush(out);
                    }
                }
                None if byte == b'=' => self.flush(out),
                None => valid &= matches!(byte, b' ' | b'\t' | b'\r' | b'\n'),
            }
        }
        valid
    }

    /// What a group that is not full holds.
    pub(super) fn flush(&mut self, out: &mut Vec<u8>) {
        let [a, b, c, d] = self.group;
        let bytes = [a << 2 | b >> 4, b << 4 | c >> 2, c << 6 | d];
        let whole = self.len.saturating_sub(1);
        out.extend_from_slice(bytes.get(..whole).unwrap_or_default());
        *self = Self::default();
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
/// whether all that was escaped was escaped well.
pub(super) fn quoted_printable(line: &[u8], out: &mut Vec<u8>) -> (bool, bool) {
    let mut valid = true;
    let mut rest = line;
    while let [byte, behind @ ..] = rest {
        rest = behind;
        if *byte != b'=' {
            out.push(*byte);
            continue;
        }
        match behind {
            [] => return (true, valid),
            [high, low, behind @ ..]
                if let (Some(high), Some(low)) = (nibble(*high), nibble(*low)) =>
            {
                out.push(high << 4 | low);
                rest = behind;
            }
            _ => {
                valid = false;
                out.push(b'=');
            }
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

    fn base64(parts: &[&[u8]]) -> (Vec<u8>, bool) {
        let (mut decoder, mut out, mut valid) = (Base64::default(), Vec::new(), true);
        for part in parts {
            valid &= decoder.feed(part, &mut out);
        }
        decoder.flush(&mut out);
        (out, valid)
    }

    #[test]
    fn base64_across_lines() {
        assert_eq!(base64(&[b"QUJDREVG"]), (b"ABCDEF".to_vec(), true));
        assert_eq!(base64(&[b"QUJ", b"DRE", b"VG"]), (b"ABCDEF".to_vec(), true));
        assert_eq!(base64(&[b"QUI=", b"QQ=="]), (b"ABA".to_vec(), true));
        assert_eq!(base64(&[b"QUJDRE"]), (b"ABCD".to_vec(), true));
        assert_eq!(base64(&[b"QU!JD"]), (b"ABC".to_vec(), false));
    }

    #[test]
    fn quoted_printable_lines() {
        let line = |line: &[u8]| {
            let mut out = Vec::new();
            let (soft, valid) = quoted_printable(line, &mut out);
            (String::from_utf8(out).unwrap(), soft, valid)
        };
        assert_eq!(line(b"a=3D=c3=A9 b"), ("a=é b".to_owned(), false, true));
        assert_eq!(line(b"a=20="), ("a ".to_owned(), true, true));
        assert_eq!(line(b"a=ZZ=4"), ("a=ZZ=4".to_owned(), false, false));
    }
}
