//! From files to a [`Manifest`]: reads all of them, merges their sections, collects all errors.

use std::path::{Path, PathBuf};

use super::diagnostic::{Class, Diagnostic, Diagnostics, Place, Report, Severity, Warning};
use super::keys::{
    APPLIANCE, GOVERNOR, HOST, OUTPUTS, PROFILE, REMEDIATION, SHADOWING, Section, WIRE,
};
use super::reader::{self, Found};
use super::source::{ReadError, SourceFile, Span};
use super::types::Manifest;
use super::{cross, host, profiles, sections, wires};

/// What the manifest is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Purpose {
    /// To forward and shadow: an appliance and a wire must be there.
    #[default]
    Run,
    /// To analyse a capture: neither need be there.
    Replay,
}

/// How to read manifests.
#[derive(Debug, Clone, Copy, Default)]
pub struct LoadOptions<'a> {
    /// What for.
    pub purpose: Purpose,
    /// EAL arguments of the command line. They are checked together with those of `[host]`, and
    /// stand behind them in [`super::Host::eal`].
    pub eal_args: &'a [String],
}

impl Manifest {
    /// Reads and validates `files` as one manifest.
    ///
    /// # Errors
    /// Everything that is wrong with any of them.
    pub fn load(files: &[PathBuf]) -> Result<(Self, Vec<Warning>), Diagnostics> {
        Self::load_with(files, &LoadOptions::default())
    }

    /// Reads and validates `files` as one manifest, for a purpose.
    ///
    /// # Errors
    /// Everything that is wrong with any of them.
    pub fn load_with(
        files: &[PathBuf],
        options: &LoadOptions<'_>,
    ) -> Result<(Self, Vec<Warning>), Diagnostics> {
        if files.is_empty() {
            return Err(no_files());
        }
        let mut unreadable = Vec::new();
        let mut sources = Vec::new();
        for (file, path) in files.iter().enumerate() {
            sources.push(SourceFile::read(path).unwrap_or_else(|mut error| {
                let text = match &mut error {
                    ReadError::NotUtf8 { lossy, .. } => std::mem::take(lossy),
                    _ => String::new(),
                };
                unreadable.push((file, error));
                SourceFile { path: path.clone(), text }
            }));
        }
        // The command line is a source too: what is wrong with it is shown in the same way.
        sources.push(SourceFile { path: "command line".into(), text: options.eal_args.join(" ") });
        let mut report = Report::new(&sources);
        for (file, error) in &unreadable {
            report_unreadable(&mut report, *file, error);
        }
        report_same_file_twice(&mut report, files);
        let found: Vec<Found> = (0..files.len())
            .filter(|file| unreadable.iter().all(|(other, _)| other != file))
            .flat_map(|file| reader::read(&mut report, file))
            .collect();
        let manifest = build(&mut report, files, &found, options);
        report.forget_lines_with_syntax_errors();
        let (errors, warnings) = report.finish();
        match manifest {
            Some(manifest) if errors.is_empty() => Ok((manifest, warnings)),
            _ => Err(Diagnostics { errors, warnings }),
        }
    }
}

fn build(
    report: &mut Report<'_>,
    files: &[PathBuf],
    found: &[Found],
    options: &LoadOptions<'_>,
) -> Option<Manifest> {
    let all = Sections { found };
    let host_section = all.single(report, &HOST);
    let appliance = all.single(report, &APPLIANCE);
    let shadowing_section = all.single(report, &SHADOWING);
    let governor = all.single(report, &GOVERNOR);
    let remediation = all.single(report, &REMEDIATION);
    let outputs = all.single(report, &OUTPUTS);

    let folder = |found: Option<&Found>| match found {
        Some(found) => files[found.at.file].parent().unwrap_or(Path::new("")),
        None => Path::new(""),
    };
    let (host, eal) = host::host(report, host_section, folder(host_section), options.eal_args);
    let (wires, wires_complete) = wires::wires(report, &all.repeated(&WIRE));
    let (shadowing, profiles) =
        profiles::shadowing(report, shadowing_section, &all.repeated(&PROFILE), &folder);
    let governor_values = sections::governor(governor);

    // What a broken file says about these is not known, and complaining about the rest misleads.
    if !report.has_broken_files() {
        if options.purpose == Purpose::Run {
            sections::required(report, &APPLIANCE, appliance.is_some());
            sections::required(report, &WIRE, found.iter().any(|f| f.section.name == WIRE.name));
        }
        cross::ports(report, &wires, &eal, host_section.is_some() || !options.eal_args.is_empty());
        cross::queues(report, &wires, &host);
        cross::bursts(report, &wires);
        cross::percentages(report, shadowing_section, governor);
        cross::instances(report, shadowing_section);
        if options.purpose == Purpose::Run {
            cross::outputs(report, outputs, &appliance.map(|a| a.at.clone()));
        }
    }

    let appliance = sections::appliance(report, appliance, folder(appliance));
    let appliance = match options.purpose {
        Purpose::Run => appliance?,
        Purpose::Replay => appliance.unwrap_or_else(sections::replay_appliance),
    };
    wires_complete.then(|| Manifest {
        host,
        appliance,
        wires: wires.into_iter().map(|w| w.wire).collect(),
        shadowing,
        profiles,
        governor: governor_values,
        remediation: sections::remediation(remediation),
        outputs: sections::outputs(outputs, folder(outputs)),
        sources: files.to_vec(),
    })
}

/// The sections of all files.
struct Sections<'f> {
    found: &'f [Found],
}

impl<'f> Sections<'f> {
    fn repeated(&self, section: &Section) -> Vec<&'f Found> {
        self.found.iter().filter(|f| f.section.name == section.name).collect()
    }

    /// The one `section`; more than one is an error.
    fn single(&self, report: &mut Report<'_>, section: &Section) -> Option<&'f Found> {
        let all = self.repeated(section);
        let (first, others) = all.split_first()?;
        for other in others {
            let header = section.header();
            let entry = if section.name == APPLIANCE.name {
                report
                    .error(
                        Class::NotBuiltYet,
                        &other.at,
                        section.name,
                        "not built yet: several appliances in one process",
                    )
                    .help("start umbra once for each, with its own [host] and control_socket")
            } else {
                report
                    .error(
                        Class::Duplicate,
                        &other.at,
                        section.name,
                        format!("{header} stands in more than one of the files"),
                    )
                    .help(format!("keep one {header} for all files given"))
            };
            entry.related("first", &first.at);
        }
        Some(first)
    }
}

fn report_unreadable(report: &mut Report<'_>, file: usize, error: &ReadError) {
    let path = report.sources()[file].path.display().to_string();
    let at = match error {
        ReadError::NotUtf8 { offset, .. } => Span::new(file, *offset..offset + 1),
        _ => Span::whole_file(file),
    };
    let entry = report.error(Class::Unreadable, &at, "", format!("{path} {error}"));
    if let ReadError::NotUtf8 { .. } = error {
        entry.help("the character marked there is not UTF-8: save the file in that encoding");
    } else if let ReadError::Io(error) = error {
        entry.maybe_help(match error.kind() {
            std::io::ErrorKind::NotFound => Some("check the path".to_owned()),
            std::io::ErrorKind::PermissionDenied => {
                Some("make it readable for the user who runs umbra".to_owned())
            }
            _ => None,
        });
    }
}

/// A file given twice would say everything twice; one message is enough.
fn report_same_file_twice(report: &mut Report<'_>, files: &[PathBuf]) {
    let real = |path: &PathBuf| path.canonicalize().unwrap_or_else(|_| path.clone());
    for (file, path) in files.iter().enumerate() {
        if files[..file].iter().any(|other| real(other) == real(path)) {
            report
                .error(
                    Class::Duplicate,
                    &Span::whole_file(file),
                    "",
                    format!("{} is given twice", path.display()),
                )
                .help("give it once");
        }
    }
}

fn no_files() -> Diagnostics {
    let error = Diagnostic {
        severity: Severity::Error,
        class: Class::Unreadable,
        place: Place { file: "command line".into(), position: None },
        key: String::new(),
        message: "no manifest is given".to_owned(),
        found: None,
        legal: None,
        help: Some("name at least one file".to_owned()),
        related: None,
    };
    Diagnostics { errors: vec![error], warnings: Vec::new() }
}
