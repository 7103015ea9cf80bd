//! Which matches become alerts: suppression, thresholds and filters, of rules and of `threshold.config`.

use std::net::IpAddr;
use std::sync::Arc;

use super::super::rule::ThresholdConfig;
use super::super::rule::ast::{AddressSet, Rule, ThresholdKind, Track};
use super::super::state::{CountKey, Counted, HostKey, Limit, LimitKind, Limits};
use super::conditions::Ends;
use crate::events::Timestamp;

/// What is said of one rule.
#[derive(Clone, Debug, Default)]
pub(crate) struct RuleLimits {
    suppress: Vec<Option<(Track, Arc<AddressSet>)>>,
    limits: Vec<(Track, Limit)>,
}

impl RuleLimits {
    pub(crate) fn of(rule: &Rule, config: &ThresholdConfig) -> Self {
        let suppress = config
            .suppress
            .iter()
            .filter(|line| line.rules.include(rule.gid, rule.sid))
            .map(|line| line.only.clone())
            .collect();
        // A line for this rule takes the place of what the rule says; one for all does not.
        let named = config
            .thresholds
            .iter()
            .rev()
            .find(|line| line.rules.sid.is_some() && line.rules.include(rule.gid, rule.sid));
        let general =
            config.thresholds.iter().rev().find(|line| line.rules.include(rule.gid, rule.sid));
        let own = rule.threshold.is_some() || rule.detection_filter.is_some();
        let line = named.or(if own { None } else { general });
        let threshold = line.map(|line| line.threshold).or(rule.threshold);
        let mut limits = Vec::new();
        if let Some(threshold) = threshold {
            let kind = match threshold.kind {
                ThresholdKind::Threshold => LimitKind::Threshold,
                ThresholdKind::Limit => LimitKind::Limit,
                ThresholdKind::Both => LimitKind::Both,
                ThresholdKind::Backoff { multiplier } => LimitKind::Backoff { multiplier },
            };
            let limit = Limit { kind, count: threshold.count, seconds: threshold.seconds };
            limits.push((threshold.track, limit));
        }
        if let Some(filter) = rule.detection_filter.filter(|_| named.is_none()) {
            let kind = LimitKind::DetectionFilter;
            limits
                .push((filter.track, Limit { kind, count: filter.count, seconds: filter.seconds }));
        }
        Self { suppress, limits }
    }

    /// Whether nothing is said, so that every match is an alert.
    pub(crate) fn is_empty(&self) -> bool {
        self.suppress.is_empty() && self.limits.is_empty()
    }

    /// Counts a match; whether it may be an alert.
    pub(crate) fn pass(
        &self,
        (gid, sid): (u32, u32),
        ends: Option<&Ends>,
        flow_id: Option<u64>,
        now: Timestamp,
        counts: &Limits,
    ) -> bool {
        if self.suppress.iter().any(|only| suppresses(only.as_ref(), ends)) {
            return false;
        }
        self.limits.iter().zip(0..).all(|((track, limit), which)| {
            let Some(key) = key(*track, ends, flow_id) else { return true };
            counts.passes(Counted { gid, sid, key, which }, *limit, now)
        })
    }
}

fn suppresses(only: Option<&(Track, Arc<AddressSet>)>, ends: Option<&Ends>) -> bool {
    let Some((track, addresses)) = only else { return true };
    let Some(ends) = ends else { return false };
    match track {
        Track::BySource => addresses.contains(ends.src),
        Track::ByDestination => addresses.contains(ends.dst),
        Track::ByBoth | Track::ByRule | Track::ByFlow => {
            addresses.contains(ends.src) || addresses.contains(ends.dst)
        }
    }
}

/// An address as one number, IPv4 mapped.
pub(crate) fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().to_bits(),
        IpAddr::V6(v6) => v6.to_bits(),
    }
}

fn key(track: Track, ends: Option<&Ends>, flow_id: Option<u64>) -> Option<CountKey> {
    let host = |address| CountKey::Host(HostKey::Host(bits(address)));
    Some(match track {
        Track::BySource => host(ends?.src),
        Track::ByDestination => host(ends?.dst),
        Track::ByBoth => {
            let ends = ends?;
            CountKey::Host(HostKey::pair(bits(ends.src), bits(ends.dst)))
        }
        Track::ByRule => CountKey::Host(HostKey::Everybody),
        Track::ByFlow => CountKey::Flow(flow_id?),
    })
}
