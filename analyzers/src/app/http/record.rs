//! The `http` object of EVE.

use serde_json::{Map, Value, json};

use super::transaction::HttpTransaction;

/// Bytes as text: UTF-8 as it is, else those beyond ASCII as `\xNN`.
pub(super) fn text(bytes: &[u8]) -> Value {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return Value::from(text);
    }
    let mut text = String::with_capacity(bytes.len());
    for &byte in bytes {
        if byte.is_ascii() {
            text.push(char::from(byte));
        } else {
            text.push_str(&format!("\\x{byte:02x}"));
        }
    }
    Value::from(text)
}

pub(super) fn record(transaction: &HttpTransaction) -> Map<String, Value> {
    let mut map = Map::new();
    let mut put = |key: &str, bytes: Option<&[u8]>| {
        if let Some(bytes @ [_, ..]) = bytes {
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
    put("http_method", Some(&transaction.method));
    put("protocol", transaction.request.protocol.as_deref());
    put("redirect", answered(b"location"));
    match transaction.status_number {
        Some(status) => drop(map.insert("status".to_owned(), json!(status))),
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
        map.insert("content_range".to_owned(), super::range::object(range));
    }
    map.insert("length".to_owned(), json!(transaction.response.wire_len));
    map
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_are_no_text_are_escaped() {
        assert_eq!(text("Löch".as_bytes()), json!("Löch"));
        assert_eq!(text(b"a\xff\n"), json!("a\\xff\n"));
    }
}
