//! The table itself: find, open, count, end.

use umbra_tap::{Direction, RecordMeta};
use umbra_wire::{Endpoint, FlowKey, KeyKind, SymmetricHash};

use super::clock::Clock;
use super::index::Index;
use super::packet::{FlowPacket, ICMP4, ICMP6, L4, Segment, TCP, icmp_class, icmp_counterpart};
use super::slab::{Flow, Slab, bit};
use super::tcp::{self, CLIENT, Handshake, SERVER, flag};
use super::view::FlowView;
use super::wheel::Wheel;
use super::{FlowConfig, FlowCounters, FlowId};
use crate::decode::VlanStack;
use crate::events::{FlowEnd, FlowState, Timestamp};
use crate::profile::EndedFlow;

/// Steps of the wheel per packet. A flow costs a step per time-out and a packet opens at most one
/// flow, so two keep up; four catch up.
const STEPS_PER_PACKET: u32 = 4;
/// Flows that a full table looks at, in the order in which they are due, before it evicts.
const EVICTION_CANDIDATES: u32 = 16;
/// Places of which it looks at as many flows, where that is needed.
const EVICTION_PLACES: u32 = 2048;

/// What a packet was in the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Observed {
    /// Its flow.
    pub id: FlowId,
    /// From client to server.
    pub to_server: bool,
    /// First of its flow.
    pub opened: bool,
    /// An ICMP error counted in the flow that it quotes.
    pub quotes: bool,
    /// The packet finished its flow's handshake.
    pub handshake: Option<Handshake>,
}

/// In what way a packet counts in its flow.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Counted {
    First,
    Later,
    /// As an ICMP error that quotes it.
    Quoting,
}

/// All flows of an instance. Single-threaded.
pub struct FlowTable {
    config: FlowConfig,
    hash: SymmetricHash,
    index: Index,
    slab: Slab,
    wheel: Wheel,
    clock: Clock,
    live: u32,
    emergency: bool,
    ended: Vec<EndedFlow>,
    counters: FlowCounters,
    /// Where `finish` has got to.
    flushed_to: u32,
    /// When an eighth of the flows that there may be was opened, and another; how many since then.
    eighths: [Timestamp; 2],
    opened_since: u32,
    /// The place that was looked at last for a flow to evict.
    hand: u32,
}

impl std::fmt::Debug for FlowTable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FlowTable")
            .field("live", &self.live)
            .field("max_flows", &self.config.max_flows)
            .field("emergency", &self.emergency)
            .field("counters", &self.counters)
            .finish_non_exhaustive()
    }
}

impl FlowTable {
    /// A table with a random seed. `max_flows` is brought into its legal range.
    #[must_use]
    pub fn new(config: &FlowConfig) -> Self {
        Self::with_hash(config, SymmetricHash::from_os_entropy())
    }

    /// A table with a given hash, whose seed changes no result.
    #[must_use]
    pub fn with_hash(config: &FlowConfig, hash: SymmetricHash) -> Self {
        let mut config = *config;
        config.max_flows = config.max_flows.clamp(FlowConfig::MIN_FLOWS, FlowConfig::MAX_FLOWS);
        Self {
            config,
            hash,
            index: Index::new(config.max_flows),
            slab: Slab::new(),
            wheel: Wheel::new(),
            clock: Clock::default(),
            live: 0,
            emergency: false,
            ended: Vec::new(),
            counters: FlowCounters::default(),
            flushed_to: 0,
            eighths: [Timestamp::ZERO; 2],
            opened_since: 0,
            hand: 0,
        }
    }

    /// Flows that are there.
    #[must_use]
    pub fn live(&self) -> u32 {
        self.live
    }

    /// What the table did.
    #[must_use]
    pub fn counters(&self) -> FlowCounters {
        self.counters
    }

    /// Full, or has been and is not yet down to seven eighths.
    #[must_use]
    pub fn is_emergency(&self) -> bool {
        self.emergency
    }

    /// Bytes of memory taken.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        self.index.bytes() + self.slab.bytes()
    }

    /// The latest timestamp seen.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// A flow that is there, or has ended and not been released.
    #[must_use]
    pub fn get(&self, id: FlowId) -> Option<FlowView<'_>> {
        if id.index >= self.slab.places() {
            return None;
        }
        let flow = self.slab.get(id.index);
        (flow.generation == id.generation && flow.has(bit::LIVE | bit::ENDED))
            .then(|| FlowView::new(&self.slab, id.index))
    }

    /// Notes that a profile alerted on a flow.
    pub fn mark_alerted(&mut self, id: FlowId) {
        if self.get(id).is_none() {
            return;
        }
        let flow = self.slab.get_mut(id.index);
        flow.bits |= bit::ALERTED;
        if flow.has(bit::ENDED)
            && let Some(ended) = self.ended.iter_mut().find(|ended| ended.id == id)
        {
            ended.record.alerted = true;
        }
    }

    /// Counts a packet in its flow, which is opened if it is not there. `None` for an ICMP error
    /// without a flow, if such are to have none.
    pub fn observe(&mut self, packet: &FlowPacket<'_>) -> Option<Observed> {
        self.advance_clock(Timestamp(packet.meta.timestamp_ns));
        if !self.config.lazy_timeouts {
            self.step(STEPS_PER_PACKET);
        }
        if let Some(observed) = self.observe_quoted(packet) {
            return Some(observed);
        }
        if !self.config.lone_icmp_errors && packet.is_icmp4_error() {
            return None;
        }
        let hash = self.hash_of(packet);
        if let Some((place, side)) = self.find(hash, packet) {
            match self.reason_to_end(place, packet, side) {
                None => return Some(self.count(place, side, packet, Counted::Later)),
                Some(reason) => self.end(place, reason),
            }
        }
        self.make_room();
        let place = self.open(hash, packet);
        let side = self.side(self.slab.get(place), packet).unwrap_or(CLIENT);
        Some(self.count(place, side, packet, Counted::First))
    }

    /// Time goes on without packets. Looks at no more than `steps` flows; true if more are due.
    pub fn sweep(&mut self, now: Timestamp, steps: u32) -> bool {
        self.advance_clock(now);
        !self.config.lazy_timeouts && self.step(steps)
    }

    /// Flows that ended since [`release_ended`](Self::release_ended).
    #[must_use]
    pub fn ended(&self) -> &[EndedFlow] {
        &self.ended
    }

    /// Frees the places of the flows that ended. Their ids are stale from now on.
    pub fn release_ended(&mut self) {
        for ended in self.ended.drain(..) {
            self.slab.release(ended.id.index);
        }
    }

    /// Ends flows because the run does, up to `flows` of them; true if there are more. What has timed
    /// out by `now` ends as timed out, whether or not the sweep has come by.
    pub fn finish(&mut self, now: Timestamp, flows: u32, reason: FlowEnd) -> bool {
        self.advance_clock(now);
        let mut left = flows;
        while self.flushed_to < self.slab.places() && left > 0 {
            let place = self.flushed_to;
            self.flushed_to += 1;
            if self.slab.get(place).has(bit::LIVE) {
                self.finish_place(place, reason);
                left -= 1;
            }
        }
        if self.live == 0 {
            self.flushed_to = 0;
        }
        self.live > 0
    }

    /// The flows that are there, in no order.
    pub fn living(&self) -> impl Iterator<Item = FlowId> {
        let flows = (0..self.slab.places()).map(|place| (place, self.slab.get(place)));
        flows
            .filter(|(_, flow)| flow.has(bit::LIVE))
            .map(|(index, flow)| FlowId { index, generation: flow.generation })
    }

    /// As [`finish`](Self::finish) for one flow, for who wants them in an order. Nothing happens if it is not
    /// there.
    pub fn finish_one(&mut self, id: FlowId, now: Timestamp, reason: FlowEnd) {
        self.advance_clock(now);
        if self.get(id).is_some() && self.slab.get(id.index).has(bit::LIVE) {
            self.finish_place(id.index, reason);
        }
    }

    fn finish_place(&mut self, place: u32, reason: FlowEnd) {
        self.end(place, if self.has_timed_out(place) { FlowEnd::Timeout } else { reason });
    }

    fn advance_clock(&mut self, to: Timestamp) {
        if self.clock.advance(to) {
            self.counters.clock_steps_back += 1;
            self.wheel.step_back(self.clock.now());
        }
    }

    /// Looks at up to `steps` flows whose slot has passed.
    fn step(&mut self, steps: u32) -> bool {
        for _ in 0..steps {
            let Some(place) = self.wheel.pop_before(&mut self.slab, self.clock.now()) else {
                return false;
            };
            if self.has_timed_out(place) {
                self.end_unfiled(place, FlowEnd::Timeout);
            } else {
                self.file(place);
            }
        }
        true
    }

    fn timeout_ns(&self, flow: &Flow) -> u64 {
        self.config.timeouts.nanos(flow.protocol, flow.state)
    }

    fn has_timed_out(&self, place: u32) -> bool {
        let flow = self.slab.get(place);
        self.clock.now().nanos_since(flow.last) >= self.timeout_ns(flow)
    }

    fn file(&mut self, place: u32) {
        let flow = self.slab.get(place);
        let due = Timestamp(flow.last.as_nanos().saturating_add(self.timeout_ns(flow)));
        self.wheel.file(&mut self.slab, place, due);
    }

    /// The place of the packet's flow, and which end of it sent the packet.
    fn find(&self, hash: u64, packet: &FlowPacket<'_>) -> Option<(u32, usize)> {
        let mut side = CLIENT;
        let place =
            self.index.find(hash, |place| match self.side(self.slab.get(place), packet) {
                Some(found) => {
                    side = found;
                    true
                }
                None => false,
            })?;
        Some((place, side))
    }

    /// Which end of the flow sent the packet, if it is of this flow.
    #[inline]
    fn side(&self, flow: &Flow, packet: &FlowPacket<'_>) -> Option<usize> {
        let same = flow.protocol == packet.protocol
            && flow.has(bit::V6) == packet.v6
            && (!self.config.vlan_in_key || flow.vlans == packet.vlans);
        if !same {
            return None;
        }
        let ports = if self.config.icmp_id_in_key || !matches!(packet.l4, L4::Icmp { .. }) {
            [packet.src_port, packet.dst_port]
        } else {
            flow.port
        };
        // A question goes one way and its answer the other; two questions are two flows.
        let (asks, answers) = match packet.l4 {
            L4::Icmp { kind, .. } => {
                let first = flow.l4[0];
                (kind == first, icmp_counterpart(flow.protocol, first) == Some(kind))
            }
            _ => (true, true),
        };
        let addresses = [packet.src, packet.dst];
        if asks && flow.address == addresses && flow.port == ports {
            Some(CLIENT)
        } else if answers
            && flow.address == [addresses[1], addresses[0]]
            && flow.port == [ports[1], ports[0]]
        {
            Some(SERVER)
        } else {
            None
        }
    }

    /// An ICMP error belongs to the flow of the packet that it quotes, in the direction of whom it
    /// tells.
    fn observe_quoted(&mut self, packet: &FlowPacket<'_>) -> Option<Observed> {
        if packet.protocol == ICMP6 && !self.config.icmp6_errors_with_quoted {
            return None;
        }
        let quoted = packet.quoted.as_ref()?.as_packet(packet);
        let (place, side_of_sender) = self.find(self.hash_of(&quoted), &quoted)?;
        if self.has_timed_out(place) {
            return None;
        }
        let (_, extra) = self.slab.with_extra(place);
        extra.icmp_errors = extra.icmp_errors.saturating_add(1);
        self.counters.icmp_errors += 1;
        let counted = FlowPacket { l4: L4::None, ..quoted };
        Some(self.count(place, 1 - side_of_sender, &counted, Counted::Quoting))
    }

    fn reason_to_end(&self, place: u32, packet: &FlowPacket<'_>, side: usize) -> Option<FlowEnd> {
        let flow = self.slab.get(place);
        if self.has_timed_out(place) {
            return Some(FlowEnd::Timeout);
        }
        let L4::Tcp(segment) = packet.l4 else { return None };
        let idle_ns = Timestamp(packet.meta.timestamp_ns).nanos_since(flow.last);
        let new_timeout_ns = self.config.timeouts.nanos(TCP, FlowState::New);
        let extra = self.slab.extra(flow);
        let apart = self.config.attempts_apart;
        tcp::begins_another(flow, extra, &segment, side, idle_ns, new_timeout_ns, apart)
            .then_some(FlowEnd::TcpReuse)
    }

    fn open(&mut self, hash: u64, packet: &FlowPacket<'_>) -> u32 {
        let place = self.slab.allocate();
        let meta = packet.meta;
        // Who answers is the server, also when the question was not seen.
        let swapped = matches!(packet.l4, L4::Tcp(Segment { flags, .. })
            if flags & (flag::SYN | flag::ACK | flag::RST) == flag::SYN | flag::ACK);
        let (client, server) = if swapped { (1, 0) } else { (0, 1) };
        let (addresses, ports) = ([packet.src, packet.dst], [packet.src_port, packet.dst_port]);
        let flow = self.slab.get_mut(place);
        flow.address = [addresses[client], addresses[server]];
        flow.port = [ports[client], ports[server]];
        flow.protocol = packet.protocol;
        flow.vlans = packet.vlans;
        flow.flow_hash = meta.flow_hash;
        flow.start = Timestamp(meta.timestamp_ns);
        flow.last = flow.start;
        flow.fraction_ppb = meta.fraction_ppb;
        flow.epoch = meta.epoch;
        flow.wire = meta.wire;
        flow.bits = bit::LIVE;
        if packet.v6 {
            flow.bits |= bit::V6;
        }
        if meta.direction == Direction::BtoA {
            flow.bits |= bit::FIRST_B_TO_A;
        }
        if let L4::Icmp { kind, code } = packet.l4 {
            flow.l4 = [kind, code, 0, 0];
        }
        if let Some(tunnels) = packet.tunnels {
            self.slab.with_extra(place).1.tunnels = Some(Box::new(*tunnels));
        }
        self.index.insert(hash, place);
        self.file(place);
        self.live += 1;
        self.counters.opened += 1;
        self.note_opened();
        place
    }

    /// Counts a packet in the flow at `place` and follows its state.
    fn count(
        &mut self,
        place: u32,
        side: usize,
        packet: &FlowPacket<'_>,
        what: Counted,
    ) -> Observed {
        let (opened, quotes) = (what == Counted::First, what == Counted::Quoting);
        let meta = packet.meta;
        let at = Timestamp(meta.timestamp_ns);
        let timeout_before = self.timeout_ns(self.slab.get(place));
        let flow = self.slab.get_mut(place);
        flow.last = flow.last.max(at);
        flow.bytes[side] = flow.bytes[side].wrapping_add(u64::from(packet.frame_len));
        let (packets, carried) = flow.packets[side].overflowing_add(1);
        flow.packets[side] = packets;
        note_sampling(flow, meta);
        let mut handshake = None;
        match packet.l4 {
            L4::Tcp(segment) => {
                let (flow, extra) = self.slab.with_extra(place);
                let midstream = flow.has(bit::MIDSTREAM);
                if tcp::follow(flow, extra, &segment, side, at, opened) {
                    handshake = extra.finished_handshake();
                }
                self.counters.midstream += u64::from(!midstream && flow.has(bit::MIDSTREAM));
            }
            L4::Icmp { kind, code } if side == SERVER && !flow.has(bit::ANSWERED) => {
                [flow.l4[2], flow.l4[3]] = [kind, code];
            }
            _ => {}
        }
        if carried || packet.truncated {
            let (_, extra) = self.slab.with_extra(place);
            extra.packets_carry[side] = extra.packets_carry[side].wrapping_add(u32::from(carried));
            extra.truncated_packets =
                extra.truncated_packets.saturating_add(u32::from(packet.truncated));
        }
        let flow = self.slab.get_mut(place);
        if side == SERVER && !quotes {
            flow.bits |= bit::ANSWERED;
            if flow.protocol != TCP && flow.state == FlowState::New {
                flow.state = FlowState::Established;
            }
        }
        let id = FlowId { index: place, generation: flow.generation };
        if self.timeout_ns(self.slab.get(place)) < timeout_before {
            // The wheel is lazy only about time-outs that move away.
            self.wheel.unfile(&mut self.slab, place);
            self.file(place);
        }
        Observed { id, to_server: side == CLIENT, opened, quotes, handshake }
    }

    /// Sees to it that there is room for one more flow.
    fn make_room(&mut self) {
        if self.live < self.config.max_flows {
            self.emergency &= self.live > self.config.max_flows / 8 * 7;
            return;
        }
        if !self.emergency {
            self.emergency = true;
            self.counters.emergencies += 1;
        }
        let mut victim: Option<(u64, u32)> = None;
        for _ in 0..EVICTION_CANDIDATES {
            let Some(place) = self.wheel.pop_first(&mut self.slab) else { break };
            let flow = self.slab.get(place);
            let idle_ns = self.clock.now().nanos_since(flow.last);
            if self.has_timed_out(place) {
                self.end_unfiled(place, FlowEnd::Timeout);
                continue;
            }
            if idle_ns >= self.config.emergency.nanos(flow.protocol, flow.state) {
                self.counters.emergency_timed_out += 1;
                self.end_unfiled(place, FlowEnd::Timeout);
                continue;
            }
            let due = flow.last.as_nanos().saturating_add(self.timeout_ns(flow));
            if victim.is_none_or(|(earliest, _)| due < earliest) {
                victim = Some((due, place));
            }
            self.file(place);
        }
        if self.live >= self.config.max_flows
            && let Some((_, place)) = victim
        {
            let place = self.idlest(place);
            self.counters.evicted += 1;
            self.end(place, FlowEnd::Forced);
        }
    }

    /// A flow to evict rather than one that is due early but had little time: a table full of connections
    /// would have room for no handshake. That is so if not even a quarter of the flows came after it.
    fn idlest(&mut self, first: u32) -> u32 {
        if self.slab.get(first).last <= self.eighths[0] {
            return first;
        }
        let now = self.clock.now();
        let idle = |flow: &Flow, timeout: u64| {
            (u128::from(now.nanos_since(flow.last)), u128::from(timeout.max(1)))
        };
        let (mut best, mut found) = (first, 0);
        for _ in 0..EVICTION_PLACES {
            self.hand = if self.hand + 1 < self.slab.places() { self.hand + 1 } else { 0 };
            let (flow, other) = (self.slab.get(self.hand), self.slab.get(best));
            if !flow.has(bit::LIVE) {
                continue;
            }
            found += 1;
            // By the part of their time-outs that they were idle for.
            let (mine, of) = idle(flow, self.timeout_ns(flow));
            let (theirs, of_theirs) = idle(other, self.timeout_ns(other));
            if mine * of_theirs > theirs * of {
                best = self.hand;
            }
            if found == EVICTION_CANDIDATES {
                break;
            }
        }
        best
    }

    fn note_opened(&mut self) {
        self.opened_since += 1;
        if self.opened_since > self.config.max_flows / 8 {
            self.opened_since = 0;
            self.eighths = [self.eighths[1], self.clock.now()];
        }
    }

    fn end(&mut self, place: u32, reason: FlowEnd) {
        self.wheel.unfile(&mut self.slab, place);
        self.end_unfiled(place, reason);
    }

    /// Ends a flow that is not in the wheel: out of the index, into the list of the ended.
    fn end_unfiled(&mut self, place: u32, reason: FlowEnd) {
        match reason {
            FlowEnd::Timeout => self.counters.timed_out += 1,
            FlowEnd::TcpReuse => self.counters.reused += 1,
            // Evictions are counted where they happen; a crash flushes as forced.
            FlowEnd::Forced => {}
            FlowEnd::Shutdown => self.counters.flushed += 1,
        }
        let hash = self.hash_of_flow(self.slab.get(place));
        let removed = self.index.remove(hash, place);
        debug_assert!(removed, "a live flow is in the index");
        let mut record = FlowView::new(&self.slab, place).record(reason);
        record.logged = self.now();
        let flow = self.slab.get_mut(place);
        flow.bits = flow.bits & !bit::LIVE | bit::ENDED;
        let id = FlowId { index: place, generation: flow.generation };
        self.ended.push(EndedFlow { id, record });
        self.live -= 1;
    }

    /// The hash under which a flow was inserted.
    fn hash_of_flow(&self, flow: &Flow) -> u64 {
        let [client, server] = flow.address;
        let icmp = matches!(flow.protocol, ICMP4 | ICMP6).then_some(flow.l4[0]);
        self.hash_tuple([client, server], flow.port, flow.protocol, icmp, flow.vlans)
    }

    fn hash_of(&self, packet: &FlowPacket<'_>) -> u64 {
        let icmp = match packet.l4 {
            L4::Icmp { kind, .. } => Some(kind),
            _ => None,
        };
        let ports = [packet.src_port, packet.dst_port];
        self.hash_tuple([packet.src, packet.dst], ports, packet.protocol, icmp, packet.vlans)
    }

    /// The seeded hash of a tuple, the same in both directions.
    fn hash_tuple(
        &self,
        addresses: [u128; 2],
        ports: [u16; 2],
        protocol: u8,
        icmp_kind: Option<u8>,
        vlans: VlanStack,
    ) -> u64 {
        let ports = if icmp_kind.is_some() && !self.config.icmp_id_in_key { [0; 2] } else { ports };
        let class = icmp_kind.map_or(0, |kind| icmp_class(protocol, kind));
        let end = |at: usize| Endpoint { addr: addresses[at], port: ports[at] };
        let protocol = u16::from(protocol) | u16::from(class) << 8;
        let hash = self.hash.key(&FlowKey::new(end(0), end(1), protocol, KeyKind::Ip));
        if self.config.vlan_in_key && !vlans.is_empty() {
            // Odd, so that nothing is lost; the index reads the upper half.
            (hash ^ vlans.as_u64()).wrapping_mul(0x9e37_79b9_7f4a_7c15)
        } else {
            hash
        }
    }
}

/// Notes changes of the sampling settings while the flow lives.
fn note_sampling(flow: &mut Flow, meta: &RecordMeta) {
    if meta.escalated {
        flow.bits |= bit::ESCALATED;
    }
    if meta.fraction_ppb != flow.fraction_ppb {
        flow.bits |= bit::FRACTION_CHANGED;
    }
}
