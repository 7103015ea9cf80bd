//! A rule's text, taken apart: header words, and options.

use super::problem::{Result, fail};

/// The parts of a rule.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Parts<'a> {
    pub(super) action: &'a str,
    pub(super) protocol: &'a str,
    pub(super) src: &'a str,
    pub(super) src_ports: &'a str,
    pub(super) direction: &'a str,
    pub(super) dst: &'a str,
    pub(super) dst_ports: &'a str,
    /// Between the parentheses.
    pub(super) options: &'a str,
}

/// Splits before the parenthesis at blanks that are in no bracket.
pub(super) fn parts(text: &str) -> Result<Parts<'_>> {
    let mut rest = text;
    let mut word = |what: &str| {
        rest = rest.trim_start();
        let mut depth = 0i32;
        let end = rest
            .bytes()
            .position(|byte| {
                match byte {
                    b'[' => depth += 1,
                    b']' => depth -= 1,
                    _ => {}
                }
                byte == b'(' || depth <= 0 && byte.is_ascii_whitespace()
            })
            .unwrap_or(rest.len());
        let (word, after) = rest.split_at_checked(end).unwrap_or((rest, ""));
        if word.is_empty() {
            fail!(
                "{what} is missing; a rule begins: action protocol source port -> destination port ("
            );
        }
        rest = after;
        Ok(word)
    };
    let (action, protocol) = (word("the action")?, word("the protocol")?);
    let (src, src_ports) = (word("the source address")?, word("the source port")?);
    let direction = word("the direction")?;
    let (dst, dst_ports) = (word("the destination address")?, word("the destination port")?);
    let Some(options) = rest.trim_start().strip_prefix('(') else {
        fail!("after the destination port must stand an opening parenthesis");
    };
    let Some((options, _)) = options.rsplit_once(')') else {
        fail!("the closing parenthesis is missing");
    };
    Ok(Parts { action, protocol, src, src_ports, direction, dst, dst_ports, options })
}

/// One option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RuleOption<'a> {
    pub(super) name: &'a str,
    pub(super) value: Option<&'a str>,
}

/// Splits options at semicolons that have no backslash before them; quotes do not protect one.
pub(super) fn options(text: &str) -> Result<Vec<RuleOption<'_>>> {
    let mut found = Vec::with_capacity(16);
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let bytes = rest.as_bytes();
        let end = memchr_iter(bytes)
            .find(|at| at.checked_sub(1).and_then(|before| bytes.get(before)) != Some(&b'\\'));
        let Some((option, after)) = end.and_then(|end| rest.split_at_checked(end)) else {
            fail!("no semicolon after {:?}", short(rest));
        };
        let (name, value) = match option.split_once(':') {
            Some((name, value)) => (name.trim(), Some(value.trim())),
            None => (option.trim(), None),
        };
        if name.is_empty() {
            fail!("an option without a name before {:?}", short(after));
        }
        found.push(RuleOption { name, value });
        rest = after.strip_prefix(';').unwrap_or(after).trim_start();
    }
    Ok(found)
}

fn memchr_iter(bytes: &[u8]) -> impl Iterator<Item = usize> {
    bytes.iter().enumerate().filter(|(_, byte)| **byte == b';').map(|(at, _)| at)
}

/// As much of a text as fits a message.
pub(super) fn short(text: &str) -> &str {
    text.char_indices().nth(40).map_or(text, |(at, _)| text.get(..at).unwrap_or(text))
}

/// A value in double quotes, without them; `!` before them is told.
pub(super) fn quoted(value: &str) -> Result<(&str, bool)> {
    let (text, negated) = match value.strip_prefix('!') {
        Some(rest) => (rest.trim_start(), true),
        None => (value, false),
    };
    match text.strip_prefix('"').and_then(|text| text.strip_suffix('"')) {
        Some(inner) => Ok((inner, negated)),
        None if text.starts_with('"') => {
            fail!(
                "the closing quote is missing (perhaps a semicolon is not escaped): {}",
                short(text)
            )
        }
        None => fail!("must be in double quotes: {}", short(value)),
    }
}

/// Without double quotes where it has them.
pub(super) fn unquoted(value: &str) -> Result<&str> {
    if value.starts_with('"') { quoted(value).map(|(text, _)| text) } else { Ok(value) }
}

/// The bytes of a content: text, escapes, and hexadecimal between bars.
pub(super) fn content_bytes(text: &str) -> Result<Box<[u8]>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut hex: Option<Option<u8>> = None;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match (&mut hex, c) {
            (None, '|') => hex = Some(None),
            (Some(None), '|') => hex = None,
            (Some(Some(_)), '|') => fail!("an odd number of hexadecimal digits before a bar"),
            (Some(_), c) if c.is_ascii_whitespace() => {}
            (Some(high), c) => {
                let Some(digit) = c.to_digit(16).and_then(|d| u8::try_from(d).ok()) else {
                    fail!("{c:?} between bars is no hexadecimal digit");
                };
                match high.take() {
                    None => *high = Some(digit),
                    Some(high) => bytes.push(high << 4 | digit),
                }
            }
            (None, '\\') => match chars.next() {
                Some(c @ (':' | ';' | '\\' | '"')) => bytes.push(c as u8),
                Some(c) => fail!("{c:?} cannot be escaped, only : ; \\ and \" can"),
                None => fail!("a backslash at the end"),
            },
            (None, c) => bytes.push(u8::try_from(c).unwrap_or(b'?')),
        }
    }
    if hex.is_some() {
        fail!("a closing bar is missing");
    }
    if bytes.is_empty() {
        fail!("it is empty");
    }
    Ok(bytes.into())
}

/// `msg` without its escapes.
pub(super) fn unescaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match (c, chars.as_str().chars().next()) {
            ('\\', Some(next @ (':' | ';' | '\\' | '"'))) => {
                out.push(next);
                chars.next();
            }
            _ => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_with_groups_is_taken_apart() {
        let text = "alert tcp [$A, !1.1.1.1] ![80, 81] -> any any(msg:\"a (b)\"; sid:1;) ";
        let parts = parts(text).unwrap();
        assert_eq!((parts.src, parts.src_ports), ("[$A, !1.1.1.1]", "![80, 81]"));
        assert_eq!((parts.dst_ports, parts.options), ("any", "msg:\"a (b)\"; sid:1;"));
        for bad in
            ["", "alert", "alert tcp any any -> any any", "alert tcp any any -> any any (sid:1;"]
        {
            assert!(super::parts(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn options_end_at_semicolons_without_a_backslash() {
        let found = options(r#" msg:"a\;b:c" ; nocase;content: !"x";"#).unwrap();
        let pairs: Vec<_> = found.iter().map(|o| (o.name, o.value)).collect();
        assert_eq!(
            pairs,
            [("msg", Some(r#""a\;b:c""#)), ("nocase", None), ("content", Some("!\"x\""))]
        );
        assert!(options("nocase").is_err() && options(";").is_err());
    }

    #[test]
    fn contents_have_hexadecimal_and_escapes() {
        assert_eq!(&*content_bytes(r#"a|20 2F|\;\"\\\:b"#).unwrap(), b"a /;\"\\:b");
        assert_eq!(&*content_bytes("|414 2|").unwrap(), b"AB");
        for bad in ["", "|", "|4|", "|4g|", "a\\x", "a\\", "||"] {
            assert!(content_bytes(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn quotes_are_taken_off() {
        assert_eq!(quoted("! \"a\"").unwrap(), ("a", true));
        assert!(quoted("a").is_err() && quoted("\"a").is_err() && quoted("\"").is_err());
        assert_eq!(unescaped(r"a\;b\n"), r"a;b\n");
    }
}
