//! Traffic made from rules, and which rules fire on it in umbra and in a peer.
//!
//! For each rule a conversation that has all that it looks for, and near misses of it. The generator knows the
//! language and the protocols, and never asks the engine: whether it was right is for both engines to say.

pub(crate) mod engines;
mod maker;
mod miss;
mod pattern;
mod plan;
mod rng;
mod solve;
mod speak;
mod table;
mod talk;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use clap::Args;
use umbra_analyzers::ids::rule::ast::{Action, Rule};
use umbra_analyzers::ids::rule::{Classification, RuleSet, Variables};

use engines::Flows;
use miss::Variant;
use plan::{Book, Case};
use rng::Rng;
use table::Report;

/// `umbra-bench rules`.
#[derive(Debug, Clone, Args)]
pub(crate) struct RulesArgs {
    /// Files of rules; all of them are loaded, also where traffic is made for some only
    #[arg(long, value_name = "FILE", num_args = 1.., required = true)]
    rules: Vec<PathBuf>,
    /// Where captures, events and the report go
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// What to hold umbra against: {pcap}, {rules} and {out} are filled in, {out}/eve.json is read;
    /// without it, captures are written and nothing is run
    #[arg(long, value_name = "COMMAND")]
    peer: Option<String>,
    /// How umbra is run
    #[arg(
        long,
        value_name = "COMMAND",
        default_value = "umbra replay -q -k none -S {rules} -r {pcap} -l {out}"
    )]
    umbra: String,
    /// Makes traffic for so many rules, chosen by chance
    #[arg(long, value_name = "N")]
    sample: Option<usize>,
    /// Makes traffic for these rules only
    #[arg(long, value_name = "SID,…", value_delimiter = ',')]
    sids: Vec<u32>,
    /// Another seed makes other traffic
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Rules per capture
    #[arg(long, value_name = "N", default_value_t = 1000,
        value_parser = clap::value_parser!(u32).range(1..=20_000))]
    per_capture: u32,
    /// Takes the peer's events as they are where they are newer than the capture
    #[arg(long)]
    keep_peer: bool,
}

pub(crate) fn main(args: &RulesArgs) -> Result<()> {
    std::fs::create_dir_all(&args.out).with_context(|| args.out.display().to_string())?;
    let rules_file = args.out.join("rules.rules");
    join_files(&args.rules, &rules_file)?;
    let (variables, classes) = (Variables::default(), Classification::default());
    let loaded = RuleSet::load(std::slice::from_ref(&rules_file), &variables, &classes);
    eprintln!("{}", loaded.summary());
    let chosen = choose(&loaded.rules, args);
    ensure!(!chosen.is_empty(), "none of the rules was chosen");
    let book = Book::new(&loaded.rules, args.seed);
    let mut report = Report { rules: chosen.len(), ..Report::default() };
    for (part, number) in chosen.chunks(args.per_capture as usize).zip(0..) {
        let cases = cases(&book, part, &mut report);
        let folder = args.out.join(format!("{number:03}"));
        let run = Run { folder: &folder, rules: &rules_file };
        run.capture(&cases)?;
        if let Some(peer) = &args.peer {
            let flows = Flows::of(&cases);
            let (ours, strays) = flows.read(&run.events("umbra", &args.umbra, false)?)?;
            let (peers, peer_strays) = flows.read(&run.events("peer", peer, args.keep_peer)?)?;
            report.strays[0] += strays;
            report.strays[1] += peer_strays;
            report.add(number, &cases, &ours, &peers);
            eprintln!("{}: {} cases", folder.display(), cases.len());
        }
        // What there is so far can be looked at before all is done.
        std::fs::write(args.out.join("report.json"), serde_json::to_vec_pretty(&report)?)?;
    }
    print!("{}", report.table());
    Ok(())
}

/// One file of all, since peers take one.
fn join_files(files: &[PathBuf], to: &Path) -> Result<()> {
    let mut all = Vec::new();
    for file in files {
        all.extend(std::fs::read(file).with_context(|| file.display().to_string())?);
        all.push(b'\n');
    }
    std::fs::write(to, all).with_context(|| to.display().to_string())
}

fn choose<'r>(rules: &'r [Rule], args: &RulesArgs) -> Vec<&'r Rule> {
    let sids: BTreeSet<u32> = args.sids.iter().copied().collect();
    let mut chosen: Vec<&Rule> =
        rules.iter().filter(|rule| sids.is_empty() || sids.contains(&rule.sid)).collect();
    if let Some(sample) = args.sample {
        chosen.sort_by_key(|rule| Rng::new(args.seed, u64::from(rule.sid)).next());
        chosen.truncate(sample);
        chosen.sort_by_key(|rule| rule.sid);
    }
    chosen
}

/// The cases of these rules: the match and its near misses.
fn cases<'r>(book: &Book<'r>, rules: &[&'r Rule], report: &mut Report) -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    for rule in rules {
        if rule.noalert || rule.action == Action::Pass {
            report.skipped.entry("it never alerts".to_owned()).or_default().push(rule.sid);
            continue;
        }
        let slot = |cases: &Vec<Case>| u32::try_from(cases.len()).unwrap_or(u32::MAX);
        match book.case(rule, Variant::Match, slot(&cases)) {
            Ok(case) => cases.extend(case),
            Err(why) => {
                report.skipped.entry(why.to_string()).or_default().push(rule.sid);
                continue;
            }
        }
        report.made += 1;
        for variant in Variant::MISSES {
            if let Ok(Some(case)) = book.case(rule, variant, slot(&cases)) {
                cases.push(case);
            }
        }
    }
    cases
}

/// A capture and what is made of it.
struct Run<'a> {
    folder: &'a Path,
    rules: &'a Path,
}

impl Run<'_> {
    fn pcap(&self) -> PathBuf {
        self.folder.join("traffic.pcap")
    }

    /// Writes the capture; one that is there and the same keeps its time.
    fn capture(&self, cases: &[Case]) -> Result<()> {
        std::fs::create_dir_all(self.folder)?;
        let fresh = self.folder.join("fresh.pcap");
        engines::write_capture(&fresh, cases)?;
        let is_same = std::fs::read(self.pcap())
            .is_ok_and(|old| std::fs::read(&fresh).is_ok_and(|new| new == old));
        if is_same {
            std::fs::remove_file(&fresh)?;
        } else {
            std::fs::rename(&fresh, self.pcap())?;
        }
        Ok(())
    }

    /// The events of an engine; with `keep`, run only where they are not there yet.
    fn events(&self, name: &str, command: &str, keep: bool) -> Result<PathBuf> {
        let out = self.folder.join(name);
        let eve = out.join("eve.json");
        let time = |path: &Path| std::fs::metadata(path).and_then(|m| m.modified()).ok();
        let is_newer = time(&eve).is_some_and(|eve| time(&self.pcap()).is_some_and(|p| p < eve));
        if !(keep && is_newer) {
            match std::fs::remove_file(&eve) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error)?,
                _ => {}
            }
            engines::run(command, &self.pcap(), self.rules, &out)?;
        }
        Ok(eve)
    }
}
