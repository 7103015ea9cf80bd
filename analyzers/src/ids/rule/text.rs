//! Rules files as lines: what is a rule, what is disabled, what is a comment.

/// A rule's text, with continued lines put together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RuleLine {
    /// From 1; where it begins.
    pub(super) number: u32,
    /// One char per byte where a line is not ASCII, so that contents keep their bytes.
    pub(super) text: String,
}

/// What a file has.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct RuleLines {
    pub(super) rules: Vec<RuleLine>,
    /// Rules that are commented out.
    pub(super) disabled: usize,
}

/// Longest rule, bytes; what is longer is cut, and fails.
const MAX_RULE_LEN: usize = 1 << 20;

const ACTIONS: [&str; 9] =
    ["alert", "drop", "pass", "reject", "rejectsrc", "rejectdst", "rejectboth", "config", "accept"];

/// Splits a file. A byte order mark, CR LF and blanks around lines are no part of them.
pub(super) fn rule_lines(file: &[u8]) -> RuleLines {
    let file = file.strip_prefix(b"\xef\xbb\xbf").unwrap_or(file);
    let mut found = RuleLines::default();
    let mut open: Option<RuleLine> = None;
    for (line, number) in file.split(|byte| *byte == b'\n').zip(1u32..) {
        let line = line.trim_ascii();
        let (line, continued) = match line.strip_suffix(b"\\") {
            Some(line) => (line, true),
            None => (line, false),
        };
        match &mut open {
            Some(rule) => push(&mut rule.text, line),
            None if line.is_empty() => continue,
            // A comment is never continued.
            None if line.starts_with(b"#") => {
                found.disabled += usize::from(is_disabled_rule(line));
                continue;
            }
            None => {
                let mut text = String::new();
                push(&mut text, line);
                open = Some(RuleLine { number, text });
            }
        }
        if !continued {
            found.rules.extend(open.take());
        }
    }
    found.rules.extend(open);
    found
}

fn push(text: &mut String, line: &[u8]) {
    let room = MAX_RULE_LEN.saturating_sub(text.len());
    let line = line.get(..room).unwrap_or(line);
    match std::str::from_utf8(line) {
        Ok(line) if line.is_ascii() => text.push_str(line),
        _ => text.extend(line.iter().map(|byte| char::from(*byte))),
    }
}

fn is_disabled_rule(line: &[u8]) -> bool {
    let Ok(line) = std::str::from_utf8(line) else { return false };
    let line = line.trim_start_matches(['#', ' ', '\t']);
    let word = line.split_ascii_whitespace().next().unwrap_or("");
    ACTIONS.contains(&word) && line.contains('(') && line.contains("sid")
}

/// Undoes the one char per byte of [`rule_lines`].
pub(super) fn bytes_of(text: &str) -> Vec<u8> {
    text.chars().map(|c| u8::try_from(c).unwrap_or(b'?')).collect()
}

/// For people: UTF-8 where the bytes are.
pub(super) fn readable(text: &str) -> Box<str> {
    if text.is_ascii() {
        return text.into();
    }
    String::from_utf8_lossy(&bytes_of(text)).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_continued_comments_counted_and_marks_dropped() {
        let file = b"\xef\xbb\xbf# head\r\nalert tcp (\\\r\n  msg:\"a\"; sid:1;)\r\n\r\n#alert ip any any \
            -> any any (sid:2;)\n# drop the mic\npass ip x\n";
        let lines = rule_lines(file);
        assert_eq!(lines.disabled, 1);
        let texts: Vec<_> = lines.rules.iter().map(|r| (r.number, r.text.as_str())).collect();
        assert_eq!(texts, [(2, "alert tcp (msg:\"a\"; sid:1;)"), (7, "pass ip x")]);
    }

    #[test]
    fn bytes_that_are_not_ascii_are_kept() {
        let lines = rule_lines(b"content:\"\xff\xc3\xa4\"");
        assert_eq!(bytes_of(&lines.rules[0].text), b"content:\"\xff\xc3\xa4\"");
        assert_eq!(&*readable("\u{c3}\u{a4}"), "\u{e4}");
    }
}
