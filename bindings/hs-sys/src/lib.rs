//! Raw bindings to the system's vectorscan (or Hyperscan).
//!
//! Nothing here is safe or meant for use outside `umbra-hs`. Functions are allowlisted by name in
//! `build.rs`.

#![allow(non_camel_case_types, non_snake_case, non_upper_case_globals)]
#![allow(missing_debug_implementations, unreachable_pub)]
#![allow(clippy::all, clippy::undocumented_unsafe_blocks)]

include!(concat!(env!("OUT_DIR"), "/bindings.rs"));
