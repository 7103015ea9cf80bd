//! Files of rules.
//!
//! A rule that loads compiles or is refused, and whatever does not load has a line and a reason.

use umbra_analyzers::ids::IdsPlan;
use umbra_analyzers::ids::rule::{Classification, Loaded, RuleError, RuleSet, Variables};

use super::signatures::plan;

pub(crate) fn rules(bytes: &[u8]) {
    let loaded = load(bytes);
    let lines = bytes.split(|byte| *byte == b'\n').count();
    loaded.errors.iter().chain(&loaded.skipped).for_each(|error| check(error, lines));
    for rule in &loaded.rules {
        assert!((1..=lines).contains(&(rule.line as usize)), "line {} of {lines}", rule.line);
    }
    if loaded.rules.is_empty() {
        return;
    }
    let plan = plan(bytes);
    let report = IdsPlan::of(&plan).expect("a plan of rules").report();
    report.errors.iter().for_each(|error| check(error, lines));
    let refused = report.errors.len() - loaded.errors.len();
    assert_eq!(report.loaded + refused, loaded.rules.len(), "rules are at work or refused");
}

/// Whether there is anything to compile.
pub(crate) fn any_loads(bytes: &[u8]) -> bool {
    !load(bytes).rules.is_empty()
}

fn load(bytes: &[u8]) -> Loaded {
    let variables = Variables::with_networks("[192.168.0.0/16,10.0.0.0/8]", "!$HOME_NET");
    RuleSet::load_text("fuzz.rules", bytes, &variables, &Classification::default())
}

fn check(error: &RuleError, lines: usize) {
    assert!(!error.reason.trim().is_empty(), "a rule is refused without a reason: {error:?}");
    assert!((1..=lines).contains(&(error.line as usize)), "line {} of {lines}", error.line);
}
