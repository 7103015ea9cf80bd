//! The worker loop on memory, with the faults that ports have.

mod common;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use common::{Rig, RigOptions, assert_exact, knobs, settings, wait};
use umbra_forward::io::TxLimits;
use umbra_forward::mem::{Faults, MemChange, MemFrame};
use umbra_forward::{Command, Event};
use umbra_tap::{Distribute, MatchSetBuilder, Select, Verdict};

fn options(faults: Vec<Faults>, percentage: f64) -> RigOptions {
    RigOptions {
        faults,
        instances: 1,
        ring_bytes: 1 << 20,
        depth: 4096,
        settings: settings(percentage, Distribute::Shard),
        seed: 42,
    }
}

/// An IPv4/UDP frame of `len` bytes with the sequence number at its end.
fn frame(flow: u16, sequence: u32, len: usize) -> Vec<u8> {
    let mut f = vec![0u8; len.max(64)];
    f[12..14].copy_from_slice(&[0x08, 0x00]);
    f[14] = 0x45;
    let ip_len = (f.len() - 14) as u16;
    f[16..18].copy_from_slice(&ip_len.to_be_bytes());
    f[22] = 64;
    f[23] = 17;
    f[26..30].copy_from_slice(&[10, 0, 0, 1]);
    f[30..34].copy_from_slice(&[10, 0, 0, 2]);
    f[34..36].copy_from_slice(&flow.to_be_bytes());
    f[36..38].copy_from_slice(&53u16.to_be_bytes());
    let n = f.len();
    f[n - 4..].copy_from_slice(&sequence.to_be_bytes());
    f
}

#[test]
fn frames_leave_as_they_came_and_in_order() {
    let mut rig = Rig::start(options(vec![Faults::default(); 2], 100.0));
    let sent: Vec<_> = (0..3000).map(|i| frame(i as u16 % 7, i, 64 + i as usize % 1400)).collect();
    for f in &sent {
        rig.ends[0].input.send(MemFrame::segmented(f.clone(), 200)).unwrap();
    }
    rig.settle();
    let got: Vec<_> = rig.ends[0].output.try_iter().map(|f| f.bytes().to_vec()).collect();
    assert_eq!(got.len(), sent.len());
    assert!(got == sent, "every frame out equals the frame in");

    // The mirror holds the same bytes, over segment borders too, with the verdict.
    let mut mirrored = Vec::new();
    loop {
        let batch = rig.consumers[0].take(64);
        let before = mirrored.len();
        for record in batch.iter() {
            assert_eq!(record.verdict, Verdict::Forwarded);
            mirrored.push(record.data.to_vec());
        }
        if mirrored.len() == before {
            break;
        }
    }
    assert_eq!(mirrored.len() as u64, rig.snapshot().taps[0][0].counters.enqueued);
    let last = rig.stop();
    assert_exact(&last);
    assert_eq!(last.lanes[0].tx, 3000);
    assert_eq!(last.taps[0][0].counters.offered, 3000);
    assert_eq!(&mirrored[..100], &sent[..100]);
}

#[test]
fn short_and_refused_tx_is_counted_and_what_went_stays_in_order() {
    let faults = Faults { short_tx: 400, no_tx: 300, empty_rx: 200, ..Faults::default() };
    let mut rig = Rig::start(options(vec![faults; 2], 37.5));
    for i in 0..4000 {
        rig.ends[1].input.send(MemFrame::new(frame(i as u16 % 9, i, 80))).unwrap();
    }
    rig.settle();
    let got: Vec<u32> = rig.ends[1]
        .output
        .try_iter()
        .map(|f| u32::from_be_bytes(f.bytes()[76..80].try_into().unwrap()))
        .collect();
    assert!(got.windows(2).all(|w| w[0] < w[1]), "order holds");
    let last = rig.stop();
    assert_exact(&last);
    assert_eq!(last.lanes[1].rx, 4000);
    assert_eq!(last.lanes[1].tx, got.len() as u64);
    assert!(last.lanes[1].tx_full > 0 && last.worker.tx_retries > 0, "{last:?}");
}

#[test]
fn a_stuck_tx_does_not_stall_the_other_wire() {
    let stuck = Faults { no_tx: 1000, ..Faults::default() };
    let ok = Faults::default();
    let mut rig = Rig::start(options(vec![stuck, ok, ok, ok], 0.0));
    for i in 0..2000 {
        rig.ends[0].input.send(MemFrame::new(frame(1, i, 64))).unwrap();
        rig.ends[2].input.send(MemFrame::new(frame(2, i, 64))).unwrap();
    }
    rig.settle();
    let last = rig.stop();
    assert_exact(&last);
    assert_eq!(last.lanes[0].tx_full, 2000);
    assert_eq!(last.lanes[2].tx, 2000);
    assert!(last.worker.tx_retries <= 8, "retried {} times", last.worker.tx_retries);
}

#[test]
fn a_frozen_instance_costs_the_shadow_and_not_the_wire() {
    let mut opts = options(vec![Faults::default(); 2], 100.0);
    opts.ring_bytes = 4096;
    let mut rig = Rig::start(opts);
    for i in 0..4000 {
        rig.ends[0].input.send(MemFrame::new(frame(1, i, 128))).unwrap();
    }
    rig.settle();
    assert_eq!(rig.ends[0].output.len(), 4000, "production lost nothing");
    let s = rig.snapshot();
    assert_exact(&s);
    assert!(s.taps[0][0].counters.ring_full > 3000);
    assert_eq!(s.taps[0][0].published_records, s.taps[0][0].counters.enqueued);

    // Replaced: a new ring takes over, the old producer comes back with its final count.
    let (producer, mut fresh) = umbra_tap::ring(1 << 16).unwrap();
    rig.attach(0, 99, producer);
    let detached = rig.events.recv_timeout(std::time::Duration::from_secs(10)).unwrap();
    let Event::Detached { ring: 1, producer } = detached else { panic!("{detached:?}") };
    assert_eq!(producer.published_records(), s.taps[0][0].counters.enqueued);
    rig.ends[0].input.send(MemFrame::new(frame(1, 1, 128))).unwrap();
    rig.settle();
    assert_eq!(fresh.take(8).iter().count(), 1);
    let last = rig.stop();
    assert_exact(&last);
    assert_eq!(last.taps[0][0].ring, 99);
    assert_eq!(last.taps[0][0].published_records, 1);
}

#[test]
fn blocked_frames_do_not_leave_but_are_mirrored() {
    let mut rig = Rig::start(options(vec![Faults::default(); 2], 100.0));
    let mut k = knobs(settings(100.0, Distribute::Shard));
    let mut block = MatchSetBuilder::new();
    block.host("10.0.0.9".parse().unwrap());
    k.block = Arc::new(block.build());
    let (version, _) = rig.board.publish(k);
    wait("the block table to be in force", || rig.snapshot().knobs_version == version);
    let mut bad = frame(5, 0, 64);
    bad[29] = 9;
    for i in 0..100 {
        let f = if i % 4 == 0 { bad.clone() } else { frame(5, i, 64) };
        rig.ends[0].input.send(MemFrame::new(f)).unwrap();
    }
    rig.settle();
    assert_eq!(rig.ends[0].output.len(), 75);
    assert!(rig.ends[0].output.try_iter().all(|f| f.bytes()[29] != 9));
    let batch = rig.consumers[0].take(1000);
    let verdicts: Vec<_> = batch.iter().map(|r| (r.data[29] == 9, r.verdict)).collect();
    assert_eq!(verdicts.len(), 100);
    for (is_bad, verdict) in verdicts {
        assert_eq!(verdict, if is_bad { Verdict::Blocked } else { Verdict::Forwarded });
    }
    drop(batch);
    let last = rig.stop();
    assert_exact(&last);
    assert_eq!(last.lanes[0].blocked, 25);
}

#[test]
fn link_down_and_invalid_frames_are_counted_by_their_reason() {
    let mut rig = Rig::start(options(vec![Faults::default(); 2], 100.0));
    rig.links[0].store(false, Ordering::Release);
    rig.ends[0].input.send(MemFrame::new(frame(1, 1, 64))).unwrap();
    rig.settle();
    rig.links[0].store(true, Ordering::Release);
    let limits = TxLimits { min_len: 17, max_segments: 2 };
    rig.commands.send(Command::Io(MemChange { lane: 0, limits })).unwrap();
    let displaced = rig.displaced.recv_timeout(std::time::Duration::from_secs(10)).unwrap();
    assert_eq!(displaced, MemChange { lane: 0, limits: TxLimits::NONE });
    rig.ends[0].input.send(MemFrame::new(vec![1; 16])).unwrap();
    rig.ends[0].input.send(MemFrame::segmented(vec![2; 300], 100)).unwrap();
    rig.ends[0].input.send(MemFrame::segmented(vec![3; 200], 100)).unwrap();
    rig.settle();
    let verdicts: Vec<_> = rig.consumers[0].take(100).iter().map(|r| r.verdict).collect();
    use Verdict::{Forwarded, LinkDown, TxInvalid};
    assert_eq!(verdicts, [LinkDown, TxInvalid, TxInvalid, Forwarded]);
    let last = rig.stop();
    assert_exact(&last);
    let lane = last.lanes[0];
    assert_eq!((lane.link_down, lane.tx_invalid, lane.tx), (1, 2, 1));
}

#[test]
fn offered_is_selected_in_shard_and_selected_times_instances_in_replicate() {
    for (distribute, factor) in [(Distribute::Shard, 1), (Distribute::Replicate, 3)] {
        let mut opts = options(vec![Faults::default(); 2], 50.0);
        opts.instances = 3;
        opts.settings = settings(50.0, distribute);
        let mut rig = Rig::start(opts);
        for i in 0..3000u32 {
            rig.ends[0].input.send(MemFrame::new(frame(i as u16, i, 64))).unwrap();
        }
        rig.settle();
        let last = rig.stop();
        assert_exact(&last);
        let offered: u64 = last.taps[0].iter().map(|s| s.counters.offered).sum();
        let selected = last.lanes[0].selected;
        assert!((1200..1800).contains(&selected), "{selected} of 3000 at 50 %");
        assert_eq!(offered, selected * factor);
        if distribute == Distribute::Shard {
            assert!(last.taps[0].iter().all(|s| s.counters.offered > selected / 6));
        }
    }
}

#[test]
fn the_percentage_changes_while_traffic_flows_and_zero_selects_nothing() {
    let mut rig = Rig::start(options(vec![Faults::default(); 2], 0.0));
    let send = |rig: &Rig, n: u32| {
        for i in 0..n {
            rig.ends[0].input.send(MemFrame::new(frame(i as u16, i, 64))).unwrap();
        }
        rig.settle();
        let _ = rig.ends[0].output.try_iter().count();
        rig.snapshot().lanes[0].selected
    };
    assert_eq!(send(&rig, 1000), 0);
    for (percentage, select) in
        [(100.0, Select::Flow), (100.0, Select::Packet), (100.0, Select::Host)]
    {
        let before = rig.snapshot().lanes[0].selected;
        let mut s = settings(percentage, Distribute::Shard);
        s.select = select;
        s.epoch = 1;
        let (version, _) = rig.board.publish(knobs(s));
        wait("the percentage", || rig.snapshot().knobs_version == version);
        assert_eq!(send(&rig, 1000) - before, 1000, "{select:?}");
    }
    let mut off = settings(100.0, Distribute::Shard);
    off.enabled = false;
    let (version, _) = rig.board.publish(knobs(off));
    wait("off", || rig.snapshot().knobs_version == version);
    let before = rig.snapshot().lanes[0].selected;
    assert_eq!(send(&rig, 1000), before, "a disabled shadow selects nothing");
    assert_exact(&rig.stop());
}

#[test]
fn an_escalated_host_is_selected_at_zero_percent() {
    let mut opts = options(vec![Faults::default(); 2], 0.0);
    let mut set = MatchSetBuilder::new();
    set.prefix("10.0.0.0".parse().unwrap(), 24).unwrap();
    opts.settings.escalation = Arc::new(set.build());
    let mut rig = Rig::start(opts);
    for i in 0..10 {
        let mut f = frame(3, i, 64);
        if i % 2 == 0 {
            f[26..30].copy_from_slice(&[172, 16, 0, 1]);
            f[30..34].copy_from_slice(&[172, 16, 0, 2]);
        }
        rig.ends[0].input.send(MemFrame::new(f)).unwrap();
    }
    rig.settle();
    let records: Vec<_> = rig.consumers[0]
        .take(100)
        .iter()
        .map(|r| (r.meta.escalated, r.meta.fraction_ppb))
        .collect();
    assert_eq!(records, [(true, 0); 5]);
    let last = rig.stop();
    assert_eq!((last.lanes[0].selected, last.lanes[0].escalated), (5, 5));
}
