//! Regular expressions, by PCRE2 with Suricata's limits.
//!
//! The library takes bytes, not UTF-8. What its options do not say is written into the pattern: limits as verbs
//! before it, ungreedy as `(?U)`, anchored as `\G`, `$` at the very end only as `\z`.

use std::fmt::Write;
use std::sync::Arc;

use pcre2::bytes::{Regex, RegexBuilder};

use super::context::MatchContext;
use crate::ids::rule::ast::{CaptureKind, Pcre, PcreFlags};

/// Suricata's `pcre.match-limit`, and `pcre.match-limit-recursion`.
const MATCH_LIMIT: u32 = 3500;
const DEPTH_LIMIT: u32 = 1500;

/// An expression, compiled.
#[derive(Debug)]
pub(super) struct Expression {
    regex: Regex,
    pub(super) relative: bool,
    pub(super) negated: bool,
    /// It is looked for further on when what follows fails.
    pub(super) again: bool,
    captures: Box<[(CaptureKind, Arc<str>)]>,
}

impl Expression {
    pub(super) fn compile(pcre: &Pcre, again: bool) -> Result<Self, String> {
        let captures = pcre.captures.iter().map(|c| (c.kind, Arc::from(&*c.name)));
        Ok(Self {
            regex: match captures.len() {
                0 => compile_uncaptured(&pcre.pattern, pcre.flags)?,
                _ => compile(&pcre.pattern, pcre.flags)?,
            },
            relative: pcre.relative,
            negated: pcre.negated,
            again,
            captures: captures.collect(),
        })
    }

    /// The first match from `start` on; its groups are saved. A match that the limits cut short is none.
    pub(super) fn find(
        &self,
        subject: &[u8],
        start: usize,
        context: &mut MatchContext,
    ) -> Option<std::ops::Range<usize>> {
        if start > subject.len() {
            return None;
        }
        if self.captures.is_empty() {
            let found = self.regex.find_at(subject, start).ok()??;
            return Some(found.start()..found.end());
        }
        let mut places = self.regex.capture_locations();
        let found = self.regex.captures_read_at(&mut places, subject, start).ok()??;
        for ((kind, name), group) in self.captures.iter().zip(1..) {
            let value = places.get(group).and_then(|(from, to)| subject.get(from..to));
            if let Some(value) = value {
                context.capture(*kind, name, value);
            }
        }
        Some(found.start()..found.end())
    }

    /// Whether it matches nowhere. Where the limits cut it short that is not known, and it has failed.
    pub(super) fn is_not(&self, subject: &[u8]) -> bool {
        matches!(self.regex.is_match(subject), Ok(false))
    }
}

/// The first group of an expression where it matches.
#[derive(Clone, Debug)]
pub(super) struct FirstGroup(Regex);

impl FirstGroup {
    pub(super) fn compile(pattern: &str) -> Result<Self, String> {
        let regex = compile(pattern, PcreFlags::default())?;
        match regex.captures_len().saturating_sub(1) {
            1 => Ok(Self(regex)),
            groups => {
                Err(format!("pcrexform: the expression must have one group, it has {groups}"))
            }
        }
    }

    pub(super) fn find(&self, subject: &[u8]) -> Option<std::ops::Range<usize>> {
        let mut places = self.0.capture_locations();
        self.0.captures_read(&mut places, subject).ok()??;
        places.get(1).filter(|(from, to)| from <= to).map(|(from, to)| from..to)
    }
}

/// Without saving groups, which takes less of the stack and so gets farther within the limits; unless the pattern refers to them.
fn compile_uncaptured(pattern: &str, flags: PcreFlags) -> Result<Regex, String> {
    let (verbs, rest) = split_verbs(pattern);
    // An anchored pattern is put into a group, to which the option would not be bound.
    compile(&format!("{verbs}(?n){rest}"), flags).or_else(|_| compile(pattern, flags))
}

fn compile(pattern: &str, flags: PcreFlags) -> Result<Regex, String> {
    let mut builder = RegexBuilder::new();
    builder
        .caseless(flags.caseless)
        .dotall(flags.dot_all)
        .multi_line(flags.multi_line)
        .extended(flags.extended)
        .jit_if_available(true);
    let (text, before) = written(pattern, flags);
    builder.build(&text).map_err(|error| {
        let told = error.to_string();
        match error.offset() {
            None => format!("pcre: {told}"),
            Some(offset) => {
                let what = told.split_once(&format!("{offset}: ")).map_or(&*told, |(_, what)| what);
                format!("pcre: {what}, at offset {}", offset.saturating_sub(before))
            }
        }
    })
}

/// The pattern with what stands for options, and how much farther back it is than it was.
fn written(pattern: &str, flags: PcreFlags) -> (String, usize) {
    let (verbs, pattern) = split_verbs(pattern);
    let mut text = String::with_capacity(verbs.len() + pattern.len() + 64);
    text.push_str(verbs);
    if !flags.no_limit {
        let _ = write!(text, "(*LIMIT_MATCH={MATCH_LIMIT})(*LIMIT_DEPTH={DEPTH_LIMIT})");
    }
    if flags.ungreedy {
        text.push_str("(?U)");
    }
    if flags.anchored {
        text.push_str("\\G(?:");
    }
    let before = text.len() - verbs.len();
    if flags.dollar_end_only && !flags.multi_line {
        end_only(pattern, flags.extended, &mut text);
    } else {
        text.push_str(pattern);
    }
    if flags.anchored {
        // Behind a comment that the pattern may end with.
        text.push_str(if flags.extended { "\n)" } else { ")" });
    }
    (text, before)
}

/// `(*UTF)` and the like can only stand at the very beginning.
fn split_verbs(pattern: &str) -> (&str, &str) {
    let mut end = 0;
    while let Some(rest) = pattern.get(end..).filter(|rest| rest.starts_with("(*")) {
        let name = rest.get(2..).unwrap_or("");
        let is_verb = ["UTF", "UCP", "NO_", "LIMIT_", "NOTEMPTY", "CR", "LF", "ANY", "NUL", "BSR_"];
        match rest.find(')') {
            Some(close) if is_verb.iter().any(|verb| name.starts_with(verb)) => end += close + 1,
            _ => break,
        }
    }
    pattern.split_at_checked(end).unwrap_or(("", pattern))
}

/// Every `$` that is an anchor as `\z`.
fn end_only(pattern: &str, extended: bool, text: &mut String) {
    let (mut class, mut quoted, mut comment) = (false, false, false);
    let mut rest = pattern;
    while let Some(c) = rest.chars().next() {
        let mut len = c.len_utf8();
        if quoted {
            quoted = !rest.starts_with("\\E");
        } else if comment {
            comment = c != '\n';
        } else if c == '\\' {
            quoted = rest.starts_with("\\Q");
            len += rest.chars().nth(1).map_or(0, char::len_utf8);
        } else if class {
            class = c != ']';
        } else if c == '[' {
            class = true;
            // A bracket that comes first is not the end.
            let open = ["[^]", "[]", "[^", "["].into_iter().find(|open| rest.starts_with(open));
            len = open.map_or(1, str::len);
        } else if rest.starts_with("(?#") {
            len = rest.find(')').map_or(rest.len(), |close| close + 1);
        } else if extended && c == '#' {
            comment = true;
        } else if c == '$' {
            text.push_str("\\z");
            rest = rest.get(1..).unwrap_or("");
            continue;
        }
        let (taken, after) = rest.split_at_checked(len).unwrap_or((rest, ""));
        text.push_str(taken);
        rest = after;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(
        pattern: &str,
        flags: PcreFlags,
        subject: &[u8],
        start: usize,
    ) -> Option<(usize, usize)> {
        let regex = compile(pattern, flags).unwrap();
        regex.find_at(subject, start).unwrap().map(|found| (found.start(), found.end()))
    }

    #[test]
    fn every_flag_has_its_effect() {
        let none = PcreFlags::default();
        let flags = |set: fn(&mut PcreFlags)| {
            let mut flags = none;
            set(&mut flags);
            flags
        };
        assert_eq!(found("ab", none, b"xAB", 0), None);
        assert_eq!(found("ab", flags(|f| f.caseless = true), b"xAB", 0), Some((1, 3)));
        assert_eq!(found("a.b", none, b"a\nb", 0), None);
        assert_eq!(found("a.b", flags(|f| f.dot_all = true), b"a\nb", 0), Some((0, 3)));
        assert_eq!(found("^b", none, b"a\nb", 0), None);
        assert_eq!(found("^b", flags(|f| f.multi_line = true), b"a\nb", 0), Some((2, 3)));
        assert_eq!(found("a b # c", none, b"ab", 0), None);
        assert_eq!(found("a b # c", flags(|f| f.extended = true), b"ab", 0), Some((0, 2)));
        assert_eq!(found("a+", none, b"aaa", 0), Some((0, 3)));
        assert_eq!(found("a+", flags(|f| f.ungreedy = true), b"aaa", 0), Some((0, 1)));
        assert_eq!(found("a|b", none, b"xb", 0), Some((1, 2)));
        let anchored = flags(|f| f.anchored = true);
        assert_eq!(found("a|b", anchored, b"xb", 0), None);
        assert_eq!(found("a|b", anchored, b"xb", 1), Some((1, 2)));
        assert_eq!(
            found("a # x", flags(|f| (f.anchored, f.extended) = (true, true)), b"a", 0),
            Some((0, 1))
        );
        assert_eq!(found("a$", none, b"a\n", 0), Some((0, 1)));
        assert_eq!(found("a$", flags(|f| f.dollar_end_only = true), b"a\n", 0), None);
        assert_eq!(found("a$", flags(|f| f.dollar_end_only = true), b"a", 0), Some((0, 1)));
    }

    #[test]
    fn what_does_not_compile_is_told_with_its_place() {
        let wrong = compile("ab(c", PcreFlags { anchored: true, ..PcreFlags::default() });
        assert_eq!(wrong.unwrap_err(), "pcre: missing closing parenthesis, at offset 5");
        let wrong = compile("a**b", PcreFlags::default()).unwrap_err();
        assert!(wrong.ends_with("at offset 2"), "{wrong}");
        assert!(FirstGroup::compile("a(b)(c)").unwrap_err().contains("one group, it has 2"));
    }

    #[test]
    fn bytes_are_no_text() {
        assert_eq!(found("\\xff.\\x00", PcreFlags::default(), b"\xff\xfe\x00", 0), Some((0, 3)));
    }

    #[test]
    fn limits_end_what_goes_on_for_ever() {
        let limited = compile("(x+x+)+[yz]", PcreFlags::default()).unwrap();
        assert!(limited.is_match(&[b'x'; 40]).is_err());
        let short = compile("(x+x+)+[yz]", PcreFlags { no_limit: true, ..PcreFlags::default() });
        assert!(!short.unwrap().is_match(b"xxxxxxxx").unwrap());
    }

    #[test]
    fn dollars_are_told_apart() {
        let rewritten = |pattern: &str, extended| {
            let mut text = String::new();
            end_only(pattern, extended, &mut text);
            text
        };
        assert_eq!(rewritten("a$|b$", false), "a\\z|b\\z");
        assert_eq!(rewritten("\\$[$][^]$][]$]$", false), "\\$[$][^]$][]$]\\z");
        assert_eq!(rewritten("\\Q$\\E$(?#$)$", false), "\\Q$\\E\\z(?#$)\\z");
        assert_eq!(rewritten("a#$\n$", true), "a#$\n\\z");
        assert_eq!(rewritten("a#$", false), "a#\\z");
    }

    #[test]
    fn verbs_stay_in_front() {
        assert_eq!(split_verbs("(*UTF)(*CRLF)a"), ("(*UTF)(*CRLF)", "a"));
        assert_eq!(split_verbs("(*FAIL)a"), ("", "(*FAIL)a"));
        assert!(
            compile("(*UCP)(*UTF)a", PcreFlags { anchored: true, ..PcreFlags::default() }).is_ok()
        );
    }
}
