//! Bytes of the wire as text of records.

use serde_json::Value;

/// UTF-8 as it is; of anything else what is not printable ASCII as `\xff`.
pub(super) fn text(bytes: &[u8]) -> Value {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return Value::from(text);
    }
    let render = |&byte: &u8| match byte {
        b' '..=b'~' => char::from(byte).to_string(),
        _ => format!("\\x{byte:02x}"),
    };
    Value::from(bytes.iter().map(render).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_are_no_text_are_escaped() {
        assert_eq!(text("Löch\n".as_bytes()), "Löch\n");
        assert_eq!(text(b"a\xff\n"), "a\\xff\\x0a");
    }
}
