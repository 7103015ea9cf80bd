//! Queues: what a worker polls.

use std::cell::Cell;
use std::fmt;
use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use umbra_dpdk_sys as sys;

use super::PortShared;
use crate::burst::Burst;

/// Poll-mode queues are for one thread at a time: they may move, not be shared.
type NotSync = PhantomData<Cell<()>>;

/// The places where the driver's burst function, its queue and the queue's callbacks stand.
///
/// What `rte_eth_rx_burst` does, an inline in C, is done here with them: one indirect call per burst
/// instead of a call into the shim and one from there. Measured on a net_null pair: about 1 cycle
/// per packet of 43.
#[derive(Clone, Copy)]
struct Fast(sys::shim_eth_fast);

impl Fast {
    /// `None` where ethdev has no place for the queue.
    fn find(
        find: unsafe extern "C" fn(u16, u16, *mut sys::shim_eth_fast) -> bool,
        port: u16,
        queue: u16,
    ) -> Option<Fast> {
        let mut places = MaybeUninit::<sys::shim_eth_fast>::zeroed();
        // SAFETY: the shim checks port and queue and fills the structure where it returns true.
        let found = unsafe { find(port, queue, places.as_mut_ptr()) };
        // SAFETY: filled.
        found.then(|| Fast(unsafe { places.assume_init() }))
    }

    /// Calls the driver, or returns `None` where callbacks are to be called too.
    ///
    /// # Safety
    /// The port is started, the queue is the caller's alone, and `mbufs` is good for `count`
    /// pointers as the driver's function wants them.
    #[inline(always)]
    unsafe fn call(&self, mbufs: *mut *mut sys::rte_mbuf, count: u16) -> Option<u16> {
        // SAFETY: the places lie in rte_eth_fp_ops and in ethdev's array of queues, which stay while
        // the port is started. Callbacks are put up by other threads with a release store, and here
        // it only matters whether there are any: the shim reads them again in the proper order.
        let callbacks = unsafe { self.0.callbacks.read_volatile() };
        if !callbacks.is_null() {
            return None;
        }
        // SAFETY: as above; function and queue change only while the port is stopped.
        let (burst, queue) = unsafe { (self.0.burst.read(), self.0.queue.read()) };
        // SAFETY: by the caller's promise.
        burst.map(|burst| unsafe { burst(queue, mbufs, count) })
    }
}

/// A receive queue of a started port. One exists per queue; while it does, its port cannot stop.
pub struct RxQueue {
    port: u16,
    queue: u16,
    fast: Option<Fast>,
    shared: Arc<PortShared>,
    _not_sync: NotSync,
}

/// A transmit queue of a started port. One exists per queue; while it does, its port cannot stop.
pub struct TxQueue {
    port: u16,
    queue: u16,
    fast: Option<Fast>,
    shared: Arc<PortShared>,
    _not_sync: NotSync,
}

// SAFETY: the places belong to ethdev, not to a thread; whoever holds the queue may use them.
unsafe impl Send for Fast {}

impl fmt::Debug for RxQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RxQueue({}:{})", self.shared.name, self.queue)
    }
}

impl fmt::Debug for TxQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TxQueue({}:{})", self.shared.name, self.queue)
    }
}

impl Drop for RxQueue {
    fn drop(&mut self) {
        self.shared.rx_live.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Drop for TxQueue {
    fn drop(&mut self) {
        self.shared.tx_live.fetch_sub(1, Ordering::AcqRel);
    }
}

impl RxQueue {
    /// Called once per queue and start, with the port's lock held.
    pub(super) fn new(shared: &Arc<PortShared>, queue: u16) -> Self {
        shared.rx_live.fetch_add(1, Ordering::AcqRel);
        let fast = Fast::find(sys::shim_eth_rx_fast, shared.id, queue);
        RxQueue { port: shared.id, queue, fast, shared: Arc::clone(shared), _not_sync: PhantomData }
    }

    /// Receives as many frames as there are and fit, behind those in the burst; returns how many.
    ///
    /// Give it an empty burst of 32 or more: some drivers receive nothing where there is room for
    /// less than one group of descriptors (4 to 32).
    #[inline(always)]
    pub fn burst<const N: usize>(&mut self, burst: &mut Burst<N>) -> usize {
        self.burst_up_to(burst, u16::MAX)
    }

    /// The same with at most `limit` frames.
    #[inline(always)]
    pub fn burst_up_to<const N: usize>(&mut self, burst: &mut Burst<N>, limit: u16) -> usize {
        const { assert!(N <= u16::MAX as usize, "a burst is at most 65535 frames") };
        let (slots, room) = burst.spare();
        let room = (room as u16).min(limit);
        // SAFETY: the port is started (it cannot stop while this queue exists), the queue is ours
        // alone (&mut), and `slots` has room for `room` pointers, which is at most u16::MAX.
        let fast = self.fast.and_then(|fast| unsafe { fast.call(slots, room) });
        let received = match fast {
            Some(received) => received,
            // SAFETY: as above.
            None => unsafe { sys::shim_eth_rx_burst(self.port, self.queue, slots, room) },
        };
        // SAFETY: rx_burst initialised the first `received` slots with mbufs that are now ours.
        unsafe { burst.assume_filled(usize::from(received)) };
        usize::from(received)
    }

    /// Descriptors that hold a frame which is not yet received; `None` where the driver cannot tell.
    pub fn pending(&mut self) -> Option<u32> {
        // SAFETY: as in burst.
        let count = unsafe { sys::shim_eth_rx_queue_count(self.port, self.queue) };
        u32::try_from(count).ok()
    }

    /// DPDK's number of the port.
    pub fn port_id(&self) -> u16 {
        self.port
    }

    /// Name of the port.
    pub fn port_name(&self) -> &str {
        &self.shared.name
    }

    /// Number of the queue.
    pub fn id(&self) -> u16 {
        self.queue
    }
}

impl TxQueue {
    /// Called once per queue and start, with the port's lock held.
    pub(super) fn new(shared: &Arc<PortShared>, queue: u16) -> Self {
        shared.tx_live.fetch_add(1, Ordering::AcqRel);
        let fast = Fast::find(sys::shim_eth_tx_fast, shared.id, queue);
        TxQueue { port: shared.id, queue, fast, shared: Arc::clone(shared), _not_sync: PhantomData }
    }

    /// Sends from the front. What the driver accepted leaves the burst, the rest stays in order at its
    /// front; returns the number accepted.
    ///
    /// A frame of more segments than [`super::PortReport::tx_segments_max`] can hang a device: take
    /// such frames out first.
    #[inline(always)]
    pub fn burst<const N: usize>(&mut self, burst: &mut Burst<N>) -> usize {
        const { assert!(N <= u16::MAX as usize, "a burst is at most 65535 frames") };
        let (mbufs, len) = burst.filled();
        if len == 0 {
            return 0;
        }
        // SAFETY: the port is started (it cannot stop while this queue exists), the queue is ours
        // alone (&mut), and `mbufs` holds `len` mbufs of ours, which is at most u16::MAX.
        let fast = self.fast.and_then(|fast| unsafe { fast.call(mbufs, len as u16) });
        let sent = match fast {
            Some(sent) => sent,
            // SAFETY: as above.
            None => unsafe { sys::shim_eth_tx_burst(self.port, self.queue, mbufs, len as u16) },
        };
        // SAFETY: tx_burst took over the first `sent` mbufs and left the others.
        unsafe { burst.forget_front(usize::from(sent)) };
        usize::from(sent)
    }

    /// DPDK's number of the port.
    pub fn port_id(&self) -> u16 {
        self.port
    }

    /// Name of the port.
    pub fn port_name(&self) -> &str {
        &self.shared.name
    }

    /// Number of the queue.
    pub fn id(&self) -> u16 {
        self.queue
    }
}
