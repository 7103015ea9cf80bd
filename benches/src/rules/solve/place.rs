//! Where a single match may stand, given what stands already.

use umbra_analyzers::ids::rule::ast::{Base64Decode, Content, Match, NumberAt, Pcre};

use super::check::{self, Item};
use super::number;
use super::{State, Wanted};
use crate::rules::pattern::{self, Sample, Sampler};
use crate::rules::rng::Rng;

/// How far behind its first place a match is tried.
const FAR: usize = 260;
/// How many strings are made of an expression at a time.
const SAMPLES: usize = 10;

/// The states that a match can lead to, the likeliest first.
pub(super) fn places(
    item: &Item<'_>,
    state: &State,
    wanted: &Wanted<'_>,
    rng: &mut Rng,
) -> Vec<State> {
    let mut out = Vec::new();
    match item.what {
        Match::Content(content) if content.negated => out.push(state.clone()),
        Match::Content(c) => contents(c, state, wanted, rng, &mut out),
        Match::Pcre(pcre) if pcre.negated => out.push(state.clone()),
        Match::Pcre(pcre) => patterns(pcre, item, state, wanted, rng, &mut out),
        Match::ByteTest(test) => {
            let tries = number::candidates(test, &state.variables);
            numbers(&test.at, state, &tries, |state, raw, _, _| {
                number::test(test, raw, &state.variables) == Some(true)
            })
            .into_iter()
            // The test moves nothing.
            .for_each(|next| out.push(State { at: state.at, ..next }));
        }
        Match::ByteJump(jump) => {
            let room = (state.cells.len().saturating_sub(state.at)) as u64;
            let tries = [0, 1, 2, 4, 8, 12, 16, 32, room, 64, 100, 48];
            out = numbers(&jump.at, state, &tries, |state, raw, place, len| {
                let size = state.cells.min.max(state.cells.len());
                let to = number::landing(jump, raw, place, len, size, &state.variables);
                let Some(to) = to.filter(|&to| state.cells.at_least(to)) else { return false };
                state.at = to;
                true
            });
        }
        Match::ByteExtract(extract) => {
            let tries = [4, 8, 2, 1, 16, 32, 0, 64, 100, 200, 300];
            out = numbers(&extract.at, state, &tries, |state, raw, place, len| {
                let found = raw * u64::from(extract.multiplier.max(1));
                check::set(&mut state.variables, extract.result.0, found);
                state.at = place + len;
                true
            });
        }
        Match::ByteMath(math) => {
            let tries = [4, 8, 2, 1, 16, 32, 0, 64, 100, 20, 24, 12];
            out = numbers(&math.at, state, &tries, |state, raw, place, len| {
                let Some(found) = number::math(math, raw, &state.variables) else { return false };
                check::set(&mut state.variables, math.result.0, found);
                state.at = place + len;
                true
            });
        }
        Match::IsDataAt(is) => {
            let mut next = state.clone();
            let base = if is.relative { state.at } else { 0 };
            let far = number::value(is.at, &state.variables).and_then(|n| usize::try_from(n).ok());
            let Some(far) = far else { return out };
            let fits = if is.negated {
                next.cells.at_most((base + far).saturating_sub(1).max(base.min(base + far)))
            } else {
                next.cells.at_least(base + far + 1)
            };
            if fits {
                out.push(next);
            }
        }
        Match::Base64Decode(decode) => base64(decode, state, wanted, &mut out),
        Match::Size(_) | Match::Entropy(_) | Match::Absent(_) | Match::Dataset(_) => {
            out.push(state.clone());
        }
    }
    out
}

/// Puts bytes, behind which the next match goes on.
fn put(state: &State, at: usize, bytes: &[u8], fold: bool) -> Option<State> {
    let mut next = state.clone();
    next.cells.put(at, bytes, fold).then(|| {
        next.at = at + bytes.len();
        next
    })
}

/// The buffer ends where the last match does.
fn ended(mut state: State) -> Option<State> {
    let end = state.at;
    (state.cells.at_least(end) && state.cells.at_most(end)).then_some(state)
}

fn contents(
    content: &Content,
    state: &State,
    wanted: &Wanted<'_>,
    rng: &mut Rng,
    out: &mut Vec<State>,
) {
    let Some((from, to)) = check::window(content, state.at, &state.variables) else { return };
    let mut bytes = content.bytes.to_vec();
    if content.nocase && !wanted.lowered && rng.percent(20) {
        bytes.iter_mut().filter(|b| b.is_ascii_alphabetic()).for_each(|b| {
            if rng.percent(50) {
                *b ^= 0x20;
            }
        });
    }
    let len = bytes.len();
    let used = state.cells.len();
    let last = match to {
        Some(to) => to.checked_sub(len),
        None => state.cells.max.checked_sub(len),
    };
    let Some(last) = last.filter(|&last| last >= from) else { return };
    let end = |next: State| if content.endswith { ended(next) } else { Some(next) };
    // Where it stands already.
    let there = from..=last.min(used.saturating_sub(len));
    out.extend(
        there
            .filter(|&at| state.cells.holds(at, &content.bytes, content.nocase))
            .take(3)
            .filter_map(|at| end(State { at: at + len, ..state.clone() })),
    );
    let try_at = |at: usize, out: &mut Vec<State>| {
        if (from..=last).contains(&at) {
            out.extend(put(state, at, &bytes, content.nocase).and_then(end));
        }
    };
    if content.endswith {
        let ends = [used, state.cells.min, state.cells.max.min(used + len)];
        ends.iter().for_each(|end| try_at(end.saturating_sub(len), out));
    }
    // The last place that is allowed is where an engine is easily wrong by one.
    if to.is_some() && last - from < 600 && rng.percent(40) {
        try_at(last, out);
    }
    let behind = used.max(from);
    let separated = behind + wanted.separator.len();
    if !wanted.separator.is_empty()
        && behind > 0
        && !content.is_relative()
        && (from..=last).contains(&separated)
        && let Some(parted) = put(state, behind, wanted.separator, false)
    {
        out.extend(put(&parted, separated, &bytes, content.nocase).and_then(end));
    }
    if content.is_relative() || rng.percent(50) {
        try_at(from, out);
    }
    try_at(behind, out);
    if to.is_some() && last - from < 600 {
        try_at(from + rng.below(last - from + 1), out);
    }
    (from..=last.min(from + FAR)).for_each(|at| try_at(at, out));
}

fn patterns(
    pcre: &Pcre,
    item: &Item<'_>,
    state: &State,
    wanted: &Wanted<'_>,
    rng: &mut Rng,
    out: &mut Vec<State>,
) {
    let base = if pcre.relative { state.at } else { 0 };
    let Some(regex) = &item.regex else { return };
    // It may hold already.
    let bytes = state.cells.filled(|| 0);
    if let Ok(Some(found)) = regex.find(bytes.get(base..).unwrap_or_default())
        && (base + found.start()..base + found.end()).all(|at| state.cells.byte(at).is_some())
    {
        out.push(State { at: base + found.end(), ..state.clone() });
    }
    let f = pcre.flags;
    let node = pattern::parse(&pcre.pattern, f.caseless, f.dot_all, f.multi_line, f.extended);
    let Some(node) = node else { return };
    for number in 0..SAMPLES {
        let mut sampler =
            Sampler { rng, liked: wanted.filler, short: number < 3, write_ahead: number % 2 == 1 };
        let Some(mut sample) = sampler.sample(&node) else { continue };
        if wanted.lowered {
            sample.bytes.make_ascii_lowercase();
        }
        sample.at_start |= f.anchored;
        sampled(&sample, base, state, wanted, out);
    }
}

fn sampled(sample: &Sample, base: usize, state: &State, wanted: &Wanted<'_>, out: &mut Vec<State>) {
    let used = state.cells.len();
    let end = |next: State| if sample.to_end { ended(next) } else { Some(next) };
    let behind = used.max(base);
    let at: &[usize] = if sample.at_start {
        &[base]
    } else if sample.to_end && state.cells.max == state.cells.min {
        &[state.cells.max.saturating_sub(sample.bytes.len())]
    } else if base > 0 {
        &[base, behind]
    } else {
        &[behind, base]
    };
    for &at in at {
        let mut before = state.clone();
        let mut at = at;
        if at > 0 && !sample.at_start {
            let line: &[u8] = if sample.at_line { b"\r\n" } else { wanted.separator };
            if !line.is_empty() && before.cells.put(at, line, false) {
                at += line.len();
            }
        }
        let Some(mut next) = put(&before, at, &sample.bytes, false).and_then(end) else { continue };
        if sample.to_line_end && !next.cells.put(next.at, b"\n", false) {
            // The line's end may be the buffer's.
            let Some(last) = ended(next) else { continue };
            next = last;
        }
        out.push(next);
    }
    // Over what is there: the expression says it as well.
    if !sample.at_start {
        let over = (base..=used).rev().take(FAR);
        let fits = over.filter_map(|at| put(state, at, &sample.bytes, false).and_then(end));
        out.extend(fits.take(2));
    }
}

/// States with each number that can be read or written, if `accept` takes it: state, number, place, length.
fn numbers(
    number: &NumberAt,
    state: &State,
    tries: &[u64],
    mut accept: impl FnMut(&mut State, u64, usize, usize) -> bool,
) -> Vec<State> {
    let mut out = Vec::new();
    let Some(place) = number::place(number, state.at, &state.variables) else { return out };
    let there: Vec<u8> = (place..place + 20).map_while(|at| state.cells.byte(at)).collect();
    if let Some((raw, len)) = number::read(number, &there, &state.variables) {
        let mut next = state.clone();
        if accept(&mut next, raw, place, len) {
            out.push(next);
        }
    }
    for &raw in tries {
        let Some(bytes) = number::write(number, raw, &state.variables) else { continue };
        let mut next = state.clone();
        if next.cells.put(place, &bytes, false) && accept(&mut next, raw, place, bytes.len()) {
            out.push(next);
        }
    }
    out
}

fn base64(decode: &Base64Decode, state: &State, wanted: &Wanted<'_>, out: &mut Vec<State>) {
    let text = wanted.base64.as_deref().unwrap_or(b"YWJjZA==");
    let base = if decode.relative { state.at } else { 0 };
    let at = base + decode.offset as usize;
    let fits = decode.bytes == 0 || text.len() <= decode.bytes as usize;
    if fits && let Some(next) = put(state, at, text, false) {
        // Decoding does not move on.
        out.push(State { at: state.at, ..next });
    }
    if state.cells.len() >= at {
        out.push(state.clone());
    }
}
