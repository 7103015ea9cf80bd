//! A stretch of the way between two hosts: the forwarder's io in memory, with its faults.

use umbra_forward::io::{FrameBatch, PacketIo};
use umbra_forward::mem::{Faults, MemEnds, MemFrame, MemIo};
use umbra_tap::{TapBatch, TapFrame};

/// An empty rx call costs a burst this much, nanoseconds.
const STALL_NS: u64 = 1_500_000;

/// One stretch, a lane per direction.
pub(crate) struct Stretch {
    io: MemIo,
    ends: Vec<MemEnds>,
}

impl Stretch {
    pub(crate) fn new(faults: Faults, burst: usize, seed: u64) -> Self {
        let (io, ends) = MemIo::new(&[faults, faults], 1 << 10, burst, seed);
        Self { io, ends }
    }

    /// What comes out at the other end, each with how much later than it should, nanoseconds.
    pub(crate) fn pass(&mut self, lane: usize, frames: Vec<Vec<u8>>) -> Vec<(u64, Vec<u8>)> {
        for frame in frames {
            self.ends[lane].input.send(MemFrame::new(frame)).expect("room in the lane");
        }
        let (mut batch, mut out) = (self.io.new_batch(), Vec::new());
        let mut late_ns = 0;
        while !self.ends[lane].input.is_empty() {
            if self.io.rx(lane, &mut batch) == 0 {
                late_ns += STALL_NS;
                continue;
            }
            self.io.tx(lane, &mut batch);
            batch.clear();
            out.extend(self.ends[lane].output.try_iter().map(|f| (late_ns, f.bytes().to_vec())));
        }
        debug_assert!(batch.len() == 0 || batch.frame(0).frame_len() > 0);
        out
    }
}
