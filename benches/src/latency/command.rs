//! `umbra-bench latency`: the percentiles of one setting against the shadow off.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;

use super::{Case, Load, Place, comparison, measure};
use crate::args;
use crate::machine::MachineArgs;
use crate::preflight;
use crate::results::{Latency, Results};

/// Percentiles of the table.
const SHOWN: [f64; 6] = [50.0, 90.0, 99.0, 99.9, 99.99, 100.0];
/// Those whose ratio on ÷ off is in the results too.
const COMPARED: [f64; 5] = [50.0, 90.0, 99.0, 99.9, 99.99];

/// `umbra-bench latency`.
#[derive(Debug, Clone, Args)]
pub(crate) struct LatencyArgs {
    /// Bytes of a frame without FCS
    #[arg(long, value_name = "BYTES", default_value = "64", value_parser = args::frame_size)]
    size: u16,
    /// Sampled percentage
    #[arg(long, value_name = "PERCENT", default_value = "10", value_parser = args::percentage)]
    percentage: f64,
    /// flow, host or packet
    #[arg(long, default_value = "flow", value_parser = ["flow", "host", "packet"])]
    select: String,
    /// Packets per second that are sent
    #[arg(long, value_name = "PPS", value_parser = args::rate, conflicts_with = "load")]
    rate: Option<f64>,
    /// Percent of what passes without loss that is sent
    #[arg(long, value_name = "PERCENT", default_value = "50", value_parser = args::load)]
    load: f64,
    /// Fewer and shorter trials
    #[arg(long)]
    quick: bool,
    /// Writes the results, for `report` and `compare`
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    #[command(flatten)]
    machine: MachineArgs,
}

/// Measures and prints a table.
pub(crate) fn main(args: &LatencyArgs) -> Result<()> {
    let reserved = args.machine.reserve();
    let protocol = args.machine.protocol(args.quick);
    let mut results = Results::new(preflight::look(), protocol.clone());
    let load = args.rate.map_or(Load::Percent(args.load), Load::Pps);
    let name = format!("{} % of {} B", args.percentage, args.size);
    let case =
        Case { name: &name, size: args.size, percentage: args.percentage, select: &args.select };
    let measured = measure(case, load, &protocol, reserved.memory)?;
    let rate = measured.rate_pps / 1e6;
    let how = match load {
        Load::Percent(load) => {
            format!(
                "open loop, {rate:.3} Mpps of {} B, {load} % of what passes without loss",
                args.size
            )
        }
        Load::Pps(_) => format!("open loop, {rate:.3} Mpps of {} B", args.size),
    };
    let distributions = measured.distributions("latency", &name, &how);
    println!("{how}; ns; median of {} trials of each\n", protocol.pairs);
    print(&distributions, &name);
    for answer in
        measured.answers.iter().flatten().filter(|a| !a.outcome.kept_up(measured.rate_pps))
    {
        let offered = answer.outcome.offered_pps() / 1e6;
        let note = format!("in a trial the tester offered {offered:.3} of {rate:.3} Mpps");
        eprintln!("{note}");
        results.notes.push(note);
    }
    for percentile in COMPARED {
        for place in [Place::Rings, Place::Worker] {
            let mut c =
                comparison(case, place, percentile, &measured.plan, &measured.answers, &how);
            c.id = c.id.replacen("P8", "latency", 1);
            c.goal = None;
            c.command = results.command.join(" ");
            results.comparisons.push(c);
        }
    }
    results.latencies.extend(distributions);
    if let Some(path) = &args.json {
        results.write(path)?;
    }
    Ok(())
}

fn print(distributions: &[Latency], name: &str) {
    println!(
        "| from where to where | shadow | p50 | p90 | p99 | p99.9 | p99.99 | max | frames | lost | sent late |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|---|");
    for distribution in distributions {
        let title = distribution.title.trim_end_matches(name).trim_end_matches(", ");
        for series in &distribution.series {
            let at = |percentile: f64| {
                let of = series.percentiles.iter().find(|(p, _)| (p - percentile).abs() < 1e-9);
                of.map_or_else(|| "–".to_owned(), |(_, ns)| ns.to_string())
            };
            println!(
                "| {title} | {} | {} | {} | {} | {} |",
                series.label.replacen("shadow on", name, 1).replacen("shadow off", "off", 1),
                SHOWN.map(at).join(" | "),
                series.count,
                series.lost,
                series.late
            );
        }
    }
}
