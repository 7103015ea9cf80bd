//! The mirror ring: single producer, single consumer, variable-length records in one byte ring.
//!
//! A worker copies selected frames in with [`Producer::push`] and makes a burst of them visible with
//! one release store, [`Producer::publish`]. A shadow instance takes them out in batches with
//! [`Consumer::take`] and reads them in place. Nobody waits: a full ring is an error that the worker
//! counts.
//!
//! The algorithm is Lamport's bounded queue (1983) with FastForward/MCRingBuffer's cached opposite
//! index, over bytes instead of slots as in the BipBuffer: a record never wraps, what is left before
//! the end is padding. A burst is gathered in the producer's own memory and written in whole lines when
//! it is published.
//!
//! ```
//! use umbra_tap::{Checksum, Direction, RecordMeta, Verdict, ring};
//!
//! let (mut producer, mut consumer) = ring(1 << 16)?;
//! let frame = [0u8; 60];
//! let meta = RecordMeta {
//!     timestamp_ns: 0, frame_len: 60, flow_hash: 0, fraction_ppb: 1_000_000_000, wire: 0,
//!     direction: Direction::AtoB, ip_checksum: Checksum::Unknown,
//!     l4_checksum: Checksum::Unknown, escalated: false, epoch: 0,
//! };
//! let slot = producer.push(&meta, u32::MAX, [&frame[..]].into_iter()).expect("an empty ring");
//! producer.set_verdict(slot, Verdict::Forwarded);
//! producer.publish();
//!
//! let batch = consumer.take(256);
//! for record in &batch {
//!     assert_eq!((record.data, record.verdict), (&frame[..], Verdict::Forwarded));
//! }
//! batch.release();
//! # Ok::<(), umbra_tap::RingError>(())
//! ```
//!
//! # Memory
//!
//! One allocation, aligned to 4096, of `8192 + capacity` bytes, offsets only, so that the same bytes
//! can be mapped at different addresses by two processes:
//!
//! | offset | content | written by |
//! |---|---|---|
//! | 0 | magic, version, capacity | the constructor, once |
//! | 128 | published head in bytes, published records | producer |
//! | 256 | producer gone | producer, once |
//! | 4096 | released tail in bytes, released records | consumer |
//! | 4224 | consumer gone | consumer, once |
//! | 8192 | records ([`crate::record`]) | producer |
//!
//! The consumer writes nothing outside its page. Heads and tails are 64-bit, count bytes since the
//! ring was made and never wrap in practice; an offset is the count modulo the capacity.

mod consumer;
mod memory;
mod producer;
mod stage;
#[cfg(all(test, not(loom)))]
mod tests;

pub use consumer::{Consumer, Records, RingBatch};
pub use producer::{Producer, Run, Slot};

use crate::primitive::Arc;
use memory::Memory;

/// Smallest capacity, bytes. Models check wrap-around with far less.
pub const MIN_CAPACITY: usize = if cfg!(loom) { 256 } else { 4096 };
/// Largest capacity, bytes.
pub const MAX_CAPACITY: usize = 1 << 30;

/// Why a ring could not be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RingError {
    /// Not a power of two, or out of range.
    #[error(
        "mirror ring capacity of {asked} bytes is not a power of two from {MIN_CAPACITY} to \
         {MAX_CAPACITY}; use {}", nearest_capacity(*asked)
    )]
    CapacityInvalid {
        /// What was asked for, bytes.
        asked: usize,
    },
    /// The allocator gave nothing.
    #[error(
        "no memory for a mirror ring of {bytes} bytes; lower its capacity or the number of instances"
    )]
    OutOfMemory {
        /// Size of the allocation, bytes.
        bytes: usize,
    },
}

/// Why a record was not enqueued. The words are the ledger's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PushError {
    /// `ring_full`: no room now.
    #[error("the mirror ring is full")]
    Full,
    /// `oversize`: longer after snaplen than the ring's largest record.
    #[error("the record is longer than the mirror ring's largest")]
    Oversize,
}

/// Makes a ring of `capacity` bytes: a power of two from [`MIN_CAPACITY`] to [`MAX_CAPACITY`].
///
/// The memory is touched here, so that the producer never takes a page fault, and so belongs to the
/// NUMA node of the calling thread.
///
/// # Errors
///
/// [`RingError`] when the capacity is not legal or the memory is not there.
pub fn ring(capacity: usize) -> Result<(Producer, Consumer), RingError> {
    if !capacity.is_power_of_two() || !(MIN_CAPACITY..=MAX_CAPACITY).contains(&capacity) {
        return Err(RingError::CapacityInvalid { asked: capacity });
    }
    let memory = Arc::new(Memory::on_heap(capacity)?);
    Ok((Producer::new(Arc::clone(&memory)), Consumer::new(memory)))
}

/// The legal capacity that holds at least `asked` bytes, or the largest.
#[must_use]
pub fn nearest_capacity(asked: usize) -> usize {
    asked.clamp(MIN_CAPACITY, MAX_CAPACITY).next_power_of_two()
}
