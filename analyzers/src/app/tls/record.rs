//! The record layer.

use super::{HANDSHAKE, TlsParser, version};
use crate::app::{COMPLETE, Heading, ParseError};

/// Type, version and length.
const HEADER_LEN: usize = 5;
/// The longest that records are, with what compression and encryption may add.
const LEN_LIMIT: usize = (1 << 14) + 1024;

const CHANGE_CIPHER_SPEC: u8 = 20;
const ALERT: u8 = 21;
/// An alert's level.
const FATAL: u8 = 2;
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
                match body {
                    Some(&[FATAL, _]) => {
                        Heading::ALL.iter().for_each(|&end| self.transaction.finish(end));
                        whole
                    }
                    Some(_) => whole,
                    None => skip(self),
                }
            }
            APPLICATION_DATA => {
                self.transaction.record_version(heading, version);
                // Early data comes before the server's hello: the handshake is not over.
                if !self.crypto.early_data || self.crypto.server_hello {
                    self.crypto.data = true;
                    self.transaction.handshake_done(heading);
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

#[cfg(test)]
mod tests {
    use super::super::{TlsConfig, TlsParser};
    use crate::app::Heading::{self, ToClient, ToServer};
    use crate::app::{COMPLETE, Parser};
    use crate::events::Timestamp;

    const DONE: &[u8] = &[22, 3, 3, 0, 4, 14, 0, 0, 0];
    const CHANGE: &[u8] = &[20, 3, 3, 0, 1, 1];
    const DATA: &[u8] = &[23, 3, 3, 0, 2, 0, 0];
    const FATAL: &[u8] = &[21, 3, 3, 0, 2, 2, 40];
    const WARNING: &[u8] = &[21, 3, 3, 0, 2, 1, 0];

    /// A hello without a session, with these extensions.
    fn hello(kind: u8, extensions: &[u8]) -> Vec<u8> {
        let mut body = vec![3, 3];
        body.extend([7; 32]);
        let ciphers: &[u8] =
            if kind == 1 { &[0, 0, 2, 0xc0, 0x2f, 1, 0] } else { &[0, 0xc0, 0x2f, 0] };
        body.extend(ciphers);
        if !extensions.is_empty() {
            body.extend((extensions.len() as u16).to_be_bytes());
            body.extend(extensions);
        }
        let len = body.len() as u8;
        [&[22, 3, 3, 0, len + 4, kind, 0, 0, len], body.as_slice()].concat()
    }

    fn parser(said: &[(Heading, &[u8])]) -> TlsParser {
        let mut parser = TlsParser::new(TlsConfig::default());
        for (heading, bytes) in said {
            parser.data(*heading, bytes, Timestamp::ZERO).expect("legal");
        }
        parser
    }

    fn names(said: &[(Heading, &[u8])]) -> ([&'static str; 2], bool) {
        let parser = parser(said);
        let transaction = parser.transaction(0).expect("begun");
        let name = |heading| transaction.progress_name(heading).expect("has names");
        ([name(ToServer), name(ToClient)], transaction.is_ready())
    }

    #[test]
    fn a_record_is_ready_once_both_handshakes_are_over() {
        let (client, server) = (hello(1, &[]), hello(2, &[]));
        let (client, server) = ((ToServer, &*client), (ToClient, &*server));
        let begun = ["client_hello_done", "server_in_progress"];
        assert_eq!(names(&[client]), (begun, false));
        let answered = ["client_hello_done", "server_hello"];
        assert_eq!(names(&[client, server]), (answered, false));
        let done = ["client_handshake_done", "server_handshake_done"];
        assert_eq!(names(&[client, server, (ToClient, DONE)]), (done, true));
        // A resumed session has no such message: the first data of each end tells.
        let changed = [client, server, (ToClient, CHANGE), (ToServer, CHANGE), (ToServer, DATA)];
        assert!(!names(&changed).1);
        assert!(names(&[&changed[..], &[(ToClient, DATA)]].concat()).1);
        let gone = ["client_finished", "server_finished"];
        assert_eq!(names(&[client, (ToClient, WARNING)]), (begun, false));
        assert_eq!(names(&[client, (ToClient, FATAL)]), (gone, true));
    }

    #[test]
    fn the_server_of_tls_1_3_is_done_with_its_hello() {
        let (client, server) = (hello(1, &[0, 43, 0, 3, 2, 3, 4]), hello(2, &[0, 43, 0, 2, 3, 4]));
        let said = [(ToServer, &*client), (ToClient, &*server), (ToClient, DATA)];
        assert_eq!(names(&said), (["client_hello_done", "server_handshake_done"], false));
        assert!(names(&[&said[..], &[(ToServer, DATA)]].concat()).1);
    }

    #[test]
    fn a_client_that_knows_tickets_is_told_of_however_it_ends() {
        for (extensions, logged) in [(&[][..], false), (&[0, 35, 0, 0][..], true)] {
            let mut parser = parser(&[(ToServer, &hello(1, extensions))]);
            parser.end(ToServer, Timestamp::ZERO);
            parser.end(ToClient, Timestamp::ZERO);
            let transaction = parser.transaction(0).expect("begun");
            assert_eq!(transaction.progress(ToClient), COMPLETE);
            assert_eq!((transaction.is_ready(), transaction.is_logged()), (true, logged));
            assert_eq!(transaction.record()["version"], "TLS 1.2");
        }
    }
}
