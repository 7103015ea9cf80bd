//! Which plot stands in which file. Ids become file names, and a file name holds less than an id.

use std::path::Path;

use anyhow::{Context, Result};

use super::plots;
use crate::results::Results;

/// One plot of a run.
struct Plot {
    id: String,
    title: String,
    /// Below the page's directory.
    file: String,
    svg: String,
}

/// All plots of a run, drawn.
pub(crate) struct Files(Vec<Plot>);

/// The characters of an id that mean nothing to a file system or an address.
fn stem(id: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' };
    let stem: String = id.chars().map(plain).collect();
    let stem = stem.trim_matches(['.', '-']);
    if stem.is_empty() { "plot".to_owned() } else { stem.to_owned() }
}

/// Whether an id is that of something of this goal: "P1/null" is of P1, "P15/scaling" is not.
fn is_of_goal(id: &str, goal: &str) -> bool {
    id.strip_prefix(goal).is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric()))
}

impl Files {
    /// Draws all plots.
    pub(crate) fn draw(results: &Results) -> Result<Self> {
        let mut files = Files(Vec::new());
        for curve in &results.curves {
            files.add(&curve.id, &curve.title, plots::curve(curve))?;
        }
        for latency in &results.latencies {
            files.add(&latency.id, &latency.title, plots::latency(latency))?;
        }
        for account in &results.accounts {
            files.add(&account.id, &account.title, plots::account(account))?;
        }
        Ok(files)
    }

    fn add(&mut self, id: &str, title: &str, svg: Result<String>) -> Result<()> {
        let svg = svg.with_context(|| format!("plot {id}"))?;
        let stem = stem(id);
        // A curve and an account may share an id, and "a/b" and "a-b" a file name.
        let taken = |file: &str| self.0.iter().any(|p| p.file.eq_ignore_ascii_case(file));
        let mut file = format!("plots/{stem}.svg");
        let mut number = 2;
        while taken(&file) {
            file = format!("plots/{stem}-{number}.svg");
            number += 1;
        }
        self.0.push(Plot { id: id.to_owned(), title: title.to_owned(), file, svg });
        Ok(())
    }

    /// Title and file of the plots that belong to a goal.
    pub(crate) fn of_goal(&self, goal: &str) -> impl Iterator<Item = (&str, &str)> {
        let plots = self.0.iter().filter(move |p| is_of_goal(&p.id, goal));
        plots.map(|p| (p.title.as_str(), p.file.as_str()))
    }

    /// File of the plot with this id and title.
    pub(crate) fn of(&self, id: &str, title: &str) -> Option<&str> {
        self.0.iter().find(|p| p.id == id && p.title == title).map(|p| p.file.as_str())
    }

    /// Writes them below `out`. Plots of other runs that lie there are left alone.
    pub(crate) fn write(&self, out: &Path) -> Result<()> {
        for plot in &self.0 {
            let path = out.join(&plot.file);
            std::fs::write(&path, &plot.svg).with_context(|| format!("cannot write {path:?}"))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture;
    use super::*;

    #[test]
    fn ids_become_plain_file_names() {
        assert_eq!(stem("P2/sampling 1 %"), "P2-sampling-1");
        assert_eq!(stem("../../etc"), "etc");
        assert_eq!(stem("/"), "plot");
    }

    #[test]
    fn two_plots_never_share_a_file() {
        let mut results = fixture::results();
        let mut other = results.curves[0].clone();
        other.id = "p2-Sampling".to_owned();
        results.curves.push(other);
        let files = Files::draw(&results).unwrap();
        let names: Vec<&str> = files.0.iter().map(|p| p.file.as_str()).collect();
        assert_eq!(names[..2], ["plots/P2-sampling.svg", "plots/p2-Sampling-2.svg"]);
    }

    #[test]
    fn a_plot_belongs_to_the_goal_that_its_id_starts_with() {
        assert!(is_of_goal("P1/null", "P1") && is_of_goal("P1", "P1"));
        assert!(!is_of_goal("P15/scaling", "P1") && !is_of_goal("cache", "P1"));
    }
}
