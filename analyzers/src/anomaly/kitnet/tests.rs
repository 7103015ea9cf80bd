use serde::Deserialize;

use super::*;

/// What `tests/kitnet_vectors.py` wrote.
#[derive(Deserialize)]
struct Vectors {
    group: usize,
    mapping: usize,
    training: usize,
    inputs: Vec<Vec<f64>>,
    map: Vec<Vec<usize>>,
    ensemble: Vec<Vec<Vec<f64>>>,
    output: Vec<Vec<f64>>,
    scores_from: usize,
    scores: Vec<f64>,
}

fn vectors() -> Vectors {
    serde_json::from_str(include_str!("../../../tests/data/kitnet_vectors.json")).unwrap()
}

/// With the weights that Python began with.
fn published(vectors: &Vectors) -> KitNet {
    let mut net = KitNet::new(vectors.map.clone(), 0);
    for (autoencoder, weights) in net.ensemble.iter_mut().zip(&vectors.ensemble) {
        assert_eq!(weights[0].len(), autoencoder.hidden());
        autoencoder.weights = weights.concat();
    }
    net.output.weights = vectors.output.concat();
    assert!(net.is_sound(vectors.inputs[0].len()));
    net
}

#[test]
fn scores_are_those_of_the_published_algorithm_in_training_and_after_it() {
    let vectors = vectors();
    let mut net = published(&vectors);
    let mut worst = 0.0f64;
    for (at, input) in vectors.inputs.iter().enumerate().skip(vectors.mapping) {
        if at < vectors.mapping + vectors.training {
            net.train(input);
        }
        let expected = vectors.scores[at - vectors.scores_from];
        worst = worst.max((net.score(input) - expected).abs());
    }
    assert!(worst < 1e-4, "off by {worst}");
}

#[test]
fn the_feature_map_is_the_published_algorithms() {
    let vectors = vectors();
    let mut correlations = Correlations::new(vectors.inputs[0].len());
    for input in vectors.inputs.iter().take(vectors.mapping) {
        correlations.update(input);
    }
    assert_eq!(correlations.cluster(vectors.group), vectors.map);
}

#[test]
fn groups_hold_every_feature_once_and_none_is_too_big() {
    for features in [0, 1, 2, 7, 100] {
        let mut correlations = Correlations::new(features);
        let mut random = Random::new(3);
        for _ in 0..50 {
            let input: Vec<f64> = (0..features).map(|_| random.unit()).collect();
            correlations.update(&input);
        }
        let groups = correlations.cluster(GROUP);
        assert!(groups.iter().all(|group| group.len() <= GROUP));
        let mut all = groups.concat();
        all.sort_unstable();
        assert_eq!(all, (0..features).collect::<Vec<_>>());
    }
}

#[test]
fn it_learns_what_is_usual_and_finds_the_rest_strange() {
    let mut random = Random::new(5);
    let mut usual = || {
        let x = random.unit();
        vec![x, 2.0 * x, 1.0 - x, random.unit() * 0.01]
    };
    let mut net = KitNet::new(vec![vec![0, 1], vec![2, 3]], 1);
    for _ in 0..5000 {
        net.train(&usual());
    }
    let normal = (0..100).map(|_| net.score(&usual())).fold(0.0, f64::max);
    assert!(net.score(&[0.5, 0.0, 3.0, 0.005]) > normal);
}

#[test]
fn a_model_that_was_tampered_with_is_not_sound() {
    let mut net = KitNet::new(vec![vec![0, 1], vec![2]], 1);
    assert!(net.is_sound(3));
    assert!(!net.is_sound(2));
    net.ensemble[0].weights[0] = f64::NAN;
    assert!(!net.is_sound(3));
}
