//! P1: forwarding between two net_null ports on one core, umbra ÷ dpdk-testpmd io, with the same
//! burst, cache and mbuf count.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use clap::Args;
use serde_json::{Value, json};

use crate::dut::{self, DutArgs};
use crate::preflight;
use crate::stats::{Estimate, estimate, median};
use crate::testpmd::{TestpmdOptions, forward_pps};

/// Runs with more stolen time than this are repeated.
const STEAL_PERCENT_MAX: f64 = 0.5;
const TRIES: usize = 5;

/// `umbra-bench forward`.
#[derive(Debug, Clone, Args)]
pub(crate) struct ForwardArgs {
    /// Interleaved pairs per figure
    #[arg(long, default_value_t = 11)]
    pub(crate) pairs: usize,
    /// Seconds of each run
    #[arg(long, default_value_t = 2.0)]
    pub(crate) seconds: f64,
    /// Frames per burst
    #[arg(long, default_value_t = 32)]
    pub(crate) burst: u16,
    /// Write the results to FILE
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
}

/// One line of the table.
struct Case {
    name: &'static str,
    percentage: Option<f64>,
    select: &'static str,
}

/// net_null's frames are all zeroes: in flow mode they take the slow way to a key, that of frames
/// that are not IP, so that line is a bound and not what IP traffic costs.
const CASES: [Case; 4] = [
    Case { name: "shadow off", percentage: None, select: "flow" },
    Case { name: "on at 0 %", percentage: Some(0.0), select: "flow" },
    Case { name: "on at 1 %, packet mode", percentage: Some(1.0), select: "packet" },
    Case { name: "on at 1 %, flow mode", percentage: Some(1.0), select: "flow" },
];

/// Runs until the hypervisor left the run alone.
fn undisturbed(mut run: impl FnMut() -> Result<f64>) -> Result<f64> {
    for _ in 0..TRIES {
        let before = preflight::steal_and_total_jiffies();
        let value = run()?;
        if preflight::steal_percent_since(before) <= STEAL_PERCENT_MAX {
            return Ok(value);
        }
    }
    bail!("{TRIES} runs in a row had more than {STEAL_PERCENT_MAX} % of stolen time: measure later")
}

struct Measured {
    case: &'static str,
    ratio: Estimate,
    umbra_pps: f64,
    testpmd_pps: f64,
    ratios: Vec<f64>,
}

fn measure(args: &ForwardArgs, case: &Case) -> Result<Measured> {
    let dut = DutArgs {
        percentage: case.percentage,
        select: case.select.to_owned(),
        burst: args.burst,
        mbuf_cache: 250,
        mbufs: 16_383,
        descriptors: 512,
        seconds: args.seconds,
        core: 1,
        other_core: 0,
    };
    let mut eal = vec!["--lcores=100@0,1@1".to_owned(), "--main-lcore=100".to_owned()];
    eal.extend(dut::eal_common(&format!("umbra-testpmd-{}", std::process::id())));
    let peer = TestpmdOptions {
        eal,
        burst: u32::from(args.burst),
        mbuf_cache: dut.mbuf_cache,
        mbufs: dut.mbufs,
        descriptors: u32::from(dut.descriptors),
    };
    let umbra = || undisturbed(|| Ok(dut::measure(&dut)?.pps));
    let testpmd = || undisturbed(|| forward_pps(&peer, args.seconds));
    let (mut ratios, mut ours, mut theirs) = (Vec::new(), Vec::new(), Vec::new());
    for pair in 0..args.pairs {
        // A B B A: a drift of the machine falls on both alike.
        let (a, b) = if pair % 2 == 0 {
            let a = umbra()?;
            (a, testpmd()?)
        } else {
            let b = testpmd()?;
            (umbra()?, b)
        };
        ratios.push(a / b);
        ours.push(a);
        theirs.push(b);
        eprintln!(
            "  {:<22} pair {:>2}: umbra {:.2} Mpps, testpmd {:.2} Mpps, ratio {:.4}",
            case.name,
            pair + 1,
            a / 1e6,
            b / 1e6,
            a / b
        );
    }
    Ok(Measured {
        case: case.name,
        ratio: estimate(&ratios),
        umbra_pps: median(&ours),
        testpmd_pps: median(&theirs),
        ratios,
    })
}

fn as_json(m: &Measured) -> Value {
    json!({
        "case": m.case, "ratio": m.ratio, "umbra_pps": m.umbra_pps,
        "testpmd_pps": m.testpmd_pps, "ratios": m.ratios,
    })
}

pub(crate) fn look_at_machine() -> preflight::Preflight {
    let p = preflight::check(tsc_hz());
    eprintln!(
        "{}: TSC {:.3} GHz, {} cores, {:.2} × slower with both busy, {:.2} % stolen",
        p.cpu,
        p.tsc_hz as f64 / 1e9,
        p.cores,
        p.both_cores_slowdown,
        p.steal_percent
    );
    p
}

/// Counts the TSC against the monotonic clock for 200 ms.
fn tsc_hz() -> u64 {
    let (start, t0) = (std::time::Instant::now(), umbra_dpdk::tsc());
    std::thread::sleep(std::time::Duration::from_millis(200));
    let cycles = umbra_dpdk::tsc() - t0;
    (cycles as f64 / start.elapsed().as_secs_f64()) as u64
}

/// Runs the comparison and prints a table.
pub(crate) fn main(args: &ForwardArgs) -> Result<()> {
    let machine = look_at_machine();
    let mut measured = Vec::new();
    for case in &CASES {
        measured.push(measure(args, case)?);
    }
    println!("| case | umbra Mpps | testpmd io Mpps | ratio | 95 % interval |");
    println!("|---|---|---|---|---|");
    for m in &measured {
        println!(
            "| {} | {:.2} | {:.2} | {:.4} | {:.4}–{:.4} |",
            m.case,
            m.umbra_pps / 1e6,
            m.testpmd_pps / 1e6,
            m.ratio.median,
            m.ratio.low,
            m.ratio.high
        );
    }
    if let Some(path) = &args.json {
        let all: Vec<Value> = measured.iter().map(as_json).collect();
        let result = json!({
            "machine": machine, "burst": args.burst, "pairs": args.pairs, "seconds": args.seconds,
            "results": all,
        });
        std::fs::write(path, format!("{result:#}\n"))?;
    }
    Ok(())
}

/// `umbra-bench goals`.
pub(crate) fn goals(goals: &[String], quick: bool, json: Option<&Path>) -> Result<()> {
    if let Some(unknown) = goals.iter().find(|g| g.as_str() != "P1") {
        bail!("goal {unknown} is not built yet; built: P1");
    }
    let args = ForwardArgs {
        pairs: if quick { 5 } else { 11 },
        seconds: if quick { 1.0 } else { 2.0 },
        burst: 32,
        json: None,
    };
    look_at_machine();
    let m = measure(&args, &CASES[0])?;
    let result = json!({"P1": {
        "value": m.ratio.median, "ci": [m.ratio.low, m.ratio.high], "match": 0.97, "goal": 1.0,
        "unit": "ratio of Mpps",
        "how": "net_null pair, one core, burst 32, cache 250, 16383 mbufs: umbra with the shadow off ÷ dpdk-testpmd io",
    }});
    println!("{result:#}");
    if let Some(path) = json {
        std::fs::write(path, format!("{result:#}\n"))?;
    }
    Ok(())
}
