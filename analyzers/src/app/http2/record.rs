//! The `http` object of EVE.

use serde_json::{Map, Value, json};

use super::super::Heading;
use super::super::text::text;
use super::facts::{ErrorCode, Facts};
use super::fields::Fields;
use super::frame::{ERRORS, setting_name};
use super::hpack::{FieldError, Item};
use super::transaction::Http2Transaction;

pub(super) fn record(transaction: &Http2Transaction) -> Map<String, Value> {
    let mut map = Map::from_iter([("version".to_owned(), json!("2"))]);
    let sides = [
        (Heading::ToServer, "request", "request_headers"),
        (Heading::ToClient, "response", "response_headers"),
    ];
    let mut own = Map::from_iter([("stream_id".to_owned(), json!(transaction.stream))]);
    for (heading, name, headers) in sides {
        let side = transaction.side(heading);
        if side.fields.begun {
            let items = side.fields.items().iter().map(item).collect();
            map.insert(headers.to_owned(), Value::Array(items));
            common(&side.fields, &mut map);
        }
        let facts = facts(&side.facts);
        if !facts.is_empty() {
            own.insert(name.to_owned(), Value::Object(facts));
        }
    }
    map.insert("http2".to_owned(), Value::Object(own));
    map
}

fn item(item: &Item) -> Value {
    match item {
        Item::Field(field) => {
            json!({"name": text(field.name.bytes()), "value": text(field.value.bytes())})
        }
        Item::SizeUpdate(size) => json!({"table_size_update": size}),
        Item::Error(error) => json!({"error": match error {
            FieldError::IndexZero => "HTTP2HeaderDecodeIndex0",
            FieldError::NotIndexed => "HTTP2HeaderDecodeNotIndexed",
            FieldError::IntegerOverflow => "HTTP2HeaderDecodeIntegerOverflow",
        }}),
    }
}

/// What HTTP/1 has under the same keys. What the response says counts more: a pushed stream has all there.
fn common(fields: &Fields, map: &mut Map<String, Value>) {
    for (key, name) in
        [("http_method", ":method"), ("url", ":path"), ("http_user_agent", "user-agent")]
    {
        if let Some(value) = fields.last(name) {
            map.insert(key.to_owned(), text(value));
        }
    }
    if let Some(host) = fields.last(":authority").or_else(|| fields.last("host")) {
        map.insert("hostname".to_owned(), text(host));
    }
    for (key, name) in [("status", ":status"), ("length", "content-length")] {
        let value = fields.last(name).and_then(|value| std::str::from_utf8(value).ok());
        if let Some(number) = value.and_then(|value| value.parse::<u64>().ok()) {
            map.insert(key.to_owned(), json!(number));
        }
    }
}

fn facts(facts: &Facts) -> Map<String, Value> {
    let mut map = Map::new();
    if let Some(settings) = &facts.settings {
        let settings = settings.iter().map(|setting| {
            json!({
                "settings_id": setting_name(setting.id),
                "settings_value": setting.value,
            })
        });
        map.insert("settings".to_owned(), Value::Array(settings.collect()));
    }
    if let Some(priority) = facts.priorities.last() {
        map.insert("priority".to_owned(), json!(priority));
    }
    if let Some(error) = facts.errors.last() {
        map.insert("error_code".to_owned(), json!(error_name(*error)));
    }
    map
}

/// GOAWAY's are written in capitals.
fn error_name(error: ErrorCode) -> String {
    let known = usize::try_from(error.code).ok().and_then(|code| ERRORS.get(code));
    match known {
        Some(name) if error.goes_away => name.to_uppercase(),
        Some(name) => (*name).to_owned(),
        None => error.code.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors() {
        let name = |code, goes_away| error_name(ErrorCode { code, goes_away });
        assert_eq!((name(8, false), name(3, true)), ("Cancel".into(), "FLOWCONTROLERROR".into()));
        assert_eq!((name(13, true), name(77, true)), ("HTTP11REQUIRED".into(), "77".into()));
    }
}
