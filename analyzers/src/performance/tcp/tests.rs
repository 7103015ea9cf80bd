//! Made-up connections, segment by segment. Expectations are Wireshark 4.4's.

use proptest::prelude::*;
use umbra_wire::tcp::flag::{ACK, FIN, PSH, RST, SYN};

use super::connection::{Connection, Manner, Segment};
use super::verdict::Verdicts;
use crate::decode::SackBlocks;
use crate::events::{FlowPerformance, PerDirection, Timestamp};

const MS: u64 = 1_000_000;
const CLIENT: bool = true;
const SERVER: bool = false;

/// A connection with a handshake of 10 ms that began at sequence numbers 100 and 900.
struct Talk {
    connection: Connection,
    now_us: u64,
    manner: Manner,
}

impl Talk {
    fn new() -> Self {
        let mut talk = Self::midstream();
        talk.says(0, CLIENT, SYN, 100, 0, 0);
        talk.says(6_000, SERVER, SYN | ACK, 900, 101, 0);
        talk.says(4_000, CLIENT, ACK, 101, 901, 0);
        talk
    }

    fn midstream() -> Self {
        Self { connection: Connection::default(), now_us: 1_000_000, manner: Manner::Current }
    }

    fn segment(&self, to_server: bool, flags: u16, seq: u32, ack: u32, len: u32) -> Segment {
        Segment {
            to_server,
            at: Timestamp::from_micros(self.now_us),
            seq,
            ack,
            flags,
            window: 1000,
            scale: None,
            sack: SackBlocks::default(),
            len,
        }
    }

    fn takes(&mut self, segment: &Segment) -> Verdicts {
        self.connection.judge(segment, self.manner)
    }

    fn says(
        &mut self,
        after_us: u64,
        to: bool,
        flags: u16,
        seq: u32,
        ack: u32,
        len: u32,
    ) -> Verdicts {
        self.now_us += after_us;
        self.takes(&self.segment(to, flags, seq, ack, len))
    }

    fn selects(&mut self, to: bool, seq: u32, ack: u32, blocks: &[(u32, u32)]) -> Verdicts {
        let mut segment = self.segment(to, ACK, seq, ack, 0);
        segment.sack = SackBlocks::new(blocks.iter().copied());
        self.takes(&segment)
    }

    fn with_window(&mut self, to: bool, seq: u32, ack: u32, len: u32, window: u16) -> Verdicts {
        let segment = Segment { window, ..self.segment(to, ACK, seq, ack, len) };
        self.takes(&segment)
    }

    fn figures(&self) -> FlowPerformance {
        let mut figures = FlowPerformance::default();
        self.connection.report(false, &mut figures);
        figures
    }
}

fn only(verdict: u16) -> Verdicts {
    let mut verdicts = Verdicts::default();
    verdicts.insert(verdict);
    verdicts
}

const NONE: u16 = 0;

#[test]
fn an_ordinary_connection_has_nothing_to_report() {
    let mut talk = Talk::new();
    for (to, flags, seq, ack, len) in [
        (CLIENT, ACK | PSH, 101, 901, 200),
        (SERVER, ACK, 901, 301, 0),
        (SERVER, ACK, 901, 301, 500),
        (SERVER, ACK | PSH, 1401, 301, 300),
        (CLIENT, ACK, 301, 1701, 0),
        (SERVER, ACK | FIN, 1701, 301, 0),
        (CLIENT, ACK | FIN, 301, 1702, 0),
        (SERVER, ACK, 1702, 302, 0),
    ] {
        assert_eq!(talk.says(1_000, to, flags, seq, ack, len), only(NONE));
    }
    let figures = talk.figures();
    assert_eq!(figures.retransmissions, Some(PerDirection::default()));
    assert!(!figures.partial);
}

#[test]
fn what_was_sent_and_not_acknowledged_is_a_retransmission_however_soon() {
    let mut talk = Talk::new();
    talk.says(0, CLIENT, ACK, 101, 901, 100);
    assert_eq!(talk.says(100, CLIENT, ACK, 101, 901, 100), only(Verdicts::RETRANSMISSION));
    // Later in 4.0: it ends where the highest one did.
    talk.says(0, CLIENT, ACK, 201, 901, 100);
    assert_eq!(talk.says(100, CLIENT, ACK, 101, 901, 100), only(Verdicts::RETRANSMISSION));
    talk.manner = Manner::V40;
    assert_eq!(talk.says(100, CLIENT, ACK, 101, 901, 100), only(Verdicts::OUT_OF_ORDER));
    assert_eq!(talk.figures().retransmissions.unwrap().to_server, 2);
}

#[test]
fn a_hole_filled_within_the_initial_round_trip_time_is_reordering() {
    for (after_us, verdict) in [(9_999, Verdicts::OUT_OF_ORDER), (10_000, Verdicts::RETRANSMISSION)]
    {
        let mut talk = Talk::new();
        assert_eq!(talk.says(0, CLIENT, ACK, 201, 901, 100), only(Verdicts::LOST_SEGMENT));
        assert_eq!(talk.says(after_us, CLIENT, ACK, 101, 901, 100), only(verdict));
    }
    // No handshake was seen: 3 ms.
    for (after_us, verdict) in [(2_999, Verdicts::OUT_OF_ORDER), (3_000, Verdicts::RETRANSMISSION)]
    {
        let mut talk = Talk::midstream();
        talk.says(0, CLIENT, ACK, 1, 901, 100);
        talk.says(0, CLIENT, ACK, 201, 901, 100);
        assert_eq!(talk.says(after_us, CLIENT, ACK, 101, 901, 100), only(verdict));
    }
}

#[test]
fn what_comes_before_its_time_is_never_soon() {
    let mut talk = Talk::new();
    talk.says(5_000, CLIENT, ACK, 201, 901, 100);
    talk.now_us -= 1_000;
    assert_eq!(talk.says(0, CLIENT, ACK, 101, 901, 100), only(Verdicts::RETRANSMISSION));
}

#[test]
fn two_duplicate_acks_make_a_retransmission_fast_for_20_ms() {
    let fast = Verdicts::RETRANSMISSION | Verdicts::FAST_RETRANSMISSION;
    for (after_us, verdict) in [(19_999, fast), (20_000, Verdicts::RETRANSMISSION)] {
        let mut talk = Talk::new();
        talk.says(0, CLIENT, ACK, 101, 901, 100);
        talk.says(0, CLIENT, ACK, 201, 901, 100);
        assert_eq!(talk.says(11_000, SERVER, ACK, 901, 101, 0), only(Verdicts::DUPLICATE_ACK));
        assert_eq!(talk.says(10, SERVER, ACK, 901, 101, 0), only(Verdicts::DUPLICATE_ACK));
        assert_eq!(talk.says(after_us, CLIENT, ACK, 101, 901, 100), only(verdict));
    }
}

#[test]
fn what_sack_leaves_out_is_sent_again_fast_as_well() {
    let mut talk = Talk::new();
    for seq in [101, 201, 301, 401, 501] {
        talk.says(0, CLIENT, ACK, seq, 901, 100);
    }
    for blocks in [&[(201, 301)][..], &[(401, 501), (201, 301)][..]] {
        assert_eq!(talk.selects(SERVER, 901, 101, blocks), only(Verdicts::DUPLICATE_ACK));
    }
    let fast = only(Verdicts::RETRANSMISSION | Verdicts::FAST_RETRANSMISSION);
    assert_eq!(talk.says(11_000, CLIENT, ACK, 301, 901, 100), fast);
    assert_eq!(talk.says(0, CLIENT, ACK, 401, 901, 100), only(Verdicts::RETRANSMISSION));
    talk.manner = Manner::V40;
    assert_ne!(talk.says(0, CLIENT, ACK, 301, 901, 100), fast);
}

#[test]
fn what_was_acknowledged_is_sent_again_in_vain_also_where_it_was_not_seen() {
    let mut talk = Talk::new();
    let spurious = only(Verdicts::RETRANSMISSION | Verdicts::SPURIOUS_RETRANSMISSION);
    talk.says(0, CLIENT, ACK, 101, 901, 100);
    assert_eq!(talk.says(10, SERVER, ACK, 901, 401, 0), only(Verdicts::ACKED_UNSEEN));
    assert_eq!(talk.says(10, CLIENT, ACK, 101, 901, 100), spurious);
    assert_eq!(talk.says(10, CLIENT, ACK, 201, 901, 200), spurious);
    assert!(talk.figures().partial);
}

#[test]
fn a_fin_that_repeats_is_a_retransmission_and_a_syn_soon_after_its_answer_reordering() {
    let mut talk = Talk::new();
    assert_eq!(talk.says(100, SERVER, SYN | ACK, 900, 101, 0), only(Verdicts::OUT_OF_ORDER));
    talk.says(0, CLIENT, ACK | FIN, 101, 901, 0);
    talk.says(0, SERVER, ACK, 901, 102, 0);
    assert_eq!(talk.says(10, CLIENT, ACK | FIN, 101, 901, 0), only(Verdicts::RETRANSMISSION));
}

#[test]
fn keep_alives_repeat_a_byte_and_their_answers_are_no_duplicates() {
    let mut talk = Talk::new();
    talk.says(0, CLIENT, ACK, 101, 901, 100);
    talk.says(0, SERVER, ACK, 901, 201, 0);
    for len in [0, 1] {
        assert_eq!(talk.says(MS, CLIENT, ACK, 200, 901, len), only(Verdicts::KEEP_ALIVE));
        assert_eq!(talk.says(10, SERVER, ACK, 901, 201, 0), only(NONE));
    }
    talk.says(10, CLIENT, ACK, 201, 901, 0);
    assert_eq!(talk.says(10, SERVER, ACK, 901, 201, 0), only(Verdicts::DUPLICATE_ACK));
    assert_eq!(talk.figures().keep_alives, Some(PerDirection { to_server: 2, to_client: 0 }));
}

#[test]
fn a_closed_window_is_probed_and_its_probe_moves_nothing() {
    let mut talk = Talk::new();
    talk.says(0, CLIENT, ACK, 101, 901, 100);
    assert_eq!(talk.with_window(SERVER, 901, 201, 0, 0), only(Verdicts::ZERO_WINDOW));
    assert_eq!(talk.says(MS, CLIENT, ACK, 201, 901, 1), only(Verdicts::ZERO_WINDOW_PROBE));
    assert_eq!(talk.with_window(SERVER, 901, 201, 0, 0), only(Verdicts::ZERO_WINDOW));
    assert_eq!(talk.with_window(SERVER, 901, 201, 0, 1000), only(NONE));
    assert_eq!(talk.says(MS, CLIENT, ACK, 201, 901, 100), only(NONE));
    assert_eq!(talk.figures().zero_windows, Some(PerDirection { to_server: 0, to_client: 2 }));
}

#[test]
fn a_full_window_is_scaled_where_both_ends_agreed_to() {
    for (scales, len) in
        [([Some(2), Some(1)], 2000), ([Some(2), None], 1000), ([None, Some(1)], 1000)]
    {
        let mut talk = Talk::midstream();
        let syn = talk.segment(CLIENT, SYN, 100, 0, 0);
        talk.takes(&Segment { scale: scales[0], ..syn });
        let syn_ack = talk.segment(SERVER, SYN | ACK, 900, 101, 0);
        talk.takes(&Segment { scale: scales[1], ..syn_ack });
        talk.says(0, CLIENT, ACK, 101, 901, 0);
        talk.says(0, SERVER, ACK, 901, 101, 0);
        assert_eq!(talk.says(0, CLIENT, ACK, 101, 901, len - 1), only(NONE));
        assert_eq!(talk.says(0, CLIENT, ACK, 100 + len, 901, 1), only(Verdicts::WINDOW_FULL));
    }
}

#[test]
fn a_window_that_changed_is_an_update_unless_sack_says_otherwise() {
    let mut talk = Talk::new();
    talk.says(0, CLIENT, ACK, 101, 901, 100);
    assert_eq!(talk.with_window(SERVER, 901, 101, 0, 900), only(NONE));
    let mut selective = talk.segment(SERVER, ACK, 901, 101, 0);
    selective.sack = SackBlocks::new([(301, 401)].into_iter());
    assert_eq!(talk.takes(&selective), only(Verdicts::DUPLICATE_ACK));
}

#[test]
fn a_syn_with_another_number_begins_anew_and_what_was_counted_stays() {
    let mut talk = Talk::new();
    talk.says(0, CLIENT, ACK, 101, 901, 100);
    talk.says(10, CLIENT, ACK, 101, 901, 100);
    talk.says(10, CLIENT, RST, 201, 0, 0);
    for (to, flags, seq, ack) in
        [(CLIENT, SYN, 50, 0), (SERVER, SYN | ACK, 7, 51), (CLIENT, ACK, 51, 8)]
    {
        assert_eq!(talk.says(10, to, flags, seq, ack, 0), only(NONE));
    }
    let figures = talk.figures();
    assert_eq!(figures.retransmissions.unwrap().to_server, 1);
    assert_eq!(figures.resets.unwrap().to_server, 1);
}

#[test]
fn state_is_as_small_as_it_is_said_to_be() {
    assert_eq!(size_of::<Connection>(), 128);
    assert_eq!(size_of::<super::half::Half>(), 48);
    assert_eq!(size_of::<super::half::Rare>(), 116);
}

proptest! {
    /// Sequence space is a circle.
    #[test]
    fn verdicts_do_not_depend_on_where_numbers_begin(
        steps in prop::collection::vec(
            (any::<bool>(), 0u32..8, 0u32..8, 0u32..3, 0u64..30_000, 0usize..6), 1..80),
        bases in any::<(u32, u32)>(),
    ) {
        let mut talks = [Talk::midstream(), Talk::midstream()];
        for (to, seq, ack, len, after_us, kind) in steps {
            let flags = [ACK, ACK, ACK, ACK, ACK | FIN, RST][kind];
            let mut verdicts = Vec::new();
            for (talk, (client, server)) in talks.iter_mut().zip([(1, 1), bases]) {
                let (own, other) = if to == CLIENT { (client, server) } else { (server, client) };
                let (seq, ack) = (own.wrapping_add(seq * 100), other.wrapping_add(ack * 100));
                verdicts.push(talk.says(after_us, to, flags, seq, ack, len * 100));
            }
            prop_assert_eq!(verdicts[0], verdicts[1]);
            prop_assert!(!verdicts[0].has(Verdicts::FAST_RETRANSMISSION | Verdicts::SPURIOUS_RETRANSMISSION)
                || verdicts[0].has(Verdicts::RETRANSMISSION));
        }
    }
}
