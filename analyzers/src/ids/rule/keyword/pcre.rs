//! `pcre`.

use super::super::ast::{Capture, CaptureKind, Match, Pcre, PcreFlags, Source};
use super::super::builder::Builder;
use super::super::problem::{Result, fail};
use super::super::split::unquoted;
use super::super::text::readable;
use super::{Keyword, value};
use crate::app::Buffer;

pub(super) const KEYWORDS: &[Keyword] = &[value("pcre", pcre)];

fn pcre(b: &mut Builder<'_>, value: &str) -> Result<()> {
    let (text, negated) = match value.strip_prefix('!') {
        Some(rest) => (unquoted(rest.trim_start())?, true),
        None => (unquoted(value)?, false),
    };
    let (text, captures) = split_captures(text)?;
    let Some(text) = text.strip_prefix('/') else { fail!("must begin with a slash") };
    let Some(end) = text.rfind('/') else { fail!("the closing slash is missing") };
    let (pattern, letters) = (text.get(..end).unwrap_or(""), text.get(end + 1..).unwrap_or(""));
    if pattern.is_empty() {
        fail!("the expression is empty");
    }
    let mut flags = PcreFlags::default();
    let (mut relative, mut buffer) = (false, None);
    for letter in letters.trim().chars() {
        match letter {
            'i' => flags.caseless = true,
            's' => flags.dot_all = true,
            'm' => flags.multi_line = true,
            'x' => flags.extended = true,
            'A' => flags.anchored = true,
            'E' => flags.dollar_end_only = true,
            'G' => flags.ungreedy = true,
            'O' => flags.no_limit = true,
            'B' => flags.rawbytes = true,
            'R' => relative = true,
            other => {
                let Some(named) = buffer_of(other) else { fail!("there is no flag {other:?}") };
                if buffer.is_some_and(|buffer| buffer != named) {
                    fail!("the flag {other} names a second buffer");
                }
                buffer = Some(named);
            }
        }
    }
    if flags.rawbytes && buffer.is_some() {
        fail!("the flag B is for the payload, not for a buffer");
    }
    let expression = Pcre {
        pattern: escaped(pattern).into(),
        flags,
        negated,
        relative,
        relative_next: false,
        captures: captures.into_iter().chain(named_captures(pattern)).collect(),
    };
    match (buffer.map(Source::App), b.open_source()) {
        (Some(named), Some(open)) if named != body(open) => {
            fail!("a sticky buffer is open, and a flag names another; pkt_data must stand before")
        }
        (Some(named), None) => {
            b.want(crate::app::AppProto::Http);
            b.check_relative(named, relative)?;
            b.add_to(named, Match::Pcre(expression));
        }
        (None, None) => {
            b.check_relative(Source::Payload, relative)?;
            b.add(Match::Pcre(expression));
        }
        // In a sticky buffer what is relative to nothing is from its beginning.
        (_, Some(_)) => b.add(Match::Pcre(expression)),
    }
    Ok(())
}

/// `file.data` of HTTP is the response's body as well, so the flag Q may stand in either.
fn body(open: Source) -> Source {
    match open {
        Source::App(Buffer::FileData) => Source::App(Buffer::HttpResponseBody),
        other => other,
    }
}

/// The buffer that a flag stands for.
fn buffer_of(flag: char) -> Option<Buffer> {
    Some(match flag {
        'U' => Buffer::HttpUri,
        'I' => Buffer::HttpUriRaw,
        'P' => Buffer::HttpRequestBody,
        'Q' => Buffer::HttpResponseBody,
        'H' => Buffer::HttpHeader,
        'D' => Buffer::HttpHeaderRaw,
        'M' => Buffer::HttpMethod,
        'C' => Buffer::HttpCookie,
        'S' => Buffer::HttpStatCode,
        'Y' => Buffer::HttpStatMsg,
        'V' => Buffer::HttpUserAgent,
        'W' => Buffer::HttpHost,
        'Z' => Buffer::HttpHostRaw,
        _ => return None,
    })
}

/// `"/(a)(b)/i, flow:x, pkt:y"`: what stands behind the flags.
fn split_captures(text: &str) -> Result<(&str, Vec<Capture>)> {
    let after = text.rfind('/').unwrap_or(0);
    let Some(comma) = text.get(after..).and_then(|rest| rest.find(',')) else {
        return Ok((text, Vec::new()));
    };
    let (text, names) = text.split_at_checked(after + comma).unwrap_or((text, ""));
    let names = names.split(',').map(str::trim).filter(|name| !name.is_empty());
    let captures = names.map(|name| match name.split_once(':') {
        Some((kind, name)) => match capture_kind(kind.trim()) {
            Some(kind) => Ok(Capture { kind, name: readable(name.trim()) }),
            None => fail!("{kind:?} must be flow, pkt or alert"),
        },
        None => fail!("{name:?} must be flow:name, pkt:name or alert:name"),
    });
    Ok((text, captures.collect::<Result<_>>()?))
}

fn capture_kind(kind: &str) -> Option<CaptureKind> {
    Some(match kind {
        "flow" => CaptureKind::Flow,
        "pkt" => CaptureKind::Packet,
        "alert" => CaptureKind::Alert,
        _ => return None,
    })
}

/// The older form: `(?P<flow_name>…)`.
fn named_captures(pattern: &str) -> Vec<Capture> {
    let names = pattern.split("(?P<").skip(1).filter_map(|rest| rest.split('>').next());
    names
        .filter_map(|name| {
            let (kind, name) = name.split_once('_')?;
            Some(Capture { kind: capture_kind(kind)?, name: readable(name) })
        })
        .collect()
}

/// Bytes that are not ASCII as `\xHH`, so that a pattern is text whatever it looks for.
fn escaped(pattern: &str) -> String {
    use std::fmt::Write;
    let mut text = String::with_capacity(pattern.len());
    for c in pattern.chars() {
        if c.is_ascii() {
            text.push(c);
        } else {
            let _ = write!(text, "\\x{:02x}", u32::from(c) & 0xff);
        }
    }
    text
}
