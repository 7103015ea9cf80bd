//! What frames of HTTP/2 must say.

use super::super::ast::{AppCondition, Compare};
use super::super::builder::Builder;
use super::super::number::{Number, compare, unsigned};
use super::super::problem::{Result, fail};
use super::super::split::unquoted;
use super::content::widen;
use super::{Keyword, value};
use crate::app::{AppProto, Field};

pub(super) const KEYWORDS: &[Keyword] = &[
    value("http2.frametype", |b, v| {
        named::<u8>(b, v, Field::Http2FrameType, &FRAME_TYPES, "a frame type")
    }),
    value("http2.errorcode", |b, v| named::<u32>(b, v, Field::Http2ErrorCode, &ERRORS, "an error")),
    value("http2.priority", |b, v| number::<u8>(b, v, Field::Http2Priority)),
    value("http2.window", |b, v| number::<u32>(b, v, Field::Http2Window)),
    value("http2.size_update", |b, v| number::<u64>(b, v, Field::Http2SizeUpdate)),
    value("http2.settings", settings),
];

/// In the order of their numbers (RFC 9113, section 6).
const FRAME_TYPES: [&str; 10] = [
    "DATA",
    "HEADERS",
    "PRIORITY",
    "RSTSTREAM",
    "SETTINGS",
    "PUSHPROMISE",
    "PING",
    "GOAWAY",
    "WINDOWUPDATE",
    "CONTINUATION",
];

/// In the order of their numbers (RFC 9113, section 7).
const ERRORS: [&str; 14] = [
    "NO_ERROR",
    "PROTOCOL_ERROR",
    "INTERNAL_ERROR",
    "FLOW_CONTROL_ERROR",
    "SETTINGS_TIMEOUT",
    "STREAM_CLOSED",
    "FRAME_SIZE_ERROR",
    "REFUSED_STREAM",
    "CANCEL",
    "COMPRESSION_ERROR",
    "CONNECT_ERROR",
    "ENHANCE_YOUR_CALM",
    "INADEQUATE_SECURITY",
    "HTTP_1_1_REQUIRED",
];

/// With their numbers (RFC 9113, section 6.5.2; RFC 8441; RFC 9218).
const SETTINGS: [(&str, u16); 8] = [
    ("SETTINGS_HEADER_TABLE_SIZE", 1),
    ("SETTINGS_ENABLE_PUSH", 2),
    ("SETTINGS_MAX_CONCURRENT_STREAMS", 3),
    ("SETTINGS_INITIAL_WINDOW_SIZE", 4),
    ("SETTINGS_MAX_FRAME_SIZE", 5),
    ("SETTINGS_MAX_HEADER_LIST_SIZE", 6),
    ("SETTINGS_ENABLE_CONNECT_PROTOCOL", 8),
    ("SETTINGS_NO_RFC7540_PRIORITIES", 9),
];

fn add(b: &mut Builder<'_>, field: Field, compare: Compare<u64>) {
    b.want(AppProto::Http2);
    b.app(AppCondition::Number { field, any_of: vec![compare] });
}

fn number<T: Number + Into<u64>>(b: &mut Builder<'_>, value: &str, field: Field) -> Result<()> {
    let compare: Compare<T> = compare(unquoted(value)?)?;
    add(b, field, widen(compare));
    Ok(())
}

/// A name or a number, or a range of numbers.
fn named<T: Number + Into<u64>>(
    b: &mut Builder<'_>,
    value: &str,
    field: Field,
    names: &[&str],
    what: &str,
) -> Result<()> {
    let value = unquoted(value)?.trim();
    if let Some(number) = names.iter().position(|name| name.eq_ignore_ascii_case(value)) {
        add(b, field, Compare::Equal(number as u64));
        return Ok(());
    }
    let is_number = unsigned(value).is_some() || value.starts_with(|c: char| c.is_ascii_digit());
    if !is_number {
        fail!("{value:?} is no name of {what} and no number: {}", names.join(" "));
    }
    let compare: Compare<T> = compare(value)?;
    add(b, field, widen(compare));
    Ok(())
}

/// `SETTINGS_ENABLE_PUSH`, or with what its value must be: `SETTINGS_MAX_FRAME_SIZE>16384`.
fn settings(b: &mut Builder<'_>, value: &str) -> Result<()> {
    let value = unquoted(value)?.trim();
    let end = value
        .find(|c: char| c.is_whitespace() || matches!(c, '<' | '>' | '='))
        .unwrap_or(value.len());
    let (name, rest) = value.split_at_checked(end).unwrap_or((value, ""));
    let Some((_, id)) = SETTINGS.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)) else {
        let names = SETTINGS.map(|(name, _)| name).join(" ");
        fail!("{name:?} is no name of a setting: {names}");
    };
    let compare = match rest.trim() {
        "" => Compare::GreaterOrEqual(0),
        rest => widen(compare::<u32>(rest)?),
    };
    add(b, Field::Http2Setting(*id), compare);
    Ok(())
}
