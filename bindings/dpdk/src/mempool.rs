//! Pools of packet memory.

use std::ffi::CString;
use std::fmt;
use std::ptr::NonNull;
use std::sync::Arc;

use umbra_dpdk_sys as sys;

use crate::burst::Burst;
use crate::eal::{Eal, EalRef, NumaNode};
use crate::errno::Errno;
use crate::mbuf::Mbuf;

/// Bytes of a frame that one mbuf holds where nothing else is said; an Ethernet frame fits with all
/// its tags, and no driver asks for more.
pub const DEFAULT_DATA_ROOM: u16 = 2048;

/// Largest per-lcore cache.
pub const MAX_CACHE: u32 = sys::SHIM_MEMPOOL_CACHE_MAX_SIZE;

/// A pool could not be made or used.
#[derive(Debug, thiserror::Error)]
pub enum MempoolError {
    /// Name too long, empty or with a NUL.
    #[error("pool name {name:?} is not usable: 1 to {max} bytes, none of them NUL")]
    Name { name: String, max: usize },
    /// Cache out of range.
    #[error("a cache of {cache} mbufs per core is out of range for pool {name}: 0 to {max}")]
    Cache { name: String, cache: u32, max: u32 },
    /// Data room out of range.
    #[error("a data room of {data_room} bytes is out of range for pool {name}: 64 to {max}")]
    DataRoom { name: String, data_room: u16, max: u16 },
    /// No such memory.
    #[error(
        "no memory for pool {name}: {mbufs} mbufs of {data_room} bytes need about {mib} MiB on NUMA \
         node {node} ({errno}). Give EAL more (-m MIB with --no-huge, else echo PAGES > \
         /sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages) or ask for fewer mbufs"
    )]
    NoMemory { name: String, mbufs: u32, data_room: u16, mib: u64, node: NumaNode, errno: Errno },
    /// Refused for another reason.
    #[error("cannot make pool {name} of {mbufs} mbufs: {errno}")]
    Create { name: String, mbufs: u32, errno: Errno },
    /// A port frees straight into the only pool.
    #[error(
        "no second pool {name}: port {port} frees its mbufs straight into the first one (fast free). \
         Make all pools before that port, or leave PortConfig::fast_free off"
    )]
    Sealed { name: String, port: String },
    /// All mbufs are in use.
    #[error("pool {name} has too few mbufs left: {available} of {size}")]
    Exhausted { name: String, available: u32, size: u32 },
    /// Too long for any chain.
    #[error("a frame of {len} bytes needs more than {max_segments} segments of pool {name}")]
    FrameTooLong { name: String, len: usize, max_segments: usize },
}

struct PoolInner {
    pool: NonNull<sys::rte_mempool>,
    name: String,
    data_room: u16,
    node: NumaNode,
    eal: EalRef,
}

// SAFETY: DPDK's mempools are made for use by many threads at once.
unsafe impl Send for PoolInner {}
// SAFETY: as above; all methods go through DPDK's own synchronisation.
unsafe impl Sync for PoolInner {}

impl Drop for PoolInner {
    fn drop(&mut self) {
        // Mbufs may still be about; EAL frees the pool when they are back.
        self.eal.orphan_pool(self.pool, std::mem::take(&mut self.name));
    }
}

/// A pool of mbufs; clones are handles to the same one. When the last handle is dropped, the pool is
/// freed as soon as its mbufs are back.
#[derive(Clone)]
pub struct Mempool(Arc<PoolInner>);

impl fmt::Debug for Mempool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mempool")
            .field("name", &self.0.name)
            .field("size", &self.size())
            .field("data_room", &self.0.data_room)
            .finish_non_exhaustive()
    }
}

impl Mempool {
    /// A pool of `mbufs` mbufs, each with room for `data_room` bytes of a frame (and DPDK's headroom
    /// before them), with a cache of `cache` mbufs per lcore. Where `node` has no memory it is taken
    /// anywhere, with a warning. A ring of 2^q - 1 mbufs wastes least.
    ///
    /// # Errors
    /// [`MempoolError`], which names the legal range or the memory that is missing.
    pub fn pktmbuf(
        eal: &Eal,
        name: &str,
        mbufs: u32,
        cache: u32,
        data_room: u16,
        node: NumaNode,
    ) -> Result<Mempool, MempoolError> {
        let max = sys::SHIM_MEMPOOL_NAMESIZE - "MP_".len() - 1;
        let c_name = CString::new(name)
            .ok()
            .filter(|_| !name.is_empty() && name.len() <= max)
            .ok_or_else(|| MempoolError::Name { name: name.into(), max })?;
        // rte_mempool refuses a cache whose flush threshold (1.5 times) exceeds the pool.
        let max_cache = MAX_CACHE.min((u64::from(mbufs) * 2 / 3) as u32);
        if cache > max_cache {
            return Err(MempoolError::Cache { name: name.into(), cache, max: max_cache });
        }
        let headroom = sys::SHIM_MBUF_HEADROOM as u16;
        let max_room = u16::MAX - headroom;
        if !(64..=max_room).contains(&data_room) {
            return Err(MempoolError::DataRoom { name: name.into(), data_room, max: max_room });
        }
        eal.inner.sweep_pools();
        let mut state = eal.inner.lock();
        if let Some(port) = &state.sealed_by {
            return Err(MempoolError::Sealed { name: name.into(), port: port.clone() });
        }
        let create = |node: NumaNode| {
            // SAFETY: a NUL-terminated name, which DPDK copies; sizes are within its limits.
            let pool = unsafe {
                sys::rte_pktmbuf_pool_create(
                    c_name.as_ptr(),
                    mbufs,
                    cache,
                    0,
                    data_room + headroom,
                    node.socket(),
                )
            };
            NonNull::new(pool).ok_or_else(Errno::last)
        };
        let mut made = create(node);
        if made.is_err_and(|e| e.number() == libc::ENOMEM) && node != NumaNode::Any {
            made = create(NumaNode::Any);
            if made.is_ok() {
                log::warn!("NUMA node {node} has no memory for pool {name}: it is on another");
            }
        }
        let pool = made.map_err(|errno| match errno.number() {
            libc::ENOMEM => MempoolError::NoMemory {
                name: name.into(),
                mbufs,
                data_room,
                mib: memory_bytes(mbufs, data_room).div_ceil(1 << 20),
                node,
                errno,
            },
            _ => MempoolError::Create { name: name.into(), mbufs, errno },
        })?;
        state.pools += 1;
        drop(state);
        let inner = PoolInner { pool, name: name.into(), data_room, node, eal: eal.inner.clone() };
        Ok(Mempool(Arc::new(inner)))
    }

    pub(crate) fn as_ptr(&self) -> *mut sys::rte_mempool {
        self.0.pool.as_ptr()
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Bytes of a frame that one mbuf holds.
    pub fn data_room(&self) -> u16 {
        self.0.data_room
    }

    /// The NUMA node that was asked for.
    pub fn node(&self) -> NumaNode {
        self.0.node
    }

    /// Mbufs that there are.
    pub fn size(&self) -> u32 {
        // SAFETY: reads a constant field of a live pool.
        unsafe { sys::shim_mempool_size(self.as_ptr()) }
    }

    /// Mbufs that are free, in the pool or in a core's cache. Approximate while cores work.
    pub fn available(&self) -> u32 {
        // SAFETY: counts in a live pool, by loads only.
        unsafe { sys::rte_mempool_avail_count(self.as_ptr()) }
    }

    /// Mbufs that somebody holds. Approximate while cores work.
    pub fn in_use(&self) -> u32 {
        self.size().saturating_sub(self.available())
    }

    /// An empty mbuf, or `None` when there is none left.
    pub fn alloc(&self) -> Option<Mbuf> {
        // SAFETY: allocates from a live pool; the mbuf is fresh and ours.
        unsafe {
            NonNull::new(sys::shim_pktmbuf_alloc(self.as_ptr())).map(|mbuf| Mbuf::from_ptr(mbuf))
        }
    }

    /// Adds `count` empty mbufs to a burst, all or none; returns how many. None when the burst has no
    /// room for them or the pool has too few.
    pub fn alloc_bulk<const N: usize>(&self, burst: &mut Burst<N>, count: usize) -> usize {
        let (slots, room) = burst.spare();
        if count == 0 || count > room {
            return 0;
        }
        let asked = u32::try_from(count).unwrap_or(u32::MAX);
        // SAFETY: `slots` has room for `count` pointers.
        if unsafe { sys::shim_pktmbuf_alloc_bulk(self.as_ptr(), slots, asked) } != 0 {
            return 0;
        }
        // SAFETY: on success the first `count` slots hold fresh mbufs.
        unsafe { burst.assume_filled(count) };
        count
    }

    /// A frame with these bytes, in as many segments as it takes.
    ///
    /// # Errors
    /// [`MempoolError::Exhausted`], [`MempoolError::FrameTooLong`].
    pub fn alloc_from_bytes(&self, bytes: &[u8]) -> Result<Mbuf, MempoolError> {
        self.alloc_segmented(bytes, usize::from(self.0.data_room))
    }

    /// A frame with these bytes in segments of `segment_len`, for tests of what can come in pieces.
    ///
    /// # Errors
    /// As [`alloc_from_bytes`](Self::alloc_from_bytes).
    pub fn alloc_segmented(&self, bytes: &[u8], segment_len: usize) -> Result<Mbuf, MempoolError> {
        let segment_len = segment_len.clamp(1, usize::from(self.0.data_room));
        let too_long = || MempoolError::FrameTooLong {
            name: self.0.name.clone(),
            len: bytes.len(),
            max_segments: usize::from(u16::MAX),
        };
        let exhausted = || MempoolError::Exhausted {
            name: self.0.name.clone(),
            available: self.available(),
            size: self.size(),
        };
        let mut head = self.alloc().ok_or_else(exhausted)?;
        let mut pieces = bytes.chunks(segment_len);
        if let Some(first) = pieces.next()
            && !head.append(first)
        {
            return Err(too_long());
        }
        for piece in pieces {
            let mut segment = self.alloc().ok_or_else(exhausted)?;
            if !segment.append(piece) || head.chain(segment).is_err() {
                return Err(too_long());
            }
        }
        Ok(head)
    }

    /// True when this is the only pool of the process; from then on, if so, no other can be made.
    pub(crate) fn seal_as_only(&self, port: &str) -> bool {
        let mut state = self.0.eal.lock();
        if state.pools != 1 {
            return false;
        }
        state.sealed_by.get_or_insert_with(|| port.to_owned());
        true
    }
}

/// About what a pool takes: the mbuf and its headroom, an object header, and DPDK's spreading.
fn memory_bytes(mbufs: u32, data_room: u16) -> u64 {
    let object = sys::SHIM_MBUF_SIZE + sys::SHIM_MBUF_HEADROOM + usize::from(data_room) + 128;
    u64::from(mbufs) * object as u64
}

/// What a set-up may hold of mbufs at one time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MbufDemand {
    /// Ports that share the pool.
    pub ports: u32,
    /// Queues of each port, in each direction.
    pub queues: u32,
    /// Descriptors of an rx queue: each holds an mbuf.
    pub rx_desc: u32,
    /// Descriptors of a tx queue: each may hold an mbuf that is not freed yet.
    pub tx_desc: u32,
    /// Frames in a core's hands at a time.
    pub burst: u32,
    /// Cores with a cache: the workers, and the main lcore.
    pub cores: u32,
    /// Mbufs in a core's cache.
    pub cache: u32,
}

/// Mbufs that a pool must have so that rx never starves: descriptors full on all sides, bursts in
/// hand and caches at their flush threshold (1.5 times their size), rounded up to the 2^q - 1 that
/// wastes least.
pub fn mbufs_needed(demand: MbufDemand) -> u32 {
    let MbufDemand { ports, queues, rx_desc, tx_desc, burst, cores, cache } = demand;
    let queues = u64::from(ports) * u64::from(queues);
    let needed = queues * (u64::from(rx_desc) + u64::from(tx_desc) + u64::from(burst))
        + u64::from(cores) * (u64::from(cache) * 3 / 2 + u64::from(burst));
    let rounded = (needed + 1).next_power_of_two() - 1;
    u32::try_from(rounded).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mbufs_for_a_pair_of_ports() {
        let demand = MbufDemand {
            ports: 2,
            queues: 1,
            rx_desc: 1024,
            tx_desc: 1024,
            burst: 32,
            cores: 2,
            cache: 256,
        };
        // 2 * 2080 + 2 * 416 = 4992.
        assert_eq!(mbufs_needed(demand), 8191);
        assert_eq!(mbufs_needed(MbufDemand { ports: 0, cores: 0, ..demand }), 0);
        let huge = MbufDemand { queues: u32::MAX, ..demand };
        assert_eq!(mbufs_needed(huge), u32::MAX);
    }
}
