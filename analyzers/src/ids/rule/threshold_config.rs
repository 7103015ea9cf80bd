//! `threshold.config`: what is not to alert, or not so often, without changing rules.

use std::collections::HashMap;
use std::sync::Arc;

use super::ast::{AddressSet, Threshold, Track};
use super::config::{LineErrors, each_line};
use super::keyword::read_threshold;
use super::number::{unsigned, within};
use super::problem::{Result, fail};
use super::variables::{Resolver, Variables};

/// Of which rules a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RuleIds {
    /// `None`: of all (0 in the file).
    pub gid: Option<u32>,
    /// `None`: of all (0 in the file).
    pub sid: Option<u32>,
}

impl RuleIds {
    /// Whether a rule is one of these.
    #[must_use]
    pub fn include(&self, gid: u32, sid: u32) -> bool {
        self.gid.is_none_or(|g| g == gid) && self.sid.is_none_or(|s| s == sid)
    }
}

/// `suppress`: no alert, at all or where an address is one of these.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suppress {
    pub rules: RuleIds,
    /// `BySource`, `ByDestination` or `ByBoth` (which here means either), and whose addresses.
    pub only: Option<(Track, Arc<AddressSet>)>,
}

/// `threshold` or `event_filter`, in place of what the rules say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ThresholdFor {
    pub rules: RuleIds,
    pub threshold: Threshold,
}

/// `rate_filter`: for some time another action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RateFilter {
    pub rules: RuleIds,
    pub track: Track,
    pub count: u32,
    pub seconds: u32,
    pub new_action: RateAction,
    pub timeout_s: u32,
}

/// What a rate filter makes of alerts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RateAction {
    Alert,
    Drop,
    Pass,
    Reject,
}

/// The file's lines, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ThresholdConfig {
    pub suppress: Vec<Suppress>,
    pub thresholds: Vec<ThresholdFor>,
    pub rate_filters: Vec<RateFilter>,
}

impl ThresholdConfig {
    /// Reads the file's text. Lines that are wrong are left out and told.
    #[must_use]
    pub fn parse(text: &str, variables: &Variables) -> (Self, LineErrors) {
        let mut config = Self::default();
        let mut resolver = Resolver::new(variables);
        let errors = each_line(text, |line| config.line(line, &mut resolver));
        (config, errors)
    }

    fn line(&mut self, line: &str, resolver: &mut Resolver<'_>) -> Result<()> {
        let (word, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        let mut fields = fields(rest)?;
        let rules = RuleIds { gid: id(&mut fields, "gen_id")?, sid: id(&mut fields, "sig_id")? };
        if rules.gid.is_none() && rules.sid.is_some() {
            fail!("sig_id must be 0 where gen_id is");
        }
        match word {
            "suppress" => {
                let only = match (fields.remove("track"), fields.remove("ip")) {
                    (None, None) => None,
                    (Some(track), Some(ip)) => {
                        Some((suppress_track(track)?, resolver.addresses(ip)?))
                    }
                    _ => fail!("track and ip belong together"),
                };
                self.suppress.push(Suppress { rules, only });
            }
            "threshold" | "event_filter" => {
                let words = ["type", "track", "count", "seconds", "multiplier"];
                let parts: Vec<String> = words
                    .iter()
                    .filter_map(|word| fields.remove(word).map(|value| format!("{word} {value}")))
                    .collect();
                let threshold = read_threshold(&parts.join(","))?;
                self.thresholds.push(ThresholdFor { rules, threshold });
            }
            "rate_filter" => {
                let filter = rate_filter(rules, &mut fields)?;
                self.rate_filters.push(filter);
            }
            other => fail!("{other:?} must be suppress, threshold, event_filter or rate_filter"),
        }
        match fields.keys().next() {
            Some(left) => fail!("{word} has no option {left:?}"),
            None => Ok(()),
        }
    }
}

type Fields<'a> = HashMap<&'a str, &'a str>;

/// `name value` pairs between commas that are in no bracket.
fn fields(text: &str) -> Result<Fields<'_>> {
    let mut depth = 0i32;
    let parts = text.split(|c: char| {
        match c {
            '[' => depth += 1,
            ']' => depth -= 1,
            _ => {}
        }
        c == ',' && depth <= 0
    });
    let mut fields = HashMap::new();
    for part in parts.map(str::trim) {
        let Some((name, value)) = part.split_once(char::is_whitespace) else {
            fail!("{part:?} must be a name and a value");
        };
        if fields.insert(name, value.trim()).is_some() {
            fail!("{name} stands twice");
        }
    }
    Ok(fields)
}

fn id(fields: &mut Fields<'_>, name: &str) -> Result<Option<u32>> {
    let Some(value) = fields.remove(name) else { fail!("{name} is missing") };
    match unsigned(value).and_then(|n| u32::try_from(n).ok()) {
        Some(0) => Ok(None),
        Some(id) => Ok(Some(id)),
        None => fail!("{name} is {value:?}, must be a number from 0 to {}", u32::MAX),
    }
}

fn suppress_track(word: &str) -> Result<Track> {
    Ok(match word {
        "by_src" => Track::BySource,
        "by_dst" => Track::ByDestination,
        "by_either" => Track::ByBoth,
        other => fail!("track is {other:?}, must be by_src, by_dst or by_either"),
    })
}

fn rate_filter(rules: RuleIds, fields: &mut Fields<'_>) -> Result<RateFilter> {
    let mut take = |name: &str| match fields.remove(name) {
        Some(value) => Ok(value),
        None => fail!("{name} is missing"),
    };
    let track = match take("track")? {
        "by_src" => Track::BySource,
        "by_dst" => Track::ByDestination,
        "by_rule" => Track::ByRule,
        "by_both" => Track::ByBoth,
        other => fail!("track is {other:?}, must be by_src, by_dst, by_rule or by_both"),
    };
    let new_action = match take("new_action")? {
        "alert" => RateAction::Alert,
        "drop" => RateAction::Drop,
        "pass" => RateAction::Pass,
        "reject" => RateAction::Reject,
        other => fail!("new_action is {other:?}, must be alert, drop, pass or reject"),
    };
    Ok(RateFilter {
        rules,
        track,
        count: within("count", take("count")?, 1, u32::MAX)?,
        seconds: within("seconds", take("seconds")?, 1, u32::MAX)?,
        new_action,
        timeout_s: within("timeout", take("timeout")?, 0, u32::MAX)?,
    })
}

#[cfg(test)]
mod tests {
    use super::super::ast::ThresholdKind;
    use super::*;

    #[test]
    fn every_kind_of_line_is_read() {
        let text = "# none\n\
            suppress gen_id 1, sig_id 2002087\n\
            suppress gen_id 1, sig_id 5, track by_src, ip [10.0.0.0/8, !10.1.0.0/16]\n\
            suppress gen_id 0, sig_id 0, track by_either, ip 1.1.1.1\n\
            threshold gen_id 1, sig_id 7, type limit, track by_src, \\\n  count 1, seconds 60\n\
            event_filter gen_id 1, sig_id 8, type both, track by_rule, count 5, seconds 10\n\
            rate_filter gen_id 1, sig_id 9, track by_rule, count 100, seconds 60, new_action drop, timeout 30\n";
        let (config, errors) = ThresholdConfig::parse(text, &Variables::default());
        assert_eq!(errors, []);
        assert_eq!(config.suppress.len(), 3);
        assert!(
            config.suppress[0].rules.include(1, 2_002_087)
                && !config.suppress[0].rules.include(1, 1)
        );
        let (track, set) = config.suppress[1].only.clone().unwrap();
        assert_eq!(track, Track::BySource);
        assert!(
            set.contains("10.2.0.1".parse().unwrap()) && !set.contains("10.1.0.1".parse().unwrap())
        );
        assert!(config.suppress[2].rules.include(3, 4));
        assert_eq!(config.thresholds[0].threshold.kind, ThresholdKind::Limit);
        assert_eq!(config.thresholds[1].threshold.track, Track::ByRule);
        assert_eq!(config.rate_filters[0].timeout_s, 30);
    }

    #[test]
    fn lines_that_are_wrong_are_told_with_their_number() {
        let text = "\nsuppress gen_id 1\nfoo gen_id 1, sig_id 1\n\
            suppress gen_id 1, sig_id 1, track by_src\n\
            suppress gen_id 1, sig_id 1, track by_rule, ip 1.1.1.1\n\
            threshold gen_id 1, sig_id 1, type limit, track by_src, count 0, seconds 1\n\
            threshold gen_id 1, sig_id 1, type limit, track by_src, count 1, seconds 1, x 2\n\
            rate_filter gen_id 1, sig_id 1, track by_src, count 1, seconds 1\n";
        let (config, errors) = ThresholdConfig::parse(text, &Variables::default());
        let lines: Vec<u32> = errors.iter().map(|(line, _)| *line).collect();
        assert_eq!(lines, [2, 3, 4, 5, 6, 7, 8]);
        assert_eq!(config.suppress, []);
    }
}
