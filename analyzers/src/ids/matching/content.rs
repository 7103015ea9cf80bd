//! Contents: where they may stand, and where they do.

use super::context::MatchContext;
use crate::ids::rule::ast::{Content, Value};
use crate::ids::search::Needle;

/// A content, prepared.
#[derive(Debug)]
pub(super) struct Literal {
    needle: Needle,
    pub(super) negated: bool,
    endswith: bool,
    /// Whether it is looked for further on when what follows fails.
    pub(super) again: bool,
    place: Place,
}

/// Where it may stand.
#[derive(Clone, Copy, Debug)]
enum Place {
    Anywhere,
    /// From the buffer's beginning.
    Absolute {
        offset: Value<u16>,
        depth: Option<Value<u16>>,
    },
    /// From the end of the match before.
    Relative {
        distance: Value<i32>,
        within: Option<Value<i32>>,
        /// At least so far behind the buffer's beginning.
        floor: u16,
    },
}

/// From and up to where, in bytes of the view.
pub(super) type Window = std::ops::Range<usize>;

impl Literal {
    pub(super) fn new(content: &Content, again: bool, floor: u16) -> Self {
        let place = if content.is_relative() {
            Place::Relative {
                distance: content.distance.unwrap_or(Value::Constant(0)),
                within: content.within,
                floor,
            }
        } else if content.offset.is_some() || content.depth.is_some() {
            Place::Absolute {
                offset: content.offset.unwrap_or(Value::Constant(0)),
                depth: content.depth,
            }
        } else {
            Place::Anywhere
        };
        Self {
            needle: Needle::new(&content.bytes, content.nocase),
            negated: content.negated,
            endswith: content.endswith,
            again,
            place,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.needle.len()
    }

    pub(super) fn is_relative(&self) -> bool {
        matches!(self.place, Place::Relative { .. })
    }

    /// Where in `len` bytes it may stand, if `position` is where the match before ended and `origin` where the buffer
    /// begins (not above 0). `None` where there is no such place.
    pub(super) fn window(
        &self,
        len: usize,
        origin: i64,
        position: i64,
        context: &MatchContext,
    ) -> Option<Window> {
        let whole = i64::try_from(len).ok()?;
        let (from, to) = match self.place {
            Place::Anywhere => (0, whole),
            Place::Absolute { offset, depth } => {
                let start = context.value(offset);
                let end = depth.map(|depth| i64::from((start + context.value(depth)) as u32));
                (origin + start, end.map_or(whole, |end| origin + end))
            }
            Place::Relative { distance, within, floor } => {
                let distance = match distance {
                    Value::Constant(distance) => distance,
                    Value::Variable(id) => context.variable(id) as i32,
                };
                let start = position + i64::from(distance);
                // An end before the view's beginning, or beyond 31 bits, is none in Suricata.
                let end = within.map(|within| (start + context.value(within)) as i32);
                let end = end.filter(|end| *end >= 0).map_or(whole, i64::from);
                (start.max(origin + i64::from(floor)), end)
            }
        };
        let (from, to) = (from.max(0), to.min(whole));
        let window = usize::try_from(from).ok()?..usize::try_from(to).ok()?;
        (window.start <= window.end && window.end > 0).then_some(window)
    }

    /// Where it stands first in the window; of `endswith`, at the end.
    pub(super) fn find(&self, bytes: &[u8], window: Window) -> Option<usize> {
        let start = window.start;
        if self.endswith {
            let last = bytes.len().checked_sub(self.len())?;
            let stands = window.end == bytes.len() && last >= start;
            return (stands && self.needle.stands_at(bytes, last)).then_some(last);
        }
        self.needle.find(bytes.get(window)?).map(|at| start + at)
    }

    /// Whether a negated content is not in the window.
    ///
    /// With `endswith` Suricata looks at the first place only, and counts the window's offset twice when it asks
    /// whether that is at the end.
    pub(super) fn is_not_in(&self, bytes: &[u8], window: Window) -> bool {
        let (start, end) = (window.start, window.end);
        let found = bytes.get(window).and_then(|window| self.needle.find(window));
        match found {
            Some(at) if self.endswith => {
                end < bytes.len() || start + start + at + self.len() != bytes.len()
            }
            found => found.is_none(),
        }
    }
}
