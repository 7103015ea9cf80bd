//! The tap: what stands between the wire and the shadow. No DPDK, nothing of ours below it.
//!
//! [`sampler`] chooses frames, [`mod@ring`] carries their copies from one worker to one shadow instance,
//! [`tap`] joins the two per burst, [`counters`] and [`snapshot`] say what became of every frame, and
//! [`ledger`] proves that the sums agree.

#![deny(unsafe_code)]

pub mod counters;
pub mod ledger;
pub mod matchset;
pub mod percentage;
mod primitive;
pub mod record;
#[expect(
    unsafe_code,
    reason = "records are read and written in place; ring/memory.rs has the rule"
)]
pub mod ring;
pub mod sampler;
pub mod snapshot;
pub mod tap;

pub use counters::{CounterInfo, DirectionCounters, InstanceCounters, TapCounters, WorkerCounters};
pub use ledger::{
    BehindLedger, CopiesDue, LedgerSnapshot, Residual, RingAccount, SelectionLedger, TapLedger,
    WireLedger,
};
pub use matchset::{MatchSet, MatchSetBuilder, MatchSetError, address_bits};
pub use percentage::{Percentage, PercentageError};
pub use record::{Checksum, Direction, MAX_FRAME_LEN, Record, RecordHead, RecordMeta, Verdict};
pub use ring::{Consumer, Producer, PushError, Records, RingBatch, RingError, Slot, ring};
pub use sampler::{FlowThreshold, GeometricSkip, GeometricTable, Select, shard, spread_rss_hash};
pub use snapshot::{SnapshotBlock, SnapshotCell};
pub use tap::{
    BurstOrigin, Distribute, FlowHasher, FrameSlice, FrameSlices, MAX_BURST, Selection, Subject,
    Tap, TapBatch, TapFrame, TapSettings,
};
