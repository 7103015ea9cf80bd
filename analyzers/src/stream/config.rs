//! Settings, and what all sessions of an instance share: memory and counters.

use super::OverlapPolicy;

/// How connections are followed. The defaults are those of Suricata's stock configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamConfig {
    /// Bytes of each direction that are put together, 0 without a limit (`stream.reassembly.depth`).
    pub depth: u64,
    /// Connections whose beginning was not seen are followed (`stream.midstream`).
    pub midstream: bool,
    /// Connections of which one direction is seen are followed (`stream.async-oneside`).
    pub async_oneside: bool,
    /// Most bytes that all sessions may hold (`stream.reassembly.memcap`).
    pub max_bytes: u64,
    /// Most sessions (`stream.memcap`, there in bytes).
    pub max_sessions: usize,
    /// Most segments of one half that are held behind a hole.
    pub max_segments_held: usize,
    /// Whose bytes count where segments overlap. For IPv4 Suricata's stock configuration takes
    /// everybody for Windows.
    pub policy: OverlapPolicy,
    /// A RST must have the sequence number that its target would accept.
    pub check_rst: bool,
    /// Segments with old timestamps are not accepted (RFC 7323 section 5).
    pub check_timestamps: bool,
    /// Overlapping bytes are compared (`stream.reassembly.check-overlap-different-data`).
    pub check_overlaps: bool,
    /// SYNs with other numbers or options that are remembered (`stream.max-syn-queued`).
    pub max_syns: usize,
    /// SYN/ACKs likewise (`stream.max-synack-queued`).
    pub max_syn_acks: usize,
    /// Bytes that are kept behind what rules have inspected, so that a window can begin that much
    /// earlier.
    pub raw_overlap: usize,
    /// What an urgent pointer does to the stream.
    pub urgent: UrgentPolicy,
}

impl Default for StreamConfig {
    fn default() -> Self {
        Self {
            depth: 1 << 20,
            midstream: false,
            async_oneside: false,
            max_bytes: 256 << 20,
            // Twice the flows of a full table: those that ended have theirs until their batch is over.
            max_sessions: 1 << 19,
            max_segments_held: 4096,
            policy: OverlapPolicy::Windows,
            check_rst: true,
            check_timestamps: true,
            check_overlaps: true,
            max_syns: 10,
            max_syn_acks: 5,
            raw_overlap: 4096,
            urgent: UrgentPolicy::OutOfBand,
        }
    }
}

/// What becomes of the last byte of a segment with urgent data (`stream.reassembly.urgent.policy`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum UrgentPolicy {
    /// It is a byte as any other (RFC 6093 section 2.1 asks applications for that).
    Inline,
    /// It is out of band, as sockets have it by default (RFC 6093 section 3.1): the stream goes on
    /// without it.
    #[default]
    OutOfBand,
}

umbra_tap::counter_set! {
    /// What the stream layer did.
    pub struct StreamCounters {
        sessions: "sessions", "Connections that were followed.";
        midstream: "sessions", "Connections among them whose beginning was not seen.";
        session_drops: "segments", "Segments that would have begun a session when there were too many.";
        memory_drops: "segments", "Segments not put into their stream because memory was short.";
        hole_drops: "segments", "Segments not put into their stream because too many were held behind a hole.";
        invalid: "segments", "Segments that do not belong to their connection.";
        resets: "segments", "Resets that ended a connection.";
        gaps: "gaps", "Holes that were acknowledged without having been seen.";
        gap_bytes: "bytes", "Bytes in them.";
        overlaps: "segments", "Segments that overlap others.";
        overlaps_different: "segments", "Segments among them with other bytes.";
        depth_reached: "halves", "Directions that were longer than the depth.";
        bytes: "bytes", "Bytes put into streams.";
    }
}

/// What the sessions of an instance share.
#[derive(Debug)]
pub struct StreamPool {
    config: StreamConfig,
    counters: StreamCounters,
    bytes: u64,
    sessions: usize,
}

impl StreamPool {
    #[must_use]
    pub fn new(config: StreamConfig) -> Self {
        Self { config, counters: StreamCounters::default(), bytes: 0, sessions: 0 }
    }

    #[must_use]
    pub fn config(&self) -> &StreamConfig {
        &self.config
    }

    #[must_use]
    pub fn counters(&self) -> &StreamCounters {
        &self.counters
    }

    /// Memory that the streams' data takes, bytes.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Sessions that are followed and not released.
    #[must_use]
    pub fn sessions(&self) -> usize {
        self.sessions
    }

    pub(super) fn count(&mut self) -> &mut StreamCounters {
        &mut self.counters
    }

    /// Whether `more` bytes fit.
    pub(super) fn has_room(&self, more: usize) -> bool {
        self.bytes.saturating_add(more as u64) <= self.config.max_bytes
    }

    /// Less than an eighth is left.
    #[must_use]
    pub fn is_short(&self) -> bool {
        self.bytes > self.config.max_bytes - self.config.max_bytes / 8
    }

    /// A buffer that took `before` bytes takes `after` now.
    pub(super) fn account(&mut self, before: u64, after: u64) {
        self.bytes = self.bytes.saturating_sub(before).saturating_add(after);
    }

    /// False where there are too many.
    pub(super) fn open_session(&mut self) -> bool {
        if self.sessions >= self.config.max_sessions {
            self.counters.session_drops += 1;
            return false;
        }
        self.sessions += 1;
        self.counters.sessions += 1;
        true
    }

    pub(super) fn close_session(&mut self) {
        self.sessions = self.sessions.saturating_sub(1);
    }
}
