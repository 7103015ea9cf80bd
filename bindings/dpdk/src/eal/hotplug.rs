//! Devices that come and go while EAL runs, for a virtual device whose kernel interface was deleted
//! and made again.

use std::ffi::CString;

use umbra_dpdk_sys as sys;

use super::Eal;
use crate::errno::{Errno, check};
use crate::port;

/// A device could not be added or removed.
#[derive(Debug, thiserror::Error)]
pub enum HotplugError {
    /// A name holds a NUL.
    #[error("device {device:?} or its arguments hold a NUL character")]
    Nul { device: String },
    /// Refused by bus or driver.
    #[error("cannot add device {device} with arguments {args:?} to bus {bus}: {errno}")]
    Add { bus: String, device: String, args: String, errno: Errno },
    /// Refused by bus or driver.
    #[error("cannot remove device {device} from bus {bus}: {errno}")]
    Remove { bus: String, device: String, errno: Errno },
    /// A port of the device is held.
    #[error("device {device} is in use as port {port}: drop its queues and close the port first")]
    InUse { device: String, port: String },
}

impl Eal {
    /// Adds a device, for example `("vdev", "net_af_xdp0", "iface=veth0")`; its port is then found
    /// by [`crate::Port::by_name`].
    ///
    /// # Errors
    /// [`HotplugError::Add`] with what the driver says; its log lines say more.
    pub fn hotplug_add(&self, bus: &str, device: &str, args: &str) -> Result<(), HotplugError> {
        let nul = |_| HotplugError::Nul { device: device.into() };
        let c_bus = CString::new(bus).map_err(nul)?;
        let c_device = CString::new(device).map_err(nul)?;
        let c_args = CString::new(args).map_err(nul)?;
        let _state = self.inner.lock();
        // SAFETY: three NUL-terminated strings that DPDK copies; the lock keeps bus operations of
        // this process apart.
        check(unsafe {
            sys::rte_eal_hotplug_add(c_bus.as_ptr(), c_device.as_ptr(), c_args.as_ptr())
        })
        .map_err(|errno| HotplugError::Add {
            bus: bus.into(),
            device: device.into(),
            args: args.into(),
            errno,
        })
    }

    /// Removes a device whose ports nobody holds.
    ///
    /// # Errors
    /// [`HotplugError::InUse`] while a [`crate::Port`] of it is held, [`HotplugError::Remove`].
    pub fn hotplug_remove(&self, bus: &str, device: &str) -> Result<(), HotplugError> {
        let nul = |_| HotplugError::Nul { device: device.into() };
        let c_bus = CString::new(bus).map_err(nul)?;
        let c_device = CString::new(device).map_err(nul)?;
        // Held over the removal, so that nobody claims the port in between.
        let state = self.inner.lock();
        for &id in &state.claimed {
            if let Some(port) = port::name_if_of_device(id, device) {
                return Err(HotplugError::InUse { device: device.into(), port });
            }
        }
        // SAFETY: NUL-terminated strings; no port of the device is claimed, so no queue of it
        // exists and nothing polls it.
        check(unsafe { sys::rte_eal_hotplug_remove(c_bus.as_ptr(), c_device.as_ptr()) })
            .map_err(|errno| HotplugError::Remove { bus: bus.into(), device: device.into(), errno })
    }
}
