//! A frame in packet memory, with one owner.

use std::fmt;
use std::mem::ManuallyDrop;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU16, Ordering};

use umbra_dpdk_sys as sys;

/// What the NIC found out about a checksum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RxChecksum {
    /// Nothing.
    #[default]
    Unknown,
    /// Right.
    Good,
    /// Wrong.
    Bad,
    /// Not filled in by the sender, but the data is intact (a virtual machine next door).
    Absent,
}

/// A frame: one or more chained segments of packet memory. Freed when dropped.
///
/// Fields are read at offsets that the C compiler computed, so no accessor calls into C.
#[repr(transparent)]
pub struct Mbuf(NonNull<sys::rte_mbuf>);

// SAFETY: an mbuf belongs to no thread: DPDK hands them from lcore to lcore, and freeing goes to the
// cache of the thread that does it.
unsafe impl Send for Mbuf {}

impl fmt::Debug for Mbuf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mbuf")
            .field("pkt_len", &self.pkt_len())
            .field("nb_segs", &self.nb_segs())
            .field("port", &self.port())
            .finish_non_exhaustive()
    }
}

impl Drop for Mbuf {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: we own the mbuf and its chain, and it is not used after drop.
        unsafe { sys::shim_pktmbuf_free(self.0.as_ptr()) };
    }
}

/// Reads a field of an mbuf.
///
/// # Safety
/// `mbuf` is live and a field of type T lies at `offset`.
#[inline(always)]
unsafe fn read<T: Copy>(mbuf: NonNull<sys::rte_mbuf>, offset: usize) -> T {
    // SAFETY: by the caller; the offsets are those of the C compiler, so aligned and in bounds.
    unsafe { mbuf.as_ptr().cast::<u8>().add(offset).cast::<T>().read() }
}

/// Writes a field of an mbuf.
///
/// # Safety
/// As for [`read`], and nobody else reads the mbuf.
#[inline(always)]
unsafe fn write<T: Copy>(mbuf: NonNull<sys::rte_mbuf>, offset: usize, value: T) {
    // SAFETY: by the caller.
    unsafe { mbuf.as_ptr().cast::<u8>().add(offset).cast::<T>().write(value) }
}

/// Data of one segment.
///
/// # Safety
/// `segment` is live for 'a and nobody writes its data meanwhile.
#[inline(always)]
unsafe fn segment_data<'a>(segment: NonNull<sys::rte_mbuf>) -> &'a [u8] {
    // SAFETY: buf_addr points at the segment's buffer, in which data_len bytes from data_off on are
    // the frame's; packet memory is mapped and was zeroed when it was, so it is initialised.
    unsafe {
        let buffer: *const u8 = read(segment, sys::SHIM_MBUF_BUF_ADDR);
        let offset: u16 = read(segment, sys::SHIM_MBUF_DATA_OFF);
        let len: u16 = read(segment, sys::SHIM_MBUF_DATA_LEN);
        std::slice::from_raw_parts(buffer.add(usize::from(offset)), usize::from(len))
    }
}

impl Mbuf {
    /// Takes ownership of an mbuf.
    ///
    /// # Safety
    /// The mbuf is the head of its chain, live, owned by the caller alone (reference count 1, or the
    /// data is not written by the other owners), and its pool came from [`crate::Mempool`] or is
    /// never freed.
    #[inline(always)]
    pub unsafe fn from_ptr(mbuf: NonNull<sys::rte_mbuf>) -> Self {
        Mbuf(mbuf)
    }

    /// Gives ownership away, to free or to send by the raw bindings.
    #[inline(always)]
    pub fn into_ptr(self) -> NonNull<sys::rte_mbuf> {
        ManuallyDrop::new(self).0
    }

    /// The raw mbuf, still owned by this.
    #[inline(always)]
    pub fn as_ptr(&self) -> *mut sys::rte_mbuf {
        self.0.as_ptr()
    }

    #[inline(always)]
    fn field<T: Copy>(&self, offset: usize) -> T {
        // SAFETY: the mbuf is ours and live; this is private and called with SHIM_MBUF_… offsets
        // and the type that the field has.
        unsafe { read(self.0, offset) }
    }

    #[inline(always)]
    fn set_field<T: Copy>(&mut self, offset: usize, value: T) {
        // SAFETY: as for `field`; the mbuf is borrowed mutably.
        unsafe { write(self.0, offset, value) }
    }

    /// Length of the frame in bytes, all segments, without FCS.
    #[inline(always)]
    pub fn pkt_len(&self) -> u32 {
        self.field(sys::SHIM_MBUF_PKT_LEN)
    }

    /// Length of the first segment in bytes.
    #[inline(always)]
    pub fn data_len(&self) -> u16 {
        self.field(sys::SHIM_MBUF_DATA_LEN)
    }

    /// Number of segments, at least one.
    #[inline(always)]
    pub fn nb_segs(&self) -> u16 {
        self.field(sys::SHIM_MBUF_NB_SEGS)
    }

    /// Id of the port that it was received on; 65535 for one that was not.
    #[inline(always)]
    pub fn port(&self) -> u16 {
        self.field(sys::SHIM_MBUF_PORT)
    }

    #[inline(always)]
    fn ol_flags(&self) -> u64 {
        self.field(sys::SHIM_MBUF_OL_FLAGS)
    }

    /// Data of the first segment.
    #[inline(always)]
    pub fn data(&self) -> &[u8] {
        // SAFETY: the mbuf is ours for the borrow, and an owner who shares its data (from_ptr) has
        // promised that nobody writes it.
        unsafe { segment_data(self.0) }
    }

    /// Data of the first segment, to write. `None` when it is shared with another mbuf.
    pub fn data_mut(&mut self) -> Option<&mut [u8]> {
        let shared = sys::SHIM_MBUF_F_INDIRECT | sys::SHIM_MBUF_F_EXTERNAL;
        if self.ol_flags() & shared != 0 || self.refcnt() != 1 {
            return None;
        }
        // SAFETY: the buffer is this mbuf's own, the reference count says that it is ours alone,
        // and the mutable borrow keeps other views away.
        unsafe {
            let data = segment_data(self.0);
            Some(std::slice::from_raw_parts_mut(data.as_ptr().cast_mut(), data.len()))
        }
    }

    fn refcnt(&self) -> u16 {
        // SAFETY: refcnt is a 16-bit field that C accesses atomically too; the mbuf is live.
        let refcnt = unsafe {
            &*self.0.as_ptr().cast::<u8>().add(sys::SHIM_MBUF_REFCNT).cast::<AtomicU16>()
        };
        refcnt.load(Ordering::Acquire)
    }

    /// Data of all segments in order.
    #[inline(always)]
    pub fn segments(&self) -> Segments<'_> {
        Segments { next: Some(self.0), left: self.nb_segs(), _mbuf: std::marker::PhantomData }
    }

    /// The hash of the flow that the NIC computed, where it did.
    #[inline(always)]
    pub fn rss_hash(&self) -> Option<u32> {
        if self.ol_flags() & sys::SHIM_MBUF_F_RX_RSS_HASH != 0 {
            Some(self.field(sys::SHIM_MBUF_HASH_RSS))
        } else {
            None
        }
    }

    /// The hashes that the NIC computed for all of `mbufs`; false where any has none. A loop of three
    /// loads a frame, without a branch.
    #[inline(always)]
    pub fn rss_hashes<const N: usize>(mbufs: &[Mbuf], out: &mut [u32; N]) -> bool {
        let mut flags = sys::SHIM_MBUF_F_RX_RSS_HASH;
        for (mbuf, out) in mbufs.iter().zip(out) {
            *out = mbuf.field(sys::SHIM_MBUF_HASH_RSS);
            flags &= mbuf.ol_flags();
        }
        flags != 0
    }

    /// Sets a hash as a NIC would; for rigs without one.
    pub fn set_rss_hash(&mut self, hash: u32) {
        self.set_field(sys::SHIM_MBUF_HASH_RSS, hash);
        let flags = self.ol_flags() | sys::SHIM_MBUF_F_RX_RSS_HASH;
        self.set_field(sys::SHIM_MBUF_OL_FLAGS, flags);
    }

    /// What the NIC said of the IPv4 header checksum.
    #[inline(always)]
    pub fn rx_ip_checksum(&self) -> RxChecksum {
        match self.ol_flags() & sys::SHIM_MBUF_F_RX_IP_CKSUM_MASK {
            sys::SHIM_MBUF_F_RX_IP_CKSUM_GOOD => RxChecksum::Good,
            sys::SHIM_MBUF_F_RX_IP_CKSUM_BAD => RxChecksum::Bad,
            sys::SHIM_MBUF_F_RX_IP_CKSUM_NONE => RxChecksum::Absent,
            _ => RxChecksum::Unknown,
        }
    }

    /// What the NIC said of the TCP or UDP checksum.
    #[inline(always)]
    pub fn rx_l4_checksum(&self) -> RxChecksum {
        match self.ol_flags() & sys::SHIM_MBUF_F_RX_L4_CKSUM_MASK {
            sys::SHIM_MBUF_F_RX_L4_CKSUM_GOOD => RxChecksum::Good,
            sys::SHIM_MBUF_F_RX_L4_CKSUM_BAD => RxChecksum::Bad,
            sys::SHIM_MBUF_F_RX_L4_CKSUM_NONE => RxChecksum::Absent,
            _ => RxChecksum::Unknown,
        }
    }

    /// Fetches the cache line of the fields that are read per frame.
    #[inline(always)]
    pub fn prefetch(&self) {
        prefetch(self.0.as_ptr().cast());
    }

    /// Fetches the cache line of the fields and, at the same time, the one where the frame begins if
    /// the mbuf is as pools make them: no private area, the usual headroom. A guess, because to know
    /// would be to wait for the first line; a wrong one costs a line fetched in vain.
    #[inline(always)]
    pub fn prefetch_head(&self) {
        self.prefetch();
        let start = self.0.as_ptr().cast::<u8>();
        prefetch(start.wrapping_add(sys::SHIM_MBUF_SIZE + sys::SHIM_MBUF_HEADROOM));
    }

    /// Appends bytes to the last segment; false when they do not fit there.
    pub fn append(&mut self, bytes: &[u8]) -> bool {
        let Ok(len) = u16::try_from(bytes.len()) else {
            return false;
        };
        // SAFETY: the chain is ours; DPDK checks the tailroom and returns NULL or `len` bytes of
        // the last segment's buffer, which the source cannot overlap: it is a live Rust slice, and
        // a view of this mbuf's data ends before its tailroom.
        unsafe {
            let room = sys::shim_pktmbuf_append(self.0.as_ptr(), len).cast::<u8>();
            if room.is_null() {
                return false;
            }
            room.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len());
        }
        true
    }

    /// Hangs another frame behind this one, as further segments of it.
    ///
    /// # Errors
    /// The other one again when there would be too many segments.
    pub fn chain(&mut self, tail: Mbuf) -> Result<(), Mbuf> {
        let tail = tail.into_ptr();
        // SAFETY: both chains are ours; on success the head's chain takes the tail over.
        let rc = unsafe { sys::shim_pktmbuf_chain(self.0.as_ptr(), tail.as_ptr()) };
        // SAFETY: refused, so the tail was left as it is and is still ours.
        if rc == 0 { Ok(()) } else { Err(unsafe { Mbuf::from_ptr(tail) }) }
    }

    /// Bytes that [`append`](Self::append) can take.
    pub fn tailroom(&self) -> u16 {
        // SAFETY: reads the last segment of a chain that is ours.
        unsafe { sys::shim_pktmbuf_tailroom(self.0.as_ptr()) }
    }

    /// A copy of the whole frame; not for a packet path.
    pub fn to_vec(&self) -> Vec<u8> {
        self.segments().flatten().copied().collect()
    }
}

#[inline(always)]
fn prefetch(address: *const u8) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch never faults, whatever the address.
    unsafe {
        core::arch::x86_64::_mm_prefetch::<{ core::arch::x86_64::_MM_HINT_T0 }>(address.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = address;
}

/// Iterator over the segments' data, see [`Mbuf::segments`].
#[derive(Clone)]
pub struct Segments<'a> {
    next: Option<NonNull<sys::rte_mbuf>>,
    /// Bounds the walk by what the head says, should a driver have built a bad chain.
    left: u16,
    _mbuf: std::marker::PhantomData<&'a Mbuf>,
}

impl fmt::Debug for Segments<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Segments").field("left", &self.left).finish_non_exhaustive()
    }
}

impl<'a> Iterator for Segments<'a> {
    type Item = &'a [u8];

    #[inline(always)]
    fn next(&mut self) -> Option<&'a [u8]> {
        let segment = self.next?;
        if self.left == 0 {
            return None;
        }
        self.left -= 1;
        // The second cache line, where `next` is, is only touched where there is a next.
        self.next = if self.left == 0 {
            None
        } else {
            // SAFETY: segments of a chain live as long as its head, which is borrowed for 'a.
            NonNull::new(unsafe { read(segment, sys::SHIM_MBUF_NEXT) })
        };
        // SAFETY: as above; see Mbuf::data on writers.
        Some(unsafe { segment_data(segment) })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (0, Some(usize::from(self.left)))
    }
}
