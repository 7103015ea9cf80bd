use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use crossbeam::channel::{Receiver, bounded, unbounded};
use umbra_tap::{Checksum, Direction, Producer, ring};

use super::*;

/// Counts records; panics on a record that begins with 0xdd, hangs while told so.
#[derive(Default)]
struct Probe {
    seen: Arc<AtomicU64>,
    hang: Arc<AtomicBool>,
    finished: Arc<AtomicBool>,
    at: Option<usize>,
}

impl Analyzer for Probe {
    type Summary = u64;

    fn analyse(&mut self, records: &RingBatch<'_>) {
        while self.hang.load(Ordering::Acquire) {
            std::thread::sleep(Duration::from_millis(1));
        }
        for (i, record) in records.iter().enumerate() {
            self.at = Some(i);
            assert!(record.data.first() != Some(&0xdd), "a packet of death");
            self.seen.fetch_add(1, Ordering::AcqRel);
        }
        self.at = None;
    }
    fn tick(&mut self, _now: Timestamp) {}
    fn set_context(&mut self, _context: Arc<EventContext>) {}
    fn summary(&mut self) -> u64 {
        self.seen.load(Ordering::Acquire)
    }
    fn finish(&mut self) {
        self.finished.store(true, Ordering::Release);
    }
    fn blame(&self) -> Blame {
        Blame { profile: Some(Arc::from("Probe")), record: self.at }
    }
}

struct Rig {
    handle: InstanceHandle<u64>,
    events: Receiver<InstanceEvent>,
    producer: Producer,
    consumed: Arc<ConsumedCell>,
    seen: Arc<AtomicU64>,
    hang: Arc<AtomicBool>,
    finished: Arc<AtomicBool>,
}

fn rig() -> Rig {
    let (events_tx, events) = unbounded();
    let (seen, hang, finished) = Default::default();
    let probe = Probe {
        seen: Arc::clone(&seen),
        hang: Arc::clone(&hang),
        finished: Arc::clone(&finished),
        at: None,
    };
    let config = InstanceConfig::new(3, None);
    let handle = InstanceHandle::spawn(config, events_tx, move || {
        Box::new(probe) as Box<dyn Analyzer<Summary = u64>>
    })
    .unwrap();
    let (producer, consumer) = ring(1 << 16).unwrap();
    let consumed = Arc::new(ConsumedCell::new());
    let instance_ring = InstanceRing { id: 7, consumer, consumed: Arc::clone(&consumed) };
    handle.send(InstanceCommand::AddRing(Box::new(instance_ring))).unwrap();
    Rig { handle, events, producer, consumed, seen, hang, finished }
}

fn push(producer: &mut Producer, first: u8, count: usize) {
    for _ in 0..count {
        let meta = RecordMeta {
            timestamp_ns: 1,
            frame_len: 60,
            flow_hash: 0,
            fraction_ppb: 1_000_000_000,
            wire: 0,
            direction: Direction::AtoB,
            ip_checksum: Checksum::Unknown,
            l4_checksum: Checksum::Unknown,
            escalated: false,
            epoch: 0,
        };
        let data = [first; 60];
        producer.push(&meta, u32::MAX, [&data[..]].into_iter()).unwrap();
    }
    producer.publish();
}

fn wait(what: &str, mut condition: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(60);
    while !condition() {
        assert!(Instant::now() < end, "waited a minute for {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn counters(cell: &ConsumedCell) -> InstanceCounters {
    let mut words = [0; InstanceCounters::WORDS];
    while !cell.read_into(&mut words) {}
    InstanceCounters::from_words(words)
}

#[test]
fn a_stop_with_drain_analyses_everything_first() {
    let mut rig = rig();
    push(&mut rig.producer, 1, 500);
    rig.handle.send(InstanceCommand::Stop { drain: true }).unwrap();
    push(&mut rig.producer, 1, 100);
    wait("the records", || rig.seen.load(Ordering::Acquire) == 600);
    assert_eq!(rig.handle.state(), InstanceState::Running, "the producer may still add");
    drop(rig.producer);
    let done = rig.events.recv_timeout(Duration::from_secs(60)).unwrap();
    assert!(matches!(done, InstanceEvent::RingDone { instance: 3, ring: 7 }));
    let ended = rig.events.recv_timeout(Duration::from_secs(60)).unwrap();
    assert!(matches!(ended, InstanceEvent::Ended { instance: 3 }));
    assert!(rig.finished.load(Ordering::Acquire));
    rig.handle.join();
    let c = counters(&rig.consumed);
    assert_eq!((c.taken, c.analysed, c.in_hand(), c.bytes), (600, 600, 0, 36_000));
}

#[test]
fn a_panic_ends_the_instance_and_its_records_are_lost_in_crash() {
    let mut rig = rig();
    push(&mut rig.producer, 1, 10);
    wait("the first records", || counters(&rig.consumed).analysed == 10);
    rig.handle.send(InstanceCommand::Pause).unwrap();
    wait("the pause", || rig.handle.state() == InstanceState::Paused);
    push(&mut rig.producer, 2, 5);
    push(&mut rig.producer, 0xdd, 1);
    rig.handle.send(InstanceCommand::Resume).unwrap();
    let event = rig.events.recv_timeout(Duration::from_secs(60)).unwrap();
    let InstanceEvent::Crashed(report) = event else { panic!("{event:?}") };
    assert_eq!(report.message, "a packet of death");
    assert_eq!(report.blame.profile.as_deref(), Some("Probe"));
    let culprit = &report.packets[report.blame.record.unwrap()];
    assert_eq!(culprit.data, [0xdd; 60]);
    assert_eq!(rig.handle.state(), InstanceState::Crashed);
    rig.handle.join();
    let c = counters(&rig.consumed);
    assert_eq!((c.taken, c.analysed, c.lost_in_crash, c.in_hand()), (16, 10, 6, 0));
}

#[test]
fn a_hang_stops_the_heartbeat_and_an_abandoned_thread_touches_no_ring() {
    let mut rig = rig();
    rig.hang.store(true, Ordering::Release);
    push(&mut rig.producer, 1, 4);
    wait("the records to be in hand", || counters(&rig.consumed).in_hand() == 4);
    let beat = rig.handle.heartbeat();
    push(&mut rig.producer, 1, 50);
    std::thread::sleep(Duration::from_millis(20));
    assert_eq!(rig.handle.heartbeat(), beat);
    rig.handle.abandon();
    rig.hang.store(false, Ordering::Release);
    wait("the thread to end", || rig.events.try_recv().is_ok());
    let c = counters(&rig.consumed);
    assert_eq!((c.taken, c.analysed), (4, 0), "the closed account is not touched");
    assert!(!rig.finished.load(Ordering::Acquire));
}

#[test]
fn a_retired_ring_is_discarded_and_counted() {
    let mut rig = rig();
    rig.handle.send(InstanceCommand::Pause).unwrap();
    wait("the pause", || rig.handle.state() == InstanceState::Paused);
    push(&mut rig.producer, 1, 30);
    rig.handle.send(InstanceCommand::RetireRing(7)).unwrap();
    let done = rig.events.recv_timeout(Duration::from_secs(60)).unwrap();
    assert!(matches!(done, InstanceEvent::RingDone { ring: 7, .. }));
    let c = counters(&rig.consumed);
    assert_eq!((c.taken, c.analysed, c.discarded), (30, 0, 30));
    let (reply, answer) = bounded(1);
    rig.handle.send(InstanceCommand::Summary(reply)).unwrap();
    assert_eq!(answer.recv_timeout(Duration::from_secs(60)).unwrap(), 0);
    rig.handle.send(InstanceCommand::Stop { drain: false }).unwrap();
    rig.handle.join();
    assert!(rig.finished.load(Ordering::Acquire));
}
