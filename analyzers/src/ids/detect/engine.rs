//! One instance's evaluation of all rules, packet by packet.
//!
//! For each packet the prefilters say which rules may match its payload, its stream's new part and its
//! transactions; those are evaluated in the order of the rules, and what matched becomes alerts. The order and
//! what is looked at when are Suricata's: packets before streams before transactions, transactions in the
//! packet's heading only, and at the end of a flow both headings once more.

use std::sync::Arc;

use umbra_hs::{HsError, Scratch};

use super::super::matching::{MatchContext, View};
use super::super::rule::ast::{AppCondition, CaptureKind, PacketBuffer};
use super::super::state::Shared;
use super::base::{PayloadCarrier, RuleBase, RuleIndex};
use super::candidates::Candidates;
use super::compiled::{CompiledRule, Kind, PacketPart};
use super::conditions::{self, Ends, header_holds};
use super::flow_state::FlowState;
use super::limits::RuleLimits;
use super::remember::Memory;
use super::tags::Tags;
use crate::app::Heading;
use crate::app::detect::Verdict;
use crate::decode::{Decoded, Transport};
use crate::events::{AlertDetail, FlowVariables, Timestamp};
use crate::flow::FlowId;
use crate::profile::{Findings, PacketView};
use crate::stream::{RawWindow, SessionState};

/// What all instances of a profile share.
#[derive(Debug)]
pub(crate) struct EnginePlan {
    pub(crate) base: Arc<RuleBase>,
    /// By rule.
    pub(crate) limits: Arc<[RuleLimits]>,
    pub(crate) shared: Shared,
    pub(crate) profile: Arc<str>,
    pub(crate) detail: AlertDetail,
}

umbra_tap::counter_set! {
    /// What an engine did.
    pub struct IdsCounters {
        evaluated: "rules", "Rules evaluated, that is candidates of the prefilters and rules without literal.";
        matched: "rules", "Rules that matched, also those that do not alert.";
        alerts: "alerts", "Alerts.";
        suppressed: "matches", "Matches that a threshold, a filter or a suppression kept from being alerts.";
        overflow: "matches", "Matches beyond the most alerts that one packet may cause.";
        payload_bytes: "bytes", "Payload that prefilters looked through.";
        stream_bytes: "bytes", "Streams that prefilters looked through.";
        buffer_bytes: "bytes", "Buffers of transactions that prefilters looked through.";
    }
}

/// A rule that matched.
#[derive(Debug)]
pub(crate) struct Matched {
    pub(crate) rule: RuleIndex,
    /// Number of the transaction.
    pub(crate) transaction: Option<u64>,
    /// In a stream, or in a transaction of one.
    pub(crate) in_stream: bool,
}

/// One instance's engine.
#[derive(Debug)]
pub(crate) struct Engine {
    pub(crate) plan: Arc<EnginePlan>,
    pub(crate) scratch: Option<Scratch>,
    pub(crate) context: MatchContext,
    /// Room for transformed buffers.
    pub(crate) room: Vec<u8>,
    states: Vec<Option<(u32, Box<FlowState>)>>,
    candidates: Candidates,
    pub(crate) tags: Tags,
    pub(crate) matched: Vec<Matched>,
    /// What expressions saved of the packet.
    pub(crate) packet_captures: Vec<(Arc<str>, Vec<u8>)>,
    pub(crate) counters: IdsCounters,
}

/// What of a packet is looked at.
#[derive(Clone, Copy)]
pub(crate) struct Sight<'v> {
    pub(crate) view: &'v PacketView<'v>,
    pub(crate) ends: Option<Ends>,
    /// The packet's own payload, where it may be looked at.
    pub(crate) payload: Option<&'v [u8]>,
    pub(crate) window: Option<RawWindow<'v>>,
}

impl Sight<'_> {
    pub(crate) fn now(&self) -> Timestamp {
        self.view.timestamp
    }
}

impl Engine {
    /// An engine with no flows.
    ///
    /// # Errors
    ///
    /// If there is no memory for the scratch.
    pub(crate) fn new(plan: Arc<EnginePlan>) -> Result<Self, HsError> {
        Ok(Self {
            scratch: plan.base.scratch()?,
            candidates: Candidates::new(plan.base.rules.len()),
            plan,
            tags: Tags::default(),
            context: MatchContext::new(),
            room: Vec::new(),
            states: Vec::new(),
            matched: Vec::new(),
            packet_captures: Vec::new(),
            counters: IdsCounters::default(),
        })
    }

    /// Evaluates all rules for a packet, or for what is left of a flow.
    pub(crate) fn inspect(&mut self, view: &PacketView<'_>, findings: &mut Findings) {
        // Datagrams were all looked at when they came.
        if view.is_end_of_flow() && view.context.is_none_or(|context| context.session.is_none()) {
            return;
        }
        let mut state = self.take_state(view.flow_id);
        let sight =
            Sight { view, ends: Ends::of(view), payload: payload_of(view), window: view.window() };
        if let Some(packet) = view.packet {
            let (len, ends, now) = (packet.meta.frame_len, sight.ends.as_ref(), view.timestamp);
            if self.tags.packet(len, ends, &mut state.tag, now) {
                self.tagged(&sight, &state, findings);
            }
        }
        if !state.passed {
            self.packet_rules(&sight, &mut state);
            self.transactions(&sight, &mut state);
            self.finish(&sight, &mut state, findings);
        }
        if let Some(conversation) = view.conversation() {
            state.recognised = Heading::ALL.map(|side| conversation.side(side) != Verdict::Unknown);
        }
        self.packet_captures.clear();
        self.put_state(view.flow_id, state);
    }

    /// A flow ended.
    pub(crate) fn forget(&mut self, id: FlowId) {
        if let Some(slot) = self.states.get_mut(id.index()) {
            *slot = None;
        }
    }

    /// What rules have noted about a flow.
    pub(crate) fn variables_of(&self, id: FlowId) -> Option<FlowVariables> {
        let (generation, state) = self.states.get(id.index())?.as_ref()?;
        (*generation == id.generation()).then(|| self.variables(state, &[]))
    }

    fn take_state(&mut self, id: Option<FlowId>) -> Box<FlowState> {
        let held = id.and_then(|id| self.states.get_mut(id.index())).and_then(Option::take);
        match (held, id) {
            (Some((generation, state)), Some(id)) if generation == id.generation() => state,
            _ => Box::default(),
        }
    }

    fn put_state(&mut self, id: Option<FlowId>, state: Box<FlowState>) {
        let Some(id) = id else { return };
        if self.states.len() <= id.index() {
            self.states.resize_with(id.index() + 1, || None);
        }
        self.states[id.index()] = Some((id.generation(), state));
    }

    /// Rules of packets and streams.
    fn packet_rules(&mut self, sight: &Sight<'_>, state: &mut FlowState) {
        self.candidates.clear();
        let invalid = sight.view.packet.is_some_and(|packet| packet.decoded.is_invalid());
        let odd = invalid
            || !sight.view.stream.events.is_empty()
            || sight.view.packet.is_some_and(|packet| !packet.decoded.faults.is_empty());
        if odd {
            self.candidates.add_all(self.plan.base.decode_events.iter().copied());
        }
        if !invalid {
            self.collect(sight, state);
        }
        let candidates = self.candidates.take_sorted();
        let plan = Arc::clone(&self.plan);
        for &index in &candidates {
            if let Some(rule) = plan.base.rule(index) {
                self.evaluate(index, rule, sight, state);
            }
        }
        self.candidates.give_back(candidates);
    }

    /// Candidates of a packet that could be decoded.
    fn collect(&mut self, sight: &Sight<'_>, state: &mut FlowState) {
        let Self { plan, scratch, candidates, counters, .. } = self;
        let (base, heading) = (&plan.base, sight.view.heading);
        let (ends, established) = (sight.ends.as_ref(), sight.view.stream.established);
        let may_hold = |rule: RuleIndex| base.gate(rule).lets_pass(ends, established);
        let first_of_heading = match sight.view.flow_id {
            _ if sight.view.is_end_of_flow() => false,
            Some(_) => !std::mem::replace(&mut state.ip_only[heading.index()], true),
            None => true,
        };
        if first_of_heading {
            candidates.add_all(base.ip_only.of(ends));
        }
        let carrier = carrier_of(sight.ends.as_ref());
        let protocol_is_due = match carrier {
            _ if sight.view.is_end_of_flow() => false,
            PayloadCarrier::Tcp => {
                let (side, known) = (heading.index(), state.recognised);
                known[side] && !std::mem::replace(&mut state.protocol_only[side], true)
            }
            _ => true,
        };
        if protocol_is_due {
            candidates.add_all(base.protocol_only.iter().copied());
        }
        let always = base.packet_always(carrier, heading).iter().copied();
        candidates.add_all(always.filter(|&rule| may_hold(rule)));
        if let (Some(payload), Some(scratch)) = (sight.payload, scratch.as_mut()) {
            counters.payload_bytes += payload.len() as u64;
            let mut found = |rule, _| {
                if may_hold(rule) {
                    candidates.add(rule);
                }
            };
            base.packet(carrier, heading, ends).scan(payload, scratch, &mut found);
            if carrier == PayloadCarrier::Tcp && sight.view.stream.is_stray() {
                base.stream(heading, ends).scan(payload, scratch, &mut found);
            }
        }
        if carrier == PayloadCarrier::Tcp
            && (sight.window.is_some() || (sight.payload.is_some() && sight.view.stream.is_stray()))
        {
            let always = base.stream_always(heading).iter().copied();
            candidates.add_all(always.filter(|&rule| may_hold(rule)));
        }
        if let (Some(window), Some(scratch)) = (sight.window, scratch.as_mut()) {
            let stream = state.stream(heading);
            let prefilter = base.stream(heading, ends);
            // A literal may have begun in what was looked through before.
            let back = prefilter.longest().saturating_sub(1) as u64;
            let from = stream.scanned.saturating_sub(back).max(window.offset);
            let skip = usize::try_from(from - window.offset).unwrap_or(usize::MAX);
            let bytes = window.bytes.get(skip..).unwrap_or(&[]);
            counters.stream_bytes += bytes.len() as u64;
            let seen = stream.scanned;
            prefilter.scan(bytes, scratch, |rule, end| {
                let end = from + end as u64;
                if end > seen && base.gate(rule).is_between(ends) {
                    stream.found(rule, end);
                }
            });
            stream.scanned = window.offset + window.bytes.len() as u64;
            // What slid out of the window cannot match any more.
            stream.pending.retain(|&(_, end)| end > window.offset);
            let pending = stream.pending.iter().map(|&(rule, _)| rule);
            candidates.add_all(pending.filter(|&rule| may_hold(rule)));
        }
    }

    /// Evaluates one rule of packets or streams.
    fn evaluate(
        &mut self,
        index: RuleIndex,
        rule: &CompiledRule,
        sight: &Sight<'_>,
        state: &mut FlowState,
    ) {
        self.counters.evaluated += 1;
        if !header_holds(rule, sight.view, sight.ends.as_ref()) {
            return;
        }
        let packet = matches!(rule.kind, Kind::Packet | Kind::IpOnly | Kind::ProtocolOnly);
        if packet && sight.view.is_end_of_flow() && !(rule.holds_at_end() && is_open(sight.view)) {
            return;
        }
        let protocol = sight.view.conversation().and_then(|c| c.protocol());
        if !rule.is_of(protocol) || !self.conditions_hold(rule, sight, state) {
            return;
        }
        self.context.begin_rule(rule.rule.variables.len());
        let Some(in_stream) = self.payload_holds(index, rule, sight, state) else { return };
        self.matches(index, rule, sight, state, None, in_stream);
    }

    /// All but what is looked for in bytes and in transactions.
    pub(crate) fn conditions_hold(
        &self,
        rule: &CompiledRule,
        sight: &Sight<'_>,
        state: &mut FlowState,
    ) -> bool {
        let captures = &state.captures;
        let captured = |of_flow: bool, name: &str| {
            let held = if of_flow { captures } else { &self.packet_captures };
            held.iter().find(|(known, _)| &**known == name).map(|(_, value)| value.clone())
        };
        let packet = rule.rule.packet.iter().all(|c| conditions::holds(c, sight.view, &captured));
        let layer = rule.rule.app.iter().all(|condition| match condition {
            AppCondition::Event(name) if !name.contains('.') => {
                sight.view.layer_events().any(|event| event == &**name)
            }
            _ => true,
        });
        let memory = Memory {
            vars: sight.view.flow_id.map(|_| &mut state.vars),
            shared: &self.plan.shared,
            ends: sight.ends.as_ref(),
            now: sight.now(),
        };
        packet && layer && memory.check(&rule.checks)
    }

    /// Whether what is looked for in headers and in the payload is there; if so, whether in a stream.
    pub(crate) fn payload_holds(
        &mut self,
        index: RuleIndex,
        rule: &CompiledRule,
        sight: &Sight<'_>,
        state: &mut FlowState,
    ) -> Option<bool> {
        let headers = rule.packet_parts.iter().filter(|part| part.header.is_some());
        let payload = || rule.packet_parts.iter().filter(|part| part.header.is_none());
        for part in headers {
            let decoded = &sight.view.packet?.decoded;
            let address;
            let bytes = match part.header? {
                PacketBuffer::IpSource => {
                    address = octets(sight.ends?.src);
                    &address[..]
                }
                PacketBuffer::IpDestination => {
                    address = octets(sight.ends?.dst);
                    &address[..]
                }
                header => header_bytes(header, decoded)?,
            };
            if !self.part_holds(part, View { bytes, complete: true, offset: 0 }) {
                return None;
            }
        }
        if payload().next().is_none() {
            return Some(false);
        }
        let heading = sight.view.heading;
        if (rule.kind.looks_at_streams() || rule.kind == Kind::Transaction)
            && let Some(window) = sight.window
        {
            let end = window.offset + window.bytes.len() as u64;
            let matched = state.stream(heading).matched_up_to(index);
            let from = matched.map_or(window.offset, |at| at.clamp(window.offset, end));
            let skip = usize::try_from(from - window.offset).unwrap_or(usize::MAX);
            let bytes = window.bytes.get(skip..).unwrap_or(&[]);
            let view = View { bytes, complete: false, offset: from };
            if !bytes.is_empty() && payload().all(|part| self.part_holds(part, view)) {
                state.stream(heading).matched(index, end);
                return Some(true);
            }
        }
        let packets = match rule.kind {
            Kind::Packet | Kind::PacketAndStream => true,
            // Datagrams are in no stream.
            Kind::Stream | Kind::Transaction => sight.view.stream.is_stray(),
            Kind::IpOnly | Kind::ProtocolOnly => false,
        };
        let bytes = sight.payload.filter(|_| packets && conditions::wants_packets(&rule.rule))?;
        let view = View { bytes, complete: true, offset: 0 };
        payload().all(|part| self.part_holds(part, view)).then_some(false)
    }

    fn part_holds(&mut self, part: &PacketPart, view: View<'_>) -> bool {
        let mut room = std::mem::take(&mut self.room);
        let holds = match &part.transforms {
            None => part.program.holds(&view, &mut self.context),
            Some(transforms) => {
                transforms.apply(view.bytes, &mut room);
                let view = View { bytes: &room, complete: view.complete, offset: 0 };
                part.program.holds(&view, &mut self.context)
            }
        };
        self.room = room;
        holds
    }

    /// A rule matched: what is to be remembered is, and it waits for its alert.
    pub(crate) fn matches(
        &mut self,
        index: RuleIndex,
        rule: &CompiledRule,
        sight: &Sight<'_>,
        state: &mut FlowState,
        transaction: Option<u64>,
        in_stream: bool,
    ) {
        self.counters.matched += 1;
        for captured in self.context.take_captures() {
            match captured.kind {
                CaptureKind::Flow => state.capture(&captured.name, captured.value),
                CaptureKind::Packet | CaptureKind::Alert => {
                    self.packet_captures.push((captured.name, captured.value));
                }
            }
        }
        let mut memory = Memory {
            vars: sight.view.flow_id.map(|_| &mut state.vars),
            shared: &self.plan.shared,
            ends: sight.ends.as_ref(),
            now: sight.now(),
        };
        memory.change(&rule.changes);
        self.matched.push(Matched { rule: index, transaction, in_stream });
    }
}

/// Whether there is anything left of a heading, in Suricata's view: of a connection that was not closed, or of
/// which it is not known what it is.
fn is_open(view: &PacketView<'_>) -> bool {
    let session = view.context.and_then(|context| context.session.as_ref());
    let Some(session) = session else { return false };
    // The SYN counts.
    let said = session.half(view.heading).stream_bytes() > 1;
    let unknown = view.conversation().is_some_and(|c| c.verdict() == Verdict::Unknown);
    (SessionState::Established..SessionState::Closed).contains(&session.state()) || said && unknown
}

/// The payload that packet rules may look at: not of fragments, and not of what is encrypted.
fn payload_of<'v>(view: &PacketView<'v>) -> Option<&'v [u8]> {
    let packet = view.packet?;
    let looked_at = !packet.held_fragment
        && !packet.decoded.is_fragment()
        && !packet.decoded.is_invalid()
        && packet.decoded.ip.is_some()
        && !packet.decoded.payload.is_empty()
        && !view.conversation().is_some_and(|c| c.is_encrypted());
    looked_at.then_some(packet.decoded.payload)
}

fn carrier_of(ends: Option<&Ends>) -> PayloadCarrier {
    match ends.map(|ends| ends.protocol) {
        Some(6) => PayloadCarrier::Tcp,
        Some(17) => PayloadCarrier::Udp,
        _ => PayloadCarrier::Other,
    }
}

/// The bytes of a header.
fn header_bytes<'f>(header: PacketBuffer, decoded: &Decoded<'f>) -> Option<&'f [u8]> {
    let ip = decoded.ip?;
    let of_ip = || decoded.datagram.get(..usize::from(ip.header_len));
    let before_payload = || {
        let len = decoded.segment.len().checked_sub(decoded.payload.len())?;
        decoded.segment.get(..len)
    };
    match (header, &decoded.transport) {
        (PacketBuffer::Ipv4Header, _) if ip.version == 4 => of_ip(),
        (PacketBuffer::Ipv6Header, _) if ip.version == 6 => of_ip(),
        (PacketBuffer::TcpHeader, Transport::Tcp(tcp)) => {
            decoded.segment.get(..usize::from(tcp.header_len))
        }
        (PacketBuffer::UdpHeader, Transport::Udp(_)) => decoded.segment.get(..8),
        (PacketBuffer::Icmpv4Header, Transport::Icmp4(_))
        | (PacketBuffer::Icmpv6Header, Transport::Icmp6(_)) => before_payload(),
        _ => None,
    }
}

fn octets(address: std::net::IpAddr) -> Vec<u8> {
    match address {
        std::net::IpAddr::V4(v4) => v4.octets().to_vec(),
        std::net::IpAddr::V6(v6) => v6.octets().to_vec(),
    }
}
