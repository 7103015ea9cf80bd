//! `content`, its modifiers, and what measures the buffer around it.

use std::sync::Arc;

use super::super::ast::{
    Absent, Base64Decode, Compare, Content, Dataset, DatasetCommand, DatasetKind, Entropy,
    EntropyCompare, FastPattern, IsDataAt, Match, Source, Value,
};
use super::super::builder::Builder;
use super::super::number::{compare, unsigned, within};
use super::super::problem::{Result, fail};
use super::super::split::{content_bytes, quoted, unquoted};
use super::super::text::readable;
use super::{Keyword, nothing, perhaps, value};
use crate::app::Buffer;

pub(super) const KEYWORDS: &[Keyword] = &[
    value("content", content),
    value("uricontent", uricontent),
    nothing("nocase", nocase),
    value("offset", offset),
    value("depth", depth),
    value("distance", distance),
    value("within", within_),
    nothing("startswith", startswith),
    nothing("endswith", endswith),
    nothing("rawbytes", rawbytes),
    perhaps("fast_pattern", fast_pattern),
    value("isdataat", isdataat),
    value("bsize", bsize),
    value("urilen", urilen),
    perhaps("base64_decode", base64_decode),
    nothing("base64_data", base64_data),
    value("entropy", entropy),
    perhaps("absent", absent),
    value("dataset", dataset),
    value("datarep", datarep),
];

/// Longest content.
const MAX_CONTENT: usize = u16::MAX as usize;

/// A content as a rule writes it, without modifiers.
pub(super) fn new_content(text: &str, negated: bool) -> Result<Content> {
    let bytes = content_bytes(text)?;
    if bytes.len() > MAX_CONTENT {
        fail!("it has {} bytes, {MAX_CONTENT} are allowed", bytes.len());
    }
    Ok(Content {
        bytes,
        nocase: false,
        negated,
        offset: None,
        depth: None,
        distance: None,
        within: None,
        startswith: false,
        endswith: false,
        rawbytes: false,
        fast_pattern: None,
        relative_next: false,
    })
}

fn content(b: &mut Builder<'_>, value: &str) -> Result<()> {
    let (text, negated) = quoted(value)?;
    let content = new_content(text, negated)?;
    b.add(Match::Content(content));
    Ok(())
}

fn uricontent(b: &mut Builder<'_>, value: &str) -> Result<()> {
    if b.open_source().is_some() {
        fail!("a sticky buffer is open; pkt_data must stand before");
    }
    let (text, negated) = quoted(value)?;
    let content = new_content(text, negated)?;
    b.want(crate::app::AppProto::Http);
    b.add_to(Source::App(Buffer::HttpUri), Match::Content(content));
    Ok(())
}

fn nocase(b: &mut Builder<'_>, _: &str) -> Result<()> {
    let content = b.last_content()?;
    if content.nocase {
        fail!("the content has it already");
    }
    content.nocase = true;
    Ok(())
}

/// A modifier stands once, and those from the beginning not with those from the last match.
fn check(content: &Content, present: bool, absolute: bool) -> Result<()> {
    if content.startswith {
        fail!("the content has startswith, which says where it is");
    }
    if present {
        fail!("the content has it already");
    }
    if absolute && content.is_relative() {
        fail!("the content has distance or within, and cannot have offset or depth too");
    }
    if !absolute && (content.offset.is_some() || content.depth.is_some()) {
        fail!("the content has offset or depth, and cannot have distance or within too");
    }
    if content.negated && content.fast_pattern.is_some() {
        fail!("a negated content with fast_pattern cannot have it");
    }
    if content.fast_pattern == Some(FastPattern::Only) {
        fail!("a content with fast_pattern:only cannot have it");
    }
    Ok(())
}

fn offset(b: &mut Builder<'_>, value: &str) -> Result<()> {
    let value = b.value("it", unquoted(value)?, 0u16, u16::MAX)?;
    let content = b.last_content()?;
    check(content, content.offset.is_some(), true)?;
    content.offset = Some(value);
    Ok(())
}

fn depth(b: &mut Builder<'_>, value: &str) -> Result<()> {
    let value = b.value("it", unquoted(value)?, 0u16, u16::MAX)?;
    let content = b.last_content()?;
    check(content, content.depth.is_some(), true)?;
    if let Value::Constant(depth) = value
        && usize::from(depth) < content.bytes.len()
    {
        fail!("it is {depth}, less than the {} bytes of the content", content.bytes.len());
    }
    content.depth = Some(value);
    Ok(())
}

/// Bounds of `distance` and `within`.
const REACH: i32 = 1024 * 1024;

fn distance(b: &mut Builder<'_>, value: &str) -> Result<()> {
    let value = b.value("it", unquoted(value)?, -REACH, REACH)?;
    let content = b.last_content()?;
    check(content, content.distance.is_some(), false)?;
    content.distance = Some(value);
    Ok(())
}

fn within_(b: &mut Builder<'_>, value: &str) -> Result<()> {
    let value = b.value("it", unquoted(value)?, -REACH, REACH)?;
    let content = b.last_content()?;
    check(content, content.within.is_some(), false)?;
    if let Value::Constant(within) = value
        && usize::try_from(within).is_ok_and(|within| within < content.bytes.len())
    {
        fail!("it is {within}, less than the {} bytes of the content", content.bytes.len());
    }
    content.within = Some(value);
    Ok(())
}

fn startswith(b: &mut Builder<'_>, _: &str) -> Result<()> {
    let content = b.last_content()?;
    if content.startswith {
        fail!("the content has it already");
    }
    if content.is_relative() || content.offset.is_some() || content.depth.is_some() {
        fail!("the content has offset, depth, distance or within, which say where it is");
    }
    if content.fast_pattern == Some(FastPattern::Only) {
        fail!("a content with fast_pattern:only cannot have it");
    }
    content.startswith = true;
    content.offset = Some(Value::Constant(0));
    content.depth = u16::try_from(content.bytes.len()).ok().map(Value::Constant);
    Ok(())
}

fn endswith(b: &mut Builder<'_>, _: &str) -> Result<()> {
    let content = b.last_content()?;
    if content.endswith {
        fail!("the content has it already");
    }
    content.endswith = true;
    Ok(())
}

fn rawbytes(b: &mut Builder<'_>, _: &str) -> Result<()> {
    if b.open_source().is_some() {
        fail!("a sticky buffer is open, which has no raw bytes");
    }
    let content = b.last_content()?;
    if content.rawbytes {
        fail!("the content has it already");
    }
    content.rawbytes = true;
    Ok(())
}

fn fast_pattern(b: &mut Builder<'_>, value: &str) -> Result<()> {
    if b.open_source() == Some(Source::Base64Data) {
        fail!("base64_data cannot be searched for first");
    }
    let content = b.last_content()?;
    if content.fast_pattern.is_some() {
        fail!("the content has it already");
    }
    let bound = content.is_relative() || content.offset.is_some() || content.depth.is_some();
    if content.negated && bound {
        fail!("a negated content that has offset, depth, distance or within cannot have it");
    }
    let len = content.bytes.len();
    content.fast_pattern = Some(match value {
        "" => FastPattern::Whole,
        "only" if content.negated || bound => {
            fail!("only: a content that is negated or bound to a place cannot have it")
        }
        "only" => FastPattern::Only,
        part => {
            let Some((offset, part_len)) = part.split_once(',') else {
                fail!("{part:?} must be only, or offset,length");
            };
            let (offset, part_len) = (
                within("the offset", offset, 0u16, u16::MAX)?,
                within("the length", part_len, 1u16, u16::MAX)?,
            );
            if usize::from(offset) + usize::from(part_len) > len {
                fail!("{offset},{part_len} reaches past the {len} bytes of the content");
            }
            FastPattern::Part { offset, len: part_len }
        }
    });
    // In all of the rule only one.
    b.once("fast_pattern")
}

fn isdataat(b: &mut Builder<'_>, value: &str) -> Result<()> {
    let value = unquoted(value)?;
    let mut parts = value.split(',').map(str::trim);
    let at = parts.next().unwrap_or("");
    let (at, negated) = match at.strip_prefix('!') {
        Some(at) => (at, true),
        None => (at, false),
    };
    let at = b.value("the place", at, 0u16, u16::MAX)?;
    let mut found = IsDataAt { at, relative: false, rawbytes: false, negated };
    for part in parts {
        match part {
            "relative" => found.relative = true,
            "rawbytes" => found.rawbytes = true,
            other => fail!("{other:?} must be relative or rawbytes"),
        }
    }
    if found.relative {
        b.add_behind_last(Match::IsDataAt(found));
    } else {
        b.add(Match::IsDataAt(found));
    }
    Ok(())
}

fn bsize(b: &mut Builder<'_>, value: &str) -> Result<()> {
    if b.open_source().is_none() {
        fail!("it must stand behind a sticky buffer");
    }
    let size = compare(unquoted(value)?)?;
    b.add(Match::Size(size));
    Ok(())
}

fn urilen(b: &mut Builder<'_>, value: &str) -> Result<()> {
    let (size, kind) = unquoted(value)?.split_once(',').map_or((value, ""), |(s, k)| (s, k.trim()));
    let buffer = match kind {
        "" | "norm" => Buffer::HttpUri,
        "raw" => Buffer::HttpUriRaw,
        other => fail!("{other:?} must be norm or raw"),
    };
    let size: Compare<u16> = compare(unquoted(size)?)?;
    b.want(crate::app::AppProto::Http);
    b.add_to(Source::App(buffer), Match::Size(widen(size)));
    Ok(())
}

/// The same comparison of wider numbers.
pub(super) fn widen<T: Into<U>, U>(compare: Compare<T>) -> Compare<U> {
    match compare {
        Compare::Equal(n) => Compare::Equal(n.into()),
        Compare::NotEqual(n) => Compare::NotEqual(n.into()),
        Compare::Less(n) => Compare::Less(n.into()),
        Compare::LessOrEqual(n) => Compare::LessOrEqual(n.into()),
        Compare::Greater(n) => Compare::Greater(n.into()),
        Compare::GreaterOrEqual(n) => Compare::GreaterOrEqual(n.into()),
        Compare::Between(a, b) => Compare::Between(a.into(), b.into()),
        Compare::NotBetween(a, b) => Compare::NotBetween(a.into(), b.into()),
        Compare::Masked { mask, value } => {
            Compare::Masked { mask: mask.into(), value: value.into() }
        }
        Compare::NotMasked { mask, value } => {
            Compare::NotMasked { mask: mask.into(), value: value.into() }
        }
    }
}

fn base64_decode(b: &mut Builder<'_>, value: &str) -> Result<()> {
    let mut found = Base64Decode { bytes: 0, offset: 0, relative: false };
    let parts = unquoted(value)?.split(',').map(str::trim).filter(|part| !part.is_empty());
    for part in parts {
        match part.split_once(char::is_whitespace) {
            Some(("bytes", n)) => found.bytes = within("bytes", n, 1u32, 65535)?,
            Some(("offset", n)) => found.offset = within("the offset", n, 0u32, 65535)?,
            None if part == "relative" => found.relative = true,
            _ => fail!("{part:?} must be bytes N, offset N or relative"),
        }
    }
    if found.relative {
        b.add_behind_last(Match::Base64Decode(found));
    } else {
        b.add(Match::Base64Decode(found));
    }
    b.first("base64_decode");
    Ok(())
}

fn base64_data(b: &mut Builder<'_>, _: &str) -> Result<()> {
    if !b.said.contains(&"base64_decode") {
        fail!("base64_decode must stand before it");
    }
    b.open(Source::Base64Data)
}

fn absent(b: &mut Builder<'_>, value: &str) -> Result<()> {
    if b.open_source().is_none() {
        fail!("it must stand behind a sticky buffer");
    }
    let or_else = match value {
        "" => false,
        "or_else" => true,
        other => fail!("{other:?} must be or_else, or nothing"),
    };
    b.add(Match::Absent(Absent { or_else }));
    Ok(())
}

fn entropy(b: &mut Builder<'_>, value: &str) -> Result<()> {
    let mut found = (0, 0, None);
    for part in unquoted(value)?.split(',').map(str::trim) {
        if let Some(n) = part.strip_prefix("bytes ") {
            found.0 = within("bytes", n, 0u32, u32::MAX)?;
        } else if let Some(n) = part.strip_prefix("offset ") {
            found.1 = within("the offset", n, 0u32, u32::MAX)?;
        } else {
            let part = part.strip_prefix("value").map_or(part, str::trim_start);
            found.2 = Some(entropy_compare(part)?);
        }
    }
    let (bytes, offset, Some(compare)) = found else { fail!("the value is missing") };
    b.add(Match::Entropy(Entropy { bytes, offset, compare }));
    Ok(())
}

fn entropy_compare(text: &str) -> Result<EntropyCompare> {
    let number = |text: &str| match text.trim().parse::<f64>() {
        Ok(n) if (0.0..=8.0).contains(&n) => Ok(n),
        _ => fail!("{text:?} must be a number from 0 to 8"),
    };
    type Make = fn(f64) -> EntropyCompare;
    let signs: [(&str, Make); 7] = [
        ("<=", EntropyCompare::LessOrEqual),
        (">=", EntropyCompare::GreaterOrEqual),
        ("!=", EntropyCompare::NotEqual),
        ("<", EntropyCompare::Less),
        (">", EntropyCompare::Greater),
        ("=", EntropyCompare::Equal),
        ("!", EntropyCompare::NotEqual),
    ];
    for (sign, make) in signs {
        let Some(rest) = text.strip_prefix(sign) else { continue };
        return match rest.split_once('-').filter(|_| sign == "!") {
            Some((low, high)) => Ok(EntropyCompare::NotBetween(number(low)?, number(high)?)),
            None => number(rest).map(make),
        };
    }
    match text.split_once("<>").or_else(|| text.split_once('-')) {
        Some((low, high)) => Ok(EntropyCompare::Between(number(low)?, number(high)?)),
        None => number(text).map(EntropyCompare::Equal),
    }
}

fn dataset(b: &mut Builder<'_>, value: &str) -> Result<()> {
    let mut parts = unquoted(value)?.split(',').map(str::trim);
    let command = match parts.next().unwrap_or("") {
        "isset" => DatasetCommand::IsSet,
        "isnotset" => DatasetCommand::IsNotSet,
        "set" => DatasetCommand::Set,
        "unset" => DatasetCommand::Unset,
        other => fail!("{other:?} must be isset, isnotset, set or unset"),
    };
    let name = parts.next().unwrap_or("");
    let found = dataset_options(command, name, parts)?;
    add_dataset(b, found)
}

fn datarep(b: &mut Builder<'_>, value: &str) -> Result<()> {
    let mut parts = unquoted(value)?.split(',').map(str::trim);
    let name = parts.next().unwrap_or("");
    let operator = parts.next().unwrap_or("");
    let number = within("the reputation", parts.next().unwrap_or(""), 0u16, u16::MAX)?;
    let compare = match operator {
        ">" => Compare::Greater(number),
        "<" => Compare::Less(number),
        "==" => Compare::Equal(number),
        other => fail!("{other:?} must be <, > or =="),
    };
    let found = dataset_options(DatasetCommand::Reputation(compare), name, parts)?;
    add_dataset(b, found)
}

fn add_dataset(b: &mut Builder<'_>, found: Dataset) -> Result<()> {
    if b.open_source().is_none() {
        fail!("it must stand behind a sticky buffer");
    }
    b.add(Match::Dataset(Arc::new(found)));
    Ok(())
}

fn dataset_options<'a>(
    command: DatasetCommand,
    name: &str,
    options: impl Iterator<Item = &'a str>,
) -> Result<Dataset> {
    if name.is_empty() || name.len() > 63 || name.contains(char::is_whitespace) {
        fail!("{name:?} is no name of a set: 1 to 63 characters without blanks");
    }
    let mut found = Dataset {
        command,
        name: readable(name),
        kind: None,
        load: None,
        save: None,
        memcap: None,
        hashsize: None,
    };
    for option in options {
        let Some((key, value)) = option.split_once(char::is_whitespace) else {
            fail!("{option:?} must be a name and a value");
        };
        let value = value.trim();
        match key {
            "type" => {
                found.kind = Some(match value {
                    "string" => DatasetKind::String,
                    "md5" => DatasetKind::Md5,
                    "sha256" => DatasetKind::Sha256,
                    "ipv4" => DatasetKind::Ipv4,
                    "ip" => DatasetKind::Ip,
                    other => fail!("the type {other:?} must be string, md5, sha256, ipv4 or ip"),
                });
            }
            "load" => found.load = Some(readable(value)),
            "save" => found.save = Some(readable(value)),
            "state" => {
                found.load = Some(readable(value));
                found.save = found.load.clone();
            }
            "memcap" => {
                let Compare::Equal(n) = compare::<u64>(value)? else {
                    fail!("memcap is {value:?}, must be a number of bytes");
                };
                found.memcap = Some(n);
            }
            "hashsize" => {
                found.hashsize = unsigned(value).and_then(|n| u32::try_from(n).ok());
                if found.hashsize.is_none() {
                    fail!("hashsize is {value:?}, must be a number");
                }
            }
            other => super::super::problem::unsupported!("the option {other}"),
        }
    }
    Ok(found)
}
