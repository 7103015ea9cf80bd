//! `umbra-bench`: umbra against its peers, side by side on this machine.

mod args;
mod consumer;
mod cores;
mod dut;
mod eve;
mod forward;
mod generator;
mod goals;
mod guest;
mod hugepages;
mod latency;
mod machine;
mod mirror;
mod peers;
mod ports;
mod preflight;
mod protocol;
mod report;
mod results;
mod rewrite;
mod rfc2544;
mod rig;
mod ring;
mod rules;
mod sampling;
mod session;
mod signatures;
mod split;
mod stats;
mod testpmd;
mod timed;
mod traffic;
mod within;

use std::process::ExitCode;

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
    Goals(goals::GoalsArgs),
    /// Measures everything and writes the page, its plots and results.json
    Page(goals::PageArgs),
    /// The mirror ring against memcpy, rte_ring, rtrb and crossbeam: P3 and P6
    Ring(ring::RingArgs),
    /// RFC 2544 throughput, of umbra or of what is between two ports: the highest rates without loss and with 0.5 %
    Rfc2544(rfc2544::Rfc2544Args),
    /// Forwarding by one core against dpdk-testpmd, on one rig or on two ports
    Forward(forward::ForwardArgs),
    /// Latency of one setting against the shadow off
    Latency(latency::LatencyArgs),
    /// Prints what the machine is like
    Preflight,
    /// What sampling and copying cost the worker, on one rig
    Sampling(sampling::SamplingArgs),
    /// The signature engine against Suricata, over the same capture and rules: P11
    Signatures(signatures::SignaturesArgs),
    /// One of the peers alone: its windows as JSON
    Peer(peers::PeerArgs),
    /// Holds the results of two runs against each other; exits with 1 on a regression
    Compare(report::compare::CompareArgs),
    /// Records of umbra and of a peer over the same captures, field by field
    Eve(eve::EveArgs),
    /// Which rules fire on traffic made from them, here and in a peer
    Rules(rules::RulesArgs),
    /// Writes the page and the plots of a run
    Report(report::ReportArgs),
    /// The device under test, in a process that the others start: a plan on stdin, a report on stdout
    #[command(hide = true)]
    Dut,
}

fn main() -> ExitCode {
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or("warn")).init();
    // The whole chain on one line: where it happened is in the words, not in a backtrace.
    run().unwrap_or_else(|why| {
        eprintln!("umbra-bench: {why:#}");
        ExitCode::FAILURE
    })
}

fn run() -> Result<ExitCode> {
    match Cli::parse().command {
        Command::Goals(args) => goals::goals(&args)?,
        Command::Page(args) => goals::page(&args)?,
        Command::Ring(args) => ring::main(&args)?,
        Command::Rfc2544(args) => rfc2544::main(&args)?,
        Command::Forward(args) => forward::main(&args)?,
        Command::Latency(args) => latency::main(&args)?,
        Command::Preflight => println!("{}", serde_json::to_string_pretty(&preflight::look())?),
        Command::Sampling(args) => sampling::main(&args)?,
        Command::Signatures(args) => signatures::main(&args)?,
        Command::Peer(args) => peers::main(&args)?,
        Command::Compare(args) => return Ok(report::compare::main(&args)),
        Command::Eve(args) => eve::main(&args)?,
        Command::Rules(args) => rules::main(&args)?,
        Command::Report(args) => report::main(&args)?,
        Command::Dut => dut::main()?,
    }
    Ok(ExitCode::SUCCESS)
}
