//! Which content of an inspection the prefilter looks for.

use std::cmp::Reverse;

use crate::ids::rule::ast::{Content, FastPattern, Inspection, Match, Value};

/// A literal that must stand in the buffer for the inspection to hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FastLiteral {
    pub(crate) bytes: Vec<u8>,
    pub(crate) nocase: bool,
    /// Which of the inspection's matches it is of.
    pub(crate) match_index: usize,
}

/// The literal that the rule names with `fast_pattern`, or else the longest, and of several the one with the rarest
/// bytes; and whether the rule named it. `None` where no content must be there.
pub(crate) fn fast_literal(inspection: &Inspection) -> Option<(FastLiteral, bool)> {
    // Without the buffer it holds as well.
    if inspection.matches.iter().any(|found| matches!(found, Match::Absent(_))) {
        return None;
    }
    let contents = inspection.matches.iter().enumerate().filter_map(|(at, found)| match found {
        Match::Content(content) if !content.negated => Some((at, content)),
        _ => None,
    });
    let named = contents.clone().find(|(_, content)| content.fast_pattern.is_some());
    let (at, content) = named.or_else(|| {
        contents.max_by_key(|(at, content)| {
            (content.bytes.len(), weight(&content.bytes), !is_variable(content), Reverse(*at))
        })
    })?;
    let bytes = match content.fast_pattern {
        Some(FastPattern::Part { offset, len }) => {
            let start = usize::from(offset);
            content.bytes.get(start..start + usize::from(len)).unwrap_or(&content.bytes)
        }
        _ => &content.bytes,
    };
    let literal = FastLiteral { bytes: bytes.to_vec(), nocase: content.nocase, match_index: at };
    Some((literal, named.is_some()))
}

/// How well it narrows down: more is better. To be compared with that of other inspections' literals.
pub(crate) fn strength(literal: &FastLiteral) -> u32 {
    weight(&literal.bytes)
}

fn is_variable(content: &Content) -> bool {
    fn is<T>(value: &Option<Value<T>>) -> bool {
        matches!(value, Some(Value::Variable(_)))
    }
    is(&content.offset) || is(&content.depth) || is(&content.distance) || is(&content.within)
}

/// Bits that a literal's bytes tell, roughly. A byte that was there before says little more.
fn weight(bytes: &[u8]) -> u32 {
    let mut seen = [false; 256];
    let bits = bytes.iter().map(|byte| {
        let before = seen.get_mut(usize::from(*byte)).map(|seen| std::mem::replace(seen, true));
        if before == Some(true) { 1 } else { bits(*byte) }
    });
    bits.sum()
}

/// Of one byte: the rarer in traffic, the more.
fn bits(byte: u8) -> u32 {
    match byte {
        0 | b' ' | b'\r' | b'\n' | 0xff => 3,
        b'a'..=b'z' | b'/' | b'.' => 4,
        b'0'..=b'9' | b'A'..=b'Z' | b'-' | b':' | b'=' | b';' | b'"' => 5,
        0x01 => 4,
        byte if byte.is_ascii_graphic() => 6,
        _ => 7,
    }
}
