//! Floods.

use super::*;

#[test]
fn sessions_are_limited_and_counted() {
    let mut pool = StreamPool::new(StreamConfig { max_sessions: 3, ..plain() });
    let syn = Segment { seq: 1, flags: SYN, window: 512, ..Segment::default() };
    let mut sessions: Vec<_> = (0..5).map(|_| Session::new(&mut pool, &syn, C)).collect();
    let accepted: Vec<_> =
        sessions.iter_mut().map(|s| s.segment(&mut pool, C, &syn).accepted).collect();
    assert_eq!(accepted, [true, true, true, false, false]);
    assert_eq!((pool.sessions(), pool.counters().session_drops), (3, 2));
    // Who goes makes room.
    sessions[0].release(&mut pool);
    assert!(sessions[4].segment(&mut pool, C, &syn).accepted);
    sessions.iter_mut().for_each(|session| session.release(&mut pool));
    assert_eq!(pool.sessions(), 0);
}

#[test]
fn a_syn_flood_holds_no_data() {
    let mut pool = StreamPool::new(plain());
    let mut sessions = Vec::new();
    for i in 0..10_000 {
        let syn = Segment { seq: i, flags: SYN, payload: b"data", ..Segment::default() };
        let mut session = Session::new(&mut pool, &syn, C);
        session.segment(&mut pool, C, &syn);
        sessions.push(session);
    }
    assert_eq!((pool.bytes(), pool.sessions()), (0, 10_000));
    sessions.iter_mut().for_each(|session| session.release(&mut pool));
    assert_eq!(pool.sessions(), 0);
}

#[test]
fn repeated_syns_are_remembered_up_to_a_limit() {
    let mut wire = Wire::new(plain());
    for i in 0..1000 {
        wire.at(C, SYN, i, 0, "");
    }
    assert_eq!(wire.session.syns.len(), 10);
    let mut wire = Wire::new(StreamConfig { max_syns: 0, ..plain() });
    for i in 0..1000 {
        wire.at(C, SYN, i, 0, "");
    }
    assert!(wire.session.syns.is_empty());
}

#[test]
fn segments_behind_a_hole_are_limited_and_counted() {
    let mut wire = Wire::open(StreamConfig { max_segments_held: 10, ..plain() });
    let mut refused = 0;
    for i in 0..100 {
        let taken = wire.at(C, ACK, 1 + 2 * i, 0, "x");
        refused += u64::from(names(taken) == "reassembly_insert_limit" && !taken.added);
    }
    assert_eq!((refused, wire.pool.counters().hole_drops), (90, 90));
    // What fills the hole is always taken.
    assert!(wire.at(C, ACK, 0, 0, "f").added);
    wire.at(S, ACK, 0, 200, "");
    assert_eq!(wire.take(C), format!("fx{}", "[1]x".repeat(9)));
}

#[test]
fn tiny_segments_that_nobody_acknowledges_cost_little() {
    let mut wire = Wire::open(StreamConfig { max_segments_held: 64, ..plain() });
    for i in 0..8000 {
        assert!(wire.at(C, ACK, i, 0, "x").added);
    }
    assert!(wire.pool.bytes() < 8000 * 2 + 64 * 64, "{}", wire.pool.bytes());
}

#[test]
fn memory_is_limited_and_counted() {
    let config = StreamConfig { max_bytes: 20_000, ..plain() };
    let mut pool = StreamPool::new(config);
    let mut sessions = Vec::new();
    let payload = vec![b'x'; 1000];
    let mut refused = 0;
    for i in 0..50_u32 {
        let mut wire = Wire::new(config);
        wire.pool = std::mem::replace(&mut pool, StreamPool::new(config));
        wire.handshake();
        let segment = Segment { payload: &payload, ..wire.segment(C, ACK, i64::from(i % 2), 0) };
        let taken = wire.send(C, segment);
        refused += u32::from(names(taken) == "reassembly_insert_memcap" && !taken.added);
        assert!(wire.pool.bytes() <= config.max_bytes, "{}", wire.pool.bytes());
        (pool, _) = (wire.pool, sessions.push(wire.session));
    }
    assert!(refused >= 30, "{refused}");
    assert_eq!(pool.counters().memory_drops, u64::from(refused));
    sessions.iter_mut().for_each(|session| session.release(&mut pool));
    assert_eq!(pool.bytes(), 0);
}

#[test]
fn what_was_inspected_goes_first_and_what_is_given_up_takes_nothing_any_more() {
    let mut wire = Wire::open(plain());
    wire.at(C, ACK, 0, 0, "abcdef");
    wire.at(S, ACK, 0, 6, "");
    assert_eq!(wire.take(C), "abcdef");
    let half = wire.session.half_mut(C);
    half.raw_inspected(&mut wire.pool, 4);
    wire.session.squeeze(&mut wire.pool);
    let window = wire.session.half(C).raw(false, 100).map(|window| (window.offset, window.bytes));
    assert_eq!(window, Some((4, &b"ef"[..])));
    assert_eq!(wire.session.footprint(), wire.pool.bytes());
    wire.session.give_up(&mut wire.pool);
    assert_eq!((wire.session.footprint(), wire.pool.bytes()), (0, 0));
    let taken = wire.at(C, ACK, 6, 0, "ghi");
    assert!(taken.accepted && !taken.added && !taken.no_payload_inspection);
    wire.at(S, ACK, 0, 9, "");
    assert_eq!((wire.take(C), wire.pool.bytes()), (String::new(), 0));
    assert_eq!(wire.session.half(C).raw(true, 0), None);
}

#[test]
fn a_long_transfer_holds_what_is_under_way() {
    let mut wire = Wire::open(StreamConfig { depth: 0, ..plain() });
    let part = "x".repeat(1400);
    for _ in 0..5000 {
        wire.client(&part);
        wire.client(&part);
        wire.server_ack();
        wire.take(C);
        wire.raw(C, false, 1000);
        assert!(wire.pool.bytes() < 64 << 10, "{}", wire.pool.bytes());
    }
    assert_eq!(wire.session.half(C).acked(), 14_000_000);
}
