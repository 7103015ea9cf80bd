//! What stands out in an interval, why, and what to do about it.
//!
//! | sid | what | evidence |
//! |---|---|---|
//! | 1 | a server answers slower than it did, and the way to it does not explain that | `response_p50_us`, `response_p99_us`, `baseline_p50_us`, `samples` |
//! | 2 | the way between the tap and a server has become longer | `rtt_p50_us`, `rtt_p99_us`, `baseline_p50_us`, `samples` |
//! | 3 | the way between the tap and clients of a network has become longer | the same |
//! | 4 | segments are lost on the way to or from a server | `retransmissions`, `fast`, `spurious`, `segments` |
//! | 5 | segments to or from a server are reordered | `out_of_order`, `segments` |
//! | 6 | a receiver is too slow: windows are closed | `zero_windows` |
//! | 7 | connections to a server fail | `connected`, `refused`, `unanswered` |
//! | 8 | only one direction of a network's connections passes here | `one_sided` |
//! | 9 | what is analysed is incomplete: acknowledgments of what was not seen | `acked_unseen`, `segments` |
//!
//! Medians are compared with their own past: CUSUM (Page 1954) of the logarithm, in units of the spread that
//! it has had, after [`LEARNED`] intervals with enough samples. What changed is learned anew, so that a new
//! level alerts once. Every other finding is raised when its condition begins to hold.

use std::sync::Arc;

use foldhash::quality::RandomState;
use hashbrown::HashMap;

use super::keyed::{Figures, Keyed, Kind};
use super::spread::Spread;
use crate::events::{Evidence, Finding, Severity, Timestamp};
use crate::profile::Findings;

/// Who numbers performance findings.
pub(super) const GID: u32 = 1002;
/// Samples that make a median worth comparing.
const SAMPLES: u64 = 20;
/// Intervals before anything is compared.
const LEARNED: u32 = 5;
/// A tenth of the log₂ is the least spread: a median that never moved is not held to the microsecond.
const LEAST_DEVIATION: f64 = 0.1;
/// CUSUM's allowance and threshold, in deviations. A shift of one deviation alerts after some ten intervals, a
/// doubling in the next one.
const ALLOWANCE: f64 = 0.5;
const THRESHOLD: f64 = 5.0;
/// Keys remembered; when there are more, those not heard of in the latest interval go.
const KEYS: usize = 2048;
/// Weight of the latest interval in means.
const WEIGHT: f64 = 0.1;

/// A median's past.
#[derive(Clone, Copy, Debug, Default)]
struct Baseline {
    intervals: u32,
    mean: f64,
    variance: f64,
    sum: f64,
}

impl Baseline {
    /// The median that used to be, if this one is a change to the worse, microseconds.
    fn changed(&mut self, spread: &Spread) -> Option<u64> {
        if spread.len() < SAMPLES {
            return None;
        }
        let level = (spread.quantile(0.5).max(1) as f64).log2();
        if self.intervals >= LEARNED {
            let deviation = self.variance.sqrt().max(LEAST_DEVIATION);
            // One interval alone says at most so much.
            let step = ((level - self.mean) / deviation - ALLOWANCE).min(2.0 * THRESHOLD);
            self.sum = (self.sum + step).max(0.0);
            if self.sum > THRESHOLD {
                let before = self.mean.exp2() as u64;
                *self = Self { intervals: 1, mean: level, ..Self::default() };
                return Some(before);
            }
        }
        self.intervals = self.intervals.saturating_add(1);
        let weight = WEIGHT.max(1.0 / f64::from(self.intervals));
        let off = level - self.mean;
        self.mean += weight * off;
        self.variance = (1.0 - weight) * (self.variance + weight * off * off);
        if self.intervals == 1 {
            self.variance = 0.0;
        }
        None
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Past {
    heard: u64,
    response: Baseline,
    round_trip: Baseline,
    /// Bit per sid whose condition held in the previous interval.
    holding: u16,
}

/// What is remembered of earlier intervals.
#[derive(Debug, Default)]
pub(super) struct Judge {
    past: HashMap<(Kind, u128), Past, RandomState>,
    interval: u64,
}

struct Case<'j> {
    profile: &'j Arc<str>,
    at: Timestamp,
    name: String,
}

impl Case<'_> {
    fn raise(
        &self,
        sid: u32,
        severity: Severity,
        what: &str,
        advice: &str,
        more: Vec<Evidence>,
    ) -> Finding {
        let mut evidence = vec![Evidence::new("subject", self.name.as_str())];
        evidence.extend(more);
        evidence.push(Evidence::new("advice", advice));
        Finding {
            timestamp: self.at,
            profile: Arc::clone(self.profile),
            gid: GID,
            sid,
            severity,
            title: format!("{} {what}", self.name).into(),
            evidence,
            flow: None,
            place: None,
            packet_number: None,
        }
    }
}

fn count(key: &'static str, value: u64) -> Evidence {
    Evidence::new(key, value)
}

fn times(prefix: &str, spread: &Spread, before: u64) -> Vec<Evidence> {
    vec![
        Evidence::new(format!("{prefix}_p50_us"), spread.quantile(0.5)),
        Evidence::new(format!("{prefix}_p99_us"), spread.quantile(0.99)),
        count("baseline_p50_us", before),
        count("samples", spread.len()),
    ]
}

impl Judge {
    /// Looks at an interval that ended at `at`.
    pub(super) fn interval(
        &mut self,
        keyed: &Keyed,
        at: Timestamp,
        profile: &Arc<str>,
        findings: &mut Findings,
    ) {
        self.interval += 1;
        for kind in [Kind::Server, Kind::ClientNetwork] {
            for (key, figures) in keyed.sorted(kind) {
                let past = self.past.entry((kind, key)).or_default();
                past.heard = self.interval;
                let case =
                    Case { profile, at, name: format!("{} {}", kind.as_str(), kind.name(key)) };
                match kind {
                    Kind::Server => judge_server(past, figures, &case, findings),
                    _ => judge_clients(past, figures, &case, findings),
                }
            }
        }
        if self.past.len() > KEYS {
            let latest = self.interval;
            self.past.retain(|_, past| past.heard == latest);
        }
    }
}

fn judge_server(past: &mut Past, figures: &Figures, case: &Case<'_>, findings: &mut Findings) {
    let path = past.round_trip.changed(&figures.server_side);
    if let Some(before) = path {
        let advice = "look for congestion or a changed route between the tap and the server";
        let evidence = times("rtt", &figures.server_side, before);
        findings.report(case.raise(
            2,
            Severity::Medium,
            "is further away than it was",
            advice,
            evidence,
        ));
    }
    if let Some(before) = past.response.changed(&figures.response)
        && path.is_none()
    {
        let advice = "look at the server and what it waits for: the way to it is as it was";
        let evidence = times("response", &figures.response, before);
        findings.report(case.raise(
            1,
            Severity::Medium,
            "answers slower than it did",
            advice,
            evidence,
        ));
    }
    let f = figures;
    let attempts = f.connected + f.refused + f.unanswered;
    let conditions = [
        (4, f.retransmissions >= 10 && f.retransmissions * 100 > f.segments),
        (5, f.out_of_order >= 10 && f.out_of_order * 100 > f.segments),
        (6, f.zero_windows >= 3),
        (7, f.refused + f.unanswered >= 5 && (f.refused + f.unanswered) * 5 > attempts),
        (9, f.acked_unseen >= 10 && f.acked_unseen * 100 > f.segments),
    ];
    for (sid, holds) in conditions {
        if !begins(past, sid, holds) {
            continue;
        }
        let segments = count("segments", f.segments);
        findings.report(match sid {
            4 => {
                let advice = if f.spurious * 2 > f.retransmissions {
                    "most of it had arrived: acknowledgments are lost or late, look at the way back"
                } else {
                    "look for drops on the way: full queues, errors of ports, a duplex mismatch"
                };
                let evidence = vec![
                    count("retransmissions", f.retransmissions),
                    count("fast", f.fast),
                    count("spurious", f.spurious),
                    segments,
                ];
                case.raise(sid, Severity::Medium, "has segments sent again", advice, evidence)
            }
            5 => {
                let advice = "look for load balancing by packet, or parallel links, on the way";
                let evidence = vec![count("out_of_order", f.out_of_order), segments];
                case.raise(sid, Severity::Low, "has its segments reordered", advice, evidence)
            }
            6 => {
                let advice = "a receiver does not read as fast as it is sent to: look at the \
                              application, then at its socket buffers";
                let evidence = vec![count("zero_windows", f.zero_windows)];
                case.raise(sid, Severity::Medium, "has closed windows", advice, evidence)
            }
            7 => {
                let advice = if f.refused > f.unanswered {
                    "nothing listens there, or a firewall refuses: start it, or correct who asks"
                } else {
                    "no answer comes: the host is down, full, or a filter drops what is sent to it"
                };
                let evidence = vec![
                    count("connected", f.connected),
                    count("refused", f.refused),
                    count("unanswered", f.unanswered),
                ];
                case.raise(sid, Severity::Medium, "does not accept connections", advice, evidence)
            }
            _ => {
                let advice = "frames are lost between wire and analysis: lower the percentage, or \
                              raise ring sizes or the number of instances";
                let evidence = vec![count("acked_unseen", f.acked_unseen), segments];
                case.raise(sid, Severity::Low, "is seen in part only", advice, evidence)
            }
        });
    }
}

fn judge_clients(past: &mut Past, figures: &Figures, case: &Case<'_>, findings: &mut Findings) {
    if let Some(before) = past.round_trip.changed(&figures.client_side) {
        let advice = "look for congestion or a changed route between the tap and these clients";
        let evidence = times("rtt", &figures.client_side, before);
        findings.report(case.raise(
            3,
            Severity::Medium,
            "is further away than it was",
            advice,
            evidence,
        ));
    }
    if begins(past, 8, figures.one_sided >= 5) {
        let advice = "the other direction takes another way: tap that too, or route both alike";
        let evidence = vec![count("one_sided", figures.one_sided)];
        findings.report(case.raise(
            8,
            Severity::Low,
            "is seen in one direction only",
            advice,
            evidence,
        ));
    }
}

/// Whether a condition holds that did not hold before.
fn begins(past: &mut Past, sid: u32, holds: bool) -> bool {
    let bit = 1 << sid;
    let held = past.holding & bit != 0;
    past.holding = past.holding & !bit | if holds { bit } else { 0 };
    holds && !held
}

#[cfg(test)]
mod tests {
    use super::super::tcp::{Measured, Verdicts};
    use super::super::units::Parties;
    use super::*;
    use crate::events::{ConnectFailure, Event};

    /// Sids that an interval raises in which the server answers after so long over a way of so long.
    fn sids(
        judge: &mut Judge,
        response_us: u32,
        rtt_us: u32,
        jitter: u32,
        change: impl Fn(&mut Keyed, &Parties),
    ) -> Vec<u32> {
        let parties = Parties { server: 1, client: 2, protocol: 6, ..Parties::default() };
        let (mut keyed, mut findings) = (Keyed::default(), Findings::default());
        for n in 0..40 {
            let times = [
                Some(Measured::ServerSide(rtt_us + n * jitter)),
                Some(Measured::Response(response_us + n * jitter)),
            ];
            keyed.segment(&parties, Verdicts::default(), times);
        }
        keyed.sent(&parties, 400);
        change(&mut keyed, &parties);
        judge.interval(&keyed, Timestamp::from_secs(1), &Arc::from("p"), &mut findings);
        let sids = findings.drain_events().filter_map(|event| match event {
            Event::Finding(finding) => {
                assert_eq!(finding.gid, GID);
                Some(finding.sid)
            }
            _ => None,
        });
        sids.collect()
    }

    const QUIET: [u32; 0] = [];

    fn nothing(_: &mut Keyed, _: &Parties) {}

    #[test]
    fn a_server_that_becomes_slow_is_told_once_and_a_longer_way_is_not_its_fault() {
        let mut judge = Judge::default();
        for n in 0..50 {
            assert_eq!(sids(&mut judge, 40_000 + n % 7 * 500, 2_000, 10, nothing), QUIET, "{n}");
        }
        assert_eq!(sids(&mut judge, 400_000, 2_000, 10, nothing), [1]);
        assert_eq!(sids(&mut judge, 400_000, 2_000, 10, nothing), QUIET);
        let mut judge = Judge::default();
        for _ in 0..10 {
            sids(&mut judge, 40_000, 2_000, 10, nothing);
        }
        assert_eq!(sids(&mut judge, 90_000, 52_000, 10, nothing), [2]);
    }

    #[test]
    fn a_level_that_creeps_up_is_seen_sooner_or_later_and_one_that_falls_is_good() {
        let mut judge = Judge::default();
        for _ in 0..20 {
            assert_eq!(sids(&mut judge, 10_000, 1_000, 5, nothing), QUIET);
        }
        let mut raised = 0;
        for _ in 0..20 {
            raised += sids(&mut judge, 11_500, 1_000, 5, nothing).len();
        }
        assert_eq!(raised, 1);
        assert_eq!(sids(&mut judge, 500, 1_000, 5, nothing), QUIET);
    }

    #[test]
    fn conditions_are_told_when_they_begin() {
        let mut judge = Judge::default();
        let mut lost = Verdicts::default();
        lost.insert(Verdicts::RETRANSMISSION | Verdicts::ZERO_WINDOW);
        let lossy = |keyed: &mut Keyed, parties: &Parties| {
            (0..10).for_each(|_| keyed.segment(parties, lost, [None; 2]));
        };
        assert_eq!(sids(&mut judge, 10, 10, 0, lossy), [4, 6]);
        assert_eq!(sids(&mut judge, 10, 10, 0, lossy), QUIET);
        assert_eq!(sids(&mut judge, 10, 10, 0, nothing), QUIET);
        assert_eq!(sids(&mut judge, 10, 10, 0, lossy), [4, 6]);
        let refusing = |keyed: &mut Keyed, parties: &Parties| {
            (0..6).for_each(|_| keyed.ended(parties, Some(ConnectFailure::Refused), true));
        };
        assert_eq!(sids(&mut judge, 10, 10, 0, refusing), [7, 8]);
    }
}
