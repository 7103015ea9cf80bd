//! The ring and the snapshot cell under loom: every interleaving that the memory model allows, within
//! a bound on preemptions. The data area is shadowed by loom cells, so an access that is not ordered
//! is found even if its bytes come out right.
//!
//! `RUSTFLAGS="--cfg loom" cargo test -p umbra-tap --release --test loom_ring`
#![cfg(loom)]

use loom::thread;
use umbra_tap::{
    Checksum, Consumer, Direction, Producer, PushError, RecordMeta, SnapshotCell, Verdict, ring,
};

/// Four lines. A burst of one record of 8 bytes takes one; of one of 56 bytes, two, so that one that
/// starts at the last line wraps behind padding.
const CAPACITY: usize = 256;

fn model(preemptions: usize, body: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(builder.preemption_bound.unwrap_or(preemptions));
    builder.check(body);
}

fn push(producer: &mut Producer, number: u64) -> Result<(), PushError> {
    push_of(producer, number, 8)
}

/// `len` bytes, a multiple of 8 and at most 56, all of them the number.
fn push_of(producer: &mut Producer, number: u64, len: usize) -> Result<(), PushError> {
    let frame = [number.to_le_bytes(); 7];
    let meta = RecordMeta {
        timestamp_ns: number,
        frame_len: len as u32,
        flow_hash: !number,
        fraction_ppb: 0,
        wire: 0,
        direction: Direction::AtoB,
        ip_checksum: Checksum::Unknown,
        l4_checksum: Checksum::Unknown,
        escalated: false,
        epoch: 0,
    };
    let slot = producer.push(&meta, u32::MAX, [&frame.as_flattened()[..len]].into_iter())?;
    producer.set_verdict(slot, Verdict::Forwarded);
    Ok(())
}

/// Takes what is there, checks it, gives it back.
fn take(consumer: &mut Consumer, max_records: usize, expected: &mut u64) -> usize {
    let batch = consumer.take(max_records);
    for record in &batch {
        assert_eq!(record.meta.timestamp_ns, *expected);
        assert_eq!(record.meta.flow_hash, !*expected);
        assert!(record.data.chunks(8).all(|word| word == expected.to_le_bytes()));
        assert_eq!(record.verdict, Verdict::Forwarded);
        assert_eq!(record.sequence, *expected);
        *expected += 1;
    }
    let len = batch.len();
    batch.release();
    assert!(consumer.published_records() >= consumer.taken_records());
    len
}

#[test]
fn records_arrive_in_order_through_a_full_ring_and_a_wrap() {
    model(3, || {
        let (mut producer, mut consumer) = ring(CAPACITY).unwrap();
        // One line is used and read. Two lines follow, then two that wrap behind padding and find
        // the ring full unless the consumer has been there.
        let mut expected = 0;
        push(&mut producer, 0).unwrap();
        producer.publish();
        take(&mut consumer, 2, &mut expected);
        let worker = thread::spawn(move || {
            let mut number = 1;
            for len in [56, 56, 8] {
                number += u64::from(push_of(&mut producer, number, len).is_ok());
                producer.publish();
            }
            assert!(!producer.is_corrupt());
            assert_eq!(producer.published_records(), number);
            number
        });
        take(&mut consumer, 2, &mut expected);
        take(&mut consumer, 2, &mut expected);
        let pushed = worker.join().unwrap();
        while take(&mut consumer, 9, &mut expected) != 0 {}
        assert_eq!((expected, consumer.taken_records()), (pushed, pushed));
        assert!(pushed >= 3 && !consumer.is_corrupt());
    });
}

#[test]
fn a_burst_is_seen_whole_or_not_at_all() {
    model(3, || {
        let (mut producer, mut consumer) = ring(CAPACITY).unwrap();
        let worker = thread::spawn(move || {
            push(&mut producer, 0).unwrap();
            push(&mut producer, 1).unwrap();
            producer.publish();
            push(&mut producer, 2).unwrap();
            producer.publish();
            producer
        });
        let mut expected = 0;
        let len = take(&mut consumer, usize::MAX, &mut expected);
        assert!([0, 2, 3].contains(&len), "{len}");
        drop(worker.join().unwrap());
    });
}

#[test]
fn a_batch_in_hand_is_not_written_over() {
    model(3, || {
        let (mut producer, mut consumer) = ring(CAPACITY).unwrap();
        for number in 0..4 {
            push(&mut producer, number).unwrap();
            producer.publish();
        }
        let worker = thread::spawn(move || {
            // Goes through only once the batch of two is back.
            let mut number = 4;
            for _ in 0..3 {
                match push(&mut producer, number) {
                    Ok(()) => number += 1,
                    Err(PushError::Full) => thread::yield_now(),
                    Err(PushError::Oversize) => unreachable!("eight bytes"),
                }
            }
            producer.publish();
            number
        });
        let batch = consumer.take(2);
        let mut records = batch.iter();
        assert_eq!(records.next().unwrap().data, 0u64.to_le_bytes());
        thread::yield_now();
        assert_eq!(records.next().unwrap().data, 1u64.to_le_bytes());
        batch.release();
        let mut expected = 2;
        take(&mut consumer, 9, &mut expected);
        let pushed = worker.join().unwrap();
        take(&mut consumer, 9, &mut expected);
        assert_eq!(expected, pushed);
    });
}

#[test]
fn nothing_is_lost_when_the_producer_goes() {
    model(3, || {
        let (mut producer, mut consumer) = ring(CAPACITY).unwrap();
        let worker = thread::spawn(move || {
            push(&mut producer, 0).unwrap();
            producer.publish();
            push(&mut producer, 1).unwrap();
        });
        let mut expected = 0;
        loop {
            let gone = consumer.is_producer_gone();
            let len = take(&mut consumer, 9, &mut expected);
            if gone && len == 0 {
                break;
            }
            thread::yield_now();
        }
        assert_eq!(expected, 2);
        worker.join().unwrap();
    });
}

#[test]
fn a_retired_ring_counts_its_remainder_once() {
    model(3, || {
        let (mut producer, mut consumer) = ring(CAPACITY).unwrap();
        let worker = thread::spawn(move || {
            push(&mut producer, 0).unwrap();
            producer.publish();
            push(&mut producer, 1).unwrap();
        });
        let mut expected = 0;
        take(&mut consumer, 1, &mut expected);
        worker.join().unwrap();
        assert!(consumer.is_producer_gone());
        assert_eq!(expected + consumer.discard_all(), 2);
    });
}

#[test]
fn a_producer_without_a_consumer_fills_up_and_goes_on() {
    model(3, || {
        let (mut producer, consumer) = ring(CAPACITY).unwrap();
        let worker = thread::spawn(move || {
            let pushed = (0..5).filter(|&number| {
                let pushed = push(&mut producer, number).is_ok();
                producer.publish();
                pushed
            });
            assert_eq!(pushed.count(), 4);
            producer.is_consumer_gone()
        });
        drop(consumer);
        worker.join().unwrap();
    });
}

#[test]
fn a_snapshot_is_of_one_write() {
    model(3, || {
        let cell = loom::sync::Arc::new(SnapshotCell::<2>::new());
        let writer = {
            let cell = loom::sync::Arc::clone(&cell);
            thread::spawn(move || {
                cell.write(&[1, 10]);
                cell.write(&[2, 20]);
            })
        };
        if let Some((number, words)) = cell.read_numbered() {
            assert_eq!(words, [number, number * 10]);
            if let Some((later, words)) = cell.read_numbered() {
                assert!(later >= number, "snapshots do not go back");
                assert_eq!(words, [later, later * 10]);
            }
        }
        writer.join().unwrap();
        assert_eq!(cell.read_numbered(), Some((2, [2, 20])));
    });
}
