//! The shadow instance: one thread that consumes its rings and runs its analyses.
//!
//! The thread knows rings, accounts and containment; what is analysed is behind [`Analyzer`], which
//! is built on the thread itself. Whatever happens in there costs the shadow at most what was in
//! hand:
//!
//! - a panic ends the instance with a [`CrashReport`] that names the profile and holds the packets
//!   in hand, which are counted `lost_in_crash`;
//! - a hang stops the heartbeat; the manager then abandons the thread ([`InstanceHandle::abandon`])
//!   and closes its accounts. A thread that comes back from its hang finds itself abandoned and ends
//!   without touching a ring again;
//! - slowness fills the rings, which the worker counts.
//!
//! Ledger: what an instance takes is `taken = analysed + discarded + lost_in_crash + in_hand` at every
//! published snapshot, and `taken` is counted here, not read from the ring.

mod handle;
mod instance;

pub use handle::{InstanceHandle, SpawnError};

use std::sync::Arc;
use std::time::Duration;

use crossbeam::channel::Sender;
use umbra_tap::{Consumer, InstanceCounters, RecordMeta, RingBatch, SnapshotCell};

use crate::events::{EventContext, Timestamp};

/// Identifies a ring, as the worker on its other side does.
pub type RingId = u64;

/// What an instance publishes about one ring: the words of [`InstanceCounters`].
pub type ConsumedCell = SnapshotCell<{ InstanceCounters::WORDS }>;

/// What an instance runs. Built, used and dropped on the instance's thread.
pub trait Analyzer {
    /// What has been counted so far, to be merged over instances.
    type Summary: Send + 'static;

    /// Analyses all records of a batch, in order.
    fn analyse(&mut self, records: &RingBatch<'_>);
    /// Time passes; called about every [`InstanceConfig::tick`] whether or not records come.
    fn tick(&mut self, now: Timestamp);
    /// The sampling settings changed.
    fn set_context(&mut self, context: Arc<EventContext>);
    /// What has been counted so far.
    fn summary(&mut self) -> Self::Summary;
    /// The last call: open flows end, last findings are made.
    fn finish(&mut self);
    /// The last call after a panic: what can be saved without whoever panicked is saved.
    fn abandon(&mut self) {}
    /// Who is at work, asked after a panic.
    fn blame(&self) -> Blame;
}

/// Who was at work when an instance panicked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Blame {
    /// Id of the profile; absent when it was decode, defragmentation or the flow table.
    pub profile: Option<Arc<str>>,
    /// Index of the record within the batch, where one was being worked on.
    pub record: Option<usize>,
}

/// Parameters of an instance.
#[derive(Debug, Clone)]
pub struct InstanceConfig {
    /// Its number.
    pub id: u32,
    /// Core that the thread is pinned to; `None` leaves it to the scheduler.
    pub core: Option<usize>,
    /// Most records taken at once.
    pub batch_records: usize,
    /// Time between two ticks.
    pub tick: Duration,
}

impl InstanceConfig {
    /// The usual parameters.
    #[must_use]
    pub fn new(id: u32, core: Option<usize>) -> Self {
        Self { id, core, batch_records: 128, tick: Duration::from_millis(100) }
    }
}

/// A ring as an instance gets it.
#[derive(Debug)]
pub struct InstanceRing {
    /// Its id.
    pub id: RingId,
    /// The consumer's end.
    pub consumer: Consumer,
    /// Where what becomes of its records is published.
    pub consumed: Arc<ConsumedCell>,
}

/// Told to an instance.
#[derive(Debug)]
pub enum InstanceCommand<S> {
    /// Consume another ring.
    AddRing(Box<InstanceRing>),
    /// Consume a ring no more: its remainder is discarded and counted so.
    RetireRing(RingId),
    /// The sampling settings changed.
    Context(Arc<EventContext>),
    /// Answer with what has been counted.
    Summary(Sender<S>),
    /// Hang, as far as anybody can see: no records taken, no heartbeat. For tests and drills.
    Pause,
    /// Go on after a pause.
    Resume,
    /// End. With `drain` only when all rings are empty and their producers gone.
    Stop { drain: bool },
}

/// Told by an instance.
#[derive(Debug)]
pub enum InstanceEvent {
    /// A ring is empty and its producer is gone, or it was retired; its account is final.
    RingDone { instance: u32, ring: RingId },
    /// The instance panicked and has ended.
    Crashed(Box<CrashReport>),
    /// The instance has ended as it was told.
    Ended { instance: u32 },
}

/// What is known of a panic.
#[derive(Debug, Clone)]
pub struct CrashReport {
    /// Number of the instance.
    pub instance: u32,
    /// Who was at work.
    pub blame: Blame,
    /// The panic's message.
    pub message: String,
    /// The records in hand; [`Blame::record`] indexes them.
    pub packets: Vec<SavedPacket>,
}

/// A record copied out of its ring.
#[derive(Debug, Clone)]
pub struct SavedPacket {
    /// What the tap said of the frame.
    pub meta: RecordMeta,
    /// The captured bytes.
    pub data: Vec<u8>,
}

/// State of an instance's thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum InstanceState {
    /// Consuming.
    Running = 0,
    /// Told to pause.
    Paused = 1,
    /// Ended as told.
    Ended = 2,
    /// Ended by a panic.
    Crashed = 3,
}

impl InstanceState {
    fn from_u8(value: u8) -> Self {
        match value {
            0 => InstanceState::Running,
            1 => InstanceState::Paused,
            2 => InstanceState::Ended,
            _ => InstanceState::Crashed,
        }
    }
}

#[cfg(test)]
mod tests;
