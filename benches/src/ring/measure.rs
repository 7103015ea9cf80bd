//! The two ways of measuring a carrier. The producer has core 1, the consumer core 0.

use std::hint::{black_box, spin_loop};
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use anyhow::{Result, ensure};
use crossbeam::utils::CachePadded;

use super::bare::clock;
use super::carrier::{BURST, Frames, Receiver, Sender};

/// Where the producer runs.
pub(crate) const PRODUCER_CORE: usize = 1;
/// Where the consumer runs.
pub(crate) const CONSUMER_CORE: usize = 0;

/// Bursts before the first that counts.
const WARM_UP: usize = 2_000;
/// Between two bursts, once the consumer has caught up: its lines have arrived, ours are written.
const REST_CYCLES: u64 = 1_500;

/// A carrier that has not moved all by then has lost something.
const STUCK_CYCLES: u64 = 20_000_000_000;

fn pin(core: usize) -> bool {
    core_affinity::set_for_current(core_affinity::CoreId { id: core })
}

/// What two readings of the clock cost with nothing between them.
fn clock_cycles() -> f64 {
    let mut cycles: Vec<u64> = (0..10_001)
        .map(|_| {
            let t = clock();
            clock() - t
        })
        .collect();
    cycles.sort_unstable();
    cycles[cycles.len() / 2] as f64
}

/// The producer's own cycles per frame: median over bursts, each into lines that the consumer has
/// read and given back. Waiting is never timed, nor is the clock.
pub(crate) fn paced(
    mut sender: impl Sender,
    mut receiver: impl Receiver,
    frames: &Frames,
    bursts: usize,
) -> Result<f64> {
    let stop = AtomicBool::new(false);
    let barrier = Barrier::new(2);
    let (pinned, cycles) = std::thread::scope(|scope| {
        let consumer = scope.spawn(|| {
            let pinned = pin(CONSUMER_CORE);
            barrier.wait();
            let mut sum = 0;
            while !stop.load(Ordering::Relaxed) {
                receiver.receive(&mut sum);
            }
            black_box(sum);
            pinned
        });
        let producer = scope.spawn(|| {
            let pinned = pin(PRODUCER_CORE);
            let source = frames.bursts();
            barrier.wait();
            let idle = clock_cycles();
            let mut cycles = Vec::with_capacity(bursts);
            for number in 0..WARM_UP + bursts {
                let burst = black_box(&source[number % source.len()]);
                let start = clock();
                let sent = sender.send(burst);
                let end = clock();
                if sent == BURST && number >= WARM_UP {
                    cycles.push(end - start);
                }
                while !sender.is_drained() {
                    spin_loop();
                }
                let rested = clock() + REST_CYCLES;
                while clock() < rested {}
            }
            stop.store(true, Ordering::Relaxed);
            cycles.sort_unstable();
            let median = cycles.get(cycles.len() / 2).copied().unwrap_or(0) as f64;
            (pinned && cycles.len() == bursts, (median - idle) / BURST as f64)
        });
        let (complete, cycles) = producer.join().unwrap_or((false, 0.0));
        (consumer.join().unwrap_or(false) && complete, cycles)
    });
    ensure!(
        pinned,
        "the ring needs cores {CONSUMER_CORE} and {PRODUCER_CORE} and room for every burst; is \
         this process confined to fewer cores (taskset -p)?"
    );
    Ok(cycles)
}

/// Cycles per record from core to core, both sides at full speed.
pub(crate) fn streamed(
    mut sender: impl Sender,
    mut receiver: impl Receiver,
    frames: &Frames,
    records: usize,
) -> Result<f64> {
    let barrier = Barrier::new(2);
    let stop = AtomicBool::new(false);
    let (pinned, cycles) = std::thread::scope(|scope| {
        let consumer = scope.spawn(|| {
            let pinned = pin(CONSUMER_CORE);
            barrier.wait();
            let start = clock();
            let (mut sum, mut received) = (0, 0);
            while received < records {
                match receiver.receive(&mut sum) {
                    0 if clock() - start > STUCK_CYCLES => break,
                    0 => spin_loop(),
                    count => received += count,
                }
            }
            stop.store(received < records, Ordering::Relaxed);
            let cycles = clock() - start;
            black_box(sum);
            (pinned && received >= records, cycles)
        });
        let producer = scope.spawn(|| {
            let pinned = pin(PRODUCER_CORE);
            let source = frames.bursts();
            barrier.wait();
            let mut sent = 0;
            let mut number = 0;
            while sent < records {
                match sender.send(&source[number % source.len()]) {
                    0 if stop.load(Ordering::Relaxed) => break,
                    0 => spin_loop(),
                    count => sent += count,
                }
                number += 1;
            }
            pinned
        });
        let produced = producer.join().unwrap_or(false);
        let (consumed, cycles) = consumer.join().unwrap_or((false, 0));
        (produced && consumed, cycles)
    });
    ensure!(pinned, "the ring needs cores {CONSUMER_CORE} and {PRODUCER_CORE} (taskset -p)");
    Ok(cycles as f64 / records as f64)
}

/// Cycles that a line takes one way between the two cores.
pub(crate) fn ping() -> Result<f64> {
    const ROUNDS: u64 = 20_000;
    let (there, back) = (CachePadded::new(AtomicU64::new(0)), CachePadded::new(AtomicU64::new(0)));
    let barrier = Barrier::new(2);
    let answer = |heard: &AtomicU64, said: &AtomicU64, round: u64, first: bool| {
        if first {
            said.store(round, Ordering::Release);
        }
        while heard.load(Ordering::Acquire) != round {
            spin_loop();
        }
        if !first {
            said.store(round, Ordering::Release);
        }
    };
    let (pinned, cycles) = std::thread::scope(|scope| {
        let other = scope.spawn(|| {
            let pinned = pin(CONSUMER_CORE);
            barrier.wait();
            (1..=ROUNDS).for_each(|round| answer(&there, &back, round, false));
            pinned
        });
        let cycles = scope.spawn(|| {
            let pinned = pin(PRODUCER_CORE);
            barrier.wait();
            let start = clock();
            (1..=ROUNDS).for_each(|round| answer(&back, &there, round, true));
            (pinned, clock() - start)
        });
        let (pinned, cycles) = cycles.join().unwrap_or((false, 0));
        (other.join().unwrap_or(false) && pinned, cycles)
    });
    ensure!(pinned, "the ring needs cores {CONSUMER_CORE} and {PRODUCER_CORE} (taskset -p)");
    Ok(cycles as f64 / (2 * ROUNDS) as f64)
}
