//! Connections, segment by segment.

mod pool;
mod wire;

use super::*;
use crate::app::Heading;
use wire::{Wire, text};

#[test]
fn a_connection_from_syn_to_last_ack() {
    let mut wire = Wire::new(StreamConfig::default());
    wire.handshake();
    assert!(wire.session.is_established());
    assert!(wire.client("GET / HTTP/1.0\r\n\r\n").added);
    assert_eq!(wire.take(Heading::ToServer), "");
    let taken = wire.server("HTTP/1.0 200 OK\r\n\r\n");
    assert_eq!(taken.progressed, [true, false]);
    assert_eq!(wire.take(Heading::ToServer), "GET / HTTP/1.0\r\n\r\n");
    wire.client_fin();
    assert_eq!(wire.session.state(), SessionState::CloseWait);
    assert_eq!(wire.take(Heading::ToClient), "HTTP/1.0 200 OK\r\n\r\n");
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
    let mut wire = Wire::new(StreamConfig::default());
    wire.handshake();
    wire.client("lost words");
    assert_eq!(wire.take(Heading::ToServer), "");
    let window = wire.session.half(Heading::ToServer).raw(true, 0).map(|raw| text(raw.bytes));
    assert_eq!(window.as_deref(), Some("lost words"));
    assert_eq!(wire.take_all(Heading::ToServer), "lost words");
}
