//! Frames in hand, in order: what goes in and out of the queues.

use std::fmt;
use std::mem::MaybeUninit;

use umbra_dpdk_sys as sys;

use crate::mbuf::Mbuf;

/// Up to N owned frames in a fixed array. Dropping it frees what is left in one call.
pub struct Burst<const N: usize> {
    /// The first `len` are initialised.
    slots: [MaybeUninit<Mbuf>; N],
    len: usize,
}

impl<const N: usize> fmt::Debug for Burst<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.as_slice()).finish()
    }
}

impl<const N: usize> Default for Burst<N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const N: usize> Drop for Burst<N> {
    #[inline]
    fn drop(&mut self) {
        self.free_all();
    }
}

/// Frees `count` mbufs with one call.
///
/// # Safety
/// `mbufs` holds `count` mbufs that the caller owns and does not use again.
#[inline]
unsafe fn free_bulk(mbufs: *mut MaybeUninit<Mbuf>, count: usize) {
    // A burst is far shorter than 2^32: N mbufs live in an array.
    let count = u32::try_from(count).unwrap_or(u32::MAX);
    // SAFETY: Mbuf is a transparent pointer to an mbuf; ownership by the caller.
    unsafe { sys::rte_pktmbuf_free_bulk(mbufs.cast(), count) };
}

impl<const N: usize> Burst<N> {
    /// An empty one.
    #[inline]
    pub const fn new() -> Self {
        Burst { slots: [const { MaybeUninit::uninit() }; N], len: 0 }
    }

    /// Frames in it.
    #[inline(always)]
    pub fn len(&self) -> usize {
        self.len
    }

    /// True without frames.
    #[inline(always)]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// True when no frame can be added.
    #[inline(always)]
    pub fn is_full(&self) -> bool {
        self.len == N
    }

    /// Frames that it can hold.
    pub const fn capacity(&self) -> usize {
        N
    }

    /// The frames, oldest first.
    #[inline(always)]
    pub fn as_slice(&self) -> &[Mbuf] {
        // SAFETY: the first len slots are initialised, and MaybeUninit<Mbuf> has Mbuf's layout.
        unsafe { std::slice::from_raw_parts(self.slots.as_ptr().cast(), self.len) }
    }

    /// The frames, to change.
    #[inline(always)]
    pub fn as_mut_slice(&mut self) -> &mut [Mbuf] {
        // SAFETY: as in as_slice.
        unsafe { std::slice::from_raw_parts_mut(self.slots.as_mut_ptr().cast(), self.len) }
    }

    /// Adds a frame behind the others.
    ///
    /// # Errors
    /// The frame again when the burst is full.
    #[inline]
    pub fn push(&mut self, mbuf: Mbuf) -> Result<(), Mbuf> {
        if self.len == N {
            return Err(mbuf);
        }
        self.slots[self.len].write(mbuf);
        self.len += 1;
        Ok(())
    }

    /// Takes the last frame out.
    #[inline]
    pub fn pop(&mut self) -> Option<Mbuf> {
        self.len = self.len.checked_sub(1)?;
        // SAFETY: the slot was the last initialised one, and is no longer counted.
        Some(unsafe { self.slots[self.len].assume_init_read() })
    }

    /// Frees all frames.
    #[inline]
    pub fn free_all(&mut self) {
        if self.len > 0 {
            let count = std::mem::take(&mut self.len);
            // SAFETY: the first `count` slots were initialised and are no longer counted.
            unsafe { free_bulk(self.slots.as_mut_ptr(), count) };
        }
    }

    /// Frees the first `count` frames; the rest moves to the front in order.
    #[inline]
    pub fn free_front(&mut self, count: usize) {
        let count = count.min(self.len);
        if count > 0 {
            // SAFETY: `count` slots are initialised; forget_front stops counting them.
            unsafe { free_bulk(self.slots.as_mut_ptr(), count) };
            // SAFETY: freed just now.
            unsafe { self.forget_front(count) };
        }
    }

    /// Takes the frames out that `keep` refuses and frees them with one call; the others keep their
    /// order. Returns the number taken out.
    pub fn retain(&mut self, mut keep: impl FnMut(&Mbuf) -> bool) -> usize {
        // All answers first: should `keep` panic, the burst is still whole.
        let mut refused = [false; N];
        for (mbuf, refused) in self.as_slice().iter().zip(&mut refused) {
            *refused = !keep(mbuf);
        }
        self.remove_where(|index| refused[index])
    }

    /// Takes the frames out whose bit is set in `mask` (bit 0 is the first frame) and frees them with
    /// one call; the others keep their order. Returns the number taken out. Frames from the 65th on
    /// have no bit and stay.
    pub fn remove_mask(&mut self, mask: u64) -> usize {
        if mask == 0 {
            return 0;
        }
        self.remove_where(|index| index < 64 && mask >> index & 1 == 1)
    }

    /// `refuse` must not panic.
    fn remove_where(&mut self, refuse: impl Fn(usize) -> bool) -> usize {
        let mut removed = [const { MaybeUninit::<Mbuf>::uninit() }; N];
        let (mut kept, mut count) = (0, 0);
        for index in 0..self.len {
            // SAFETY: every initialised slot is moved once: to the front of `slots`, where kept <=
            // index, or to `removed`, where count <= index < N.
            unsafe {
                let mbuf = self.slots.as_ptr().add(index).read();
                if refuse(index) {
                    removed.as_mut_ptr().add(count).write(mbuf);
                    count += 1;
                } else {
                    self.slots.as_mut_ptr().add(kept).write(mbuf);
                    kept += 1;
                }
            }
        }
        self.len = kept;
        if count > 0 {
            // SAFETY: `count` mbufs were moved here and are owned by nobody else.
            unsafe { free_bulk(removed.as_mut_ptr(), count) };
        }
        count
    }

    /// Moves frames from the front of another burst behind the ones in this; returns how many
    /// fitted.
    pub fn append<const M: usize>(&mut self, other: &mut Burst<M>) -> usize {
        let count = other.len.min(N - self.len);
        // SAFETY: `count` slots of `other` are initialised and as many are free here; they are
        // counted here and no longer there.
        unsafe {
            self.slots
                .as_mut_ptr()
                .add(self.len)
                .copy_from_nonoverlapping(other.slots.as_ptr(), count);
            self.len += count;
            other.forget_front(count);
        }
        count
    }

    /// Where DPDK may write mbufs, and how many.
    #[inline(always)]
    pub(crate) fn spare(&mut self) -> (*mut *mut sys::rte_mbuf, usize) {
        // SAFETY: len <= N, so the pointer stays in or at the end of the array.
        (unsafe { self.slots.as_mut_ptr().add(self.len) }.cast(), N - self.len)
    }

    /// Counts slots that were filled through [`spare`](Self::spare).
    ///
    /// # Safety
    /// The first `count` spare slots hold mbufs that nobody else owns.
    #[inline(always)]
    pub(crate) unsafe fn assume_filled(&mut self, count: usize) {
        debug_assert!(count <= N - self.len);
        self.len += count;
    }

    /// All mbufs, for DPDK to take from the front.
    #[inline(always)]
    pub(crate) fn filled(&mut self) -> (*mut *mut sys::rte_mbuf, usize) {
        (self.slots.as_mut_ptr().cast(), self.len)
    }

    /// Stops counting the first `count`; the rest moves to the front.
    ///
    /// # Safety
    /// Somebody else owns or has freed those.
    #[inline(always)]
    pub(crate) unsafe fn forget_front(&mut self, count: usize) {
        debug_assert!(count <= self.len);
        let rest = self.len - count;
        if rest > 0 && count > 0 {
            // SAFETY: both ranges lie within the initialised part.
            unsafe { self.slots.as_mut_ptr().copy_from(self.slots.as_ptr().add(count), rest) };
        }
        self.len = rest;
    }
}
