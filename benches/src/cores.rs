//! How far two cores are from each other. A hypervisor moves its virtual processors about: 170 cycles
//! for a round trip of one cache line were seen, and 880 minutes later. What passes frames between
//! cores costs more then, and the same command says 165 cycles per frame or 500. So it is measured
//! beside, and only what was measured at the same distance is compared.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Result};
use crossbeam::utils::CachePadded;
use rustix::thread::{CpuSet, sched_setaffinity};

use crate::stats::median;

const BATCHES: usize = 21;
const ROUND_TRIPS: u64 = 2_000;

/// The calling thread on `core` and nowhere else.
///
/// # Errors
///
/// Where there is no such core, or this process may not use it.
pub(crate) fn pin(core: u16) -> Result<()> {
    let mut set = CpuSet::new();
    set.set(usize::from(core));
    sched_setaffinity(None, &set).with_context(|| {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        format!("core {core} cannot be used; {cores} can (taskset -p $$ shows which)")
    })
}

/// TSC cycles for a cache line to go from core `a` to core `b` and back, the median of 21 batches.
/// Takes 10 to 50 ms, both cores idle else.
///
/// # Errors
///
/// Of [`pin`].
pub(crate) fn round_trip_cycles(a: u16, b: u16) -> Result<f64> {
    let line = Arc::new(CachePadded::new(AtomicU64::new(0)));
    let theirs = Arc::clone(&line);
    let total = BATCHES as u64 * ROUND_TRIPS;
    let other = std::thread::spawn(move || {
        let pinned = pin(b);
        // Answers even so, or the other side would wait for ever.
        for turn in 0..total {
            await_turn(&theirs, 2 * turn + 1);
        }
        pinned
    });
    // In a thread of its own: the caller's affinity is the caller's.
    let measuring = std::thread::spawn(move || -> Result<f64> {
        let pinned = pin(a);
        let mut batches = Vec::with_capacity(BATCHES);
        for batch in 0..BATCHES as u64 {
            let began = umbra_dpdk::tsc();
            for turn in batch * ROUND_TRIPS..(batch + 1) * ROUND_TRIPS {
                line.store(2 * turn + 1, Ordering::Release);
                while line.load(Ordering::Acquire) != 2 * turn + 2 {
                    std::hint::spin_loop();
                }
            }
            batches.push((umbra_dpdk::tsc() - began) as f64 / ROUND_TRIPS as f64);
        }
        pinned.map(|()| median(&batches))
    });
    let cycles =
        measuring.join().map_err(|_| anyhow::anyhow!("a thread of the round trip died"))??;
    other.join().map_err(|_| anyhow::anyhow!("a thread of the round trip died"))??;
    Ok(cycles)
}

/// Waits for `turn` and passes on the next.
fn await_turn(line: &AtomicU64, turn: u64) {
    while line.load(Ordering::Acquire) != turn {
        std::hint::spin_loop();
    }
    line.store(turn + 1, Ordering::Release);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_trip_takes_time_and_a_core_that_is_not_there_is_named() {
        if std::thread::available_parallelism().map_or(1, usize::from) >= 2 {
            assert!(round_trip_cycles(0, 1).unwrap() > 0.0);
        }
        let message = pin(1000).unwrap_err().to_string();
        assert!(message.contains("core 1000 cannot be used"), "{message}");
    }
}
