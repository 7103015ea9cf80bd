//! Transforms of sticky buffers.

use super::super::ast::{Base64Mode, Transform};
use super::super::builder::Builder;
use super::super::number::within;
use super::super::problem::{Result, fail};
use super::super::split::{quoted, unquoted};
use super::{Keyword, nothing, perhaps, value};

pub(super) const KEYWORDS: &[Keyword] = &[
    nothing("dotprefix", |b, _| b.transform(Transform::DotPrefix)),
    nothing("to_lowercase", |b, _| b.transform(Transform::ToLowercase)),
    nothing("to_uppercase", |b, _| b.transform(Transform::ToUppercase)),
    nothing("url_decode", |b, _| b.transform(Transform::UrlDecode)),
    nothing("strip_whitespace", |b, _| b.transform(Transform::StripWhitespace)),
    nothing("compress_whitespace", |b, _| b.transform(Transform::CompressWhitespace)),
    nothing("strip_pseudo_headers", |b, _| b.transform(Transform::StripPseudoHeaders)),
    nothing("header_lowercase", |b, _| b.transform(Transform::HeaderLowercase)),
    nothing("to_md5", |b, _| b.transform(Transform::Md5)),
    nothing("to_sha1", |b, _| b.transform(Transform::Sha1)),
    nothing("to_sha256", |b, _| b.transform(Transform::Sha256)),
    nothing("domain", |b, _| b.transform(Transform::Domain)),
    nothing("tld", |b, _| b.transform(Transform::Tld)),
    value("xor", xor),
    value("pcrexform", pcrexform),
    perhaps("from_base64", from_base64),
    perhaps("gunzip", |b, v| {
        let max_bytes = max_size(v)?;
        b.transform(Transform::Gunzip { max_bytes })
    }),
    perhaps("zlib_deflate", |b, v| {
        let max_bytes = max_size(v)?;
        b.transform(Transform::ZlibDeflate { max_bytes })
    }),
];

fn xor(b: &mut Builder<'_>, value: &str) -> Result<()> {
    let key = unquoted(value)?.trim();
    let digit = |byte: &u8| char::from(*byte).to_digit(16).and_then(|d| u8::try_from(d).ok());
    let bytes: Option<Vec<u8>> = key
        .as_bytes()
        .chunks(2)
        .map(|pair| match pair {
            [high, low] => Some(digit(high)? << 4 | digit(low)?),
            _ => None,
        })
        .collect();
    match bytes {
        Some(bytes) if !bytes.is_empty() && bytes.len() <= 255 => {
            b.transform(Transform::Xor(bytes.into()))
        }
        _ => fail!("the key {key:?} must be 1 to 255 bytes in hexadecimal"),
    }
}

fn pcrexform(b: &mut Builder<'_>, value: &str) -> Result<()> {
    let pattern = match quoted(value) {
        Ok((pattern, false)) => pattern,
        Ok((_, true)) => fail!("it cannot be negated"),
        Err(_) => value,
    };
    b.transform(Transform::Pcre(pattern.into()))
}

fn from_base64(b: &mut Builder<'_>, value: &str) -> Result<()> {
    let (mut bytes, mut offset, mut mode) = (None, None, None);
    for part in unquoted(value)?.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let Some((key, rest)) = part.split_once(char::is_whitespace) else {
            fail!("{part:?} must be bytes N, offset N or mode M");
        };
        let rest = rest.trim();
        let again = match key {
            "bytes" => bytes.replace(b.value("bytes", rest, 1u32, u16::MAX.into())?).is_some(),
            "offset" => offset.replace(b.value("the offset", rest, -65535, 65535)?).is_some(),
            "mode" => {
                let named = match rest {
                    "rfc4648" => Base64Mode::Rfc4648,
                    "rfc2045" => Base64Mode::Rfc2045,
                    "strict" => Base64Mode::Strict,
                    other => fail!("the mode {other:?} must be rfc4648, rfc2045 or strict"),
                };
                mode.replace(named).is_some()
            }
            other => fail!("there is no option {other:?}"),
        };
        if again {
            fail!("{key} stands twice");
        }
    }
    b.transform(Transform::FromBase64 { bytes, offset, mode: mode.unwrap_or_default() })
}

/// Bytes of output where the rule says nothing.
const DEFAULT_OUTPUT: u32 = 1024;

fn max_size(value: &str) -> Result<u32> {
    if value.is_empty() {
        return Ok(DEFAULT_OUTPUT);
    }
    match unquoted(value)?.trim().split_once(char::is_whitespace) {
        Some(("max-size", n)) => within("max-size", n, 1u32, 65_536),
        _ => fail!("{value:?} must be max-size N"),
    }
}
