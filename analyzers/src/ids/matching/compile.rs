//! From an inspection to a program.

use super::content::Literal;
use super::dataset::Datasets;
use super::fast::fast_literal;
use super::pcre::Expression;
use super::program::{Op, Program};
use super::{slots, transform};
use crate::ids::rule::ast::{
    Compare, Content, Inspection, IsDataAt, JumpFrom, Match, Rule, Source, Value,
};

/// Most matches of one inspection: a run goes one level deeper for each.
const MAX_MATCHES: usize = 512;

pub(super) fn compile(
    rule: &Rule,
    inspection: &Inspection,
    datasets: &mut Datasets,
) -> Result<Program, String> {
    let count = inspection.matches.len();
    if count > MAX_MATCHES {
        return Err(format!(
            "{count} matches are looked for in one buffer, {MAX_MATCHES} are allowed"
        ));
    }
    let matches = arranged(rule, inspection);
    let anchors = anchors(&matches);
    let floors = floors(&matches);
    let ops = matches.iter().zip(anchors).zip(floors).map(|((found, again), floor)| {
        Ok(match found {
            Match::Content(content) => Op::Content(Literal::new(content, again, floor)),
            Match::Pcre(pcre) => Op::Pcre(Expression::compile(pcre, again)?),
            Match::ByteTest(test) => Op::ByteTest(*test),
            Match::ByteJump(jump) => Op::ByteJump(*jump),
            Match::ByteExtract(extract) => Op::ByteExtract(*extract),
            Match::ByteMath(math) => Op::ByteMath(*math),
            Match::IsDataAt(at) => Op::IsDataAt(*at),
            Match::Size(size) => Op::Size(*size),
            Match::Base64Decode(decode) => Op::Base64Decode(*decode),
            Match::Entropy(entropy) => Op::Entropy(*entropy),
            Match::Absent(absent) => Op::Absent(absent.or_else),
            Match::Dataset(dataset) => Op::Dataset(datasets.set(rule, dataset)?, dataset.command),
        })
    });
    let ops = ops.collect::<Result<Box<[_]>, String>>()?;
    let decodes = ops.iter().any(|op| matches!(op, Op::Base64Decode(_)));
    let base64 = rule
        .inspections_of(Source::Base64Data)
        .filter(|_| decodes && inspection.source != Source::Base64Data)
        .map(|inspection| compile(rule, inspection, datasets))
        .collect::<Result<Box<[_]>, String>>()?;
    let whole = base64.iter().any(|program| program.needs_whole)
        || inspection.transforms.iter().any(transform::needs_whole)
        || matches.iter().any(needs_whole);
    Ok(Program {
        ops,
        base64,
        of_base64: inspection.source == Source::Base64Data,
        wants_absence: matches.iter().any(|found| matches!(found, Match::Absent(_))),
        needs_whole: whole,
    })
}

/// The matches as Suricata sees them: variables in their places, `isdataat:!1,relative` behind a content as its
/// `endswith`, and nothing behind `base64_decode`, with which a list is over, but for the content that the prefilter
/// has found before anything else is looked at.
fn arranged(rule: &Rule, inspection: &Inspection) -> Vec<Match> {
    let places = slots::of(rule);
    let mut matches: Vec<Match> = Vec::with_capacity(inspection.matches.len());
    for found in &inspection.matches {
        match (matches.last_mut(), found) {
            (
                Some(Match::Content(content)),
                Match::IsDataAt(IsDataAt {
                    at: Value::Constant(1),
                    relative: true,
                    negated: true,
                    ..
                }),
            ) => content.endswith = true,
            _ => matches.push(slots::placed(found, &places)),
        }
        if matches!(found, Match::Base64Decode(_)) {
            break;
        }
    }
    let decodes = |found: &Match| matches!(found, Match::Base64Decode(_));
    if let Some(end) = inspection.matches.iter().position(decodes)
        && let Some((literal, _)) = fast_literal(inspection)
        && literal.match_index > end
        && let Some(Match::Content(content)) = inspection.matches.get(literal.match_index)
    {
        let anywhere = Content {
            offset: None,
            depth: None,
            distance: None,
            within: None,
            endswith: false,
            ..content.clone()
        };
        matches.insert(0, Match::Content(anywhere));
    }
    matches
}

/// Of each match how far behind the buffer's beginning it must stand whatever is before it. Suricata works this out from
/// the contents before it, and takes a negated content that is bound to nothing for one that is there.
fn floors(matches: &[Match]) -> Vec<u16> {
    // Where such a content would end if it were there.
    let mut end = None;
    let floor = |found: &Match| {
        let content = match found {
            Match::Content(content) => content,
            Match::Pcre(pcre) if pcre.relative => return 0,
            _ => {
                end = None;
                return 0;
            }
        };
        let bound = content.is_relative() || content.offset.is_some() || content.depth.is_some();
        let len = i32::try_from(content.bytes.len()).ok();
        let before = std::mem::replace(&mut end, len.filter(|_| content.negated && !bound));
        let distance = match content.distance {
            Some(Value::Constant(distance)) => distance,
            // Suricata reckons with the variable's number instead of its value.
            Some(Value::Variable(id)) => id.0.into(),
            None => return 0,
        };
        match before {
            Some(before) if !content.negated => {
                u16::try_from(before.saturating_add(distance).max(0)).unwrap_or(0)
            }
            _ => 0,
        }
    };
    matches.iter().map(floor).collect()
}

/// Of each match whether a later one depends on where it was found, so that it is looked for further on where that fails.
///
/// For contents and expressions that are relative it is the last content or expression before. Numbers and `isdataat` depend
/// on it only where no other of their kind is in between.
fn anchors(matches: &[Match]) -> Vec<bool> {
    let mut anchors = vec![false; matches.len()];
    let (mut last, mut between) = (None, false);
    for (at, found) in matches.iter().enumerate() {
        let relative = match found {
            Match::Content(content) => content.is_relative(),
            Match::Pcre(pcre) => pcre.relative,
            Match::ByteTest(test) => test.at.relative && !between,
            Match::ByteJump(jump) => jump.at.relative && !between,
            Match::ByteExtract(extract) => extract.at.relative && !between,
            Match::ByteMath(math) => math.at.relative && !between,
            Match::IsDataAt(at) => at.relative && !between,
            // Not for base64_decode, either.
            _ => continue,
        };
        if let Some(anchor) = last.and_then(|last: usize| anchors.get_mut(last)) {
            *anchor |= relative;
        }
        between = !matches!(found, Match::Content(_) | Match::Pcre(_));
        if !between {
            last = Some(at);
        }
    }
    anchors
}

/// Whether more bytes can undo that it holds.
fn needs_whole(found: &Match) -> bool {
    match found {
        Match::Content(content) => content.endswith || content.negated,
        Match::Pcre(pcre) => {
            let ends = pcre.pattern.contains('$')
                || pcre.pattern.contains("\\z")
                || pcre.pattern.contains("\\Z");
            pcre.negated || ends
        }
        Match::IsDataAt(at) => at.negated,
        Match::Size(size) => !matches!(size, Compare::Greater(_) | Compare::GreaterOrEqual(_)),
        Match::ByteJump(jump) => jump.from == JumpFrom::End,
        Match::Entropy(entropy) => entropy.bytes == 0,
        Match::Dataset(_) => true,
        Match::ByteTest(_)
        | Match::ByteExtract(_)
        | Match::ByteMath(_)
        | Match::Base64Decode(_)
        | Match::Absent(_) => false,
    }
}
