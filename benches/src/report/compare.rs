//! `umbra-bench compare`: two runs, and what got worse from the first to the second.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Args;
use serde::Serialize;

use super::figures::{cell, figure, is_ratio};
use crate::preflight::Preflight;
use crate::results::{Better, Comparison, GoalPart, Results};

/// Input that cannot be read, apart from a regression.
const EXIT_UNREADABLE: u8 = 2;
const EXIT_REGRESSION: u8 = 1;

/// `umbra-bench compare`.
#[derive(Debug, Clone, Args)]
pub(crate) struct CompareArgs {
    /// Results of the run before
    #[arg(value_name = "A.json")]
    a: PathBuf,
    /// Results of the run after
    #[arg(value_name = "B.json")]
    b: PathBuf,
    /// Write the comparison to FILE
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// How B stands to A.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Change {
    Better,
    Same,
    Regression,
    OnlyInA,
    OnlyInB,
    /// The two are in different units, or one counts up as better and the other down.
    NotComparable,
}

impl Change {
    fn words(self) -> &'static str {
        match self {
            Change::Better => "better",
            Change::Same => "same",
            Change::Regression => "REGRESSION",
            Change::OnlyInA => "only in A",
            Change::OnlyInB => "only in B",
            Change::NotComparable => "not comparable",
        }
    }
}

/// A figure of one run, be it a comparison's or that of a goal's part.
#[derive(Debug, Clone, Serialize)]
struct Figure {
    value: f64,
    ci: [f64; 2],
    unit: String,
    better: Better,
    /// What a difference must exceed, in the figure's unit.
    resolution: f64,
}

impl Figure {
    fn new(value: f64, ci: [f64; 2], unit: &str, better: Better, same: Option<[f64; 2]>) -> Self {
        let half_width = |ends: [f64; 2]| (ends[1] - ends[0]).abs() / 2.0;
        let resolution = match same {
            // Quotients of a thing and itself lie around 1: what that spread is to 1, the figure's
            // is to the figure.
            Some(ends) if is_ratio(unit) => half_width(ends) * value.abs(),
            Some(ends) => half_width(ends),
            None => half_width(ci),
        };
        Figure { value, ci, unit: unit.to_owned(), better, resolution }
    }

    fn of_comparison(c: &Comparison) -> Self {
        let same = c.resolution.map(|r| [r.low, r.high]);
        Self::new(c.estimate.median, [c.estimate.low, c.estimate.high], &c.unit, c.better, same)
    }

    fn of_part(part: &GoalPart) -> Self {
        Self::new(part.value, part.ci, &part.unit, part.better, part.resolution)
    }
}

/// One line of the table.
#[derive(Debug, Clone, Serialize)]
struct Row {
    id: String,
    a: Option<Figure>,
    b: Option<Figure>,
    /// B less A, where both are there.
    change: Option<f64>,
    /// The wider of the two.
    resolution: Option<f64>,
    verdict: Change,
}

impl Row {
    fn new(id: String, a: Option<Figure>, b: Option<Figure>) -> Self {
        let (change, resolution, verdict) = match (&a, &b) {
            (Some(a), Some(b)) if a.unit != b.unit || a.better != b.better => {
                (None, None, Change::NotComparable)
            }
            (Some(a), Some(b)) => {
                let resolution = a.resolution.max(b.resolution);
                (Some(b.value - a.value), Some(resolution), judge(a, b, resolution))
            }
            (Some(_), None) => (None, None, Change::OnlyInA),
            (None, _) => (None, None, Change::OnlyInB),
        };
        Row { id, a, b, change, resolution, verdict }
    }
}

/// Two figures differ when the change exceeds the resolution and the intervals do not overlap: the
/// first alone would trust a lucky A/A, the second alone would trust intervals that know nothing of
/// how runs differ.
fn judge(a: &Figure, b: &Figure, resolution: f64) -> Change {
    let change = b.value - a.value;
    let overlap = a.ci[0] <= b.ci[1] && b.ci[0] <= a.ci[1];
    // What is not a number exceeds nothing.
    let exceeds = change.abs() > resolution;
    if overlap || !exceeds {
        return Change::Same;
    }
    match (a.better, change > 0.0) {
        (Better::Higher, true) | (Better::Lower, false) => Change::Better,
        _ => Change::Regression,
    }
}

/// Figures of a run by the id under which the table has them.
fn figures(results: &Results) -> BTreeMap<String, Figure> {
    let mut figures = BTreeMap::new();
    for c in &results.comparisons {
        figures.insert(c.id.clone(), Figure::of_comparison(c));
    }
    for (goal, result) in &results.goals {
        if result.parts.is_empty() {
            figures.insert(format!("goal {goal}"), Figure::of_part(&result.headline));
        }
        // Not the headline beside its parts: it is one of them, and not the same one in each run.
        for (part, figure) in &result.parts {
            figures.insert(format!("goal {goal}: {part}"), Figure::of_part(figure));
        }
    }
    figures
}

/// Two runs held against each other.
#[derive(Debug, Clone, Serialize)]
struct Outcome {
    rows: Vec<Row>,
    /// What else differs between the runs than what was measured.
    remarks: Vec<String>,
    regressions: usize,
}

fn compare(a: &Results, b: &Results) -> Outcome {
    let (mut before, mut after) = (figures(a), figures(b));
    let mut ids: Vec<String> = before.keys().chain(after.keys()).cloned().collect();
    ids.sort();
    ids.dedup();
    let rows: Vec<Row> = ids
        .into_iter()
        .map(|id| {
            let (a, b) = (before.remove(&id), after.remove(&id));
            Row::new(id, a, b)
        })
        .collect();
    let regressions = rows.iter().filter(|row| row.verdict == Change::Regression).count();
    Outcome { rows, remarks: remarks(a, b), regressions }
}

/// Frequencies that are counted anew in each run agree to this.
const TSC_TOLERANCE: f64 = 0.01;

fn machines_differ(a: &Preflight, b: &Preflight) -> bool {
    let (x, y) = (a.tsc_hz as f64, b.tsc_hz as f64);
    a.cpu != b.cpu || a.cores != b.cores || (x - y).abs() > TSC_TOLERANCE * x.max(y)
}

fn remarks(a: &Results, b: &Results) -> Vec<String> {
    let mut remarks = Vec::new();
    let describe = |m: &Preflight| {
        format!("{}, {} cores, TSC {:.3} GHz", cell(&m.cpu), m.cores, m.tsc_hz as f64 / 1e9)
    };
    if machines_differ(&a.machine, &b.machine) {
        remarks.push(format!(
            "The machines differ, so absolute figures (cycles, rates) do not compare. A: {}. B: {}.",
            describe(&a.machine),
            describe(&b.machine)
        ));
    }
    let pace = |quick: bool| if quick { "quick" } else { "full" };
    if a.protocol.quick != b.protocol.quick {
        remarks.push(format!(
            "A is of a {} run, B of a {} one.",
            pace(a.protocol.quick),
            pace(b.protocol.quick)
        ));
    }
    remarks
}

fn markdown(outcome: &Outcome) -> String {
    let mut text = String::new();
    for remark in &outcome.remarks {
        let _ = writeln!(text, "{remark}\n");
    }
    text.push_str("| id | A | B | change | resolution | verdict |\n|---|---|---|---|---|---|\n");
    let dash = || "–".to_owned();
    for row in &outcome.rows {
        let side =
            |side: &Option<Figure>| side.as_ref().map_or_else(dash, |f| figure(f.value, &f.unit));
        let unit = row.a.as_ref().map_or("", |f| f.unit.as_str());
        let signed = |v: f64| format!("{}{}", if v > 0.0 { "+" } else { "" }, figure(v, unit));
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} | {} |",
            cell(&row.id),
            side(&row.a),
            side(&row.b),
            row.change.map_or_else(dash, signed),
            row.resolution.map_or_else(dash, |r| figure(r, unit)),
            row.verdict.words()
        );
    }
    let count = |change: Change| outcome.rows.iter().filter(|r| r.verdict == change).count();
    let _ = writeln!(
        text,
        "\n{} regressions, {} better, {} the same, {} in one run only, {} not comparable",
        outcome.regressions,
        count(Change::Better),
        count(Change::Same),
        count(Change::OnlyInA) + count(Change::OnlyInB),
        count(Change::NotComparable),
    );
    text
}

fn run(a: &Path, b: &Path, json: Option<&Path>) -> Result<Outcome> {
    let outcome = compare(&Results::read(a)?, &Results::read(b)?);
    if let Some(path) = json {
        let text = serde_json::to_string_pretty(&outcome)?;
        std::fs::write(path, text + "\n").with_context(|| format!("cannot write {path:?}"))?;
    }
    Ok(outcome)
}

/// Prints the table. 0 without a regression, 1 with one, 2 if a file cannot be read or written, so
/// that a script can tell "worse" from "nothing was compared".
pub(crate) fn main(args: &CompareArgs) -> ExitCode {
    match run(&args.a, &args.b, args.json.as_deref()) {
        Ok(outcome) => {
            print!("{}", markdown(&outcome));
            ExitCode::from(if outcome.regressions > 0 { EXIT_REGRESSION } else { 0 })
        }
        Err(error) => {
            eprintln!("Error: {error:#}");
            ExitCode::from(EXIT_UNREADABLE)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{self, around, comparison};
    use super::*;

    /// The verdict on one comparison that goes from `a` to `b`, each ± 0.01, A/A ± 0.02.
    fn verdict(better: Better, a: f64, b: f64) -> Change {
        let run = |median| {
            let mut results = fixture::results();
            results.goals.clear();
            results.comparisons = vec![comparison("x", better, around(median, 0.01), Some(0.02))];
            results
        };
        let outcome = compare(&run(a), &run(b));
        assert_eq!(outcome.rows.len(), 1);
        assert_eq!(outcome.regressions > 0, outcome.rows[0].verdict == Change::Regression);
        outcome.rows[0].verdict
    }

    #[test]
    fn a_run_beside_itself_has_no_regression() {
        let results = fixture::results();
        let outcome = compare(&results, &results);
        assert!(outcome.rows.len() > 3 && outcome.remarks.is_empty());
        assert!(outcome.rows.iter().all(|row| row.verdict == Change::Same), "{outcome:?}");
    }

    #[test]
    fn a_planted_regression_is_found_whichever_way_is_better() {
        assert_eq!(verdict(Better::Higher, 1.0, 0.95), Change::Regression);
        assert_eq!(verdict(Better::Higher, 1.0, 1.05), Change::Better);
        assert_eq!(verdict(Better::Lower, 1.0, 1.05), Change::Regression);
        assert_eq!(verdict(Better::Lower, 1.0, 0.95), Change::Better);
    }

    #[test]
    fn a_change_within_the_resolution_or_the_intervals_is_none() {
        assert_eq!(verdict(Better::Higher, 1.0, 1.0), Change::Same);
        assert_eq!(verdict(Better::Higher, 1.0, 0.985), Change::Same, "both");
        let narrow = |v| Figure::new(v, [v - 0.001, v + 0.001], "ratio", Better::Higher, None);
        let wide =
            |v| Figure::new(v, [v - 0.1, v + 0.1], "ratio", Better::Higher, Some([1.0, 1.0]));
        assert_eq!(judge(&narrow(1.0), &narrow(0.9), 0.2), Change::Same, "the resolution");
        assert_eq!(judge(&wide(1.0), &wide(0.9), 0.0), Change::Same, "the intervals");
        assert_eq!(judge(&narrow(f64::NAN), &narrow(0.9), 0.0), Change::Same);
    }

    #[test]
    fn the_resolution_is_the_wider_of_both_runs() {
        let figure = |unit, same| Figure::new(10.0, [9.0, 11.0], unit, Better::Lower, same);
        assert_eq!(figure("cycles", Some([-0.5, 0.5])).resolution, 0.5);
        assert_eq!(figure("cycles", None).resolution, 1.0, "that of the interval");
        let relative = figure("ratio", Some([0.75, 1.25])).resolution;
        assert_eq!(relative, 2.5, "an A/A of quotients lies around 1");
        let (a, b) = (figure("cycles", Some([-0.5, 0.5])), figure("cycles", None));
        assert_eq!(Row::new(String::new(), Some(a), Some(b)).resolution, Some(1.0));
    }

    #[test]
    fn a_goal_that_got_worse_is_found_by_its_part() {
        let (a, mut b) = (fixture::results(), fixture::results());
        let part = b.goals.get_mut("P3").unwrap().parts.get_mut("64 B").unwrap();
        part.value += 0.2;
        part.ci = part.ci.map(|end| end + 0.2);
        let outcome = compare(&a, &b);
        let worse = outcome.rows.iter().filter(|row| row.verdict == Change::Regression);
        assert_eq!(worse.map(|row| row.id.as_str()).collect::<Vec<_>>(), ["goal P3: 64 B"]);
        assert!(markdown(&outcome).contains("| goal P3: 64 B | 1.2500 | 1.4500 | +0.2000 |"));
    }

    #[test]
    fn what_only_one_run_has_or_counts_otherwise_is_no_regression() {
        let (mut a, mut b) = (fixture::results(), fixture::results());
        a.goals.remove("P12");
        b.goals.remove("P1");
        b.comparisons[0].unit = "cycles".to_owned();
        let outcome = compare(&a, &b);
        let verdict = |id: &str| outcome.rows.iter().find(|row| row.id == id).unwrap().verdict;
        assert_eq!(verdict("goal P12: imix"), Change::OnlyInB);
        assert_eq!(verdict("goal P1: null"), Change::OnlyInA);
        assert_eq!(verdict("P1/null/64"), Change::NotComparable);
        assert_eq!(outcome.regressions, 0);
    }

    #[test]
    fn another_machine_is_remarked_on() {
        let (a, mut b) = (fixture::results(), fixture::results());
        b.machine.tsc_hz += 1_000_000;
        assert!(compare(&a, &b).remarks.is_empty(), "counted anew, not another");
        b.machine.cores = 4;
        b.protocol.quick = true;
        assert_eq!(compare(&a, &b).remarks.len(), 2);
        assert!(markdown(&compare(&a, &b)).starts_with("The machines differ"));
    }

    #[test]
    fn files_are_read_and_a_foreign_one_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let (good, bad) = (dir.path().join("good.json"), dir.path().join("bad.json"));
        fixture::results().write(&good).unwrap();
        std::fs::write(&bad, "[]").unwrap();
        let json = dir.path().join("out.json");
        assert_eq!(run(&good, &good, Some(&json)).unwrap().regressions, 0);
        assert!(std::fs::read_to_string(&json).unwrap().contains("\"verdict\": \"same\""));
        for (a, b) in [(&good, &bad), (&bad, &good)] {
            let error = format!("{:#}", run(a, b, None).unwrap_err());
            assert!(error.contains("bad.json"), "{error}");
        }
    }
}
