//! Which of a rule's variables share a place.
//!
//! Suricata numbers the variables of `byte_extract` and those of `byte_math` each from 0, and keeps both in the same places.
//! So the first that one sets is overwritten by the first of the other.

use crate::ids::rule::ast::{Match, Rule, Value, VarId};

/// By [`VarId`], the place that it has.
pub(super) fn of(rule: &Rule) -> Vec<VarId> {
    let mut extracts = vec![None; rule.variables.len()];
    let matches = rule.inspections.iter().flat_map(|inspection| &inspection.matches);
    for found in matches {
        let (id, is_extract) = match found {
            Match::ByteExtract(extract) => (extract.result, true),
            Match::ByteMath(math) => (math.result, false),
            _ => continue,
        };
        if let Some(kind) = extracts.get_mut(usize::from(id.0)) {
            kind.get_or_insert(is_extract);
        }
    }
    let (mut next_extract, mut next_math) = (0, 0);
    let places = extracts.into_iter().map(|is_extract| {
        let next = if is_extract == Some(true) { &mut next_extract } else { &mut next_math };
        let place = VarId(*next);
        *next = next.saturating_add(1);
        place
    });
    places.collect()
}

/// The match with places in place of its variables.
pub(super) fn placed(found: &Match, places: &[VarId]) -> Match {
    let mut found = found.clone();
    match &mut found {
        Match::Content(content) => {
            place_in(content.offset.as_mut(), places);
            place_in(content.depth.as_mut(), places);
            place_in(content.distance.as_mut(), places);
            place_in(content.within.as_mut(), places);
        }
        Match::ByteTest(test) => {
            place_in(Some(&mut test.at.bytes), places);
            place_in(Some(&mut test.at.offset), places);
            place_in(Some(&mut test.value), places);
        }
        Match::ByteJump(jump) => {
            place_in(Some(&mut jump.at.bytes), places);
            place_in(Some(&mut jump.at.offset), places);
            place_in(Some(&mut jump.post_offset), places);
        }
        Match::ByteExtract(extract) => {
            place_in(Some(&mut extract.at.bytes), places);
            place_in(Some(&mut extract.at.offset), places);
            extract.result = place(extract.result, places);
        }
        Match::ByteMath(math) => {
            place_in(Some(&mut math.at.bytes), places);
            place_in(Some(&mut math.at.offset), places);
            place_in(Some(&mut math.right), places);
            math.result = place(math.result, places);
        }
        Match::IsDataAt(at) => place_in(Some(&mut at.at), places),
        Match::Pcre(_)
        | Match::Size(_)
        | Match::Base64Decode(_)
        | Match::Entropy(_)
        | Match::Absent(_)
        | Match::Dataset(_) => {}
    }
    found
}

fn place(id: VarId, places: &[VarId]) -> VarId {
    places.get(usize::from(id.0)).copied().unwrap_or(id)
}

fn place_in<T>(value: Option<&mut Value<T>>, places: &[VarId]) {
    if let Some(Value::Variable(id)) = value {
        *id = place(*id, places);
    }
}
