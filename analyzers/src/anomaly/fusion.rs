//! One score of many tests: the harmonic mean of their tail probabilities.
//!
//! Wilson, "The harmonic mean p-value for combining dependent tests", PNAS 2019: whatever the dependence between
//! tests, and ours depend strongly (a new pair is a new conversation), the weighted harmonic mean of probabilities is
//! close to one, where it is small. One very improbable observation is enough, several raise it little further. The
//! score is minus its logarithm: 0 is usual, and each 2.3 is a factor of ten.

use super::keys::RELATIONS;

/// Tests besides the relations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub(super) enum Extra {
    /// KitNET's error.
    Ensemble = RELATIONS,
    /// The half-space trees' score.
    Forest,
    /// Distance from the heading's baseline.
    Baseline,
}

pub(super) const TESTS: usize = RELATIONS + 3;

/// Tail probabilities with weights, by test; weight 0 where a test says nothing.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tests {
    tests: [(f64, f64); TESTS],
}

impl Default for Tests {
    fn default() -> Self {
        Self { tests: [(1.0, 0.0); TESTS] }
    }
}

impl Tests {
    /// The result of a test.
    pub(super) fn put(&mut self, test: usize, probability: f64, weight: f64) {
        if let Some(slot) = self.tests.get_mut(test)
            && probability.is_finite()
            && weight.is_finite()
        {
            *slot = (probability.clamp(1e-12, 1.0), weight.max(0.0));
        }
    }

    /// 0 and up.
    pub(super) fn score(&self) -> f64 {
        let (mut odds, mut weights) = (0.0, 0.0);
        for (probability, weight) in self.tests {
            odds += weight / probability;
            weights += weight;
        }
        if weights > 0.0 { (odds / weights).ln().max(0.0) } else { 0.0 }
    }

    /// The tests that made the score, the strongest first.
    pub(super) fn strongest(&self) -> impl Iterator<Item = (usize, f64)> {
        let mut order: Vec<usize> = (0..TESTS).filter(|at| self.tests[*at].1 > 0.0).collect();
        let odds = |at: usize| self.tests[at].1 / self.tests[at].0;
        order.sort_by(|a, b| odds(*b).total_cmp(&odds(*a)));
        order.into_iter().map(|at| (at, self.tests[at].0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn one_improbable_test_is_enough_and_the_usual_scores_nothing() {
        let mut usual = Tests::default();
        let mut strange = Tests::default();
        for test in 0..10 {
            usual.put(test, 1.0, 1.0);
            strange.put(test, if test == 3 { 1e-4 } else { 1.0 }, 1.0);
        }
        assert!(usual.score() < 1e-12);
        assert!(strange.score() > 6.0);
        assert_eq!(strange.strongest().next(), Some((3, 1e-4)));
        assert!(Tests::default().score() < 1e-12);
    }

    proptest! {
        #[test]
        fn scores_are_finite_and_not_negative(
            results in prop::collection::vec((any::<f64>(), any::<f64>()), 0..TESTS)
        ) {
            let mut tests = Tests::default();
            for (at, (p, w)) in results.into_iter().enumerate() {
                tests.put(at, p, w.abs().min(1e6));
            }
            prop_assert!(tests.score() >= 0.0 && tests.score().is_finite());
        }
    }
}
