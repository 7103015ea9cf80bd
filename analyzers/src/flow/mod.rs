//! The flow table: which packets belong together, and what became of each conversation.
//!
//! # Key
//!
//! VLAN ids, both addresses, both ports and the protocol, equal for both directions. ICMP queries
//! are keyed by the pair of types that question and answer form, and by their identifier (the same
//! that the sampler hashes, so that a flow is what the sampler selects); other ICMP by type and
//! direction. An ICMP error is counted in the flow whose packet it quotes, if that flow is there, and
//! else is a flow of its own. The sender of the first packet is the client, unless that packet is a
//! SYN/ACK.
//!
//! # Life
//!
//! Time-outs depend on protocol and state, with Suricata's defaults. Whether a flow has timed out is
//! decided by its last packet and the clock alone, when a packet of it comes or when the sweep comes
//! by, whichever is first; so neither the pace of the sweep nor the hash's seed changes a record. The
//! clock is the latest timestamp seen. A SYN of a new connection on the tuple of an old one ends the
//! old one.
//!
//! # Cost
//!
//! A packet costs one lookup (one line of the index and one flow) and at most a few steps of the
//! timer wheel. Nothing scans the table, nothing moves when it grows, and memory is bounded by
//! [`FlowConfig::max_flows`]. When it is full, flows that are idle for longer than the emergency
//! time-outs go first, and if there are none among those due next, the one due next is evicted, or an idler one
//! if that has hardly begun.

mod clock;
mod index;
mod packet;
mod slab;
mod table;
mod tcp;
mod view;
mod wheel;

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;

pub use packet::{FlowPacket, L4, QuotedTuple, Segment};
pub use table::{FlowTable, Observed};
pub use tcp::Handshake;
pub use view::FlowView;

use serde::{Deserialize, Serialize};

use crate::events::FlowState;

/// Names a flow in its table while it is there, and until the call in which its end is told is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FlowId {
    index: u32,
    generation: u32,
}

impl FlowId {
    /// Small number, unique among the flows that are there: for tables beside the flow table. At most
    /// a little over [`FlowConfig::max_flows`], and used again for later flows.
    #[must_use]
    pub const fn index(self) -> usize {
        self.index as usize
    }

    /// Tells flows apart that had the same [`index`](Self::index) one after the other.
    #[must_use]
    pub const fn generation(self) -> u32 {
        self.generation
    }
}

/// How long a flow may be idle in each state, seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateTimeouts {
    /// One direction only, or an unfinished handshake.
    pub new_s: u32,
    /// Both directions.
    pub established_s: u32,
    /// Finished or reset (TCP only).
    pub closed_s: u32,
}

impl StateTimeouts {
    const fn of(&self, state: FlowState) -> u32 {
        match state {
            FlowState::New => self.new_s,
            FlowState::Established | FlowState::Bypassed => self.established_s,
            FlowState::Closed => self.closed_s,
        }
    }
}

/// Time-outs of all protocols.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlowTimeouts {
    /// TCP.
    pub tcp: StateTimeouts,
    /// UDP and UDP-Lite.
    pub udp: StateTimeouts,
    /// ICMP and ICMPv6.
    pub icmp: StateTimeouts,
    /// All others.
    pub other: StateTimeouts,
}

impl FlowTimeouts {
    /// Suricata's defaults.
    pub const NORMAL: FlowTimeouts = FlowTimeouts {
        tcp: StateTimeouts { new_s: 60, established_s: 600, closed_s: 60 },
        udp: StateTimeouts { new_s: 30, established_s: 300, closed_s: 30 },
        icmp: StateTimeouts { new_s: 30, established_s: 300, closed_s: 30 },
        other: StateTimeouts { new_s: 30, established_s: 300, closed_s: 30 },
    };

    /// Suricata's defaults for an emergency.
    pub const EMERGENCY: FlowTimeouts = FlowTimeouts {
        tcp: StateTimeouts { new_s: 5, established_s: 100, closed_s: 10 },
        udp: StateTimeouts { new_s: 10, established_s: 100, closed_s: 10 },
        icmp: StateTimeouts { new_s: 10, established_s: 100, closed_s: 10 },
        other: StateTimeouts { new_s: 10, established_s: 100, closed_s: 10 },
    };

    const fn of_protocol(&self, protocol: u8) -> &StateTimeouts {
        match protocol {
            packet::TCP => &self.tcp,
            packet::UDP | packet::UDP_LITE => &self.udp,
            packet::ICMP4 | packet::ICMP6 => &self.icmp,
            _ => &self.other,
        }
    }

    /// Nanoseconds that a flow may be idle.
    const fn nanos(&self, protocol: u8, state: FlowState) -> u64 {
        self.of_protocol(protocol).of(state) as u64 * 1_000_000_000
    }
}

/// How a flow table is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlowConfig {
    /// Flows held at the same time, at least 16, at most 2^28.
    pub max_flows: u32,
    /// When the table is not full.
    pub timeouts: FlowTimeouts,
    /// When it is.
    pub emergency: FlowTimeouts,
    /// VLAN ids are part of the key.
    pub vlan_in_key: bool,
    /// The identifier of ICMP queries is part of the key. Suricata leaves it out.
    pub icmp_id_in_key: bool,
    /// An ICMPv4 error whose flow is not there is a flow of its own. Suricata gives it none.
    pub lone_icmp_errors: bool,
    /// An ICMPv6 error belongs to the flow of the packet that it quotes, as an ICMPv4 error does. In Suricata it
    /// is a flow of its own.
    pub icmp6_errors_with_quoted: bool,
    /// Nothing sweeps: flows that have timed out stay until their tuple is used again, their room is
    /// needed, or the run ends. So Suricata reads captures that are over sooner than its flow manager
    /// looks.
    pub lazy_timeouts: bool,
    /// A SYN that was not answered to the end, and one with another number after it, are two flows. In
    /// Suricata they are one, and live that keeps a SYN flood between two ports from being a record each.
    pub attempts_apart: bool,
}

impl FlowConfig {
    /// Smallest legal [`max_flows`](Self::max_flows).
    pub const MIN_FLOWS: u32 = 16;
    /// Largest legal [`max_flows`](Self::max_flows).
    pub const MAX_FLOWS: u32 = 1 << 28;
}

impl FlowConfig {
    /// For replays whose flow records are to be compared with Suricata's `-r`.
    #[must_use]
    pub fn like_suricata() -> Self {
        Self {
            icmp_id_in_key: false,
            lone_icmp_errors: false,
            icmp6_errors_with_quoted: false,
            lazy_timeouts: true,
            ..Self::default()
        }
    }
}

impl Default for FlowConfig {
    fn default() -> Self {
        Self {
            max_flows: 1 << 18,
            timeouts: FlowTimeouts::NORMAL,
            emergency: FlowTimeouts::EMERGENCY,
            vlan_in_key: true,
            icmp_id_in_key: true,
            lone_icmp_errors: true,
            icmp6_errors_with_quoted: true,
            lazy_timeouts: false,
            attempts_apart: false,
        }
    }
}

umbra_tap::counter_set! {
    /// What a flow table did.
    pub struct FlowCounters {
        opened: "flows", "Flows that began.";
        timed_out: "flows", "Flows that ended because they were idle.";
        reused: "flows", "Flows that ended because a new connection used their tuple.";
        evicted: "flows", "Flows pushed out because the table was full.";
        flushed: "flows", "Flows that ended because the run did.";
        emergency_timed_out: "flows", "Flows among the timed out whose time-out was the emergency's.";
        emergencies: "times", "Times the table became full.";
        midstream: "flows", "TCP flows that began without a SYN.";
        icmp_errors: "packets", "ICMP errors counted in the flow that they quote.";
        clock_steps_back: "times", "Times the records' clock jumped back by more than a minute.";
    }
}
