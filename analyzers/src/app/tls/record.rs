//! The record layer.

use super::{HANDSHAKE, TlsParser, version};
use crate::app::{COMPLETE, Heading, ParseError};

/// Type, version and length.
const HEADER_LEN: usize = 5;
/// The longest that records are, with what compression and encryption may add.
const LEN_LIMIT: usize = (1 << 14) + 1024;

const CHANGE_CIPHER_SPEC: u8 = 20;
const ALERT: u8 = 21;
const HANDSHAKE_TYPE: u8 = 22;
const APPLICATION_DATA: u8 = 23;
const HEARTBEAT: u8 = 24;

impl TlsParser {
    /// The record that `bytes` begins with; how much it took, `None` where more is needed.
    pub(super) fn record(
        &mut self,
        heading: Heading,
        bytes: &[u8],
    ) -> Result<Option<usize>, ParseError> {
        // No type of TLS records has one of these bits; SSLv2's lengths have.
        if bytes.first().is_some_and(|first| first & 0xc0 != 0) {
            return self.sslv2(heading, bytes);
        }
        let Some(&[kind, major, minor, high, low]) = bytes.first_chunk::<HEADER_LEN>() else {
            return Ok(None);
        };
        let (version, len) =
            (u16::from_be_bytes([major, minor]), usize::from(u16::from_be_bytes([high, low])));
        if !version::is_known(version) {
            return Err(self.fail(heading, "tls.invalid_record_version"));
        }
        if len > LEN_LIMIT {
            return Err(self.fail(heading, "tls.invalid_record_length"));
        }
        let body = bytes.get(HEADER_LEN..HEADER_LEN + len);
        let whole = Ok(Some(HEADER_LEN + len));
        let skip = |parser: &mut Self| {
            parser.sides[heading.index()].skip = len;
            Ok(Some(HEADER_LEN))
        };
        match kind {
            CHANGE_CIPHER_SPEC => {
                self.transaction.record_version(heading, version);
                self.crypto.changed[heading.index()] = true;
                self.transaction.advance(heading, HANDSHAKE);
                skip(self)
            }
            ALERT => {
                self.transaction.record_version(heading, version);
                skip(self)
            }
            APPLICATION_DATA => {
                self.transaction.record_version(heading, version);
                // Early data comes before the server's hello: the handshake is not over.
                if !self.crypto.early_data || self.crypto.server_hello {
                    self.crypto.data = true;
                    self.transaction.advance(Heading::ToServer, COMPLETE);
                    self.transaction.advance(Heading::ToClient, COMPLETE);
                }
                skip(self)
            }
            HANDSHAKE_TYPE if self.is_handshake_hidden() => skip(self),
            HANDSHAKE_TYPE => {
                let Some(body) = body else { return Ok(None) };
                self.transaction.record_version(heading, version);
                self.handshake(heading, body)?;
                whole
            }
            HEARTBEAT => {
                let Some(body) = body else { return Ok(None) };
                let hidden = self.crypto.changed != [false; 2];
                let heartbeat = self.heartbeats.read(heading, body, hidden);
                if let Some(event) = heartbeat.event {
                    self.event(event);
                }
                if heartbeat.broken {
                    self.sides[heading.index()].dead = true;
                    return Err(ParseError { reason: "a malformed heartbeat" });
                }
                whole
            }
            _ => Err(self.fail(heading, "tls.invalid_record_type")),
        }
    }

    /// One end has gone over to encryption, so there is nothing left to see. In TLS 1.3 the announcement
    /// means nothing before the server's hello.
    fn is_handshake_hidden(&self) -> bool {
        let client_13 = version::is_13(self.transaction.end(Heading::ToServer).version);
        self.crypto.changed != [false; 2] && (!client_13 || self.crypto.server_hello)
    }
}
