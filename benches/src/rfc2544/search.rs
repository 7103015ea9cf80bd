//! The search for NDR and PDR in one set of trials. A rate counts as lossy when two trials at it both lose more than
//! is allowed, and as beyond the tester when two trials at it both offered less: no higher rate is tried
//! then, for what is not offered cannot be lost.

use anyhow::{Result, bail};

use crate::generator::Outcome;

/// PDR's loss ratio, as FD.io CSIT has it.
const PDR_LOSS_RATIO: f64 = 0.005;
/// Trials of one search at most.
const TRIALS_MAX: usize = 60;

/// How closely to search.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Search {
    /// Of a trial.
    pub(crate) seconds: f64,
    /// Of the answer, relative to the rate.
    pub(crate) width: f64,
}

/// An open interval that holds the rate sought: nothing lost more than allowed at `low`, too much at `high`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Bounds {
    loss_ratio: f64,
    pub(super) low: f64,
    pub(super) high: f64,
}

impl Bounds {
    fn note(&mut self, rate: f64, loss_ratio: f64) {
        if loss_ratio <= self.loss_ratio {
            self.low = self.low.max(rate);
            self.high = self.high.max(self.low);
        } else {
            self.end_at(rate);
        }
    }

    /// Looks no higher.
    fn end_at(&mut self, rate: f64) {
        self.high = self.high.min(rate).max(self.low);
    }

    fn is_narrow(&self, width: f64) -> bool {
        self.high - self.low <= self.high * width
    }

    /// Where to look next: the geometric middle, for errors are relative; near the top at first.
    fn next(&self) -> f64 {
        if self.low == 0.0 { self.high / 2.0 } else { (self.low * self.high).sqrt() }
    }
}

/// A rate that the tester could not offer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Short {
    asked_pps: f64,
    offered_pps: f64,
    refused: u64,
}

impl std::fmt::Display for Short {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "the tester offered {:.3} of {:.3} Mpps that were asked of it ({} frames refused by a full queue): \
             the search looked no higher",
            self.offered_pps / 1e6,
            self.asked_pps / 1e6,
            self.refused
        )
    }
}

/// What was found.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) ndr: Bounds,
    pub(super) pdr: Bounds,
    /// What the tester offered flat out.
    pub(super) most: f64,
    /// Offered packets per second, offered and lost packets.
    pub(super) trials: Vec<(f64, u64, u64)>,
    pub(super) short: Option<Short>,
    /// Trials in which more came back than was sent.
    pub(super) foreign: usize,
}

/// Searches both rates; `run` sends at a rate, or as fast as it can.
pub(super) fn search(
    settings: Search,
    mut run: impl FnMut(Option<f64>) -> Result<Outcome>,
) -> Result<Found> {
    let (mut trials, mut foreign, mut short) = (Vec::new(), 0, None);
    let mut tried = |rate: Option<f64>| -> Result<Outcome> {
        let outcome = run(rate)?;
        trials.push((outcome.offered_pps(), outcome.offered, outcome.lost()));
        foreign += usize::from(outcome.received > outcome.offered);
        Ok(outcome)
    };
    let full = tried(None)?;
    let most = full.offered_pps();
    if full.offered == 0 {
        bail!("the tester could send nothing: is the link up?");
    }
    if full.received == 0 {
        bail!(
            "{} frames were sent and none came back: does the device forward to the receiving port, and frames \
             of this length?",
            full.offered
        );
    }
    let mut ndr = Bounds { loss_ratio: 0.0, low: 0.0, high: most * 1.000_001 };
    let mut pdr = Bounds { loss_ratio: PDR_LOSS_RATIO, ..ndr };
    for bounds in [&mut ndr, &mut pdr] {
        bounds.note(most, full.loss_ratio());
    }
    // What passes when everything is sent is a good guess for both.
    let mut guess = Some(full.received as f64 / full.seconds);
    for _ in 0..TRIALS_MAX {
        let open = [ndr, pdr].into_iter().find(|b| !b.is_narrow(settings.width));
        let Some(open) = open else { break };
        let rate = guess.take().filter(|g| *g > open.low && *g < open.high).unwrap_or(open.next());
        let mut best = tried(Some(rate))?;
        if !best.kept_up(rate) || best.loss_ratio() > open.loss_ratio {
            best = better(rate, best, tried(Some(rate))?);
        }
        let at = if best.kept_up(rate) { rate } else { best.offered_pps() };
        for bounds in [&mut ndr, &mut pdr] {
            bounds.note(at, best.loss_ratio());
            if at < rate {
                bounds.end_at(at);
            }
        }
        if at < rate {
            short = Some(Short { asked_pps: rate, offered_pps: at, refused: best.refused });
        }
    }
    // More may pass with more loss allowed, never less.
    pdr.low = pdr.low.max(ndr.low);
    pdr.high = pdr.high.max(pdr.low);
    Ok(Found { ndr, pdr, most, trials, short, foreign })
}

/// Of two trials at a rate the one that says more about the device: offered in full, then with less lost.
fn better(rate: f64, one: Outcome, other: Outcome) -> Outcome {
    match (one.kept_up(rate), other.kept_up(rate)) {
        (true, false) => one,
        (false, true) => other,
        (false, false) if one.offered > other.offered => one,
        (true, true) if one.loss_ratio() <= other.loss_ratio() => one,
        _ => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTINGS: Search = Search { seconds: 1.0, width: 0.005 };

    /// A device that passes so many frames per second of those that it is offered.
    fn device_of(capacity: f64, generator: f64) -> impl FnMut(Option<f64>) -> Result<Outcome> {
        move |rate| {
            let offered = rate.unwrap_or(generator);
            Ok(Outcome {
                offered: offered as u64,
                received: offered.min(capacity) as u64,
                seconds: 1.0,
                ..Outcome::default()
            })
        }
    }

    #[test]
    fn both_rates_are_found_to_the_width_asked_for() {
        let found = search(SETTINGS, device_of(3e6, 10e6)).unwrap();
        let (ndr, pdr) = (found.ndr, found.pdr);
        assert!(ndr.low <= 3e6 && 3e6 <= ndr.high && ndr.is_narrow(0.005), "{ndr:?}");
        let partial = 3e6 / (1.0 - PDR_LOSS_RATIO);
        assert!(pdr.low <= partial && partial <= pdr.high && pdr.is_narrow(0.005), "{pdr:?}");
        assert_eq!((found.most, found.short, found.foreign), (10e6, None, 0));
        assert!(found.trials.len() < TRIALS_MAX, "{}", found.trials.len());
    }

    #[test]
    fn a_device_faster_than_the_tester_ends_the_search_at_once() {
        let found = search(SETTINGS, device_of(30e6, 10e6)).unwrap();
        assert_eq!(found.trials.len(), 1);
        assert_eq!((found.ndr.low, found.pdr.low), (found.most, found.most));
    }

    #[test]
    fn a_tester_that_cannot_keep_a_rate_bounds_the_search_and_says_so() {
        // Flat out it manages 10 Mpps and the device loses; paced it never gets beyond 2.
        let mut device = device_of(3e6, 10e6);
        let found = search(SETTINGS, |rate| {
            let mut outcome = device(rate.map(|r| r.min(2e6)))?;
            outcome.refused = 7;
            Ok(outcome)
        })
        .unwrap();
        assert_eq!((found.ndr.low, found.ndr.high), (2e6, 2e6));
        assert_eq!((found.pdr.low, found.pdr.high), (2e6, 2e6));
        let words = found.short.unwrap().to_string();
        assert!(
            words.contains("offered 2.000 of 3.000 Mpps") && words.contains("7 frames"),
            "{words}"
        );
    }

    #[test]
    fn one_trial_that_the_tester_spoiled_bounds_nothing() {
        let (mut device, mut trial) = (device_of(3e6, 10e6), 0);
        let found = search(SETTINGS, |rate| {
            trial += 1;
            device(rate.map(|r| if trial == 3 { r / 2.0 } else { r }))
        })
        .unwrap();
        assert!(found.ndr.low <= 3e6 && 3e6 <= found.ndr.high, "{:?}", found.ndr);
        assert_eq!(found.short, None);
    }

    #[test]
    fn frames_of_others_are_noticed() {
        let found = search(SETTINGS, |rate| {
            let offered = rate.unwrap_or(1e6) as u64;
            let received = offered + 1;
            Ok(Outcome { offered, received, seconds: 1.0, ..Outcome::default() })
        });
        assert_eq!(found.unwrap().foreign, 1);
    }

    #[test]
    fn a_dead_link_and_a_deaf_device_are_said() {
        let error = search(SETTINGS, |_| Ok(Outcome::default())).unwrap_err();
        assert!(error.to_string().contains("link"), "{error}");
        let error = search(SETTINGS, device_of(0.0, 10e6)).unwrap_err();
        assert!(error.to_string().contains("none came back"), "{error}");
    }
}
