//! `[host]`.

use std::path::Path;

use super::diagnostic::{Class, Report};
use super::eal_args::EalArguments;
use super::keys::HOST;
use super::names::Core;
use super::reader::Found;
use super::settings::Settings;
use super::source::Span;
use super::types::{Host, Poll};
use super::values::Value;

/// EAL arguments as they were understood, and where each stands.
#[derive(Debug)]
pub(super) struct PlacedEal {
    pub(super) arguments: EalArguments,
    places: Vec<(String, Span)>,
}

impl PlacedEal {
    /// Key and place of argument `index`.
    pub(super) fn place(&self, index: usize) -> (&str, &Span) {
        let (key, at) = &self.places[index];
        (key, at)
    }
}

pub(super) fn host(
    report: &mut Report<'_>,
    found: Option<&Found>,
    folder: &Path,
    eal_args: &[String],
) -> (Host, PlacedEal) {
    let settings = Settings::new(&HOST, found);
    let written = settings.texts("eal");
    let mut places = Vec::new();
    if let Some(Value::List(items)) = found.and_then(|f| f.get("eal")).map(|at| &at.value) {
        let keyed = |(n, item): (usize, &super::source::At<Value>)| {
            (format!("host.eal[{n}]"), item.at.clone())
        };
        places.extend(items.iter().enumerate().map(keyed));
    }
    let command_line = report.sources().len() - 1;
    let mut start = 0;
    for argument in eal_args {
        let end = start + argument.len();
        places.push((String::new(), Span::new(command_line, start..end.max(1))));
        start = end + 1;
    }
    let all: Vec<&str> = written.into_iter().chain(eal_args.iter().map(String::as_str)).collect();
    let eal = PlacedEal { arguments: EalArguments::read(&all), places };
    for fault in &eal.arguments.faults {
        let (key, at) = eal.place(fault.index);
        if fault.only_doubtful {
            report.warning(at, key, &fault.message).help(&fault.help);
        } else {
            report.error(Class::Conflict, at, key, &fault.message).help(&fault.help);
        }
    }
    let cores = |key| settings.auto_ints(key).map(|ids| ids.into_iter().map(Core).collect());
    let host = Host {
        eal: all.iter().map(|&argument| argument.to_owned()).collect(),
        workers: cores("workers"),
        analyzers: cores("analyzers"),
        poll: match settings.text("poll") {
            Some("adaptive") => Poll::Adaptive,
            _ => Poll::Busy,
        },
        control_socket: settings.path("control_socket", folder),
    };
    if let Some(found) = found {
        report_overlap(report, found);
    }
    (host, eal)
}

fn report_overlap(report: &mut Report<'_>, found: &Found) {
    let (Some(workers), Some(analyzers)) = (found.get("workers"), found.get("analyzers")) else {
        return;
    };
    let (Value::List(workers), Value::List(analyzers)) = (&workers.value, &analyzers.value) else {
        return;
    };
    for (n, analyzer) in analyzers.iter().enumerate() {
        let (Some(worker), Value::Int(core)) =
            (workers.iter().find(|w| w.value == analyzer.value), &analyzer.value)
        else {
            continue;
        };
        report
            .error(
                Class::Conflict,
                &analyzer.at,
                format!("host.analyzers[{n}]"),
                format!("core {core} forwards and cannot analyse as well"),
            )
            .related("worker", &worker.at)
            .help(
                "take it out of one of the two; on a machine with a single core leave both keys \
                 out",
            );
    }
}
