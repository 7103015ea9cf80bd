//! What the ring is held against in P3: lines that one core writes and the other reads, and no more.
//! With the clock, all that is unsafe in the harness.

use std::cell::UnsafeCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crossbeam::utils::CachePadded;

use super::carrier::{BURST, Burst, Receiver, Sender, touch};

/// Reads the time stamp counter after all that stands before it has retired, and before anything
/// that stands behind it starts. Stores may still wait in the store buffer.
#[inline(always)]
pub(crate) fn clock() -> u64 {
    // SAFETY: both instructions exist on every x86-64 processor and touch no memory.
    #[cfg(target_arch = "x86_64")]
    unsafe {
        use core::arch::x86_64::{_mm_lfence, _rdtsc};
        _mm_lfence();
        let now = _rdtsc();
        _mm_lfence();
        now
    }
    #[cfg(not(target_arch = "x86_64"))]
    umbra_dpdk::tsc()
}

/// Bytes of which those before `head` have been written, and those before `done` read. Positions
/// count up; an offset is the position modulo the length.
#[derive(Debug)]
struct Lines {
    bytes: UnsafeCell<Box<[u8]>>,
    head: CachePadded<AtomicUsize>,
    done: CachePadded<AtomicUsize>,
}

// SAFETY: `Writer` touches only bytes outside of `done..head`, `Reader` only those inside; both
// indices move by a release store that the other side acquires.
unsafe impl Sync for Lines {}

/// The writing side: a `memcpy` per frame, one release store per burst.
#[derive(Debug)]
pub(crate) struct Writer {
    lines: Arc<Lines>,
    base: *mut u8,
    len: usize,
    head: usize,
}

// SAFETY: `base` points into `lines`, which the writer keeps alive; nothing is bound to a thread.
unsafe impl Send for Writer {}

/// The reading side: acquires, and touches every line.
#[derive(Debug)]
pub(crate) struct Reader {
    lines: Arc<Lines>,
    base: *const u8,
    len: usize,
    done: usize,
}

// SAFETY: as for `Writer`.
unsafe impl Send for Reader {}

/// `len` bytes, a multiple of a burst's.
pub(crate) fn lines(len: usize) -> (Writer, Reader) {
    let mut bytes = vec![0u8; len + 64].into_boxed_slice();
    let skip = bytes.as_ptr().align_offset(64);
    let base = bytes[skip..].as_mut_ptr();
    let lines = Arc::new(Lines {
        bytes: UnsafeCell::new(bytes),
        head: CachePadded::default(),
        done: CachePadded::default(),
    });
    let base = {
        // SAFETY: nobody else knows `lines` yet. The pointer is taken again, after the box has moved.
        let bytes = unsafe { &mut *lines.bytes.get() };
        debug_assert!(std::ptr::eq(base, bytes[skip..].as_ptr()));
        bytes[skip..].as_mut_ptr()
    };
    (Writer { lines: Arc::clone(&lines), base, len, head: 0 }, Reader { lines, base, len, done: 0 })
}

impl Sender for Writer {
    #[inline(always)]
    fn send(&mut self, burst: &Burst<'_>) -> usize {
        // As long as the frame, at multiples of 8, as in the ring.
        let step = burst[0].len().next_multiple_of(8);
        let mut offset = self.head % self.len;
        if offset + step * BURST > self.len {
            self.head += self.len - offset;
            offset = 0;
        }
        debug_assert!(
            self.head + step * BURST <= self.lines.done.load(Ordering::Acquire) + self.len
        );
        for frame in burst {
            // SAFETY: a burst was found room for above, before the end and, since the harness waits
            // until all is read, ahead of the reader.
            unsafe {
                std::ptr::copy_nonoverlapping(frame.as_ptr(), self.base.add(offset), frame.len())
            };
            offset += step;
        }
        self.head += step * BURST;
        self.lines.head.store(self.head, Ordering::Release);
        BURST
    }

    fn is_drained(&mut self) -> bool {
        self.lines.done.load(Ordering::Acquire) == self.head
    }
}

impl Receiver for Reader {
    #[inline]
    fn receive(&mut self, sum: &mut u64) -> usize {
        let head = self.lines.head.load(Ordering::Acquire);
        if head == self.done {
            return 0;
        }
        // A burst never wraps: what stands between is the burst, behind what was left over at the end.
        let start = if head % self.len > self.done % self.len || head.is_multiple_of(self.len) {
            self.done
        } else {
            head - head % self.len
        };
        // SAFETY: from `done` to `head` all is ours until `done` is stored.
        let bytes =
            unsafe { std::slice::from_raw_parts(self.base.add(start % self.len), head - start) };
        *sum = sum.wrapping_add(touch(bytes));
        self.done = head;
        self.lines.done.store(head, Ordering::Release);
        BURST
    }
}
