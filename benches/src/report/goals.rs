//! The goals on the page: a summary of all, and a section for each.

use std::fmt::Write;

use super::figures::{ABSENT, bound, cell, figure, interval, interval_of, verdict};
use super::files::Files;
use super::notes;
use crate::results::{Comparison, GoalPart, GoalResult, Results};

/// A goal in words. Its figures, bounds included, come from the run.
#[derive(Clone, Copy)]
struct Goal<'a> {
    name: &'a str,
    title: &'a str,
    /// What is measured.
    measured: &'a str,
    /// On every page, measured or not.
    always: bool,
}

const fn goal(name: &'static str, title: &'static str, measured: &'static str) -> Goal<'static> {
    Goal { name, title, measured, always: true }
}

/// Measured by other means than this harness's; on the page where a run has them.
const fn elsewhere(
    name: &'static str,
    title: &'static str,
    measured: &'static str,
) -> Goal<'static> {
    Goal { name, title, measured, always: false }
}

const GOALS: &[Goal<'static>] = &[
    goal(
        "P1",
        "Forwarding",
        "Packets per second that umbra forwards with the shadow off, divided by those of \
         dpdk-testpmd in io mode over the same virtual ports, with the same burst, mempool cache \
         and mbufs, on one core.",
    ),
    goal(
        "P2",
        "Cost of sampling",
        "Cycles per packet that sampling adds to forwarding, with the working set in the cache and \
         beyond it: packet mode, flow mode with a hash in software, flow mode with the hash of the \
         port.",
    ),
    goal(
        "P3",
        "Cost of a mirrored packet",
        "Cycles per packet that is put into the mirror ring while a consumer takes it, divided by \
         the floor: a copy of the same bytes into lines that the consumer owns.",
    ),
    goal(
        "P4",
        "Mirroring against pdump",
        "Cycles that mirroring adds to the forwarding core per delivered frame, umbra's divided by \
         those of a minimal forwarder in C with rte_pdump and dpdk-dumpcap.",
    ),
    goal(
        "P5",
        "Mirroring against OVS-DPDK",
        "Cycles per packet that a mirror of all packets adds, OVS-DPDK's divided by umbra's.",
    ),
    goal(
        "P6",
        "The mirror ring against other rings",
        "Cycles per record through the mirror ring, divided by those of rte_ring (single producer \
         and consumer, in bulk, with a copy); and how many times faster it is than rings of other \
         Rust crates.",
    ),
    goal(
        "P7",
        "Isolation from the analyzers",
        "Packets per second forwarded beside an analyzer that is frozen or thrashes the cache, \
         divided by those beside an idle one; and production packets lost meanwhile.",
    ),
    goal(
        "P8",
        "Latency",
        "Time that packets spend in the worker while a share of them or all are mirrored, divided \
         by the same with the shadow off, at the median and in the tail; and from end to end \
         against dpdk-testpmd.",
    ),
    goal(
        "P9",
        "Flow mode",
        "Packets per second in flow mode with a hash in software, divided by those in packet mode, \
         over the number of flows; and flows that were split.",
    ),
    elsewhere(
        "P10",
        "Flow table",
        "Lookups per second with many flows, divided by those with few; and bytes per flow.",
    ),
    elsewhere(
        "P11",
        "Signatures",
        "Bytes per second through the signature engine, divided by those of Suricata with the same \
         capture, rules, limits and events, one worker each.",
    ),
    elsewhere(
        "P12",
        "A full instance",
        "Packets per second and core of an instance with its profiles, and the share of each in \
         cycles per packet.",
    ),
    elsewhere(
        "P13",
        "The governor",
        "What the governor does under steps of load: time to settle, shadow packets dropped after \
         that, utilisation, and useful samples against an oracle's.",
    ),
    elsewhere(
        "P14",
        "Anomaly scores",
        "Packets scored per second, divided by those of a published implementation on the same \
         features.",
    ),
    goal(
        "P15",
        "Scaling",
        "Packets per second of two workers with mirroring off, divided by those of one; and the \
         same of dpdk-testpmd.",
    ),
];

/// Goals of the page in order: those that are always on it, and whatever else the run has.
fn on_page(results: &Results) -> Vec<Goal<'_>> {
    let known = GOALS.iter().filter(|g| g.always || results.goals.contains_key(g.name));
    let unknown = results.goals.keys().filter(|name| GOALS.iter().all(|g| g.name != *name));
    // A goal that this table does not know still has its figures.
    let unnamed = unknown.map(|name| Goal { name, title: "", measured: "", always: false });
    known.copied().chain(unnamed).collect()
}

fn resolution(part: &GoalPart) -> String {
    // Around 1 or 0, wherever the figure itself lies.
    let size = |r: [f64; 2]| r[0].abs().max(r[1].abs());
    part.resolution.map_or_else(|| "–".to_owned(), |r| interval(r, size(r), &part.unit))
}

/// The cells after the name: figure, interval, resolution, match, goal, verdict.
fn cells(part: &GoalPart) -> String {
    format!(
        "{} | {} | {} | {} | {} | {}",
        cell(&figure(part.value, &part.unit)),
        cell(&interval(part.ci, part.value, &part.unit)),
        cell(&resolution(part)),
        cell(&bound(part.match_, part.better, &part.unit)),
        cell(&bound(part.goal, part.better, &part.unit)),
        verdict(part.verdict),
    )
}

const COLUMNS: &str = "figure | 95 % interval | A/A resolution | match | goal | verdict |\n\
                       |---|---|---|---|---|---|---|\n";

/// The table of all goals, each with its weakest part.
pub(crate) fn summary(page: &mut String, results: &Results) {
    page.push_str(
        "## Goals\n\nEach line is the part of a goal that is furthest from it. A match or a goal is \
         met when the whole interval meets it; the A/A resolution is the interval of the same thing \
         measured against itself.\n\n",
    );
    let _ = write!(page, "| goal | {COLUMNS}");
    for goal in on_page(results) {
        let name = format!("{} {}", goal.name, goal.title);
        let cells = match results.goals.get(goal.name) {
            Some(result) => cells(&result.headline),
            None => format!("{ABSENT} | – | – | – | – | –"),
        };
        let _ = writeln!(page, "| {} | {cells} |", cell(&name));
    }
    page.push('\n');
}

/// A section per goal.
pub(crate) fn sections(page: &mut String, results: &Results, files: &Files) {
    for goal in on_page(results) {
        let title = if goal.title.is_empty() { "" } else { ": " };
        let _ = writeln!(page, "## {}{title}{}\n", goal.name, goal.title);
        if !goal.measured.is_empty() {
            let _ = writeln!(page, "{}\n", goal.measured);
        }
        let _ = writeln!(page, "Command: `umbra-bench goals {}`\n", goal.name);
        match results.goals.get(goal.name) {
            Some(result) => parts(page, result),
            None => {
                let _ = writeln!(page, "This goal was {ABSENT}.\n");
            }
        }
        comparisons(page, &behind(goal.name, results));
        for (title, file) in files.of_goal(goal.name) {
            let _ = writeln!(page, "![{}]({file})\n", cell(title));
        }
        if let Some(note) = notes::note(goal.name, results) {
            let _ = writeln!(page, "**What the remaining cost is made of.** {}\n", note.trim());
        }
    }
}

/// Orders names by the numbers in them: 64 B, 512 B, 1500 B.
fn by_numbers(name: &str) -> Vec<(String, u64)> {
    let mut key = Vec::new();
    let mut rest = name;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        let (text, tail) = rest.split_at(digits);
        let end = tail.find(|c: char| !c.is_ascii_digit()).unwrap_or(tail.len());
        let (number, tail) = tail.split_at(end);
        key.push((text.to_owned(), number.parse().unwrap_or(u64::MAX)));
        rest = tail;
    }
    key
}

fn parts(page: &mut String, result: &GoalResult) {
    let whole = [("all".to_owned(), result.headline.clone())];
    let mut parts: Vec<(&String, &GoalPart)> = match result.parts.is_empty() {
        true => whole.iter().map(|(name, part)| (name, part)).collect(),
        false => result.parts.iter().collect(),
    };
    parts.sort_by_cached_key(|(name, _)| by_numbers(name));
    let _ = write!(page, "| part | {COLUMNS}");
    for (name, part) in &parts {
        let _ = writeln!(page, "| {} | {} |", cell(name), cells(part));
    }
    page.push('\n');
    for (name, part) in &parts {
        let _ = writeln!(page, "- {}: {}", cell(name), cell(&part.how));
    }
    page.push('\n');
}

/// Comparisons that serve a goal, by their own word or by that of its parts.
fn behind<'a>(name: &str, results: &'a Results) -> Vec<&'a Comparison> {
    let named = |id: &String| {
        results.goals.get(name).is_some_and(|goal| {
            goal.parts.values().chain([&goal.headline]).any(|part| part.from.contains(id))
        })
    };
    let serves = |c: &&Comparison| c.goal.as_deref() == Some(name) || named(&c.id);
    results.comparisons.iter().filter(serves).collect()
}

/// The comparisons of a section, each with its two sides.
pub(crate) fn comparisons(page: &mut String, comparisons: &[&Comparison]) {
    if comparisons.is_empty() {
        return;
    }
    page.push_str(
        "| comparison | A | A median | B | B median | pairs yield | 95 % interval | A/A resolution |\n\
         |---|---|---|---|---|---|---|---|\n",
    );
    for c in comparisons {
        let resolution = c.resolution.map_or_else(|| "–".to_owned(), |r| interval_of(&r, &c.unit));
        let cells = [
            format!("`{}` {}", c.id, c.title),
            c.a.label.clone(),
            figure(c.a.median, &c.a.unit),
            c.b.label.clone(),
            figure(c.b.median, &c.b.unit),
            figure(c.estimate.median, &c.unit),
            interval_of(&c.estimate, &c.unit),
            resolution,
        ];
        let _ = writeln!(page, "| {} |", cells.map(|text| cell(&text)).join(" | "));
    }
    let mut commands: Vec<&str> = Vec::new();
    for command in comparisons.iter().map(|c| c.command.trim()) {
        if !command.is_empty() && !commands.contains(&command) {
            commands.push(command);
        }
    }
    if !commands.is_empty() {
        let _ = write!(page, "\nOne of them alone:\n\n```\n{}\n```\n", commands.join("\n"));
    }
    page.push('\n');
}

/// Comparisons that serve no goal of the page.
pub(crate) fn other_comparisons(page: &mut String, results: &Results) {
    let goals = on_page(results);
    let served: Vec<&str> =
        goals.iter().flat_map(|g| behind(g.name, results)).map(|c| c.id.as_str()).collect();
    let others = results.comparisons.iter().filter(|c| !served.contains(&c.id.as_str()));
    let others: Vec<&Comparison> = others.collect();
    if !others.is_empty() {
        page.push_str("## Other comparisons\n\n");
        comparisons(page, &others);
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{self, around, comparison};
    use super::*;
    use crate::results::Better;

    #[test]
    fn parts_are_ordered_by_their_numbers() {
        let mut names = ["virtio", "null 1500 B", "null 64 B", "null 512 B", "null"];
        names.sort_by_cached_key(|name| by_numbers(name));
        assert_eq!(names, ["null", "null 64 B", "null 512 B", "null 1500 B", "virtio"]);
    }

    #[test]
    fn a_comparison_stands_where_it_serves() {
        let mut results = fixture::results();
        let mut other = comparison("X/one", Better::Lower, around(3.0, 1.0), None);
        other.goal = None;
        results.comparisons.push(other);
        let part = results.goals.get_mut("P3").unwrap().parts.get_mut("64 B").unwrap();
        let ids = |name: &str, results: &Results| -> Vec<String> {
            behind(name, results).iter().map(|c| c.id.clone()).collect()
        };
        part.from = vec!["P1/null/64".to_owned()];
        assert_eq!(ids("P1", &results), ["P1/null/64"]);
        assert_eq!(ids("P3", &results), ["P1/null/64"]);
        let mut page = String::new();
        other_comparisons(&mut page, &results);
        assert!(page.contains("`X/one`") && !page.contains("P1/null/64"), "{page}");
    }
}
