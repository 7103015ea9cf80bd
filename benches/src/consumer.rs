//! The other end of the mirror rings: one thread that behaves as it is told.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use core_affinity::CoreId;

use crate::session::Consumer;

const FROZEN: u32 = 0;
const TAKE: u32 = 1;
const SPIN: u32 = 2;
/// And so many MiB.
const THRASH: u32 = 16;

/// Records taken at once, as an instance does.
const BATCH: usize = 128;

#[derive(Debug, Default)]
struct Control {
    mode: AtomicU32,
    stop: AtomicBool,
    /// Written by the thread after each batch.
    taken: AtomicU64,
}

/// Consumes all rings of a device under test.
#[derive(Debug)]
pub(crate) struct Consumers {
    control: Arc<Control>,
    thread: Option<JoinHandle<()>>,
}

impl Consumers {
    /// One thread on `core` for all rings; none without rings, which are then the tester's to consume.
    pub(crate) fn start(rings: Vec<umbra_tap::Consumer>, core: u16) -> Self {
        let control = Arc::new(Control::default());
        if rings.is_empty() {
            return Consumers { control, thread: None };
        }
        let theirs = Arc::clone(&control);
        let thread = std::thread::spawn(move || {
            core_affinity::set_for_current(CoreId { id: usize::from(core) });
            consume(rings, &theirs);
        });
        Consumers { control, thread: Some(thread) }
    }

    /// From now on.
    pub(crate) fn set(&self, consumer: Consumer) {
        let mode = match consumer {
            Consumer::Frozen => FROZEN,
            Consumer::Take => TAKE,
            Consumer::Spin => SPIN,
            Consumer::Thrash(mib) => THRASH + mib,
        };
        self.control.mode.store(mode, Ordering::Release);
    }

    /// Records taken so far.
    pub(crate) fn taken(&self) -> u64 {
        self.control.taken.load(Ordering::Acquire)
    }

    /// Ends the thread.
    pub(crate) fn stop(&mut self) {
        self.control.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Takes what there is from each ring; returns how many records.
pub(crate) fn take(rings: &mut [umbra_tap::Consumer], batch_records: usize) -> u64 {
    let mut taken = 0;
    for ring in rings {
        let batch = ring.take(batch_records);
        for record in &batch {
            std::hint::black_box((record.meta.flow_hash, record.data.first()));
            taken += 1;
        }
    }
    taken
}

fn consume(mut rings: Vec<umbra_tap::Consumer>, control: &Control) {
    let mut cache: Vec<u64> = Vec::new();
    let mut at = 0;
    while !control.stop.load(Ordering::Acquire) {
        let mode = control.mode.load(Ordering::Acquire);
        if mode == FROZEN {
            std::thread::sleep(Duration::from_millis(1));
            continue;
        }
        let taken = take(&mut rings, BATCH);
        if taken != 0 {
            control.taken.fetch_add(taken, Ordering::AcqRel);
        }
        if mode >= THRASH {
            let words = (mode - THRASH) as usize * (1 << 20) / 8;
            if cache.len() != words {
                cache = vec![1; words];
            }
            // A page between two looks at the rings, every line written.
            for _ in 0..64 {
                cache[at] = cache[at].wrapping_add(1);
                at = (at + 8) % words;
            }
        } else if taken == 0 {
            if mode == SPIN {
                std::hint::spin_loop();
            } else {
                std::thread::sleep(Duration::from_micros(50));
            }
        }
    }
}
