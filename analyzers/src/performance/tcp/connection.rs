//! One connection: a verdict on each segment. 128 bytes, 120 more per end where something was odd.

use umbra_wire::tcp::flag;

use super::half::{Half, UNSCALED, bit};
use super::verdict::Verdicts;
use crate::decode::{SackBlocks, TcpInfo};
use crate::events::{FlowPerformance, PerDirection, Timestamp};
use crate::stream::seq::{ge, gt, le, lt};

/// Duplicate ACKs after which what they ask for is sent again fast.
const DUPLICATES: u8 = 2;
/// Within this of the latest of them, nanoseconds.
const FAST_NS: u64 = 20_000_000;
/// What is filled in within this of what came too early is reordered, where no round-trip time is known,
/// nanoseconds.
const REORDERED_NS: u64 = 3_000_000;

/// Whose meaning the words have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Manner {
    /// Wireshark 4.4.
    #[default]
    Current,
    /// Wireshark 4.0, Debian 12's: reordered is whatever comes late and soon unless it ends where the highest
    /// one did, SACK does not tell fast retransmissions, and a duplicate ACK has the same window.
    V40,
}

/// What the analysis wants to know of a segment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Segment {
    pub to_server: bool,
    pub at: Timestamp,
    pub seq: u32,
    pub ack: u32,
    /// As [`TcpInfo::flags`].
    pub flags: u16,
    pub window: u16,
    pub scale: Option<u8>,
    pub sack: SackBlocks,
    /// Bytes of payload, as stated.
    pub len: u32,
}

impl Segment {
    pub(crate) fn new(tcp: &TcpInfo<'_>, len: u32, to_server: bool, at: Timestamp) -> Self {
        Self {
            to_server,
            at,
            seq: tcp.seq,
            ack: tcp.ack,
            flags: tcp.flags,
            window: tcp.window,
            scale: tcp.window_scale,
            sack: tcp.sack,
            len,
        }
    }

    const fn has(&self, flags: u16) -> bool {
        self.flags & flags == flags
    }

    const fn has_any(&self, flags: u16) -> bool {
        self.flags & flags != 0
    }

    /// None of SYN, FIN and RST.
    const fn is_plain(&self) -> bool {
        !self.has_any(flag::SYN | flag::FIN | flag::RST)
    }

    /// Takes room in sequence space.
    const fn counts(&self) -> bool {
        self.len > 0 || self.has_any(flag::SYN | flag::FIN)
    }

    /// Behind its last byte.
    const fn data_end(&self) -> u32 {
        self.seq.wrapping_add(self.len)
    }

    /// Behind its last byte, SYN or FIN.
    const fn end(&self) -> u32 {
        self.data_end().wrapping_add(self.has_any(flag::SYN | flag::FIN) as u32)
    }

    /// Not earlier than `then`, but by less than `within_ns` later.
    fn is_soon_after(&self, then: Timestamp, within_ns: u64) -> bool {
        self.at >= then && self.at.nanos_since(then) < within_ns
    }
}

/// A TCP connection under analysis.
#[derive(Clone, Debug, Default)]
pub(crate) struct Connection {
    /// Client and server.
    halves: [Half; 2],
    /// Of the latest SYN without ACK.
    syn_at: Option<Timestamp>,
    /// From there to the first segment with ACK and without SYN, at most 4 s.
    initial_rtt_ns: Option<u32>,
    /// Packets of it were left out by the sampler.
    sampled: bool,
}

impl Connection {
    /// Its packets are sampled one by one: what is missing was not lost.
    pub(crate) fn mark_sampled(&mut self) {
        self.sampled = true;
    }

    /// Takes note of a segment.
    pub(crate) fn segment(&mut self, segment: &Segment, manner: Manner) {
        self.judge(segment, manner);
    }

    pub(super) fn judge(&mut self, s: &Segment, manner: Manner) -> Verdicts {
        self.begin_anew_if_reused(s);
        self.time(s);
        let reordered_ns = self.initial_rtt_ns.filter(|ns| *ns > 0).map_or(REORDERED_NS, u64::from);
        let [client, server] = &mut self.halves;
        let (own, other) = if s.to_server { (client, server) } else { (server, client) };
        let mut verdicts = Verdicts::default();
        judge_window(own, other, s, &mut verdicts);
        judge_acknowledgment(own, other, s, manner, &mut verdicts);
        if s.counts() && !verdicts.has(Verdicts::KEEP_ALIVE) {
            judge_repetition(own, other, s, manner, reordered_ns, &mut verdicts);
        }
        if s.has(flag::RST) {
            verdicts.insert(Verdicts::RESET);
        }
        remember(own, other, s, &mut verdicts);
        own.count(verdicts);
        verdicts
    }

    /// A SYN with another number is another connection.
    fn begin_anew_if_reused(&mut self, s: &Segment) {
        let own = self.halves.get_mut(usize::from(!s.to_server));
        if let Some(own) = own
            && s.has(flag::SYN)
            && !s.has(flag::RST)
            && own.has(bit::SEEN)
            && own.isn != s.seq
        {
            self.halves.iter_mut().for_each(Half::begin_anew);
            (self.syn_at, self.initial_rtt_ns) = (None, None);
        }
    }

    fn time(&mut self, s: &Segment) {
        if s.has(flag::SYN) && !s.has(flag::ACK) {
            self.syn_at = Some(s.at);
        } else if s.has(flag::ACK)
            && !s.has(flag::SYN)
            && self.initial_rtt_ns.is_none()
            && let Some(syn_at) = self.syn_at
        {
            let ns = s.at.nanos_since(syn_at);
            self.initial_rtt_ns = Some(u32::try_from(ns).unwrap_or(u32::MAX));
        }
    }

    /// Puts what was counted into a flow's record. `midstream`: the flow did not begin with a SYN.
    pub(crate) fn report(&self, midstream: bool, figures: &mut FlowPerformance) {
        let [to_server, to_client] = [self.halves[0].tally(), self.halves[1].tally()];
        let of = |verdict: u16| {
            Some(PerDirection {
                to_server: to_server.of(verdict),
                to_client: to_client.of(verdict),
            })
        };
        figures.retransmissions = of(Verdicts::RETRANSMISSION);
        figures.fast_retransmissions = of(Verdicts::FAST_RETRANSMISSION);
        figures.spurious_retransmissions = of(Verdicts::SPURIOUS_RETRANSMISSION);
        figures.out_of_order = of(Verdicts::OUT_OF_ORDER);
        figures.duplicate_acks = of(Verdicts::DUPLICATE_ACK);
        figures.zero_windows = of(Verdicts::ZERO_WINDOW);
        figures.window_full = of(Verdicts::WINDOW_FULL);
        figures.keep_alives = of(Verdicts::KEEP_ALIVE);
        figures.lost_segments = of(Verdicts::LOST_SEGMENT);
        figures.acked_unseen = of(Verdicts::ACKED_UNSEEN);
        figures.resets = of(Verdicts::RESET);
        let unseen = figures.acked_unseen.is_some_and(|n| n.to_server + n.to_client > 0);
        figures.partial = midstream || self.sampled || unseen;
    }
}

/// Verdicts on windows, and on where the segment stands in its end's sequence space.
fn judge_window(own: &Half, other: &Half, s: &Segment, verdicts: &mut Verdicts) {
    let known = own.has(bit::SEEN);
    if s.len == 1 && known && s.seq == own.next && other.has(bit::SEEN) && other.window == 0 {
        verdicts.insert(Verdicts::ZERO_WINDOW_PROBE);
        return;
    }
    if s.window == 0 && s.is_plain() {
        verdicts.insert(Verdicts::ZERO_WINDOW);
    }
    if known && gt(s.seq, own.next) && !s.has(flag::RST) {
        verdicts.insert(Verdicts::LOST_SEGMENT);
    }
    if s.len <= 1 && known && s.seq == own.next.wrapping_sub(1) && s.is_plain() {
        verdicts.insert(Verdicts::KEEP_ALIVE);
    }
    if s.len > 0 && s.is_plain() && other.has(bit::SAW_ACK) {
        let scaled = own.has(bit::SAW_SYN) && own.scale != UNSCALED && other.has(bit::SAW_SYN);
        let shift = match other.scale {
            shift if scaled && shift != UNSCALED && !other.has(bit::SYN_WINDOW) => shift.min(14),
            _ => 0,
        };
        if s.data_end() == other.ack.wrapping_add(u32::from(other.window) << shift) {
            verdicts.insert(Verdicts::WINDOW_FULL);
        }
    }
}

/// Whether an ACK without data says what the previous one said. Counts those in a row.
fn judge_acknowledgment(
    own: &mut Half,
    other: &Half,
    s: &Segment,
    manner: Manner,
    verdicts: &mut Verdicts,
) {
    let repeats = own.has(bit::SEEN) && s.len == 0 && s.is_plain() && s.seq == own.next;
    let same_window = s.window == own.window;
    let answers_keep_alive =
        repeats && s.ack == own.ack && s.window != 0 && same_window && other.has(bit::KEEP_ALIVE);
    let with_sack = manner == Manner::Current && !s.sack.is_empty();
    if repeats
        && s.ack == own.ack
        && s.window != 0
        && (same_window || with_sack)
        && !answers_keep_alive
    {
        own.duplicate_acks = own.duplicate_acks.saturating_add(1);
        verdicts.insert(Verdicts::DUPLICATE_ACK);
    }
    if s.has(flag::ACK) && s.ack != own.ack {
        own.duplicate_acks = 0;
    }
}

/// Whether the segment brings what was there before, and why.
fn judge_repetition(
    own: &Half,
    other: &Half,
    s: &Segment,
    manner: Manner,
    reordered_ns: u64,
    verdicts: &mut Verdicts,
) {
    if s.len > 0 && other.has(bit::SAW_ACK) && le(s.data_end(), other.ack) {
        verdicts.insert(Verdicts::RETRANSMISSION | Verdicts::SPURIOUS_RETRANSMISSION);
        return;
    }
    if !own.has(bit::SEEN) || ge(s.seq, own.next) {
        return;
    }
    let asked_for = other.duplicate_acks >= DUPLICATES && s.is_soon_after(other.last_at, FAST_NS);
    let sack = other.sack();
    let selected = sack.iter().any(|(left, right)| ge(s.seq, *left) && le(s.data_end(), *right));
    let in_hole = manner == Manner::Current && !sack.is_empty() && !selected;
    if asked_for && (s.seq == other.ack || in_hole) {
        verdicts.insert(Verdicts::RETRANSMISSION | Verdicts::FAST_RETRANSMISSION);
        return;
    }
    let fresh = match manner {
        Manner::V40 => s.end() != own.next,
        Manner::Current => !(was_seen(own, s) || s.has(flag::FIN) && s.end() == own.next),
    };
    if fresh && s.is_soon_after(own.next_at, reordered_ns) {
        verdicts.insert(Verdicts::OUT_OF_ORDER);
    } else {
        verdicts.insert(Verdicts::RETRANSMISSION);
    }
}

/// All of a segment that begins below the highest byte came before, and is not all acknowledged.
fn was_seen(own: &Half, s: &Segment) -> bool {
    let missing = own.rare.as_deref().is_some_and(|rare| rare.holes.touch(s.seq, s.end()));
    let acknowledged = own.has(bit::ACKED) && le(s.end(), own.acked);
    !acknowledged && !missing && le(s.end(), own.next)
}

fn remember(own: &mut Half, other: &mut Half, s: &Segment, verdicts: &mut Verdicts) {
    let (end, first) = (s.end(), !own.has(bit::SEEN));
    if first {
        own.isn = if s.has(flag::SYN) { s.seq } else { s.seq.wrapping_sub(1) };
    }
    let probe = verdicts.has(Verdicts::ZERO_WINDOW_PROBE);
    if first || gt(end, own.next) && !probe {
        if !first && gt(s.seq, own.next) {
            let from = own.next;
            own.rare().holes.push(from, s.seq);
        }
        own.next = end;
        own.next_at = s.at;
    }
    if let Some(rare) = own.rare.as_deref_mut()
        && !rare.holes.is_empty()
    {
        rare.holes.fill(s.seq, end);
    }
    own.ack = s.ack;
    own.last_at = s.at;
    own.window = s.window;
    own.set(bit::SYN_WINDOW, s.has(flag::SYN));
    own.set(bit::KEEP_ALIVE, verdicts.has(Verdicts::KEEP_ALIVE));
    if s.has(flag::SYN) {
        own.bits |= bit::SAW_SYN;
        own.scale = s.scale.unwrap_or(UNSCALED);
    }
    if !s.sack.is_empty() || own.rare.is_some() {
        own.rare().sack = s.sack;
    }
    own.bits |= bit::SEEN;
    if s.has(flag::ACK) {
        own.bits |= bit::SAW_ACK;
        acknowledge(other, s.ack, verdicts);
    }
}

/// The other end has everything below `ack`.
fn acknowledge(other: &mut Half, ack: u32, verdicts: &mut Verdicts) {
    if other.has(bit::ACKED) && !gt(ack, other.acked) {
        return;
    }
    let mut unseen = other.has(bit::SEEN) && lt(other.next, ack);
    if let Some(rare) = other.rare.as_deref_mut() {
        unseen |= rare.holes.acknowledge(ack);
    }
    if unseen {
        verdicts.insert(Verdicts::ACKED_UNSEEN);
    }
    other.acked = ack;
    other.bits |= bit::ACKED;
}
