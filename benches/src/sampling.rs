//! `umbra-bench sampling`: what the sampler and the copies cost the worker, setting by setting, on one
//! rig, against the shadow off.

use anyhow::{Result, anyhow};
use clap::Args;

use crate::args;
use crate::machine::MachineArgs;
use crate::rig::{Rig, RigKind};
use crate::session::{Consumer, Dut, Plan, Report, Setting};
use crate::stats::{estimate, median};
use crate::traffic::{Sizes, Traffic, write_capture};

/// `umbra-bench sampling`.
#[derive(Debug, Clone, Args)]
pub(crate) struct SamplingArgs {
    /// ring, null, null-copy or pcap
    #[arg(long, value_name = "RIG", default_value = "ring")]
    rig: RigKind,
    /// Distinct frames; those of R1 go round in each direction
    #[arg(long, value_name = "N", default_value_t = 512,
        value_parser = clap::value_parser!(u32).range(1..=65_536))]
    frames: u32,
    /// Flows that the frames belong to; without it, as many as there are frames
    #[arg(long, value_name = "N")]
    flows: Option<u32>,
    /// Bytes of a frame without FCS, or imix
    #[arg(long, value_name = "BYTES", default_value = "64")]
    size: Sizes,
    /// Percentages
    #[arg(long, value_name = "PERCENT,…", value_delimiter = ',', default_value = "0,1",
        value_parser = args::percentage)]
    percentages: Vec<f64>,
    /// How frames are selected
    #[arg(long, value_name = "MODE,…", value_delimiter = ',', default_value = "packet,flow",
        value_parser = ["flow", "host", "packet"])]
    select: Vec<String>,
    /// What the other end of the mirror ring does
    #[arg(long, value_name = "HOW", default_value = "take", value_parser = ["take", "spin", "frozen"])]
    consumer: String,
    /// Mbufs carry a hash as a NIC would set it
    #[arg(long)]
    nic_hash: bool,
    /// Rounds over all settings
    #[arg(long, value_name = "N", default_value_t = 11)]
    rounds: usize,
    /// Seconds of a window
    #[arg(long, value_name = "SECONDS", default_value = "0.1", value_parser = args::seconds)]
    window: f64,
    #[command(flatten)]
    machine: MachineArgs,
}

/// Measures and prints a table.
pub(crate) fn main(args: &SamplingArgs) -> Result<()> {
    let traffic = Traffic::Generated { flows: args.flows.unwrap_or(args.frames), sizes: args.size };
    let dir = tempfile::tempdir()?;
    let one_size = || match args.size {
        Sizes::Fixed(size) => Ok(size),
        Sizes::Imix => Err(anyhow!("--size imix: R2 has one size of frames; legal are 54 to 9014")),
    };
    let rig = match args.rig {
        RigKind::Ring => Rig::Ring { frames: args.frames },
        RigKind::Null => Rig::Null { size: one_size()?, copy: false },
        RigKind::NullCopy => Rig::Null { size: one_size()?, copy: true },
        RigKind::Pcap => {
            let file = dir.path().join("frames.pcap");
            write_capture(&file, &traffic.frames(args.frames as usize)?)?;
            Rig::Pcap { file }
        }
        RigKind::Virtio => anyhow::bail!("R4 needs a guest: umbra-bench forward --rig virtio"),
    };
    let mut dut = Dut::new(rig, traffic);
    dut.frames = args.frames;
    dut.nic_hash = args.nic_hash;
    let reserved = args.machine.reserve();
    dut.memory = reserved.memory;
    let consumer = match args.consumer.as_str() {
        "take" => Consumer::Take,
        "spin" => Consumer::Spin,
        "frozen" => Consumer::Frozen,
        other => anyhow::bail!("consumer {other:?}; legal: take, spin, frozen"),
    };
    let mut settings = vec![Setting::off()];
    for select in &args.select {
        settings.extend(args.percentages.iter().map(|&p| Setting::on(p, select)));
    }
    settings.iter_mut().for_each(|s| s.consumer = consumer);
    let plan = Plan {
        dut,
        settings,
        rounds: args.rounds,
        window_s: args.window,
        steal_percent_max: args.machine.steal_percent_max,
        interactive: false,
    };
    let report = crate::session::run(&plan)?;
    print(&plan, &report);
    Ok(())
}

fn print(plan: &Plan, report: &Report) {
    println!(
        "| setting | cycles per packet | Mpps | added | 95 % interval | frames per burst | mirrored | ring full |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    let off = report.cycles(0);
    for (i, setting) in plan.settings.iter().enumerate() {
        let cycles = report.cycles(i);
        let added: Vec<f64> = cycles.iter().zip(&off).map(|(on, off)| on - off).collect();
        let added = estimate(&added);
        let sum =
            |of: fn(&crate::session::Window) -> u64| report.windows[i].iter().map(of).sum::<u64>();
        println!(
            "| {} | {:.2} | {:.2} | {:.3} | {:.3} to {:.3} | {:.1} | {:.4} % | {} |",
            setting.label,
            median(&cycles),
            median(&report.mpps(i, plan.dut.cores.len())),
            added.median,
            added.low,
            added.high,
            sum(|w| w.packets) as f64 / sum(|w| w.rx_bursts).max(1) as f64,
            sum(|w| w.enqueued) as f64 * 100.0 / sum(|w| w.packets).max(1) as f64,
            sum(|w| w.ring_full),
        );
    }
}
