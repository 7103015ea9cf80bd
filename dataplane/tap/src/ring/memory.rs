//! The ring's bytes: two index pages and the data area, and who may touch what.
//!
//! Everything unsafe about memory is here. The protocol that makes it sound is one sentence: bytes
//! from the released tail to the published head belong to the consumer (read only), all others to
//! the producer; ownership moves by a release store of head or tail and an acquire load of it.

#[cfg(loom)]
pub(super) use self::modelled::Memory;
#[cfg(not(loom))]
pub(super) use self::real::Memory;

use crate::primitive::AtomicU64;

/// Reads `umbraRNG` in a memory dump.
#[cfg_attr(loom, expect(dead_code, reason = "the model has no bytes to mark"))]
pub(super) const MAGIC: u64 = u64::from_le_bytes(*b"umbraRNG");
/// Changes with any change of this layout or of the record header.
#[cfg_attr(loom, expect(dead_code, reason = "the model has no bytes to mark"))]
pub(super) const VERSION: u64 = 2;

/// A value on cache lines of its own: 128 bytes, because Intel's adjacent-line prefetcher moves
/// lines in pairs.
#[derive(Debug, Default)]
#[repr(C, align(128))]
pub(super) struct Line<T>(pub(super) T);

/// Position in bytes and in records; both are stored by one side and read by the other.
#[derive(Debug, Default)]
#[repr(C)]
pub(super) struct Index {
    pub(super) bytes: AtomicU64,
    pub(super) records: AtomicU64,
}

/// Constant after construction.
#[derive(Debug, Default)]
#[repr(C)]
pub(super) struct Identity {
    pub(super) magic: u64,
    pub(super) version: u64,
    pub(super) capacity: u64,
}

/// Page 0. Written by the producer, read by the consumer.
#[derive(Debug, Default)]
#[cfg_attr(not(loom), repr(C, align(4096)))]
pub(super) struct ProducerPage {
    #[cfg_attr(loom, expect(dead_code, reason = "the model has no bytes to mark"))]
    pub(super) identity: Line<Identity>,
    pub(super) head: Line<Index>,
    pub(super) gone: Line<AtomicU64>,
}

/// Page 1. Written by the consumer, read by the producer, who trusts none of it beyond bounds.
#[derive(Debug, Default)]
#[cfg_attr(not(loom), repr(C, align(4096)))]
pub(super) struct ConsumerPage {
    pub(super) tail: Line<Index>,
    pub(super) gone: Line<AtomicU64>,
}

#[cfg(not(loom))]
mod real {
    use super::super::RingError;
    use super::{ConsumerPage, Identity, Line, MAGIC, ProducerPage, VERSION};
    use crate::record::LINE;
    use core::ptr::NonNull;
    use std::alloc::{Layout, alloc_zeroed, dealloc};

    const PAGE_LEN: usize = 4096;
    const DATA_OFFSET: usize = 2 * PAGE_LEN;
    const _: () = assert!(size_of::<ProducerPage>() == PAGE_LEN);
    const _: () = assert!(size_of::<ConsumerPage>() == PAGE_LEN);

    /// Where the bytes come from, hence how they go. A sealed memfd, mapped by two processes, is to
    /// be the next.
    #[derive(Debug)]
    enum Backing {
        Heap(Layout),
    }

    #[derive(Debug)]
    pub(in super::super) struct Memory {
        base: NonNull<u8>,
        capacity: usize,
        /// Asked once: the answer is a load and a branch per burst.
        #[cfg(target_arch = "x86_64")]
        has_avx: bool,
        backing: Backing,
    }

    // SAFETY: `Memory` owns its allocation; nothing in it is bound to a thread.
    unsafe impl Send for Memory {}
    // SAFETY: the pages hold atomics and constants; the data area is reached only through the
    // methods below, whose contracts give every byte one owner at a time.
    unsafe impl Sync for Memory {}

    impl Memory {
        pub(in super::super) fn on_heap(capacity: usize) -> Result<Self, RingError> {
            let bytes = DATA_OFFSET + capacity;
            let layout = Layout::from_size_align(bytes, PAGE_LEN)
                .map_err(|_| RingError::OutOfMemory { bytes })?;
            // SAFETY: the layout's size is not zero.
            let base = NonNull::new(unsafe { alloc_zeroed(layout) })
                .ok_or(RingError::OutOfMemory { bytes })?;
            for offset in (0..bytes).step_by(PAGE_LEN) {
                // Volatile, since a plain store of zero over zeroes would be left out, and the page
                // faults would come on the packet path.
                // SAFETY: `offset` is inside the allocation, which nobody else knows yet.
                unsafe { base.add(offset).write_volatile(0) };
            }
            let page = ProducerPage {
                identity: Line(Identity {
                    magic: MAGIC,
                    version: VERSION,
                    capacity: capacity as u64,
                }),
                ..ProducerPage::default()
            };
            // SAFETY: both pages are inside the allocation and aligned to 4096 as it is; nobody
            // else knows it yet.
            unsafe {
                base.cast::<ProducerPage>().write(page);
                base.add(PAGE_LEN).cast::<ConsumerPage>().write(ConsumerPage::default());
            }
            Ok(Self {
                base,
                capacity,
                #[cfg(target_arch = "x86_64")]
                has_avx: std::arch::is_x86_feature_detected!("avx"),
                backing: Backing::Heap(layout),
            })
        }

        #[inline]
        pub(in super::super) fn capacity(&self) -> usize {
            self.capacity
        }

        #[inline]
        pub(in super::super) fn producer_page(&self) -> &ProducerPage {
            // SAFETY: `on_heap` initialised the page; it is only ever borrowed shared.
            unsafe { self.base.cast::<ProducerPage>().as_ref() }
        }

        #[inline]
        pub(in super::super) fn consumer_page(&self) -> &ConsumerPage {
            // SAFETY: as above, one page further.
            unsafe { self.base.add(PAGE_LEN).cast::<ConsumerPage>().as_ref() }
        }

        /// Start of the data area.
        #[inline]
        fn data(&self) -> NonNull<u8> {
            // SAFETY: the allocation is `DATA_OFFSET + capacity` bytes long.
            unsafe { self.base.add(DATA_OFFSET) }
        }

        /// Writes whole words.
        ///
        /// # Safety
        ///
        /// `offset` is a multiple of 8, `offset + 8 * N <= capacity`, and the producer, who calls,
        /// owns those bytes.
        #[inline]
        pub(in super::super) unsafe fn write_words<const N: usize>(
            &self,
            offset: usize,
            words: [u64; N],
        ) {
            debug_assert!(offset.is_multiple_of(8) && offset + 8 * N <= self.capacity);
            // SAFETY: in bounds and aligned by the caller's word; exclusive by ownership.
            unsafe { self.data().add(offset).cast::<[u64; N]>().write(words) };
        }

        /// Writes one byte.
        ///
        /// # Safety
        ///
        /// `offset < capacity`, and the producer, who calls, owns that byte.
        #[inline]
        pub(in super::super) unsafe fn write_byte(&self, offset: usize, byte: u8) {
            debug_assert!(offset < self.capacity);
            // SAFETY: in bounds by the caller's word; exclusive by ownership.
            unsafe { self.data().add(offset).write(byte) };
        }

        /// Copies whole lines past the caches; [`fence`](Self::fence) comes before their publication.
        ///
        /// # Safety
        ///
        /// `offset` and `source.len()` are multiples of 64, `offset + source.len() <= capacity`, and
        /// the producer, who calls, owns those bytes.
        #[inline]
        pub(in super::super) unsafe fn stream_lines(&self, offset: usize, source: &[u8]) {
            debug_assert!(offset.is_multiple_of(LINE) && source.len().is_multiple_of(LINE));
            debug_assert!(offset + source.len() <= self.capacity);
            // SAFETY: in bounds by the caller's word, and on a line since the data area is on a page;
            // exclusive by ownership.
            unsafe {
                stream(source.as_ptr(), self.data().add(offset).as_ptr(), source.len());
            }
        }

        /// Copies whole lines with stores as wide as the processor has.
        ///
        /// # Safety
        ///
        /// As for [`stream_lines`](Self::stream_lines).
        #[inline]
        pub(in super::super) unsafe fn write_lines(&self, offset: usize, source: &[u8]) {
            debug_assert!(offset.is_multiple_of(LINE) && source.len().is_multiple_of(LINE));
            debug_assert!(offset + source.len() <= self.capacity);
            let (from, to, len) =
                (source.as_ptr(), self.data().as_ptr().wrapping_add(offset), source.len());
            #[cfg(all(target_arch = "x86_64", not(umbra_plain_stores)))]
            if self.has_avx {
                // SAFETY: the processor has AVX; the rest as for `stream_lines`.
                unsafe { copy_lines_avx(from, to, len) };
                return;
            }
            // SAFETY: in bounds and exclusive as for `stream_lines`.
            unsafe { core::ptr::copy_nonoverlapping(from, to, len) };
        }

        /// Puts all lines streamed so far before any store that follows.
        #[inline]
        pub(in super::super) fn fence(&self) {
            #[cfg(all(target_arch = "x86_64", not(umbra_plain_stores)))]
            // SAFETY: SSE is part of x86-64.
            unsafe {
                core::arch::x86_64::_mm_sfence();
            }
        }

        /// Copies `source` in.
        ///
        /// # Safety
        ///
        /// `offset + source.len() <= capacity`, and the producer, who calls, owns those bytes.
        #[inline]
        pub(in super::super) unsafe fn write_bytes(&self, offset: usize, source: &[u8]) {
            debug_assert!(offset + source.len() <= self.capacity);
            // SAFETY: in bounds by the caller's word; exclusive by ownership, so `source`, which
            // somebody borrows shared, does not overlap.
            unsafe {
                core::ptr::copy_nonoverlapping(
                    source.as_ptr(),
                    self.data().add(offset).as_ptr(),
                    source.len(),
                );
            }
        }

        /// Reads whole words.
        ///
        /// # Safety
        ///
        /// `offset` is a multiple of 8, `offset + 8 * N <= capacity`, and the caller owns those
        /// bytes.
        #[inline]
        pub(in super::super) unsafe fn read_words<const N: usize>(
            &self,
            offset: usize,
        ) -> [u64; N] {
            debug_assert!(offset.is_multiple_of(8) && offset + 8 * N <= self.capacity);
            // SAFETY: in bounds and aligned by the caller's word; zeroed at construction, so
            // initialised; no writer while the caller owns them.
            unsafe { self.data().add(offset).cast::<[u64; N]>().read() }
        }

        /// Asks for the line at `offset`, which need not exist.
        #[inline(always)]
        pub(in super::super) fn prefetch(&self, offset: usize) {
            #[cfg(all(target_arch = "x86_64", not(umbra_plain_stores)))]
            // SAFETY: SSE is part of x86-64; a prefetch reads nothing, of whatever address.
            unsafe {
                use core::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
                _mm_prefetch::<_MM_HINT_T0>(self.data().as_ptr().wrapping_add(offset).cast());
            }
            #[cfg(not(all(target_arch = "x86_64", not(umbra_plain_stores))))]
            let _ = offset;
        }

        /// Borrows bytes.
        ///
        /// # Safety
        ///
        /// `offset + len <= capacity`, and the consumer, who calls, owns those bytes for as long as
        /// the slice lives.
        #[inline]
        pub(in super::super) unsafe fn bytes(&self, offset: usize, len: usize) -> &[u8] {
            debug_assert!(offset + len <= self.capacity);
            // SAFETY: in bounds by the caller's word; zeroed at construction, so initialised; no
            // writer while the consumer owns them.
            unsafe { core::slice::from_raw_parts(self.data().add(offset).as_ptr(), len) }
        }
    }

    /// Copies whole lines, two stores each: the fewer stores wait for a line of the other core's, the
    /// more lines can be waited for at once.
    ///
    /// # Safety
    ///
    /// The processor has AVX; `target` and `len` are multiples of 64, and as
    /// [`core::ptr::copy_nonoverlapping`].
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx")]
    unsafe fn copy_lines_avx(source: *const u8, target: *mut u8, len: usize) {
        use core::arch::x86_64::{__m256i, _mm256_loadu_si256, _mm256_store_si256};
        for at in (0..len).step_by(LINE) {
            // SAFETY: both halves of a line inside `len` bytes; the target's are aligned as its line.
            unsafe {
                let from = source.add(at).cast::<__m256i>();
                let to = target.add(at).cast::<__m256i>();
                let line = [_mm256_loadu_si256(from), _mm256_loadu_si256(from.add(1))];
                _mm256_store_si256(to, line[0]);
                _mm256_store_si256(to.add(1), line[1]);
            }
        }
    }

    /// Copies whole lines with stores that do not ask for ownership first.
    ///
    /// # Safety
    ///
    /// `target` and `len` are multiples of 64, and as [`core::ptr::copy_nonoverlapping`].
    #[inline]
    unsafe fn stream(source: *const u8, target: *mut u8, len: usize) {
        #[cfg(all(target_arch = "x86_64", not(umbra_plain_stores)))]
        {
            use core::arch::x86_64::{__m128i, _mm_loadu_si128, _mm_stream_si128};
            for at in (0..len).step_by(LINE) {
                // SAFETY: the four quarters of a line inside `len` bytes; the target's are aligned as
                // its line is.
                unsafe {
                    let from = source.add(at).cast::<__m128i>();
                    let to = target.add(at).cast::<__m128i>();
                    let line = [
                        _mm_loadu_si128(from),
                        _mm_loadu_si128(from.add(1)),
                        _mm_loadu_si128(from.add(2)),
                        _mm_loadu_si128(from.add(3)),
                    ];
                    _mm_stream_si128(to, line[0]);
                    _mm_stream_si128(to.add(1), line[1]);
                    _mm_stream_si128(to.add(2), line[2]);
                    _mm_stream_si128(to.add(3), line[3]);
                }
            }
        }
        #[cfg(not(all(target_arch = "x86_64", not(umbra_plain_stores))))]
        // SAFETY: the caller's word.
        unsafe {
            core::ptr::copy_nonoverlapping(source, target, len);
        }
    }

    impl Drop for Memory {
        fn drop(&mut self) {
            match self.backing {
                // SAFETY: `base` came from `alloc_zeroed` with this layout; the pages need no drop.
                Backing::Heap(layout) => unsafe { dealloc(self.base.as_ptr(), layout) },
            }
        }
    }
}

/// The same under loom: real bytes beside one loom cell per word, touched with every access, so that
/// loom sees each access and finds any that is not ordered.
#[cfg(loom)]
mod modelled {
    use super::super::RingError;
    use super::{ConsumerPage, ProducerPage};
    use std::cell::UnsafeCell;

    #[derive(Debug)]
    pub(in super::super) struct Memory {
        producer: ProducerPage,
        consumer: ConsumerPage,
        data: Box<[UnsafeCell<u64>]>,
        touched: Vec<loom::cell::UnsafeCell<()>>,
    }

    // SAFETY: as in the real one; loom's cells check it.
    unsafe impl Send for Memory {}
    // SAFETY: as in the real one; loom's cells check it.
    unsafe impl Sync for Memory {}

    impl Memory {
        pub(in super::super) fn on_heap(capacity: usize) -> Result<Self, RingError> {
            let words = capacity / 8;
            Ok(Self {
                producer: ProducerPage::default(),
                consumer: ConsumerPage::default(),
                data: (0..words).map(|_| UnsafeCell::new(0)).collect(),
                touched: (0..words).map(|_| loom::cell::UnsafeCell::new(())).collect(),
            })
        }

        pub(in super::super) fn capacity(&self) -> usize {
            self.data.len() * 8
        }

        pub(in super::super) fn producer_page(&self) -> &ProducerPage {
            &self.producer
        }

        pub(in super::super) fn consumer_page(&self) -> &ConsumerPage {
            &self.consumer
        }

        fn data(&self) -> *mut u8 {
            UnsafeCell::raw_get(self.data.as_ptr()).cast()
        }

        fn written(&self, offset: usize, len: usize) {
            for word in &self.touched[offset / 8..(offset + len).div_ceil(8)] {
                word.with_mut(|_| ());
            }
        }

        fn read(&self, offset: usize, len: usize) {
            for word in &self.touched[offset / 8..(offset + len).div_ceil(8)] {
                word.with(|_| ());
            }
        }

        pub(in super::super) unsafe fn write_words<const N: usize>(
            &self,
            offset: usize,
            words: [u64; N],
        ) {
            self.written(offset, 8 * N);
            // SAFETY: the caller's contract, as in the real one.
            unsafe { self.data().add(offset).cast::<[u64; N]>().write(words) };
        }

        pub(in super::super) unsafe fn write_byte(&self, offset: usize, byte: u8) {
            self.written(offset, 1);
            // SAFETY: the caller's contract, as in the real one.
            unsafe { self.data().add(offset).write(byte) };
        }

        pub(in super::super) unsafe fn stream_lines(&self, offset: usize, source: &[u8]) {
            // SAFETY: the caller's contract is stricter.
            unsafe { self.write_bytes(offset, source) };
        }

        pub(in super::super) unsafe fn write_lines(&self, offset: usize, source: &[u8]) {
            // SAFETY: the caller's contract is stricter.
            unsafe { self.write_bytes(offset, source) };
        }

        pub(in super::super) fn fence(&self) {}

        pub(in super::super) fn prefetch(&self, _: usize) {}

        pub(in super::super) unsafe fn write_bytes(&self, offset: usize, source: &[u8]) {
            self.written(offset, source.len());
            // SAFETY: the caller's contract, as in the real one.
            unsafe {
                core::ptr::copy_nonoverlapping(
                    source.as_ptr(),
                    self.data().add(offset),
                    source.len(),
                );
            }
        }

        pub(in super::super) unsafe fn read_words<const N: usize>(
            &self,
            offset: usize,
        ) -> [u64; N] {
            self.read(offset, 8 * N);
            // SAFETY: the caller's contract, as in the real one.
            unsafe { self.data().add(offset).cast::<[u64; N]>().read() }
        }

        pub(in super::super) unsafe fn bytes(&self, offset: usize, len: usize) -> &[u8] {
            self.read(offset, len);
            // SAFETY: the caller's contract, as in the real one.
            unsafe { core::slice::from_raw_parts(self.data().add(offset), len) }
        }
    }
}
