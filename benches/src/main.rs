//! `umbra-bench`: umbra against its peers, side by side on this machine.

mod consumer;
mod dut;
mod preflight;
#[expect(dead_code, reason = "filled in by the commits that follow")]
mod results;
mod rewrite;
mod rig;
mod session;
mod stats;
mod testpmd;
mod traffic;

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
    /// The device under test, in a process that the others start: a plan on stdin, a report on stdout
    #[command(hide = true)]
    Dut,
    /// A plan of one's own
    #[command(hide = true)]
    Try {
        rig: String,
        #[arg(default_value_t = 256)]
        frames: u32,
        #[arg(long)]
        nic: bool,
        #[arg(long, default_value = "spin")]
        consumer: String,
        #[arg(long, default_value_t = 22)]
        ring: u32,
        #[arg(long)]
        flows: Option<u32>,
        #[arg(long, default_value_t = 64)]
        size: u16,
        #[arg(long, default_value_t = 1.0)]
        pct: f64,
        #[arg(long, default_value_t = 0.2)]
        window: f64,
        #[arg(long, default_value_t = 11)]
        rounds: usize,
    },
}

fn main() -> Result<()> {
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or("warn")).init();
    match Cli::parse().command {
        Command::Dut => dut::main(),
        Command::Try { rig, frames, nic, consumer, ring, flows, size, pct, window, rounds } => {
            let traffic = traffic::Traffic::fixed(flows.unwrap_or(frames), size);
            let dir = tempfile::tempdir()?;
            let file = dir.path().join("t.pcap");
            let rig = match rig.as_str() {
                "ring" => rig::Rig::Ring { frames },
                "null" => rig::Rig::Null { size, copy: false },
                "pcap" => {
                    traffic::write_capture(&file, &traffic.frames(frames as usize)?)?;
                    rig::Rig::Pcap { file }
                }
                _ => rig::Rig::RingVdev { frames },
            };
            let mut dut = session::Dut::new(rig, traffic);
            dut.frames = frames;
            dut.memory = session::Memory::Huge(1024);
            dut.nic_hash = nic;
            let off = session::Setting::off();
            dut.ring_bytes = 1 << ring;
            let c = match consumer.as_str() {
                "take" => session::Consumer::Take,
                "frozen" => session::Consumer::Frozen,
                _ => session::Consumer::Spin,
            };
            let plan = session::Plan {
                dut,
                settings: vec![
                    off.clone(),
                    session::Setting::on(0.0, "packet"),
                    session::Setting::on(pct, "packet"),
                    session::Setting::on(pct, "flow"),
                    off,
                ],
                rounds,
                window_s: window,
                steal_percent_max: 0.5,
            };
            let mut plan = plan;
            for s in &mut plan.settings {
                s.consumer = c;
            }
            let report = session::run(&plan)?;
            for (i, s) in plan.settings.iter().enumerate() {
                let diffs: Vec<f64> =
                    report.cycles(i).iter().zip(report.cycles(0)).map(|(a, b)| a - b).collect();
                let e = stats::estimate(&diffs);
                println!(
                    "{:<24} {:8.3} cycles  {:8.2} Mpps  added {:7.3} [{:.3}, {:.3}]  burst {:.1} mirrored {} full {}",
                    s.label,
                    stats::median(&report.cycles(i)),
                    stats::median(&report.mpps(i, 1)),
                    e.median,
                    e.low,
                    e.high,
                    report.windows[i][0].packets as f64 / report.windows[i][0].rx_bursts as f64,
                    report.windows[i][0].taken,
                    report.windows[i][0].ring_full
                );
            }
            Ok(())
        }
    }
}
