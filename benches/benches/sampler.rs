//! Micro-benchmarks of the sampler: the gap of packet mode, the threshold of flow mode, and the tap as a
//! whole, from a burst to records that are published. `cargo bench -p umbra-bench --bench sampler`

#[allow(dead_code, reason = "every benchmark uses some of it")]
mod common;

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use common::BURST;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use umbra_forward::hashing::WireHasher;
use umbra_tap::{
    BurstOrigin, Consumer, Direction, Distribute, FrameSlices, GeometricSkip, GeometricTable,
    MAX_BURST, MatchSet, Percentage, Select, Tap, TapSettings, ring,
};
use umbra_wire::{KeyOptions, SymmetricHash};

const SEED: u64 = 2026;
/// Bursts of distinct flows that take turns: 128 KiB of frames, so that about as many flows are selected as
/// the percentage says.
const BURSTS: usize = 64;
/// Bursts between two readings of the clock, and the ring holds all of their records: draining is not part
/// of what is measured, and neither is the clock.
const BETWEEN: u64 = 16;
const CAPACITY: usize = 256 << 10;

fn percent(value: f64) -> Percentage {
    Percentage::try_from(value).expect("a legal percentage")
}

fn skip(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("skip");
    group.throughput(Throughput::Elements(BURST as u64));
    for value in [0.1, 1.0, 10.0] {
        let mut skip = GeometricSkip::new(percent(value), SEED);
        group.bench_function(BenchmarkId::new("advance", format!("{value}%")), |bencher| {
            bencher.iter(|| {
                let mut selected = 0u64;
                skip.advance(black_box(BURST), |i| selected |= 1 << i);
                selected
            });
        });
        let mut skip = GeometricSkip::new(percent(value), SEED);
        group.bench_function(
            BenchmarkId::new("pass_else_advance", format!("{value}%")),
            |bencher| {
                bencher.iter(|| {
                    let mut selected = 0u64;
                    if !skip.pass(black_box(BURST)) {
                        skip.advance(BURST, |i| selected |= 1 << i);
                    }
                    selected
                });
            },
        );
    }
    group.finish();
}

fn threshold(criterion: &mut Criterion) {
    let threshold = percent(1.0).threshold();
    // Any numbers that look like hashes.
    let hashes: [u64; MAX_BURST] =
        std::array::from_fn(|i| (i as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let rss = hashes.map(|hash| (hash >> 32) as u32);
    let mut group = criterion.benchmark_group("threshold");
    group.throughput(Throughput::Elements(BURST as u64));
    let mut spread = [0; MAX_BURST];
    group.bench_function("select_rss", |bencher| {
        bencher.iter(|| {
            let selected =
                threshold.select_rss(black_box(&rss), black_box(BURST), SEED, &mut spread);
            black_box(&mut spread);
            selected
        });
    });
    group.finish();
}

fn tap_of(select: Select, percentage: Percentage) -> (Tap, Consumer) {
    let settings = TapSettings {
        enabled: true,
        gaps: Arc::new(GeometricTable::new(percentage)),
        select,
        distribute: Distribute::Shard,
        snaplen: u32::MAX,
        escalation: Arc::new(MatchSet::default()),
        epoch: 1,
    };
    let (producer, consumer) = ring(CAPACITY).expect("a legal capacity");
    let mut tap = Tap::new(settings, 1, SEED);
    tap.attach(0, producer);
    (tap, consumer)
}

fn mirror_and_publish(criterion: &mut Criterion) {
    let frames = common::frames(BURSTS * BURST, 64, common::tcp);
    let bursts: Vec<_> = frames.chunks(BURST).map(FrameSlices).collect();
    let hasher = WireHasher::new(SymmetricHash::new([1, 2, 3, 4]), KeyOptions::default());
    let origin = BurstOrigin { wire: 0, direction: Direction::AtoB };
    let mut group = criterion.benchmark_group("mirror_publish");
    group.throughput(Throughput::Elements(BURST as u64));
    for select in [Select::Packet, Select::Flow] {
        for value in [1.0, 100.0] {
            let (mut tap, mut consumer) = tap_of(select, percent(value));
            let mut next = 0;
            let mut now_ns = 0;
            let name = BenchmarkId::new(select.as_str(), format!("{value}%"));
            group.bench_function(name, |bencher| {
                bencher.iter_custom(|iterations| {
                    let mut taken = Duration::ZERO;
                    let mut left = iterations;
                    while left > 0 {
                        let now = left.min(BETWEEN);
                        left -= now;
                        let start = Instant::now();
                        for _ in 0..now {
                            let burst = &bursts[next];
                            next = (next + 1) % BURSTS;
                            now_ns += 1000;
                            // As in the worker's loop.
                            if !tap.pass(burst.0.len()) {
                                black_box(tap.mirror(origin, || now_ns, burst, &hasher));
                                tap.publish();
                            }
                        }
                        taken += start.elapsed();
                        consumer.discard_all();
                    }
                    taken
                });
            });
            assert_eq!(tap.counters(0).ring_full, 0, "what is measured is copying");
        }
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = common::config();
    targets = skip, threshold, mirror_and_publish
}
criterion_main!(benches);
