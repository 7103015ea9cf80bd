//! Rings of mbufs, and ports that stand on rings: rigs for tests and benches.

use std::ffi::CString;
use std::fmt;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use umbra_dpdk_sys as sys;

use crate::burst::Burst;
use crate::eal::{Eal, EalRef, NumaNode};
use crate::errno::Errno;
use crate::port::{Port, PortError};

/// Who may be at the ends of a ring.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RingMode {
    /// Any number of threads at both ends.
    #[default]
    Multi,
    /// One at each end, which is faster. An end that a port stands on is that port's alone.
    Single,
}

/// A ring or a port on rings could not be made.
#[derive(Debug, thiserror::Error)]
pub enum RingError {
    /// Name too long, empty or with a NUL.
    #[error("ring name {name:?} is not usable: 1 to {max} bytes, none of them NUL")]
    Name { name: String, max: usize },
    /// Not a size of a ring.
    #[error("ring {name} of {slots} slots: a power of two from 2 to 2^30 is needed")]
    Slots { name: String, slots: u32 },
    /// Refused by DPDK.
    #[error("cannot make ring {name} of {slots} slots: {errno}")]
    Create { name: String, slots: u32, errno: Errno },
    /// A single-ended ring has its one user already.
    #[error(
        "the {end} end of ring {name} is taken; a ring of RingMode::Single has one user per end"
    )]
    EndTaken { name: String, end: &'static str },
    /// A port has one ring per queue and direction at least.
    #[error("port {name} needs 1 to 16 rings in each direction")]
    NoRings { name: String },
    /// Refused by the ring driver.
    #[error("cannot make port {name} from rings: {errno}")]
    Port { name: String, errno: Errno },
    /// The port could not be claimed.
    #[error(transparent)]
    Claim(#[from] PortError),
}

/// States of an end of a single-ended ring.
const FREE: u8 = 0;
const BUSY: u8 = 1;
const PORTS: u8 = 2;

struct RingInner {
    ring: NonNull<sys::rte_ring>,
    name: String,
    mode: RingMode,
    producer: AtomicU8,
    consumer: AtomicU8,
    _eal: EalRef,
}

// SAFETY: an rte_ring is made for many threads; where it is single-ended, `producer` and `consumer`
// admit one at a time.
unsafe impl Send for RingInner {}
// SAFETY: as above.
unsafe impl Sync for RingInner {}

impl Drop for RingInner {
    fn drop(&mut self) {
        let mut burst = Burst::<32>::new();
        loop {
            let (slots, room) = burst.spare();
            // SAFETY: the ring is live and the last handle is ours (a port on it holds one too);
            // it holds only mbufs that were owned when they went in.
            unsafe {
                let ring = self.ring.as_ptr();
                let count = sys::shim_ring_dequeue_burst(ring, slots, room as u32) as usize;
                if count == 0 {
                    break;
                }
                burst.assume_filled(count);
            }
            burst.free_all();
        }
        // SAFETY: empty, and nobody has it any more.
        unsafe { sys::rte_ring_free(self.ring.as_ptr()) };
    }
}

/// A ring of mbufs, which it owns while they are in it; clones are handles to the same one.
#[derive(Clone)]
pub struct Ring(Arc<RingInner>);

impl fmt::Debug for Ring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ring").field("name", &self.0.name).field("len", &self.len()).finish()
    }
}

impl Ring {
    /// A ring of `slots` slots, a power of two, of which it uses all but one.
    ///
    /// # Errors
    /// [`RingError`].
    pub fn create(
        eal: &Eal,
        name: &str,
        slots: u32,
        mode: RingMode,
        node: NumaNode,
    ) -> Result<Ring, RingError> {
        let max = sys::SHIM_RING_NAMESIZE - 1;
        let c_name = CString::new(name)
            .ok()
            .filter(|_| !name.is_empty() && name.len() <= max)
            .ok_or_else(|| RingError::Name { name: name.into(), max })?;
        if !slots.is_power_of_two() || !(2..=1 << 30).contains(&slots) {
            return Err(RingError::Slots { name: name.into(), slots });
        }
        let flags = match mode {
            RingMode::Multi => 0,
            RingMode::Single => sys::SHIM_RING_F_SP_ENQ | sys::SHIM_RING_F_SC_DEQ,
        };
        // SAFETY: a NUL-terminated name, which DPDK copies.
        let ring = unsafe { sys::rte_ring_create(c_name.as_ptr(), slots, node.socket(), flags) };
        let ring = NonNull::new(ring).ok_or_else(|| RingError::Create {
            name: name.into(),
            slots,
            errno: Errno::last(),
        })?;
        Ok(Ring(Arc::new(RingInner {
            ring,
            name: name.into(),
            mode,
            producer: AtomicU8::new(FREE),
            consumer: AtomicU8::new(FREE),
            _eal: eal.inner.clone(),
        })))
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Mbufs in it.
    pub fn len(&self) -> usize {
        // SAFETY: two loads on a live ring.
        unsafe { sys::shim_ring_count(self.0.ring.as_ptr()) as usize }
    }

    /// True without mbufs.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Mbufs that it can hold.
    pub fn capacity(&self) -> usize {
        // SAFETY: reads a constant field of a live ring.
        unsafe { sys::shim_ring_capacity(self.0.ring.as_ptr()) as usize }
    }

    /// Runs `operation` as the end's one user; `None` when somebody else is.
    fn at_end<T>(&self, end: &AtomicU8, operation: impl FnOnce() -> T) -> Option<T> {
        if self.0.mode == RingMode::Multi {
            return Some(operation());
        }
        end.compare_exchange(FREE, BUSY, Ordering::Acquire, Ordering::Relaxed).ok()?;
        let result = operation();
        end.store(FREE, Ordering::Release);
        Some(result)
    }

    /// Puts frames in from the front of the burst, what does not fit stays; returns how many went
    /// in. None into a single-ended ring whose producer is somebody else.
    pub fn enqueue<const N: usize>(&self, burst: &mut Burst<N>) -> usize {
        let (mbufs, len) = burst.filled();
        let count = self.at_end(&self.0.producer, || {
            // SAFETY: `len` mbufs of ours; we are an allowed producer.
            unsafe { sys::shim_ring_enqueue_burst(self.0.ring.as_ptr(), mbufs, len as u32) }
        });
        let count = count.unwrap_or(0) as usize;
        // SAFETY: the ring owns the first `count` now.
        unsafe { burst.forget_front(count) };
        count
    }

    /// Takes frames out, behind those in the burst; returns how many. None from a single-ended ring
    /// whose consumer is somebody else.
    pub fn dequeue<const N: usize>(&self, burst: &mut Burst<N>) -> usize {
        let (slots, room) = burst.spare();
        let count = self.at_end(&self.0.consumer, || {
            // SAFETY: room for `room` pointers; we are an allowed consumer.
            unsafe { sys::shim_ring_dequeue_burst(self.0.ring.as_ptr(), slots, room as u32) }
        });
        let count = count.unwrap_or(0) as usize;
        // SAFETY: the first `count` slots hold mbufs that the ring owned and gave up.
        unsafe { burst.assume_filled(count) };
        count
    }

    /// Gives an end to a port for good.
    fn take_end(&self, end: &AtomicU8, name: &'static str) -> Result<(), RingError> {
        if self.0.mode == RingMode::Single
            && end.compare_exchange(FREE, PORTS, Ordering::AcqRel, Ordering::Relaxed).is_err()
        {
            return Err(RingError::EndTaken { name: self.0.name.clone(), end: name });
        }
        Ok(())
    }
}

/// A port that receives from the rings of `rx` and sends into those of `tx`, queue by queue. The same
/// ring at both ends of two ports makes a cable; at both ends of one, a loop.
///
/// # Errors
/// [`RingError`].
pub fn eth_from_rings(
    eal: &Eal,
    name: &str,
    rx: &[Ring],
    tx: &[Ring],
    node: NumaNode,
) -> Result<Port, RingError> {
    // RTE_PMD_RING_MAX_RX_RINGS and its twin.
    if !(1..=16).contains(&rx.len()) || !(1..=16).contains(&tx.len()) {
        return Err(RingError::NoRings { name: name.into() });
    }
    // The device's name is the port's with net_ring_ before it.
    let max = sys::SHIM_ETH_NAME_MAX_LEN - "net_ring_".len() - 1;
    let c_name = CString::new(name)
        .ok()
        .filter(|_| !name.is_empty() && name.len() <= max)
        .ok_or_else(|| RingError::Name { name: name.into(), max })?;
    for ring in rx {
        ring.take_end(&ring.0.consumer, "consumer")?;
    }
    for ring in tx {
        ring.take_end(&ring.0.producer, "producer")?;
    }
    let pointers = |rings: &[Ring]| rings.iter().map(|r| r.0.ring.as_ptr()).collect::<Vec<_>>();
    let (rx_pointers, tx_pointers) = (pointers(rx), pointers(tx));
    let socket = match node {
        NumaNode::Any => 0,
        NumaNode::Node(node) => node,
    };
    // SAFETY: arrays of live rings with their lengths, which the driver copies; the port that is
    // claimed below keeps the rings until the device is closed.
    let id = unsafe {
        sys::rte_eth_from_rings(
            c_name.as_ptr(),
            rx_pointers.as_ptr(),
            rx_pointers.len() as u32,
            tx_pointers.as_ptr(),
            tx_pointers.len() as u32,
            socket,
        )
    };
    let Ok(id) = u16::try_from(id) else {
        return Err(RingError::Port { name: name.into(), errno: Errno::last() });
    };
    let rings: Vec<Ring> = rx.iter().chain(tx).cloned().collect();
    Port::claim(eal, id, name.to_owned(), rings.clone()).map_err(|error| {
        // Somebody claimed it by name in between, without its rings: they must outlive it.
        std::mem::forget(rings);
        error.into()
    })
}
