//! From an inspection to a program.

use super::content::Literal;
use super::dataset::Datasets;
use super::pcre::Expression;
use super::program::{Op, Program};
use super::transform;
use crate::ids::rule::ast::{Compare, Content, Inspection, JumpFrom, Match, Pcre, Rule, Source};

pub(super) fn compile(
    rule: &Rule,
    inspection: &Inspection,
    datasets: &mut Datasets,
) -> Result<Program, String> {
    let anchors = anchors(&inspection.matches);
    let ops = inspection.matches.iter().zip(&anchors).map(|(found, again)| {
        Ok(match found {
            Match::Content(content) => Op::Content(Literal::new(content, *again)),
            Match::Pcre(pcre) => Op::Pcre(Expression::compile(pcre, *again == Again::Any)?),
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
        || inspection.matches.iter().any(needs_whole);
    Ok(Program {
        ops,
        base64,
        of_base64: inspection.source == Source::Base64Data,
        wants_absence: inspection.matches.iter().any(|found| matches!(found, Match::Absent(_))),
        needs_whole: whole,
    })
}

/// Whether a match that was found is looked for again when a later one fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Again {
    /// Nothing is relative to it: what fails later fails for good.
    Never,
    /// What is relative to it may be anywhere behind, so the first place is as good as all.
    Distance,
    Any,
}

/// Of each match whether a later one depends on where it was found: the last content or expression before one that is
/// relative.
fn anchors(matches: &[Match]) -> Vec<Again> {
    let mut anchors = vec![Again::Never; matches.len()];
    let mut last = None;
    for (at, found) in matches.iter().enumerate() {
        let wanted = match found {
            Match::Content(Content { within: Some(_), .. }) => Again::Any,
            Match::Content(Content { distance: Some(_), .. }) => Again::Distance,
            Match::Pcre(Pcre { relative: true, .. }) => Again::Any,
            Match::ByteTest(test) if test.at.relative => Again::Any,
            Match::ByteJump(jump) if jump.at.relative => Again::Any,
            Match::ByteExtract(extract) if extract.at.relative => Again::Any,
            Match::ByteMath(math) if math.at.relative => Again::Any,
            Match::IsDataAt(at) if at.relative => Again::Any,
            _ => Again::Never,
        };
        let anchor = last.and_then(|last: usize| anchors.get_mut(last));
        if let (Some(anchor), true) = (anchor, wanted != Again::Never) {
            *anchor = if *anchor == Again::Any { Again::Any } else { wanted };
        }
        if matches!(found, Match::Content(_) | Match::Pcre(_)) {
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
