//! What a defragmenter is told, and what it answers.

use super::{DropReason, OverlapPolicy};
use crate::decode::Faults;

/// Caps and policies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DefragOptions {
    /// Most datagrams in the making.
    pub max_trackers: usize,
    /// Most memory for them, bytes; the table itself comes on top, about 300 bytes a tracker.
    pub max_memory: usize,
    /// Most fragments of one datagram.
    pub max_fragments: u16,
    /// Most bytes that fragments of one datagram may bring, overlaps included.
    pub max_datagram_bytes: usize,
    /// How long an IPv4 datagram may take from its first fragment on, nanoseconds.
    pub ipv4_timeout_ns: u64,
    /// The same for IPv6.
    pub ipv6_timeout_ns: u64,
    /// For IPv4.
    pub overlap: OverlapPolicy,
    /// Seed of the hash; secret where an attacker chooses the fragments, fixed for a replay.
    pub seed: u64,
}

impl Default for DefragOptions {
    fn default() -> Self {
        Self {
            max_trackers: 16_384,
            max_memory: 32 << 20,
            // A datagram of 65535 bytes over the least MTU of IPv6 has 53, over 576 bytes 119.
            max_fragments: 512,
            max_datagram_bytes: 2 * 65_535,
            // Linux's default for IPv4; RFC 791 proposes 15 s and RFC 1122 60 to 120 s.
            ipv4_timeout_ns: 30_000_000_000,
            // RFC 8200 section 4.5.
            ipv6_timeout_ns: 60_000_000_000,
            overlap: OverlapPolicy::default(),
            seed: 0,
        }
    }
}

/// What became of a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DefragOutcome {
    /// It is no fragment; go on with it.
    NotFragment,
    /// It waits for the others.
    Held,
    /// It was the missing piece.
    Complete(Reassembled),
    Dropped(DropReason),
}

/// A datagram put together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reassembled {
    /// The IP datagram with its header, without fragment fields, for
    /// [`crate::decode::Decoder::decode_ip`].
    pub datagram: Vec<u8>,
    /// How many fragments it came in.
    pub fragments: u16,
    /// When the first of them came.
    pub first_ns: u64,
}

/// What [`super::Defragmenter::push`] gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pushed {
    pub outcome: DefragOutcome,
    /// What is wrong with the fragment, to be added to the packet's faults and, by
    /// [`crate::decode::Decoder::count_faults`], to the counters.
    pub faults: Faults,
}
