//! What came of it, as a table and as lists.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use serde::Serialize;

use super::engines::Fired;
use super::miss::Variant;
use super::plan::Case;

/// Counts of one kind of traffic.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Counts {
    cases: usize,
    /// Of the rule that a case was made for.
    both: usize,
    ours_only: usize,
    peer_only: usize,
    neither: usize,
    /// Of all rules: pairs of case and sid.
    pairs_both: usize,
    pairs_ours_only: usize,
    pairs_peer_only: usize,
    /// Cases in which the same rules fired.
    equal: usize,
}

/// A rule that one engine fired alone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(crate) struct Difference {
    /// The rule that fired.
    sid: u32,
    /// Where not even the peer did, it fired in umbra.
    only: &'static str,
    /// The rule that the traffic was made for.
    made_for: u32,
    variant: &'static str,
    capture: usize,
    /// First flow of the case: `client:port server:port`.
    flow: String,
}

/// All that was counted.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Report {
    pub(crate) rules: usize,
    pub(crate) made: usize,
    /// Why there is no traffic for the others, and for how many.
    pub(crate) skipped: BTreeMap<String, Vec<u32>>,
    pub(crate) kinds: BTreeMap<&'static str, Counts>,
    /// Rules whose own traffic the peer did not fire on.
    pub(crate) not_fired: Vec<u32>,
    pub(crate) differences: Vec<Difference>,
    pub(crate) strays: [usize; 2],
}

impl Report {
    /// Counts a capture.
    pub(crate) fn add(&mut self, capture: usize, cases: &[Case], ours: &Fired, peers: &Fired) {
        for (number, case) in cases.iter().enumerate() {
            let of = |fired: &Fired| -> BTreeSet<u32> {
                fired.range((number, 0)..=(number, u32::MAX)).map(|pair| pair.1).collect()
            };
            let (ours, peers) = (of(ours), of(peers));
            let counts = self.kinds.entry(case.variant.as_str()).or_default();
            counts.cases += 1;
            match (ours.contains(&case.sid), peers.contains(&case.sid)) {
                (true, true) => counts.both += 1,
                (true, false) => counts.ours_only += 1,
                (false, true) => counts.peer_only += 1,
                (false, false) => counts.neither += 1,
            }
            if case.variant == Variant::Match && !peers.contains(&case.sid) {
                self.not_fired.push(case.sid);
            }
            counts.pairs_both += ours.intersection(&peers).count();
            counts.pairs_ours_only += ours.difference(&peers).count();
            counts.pairs_peer_only += peers.difference(&ours).count();
            counts.equal += usize::from(ours == peers);
            let flow = case.flows.first().map(|[a, b]| format!("{}:{} {}:{}", a.0, a.1, b.0, b.1));
            for &sid in ours.symmetric_difference(&peers) {
                self.differences.push(Difference {
                    sid,
                    only: if ours.contains(&sid) { "umbra" } else { "peer" },
                    made_for: case.sid,
                    variant: case.variant.as_str(),
                    capture,
                    flow: flow.clone().unwrap_or_default(),
                });
            }
        }
    }

    /// The table.
    pub(crate) fn table(&self) -> String {
        let mut out = String::new();
        let _ = writeln!(
            out,
            "{} rules, traffic made for {}; {} alerts of umbra and {} of the peer are of no case\n",
            self.rules, self.made, self.strays[0], self.strays[1]
        );
        out.push_str(
            "| traffic | cases | own rule: both | umbra only | peer only | neither | all rules: both | umbra only | peer only | recall | precision | equal cases |\n|---|---|---|---|---|---|---|---|---|---|---|---|\n",
        );
        let mut sum = Counts::default();
        for kind in [Variant::Match].iter().chain(&Variant::MISSES) {
            let Some(counts) = self.kinds.get(kind.as_str()) else { continue };
            row(&mut out, kind.as_str(), counts);
            sum.add(counts);
        }
        row(&mut out, "all", &sum);
        out.push('\n');
        let mut skipped: Vec<_> = self.skipped.iter().collect();
        skipped.sort_by_key(|(_, sids)| std::cmp::Reverse(sids.len()));
        for (why, sids) in skipped {
            let _ = writeln!(out, "no traffic for {}: {why}", sids.len());
        }
        out.push_str(&self.by_sid());
        out
    }

    /// The rules with the most differences.
    fn by_sid(&self) -> String {
        let mut by_sid: BTreeMap<u32, [usize; 2]> = BTreeMap::new();
        for difference in &self.differences {
            let counts = by_sid.entry(difference.sid).or_default();
            counts[usize::from(difference.only == "peer")] += 1;
        }
        let mut all: Vec<_> = by_sid.into_iter().collect();
        all.sort_by_key(|(sid, counts)| (std::cmp::Reverse(counts[0] + counts[1]), *sid));
        let mut out = String::from("\n| sid | umbra only | peer only |\n|---|---|---|\n");
        for (sid, [ours, peers]) in all {
            let _ = writeln!(out, "| {sid} | {ours} | {peers} |");
        }
        out
    }
}

impl Counts {
    fn add(&mut self, other: &Self) {
        self.cases += other.cases;
        self.both += other.both;
        self.ours_only += other.ours_only;
        self.peer_only += other.peer_only;
        self.neither += other.neither;
        self.pairs_both += other.pairs_both;
        self.pairs_ours_only += other.pairs_ours_only;
        self.pairs_peer_only += other.pairs_peer_only;
        self.equal += other.equal;
    }
}

fn row(out: &mut String, name: &str, c: &Counts) {
    let percent = |part: usize, of: usize| match of {
        0 => "-".to_owned(),
        of => format!("{:.2} %", 100.0 * part as f64 / of as f64),
    };
    let _ = writeln!(
        out,
        "| {name} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} |",
        c.cases,
        c.both,
        c.ours_only,
        c.peer_only,
        c.neither,
        c.pairs_both,
        c.pairs_ours_only,
        c.pairs_peer_only,
        percent(c.pairs_both, c.pairs_both + c.pairs_peer_only),
        percent(c.pairs_both, c.pairs_both + c.pairs_ours_only),
        percent(c.equal, c.cases),
    );
}
