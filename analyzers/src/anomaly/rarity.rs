//! How rare an observation is in its context, as a tail probability.
//!
//! A context's values have been counted. Of an observation is said with which probability the context gives
//! one that is at most as frequent: all values in its class of frequency and below, and those never seen, whose
//! mass Good and Turing estimate by the values seen once ("The population frequencies of species", Biometrika
//! 1953), shifted by half a count as Krichevsky and Trofimov's estimator is. Values stay once they have come, so that
//! few are seen once however often new ones come; the rate at which they came lately is the other estimate, and the
//! greater of both is taken. So in a context where all is new
//! always (client ports, transaction numbers) something new says nothing, and in one that has given the same three
//! values a thousand times it says much. That novelty must be weighed by how rarely a context gives new values is
//! Mahoney and Chan's insight ("Learning Nonstationary Models of Normal Network Traffic for Detecting Novel
//! Attacks", KDD 2002). A context that is unknown itself says nothing: that it is new is another relation's value.
//!
//! Counted are occasions: a value counts once a second, so that ten packets of one answer are not ten proofs.

use serde::{Deserialize, Serialize};

use super::hash::Key;
use super::keys::Observation;
use super::table::Table;

/// Values by the logarithm of their count.
const CLASSES: usize = 16;
/// Seconds within which a value counts once.
const OCCASION_S: f64 = 1.0;
/// What comes anew once learning is over is taken as usual when it came in so many different spans.
const ADMISSION_SPANS: u32 = 3;
const ADMISSION_SPAN_S: f64 = 3600.0;

/// What a context has given.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Context {
    occasions: u32,
    /// Occasions of all values whose count has this logarithm.
    mass: [u32; CLASSES],
    /// Different values.
    distinct: u32,
    /// Occasions and different values when there were half as many occasions and a quarter, or fewer.
    half: (u32, u32),
    quarter: (u32, u32),
}

impl Context {
    /// How many of its occasions gave a new value, going by the latter half to three quarters of them.
    fn novelties(&self) -> f64 {
        let (occasions, distinct) = self.quarter;
        let lately = f64::from(self.occasions.saturating_sub(occasions)).max(1.0);
        let new = f64::from(self.distinct.saturating_sub(distinct));
        // What is there from the start is not new.
        let new = if occasions == 0 { 0.0 } else { new };
        new * f64::from(self.occasions) / lately
    }
}

#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Value {
    count: u32,
    /// Seconds; means nothing to another run.
    #[serde(skip)]
    last: f64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Candidate {
    spans: u32,
    last: f64,
}

fn class(count: u32) -> usize {
    (count.max(1).ilog2() as usize).min(CLASSES - 1)
}

/// Counts of all relations. At most 140 bytes × contexts + 66 bytes × values, and 66 × values / 4 for candidates.
#[derive(Clone, Debug)]
pub(super) struct Rarity {
    contexts: Table<Context>,
    values: Table<Value>,
    candidates: Table<Candidate>,
}

/// As it is saved.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct SavedRarity {
    contexts: Vec<(u64, Context)>,
    values: Vec<(u64, Value)>,
}

fn id(observation: Observation) -> u64 {
    Key::new(observation.context, observation.value).get()
}

impl Rarity {
    pub(super) fn new(contexts: usize, values: usize) -> Self {
        Self {
            contexts: Table::new(contexts),
            values: Table::new(values),
            candidates: Table::new(values / 4),
        }
    }

    /// Probability of something at most as frequent: in (0, 1]. `None` if the context is unknown.
    pub(super) fn probability(&self, observation: Observation) -> Option<f64> {
        let count = self.count(observation)?;
        self.probability_of_count(observation.context, count)
    }

    /// How often the value was seen; `None` if its context is unknown.
    pub(super) fn count(&self, observation: Observation) -> Option<u32> {
        self.contexts.get(observation.context)?;
        Some(self.values.get(id(observation)).map_or(0, |value| value.count))
    }

    /// The probability of a value that was seen so often.
    pub(super) fn probability_of_count(&self, context: u64, count: u32) -> Option<f64> {
        let context = self.contexts.get(context)?;
        let new = f64::from(context.mass[0]).max(context.novelties());
        let classes = if count == 0 { 0 } else { class(count) + 1 };
        let rarer: f64 = context.mass.iter().take(classes).map(|mass| f64::from(*mass)).sum();
        Some(((rarer + new + 0.5) / (f64::from(context.occasions) + 1.0)).min(1.0))
    }

    /// Whether the value was seen in its context.
    pub(super) fn knows(&self, observation: Observation) -> bool {
        self.values.get(id(observation)).is_some()
    }

    /// Counts an occasion.
    pub(super) fn learn(&mut self, observation: Observation, now: f64) {
        let (value, new) = self.values.entry(id(observation));
        if !new && (now - value.last).abs() < OCCASION_S {
            return;
        }
        value.last = now;
        let before = value.count;
        value.count = before.saturating_add(1);
        let after = value.count;
        let (context, _) = self.contexts.entry(observation.context);
        context.occasions = context.occasions.saturating_add(1);
        context.distinct = context.distinct.saturating_add(u32::from(before == 0));
        if context.occasions >= 2 * context.half.0.max(1) {
            context.quarter = context.half;
            context.half = (context.occasions, context.distinct);
        }
        if before > 0 {
            let mass = &mut context.mass[class(before)];
            *mass = mass.saturating_sub(before);
        }
        let mass = &mut context.mass[class(after)];
        *mass = mass.saturating_add(after);
    }

    /// Something came while nothing is learned. If it is new it becomes usual once it came in several
    /// different hours: by how long it goes on, never by how much there is of it. `trusted`: nothing is
    /// held against its host.
    pub(super) fn drift(&mut self, observation: Observation, now: f64, trusted: bool) {
        let key = id(observation);
        if !trusted || self.values.get(key).is_some() {
            return;
        }
        let (candidate, new) = self.candidates.entry(key);
        if new || (now - candidate.last).abs() >= ADMISSION_SPAN_S {
            candidate.spans += 1;
            candidate.last = now;
            if candidate.spans >= ADMISSION_SPANS {
                candidate.spans = 0;
                self.learn(observation, now);
            }
        }
    }

    pub(super) fn save(&self) -> SavedRarity {
        SavedRarity {
            contexts: self.contexts.iter().map(|(key, context)| (key, *context)).collect(),
            values: self.values.iter().map(|(key, value)| (key, *value)).collect(),
        }
    }

    pub(super) fn load(saved: &SavedRarity, contexts: usize, values: usize) -> Self {
        let mut rarity = Self::new(contexts, values);
        for (key, context) in &saved.contexts {
            *rarity.contexts.entry(*key).0 = *context;
        }
        for (key, value) in &saved.values {
            *rarity.values.entry(*key).0 = Value { last: f64::NEG_INFINITY, ..*value };
        }
        rarity
    }

    /// Values that it holds.
    pub(super) fn len(&self) -> usize {
        self.values.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(value: u64) -> Observation {
        Observation { context: 1, value }
    }

    #[test]
    fn novelty_says_much_where_it_is_rare_and_nothing_where_it_is_the_rule() {
        let mut steady = Rarity::new(10, 1000);
        let mut restless = Rarity::new(10, 1000);
        for i in 0..100u32 {
            steady.learn(seen(u64::from(i % 3)), f64::from(i) * 2.0);
            restless.learn(seen(u64::from(i)), f64::from(i) * 2.0);
        }
        assert!(steady.probability(seen(77777)).unwrap() < 0.01);
        assert!(steady.probability(seen(1)).unwrap() > 0.99);
        assert!(restless.probability(seen(77777)).unwrap() > 0.99);
        assert_eq!(steady.probability(Observation { context: 2, value: 1 }), None);
    }

    #[test]
    fn values_that_come_to_stay_are_counted_as_new_when_they_came() {
        let mut growing = Rarity::new(10, 10_000);
        // One in a hundred is new, and comes again and again from then on.
        for i in 0..20_000u32 {
            growing.learn(seen(u64::from(i % (1 + i / 100))), f64::from(i) * 2.0);
        }
        let p = growing.probability(seen(77_777)).unwrap();
        assert!((0.005..0.02).contains(&p), "{p}");
    }

    #[test]
    fn what_is_rarer_is_never_more_probable() {
        let mut rarity = Rarity::new(10, 1000);
        let mut now = 0.0;
        for (value, times) in [(1, 1), (2, 3), (3, 20), (4, 300)] {
            for _ in 0..times {
                now += 2.0;
                rarity.learn(seen(value), now);
            }
        }
        let p: Vec<f64> = [9, 1, 2, 3, 4].map(|v| rarity.probability(seen(v)).unwrap()).into();
        assert!(p.is_sorted(), "{p:?}");
        assert!(p[0] > 0.0 && p[4] <= 1.0);
    }

    #[test]
    fn many_packets_at_once_are_one_occasion() {
        let mut rarity = Rarity::new(10, 1000);
        for i in 0..100 {
            rarity.learn(seen(1), f64::from(i) * 0.001);
        }
        assert_eq!(rarity.contexts.get(1).unwrap().occasions, 1);
    }

    #[test]
    fn what_goes_on_for_hours_becomes_usual_and_a_flood_does_not() {
        let mut rarity = Rarity::new(10, 1000);
        rarity.learn(seen(1), 0.0);
        for i in 0..100_000 {
            rarity.drift(seen(2), f64::from(i) * 0.01, true);
        }
        assert!(!rarity.knows(seen(2)));
        for hour in 0..4 {
            rarity.drift(seen(2), 3600.0 * f64::from(hour + 1), true);
            rarity.drift(seen(3), 3600.0 * f64::from(hour + 1), false);
        }
        assert!(rarity.knows(seen(2)));
        assert!(!rarity.knows(seen(3)));
    }

    #[test]
    fn what_was_saved_gives_the_same_probabilities() {
        let mut rarity = Rarity::new(10, 1000);
        for i in 0..500u32 {
            rarity.learn(seen(u64::from(i * i % 37)), f64::from(i) * 1.5);
        }
        let loaded = Rarity::load(&rarity.save(), 10, 1000);
        for value in 0..40 {
            assert_eq!(rarity.probability(seen(value)), loaded.probability(seen(value)));
        }
    }
}
