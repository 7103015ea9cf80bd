//! `umbra-bench forward`: P1's comparison on one rig, on all, or on two real ports.

use std::path::PathBuf;
use std::str::FromStr;

use anyhow::Result;
use clap::Args;

use super::{on_ports, p1};
use crate::args;
use crate::machine::MachineArgs;
use crate::ports;
use crate::preflight;
use crate::results::{Comparison, Results};
use crate::rig::RigKind;

/// `umbra-bench forward`.
#[derive(Debug, Clone, Args)]
pub(crate) struct ForwardArgs {
    /// ring, null, null-copy, pcap, virtio or all
    #[arg(long, value_name = "RIG", default_value = "ring", conflicts_with = "ports")]
    rig: Rigs,
    /// Bytes of a frame without FCS
    #[arg(long, value_name = "BYTES", default_value = "64", value_parser = args::frame_size)]
    size: u16,
    /// Two ports, PCI addresses or vdevs with their arguments; the traffic comes from a tester outside that sends all
    /// the while
    #[arg(long, num_args = 2, value_names = ["A", "B"], value_parser = ports::parse)]
    ports: Option<Vec<String>>,
    /// Fewer and shorter runs
    #[arg(long)]
    quick: bool,
    /// Writes the results, for `report` and `compare`
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    #[command(flatten)]
    machine: MachineArgs,
}

/// One rig, or all of them.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Rigs(Vec<RigKind>);

impl FromStr for Rigs {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "all" {
            return Ok(Rigs(RigKind::ALL.to_vec()));
        }
        text.parse().map(|kind| Rigs(vec![kind])).map_err(|why| format!("{why}, all"))
    }
}

/// Measures and prints a table.
pub(crate) fn main(args: &ForwardArgs) -> Result<()> {
    let rig = args.ports.as_deref().map(ports::pair).transpose()?;
    let reserved = args.machine.reserve();
    let protocol = args.machine.protocol(args.quick);
    let mut results = Results::new(preflight::look(), protocol.clone());
    println!("| rig | frames | umbra Mpps | testpmd Mpps | ratio | 95 % interval | A/A |");
    println!("|---|---|---|---|---|---|---|");
    let mut enter = |name: &str, frames: &str, mut comparison: Comparison| {
        print(name, frames, &comparison);
        comparison.command = results.command.join(" ");
        results.comparisons.push(comparison);
    };
    match rig {
        Some(rig) => {
            let name = rig.to_string();
            let comparison = on_ports(rig, &protocol, reserved.memory)?;
            enter(&name, "the tester's", comparison);
        }
        None => {
            for &kind in &args.rig.0 {
                let comparison = p1(kind, args.size, &protocol, reserved.memory)?;
                let name = format!("{} {}", kind.number(), kind.name());
                enter(&name, &format!("{} B", args.size), comparison);
            }
        }
    }
    if let Some(path) = &args.json {
        results.write(path)?;
    }
    Ok(())
}

fn print(name: &str, frames: &str, c: &Comparison) {
    let resolution =
        c.resolution.map_or_else(|| "–".to_owned(), |r| format!("{:.4} to {:.4}", r.low, r.high));
    println!(
        "| {name} | {frames} | {:.3} | {:.3} | {:.4} | {:.4} to {:.4} | {resolution} |",
        c.a.median, c.b.median, c.estimate.median, c.estimate.low, c.estimate.high
    );
}
