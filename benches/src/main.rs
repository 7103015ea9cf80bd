//! `umbra-bench`: umbra against its peers, side by side on this machine.

mod dut;
mod forward;
mod preflight;
#[expect(dead_code, reason = "filled in by the commits that follow")]
mod results;
mod ring;
mod stats;
mod testpmd;

use std::path::PathBuf;

use anyhow::Result;
use clap::{Parser, Subcommand};

#[derive(Debug, Parser)]
#[command(
    name = "umbra-bench",
    version,
    about = "Measures umbra against its peers on this machine"
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Goals of the performance page: figure, interval, match and goal
    Goals {
        /// Which; without any, all that are built: P1
        goals: Vec<String>,
        /// Fewer and shorter runs
        #[arg(long)]
        quick: bool,
        /// Write the results to FILE
        #[arg(long, value_name = "FILE")]
        json: Option<PathBuf>,
    },
    /// Forwarding over net_null, umbra against dpdk-testpmd io, shadow off and on
    Forward(forward::ForwardArgs),
    /// The mirror ring against memcpy, rte_ring, rtrb and crossbeam: P3 and P6
    Ring(ring::RingArgs),
    /// The device under test, in the process that `forward` starts
    #[command(hide = true)]
    Dut(dut::DutArgs),
}

fn main() -> Result<()> {
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or("warn")).init();
    match Cli::parse().command {
        Command::Goals { goals, quick, json } => forward::goals(&goals, quick, json.as_deref()),
        Command::Forward(args) => forward::main(&args),
        Command::Ring(args) => ring::main(&args),
        Command::Dut(args) => dut::run(&args),
    }
}
