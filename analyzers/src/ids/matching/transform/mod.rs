//! What is done to a buffer before anything is looked for in it.
//!
//! Where nothing is left, later transforms leave it at that.

mod digest;
mod inflate;
mod text;

use super::base64;
use super::pcre::FirstGroup;
use crate::ids::rule::ast::{Base64Mode, Transform, Value};

/// Transforms in their order, ready to be applied.
#[derive(Clone, Debug)]
pub(crate) struct Transforms {
    pub(super) list: Box<[Transform]>,
    steps: Box<[Step]>,
}

/// One that needs more than its name.
#[derive(Clone, Debug)]
enum Step {
    /// Changes the buffer in place.
    Plain(fn(&mut Vec<u8>)),
    Xor(Box<[u8]>),
    Base64 {
        bytes: usize,
        offset: i64,
        mode: Base64Mode,
    },
    Pcre(FirstGroup),
    Gunzip(usize),
    Inflate(usize),
}

impl Transforms {
    /// # Errors
    /// What does not compile, in a sentence for the rule's report.
    pub(crate) fn compile(list: &[Transform]) -> Result<Self, String> {
        let steps = list.iter().map(step).collect::<Result<_, _>>()?;
        Ok(Self { list: list.into(), steps })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// The result is in `out`, whose room is used again.
    pub(crate) fn apply(&self, bytes: &[u8], out: &mut Vec<u8>) {
        out.clear();
        out.extend_from_slice(bytes);
        for step in &self.steps {
            if out.is_empty() {
                return;
            }
            match step {
                Step::Plain(change) => change(out),
                Step::Xor(key) => {
                    for (byte, key) in out.iter_mut().zip(key.iter().cycle()) {
                        *byte ^= key;
                    }
                }
                Step::Base64 { bytes, offset, mode } => from_base64(*bytes, *offset, *mode, out),
                Step::Pcre(pcre) => {
                    // What does not match stays.
                    if let Some(group) = pcre.find(out) {
                        text::keep(out, group);
                    }
                }
                Step::Gunzip(most) => inflate::gunzip(*most, out),
                Step::Inflate(most) => inflate::zlib(*most, out),
            }
        }
    }
}

/// Whether more bytes behind can change more of the result than its end.
pub(super) fn needs_whole(transform: &Transform) -> bool {
    !matches!(
        transform,
        Transform::DotPrefix
            | Transform::ToLowercase
            | Transform::ToUppercase
            | Transform::UrlDecode
            | Transform::StripWhitespace
            | Transform::CompressWhitespace
            | Transform::StripPseudoHeaders
            | Transform::HeaderLowercase
            | Transform::Xor(_)
    )
}

fn step(transform: &Transform) -> Result<Step, String> {
    Ok(match transform {
        Transform::DotPrefix => Step::Plain(text::dot_prefix),
        Transform::ToLowercase => Step::Plain(|bytes| bytes.make_ascii_lowercase()),
        Transform::ToUppercase => Step::Plain(|bytes| bytes.make_ascii_uppercase()),
        Transform::UrlDecode => Step::Plain(text::url_decode),
        Transform::StripWhitespace => Step::Plain(text::strip_whitespace),
        Transform::CompressWhitespace => Step::Plain(text::compress_whitespace),
        Transform::StripPseudoHeaders => Step::Plain(text::strip_pseudo_headers),
        Transform::HeaderLowercase => Step::Plain(text::header_lowercase),
        Transform::Xor(key) => Step::Xor(key.clone()),
        Transform::Md5 => Step::Plain(digest::replace::<md5::Md5>),
        Transform::Sha1 => Step::Plain(digest::replace::<sha1::Sha1>),
        Transform::Sha256 => Step::Plain(digest::replace::<sha2::Sha256>),
        Transform::FromBase64 { bytes, offset, mode } => Step::Base64 {
            bytes: match bytes {
                Some(value) => constant(*value)? as usize,
                None => 0,
            },
            offset: match offset {
                Some(value) => constant(*value)?.into(),
                None => 0,
            },
            mode: *mode,
        },
        Transform::Pcre(pattern) => Step::Pcre(FirstGroup::compile(pattern)?),
        Transform::Domain => Step::Plain(text::domain),
        Transform::Tld => Step::Plain(text::tld),
        Transform::Gunzip { max_bytes } => Step::Gunzip(*max_bytes as usize),
        Transform::ZlibDeflate { max_bytes } => Step::Inflate(*max_bytes as usize),
    })
}

fn constant<T: Copy>(value: Value<T>) -> Result<T, String> {
    match value {
        Value::Constant(n) => Ok(n),
        Value::Variable(_) => {
            Err("from_base64 is done before anything is extracted, so it cannot use a variable"
                .into())
        }
    }
}

/// `bytes` from `offset` on, which must not be the last ones; 0 for all. What is no base64 stays.
fn from_base64(bytes: usize, offset: i64, mode: Base64Mode, out: &mut Vec<u8>) {
    let Ok(offset) = usize::try_from(offset) else { return };
    let Some(encoded) = out.get(offset..) else { return };
    let encoded = match bytes {
        0 => encoded,
        bytes if bytes < encoded.len() => encoded.get(..bytes).unwrap_or(encoded),
        _ => return,
    };
    let mut decoded = Vec::with_capacity(encoded.len() / 4 * 3 + 3);
    base64::decode(encoded, mode, &mut decoded);
    if !decoded.is_empty() {
        *out = decoded;
    }
}
