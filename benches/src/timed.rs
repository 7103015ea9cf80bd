//! How long frames are in the worker's hands: from the return of rx to the return of tx.

use std::sync::{Arc, Mutex};

use hdrhistogram::Histogram;
use umbra_dpdk::tsc;
use umbra_forward::io::{PacketIo, TxLimits};

/// Shared with who reads it between two trials, while nothing is forwarded.
pub(crate) type Residence = Arc<Mutex<Held>>;

/// Frames of a burst that came one by one, or nearly so.
const FEW: usize = 4;

/// Residence times in TSC cycles, by burst, weighted by its frames.
#[derive(Debug)]
pub(crate) struct Held {
    /// Of all bursts.
    pub(crate) all: Histogram<u64>,
    /// Of bursts of a few frames. A long burst is what an interruption of either core leaves behind,
    /// and each of its frames waits for the copies of all.
    pub(crate) few: Histogram<u64>,
}

impl Held {
    /// Empty: up to 10⁹ cycles at 3 significant digits.
    pub(crate) fn shared() -> anyhow::Result<Residence> {
        let empty = || Histogram::new_with_bounds(1, 1_000_000_000, 3);
        Ok(Arc::new(Mutex::new(Held { all: empty()?, few: empty()? })))
    }

    fn record(&mut self, cycles: u64, frames: usize) {
        self.all.saturating_record_n(cycles.max(1), frames as u64);
        if frames <= FEW {
            self.few.saturating_record_n(cycles.max(1), frames as u64);
        }
    }

    /// Forgets everything.
    pub(crate) fn reset(&mut self) {
        self.all.reset();
        self.few.reset();
    }
}

/// An io with a clock around the worker. With `None` there is no clock.
pub(crate) struct TimedIo<Io> {
    io: Io,
    residence: Option<Residence>,
    /// By lane: a worker may receive from all before it sends from the first.
    received: Vec<u64>,
}

impl<Io: PacketIo> TimedIo<Io> {
    pub(crate) fn new(io: Io, residence: Option<Residence>) -> Self {
        let received = vec![0; io.lanes()];
        TimedIo { io, residence, received }
    }

    /// The io below.
    pub(crate) fn into_inner(self) -> Io {
        self.io
    }

    #[inline(never)]
    fn record(&self, lane: usize, sent: usize) {
        let cycles = tsc().saturating_sub(self.received[lane]);
        if let Some(Ok(mut held)) = self.residence.as_ref().map(|r| r.try_lock()) {
            held.record(cycles, sent);
        }
    }
}

impl<Io: PacketIo> PacketIo for TimedIo<Io> {
    type Batch = Io::Batch;
    type Change = Io::Change;

    fn new_batch(&self) -> Io::Batch {
        self.io.new_batch()
    }

    fn lanes(&self) -> usize {
        self.io.lanes()
    }

    #[inline(always)]
    fn rx(&mut self, lane: usize, batch: &mut Io::Batch) -> usize {
        let received = self.io.rx(lane, batch);
        if received != 0 && self.residence.is_some() {
            self.received[lane] = tsc();
        }
        received
    }

    #[inline(always)]
    fn tx(&mut self, lane: usize, batch: &mut Io::Batch) -> usize {
        let sent = self.io.tx(lane, batch);
        if self.residence.is_some() {
            self.record(lane, sent);
        }
        sent
    }

    fn tx_limits(&self, lane: usize) -> TxLimits {
        self.io.tx_limits(lane)
    }

    fn apply(&mut self, change: Io::Change) -> Option<Io::Change> {
        self.io.apply(change)
    }
}
