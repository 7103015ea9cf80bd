//! A case: what a keyword is about, in traffic that a rule with it must find and one like it must not.

use std::fmt::Write;

use super::lab::{Lab, alerts, dump, events, sids};
use crate::pipeline::PipelineConfig;
use crate::testing::TestRecord;

/// A rule: how many alerts are due, the header (a protocol, or from protocol to the last port, or with the
/// action before that), and the options.
pub(super) type Line = (usize, &'static str, &'static str);

/// Rules over one capture.
#[derive(Clone, Debug)]
pub(super) struct Case {
    /// The keywords in question: those for which there must be a rule that alerts and one that does not.
    pub(super) about: &'static str,
    pub(super) capture: Vec<TestRecord>,
    pub(super) lines: Vec<Line>,
    files: Vec<(&'static str, Vec<u8>)>,
}

/// Of these keywords, divided by blanks.
pub(super) fn case(about: &'static str, capture: Vec<TestRecord>, lines: &[Line]) -> Case {
    Case { about, capture, lines: lines.to_vec(), files: Vec::new() }
}

impl Case {
    /// With a file beside the rules; a `threshold.config` is taken as such.
    pub(super) fn with(mut self, name: &'static str, content: impl AsRef<[u8]>) -> Self {
        self.files.push((name, content.as_ref().to_vec()));
        self
    }

    /// The rules as text, numbered from 1.
    fn rules(&self) -> String {
        let mut text = String::new();
        for ((_, header, options), sid) in self.lines.iter().zip(1..) {
            writeln!(text, "{} ({options} sid:{sid};)", full_header(header)).unwrap();
        }
        text
    }

    /// What is wrong, if anything.
    fn run(&self, name: &str) -> Result<(), String> {
        let mut lab = Lab::new(&self.rules());
        for (name, content) in &self.files {
            lab = lab.file(name, content);
        }
        let expected: Vec<_> = (1..).zip(&self.lines).map(|(sid, line)| (sid, line.0)).collect();
        dump(name, &lab, &self.capture, &expected);
        let mut wrong = String::new();
        let mut seen = Vec::new();
        // Each with a plan of its own: what rules remember of hosts is the plan's.
        for batch in [usize::MAX, 1] {
            let found = events(&lab.plan(), PipelineConfig::offline(), &self.capture, batch);
            seen.push(alerts(&found));
        }
        let found = sids(&seen[0]);
        for ((sid, times), line) in expected.iter().zip(&self.lines) {
            let alerts = found.iter().filter(|known| *known == sid).count();
            if alerts != *times {
                let (_, header, options) = line;
                writeln!(wrong, "  {alerts} alerts, not {times}: {header} ({options})").unwrap();
            }
        }
        if sids(&seen[1]) != found {
            let one_by_one = sids(&seen[1]);
            writeln!(wrong, "  {found:?} in one batch, {one_by_one:?} one by one").unwrap();
        }
        if wrong.is_empty() { Ok(()) } else { Err(format!("{} ({name}):\n{wrong}", self.about)) }
    }
}

fn full_header(header: &str) -> String {
    match header.split_whitespace().count() {
        1 => format!("alert {header} any any -> any any"),
        6 => format!("alert {header}"),
        _ => header.to_owned(),
    }
}

/// Runs all cases of a family and tells of all that fail at once.
pub(super) fn check(family: &str, cases: &[Case]) {
    let results = cases.iter().enumerate().map(|(n, case)| case.run(&format!("{family}-{n}")));
    let wrong: Vec<_> = results.filter_map(Result::err).collect();
    assert!(wrong.is_empty(), "{} of {} cases:\n{}", wrong.len(), cases.len(), wrong.concat());
}
