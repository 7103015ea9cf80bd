//! The tester: sends frames at a rate of its own choosing whatever comes back (open loop), takes
//! what comes back, counts and times it.
//!
//! The in-process line is two rings, whose capacity is that of the device's queues: what finds no room there is
//! lost to the device. Between two ports the queue that is full is the tester's own, and such a frame is
//! simply not sent yet ([`Refusal`]).
//!
//! Frames are due at fixed times, one by one. A frame that is late leaves at once, and what is late
//! because the tester was busy is counted apart ([`Outcome::late`]). Latency runs from the time a frame was
//! due, or from when it left where only the tester itself was late, so that a stall of the device is
//! felt by every frame that was due meanwhile (no coordinated omission) and one of the tester by none.

use std::collections::VecDeque;

use anyhow::Result;
use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};
use umbra_dpdk::{Burst, Mbuf, Mempool, Ring, RxQueue, TxQueue, tsc};

use crate::consumer::take;

/// Frames that are kept ready.
const STOCK: usize = 4096;
/// Sent at once at most.
const BURST: usize = 32;
/// A frame that leaves this much after it was due is late by the tester's own fault if the device took
/// everything at once.
const LATE_CYCLES: u64 = 2_000;
/// What comes back after the last was sent is waited for this long.
const DRAIN_MS: u64 = 20;
/// A trial is short of its rate when this share of it or more was not offered.
const SHORT_BY_MOST: f64 = 0.01;
/// Marks a stamped frame; the time stands in the 8 bytes behind it.
const MARK: u64 = 0x756d_6272_615f_7473;
/// Mark and time stand at the end of the frame.
const STAMP_LEN: usize = 16;

/// Whose limit it is when a queue takes no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The device's queue is full: it was offered the frame and lost it.
    Device,
    /// The tester's own tx ring is full: the frame was not offered and stays due.
    Tester,
}

/// Where frames go and come from.
pub(crate) trait Line: Send {
    /// What a frame that [`Line::send`] leaves in the burst means.
    const REFUSAL: Refusal;
    /// Sends from the front; returns how many were taken.
    fn send(&mut self, burst: &mut Burst<BURST>) -> usize;
    /// Takes what came.
    fn receive(&mut self, burst: &mut Burst<BURST>) -> usize;
}

/// Two rings: those that stand for the outer sides of the device's ports.
#[derive(Debug)]
pub(crate) struct RingLine {
    pub(crate) to_device: Ring,
    pub(crate) from_device: Ring,
}

impl Line for RingLine {
    const REFUSAL: Refusal = Refusal::Device;

    fn send(&mut self, burst: &mut Burst<BURST>) -> usize {
        self.to_device.enqueue(burst)
    }

    fn receive(&mut self, burst: &mut Burst<BURST>) -> usize {
        self.from_device.dequeue(burst)
    }
}

/// Two ports with the device between them.
#[derive(Debug)]
pub(crate) struct PortLine {
    pub(crate) tx: TxQueue,
    pub(crate) rx: RxQueue,
}

impl Line for PortLine {
    const REFUSAL: Refusal = Refusal::Tester;

    fn send(&mut self, burst: &mut Burst<BURST>) -> usize {
        self.tx.burst(burst)
    }

    fn receive(&mut self, burst: &mut Burst<BURST>) -> usize {
        self.rx.burst(burst)
    }
}

/// What is outside of the device.
#[derive(Debug)]
pub(crate) enum Outer {
    Rings(RingLine),
    Ports(PortLine),
}

/// What is asked of the tester.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Trial {
    /// Frames due per second; without it as many as the tester can send.
    pub(crate) rate_pps: Option<f64>,
    pub(crate) seconds: f64,
    /// Stamp frames and time them.
    pub(crate) timed: bool,
}

/// What came of it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Outcome {
    /// Frames that were due and that the device was offered.
    pub(crate) offered: u64,
    /// How often a queue had no room for a frame. Between rings these are among the offered and lost; at a port
    /// the tester's tx ring was full, and they are not.
    pub(crate) refused: u64,
    /// Came back.
    pub(crate) received: u64,
    /// Left late by the tester's own fault.
    pub(crate) late: u64,
    /// Seconds from the first to the last that was due.
    pub(crate) seconds: f64,
    /// Percentile (0 to 100) and TSC cycles.
    pub(crate) percentiles: Vec<(f64, u64)>,
}

impl Outcome {
    /// Frames that did not come back.
    pub(crate) fn lost(&self) -> u64 {
        self.offered.saturating_sub(self.received)
    }

    /// Whether the device was offered the rate that was asked for, to within [`SHORT_BY_MOST`].
    pub(crate) fn kept_up(&self, rate_pps: f64) -> bool {
        self.offered_pps() >= rate_pps * (1.0 - SHORT_BY_MOST)
    }

    /// Frames per second that were offered.
    pub(crate) fn offered_pps(&self) -> f64 {
        self.offered as f64 / self.seconds.max(1e-9)
    }

    /// Lost ÷ offered.
    pub(crate) fn loss_ratio(&self) -> f64 {
        self.lost() as f64 / self.offered.max(1) as f64
    }
}

/// The percentiles that are kept of a distribution.
pub(crate) fn percentiles(histogram: &Histogram<u64>) -> Vec<(f64, u64)> {
    const KEPT: [f64; 17] = [
        0.0, 1.0, 5.0, 10.0, 25.0, 50.0, 75.0, 90.0, 95.0, 99.0, 99.5, 99.9, 99.95, 99.99, 99.995,
        99.999, 100.0,
    ];
    if histogram.is_empty() {
        return Vec::new();
    }
    KEPT.iter().map(|&p| (p, histogram.value_at_percentile(p))).collect()
}

/// The tester, on its core.
pub(crate) struct Tester<L> {
    line: L,
    pool: Mempool,
    templates: Vec<Vec<u8>>,
    next_template: usize,
    stock: VecDeque<Mbuf>,
    /// Consumed a little at a time between two looks at the line: there is no third core.
    rings: Vec<umbra_tap::Consumer>,
    hz: u64,
}

impl<L: Line> Tester<L> {
    /// Sends `templates` in turn.
    pub(crate) fn new(
        line: L,
        pool: Mempool,
        templates: Vec<Vec<u8>>,
        rings: Vec<umbra_tap::Consumer>,
        hz: u64,
    ) -> Self {
        let stock = VecDeque::with_capacity(2 * STOCK);
        Tester { line, pool, templates, next_template: 0, stock, rings, hz }
    }

    fn replenish(&mut self) -> Result<()> {
        while self.stock.len() < STOCK {
            let template = &self.templates[self.next_template % self.templates.len()];
            self.next_template += 1;
            self.stock.push_back(self.pool.alloc_from_bytes(template)?);
        }
        Ok(())
    }

    /// Takes what comes in between trials, and what is in the mirror rings.
    pub(crate) fn idle(&mut self) {
        let mut burst = Burst::new();
        self.line.receive(&mut burst);
        burst.free_all();
        take(&mut self.rings, 128);
    }

    /// Runs a trial.
    pub(crate) fn run(&mut self, trial: &Trial) -> Result<Outcome> {
        self.replenish()?;
        let mut outcome = Outcome::default();
        // 1 µs to 1 s at 3 significant digits; what is longer is in the top bucket.
        let mut histogram = Histogram::<u64>::new_with_bounds(1, 10_000_000_000, 3)?;
        let gap = trial.rate_pps.map_or(0.0, |rate| self.hz as f64 / rate);
        let length = (trial.seconds * self.hz as f64) as u64;
        let start = tsc() + self.hz / 1000;
        let mut due = 0u64;
        let mut burst = Burst::<BURST>::new();
        loop {
            let now = tsc();
            if now >= start + length {
                break;
            }
            let elapsed = now.saturating_sub(start);
            let wanted = if gap == 0.0 { u64::MAX } else { (elapsed as f64 / gap) as u64 };
            let count = wanted.saturating_sub(due).min(BURST as u64);
            if count != 0 && now >= start {
                self.load(&mut burst, count as usize, trial, start, gap, due, &mut outcome);
                let loaded = burst.len() as u64;
                self.line.send(&mut burst);
                let refused = burst.len() as u64;
                outcome.refused += refused;
                let offered = match L::REFUSAL {
                    Refusal::Device => loaded,
                    Refusal::Tester => loaded - refused,
                };
                outcome.offered += offered;
                due += offered;
                self.restock(&mut burst);
            }
            self.collect(&mut burst, trial, &mut outcome, &mut histogram);
            take(&mut self.rings, 4);
        }
        outcome.seconds = trial.seconds;
        let end = tsc() + DRAIN_MS * self.hz / 1000;
        while tsc() < end {
            self.collect(&mut burst, trial, &mut outcome, &mut histogram);
            take(&mut self.rings, 128);
        }
        outcome.percentiles = percentiles(&histogram);
        Ok(outcome)
    }

    #[expect(clippy::too_many_arguments, reason = "state of the trial's loop")]
    #[inline]
    fn load(
        &mut self,
        burst: &mut Burst<BURST>,
        count: usize,
        trial: &Trial,
        start: u64,
        gap: f64,
        due: u64,
        outcome: &mut Outcome,
    ) {
        let leaves = if trial.timed { tsc() } else { 0 };
        for i in 0..count {
            let Some(mut mbuf) = self.stock.pop_front() else { break };
            if trial.timed {
                let was_due = start + ((due + i as u64) as f64 * gap) as u64;
                let late = leaves.saturating_sub(was_due) > LATE_CYCLES;
                outcome.late += u64::from(late);
                stamp(&mut mbuf, if late { leaves } else { was_due.min(leaves) });
            }
            if let Err(mbuf) = burst.push(mbuf) {
                self.stock.push_front(mbuf);
            }
        }
    }

    /// What found no room is used again.
    #[inline]
    fn restock(&mut self, burst: &mut Burst<BURST>) {
        while let Some(mbuf) = burst.pop() {
            self.stock.push_back(mbuf);
        }
    }

    #[inline]
    fn collect(
        &mut self,
        burst: &mut Burst<BURST>,
        trial: &Trial,
        outcome: &mut Outcome,
        histogram: &mut Histogram<u64>,
    ) {
        let count = self.line.receive(burst);
        if count == 0 {
            if self.stock.len() < STOCK / 2 {
                // Lost in the device, freed there: made anew.
                let _ = self.replenish();
            }
            return;
        }
        outcome.received += count as u64;
        if trial.timed {
            let now = tsc();
            for mbuf in burst.as_slice() {
                if let Some(sent) = stamp_of(mbuf.data()) {
                    histogram.saturating_record(now.saturating_sub(sent).max(1));
                }
            }
        }
        self.restock(burst);
        while self.stock.len() > 2 * STOCK {
            self.stock.pop_back();
        }
    }
}

#[inline]
fn stamp(mbuf: &mut Mbuf, time: u64) {
    if let Some(data) = mbuf.data_mut()
        && let Some((_, end)) = data.split_last_chunk_mut::<STAMP_LEN>()
    {
        end[..8].copy_from_slice(&MARK.to_le_bytes());
        end[8..].copy_from_slice(&time.to_le_bytes());
    }
}

#[inline]
fn stamp_of(data: &[u8]) -> Option<u64> {
    let (_, end) = data.split_last_chunk::<STAMP_LEN>()?;
    let (mark, time) = end.split_at(8);
    (mark == MARK.to_le_bytes()).then(|| u64::from_le_bytes(time.try_into().unwrap_or_default()))
}
