use super::*;
use proptest::prelude::*;

fn direction_counters() -> DirectionCounters {
    DirectionCounters {
        rx: 1000,
        tx: 980,
        tx_full: 9,
        tx_invalid: 1,
        link_down: 3,
        blocked: 7,
        selected: 100,
        escalated: 2,
    }
}

fn tap_counters() -> TapCounters {
    TapCounters {
        offered: 100,
        enqueued: 90,
        enqueued_bytes: 9000,
        ring_full: 8,
        oversize: 2,
        no_instance: 0,
        truncated: 5,
    }
}

fn live_ring() -> RingAccount {
    RingAccount {
        published: 40,
        consumed: InstanceCounters { taken: 36, analysed: 30, discarded: 2, ..Default::default() },
    }
}

/// A ring whose instance crashed with 3 in hand, and of which 7 were never taken.
fn retired_ring() -> RingAccount {
    let crashed = InstanceCounters { taken: 43, analysed: 40, ..Default::default() };
    RingAccount { published: 50, consumed: crashed.closed(7) }
}

fn exact() -> LedgerSnapshot {
    LedgerSnapshot {
        taken_at_ns: 1_795_392_000_000_000_123,
        sequence: 17,
        wires: vec![WireLedger::new("edge", 1, Direction::AtoB, direction_counters())],
        taps: vec![TapLedger::new(1, 0, tap_counters())],
        behind: vec![BehindLedger::new(1, 0, 90, [retired_ring(), live_ring()])],
        selection: vec![SelectionLedger::new(1, Distribute::Shard, 100, &CopiesDue::new(1), 100)],
    }
}

#[test]
fn an_account_that_holds_is_exact() {
    let ledger = exact();
    assert!(ledger.is_exact(), "{ledger}");
    assert!(!ledger.is_settled(), "records are under way");
    assert_eq!(ledger.residuals().len(), 4);
    let behind = &ledger.behind[0];
    assert_eq!((behind.analysed, behind.discarded, behind.lost_in_crash), (70, 9, 3));
    assert_eq!((behind.in_ring, behind.in_hand), (4, 4));
    assert!(LedgerSnapshot::default().is_settled());
}

/// What is done to an exact ledger, the account in which it must show, and its residual.
type Break = (fn(&mut LedgerSnapshot), &'static str, i64);

#[test]
fn one_packet_too_many_or_too_few_shows_in_its_account() {
    let breaks: [Break; 7] = [
        (|ledger| ledger.wires[0].counters.rx += 1, "wire edge a_to_b worker 1", 1),
        (|ledger| ledger.wires[0].counters.link_down += 1, "wire edge a_to_b worker 1", -1),
        (|ledger| ledger.taps[0].counters.ring_full -= 1, "tap worker 1 instance 0", 1),
        (|ledger| ledger.taps[0].counters.no_instance += 1, "tap worker 1 instance 0", -1),
        (|ledger| ledger.selection[0].offered -= 1, "selection worker 1", -1),
        (|ledger| ledger.behind[0].enqueued += 1, "behind worker 1 instance 0", 1),
        (|ledger| ledger.behind[0].analysed += 1, "behind worker 1 instance 0", -1),
    ];
    for (tamper, account, residual) in breaks {
        let mut ledger = exact();
        tamper(&mut ledger);
        assert!(!ledger.is_exact());
        let wrong: Vec<_> = ledger.residuals().into_iter().filter(|row| !row.is_exact()).collect();
        assert_eq!(wrong, [Residual { account: account.to_owned(), residual, negative: false }]);
        assert!(ledger.to_string().contains(&format!("{account}: residual {residual}")));
    }
}

#[test]
fn terms_that_are_not_part_of_an_equation_do_not_matter() {
    let mut ledger = exact();
    ledger.wires[0].counters.escalated += 1;
    ledger.taps[0].counters.truncated += 1;
    assert!(ledger.is_exact());
}

#[test]
fn a_consumer_that_took_more_than_was_published_is_wrong_though_the_sums_agree() {
    let ring = RingAccount {
        published: 40,
        consumed: InstanceCounters { taken: 41, analysed: 41, ..Default::default() },
    };
    let ledger =
        LedgerSnapshot { behind: vec![BehindLedger::new(2, 1, 40, [ring])], ..Default::default() };
    assert_eq!((ledger.behind[0].residual, ledger.behind[0].in_ring), (0, -1));
    assert!(!ledger.is_exact());
    assert!(ledger.residuals()[0].negative);
    assert!(ledger.to_string().contains("a term is negative"));
}

#[test]
fn the_ring_is_a_witness_of_what_the_tap_enqueued() {
    let ledger = BehindLedger::new(1, 0, 41, [live_ring()]);
    assert_eq!(ledger.residual, 1, "the tap claims a record that the ring does not know");
}

#[test]
fn due_copies_follow_changes_of_the_factor() {
    let mut copies = CopiesDue::new(Distribute::Shard.factor(3));
    assert_eq!(copies.due(10), 10);
    copies.change(10, Distribute::Replicate.factor(3));
    assert_eq!((copies.factor(), copies.due(10), copies.due(14)), (3, 10, 22));
    copies.change(14, Distribute::Replicate.factor(5));
    copies.change(14, Distribute::Shard.factor(0));
    assert_eq!(copies.due(20), 22);
    let row = SelectionLedger::new(1, Distribute::Shard, 20, &copies, 22);
    assert_eq!((row.due, row.residual, row.factor), (22, 0, 0));
}

#[test]
fn sums_go_over_workers_and_keep_wires_directions_and_instances_apart() {
    let mut ledger = exact();
    ledger.wires.push(WireLedger::new("edge", 2, Direction::AtoB, direction_counters()));
    ledger.wires.push(WireLedger::new("edge", 2, Direction::BtoA, direction_counters()));
    ledger.wires.push(WireLedger::new("core", 2, Direction::AtoB, direction_counters()));
    ledger.taps.push(TapLedger::new(2, 0, tap_counters()));
    ledger.taps.push(TapLedger::new(2, 1, tap_counters()));
    ledger.behind.push(BehindLedger::new(2, 0, 40, [live_ring()]));
    ledger.selection.push(SelectionLedger::new(2, Distribute::Shard, 7, &CopiesDue::new(1), 7));
    let sum = ledger.summed();
    assert!(sum.is_exact(), "{sum}");
    assert_eq!((sum.taken_at_ns, sum.sequence), (ledger.taken_at_ns, ledger.sequence));
    let wires: Vec<_> = sum
        .wires
        .iter()
        .map(|row| (row.wire.as_str(), row.direction, row.counters.rx, row.worker))
        .collect();
    assert_eq!(
        wires,
        [
            ("edge", Direction::AtoB, 2000, None),
            ("edge", Direction::BtoA, 1000, None),
            ("core", Direction::AtoB, 1000, None),
        ]
    );
    assert_eq!(sum.taps.iter().map(|row| row.counters.offered).collect::<Vec<_>>(), [200, 100]);
    assert_eq!((sum.behind.len(), sum.behind[0].enqueued, sum.behind[0].in_ring), (1, 130, 8));
    assert_eq!((sum.selection[0].selected, sum.selection[0].offered), (107, 107));
    assert_eq!(sum.summed(), sum);
}

#[test]
fn json_has_the_words_of_the_design_and_round_trips() {
    let ledger = exact();
    let json = serde_json::to_value(&ledger).unwrap();
    let wire = &json["wires"][0];
    assert_eq!(wire["wire"], "edge");
    assert_eq!(wire["direction"], "a_to_b");
    assert_eq!((&wire["rx"], &wire["residual"]), (&1000.into(), &0.into()));
    assert_eq!(json["behind"][0]["lost_in_crash"], 3);
    assert_eq!(json["selection"][0]["distribute"], "shard");
    assert_eq!(serde_json::from_value::<LedgerSnapshot>(json).unwrap(), ledger);
}

#[test]
fn the_text_is_readable_tables() {
    let expected = "\
ledger 17 at 1795392000.000000123 s since the epoch

wires: rx = tx + tx_full + tx_invalid + link_down + blocked
  wire  worker  direction    rx   tx  tx_full  tx_invalid  link_down  blocked  residual  selected  escalated
  edge  1       a_to_b     1000  980        9           1          3        7         0       100          2

selection: offered = selected x factor (due)
  worker  distribute  selected  factor  due  offered  residual
  1       shard            100       1  100      100         0

taps: offered = enqueued + ring_full + oversize + no_instance
  worker  instance  offered  enqueued  ring_full  oversize  no_instance  residual  truncated  bytes
  1       0             100        90          8         2            0         0          5   9000

behind the rings: enqueued = analysed + discarded + in_ring + in_hand + lost_in_crash
  worker  instance  enqueued  analysed  discarded  in_ring  in_hand  lost_in_crash  residual
  1       0               90        70          9        4        4              3         0

exact: every residual is 0
";
    assert_eq!(exact().to_string(), expected);
}

/// What can happen to a record after the tap has enqueued it.
#[derive(Clone, Copy, Debug)]
enum Fate {
    Enqueue,
    Take,
    Analyse,
    Discard,
    Crash,
}

fn any_fate() -> impl Strategy<Value = Fate> {
    prop_oneof![
        5 => Just(Fate::Enqueue),
        4 => Just(Fate::Take),
        4 => Just(Fate::Analyse),
        1 => Just(Fate::Discard),
        1 => Just(Fate::Crash),
    ]
}

proptest! {
    #[test]
    fn every_history_of_incarnations_is_exact_at_every_step(
        fates in prop::collection::vec(any_fate(), 0..300)
    ) {
        let (mut enqueued, mut retired, mut live) = (0, Vec::new(), RingAccount::default());
        for fate in fates {
            let consumed = &mut live.consumed;
            match fate {
                Fate::Enqueue => {
                    enqueued += 1;
                    live.published += 1;
                }
                Fate::Take if consumed.taken < live.published => consumed.taken += 1,
                Fate::Analyse if consumed.in_hand() > 0 => consumed.analysed += 1,
                Fate::Discard if consumed.in_hand() > 0 => consumed.discarded += 1,
                Fate::Crash => {
                    *consumed = consumed.closed(live.published - consumed.taken);
                    retired.push(std::mem::take(&mut live));
                }
                _ => {}
            }
            let row = BehindLedger::new(1, 0, enqueued, retired.iter().copied().chain([live]));
            let ledger = LedgerSnapshot { behind: vec![row], ..Default::default() };
            prop_assert!(ledger.is_exact(), "{}", ledger);
        }
    }
}
