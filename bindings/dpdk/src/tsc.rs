//! The time stamp counter.

/// Reads the time stamp counter; its frequency is [`crate::Eal::tsc_hz`].
#[inline(always)]
pub fn tsc() -> u64 {
    #[cfg(target_arch = "x86_64")]
    {
        // SAFETY: rdtsc exists on every x86-64 processor and touches no memory.
        unsafe { core::arch::x86_64::_rdtsc() }
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        // SAFETY: reads a counter register; takes nothing and touches no memory.
        unsafe { umbra_dpdk_sys::shim_rdtsc() }
    }
}

/// Tells the processor that this is a wait loop.
#[inline(always)]
pub fn pause() {
    core::hint::spin_loop();
}
