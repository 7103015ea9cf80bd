//! The ring between two threads that never agree on a pace. Also what ThreadSanitizer is run on.
#![cfg(not(loom))]

use std::thread;
use umbra_tap::{
    Checksum, Consumer, Direction, Producer, PushError, RecordMeta, SnapshotCell, Verdict, ring,
};

/// Through the small ring, where every few records are a hand-over, and through the large one.
const FEW: u64 = 100_000;
const MANY: u64 = 1_500_000;
const LARGEST_FRAME: usize = 9000;

/// SplitMix64: numbers, lengths and contents follow from a record's number on both sides.
fn mix(number: u64) -> u64 {
    let mut word = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

/// Noise that every frame is a window of.
fn noise() -> Vec<u8> {
    (0..4096u64).flat_map(|word| mix(word).to_le_bytes()).collect()
}

fn frame_of(noise: &[u8], number: u64) -> &[u8] {
    let word = mix(number ^ 0x00f0_0d00);
    let largest = if word.is_multiple_of(16) { LARGEST_FRAME } else { 200 };
    let len = (word >> 8) as usize % (largest + 1);
    let start = (word >> 32) as usize % (noise.len() - len);
    &noise[start..start + len]
}

fn meta_of(number: u64, frame: &[u8]) -> RecordMeta {
    let word = mix(number);
    RecordMeta {
        timestamp_ns: number,
        frame_len: frame.len() as u32,
        flow_hash: word,
        fraction_ppb: word as u32,
        wire: (word >> 16) as u16,
        direction: if word & 1 == 0 { Direction::AtoB } else { Direction::BtoA },
        ip_checksum: if word & 2 == 0 { Checksum::Good } else { Checksum::Bad },
        l4_checksum: if word & 4 == 0 { Checksum::Absent } else { Checksum::Unknown },
        escalated: word & 8 == 0,
        epoch: (word >> 40) as u16,
    }
}

fn verdict_of(number: u64) -> Verdict {
    if number.is_multiple_of(3) { Verdict::TxFull } else { Verdict::Forwarded }
}

/// Bursts of 1 to 32 records, published together; waits when full, so that nothing is lost.
fn produce(mut producer: Producer, records: u64) -> Producer {
    let noise = noise();
    let mut number = 0;
    while number < records {
        let end = records.min(number + 1 + mix(number) % 32);
        let mut slots = [None; 32];
        let mut pushed = 0;
        while number < end {
            let frame = frame_of(&noise, number);
            let (front, back) = frame.split_at(frame.len() / 2);
            match producer.push(&meta_of(number, frame), u32::MAX, [front, back].into_iter()) {
                Ok(slot) => {
                    slots[pushed] = Some((slot, verdict_of(number)));
                    pushed += 1;
                    number += 1;
                }
                Err(PushError::Full) => break,
                Err(PushError::Oversize) => panic!("frame {number} does not fit"),
            }
        }
        for (slot, verdict) in slots.into_iter().flatten() {
            producer.set_verdict(slot, verdict);
        }
        producer.publish();
        if pushed == 0 {
            thread::yield_now();
        }
    }
    producer
}

fn consume(mut consumer: Consumer, records: u64) -> Consumer {
    let noise = noise();
    let mut expected = 0;
    while expected < records {
        let batch = consumer.take(1 + (mix(expected) % 64) as usize);
        if batch.is_empty() {
            drop(batch);
            thread::yield_now();
            continue;
        }
        for record in &batch {
            let frame = frame_of(&noise, expected);
            assert_eq!(record.sequence, expected);
            assert_eq!(record.meta, meta_of(expected, frame));
            assert_eq!(record.verdict, verdict_of(expected));
            assert!(record.data == frame, "content of record {expected}");
            expected += 1;
        }
        batch.release();
    }
    assert!(consumer.take(1).is_empty());
    consumer
}

#[test]
fn every_record_arrives_whole_and_in_order() {
    for (capacity, records) in [(1 << 15, FEW), (1 << 22, MANY)] {
        let (producer, consumer) = ring(capacity).unwrap();
        let producer = thread::spawn(move || produce(producer, records));
        let consumer = thread::spawn(move || consume(consumer, records));
        // Both halves come back, so that the memory is freed after both threads have ended.
        let (producer, consumer) = (producer.join().unwrap(), consumer.join().unwrap());
        assert_eq!(producer.published_records(), records);
        assert_eq!(consumer.published_records(), records);
        assert_eq!(consumer.taken_records(), records);
        assert_eq!(consumer.occupancy_bytes(), 0);
        assert!(!producer.is_corrupt() && !consumer.is_corrupt());
    }
}

/// A worker that never waits: what does not fit is dropped and counted, and the sums agree.
#[test]
fn drops_are_counted_and_what_arrives_is_what_was_enqueued() {
    let (mut producer, mut consumer) = ring(1 << 15).unwrap();
    let worker = thread::spawn(move || {
        let noise = noise();
        let mut full = 0u64;
        for number in 0..MANY {
            let frame = frame_of(&noise, number);
            full += u64::from(
                producer.push(&meta_of(number, frame), 128, [frame].into_iter()).is_err(),
            );
            if number.is_multiple_of(32) {
                producer.publish();
            }
        }
        producer.publish();
        (producer, full)
    });
    let mut newest = None;
    loop {
        let ended = worker.is_finished();
        let batch = consumer.take(256);
        for record in &batch {
            let number = record.meta.timestamp_ns;
            assert!(newest < Some(number), "order");
            assert_eq!(record.meta.flow_hash, mix(number));
            newest = Some(number);
        }
        if batch.is_empty() {
            drop(batch);
            if ended {
                break;
            }
            thread::yield_now();
        }
    }
    let (producer, full) = worker.join().unwrap();
    assert_eq!(producer.published_records() + full, MANY);
    assert_eq!(consumer.taken_records(), producer.published_records());
}

#[test]
fn snapshots_are_never_torn() {
    let cell = SnapshotCell::<32>::new();
    thread::scope(|scope| {
        let readers: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    let mut newest = 0;
                    while newest < 100_000 {
                        if let Some((number, words)) = cell.read_numbered() {
                            assert!(number >= newest);
                            assert_eq!(words, [number; 32]);
                            newest = number;
                        }
                        thread::yield_now();
                    }
                })
            })
            .collect();
        for number in 1..=100_000u64 {
            cell.write(&[number; 32]);
        }
        readers.into_iter().for_each(|reader| reader.join().unwrap());
    });
}
