//! A rule's wishes, buffer by buffer, and the near miss that spoils one of them.

use umbra_analyzers::app::{AppProto, Buffer, Field, Heading};
use umbra_analyzers::ids::rule::ast::{
    Absent, AppCondition, Compare, Content, Inspection, Match, PacketCondition, Protocol, Rule,
    Source, Transform,
};

use super::miss::{Miss, spoil};
use super::pattern::ByteSet;
use super::rng::Rng;
use super::solve::{self, Cells, Variables, Wanted, check, transform};

/// Why there is no traffic for a rule.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub(crate) enum Skip {
    #[error("{0}: nothing found that fits")]
    Unsolved(&'static str),
    #[error("{0}: no way to make this buffer what one wants")]
    OneWay(&'static str),
    #[error("a transform that cannot be turned round")]
    Transform,
    #[error("a data set")]
    Dataset,
    #[error("no other rule sets the bit {0}")]
    Bit(String),
    #[error("{0}: conversations of it are not built")]
    Protocol(&'static str),
    #[error("needs {0} flows")]
    Flows(u32),
    #[error("{0}")]
    Condition(&'static str),
}

/// How a buffer is made.
#[derive(Clone, Debug)]
pub(crate) struct Style {
    pub(crate) seed: Cells,
    pub(crate) filler: ByteSet,
    pub(crate) separator: &'static [u8],
    pub(crate) lowered: bool,
}

impl Style {
    /// Small letters where it does not matter.
    pub(crate) fn letters() -> Self {
        Self {
            seed: Cells::default(),
            filler: ByteSet::of(|b| b.is_ascii_lowercase()),
            separator: b"",
            lowered: false,
        }
    }

    pub(crate) fn seeded(self, seed: Cells) -> Self {
        Self { seed, ..self }
    }
}

/// Makes a rule's buffers.
#[derive(Debug)]
pub(crate) struct Maker<'r> {
    pub(crate) rule: &'r Rule,
    pub(crate) rng: Rng,
    pub(crate) miss: Option<Miss>,
    variables: Variables,
}

impl<'r> Maker<'r> {
    pub(crate) fn new(rule: &'r Rule, rng: Rng, miss: Option<Miss>) -> Self {
        Self { rule, rng, miss, variables: Variables::new() }
    }

    /// Which way the rule's bytes go; to the server where it does not say.
    pub(crate) fn heading(&self) -> Heading {
        self.rule.heading.unwrap_or(Heading::ToServer)
    }

    /// Whether the rule wants anything of this source.
    pub(crate) fn wants(&self, source: Source) -> bool {
        self.rule.inspections_of(source).next().is_some()
    }

    pub(crate) fn wants_app(&self, buffer: Buffer) -> bool {
        self.wants(Source::App(buffer))
    }

    /// What the flow must be recognised as.
    pub(crate) fn app(&self) -> Option<AppProto> {
        match self.rule.header.protocol {
            Protocol::App(app) => Some(app),
            _ => self.rule.app_protocol,
        }
    }

    /// The same with the first of these seeds that leads to anything.
    pub(crate) fn first_of(
        &mut self,
        buffer: Buffer,
        style: &Style,
        seeds: &[Cells],
    ) -> Result<Option<Vec<u8>>, Skip> {
        let mut last = Ok(None);
        for seed in seeds {
            last = self.app_bytes(buffer, style.clone().seeded(seed.clone()));
            if !matches!(last, Err(Skip::Unsolved(_))) {
                break;
            }
        }
        last
    }

    /// The name of a host: most often with something before what is wanted of its end.
    pub(crate) fn host_name(
        &mut self,
        buffer: Buffer,
        style: &Style,
    ) -> Result<Option<Vec<u8>>, Skip> {
        let label: Vec<u8> = (0..4).map(|_| b'a' + self.rng.below(26) as u8).collect();
        let seeds = [Cells::hard(&label), Cells::default()];
        let from = usize::from(self.rng.percent(15));
        let name = self.first_of(buffer, style, seeds.get(from..).unwrap_or_default())?;
        // On the wire there is no dot at the beginning.
        if from > 0 && name.as_ref().is_some_and(|name| name.starts_with(b".")) {
            return self.first_of(buffer, style, &seeds);
        }
        Ok(name)
    }

    /// A buffer of the application layer.
    pub(crate) fn app_bytes(
        &mut self,
        buffer: Buffer,
        style: Style,
    ) -> Result<Option<Vec<u8>>, Skip> {
        self.bytes(Source::App(buffer), style)
    }

    /// Bytes that fulfil all that the rule wants of a source; `None` where it wants nothing, or that it be
    /// absent.
    pub(crate) fn bytes(&mut self, source: Source, style: Style) -> Result<Option<Vec<u8>>, Skip> {
        let rule = self.rule;
        let mut groups: Vec<(&[Transform], Vec<&Inspection>)> = Vec::new();
        for inspection in rule.inspections_of(source) {
            if inspection.matches.iter().any(|m| matches!(m, Match::Dataset(_))) {
                return Err(Skip::Dataset);
            }
            if inspection.matches.contains(&Match::Absent(Absent { or_else: false })) {
                return Ok(None);
            }
            match groups.iter_mut().find(|group| group.0 == inspection.transforms) {
                Some(group) => group.1.push(inspection),
                None => groups.push((&inspection.transforms, vec![inspection])),
            }
        }
        // What is most particular first; the other transforms of the same buffer are left to chance.
        groups.sort_by_key(|(transforms, list)| {
            let wants = list.iter().flat_map(|i| &i.matches).filter(|m| is_positive(m)).count();
            (transforms.is_empty(), usize::MAX - wants)
        });
        let Some((transforms, list)) = groups.into_iter().next() else { return Ok(None) };
        if !transform::is_simple(transforms) {
            return Err(Skip::Transform);
        }
        let bytes = self.solved(source, transforms, &list, style)?;
        Ok(Some(transform::before(transforms, bytes)))
    }

    fn solved(
        &mut self,
        source: Source,
        transforms: &[Transform],
        list: &[&'r Inspection],
        style: Style,
    ) -> Result<Vec<u8>, Skip> {
        let lists: Vec<&[Match]> = list.iter().map(|i| &*i.matches).collect();
        let base64 = if lists.iter().flat_map(|l| l.iter()).any(is_base64) {
            let decoded = self.bytes(Source::Base64Data, Style::letters())?;
            decoded.map(|bytes| transform::base64(&bytes))
        } else {
            None
        };
        let mut seed = transform::seed(transforms, style.seed);
        if !lists.iter().flat_map(|l| l.iter()).any(is_positive) {
            // A buffer that only must not hold something must be there.
            let _ = seed.at_least(seed.len() + 4);
        }
        self.bounded(source, &mut seed);
        let lowered = style.lowered || transforms.contains(&Transform::ToLowercase);
        let wanted = Wanted {
            lists,
            seed,
            filler: style.filler,
            separator: style.separator,
            base64,
            lowered,
        };
        let solved = solve::solve(&wanted, &mut self.variables, &mut self.rng);
        let mut bytes = solved.ok_or(Skip::Unsolved(name(source)))?;
        if let Some(miss) = &mut self.miss {
            spoil(miss, source, &mut bytes);
        }
        Ok(bytes)
    }

    /// Sizes that stand outside of the inspections.
    fn bounded(&self, source: Source, cells: &mut Cells) {
        if source == Source::Payload {
            for condition in &self.rule.packet {
                if let PacketCondition::PayloadSize(compare) = condition {
                    solve::bound(cells, &widened(compare));
                }
            }
        }
        if source == Source::App(Buffer::FileData) {
            for condition in &self.rule.app {
                if let AppCondition::FileSize(compare) = condition {
                    solve::bound(cells, compare);
                }
            }
        }
    }

    /// Whether what the rule wants of a source holds in bytes that were made some other way.
    pub(crate) fn holds(&self, source: Source, bytes: &[u8]) -> bool {
        self.rule.inspections_of(source).filter(|i| i.transforms.is_empty()).all(|inspection| {
            let items: Vec<_> = inspection.matches.iter().map(check::Item::new).collect();
            check::holds(&items, bytes, &self.variables)
        })
    }

    /// A number that a transaction must have.
    pub(crate) fn number(&self, field: Field) -> Option<u64> {
        self.rule.app.iter().find_map(|condition| match condition {
            AppCondition::Number { field: f, any_of } if *f == field => {
                any_of.first().map(number_for)
            }
            _ => None,
        })
    }

    /// Contents that must not be in a source.
    pub(crate) fn forbidden(&self, source: Source) -> impl Iterator<Item = &'r Content> {
        let rule = self.rule;
        rule.inspections.iter().filter(move |i| i.source == source).flat_map(|inspection| {
            inspection.matches.iter().filter_map(|m| match m {
                Match::Content(content) if content.negated => Some(content),
                _ => None,
            })
        })
    }
}

/// A number of which it holds.
pub(crate) fn number_for(compare: &Compare<u64>) -> u64 {
    match *compare {
        Compare::Equal(n) | Compare::LessOrEqual(n) | Compare::GreaterOrEqual(n) => n,
        Compare::NotEqual(n) | Compare::Greater(n) => n.saturating_add(1),
        Compare::Less(n) => n.saturating_sub(1),
        Compare::Between(low, _) => low.saturating_add(1),
        Compare::NotBetween(_, high) => high,
        Compare::Masked { value, .. } => value,
        Compare::NotMasked { mask, value } => value ^ mask,
    }
}

/// The same of wider numbers.
pub(crate) fn widened<T: Copy + Into<u64>>(compare: &Compare<T>) -> Compare<u64> {
    match *compare {
        Compare::Equal(n) => Compare::Equal(n.into()),
        Compare::NotEqual(n) => Compare::NotEqual(n.into()),
        Compare::Less(n) => Compare::Less(n.into()),
        Compare::LessOrEqual(n) => Compare::LessOrEqual(n.into()),
        Compare::Greater(n) => Compare::Greater(n.into()),
        Compare::GreaterOrEqual(n) => Compare::GreaterOrEqual(n.into()),
        Compare::Between(a, b) => Compare::Between(a.into(), b.into()),
        Compare::NotBetween(a, b) => Compare::NotBetween(a.into(), b.into()),
        Compare::Masked { mask, value } => {
            Compare::Masked { mask: mask.into(), value: value.into() }
        }
        Compare::NotMasked { mask, value } => {
            Compare::NotMasked { mask: mask.into(), value: value.into() }
        }
    }
}

fn is_base64(m: &Match) -> bool {
    matches!(m, Match::Base64Decode(_))
}

/// Whether something must be there for it.
pub(crate) fn is_positive(m: &Match) -> bool {
    match m {
        Match::Content(content) => !content.negated,
        Match::Pcre(pcre) => !pcre.negated,
        Match::IsDataAt(is) => !is.negated,
        Match::Size(compare) => !compare.holds(0),
        Match::ByteTest(_)
        | Match::ByteJump(_)
        | Match::ByteExtract(_)
        | Match::ByteMath(_)
        | Match::Base64Decode(_) => true,
        Match::Entropy(_) | Match::Absent(_) | Match::Dataset(_) => false,
    }
}

/// The keyword of a source.
pub(crate) fn name(source: Source) -> &'static str {
    match source {
        Source::Payload => "payload",
        Source::Packet(_) => "a packet's header",
        Source::App(buffer) => buffer.keyword(),
        Source::Base64Data => "base64_data",
    }
}
