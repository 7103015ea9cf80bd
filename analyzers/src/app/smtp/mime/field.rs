//! Structured header fields (RFC 2045, 5.1; RFC 2231).

use super::coding::nibble;

/// Pieces that a parameter may be sent in.
const PIECES_LIMIT: usize = 64;

/// What stands before the parameters.
pub(super) fn main_value(value: &[u8]) -> &[u8] {
    parts(value).next().unwrap_or_default().trim_ascii()
}

/// A parameter's value, put together from its pieces and without quotes.
pub(super) fn parameter(value: &[u8], wanted: &[u8]) -> Option<Vec<u8>> {
    let mut pieces: Vec<(usize, Vec<u8>)> = Vec::new();
    for part in parts(value).skip(1) {
        let mut sides = part.splitn(2, |&byte| byte == b'=');
        let (Some(name), Some(text)) = (sides.next(), sides.next()) else { continue };
        let mut name = name.trim_ascii().split(|&byte| byte == b'*');
        if !name.next().is_some_and(|name| name.eq_ignore_ascii_case(wanted)) {
            continue;
        }
        let text = unquoted(text.trim_ascii());
        let (number, encoded) = match (name.next(), name.next()) {
            (None, _) => return Some(text),
            (Some([]), _) => (0, true),
            (Some(number), more) => {
                let Some(number) = decimal(number) else { continue };
                (number, more.is_some())
            }
        };
        let text = if encoded { percent_decoded(&text, number == 0) } else { text };
        if pieces.len() < PIECES_LIMIT && !pieces.iter().any(|(known, _)| *known == number) {
            pieces.push((number, text));
        }
    }
    pieces.sort_by_key(|(number, _)| *number);
    let in_order = pieces.iter().enumerate().take_while(|(place, (number, _))| place == number);
    let whole: Vec<u8> = in_order.flat_map(|(_, (_, text))| text.iter().copied()).collect();
    (!whole.is_empty()).then_some(whole)
}

fn decimal(digits: &[u8]) -> Option<usize> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// What semicolons outside of quotes separate.
fn parts(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    let (mut quoted, mut escaped) = (false, false);
    value.split(move |&byte| {
        let was_escaped = escaped;
        escaped = quoted && byte == b'\\' && !was_escaped;
        if byte == b'"' && !was_escaped {
            quoted = !quoted;
        }
        byte == b';' && !quoted
    })
}

/// Quotes that are not closed are a part of what they begin.
fn unquoted(text: &[u8]) -> Vec<u8> {
    let Some(inner) = text.strip_prefix(b"\"") else { return text.to_vec() };
    let (mut out, mut escaped) = (Vec::with_capacity(inner.len()), false);
    for &byte in inner {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => {
                escaped = true;
                continue;
            }
            b'"' => return out,
            _ => {}
        }
        out.push(byte);
    }
    text.to_vec()
}

/// `utf-8'en'a%20b`, of which the first piece has charset and language.
fn percent_decoded(text: &[u8], first: bool) -> Vec<u8> {
    let mut quotes = text.iter().enumerate().filter(|(_, byte)| **byte == b'\'');
    let prefix = quotes.nth(1).filter(|_| first).map_or(0, |(place, _)| place + 1);
    let mut rest = text.get(prefix..).unwrap_or_default();
    let mut out = Vec::with_capacity(rest.len());
    while let [byte, behind @ ..] = rest {
        let digits = behind.first_chunk().filter(|_| *byte == b'%');
        let value = digits.and_then(|&[high, low]| Some(nibble(high)? << 4 | nibble(low)?));
        out.push(value.unwrap_or(*byte));
        rest = if value.is_some() { behind.get(2..).unwrap_or_default() } else { behind };
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(value: &str) -> Option<String> {
        let found = parameter(value.as_bytes(), b"filename")?;
        Some(String::from_utf8_lossy(&found).into_owned())
    }

    #[test]
    fn plain_parameters() {
        assert_eq!(name("attachment; filename=a.txt").as_deref(), Some("a.txt"));
        assert_eq!(name("x; FileName = \"a;b.txt\" ; y=z").as_deref(), Some("a;b.txt"));
        assert_eq!(name(r#"x; filename="a\"b.txt""#).as_deref(), Some("a\"b.txt"));
        assert_eq!(name("x; filename=\"a.txt").as_deref(), Some("\"a.txt"));
        assert_eq!(name("x; filename=\"\"").as_deref(), Some(""));
        assert_eq!(name("x; filename='a.txt'").as_deref(), Some("'a.txt'"));
        assert_eq!(name("x; xfilename=a; filename"), None);
        assert_eq!(main_value(b" text/plain ; a=b"), b"text/plain");
    }

    #[test]
    fn parameters_in_pieces() {
        assert_eq!(name("x; filename*=utf-8''a%20b.txt").as_deref(), Some("a b.txt"));
        assert_eq!(name("x; filename*1=\"c.txt\"; filename*0=ab").as_deref(), Some("abc.txt"));
        assert_eq!(name("x; filename*0*=utf-8''a%20; filename*1=b").as_deref(), Some("a b"));
        assert_eq!(name("x; filename*0=a; filename*2=c").as_deref(), Some("a"));
        assert_eq!(name("x; filename*7=a"), None);
    }
}
