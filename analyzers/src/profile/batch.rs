//! What profiles get to see: the packets of one batch after decode, defragmentation and flow table.

use std::cell::Cell;

use umbra_tap::{RecordMeta, Select, Verdict};

use crate::decode::Decoded;
use crate::events::{FlowRecord, Timestamp};
use crate::flow::{FlowId, FlowTable, Handshake};

/// One packet of a batch.
#[derive(Clone, Debug)]
pub struct Packet<'f> {
    /// What the tap stated about the frame.
    pub meta: RecordMeta,
    /// What became of the frame on the wire.
    pub verdict: Verdict,
    /// Number of the record in its ring, or of the frame in its capture (both from 0).
    pub sequence: u64,
    /// The frame, decoded as far as it goes. Of the fragment that completed a datagram, the datagram.
    pub decoded: Decoded<'f>,
    /// What it counts as among its flow's bytes: the frame's length, of a datagram that came in
    /// fragments that of the frame that it would have been.
    pub counted_len: u32,
    /// The flow that it belongs to; absent where there is no IP, and for fragments that are held.
    pub flow: Option<FlowId>,
    /// It goes from the flow's client to its server. True where there is no flow.
    pub to_server: bool,
    /// It is the first of its flow.
    pub opens_flow: bool,
    /// An ICMP error that was attributed to the flow of the packet that it quotes.
    pub quotes_flow: bool,
    /// It finished its flow's TCP handshake.
    pub handshake: Option<Handshake>,
    /// Part of a datagram that is not complete, or will never be: there is no transport.
    pub held_fragment: bool,
}

impl Packet<'_> {
    /// When the frame was stamped.
    #[must_use]
    pub fn timestamp(&self) -> Timestamp {
        Timestamp(self.meta.timestamp_ns)
    }

    /// Whether not all bytes of the frame are there (snaplen).
    #[must_use]
    pub fn is_truncated(&self) -> bool {
        self.decoded.frame.len() < self.meta.frame_len as usize
    }
}

/// A flow that ended, with the id under which its state can still be read.
#[derive(Clone, Debug, PartialEq)]
pub struct EndedFlow {
    /// Valid in the flow table until the call is over.
    pub id: FlowId,
    /// The finished record.
    pub record: FlowRecord,
}

/// The packets of one batch, in the order of their ring. At least one.
#[derive(Clone, Copy, Debug)]
pub struct Batch<'b> {
    pub(crate) packets: &'b [Packet<'b>],
    /// Where the profile is, for the report of a panic.
    pub(crate) at: &'b Cell<Option<usize>>,
    /// State of their flows. Flows that ended within the batch are still there.
    pub flows: &'b FlowTable,
    /// The latest timestamp seen so far.
    pub now: Timestamp,
    /// How the sampler selects: what the fractions are of.
    pub select: Select,
    /// Records come from a capture: `sequence + 1` is the frame's number there.
    pub offline: bool,
}

impl<'b> Batch<'b> {
    /// The packets one by one. Should the profile panic, the one given last is saved as the culprit.
    pub fn iter(&self) -> impl Iterator<Item = &'b Packet<'b>> + use<'b> {
        let at = self.at;
        self.packets.iter().enumerate().map(move |(index, packet)| {
            at.set(Some(index));
            packet
        })
    }

    /// All packets at once.
    #[must_use]
    pub fn packets(&self) -> &'b [Packet<'b>] {
        self.packets
    }

    /// The packet's number in its capture, from 1; absent when live.
    #[must_use]
    pub fn packet_number(&self, packet: &Packet<'_>) -> Option<u64> {
        self.offline.then_some(packet.sequence + 1)
    }
}
