//! Handshake messages, put together from records.

use super::{
    CERTIFICATE, HANDSHAKE, HELLO, HELLO_DONE, TlsParser, certificate, hello, state, version,
};
use crate::app::{Heading, ParseError};

/// Type and length.
const HEADER_LEN: usize = 4;
/// The longest message that is put together: long chains of certificates are some tens of thousands.
const LEN_LIMIT: usize = 128 << 10;

mod kind {
    pub(super) const CLIENT_HELLO: u8 = 1;
    pub(super) const SERVER_HELLO: u8 = 2;
    pub(super) const CERTIFICATE: u8 = 11;
    pub(super) const SERVER_KEY_EXCHANGE: u8 = 12;
    pub(super) const SERVER_HELLO_DONE: u8 = 14;
    pub(super) const CLIENT_KEY_EXCHANGE: u8 = 16;
    pub(super) const FINISHED: u8 = 20;

    /// What else has no contents of interest, by the registry of such types.
    pub(super) fn is_other(kind: u8) -> bool {
        matches!(kind, 0 | 3..=6 | 8 | 13 | 15 | 21..=25 | 67)
    }
}

impl TlsParser {
    /// The body of a record that carries handshake messages, or parts of them.
    pub(super) fn handshake(&mut self, heading: Heading, body: &[u8]) -> Result<(), ParseError> {
        let mut joined = std::mem::take(&mut self.sides[heading.index()].handshake);
        joined.extend_from_slice(body);
        let mut rest = joined.as_slice();
        while let Some(&[kind, a, b, c]) = rest.first_chunk::<HEADER_LEN>() {
            let len = usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c);
            if len > LEN_LIMIT {
                return Err(self.fail(heading, "tls.handshake_invalid_length"));
            }
            let Some(body) = rest.get(HEADER_LEN..HEADER_LEN + len) else { break };
            rest = rest.get(HEADER_LEN + len..).unwrap_or(&[]);
            self.handshake_message(heading, kind, body)?;
        }
        let taken = joined.len() - rest.len();
        joined.drain(..taken);
        self.sides[heading.index()].handshake = joined;
        Ok(())
    }

    fn handshake_message(
        &mut self,
        heading: Heading,
        kind: u8,
        body: &[u8],
    ) -> Result<(), ParseError> {
        match kind {
            kind::CLIENT_HELLO | kind::SERVER_HELLO => {
                let client = kind == kind::CLIENT_HELLO;
                self.hello(heading, client, body)
            }
            kind::CERTIFICATE => self.certificates(heading, body),
            kind::SERVER_KEY_EXCHANGE => {
                self.transaction.came(state::SERVER_KEYX);
                Ok(())
            }
            kind::CLIENT_KEY_EXCHANGE => {
                self.transaction.came(state::CLIENT_KEYX);
                Ok(())
            }
            kind::SERVER_HELLO_DONE => {
                self.transaction.advance(heading, HELLO_DONE);
                Heading::ALL.iter().for_each(|&end| self.transaction.handshake_done(end));
                Ok(())
            }
            kind::FINISHED => {
                self.transaction.advance(heading, HANDSHAKE);
                Ok(())
            }
            kind if kind::is_other(kind) => Ok(()),
            _ => {
                self.event("tls.invalid_ssl_record");
                Err(self.fail(heading, "tls.invalid_handshake_message"))
            }
        }
    }

    fn hello(&mut self, heading: Heading, client: bool, body: &[u8]) -> Result<(), ParseError> {
        self.transaction.came(if client { state::CLIENT_HELLO } else { state::SERVER_HELLO });
        let Some(read) = hello::read(body, client) else {
            return Err(self.fail(heading, "tls.invalid_handshake_message"));
        };
        for &event in &read.events {
            self.event(event);
        }
        if !client {
            self.crypto.server_hello = true;
        } else if read.hello.early_data {
            self.crypto.early_data = true;
        }
        self.transaction.hello(heading, client, read.hello, &self.config);
        if read.malformed {
            return Err(self.fail(heading, "tls.invalid_handshake_message"));
        }
        self.transaction.advance(heading, HELLO);
        if !client && version::is_13(self.transaction.end(heading).version) {
            self.transaction.handshake_done(heading);
        }
        Ok(())
    }

    fn certificates(&mut self, heading: Heading, body: &[u8]) -> Result<(), ParseError> {
        // Those of TLS 1.3 are encrypted; what looks like one is shaped differently.
        if version::is_13(self.transaction.end(Heading::ToClient).version) {
            return Ok(());
        }
        let (chain, events) = certificate::read(body);
        for &event in &events {
            self.event(event);
        }
        if let Some(chain) = chain {
            self.transaction.chain(heading, chain);
        }
        if !events.is_empty() && events != ["tls.too_many_subject_alternative_names"] {
            return Err(self.fail(heading, "tls.invalid_handshake_message"));
        }
        self.transaction.advance(heading, CERTIFICATE);
        Ok(())
    }
}
