//! Heartbeats (RFC 6520), which made servers bleed.

use crate::app::Heading;

const REQUEST: u8 = 1;
const RESPONSE: u8 = 2;
/// Type and length of the payload.
const HEADER_LEN: usize = 3;
const PADDING_MIN_LEN: usize = 16;

/// The request that is to be answered.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Heartbeats {
    pending: Option<(Heading, usize)>,
}

/// What a heartbeat was.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Heartbeat {
    pub(super) event: Option<&'static str>,
    /// The stream cannot be read on.
    pub(super) broken: bool,
}

impl Heartbeats {
    /// A record's body; `hidden` if it is encrypted.
    pub(super) fn read(&mut self, heading: Heading, body: &[u8], hidden: bool) -> Heartbeat {
        let Some(&[kind, high, low]) = body.first_chunk::<HEADER_LEN>() else {
            return Heartbeat::default();
        };
        if !hidden && kind != REQUEST && kind != RESPONSE {
            return Heartbeat::broken("tls.invalid_heartbeat_message");
        }
        match self.pending {
            Some((asked, len)) if asked != heading => {
                self.pending = None;
                // More comes back than was sent.
                let leak = hidden && body.len() > len;
                Heartbeat {
                    event: leak.then_some("tls.dataleak_heartbeat_mismatch"),
                    broken: false,
                }
            }
            Some(_) => Heartbeat::default(),
            None => {
                self.pending = Some((heading, body.len()));
                if hidden {
                    return Heartbeat { event: Some("tls.heartbeat_message"), broken: false };
                }
                let len = usize::from(u16::from_be_bytes([high, low]));
                if HEADER_LEN + len > body.len() {
                    return Heartbeat::broken("tls.overflow_heartbeat_message");
                }
                if body.len() - HEADER_LEN - len < PADDING_MIN_LEN {
                    return Heartbeat::broken("tls.invalid_heartbeat_message");
                }
                Heartbeat::default()
            }
        }
    }
}

impl Heartbeat {
    const fn broken(event: &'static str) -> Self {
        Self { event: Some(event), broken: true }
    }
}
