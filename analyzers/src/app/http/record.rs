//! The `http` object of EVE.

use serde_json::{Map, Value, json};

use super::bytes::{is_space, leading_number, trim};
use super::transaction::HttpTransaction;

/// Bytes as text: UTF-8 as it is, else what is not printable as `\xNN`.
pub(super) fn text(bytes: &[u8]) -> Value {
    match std::str::from_utf8(bytes) {
        Ok(text) => Value::from(text),
        Err(_) => {
            let mut text = String::with_capacity(bytes.len());
            for &byte in bytes {
                if (b' '..=b'~').contains(&byte) {
                    text.push(char::from(byte));
                } else {
                    text.push_str(&format!("\\x{byte:02x}"));
                }
            }
            Value::from(text)
        }
    }
}

pub(super) fn record(transaction: &HttpTransaction) -> Map<String, Value> {
    let mut map = Map::new();
    let mut put = |key: &str, bytes: Option<&[u8]>| {
        if let Some(bytes) = bytes {
            map.insert(key.to_owned(), text(bytes));
        }
    };
    let asked = |name: &[u8]| transaction.request.headers.get(name);
    let answered = |name: &[u8]| transaction.response.headers.get(name);
    put("hostname", transaction.host.as_deref());
    put("url", transaction.raw_uri.as_deref());
    put("http_user_agent", asked(b"user-agent"));
    put("xff", asked(b"x-forwarded-for"));
    put(
        "http_content_type",
        answered(b"content-type").map(|value| value.split(|&b| b == b';').next().unwrap_or(value)),
    );
    put("http_refer", asked(b"referer"));
    put("http_method", Some(transaction.method.as_slice()).filter(|method| !method.is_empty()));
    put("protocol", transaction.request.protocol.as_deref());
    match transaction.status_number {
        Some(status) => {
            map.insert("status".to_owned(), json!(status));
            if (301..400).contains(&status)
                && let Some(location) = answered(b"location")
            {
                map.insert("redirect".to_owned(), text(location));
            }
        }
        None => {
            if let Some(status) = &transaction.status {
                map.insert("status_string".to_owned(), text(status));
            }
        }
    }
    if let Some(port) = transaction.port {
        map.insert("http_port".to_owned(), json!(port));
    }
    if let Some(range) = answered(b"content-range") {
        map.insert("content_range".to_owned(), content_range(range));
    }
    map.insert("length".to_owned(), json!(transaction.response.wire_len));
    map
}

/// Start, end and size of `bytes 0-67/68`, as far as there are such.
fn range_numbers(value: &[u8]) -> [Option<u64>; 3] {
    let number = |bytes: &[u8]| leading_number(trim(bytes, is_space), 10);
    let mut parts = value.splitn(2, |&b| b == b'/');
    let span = parts.next().unwrap_or_default();
    let from = span.iter().position(u8::is_ascii_digit).unwrap_or(span.len());
    let mut ends = span.get(from..).unwrap_or_default().splitn(2, |&b| b == b'-');
    [ends.next(), ends.next(), parts.next()].map(|bytes| bytes.and_then(number))
}

/// Whether a range can be put in its place.
pub(super) fn is_range(value: &[u8]) -> bool {
    let [start, end, size] = range_numbers(value);
    let unknown = value.trim_ascii_end().ends_with(b"/*");
    start.zip(end).is_some_and(|(start, end)| {
        start <= end && (unknown || size.is_some_and(|size| end < size))
    })
}

fn content_range(value: &[u8]) -> Value {
    let mut range = Map::from_iter([("raw".to_owned(), text(value))]);
    for (key, number) in ["start", "end", "size"].into_iter().zip(range_numbers(value)) {
        if let Some(number) = number {
            range.insert(key.to_owned(), json!(number));
        }
    }
    Value::Object(range)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_are_no_text_are_escaped() {
        assert_eq!(text("Löch".as_bytes()), json!("Löch"));
        assert_eq!(text(b"a\xff\n"), json!("a\\xff\\x0a"));
    }

    #[test]
    fn ranges() {
        assert_eq!(
            content_range(b"bytes 0-67/68"),
            json!({"raw": "bytes 0-67/68", "start": 0, "end": 67, "size": 68})
        );
        assert_eq!(content_range(b"bytes */68"), json!({"raw": "bytes */68", "size": 68}));
        assert!(is_range(b"bytes 0-67/68") && is_range(b"bytes 0-67/*"));
        assert!(!is_range(b"bytes 0-67/60") && !is_range(b"bytes */68") && !is_range(b"67-0/68"));
    }
}
