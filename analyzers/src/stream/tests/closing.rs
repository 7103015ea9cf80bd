//! Ends, in order and not.

use super::*;

#[test]
fn a_fin_may_carry_data() {
    let mut wire = Wire::open(plain());
    assert!(wire.next(C, FIN | ACK, "last words").added);
    assert!(wire.session.half(C).fin_seen());
    wire.server_ack();
    assert_eq!(wire.take(C), "last words");
    wire.next(S, FIN | ACK, "bye");
    assert!(wire.client_ack().ended);
    assert_eq!(wire.take(S), "bye");
}

#[test]
fn a_fin_may_come_before_what_it_follows() {
    let mut wire = Wire::open(plain());
    assert!(wire.at(C, FIN | ACK, 6, 0, "end").accepted);
    assert!(wire.at(C, ACK, 0, 0, "before").added);
    wire.at(S, ACK, 0, 10, "");
    assert_eq!(wire.take(C), "beforeend");
    wire.at(S, FIN | ACK, 0, 10, "");
    assert!(wire.at(C, ACK, 10, 1, "").ended);
}

#[test]
fn the_other_half_goes_on() {
    let mut wire = Wire::open(plain());
    wire.client_fin();
    wire.server_ack();
    for part in ["still ", "here"] {
        assert!(wire.server(part).added);
        wire.client_ack();
    }
    assert_eq!(wire.take(S), "still here");
    wire.server_fin();
    assert!(wire.client_ack().ended);
}

#[test]
fn the_server_may_close_first_and_both_at_once() {
    let mut wire = Wire::open(plain());
    wire.server_fin();
    assert_eq!(wire.session.state(), SessionState::FinWait1);
    wire.client_ack();
    assert_eq!(wire.session.state(), SessionState::FinWait2);
    wire.client_fin();
    assert_eq!(wire.session.state(), SessionState::TimeWait);
    assert!(wire.server_ack().ended);

    let mut wire = Wire::open(plain());
    wire.server_fin();
    wire.at(C, FIN, 0, 0, "");
    assert_eq!(wire.session.state(), SessionState::Closing);
    wire.at(S, ACK, 1, 1, "");
    assert_eq!(wire.session.state(), SessionState::TimeWait);
    assert!(wire.at(C, ACK, 1, 1, "").ended);
}

#[test]
fn fins_outside_of_the_window_or_with_a_syn() {
    let mut wire = Wire::open(plain());
    for (seq, ack, event) in [
        (-3, 0, "fin_out_of_window"),
        (9000, 0, "fin_out_of_window"),
        (0, 9000, "fin_invalid_ack pkt_invalid_ack"),
    ] {
        let taken = wire.at(C, FIN | ACK, seq, ack, "");
        assert_eq!((names(taken), taken.accepted), (event.to_owned(), false));
    }
    assert_eq!(names(wire.at(C, SYN | FIN | ACK, 0, 0, "")), "fin_syn");
    assert_eq!(wire.session.state(), SessionState::Established);
}

#[test]
fn after_the_clients_fin() {
    let mut wire = Wire::open(plain());
    wire.client("0123456789");
    wire.client_fin();
    assert_eq!(names(wire.at(C, SYN, -1, 0, "")), "shutdown_syn_resend");
    assert_eq!(names(wire.at(S, ACK, 0, 9000, "")), "closewait_invalid_ack pkt_invalid_ack");
    assert_eq!(names(wire.at(S, FIN | ACK, 9000, 10, "")), "closewait_fin_out_of_window");
    assert_eq!(names(wire.at(C, ACK, 90_000, 0, "")), "closewait_ack_out_of_window");
    assert_eq!(names(wire.at(C, ACK, 0, 0, "0123456789")), "pkt_retransmission");
    wire.server_ack();
    let taken = wire.at(C, ACK, 0, 0, "0123456789");
    assert_eq!(
        names(taken),
        "closewait_pkt_before_last_ack pkt_retransmission pkt_spurious_retransmission"
    );
    assert_eq!(wire.session.state(), SessionState::CloseWait);
    wire.server_fin();
    assert_eq!(names(wire.at(C, ACK, 11, 9000, "")), "lastack_invalid_ack pkt_invalid_ack");
    assert_eq!(names(wire.at(C, ACK, 50, 1, "")), "lastack_ack_wrong_seq");
    assert!(wire.client_ack().ended);
}

#[test]
fn after_the_servers_fin() {
    let mut wire = Wire::open(plain());
    wire.server_fin();
    assert_eq!(names(wire.at(C, ACK, 0, 9000, "")), "fin1_invalid_ack pkt_invalid_ack");
    assert_eq!(names(wire.at(C, ACK, 9000, 1, "x")), "fin1_ack_wrong_seq");
    assert_eq!(names(wire.at(C, FIN | ACK, 9000, 1, "")), "fin1_fin_wrong_seq");
    wire.client_ack();
    assert_eq!(names(wire.at(C, ACK, 0, 9000, "")), "fin2_invalid_ack pkt_invalid_ack");
    assert_eq!(names(wire.at(C, ACK, 9000, 1, "x")), "fin2_ack_wrong_seq");
    assert_eq!(names(wire.at(C, FIN | ACK, 9000, 1, "")), "fin2_fin_wrong_seq");
    wire.client_fin();
    assert_eq!(names(wire.at(S, ACK, 1, 9000, "")), "timewait_invalid_ack pkt_invalid_ack");
    assert_eq!(names(wire.at(S, ACK, 9000, 1, "")), "timewait_ack_wrong_seq");
    assert!(wire.server_ack().ended);
}
