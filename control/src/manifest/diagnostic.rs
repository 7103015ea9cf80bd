//! What is wrong with a manifest, in a form that can be printed and serialised.

use std::fmt::{self, Write};
use std::path::PathBuf;

use serde::Serialize;

use super::source::{Position, SourceFile, Span};

/// Whether something forbids running.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Nothing is run.
    Error,
    /// It is run, and probably not what was meant.
    Warning,
}

/// What sort of thing is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// The file could not be read.
    Unreadable,
    /// Not TOML.
    Syntax,
    /// A key or section that does not exist.
    UnknownKey,
    /// A string where a number belongs, and the like.
    WrongType,
    /// The right type, but not a legal value.
    IllegalValue,
    /// A key or section that must be there.
    MissingKey,
    /// Twice what may stand once.
    Duplicate,
    /// Two things that contradict each other.
    Conflict,
    /// Legal and known, but umbra cannot do it yet.
    NotBuiltYet,
    /// Legal, but without effect or not advisable.
    Advice,
}

/// Where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The file, as it was given.
    pub file: PathBuf,
    /// The place in it; `None`: the file as a whole.
    pub position: Option<Position>,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// Whether it forbids running.
    pub severity: Severity,
    /// What sort of thing it is.
    pub class: Class,
    /// Where it is.
    pub place: Place,
    /// The dotted key, for example `wire[0].mtu`; empty when it is about no key.
    pub key: String,
    /// What is wrong, in one line.
    pub message: String,
    /// The value found, as written.
    pub found: Option<String>,
    /// What would be legal.
    pub legal: Option<String>,
    /// What to do.
    pub help: Option<String>,
    /// Another place that matters, and why.
    pub related: Option<(String, Place)>,
}

/// A diagnostic that does not forbid running.
pub type Warning = Diagnostic;

/// Everything that is wrong, in the order of files and lines. Never without an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostics {
    /// What forbids running; at least one.
    pub errors: Vec<Diagnostic>,
    /// What else was noticed.
    pub warnings: Vec<Warning>,
}

impl std::error::Error for Diagnostics {}

impl fmt::Display for Diagnostics {
    /// All of it, each with its source line, and a count at the end.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for diagnostic in self.warnings.iter().chain(&self.errors) {
            write!(f, "{diagnostic}")?;
        }
        match self.errors.len() {
            1 => write!(f, "1 error"),
            n => write!(f, "{n} errors"),
        }
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        writeln!(f, "{severity}: {}", printable(&self.message))?;
        let file = printable(&self.place.file.display().to_string());
        let mut margin = 1;
        match &self.place.position {
            Some(position) => {
                margin = position.line.to_string().len();
                writeln!(f, "{:margin$}--> {file}:{}:{}", "", position.line, position.column)?;
                snippet(f, position, margin)?;
            }
            None => writeln!(f, "{:margin$}--> {file}", "")?,
        }
        let mut line =
            |label: &str, text: &str| writeln!(f, "{:margin$} = {label}: {}", "", printable(text));
        if !self.key.is_empty() {
            line("key", &self.key)?;
        }
        if let Some(found) = &self.found {
            line("found", found)?;
        }
        if let Some(legal) = &self.legal {
            line("legal", legal)?;
        }
        if let Some((label, place)) = &self.related {
            let file = place.file.display();
            match &place.position {
                Some(at) => line(label, &format!("{file}:{}:{}", at.line, at.column))?,
                None => line(label, &file.to_string())?,
            }
        }
        if let Some(help) = &self.help {
            line("help", help)?;
        }
        writeln!(f)
    }
}

/// The source line with carets below what is meant. Long lines are cut around the carets.
fn snippet(f: &mut fmt::Formatter<'_>, at: &Position, margin: usize) -> fmt::Result {
    const WINDOW_CHARS: usize = 90;
    const LEAD_CHARS: usize = 30;
    let chars: Vec<char> = at.source_line.chars().collect();
    let caret = at.column - 1;
    let from = if chars.len() > WINDOW_CHARS { caret.saturating_sub(LEAD_CHARS) } else { 0 };
    let to = chars.len().min(from + WINDOW_CHARS);
    let cut = |there: bool| if there { "…" } else { "" };
    // Every character takes one column here, so that the carets stand below it.
    let line: String = chars[from..to].iter().copied().map(one_column).collect();
    let width = at.width.min(to.saturating_sub(caret)).max(1);
    writeln!(f, "{:margin$} |", "")?;
    writeln!(f, "{} | {}{line}{}", at.line, cut(from > 0), cut(to < chars.len()))?;
    let before = caret - from + usize::from(from > 0);
    writeln!(f, "{:margin$} | {:before$}{}", "", "", "^".repeat(width))
}

fn one_column(c: char) -> char {
    match c {
        '\t' => ' ',
        c if c.is_control() => '\u{fffd}',
        c => c,
    }
}

/// What a manifest says is printed to a terminal: control characters must not act there.
fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() && c != '\n' {
            let _ = write!(out, "{}", c.escape_default());
        } else {
            out.push(c);
        }
    }
    out
}

#[derive(Serialize)]
struct Record<'a> {
    severity: Severity,
    class: Class,
    file: String,
    line: Option<usize>,
    column: Option<usize>,
    key: Option<&'a str>,
    message: &'a str,
    found: Option<&'a str>,
    legal: Option<&'a str>,
    help: Option<&'a str>,
    related: Option<Related<'a>>,
}

#[derive(Serialize)]
struct Related<'a> {
    what: &'a str,
    file: String,
    line: Option<usize>,
    column: Option<usize>,
}

impl Serialize for Diagnostic {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let position = self.place.position.as_ref();
        Record {
            severity: self.severity,
            class: self.class,
            file: self.place.file.display().to_string(),
            line: position.map(|p| p.line),
            column: position.map(|p| p.column),
            key: (!self.key.is_empty()).then_some(&self.key),
            message: &self.message,
            found: self.found.as_deref(),
            legal: self.legal.as_deref(),
            help: self.help.as_deref(),
            related: self.related.as_ref().map(|(what, place)| Related {
                what,
                file: place.file.display().to_string(),
                line: place.position.as_ref().map(|p| p.line),
                column: place.position.as_ref().map(|p| p.column),
            }),
        }
        .serialize(serializer)
    }
}

/// Collects what is wrong while manifests are read.
#[derive(Debug)]
pub(super) struct Report<'s> {
    sources: &'s [SourceFile],
    found: Vec<(Span, Diagnostic)>,
}

/// A diagnostic that is being put together; it is in the report already.
#[derive(Debug)]
pub(super) struct Entry<'r>(&'r mut Diagnostic, &'r [SourceFile]);

impl<'s> Report<'s> {
    pub(super) fn new(sources: &'s [SourceFile]) -> Self {
        Self { sources, found: Vec::new() }
    }

    pub(super) fn sources(&self) -> &'s [SourceFile] {
        self.sources
    }

    /// Whether a file could not be read to its end.
    pub(super) fn has_broken_files(&self) -> bool {
        self.found.iter().any(|(_, d)| matches!(d.class, Class::Syntax | Class::Unreadable))
    }

    /// Whether something is said about `key` already.
    pub(super) fn mentions(&self, key: &str) -> bool {
        self.found.iter().any(|(_, d)| d.key == key)
    }

    /// An error about `key` at `at`.
    pub(super) fn error(
        &mut self,
        class: Class,
        at: &Span,
        key: impl Into<String>,
        message: impl Into<String>,
    ) -> Entry<'_> {
        self.add(Severity::Error, class, at, key.into(), message.into())
    }

    /// A warning about `key` at `at`.
    pub(super) fn warning(
        &mut self,
        at: &Span,
        key: impl Into<String>,
        message: impl Into<String>,
    ) -> Entry<'_> {
        self.add(Severity::Warning, Class::Advice, at, key.into(), message.into())
    }

    fn add(
        &mut self,
        severity: Severity,
        class: Class,
        at: &Span,
        key: String,
        message: String,
    ) -> Entry<'_> {
        let place = place(self.sources, at);
        let diagnostic = Diagnostic {
            severity,
            class,
            place,
            key,
            message,
            found: None,
            legal: None,
            help: None,
            related: None,
        };
        self.found.push((at.clone(), diagnostic));
        let (_, last) = self.found.last_mut().expect("just pushed");
        Entry(last, self.sources)
    }

    /// Drops what was found on lines of `file` that are not TOML: it is about a value that the
    /// parser made up to go on.
    pub(super) fn forget_lines_with_syntax_errors(&mut self) {
        let line = |d: &Diagnostic| d.place.position.as_ref().map(|p| p.line);
        let broken: Vec<_> = self
            .found
            .iter()
            .filter(|(_, d)| d.class == Class::Syntax || d.class == Class::Unreadable)
            .map(|(span, d)| (span.file, line(d), d.class))
            .collect();
        self.found.retain(|(span, d)| {
            matches!(d.class, Class::Syntax | Class::Unreadable | Class::Duplicate)
                || !broken.iter().any(|(file, at, _)| {
                    // What is missing may stand where the parser lost its way.
                    let missing = d.class == Class::MissingKey;
                    *file == span.file && (missing || *at == line(d))
                })
        });
    }

    /// Everything found, by severity, in the order of files and lines.
    pub(super) fn finish(mut self) -> (Vec<Diagnostic>, Vec<Warning>) {
        self.found.sort_by(|(a, _), (b, _)| a.cmp(b));
        self.found.dedup_by(|(_, a), (_, b)| a == b);
        let all = self.found.into_iter().map(|(_, diagnostic)| diagnostic);
        all.partition(|d| d.severity == Severity::Error)
    }
}

impl Entry<'_> {
    pub(super) fn found(self, text: impl Into<String>) -> Self {
        self.0.found = Some(text.into());
        self
    }

    pub(super) fn legal(self, text: impl Into<String>) -> Self {
        self.0.legal = Some(text.into());
        self
    }

    pub(super) fn help(self, text: impl Into<String>) -> Self {
        self.0.help = Some(text.into());
        self
    }

    pub(super) fn maybe_help(self, text: Option<String>) -> Self {
        self.0.help = text.or(self.0.help.take());
        self
    }

    pub(super) fn related(self, label: &str, at: &Span) -> Self {
        self.0.related = Some((label.to_owned(), place(self.1, at)));
        self
    }
}

fn place(sources: &[SourceFile], at: &Span) -> Place {
    let source = &sources[at.file];
    let position = (at.end > 0).then(|| source.position(at.start, at.end));
    Place { file: source.path.clone(), position }
}
