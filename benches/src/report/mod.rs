//! `umbra-bench report`: the page and the plots of a run, made from its results and nothing else.

mod axes;
pub(crate) mod compare;
mod figures;
mod files;
#[cfg(test)]
mod fixture;
mod frame;
mod goals;
mod notes;
mod plots;
mod sections;

use std::fmt::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Args;

use crate::results::Results;
use files::Files;

/// `umbra-bench report`.
#[derive(Debug, Clone, Args)]
pub(crate) struct ReportArgs {
    /// Results of a run
    #[arg(value_name = "RESULTS.json")]
    results: PathBuf,
    /// Write RESULTS.md and plots/ to DIR
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

/// Reads the results and writes the page.
///
/// # Errors
/// Names the file that cannot be read or written.
pub(crate) fn main(args: &ReportArgs) -> Result<()> {
    write_page(&Results::read(&args.results)?, &args.out)
}

/// Writes `out/RESULTS.md` and `out/plots/*.svg`.
///
/// # Errors
/// Names the file that cannot be written, or the plot that cannot be drawn.
pub(crate) fn write_page(results: &Results, out: &Path) -> Result<()> {
    let files = Files::draw(results)?;
    let plots = out.join("plots");
    std::fs::create_dir_all(&plots).with_context(|| format!("cannot create {plots:?}"))?;
    files.write(out)?;
    let path = out.join("RESULTS.md");
    std::fs::write(&path, page(results, &files)).with_context(|| format!("cannot write {path:?}"))
}

fn page(results: &Results, files: &Files) -> String {
    let mut page = String::new();
    head(&mut page, results);
    machine(&mut page, results);
    protocol(&mut page, results);
    goals::summary(&mut page, results);
    goals::sections(&mut page, results, files);
    goals::other_comparisons(&mut page, results);
    sections::curves(&mut page, results, files);
    sections::latencies(&mut page, results, files);
    sections::accounts(&mut page, results, files);
    sections::throughputs(&mut page, results);
    sections::notes(&mut page, results);
    page.truncate(page.trim_end().len());
    page.push('\n');
    page
}

/// An argument as a shell takes it. Of an absolute path only the name is kept: the page is read
/// elsewhere than where it was made.
fn argument(argument: &str) -> String {
    let argument = match argument.split_once("=/") {
        _ if argument.starts_with('/') => {
            argument.rsplit('/').next().unwrap_or_default().to_owned()
        }
        Some((option, path)) if option.starts_with("--") => {
            format!("{option}={}", path.rsplit('/').next().unwrap_or_default())
        }
        _ => argument.to_owned(),
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_=.,:/@%+".contains(c);
    match argument.chars().all(plain) && !argument.is_empty() {
        true => argument,
        false => format!("'{}'", argument.replace('\'', "'\\''")),
    }
}

fn head(page: &mut String, results: &Results) {
    let command: Vec<String> = results.command.iter().map(|a| argument(a)).collect();
    let command = command.join(" ");
    let _ = write!(
        page,
        "# Results\n\nMade by `umbra-bench report` from the results of `{command}` (umbra-bench \
         {version}), which started {started} and took {took:.0} s. Every figure on this page is one \
         of that run; edit `benches/notes/`, not this file.\n\nTo reproduce it:\n\n```\n\
         scripts/setup --bench\ncargo build --release -p umbra-bench\ntarget/release/{command}\n```\n\n\
         `results.json` beside this page is what the run wrote: `umbra-bench report` makes the page of it anew, \
         `umbra-bench compare A.json B.json` holds two of them against each other.\n\n",
        version = results.version,
        started = figures::utc(results.started_unix_s),
        took = results.took_s,
    );
}

fn machine(page: &mut String, results: &Results) {
    let m = &results.machine;
    let _ = write!(
        page,
        "## The machine\n\n| | |\n|---|---|\n| processor | {} |\n| cores | {} |\n\
         | TSC | {:.3} GHz |\n| slowdown with another core busy | {:.2} × |\n\
         | a cache line to the other core and back | {:.0} cycles |\n\
         | stolen time before the run | {:.2} % |\n\n",
        figures::cell(&m.cpu),
        m.cores,
        m.tsc_hz as f64 / 1e9,
        m.both_cores_slowdown,
        m.core_round_trip_cycles,
        m.steal_percent,
    );
}

fn protocol(page: &mut String, results: &Results) {
    let p = &results.protocol;
    let _ = write!(
        page,
        "## Protocol\n\nBoth sides of a comparison are measured alternately, A B B A, so that a \
         drift of the machine falls on both. Each pair yields one value; the figure is the median of \
         these with its 95 % bootstrap interval, never a quotient of medians. Runs with too much \
         stolen time are repeated.\n\n| | |\n|---|---|\n| pairs per comparison | {} |\n\
         | a run in a process of its own | {} s |\n| a window within a process | {} s |\n\
         | stolen time of a run, at most | {} % |\n",
        p.pairs, p.seconds, p.window_s, p.steal_percent_max,
    );
    if p.quick {
        page.push_str(
            "\n**A quick run** (`--quick`): fewer and shorter runs, and wider intervals.\n",
        );
    }
    page.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(results: &Results) -> (tempfile::TempDir, String) {
        let dir = tempfile::tempdir().unwrap();
        write_page(results, dir.path()).unwrap();
        let page = std::fs::read_to_string(dir.path().join("RESULTS.md")).unwrap();
        (dir, page)
    }

    #[test]
    fn the_page_has_every_goal_measured_or_not() {
        let (_dir, page) = written(&fixture::results());
        for name in ["P1", "P2", "P3", "P4", "P5", "P6", "P7", "P8", "P9", "P15", "P12"] {
            assert!(page.contains(&format!("\n## {name}: ")), "{name}");
            assert!(page.contains(&format!("\n| {name} ")), "{name}");
        }
        assert!(!page.contains("## P10"), "it is not in this run, nor measured here");
        assert!(page.contains(&format!("\n| P2 Cost of sampling | {} |", figures::ABSENT)));
        assert!(page.contains("| P1 Forwarding | 0.9990 | 0.9970 to 1.0010 |"), "{page}");
    }

    #[test]
    fn a_goal_that_no_table_knows_is_on_the_page() {
        let mut results = fixture::results();
        let goal = results.goals["P3"].clone();
        results.goals.insert("X1".to_owned(), goal);
        let (_dir, page) = written(&results);
        assert!(page.contains("\n## X1\n") && page.contains("\n| X1 | "));
    }

    #[test]
    fn no_placeholder_is_left_and_every_plot_exists() {
        let (dir, page) = written(&fixture::results());
        assert!(!page.contains("{{"));
        let plots: Vec<&str> =
            page.split("](").skip(1).filter_map(|p| p.split(')').next()).collect();
        assert_eq!(plots.len(), 6, "each in its goal's section and in its own: {plots:?}");
        for plot in plots {
            let svg = std::fs::read_to_string(dir.path().join(plot)).unwrap();
            fixture::assert_well_formed(&svg);
        }
    }

    #[test]
    fn tables_have_as_many_cells_as_their_heads() {
        let mut results = fixture::results();
        results.accounts[0].stages[0].note = "a | b".to_owned();
        let (_dir, page) = written(&results);
        let cells = |line: &str| line.replace("\\|", "").matches('|').count();
        let lines: Vec<&str> = page.lines().collect();
        for pair in lines.windows(2).filter(|p| p.iter().all(|line| line.starts_with('|'))) {
            assert_eq!(cells(pair[0]), cells(pair[1]), "{pair:?}");
        }
    }

    #[test]
    fn an_empty_run_still_makes_a_page() {
        let mut results = fixture::results();
        results.goals.clear();
        results.comparisons.clear();
        results.curves.clear();
        results.latencies.clear();
        results.accounts.clear();
        results.throughputs.clear();
        results.notes.clear();
        let (_dir, page) = written(&results);
        assert!(page.contains("## P15: Scaling") && !page.contains("## Curves"));
    }

    #[test]
    fn the_command_can_be_pasted_and_names_no_directory() {
        assert_eq!(argument("--json=/home/me/a.json"), "--json=a.json");
        assert_eq!(argument("/home/me/a run.json"), "'a run.json'");
        let (_dir, page) = written(&fixture::results());
        assert!(page.contains("\ntarget/release/umbra-bench goals --json 'a run.json'\n"));
    }

    #[test]
    fn what_is_no_results_file_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("foreign.json");
        std::fs::write(&path, "{\"schema\": 1}").unwrap();
        let args = ReportArgs { results: path, out: dir.path().to_owned() };
        let error = format!("{:#}", main(&args).unwrap_err());
        assert!(error.contains("foreign.json") && error.contains("missing field"), "{error}");
    }
}
