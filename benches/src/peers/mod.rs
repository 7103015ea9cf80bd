//! The peers of P4 and P5, each on a rig of its own: they can be tried alone with `umbra-bench peer`.

pub(crate) mod capture;
pub(crate) mod dumpcap;
pub(crate) mod io_forward;
pub(crate) mod ovs;
mod ovs_counts;
pub(crate) mod process;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::{Args, Subcommand};
use serde::Serialize;
use serde_json::json;
use tempfile::TempDir;

use crate::stats::estimate;

/// `umbra-bench peer`.
#[derive(Debug, Clone, Args)]
pub(crate) struct PeerArgs {
    #[command(subcommand)]
    peer: Peer,
}

#[derive(Debug, Clone, Subcommand)]
enum Peer {
    /// What dpdk-dumpcap costs a minimal forwarder (P4)
    Dumpcap {
        #[command(flatten)]
        common: Common,
        /// Frames per burst
        #[arg(long, default_value_t = 32)]
        burst: u16,
        /// Mbufs in the pool
        #[arg(long, default_value_t = 16_383)]
        mbufs: u32,
        /// Mbufs that each core keeps to itself
        #[arg(long, default_value_t = 250)]
        mbuf_cache: u32,
        /// Rx and tx descriptors
        #[arg(long, default_value_t = 512)]
        descriptors: u16,
        /// Packets per second at most; the cycles of waiting are not counted
        #[arg(long)]
        pps: Option<f64>,
    },
    /// What a mirror costs Open vSwitch with DPDK (P5)
    Ovs {
        #[command(flatten)]
        common: Common,
    },
}

/// What both take.
#[derive(Debug, Clone, Args)]
struct Common {
    /// Frames that are received again and again; without it, UDP flows are made
    #[arg(long, value_name = "FILE")]
    pcap: Option<PathBuf>,
    /// Flows that are made, a frame of each
    #[arg(long, default_value_t = 256)]
    flows: u16,
    /// Bytes of the frames that are made
    #[arg(long, default_value_t = 60)]
    frame_bytes: u16,
    /// Pairs of windows, without and with
    #[arg(long, default_value_t = 5)]
    windows: usize,
    /// Seconds of each window
    #[arg(long, default_value_t = 1.0)]
    seconds: f64,
    /// Core of what is measured
    #[arg(long, default_value_t = 1)]
    core: u16,
    /// Core of everything else
    #[arg(long, default_value_t = 0)]
    other_core: u16,
}

/// The pcap that is used, and the directory that goes when it is no longer needed.
fn source(common: &Common) -> Result<(PathBuf, Option<TempDir>)> {
    if let Some(pcap) = &common.pcap {
        // Processes with other working directories open it.
        return Ok((std::path::absolute(pcap)?, None));
    }
    let dir = tempfile::Builder::new().prefix("umbra-frames-").tempdir()?;
    let pcap = write_flows(dir.path(), common.flows, common.frame_bytes)?;
    Ok((pcap, Some(dir)))
}

/// Writes a pcap of `flows` UDP flows, one frame of `frame_bytes` each, into `dir`.
pub(crate) fn write_flows(dir: &Path, flows: u16, frame_bytes: u16) -> Result<PathBuf> {
    let pcap = dir.join("flows.pcap");
    capture::write_flows(&pcap, flows, frame_bytes)?;
    Ok(pcap)
}

/// Whether window `index` is one with the capture or the mirror: A B B A, so that a drift of the
/// machine falls on both alike.
fn wanted_attached(index: usize) -> bool {
    matches!(index % 4, 1 | 2)
}

/// Pairs of neighbouring windows, the one without first.
fn pairs<W>(windows: &[W], attached: impl Fn(&W) -> bool) -> Vec<(&W, &W)> {
    windows
        .chunks_exact(2)
        .map(|pair| if attached(&pair[0]) { (&pair[1], &pair[0]) } else { (&pair[0], &pair[1]) })
        .collect()
}

fn print<W: Serialize>(peer: &str, figure: &str, windows: &[W], values: &[f64]) {
    let result = json!({
        "peer": peer, "windows": windows, figure: {"values": values, "estimate": estimate(values)},
    });
    println!("{result:#}");
}

/// Measures one peer and prints its windows as JSON.
pub(crate) fn main(args: &PeerArgs) -> Result<()> {
    match &args.peer {
        Peer::Dumpcap { common, burst, mbufs, mbuf_cache, descriptors, pps } => {
            let (pcap, _dir) = source(common)?;
            let options = dumpcap::DumpcapOptions {
                pcap,
                burst: *burst,
                mbufs: *mbufs,
                mbuf_cache: *mbuf_cache,
                descriptors: *descriptors,
                pps: *pps,
                core: common.core,
                other_core: common.other_core,
            };
            let windows = dumpcap::measure(&options, common.windows, common.seconds)?;
            print("dumpcap", "cycles_per_delivered", &windows, &dumpcap::costs(&windows));
        }
        Peer::Ovs { common } => {
            let (pcap, _dir) = source(common)?;
            let options =
                ovs::OvsOptions { pcap, core: common.core, other_core: common.other_core };
            let windows = ovs::measure(&options, common.windows, common.seconds)?;
            print("ovs", "cycles_added", &windows, &ovs::costs(&windows));
        }
    }
    Ok(())
}
