//! Learning from traffic that is taken as normal.
//!
//! Counts are kept as frames come; features are kept as a sample, and at the end the trained models learn from the
//! first two thirds of it. The last third, which they have not seen, calibrates their scores: calibrated on what
//! was learned they would find everything else strange. Then they learn from that too. For the same reason the fused
//! score of a frame in that third takes each value as often as it had been seen before the frame; but in the context
//! as it is in the end, which is what frames are held against from then on.

use super::baseline::Baselines;
use super::features::{Extractor, FEATURES, Vector};
use super::forest::Forest;
use super::fusion::{Extra, Tests};
use super::hash::{Key, mix};
use super::keys::{Keys, RELATIONS};
use super::kitnet::{Correlations, GROUP, KitNet};
use super::model::{Learned, Model};
use super::peaks::{Peaks, span};
use super::rarity::Rarity;
use super::settings::Settings;
use super::table::Table;
use super::tail::Tail;

/// Frames that are kept: 46 MB, and 92 while the sample is halved.
const SAMPLES: usize = 40_960;
/// Updates that the network gets at least, over and over if there are few samples: the published example's.
const UPDATES: usize = 50_000;
/// And of one sample at most so many: beyond that it is learned by heart.
const EPOCHS: usize = 100;
/// Hosts with a peak, in calibration, and spans of hosts.
const PEAKS: usize = 65_536;
const UNITS: usize = 65_536;
/// Frames of one host's span, but for those that are stranger than these.
const UNIT_FRAMES: u32 = 64;

/// Contexts and counts, where a relation applied and its context was known.
type Seen = [Option<(u64, u32)>; RELATIONS];

/// A frame that is kept.
#[derive(Clone, Debug)]
struct Sample {
    features: Vector,
    /// Of each relation the context, and how often the value had been seen before.
    seen: Seen,
    baseline: Option<f64>,
    host: u64,
    /// Hash of the host and its span.
    unit: u64,
    /// The score by rarities alone.
    rarity: f64,
    time: f64,
}

/// What was kept of a host's span.
#[derive(Clone, Copy, Debug, Default)]
struct Unit {
    frames: u32,
    best: f64,
}

/// Learns.
#[derive(Debug)]
pub(super) struct Learner {
    settings: Settings,
    extractor: Extractor,
    baselines: Baselines,
    rarity: Rarity,
    samples: Vec<Sample>,
    units: Table<Unit>,
    /// Spans with a hash up to this are in the sample.
    sampled: u64,
    frames: u64,
    since: Option<f64>,
    until: f64,
}

impl Learner {
    pub(super) fn new(settings: &Settings) -> Self {
        Self {
            settings: settings.clone(),
            extractor: Extractor::new(settings.keys),
            baselines: Baselines::new(settings.keys),
            rarity: settings.rarity(),
            samples: Vec::new(),
            units: Table::new(UNITS),
            sampled: u64::MAX,
            frames: 0,
            since: None,
            until: 0.0,
        }
    }

    pub(super) fn frames(&self) -> u64 {
        self.frames
    }

    /// Seconds from the first frame to the last.
    pub(super) fn seconds(&self) -> f64 {
        self.until - self.since.unwrap_or(self.until)
    }

    /// Takes a frame in. The score that rarities alone give it, as far as they are known.
    pub(super) fn observe(&mut self, keys: &Keys, now: f64, length: f64) -> f64 {
        let since = *self.since.get_or_insert(now);
        self.until = self.until.max(now).max(since);
        let mut features = [0.0; FEATURES];
        self.extractor.observe(keys, now, length, &mut features);
        let baseline = self.baselines.observe(keys.heading, now, length, true);
        let seen = keys.observations.map(|observation| {
            let observation = observation?;
            Some((observation.context, self.rarity.count(observation)?))
        });
        let score = self.rarity.tests(&seen).score();
        for observation in keys.observations.iter().flatten() {
            self.rarity.learn(*observation, now);
        }
        let host = keys.source.key();
        let unit = Key::new(host, span(now) as u64).get();
        self.keep(Sample { features, seen, baseline, host, unit, rarity: score, time: now });
        self.frames += 1;
        score
    }

    /// Keeps the frame if its host's span is in the sample. Whole spans are sampled, by their hash, so that the peaks of
    /// those that are in it are what they were; when there are too many frames half of the spans go.
    fn keep(&mut self, sample: Sample) {
        if sample.unit > self.sampled {
            return;
        }
        let (unit, _) = self.units.entry(sample.unit);
        let (unit_frames, best) = (unit.frames, unit.best);
        unit.frames = unit.frames.saturating_add(1);
        unit.best = unit.best.max(sample.rarity);
        // Of a long run its beginning is kept, and whatever is higher than all before.
        if unit_frames >= UNIT_FRAMES && sample.rarity <= best {
            return;
        }
        self.samples.push(sample);
        while self.samples.len() > SAMPLES && self.sampled > 0 {
            self.sampled /= 2;
            let sampled = self.sampled;
            self.samples.retain(|sample| sample.unit <= sampled);
        }
    }

    /// What was learned.
    pub(super) fn finish(mut self) -> Model {
        let seed = self.settings.seed;
        let samples = std::mem::take(&mut self.samples);
        let first = samples.len() * 2 / 3;
        let (known, held_out) = samples.split_at(first);
        let mut network = network(known, seed);
        let mut forest = Forest::new(&ranges(&samples), mix(seed ^ 0xf0));
        train(&mut network, known);
        known.iter().for_each(|sample| forest.learn(&sample.features));
        let network_scores: Vec<f64> =
            held_out.iter().map(|sample| network.score(&sample.features)).collect();
        let forest_scores: Vec<f64> =
            held_out.iter().map(|sample| forest.score(&sample.features)).collect();
        let distances: Vec<f64> = held_out.iter().filter_map(|sample| sample.baseline).collect();
        let mut learned = Model::from(Learned {
            seed,
            frames: self.frames,
            seconds: self.seconds(),
            rarity: self.rarity.save(),
            network_tail: Tail::fit(&network_scores),
            forest_tail: Tail::fit(&forest_scores),
            baseline_tail: Tail::fit(&distances),
            network,
            forest,
            peaks: Tail::default(),
            peaks_per_day: 0.0,
        });
        let scored = held_out.iter().zip(network_scores).zip(forest_scores);
        let fused = scored.map(|((sample, network), forest)| {
            let mut tests = self.rarity.tests(&sample.seen);
            learned.put_trained(&mut tests, network, forest, sample.baseline);
            (sample.time, sample.host, tests.score())
        });
        let mut peaks = Peaks::new(PEAKS);
        fused.for_each(|(time, host, score)| peaks.add(host, time, score));
        let (peaks, per_day) = peaks.finish();
        learned.peaks = Tail::fit_bounded(&peaks);
        let part = self.sampled as f64 / u64::MAX as f64;
        learned.peaks_per_day = per_day / part.max(1e-9);
        train(&mut learned.network, held_out);
        held_out.iter().for_each(|sample| learned.forest.learn(&sample.features));
        learned
    }
}

impl Rarity {
    /// The tests of the relations.
    fn tests(&self, seen: &Seen) -> Tests {
        let mut tests = Tests::default();
        for (at, seen) in seen.iter().enumerate() {
            let p = seen.and_then(|(context, count)| self.probability_of_count(context, count));
            if let Some(p) = p {
                tests.put(at, p, 1.0);
            }
        }
        tests
    }
}

impl Model {
    /// The results of the trained models and of the baseline.
    pub(super) fn put_trained(
        &self,
        tests: &mut Tests,
        network: f64,
        forest: f64,
        baseline: Option<f64>,
    ) {
        let trust = self.trust();
        tests.put(Extra::Ensemble as usize, self.network_tail.probability(network), trust);
        tests.put(Extra::Forest as usize, self.forest_tail.probability(forest), trust);
        if let Some(distance) = baseline {
            tests.put(Extra::Baseline as usize, self.baseline_tail.probability(distance), trust);
        }
    }
}

fn network(samples: &[Sample], seed: u64) -> KitNet {
    let mut correlations = Correlations::new(FEATURES);
    samples.iter().for_each(|sample| correlations.update(&sample.features));
    KitNet::new(correlations.cluster(GROUP), mix(seed ^ 0xae))
}

fn train(network: &mut KitNet, samples: &[Sample]) {
    let epochs = (UPDATES / samples.len().max(1)).clamp(1, EPOCHS);
    for _ in 0..epochs {
        for sample in samples {
            network.train(&sample.features);
        }
    }
}

fn ranges(samples: &[Sample]) -> Vec<(f64, f64)> {
    let mut ranges = vec![(f64::INFINITY, f64::NEG_INFINITY); FEATURES];
    for sample in samples {
        for ((least, most), x) in ranges.iter_mut().zip(&sample.features) {
            *least = least.min(*x);
            *most = most.max(*x);
        }
    }
    for range in ranges.iter_mut().filter(|(least, most)| least > most) {
        *range = (0.0, 0.0);
    }
    ranges
}
