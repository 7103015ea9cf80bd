//! An io in memory, for tests and simulations: frames come from and go to bounded queues, and the
//! faults that ports have are injected by a seeded generator, so that every run can be repeated.

use crossbeam::channel::{Receiver, Sender, TrySendError, bounded};
use umbra_tap::{TapBatch, TapFrame};

use crate::io::{FrameBatch, PacketIo, TxLimits};

/// A frame in memory, in one or more segments.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MemFrame {
    bytes: Vec<u8>,
    /// Ends of the segments, ascending, the last one `bytes.len()`.
    ends: Vec<usize>,
}

impl MemFrame {
    /// A frame in one segment.
    pub fn new(bytes: Vec<u8>) -> Self {
        MemFrame { ends: vec![bytes.len()], bytes }
    }

    /// A frame cut into segments of at most `segment_len` bytes.
    pub fn segmented(bytes: Vec<u8>, segment_len: usize) -> Self {
        let step = segment_len.max(1);
        let mut ends: Vec<usize> = (step..bytes.len()).step_by(step).collect();
        ends.push(bytes.len());
        MemFrame { bytes, ends }
    }

    /// Its first segment.
    fn head(&self) -> &[u8] {
        &self.bytes[..self.ends[0]]
    }

    /// The whole frame.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// A borrowed [`MemFrame`].
#[derive(Debug, Clone, Copy)]
pub struct MemFrameRef<'a>(&'a MemFrame);

/// Segments of a [`MemFrame`].
#[derive(Debug)]
pub struct MemSegments<'a> {
    frame: &'a MemFrame,
    next: usize,
}

impl<'a> Iterator for MemSegments<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let end = *self.frame.ends.get(self.next)?;
        let start = if self.next == 0 { 0 } else { self.frame.ends[self.next - 1] };
        self.next += 1;
        Some(&self.frame.bytes[start..end])
    }
}

impl TapFrame for MemFrameRef<'_> {
    type Segments<'s>
        = MemSegments<'s>
    where
        Self: 's;

    fn frame_len(&self) -> u32 {
        self.0.bytes.len() as u32
    }

    fn head(&self) -> &[u8] {
        self.0.head()
    }

    fn segments(&self) -> MemSegments<'_> {
        MemSegments { frame: self.0, next: 0 }
    }
}

/// Frames in hand.
#[derive(Debug, Default)]
pub struct MemBatch {
    frames: Vec<MemFrame>,
}

impl TapBatch for MemBatch {
    type Frame<'a> = MemFrameRef<'a>;

    fn len(&self) -> usize {
        self.frames.len()
    }

    fn frame(&self, index: usize) -> MemFrameRef<'_> {
        MemFrameRef(&self.frames[index])
    }

    fn head(&self, index: usize) -> &[u8] {
        self.frames[index].head()
    }
}

impl FrameBatch for MemBatch {
    fn remove(&mut self, mask: u64) {
        let mut index = 0;
        self.frames.retain(|_| {
            index += 1;
            mask >> (index - 1) & 1 == 0
        });
    }

    fn clear(&mut self) {
        self.frames.clear();
    }

    fn segment_count(&self, index: usize) -> u32 {
        self.frames[index].ends.len() as u32
    }
}

/// Faults of a port, as probabilities per burst in parts per thousand.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Faults {
    /// An rx call finds nothing though something waits.
    pub empty_rx: u16,
    /// A tx call takes only a part of the burst.
    pub short_tx: u16,
    /// A tx call takes nothing.
    pub no_tx: u16,
    /// A burst arrives with its frames in another order.
    pub reordered_rx: u16,
    /// A burst arrives with one frame twice.
    pub duplicated_rx: u16,
}

/// The outer ends of one lane.
#[derive(Debug, Clone)]
pub struct MemEnds {
    /// What is put here is received by the worker.
    pub input: Sender<MemFrame>,
    /// What the worker sent.
    pub output: Receiver<MemFrame>,
}

#[derive(Debug)]
struct MemLane {
    input: Receiver<MemFrame>,
    output: Sender<MemFrame>,
    faults: Faults,
    limits: TxLimits,
}

/// Queues in memory.
#[derive(Debug)]
pub struct MemIo {
    lanes: Vec<MemLane>,
    burst: usize,
    random: u64,
}

/// A lane whose tx limits are replaced while the worker runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemChange {
    /// Index of the lane.
    pub lane: usize,
    /// New limits.
    pub limits: TxLimits,
}

impl MemIo {
    /// Lanes with the given faults, each with queues of `depth` frames; bursts of at most `burst`.
    /// `seed` starts the fault generator.
    pub fn new(faults: &[Faults], depth: usize, burst: usize, seed: u64) -> (Self, Vec<MemEnds>) {
        let mut lanes = Vec::new();
        let mut ends = Vec::new();
        for &faults in faults {
            let (in_tx, in_rx) = bounded(depth);
            let (out_tx, out_rx) = bounded(depth);
            lanes.push(MemLane { input: in_rx, output: out_tx, faults, limits: TxLimits::NONE });
            ends.push(MemEnds { input: in_tx, output: out_rx });
        }
        let burst = burst.clamp(1, umbra_tap::MAX_BURST);
        (MemIo { lanes, burst, random: seed | 1 }, ends)
    }

    /// xorshift64* (Vigna 2016): faults need no better.
    fn draw(&mut self) -> u64 {
        self.random ^= self.random >> 12;
        self.random ^= self.random << 25;
        self.random ^= self.random >> 27;
        self.random.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 16
    }

    fn happens(&mut self, per_mille: u16) -> bool {
        per_mille != 0 && self.draw() % 1000 < u64::from(per_mille)
    }
}

impl PacketIo for MemIo {
    type Batch = MemBatch;
    type Change = MemChange;

    fn new_batch(&self) -> MemBatch {
        MemBatch::default()
    }

    fn lanes(&self) -> usize {
        self.lanes.len()
    }

    fn rx(&mut self, lane: usize, batch: &mut MemBatch) -> usize {
        let faults = self.lanes[lane].faults;
        if self.happens(faults.empty_rx) {
            return 0;
        }
        let burst = self.burst;
        batch.frames.extend(self.lanes[lane].input.try_iter().take(burst));
        let count = batch.frames.len();
        if count > 1 && self.happens(faults.reordered_rx) {
            for i in (1..count).rev() {
                let j = (self.draw() % (i as u64 + 1)) as usize;
                batch.frames.swap(i, j);
            }
        }
        if count > 0 && count < umbra_tap::MAX_BURST && self.happens(faults.duplicated_rx) {
            let i = (self.draw() % count as u64) as usize;
            let twin = batch.frames[i].clone();
            batch.frames.insert(i, twin);
        }
        batch.frames.len()
    }

    fn tx(&mut self, lane: usize, batch: &mut MemBatch) -> usize {
        let faults = self.lanes[lane].faults;
        if self.happens(faults.no_tx) {
            return 0;
        }
        let mut room = batch.frames.len();
        if self.happens(faults.short_tx) {
            room = (self.draw() % (room as u64 + 1)) as usize;
        }
        let output = self.lanes[lane].output.clone();
        let mut sent = 0;
        let mut frames = std::mem::take(&mut batch.frames).into_iter();
        for frame in frames.by_ref() {
            if sent == room {
                batch.frames.push(frame);
                break;
            }
            match output.try_send(frame) {
                Ok(()) => sent += 1,
                Err(TrySendError::Full(frame) | TrySendError::Disconnected(frame)) => {
                    batch.frames.push(frame);
                    break;
                }
            }
        }
        batch.frames.extend(frames);
        sent
    }

    fn tx_limits(&self, lane: usize) -> TxLimits {
        self.lanes[lane].limits
    }

    fn apply(&mut self, change: MemChange) -> Option<MemChange> {
        let lane = self.lanes.get_mut(change.lane)?;
        let old = std::mem::replace(&mut lane.limits, change.limits);
        Some(MemChange { lane: change.lane, limits: old })
    }
}
