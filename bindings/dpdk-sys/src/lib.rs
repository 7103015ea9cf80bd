//! Raw bindings to the system's libdpdk, and to the C shim for what of it is not a symbol.
//!
//! Nothing here is safe or meant for use outside `umbra-dpdk`. Functions of the library are
//! allowlisted by name in `build.rs`; names that start with `shim_` are in `shim/shim.c`.
//! `rte_mbuf` is opaque: its fields are read at the `SHIM_MBUF_…` offsets, which are right for the
//! DPDK that the shim was compiled against.

#![allow(non_camel_case_types, non_snake_case, non_upper_case_globals)]
#![allow(missing_debug_implementations, unreachable_pub)]
#![allow(clippy::all, clippy::undocumented_unsafe_blocks)]

use core::marker::{PhantomData, PhantomPinned};

macro_rules! opaque {
    ($($name:ident)*) => {$(
        /// Seen only through pointers.
        #[repr(C)]
        pub struct $name {
            _data: [u8; 0],
            _not_send_sync_unpin: PhantomData<(*mut u8, PhantomPinned)>,
        }
    )*};
}

opaque! { rte_mbuf rte_mempool rte_mempool_cache rte_ring rte_tel_data }

include!(concat!(env!("OUT_DIR"), "/bindings.rs"));
