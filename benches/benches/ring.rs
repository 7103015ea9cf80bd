//! Micro-benchmarks of the mirror ring, both halves on one core, so in its own cache: what the code
//! costs without the way between cores. `cargo bench -p umbra-bench --bench ring`

#[allow(dead_code, reason = "every benchmark uses some of it")]
mod common;

use std::hint::black_box;

use common::BURST;
use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use umbra_tap::{Checksum, Consumer, Direction, Producer, RecordMeta, Verdict, ring};

const CAPACITY: usize = 256 << 10;

fn fill(producer: &mut Producer, frame: &[u8], now_ns: u64) {
    let mut slots = [None; BURST];
    for (number, slot) in slots.iter_mut().enumerate() {
        let meta = RecordMeta {
            timestamp_ns: now_ns,
            frame_len: frame.len() as u32,
            flow_hash: number as u64,
            fraction_ppb: 1_000_000_000,
            wire: 0,
            direction: Direction::AtoB,
            ip_checksum: Checksum::Good,
            l4_checksum: Checksum::Good,
            escalated: false,
            epoch: 1,
        };
        *slot = producer.push(&meta, u32::MAX, std::iter::once(frame)).ok();
    }
    for slot in slots.into_iter().flatten() {
        producer.set_verdict(slot, Verdict::Forwarded);
    }
    producer.publish();
}

fn drain(consumer: &mut Consumer) -> u64 {
    let batch = consumer.take(BURST);
    batch.iter().map(|record| record.meta.flow_hash ^ record.data.len() as u64).sum()
}

fn push_and_publish(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("push_publish");
    group.throughput(Throughput::Elements(BURST as u64));
    for len in [60, 64, 128, 256, 512, 1500, 9000] {
        let frame = vec![7u8; len];
        let (mut producer, mut consumer) = ring(CAPACITY << 2).expect("a legal capacity");
        let mut now_ns = 0;
        group.bench_function(BenchmarkId::from_parameter(len), |bencher| {
            bencher.iter_batched(
                || {
                    black_box(drain(&mut consumer));
                    now_ns += 1000;
                    now_ns
                },
                |now_ns| fill(&mut producer, black_box(&frame), now_ns),
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
}

fn take_and_iterate(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("take_iterate");
    group.throughput(Throughput::Elements(BURST as u64));
    for len in [64, 1500] {
        let frame = vec![7u8; len];
        let (mut producer, mut consumer) = ring(CAPACITY).expect("a legal capacity");
        group.bench_function(BenchmarkId::from_parameter(len), |bencher| {
            bencher.iter_batched(
                || fill(&mut producer, &frame, 1),
                |()| drain(&mut consumer),
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = common::config();
    targets = push_and_publish, take_and_iterate
}
criterion_main!(benches);
