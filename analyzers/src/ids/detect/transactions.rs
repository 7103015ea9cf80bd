//! Rules of transactions.
//!
//! Each transaction is looked at in the packet's heading whenever it has come further there: buffers that are
//! new are looked through for literals, and rules whose literal was found stay candidates of this transaction
//! until they match or nothing more can come. What a rule found once of a transaction it need not find again.

use std::sync::Arc;

use super::app_conditions;
use super::base::{AppGroup, is_of_files};
use super::compiled::{AppPart, CompiledRule, of_transaction};
use super::conditions::header_holds;
use super::engine::{Engine, Sight};
use super::flow_state::{FlowState, Pending, SideState, add};
use crate::app::{Buffer, BufferView, COMPLETE, Field, Heading, Parser, Transaction};
use crate::ids::matching::View;

/// Bodies and files that still come are looked at from so many bytes on, as Suricata's stock configuration
/// has it; before that only when they are complete.
const GROWING_MIN: usize = 32 << 10;

/// A transaction in a heading, as far as it has come.
#[derive(Clone, Copy)]
struct Case<'t> {
    transaction: &'t dyn Transaction,
    number: u64,
    heading: Heading,
    progress: u8,
}

impl<'t> Case<'t> {
    /// The heading that a part is looked at in: of rules about both headings the part's own, whichever the
    /// packet has.
    fn of(&self, part: &AppPart, both_headings: bool) -> Case<'t> {
        match part.heading {
            Some(heading) if both_headings => {
                Case { heading, progress: self.transaction.progress(heading), ..*self }
            }
            _ => *self,
        }
    }
}

impl Engine {
    /// Evaluates the rules of all transactions that have come further in the packet's heading.
    pub(crate) fn transactions(&mut self, sight: &Sight<'_>, state: &mut FlowState) {
        let Some(conversation) = sight.view.conversation() else { return };
        let Some(parser) = conversation.parser() else { return };
        state.of_parser(conversation.parser_number());
        let plan = Arc::clone(&self.plan);
        let heading = sight.view.heading;
        let group = plan.base.app(parser.protocol(), heading);
        for number in parser.first()..parser.next() {
            let Some(transaction) = parser.transaction(number) else { continue };
            if !transaction.is_looked_at(heading) {
                continue;
            }
            let held = state.transaction(number, parser.first());
            if held.sides[heading.index()].done || (group.is_none() && held.both.is_empty()) {
                continue;
            }
            let progress = transaction.progress(heading);
            let case = Case { transaction, number, heading, progress };
            let version = Some((progress, growth(transaction) + transaction.revision()));
            let side = &mut held.sides[heading.index()];
            if side.version == version && progress != COMPLETE {
                continue;
            }
            side.version = version;
            side.done = progress == COMPLETE;
            let mut side = std::mem::take(side);
            let mut both = std::mem::take(&mut held.both);
            if let Some(group) = group {
                self.look_through(group, &case, &mut side, &mut both);
            }
            self.evaluate_pending(&case, parser, sight, state, &mut side.pending);
            self.evaluate_pending(&case, parser, sight, state, &mut both);
            if side.done {
                side.pending = Vec::new();
                side.scanned = Vec::new();
            }
            let held = state.transaction(number, parser.first());
            held.sides[heading.index()] = side;
            held.both = both;
        }
    }

    /// Makes candidates of the rules whose literals are in what is new.
    fn look_through(
        &mut self,
        group: &AppGroup,
        case: &Case<'_>,
        side: &mut SideState,
        both: &mut Vec<Pending>,
    ) {
        let plan = Arc::clone(&self.plan);
        let mut candidate = |side: &mut Vec<Pending>, rule| {
            let two = plan.base.rule(rule).is_some_and(|rule| rule.both_headings);
            add(if two { both } else { side }, rule);
        };
        if !std::mem::replace(&mut side.begun, true) {
            for &rule in &group.always {
                candidate(&mut side.pending, rule);
            }
            side.scanned.resize(group.buffers.len(), super::flow_state::Scanned::default());
        }
        let Some(scratch) = &mut self.scratch else { return };
        for (buffers, scanned) in group.buffers.iter().zip(&mut side.scanned) {
            if case.progress < case.transaction.stage(buffers.buffer, case.heading) {
                continue;
            }
            loop {
                let multiple = buffers.buffer.is_multiple();
                let index = if multiple { scanned.whole as usize } else { 0 };
                let view = case.transaction.buffer(buffers.buffer, case.heading, index);
                let Some(view) = view else { break };
                if !is_ready(&view, case) {
                    break;
                }
                let end = view.offset + view.bytes.len() as u64;
                // Header fields may follow a body: then there is more of what was whole.
                if !multiple && scanned.whole > 0 && end <= scanned.bytes {
                    break;
                }
                if let Some(transforms) = &buffers.transforms {
                    if end > scanned.bytes || view.complete {
                        transforms.apply(view.bytes, &mut self.room);
                        self.counters.buffer_bytes += self.room.len() as u64;
                        buffers.prefilter.scan(&self.room, scratch, |rule, _| {
                            candidate(&mut side.pending, rule);
                        });
                    }
                } else {
                    let back = buffers.prefilter.longest().saturating_sub(1) as u64;
                    let from = scanned.bytes.saturating_sub(back).max(view.offset);
                    let skip = usize::try_from(from - view.offset).unwrap_or(usize::MAX);
                    let bytes = view.bytes.get(skip..).unwrap_or(&[]);
                    self.counters.buffer_bytes += bytes.len() as u64;
                    buffers.prefilter.scan(bytes, scratch, |rule, _| {
                        candidate(&mut side.pending, rule);
                    });
                }
                if !view.complete && case.progress != COMPLETE {
                    scanned.bytes = end;
                    break;
                }
                scanned.whole += 1;
                scanned.bytes = if multiple { 0 } else { end };
            }
        }
    }

    fn evaluate_pending(
        &mut self,
        case: &Case<'_>,
        parser: &dyn Parser,
        sight: &Sight<'_>,
        state: &mut FlowState,
        pending: &mut [Pending],
    ) {
        pending.sort_unstable_by_key(|pending| pending.rule);
        let plan = Arc::clone(&self.plan);
        for pending in pending.iter_mut() {
            let Some(rule) = plan.base.rule(pending.rule) else { continue };
            let files = case.transaction.files().len();
            let again = match pending.matched {
                None => true,
                // Another file in the same transaction is looked at on its own.
                Some(before) => is_of_files(&rule.rule) && files > before as usize,
            };
            if !again {
                continue;
            }
            self.counters.evaluated += 1;
            if rule.at_first_look {
                pending.matched = Some(u32::MAX);
            }
            if !header_holds(rule, sight.view, sight.ends.as_ref())
                || !rule.is_of(Some(parser.protocol()))
                || !self.conditions_hold(rule, sight, state)
                || !self.transaction_holds(rule, pending, case, sight, state)
            {
                continue;
            }
            pending.matched = Some(u32::try_from(files).unwrap_or(u32::MAX));
            pending.found = 0;
            pending.payload = false;
            let in_stream = sight.ends.is_some_and(|ends| ends.protocol == 6);
            self.matches(pending.rule, rule, sight, state, Some(case.number), in_stream);
        }
    }

    /// Whether a transaction is what the rule looks for. What was found stays noted in `pending`.
    fn transaction_holds(
        &mut self,
        rule: &CompiledRule,
        pending: &mut Pending,
        case: &Case<'_>,
        sight: &Sight<'_>,
        state: &mut FlowState,
    ) -> bool {
        let conditions = rule.rule.app.iter().filter(|c| of_transaction(c)).all(|condition| {
            app_conditions::holds(condition, case.transaction, case.heading, sight.now())
        });
        if !conditions {
            return false;
        }
        self.context.begin_rule(rule.rule.variables.len());
        self.context.set_dce_little_endian(case.transaction.is_little_endian());
        // What a part extracts is for parts behind it, so those that do are looked at anew each time.
        let noted = rule.rule.variables.is_empty();
        let has_payload = !rule.packet_parts.is_empty();
        let mut payload_holds = |engine: &mut Self, pending: &mut Pending| {
            pending.payload = noted && pending.payload
                || engine.payload_holds(pending.rule, rule, sight, state).is_some();
            pending.payload
        };
        if has_payload && rule.payload_first && !payload_holds(self, pending) {
            return false;
        }
        let skip_files = pending.matched.map_or(0, |before| before as usize);
        let mut all = true;
        for (part, at) in rule.app_parts.iter().zip(0u32..) {
            let bit = 1u64 << at.min(63);
            if noted && pending.found & bit != 0 {
                continue;
            }
            let case = case.of(part, rule.both_headings);
            if self.app_part_holds(part, &case, skip_files) {
                pending.found |= bit;
            } else {
                all = false;
                // Where the rule looks at one heading, this transaction may still come further.
                if !rule.both_headings {
                    break;
                }
            }
        }
        all && (!has_payload || rule.payload_first || payload_holds(self, pending))
    }

    fn app_part_holds(&mut self, part: &AppPart, case: &Case<'_>, skip_files: usize) -> bool {
        if part.heading.is_some_and(|heading| heading != case.heading)
            || case.progress < case.transaction.stage(part.buffer, case.heading)
        {
            return false;
        }
        let program = &part.program;
        let of_files = matches!(part.buffer, Buffer::FileData | Buffer::FileName);
        let first = if of_files { skip_files } else { 0 };
        for index in first.. {
            let Some(view) = case.transaction.buffer(part.buffer, case.heading, index) else {
                return index == 0 && program.wants_absence();
            };
            let finished = view.complete || case.progress == COMPLETE;
            if is_ready(&view, case) && (finished || !program.needs_whole()) {
                let mut room = std::mem::take(&mut self.room);
                let (bytes, offset) = match &part.transforms {
                    None => (view.bytes, view.offset),
                    Some(transforms) => {
                        transforms.apply(view.bytes, &mut room);
                        (&room[..], 0)
                    }
                };
                let view = View { bytes, complete: finished, offset };
                let holds = part.program.holds(&view, &mut self.context);
                self.room = room;
                if holds {
                    return true;
                }
            }
            if !part.buffer.is_multiple() {
                return false;
            }
        }
        false
    }
}

/// Whether a buffer is worth looking at: whole, or large already.
fn is_ready(view: &BufferView<'_>, case: &Case<'_>) -> bool {
    view.complete || case.progress == COMPLETE || view.bytes.len() >= GROWING_MIN
}

/// Something that rises when a transaction grows without its progress rising.
fn growth(transaction: &dyn Transaction) -> u64 {
    let files: u64 = transaction
        .files()
        .iter()
        .map(|file| file.size + u64::from(file.state != crate::app::FileState::Open))
        .sum();
    let body = |buffer, heading| {
        transaction.buffer(buffer, heading, 0).map_or(0, |v| v.offset + v.bytes.len() as u64)
    };
    files
        + transaction.files().len() as u64
        + body(Buffer::HttpRequestBody, Heading::ToServer)
        + body(Buffer::HttpResponseBody, Heading::ToClient)
        + transaction.events().len() as u64
        // Of this it only matters that it differs.
        + (transaction.number(Field::TlsState, Heading::ToServer).unwrap_or(0) << 56)
}
