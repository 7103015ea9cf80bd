//! A program over a buffer: match after match, and back where a later one fails.

use super::content::Literal;
use super::context::{MatchContext, View};
use super::number::{self, Place};
use super::pcre::Expression;
use super::program::{Op, Program};
use super::{base64, entropy};
use crate::ids::rule::ast::{Base64Decode, Base64Mode, Compare, IsDataAt, Value};

/// Tries after which an inspection has failed: Suricata's `inspection-recursion-limit`.
pub(super) const MAX_STEPS: u32 = 3000;

/// What became of the matches from one on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Holds,
    /// It may hold if an earlier match is found elsewhere.
    Fails,
    /// It will not, wherever earlier ones are found.
    GivesUp,
}

struct Run<'a> {
    program: &'a Program,
    bytes: &'a [u8],
    complete: bool,
    /// Where the buffer begins, seen from `bytes`: 0 or below.
    origin: i64,
    /// Where the last match ended.
    position: i64,
    steps: u32,
    context: &'a mut MatchContext,
}

pub(super) fn holds(program: &Program, view: &View<'_>, context: &mut MatchContext) -> bool {
    let mut run = Run::new(program, view, context, 0);
    run.from(0) == Outcome::Holds
}

impl<'a> Run<'a> {
    fn new(
        program: &'a Program,
        view: &View<'a>,
        context: &'a mut MatchContext,
        steps: u32,
    ) -> Self {
        let origin = i64::try_from(view.offset).map_or(i64::MIN / 4, |offset| -offset);
        let origin = origin.max(i64::MIN / 4);
        let View { bytes, complete, .. } = *view;
        Self { program, bytes, complete, origin, position: origin, steps, context }
    }

    fn place(&self) -> Place<'a> {
        Place { bytes: self.bytes, origin: self.origin, position: self.position }
    }

    /// The matches from `at` on, at the position that is.
    fn from(&mut self, at: usize) -> Outcome {
        let program = self.program;
        // Whether a match was passed that would not be found elsewhere, so that those before it need not try.
        let mut passed = false;
        let mut rest = program.ops.iter().enumerate().skip(at);
        let outcome = loop {
            let Some((at, op)) = rest.next() else { return Outcome::Holds };
            self.steps += 1;
            if self.steps >= MAX_STEPS {
                return Outcome::GivesUp;
            }
            let holds = match op {
                Op::Content(content) if content.negated => self.is_not(content),
                Op::Content(content) if content.again => {
                    break self.everywhere(content, at + 1);
                }
                Op::Content(content) => match self.first(content) {
                    Outcome::Holds => {
                        passed = true;
                        true
                    }
                    outcome => break outcome,
                },
                Op::Pcre(pcre) if pcre.again && !pcre.negated => {
                    break self.every_match(pcre, at + 1);
                }
                Op::Pcre(pcre) => self.first_match(pcre),
                Op::ByteTest(test) => number::test(test, self.place(), self.context),
                Op::ByteJump(jump) => {
                    let to = number::jump(jump, self.place(), self.context);
                    self.go(to)
                }
                Op::ByteExtract(extract) => {
                    let to = number::extract(extract, self.place(), self.context);
                    self.go(to)
                }
                Op::ByteMath(math) => {
                    let to = number::math(math, self.place(), self.context);
                    self.go(to)
                }
                Op::IsDataAt(data_at) => self.is_data_at(data_at),
                Op::Base64Decode(decode) => {
                    // Nothing is looked at behind it.
                    break if self.base64(decode) { Outcome::Holds } else { Outcome::Fails };
                }
                // Of the whole buffer, so nothing can mend it.
                Op::Size(size) if !self.size(size) => break Outcome::GivesUp,
                Op::Entropy(entropy) if !entropy::holds(entropy, self.bytes) => {
                    break Outcome::GivesUp;
                }
                Op::Dataset(set, command) if !set.holds(*command, self.bytes) => {
                    break Outcome::GivesUp;
                }
                Op::Size(_) | Op::Entropy(_) | Op::Dataset(..) => true,
                Op::Absent(or_else) => *or_else,
            };
            if !holds {
                break Outcome::Fails;
            }
        };
        if passed && outcome == Outcome::Fails { Outcome::GivesUp } else { outcome }
    }

    fn go(&mut self, to: Option<i64>) -> bool {
        if let Some(to) = to {
            self.position = to;
        }
        to.is_some()
    }

    fn window(&self, content: &Literal) -> Option<std::ops::Range<usize>> {
        content.window(self.bytes.len(), self.origin, self.position, self.context)
    }

    /// A negated content. Where there is no place for it, it is not there.
    fn is_not(&self, content: &Literal) -> bool {
        let window = self.window(content);
        window.is_none_or(|window| content.is_not_in(self.bytes, window))
    }

    /// The first place of a content that is not looked for again.
    fn first(&mut self, content: &Literal) -> Outcome {
        let found = self.window(content).map(|window| content.find(self.bytes, window));
        match found {
            Some(Some(start)) => {
                self.position = end(start, content.len());
                Outcome::Holds
            }
            // One that depends on nothing is nowhere at all.
            Some(None) if !content.is_relative() => Outcome::GivesUp,
            Some(None) | None => Outcome::Fails,
        }
    }

    /// Every place of a content, until what follows holds.
    fn everywhere(&mut self, content: &Literal, next: usize) -> Outcome {
        let Some(mut window) = self.window(content) else { return Outcome::Fails };
        while let Some(start) = content.find(self.bytes, window.clone()) {
            self.position = end(start, content.len());
            match self.from(next) {
                Outcome::Fails => window.start = start + 1,
                outcome => return outcome,
            }
        }
        if content.is_relative() { Outcome::Fails } else { Outcome::GivesUp }
    }

    /// What an expression is looked for in, and where that begins.
    fn subject(&self, pcre: &Expression) -> Option<(&'a [u8], usize)> {
        let from = if pcre.relative { self.position.max(0) } else { 0 };
        let from = usize::try_from(from).ok()?;
        self.bytes.get(from..).map(|subject| (subject, from))
    }

    /// An expression that is not looked for again, or negated.
    fn first_match(&mut self, pcre: &Expression) -> bool {
        let Some((subject, from)) = self.subject(pcre) else { return false };
        if pcre.negated {
            return pcre.is_not(subject);
        }
        match pcre.find(subject, 0, self.context) {
            Some(found) => {
                self.position = end(from, found.end);
                true
            }
            None => false,
        }
    }

    /// Every match of an expression, until what follows holds.
    fn every_match(&mut self, pcre: &Expression, next: usize) -> Outcome {
        let Some((subject, from)) = self.subject(pcre) else { return Outcome::Fails };
        let mut start = 0;
        while let Some(found) = pcre.find(subject, start, self.context) {
            self.position = end(from, found.end);
            match self.from(next) {
                Outcome::Fails => start = found.start + 1,
                outcome => return outcome,
            }
        }
        Outcome::Fails
    }

    /// Relative, `N` bytes follow; else, the buffer has more than `N`.
    fn is_data_at(&self, data_at: &IsDataAt) -> bool {
        let at = match data_at.at {
            Value::Constant(at) => at.into(),
            // All of it, and not just 32 bits.
            Value::Variable(id) => i64::try_from(self.context.variable(id)).unwrap_or(i64::MAX),
        };
        let len = i64::try_from(self.bytes.len()).unwrap_or(i64::MAX);
        let there = if data_at.relative {
            self.position.saturating_add(at) <= len
        } else {
            self.origin.saturating_add(at) < len
        };
        there != data_at.negated
    }

    /// Only the least size can be told before the buffer is complete.
    fn size(&self, size: &Compare<u64>) -> bool {
        let len = (self.bytes.len() as u64).saturating_add(self.origin.unsigned_abs());
        let early = matches!(size, Compare::Greater(_) | Compare::GreaterOrEqual(_));
        (self.complete || early) && size.holds(len)
    }

    /// Decodes, and looks for what the rule wants of the result.
    fn base64(&mut self, decode: &Base64Decode) -> bool {
        let from = if decode.relative { self.position } else { self.origin };
        let from = from + i64::from(decode.offset);
        let encoded = usize::try_from(from).ok().and_then(|from| self.bytes.get(from..));
        let Some(mut encoded) = encoded else { return false };
        if decode.bytes > 0
            && let Some(part) = encoded.get(..decode.bytes as usize)
        {
            encoded = part;
        }
        let mut decoded = self.context.take_base64();
        decoded.clear();
        base64::decode(encoded, Base64Mode::Rfc4648, &mut decoded);
        let view = View { bytes: &decoded, complete: true, offset: 0 };
        // Without anything to look for in it Suricata does not take it for a match.
        let mut holds = !decoded.is_empty() && !self.program.base64.is_empty();
        for program in &self.program.base64 {
            if !holds {
                break;
            }
            let mut run = Run::new(program, &view, self.context, self.steps);
            holds = run.from(0) == Outcome::Holds;
            self.steps = run.steps;
        }
        let any = !decoded.is_empty();
        self.context.set_base64(decoded, any, holds);
        holds
    }
}

/// Buffers are in memory, so their lengths fit.
fn end(start: usize, len: usize) -> i64 {
    i64::try_from(start + len).unwrap_or(i64::MAX)
}
