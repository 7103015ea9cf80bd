//! An upgrade of HTTP/1 (RFC 7540, section 3.2): the first request was HTTP/1's.

use super::super::{Heading, Upgraded};
use super::Http2Parser;
use super::frame::settings;
use super::hpack::{Field, Item, Text};
use super::transaction::Http2Transaction;

/// The stream that the request is in.
const STREAM: u32 = 1;
/// Types of frames that this would have been in.
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
/// No settings are longer.
const SETTINGS_LIMIT: usize = 4096;

impl Http2Parser {
    pub(super) fn upgrade(&mut self, upgraded: &Upgraded) {
        let mut transaction = Http2Transaction::of_stream(STREAM);
        let side = transaction.side_mut(Heading::ToServer);
        side.facts.frame(HEADERS);
        let fields = &mut side.fields;
        fields.begun = true;
        let mut add = |name: &[u8], value: &[u8]| {
            fields.add(Item::Field(Field {
                name: Text::from(name),
                value: Text::from(value),
                entry: None,
                name_entry: None,
            }));
        };
        add(b":method", &upgraded.method);
        add(b":path", &upgraded.uri);
        let mut coded = None;
        for (name, value) in &upgraded.fields {
            if name.eq_ignore_ascii_case(b"host") {
                add(b":authority", value);
            } else if name.eq_ignore_ascii_case(b"http2-settings") {
                coded = Some(value.as_slice());
            } else {
                add(name, value);
            }
        }
        let payload = coded.map(decode);
        let legal = |payload: &Option<Vec<u8>>| {
            payload.as_ref().is_some_and(|payload| payload.len().is_multiple_of(6))
        };
        if payload.as_ref().is_some_and(|payload| !legal(payload)) {
            transaction.event("http2.invalid_http1_settings");
        }
        transaction.end(Heading::ToServer, true, &self.config);
        // A new parser has room for two.
        let _ = self.held.add(transaction, &self.config);
        if let Some(Some(payload)) = payload {
            let mut of_connection = Http2Transaction::of_stream(0);
            let facts = &mut of_connection.side_mut(Heading::ToServer).facts;
            facts.frame(SETTINGS);
            facts.settings(settings(&payload));
            let _ = self.held.add(of_connection, &self.config);
        }
    }
}

/// Base64 of either alphabet; the RFC asks for that of URLs, without padding.
fn decode(text: &[u8]) -> Option<Vec<u8>> {
    let text = text.trim_ascii();
    let end = text.iter().rposition(|&b| b != b'=').map_or(0, |at| at + 1);
    let text = text.get(..end).filter(|text| text.len() <= SETTINGS_LIMIT)?;
    let (mut bytes, mut bits, mut len) = (Vec::new(), 0u32, 0);
    for &byte in text {
        let digit = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'-' | b'+' => 62,
            b'_' | b'/' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(digit);
        len += 6;
        if len >= 8 {
            len -= 8;
            bytes.push((bits >> len) as u8);
            bits &= (1 << len) - 1;
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_of_both_kinds() {
        assert_eq!(
            decode(b"AAMAAABkAAQAAP__"),
            Some(b"\0\x03\0\0\0\x64\0\x04\0\0\xff\xff".to_vec())
        );
        assert_eq!(decode(b" AAQAAP//AQ== "), Some(b"\0\x04\0\0\xff\xff\x01".to_vec()));
        assert_eq!((decode(b"!"), decode(b"")), (None, Some(Vec::new())));
    }
}
