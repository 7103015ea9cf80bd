//! The atomics and the `Arc` that the ring and the snapshot cell are made of: `core`'s in a real
//! build, loom's when a model is checked (`--cfg loom`). The pattern is crossbeam's `primitive`.

#[cfg(not(loom))]
pub(crate) use core::sync::atomic::{AtomicU64, Ordering};
#[cfg(not(loom))]
pub(crate) use std::sync::Arc;

#[cfg(loom)]
pub(crate) use loom::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

/// What a reader does between two attempts.
#[cfg(not(loom))]
pub(crate) fn relax() {
    core::hint::spin_loop();
}

/// Under loom a spinning thread must hand over, or the model never ends.
#[cfg(loom)]
pub(crate) fn relax() {
    loom::thread::yield_now();
}
