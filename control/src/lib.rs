//! The control side of umbra: manifests, the Shadow Manager, outputs and the command line.
#![forbid(unsafe_code)]

pub mod api;
pub mod check;
pub mod cli;
pub mod ctl;
pub mod eve;
pub mod manager;
pub mod manifest;
pub mod pcap;
pub mod replay;
pub mod run;
pub mod schema;
