//! A plain look whether a buffer holds what it was made for: position by position, as the language is described.
//!
//! For the generator's own use, to throw away what came out wrong (a filler that spells what must not be there,
//! a string that its expression does not match after all). It shares nothing with the engine.

use pcre2::bytes::{Regex, RegexBuilder};
use umbra_analyzers::ids::rule::ast::{Content, Match, Pcre};

use super::number::{self, Variables};

/// An expression, for looking again.
pub(crate) fn compile(pcre: &Pcre) -> Option<Regex> {
    let flags = pcre.flags;
    let mut builder = RegexBuilder::new();
    builder
        .caseless(flags.caseless)
        .dotall(flags.dot_all)
        .multi_line(flags.multi_line)
        .extended(flags.extended);
    let anchor = if flags.anchored { "\\G" } else { "" };
    let greed = if flags.ungreedy { "(?U)" } else { "" };
    builder.build(&format!("{greed}{anchor}{}", pcre.pattern)).ok()
}

/// A match and, of an expression, what it was compiled to.
#[derive(Debug)]
pub(crate) struct Item<'m> {
    pub(crate) what: &'m Match,
    pub(crate) regex: Option<Regex>,
}

impl<'m> Item<'m> {
    pub(crate) fn new(what: &'m Match) -> Self {
        let regex = match what {
            Match::Pcre(pcre) => compile(pcre),
            _ => None,
        };
        Self { what, regex }
    }
}

/// How many steps a look may take.
const STEPS_MAX: usize = 20_000;

/// Whether all hold, one after the other, in `bytes`.
pub(crate) fn holds(items: &[Item<'_>], bytes: &[u8], variables: &Variables) -> bool {
    let mut steps = STEPS_MAX;
    step(items, bytes, 0, &mut variables.clone(), &mut steps)
}

/// First place that is allowed and the end behind which nothing may reach.
pub(crate) fn window(
    content: &Content,
    at: usize,
    variables: &Variables,
) -> Option<(usize, Option<usize>)> {
    let number = |v| number::value(v, variables);
    let mut from = 0;
    let mut to: Option<i64> = None;
    if content.is_relative() {
        from = i64::try_from(at).ok()?;
        if let Some(distance) = content.distance {
            from += number::value(distance, variables)?;
        }
        if let Some(within) = content.within {
            to = Some(from + number::value(within, variables)?);
        }
    }
    let offset = match content.offset {
        Some(offset) => number(offset)?,
        None => 0,
    };
    if let Some(depth) = content.depth {
        let end = offset + number(depth)?;
        to = Some(to.map_or(end, |to| to.min(end)));
    }
    let from = usize::try_from(from.max(offset).max(0)).ok()?;
    Some((from, to.map(|to| usize::try_from(to.max(0)).unwrap_or(0))))
}

fn is_at(content: &Content, bytes: &[u8], at: usize) -> bool {
    let Some(found) = bytes.get(at..at + content.bytes.len()) else { return false };
    let same = if content.nocase {
        found.eq_ignore_ascii_case(&content.bytes)
    } else {
        *found == *content.bytes
    };
    same && (!content.endswith || at + content.bytes.len() == bytes.len())
}

fn places<'a>(
    content: &'a Content,
    bytes: &'a [u8],
    window: (usize, Option<usize>),
) -> impl Iterator<Item = usize> + 'a {
    let end = window.1.unwrap_or(bytes.len()).min(bytes.len());
    let last = end.checked_sub(content.bytes.len());
    let range = last.map_or(1..1, |last| window.0..last + 1);
    range.filter(move |&at| is_at(content, bytes, at))
}

fn step(
    items: &[Item<'_>],
    bytes: &[u8],
    at: usize,
    variables: &mut Variables,
    steps: &mut usize,
) -> bool {
    let Some((item, rest)) = items.split_first() else { return true };
    let Some(left) = steps.checked_sub(1) else { return false };
    *steps = left;
    let mut go = |at, variables: &mut Variables| step(rest, bytes, at, variables, steps);
    let from = |at: usize| bytes.get(at..).unwrap_or_default();
    match item.what {
        Match::Content(content) => {
            let Some(window) = window(content, at, variables) else { return false };
            if content.negated {
                return places(content, bytes, window).next().is_none() && go(at, variables);
            }
            places(content, bytes, window)
                .take(50)
                .any(|found| go(found + content.bytes.len(), variables))
        }
        Match::Pcre(pcre) => {
            let Some(regex) = &item.regex else { return go(at, variables) };
            let base = if pcre.relative { at } else { 0 };
            let found = regex.find(from(base)).ok().flatten().map(|m| base + m.end());
            match found {
                Some(_) if pcre.negated => false,
                Some(end) => go(end, variables),
                None => pcre.negated && go(at, variables),
            }
        }
        Match::ByteTest(test) => {
            let Some(place) = number::place(&test.at, at, variables) else { return false };
            let Some((raw, _)) = number::read(&test.at, from(place), variables) else {
                return false;
            };
            number::test(test, raw, variables) == Some(true) && go(at, variables)
        }
        Match::ByteJump(jump) => {
            let Some(place) = number::place(&jump.at, at, variables) else { return false };
            let Some((raw, len)) = number::read(&jump.at, from(place), variables) else {
                return false;
            };
            let to = number::landing(jump, raw, place, len, bytes.len(), variables);
            to.is_some_and(|to| to <= bytes.len() && go(to, variables))
        }
        Match::ByteExtract(extract) => {
            let Some(place) = number::place(&extract.at, at, variables) else { return false };
            let Some((raw, len)) = number::read(&extract.at, from(place), variables) else {
                return false;
            };
            set(variables, extract.result.0, raw * u64::from(extract.multiplier.max(1)));
            go(place + len, variables)
        }
        Match::ByteMath(math) => {
            let Some(place) = number::place(&math.at, at, variables) else { return false };
            let Some((raw, len)) = number::read(&math.at, from(place), variables) else {
                return false;
            };
            let Some(made) = number::math(math, raw, variables) else { return false };
            set(variables, math.result.0, made);
            go(place + len, variables)
        }
        Match::IsDataAt(is) => {
            let base = if is.relative { at } else { 0 };
            let Some(far) = number::value(is.at, variables) else { return false };
            let far = base + usize::try_from(far).unwrap_or(0);
            (far <= bytes.len()) != is.negated && go(at, variables)
        }
        Match::Size(compare) => compare.holds(bytes.len() as u64) && go(at, variables),
        Match::Base64Decode(_) | Match::Entropy(_) | Match::Absent(_) | Match::Dataset(_) => {
            go(at, variables)
        }
    }
}

/// Remembers a variable.
pub(crate) fn set(variables: &mut Variables, id: u8, value: u64) {
    let id = usize::from(id);
    if variables.len() <= id {
        variables.resize(id + 1, None);
    }
    if let Some(place) = variables.get_mut(id) {
        *place = Some(value);
    }
}
