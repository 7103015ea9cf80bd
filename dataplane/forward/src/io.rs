//! What a worker needs of the ports below it, so that the same loop runs on DPDK queues and on
//! memory with injected faults.

use umbra_tap::TapBatch;

/// Frames in hand between rx and tx, owned. Dropping a batch frees its frames.
pub trait FrameBatch: TapBatch + Send {
    /// Frees the frames whose bit is set and closes the gaps; the others keep their order.
    fn remove(&mut self, mask: u64);
    /// Frees all frames.
    fn clear(&mut self);
    /// Number of segments of a frame.
    fn segment_count(&self, index: usize) -> u32;
}

/// What a tx queue may be given without hanging the device behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TxLimits {
    /// Shortest frame in bytes, without FCS.
    pub min_len: u32,
    /// Most segments of a frame.
    pub max_segments: u32,
}

impl TxLimits {
    /// Takes every frame.
    pub const NONE: TxLimits = TxLimits { min_len: 0, max_segments: u32::MAX };

    /// True when no frame can be refused, so that no frame need be looked at.
    pub fn is_none(&self) -> bool {
        self.min_len == 0 && self.max_segments >= u32::from(u16::MAX)
    }
}

/// The queues of one worker. A lane is one direction of one wire: frames received on the lane's rx
/// queue leave by its tx queue.
pub trait PacketIo: Send {
    /// A burst.
    type Batch: FrameBatch;
    /// A replacement of queues while the worker runs, for a port that went and came back.
    type Change: Send;

    /// An empty batch.
    fn new_batch(&self) -> Self::Batch;
    /// Number of lanes.
    fn lanes(&self) -> usize;
    /// Receives into an empty batch; returns the number of frames.
    fn rx(&mut self, lane: usize, batch: &mut Self::Batch) -> usize;
    /// Sends from the front; what was taken leaves the batch, the rest stays in order. Returns the
    /// number taken.
    fn tx(&mut self, lane: usize, batch: &mut Self::Batch) -> usize;
    /// Limits of a lane's tx queue.
    fn tx_limits(&self, lane: usize) -> TxLimits;
    /// Applies a replacement between bursts; returns what it displaced.
    fn apply(&mut self, change: Self::Change) -> Option<Self::Change>;
}
