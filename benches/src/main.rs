//! `umbra-bench`: umbra against its peers, side by side on this machine.

mod consumer;
mod cores;
mod dut;
mod forward;
mod generator;
mod guest;
mod hugepages;
mod latency;
mod peers;
mod preflight;
mod protocol;
mod report;
#[expect(dead_code, reason = "filled in by the commits that follow")]
mod results;
mod rewrite;
mod rig;
mod sampling;
mod session;
mod stats;
mod testpmd;
mod timed;
mod traffic;

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
    /// Tries P1
    Pone {
        rig: rig::RigKind,
        #[arg(default_value_t = 64)]
        size: u16,
    },
    Pfif,
    Plat,
    /// What sampling and copying cost the worker, on one rig
    Sampling(sampling::SamplingArgs),
    /// One of the peers alone: its windows as JSON
    Peer(peers::PeerArgs),
    /// Holds the results of two runs against each other; exits with 1 on a regression
    Compare(report::compare::CompareArgs),
    /// Writes the page and the plots of a run
    Report(report::ReportArgs),
    /// The device under test, in a process that the others start: a plan on stdin, a report on stdout
    #[command(hide = true)]
    Dut,
}

fn main() -> Result<ExitCode> {
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or("warn")).init();
    match Cli::parse().command {
        Command::Pone { rig, size } => {
            let c = forward::p1(rig, size, &results::Protocol::new(true))?;
            println!(
                "{} {:?} {:?} a {} b {}",
                c.id, c.estimate, c.resolution, c.a.median, c.b.median
            );
        }
        Command::Pfif => {
            let c = forward::p15(&results::Protocol::new(true))?;
            println!(
                "{} {:?} {:?} a {} b {}",
                c.id, c.estimate, c.resolution, c.a.median, c.b.median
            );
        }
        Command::Plat => {
            for case in latency::CASES {
                let s =
                    latency::p8(case, &results::Protocol::new(true), session::Memory::Huge(512))?;
                for c in s.comparisons {
                    println!(
                        "{} {:?} {:?} a {} b {}",
                        c.id, c.estimate, c.resolution, c.a.median, c.b.median
                    );
                }
                println!("{:?}", s.latency.how);
                println!(
                    "{:?}",
                    s.latency.series.iter().map(|s| (s.count, s.lost)).collect::<Vec<_>>()
                );
            }
        }
        Command::Sampling(args) => sampling::main(&args)?,
        Command::Peer(args) => peers::main(&args)?,
        Command::Compare(args) => return Ok(report::compare::main(&args)),
        Command::Report(args) => report::main(&args)?,
        Command::Dut => dut::main()?,
    }
    Ok(ExitCode::SUCCESS)
}
