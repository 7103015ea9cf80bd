//! Frames of more flows than fit a preload: addresses are rewritten on their way in.

use umbra_forward::dpdk_io::{DpdkBatch, DpdkIo, LaneChange};
use umbra_forward::io::{PacketIo, TxLimits};

/// Offset of the source address and of the source port in an untagged IPv4 frame.
const SRC_ADDRESS: usize = 26;
const SRC_PORT: usize = 34;

/// Umbra's io with the source address of each received frame rewritten, where it is asked for. The
/// cost is the same whatever is compared; it only makes the ratio of two settings more cautious.
#[derive(Debug)]
pub(crate) struct RewritingIo {
    io: DpdkIo,
    flows: u32,
    next: u32,
}

impl RewritingIo {
    /// Frames of `flows` flows in turn; 0 leaves them as they are.
    pub(crate) fn new(io: DpdkIo, flows: u32) -> Self {
        RewritingIo { io, flows, next: 0 }
    }

    /// The io below.
    pub(crate) fn into_inner(self) -> DpdkIo {
        self.io
    }

    #[inline(never)]
    fn rewrite(&mut self, batch: &mut DpdkBatch) {
        for mbuf in batch.frames_mut() {
            // 9973 is prime and far from a divisor of the usual counts: neighbours in time are not
            // neighbours in address.
            self.next = (self.next + 9973) % self.flows;
            if let Some(data) = mbuf.data_mut()
                && data.len() >= SRC_PORT + 2
            {
                let [a, b, c, d] = self.next.to_be_bytes();
                data[SRC_ADDRESS..SRC_ADDRESS + 4].copy_from_slice(&[10, b, c, d]);
                data[SRC_PORT..SRC_PORT + 2].copy_from_slice(&[0x40 | a, d]);
            }
        }
    }
}

impl PacketIo for RewritingIo {
    type Batch = DpdkBatch;
    type Change = LaneChange;

    fn new_batch(&self) -> DpdkBatch {
        self.io.new_batch()
    }

    fn lanes(&self) -> usize {
        self.io.lanes()
    }

    #[inline(always)]
    fn rx(&mut self, lane: usize, batch: &mut DpdkBatch) -> usize {
        let received = self.io.rx(lane, batch);
        if self.flows != 0 && received != 0 {
            self.rewrite(batch);
        }
        received
    }

    #[inline(always)]
    fn tx(&mut self, lane: usize, batch: &mut DpdkBatch) -> usize {
        self.io.tx(lane, batch)
    }

    fn tx_limits(&self, lane: usize) -> TxLimits {
        self.io.tx_limits(lane)
    }

    fn apply(&mut self, change: LaneChange) -> Option<LaneChange> {
        self.io.apply(change)
    }
}
