//! Error numbers of DPDK: errno's and a few of its own.

use std::ffi::CStr;
use std::fmt;

use umbra_dpdk_sys as sys;

/// An error number, positive, as `rte_errno` holds it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Errno(i32);

impl Errno {
    /// From a negative return code.
    pub(crate) fn from_rc(rc: i32) -> Self {
        Errno(rc.saturating_abs())
    }

    /// `rte_errno` of the calling thread.
    pub(crate) fn last() -> Self {
        // SAFETY: reads a thread-local of DPDK, which exists from the first instruction on.
        Errno(unsafe { sys::shim_errno() })
    }

    /// The number, positive.
    pub fn number(self) -> i32 {
        self.0
    }
}

/// Ok for zero and above, as most of DPDK's calls return.
pub(crate) fn check(rc: i32) -> Result<(), Errno> {
    if rc >= 0 { Ok(()) } else { Err(Errno::from_rc(rc)) }
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // SAFETY: rte_strerror returns a NUL-terminated string in a buffer of this thread, which
        // nothing overwrites before it has been printed.
        let text = unsafe { CStr::from_ptr(sys::rte_strerror(self.0)) };
        write!(f, "{} (errno {})", text.to_string_lossy(), self.0)
    }
}

impl fmt::Debug for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Errno {}
