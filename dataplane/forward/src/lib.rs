//! The wire: workers that forward frames untouched and show a sample of them to the tap.
//!
//! The worker loop is generic over [`io::PacketIo`]; [`mem`] runs it on memory with injected faults.
#![forbid(unsafe_code)]

pub mod clock;
pub mod dpdk_io;
pub mod filter;
pub mod hashing;
pub mod idle;
pub mod io;
pub mod knobs;
pub mod links;
pub mod mem;
pub mod netlink;
pub mod shared;
pub mod supervisor;
pub mod vdev;
pub mod wiring;
pub mod worker;

pub use worker::{Command, Event, LaneConfig, TapConfig, Worker, WorkerLinks};
