//! `umbra replay`: from arguments and manifest to options, from the report to an exit code.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, anyhow};
use umbra_analyzers::profile::{ProfileConfig, ProfileKind, factory};
use umbra_wire::KeyOptions;

use crate::cli::{self, ChecksumArg, Failure, Outcome, ReplayArgs};
use crate::eve::{BlockingSink, EveFormat, EveOptions, EveWriter};
use crate::manifest::{Distribute, EveType, LoadOptions, Manifest, Purpose};

use super::error::ReplayError;
use super::options::{ChecksumMode, ReplayOptions};
use super::sampling::SamplingOptions;
use super::scores::ScoreFile;

/// Replays a capture, writes DIR/eve.json and prints a short report.
///
/// # Errors
/// Exit code 2 for options and manifests that make no sense or ask for what is not there; 1 when the
/// capture cannot be read, is damaged (what is in front of the damage is analysed first), or the
/// output cannot be written. A capture that merely stops short is a warning.
pub fn main(args: &ReplayArgs) -> Outcome {
    warn_of_what_is_not_built(args);
    let manifest = args.manifest.as_deref().map(load).transpose()?;
    let mut options = options(args, manifest.as_ref())?;
    let eve = eve_path(args, manifest.as_ref());
    warn_of_older_events(&eve);
    let writer = EveWriter::append(&eve)
        .with_context(|| format!("cannot write {}", eve.display()))
        .map_err(Failure::failed)?;
    let eve_options = eve_options(manifest.as_ref());
    options.anomalies = eve_options.types.contains(&EveType::Anomaly);
    options.learn.clone_from(&args.learn);
    options.scores = args.scores.as_deref().map(score_file).transpose()?;
    anomaly_profile_for(args, &options)?;
    let mut sink = BlockingSink::new(EveFormat::new(eve_options), writer);
    let ran = super::run(&options, &mut sink);
    if let (Some(scores), Some(path)) = (&options.scores, &args.scores) {
        scores.finish().with_context(|| cannot_write(path)).map_err(Failure::failed)?;
    }
    if let Ok(report) = &ran {
        sink.stats(&report.stats(), &report.context());
    }
    sink.writer().flush();
    let written = sink.writer().counters();
    let report = ran.map_err(|error| failure(error, &options.capture))?;
    cli::print(&format!("{report}{:<12}{} in {}\n", "events", written.lines, eve.display()))?;
    if written.lost_lines > 0 {
        return Err(Failure::failed(anyhow!(
            "{} of {} events could not be written to {}",
            written.lost_lines,
            written.lost_lines + written.lines,
            eve.display()
        )));
    }
    judge(&report)
}

/// Settings and rules are the user's to mend; everything else went wrong while running.
fn failure(error: ReplayError, capture: &Path) -> Failure {
    match error {
        ReplayError::Rules { .. } | ReplayError::Profile { .. } | ReplayError::NotBuilt(_) => {
            Failure::usage(anyhow!("{error}"))
        }
        error => Failure::failed(anyhow!("{}: {error}", capture.display())),
    }
}

/// As Suricata does, a replay appends; who did not mean to should know.
fn warn_of_older_events(eve: &Path) {
    if let Ok(there) = std::fs::metadata(eve)
        && there.is_file()
        && there.len() > 0
    {
        let (name, len) = (eve.display(), there.len());
        log::warn!("{name} holds {len} bytes of older events: new ones are appended");
    }
}

/// Says what is odd about the capture, and fails where it is damaged.
fn judge(report: &super::ReplayReport) -> Outcome {
    let name = report.capture.display();
    for remark in &report.remarks {
        log::warn!("{name}: {remark}");
    }
    for link in report.links.iter().filter(|link| !link.is_decoded()) {
        log::warn!(
            "{name}: {} with link type {}, which is not decoded: counted and nothing more",
            frames(link.frames),
            link.link_type
        );
    }
    match report.end.error() {
        None => Ok(()),
        Some(error) if error.is_truncation() => {
            log::warn!(
                "{name}: {error}; analysed what is in front of it ({})",
                frames(report.frames)
            );
            Ok(())
        }
        Some(error) => Err(Failure::failed(anyhow!(
            "{name}: {error}; analysed what is in front of it ({})",
            frames(report.frames)
        ))),
    }
}

fn frames(count: u64) -> String {
    if count == 1 { "1 frame".to_owned() } else { format!("{count} frames") }
}

fn warn_of_what_is_not_built(args: &ReplayArgs) {
    if args.cache.is_some() {
        log::warn!("not built yet: --cache: rules are compiled anew each time");
    }
}

fn cannot_write(path: &Path) -> String {
    format!("cannot write {}", path.display())
}

fn score_file(path: &Path) -> Result<Arc<ScoreFile>, Failure> {
    let file = ScoreFile::create(path).with_context(|| cannot_write(path));
    Ok(Arc::new(file.map_err(Failure::failed)?))
}

/// Learning and scores are the anomaly profile's.
fn anomaly_profile_for(args: &ReplayArgs, options: &ReplayOptions) -> Outcome {
    let asked = [(args.learn.is_some(), "--learn"), (args.scores.is_some(), "--scores")];
    let there = options.profiles.iter().any(|profile| profile.kind == ProfileKind::Anomaly);
    match asked.iter().find(|(given, _)| *given && !there) {
        None => Ok(()),
        Some((_, option)) => Err(Failure::usage(anyhow!(
            "{option} is for the anomaly profile, which does not run: add --profiles {}",
            ProfileKind::Anomaly.standard_id()
        ))),
    }
}

/// What Suricata is told in the replays that ours are compared with.
fn any_networks(settings: &mut serde_json::Map<String, serde_json::Value>) {
    for key in ["home_net", "external_net"] {
        settings.entry(key).or_insert_with(|| "any".into());
    }
}

/// Gives the files of `-S` to the signature profiles, or adds one that has them.
fn add_rules(profiles: &mut Vec<ProfileConfig>, rules: &[PathBuf]) {
    let files: serde_json::Value =
        rules.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().into();
    if profiles.iter().all(|profile| profile.kind != ProfileKind::Ids) {
        profiles.insert(0, ProfileConfig::standard(ProfileKind::Ids));
    }
    for profile in profiles.iter_mut().filter(|profile| profile.kind == ProfileKind::Ids) {
        profile.settings.insert("rules".to_owned(), files.clone());
    }
}

fn load(path: &Path) -> Result<Manifest, Failure> {
    let load = LoadOptions { purpose: Purpose::Replay, eal_args: &[] };
    let (manifest, warnings) = Manifest::load_with(&[path.to_owned()], &load)?;
    for warning in &warnings {
        eprint!("{warning}");
    }
    Ok(manifest)
}

/// The command line says more than the manifest, the manifest more than the defaults. Only the
/// percentage has a default of its own: whoever replays a capture means all of it.
fn options(args: &ReplayArgs, manifest: Option<&Manifest>) -> Result<ReplayOptions, Failure> {
    let mut options = ReplayOptions::new(&args.capture);
    if let Some(manifest) = manifest {
        let shadowing = &manifest.shadowing;
        options.appliance = manifest.appliance.name.as_str().to_owned();
        options.instances = usize::from(shadowing.shadow_instance_count).max(1);
        options.snaplen_bytes = shadowing.snaplen_bytes.map(u32::from);
        options.sampling = SamplingOptions {
            select: shadowing.select,
            distribute: match shadowing.distribute {
                Distribute::Shard => umbra_tap::Distribute::Shard,
                Distribute::Replicate => umbra_tap::Distribute::Replicate,
            },
            key: KeyOptions { tunnel: shadowing.tunnel, flow_key: shadowing.flow_key },
            ..options.sampling
        };
        if !manifest.profiles.is_empty() {
            options.profiles = manifest.profiles.iter().map(|p| p.config.clone()).collect();
        }
    }
    if !args.profiles.is_empty() {
        options.profiles =
            args.profiles.iter().map(|id| profile(id, manifest)).collect::<Result<_, _>>()?;
    }
    if !args.rules.is_empty() {
        // Rules alone: what stands out otherwise would be among their alerts.
        if args.profiles.is_empty() && manifest.is_none_or(|manifest| manifest.profiles.is_empty())
        {
            options.profiles.clear();
        }
        add_rules(&mut options.profiles, &args.rules);
    }
    for profile in options.profiles.iter_mut().filter(|p| p.kind == ProfileKind::Ids) {
        any_networks(&mut profile.settings);
    }
    options.strict = args.strict;
    if let Some(percentage) = args.percentage {
        options.sampling.percentage = percentage;
    }
    if let Some(instances) = args.instances {
        options.instances = usize::from(instances);
    }
    options.checksums = match args.checksums {
        ChecksumArg::All => ChecksumMode::All,
        ChecksumArg::None => ChecksumMode::None,
        ChecksumArg::Auto => ChecksumMode::Auto,
    };
    Ok(options)
}

/// A profile of the manifest, or a standard one.
fn profile(id: &str, manifest: Option<&Manifest>) -> Result<ProfileConfig, Failure> {
    let configured = manifest.and_then(|manifest| {
        manifest.profiles.iter().find(|profile| profile.id.as_str() == id).map(|p| p.config.clone())
    });
    if let Some(config) = configured {
        return Ok(config);
    }
    let Some(kind) = ProfileKind::from_standard_id(id) else {
        let mut known: Vec<&str> = ProfileKind::ALL.map(ProfileKind::standard_id).to_vec();
        known.extend(manifest.iter().flat_map(|m| m.profiles.iter().map(|p| p.id.as_str())));
        return Err(Failure::usage(anyhow!(
            "--profiles: there is no profile {id:?}; known are {}",
            known.join(", ")
        )));
    };
    factory(kind).map_err(|not_built| Failure::usage(anyhow!("--profiles: {not_built}")))?;
    Ok(ProfileConfig::standard(kind))
}

/// `-l` first, then the manifest's `[outputs]`, then the working directory.
fn eve_path(args: &ReplayArgs, manifest: Option<&Manifest>) -> PathBuf {
    let outputs = manifest.map(|manifest| &manifest.outputs);
    let file_name = || {
        let of_manifest = outputs.and_then(|outputs| outputs.eve.as_deref());
        of_manifest.and_then(Path::file_name).unwrap_or("eve.json".as_ref()).to_owned()
    };
    match (&args.log_dir, outputs.and_then(|outputs| outputs.eve.as_ref())) {
        (Some(directory), _) => directory.join(file_name()),
        (None, Some(eve)) => eve.clone(),
        (None, None) => PathBuf::from("eve.json"),
    }
}

/// Anomalies are a record for every faulty frame: only a manifest that asks for them gets them.
fn eve_options(manifest: Option<&Manifest>) -> EveOptions {
    match manifest.map(|manifest| &manifest.outputs) {
        Some(outputs) if outputs.eve.is_some() => EveOptions::of_manifest(outputs, &[]),
        _ => EveOptions::usual(),
    }
}
