//! What the two ends of a flow say, as a text that can be written by hand.
//!
//! A text is what the client says, until a mark (the byte f5, which no text in UTF-8 has) and a letter say
//! otherwise. `>` and `<`: from here on the client, the server speaks, in a piece (or datagram) of its own.
//! `)` and `(` with a byte: so many bytes and one of the client, the server are lost. `}` and `{`: the client,
//! the server has said all. `.`: what is finished is released. A mark with anything else is no mark.

use umbra_analyzers::app::Heading;

const MARK: u8 = 0xf5;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step<'a> {
    Said(Heading, &'a [u8]),
    Lost(Heading, u64),
    Ended(Heading),
    Released,
}

pub(crate) fn steps(text: &[u8]) -> Vec<Step<'_>> {
    let (mut steps, mut heading, mut from, mut at) = (Vec::new(), Heading::ToServer, 0, 0);
    // A datagram may be empty, if it was begun.
    let mut begun = false;
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        let (step, len, next) = match rest {
            [MARK, b'>', ..] => (None, 2, Heading::ToServer),
            [MARK, b'<', ..] => (None, 2, Heading::ToClient),
            [MARK, b')', n, ..] => (Some(lost(Heading::ToServer, *n)), 3, heading),
            [MARK, b'(', n, ..] => (Some(lost(Heading::ToClient, *n)), 3, heading),
            [MARK, b'}', ..] => (Some(Step::Ended(Heading::ToServer)), 2, heading),
            [MARK, b'{', ..] => (Some(Step::Ended(Heading::ToClient)), 2, heading),
            [MARK, b'.', ..] => (Some(Step::Released), 2, heading),
            _ => {
                at += 1;
                continue;
            }
        };
        if begun || at > from {
            steps.push(Step::Said(heading, &text[from..at]));
        }
        begun = step.is_none();
        steps.extend(step);
        (heading, at) = (next, at + len);
        from = at;
    }
    if begun || at > from {
        steps.push(Step::Said(heading, &text[from..]));
    }
    steps
}

fn lost(heading: Heading, n: u8) -> Step<'static> {
    Step::Lost(heading, u64::from(n) + 1)
}

/// The same steps over streams, where empty pieces are none and borders between pieces say nothing.
pub(crate) fn of_streams(steps: &[Step<'_>]) -> Vec<Owned> {
    let mut all: Vec<Owned> = Vec::new();
    for step in steps {
        match (*step, all.last_mut()) {
            (Step::Said(_, []), _) => {}
            (Step::Said(heading, more), Some(Owned::Said(last, bytes))) if *last == heading => {
                bytes.extend_from_slice(more);
            }
            (step, _) => all.push(Owned::of(step)),
        }
    }
    all
}

/// A step that has its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Owned {
    Said(Heading, Vec<u8>),
    Lost(Heading, u64),
    Ended(Heading),
    Released,
}

impl Owned {
    pub(crate) fn of(step: Step<'_>) -> Self {
        match step {
            Step::Said(heading, bytes) => Owned::Said(heading, bytes.to_vec()),
            Step::Lost(heading, len) => Owned::Lost(heading, len),
            Step::Ended(heading) => Owned::Ended(heading),
            Step::Released => Owned::Released,
        }
    }
}
