//! `eve`: the records of umbra and of a peer over the same captures and rules, field by field.
//!
//! Suricata's flow manager and its packets race each other, so that some of what it says depends on the run: which
//! flows it timed out, and when it says so. With two runs of the peer or more, fields in which these differ from
//! each other are known, and the score is given with and without them.

mod compare;
mod records;
mod table;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use clap::Args;
use serde_json::Value;

use crate::rules::engines;
use records::Records;
use table::Report;

/// What is compared unless told otherwise.
const TYPES: &str = "alert,http,dns,tls,fileinfo,flow";

/// `umbra-bench eve`.
#[derive(Debug, Clone, Args)]
pub(crate) struct EveArgs {
    /// Folder with an `expected.json`, whose keys are captures, and a `rules.rules`
    #[arg(long, value_name = "DIR")]
    expected: PathBuf,
    /// What the captures' names are relative to [default: the folder above]
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,
    /// How umbra is run: {pcap}, {rules} and {out} are filled in, {out}/eve.json is read
    #[arg(
        long,
        value_name = "COMMAND",
        default_value = "umbra replay -q -k none -S {rules} -r {pcap} -l {out}"
    )]
    umbra: String,
    /// What to hold umbra against, called in the same way
    #[arg(long, value_name = "COMMAND")]
    peer: String,
    /// Where events and the report go
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Runs of the peer; umbra is held against the first, the others say what depends on the run
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=20))]
    peer_runs: u8,
    /// Kinds of records
    #[arg(long, value_name = "TYPE,…", value_delimiter = ',', default_value = TYPES)]
    types: Vec<String>,
    /// Only captures with this in their name
    #[arg(long, value_name = "TEXT", default_value = "")]
    only: String,
    /// Takes the peer's events as they are where they are there
    #[arg(long)]
    keep_peer: bool,
}

pub(crate) fn main(args: &EveArgs) -> Result<()> {
    let list = args.expected.join("expected.json");
    let list = std::fs::read(&list).with_context(|| list.display().to_string())?;
    let captures: BTreeMap<String, Value> = serde_json::from_slice(&list)?;
    let root = match &args.root {
        Some(root) => root.clone(),
        None => args.expected.canonicalize()?.join(".."),
    };
    let rules = args.expected.join("rules.rules");
    let mut report = Report::new(&args.types, args.peer_runs);
    for capture in captures.keys().filter(|name| name.contains(&args.only)) {
        let pcap = root.join(capture);
        ensure!(pcap.exists(), "{}: no such capture", pcap.display());
        let place = capture.replace('/', "__");
        let of = |engine: &str, command: &str, keep: bool| -> Result<Records> {
            let out = args.out.join(engine).join(&place);
            Records::read(&events(command, (&pcap, &rules), &out, keep)?, &args.types)
        };
        let ours = of("umbra", &args.umbra, false)?;
        let peers = (1..=args.peer_runs)
            .map(|run| of(&format!("peer-{run}"), &args.peer, args.keep_peer))
            .collect::<Result<Vec<_>>>()?;
        compare::compare(capture, &ours, &peers, &mut report);
        eprintln!("{capture}");
    }
    ensure!(report.captures > 0, "no capture has {:?} in its name", args.only);
    std::fs::write(args.out.join("report.json"), serde_json::to_vec_pretty(&report)?)?;
    let table = report.markdown();
    std::fs::write(args.out.join("report.md"), &table)?;
    print!("{table}");
    Ok(())
}

/// Runs an engine; with `keep`, only where there are no events yet.
fn events(command: &str, (pcap, rules): (&Path, &Path), out: &Path, keep: bool) -> Result<PathBuf> {
    let eve = out.join("eve.json");
    if !(keep && eve.exists()) {
        if out.exists() {
            std::fs::remove_dir_all(out).with_context(|| out.display().to_string())?;
        }
        engines::run(command, pcap, rules, out)?;
    }
    Ok(eve)
}
