//! What became of the segments of a TCP connection: retransmissions, reordering, duplicate ACKs, windows.
//!
//! The words have the meaning that Wireshark gives them (User's Guide, "TCP Analysis"; behaviour of version
//! 4.4 with its default settings): a verdict on each segment from what passed before it, as seen from where
//! the tap is. Nothing is put together and nothing has to be seen from its beginning. Wireshark keeps all
//! segments that are not acknowledged; here a half keeps where its holes are, at most [`holes::MOST`], so
//! that a connection is [128 bytes](connection) and 120 more per end once something was odd there.
//!
//! What differs, by name:
//!
//! - *one hole too many*: behind that many holes the last ones count as one, and what fills the piece between
//!   them a second time is reordering, not a retransmission.
//! - *joined segments*: a retransmission of what came in several segments is a retransmission, however soon
//!   it comes. There it is reordering within a round-trip time.
//! - *one record*: a SYN with another number is another connection there. Here the analysis begins anew, and
//!   the figures stay in the record of the flow, until the flow table ends that.

mod connection;
mod half;
mod holes;
mod table;
mod verdict;

#[cfg(test)]
mod tests;

pub(super) use connection::{Manner, Segment};
pub(super) use table::Connections;
