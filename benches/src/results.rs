//! What a run of the harness leaves behind: figures, intervals, and all that is needed to repeat
//! them. Written as JSON; the page, the plots and `compare` are made from it and from nothing else.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use crate::preflight::Preflight;
use crate::stats::Estimate;

/// Changes with any change of this file that an older reader would misread.
pub(crate) const SCHEMA: u32 = 1;

/// Everything of one run.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Results {
    /// [`SCHEMA`].
    pub(crate) schema: u32,
    /// Version of the harness, which is umbra's.
    pub(crate) version: String,
    /// The command line that made this file, without its path.
    pub(crate) command: Vec<String>,
    /// Seconds since 1970.
    pub(crate) started_unix_s: u64,
    /// Seconds that the run took.
    pub(crate) took_s: f64,
    /// The machine before the first measurement.
    pub(crate) machine: Preflight,
    /// How it was measured.
    pub(crate) protocol: Protocol,
    /// By the goal's name, P1 to P15.
    pub(crate) goals: BTreeMap<String, GoalResult>,
    /// Every comparison of two things in one run.
    pub(crate) comparisons: Vec<Comparison>,
    /// Figures over a variable.
    pub(crate) curves: Vec<Curve>,
    /// Distributions of latency.
    pub(crate) latencies: Vec<Latency>,
    /// Accounts of cycles by stage.
    pub(crate) accounts: Vec<Account>,
    /// RFC 2544 searches.
    pub(crate) throughputs: Vec<Throughput>,
    /// What could not be measured, and why.
    pub(crate) notes: Vec<String>,
}

/// What every schema has.
#[derive(Deserialize)]
struct Head {
    schema: u32,
}

/// How it was measured.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Protocol {
    /// Interleaved pairs per comparison.
    pub(crate) pairs: usize,
    /// Seconds of a run in a process of its own.
    pub(crate) seconds: f64,
    /// Seconds of a window within a process.
    pub(crate) window_s: f64,
    /// Runs with more stolen time are repeated.
    pub(crate) steal_percent_max: f64,
    /// Fewer and shorter runs.
    pub(crate) quick: bool,
}

/// Which way is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Better {
    Higher,
    Lower,
}

/// How a figure stands to its goal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Verdict {
    /// The interval does not reach the match.
    Short,
    /// The interval meets the match.
    Match,
    /// The interval meets the goal.
    Goal,
}

/// A goal, or a part of one.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct GoalPart {
    /// The figure.
    pub(crate) value: f64,
    /// Its 95 % interval.
    pub(crate) ci: [f64; 2],
    /// What others reach.
    #[serde(rename = "match")]
    pub(crate) match_: f64,
    /// What is aimed at.
    pub(crate) goal: f64,
    /// Unit of all four.
    pub(crate) unit: String,
    /// How it was measured.
    pub(crate) how: String,
    /// Which way is better.
    pub(crate) better: Better,
    /// Where the interval lies.
    pub(crate) verdict: Verdict,
    /// Spread of the same measurement held against itself, as an interval around 1 or 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) resolution: Option<[f64; 2]>,
    /// Ids of the comparisons behind it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) from: Vec<String>,
}

/// A goal: its weakest part, and all parts.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct GoalResult {
    /// The part that is furthest from its goal.
    #[serde(flatten)]
    pub(crate) headline: GoalPart,
    /// All parts by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) parts: BTreeMap<String, GoalPart>,
}

impl GoalPart {
    /// A part with its verdict: a bound is met when the whole interval meets it.
    pub(crate) fn new(
        estimate: Estimate,
        (match_, goal): (f64, f64),
        better: Better,
        unit: &str,
        how: impl Into<String>,
    ) -> Self {
        let meets = |bound: f64| match better {
            Better::Higher => estimate.low >= bound,
            Better::Lower => estimate.high <= bound,
        };
        let verdict = match () {
            () if meets(goal) => Verdict::Goal,
            () if meets(match_) => Verdict::Match,
            () => Verdict::Short,
        };
        GoalPart {
            value: estimate.median,
            ci: [estimate.low, estimate.high],
            match_,
            goal,
            unit: unit.to_owned(),
            how: how.into(),
            better,
            verdict,
            resolution: None,
            from: Vec::new(),
        }
    }

    /// The same, with the comparison that it comes from.
    pub(crate) fn of(comparison: &Comparison, bounds: (f64, f64), how: impl Into<String>) -> Self {
        let mut part =
            Self::new(comparison.estimate, bounds, comparison.better, &comparison.unit, how);
        part.resolution = comparison.resolution.map(|r| [r.low, r.high]);
        part.from.push(comparison.id.clone());
        part
    }

    /// How far from the goal: above 1 is short of it, whichever way is better.
    fn shortfall(&self) -> f64 {
        let tiny = 1e-9;
        match self.better {
            Better::Higher => self.goal / self.value.max(tiny),
            Better::Lower => (self.value + tiny) / (self.goal + tiny),
        }
    }
}

impl GoalResult {
    /// From parts by name; `None` without any.
    pub(crate) fn from_parts(parts: BTreeMap<String, GoalPart>) -> Option<Self> {
        let weakest = parts.values().max_by(|a, b| {
            // A worse verdict outweighs any distance.
            b.verdict.cmp(&a.verdict).then(a.shortfall().total_cmp(&b.shortfall()))
        })?;
        Some(GoalResult { headline: weakest.clone(), parts })
    }
}

/// One of the two things compared.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Side {
    /// What it is.
    pub(crate) label: String,
    /// Everything that was set.
    pub(crate) config: serde_json::Value,
    /// One figure per run, in the order of the pairs.
    pub(crate) samples: Vec<f64>,
    /// Unit of the samples.
    pub(crate) unit: String,
    /// Their median.
    pub(crate) median: f64,
}

/// Two things measured alternately, and what came of each pair.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Comparison {
    /// Unique in the file, for example `P1/null/64`.
    pub(crate) id: String,
    /// The goal that it serves, if any.
    pub(crate) goal: Option<String>,
    /// In words.
    pub(crate) title: String,
    /// The command that measures just this.
    pub(crate) command: String,
    /// What a pair yields: a ratio, or a difference in cycles.
    pub(crate) unit: String,
    /// Which way is better.
    pub(crate) better: Better,
    /// Measured first in even pairs.
    pub(crate) a: Side,
    /// Measured first in odd pairs.
    pub(crate) b: Side,
    /// What each pair yielded.
    pub(crate) values: Vec<f64>,
    /// Their median with its interval.
    pub(crate) estimate: Estimate,
    /// The same of B against itself: what a difference must exceed to be one.
    #[serde(default)]
    pub(crate) resolution: Option<Estimate>,
}

/// Figures over a variable.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Curve {
    /// Unique in the file; also the plot's file name.
    pub(crate) id: String,
    pub(crate) title: String,
    pub(crate) x_label: String,
    pub(crate) y_label: String,
    /// Logarithmic abscissa.
    pub(crate) log_x: bool,
    pub(crate) series: Vec<Series>,
}

/// One line of a curve.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Series {
    pub(crate) label: String,
    pub(crate) points: Vec<Point>,
}

/// A point with its interval.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Point {
    pub(crate) x: f64,
    pub(crate) y: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
}

/// Distributions of latency side by side.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Latency {
    /// Unique in the file; also the plot's file name.
    pub(crate) id: String,
    pub(crate) title: String,
    /// Offered load, and from where to where.
    pub(crate) how: String,
    pub(crate) series: Vec<LatencySeries>,
}

/// One distribution.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct LatencySeries {
    pub(crate) label: String,
    /// Frames measured.
    pub(crate) count: u64,
    /// Frames offered that did not come back.
    pub(crate) lost: u64,
    /// Frames that the generator sent late by its own fault.
    #[serde(default)]
    pub(crate) late: u64,
    /// Percentile (0 to 100) and nanoseconds, rising.
    pub(crate) percentiles: Vec<(f64, u64)>,
}

/// Where the cycles of a packet go, by taking stages out one at a time.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Account {
    /// Unique in the file; also the plot's file name.
    pub(crate) id: String,
    pub(crate) title: String,
    pub(crate) how: String,
    /// Cycles per packet with all stages in.
    pub(crate) total: Estimate,
    pub(crate) stages: Vec<Stage>,
    /// Total less the sum of the stages: what the ablations do not explain.
    pub(crate) residual: f64,
}

/// One stage of an account.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Stage {
    pub(crate) name: String,
    /// Cycles per packet.
    pub(crate) cycles: Estimate,
    /// What was taken out to see it.
    pub(crate) note: String,
}

/// RFC 2544 throughput: the highest rates found without loss (NDR) and with at most 0.5 % (PDR).
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Throughput {
    /// Unique in the file.
    pub(crate) id: String,
    pub(crate) title: String,
    pub(crate) how: String,
    /// Frame length in bytes, FCS included, or "imix" or a capture's name.
    pub(crate) frames: String,
    /// Packets per second, lower and upper end of what the search left open.
    pub(crate) ndr_pps: [f64; 2],
    pub(crate) pdr_pps: [f64; 2],
    /// What the generator could do at most.
    pub(crate) generator_pps: f64,
    /// Every trial: offered packets per second, sent, lost.
    pub(crate) trials: Vec<(f64, u64, u64)>,
}

impl Results {
    /// An empty file for the command that is running.
    pub(crate) fn new(machine: Preflight, protocol: Protocol) -> Self {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let mut command: Vec<String> = std::env::args().skip(1).collect();
        command.insert(0, "umbra-bench".to_owned());
        Results {
            schema: SCHEMA,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            command,
            started_unix_s: now.map_or(0, |d| d.as_secs()),
            took_s: 0.0,
            machine,
            protocol,
            goals: BTreeMap::new(),
            comparisons: Vec::new(),
            curves: Vec::new(),
            latencies: Vec::new(),
            accounts: Vec::new(),
            throughputs: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// Reads a file.
    ///
    /// # Errors
    /// Names the file, and what is wrong with it.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let text =
            std::fs::read_to_string(path).with_context(|| format!("cannot read {path:?}"))?;
        let foreign =
            || format!("{path:?} is not a results file of umbra-bench (--results FILE writes one)");
        // First: what else another schema has, or lacks, says nothing to its user.
        let Head { schema } = serde_json::from_str(&text).with_context(foreign)?;
        if schema != SCHEMA {
            bail!("{path:?} has schema {schema}; this umbra-bench reads {SCHEMA}");
        }
        serde_json::from_str(&text).with_context(foreign)
    }

    /// Writes the file.
    ///
    /// # Errors
    /// Names the file.
    pub(crate) fn write(&self, path: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self)?;
        std::fs::write(path, text + "\n").with_context(|| format!("cannot write {path:?}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(low: f64, median: f64, high: f64, better: Better) -> GoalPart {
        GoalPart::new(Estimate { median, low, high }, (0.97, 1.0), better, "ratio", "how")
    }

    #[test]
    fn a_bound_is_met_when_the_whole_interval_meets_it() {
        assert_eq!(part(1.0, 1.01, 1.02, Better::Higher).verdict, Verdict::Goal);
        assert_eq!(part(0.99, 1.01, 1.02, Better::Higher).verdict, Verdict::Match);
        assert_eq!(part(0.96, 1.01, 1.02, Better::Higher).verdict, Verdict::Short);
        assert_eq!(part(0.9, 0.95, 0.97, Better::Lower).verdict, Verdict::Goal);
    }

    #[test]
    fn the_headline_is_the_weakest_part() {
        let parts = BTreeMap::from([
            ("met".to_owned(), part(1.1, 1.2, 1.3, Better::Higher)),
            ("short".to_owned(), part(0.8, 0.9, 1.0, Better::Higher)),
            ("nearly".to_owned(), part(0.98, 0.985, 0.99, Better::Higher)),
        ]);
        let goal = GoalResult::from_parts(parts).unwrap();
        assert_eq!(goal.headline.value, 0.9);
        let json = serde_json::to_value(&goal).unwrap();
        for key in ["value", "ci", "match", "goal", "unit", "how"] {
            assert!(json.get(key).is_some(), "{key} is part of the contract");
        }
    }

    #[test]
    fn another_schema_is_named_before_anything_it_lacks() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("newer.json");
        std::fs::write(&path, "{\"schema\": 99}").unwrap();
        let error = format!("{:#}", Results::read(&path).unwrap_err());
        assert!(error.contains("newer.json\" has schema 99"), "{error}");
    }
}
