//! Resets, believed and not.

use super::*;

fn with_data(policy: OverlapPolicy) -> Wire {
    let mut wire = Wire::open(StreamConfig { policy, ..plain() });
    wire.client("0123456789");
    wire.server_ack();
    wire
}

#[test]
fn a_reset_is_believed_by_the_rule_of_its_target() {
    for (policy, believed) in [
        (OverlapPolicy::Windows, [false, false, true, false, false, false]),
        (OverlapPolicy::Bsd, [false, false, true, false, false, false]),
        (OverlapPolicy::Linux, [false, false, true, true, true, false]),
        (OverlapPolicy::Hpux11, [false, false, true, true, true, true]),
    ] {
        for (seq, believed) in [0, 9, 10, 11, 8201, 20_000].into_iter().zip(believed) {
            let mut wire = with_data(policy);
            let taken = wire.at(C, RST, seq, 0, "");
            assert_eq!((taken.accepted, taken.ended), (believed, believed), "{policy:?} {seq}");
            assert_eq!(wire.session.is_closed(), believed);
        }
        let unchecked = StreamConfig { check_rst: false, ..plain() };
        let mut wire = Wire::open(unchecked);
        assert!(wire.at(C, RST, 777, 0, "").ended);
    }
}

#[test]
fn a_reset_must_not_acknowledge_what_cannot_be() {
    let mut wire = with_data(OverlapPolicy::Windows);
    let taken = wire.at(C, RST | ACK, 10, 9000, "");
    assert_eq!(names(taken), "pkt_invalid_ack rst_invalid_ack");
    assert!(!wire.session.is_closed());
}

#[test]
fn after_a_reset_all_that_came_is_given_and_nothing_is_taken() {
    let mut wire = with_data(OverlapPolicy::Windows);
    wire.take(C);
    wire.client("unacknowledged");
    let taken = wire.at(S, RST | ACK, 0, 10, "");
    assert!(taken.ended && taken.progressed == [true, false]);
    assert_eq!(wire.take(C), "unacknowledged");
    let taken = wire.client("too late");
    assert!(taken.accepted && !taken.added);
    assert_eq!(wire.take_all(C), "");
}

#[test]
fn what_a_reset_carries_is_no_data() {
    let mut wire = Wire::open(plain());
    let taken = wire.at(S, RST | ACK, 0, 0, "Access Denied");
    assert!(taken.ended && !taken.added);
    assert_eq!(names(taken), "rst_with_data");
    assert_eq!(wire.take_all(S), "");
}

#[test]
fn a_signed_reset_is_doubted_when_its_sender_goes_on() {
    let mut wire = Wire::open(plain());
    let signed = Segment { signed: true, ..wire.segment(C, RST | ACK, 0, 0) };
    // There may be more to come, so that nothing is over.
    assert!(!wire.send(C, signed).ended);
    assert!(!wire.at(S, ACK, 0, 0, "ignored").added);
    let taken = wire.at(C, ACK, 0, 0, "GET /");
    assert!(taken.added);
    assert_eq!(names(taken), "suspected_rst_inject");
    assert_eq!(wire.session.state(), SessionState::Established);
    assert_eq!(names(wire.at(C, ACK, 5, 0, " HTTP")), "");
    wire.at(S, ACK, 0, 10, "");
    assert_eq!(wire.take(C), "GET / HTTP");
}

#[test]
fn resets_of_handshakes() {
    // The server refuses.
    let mut wire = Wire::new(plain());
    wire.next(C, SYN, "");
    assert!(!wire.at(S, RST | ACK, 0, 5, "").accepted);
    assert!(wire.send(S, Segment { seq: 0, ..wire.segment(S, RST | ACK, 0, 0) }).ended);
    // The client cannot take its SYN back with a stray.
    let mut wire = Wire::new(plain());
    wire.next(C, SYN, "");
    assert!(!wire.at(C, RST, 0, 0, "").ended);
    assert!(wire.next(S, SYN | ACK, "").accepted);
    assert!(!wire.at(C, RST, 5, 0, "").accepted);
    assert!(wire.at(C, RST, 0, 0, "").ended);
    // Who did not believe the ACK may not believe the RST.
    for (policy, ended) in [(OverlapPolicy::Linux, false), (OverlapPolicy::Windows, true)] {
        let mut wire = Wire::new(StreamConfig { policy, ..plain() });
        wire.next(C, SYN, "");
        wire.next(S, SYN | ACK, "");
        assert_eq!(names(wire.at(C, ACK, 0, 7, "")), "3whs_right_seq_wrong_ack_evasion");
        assert_eq!(wire.at(C, RST, 0, 0, "").ended, ended);
    }
}

#[test]
fn late_syns_change_nothing() {
    let mut wire = Wire::open(plain());
    assert_eq!(names(wire.at(C, SYN, -1, 0, "")), "est_syn_resend_diff_seq");
    assert_eq!(names(wire.at(S, SYN, -1, 0, "")), "est_syn_toclient");
    assert_eq!(names(wire.at(C, SYN | ACK, -1, 0, "")), "est_synack_toserver");
    assert_eq!(names(wire.at(S, SYN | ACK, 0, 0, "")), "est_synack_resend_with_diff_seq");
    assert_eq!(names(wire.at(S, SYN | ACK, -1, 1, "")), "est_synack_resend_with_different_ack");
    assert_eq!(names(wire.at(S, SYN | ACK, -1, 0, "")), "");
    wire.at(S, ACK, 0, 0, "confirmed");
    assert_eq!(names(wire.at(S, SYN | ACK, -1, 0, "")), "est_synack_resend");
    assert_eq!(wire.session.state(), SessionState::Established);
}
