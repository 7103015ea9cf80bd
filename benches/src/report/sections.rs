//! The page below the goals: curves, latencies, accounts, throughputs, notes.

use std::fmt::Write;

use super::figures::{cell, duration, figure, interval_of, mpps, percent};
use super::files::Files;
use crate::results::{Account, LatencySeries, Results, Throughput};

/// Percentiles of the table.
const PERCENTILES: [f64; 6] = [50.0, 90.0, 99.0, 99.9, 99.99, 100.0];

fn image(page: &mut String, files: &Files, id: &str, title: &str) {
    if let Some(file) = files.of(id, title) {
        let _ = writeln!(page, "![{}]({file})\n", cell(title));
    }
}

/// Every curve as a plot; its points are in the results.
pub(crate) fn curves(page: &mut String, results: &Results, files: &Files) {
    if results.curves.is_empty() {
        return;
    }
    page.push_str("## Curves\n\nBars are 95 % intervals.\n\n");
    for curve in &results.curves {
        let _ = writeln!(page, "### {} (`{}`)\n", cell(&curve.title), curve.id);
        image(page, files, &curve.id, &curve.title);
    }
}

/// The latency at a percentile: that of the first entry at or above it, unless the entry lies so
/// far out that it would be another percentile's.
fn at_percentile(series: &LatencySeries, wanted: f64) -> Option<u64> {
    let (found, ns) = series.percentiles.iter().find(|(p, _)| *p >= wanted - 1e-9)?;
    (100.0 - found >= (100.0 - wanted) * 0.9 - 1e-9).then_some(*ns)
}

/// Percentiles of every distribution, and its tail as a plot.
pub(crate) fn latencies(page: &mut String, results: &Results, files: &Files) {
    if results.latencies.is_empty() {
        return;
    }
    page.push_str("## Latencies\n\n");
    for latency in &results.latencies {
        let _ = writeln!(page, "### {} (`{}`)\n", cell(&latency.title), latency.id);
        let _ = writeln!(page, "{}\n", latency.how.trim());
        page.push_str(
            "| series | frames | lost | p50 | p90 | p99 | p99.9 | p99.99 | longest |\n\
             |---|---|---|---|---|---|---|---|---|\n",
        );
        for series in &latency.series {
            let _ = write!(page, "| {} | {} | {}", cell(&series.label), series.count, series.lost);
            for percentile in PERCENTILES {
                let ns = at_percentile(series, percentile);
                let _ = write!(page, " | {}", ns.map_or_else(|| "–".to_owned(), duration));
            }
            page.push_str(" |\n");
        }
        page.push('\n');
        image(page, files, &latency.id, &latency.title);
    }
}

/// Cycles by stage, with what they leave unexplained.
pub(crate) fn accounts(page: &mut String, results: &Results, files: &Files) {
    if results.accounts.is_empty() {
        return;
    }
    page.push_str(
        "## Accounts\n\nCycles per packet by stage: each is what the whole costs less when the \
         stage is taken out. Stages overlap in a processor that works on several things at once; \
         the residual is what their sum leaves over, below zero where it exceeds the whole.\n\n",
    );
    for account in &results.accounts {
        one_account(page, account);
        image(page, files, &account.id, &account.title);
    }
}

fn one_account(page: &mut String, account: &Account) {
    let _ = writeln!(page, "### {} (`{}`)\n\n{}\n", cell(&account.title), account.id, account.how);
    page.push_str(
        "| stage | cycles per packet | 95 % interval | share | taken out |\n|---|---|---|---|---|\n",
    );
    let whole = account.total.median;
    for stage in &account.stages {
        let _ = writeln!(
            page,
            "| {} | {} | {} | {} | {} |",
            cell(&stage.name),
            figure(stage.cycles.median, ""),
            interval_of(&stage.cycles, ""),
            percent(stage.cycles.median, whole),
            cell(&stage.note)
        );
    }
    let _ = writeln!(
        page,
        "| residual | {} | – | {} | |\n| **all stages** | {} | {} | {} | |\n",
        figure(account.residual, ""),
        percent(account.residual, whole),
        figure(whole, ""),
        interval_of(&account.total, ""),
        percent(whole, whole),
    );
}

/// RFC 2544 throughputs.
pub(crate) fn throughputs(page: &mut String, results: &Results) {
    if results.throughputs.is_empty() {
        return;
    }
    page.push_str(
        "## Throughput after RFC 2544\n\nHighest rates without loss (NDR) and with at most 0.5 % \
         (PDR): what the search left open, and its lower end in percent of what the generator can \
         offer. Near 100 % it is the generator that was measured.\n\n\
         | what | frames | NDR, Mpps | of the generator | PDR, Mpps | of the generator | \
         generator, Mpps | trials |\n|---|---|---|---|---|---|---|---|\n",
    );
    let rate = |ends: [f64; 2]| format!("{} to {}", mpps(ends[0]), mpps(ends[1]));
    for t in &results.throughputs {
        let Throughput { id, title, frames, ndr_pps, pdr_pps, generator_pps, .. } = t;
        let _ = writeln!(
            page,
            "| {} (`{id}`) | {} | {} | {} | {} | {} | {} | {} |",
            cell(title),
            cell(frames),
            rate(*ndr_pps),
            percent(ndr_pps[0], *generator_pps),
            rate(*pdr_pps),
            percent(pdr_pps[0], *generator_pps),
            mpps(*generator_pps),
            t.trials.len(),
        );
    }
    page.push('\n');
    for t in &results.throughputs {
        let _ = writeln!(page, "- `{}`: {}", t.id, cell(&t.how));
    }
    page.push('\n');
}

/// What could not be measured.
pub(crate) fn notes(page: &mut String, results: &Results) {
    if results.notes.is_empty() {
        return;
    }
    page.push_str("## What was not measured, and why\n\n");
    for note in &results.notes {
        let _ = writeln!(page, "- {}", note.split_whitespace().collect::<Vec<_>>().join(" "));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_only_given_where_the_run_has_it() {
        let series = LatencySeries {
            label: String::new(),
            count: 9,
            lost: 0,
            late: 0,
            percentiles: vec![(50.0, 10), (99.01, 20), (100.0, 30)],
        };
        assert_eq!(at_percentile(&series, 50.0), Some(10));
        assert_eq!(at_percentile(&series, 99.0), Some(20));
        assert_eq!(at_percentile(&series, 90.0), None);
        assert_eq!(at_percentile(&series, 99.9), None);
        assert_eq!(at_percentile(&series, 100.0), Some(30));
    }
}
