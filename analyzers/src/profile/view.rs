//! What a profile that follows streams gets to see of each packet, once its stream and its application
//! layer have been brought up to it.

use std::collections::VecDeque;

use super::Packet;
use crate::app::{Conversation, Heading};
use crate::events::Timestamp;
use crate::flow::{FlowId, FlowView};
use crate::stream::{EventSet, RawWindow, Session, StreamEvent};

/// So much of a stream that was inspected before is shown again in front of what is new, bytes; but nothing of
/// messages that are over.
pub const STREAM_OVERLAP: usize = 2560;

/// What is held of one flow for profiles that follow streams.
#[derive(Debug, Default)]
pub struct FlowContext {
    /// Of TCP.
    pub session: Option<Session>,
    /// Of TCP and UDP, once something was said.
    pub conversation: Option<Conversation>,
    /// Marks of the transactions that the parser holds, from its first on.
    pub(crate) marks: VecDeque<TransactionMarks>,
    /// Number of the transaction of the first mark.
    pub(crate) first: u64,
    /// Whose they are: [`Conversation::parser_number`].
    pub(crate) parser: u32,
    /// The stream of this heading is to be inspected even if little is new.
    pub(crate) due: [bool; 2],
    /// A message ended in this heading, which is why its stream is due.
    pub(crate) ended: [bool; 2],
    /// Where the message begins in this heading's stream that is not over: windows do not reach back further.
    pub(crate) message: [u64; 2],
    /// The flow that announced it.
    pub(crate) parent: Option<u64>,
    /// What was odd about the application layer as a whole when profiles looked last.
    pub(crate) told: Vec<&'static str>,
    /// What is left is being looked at: everything that came is shown, acknowledged or not.
    pub(crate) at_end: bool,
    /// The application layer was told something since it was counted, and what it held then, bytes.
    pub(crate) touched: bool,
    pub(crate) app_bytes: u64,
}

/// What has been done with a transaction.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct TransactionMarks {
    /// Profiles saw it complete, per heading.
    pub(crate) inspected: [bool; 2],
    /// It was complete, per heading, and its stream was marked due.
    pub(crate) completed: [bool; 2],
    /// Its record was written.
    pub(crate) logged: bool,
    /// So many of its files were written.
    pub(crate) files: usize,
    /// Its record and all its files were.
    pub(crate) told: bool,
}

/// What the stream layer made of a segment.
#[derive(Clone, Copy, Debug, Default)]
pub struct StreamVerdict {
    /// It belongs to its connection. True of what is not TCP.
    pub accepted: bool,
    /// Its payload was put into the stream, where it will be looked at.
    pub added: bool,
    /// Its flow was established before it.
    pub established: bool,
    /// The stream in its heading is to be inspected now.
    pub due: bool,
    /// What was odd about it, under Suricata's names.
    pub events: EventSet,
}

impl StreamVerdict {
    /// Whether a segment's payload is in no stream and yet may reach its receiver. What was acknowledged
    /// before does not: it is thrown away there, and was looked at when it came first.
    #[must_use]
    pub const fn is_stray(&self) -> bool {
        let repeated = self.events.contains(StreamEvent::PktSpuriousRetransmission);
        !(self.added || self.established && repeated)
    }
}

/// One packet with its flow, its stream and its transactions; or what is left of a flow at its end.
#[derive(Clone, Copy, Debug)]
pub struct PacketView<'v> {
    /// The packet; absent at the end of a flow.
    pub packet: Option<&'v Packet<'v>>,
    /// The flow.
    pub flow: Option<FlowView<'v>>,
    /// Names the flow.
    pub flow_id: Option<FlowId>,
    /// Streams and application layer, where the packet has them.
    pub context: Option<&'v FlowContext>,
    /// Which way the packet goes within its flow.
    pub heading: Heading,
    /// Of the packet; at the end of a flow, of its last packet.
    pub timestamp: Timestamp,
    /// The packet's number in its capture, from 1; absent when live and at the end of a flow.
    pub number: Option<u64>,
    /// What the stream layer said.
    pub stream: StreamVerdict,
    /// By this packet it became known what its flow is, in the heading of [`Self::heading`] or the other.
    pub recognised: bool,
}

impl<'v> PacketView<'v> {
    /// The stream's window that is to be inspected: what is new behind some of what is known.
    #[must_use]
    pub fn window(&self) -> Option<RawWindow<'v>> {
        if !self.stream.due {
            return None;
        }
        let context = self.context?;
        let half = context.session.as_ref()?.half(self.heading);
        let window = half.raw(context.at_end, STREAM_OVERLAP)?;
        Some(window.behind(context.message[self.heading.index()]))
    }

    /// The flow's application layer.
    #[must_use]
    pub fn conversation(&self) -> Option<&'v Conversation> {
        self.context?.conversation.as_ref()
    }

    /// What became odd about the application layer as a whole by this packet, under the names of
    /// `app-layer-event`.
    pub fn layer_events(&self) -> impl Iterator<Item = &'static str> + use<'v> {
        let told = self.context.map_or(&[][..], |context| &context.told);
        let all = self.conversation().into_iter().flat_map(Conversation::events);
        all.filter(move |event| !told.contains(event))
    }

    /// Whether it is what is left of a flow.
    #[must_use]
    pub const fn is_end_of_flow(&self) -> bool {
        self.packet.is_none()
    }
}
