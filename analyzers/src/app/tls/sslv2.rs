//! SSLv2: of interest for the hello that old clients sent before they went on in SSLv3 or TLS.

use super::{HELLO, TlsParser, version};
use crate::app::{COMPLETE, Heading, ParseError};

const ERROR: u8 = 0;
const CLIENT_HELLO: u8 = 1;
const SERVER_HELLO: u8 = 4;
const CERTIFICATE: u8 = 8;

impl TlsParser {
    /// A record with a header of SSLv2: two bytes, or three where there is padding.
    pub(super) fn sslv2(
        &mut self,
        heading: Heading,
        bytes: &[u8],
    ) -> Result<Option<usize>, ParseError> {
        let Some(&[high, low]) = bytes.first_chunk() else { return Ok(None) };
        let (header_len, len) = if high & 0x80 != 0 {
            (2, usize::from(high & 0x7f) << 8 | usize::from(low))
        } else {
            (3, usize::from(high & 0x3f) << 8 | usize::from(low))
        };
        if len == 0 {
            return Err(self.fail(heading, "tls.invalid_sslv2_header"));
        }
        let Some(body) = bytes.get(header_len..header_len + len) else { return Ok(None) };
        if self.crypto.data {
            return Ok(Some(header_len + len));
        }
        let kind = body.first().copied().unwrap_or_default();
        match kind {
            ERROR => self.event("tls.error_message_encountered"),
            CLIENT_HELLO | SERVER_HELLO => {
                // A server says first whether the session is known, and of which kind its certificate is.
                let at = if kind == CLIENT_HELLO { 1 } else { 3 };
                let Some(&spoken) = body.get(at..).and_then(|rest| rest.first_chunk()) else {
                    return Err(self.fail(heading, "tls.invalid_sslv2_header"));
                };
                let spoken = u16::from_be_bytes(spoken);
                if spoken != version::SSL2 && !version::is_known(spoken) {
                    return Err(self.fail(heading, "tls.invalid_sslv2_header"));
                }
                self.transaction.sslv2_hello(heading, spoken, &self.config);
                self.transaction.advance(heading, HELLO);
            }
            kind if kind <= CERTIFICATE => {
                // Keys are exchanged, and all that follows is encrypted.
                if kind == 2 || kind == 5 {
                    self.crypto.changed[heading.index()] = true;
                }
                if self.crypto.changed == [true; 2] {
                    self.crypto.data = true;
                    self.transaction.advance(Heading::ToServer, COMPLETE);
                    self.transaction.advance(Heading::ToClient, COMPLETE);
                }
            }
            _ => return Err(self.fail(heading, "tls.invalid_sslv2_header")),
        }
        Ok(Some(header_len + len))
    }
}
