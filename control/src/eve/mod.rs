//! EVE: events as JSON lines in Suricata's shape, so that what reads Suricata's `eve.json` reads umbra's.
//!
//! [`EveFormat`] makes lines of events, [`Stats`] of counters; [`EveSink`] hands them to the
//! writer thread of an [`EveOutput`] without ever waiting, [`BlockingSink`] writes them where they are
//! made, for replay. Every record has one object of ours at top level, `shadow`; everything else has
//! Suricata's names and meanings. What Suricata has and umbra does not know is absent, not guessed.

mod address;
mod alert;
mod app;
mod bytes;
mod channel;
mod community;
mod format;
mod head;
mod options;
mod protocol;
mod records;
mod shadow;
mod sink;
mod stats;
mod time;
mod variables;
mod writer;

pub use channel::{EveCounters, EveOutput, LineSender};
pub use format::EveFormat;
pub use options::{AlertOptions, EveOptions};
pub use protocol::protocol_name;
pub use sink::{BlockingSink, EveSink};
pub use stats::{CaptureStats, Stats};
pub use time::Stamp;
pub use writer::{EveWriter, LineFile, WriterCounters};
