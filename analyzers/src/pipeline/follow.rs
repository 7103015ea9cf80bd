//! Streams and application layers of an instance's flows, brought up to each packet in turn.
//!
//! For a packet: its segment goes into the stream, what became certain of the streams goes to the
//! application layer ([`Follower::follow`]), profiles look ([`Follower::view`]), and then what everybody has
//! seen is forgotten and finished transactions become records ([`Follower::settle`]). When a flow ends what
//! was not yet certain is taken as it is, and profiles look once more, in both headings.

use std::sync::Arc;

use super::contexts::{Contexts, FollowCounters};
use super::expected::Announcements;
use super::records::{Origin as RecordOrigin, Recorder, layers};
use crate::app::detect::{Carrier, Origin};
use crate::app::{COMPLETE, Conversation, ConversationConfig, Heading};
use crate::decode::Transport;
use crate::events::{
    FlowApplication, FlowException, FlowState, FlowVariables, PerDirection, TcpRecord, Timestamp,
};
use crate::flow::{FlowId, FlowTable, FlowView};
use crate::profile::{Findings, FlowContext, Packet, PacketView, StreamVerdict, TransactionMarks};
use crate::stream::{
    Piece, Segment, Session, SessionState, StreamConfig, StreamCounters, StreamPool,
};

/// A stream is inspected once so much of it is new, bytes: Suricata's chunk size. Less is when a message
/// ended, and at the end of the connection.
const CHUNK: u64 = 2560;

/// How streams and application layers are followed.
#[derive(Clone, Copy, Debug)]
pub struct FollowConfig {
    /// TCP.
    pub stream: StreamConfig,
    /// Parsers.
    pub conversation: ConversationConfig,
    /// Most bytes that the application layers of all flows may hold.
    pub app_bytes: u64,
    /// Finished transactions and files become events.
    pub records: bool,
    /// Flow records tell of TCP what the streams know, as Suricata's do: nothing where the beginning is missing,
    /// and segments that do not belong to a connection do not end it.
    pub streams_in_records: bool,
}

impl FollowConfig {
    /// Behind rings: the sample may begin in the middle of a flow.
    #[must_use]
    pub fn live() -> Self {
        let stream = StreamConfig { midstream: true, ..StreamConfig::default() };
        Self {
            stream,
            conversation: ConversationConfig::default(),
            app_bytes: 256 << 20,
            records: true,
            streams_in_records: false,
        }
    }

    /// Over a capture, as Suricata does it unless told otherwise: only connections of which the beginning
    /// is there.
    #[must_use]
    pub fn offline() -> Self {
        Self { stream: StreamConfig::default(), streams_in_records: true, ..Self::live() }
    }
}

/// What became of a packet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Followed {
    pub(super) heading: Heading,
    pub(super) stream: StreamVerdict,
    pub(super) recognised: bool,
}

/// All flows that are followed.
#[derive(Debug)]
pub(super) struct Follower {
    config: FollowConfig,
    pool: StreamPool,
    contexts: Contexts,
    recorder: Recorder,
    announcements: Arc<Announcements>,
}

impl Follower {
    pub(super) fn new(config: FollowConfig) -> Self {
        Self {
            config,
            pool: StreamPool::new(config.stream),
            contexts: Contexts::default(),
            recorder: Recorder,
            announcements: Arc::default(),
        }
    }

    /// Takes part in what others announce.
    pub(super) fn share(&mut self, announcements: Arc<Announcements>) {
        self.announcements = announcements;
    }

    /// What the stream layer did.
    pub(super) fn counters(&self) -> StreamCounters {
        *self.pool.counters()
    }

    /// Bytes that streams hold.
    pub(super) fn stream_bytes(&self) -> u64 {
        self.pool.bytes()
    }

    pub(super) fn context(&self, id: FlowId) -> Option<&FlowContext> {
        self.contexts.get(id)
    }

    /// Brings a packet's stream and application layer up to it.
    pub(super) fn follow(&mut self, packet: &Packet<'_>, flows: &FlowTable) -> Followed {
        let mut heading = Heading::to_server_if(packet.to_server);
        let mut stream = StreamVerdict { accepted: true, ..StreamVerdict::default() };
        let mut recognised = false;
        let flow = packet.flow.and_then(|id| flows.get(id));
        if let (Some(id), Some(flow)) = (packet.flow, flow) {
            let usable = !packet.decoded.is_invalid()
                && !packet.decoded.checksums.any_bad()
                && !packet.held_fragment
                && !packet.quotes_flow;
            let tcp = matches!(packet.decoded.transport, Transport::Tcp(_));
            if !tcp {
                stream.established = flow.state() == FlowState::Established;
            }
            if usable {
                let origin = |carrier| Origin { carrier, server_port: flow.server_port() };
                match packet.decoded.transport {
                    Transport::Tcp(_) => {
                        (stream, recognised) =
                            self.segment(packet, (id, &flow), heading, &origin(Carrier::Tcp));
                    }
                    Transport::Udp(_) => {
                        recognised = self.datagram(packet, id, heading, &origin(Carrier::Udp));
                    }
                    _ => {}
                }
            } else if tcp {
                stream.accepted = false;
                let session = self.context(id).and_then(|context| context.session.as_ref());
                stream.established = session.is_some_and(Session::is_established);
            }
            if self.is_reversed(id) {
                heading = heading.opposite();
            }
        }
        Followed { heading, stream, recognised }
    }

    fn is_reversed(&self, id: FlowId) -> bool {
        let conversation = self.context(id).and_then(|context| context.conversation.as_ref());
        conversation.is_some_and(Conversation::is_reversed)
    }

    fn segment(
        &mut self,
        packet: &Packet<'_>,
        (id, flow): (FlowId, &FlowView<'_>),
        heading: Heading,
        origin: &Origin,
    ) -> (StreamVerdict, bool) {
        let Some(segment) = Segment::of(packet) else {
            return (StreamVerdict::default(), false);
        };
        let Self { contexts, pool, config, announcements, .. } = self;
        let config = &config.conversation;
        let context = contexts.make(pool, id);
        let established = context.session.as_ref().is_some_and(Session::is_established);
        if context.session.is_none() {
            context.session = Some(Session::new(pool, &segment, heading));
        }
        let mut verdict = StreamVerdict { established, ..StreamVerdict::default() };
        let mut recognised = false;
        if let Some(session) = &mut context.session {
            let taken = session.segment(pool, heading, &segment);
            verdict.accepted = taken.accepted;
            verdict.added = taken.added;
            verdict.events = taken.events;
            for heading in [heading.opposite(), heading] {
                if taken.progressed[heading.index()] || taken.ended {
                    let now = packet.timestamp();
                    let whose = Whose { flow, origin, announcements };
                    recognised |= hand_over(context, pool, config, (heading, false), whose, now);
                }
            }
            // An end that said something and is done, before anybody knows what it was: nothing more will be known.
            // Parsers hear of the end when the connection is over, as in Suricata.
            for heading in Heading::ALL {
                let Some(session) = &context.session else { break };
                if let Some(conversation) = &mut context.conversation
                    && conversation.protocol().is_none()
                    && session.half(heading).is_finished()
                    && conversation.has_said(heading)
                {
                    conversation.end(heading, packet.timestamp());
                    context.touched = true;
                }
            }
            if taken.ended {
                for heading in Heading::ALL {
                    context.due[heading.index()] = true;
                    if let Some(conversation) = &mut context.conversation {
                        conversation.end(heading, packet.timestamp());
                        context.touched = true;
                    }
                }
            }
        }
        if let Some(conversation) = &mut context.conversation {
            for expected in conversation.take_announced() {
                announcements.add(flow, expected, packet.timestamp());
            }
        }
        // By what this packet acknowledged or brought a message may have ended in its own heading, too.
        note_completed(context);
        verdict.due = is_due(context, heading);
        (verdict, recognised)
    }

    fn datagram(
        &mut self,
        packet: &Packet<'_>,
        id: FlowId,
        heading: Heading,
        origin: &Origin,
    ) -> bool {
        let Self { contexts, pool, config, .. } = self;
        let context = contexts.make(pool, id);
        let conversation = context.conversation.get_or_insert_with(|| Conversation::new(*origin));
        let before = conversation.verdict();
        context.touched = true;
        conversation.data(
            heading,
            packet.decoded.payload,
            packet.timestamp(),
            &config.conversation,
        );
        before != conversation.verdict()
    }

    /// What profiles get to see of a packet.
    pub(super) fn view<'v>(
        &'v self,
        packet: &'v Packet<'v>,
        followed: &Followed,
        flows: &'v FlowTable,
        offline: bool,
    ) -> PacketView<'v> {
        PacketView {
            packet: Some(packet),
            flow: packet.flow.and_then(|id| flows.get(id)),
            flow_id: packet.flow,
            context: packet.flow.and_then(|id| self.context(id)),
            heading: followed.heading,
            timestamp: packet.timestamp(),
            number: offline.then_some(packet.sequence + 1),
            stream: followed.stream,
            recognised: followed.recognised,
        }
    }

    /// After profiles have looked at a packet.
    pub(super) fn settle(
        &mut self,
        packet: &Packet<'_>,
        followed: &Followed,
        flows: &FlowTable,
        offline: bool,
        variables: &dyn Fn() -> FlowVariables,
        findings: &mut Findings,
    ) {
        let Some(id) = packet.flow else { return };
        if self.context(id).is_none() {
            return;
        }
        let origin = RecordOrigin {
            timestamp: packet.timestamp(),
            number: offline.then_some(packet.sequence + 1),
            at_end: false,
            heading: followed.heading,
            all_came: false,
            variables,
            defragmented: packet.counted_len != packet.meta.frame_len,
        };
        self.settle_in(id, followed.heading, followed.stream.due, &origin, flows, findings);
    }

    fn settle_in(
        &mut self,
        id: FlowId,
        heading: Heading,
        inspected: bool,
        origin: &RecordOrigin<'_>,
        flows: &FlowTable,
        findings: &mut Findings,
    ) {
        let Self { contexts, pool, config, recorder, .. } = self;
        let context = contexts.make(pool, id);
        if inspected && let Some(session) = &mut context.session {
            let half = session.half_mut(heading);
            let up_to = half.raw(context.at_end, 0).map(|w| w.offset + w.bytes.len() as u64);
            if let Some(up_to) = up_to {
                half.raw_inspected(pool, up_to);
                if std::mem::take(&mut context.ended[heading.index()]) {
                    // Of the next message there may be something already.
                    let parser = context.conversation.as_ref().and_then(Conversation::parser);
                    let begun = parser.and_then(|parser| parser.unfinished(heading));
                    let begun = begun.map(|begun| half.taken().saturating_sub(begun));
                    context.message[heading.index()] = begun.map_or(up_to, |at| at.min(up_to));
                }
            }
            context.due[heading.index()] = false;
        }
        if let Some(conversation) = &context.conversation {
            context.told.clear();
            context.told.extend(conversation.events());
        }
        mark(context, heading);
        if config.records
            && let Some(flow) = flows.get(id)
        {
            recorder.write(context, &flow, origin, findings);
        }
        let released = release(context, config.records);
        if std::mem::take(&mut context.touched) || released {
            contexts.account(id, config.app_bytes);
        }
        contexts.relieve(id, pool);
    }

    /// A flow is over: what came in a heading and was not certain is taken now. Whether there is anything to
    /// look at.
    pub(super) fn end(&mut self, id: FlowId, heading: Heading, flows: &FlowTable) -> bool {
        let Some(flow) = flows.get(id) else { return false };
        if self.context(id).is_none() {
            return false;
        }
        let origin = Origin { carrier: Carrier::Tcp, server_port: flow.server_port() };
        let Self { contexts, pool, config, announcements, .. } = self;
        let context = contexts.make(pool, id);
        context.at_end = true;
        context.due[heading.index()] = true;
        let now = flow.last();
        let whose = Whose { flow: &flow, origin: &origin, announcements };
        hand_over(context, pool, &config.conversation, (heading, true), whose, now);
        if let Some(conversation) = &mut context.conversation {
            conversation.end(heading, now);
            context.touched = true;
        }
        context.session.is_some() || context.conversation.is_some()
    }

    /// Whether rules look at what is left of a flow: of TCP whose end was not seen, or of which something was
    /// not inspected. (Suricata makes a packet of it then.)
    pub(super) fn is_left(&self, id: FlowId, heading: Heading) -> bool {
        let Some(context) = self.context(id) else { return false };
        let Some(session) = &context.session else { return false };
        let open = (SessionState::Established..SessionState::Closed).contains(&session.state());
        let parser = context.conversation.as_ref().and_then(Conversation::parser);
        let uninspected = parser.is_some_and(|parser| {
            let unmarked = (parser.next() - parser.first()) as usize > context.marks.len();
            unmarked || context.marks.iter().any(|marks| !marks.inspected[heading.index()])
        });
        open || uninspected || session.half(heading).raw(true, 0).is_some()
    }

    /// What profiles get to see of what is left of a flow.
    pub(super) fn end_view<'v>(
        &'v self,
        id: FlowId,
        heading: Heading,
        flows: &'v FlowTable,
    ) -> Option<PacketView<'v>> {
        let flow = flows.get(id)?;
        let context = self.context(id)?;
        let established = match &context.session {
            Some(session) => session.is_established(),
            None => flow.state() == FlowState::Established,
        };
        let due = context.session.is_some();
        Some(PacketView {
            packet: None,
            flow: Some(flow),
            flow_id: Some(id),
            context: Some(context),
            heading,
            timestamp: flows.now(),
            number: None,
            stream: StreamVerdict { accepted: true, established, due, ..StreamVerdict::default() },
            recognised: false,
        })
    }

    /// After profiles have looked at what is left of a flow.
    pub(super) fn settle_end(
        &mut self,
        id: FlowId,
        heading: Heading,
        flows: &FlowTable,
        variables: &dyn Fn() -> FlowVariables,
        findings: &mut Findings,
    ) {
        let origin = RecordOrigin {
            timestamp: flows.now(),
            number: None,
            at_end: true,
            heading,
            // Headings end one after the other, this one last.
            all_came: heading == Heading::ToClient,
            variables,
            defragmented: false,
        };
        self.settle_in(id, heading, true, &origin, flows, findings);
    }

    /// Whether there is another piece of a stream that was not looked at.
    pub(super) fn has_more(&self, id: FlowId, heading: Heading) -> bool {
        let session = self.context(id).and_then(|context| context.session.as_ref());
        session.is_some_and(|session| session.half(heading).raw(true, 0).is_some())
    }

    /// What a flow's record says of its application layer: the word, and the rest.
    pub(super) fn application(
        &self,
        id: FlowId,
        variables: FlowVariables,
    ) -> (Option<&'static str>, FlowApplication) {
        let mut told = FlowApplication { variables, ..FlowApplication::default() };
        let Some(context) = self.context(id) else { return (None, told) };
        if let Some(session) = &context.session
            && session.is_passed_by()
        {
            told.exceptions.push(FlowException::StreamMidstream);
        }
        told.parent_id = context.parent;
        if let Some(session) = &context.session
            && session.state() != SessionState::None
        {
            let of = |heading| session.half(heading);
            let (client, server) = (of(Heading::ToServer), of(Heading::ToClient));
            told.max_regions = Some(PerDirection {
                to_server: client.most_pieces(),
                to_client: server.most_pieces(),
            });
            told.gaps = PerDirection { to_server: client.has_gap(), to_client: server.has_gap() };
        }
        let Some(conversation) = &context.conversation else { return (None, told) };
        told.layers = layers(conversation);
        told.transactions = conversation.parser().map(|parser| parser.next());
        if conversation.has_failed() {
            told.exceptions.push(FlowException::AppLayerError);
        }
        (conversation.verdict().as_str(), told)
    }

    /// What a flow's record says of its connection, where the streams know best: how far it got, and the flags
    /// that were seen since it is followed.
    pub(super) fn connection(&self, id: FlowId, tcp: TcpRecord) -> Option<(TcpRecord, FlowState)> {
        if !self.config.streams_in_records {
            return None;
        }
        let session = self.context(id).and_then(|context| context.session.as_ref());
        let flags = |heading| session.map_or(0, |session| session.flags(heading));
        let state = session.map_or(SessionState::None, Session::state);
        let record = TcpRecord {
            flags_to_server: flags(Heading::ToServer),
            flags_to_client: flags(Heading::ToClient),
            state,
            ..tcp
        };
        Some((record, state.of_flow()))
    }

    /// Forgets a flow.
    pub(super) fn release(&mut self, id: FlowId) {
        self.contexts.release(&mut self.pool, id);
    }

    /// What was not followed to its end.
    pub(super) fn given_up(&self) -> FollowCounters {
        self.contexts.counters()
    }

    /// Bytes that application layers hold.
    pub(super) fn conversation_bytes(&self) -> u64 {
        self.contexts.app_bytes()
    }

    /// Bytes that flows cost beside what streams and application layers hold of them.
    pub(super) fn context_bytes(&self) -> u64 {
        self.contexts.own_bytes()
    }
}

/// Whose stream it is, and what may have announced it.
struct Whose<'a> {
    flow: &'a FlowView<'a>,
    origin: &'a Origin,
    announcements: &'a Announcements,
}

/// Gives the application layer what is certain of a stream, or all of it. Whether something was recognised
/// by it.
fn hand_over(
    context: &mut FlowContext,
    pool: &mut StreamPool,
    config: &ConversationConfig,
    (heading, all): (Heading, bool),
    whose: Whose<'_>,
    now: Timestamp,
) -> bool {
    let Some(session) = &mut context.session else { return false };
    let half = session.half_mut(heading);
    let mut recognised = false;
    let conversation = &mut context.conversation;
    let mut handed = false;
    let parent = &mut context.parent;
    half.take(pool, all, &mut |piece| {
        let conversation =
            conversation.get_or_insert_with(|| match whose.announcements.take(whose.flow, now) {
                Some((expected, by)) => {
                    *parent = Some(by);
                    Conversation::announced(*whose.origin, expected)
                }
                None => Conversation::new(*whose.origin),
            });
        let before = conversation.verdict();
        handed = true;
        match piece {
            Piece::Data(data) => conversation.data(heading, data, now, config),
            Piece::Gap(len) => conversation.gap(heading, len, now),
        }
        recognised |= before != conversation.verdict();
    });
    context.touched |= handed;
    let Some(conversation) = conversation else { return recognised };
    if let Some(parser) = conversation.parser_mut()
        && parser.tells_messages()
    {
        for (heading, ended) in Heading::ALL.into_iter().zip(parser.ended_messages()) {
            context.due[heading.index()] |= ended;
            context.ended[heading.index()] |= ended;
        }
    }
    if conversation.is_deaf() {
        half.disable_app(pool);
    }
    // Where a known protocol's messages end is not known without a parser: with each piece, most often.
    context.due[heading.index()] |=
        handed && conversation.protocol().is_some() && conversation.parser().is_none();
    recognised
}

/// Whether the stream of a heading is to be inspected.
fn is_due(context: &FlowContext, heading: Heading) -> bool {
    let Some(session) = &context.session else { return false };
    let half = session.half(heading);
    let Some(window) = half.raw(context.at_end, 0) else { return false };
    window.bytes.len() as u64 >= CHUNK
        || context.due[heading.index()]
        || session.state() > SessionState::Established
        || half.depth_reached()
}

/// Takes note of what profiles have seen, and of messages that ended.
fn mark(context: &mut FlowContext, heading: Heading) {
    note_completed(context);
    for marks in &mut context.marks {
        marks.inspected[heading.index()] |= marks.completed[heading.index()];
    }
}

/// Takes note of messages that ended: with each the stream of its heading is to be inspected.
fn note_completed(context: &mut FlowContext) {
    let conversation = context.conversation.as_ref();
    let number = conversation.map_or(0, Conversation::parser_number);
    let Some(parser) = conversation.and_then(Conversation::parser) else {
        context.marks.clear();
        return;
    };
    let (first, next) = (parser.first(), parser.next());
    if std::mem::replace(&mut context.parser, number) != number {
        context.marks.clear();
        context.first = first;
    }
    while context.first < first && context.marks.pop_front().is_some() {
        context.first += 1;
    }
    context.first = first;
    let held = usize::try_from(next - first).unwrap_or(usize::MAX);
    context.marks.resize(held, TransactionMarks::default());
    for (number, marks) in (first..next).zip(&mut context.marks) {
        let Some(transaction) = parser.transaction(number) else { continue };
        for side in Heading::ALL {
            let complete = transaction.progress(side) == COMPLETE;
            let completed = &mut marks.completed[side.index()];
            let ended = complete && !*completed && !parser.tells_messages();
            context.due[side.index()] |= ended;
            context.ended[side.index()] |= ended;
            *completed = complete;
            marks.inspected[side.index()] |= !transaction.is_looked_at(side);
        }
    }
}

/// Lets the parser forget transactions that are over for everybody. Whether there were any at the beginning.
fn release(context: &mut FlowContext, records: bool) -> bool {
    let over = |marks: &TransactionMarks| marks.inspected == [true; 2] && (marks.told || !records);
    let done = context.marks.iter().take_while(|marks| over(marks)).count();
    if let Some(parser) = context.conversation.as_mut().and_then(Conversation::parser_mut) {
        let behind = (context.first..).zip(&context.marks).skip(done + 1);
        behind.filter(|(_, marks)| over(marks)).for_each(|(number, _)| parser.forget(number));
    }
    if done == 0 {
        return false;
    }
    context.marks.drain(..done);
    context.first += done as u64;
    if let Some(parser) = context.conversation.as_mut().and_then(Conversation::parser_mut) {
        parser.release(context.first);
    }
    true
}
