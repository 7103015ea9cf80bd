//! Micro-benchmarks of the flow hash: a burst as the worker hashes it, with the vector instructions that
//! the processor has and without; one frame after the other; a key alone.
//! `cargo bench -p umbra-bench --bench hash`

#[allow(dead_code, reason = "every benchmark uses some of it")]
mod common;

use std::hint::black_box;

use common::BURST;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use umbra_wire::{KeyOptions, SymmetricHash, flow_key};

/// The same in every run: the selection depends on it, the cost does not.
const SEED: [u64; 4] = [1, 2, 3, 4];

fn bursts() -> [(&'static str, Vec<Vec<u8>>); 3] {
    [
        ("ipv4_tcp", common::frames(BURST, 64, common::tcp)),
        ("ipv6_tcp", common::frames(BURST, 78, common::tcp6)),
        ("mix", common::mix()),
    ]
}

fn burst(criterion: &mut Criterion) {
    let options = KeyOptions::default();
    let detected = SymmetricHash::new(SEED);
    let mut group = criterion.benchmark_group("hash_burst");
    group.throughput(Throughput::Elements(BURST as u64));
    for (name, frames) in bursts() {
        for (way, hash) in [("detected", detected), ("portable", detected.portable())] {
            let mut out = [0; 64];
            group.bench_function(format!("{name}/{way}"), |bencher| {
                bencher.iter(|| {
                    let frames = black_box(&frames);
                    hash.burst(frames.len(), |i| &frames[i], &options, &mut out);
                    black_box(&mut out);
                });
            });
        }
    }
    group.finish();
}

fn frame(criterion: &mut Criterion) {
    let options = KeyOptions::default();
    let hash = SymmetricHash::new(SEED);
    let mut group = criterion.benchmark_group("hash_frame");
    group.throughput(Throughput::Elements(BURST as u64));
    for (name, frames) in bursts() {
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                for frame in black_box(&frames) {
                    black_box(hash.frame(frame, &options));
                }
            });
        });
    }
    group.finish();
}

fn key(criterion: &mut Criterion) {
    let options = KeyOptions::default();
    let hash = SymmetricHash::new(SEED);
    let mut group = criterion.benchmark_group("hash_key");
    group.throughput(Throughput::Elements(BURST as u64));
    for (name, frames) in bursts() {
        let keys: Vec<_> = frames.iter().map(|frame| flow_key(frame, &options)).collect();
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                for key in black_box(&keys) {
                    black_box(hash.key(key));
                }
            });
        });
    }
    group.finish();
}

criterion_group! { name = benches; config = common::config(); targets = burst, frame, key }
criterion_main!(benches);
