//! Control of a port while workers poll its queues.

use std::fmt;
use std::mem::MaybeUninit;
use std::sync::Arc;
use std::time::{Duration, Instant};

use umbra_dpdk_sys as sys;

use super::{Phase, PortError, PortInfo, PortReport, PortShared, PortState, RxQueue, TxQueue};
use crate::errno::{Errno, check};

/// How both ends may send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Duplex {
    Half,
    Full,
}

/// A port's link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Link {
    pub up: bool,
    /// `None` where it is not known, or the link is down.
    pub speed_mbps: Option<u32>,
    pub duplex: Duplex,
}

/// ethdev's counters under their own names, since the port started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct EthStats {
    /// Frames received.
    pub ipackets: u64,
    /// Frames sent.
    pub opackets: u64,
    /// Bytes received.
    pub ibytes: u64,
    /// Bytes sent.
    pub obytes: u64,
    /// Frames dropped by the device because no descriptor was free.
    pub imissed: u64,
    /// Frames received in error.
    pub ierrors: u64,
    /// Frames not sent for an error.
    pub oerrors: u64,
    /// Failed allocations of rx mbufs.
    pub rx_nombuf: u64,
}

/// A port that was started; clones are handles to the same one. When the last handle and queue are
/// gone it is stopped and closed.
///
/// Works from any thread while workers poll. Operations of one port exclude each other.
#[derive(Clone)]
pub struct PortHandle(pub(super) Arc<PortShared>);

impl fmt::Debug for PortHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PortHandle").field("name", &self.0.name).finish_non_exhaustive()
    }
}

impl PortHandle {
    /// DPDK's number.
    pub fn id(&self) -> u16 {
        self.0.id
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Runs `operation` under the port's lock, unless it is closed: then its number may be another
    /// port's.
    fn with<T>(
        &self,
        operation: &'static str,
        call: impl FnOnce(u16) -> Result<T, Errno>,
    ) -> Result<T, PortError> {
        let state = self.open()?;
        let result = call(self.0.id).map_err(|errno| self.0.failed(operation, errno));
        drop(state);
        result
    }

    fn open(&self) -> Result<std::sync::MutexGuard<'_, PortState>, PortError> {
        let state = self.0.lock();
        if state.phase == Phase::Closed {
            return Err(PortError::Closed { port: self.0.name.clone() });
        }
        Ok(state)
    }

    /// What driver and device can do.
    ///
    /// # Errors
    /// [`PortError::Closed`], [`PortError::Refused`] when the device is gone; so for all below.
    pub fn info(&self) -> Result<PortInfo, PortError> {
        let state = self.open()?;
        let info = PortInfo::read(&self.0);
        drop(state);
        info
    }

    /// What became of its configuration.
    pub fn report(&self) -> Option<PortReport> {
        self.0.lock().report.clone()
    }

    /// The link as it is now; does not wait for one that negotiates.
    pub fn link(&self) -> Result<Link, PortError> {
        self.with("read the link of", |id| {
            let mut raw = MaybeUninit::<sys::shim_eth_link>::zeroed();
            // SAFETY: the shim fills the structure; ethdev checks the id.
            check(unsafe { sys::shim_eth_link_get_nowait(id, raw.as_mut_ptr()) })?;
            // SAFETY: filled, and zeroes before, which is valid for all its fields.
            let raw = unsafe { raw.assume_init() };
            let known =
                raw.up && raw.speed_mbps != 0 && raw.speed_mbps != sys::SHIM_ETH_SPEED_UNKNOWN;
            Ok(Link {
                up: raw.up,
                speed_mbps: known.then_some(raw.speed_mbps),
                duplex: if raw.full_duplex { Duplex::Full } else { Duplex::Half },
            })
        })
    }

    /// Waits for the link to come up, at most `timeout`. Copper takes up to three seconds.
    ///
    /// # Errors
    /// [`PortError::NoLink`] besides the others.
    pub fn wait_link(&self, timeout: Duration) -> Result<Link, PortError> {
        let start = Instant::now();
        loop {
            let link = self.link()?;
            if link.up {
                return Ok(link);
            }
            let waited = start.elapsed();
            if waited >= timeout {
                let waited_ms = u64::try_from(waited.as_millis()).unwrap_or(u64::MAX);
                return Err(PortError::NoLink { port: self.0.name.clone(), waited_ms });
            }
            std::thread::sleep(Duration::from_millis(20).min(timeout - waited));
        }
    }

    /// Brings the link up. Some drivers (pcap, null) have no say in it: ENOTSUP.
    pub fn set_link_up(&self) -> Result<(), PortError> {
        // SAFETY: ethdev checks the id; open, under the port's lock.
        self.with("bring up", |id| check(unsafe { sys::rte_eth_dev_set_link_up(id) }))
    }

    /// Takes the link down.
    pub fn set_link_down(&self) -> Result<(), PortError> {
        // SAFETY: as in set_link_up.
        self.with("take down", |id| check(unsafe { sys::rte_eth_dev_set_link_down(id) }))
    }

    /// Basic counters.
    pub fn stats(&self) -> Result<EthStats, PortError> {
        self.with("read the counters of", |id| {
            let mut raw = sys::rte_eth_stats::default();
            // SAFETY: ethdev checks the id and fills the structure.
            check(unsafe { sys::rte_eth_stats_get(id, &mut raw) })?;
            Ok(EthStats {
                ipackets: raw.ipackets,
                opackets: raw.opackets,
                ibytes: raw.ibytes,
                obytes: raw.obytes,
                imissed: raw.imissed,
                ierrors: raw.ierrors,
                oerrors: raw.oerrors,
                rx_nombuf: raw.rx_nombuf,
            })
        })
    }

    /// Sets the basic counters to zero.
    pub fn reset_stats(&self) -> Result<(), PortError> {
        // SAFETY: as in set_link_up.
        self.with("reset the counters of", |id| check(unsafe { sys::rte_eth_stats_reset(id) }))
    }

    /// All counters that the driver has, by its own names.
    pub fn xstats(&self) -> Result<Vec<(String, u64)>, PortError> {
        self.with("read the extended counters of", |id| {
            // SAFETY: with no room, asks for the number.
            let count = unsafe { sys::rte_eth_xstats_get_names(id, std::ptr::null_mut(), 0) };
            check(count)?;
            let mut names = vec![sys::rte_eth_xstat_name { name: [0; 64] }; count as usize];
            let mut values = vec![sys::rte_eth_xstat { id: 0, value: 0 }; count as usize];
            // SAFETY: both vectors have `count` elements; more are not written.
            let (named, valued) = unsafe {
                (
                    sys::rte_eth_xstats_get_names(id, names.as_mut_ptr(), count as u32),
                    sys::rte_eth_xstats_get(id, values.as_mut_ptr(), count as u32),
                )
            };
            check(named)?;
            check(valued)?;
            // A driver may have grown some meanwhile; then nothing was written beyond the old count.
            values.truncate(valued.min(count) as usize);
            let name = |id: u64| usize::try_from(id).ok().and_then(|id| names.get(id));
            let pairs =
                values.iter().filter_map(|v| Some((super::info::text(&name(v.id)?.name), v.value)));
            Ok(pairs.collect())
        })
    }

    /// Its own address.
    pub fn mac(&self) -> Result<[u8; 6], PortError> {
        self.with("read the address of", |id| {
            let mut mac = sys::rte_ether_addr::default();
            // SAFETY: ethdev checks the id and fills the structure.
            check(unsafe { sys::rte_eth_macaddr_get(id, &mut mac) })?;
            Ok(mac.addr_bytes)
        })
    }

    /// Its MTU in bytes.
    pub fn mtu(&self) -> Result<u16, PortError> {
        self.with("read the MTU of", |id| {
            let mut mtu = 0;
            // SAFETY: ethdev checks the id and writes one u16.
            check(unsafe { sys::rte_eth_dev_get_mtu(id, &mut mtu) })?;
            Ok(mtu)
        })
    }

    /// Queues that somebody holds: rx, tx.
    pub fn live_queues(&self) -> (usize, usize) {
        let load =
            |n: &std::sync::atomic::AtomicUsize| n.load(std::sync::atomic::Ordering::Acquire);
        (load(&self.0.rx_live), load(&self.0.tx_live))
    }

    /// Stops it; no frame goes in or out any more.
    ///
    /// # Errors
    /// [`PortError::QueuesAlive`] while a queue of it exists.
    pub fn stop(&self) -> Result<(), PortError> {
        let mut state = self.open()?;
        self.0.stop_locked(&mut state)
    }

    /// Starts a stopped port again with the configuration that it had, and gives new queues.
    ///
    /// # Errors
    /// [`PortError::NotStopped`].
    pub fn restart(&self) -> Result<(Vec<RxQueue>, Vec<TxQueue>), PortError> {
        let mut state = self.open()?;
        if state.phase != Phase::Stopped {
            return Err(PortError::NotStopped { port: self.0.name.clone() });
        }
        super::config::start_locked(&self.0, &mut state)
            .map_err(|errno| self.0.failed("start", errno))
    }

    /// Stops and closes it. Its number and name become free; a virtual device stays on its bus until
    /// [`crate::Eal::hotplug_remove`].
    ///
    /// # Errors
    /// [`PortError::QueuesAlive`] while a queue of it exists.
    pub fn close(&self) -> Result<(), PortError> {
        let mut state = self.0.lock();
        self.0.close_locked(&mut state)
    }
}
