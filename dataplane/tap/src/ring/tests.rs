use super::memory::Memory;
use super::*;
use crate::primitive::Ordering;
use crate::record::{
    CONTEXT_LEN, Checksum, Direction, HEADER_LEN, LINE, Record, RecordMeta, Verdict, record_len,
};
use proptest::prelude::*;
use std::collections::VecDeque;

const SMALL: usize = MIN_CAPACITY;

fn meta(number: u64, frame_len: usize) -> RecordMeta {
    RecordMeta {
        timestamp_ns: number * 1000,
        frame_len: frame_len as u32,
        flow_hash: number.wrapping_mul(0x9e37_79b9_7f4a_7c15),
        fraction_ppb: (number % 1_000_000_001) as u32,
        wire: number as u16,
        direction: if number.is_multiple_of(2) { Direction::AtoB } else { Direction::BtoA },
        ip_checksum: if number.is_multiple_of(3) { Checksum::Good } else { Checksum::Unknown },
        l4_checksum: if number.is_multiple_of(5) { Checksum::Bad } else { Checksum::Absent },
        escalated: number.is_multiple_of(7),
        epoch: (number >> 3) as u16,
    }
}

/// Bytes of ring that a frame takes whose context is not that of the one before.
const fn entry_len(captured: usize) -> usize {
    CONTEXT_LEN + record_len(captured)
}

fn bytes(number: u64, len: usize) -> Vec<u8> {
    (0..len as u64).map(|i| (number.wrapping_mul(31).wrapping_add(i * 7)) as u8).collect()
}

/// Pushes a whole frame of one segment.
fn push(producer: &mut Producer, number: u64, len: usize) -> Result<Slot, PushError> {
    let frame = bytes(number, len);
    producer.push(&meta(number, len), u32::MAX, [frame.as_slice()].into_iter())
}

/// Pushes frames numbered from `from` until the ring is full; gives how many.
fn fill(producer: &mut Producer, from: u64, len: usize) -> u64 {
    (from..).take_while(|&number| push(producer, number, len).is_ok()).count() as u64
}

fn assert_frame(record: &Record<'_>, number: u64, len: usize) {
    assert_eq!(record.meta, meta(number, len));
    assert_eq!(record.data, bytes(number, len));
    assert_eq!(record.sequence, number);
}

#[test]
fn illegal_capacities_are_refused_with_the_nearest_legal_one() {
    for (asked, nearest) in [(0, SMALL), (4095, SMALL), (5000, 8192), (1 << 31, MAX_CAPACITY)] {
        let error = ring(asked).unwrap_err();
        assert_eq!(error, RingError::CapacityInvalid { asked });
        let message = error.to_string();
        assert!(message.ends_with(&format!("use {nearest}")), "{message}");
        assert_eq!(nearest_capacity(asked), nearest);
    }
    assert_eq!(ring(SMALL).unwrap().0.capacity(), SMALL);
}

#[test]
fn a_record_arrives_as_it_was_pushed() {
    let (mut producer, mut consumer) = ring(SMALL).unwrap();
    let slot = push(&mut producer, 0, 60).unwrap();
    producer.set_verdict(slot, Verdict::Forwarded);
    producer.publish();
    let batch = consumer.take(10);
    assert_eq!(batch.len(), 1);
    let records: Vec<_> = batch.iter().collect();
    assert_frame(&records[0], 0, 60);
    assert_eq!(records[0].verdict, Verdict::Forwarded);
}

#[test]
fn nothing_is_seen_before_it_is_published() {
    let (mut producer, mut consumer) = ring(SMALL).unwrap();
    push(&mut producer, 0, 60).unwrap();
    push(&mut producer, 1, 61).unwrap();
    assert!(consumer.take(10).is_empty());
    assert_eq!((producer.published_records(), consumer.published_records()), (0, 0));
    producer.publish();
    assert_eq!((producer.published_records(), consumer.published_records()), (2, 2));
    let len = (entry_len(60) + entry_len(61)).next_multiple_of(LINE);
    assert_eq!((producer.published_bytes(), consumer.occupancy_bytes()), (len as u64, len));
    assert_eq!(consumer.take(10).len(), 2);
}

#[test]
fn every_verdict_of_a_burst_finds_its_record() {
    let verdicts = [
        Verdict::Blocked,
        Verdict::TxFull,
        Verdict::LinkDown,
        Verdict::TxInvalid,
        Verdict::Pending,
    ];
    let (mut producer, mut consumer) = ring(SMALL).unwrap();
    let slots: Vec<_> = (0..5).map(|n| push(&mut producer, n, 100 + n as usize).unwrap()).collect();
    for (slot, verdict) in slots.into_iter().zip(verdicts).rev() {
        producer.set_verdict(slot, verdict);
    }
    producer.publish();
    let batch = consumer.take(10);
    assert!(batch.iter().map(|record| record.verdict).eq(verdicts));
    assert!(batch.iter().enumerate().all(|(n, record)| record.meta == meta(n as u64, 100 + n)));
}

#[test]
#[cfg(debug_assertions)]
#[should_panic(expected = "already published")]
fn a_late_verdict_is_a_bug() {
    let (mut producer, _consumer) = ring(SMALL).unwrap();
    let slot = push(&mut producer, 0, 60).unwrap();
    producer.publish();
    producer.set_verdict(slot, Verdict::Forwarded);
}

#[test]
fn full_ring_refuses_and_goes_on_after_a_release() {
    let (mut producer, mut consumer) = ring(SMALL).unwrap();
    let first = fill(&mut producer, 0, 64);
    assert_eq!(first as usize, SMALL / entry_len(64));
    assert_eq!(push(&mut producer, 0, 64), Err(PushError::Full));
    producer.publish();
    assert_eq!(push(&mut producer, 0, 64), Err(PushError::Full));
    consumer.take(10).release();
    let second = fill(&mut producer, first, 64);
    // The line that the tail is in is not free.
    assert_eq!(second as usize, 10 * entry_len(64) / LINE * LINE / entry_len(64));
    producer.publish();
    let batch = consumer.take(usize::MAX);
    assert_eq!(batch.len() as u64, first - 10 + second);
    for (n, record) in (10..).zip(&batch) {
        assert_frame(&record, n, 64);
    }
}

#[test]
fn what_is_longer_than_half_the_ring_is_oversize_and_the_largest_always_fits_an_empty_ring() {
    let (mut producer, mut consumer) = ring(SMALL).unwrap();
    let largest = producer.largest_record();
    assert_eq!(entry_len(largest), SMALL / 2);
    assert_eq!(push(&mut producer, 0, largest + 1), Err(PushError::Oversize));
    for number in 0..100 {
        // A step of 8 moves the border through every place.
        push(&mut producer, 2 * number, number as usize * 8).unwrap();
        producer.publish();
        consumer.take(1).release();
        push(&mut producer, 2 * number + 1, largest).unwrap();
        producer.publish();
        let batch = consumer.take(1);
        assert_frame(&batch.iter().next().unwrap(), 2 * number + 1, largest);
    }
}

#[test]
fn a_frame_too_long_for_the_header_is_oversize() {
    let (mut producer, _consumer) = ring(SMALL).unwrap();
    let mut meta = meta(0, 0);
    meta.frame_len = crate::record::MAX_FRAME_LEN + 1;
    assert_eq!(
        producer.push(&meta, 60, [[0; 60].as_slice()].into_iter()),
        Err(PushError::Oversize)
    );
}

#[test]
fn snaplen_cuts_over_segments_and_keeps_the_frame_length() {
    let (mut producer, mut consumer) = ring(SMALL).unwrap();
    let frame = bytes(0, 1500);
    for snaplen in [0, 1, 96, 128, 129, 1499, 1500, 1501, u32::MAX] {
        let segments = [&frame[..128], &[], &frame[128..1000], &frame[1000..]];
        producer.push(&meta(0, 1500), snaplen, segments.into_iter()).unwrap();
        producer.publish();
        let batch = consumer.take(1);
        let record = batch.iter().next().unwrap();
        assert_eq!(record.data, &frame[..frame.len().min(snaplen as usize)]);
        assert_eq!(record.meta.frame_len, 1500);
    }
}

#[test]
fn every_length_is_copied_whole_and_nothing_beside_it() {
    let (mut producer, mut consumer) = ring(SMALL).unwrap();
    let frame = bytes(9, 400);
    for len in 0..=frame.len() {
        for cut in [0, len / 3, len] {
            let mut meta = meta(0, len);
            let segments = [&frame[..cut], &frame[cut..len]];
            producer.push(&meta, u32::MAX, segments.into_iter()).unwrap();
            meta.timestamp_ns = 1;
            producer.push(&meta, u32::MAX, segments.into_iter()).unwrap();
            producer.publish();
            let batch = consumer.take(2);
            for (number, record) in (0..).zip(&batch) {
                assert_eq!((record.meta.timestamp_ns, record.data), (number, &frame[..len]));
            }
            assert_eq!(batch.len(), 2);
        }
    }
}

#[test]
fn segments_that_disagree_with_the_length_cannot_write_elsewhere() {
    let (mut producer, mut consumer) = ring(SMALL).unwrap();
    let long = bytes(1, 3000);
    producer.push(&meta(0, 60), u32::MAX, [long.as_slice(), &long].into_iter()).unwrap();
    producer.push(&meta(1, 1000), u32::MAX, [&long[..10]].into_iter()).unwrap();
    producer.push(&meta(2, 60), u32::MAX, std::iter::empty()).unwrap();
    producer.publish();
    let batch = consumer.take(9);
    let data: Vec<_> = batch.iter().map(|record| record.data).collect();
    assert_eq!(data, [&long[..60], &long[..10], &[]]);
    assert!(batch.iter().map(|record| record.meta.frame_len).eq([60, 1000, 60]));
}

#[test]
fn a_panicking_segment_iterator_leaves_the_ring_as_it_was() {
    let (mut producer, mut consumer) = ring(SMALL).unwrap();
    for number in 0..200 {
        let torn = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let segments = (0..3).map(|i| if i < 2 { &[0xff; 100][..] } else { panic!("torn") });
            producer.push(&meta(number, 300), u32::MAX, segments)
        }));
        assert!(torn.is_err());
        push(&mut producer, number, 200).unwrap();
        producer.publish();
        let batch = consumer.take(9);
        assert_eq!(batch.len(), 1);
        assert_frame(&batch.iter().next().unwrap(), number, 200);
    }
}

#[test]
fn a_batch_in_hand_is_not_overwritten() {
    let (mut producer, mut consumer) = ring(SMALL).unwrap();
    let mut next = fill(&mut producer, 0, 100);
    producer.publish();
    let mut first = 0;
    for _ in 0..50 {
        let batch = consumer.take(7);
        // Fills whatever is free while the batch is held.
        next += fill(&mut producer, next, 100);
        producer.publish();
        for (n, record) in (first..).zip(&batch) {
            assert_frame(&record, n, 100);
        }
        first += batch.len() as u64;
        batch.release();
        next += fill(&mut producer, next, 100);
        producer.publish();
    }
    assert_eq!(first, 350);
}

#[test]
fn a_leaked_batch_is_released_with_the_next() {
    let (mut producer, mut consumer) = ring(SMALL).unwrap();
    let records = fill(&mut producer, 0, 64);
    producer.publish();
    std::mem::forget(consumer.take(3));
    assert_eq!(consumer.taken_records(), 3);
    assert_eq!(push(&mut producer, 0, 64), Err(PushError::Full));
    let batch = consumer.take(1);
    assert_eq!(batch.len(), 1);
    assert_frame(&batch.iter().next().unwrap(), 3, 64);
    batch.release();
    assert_eq!(records as usize, SMALL / entry_len(64));
    assert_eq!(producer.occupancy_bytes(), SMALL - 4 * entry_len(64), "with the burst's padding");
}

#[test]
fn batches_iterate_more_than_once_and_hold_no_more_than_asked() {
    let (mut producer, mut consumer) = ring(SMALL).unwrap();
    assert!((0..9).all(|n| push(&mut producer, n, 64).is_ok()));
    producer.publish();
    assert!(consumer.take(0).is_empty());
    let batch = consumer.take(4);
    assert_eq!((batch.len(), batch.iter().count(), (&batch).into_iter().count()), (4, 4, 4));
    drop(batch);
    assert_eq!(consumer.taken_records(), 4);
    assert_eq!(consumer.take(100).len(), 5);
}

#[test]
fn dropping_the_producer_publishes_and_tells() {
    let (mut producer, mut consumer) = ring(SMALL).unwrap();
    push(&mut producer, 0, 64).unwrap();
    assert!(!consumer.is_producer_gone());
    drop(producer);
    assert!(consumer.is_producer_gone());
    assert_eq!(consumer.take(9).len(), 1);
}

#[test]
fn dropping_the_consumer_tells_and_the_ring_fills_up() {
    let (mut producer, consumer) = ring(SMALL).unwrap();
    assert!(!producer.is_consumer_gone());
    drop(consumer);
    assert!(producer.is_consumer_gone());
    fill(&mut producer, 0, 64);
    producer.publish();
    assert_eq!(push(&mut producer, 0, 64), Err(PushError::Full));
    assert!(!producer.is_corrupt());
}

#[test]
fn a_retired_ring_discards_its_remainder() {
    let (mut producer, mut consumer) = ring(SMALL).unwrap();
    let records = fill(&mut producer, 0, 200);
    drop(producer);
    consumer.take(5).release();
    assert_eq!(consumer.discard_all(), records - 5);
    assert_eq!(consumer.taken_records(), records);
    assert_eq!(consumer.discard_all(), 0);
}

fn memory_of(consumer: &Consumer) -> &Memory {
    &consumer.memory
}

#[test]
fn an_impossible_header_ends_the_ring_after_the_records_before_it() {
    // Zero; no flag; longer than what is published; longer than the ring; unknown verdict; a context
    // with more to it; padding of nothing, of no whole words, beyond what is published, and more
    // than a position can take.
    let long = 64 | 64 << 32 | 0x40 << 56;
    let words = [
        0,
        64 | 64 << 32,
        (long & !0xff_ffff & !(0xff_ffff << 32)) | 3000 | 3000 << 32,
        u64::MAX >> 2 & !(0xff << 24) | 1 << 62,
        long | 0xee << 24,
        0xc0 << 56 | 1,
        0xc1 << 56,
        0x80 << 56,
        0x80 << 56 | 12,
        0x80 << 56 | 4096,
        0x80 << 56 | ((1 << 56) - 8),
    ];
    for word in words {
        let (mut producer, mut consumer) = ring(SMALL).unwrap();
        assert!((0..6).all(|n| push(&mut producer, n, 64).is_ok()));
        producer.publish();
        let fourth = 3 * entry_len(64) + CONTEXT_LEN;
        // SAFETY: the fourth record's first word; both halves are on this thread and no batch is
        // held.
        unsafe { memory_of(&consumer).write_words(fourth, [word]) };
        let batch = consumer.take(100);
        assert_eq!(batch.iter().count(), 3, "{word:#x}");
        drop(batch);
        assert!(consumer.is_corrupt());
        assert_eq!(consumer.taken_records(), 3, "what was not delivered was not taken");
        push(&mut producer, 6, 64).unwrap();
        producer.publish();
        assert!(consumer.take(100).is_empty());
        assert_eq!(consumer.discard_all(), 4, "by the producer's count");
    }
}

#[test]
fn a_header_that_changes_under_a_batch_ends_the_iteration() {
    let (mut producer, mut consumer) = ring(SMALL).unwrap();
    assert!((0..6).all(|n| push(&mut producer, n, 64).is_ok()));
    producer.publish();
    let memory = Arc::clone(&consumer.memory);
    let batch = consumer.take(6);
    let mut records = batch.iter();
    assert!(records.next().is_some());
    let third = 2 * entry_len(64) + CONTEXT_LEN;
    // SAFETY: the third record's first word, on this thread, with no reference into it; it plays a
    // process on the other side that breaks the rule.
    unsafe { memory.write_words(third, [0x00ff_ffff_00ff_ffff | 0x40 << 56]) };
    assert_eq!(records.count(), 1);
}

#[test]
fn a_record_before_any_context_is_corruption() {
    for walk in [false, true] {
        let (mut producer, mut consumer) = ring(SMALL).unwrap();
        push(&mut producer, 0, 64).unwrap();
        producer.publish();
        // SAFETY: the context's first word, turned into padding as long; both halves are on this
        // thread and no batch is held.
        unsafe { memory_of(&consumer).write_words(0, [(0x80 << 56) | CONTEXT_LEN as u64]) };
        let batch = consumer.take(1);
        assert!(walk || batch.iter().next().is_none());
        drop(batch);
        assert!(consumer.is_corrupt());
        assert_eq!(consumer.taken_records(), 0);
    }
}

#[test]
fn a_context_is_written_where_it_changes_and_known_in_every_batch() {
    let (mut producer, mut consumer) = ring(SMALL).unwrap();
    let mut expected = Vec::new();
    for lap in 0..50u64 {
        let from = producer.published_bytes();
        for number in 0..12 {
            // Two wires in one burst, four records each time; now and then a new burst goes on with
            // the context of the last.
            let mut meta = meta(lap * 12 + number, 64);
            meta.timestamp_ns = lap / 2;
            (meta.fraction_ppb, meta.epoch) = (5, 6);
            meta.wire = (number / 4 % 2) as u16;
            let frame = bytes(number, 64);
            producer.push(&meta, u32::MAX, [frame.as_slice()].into_iter()).unwrap();
            expected.push(meta);
        }
        producer.publish();
        let continued = lap % 2 == 1;
        let len = 12 * record_len(64) + (if continued { 2 } else { 3 }) * CONTEXT_LEN;
        let published = (producer.published_bytes() - from) as usize;
        let lap_end = SMALL - from as usize % SMALL;
        assert!(published == len.next_multiple_of(LINE) || lap_end < len.next_multiple_of(LINE));
        // Batches that end in the middle of a context, iterated or not.
        for (at, len) in [(0, 3), (3, 2), (5, 7)] {
            let batch = consumer.take(len);
            if len != 2 {
                let metas: Vec<_> = batch.iter().map(|record| record.meta).collect();
                assert_eq!(metas, expected[lap as usize * 12 + at..][..len]);
            }
            assert_eq!(batch.len(), len);
        }
        assert_eq!(producer.occupancy_bytes(), 0);
    }
}

/// More than the stage holds in one burst: what comes late goes straight to the ring, and a verdict
/// finds its record wherever it is.
#[test]
fn a_burst_larger_than_the_stage_arrives_whole() {
    let (mut producer, mut consumer) = ring(1 << 19).unwrap();
    let lens = [0, 60, 255, 256, 257, 300, 1500, 9000, 64, 1514];
    let verdict =
        |number: u64| if number.is_multiple_of(3) { Verdict::Blocked } else { Verdict::Forwarded };
    for round in 0..20 {
        let mut slots = Vec::new();
        for number in 0..200u64 {
            let len = lens[(number + round) as usize % lens.len()];
            let frame = bytes(number, len);
            let pieces = match number % 4 {
                0 => [frame.as_slice(), &[]],
                1 => [&frame[..len / 2], &frame[len / 2..]],
                _ => [&frame[..len - len / 9], &frame[len - len / 9..]],
            };
            let mut meta = meta(number, len);
            meta.timestamp_ns = number / 30;
            slots.push(producer.push(&meta, u32::MAX, pieces.into_iter()).unwrap());
        }
        for (number, slot) in slots.into_iter().enumerate().rev() {
            producer.set_verdict(slot, verdict(number as u64));
        }
        producer.publish();
        let batch = consumer.take(usize::MAX);
        assert_eq!(batch.len(), 200);
        for (number, record) in (0u64..).zip(&batch) {
            let len = lens[(number + round) as usize % lens.len()];
            assert_eq!((record.data, record.verdict), (&*bytes(number, len), verdict(number)));
            assert_eq!(record.meta.timestamp_ns, number / 30);
        }
        batch.release();
        assert_eq!(producer.occupancy_bytes(), 0);
    }
}

#[test]
fn an_impossible_head_is_corruption() {
    // Beyond the ring; no multiple of 8; more records than can lie in so many bytes.
    for (head, records) in [(SMALL as u64 + 8, 1), (u64::MAX - 7, 1), (100, 1), (64, 5)] {
        let (_producer, mut consumer) = ring(SMALL).unwrap();
        let shared = &memory_of(&consumer).producer_page().head.0;
        shared.bytes.store(head, Ordering::Relaxed);
        shared.records.store(records, Ordering::Release);
        assert!(consumer.take(100).is_empty(), "{head}");
        assert!(consumer.is_corrupt());
    }
    let (mut producer, mut consumer) = ring(SMALL).unwrap();
    push(&mut producer, 0, 64).unwrap();
    producer.publish();
    consumer.take(1).release();
    memory_of(&consumer).producer_page().head.0.bytes.store(0, Ordering::Release);
    assert!(consumer.take(1).is_empty());
    assert!(consumer.is_corrupt(), "a head never goes back");
}

#[test]
fn an_impossible_tail_is_a_full_ring_for_good() {
    for tail in [u64::MAX, SMALL as u64 * 4, 12] {
        let (mut producer, consumer) = ring(SMALL).unwrap();
        let records = fill(&mut producer, 0, 64);
        producer.publish();
        let shared = &memory_of(&consumer).consumer_page().tail.0.bytes;
        shared.store(tail, Ordering::Release);
        assert_eq!(push(&mut producer, 0, 64), Err(PushError::Full), "{tail}");
        assert!(producer.is_corrupt());
        assert_eq!(records as usize, SMALL / entry_len(64));
        assert_eq!(producer.occupancy_bytes(), SMALL);
        shared.store(960, Ordering::Release);
        assert_eq!(push(&mut producer, 0, 64), Err(PushError::Full), "no way back");
    }
}

#[test]
fn the_pages_are_where_the_layout_says() {
    let (producer, consumer) = ring(SMALL).unwrap();
    let memory = &*producer.memory;
    let (page, other) = (memory.producer_page(), memory.consumer_page());
    let base = std::ptr::from_ref(page).addr();
    assert_eq!(base % 4096, 0);
    assert_eq!(std::ptr::from_ref(&page.head).addr() - base, 128);
    assert_eq!(std::ptr::from_ref(&page.gone).addr() - base, 256);
    assert_eq!(std::ptr::from_ref(&other.tail).addr() - base, 4096);
    assert_eq!(std::ptr::from_ref(&other.gone).addr() - base, 4224);
    // SAFETY: nobody writes; an empty slice needs no more.
    let data = unsafe { consumer.memory.bytes(0, 0) };
    assert_eq!(data.as_ptr().addr() - base, 8192);
    let identity = &page.identity.0;
    assert_eq!(identity.magic.to_le_bytes(), *b"umbraRNG");
    assert_eq!((identity.version, identity.capacity), (memory::VERSION, SMALL as u64));
}

#[test]
fn halves_can_be_sent() {
    fn sendable<T: Send>() {}
    sendable::<Producer>();
    sendable::<Consumer>();
}

/// What the ring should do, said without bytes.
#[derive(Default)]
struct Model {
    pending: Vec<Entry>,
    published: VecDeque<Entry>,
    /// Bytes since the start: pushed, released.
    head: usize,
    tail: usize,
}

struct Entry {
    number: u64,
    captured: usize,
    /// Where the tail is once the record has been read: behind the padding that fills its line.
    end: usize,
}

impl Model {
    /// Every record has a context of its own here.
    fn push(&mut self, number: u64, captured: usize) -> bool {
        let len = entry_len(captured);
        let to_end = SMALL - self.head % SMALL;
        let padding = if len > to_end { to_end } else { 0 };
        let end = self.head + padding + len;
        let fits = end.next_multiple_of(LINE) <= self.tail / LINE * LINE + SMALL;
        if fits {
            if padding != 0 && !self.head.is_multiple_of(LINE) {
                self.pending.last_mut().unwrap().end += padding;
            }
            self.head = end;
            self.pending.push(Entry { number, captured, end });
        }
        fits
    }

    fn publish(&mut self) {
        self.head = self.head.next_multiple_of(LINE);
        if let Some(last) = self.pending.last_mut() {
            last.end = self.head;
        }
        self.published.extend(self.pending.drain(..));
    }

    fn take(&mut self, len: usize) {
        if let Some(last) = self.published.drain(..len).next_back() {
            self.tail = last.end;
        }
    }
}

#[derive(Clone, Debug)]
enum Op {
    Push { frame_len: usize, snaplen: u32, cut: usize },
    Publish,
    Take { max_records: usize, pushed_meanwhile: usize },
}

fn any_op() -> impl Strategy<Value = Op> {
    let len = prop_oneof![3 => 0usize..130, 1 => 0usize..2100];
    let snaplen = prop_oneof![3 => Just(u32::MAX), 1 => 0u32..300];
    prop_oneof![
        5 => (len, snaplen, 0usize..2100)
            .prop_map(|(frame_len, snaplen, cut)| Op::Push { frame_len, snaplen, cut }),
        2 => Just(Op::Publish),
        2 => (0usize..30, 0usize..4)
            .prop_map(|(max_records, pushed_meanwhile)| Op::Take { max_records, pushed_meanwhile }),
    ]
}

fn push_both(
    producer: &mut Producer,
    model: &mut Model,
    number: u64,
    (frame_len, snaplen, cut): (usize, u32, usize),
) {
    let frame = bytes(number, frame_len);
    let (front, back) = frame.split_at(cut.min(frame_len));
    let pushed = producer.push(&meta(number, frame_len), snaplen, [front, back].into_iter());
    let captured = frame_len.min(snaplen as usize);
    if captured > SMALL / 2 - HEADER_LEN - CONTEXT_LEN {
        assert_eq!(pushed, Err(PushError::Oversize));
    } else if model.push(number, captured) {
        producer.set_verdict(pushed.unwrap(), Verdict::Forwarded);
    } else {
        assert_eq!(pushed, Err(PushError::Full));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]
    #[test]
    fn behaves_as_a_queue(ops in prop::collection::vec(any_op(), 1..200)) {
        let (mut producer, mut consumer) = ring(SMALL).unwrap();
        let mut model = Model::default();
        // Frame lengths by number.
        let mut lengths = Vec::new();
        let (mut sequence, mut published) = (0, 0);
        for op in ops {
            match op {
                Op::Push { frame_len, snaplen, cut } => {
                    push_both(&mut producer, &mut model, lengths.len() as u64, (frame_len, snaplen, cut));
                    lengths.push(frame_len);
                }
                Op::Publish => {
                    producer.publish();
                    published += model.pending.len() as u64;
                    model.publish();
                }
                Op::Take { max_records, pushed_meanwhile } => {
                    let batch = consumer.take(max_records);
                    prop_assert_eq!(batch.len(), max_records.min(model.published.len()));
                    for _ in 0..pushed_meanwhile {
                        push_both(&mut producer, &mut model, lengths.len() as u64, (150, u32::MAX, 40));
                        lengths.push(150);
                    }
                    for (record, &Entry { number, captured, .. }) in batch.iter().zip(&model.published) {
                        let frame_len = lengths[number as usize];
                        prop_assert_eq!(record.meta, meta(number, frame_len));
                        prop_assert_eq!(record.data, &bytes(number, frame_len)[..captured]);
                        prop_assert_eq!(record.verdict, Verdict::Forwarded);
                        prop_assert_eq!(record.sequence, sequence);
                        sequence += 1;
                    }
                    let len = batch.len();
                    batch.release();
                    model.take(len);
                }
            }
            prop_assert_eq!(producer.published_records(), published);
            prop_assert_eq!(consumer.published_records(), published);
            prop_assert_eq!(consumer.taken_records(), sequence);
            prop_assert_eq!(published - sequence, model.published.len() as u64);
            prop_assert!(!producer.is_corrupt() && !consumer.is_corrupt());
        }
        prop_assert_eq!(producer.occupancy_bytes(), model.head - model.tail);
    }
}
