//! What is said of a goal in words, with its figures filled in from the run: no figure on the page
//! is written by hand, so none can be of another run.

use super::figures::{ABSENT, figure};
use crate::results::Results;

/// By the goal's name: what its remaining cost is made of.
pub(crate) const NOTES: &[(&str, &str)] = &[
    ("P1", include_str!("../../notes/P1.md")),
    ("P2", include_str!("../../notes/P2.md")),
    ("P3", include_str!("../../notes/P3.md")),
    ("P4", include_str!("../../notes/P4.md")),
    ("P5", include_str!("../../notes/P5.md")),
    ("P6", include_str!("../../notes/P6.md")),
    ("P7", include_str!("../../notes/P7.md")),
    ("P8", include_str!("../../notes/P8.md")),
    ("P9", include_str!("../../notes/P9.md")),
    ("P15", include_str!("../../notes/P15.md")),
];

/// Unit of everything in an account.
const CYCLES: &str = "cycles";

/// The note of a goal with its figures.
pub(crate) fn note(goal: &str, results: &Results) -> Option<String> {
    let (_, text) = NOTES.iter().find(|(name, _)| *name == goal)?;
    Some(fill(text, results))
}

/// Replaces each `{{…}}` by a figure with its unit.
pub(crate) fn fill(text: &str, results: &Results) -> String {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, placeholder, after)) = next_placeholder(rest) {
        filled.push_str(before);
        filled.push_str(&resolve(placeholder, results).unwrap_or_else(|| ABSENT.to_owned()));
        rest = after;
    }
    filled.push_str(rest);
    filled
}

/// Text before the next placeholder, its inside, and what follows it.
fn next_placeholder(text: &str) -> Option<(&str, &str, &str)> {
    let (before, rest) = text.split_once("{{")?;
    let (inside, after) = rest.split_once("}}")?;
    Some((before, inside.trim(), after))
}

fn resolve(placeholder: &str, results: &Results) -> Option<String> {
    let (kind, rest) = placeholder.split_once(':')?;
    match kind {
        "account" => account(rest, results),
        "goal" => goal(rest, results),
        "comparison" => comparison(rest, results),
        _ => None,
    }
}

/// What stands behind `id` and a colon. Ids and names are matched whole, since both may hold a
/// colon themselves.
fn behind<'a>(rest: &'a str, id: &str) -> Option<&'a str> {
    rest.strip_prefix(id)?.strip_prefix(':')
}

fn account(rest: &str, results: &Results) -> Option<String> {
    let cycles = results.accounts.iter().find_map(|account| match behind(rest, &account.id)? {
        "total" => Some(account.total.median),
        "residual" => Some(account.residual),
        name => Some(account.stages.iter().find(|stage| stage.name == name)?.cycles.median),
    })?;
    Some(figure(cycles, CYCLES))
}

fn goal(rest: &str, results: &Results) -> Option<String> {
    let part = match rest.split_once(':') {
        None => &results.goals.get(rest)?.headline,
        Some((name, part)) => results.goals.get(name)?.parts.get(part)?,
    };
    Some(figure(part.value, &part.unit))
}

fn comparison(rest: &str, results: &Results) -> Option<String> {
    results.comparisons.iter().find_map(|c| match behind(rest, &c.id)? {
        "a" => Some(figure(c.a.median, &c.a.unit)),
        "b" => Some(figure(c.b.median, &c.b.unit)),
        "estimate" => Some(figure(c.estimate.median, &c.unit)),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::super::fixture;
    use super::*;

    #[test]
    fn every_kind_of_placeholder_resolves() {
        let results = fixture::results();
        for (placeholder, expected) in [
            ("account:P3/64:copy", "21.50 cycles"),
            ("account:P3/64:total", "40.00 cycles"),
            ("account:P3/64:residual", "2.00 cycles"),
            ("goal:P1", "0.9990"),
            ("goal:P3:64 B", "1.2500"),
            ("comparison:P1/null/64:a", "41.20 Mpps"),
            ("comparison:P1/null/64:b", "41.24 Mpps"),
            ("comparison:P1/null/64:estimate", "0.9990"),
        ] {
            let text = format!("It is {{{{{placeholder}}}}}, or {{{{ {placeholder} }}}}.");
            assert_eq!(fill(&text, &results), format!("It is {expected}, or {expected}."));
        }
    }

    #[test]
    fn a_figure_that_the_run_lacks_is_said_to_be_absent() {
        let results = fixture::results();
        for placeholder in
            ["account:P3/64:none", "account:none:total", "goal:P14", "goal:P3:none", "speed:P1"]
        {
            assert_eq!(fill(&format!("{{{{{placeholder}}}}}"), &results), ABSENT);
        }
        assert_eq!(fill("open {{account:P3/64", &results), "open {{account:P3/64");
    }

    #[test]
    fn the_notes_hold_only_placeholders_of_a_known_form() {
        for (goal, text) in NOTES {
            assert!(!text.trim().is_empty(), "{goal}");
            let mut rest = *text;
            while let Some((_, placeholder, after)) = next_placeholder(rest) {
                let fields: Vec<&str> = placeholder.split(':').collect();
                let known = match fields[0] {
                    "account" => fields.len() >= 3,
                    "comparison" => {
                        fields.len() >= 3
                            && matches!(*fields.last().unwrap(), "a" | "b" | "estimate")
                    }
                    "goal" => fields.len() >= 2,
                    _ => false,
                };
                assert!(known, "{goal}: {{{{{placeholder}}}}}");
                rest = after;
            }
            assert!(!rest.contains("{{"), "{goal} has a placeholder that is not closed");
        }
    }
}
