//! That every keyword is in the tables.

use std::collections::BTreeSet;

use super::super::rule::keyword_names;
use super::case::Case;
use super::{
    dns, events, files, header, http, http2, lines, meta, packet, payload, sets, smb, state,
};
use super::{tls, transform};

/// Keywords without a rule that alerts and one that does not, and why.
const NOT_ABOUT_MATCHING: &[(&str, &str)] = &[
    ("requires", "decides whether a rule is loaded: a test of its own in `meta`"),
    ("noalert", "never alerts: that such a rule matches shows in the one that asks for its bit"),
];

fn all() -> Vec<Case> {
    [
        dns::cases(),
        events::cases(),
        files::cases(),
        header::cases(),
        http::cases(),
        http2::cases(),
        lines::cases(),
        packet::cases(),
        payload::cases(),
        sets::cases(),
        smb::cases(),
        state::cases(),
        tls::cases(),
        transform::cases(),
    ]
    .concat()
}

/// Whether the options have the keyword.
fn has(options: &str, keyword: &str) -> bool {
    options.split(';').any(|option| {
        option.trim_start().split(':').next().is_some_and(|name| name.trim() == keyword)
    })
}

#[test]
fn every_keyword_has_a_rule_that_alerts_and_one_that_does_not() {
    let cases = all();
    let known: BTreeSet<_> = keyword_names().into_iter().collect();
    let mut missing = Vec::new();
    for keyword in &known {
        let tables = || cases.iter().filter(|case| case.about.split(' ').any(|k| k == *keyword));
        let rules = || tables().flat_map(|case| &case.lines);
        let positive = rules().any(|(times, _, options)| *times > 0 && has(options, keyword));
        let negative = rules().any(|(times, _, options)| *times == 0 && has(options, keyword));
        let excused = NOT_ABOUT_MATCHING.iter().any(|(name, _)| name == keyword);
        let shown = meta::shown().any(|name| name == *keyword);
        if !(excused || shown || (positive && negative)) {
            missing.push((keyword, positive, negative));
        }
    }
    assert!(missing.is_empty(), "keyword, alerts, does not: {missing:#?}");
    let about = cases.iter().flat_map(|case| case.about.split_whitespace());
    for name in about.chain(meta::shown()).chain(NOT_ABOUT_MATCHING.iter().map(|(name, _)| *name)) {
        assert!(known.contains(name), "{name} is no keyword");
    }
}
