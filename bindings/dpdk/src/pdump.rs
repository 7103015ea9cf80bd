//! Packet capture by `dpdk-dumpcap` from another process.

use umbra_dpdk_sys as sys;

use crate::eal::Eal;
use crate::errno::{Errno, check};

/// Packet capture could not be offered.
#[derive(Debug, thiserror::Error)]
#[error(
    "cannot offer packet capture to dpdk-dumpcap: {errno}. It needs EAL's shared configuration: leave \
     out --no-shconf and --in-memory"
)]
pub struct PdumpError {
    errno: Errno,
}

/// Lets `dpdk-dumpcap` and `dpdk-pdump` attach to the ports of this process.
///
/// # Errors
/// [`PdumpError`] where there is no multi-process channel.
pub fn init(_eal: &Eal) -> Result<(), PdumpError> {
    // SAFETY: EAL runs; registers a message handler.
    check(unsafe { sys::rte_pdump_init() }).map_err(|errno| PdumpError { errno })
}

/// Takes it back.
///
/// # Errors
/// [`PdumpError`] when it was not offered.
pub fn uninit(_eal: &Eal) -> Result<(), PdumpError> {
    // SAFETY: EAL runs; removes the message handler.
    check(unsafe { sys::rte_pdump_uninit() }).map_err(|errno| PdumpError { errno })
}
