//! The shadow side: what consumes mirror rings and looks for threats and bottlenecks in the copy.
//!
//! A shadow instance is one thread that runs `decode once → defrag → flow → profiles` over batches
//! of records. Nothing here knows DPDK, and time is always an argument, so that the same code runs
//! live behind a ring and offline over a capture with the same results.
#![forbid(unsafe_code)]

pub mod anomaly;
pub mod app;
pub mod decode;
pub mod defrag;
pub mod events;
pub mod flow;
pub mod ids;
pub mod performance;
pub mod pipeline;
pub mod profile;
pub mod runner;
pub mod stream;

#[cfg(test)]
mod testing;
