//! One autoencoder: tied weights, sigmoid units, stochastic gradient descent, one hidden layer.

use serde::{Deserialize, Serialize};

use super::sigmoid::sigmoid;
use crate::anomaly::hash::Random;

/// Inputs are scaled by the range that training saw, and are not clipped: what lies outside is what counts.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Autoencoder {
    hidden: usize,
    /// A row per visible unit.
    pub(super) weights: Vec<f64>,
    hidden_bias: Vec<f64>,
    visible_bias: Vec<f64>,
    /// Least and most of each input in training; none before.
    range: Vec<(f64, f64)>,
    #[serde(skip)]
    code: Vec<f64>,
    #[serde(skip)]
    slope: Vec<f64>,
    #[serde(skip)]
    errors: Vec<f64>,
}

impl Autoencoder {
    pub(super) fn random(visible: usize, hidden_ratio: f64, random: &mut Random) -> Self {
        let hidden = (visible as f64 * hidden_ratio).ceil() as usize;
        let bound = 1.0 / visible.max(1) as f64;
        let weights = (0..visible * hidden).map(|_| bound * (2.0 * random.unit() - 1.0)).collect();
        Self {
            hidden,
            weights,
            hidden_bias: vec![0.0; hidden],
            visible_bias: vec![0.0; visible],
            range: Vec::new(),
            code: vec![0.0; hidden],
            slope: vec![0.0; hidden],
            errors: Vec::new(),
        }
    }

    pub(super) fn is_sound(&self, visible: usize) -> bool {
        let all = [&self.weights, &self.hidden_bias, &self.visible_bias];
        self.visible_bias.len() == visible
            && self.hidden_bias.len() == self.hidden
            && self.weights.len() == visible * self.hidden
            && (self.range.is_empty() || self.range.len() == visible)
            && all.iter().all(|list| list.iter().all(|x| x.is_finite()))
    }

    /// Learns from the input, which is scaled in place; the error before it learned.
    pub(super) fn train(&mut self, input: &mut [f64], learning_rate: f64) -> f64 {
        if self.range.is_empty() {
            self.range = input.iter().map(|x| (*x, *x)).collect();
        }
        for ((least, most), x) in self.range.iter_mut().zip(input.iter()) {
            *least = least.min(*x);
            *most = most.max(*x);
        }
        self.scale(input);
        self.encode(input);
        self.reconstruct(input);
        self.slope.clear();
        self.slope.resize(self.hidden, 0.0);
        let (mut squares, mut visible_step) = (0.0, 0.0);
        for (row, error) in rows(&self.weights, self.hidden).zip(&self.errors) {
            squares += error * error;
            visible_step += error;
            for (slope, weight) in self.slope.iter_mut().zip(row) {
                *slope += error * weight;
            }
        }
        for (slope, code) in self.slope.iter_mut().zip(&self.code) {
            *slope *= code * (1.0 - code);
        }
        let (code, slope, hidden) = (&self.code, &self.slope, self.hidden.max(1));
        for ((row, error), x) in
            self.weights.chunks_exact_mut(hidden).zip(&self.errors).zip(&*input)
        {
            for ((weight, slope), code) in row.iter_mut().zip(slope).zip(code) {
                *weight += learning_rate * (x * slope + error * code);
            }
        }
        // As published: every bias of a layer moves by the mean of the layer's gradients.
        let visible = input.len().max(1) as f64;
        let hidden_step = slope.iter().sum::<f64>() / hidden as f64;
        self.hidden_bias.iter_mut().for_each(|bias| *bias += learning_rate * hidden_step);
        self.visible_bias.iter_mut().for_each(|b| *b += learning_rate * visible_step / visible);
        (squares / visible).sqrt()
    }

    /// Root of the mean squared error of the reconstruction. The input is scaled in place.
    pub(super) fn score(&mut self, input: &mut [f64]) -> f64 {
        self.scale(input);
        self.encode(input);
        self.reconstruct(input);
        let squares: f64 = self.errors.iter().map(|error| error * error).sum();
        (squares / input.len().max(1) as f64).sqrt()
    }

    /// The error of each input, after `encode`.
    fn reconstruct(&mut self, input: &[f64]) {
        self.errors.clear();
        let rows = rows(&self.weights, self.hidden).zip(&self.visible_bias);
        self.errors.extend(rows.map(|(row, bias)| bias + dot(row, &self.code)));
        sigmoid(&mut self.errors);
        self.errors.iter_mut().zip(input).for_each(|(output, x)| *output = x - *output);
    }

    fn scale(&self, input: &mut [f64]) {
        for (x, (least, most)) in input.iter_mut().zip(&self.range) {
            let span = most - least;
            // One step of rounding more than what Python adds makes no difference within 1e-4.
            *x = if span == 0.0 { *x - least } else { (*x - least) / (span + 1e-16) };
        }
    }

    fn encode(&mut self, input: &[f64]) {
        self.code.clear();
        self.code.extend_from_slice(&self.hidden_bias);
        for (row, x) in rows(&self.weights, self.hidden).zip(input) {
            for (code, weight) in self.code.iter_mut().zip(row) {
                *code += x * weight;
            }
        }
        sigmoid(&mut self.code);
    }

    #[cfg(test)]
    pub(super) fn hidden(&self) -> usize {
        self.hidden
    }
}

fn rows(weights: &[f64], hidden: usize) -> impl Iterator<Item = &[f64]> {
    weights.chunks_exact(hidden.max(1))
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}
