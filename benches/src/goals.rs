//! `umbra-bench goals`: the goals of the performance page, each with its parts; `umbra-bench page`: these, the
//! curves, accounts and throughputs, and the page made of them.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::hugepages::HugePages;
use crate::results::{Comparison, GoalPart, GoalResult, Protocol, Results};
use crate::rig::RigKind;
use crate::session::{Memory, Setting};
use crate::{forward, latency, mirror, preflight, report, rfc2544, ring, split, within};

/// The goals that are measured, in their order.
const GOALS: [&str; 10] = ["P1", "P2", "P3", "P4", "P5", "P6", "P7", "P8", "P9", "P15"];
/// Huge pages of 2 MiB for the sessions.
const PAGES: u64 = 1_400;

/// `umbra-bench goals`.
#[derive(Debug, Clone, Args)]
pub(crate) struct GoalsArgs {
    /// Which: P1 to P9, P15; without any, all
    goals: Vec<String>,
    /// Fewer and shorter runs
    #[arg(long)]
    quick: bool,
    /// Writes goal by goal: value, interval, match and goal
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Writes all that was measured, for `report` and `compare`
    #[arg(long, value_name = "FILE")]
    results: Option<PathBuf>,
}

/// `umbra-bench page`.
#[derive(Debug, Clone, Args)]
pub(crate) struct PageArgs {
    /// Where RESULTS.md, results.json and plots/ go
    #[arg(long, value_name = "DIR", default_value = "benches")]
    out: PathBuf,
    /// Fewer and shorter runs
    #[arg(long)]
    quick: bool,
}

/// What all goals share.
struct Run {
    results: Results,
    memory: Memory,
}

/// `umbra-bench goals`.
pub(crate) fn goals(args: &GoalsArgs) -> Result<()> {
    let wanted: Vec<&str> = if args.goals.is_empty() {
        GOALS.to_vec()
    } else {
        args.goals.iter().map(String::as_str).collect()
    };
    if let Some(unknown) = wanted.iter().find(|g| !GOALS.contains(g)) {
        bail!("goal {unknown:?} is not measured; there are: {}", GOALS.join(", "));
    }
    with_run(args.quick, |run| {
        let failed = run.goals(&wanted);
        let json = serde_json::to_string_pretty(&run.results.goals)?;
        println!("{json}");
        if let Some(path) = &args.json {
            std::fs::write(path, json + "\n").with_context(|| format!("cannot write {path:?}"))?;
        }
        if let Some(path) = &args.results {
            run.results.write(path)?;
        }
        failed
    })
}

/// `umbra-bench page`.
pub(crate) fn page(args: &PageArgs) -> Result<()> {
    with_run(args.quick, |run| {
        let failed = run.goals(&GOALS).and(run.extras());
        std::fs::create_dir_all(&args.out)?;
        run.results.write(&args.out.join("results.json"))?;
        report::write_page(&run.results, &args.out)?;
        failed
    })
}

fn with_run(quick: bool, body: impl FnOnce(&mut Run) -> Result<()>) -> Result<()> {
    let began = Instant::now();
    let pages = HugePages::reserve(PAGES);
    let memory = match &pages {
        Ok(_) => Memory::Huge(960),
        Err(why) => {
            log::warn!("everything on pages of 4 KiB, which cost more: {why:#}");
            Memory::Small(960)
        }
    };
    let mut results = Results::new(preflight::look(), Protocol::new(quick));
    if pages.is_err() {
        results.notes.push("Measured on pages of 4 KiB: huge pages could not be had.".into());
    }
    let mut run = Run { results, memory };
    run.results.took_s = began.elapsed().as_secs_f64();
    let result = body(&mut run);
    drop(pages);
    result
}

/// Cycles for a line to the other core and back, which a hypervisor changes.
fn distance() -> f64 {
    crate::cores::round_trip_cycles(1, 0).unwrap_or(0.0)
}

impl Run {
    /// Measures goals one after another. One that fails is noted and the others go on; the error at the end
    /// names them.
    fn goals(&mut self, wanted: &[&str]) -> Result<()> {
        let began = Instant::now();
        let mut failed = Vec::new();
        for &goal in wanted {
            eprintln!("{goal} …");
            let before = distance();
            let measured = self.goal(goal);
            self.results.notes.push(format!(
                "{goal}: a line went to the other core and back in {before:.0} cycles before it was measured and \
                 in {:.0} afterwards.",
                distance()
            ));
            if let Err(why) = measured {
                eprintln!("{goal}: {why:#}");
                self.results.notes.push(format!("{goal} was not measured: {why:#}"));
                failed.push(goal);
            }
            if let Some(result) = self.results.goals.get(goal) {
                let h = &result.headline;
                eprintln!(
                    "{goal}: {:.3} [{:.3}, {:.3}] {}, match {}, goal {}: {:?} ({:.0} s)",
                    h.value,
                    h.ci[0],
                    h.ci[1],
                    h.unit,
                    h.match_,
                    h.goal,
                    h.verdict,
                    began.elapsed().as_secs_f64()
                );
            }
        }
        self.results.took_s += began.elapsed().as_secs_f64();
        match failed.as_slice() {
            [] => Ok(()),
            failed => bail!("not measured: {}", failed.join(", ")),
        }
    }

    fn goal(&mut self, goal: &str) -> Result<()> {
        match goal {
            "P1" => self.p1(),
            "P2" => self.p2(),
            "P3" => self.enter_whole("P3", ring::p3),
            "P4" => self.p4(),
            "P5" => self.p5(),
            "P6" => self.enter_whole("P6", ring::p6),
            "P7" => self.p7(),
            "P8" => self.p8(),
            "P9" => self.p9(),
            "P15" => self.p15(),
            _ => bail!("no such goal"),
        }
    }

    fn enter(&mut self, goal: &str, parts: BTreeMap<String, GoalPart>) {
        if let Some(result) = GoalResult::from_parts(parts) {
            self.results.goals.insert(goal.into(), result);
        }
    }

    fn enter_whole(
        &mut self,
        goal: &str,
        measure: impl FnOnce(&Protocol) -> Result<(GoalResult, Vec<Comparison>)>,
    ) -> Result<()> {
        let (result, comparisons) = measure(&self.results.protocol)?;
        self.results.goals.insert(goal.into(), result);
        self.results.comparisons.extend(comparisons);
        Ok(())
    }

    fn p1(&mut self) -> Result<()> {
        let mut parts = BTreeMap::new();
        let all = [
            (RigKind::Ring, 64),
            (RigKind::Null, 64),
            (RigKind::Pcap, 64),
            (RigKind::Virtio, 64),
            (RigKind::NullCopy, 64),
            (RigKind::NullCopy, 1500),
            (RigKind::Virtio, 1500),
        ];
        let count = if self.results.protocol.quick { 3 } else { all.len() };
        for (kind, size) in all.into_iter().take(count) {
            let c = forward::p1(kind, size, &self.results.protocol, self.memory)?;
            let how = format!("umbra-bench goals P1: {}", c.title);
            let name = format!("{} {}, {size} B", kind.number(), kind.name());
            parts.insert(name, GoalPart::of(&c, (0.97, 1.0), how));
            self.results.comparisons.push(c);
        }
        self.enter("P1", parts);
        Ok(())
    }

    fn p2(&mut self) -> Result<()> {
        let mut parts = BTreeMap::new();
        for (name, c, goal) in within::p2(&self.results.protocol, self.memory)? {
            let how = format!("umbra-bench goals P2: {}", c.title);
            parts.insert(name, GoalPart::of(&c, (11.0, goal), how));
            self.results.comparisons.push(c);
        }
        self.enter("P2", parts);
        let account = within::account(1.0, &self.results.protocol, self.memory)?;
        self.results.accounts.push(account);
        Ok(())
    }

    fn p4(&mut self) -> Result<()> {
        let mut parts = BTreeMap::new();
        for (paced, name) in [(false, "dumpcap flat out"), (true, "dumpcap at 2 Mpps, its best")] {
            if paced && self.results.protocol.quick {
                continue;
            }
            let c = mirror::p4(paced, &self.results.protocol, self.memory)?;
            let how = format!("umbra-bench goals P4: {}", c.title);
            parts.insert(name.into(), GoalPart::of(&c, (0.5, 0.2), how));
            self.results.comparisons.push(c);
        }
        self.enter("P4", parts);
        Ok(())
    }

    fn p5(&mut self) -> Result<()> {
        let c = mirror::p5(&self.results.protocol, self.memory)?;
        let how = format!("umbra-bench goals P5: {}", c.title);
        let part = GoalPart::of(&c, (5.0, 15.0), how);
        self.results.comparisons.push(c);
        self.enter("P5", BTreeMap::from([("60 B".to_owned(), part)]));
        Ok(())
    }

    fn p7(&mut self) -> Result<()> {
        let (comparisons, lost) = within::p7(&self.results.protocol, self.memory)?;
        let mut parts = BTreeMap::new();
        for c in comparisons {
            let bounds = if c.id.contains("frozen") { (0.97, 1.0) } else { (0.95, 0.98) };
            let how = format!("umbra-bench goals P7: {}", c.title);
            let name = c.id.trim_start_matches("P7/").replace('/', ", ");
            parts.insert(name, GoalPart::of(&c, bounds, how));
            self.results.comparisons.push(c);
        }
        let how = "umbra-bench goals P7: received and not sent, over all windows";
        parts.insert("production packets lost".into(), within::zero(lost, "packets", how));
        self.enter("P7", parts);
        Ok(())
    }

    fn p8(&mut self) -> Result<()> {
        let mut parts = BTreeMap::new();
        for case in latency::CASES {
            let seen = latency::p8(case, &self.results.protocol, self.memory)?;
            for c in seen.comparisons {
                let bounds = match () {
                    () if c.id.ends_with("/p50") => (1.10, 1.02),
                    () if c.id.ends_with("/p99") => (1.15, 1.05),
                    () => (1.25, 1.10),
                };
                let how = format!("umbra-bench goals P8: {}; {}", c.title, seen.latency.how);
                let name = c.id.trim_start_matches("P8/").replace('/', ", ");
                parts.insert(name, GoalPart::of(&c, bounds, how));
                self.results.comparisons.push(c);
            }
            self.results.latencies.push(seen.latency);
            self.results.latencies.push(seen.residence);
        }
        self.enter("P8", parts);
        Ok(())
    }

    fn p9(&mut self) -> Result<()> {
        let mut parts = BTreeMap::new();
        let all: &[(u32, bool)] = if self.results.protocol.quick {
            &[(1_000, false), (100_000, false)]
        } else {
            &[
                (1_000, false),
                (10_000, false),
                (100_000, false),
                (1_000_000, false),
                (10_000_000, false),
                (1_000, true),
                (10_000_000, true),
            ]
        };
        for &(flows, on_r1) in all {
            let c = within::p9(flows, on_r1, &self.results.protocol, self.memory)?;
            let how = format!("umbra-bench goals P9: {}", c.title);
            let name = format!("{}, {flows} flows", if on_r1 { "R1" } else { "R3" });
            parts.insert(name, GoalPart::of(&c, (0.80, 0.92), how));
            self.results.comparisons.push(c);
        }
        let (whole, split) = split::split_flows(1_000_000, 5.0)?;
        let how = format!(
            "umbra-bench goals P9: a million flows through the tap at 5 %, both directions; {whole} taken whole"
        );
        parts.insert("split flows in 10⁶".into(), within::zero(split, "flows", &how));
        self.enter("P9", parts);
        Ok(())
    }

    fn p15(&mut self) -> Result<()> {
        let c = forward::p15(&self.results.protocol, self.memory)?;
        // The match is 0.98 of testpmd's own scaling, the goal testpmd's.
        let how = format!("umbra-bench goals P15: {}", c.title);
        let part = GoalPart::of(&c, (0.98, 1.0), how);
        self.results.comparisons.push(c);
        self.enter("P15", BTreeMap::from([("R2".to_owned(), part)]));
        Ok(())
    }

    /// What is on the page beside the goals.
    fn extras(&mut self) -> Result<()> {
        let began = Instant::now();
        let protocol = self.results.protocol.clone();
        eprintln!("curves …");
        self.results.curves.extend(within::curves(&protocol, self.memory)?);
        eprintln!("accounts …");
        self.results.accounts.push(within::account(10.0, &protocol, self.memory)?);
        eprintln!("throughput …");
        let search = if protocol.quick {
            rfc2544::Search { seconds: 0.05, width: 0.05 }
        } else {
            rfc2544::Search { seconds: 0.2, width: 0.01 }
        };
        let sizes = [(60, "64"), (1514, "1518")];
        for (size, name) in sizes.into_iter().take(if protocol.quick { 1 } else { 2 }) {
            for setting in [Setting::off(), Setting::on(1.0, "flow"), Setting::on(100.0, "flow")] {
                let dut = latency::device(size, 256, self.memory);
                let mut session = rfc2544::open(dut, setting.clone(), &protocol)?;
                let id = format!("rfc2544/{name}/{}", setting.label);
                let title = format!("{name} B with FCS, {}", setting.label);
                let (found, notes) = rfc2544::throughput(&mut session, &id, &title, name, search)?;
                session.finish()?;
                self.results.throughputs.push(found);
                self.results.notes.extend(notes);
            }
        }
        self.results.took_s += began.elapsed().as_secs_f64();
        Ok(())
    }
}
