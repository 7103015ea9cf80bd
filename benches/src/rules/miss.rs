//! Near misses: what would have matched, with one thing wrong.

use umbra_analyzers::app::Heading;
use umbra_analyzers::ids::rule::ast::{
    BitOperation, Content, FlowState, Match, Rule, Source, StateOperation,
};

use super::rng::Rng;

/// Which traffic of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Variant {
    /// What is meant to match.
    Match,
    /// A byte of what is looked for is another.
    Byte,
    /// A byte too many or too few beside what is looked for.
    Offset,
    /// Client and server have changed places.
    Direction,
    /// What must not be there is there, a bit is not set, a port is another, the connection was not opened.
    Else,
}

impl Variant {
    pub(crate) const MISSES: [Self; 4] = [Self::Byte, Self::Offset, Self::Direction, Self::Else];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Match => "match",
            Self::Byte => "byte",
            Self::Offset => "offset",
            Self::Direction => "direction",
            Self::Else => "else",
        }
    }
}

/// What is done to a buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    /// Another byte within the content.
    Byte,
    /// The content is added, though it must not be there.
    Add,
    /// A byte more or less beside it.
    Offset,
    /// A byte less in it, where it may stand anywhere.
    Cut,
}

/// One thing that is wrong.
#[derive(Clone, Debug)]
pub(crate) struct Miss {
    change: Option<(Change, Source, Option<Content>)>,
    /// Traffic of the rules that set bits is left out.
    pub(crate) without_bits: bool,
    /// Client and server change places.
    pub(crate) turned: bool,
    /// To another port.
    pub(crate) other_port: bool,
    /// Without a handshake.
    pub(crate) unopened: bool,
    rng: Rng,
}

impl Miss {
    /// A miss of this kind; `None` where the rule has nothing that could be wrong in this way.
    pub(crate) fn of(rule: &Rule, variant: Variant, mut rng: Rng) -> Option<Self> {
        let mut miss = Self {
            change: None,
            without_bits: false,
            turned: false,
            other_port: false,
            unopened: false,
            rng: Rng::new(rng.next(), 0),
        };
        match variant {
            Variant::Match => return None,
            Variant::Byte => miss.change = Some(target(rule, Change::Byte, &mut rng)?),
            Variant::Offset => miss.change = Some(target(rule, Change::Offset, &mut rng)?),
            Variant::Direction => miss.turned = true,
            Variant::Else => miss.something_else(rule, &mut rng)?,
        }
        Some(miss)
    }

    fn something_else(&mut self, rule: &Rule, rng: &mut Rng) -> Option<()> {
        let mut ways: Vec<u8> = Vec::new();
        let negated = contents(rule, true);
        if !negated.is_empty() {
            ways.extend([0, 0]);
        }
        if rule.state.iter().any(sets_needed) {
            ways.extend([1, 1]);
        }
        let ports = match rule.heading {
            Some(Heading::ToClient) => &rule.header.src_ports,
            _ => &rule.header.dst_ports,
        };
        if !ports.is_any() {
            ways.push(2);
        }
        if rule.flow.state == Some(FlowState::Established) {
            ways.push(3);
        }
        match rng.pick(&ways)? {
            0 => {
                let (source, content) = negated.get(rng.below(negated.len()))?;
                self.change = Some((Change::Add, *source, Some((*content).clone())));
            }
            1 => self.without_bits = true,
            2 => self.other_port = true,
            _ => self.unopened = true,
        }
        Some(())
    }
}

fn sets_needed(operation: &StateOperation) -> bool {
    matches!(operation, StateOperation::FlowBits(bits) if bits.operation == BitOperation::IsSet)
}

fn contents(rule: &Rule, negated: bool) -> Vec<(Source, &Content)> {
    rule.inspections
        .iter()
        .flat_map(|inspection| {
            inspection.matches.iter().filter_map(move |found| match found {
                Match::Content(content) if content.negated == negated => {
                    Some((inspection.source, content))
                }
                _ => None,
            })
        })
        .collect()
}

fn target(rule: &Rule, change: Change, rng: &mut Rng) -> Option<(Change, Source, Option<Content>)> {
    let mut contents = contents(rule, false);
    let mut change = change;
    if change == Change::Offset {
        // Only of what has its place it matters what stands beside it.
        let placed: Vec<_> =
            contents.iter().copied().filter(|(s, c)| is_placed(rule, *s, c)).collect();
        if placed.is_empty() {
            change = Change::Cut;
        } else {
            contents = placed;
        }
    }
    if let Some((source, content)) = contents.get(rng.below(contents.len())) {
        return Some((change, *source, Some((*content).clone())));
    }
    let with = rule.inspections.iter().find(|i| {
        i.matches.iter().any(|m| matches!(m, Match::Pcre(_) | Match::ByteTest(_) | Match::Size(_)))
    })?;
    Some((change, with.source, None))
}

/// Whether bytes beside a content can be too many.
fn is_placed(rule: &Rule, source: Source, content: &Content) -> bool {
    let sized =
        rule.inspections_of(source).any(|i| i.matches.iter().any(|m| matches!(m, Match::Size(_))));
    content.depth.is_some() || content.within.is_some() || content.endswith || sized
}

/// Where a content stands.
fn find(bytes: &[u8], content: &Content) -> Option<usize> {
    let same = |window: &[u8]| {
        *window == *content.bytes || content.nocase && window.eq_ignore_ascii_case(&content.bytes)
    };
    bytes.windows(content.bytes.len().max(1)).position(same)
}

/// Makes the wrong thing in this buffer, if it is there that it is to be wrong.
pub(crate) fn spoil(miss: &mut Miss, source: Source, bytes: &mut Vec<u8>) {
    let Some((change, _, content)) = miss.change.clone().filter(|c| c.1 == source) else { return };
    let rng = &mut miss.rng;
    if change == Change::Add {
        let Some(content) = content else { return };
        let at = match (content.offset.is_some() || content.depth.is_some(), content.endswith) {
            (true, _) => 0,
            (_, true) => bytes.len(),
            _ => rng.below(bytes.len() + 1),
        };
        bytes.splice(at..at, content.bytes.iter().copied());
        return;
    }
    let (at, len) = match &content {
        Some(content) => (find(bytes, content), content.bytes.len()),
        None => (Some(0), bytes.len()),
    };
    let (Some(at), true) = (at, len > 0 && !bytes.is_empty()) else { return };
    if change == Change::Byte {
        let at = at + rng.below(len);
        let Some(byte) = bytes.get_mut(at) else { return };
        let case = content.is_some_and(|content| !content.nocase) && rng.percent(30);
        *byte = other(*byte, case);
        return;
    }
    if change == Change::Cut {
        bytes.remove((at + rng.below(len)).min(bytes.len() - 1));
        return;
    }
    match rng.below(4) {
        0 if at > 0 => {
            bytes.remove(at - 1);
        }
        1 if at + len < bytes.len() => {
            bytes.remove(at + len);
        }
        2 => bytes.insert((at + len).min(bytes.len()), b'q'),
        _ => bytes.insert(at, b'q'),
    }
}

/// Another byte of the same kind.
fn other(byte: u8, case: bool) -> u8 {
    match byte {
        b if case && b.is_ascii_alphabetic() => b ^ 0x20,
        b'z' | b'Z' => byte - 1,
        b'9' => b'8',
        b if b.is_ascii_alphanumeric() => b + 1,
        b' '..=b'~' => b'-' + u8::from(byte == b'-'),
        b => b ^ 1,
    }
}
