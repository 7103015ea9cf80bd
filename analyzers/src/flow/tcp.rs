//! How far a TCP connection got, as far as flags and sequence numbers at its ends tell.
//!
//! The states are Suricata's, which are the server's of RFC 9293 section 3.3.2 as seen from between:
//! a client that closes first makes `close_wait`, a server that does `fin_wait1`. Data is not looked
//! at; whether a segment is inside a window is the stream layer's question. Connections of which the
//! beginning or one side is not seen are followed as well as they can be.

use crate::events::{FlowState, TcpState, Timestamp};

use super::packet::Segment;
use super::slab::{Extra, Flow, bit};

pub(super) mod flag {
    pub(crate) const FIN: u8 = 1;
    pub(crate) const SYN: u8 = 1 << 1;
    pub(crate) const RST: u8 = 1 << 2;
    pub(crate) const ACK: u8 = 1 << 4;
}

/// Index of the client's figures, and of packets to the server.
pub(super) const CLIENT: usize = 0;
/// Index of the server's figures, and of packets to the client.
pub(super) const SERVER: usize = 1;

/// A finished handshake. Times are as they passed the tap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Handshake {
    /// The latest SYN.
    pub syn: Timestamp,
    /// The SYN/ACK, if it was seen.
    pub syn_ack: Option<Timestamp>,
    /// The ACK.
    pub ack: Timestamp,
}

impl Handshake {
    /// SYN to ACK: a round trip between the ends, microseconds.
    #[must_use]
    pub const fn rtt_us(&self) -> u64 {
        self.ack.nanos_since(self.syn) / 1_000
    }

    /// SYN to SYN/ACK: from the tap to the server and back, microseconds.
    #[must_use]
    pub fn server_side_us(&self) -> Option<u64> {
        self.syn_ack.map(|syn_ack| syn_ack.nanos_since(self.syn) / 1_000)
    }

    /// SYN/ACK to ACK: from the tap to the client and back, microseconds.
    #[must_use]
    pub fn client_side_us(&self) -> Option<u64> {
        self.syn_ack.map(|syn_ack| self.ack.nanos_since(syn_ack) / 1_000)
    }
}

impl Extra {
    /// The round trip as tshark defines it, microseconds: from the latest SYN to the first segment
    /// with ACK and without SYN, whichever side sent it.
    pub(super) fn initial_rtt_us(&self) -> Option<u64> {
        let seen = self.handshake[0] != 0 && self.first_ack != 0;
        seen.then(|| self.first_ack.saturating_sub(self.handshake[0]) / 1_000)
    }

    /// The handshake, once it is finished.
    pub(super) fn finished_handshake(&self) -> Option<Handshake> {
        let [syn, syn_ack, ack] = self.handshake;
        (syn != 0 && ack != 0).then(|| Handshake {
            syn: Timestamp(syn),
            syn_ack: (syn_ack != 0).then_some(Timestamp(syn_ack)),
            ack: Timestamp(ack),
        })
    }
}

/// `a` is at or behind `b` in sequence space.
fn reaches(a: u32, b: u32) -> bool {
    a.wrapping_sub(b).cast_signed() >= 0
}

/// Whether a segment begins another connection than the one that the flow is.
///
/// A SYN with another initial sequence number, from either side, does if the flow is closed or has
/// been silent for longer than an unanswered one may be. On a living connection it does not: that
/// would let anyone cut a flow in two with a forged SYN. On an unanswered one it does not either, or
/// a SYN flood between two ports would be as many flows; unless `attempts_apart` asks for it.
pub(super) fn begins_another(
    flow: &Flow,
    extra: Option<&Extra>,
    segment: &Segment,
    side: usize,
    idle_ns: u64,
    new_timeout_ns: u64,
    attempts_apart: bool,
) -> bool {
    if segment.flags & (flag::SYN | flag::ACK | flag::RST) != flag::SYN {
        return false;
    }
    let known = extra.and_then(|extra| extra.isn(side));
    match flow.state {
        // The same number again is a retry: some systems repeat a SYN that was reset.
        FlowState::Closed => known != Some(segment.seq),
        FlowState::New => attempts_apart && known.is_some_and(|isn| isn != segment.seq),
        FlowState::Established | FlowState::Bypassed => {
            known != Some(segment.seq) && idle_ns >= new_timeout_ns
        }
    }
}

/// Takes note of a segment from the client (`side` 0) or the server (1). `first`: of its flow.
/// True if it finished the handshake.
pub(super) fn follow(
    flow: &mut Flow,
    extra: &mut Extra,
    segment: &Segment,
    side: usize,
    at: Timestamp,
    first: bool,
) -> bool {
    let flags = segment.flags;
    let old = flow.tcp_state();
    flow.l4[side] |= flags;
    let before_handshake_end = extra.handshake[2];
    if flags & (flag::SYN | flag::ACK) == flag::ACK
        && extra.handshake[0] != 0
        && extra.first_ack == 0
    {
        extra.first_ack = at.as_nanos();
    }

    let new = if flags & flag::RST != 0 {
        if first {
            flow.bits |= bit::MIDSTREAM;
        }
        TcpState::Closed
    } else if flags & flag::SYN != 0 {
        if first && flags & flag::ACK != 0 {
            flow.bits |= bit::MIDSTREAM;
        }
        on_syn(extra, segment, side, at, old)
    } else {
        if first {
            flow.bits |= bit::MIDSTREAM;
        }
        on_other(extra, segment, side, at, old, first)
    };
    flow.l4[2] = new as u8;
    flow.state = new.of_flow();
    before_handshake_end == 0 && extra.handshake[2] != 0 && extra.handshake[0] != 0
}

fn on_syn(
    extra: &mut Extra,
    segment: &Segment,
    side: usize,
    at: Timestamp,
    old: TcpState,
) -> TcpState {
    let beginning = matches!(old, TcpState::None | TcpState::SynSent | TcpState::SynRecv);
    if !beginning {
        return old;
    }
    if segment.flags & flag::ACK == 0 {
        extra.set_isn(side, segment.seq);
        if side == CLIENT {
            extra.handshake[0] = at.as_nanos();
            return if old == TcpState::SynRecv { old } else { TcpState::SynSent };
        }
        // Both opened at once.
        return TcpState::SynRecv;
    }
    let answers = extra.isn(1 - side).is_none_or(|isn| reaches(segment.ack, isn.wrapping_add(1)));
    if side == SERVER && answers {
        extra.set_isn(side, segment.seq);
        extra.handshake[1] = at.as_nanos();
        return TcpState::SynRecv;
    }
    old
}

/// A segment with neither SYN nor RST.
fn on_other(
    extra: &mut Extra,
    segment: &Segment,
    side: usize,
    at: Timestamp,
    old: TcpState,
    first: bool,
) -> TcpState {
    let ack = segment.flags & flag::ACK != 0;
    let mut state = match old {
        // Midstream: one packet alone may be a stray or a scan; the second makes a connection.
        TcpState::None if first || !ack => TcpState::None,
        TcpState::None => TcpState::Established,
        // An ACK of the client finishes the handshake, also where the server's side is not seen.
        TcpState::SynSent | TcpState::SynRecv if ack && side == CLIENT => {
            let acknowledges =
                extra.isn(SERVER).is_none_or(|isn| reaches(segment.ack, isn.wrapping_add(1)));
            if acknowledges {
                if extra.handshake[0] != 0 && extra.handshake[2] == 0 {
                    extra.handshake[2] = at.as_nanos();
                }
                TcpState::Established
            } else {
                old
            }
        }
        // The server goes on: its SYN/ACK or the client's ACK went by another way.
        TcpState::SynSent | TcpState::SynRecv if ack && segment.payload_len > 0 => {
            TcpState::Established
        }
        other => other,
    };
    if segment.flags & flag::FIN != 0 {
        let end = segment.seq.wrapping_add(segment.payload_len).wrapping_add(1);
        state = on_fin(extra, side, end, ack, state, first);
    } else if ack {
        state = on_ack(extra, segment, side, state);
    }
    state
}

fn on_fin(
    extra: &mut Extra,
    side: usize,
    end: u32,
    ack: bool,
    state: TcpState,
    first: bool,
) -> TcpState {
    let repeated = extra.fin_end(side).is_some();
    extra.set_fin_end(side, end);
    let ending = matches!(
        state,
        TcpState::Closing | TcpState::LastAck | TcpState::TimeWait | TcpState::Closed
    );
    // A FIN alone may be a scan, and leaves the flow new.
    if repeated || ending || first {
        return state;
    }
    match (extra.fin_end(1 - side).is_some(), side) {
        (false, CLIENT) => TcpState::CloseWait,
        (false, _) => TcpState::FinWait1,
        (true, CLIENT) if state == TcpState::FinWait1 && !ack => TcpState::Closing,
        (true, CLIENT) => TcpState::TimeWait,
        (true, _) => TcpState::LastAck,
    }
}

fn on_ack(extra: &Extra, segment: &Segment, side: usize, state: TcpState) -> TcpState {
    let acknowledges_fin = extra.fin_end(1 - side).is_some_and(|end| reaches(segment.ack, end));
    match state {
        TcpState::FinWait1 if side == CLIENT && acknowledges_fin => TcpState::FinWait2,
        TcpState::LastAck if side == CLIENT && acknowledges_fin => TcpState::Closed,
        TcpState::Closing if acknowledges_fin => TcpState::TimeWait,
        TcpState::TimeWait if acknowledges_fin => TcpState::Closed,
        other => other,
    }
}
