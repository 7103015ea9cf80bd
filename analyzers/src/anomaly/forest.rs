//! Half-space trees: how much of what was learned lies near a frame's features.
//!
//! Tan, Ting and Liu, "Fast Anomaly Detection for Streaming Data", IJCAI 2011. Each tree halves a random work range
//! along random features; learning counts how many samples fall into each node, and a sample is strange where few
//! did. Where KitNET asks whether features fit each other, this asks whether they lie where features lay.

use serde::{Deserialize, Serialize};

use super::hash::Random;

/// The paper's 25 trees. Of its depth of 15 no more than 10: learning captures are of 10² to 10⁵ frames, which 2^15
/// leaves would be too many for. The smallest node that is split has a tenth of a hundredth as many samples.
const TREES: usize = 25;
const DEPTH: usize = 10;
const SIZE_LIMIT: f64 = 0.001;

/// Inner nodes and leaves of one tree in the order of a heap, from 1.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Tree {
    features: Vec<u16>,
    splits: Vec<f64>,
    mass: Vec<u32>,
}

/// The trees. 25 × 2^11 nodes: 820 KiB.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Forest {
    trees: Vec<Tree>,
    samples: u32,
}

impl Forest {
    /// Trees over the ranges of features in a sample.
    pub(super) fn new(ranges: &[(f64, f64)], seed: u64) -> Self {
        let mut random = Random::new(seed);
        let trees = (0..TREES).map(|_| Tree::grow(ranges, &mut random)).collect();
        Self { trees, samples: 0 }
    }

    /// Counts a sample.
    pub(super) fn learn(&mut self, features: &[f64]) {
        self.samples = self.samples.saturating_add(1);
        for tree in &mut self.trees {
            let mut at = 1;
            for _ in 0..=DEPTH {
                if let Some(mass) = tree.mass.get_mut(at) {
                    *mass = mass.saturating_add(1);
                }
                at = tree.below(at, features);
            }
        }
    }

    /// How little lies near: higher is stranger.
    pub(super) fn score(&self, features: &[f64]) -> f64 {
        let least = f64::from(self.samples) * SIZE_LIMIT;
        let mass: f64 = self
            .trees
            .iter()
            .map(|tree| {
                let (mut at, mut depth) = (1, 0);
                loop {
                    let mass = f64::from(tree.mass.get(at).copied().unwrap_or(0));
                    if depth == DEPTH || mass <= least {
                        break mass * f64::from(1u32 << depth);
                    }
                    at = tree.below(at, features);
                    depth += 1;
                }
            })
            .sum();
        let most = f64::from(self.samples.max(1)) * f64::from(1u32 << DEPTH) * TREES as f64;
        -((mass + 1.0) / most).ln()
    }

    pub(super) fn is_sound(&self, features: usize) -> bool {
        self.trees.iter().all(|tree| {
            tree.features.len() == 1 << DEPTH
                && tree.splits.len() == 1 << DEPTH
                && tree.mass.len() == 2 << DEPTH
                && tree.features.iter().all(|at| usize::from(*at) < features)
        })
    }
}

impl Tree {
    fn grow(ranges: &[(f64, f64)], random: &mut Random) -> Self {
        // The paper's work range: around a random point of the range, to twice the farther end of it.
        let work: Vec<(f64, f64)> = ranges
            .iter()
            .map(|(least, most)| {
                let span = (most - least).max(1e-9);
                let at = random.unit();
                let reach = 2.0 * at.max(1.0 - at);
                (least + span * (at - reach), least + span * (at + reach))
            })
            .collect();
        let inner = 1 << DEPTH;
        let mut tree =
            Self { features: vec![0; inner], splits: vec![0.0; inner], mass: vec![0; 2 * inner] };
        // Breadth first; the box of a node is that of its parent, halved.
        let mut boxes: Vec<Vec<(f64, f64)>> = vec![work];
        let mut next = Vec::new();
        let mut at = 1;
        for _ in 0..DEPTH {
            for space in boxes.drain(..) {
                let feature = random.below(space.len());
                let (low, high) = space.get(feature).copied().unwrap_or_default();
                let split = f64::midpoint(low, high);
                if let (Some(f), Some(s)) = (tree.features.get_mut(at), tree.splits.get_mut(at)) {
                    *f = u16::try_from(feature).unwrap_or(0);
                    *s = split;
                }
                at += 1;
                for half in [(low, split), (split, high)] {
                    let mut space = space.clone();
                    if let Some(side) = space.get_mut(feature) {
                        *side = half;
                    }
                    next.push(space);
                }
            }
            std::mem::swap(&mut boxes, &mut next);
        }
        tree
    }

    fn below(&self, at: usize, features: &[f64]) -> usize {
        let (Some(feature), Some(split)) = (self.features.get(at), self.splits.get(at)) else {
            return at;
        };
        let x = features.get(usize::from(*feature)).copied().unwrap_or(0.0);
        2 * at + usize::from(x >= *split)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_apart_is_stranger() {
        let mut random = Random::new(2);
        let mut forest = Forest::new(&[(0.0, 1.0), (0.0, 1.0), (5.0, 5.0)], 4);
        for _ in 0..2000 {
            forest.learn(&[0.3 + 0.1 * random.unit(), 0.6 + 0.1 * random.unit(), 5.0]);
        }
        let inside = forest.score(&[0.35, 0.65, 5.0]);
        let outside = forest.score(&[0.9, 0.1, 5.0]);
        assert!(outside > inside + 1.0, "{outside} {inside}");
        assert!(forest.is_sound(3));
        assert!(!forest.is_sound(2));
        assert!(forest.score(&[f64::NAN, f64::INFINITY, 0.0]).is_finite());
    }
}
