//! Streams and application layers of an instance's flows, brought up to each packet in turn.
//!
//! For a packet: its segment goes into the stream, what became certain of the streams goes to the
//! application layer ([`Follower::follow`]), profiles look ([`Follower::view`]), and then what everybody has
//! seen is forgotten and finished transactions become records ([`Follower::settle`]). When a flow ends what
//! was not yet certain is taken as it is, and profiles look once more, in both headings.

use super::contexts::{Contexts, FollowCounters};
use super::expected::Announcements;
use super::records::{Origin as RecordOrigin, Recorder, layers};
use crate::app::detect::{Carrier, Origin};
use crate::app::{COMPLETE, Conversation, ConversationConfig, Heading};
use crate::decode::Transport;
use crate::events::{FlowApplication, FlowException, FlowVariables, Timestamp};
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
        }
    }

    /// Over a capture, as Suricata does it unless told otherwise: only connections of which the beginning
    /// is there.
    #[must_use]
    pub fn offline() -> Self {
        Self { stream: StreamConfig::default(), ..Self::live() }
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
    announcements: Announcements,
}

impl Follower {
    pub(super) fn new(config: FollowConfig) -> Self {
        Self {
            config,
            pool: StreamPool::new(config.stream),
            contexts: Contexts::default(),
            recorder: Recorder,
            announcements: Announcements::default(),
        }
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
                stream.established = flow.state() == crate::events::FlowState::Established;
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
            if let Some((expected, by)) = announcements.take(flow, packet.timestamp()) {
                context.conversation = Some(Conversation::announced(*origin, expected));
                context.parent = Some(by);
            }
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
                    recognised |= hand_over(context, pool, config, (heading, false), origin, now);
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
            }
            context.due[heading.index()] = false;
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
    }

    /// A flow is over: what came in a heading and was not certain is taken now. Whether there is anything to
    /// look at.
    pub(super) fn end(&mut self, id: FlowId, heading: Heading, flows: &FlowTable) -> bool {
        let Some(flow) = flows.get(id) else { return false };
        if self.context(id).is_none() {
            return false;
        }
        let origin = Origin { carrier: Carrier::Tcp, server_port: flow.server_port() };
        let Self { contexts, pool, config, .. } = self;
        let context = contexts.make(pool, id);
        context.at_end = true;
        context.due[heading.index()] = true;
        let now = flow.last();
        hand_over(context, pool, &config.conversation, (heading, true), &origin, now);
        if let Some(conversation) = &mut context.conversation {
            conversation.end(heading, now);
            context.touched = true;
        }
        context.session.is_some() || context.conversation.is_some()
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
            None => flow.state() == crate::events::FlowState::Established,
        };
        let due = context.session.is_some();
        Some(PacketView {
            packet: None,
            flow: Some(flow),
            flow_id: Some(id),
            context: Some(context),
            heading,
            timestamp: flow.last(),
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
        let Some(flow) = flows.get(id) else { return };
        let origin = RecordOrigin {
            timestamp: flow.last(),
            number: None,
            at_end: true,
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
            && session.state() == SessionState::None
        {
            told.exceptions.push(FlowException::StreamMidstream);
        }
        told.parent_id = context.parent;
        let Some(conversation) = &context.conversation else { return (None, told) };
        told.layers = layers(conversation);
        told.transactions = conversation.parser().map(|parser| parser.next());
        if conversation.has_failed() {
            told.exceptions.push(FlowException::AppLayerError);
        }
        (conversation.verdict().as_str(), told)
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

/// Gives the application layer what is certain of a stream, or all of it. Whether something was recognised
/// by it.
fn hand_over(
    context: &mut FlowContext,
    pool: &mut StreamPool,
    config: &ConversationConfig,
    (heading, all): (Heading, bool),
    origin: &Origin,
    now: Timestamp,
) -> bool {
    let Some(session) = &mut context.session else { return false };
    let half = session.half_mut(heading);
    let mut recognised = false;
    let conversation = &mut context.conversation;
    let mut handed = false;
    half.take(pool, all, &mut |piece| {
        let conversation = conversation.get_or_insert_with(|| Conversation::new(*origin));
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
    let Some(parser) = context.conversation.as_ref().and_then(Conversation::parser) else {
        context.marks.clear();
        return;
    };
    let (first, next) = (parser.first(), parser.next());
    if context.first > first || context.first + (context.marks.len() as u64) > next {
        // Another parser, which counts from 0 again.
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
            context.due[side.index()] |= complete && !*completed;
            *completed = complete;
            marks.inspected[side.index()] |= !transaction.is_looked_at(side);
        }
        marks.inspected[heading.index()] |= marks.completed[heading.index()];
    }
}

/// Lets the parser forget transactions that are over for everybody. Whether there were any.
fn release(context: &mut FlowContext, records: bool) -> bool {
    let over =
        |marks: &TransactionMarks| marks.inspected == [true; 2] && (marks.logged || !records);
    let done = context.marks.iter().take_while(|marks| over(marks)).count();
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
