//! `signatures`: the signature engine against a peer over the same capture and rules, P11.
//!
//! Both are processes that read a capture file. What they say of the time that the analysis took leaves out
//! the loading of rules; processor time is of the whole run less that of a run over one frame. The capture is
//! made of those given, repeated with other addresses until it is large enough, so that each copy is traffic
//! of its own.

mod capture;
mod run;

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use clap::{Args, ValueEnum};
use serde::Serialize;
use serde_json::json;

use crate::protocol::{About, Contender, compare};
use crate::results::{Better, Comparison, Protocol};
use run::{Engine, Ran};

/// `umbra-bench signatures`.
#[derive(Debug, Args)]
pub(crate) struct SignaturesArgs {
    /// Captures whose frames are analysed, pcap or pcapng with Ethernet frames
    #[arg(long, required = true, num_args = 1.., value_name = "PCAP")]
    capture: Vec<PathBuf>,
    /// The rules
    #[arg(long, value_name = "FILE")]
    rules: PathBuf,
    /// umbra [default: beside this program]
    #[arg(long, value_name = "PROGRAM")]
    umbra: Option<PathBuf>,
    /// What both write. Of the peer's stock command all of EVE, or only its fast.log
    #[arg(long, value_enum, default_value_t = Log::Full)]
    log: Log,
    /// The peer's command, with {pcap}, {rules} and {out}; it must write {out}/eve.json, or {out}/fast.log, and say
    /// "time elapsed 1.234s"
    #[arg(long, value_name = "COMMAND", default_value = DEFAULT_PEER)]
    peer: String,
    /// Repeat the captures until there are so many megabytes
    #[arg(long, value_name = "MB", default_value_t = 100)]
    megabytes: u64,
    /// Pairs of runs
    #[arg(long, default_value_t = 5)]
    pairs: usize,
    /// Core of both
    #[arg(long, default_value_t = 1)]
    core: u16,
    /// Write the result as JSON to FILE
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// What is written of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Log {
    /// Every kind of EVE record.
    Full,
    /// Alerts.
    Alert,
}

/// What the peer is told for [`Log::Alert`]: no EVE. Its fast.log costs less than alerts in EVE would.
const ALERTS_OF_PEER: &str = " --set outputs.1.eve-log.enabled=no";

/// What umbra is told: what it does without a manifest, but for the records.
const ALERTS_ONLY: &str = r#"
[appliance]
name = "alerts"

[[wire]]
name = "none"
a = "net_null0"
b = "net_null1"

[shadowing]
shadow_traffic_percentage = 100.0
shadow_analysis_profiles = ["IDS_Signature_Scan"]

[[profile]]
id = "IDS_Signature_Scan"
kind = "ids"
home_net = "any"
external_net = "any"

[outputs]
eve_types = ["alert"]
"#;

const DEFAULT_PEER: &str = "suricata -r {pcap} -S {rules} -l {out} -k none --runmode=single -v \
    --set vars.address-groups.HOME_NET=any --set vars.address-groups.EXTERNAL_NET=any \
    --set stream.memcap=1gb --set stream.reassembly.memcap=4gb";

/// What both sides were like beside their speed.
#[derive(Debug, Serialize)]
struct Besides {
    label: String,
    /// Of the whole run, less that of a run over one frame, seconds.
    cpu_s: f64,
    /// Of a run over one frame: mostly the loading of rules.
    load_cpu_s: f64,
    memory_mb: f64,
    alerts: u64,
    sids: usize,
}

/// How far the two agree in what they found.
#[derive(Debug, Serialize)]
struct Agreement {
    /// Sids that both fired, of those that the peer fired.
    recall: f64,
    /// Of those that umbra fired.
    precision: f64,
    only_umbra: Vec<u64>,
    only_peer: Vec<u64>,
}

pub(crate) fn main(args: &SignaturesArgs) -> Result<()> {
    ensure!(args.pairs > 0, "--pairs must be at least 1");
    let folder = tempfile::tempdir().context("a temporary folder")?;
    let made = capture::make(&args.capture, args.megabytes << 20, folder.path())?;
    let umbra = match &args.umbra {
        Some(path) => path.clone(),
        None => std::env::current_exe()?.with_file_name("umbra"),
    };
    let mut command = format!(
        "{} replay -k none -r {{pcap}} -S {{rules}} -l {{out}} --profiles IDS_Signature_Scan",
        umbra.display()
    );
    let mut peer = args.peer.clone();
    if args.log == Log::Alert {
        let manifest = folder.path().join("alerts.toml");
        std::fs::write(&manifest, ALERTS_ONLY).context("a manifest")?;
        command += &format!(" -c {}", manifest.display());
        peer += ALERTS_OF_PEER;
    }
    let ours = Engine::new("umbra", &command, args, folder.path());
    let peer = Engine::new("peer", &peer, args, folder.path());
    let megabytes = made.bytes as f64 / 1e6;
    let mut last: [Option<Ran>; 2] = [None, None];
    let [last_ours, last_peer] = &mut last;
    let protocol = Protocol { pairs: args.pairs, steal_percent_max: 1.0, ..Protocol::new(false) };
    let contender = |engine: &'_ Engine, last: &mut Option<Ran>| -> Result<f64> {
        let ran = engine.run(&made.whole)?;
        let speed = megabytes / ran.seconds;
        *last = Some(ran);
        Ok(speed)
    };
    let about = About {
        id: match args.log {
            Log::Full => "P11/full-eve".into(),
            Log::Alert => "P11/alert-only".into(),
        },
        goal: Some("P11"),
        title: "Signature engine over the same capture and rules: umbra ÷ peer".into(),
        command: "umbra-bench signatures".into(),
        unit: "ratio of MB/s",
    };
    let side = |label: &str, config: serde_json::Value, run| Contender {
        label: label.into(),
        config,
        unit: "MB/s",
        run,
    };
    let comparison = compare(
        &protocol,
        about,
        Better::Higher,
        side("umbra", json!({"command": ours.command}), Box::new(|| contender(&ours, last_ours))),
        side("peer", json!({"command": peer.command}), Box::new(|| contender(&peer, last_peer))),
        false,
    )?;
    let loads = [ours.run(&made.one)?, peer.run(&made.one)?];
    let [Some(ours_ran), Some(peer_ran)] = last else { unreachable!("there were pairs") };
    let besides = [("umbra", &ours_ran, &loads[0]), ("peer", &peer_ran, &loads[1])].map(
        |(label, ran, load)| Besides {
            label: label.into(),
            cpu_s: ran.cpu_s - load.cpu_s,
            load_cpu_s: load.cpu_s,
            memory_mb: ran.memory_mb,
            alerts: ran.alerts.values().sum(),
            sids: ran.alerts.len(),
        },
    );
    let agreement = agree(&ours_ran, &peer_ran);
    print(&comparison, &besides, &agreement, megabytes, made.frames);
    if let Some(out) = &args.out {
        let result = json!({
            "comparison": comparison, "besides": besides, "agreement": agreement,
            "capture": {"bytes": made.bytes, "frames": made.frames},
            "machine": crate::preflight::look(),
        });
        std::fs::write(out, format!("{result:#}\n")).with_context(|| out.display().to_string())?;
    }
    Ok(())
}

fn agree(ours: &Ran, peer: &Ran) -> Agreement {
    let both = ours.alerts.keys().filter(|sid| peer.alerts.contains_key(sid)).count() as f64;
    let share = |of: usize| if of == 0 { 1.0 } else { both / of as f64 };
    let without = |a: &Ran, b: &Ran| {
        a.alerts.keys().filter(|sid| !b.alerts.contains_key(sid)).copied().collect()
    };
    Agreement {
        recall: share(peer.alerts.len()),
        precision: share(ours.alerts.len()),
        only_umbra: without(ours, peer),
        only_peer: without(peer, ours),
    }
}

fn print(
    comparison: &Comparison,
    besides: &[Besides],
    agreement: &Agreement,
    megabytes: f64,
    frames: u64,
) {
    println!("capture    {megabytes:.1} MB, {frames} frames");
    for (side, beside) in [&comparison.a, &comparison.b].into_iter().zip(besides) {
        println!(
            "{:<10} {:.1} {}; cpu {:.2} s, and {:.2} s to load; {:.0} MB; {} alerts of {} rules",
            side.label,
            side.median,
            side.unit,
            beside.cpu_s,
            beside.load_cpu_s,
            beside.memory_mb,
            beside.alerts,
            beside.sids
        );
    }
    let estimate = &comparison.estimate;
    println!("ratio      {:.3} ({:.3} to {:.3})", estimate.median, estimate.low, estimate.high);
    println!(
        "agreement  recall {:.1} %, precision {:.1} %; only umbra {:?}; only the peer {:?}",
        agreement.recall * 100.0,
        agreement.precision * 100.0,
        agreement.only_umbra,
        agreement.only_peer
    );
}
