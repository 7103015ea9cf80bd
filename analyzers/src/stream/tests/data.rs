//! Data in order, out of order, lost, repeated, beyond windows and depths.

use super::*;

#[test]
fn disorder_is_put_right() {
    let mut wire = Wire::open(plain());
    for (at, part) in [(6, "c"), (2, "ab"), (4, "  "), (0, "__")] {
        assert!(wire.at(C, ACK, at, 0, part).added);
    }
    assert_eq!(wire.session.half(C).buffered(), 7);
    wire.at(S, ACK, 0, 7, "");
    assert_eq!(wire.take(C), "__ab  c");
    assert!(!wire.session.half(C).has_gap());
}

#[test]
fn a_hole_is_a_gap_once_it_is_acknowledged_with_something_behind_it() {
    let mut wire = Wire::open(plain());
    wire.at(C, ACK, 0, 0, "abc");
    wire.at(C, ACK, 10, 0, "xyz");
    let taken = wire.at(S, ACK, 0, 6, "");
    assert_eq!((names(taken), wire.take(C)), ("reassembly_seq_gap".into(), "abc[3]".into()));
    assert_eq!(names(wire.at(S, ACK, 0, 12, "")), "reassembly_seq_gap");
    assert_eq!(wire.session.half(C).acked(), 12);
    assert_eq!(wire.take(C), "[4]xy");
    assert_eq!(wire.raw(C, false, 0), ["|abc", "|xy"]);
    assert!(wire.session.half(C).has_gap());
    assert_eq!(wire.pool.counters().gap_bytes, 7);
    // Too late.
    let taken = wire.at(C, ACK, 4, 0, "lost");
    assert_eq!(names(taken), "est_pkt_before_last_ack pkt_spurious_retransmission");
    wire.at(S, ACK, 0, 13, "");
    assert_eq!((wire.take(C), wire.raw(C, false, 2)), ("z".into(), vec!["xy|z".into()]));
}

#[test]
fn an_ack_seen_before_its_data_makes_no_gap() {
    let mut wire = Wire::open(plain());
    wire.at(C, ACK, 0, 0, "abc");
    assert_eq!(names(wire.at(S, ACK, 0, 6, "")), "");
    assert!(wire.at(C, ACK, 3, 0, "def").added);
    wire.at(S, ACK, 0, 6, "");
    assert_eq!(wire.take(C), "abcdef");
}

#[test]
fn who_has_no_application_layer_hears_of_no_gap() {
    let mut wire = Wire::open(plain());
    wire.session.half_mut(C).disable_app(&mut wire.pool);
    wire.at(C, ACK, 5, 0, "xyz");
    assert_eq!(names(wire.at(S, ACK, 0, 8, "")), "");
    assert_eq!(wire.raw(C, false, 0), ["|xyz"]);
}

#[test]
fn rules_see_windows_that_overlap() {
    let mut wire = Wire::open(plain());
    let mut seen = Vec::new();
    for part in ["abcdef", "ghi", "jkl"] {
        wire.client(part);
        wire.server_ack();
        assert_eq!(wire.take(C), part);
        seen.extend(wire.raw(C, false, 4));
    }
    assert_eq!(seen, ["|abcdef", "cdef|ghi", "fghi|jkl"]);
    assert!(wire.session.half(C).raw(false, 4).is_none());
}

#[test]
fn what_everybody_has_had_is_freed() {
    let mut wire = Wire::open(StreamConfig { raw_overlap: 2, ..plain() });
    wire.client("abcdef");
    wire.server_ack();
    wire.take(C);
    assert_eq!(wire.session.half(C).buffered(), 6);
    wire.raw(C, false, 2);
    assert_eq!(wire.session.half(C).buffered(), 2);
    wire.session.half_mut(C).disable_raw(&mut wire.pool);
    assert_eq!((wire.session.half(C).buffered(), wire.pool.bytes()), (0, 0));
    assert!(wire.client("more").added);
    wire.session.half_mut(C).disable_app(&mut wire.pool);
    let taken = wire.client("nobody's");
    assert!(!taken.added && taken.no_payload_inspection && taken.accepted);
    assert_eq!(wire.pool.bytes(), 0);
}

#[test]
fn what_lies_outside_of_the_window_is_not_taken() {
    let mut wire = Wire::open(plain());
    assert_eq!(names(wire.at(C, ACK, 8192, 0, "x")), "est_packet_out_of_window");
    assert!(wire.at(C, ACK, 8191, 0, "x").accepted);
    assert_eq!(names(wire.at(S, ACK, 9000, 0, "x")), "est_packet_out_of_window");
}

#[test]
fn far_claims_of_a_sender_do_not_move_the_stream() {
    let mut wire = Wire::open(plain());
    for far in [0x7fff_0000, 0xfffe_0000_u32, 0x7ffd_0000, 0xfffc_0000] {
        assert!(!wire.at(C, ACK, i64::from(far), 0, "x").added);
    }
    wire.at(C, ACK, 0, 0, "still here");
    wire.at(S, ACK, 0, 10, "");
    assert_eq!(wire.take(C), "still here");
}

#[test]
fn acks_outside_of_the_window_are_not_believed() {
    let mut wire = Wire::open(plain());
    for (ack, valid) in [(9000, false), (-9000, false), (8192, true), (0, true)] {
        let taken = wire.at(C, ACK, 0, ack, "x");
        assert_eq!(taken.accepted, valid, "{ack}");
        let event = if valid { "" } else { "est_invalid_ack pkt_invalid_ack" };
        assert_eq!(names(taken), event);
    }
}

#[test]
fn repetitions_are_told_apart() {
    let mut wire = Wire::open(plain());
    wire.at(C, ACK, 0, 0, "0123456789");
    assert_eq!(names(wire.at(C, ACK, 0, 0, "0123456789")), "");
    wire.at(S, ACK, 0, 10, "");
    let taken = wire.at(C, ACK, 0, 0, "01234");
    assert_eq!(names(taken), "est_pkt_before_last_ack pkt_spurious_retransmission");
    let taken = wire.at(C, ACK, 5, 0, "56789");
    assert!(taken.accepted);
    assert_eq!(names(taken), "pkt_spurious_retransmission");
    // Nothing to compare with any more.
    let taken = wire.at(C, ACK, -5, 0, "abc");
    assert_eq!((names(taken), taken.added), ("pkt_spurious_retransmission".into(), false));
    assert_eq!(wire.take(C), "0123456789");
}

#[test]
fn keep_alives_and_window_updates_change_nothing() {
    let mut wire = Wire::open(plain());
    wire.client("0123456789");
    wire.server_ack();
    for payload in ["", "x"] {
        let taken = wire.at(C, ACK, 9, 0, payload);
        assert!(taken.accepted && !taken.added && taken.events.is_empty());
        assert!(wire.server_ack().accepted);
    }
    let taken = wire.send(S, Segment { window: 100, ..wire.segment(S, ACK, 500, 510) });
    assert_eq!(names(taken), "pkt_bad_window_update");
    assert_eq!(wire.take_all(C), "0123456789");
}

#[test]
fn probes_of_a_closed_window_are_data_if_they_are_acknowledged() {
    let mut wire = Wire::open(plain());
    wire.client("0123456789");
    let ack = |wire: &mut Wire, ack, window| {
        let taken = wire.send(S, Segment { window, ..wire.segment(S, ACK, 0, ack) });
        assert!(taken.accepted && taken.events.is_empty());
    };
    ack(&mut wire, 10, 0);
    assert!(wire.at(C, ACK, 10, 0, "z").accepted);
    ack(&mut wire, 11, 0);
    assert!(wire.at(C, ACK, 11, 0, "y").accepted);
    ack(&mut wire, 12, 900);
    assert!(wire.at(C, ACK, 12, 0, "zoom").accepted);
    ack(&mut wire, 16, 900);
    assert_eq!(wire.take(C), "0123456789zyzoom");
}

#[test]
fn old_timestamps_are_not_taken() {
    let mut wire = Wire::new(plain());
    let stamp =
        |value, echo| Segment { timestamp_option: Some((value, echo)), ..Segment::default() };
    wire.next_with(C, SYN, "", stamp(100, 0));
    wire.next_with(S, SYN | ACK, "", stamp(500, 100));
    wire.next_with(C, ACK, "", stamp(100, 500));
    assert!(wire.next_with(C, ACK, "a", stamp(200, 500)).added);
    assert!(wire.next_with(C, ACK, "b", stamp(199, 500)).added);
    let taken = wire.next_with(C, ACK, "c", stamp(198, 500));
    assert!(!taken.accepted && names(taken) == "pkt_invalid_timestamp");
    // After 24 days a clock says nothing.
    wire.now += 25 * 86_400;
    wire.next[0] -= 1;
    assert!(wire.next_with(C, ACK, "C", stamp(5, 500)).added);
    assert_eq!(wire.take_all(C), "abC");
}

#[test]
fn a_stream_is_put_together_up_to_its_depth() {
    let mut wire = Wire::open(StreamConfig { depth: 8, ..plain() });
    assert_eq!(names(wire.client("01234")), "");
    let taken = wire.client("56789");
    assert_eq!((names(taken), taken.added), ("reassembly_depth_reached".into(), true));
    let taken = wire.client("more");
    assert!(!taken.added && taken.accepted && taken.events.is_empty());
    wire.server_ack();
    assert_eq!(wire.take(C), "01234567");
    assert!(wire.session.half(C).depth_reached());
    assert_eq!(wire.pool.counters().depth_reached, 1);

    let mut wire = Wire::open(StreamConfig { depth: 0, ..plain() });
    (0..300).for_each(|_| {
        wire.client(&"x".repeat(8000));
        wire.server_ack();
    });
    assert_eq!(wire.take(C).len(), 2_400_000);
}

#[test]
fn urgent_bytes_are_out_of_band_unless_told() {
    let urgent = |urgent| Segment { urgent, ..Segment::default() };
    let mut wire = Wire::open(plain());
    wire.next_with(C, ACK | URG, "malicX", urgent(6));
    // Sent again, as a whole and in another cut.
    wire.next[0] -= 6;
    wire.next_with(C, ACK | URG, "malicX", urgent(6));
    wire.client("ious ");
    wire.next[0] -= 8;
    wire.client("icXious ");
    wire.next_with(C, ACK | URG, "code", urgent(50));
    wire.server_ack();
    assert_eq!(wire.take(C), "malicious code");

    // Acknowledged up to it, and with it.
    let mut wire = Wire::open(plain());
    wire.next_with(C, ACK | URG, "abcX", urgent(4));
    wire.client("def");
    for (ack, acked) in [(3, 3), (4, 3), (6, 5)] {
        wire.at(S, ACK, 0, ack, "");
        assert_eq!(wire.session.half(C).acked(), acked);
    }

    let mut wire = Wire::open(StreamConfig { urgent: UrgentPolicy::Inline, ..plain() });
    wire.next_with(C, ACK | URG, "malicX", urgent(6));
    wire.client("ious");
    wire.server_ack();
    assert_eq!(wire.take(C), "malicXious");
}

#[test]
fn what_the_capture_cut_off_is_a_hole() {
    let mut wire = Wire::open(plain());
    wire.send(C, Segment { payload: b"begin", missing: 7, ..wire.segment(C, ACK, 0, 0) });
    wire.at(C, ACK, 12, 0, "end");
    wire.at(S, ACK, 0, 15, "");
    assert_eq!(wire.take(C), "begin[7]end");
}
