//! Scoring frames with a learned model, and following it slowly.

use std::sync::Arc;

use super::baseline::Baselines;
use super::features::{Extractor, FEATURES};
use super::forest::Forest;
use super::fusion::Tests;
use super::keys::{Keys, Observation, Relation};
use super::kitnet::KitNet;
use super::model::Model;
use super::peaks::Peaks;
use super::rarity::Rarity;
use super::settings::Settings;
use super::table::Table;
use super::tail::Tail;

/// Seconds between two fits of the threshold to the latest peaks.
const REFIT_S: f64 = 3600.0;
/// Peaks of the watch itself that outweigh those of the learning.
const OWN_PEAKS: usize = 500;
/// A host that was alarmed about is not learned from for so long.
const DISTRUST_S: f64 = 86_400.0;
/// Hosts in memory.
const HOSTS: usize = 65_536;

#[derive(Clone, Copy, Debug, Default)]
struct Suspect {
    until: f64,
}

/// A frame's score and what made it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scored {
    pub(super) score: f64,
    pub(super) tests: Tests,
    /// It is stranger than the budget allows for.
    pub(super) exceeds: bool,
}

/// A model at work.
#[derive(Debug)]
pub(super) struct Watch {
    model: Arc<Model>,
    budget: f64,
    extractor: Extractor,
    baselines: Baselines,
    rarity: Rarity,
    network: KitNet,
    forest: Forest,
    peaks: Peaks,
    suspects: Table<Suspect>,
    threshold: f64,
    refitted: Option<f64>,
}

impl Watch {
    pub(super) fn new(model: Arc<Model>, settings: &Settings) -> Self {
        let mut watch = Self {
            budget: settings.alarms_per_day,
            extractor: Extractor::new(settings.keys),
            baselines: Baselines::new(settings.keys),
            rarity: Rarity::load(&model.rarity, settings.contexts(), settings.values),
            network: model.network.clone(),
            forest: model.forest.clone(),
            peaks: Peaks::new(HOSTS),
            suspects: Table::new(HOSTS),
            threshold: f64::INFINITY,
            refitted: None,
            model,
        };
        watch.threshold = watch.threshold_of(&watch.model.peaks, watch.model.peaks_per_day);
        watch
    }

    /// Whether most of what is asked of the network as a whole is new. That is enough for an alarm where learning was
    /// shorter than the budget takes for one: how high peaks get in that time is not known then, and the threshold
    /// is a guess far beyond all that was seen.
    fn is_new(&self, keys: &Keys) -> bool {
        if self.budget * self.model.seconds >= 86_400.0 {
            return false;
        }
        let asked = Relation::OF_NETWORK.iter().filter_map(|relation| {
            let observation = (*keys.observations.get(*relation as usize)?)?;
            Some(!self.rarity.knows(observation))
        });
        let (new, all) = asked.fold((0, 0), |(new, all), is| (new + u32::from(is), all + 1));
        new > 0 && 2 * new >= all
    }

    /// The score that so many peaks a day exceed as the budget allows.
    fn threshold_of(&self, peaks: &Tail, per_day: f64) -> f64 {
        let probability = self.budget / per_day.max(self.budget);
        peaks.score_of(probability).unwrap_or(f64::INFINITY)
    }

    pub(super) fn threshold(&self) -> f64 {
        self.threshold
    }

    pub(super) fn model(&self) -> &Arc<Model> {
        &self.model
    }

    /// Whether something was seen before.
    pub(super) fn knows(&self, observation: Observation) -> bool {
        self.rarity.knows(observation)
    }

    /// Observations whose rarity is known, and keys with statistics.
    pub(super) fn sizes(&self) -> (usize, usize) {
        (self.rarity.len(), self.extractor.counts().0)
    }

    /// Time jumped back: another capture begins.
    pub(super) fn restart(&mut self) {
        self.extractor.clear();
        self.baselines.clear();
    }

    /// Scores a frame.
    pub(super) fn observe(&mut self, keys: &Keys, now: f64, length: f64) -> Scored {
        let mut features = [0.0; FEATURES];
        self.extractor.observe(keys, now, length, &mut features);
        let host = keys.source.key();
        let trusted = self.suspects.get(host).is_none_or(|suspect| now >= suspect.until);
        let distance = self.baselines.observe(keys.heading, now, length, trusted);
        let mut tests = Tests::default();
        for (at, observation) in keys.observations.iter().enumerate() {
            let Some(observation) = observation else { continue };
            if let Some(p) = self.rarity.probability(*observation) {
                tests.put(at, p, 1.0);
            }
        }
        let (network, forest) = (self.network.score(&features), self.forest.score(&features));
        self.model.put_trained(&mut tests, network, forest, distance);
        let score = tests.score();
        let exceeds = score >= self.threshold || self.is_new(keys);
        if exceeds {
            self.suspects.entry(host).0.until = now + DISTRUST_S;
        } else {
            // What is alarmed on is no part of what is usual.
            self.peaks.add(host, now, score);
        }
        for observation in keys.observations.iter().flatten() {
            self.rarity.drift(*observation, now, trusted && !exceeds);
        }
        self.refit(now);
        Scored { score, tests, exceeds }
    }

    /// Follows the traffic's own peaks, once there are enough of them.
    fn refit(&mut self, now: f64) {
        let last = *self.refitted.get_or_insert(now);
        if now - last < REFIT_S {
            return;
        }
        self.refitted = Some(now);
        let (peaks, per_day) = self.peaks.ended();
        if peaks.len() < OWN_PEAKS || self.peaks.seconds() < self.model.seconds {
            return;
        }
        let fitted = self.threshold_of(&Tail::fit_bounded(&peaks), per_day);
        let learned = self.threshold_of(&self.model.peaks, self.model.peaks_per_day);
        // Slowly, and never below what the model said: alarms must not eat into what is usual.
        self.threshold = fitted.max(learned);
    }
}
