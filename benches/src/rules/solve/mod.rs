//! From what a rule looks for in a buffer to a buffer that has it.
//!
//! A search with steps back: each match is put at the places that it may have, one after the other, into what the
//! earlier ones have left free, until all stand and a plain look ([`check`]) agrees.

mod cells;
pub(crate) mod check;
mod number;
mod place;
pub(crate) mod transform;

pub(crate) use cells::Cells;
pub(crate) use number::Variables;

use umbra_analyzers::ids::rule::ast::{Compare, Match, Pcre, Value};

use super::pattern::ByteSet;
use super::rng::Rng;
use check::Item;

/// How many places are tried in all for one order of the matches.
const STEPS_MAX: usize = 1500;

/// What is wanted of one buffer.
#[derive(Debug)]
pub(crate) struct Wanted<'m> {
    /// Lists of matches that must all hold in it, each with its own way through it.
    pub(crate) lists: Vec<&'m [Match]>,
    /// What stands in it already.
    pub(crate) seed: Cells,
    /// What is put where it does not matter.
    pub(crate) filler: ByteSet,
    /// May stand between what is put one behind the other.
    pub(crate) separator: &'static [u8],
    /// What `base64_decode` shall find, encoded.
    pub(crate) base64: Option<Vec<u8>>,
    /// Letters are lowered before they are looked at.
    pub(crate) lowered: bool,
}

/// A list that is laid out, a chain at a time: a match and those that are relative to it.
struct Plan<'p, 'm> {
    items: &'p [&'p Item<'m>],
    lists: &'p [Vec<Item<'m>>],
    wanted: &'p Wanted<'m>,
}

/// What has been laid out.
#[derive(Clone, Debug)]
struct State {
    cells: Cells,
    /// End of the last match.
    at: usize,
    variables: Variables,
}

/// A buffer that holds what is wanted. Variables that were set are left in `variables`.
pub(crate) fn solve(
    wanted: &Wanted<'_>,
    variables: &mut Variables,
    rng: &mut Rng,
) -> Option<Vec<u8>> {
    let lists: Vec<Vec<Item<'_>>> =
        wanted.lists.iter().map(|list| list.iter().map(Item::new).collect()).collect();
    let mut seed = wanted.seed.clone();
    for item in lists.iter().flatten() {
        if let Match::Size(compare) = item.what
            && !bound(&mut seed, compare)
        {
            return None;
        }
    }
    let chains = chains(&lists);
    let written: Vec<&Item<'_>> = chains.iter().flatten().copied().collect();
    let mut by_place = chains.clone();
    by_place.sort_by_key(|chain| rank(chain));
    let by_place: Vec<&Item<'_>> = by_place.into_iter().flatten().collect();
    let mut patterns_first = chains;
    patterns_first.sort_by_key(|chain| !chain.iter().any(|i| matches!(i.what, Match::Pcre(_))));
    let patterns_first: Vec<&Item<'_>> = patterns_first.into_iter().flatten().collect();
    for order in [&by_place, &patterns_first, &written, &patterns_first] {
        let plan = Plan { items: order, lists: &lists, wanted };
        let state = State { cells: seed.clone(), at: 0, variables: variables.clone() };
        let mut steps = STEPS_MAX;
        if let Some((bytes, found)) = plan.go(0, state, rng, &mut steps) {
            *variables = found;
            return Some(bytes);
        }
    }
    None
}

/// Bounds a buffer's length; false where that cannot be.
pub(crate) fn bound(cells: &mut Cells, compare: &Compare<u64>) -> bool {
    let size = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
    match *compare {
        Compare::Equal(n) => cells.at_least(size(n)) && cells.at_most(size(n)),
        Compare::NotEqual(_) | Compare::Masked { .. } | Compare::NotMasked { .. } => true,
        Compare::Less(n) => n > 0 && cells.at_most(size(n) - 1),
        Compare::LessOrEqual(n) => cells.at_most(size(n)),
        Compare::Greater(n) => cells.at_least(size(n).saturating_add(1)),
        Compare::GreaterOrEqual(n) => cells.at_least(size(n)),
        Compare::Between(low, high) => {
            high > 0 && cells.at_least(size(low) + 1) && cells.at_most(size(high) - 1)
        }
        Compare::NotBetween(_, high) => cells.at_least(size(high)),
    }
}

fn is_relative(what: &Match) -> bool {
    match what {
        Match::Content(content) => content.is_relative(),
        Match::Pcre(pcre) => pcre.relative,
        Match::ByteTest(test) => test.at.relative,
        Match::ByteJump(jump) => jump.at.relative,
        Match::ByteExtract(extract) => extract.at.relative,
        Match::ByteMath(math) => math.at.relative,
        Match::IsDataAt(is) => is.relative,
        Match::Base64Decode(decode) => decode.relative,
        _ => false,
    }
}

/// A match and those that are relative to it, in their order.
fn chains<'p, 'm>(lists: &'p [Vec<Item<'m>>]) -> Vec<Vec<&'p Item<'m>>> {
    let mut chains: Vec<Vec<&Item<'_>>> = Vec::new();
    for list in lists {
        let mut first = true;
        for item in list {
            if first || !is_relative(item.what) {
                chains.push(Vec::new());
            }
            first = false;
            if let Some(chain) = chains.last_mut() {
                chain.push(item);
            }
        }
    }
    chains
}

/// What must be laid out first: what sets variables, what has its place, then expressions, then the rest.
fn rank(chain: &[&Item<'_>]) -> u8 {
    let sets = |i: &&Item<'_>| matches!(i.what, Match::ByteExtract(_) | Match::ByteMath(_));
    if chain.iter().any(sets) {
        return 0;
    }
    match chain.first().map(|item| item.what) {
        Some(Match::Content(c)) if c.depth.is_some() && !c.negated => match c.depth {
            Some(Value::Constant(depth)) if usize::from(depth) <= c.bytes.len() => 1,
            _ => 3,
        },
        Some(Match::Pcre(Pcre { negated: false, .. })) => 2,
        Some(Match::ByteTest(_) | Match::ByteJump(_)) => 4,
        Some(Match::Content(c)) if c.endswith => 2,
        Some(Match::Content(c)) if c.offset.is_some() => 4,
        _ => 5,
    }
}

impl Plan<'_, '_> {
    fn go(
        &self,
        number: usize,
        state: State,
        rng: &mut Rng,
        steps: &mut usize,
    ) -> Option<(Vec<u8>, Variables)> {
        *steps = steps.checked_sub(1)?;
        let Some(item) = self.items.get(number) else { return self.finish(&state, rng) };
        for next in place::places(item, &state, self.wanted, rng) {
            if let Some(found) = self.go(number + 1, next, rng, steps) {
                return Some(found);
            }
        }
        None
    }

    fn finish(&self, state: &State, rng: &mut Rng) -> Option<(Vec<u8>, Variables)> {
        let filler: Vec<u8> = self.wanted.filler.iter().collect();
        for _ in 0..3 {
            let mut bytes = state.cells.filled(|| rng.pick(&filler).unwrap_or(b'a'));
            if self.wanted.lowered {
                bytes.make_ascii_lowercase();
            }
            if self.lists.iter().all(|list| check::holds(list, &bytes, &state.variables)) {
                return Some((bytes, state.variables.clone()));
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use umbra_analyzers::ids::rule::{Classification, RuleSet, Variables as Names};

    /// Solves the payload of a rule with these options, for twenty seeds.
    #[track_caller]
    fn solved(options: &str) -> Vec<Vec<u8>> {
        let text = format!("alert tcp any any -> any any (msg:\"t\"; {options} sid:1; rev:1;)");
        let (names, classes) = (Names::default(), Classification::default());
        let loaded = RuleSet::load_text("test", text.as_bytes(), &names, &classes);
        assert_eq!(loaded.errors, [], "{text}");
        let rule = &loaded.rules[0];
        (0..20)
            .map(|seed| {
                let wanted = Wanted {
                    lists: rule.inspections.iter().map(|i| &*i.matches).collect(),
                    seed: Cells::default(),
                    filler: ByteSet::of(|b| b.is_ascii_lowercase()),
                    separator: b"",
                    base64: None,
                    lowered: false,
                };
                let rng = &mut Rng::new(seed, 1);
                solve(&wanted, &mut Variables::new(), rng).unwrap_or_else(|| panic!("{options}"))
            })
            .collect()
    }

    #[test]
    fn contents_stand_where_they_must() {
        for bytes in solved("content:\"ab\"; startswith; content:\"CD\"; distance:2; within:4;") {
            let at = bytes.windows(2).position(|w| w == b"CD").unwrap();
            assert!(bytes.starts_with(b"ab") && (4..=6).contains(&at), "{bytes:?}");
        }
        for bytes in solved("content:\"ab\"; endswith; content:\"b\"; offset:4; depth:3;") {
            assert!(
                bytes.ends_with(b"ab") && bytes[4..].iter().take(3).any(|&b| b == b'b'),
                "{bytes:?}"
            );
        }
    }

    #[test]
    fn negations_numbers_and_ends_are_kept() {
        for bytes in solved(
            "content:\"len=\"; byte_extract:2,0,n,relative; content:\"x\"; distance:n; isdataat:!1,relative; content:!\"y\";",
        ) {
            let at = bytes.windows(4).position(|w| w == b"len=").unwrap() + 4;
            let far = usize::from(u16::from_be_bytes([bytes[at], bytes[at + 1]]));
            assert!(bytes.ends_with(b"x") && !bytes.contains(&b'y'), "{bytes:?}");
            assert!(at + 2 + far < bytes.len(), "{bytes:?}");
        }
        for bytes in solved("content:\"n\"; depth:1; byte_test:2,>,300,0,relative,little;") {
            assert!(u16::from_le_bytes([bytes[1], bytes[2]]) > 300);
        }
        for bytes in solved("byte_jump:1,0,relative; content:\"end\"; within:3;") {
            assert_eq!(&bytes[1 + usize::from(bytes[0])..][..3], b"end");
        }
    }

    #[test]
    fn an_expression_and_the_contents_in_it_share_their_bytes() {
        for bytes in solved("dsize:<24; content:\"id=\"; pcre:\"/^GET \\/[a-z]{4}\\?id=\\d+$/\";") {
            assert!(bytes.starts_with(b"GET /") && bytes.len() < 40, "{bytes:?}");
        }
    }
}
