//! KitNET: an ensemble of small autoencoders, each over features that go together, and one over their errors.
//!
//! The algorithm of Mirsky et al. (NDSS 2018) as its authors published it (KitNET-py, MIT), with the
//! normalisation of PySAD 0.7's KitNet: an input that was constant in training is shifted and not scaled. The
//! tests hold scores, weights' effects and feature maps against vectors that Python computed with PySAD
//! (`tests/kitnet_vectors.py` of this crate).

mod autoencoder;
mod clustering;
mod sigmoid;

#[cfg(test)]
mod tests;

pub use clustering::Correlations;

use serde::{Deserialize, Serialize};

use super::hash::Random;
use autoencoder::Autoencoder;

/// Most features of one autoencoder (the paper's m).
pub const GROUP: usize = 10;
/// Learning rate and hidden units per visible one: the published defaults.
const LEARNING_RATE: f64 = 0.1;
const HIDDEN_RATIO: f64 = 0.75;

/// The trained, or not yet trained, ensemble.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct KitNet {
    map: Vec<Vec<usize>>,
    ensemble: Vec<Autoencoder>,
    output: Autoencoder,
    #[serde(skip)]
    scratch: Vec<f64>,
    #[serde(skip)]
    errors: Vec<f64>,
}

impl KitNet {
    /// With a feature map and weights at random, uniform in ±1/(inputs).
    #[must_use]
    pub fn new(map: Vec<Vec<usize>>, seed: u64) -> Self {
        let mut random = Random::new(seed);
        let ensemble: Vec<_> = map
            .iter()
            .map(|group| Autoencoder::random(group.len(), HIDDEN_RATIO, &mut random))
            .collect();
        let output = Autoencoder::random(map.len(), HIDDEN_RATIO, &mut random);
        Self { map, ensemble, output, scratch: Vec::new(), errors: Vec::new() }
    }

    /// Learns from features; the error before it learned.
    pub fn train(&mut self, features: &[f64]) -> f64 {
        self.errors.clear();
        for (group, autoencoder) in self.map.iter().zip(&mut self.ensemble) {
            gather(group, features, &mut self.scratch);
            self.errors.push(autoencoder.train(&mut self.scratch, LEARNING_RATE));
        }
        self.output.train(&mut self.errors, LEARNING_RATE)
    }

    /// How badly the features are reconstructed: 0 and up.
    pub fn score(&mut self, features: &[f64]) -> f64 {
        self.errors.clear();
        for (group, autoencoder) in self.map.iter().zip(&mut self.ensemble) {
            gather(group, features, &mut self.scratch);
            self.errors.push(autoencoder.score(&mut self.scratch));
        }
        self.output.score(&mut self.errors)
    }

    /// Whether everything fits together, as after reading it from a file.
    pub(super) fn is_sound(&self, features: usize) -> bool {
        self.map.len() == self.ensemble.len()
            && self.output.is_sound(self.map.len())
            && self.map.iter().zip(&self.ensemble).all(|(group, autoencoder)| {
                group.iter().all(|at| *at < features) && autoencoder.is_sound(group.len())
            })
    }
}

fn gather(group: &[usize], features: &[f64], into: &mut Vec<f64>) {
    into.clear();
    into.extend(group.iter().map(|at| features.get(*at).copied().unwrap_or(0.0)));
}
