//! Contents against a model that tries every place of every one of them.

use proptest::prelude::*;

use super::holds;

#[derive(Clone, Debug)]
struct Wanted {
    bytes: Vec<u8>,
    nocase: bool,
    negated: bool,
    distance: Option<i32>,
    within: Option<i32>,
}

/// Contents of which all but the first are relative, so that none is a reason to give up.
fn wanted(first: bool) -> impl Strategy<Value = Wanted> {
    let letters = proptest::collection::vec(prop_oneof![Just(b'a'), Just(b'b')], 1..3);
    (letters, any::<bool>(), 0..4u8, 0..3u8, -4..4i32, 0..5i32).prop_map(
        move |(bytes, nocase, negated, bound, distance, more)| {
            // An end before the beginning is another story, told in the verdicts.
            let len = i32::try_from(bytes.len()).unwrap();
            let distance = (bound != 0).then_some(distance);
            let within = (bound != 1).then_some(len.max(-distance.unwrap_or(0)) + more);
            Wanted {
                bytes,
                nocase,
                negated: negated == 0 && !first,
                distance: distance.filter(|_| !first),
                within: within.filter(|_| !first),
            }
        },
    )
}

fn options(list: &[Wanted]) -> String {
    let mut text = String::new();
    for wanted in list {
        let negated = if wanted.negated { "!" } else { "" };
        text += &format!("content:{negated}\"{}\";", wanted.bytes.escape_ascii());
        text += if wanted.nocase { " nocase;" } else { "" };
        text += &wanted.distance.map_or(String::new(), |n| format!(" distance:{n};"));
        text += &wanted.within.map_or(String::new(), |n| format!(" within:{n};"));
        text += " ";
    }
    text
}

fn stands(wanted: &Wanted, bytes: &[u8]) -> bool {
    bytes.len() == wanted.bytes.len()
        && bytes
            .iter()
            .zip(&wanted.bytes)
            .all(|(a, b)| if wanted.nocase { a.eq_ignore_ascii_case(b) } else { a == b })
}

/// Whether there are places for all of these, the last match having ended at `position`.
fn exist(list: &[Wanted], bytes: &[u8], position: i32) -> bool {
    let Some((wanted, rest)) = list.split_first() else { return true };
    let len = i32::try_from(wanted.bytes.len()).unwrap();
    let all = i32::try_from(bytes.len()).unwrap();
    let from = position + wanted.distance.unwrap_or(0);
    let to = wanted.within.map_or(all, |within| (from + within).min(all));
    let from = if wanted.distance.is_some() || wanted.within.is_some() { from.max(0) } else { 0 };
    let places: Vec<i32> = (from..=to - len)
        .filter(|start| stands(wanted, &bytes[*start as usize..(start + len) as usize]))
        .collect();
    if wanted.negated {
        return places.is_empty() && exist(rest, bytes, position);
    }
    places.into_iter().any(|start| exist(rest, bytes, start + len))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]
    #[test]
    fn is_found_exactly_where_there_are_places(
        first in wanted(true),
        rest in proptest::collection::vec(wanted(false), 0..4),
        bytes in proptest::collection::vec(
            prop_oneof![Just(b'a'), Just(b'b'), Just(b'A'), Just(b'x')], 0..12),
    ) {
        let mut list = vec![first];
        list.extend(rest);
        prop_assert_eq!(holds(&options(&list), &bytes), exist(&list, &bytes, 0), "{}", options(&list));
    }
}
