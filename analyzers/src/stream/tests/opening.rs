//! Handshakes, whole and odd, and pickup in the middle.

use super::*;

#[test]
fn numbers_wrap() {
    let mut wire = Wire::with_isn(plain(), [u32::MAX - 3, u32::MAX]);
    wire.handshake();
    wire.client("across the wrap");
    wire.server("and back");
    wire.client(" of numbers");
    wire.server_ack();
    assert_eq!(wire.take(C), "across the wrap of numbers");
    assert_eq!(wire.take(S), "and back");
    assert_eq!(wire.session.half(C).stream_bytes(), 27);
}

#[test]
fn without_its_syn_a_connection_is_not_followed_unless_told() {
    let mut wire = Wire::new(plain());
    let taken = wire.at(C, ACK, 0, 0, "middle");
    assert!(!taken.accepted && !taken.added && taken.events.is_empty());
    assert_eq!(wire.session.state(), SessionState::None);
    assert_eq!(names(wire.at(C, RST, 0, 0, "")), "rst_but_no_session");
    assert_eq!(names(wire.at(C, FIN | ACK, 0, 0, "")), "fin_but_no_session");
    assert!(!wire.at(S, SYN | ACK, -1, 0, "").accepted);
    assert_eq!(wire.pool.sessions(), 0);
    // What came before the SYN is not the connection's.
    assert!(wire.session.is_passed_by());
    assert_eq!((wire.session.flags(C), wire.session.flags(S)), (0, 0));
    wire.at(C, SYN, -1, 0, "");
    assert!(!wire.session.is_passed_by());
    assert_eq!((wire.session.flags(C), wire.session.flags(S)), (SYN, 0));
    // Rejected, but seen.
    wire.at(C, SYN | ACK, -1, 0, "");
    assert_eq!(wire.session.flags(C), SYN | ACK);

    let mut wire = Wire::new(plain());
    wire.at(C, RST, 0, 0, "");
    wire.at(C, FIN | ACK, 0, 0, "");
    assert!(!wire.session.is_passed_by(), "no connection would have been picked up at these");

    let mut wire = Wire::new(StreamConfig { midstream: true, ..plain() });
    assert!(wire.at(C, ACK, 0, 0, "middle ").added);
    assert!(wire.session.is_midstream() && wire.session.is_established());
    assert!(wire.at(S, ACK, 0, 7, "answer").accepted);
    assert!(wire.at(C, ACK, 7, 6, "").accepted);
    assert_eq!((wire.take(C), wire.take(S)), ("middle ".to_owned(), "answer".to_owned()));
}

#[test]
fn a_syn_ack_first_opens_midstream() {
    let mut wire = Wire::new(StreamConfig { midstream: true, ..plain() });
    assert!(wire.at(S, SYN | ACK, -1, 0, "").accepted);
    assert_eq!(wire.session.state(), SessionState::SynRecv);
    assert!(wire.at(C, ACK, 0, 0, "").accepted);
    assert!(wire.session.is_established() && wire.session.is_midstream());
    wire.at(C, ACK, 0, 0, "hello");
    wire.at(S, ACK, 0, 5, "");
    assert_eq!(wire.take(C), "hello");
}

#[test]
fn the_client_may_be_the_flows_server() {
    let mut wire = Wire::new(plain());
    for (heading, flags) in [(S, SYN), (C, SYN | ACK), (S, ACK)] {
        assert!(names(wire.next(heading, flags, "")).is_empty());
    }
    assert!(wire.session.is_established());
}

#[test]
fn syn_acks_from_the_wrong_side_or_with_wrong_numbers() {
    let mut wire = Wire::new(plain());
    wire.next(C, SYN, "");
    assert_eq!(names(wire.at(C, SYN | ACK, 0, 0, "")), "3whs_synack_in_wrong_direction");
    assert_eq!(names(wire.at(S, SYN | ACK, -1, 1, "")), "3whs_synack_with_wrong_ack");
    assert!(wire.at(S, SYN | ACK, -1, 0, "").accepted);
    assert_eq!(names(wire.at(S, SYN | ACK, -1, 1, "")), "3whs_synack_resend_with_different_ack");
    assert_eq!(names(wire.at(C, SYN | ACK, 0, 0, "")), "3whs_synack_toserver_on_syn_recv");
    assert_eq!(names(wire.at(S, SYN, -1, 0, "")), "3whs_syn_toclient_on_syn_recv");
    assert_eq!(names(wire.at(C, SYN, 7, 0, "")), "3whs_syn_resend_diff_seq_on_syn_recv");
    assert_eq!(names(wire.at(C, SYN, -1, 0, "")), "");
    assert_eq!(names(wire.at(C, ACK, 0, 5, "")), "3whs_right_seq_wrong_ack_evasion");
    assert_eq!(names(wire.at(C, ACK, 5, 5, "")), "3whs_wrong_seq_wrong_ack");
    assert_eq!(wire.session.state(), SessionState::SynRecv);
    assert!(wire.at(C, ACK, 0, 0, "").accepted);
}

#[test]
fn the_syn_ack_that_the_client_answers_counts() {
    let mut wire = Wire::new(plain());
    wire.next(C, SYN, "");
    for number in [-1, 99, 199] {
        assert!(wire.at(S, SYN | ACK, number, 0, "").accepted);
    }
    assert!(wire.at(C, ACK, 0, 100, "").accepted);
    assert!(wire.session.is_established());
    assert_eq!(wire.session.half(S).isn(), 5100);
    wire.at(S, ACK, 100, 0, "from the second");
    wire.at(C, ACK, 0, 115, "");
    assert_eq!(wire.take(S), "from the second");

    let mut wire = Wire::new(plain());
    wire.next(C, SYN, "");
    let answers: Vec<_> = (0..8).map(|i| names(wire.at(S, SYN | ACK, i * 10 - 1, 0, ""))).collect();
    assert_eq!(answers[..6], ["", "", "", "", "", ""]);
    assert_eq!(answers[6..], ["3whs_synack_flood", "3whs_synack_flood"]);
}

#[test]
fn the_syn_that_is_answered_counts() {
    for answered in [14, 9, 5] {
        let mut wire = Wire::new(plain());
        let flood: Vec<_> = (0..15).map(|i| names(wire.at(C, SYN, i * 10 - 1, 0, ""))).collect();
        assert!(flood[..11].iter().all(String::is_empty), "{flood:?}");
        assert!(flood[11..].iter().all(|name| name == "3whs_syn_flood"), "{flood:?}");
        assert_eq!(names(wire.at(S, SYN | ACK, -1, answered * 10, "")), "");
        assert_eq!(names(wire.at(C, ACK, answered * 10, 0, "")), "");
        assert!(wire.session.is_established());
        assert!(wire.session.syns.is_empty());
    }
    let mut wire = Wire::new(plain());
    for i in 0..15 {
        wire.at(C, SYN, i * 10 - 1, 0, "");
    }
    assert_eq!(names(wire.at(S, SYN | ACK, -1, 0, "")), "3whs_synack_with_wrong_ack");
}

#[test]
fn both_may_open_and_the_server_may_split() {
    let mut wire = Wire::new(plain());
    wire.next(C, SYN, "");
    assert_eq!(names(wire.next(S, SYN, "")), "");
    assert_eq!(names(wire.at(C, SYN | ACK, -1, 4, "")), "4whs_synack_with_wrong_ack");
    assert_eq!(names(wire.at(C, SYN | ACK, 2, 0, "")), "4whs_synack_with_wrong_syn");
    assert_eq!(names(wire.at(C, SYN | ACK, -1, 0, "")), "");
    assert_eq!(names(wire.at(S, ACK, 1, 0, "")), "4whs_wrong_seq");
    assert_eq!(names(wire.at(S, ACK, 0, 90_000, "")), "4whs_invalid_ack pkt_invalid_ack");
    assert_eq!(names(wire.at(S, ACK, 0, 0, "")), "");
    assert!(wire.session.is_established());
    wire.client("EVIL");
    wire.server_ack();
    assert_eq!(wire.take(C), "EVIL");
}

#[test]
fn a_third_step_that_was_not_seen_is_made_up_by_the_server() {
    let mut wire = Wire::new(plain());
    wire.next(C, SYN, "");
    wire.next(S, SYN | ACK, "");
    assert!(wire.at(S, ACK, 0, 10, "answer").accepted);
    assert!(wire.session.is_established());
    wire.at(C, ACK, 10, 6, "");
    assert_eq!(wire.take(S), "answer");
}

#[test]
fn fast_open_carries_data_in_the_syn() {
    let mut wire = Wire::new(plain());
    let with = Segment { fast_open: true, ..Segment::default() };
    assert!(wire.next_with(C, SYN, "GET", with).added);
    assert_eq!(names(wire.next(S, SYN | ACK, "")), "");
    wire.client_ack();
    wire.client(" /");
    wire.server_ack();
    assert_eq!(wire.take(C), "GET /");

    // The server did not take it, so the client sends it again.
    let mut wire = Wire::new(plain());
    wire.next_with(C, SYN, "GET", with);
    assert_eq!(names(wire.at(S, SYN | ACK, -1, 0, "")), "3whs_synack_tfo_data_ignored");
    wire.at(C, ACK, 0, 0, "");
    wire.at(C, ACK, 0, 0, "GET /");
    wire.at(S, ACK, 0, 5, "");
    assert_eq!(wire.take(C), "GET /");

    // Without the option data in a SYN is nobody's.
    let mut wire = Wire::new(plain());
    assert!(!wire.next(C, SYN, "GET").added);
    wire.at(S, SYN | ACK, -1, 0, "");
    wire.at(C, ACK, 0, 0, "PUT");
    wire.at(S, ACK, 0, 3, "");
    assert_eq!(wire.take(C), "PUT");
}

#[test]
fn one_side_alone_is_followed_where_that_is_asked_for() {
    let one_sided = StreamConfig { async_oneside: true, ..plain() };
    let mut wire = Wire::new(one_sided);
    wire.next(C, SYN, "");
    assert_eq!(names(wire.at(C, ACK, 5, 0, "")), "3whs_async_wrong_seq");
    assert!(wire.at(C, ACK, 0, 0, "").accepted);
    assert!(wire.session.is_one_sided());
    assert_eq!(wire.at(C, ACK, 0, 0, "alone").progressed, [true, false]);
    assert_eq!(wire.take(C), "alone");
    // A little disorder is put right, more is a loss.
    wire.at(C, ACK, 7, 0, "BC");
    assert_eq!(wire.take(C), "");
    wire.at(C, ACK, 5, 0, "A-");
    assert_eq!(wire.take(C), "A-BC");
    for i in 0..20 {
        wire.at(C, ACK, 10 + i, 0, "x");
    }
    assert!(wire.take(C).starts_with("[1]xxxxxx"));
    // The other side is there after all.
    wire.at(S, ACK, 0, 30, "here");
    assert!(!wire.session.is_one_sided());

    // Not asked for: packets speak for themselves.
    let mut wire = Wire::new(plain());
    wire.next(C, SYN, "");
    let taken = wire.at(C, ACK, 0, 0, "alone");
    assert!(!taken.added && wire.session.state() == SessionState::SynSent);
}

#[test]
fn windows_are_scaled_if_both_ends_say_so() {
    let scaled = Segment { wscale: Some(7), window: 1000, ..Segment::default() };
    for (answer, most) in [(scaled, 128_000), (Segment { wscale: None, ..scaled }, 1000)] {
        let mut wire = Wire::new(plain());
        wire.next_with(C, SYN, "", scaled);
        wire.next_with(S, SYN | ACK, "", answer);
        wire.next_with(C, ACK, "", Segment { window: 1000, ..Segment::default() });
        assert!(wire.at(S, ACK, most - 1, 0, "x").accepted);
        assert_eq!(names(wire.at(S, ACK, most, 0, "x")), "est_packet_out_of_window");
    }
}
