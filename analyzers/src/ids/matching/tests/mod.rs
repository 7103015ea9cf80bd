//! The matching as a whole: rules as text over buffers.

mod keywords;
mod model;
mod sets;
mod transforms;
mod verdicts;

use super::{Datasets, MatchContext, Program, View};
use crate::ids::rule::ast::{Rule, Source};
use crate::ids::rule::{Classification, RuleSet, Variables};

/// A rule with these options; of the payload unless they open a buffer.
pub(super) fn rule(options: &str) -> Rule {
    try_rule(options).unwrap_or_else(|reason| panic!("{options}: {reason}"))
}

pub(super) fn try_rule(options: &str) -> Result<Rule, String> {
    let text = format!("alert ip any any -> any any ({options} sid:1;)");
    let (variables, classes) = (Variables::default(), Classification::default());
    let mut loaded = RuleSet::load_text("test.rules", text.as_bytes(), &variables, &classes);
    match loaded.rules.pop() {
        Some(rule) => Ok(rule),
        None => Err(loaded.errors.iter().map(|error| error.reason.clone()).collect()),
    }
}

/// Every inspection of a rule, as the engine would run them over one buffer.
pub(super) struct Ready {
    pub(super) programs: Vec<(Source, Program)>,
    variables: usize,
    pub(super) context: MatchContext,
}

impl Ready {
    pub(super) fn new(options: &str) -> Self {
        Self::of(&rule(options)).unwrap()
    }

    pub(super) fn of(rule: &Rule) -> Result<Self, String> {
        let mut datasets = Datasets::new(None);
        let programs = rule.inspections.iter().map(|inspection| {
            Program::compile(rule, inspection, &mut datasets)
                .map(|program| (inspection.source, program))
        });
        Ok(Self {
            programs: programs.collect::<Result<_, _>>()?,
            variables: rule.variables.len(),
            context: MatchContext::new(),
        })
    }

    pub(super) fn holds(&mut self, bytes: &[u8]) -> bool {
        self.holds_in(&View { bytes, complete: true, offset: 0 })
    }

    pub(super) fn holds_in(&mut self, view: &View<'_>) -> bool {
        self.context.begin_rule(self.variables);
        self.programs.iter().all(|(source, program)| {
            if *source != Source::Base64Data {
                return program.holds(view, &mut self.context);
            }
            let Some(bytes) = self.context.base64().map(<[u8]>::to_vec) else { return false };
            program.holds(&View { bytes: &bytes, complete: true, offset: 0 }, &mut self.context)
        })
    }
}

/// Whether a rule with these options holds for a payload.
pub(super) fn holds(options: &str, bytes: impl AsRef<[u8]>) -> bool {
    Ready::new(options).holds(bytes.as_ref())
}
