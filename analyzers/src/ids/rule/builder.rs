//! A rule in the making: which buffer is open, which match a modifier belongs to.

use super::ast::{
    AppCondition, Content, Inspection, Match, PacketCondition, Rule, Source, Transform, Value,
    VarId,
};
use super::config::Classification;
use super::problem::{Result, fail};
use crate::app::{AppProto, Heading};

/// How many variables one rule may have.
const MAX_VARIABLES: usize = 64;

/// The sticky buffer that was named last.
#[derive(Debug)]
struct Sticky {
    keyword: String,
    source: Source,
    heading: Option<Heading>,
    transforms: Vec<Transform>,
    /// Where its matches go, once it has some.
    inspection: Option<usize>,
}

/// Where a match is: inspection, and place in it.
pub(super) type Place = (usize, usize);

pub(super) struct Builder<'a> {
    pub(super) rule: Rule,
    pub(super) classification: &'a Classification,
    /// Folder of the rules file, for lists that rules name.
    pub(super) folder: Option<&'a std::path::Path>,
    /// What was said at most once.
    pub(super) said: Vec<&'static str>,
    sticky: Option<Sticky>,
    /// Of every match, the how manyth it was in the rule's text.
    order: Vec<Vec<u32>>,
    next: u32,
    /// Protocols that a keyword asked for.
    pub(super) wanted: Vec<(AppProto, String)>,
    /// What is odd, but no failure.
    pub(super) warnings: Vec<String>,
    /// The one that is being read.
    pub(super) keyword: &'static str,
}

impl<'a> Builder<'a> {
    pub(super) fn new(
        rule: Rule,
        classification: &'a Classification,
        folder: Option<&'a std::path::Path>,
    ) -> Self {
        Self {
            rule,
            classification,
            folder,
            said: Vec::new(),
            sticky: None,
            order: Vec::new(),
            next: 0,
            wanted: Vec::new(),
            warnings: Vec::new(),
            keyword: "",
        }
    }

    /// Whether this keyword stands for the first time.
    pub(super) fn first(&mut self, what: &'static str) -> bool {
        let first = !self.said.contains(&what);
        if first {
            self.said.push(what);
        }
        first
    }

    /// Fails where this keyword stood before.
    pub(super) fn once(&mut self, what: &'static str) -> Result<()> {
        if self.first(what) { Ok(()) } else { fail!("it may stand only once in a rule") }
    }

    /// Tells what is odd.
    pub(super) fn warn(&mut self, reason: String) {
        self.warnings.push(reason);
    }

    /// Fails where a relative expression has nothing before it in its buffer.
    pub(super) fn check_relative(&self, source: Source, relative: bool) -> Result<()> {
        let of = |n: usize| self.rule.inspections.get(n).is_some_and(|i| i.source == source);
        let anchor = |found: &Match| matches!(found, Match::Content(_) | Match::Pcre(_));
        if relative && self.latest(of, anchor).is_none() {
            fail!("the flag R needs a content or expression before it in the same buffer");
        }
        Ok(())
    }

    /// A keyword belongs to this protocol.
    pub(super) fn want(&mut self, protocol: AppProto) {
        let keyword = self.keyword.to_owned();
        self.wanted.push((protocol, keyword));
    }

    pub(super) fn packet(&mut self, condition: PacketCondition) {
        self.rule.packet.push(condition);
    }

    pub(super) fn app(&mut self, condition: AppCondition) {
        self.rule.app.push(condition);
    }

    /// Opens a sticky buffer.
    pub(super) fn open(&mut self, source: Source) -> Result<()> {
        self.open_heading(source, None)
    }

    /// Opens a sticky buffer, in one heading only.
    pub(super) fn open_heading(&mut self, source: Source, heading: Option<Heading>) -> Result<()> {
        self.close()?;
        if let Source::App(buffer) = source
            && let Some(protocol) = buffer.protocol()
        {
            self.want(protocol);
        }
        self.sticky = (source != Source::Payload).then(|| Sticky {
            keyword: self.keyword.to_owned(),
            source,
            heading,
            transforms: Vec::new(),
            inspection: None,
        });
        Ok(())
    }

    /// Nothing more comes for the open buffer.
    pub(super) fn close(&mut self) -> Result<()> {
        match self.sticky.take() {
            Some(sticky) if sticky.inspection.is_none() => {
                fail!("nothing is looked for in {}", sticky.keyword)
            }
            _ => Ok(()),
        }
    }

    /// Whether a sticky buffer is open, and which.
    pub(super) fn open_source(&self) -> Option<Source> {
        self.sticky.as_ref().map(|sticky| sticky.source)
    }

    /// Adds a transform to the open buffer. Matches that were there already stay with what the buffer was.
    pub(super) fn transform(&mut self, transform: Transform) -> Result<()> {
        let Some(sticky) = &mut self.sticky else {
            fail!("a transform must stand behind a sticky buffer such as http.uri");
        };
        if matches!(sticky.source, Source::Base64Data) {
            fail!("base64_data cannot be transformed");
        }
        sticky.transforms.push(transform);
        sticky.inspection = None;
        Ok(())
    }

    /// Adds a match where matches now go: the open buffer, else the payload.
    pub(super) fn add(&mut self, found: Match) {
        let at = self.target();
        self.add_at(at, found);
    }

    /// Adds a match that is relative to the last one, wherever that is, unless a buffer is open.
    pub(super) fn add_behind_last(&mut self, found: Match) {
        let at = match (&self.sticky, self.last(|_| true)) {
            (None, Some((inspection, _))) => inspection,
            _ => self.target(),
        };
        self.add_at(at, found);
    }

    /// Adds a match to this source, whatever is open.
    pub(super) fn add_to(&mut self, source: Source, found: Match) {
        let at = self.inspection(source, None, &[], false);
        self.add_at(at, found);
    }

    fn add_at(&mut self, at: usize, found: Match) {
        if let (Some(inspection), Some(order)) =
            (self.rule.inspections.get_mut(at), self.order.get_mut(at))
        {
            inspection.matches.push(found);
            order.push(self.next);
            self.next = self.next.saturating_add(1);
        }
    }

    fn target(&mut self) -> usize {
        let Some(mut sticky) = self.sticky.take() else {
            return self.inspection(Source::Payload, None, &[], false);
        };
        let at = match sticky.inspection {
            Some(at) => at,
            None => {
                let fresh = matches!(sticky.source, Source::App(buffer) if buffer.is_multiple());
                self.inspection(sticky.source, sticky.heading, &sticky.transforms, fresh)
            }
        };
        sticky.inspection = Some(at);
        self.sticky = Some(sticky);
        at
    }

    /// The inspection of a source, made where there is none or a fresh one is asked for.
    fn inspection(
        &mut self,
        source: Source,
        heading: Option<Heading>,
        transforms: &[Transform],
        fresh: bool,
    ) -> usize {
        let found = self.rule.inspections.iter().position(|i| {
            !fresh && (i.source, i.heading) == (source, heading) && i.transforms == transforms
        });
        found.unwrap_or_else(|| {
            self.rule.inspections.push(Inspection {
                source,
                heading,
                transforms: transforms.to_vec(),
                matches: Vec::new(),
            });
            self.order.push(Vec::new());
            self.rule.inspections.len() - 1
        })
    }

    /// The latest match of a kind: in the open buffer, or in all where none is open.
    pub(super) fn last(&self, is: impl Fn(&Match) -> bool) -> Option<Place> {
        let only = match &self.sticky {
            Some(sticky) => Some(sticky.inspection?),
            None => None,
        };
        self.latest(|at| only.is_none_or(|only| only == at), is)
    }

    fn latest(&self, within: impl Fn(usize) -> bool, is: impl Fn(&Match) -> bool) -> Option<Place> {
        let places = self.rule.inspections.iter().zip(&self.order).enumerate();
        places
            .filter(|(at, _)| within(*at))
            .flat_map(|(at, (inspection, order))| {
                let matches = inspection.matches.iter().zip(order).enumerate();
                matches.map(move |(n, (found, order))| (at, n, found, *order))
            })
            .filter(|(_, _, found, _)| is(found))
            .max_by_key(|(_, _, _, order)| *order)
            .map(|(at, n, _, _)| (at, n))
    }

    /// The content that a modifier is about.
    pub(super) fn last_content(&mut self) -> Result<&mut Content> {
        let place = self.last(|found| matches!(found, Match::Content(_)));
        match place.and_then(|place| self.content_at(place)) {
            Some(content) => Ok(content),
            None => fail!("there is no content before it in the same buffer"),
        }
    }

    fn content_at(&mut self, (at, n): Place) -> Option<&mut Content> {
        match self.rule.inspections.get_mut(at)?.matches.get_mut(n)? {
            Match::Content(content) => Some(content),
            _ => None,
        }
    }

    /// Moves the last content of the payload to a buffer: what `http_uri` does.
    pub(super) fn move_content(&mut self, source: Source) -> Result<()> {
        if let Some(sticky) = &self.sticky {
            fail!("the sticky buffer {} is open; pkt_data must stand before", sticky.keyword);
        }
        let payload = |i: &Inspection| i.source == Source::Payload;
        let place = self.latest(
            |at| self.rule.inspections.get(at).is_some_and(payload),
            |found| matches!(found, Match::Content(_)),
        );
        let Some((at, n)) = place else {
            fail!("there is no content before it that is in no buffer yet");
        };
        if let Source::App(buffer) = source
            && let Some(protocol) = buffer.protocol()
        {
            self.want(protocol);
        }
        let to = self.inspection(source, None, &[], false);
        let (Some(from), Some(order)) = (self.rule.inspections.get_mut(at), self.order.get_mut(at))
        else {
            return Ok(());
        };
        let (found, number) = (from.matches.remove(n), order.remove(n));
        if matches!(&found, Match::Content(content) if content.rawbytes) {
            fail!("a content with rawbytes cannot be in a buffer");
        }
        if let (Some(inspection), Some(order)) =
            (self.rule.inspections.get_mut(to), self.order.get_mut(to))
        {
            inspection.matches.push(found);
            order.push(number);
        }
        Ok(())
    }

    /// The variable of this name, made where there is none.
    pub(super) fn define(&mut self, name: &str) -> Result<VarId> {
        let named = name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b));
        if name.is_empty()
            || !named
            || !name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        {
            fail!("{name:?} is no name for a variable");
        }
        if let Some(id) = self.variable(name) {
            return Ok(id);
        }
        let id = u8::try_from(self.rule.variables.len()).ok();
        match id.filter(|_| self.rule.variables.len() < MAX_VARIABLES) {
            Some(id) => {
                self.rule.variables.push(name.into());
                Ok(VarId(id))
            }
            None => fail!("more than {MAX_VARIABLES} variables"),
        }
    }

    fn variable(&self, name: &str) -> Option<VarId> {
        let at = self.rule.variables.iter().position(|known| &**known == name)?;
        u8::try_from(at).ok().map(VarId)
    }

    /// A number within bounds, or a variable that was set before.
    pub(super) fn value<T>(&self, what: &str, text: &str, low: T, high: T) -> Result<Value<T>>
    where
        T: TryFrom<i64> + PartialOrd + std::fmt::Display + Copy,
    {
        let text = text.trim();
        if text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
            return match self.variable(text) {
                Some(id) => Ok(Value::Variable(id)),
                None => fail!(
                    "{what} is the variable {text:?}, which no byte_extract or byte_math before sets"
                ),
            };
        }
        super::number::within(what, text, low, high).map(Value::Constant)
    }

    /// Marks matches that a relative one follows, and drops inspections that modifiers emptied.
    pub(super) fn finish(mut self) -> Result<(Rule, Vec<(AppProto, String)>)> {
        self.close()?;
        self.rule.inspections.retain(|inspection| !inspection.matches.is_empty());
        for inspection in &mut self.rule.inspections {
            let relative: Vec<bool> = inspection.matches.iter().map(is_relative).collect();
            for (found, next) in inspection.matches.iter_mut().zip(relative.into_iter().skip(1)) {
                match found {
                    Match::Content(content) => content.relative_next = next,
                    Match::Pcre(pcre) => pcre.relative_next = next,
                    _ => {}
                }
            }
        }
        Ok((self.rule, self.wanted))
    }
}

/// Whether it is looked for from the end of the match before.
pub(super) fn is_relative(found: &Match) -> bool {
    match found {
        Match::Content(content) => content.is_relative(),
        Match::Pcre(pcre) => pcre.relative,
        Match::ByteTest(test) => test.at.relative,
        Match::ByteJump(jump) => jump.at.relative,
        Match::ByteExtract(extract) => extract.at.relative,
        Match::ByteMath(math) => math.at.relative,
        Match::IsDataAt(at) => at.relative,
        Match::Base64Decode(decode) => decode.relative,
        Match::Size(_) | Match::Entropy(_) | Match::Absent(_) | Match::Dataset(_) => false,
    }
}
