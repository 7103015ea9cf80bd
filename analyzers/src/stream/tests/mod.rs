//! Connections, segment by segment. What is expected of odd ones was measured on Suricata 8.0.8 with
//! the same segments in a capture.

mod any_cut;
mod closing;
mod data;
mod limits;
mod opening;
mod overlaps;
mod pool;
mod resets;
mod segments;
mod wire;

use super::*;
use crate::app::Heading;
use wire::{ACK, C, FIN, RST, S, SYN, URG, Wire, names, text};

fn plain() -> StreamConfig {
    StreamConfig::default()
}

#[test]
fn a_connection_from_syn_to_last_ack() {
    let mut wire = Wire::open(plain());
    assert!(wire.client("GET / HTTP/1.0\r\n\r\n").added);
    assert_eq!(wire.take(C), "");
    let taken = wire.server("HTTP/1.0 200 OK\r\n\r\n");
    assert_eq!(taken.progressed, [true, false]);
    assert_eq!(wire.take(C), "GET / HTTP/1.0\r\n\r\n");
    wire.client_fin();
    assert_eq!(wire.session.state(), SessionState::CloseWait);
    assert_eq!(wire.take(S), "HTTP/1.0 200 OK\r\n\r\n");
    wire.server_fin();
    assert_eq!(wire.session.state(), SessionState::LastAck);
    let taken = wire.client_ack();
    assert!(taken.ended && wire.session.is_closed());
    assert!(taken.events.is_empty());
    wire.session.release(&mut wire.pool);
    assert_eq!((wire.pool.bytes(), wire.pool.sessions()), (0, 0));
}

#[test]
fn what_is_not_acknowledged_is_given_at_the_end() {
    let mut wire = Wire::open(plain());
    wire.client("lost words");
    assert_eq!(wire.take(C), "");
    assert_eq!(wire.raw(C, true, 0), ["|lost words"]);
    assert_eq!(wire.take_all(C), "lost words");
}

#[test]
fn events_have_the_names_of_rules_and_are_found_by_them() {
    for event in StreamEvent::ALL {
        assert_eq!(StreamEvent::from_name(event.as_str()), Some(*event));
        let bare = event.as_str().strip_prefix("stream.").unwrap();
        assert_eq!(StreamEvent::from_name(bare), Some(*event));
        let mut set = EventSet::default();
        set.insert(*event);
        assert_eq!(set.iter().collect::<Vec<_>>(), [event.as_str()]);
    }
    assert_eq!(
        StreamEvent::from_name("3whs_synack_resend_with_diff_ack"),
        Some(StreamEvent::HsSynackResendWithDifferentAck)
    );
    assert_eq!(StreamEvent::from_name("stream.nothing"), None);
}

#[test]
fn a_session_is_small() {
    assert!(size_of::<Session>() <= 768, "{}", size_of::<Session>());
}
