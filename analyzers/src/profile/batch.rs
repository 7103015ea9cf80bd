//! What profiles get to see: the packets of one batch after decode, defragmentation and flow table.

use umbra_tap::{RecordMeta, Verdict};

use crate::decode::Decoded;
use crate::events::{FlowRecord, Timestamp};
use crate::flow::{FlowId, FlowTable};

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
    /// The flow that it belongs to; absent where there is no IP, and for fragments that are held.
    pub flow: Option<FlowId>,
    /// It goes from the flow's client to its server. True where there is no flow.
    pub to_server: bool,
    /// It is the first of its flow.
    pub opens_flow: bool,
    /// An ICMP error that was attributed to the flow of the packet that it quotes.
    pub quotes_flow: bool,
    /// Part of a datagram that is not complete (yet): the transport is not to be believed.
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

/// The packets of one batch, in the order of their ring.
#[derive(Clone, Copy, Debug)]
pub struct Batch<'b> {
    /// At least one.
    pub packets: &'b [Packet<'b>],
    /// State of their flows. Flows that ended within the batch are still there.
    pub flows: &'b FlowTable,
    /// The latest timestamp seen so far.
    pub now: Timestamp,
    /// Records come from a capture: `sequence + 1` is the frame's number there.
    pub offline: bool,
}

impl Batch<'_> {
    /// The packet's number in its capture, from 1; absent when live.
    #[must_use]
    pub fn packet_number(&self, packet: &Packet<'_>) -> Option<u64> {
        self.offline.then_some(packet.sequence + 1)
    }
}
