//! Rules files to a set of rules, with an account of what did not load.

use std::collections::HashMap;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::ast::{BitOperation, DatasetKind, Match, Rule, StateOperation};
use super::config::Classification;
use super::parse::{Context, Parsed, parse, sid_of};
use super::problem::{Problem, RuleError, RuleErrorKind};
use super::text::rule_lines;
use super::variables::{Resolver, Variables};

/// Something odd about a rule that loads all the same.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RuleWarning {
    pub file: Arc<str>,
    pub line: u32,
    pub sid: u32,
    pub reason: String,
}

impl fmt::Display for RuleWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: sid {}: {}", self.file, self.line, self.sid, self.reason)
    }
}

/// What came of loading.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Loaded {
    /// In the order of the files.
    pub rules: Vec<Rule>,
    pub errors: Vec<RuleError>,
    /// Rules whose `requires` is not met. Suricata does not call that a failure, either.
    pub skipped: Vec<RuleError>,
    /// Rules that are commented out.
    pub disabled: usize,
    /// Rules that a higher `rev` of the same `sid` took the place of.
    pub replaced: usize,
    pub warnings: Vec<RuleWarning>,
}

impl Loaded {
    /// How many rules failed: they are wrong.
    #[must_use]
    pub fn failed(&self) -> usize {
        self.errors.iter().filter(|e| e.kind == RuleErrorKind::Failed).count()
    }

    /// How many rules ask for what is not there.
    #[must_use]
    pub fn unsupported(&self) -> usize {
        self.errors.iter().filter(|e| e.kind == RuleErrorKind::Unsupported).count()
    }

    /// One line for the log.
    #[must_use]
    pub fn summary(&self) -> String {
        format!(
            "{} rules loaded, {} failed, {} unsupported, {} skipped, {} replaced, {} disabled, {} warnings",
            self.rules.len(),
            self.failed(),
            self.unsupported(),
            self.skipped.len(),
            self.replaced,
            self.disabled,
            self.warnings.len()
        )
    }
}

/// Loads rules.
#[derive(Debug)]
pub struct RuleSet<'a> {
    classification: &'a Classification,
    resolver: Resolver<'a>,
    loaded: Loaded,
    /// Where a gid and sid stands in `loaded.rules`.
    known: HashMap<(u32, u32), usize>,
    /// Types of the data sets that rules have named.
    datasets: HashMap<Box<str>, DatasetKind>,
}

impl<'a> RuleSet<'a> {
    /// A set without rules.
    #[must_use]
    pub fn new(variables: &'a Variables, classification: &'a Classification) -> Self {
        Self {
            classification,
            resolver: Resolver::new(variables),
            loaded: Loaded::default(),
            known: HashMap::new(),
            datasets: HashMap::new(),
        }
    }

    /// Loads files, in order. A file that cannot be read is an error at line 0.
    #[must_use]
    pub fn load(
        files: &[PathBuf],
        variables: &'a Variables,
        classification: &'a Classification,
    ) -> Loaded {
        let mut set = Self::new(variables, classification);
        for file in files {
            set.add_file(file);
        }
        set.finish()
    }

    /// Loads rules from a text.
    #[must_use]
    pub fn load_text(
        name: &str,
        text: &[u8],
        variables: &'a Variables,
        classification: &'a Classification,
    ) -> Loaded {
        let mut set = Self::new(variables, classification);
        set.add_text(name, text, None);
        set.finish()
    }

    /// Adds a file's rules.
    pub fn add_file(&mut self, path: &Path) {
        let name = path.display().to_string();
        match fs::read(path) {
            Ok(text) => self.add_text(&name, &text, path.parent()),
            Err(error) => self.loaded.errors.push(RuleError {
                file: name.into(),
                line: 0,
                sid: None,
                kind: RuleErrorKind::Failed,
                reason: format!("the file cannot be read: {error}"),
            }),
        }
    }

    /// Adds the rules of a text. `folder` is where the lists that rules name are.
    pub fn add_text(&mut self, name: &str, text: &[u8], folder: Option<&Path>) {
        let file: Arc<str> = name.into();
        let lines = rule_lines(text);
        self.loaded.disabled += lines.disabled;
        self.loaded.rules.reserve(lines.rules.len());
        let context =
            Context { file: Arc::clone(&file), folder, classification: self.classification };
        for line in lines.rules {
            let problem = match parse(&line.text, line.number, &context, &mut self.resolver) {
                Ok(parsed) => match self.add(parsed) {
                    Ok(()) => continue,
                    Err(problem) => problem,
                },
                Err(problem) => problem,
            };
            let error = |kind, reason| RuleError {
                file: Arc::clone(&file),
                line: line.number,
                sid: sid_of(&line.text),
                kind,
                reason,
            };
            match problem {
                Problem::Failed(reason) => {
                    self.loaded.errors.push(error(RuleErrorKind::Failed, reason));
                }
                Problem::Unsupported(reason) => {
                    self.loaded.errors.push(error(RuleErrorKind::Unsupported, reason));
                }
                Problem::Skipped(reason) => {
                    self.loaded.skipped.push(error(RuleErrorKind::Unsupported, reason));
                }
            }
        }
    }

    /// Of two rules with the same gid and sid the one with the higher rev stays.
    fn add(&mut self, parsed: Parsed) -> Result<(), Problem> {
        let Parsed { mut rule, warnings } = parsed;
        self.check_datasets(&mut rule)?;
        let key = (rule.gid, rule.sid);
        let old = self.known.get(&key).and_then(|at| self.loaded.rules.get_mut(*at));
        let warn = |reason| RuleWarning {
            file: Arc::clone(&rule.file),
            line: rule.line,
            sid: rule.sid,
            reason,
        };
        match old {
            Some(old) if old.rev < rule.rev => {
                self.loaded.warnings.extend(warnings.into_iter().map(warn));
                self.loaded.replaced += 1;
                *old = rule;
            }
            Some(old) => {
                return Err(Problem::Failed(format!(
                    "sid {} with rev {} is there already with rev {}, at {}:{}",
                    rule.sid, rule.rev, old.rev, old.file, old.line
                )));
            }
            None => {
                self.loaded.warnings.extend(warnings.into_iter().map(warn));
                self.known.insert(key, self.loaded.rules.len());
                self.loaded.rules.push(rule);
            }
        }
        Ok(())
    }

    /// A data set's type must be said by the first rule that names it.
    fn check_datasets(&mut self, rule: &mut Rule) -> Result<(), Problem> {
        for found in rule.inspections.iter_mut().flat_map(|i| &mut i.matches) {
            let Match::Dataset(dataset) = found else { continue };
            let known = self.datasets.get(&dataset.name).copied();
            match (dataset.kind, known) {
                (Some(kind), Some(known)) if kind != known => {
                    let reason =
                        format!("dataset {}: another rule says another type", dataset.name);
                    return Err(Problem::Failed(reason));
                }
                (Some(kind), None) => {
                    self.datasets.insert(dataset.name.clone(), kind);
                }
                (Some(_), Some(_)) => {}
                (None, Some(_)) => Arc::make_mut(dataset).kind = known,
                (None, None) => {
                    let reason = format!("dataset {}: no rule before says its type", dataset.name);
                    return Err(Problem::Failed(reason));
                }
            }
        }
        Ok(())
    }

    /// The end: flowbits are checked across all rules.
    #[must_use]
    pub fn finish(mut self) -> Loaded {
        self.loaded.warnings.extend(flowbits_warnings(&self.loaded.rules));
        self.loaded
    }
}

/// Bits that are asked for and never set, at the first rule that asks.
fn flowbits_warnings(rules: &[Rule]) -> Vec<RuleWarning> {
    let mut set: HashMap<&str, ()> = HashMap::new();
    let mut asked: Vec<(&str, &Rule)> = Vec::new();
    for rule in rules {
        for operation in &rule.state {
            let StateOperation::FlowBits(bits) = operation else { continue };
            for name in &bits.names {
                match bits.operation {
                    BitOperation::Set | BitOperation::Toggle => {
                        set.insert(name, ());
                    }
                    BitOperation::IsSet => asked.push((name, rule)),
                    BitOperation::Unset | BitOperation::IsNotSet => {}
                }
            }
        }
    }
    let mut warnings = Vec::new();
    for (name, rule) in asked {
        // What was warned of is known from then on.
        if set.insert(name, ()).is_none() {
            warnings.push(RuleWarning {
                file: Arc::clone(&rule.file),
                line: rule.line,
                sid: rule.sid,
                reason: format!("the flowbit {name:?} is checked but never set"),
            });
        }
    }
    warnings
}
