//! Ports: claimed by name, configured, started into queues, controlled through a handle.
//!
//! `Port` (claimed) → [`Port::configure`] → `ConfiguredPort` → [`ConfiguredPort::start`] →
//! `StartedPort { port, rx, tx, report }`. Queues go to workers, the handle stays with control. A
//! port stops only when all its queues have been dropped, and closes when its last handle is.

mod config;
mod error;
mod handle;
mod info;
mod queue;
mod report;

use std::ffi::{CStr, CString, c_char};
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use umbra_dpdk_sys as sys;

pub use config::{ConfiguredPort, PortConfig, Rss, Segmentation, StartedPort};
pub use error::{ConfigureError, PortError};
pub use handle::{Duplex, EthStats, Link, PortHandle};
pub use info::{DescriptorLimits, PortInfo, PortKind};
pub use queue::{RxQueue, TxQueue};
pub use report::{Note, Outcome, PortReport, RssReport, Subject};

use crate::eal::{Eal, EalRef};
use crate::errno::check;
use crate::mempool::Mempool;
use crate::ring::Ring;

/// A port that there is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortName {
    /// DPDK's number.
    pub id: u16,
    /// A virtual device's name or a PCI address.
    pub name: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Claimed,
    Configured,
    Started,
    Stopped,
    Closed,
}

/// What control changes, under one lock per port: ethdev's control functions are not made for two
/// threads at once.
struct PortState {
    phase: Phase,
    /// What the rx queues fill from, one per queue or one for all.
    pools: Vec<Mempool>,
    /// Rings that a ring port stands on.
    rings: Vec<Ring>,
    config: PortConfig,
    report: Option<PortReport>,
}

pub(crate) struct PortShared {
    eal: EalRef,
    id: u16,
    name: String,
    state: Mutex<PortState>,
    rx_live: AtomicUsize,
    tx_live: AtomicUsize,
}

impl PortShared {
    fn lock(&self) -> MutexGuard<'_, PortState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Refuses while a queue exists.
    fn no_queues(&self) -> Result<(), PortError> {
        let rx = self.rx_live.load(Ordering::Acquire);
        let tx = self.tx_live.load(Ordering::Acquire);
        if rx + tx > 0 {
            return Err(PortError::QueuesAlive { port: self.name.clone(), rx, tx });
        }
        Ok(())
    }

    fn stop_locked(&self, state: &mut PortState) -> Result<(), PortError> {
        if state.phase == Phase::Started {
            self.no_queues()?;
            // SAFETY: the port is ours (claimed) and no queue of it exists, so nothing polls it.
            let rc = unsafe { sys::rte_eth_dev_stop(self.id) };
            check(rc).map_err(|errno| self.failed("stop", errno))?;
            state.phase = Phase::Stopped;
        }
        Ok(())
    }

    fn close_locked(&self, state: &mut PortState) -> Result<(), PortError> {
        if state.phase == Phase::Closed {
            return Ok(());
        }
        self.stop_locked(state)?;
        // SAFETY: stopped or never started, ours, and no queue of it exists.
        let rc = unsafe { sys::rte_eth_dev_close(self.id) };
        state.phase = Phase::Closed;
        self.eal.lock().claimed.remove(&self.id);
        check(rc).map_err(|errno| self.failed("close", errno))?;
        if !state.rings.is_empty() {
            // The device that rte_eth_from_rings() put on the bus would keep the name.
            let device = CString::new(format!("net_ring_{}", self.name)).unwrap_or_default();
            // SAFETY: NUL-terminated strings; the port of the device is closed.
            let rc = unsafe { sys::rte_eal_hotplug_remove(c"vdev".as_ptr(), device.as_ptr()) };
            if let Err(errno) = check(rc) {
                log::debug!("ring device {} stays on its bus: {errno}", self.name);
            }
        }
        state.pools.clear();
        state.rings.clear();
        Ok(())
    }

    fn failed(&self, operation: &'static str, errno: crate::Errno) -> PortError {
        PortError::Refused { port: self.name.clone(), operation, errno }
    }
}

impl Drop for PortShared {
    fn drop(&mut self) {
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        if state.phase == Phase::Closed {
            return;
        }
        if state.phase == Phase::Claimed && state.rings.is_empty() {
            // Never touched: it stays for the next to claim.
            self.eal.lock().claimed.remove(&self.id);
            return;
        }
        // Moved out, so that `self` can be borrowed beside it; pools go after the device.
        let mut state = PortState {
            phase: state.phase,
            pools: std::mem::take(&mut state.pools),
            rings: std::mem::take(&mut state.rings),
            config: PortConfig::default(),
            report: None,
        };
        if let Err(e) = self.close_locked(&mut state) {
            log::warn!("{e}");
            // The driver may hold on to them: they must not be freed under it.
            std::mem::forget(state);
        }
    }
}

/// A port that is claimed and not yet configured. Dropped, it can be claimed again.
pub struct Port {
    shared: Arc<PortShared>,
}

impl fmt::Debug for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Port").field("name", &self.shared.name).finish_non_exhaustive()
    }
}

impl Port {
    /// All ports, claimed or not, in order of their numbers.
    pub fn list(_eal: &Eal) -> Vec<PortName> {
        let mut ports = Vec::new();
        let mut from = 0;
        loop {
            // SAFETY: EAL runs; walks ethdev's table.
            let id = unsafe { sys::shim_eth_next(from) };
            if u32::from(id) >= sys::SHIM_MAX_ETHPORTS {
                return ports;
            }
            if let Some(name) = name_of(id) {
                ports.push(PortName { id, name });
            }
            from = id + 1;
        }
    }

    /// Claims the port of this name: a virtual device's (`net_pcap0`) or a PCI address
    /// (`0000:03:00.0`, or `03:00.0`).
    ///
    /// # Errors
    /// [`PortError::NotFound`] with what there is and how to bind, [`PortError::Claimed`].
    pub fn by_name(eal: &Eal, name: &str) -> Result<Port, PortError> {
        let ports = Port::list(eal);
        let long = format!("0000:{name}");
        let found = ports.iter().find(|p| p.name == name || p.name == long);
        let Some(found) = found else {
            let available: Vec<&str> = ports.iter().map(|p| p.name.as_str()).collect();
            return Err(PortError::not_found(name, &available));
        };
        Port::claim(eal, found.id, found.name.clone(), Vec::new())
    }

    pub(crate) fn claim(
        eal: &Eal,
        id: u16,
        name: String,
        rings: Vec<Ring>,
    ) -> Result<Port, PortError> {
        if !eal.inner.lock().claimed.insert(id) {
            return Err(PortError::Claimed { port: name });
        }
        let state = PortState {
            phase: Phase::Claimed,
            pools: Vec::new(),
            rings,
            config: PortConfig::default(),
            report: None,
        };
        let shared = PortShared {
            eal: eal.inner.clone(),
            id,
            name,
            state: Mutex::new(state),
            rx_live: AtomicUsize::new(0),
            tx_live: AtomicUsize::new(0),
        };
        Ok(Port { shared: Arc::new(shared) })
    }

    /// DPDK's number.
    pub fn id(&self) -> u16 {
        self.shared.id
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.shared.name
    }

    /// What driver and device can do.
    ///
    /// # Errors
    /// [`PortError::Refused`] when the device is gone.
    pub fn info(&self) -> Result<PortInfo, PortError> {
        PortInfo::read(&self.shared)
    }
}

fn name_of(id: u16) -> Option<String> {
    let mut name: [c_char; sys::SHIM_ETH_NAME_MAX_LEN] = [0; sys::SHIM_ETH_NAME_MAX_LEN];
    // SAFETY: the buffer is RTE_ETH_NAME_MAX_LEN long, as the function wants.
    check(unsafe { sys::rte_eth_dev_get_name_by_port(id, name.as_mut_ptr()) }).ok()?;
    // SAFETY: NUL-terminated within the buffer.
    Some(unsafe { CStr::from_ptr(name.as_ptr()) }.to_string_lossy().into_owned())
}

/// The name of a port when it belongs to this device.
pub(crate) fn name_if_of_device(id: u16, device: &str) -> Option<String> {
    let name = name_of(id)?;
    let raw = info::read_raw(id).ok()?;
    (name == device || info::text(&raw.device_name) == device).then_some(name)
}
