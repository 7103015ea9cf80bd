//! TCP streams: which segments belong to a connection, and what its two ends said.
//!
//! A [`Session`] follows one connection as Suricata does as an IDS: it checks states, windows,
//! acknowledgements, timestamps and resets, and puts both directions together. What a direction said is
//! handed over when its other end has acknowledged it, since only then it is known which of several versions
//! of a segment was believed; [`Half`] keeps it until application layers and rules have had it. What is
//! odd becomes a [`StreamEvent`].
//!
//! Memory is bounded by the [`StreamPool`] that all sessions of an instance share, and per half by
//! [`StreamConfig::max_segments_held`].
//!
//! Sources: RFC 9293 (TCP), RFC 7323 (window scale, timestamps), RFC 7413 (Fast Open), RFC 5961 (resets),
//! and Suricata's manual for the settings.

mod buffer;
mod checks;
mod closing;
mod config;
mod established;
mod event;
mod half;
mod handshake;
mod intake;
mod numbers;
mod opening;
mod policy;
mod region;
mod segment;
pub(crate) mod seq;
mod session;

#[cfg(test)]
mod tests;

pub use crate::events::TcpState as SessionState;
pub use config::{StreamConfig, StreamCounters, StreamPool, UrgentPolicy};
pub use event::{EventSet, StreamEvent};
pub use half::{Half, Piece, RawWindow};
pub use policy::OverlapPolicy;
pub use segment::{Segment, Taken};
pub use session::Session;
