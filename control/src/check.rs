//! `umbra check`: says what is wrong with manifests or rules, or what would be run.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use serde_json::json;
use umbra_analyzers::ids::rule::{
    Classification, Loaded, RuleError, RuleErrorKind, RuleSet, Variables,
};
use umbra_analyzers::ids::{IdsPlan, RuleReport};
use umbra_analyzers::profile::{ProfileKind, factory};

use crate::cli::{self, CheckArgs, Exit, Failure, Outcome};
use crate::manifest::eal::core_list;
use crate::manifest::{Core, Diagnostics, Distribute, Manifest, Poll, Warning, Wire};

/// Validates what is given.
///
/// # Errors
/// Exit code 2 when anything is wrong.
pub fn main(args: &CheckArgs) -> Outcome {
    if let Some(rules) = &args.rules {
        return check_rules(rules, args.json);
    }
    let checked = Manifest::load(&args.files);
    let rules = checked.as_ref().map_or_else(|_| Vec::new(), |(manifest, _)| rules_of(manifest));
    let wrong = rules.iter().any(|(_, report)| !report.errors.is_empty());
    if args.json {
        let mut answer = as_json(&args.files, &checked);
        if wrong {
            answer["ok"] = false.into();
        }
        answer["rules"] =
            rules.iter().map(|(id, report)| (id.clone(), report_as_json(report))).collect();
        cli::print(&format!("{answer:#}\n"))?;
        let fine = checked.is_ok() && !wrong;
        return if fine { Ok(()) } else { Err(Failure::reported(Exit::Usage)) };
    }
    let (manifest, warnings) = checked?;
    for warning in &warnings {
        eprint!("{warning}");
    }
    for (_, report) in &rules {
        tell(report);
    }
    cli::print(&summary(&manifest))?;
    for (id, report) in &rules {
        cli::print(&format!("rules      {id}: {}\n", counts(report)))?;
    }
    if wrong { Err(Failure::reported(Exit::Usage)) } else { Ok(()) }
}

/// What came of the rules of each signature profile.
fn rules_of(manifest: &Manifest) -> Vec<(String, RuleReport)> {
    let ids = manifest.profiles.iter().filter(|profile| profile.config.kind == ProfileKind::Ids);
    ids.filter_map(|profile| {
        // What is wrong with the profile itself has been told with the manifest.
        let plan = factory(ProfileKind::Ids).ok()?.validate(&profile.config).ok()?;
        Some((profile.id.as_str().to_owned(), IdsPlan::of(&plan)?.report().clone()))
    })
    .collect()
}

fn tell(report: &RuleReport) {
    report.lines.iter().for_each(|line| eprintln!("warning: {line}"));
    report.warnings.iter().for_each(|warning| eprintln!("warning: {warning}"));
    report.skipped.iter().for_each(|rule| eprintln!("skipped: {}", at_line(rule)));
    for error in &report.errors {
        eprintln!("{}: {}", word(error.kind), at_line(error));
    }
}

fn counts(report: &RuleReport) -> String {
    let of = |kind| report.errors.iter().filter(|error| error.kind == kind).count();
    format!(
        "{} loaded, {} failed, {} unsupported, {} skipped, {} disabled",
        report.loaded,
        of(RuleErrorKind::Failed),
        of(RuleErrorKind::Unsupported),
        report.skipped.len(),
        report.disabled
    )
}

const fn word(kind: RuleErrorKind) -> &'static str {
    match kind {
        RuleErrorKind::Failed => "error",
        RuleErrorKind::Unsupported => "unsupported",
    }
}

/// Loads a file of rules and tells of every rule that does not load why.
fn check_rules(file: &Path, json: bool) -> Outcome {
    let classification = classification_beside(file)?;
    let loaded = RuleSet::load(&[file.to_owned()], &Variables::default(), &classification);
    if json {
        cli::print(&format!("{:#}\n", rules_as_json(&loaded)))?;
    } else {
        loaded.warnings.iter().for_each(|warning| eprintln!("warning: {warning}"));
        loaded.skipped.iter().for_each(|rule| eprintln!("skipped: {}", at_line(rule)));
        loaded.errors.iter().for_each(|rule| eprintln!("{}: {}", word(rule.kind), at_line(rule)));
        cli::print(&format!("{}\n", loaded.summary()))?;
    }
    if loaded.errors.is_empty() { Ok(()) } else { Err(Failure::reported(Exit::Usage)) }
}

/// The classes in the file beside the rules, or the stock ones where there is none.
fn classification_beside(rules: &Path) -> Result<Classification, Failure> {
    let path = rules.with_file_name("classification.config");
    if !path.is_file() {
        return Ok(Classification::default());
    }
    let text = std::fs::read(&path)
        .map_err(|error| Failure::usage(anyhow::anyhow!("{}: {error}", path.display())))?;
    let (classes, errors) = Classification::parse(&String::from_utf8_lossy(&text));
    for (line, reason) in errors {
        eprintln!("warning: {}:{line}: {reason}", path.display());
    }
    Ok(classes)
}

fn at_line(error: &RuleError) -> String {
    let sid = error.sid.map(|sid| format!("sid {sid}: ")).unwrap_or_default();
    match error.line {
        0 => format!("{}: {}", error.file, error.reason),
        line => format!("{}:{line}: {sid}{}", error.file, error.reason),
    }
}

fn error_as_json(error: &RuleError) -> serde_json::Value {
    json!({
        "file": &*error.file, "line": (error.line > 0).then_some(error.line),
        "sid": error.sid, "reason": error.reason,
    })
}

fn report_as_json(report: &RuleReport) -> serde_json::Value {
    let of = |kind| {
        let errors = report.errors.iter().filter(|e| e.kind == kind);
        errors.map(error_as_json).collect::<Vec<_>>()
    };
    json!({
        "loaded": report.loaded,
        "failed": of(RuleErrorKind::Failed),
        "unsupported": of(RuleErrorKind::Unsupported),
        "skipped": report.skipped.iter().map(error_as_json).collect::<Vec<_>>(),
        "disabled": report.disabled,
        "warnings": report.warnings.iter().map(ToString::to_string).chain(report.lines.iter().cloned())
            .collect::<Vec<_>>(),
    })
}

fn rules_as_json(loaded: &Loaded) -> serde_json::Value {
    let one = error_as_json;
    let of = |kind| loaded.errors.iter().filter(|e| e.kind == kind).map(one).collect::<Vec<_>>();
    let warnings: Vec<_> = loaded
        .warnings
        .iter()
        .map(|w| json!({ "file": &*w.file, "line": w.line, "sid": w.sid, "reason": w.reason }))
        .collect();
    json!({
        "loaded": loaded.rules.len(),
        "failed": of(RuleErrorKind::Failed),
        "unsupported": of(RuleErrorKind::Unsupported),
        "skipped": loaded.skipped.iter().map(one).collect::<Vec<_>>(),
        "disabled": loaded.disabled,
        "warnings": warnings,
    })
}

fn as_json(
    files: &[PathBuf],
    checked: &Result<(Manifest, Vec<Warning>), Diagnostics>,
) -> serde_json::Value {
    let files: Vec<_> = files.iter().map(|file| file.display().to_string()).collect();
    match checked {
        Ok((manifest, warnings)) => json!({
            "ok": true, "files": files, "errors": [], "warnings": warnings,
            "manifest": digest(manifest),
        }),
        Err(Diagnostics { errors, warnings }) => json!({
            "ok": false, "files": files, "errors": errors, "warnings": warnings,
            "manifest": null,
        }),
    }
}

fn digest(manifest: &Manifest) -> serde_json::Value {
    let shadowing = &manifest.shadowing;
    let wire = |wire: &Wire| {
        json!({
            "name": wire.name.as_str(), "a": wire.a.to_string(), "b": wire.b.to_string(),
            "mtu": wire.mtu_bytes, "queues": wire.queues,
        })
    };
    let ids = |cores: &Option<Vec<Core>>| {
        cores.as_ref().map(|cores| cores.iter().map(|core| core.0).collect::<Vec<_>>())
    };
    json!({
        "appliance": manifest.appliance.name.as_str(),
        "wires": manifest.wires.iter().map(wire).collect::<Vec<_>>(),
        "workers": ids(&manifest.host.workers),
        "analyzers": ids(&manifest.host.analyzers),
        "shadow_enabled": shadowing.shadow_enabled,
        "shadow_instance_count": shadowing.shadow_instance_count,
        "shadow_traffic_percentage": shadowing.shadow_traffic_percentage.percent(),
        "shadow_analysis_profiles":
            shadowing.shadow_analysis_profiles.iter().map(|id| id.as_str()).collect::<Vec<_>>(),
        "outputs": manifest.outputs.directory.as_ref().map(|dir| dir.display().to_string()),
    })
}

/// What a manifest means, in a few lines.
pub fn summary(manifest: &Manifest) -> String {
    let mut text = String::new();
    let mut line = |what: &str, value: &str| {
        let _ = writeln!(text, "{what:<10} {value}");
    };
    line("appliance", manifest.appliance.name.as_str());
    for wire in &manifest.wires {
        line("wire", &describe_wire(wire));
    }
    line("cores", &describe_cores(manifest));
    line("shadow", &describe_shadow(manifest));
    let outputs = &manifest.outputs;
    match (&outputs.directory, &outputs.eve) {
        (None, _) => line("outputs", "none"),
        (Some(directory), None) => line("outputs", &format!("{}, no EVE", directory.display())),
        (Some(_), Some(eve)) => {
            let types: Vec<_> = outputs.eve_types.iter().map(|t| t.as_str()).collect();
            line("outputs", &format!("{} ({})", eve.display(), types.join(", ")));
        }
    }
    text
}

fn describe_wire(wire: &Wire) -> String {
    let queues = match wire.queues {
        None => "queues automatic".to_owned(),
        Some(1) => "1 queue".to_owned(),
        Some(n) => format!("{n} queues"),
    };
    format!(
        "{}: {} ({}) <-> {} ({}), mtu {}, {queues}",
        wire.name,
        wire.a,
        wire.a.kind(),
        wire.b,
        wire.b.kind(),
        wire.mtu_bytes
    )
}

fn describe_cores(manifest: &Manifest) -> String {
    let host = &manifest.host;
    let list = |cores: &Option<Vec<Core>>| match cores {
        Some(cores) => core_list(cores.iter().copied()),
        None => "automatic".to_owned(),
    };
    let poll = match host.poll {
        Poll::Busy => "busy",
        Poll::Adaptive => "adaptive",
    };
    format!("workers {}, analyzers {}, {poll} poll", list(&host.workers), list(&host.analyzers))
}

fn describe_shadow(manifest: &Manifest) -> String {
    let shadowing = &manifest.shadowing;
    if !shadowing.shadow_enabled {
        return "off".to_owned();
    }
    let what = match shadowing.select {
        crate::manifest::Select::Flow => "flows",
        crate::manifest::Select::Host => "hosts",
        crate::manifest::Select::Packet => "packets",
    };
    let (count, each) = (shadowing.shadow_instance_count, shadowing.distribute);
    let instances = match (count, each) {
        (0, _) => "no instance".to_owned(),
        (1, _) => "1 instance".to_owned(),
        (n, Distribute::Shard) => format!("{n} instances, each a share"),
        (n, Distribute::Replicate) => format!("{n} instances, each all of it"),
    };
    let ids: Vec<_> = manifest.profiles.iter().map(|profile| profile.id.as_str()).collect();
    let profiles = if ids.is_empty() { "no profile".to_owned() } else { ids.join(", ") };
    let percentage = shadowing.shadow_traffic_percentage;
    format!("{percentage} % of the {what} to {instances}: {profiles}")
}
