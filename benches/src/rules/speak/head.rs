//! Header lines of HTTP messages.

use umbra_analyzers::app::Buffer;
use umbra_analyzers::ids::rule::ast::Source;

use crate::rules::maker::{Maker, Skip, Style};
use crate::rules::pattern::ByteSet;
use crate::rules::solve::Cells;

/// A header line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) name: Vec<u8>,
    pub(super) value: Vec<u8>,
}

impl Line {
    pub(super) fn new(name: &[u8], value: &[u8]) -> Self {
        Self { name: name.to_vec(), value: value.to_vec() }
    }

    pub(super) fn is(&self, name: &[u8]) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.extend(&self.name);
        out.extend(b": ");
        out.extend(&self.value);
        out.extend(b"\r\n");
    }
}

/// Lines as they stand in a message.
pub(super) fn written(lines: &[Line]) -> Vec<u8> {
    let mut out = Vec::new();
    lines.iter().for_each(|line| line.write(&mut out));
    out
}

/// The lines that rules know by a buffer of their own, in a request.
pub(super) const OF_REQUESTS: &[(Buffer, &[u8])] = &[
    (Buffer::HttpHost, b"Host"),
    (Buffer::HttpHostRaw, b"Host"),
    (Buffer::HttpConnection, b"Connection"),
    (Buffer::HttpUserAgent, b"User-Agent"),
    (Buffer::HttpAccept, b"Accept"),
    (Buffer::HttpAcceptEnc, b"Accept-Encoding"),
    (Buffer::HttpAcceptLang, b"Accept-Language"),
    (Buffer::HttpReferer, b"Referer"),
    (Buffer::HttpContentType, b"Content-Type"),
    (Buffer::HttpContentLen, b"Content-Length"),
    (Buffer::HttpCookie, b"Cookie"),
];

/// And in a response.
pub(super) const OF_RESPONSES: &[(Buffer, &[u8])] = &[
    (Buffer::HttpServer, b"Server"),
    (Buffer::HttpLocation, b"Location"),
    (Buffer::HttpConnection, b"Connection"),
    (Buffer::HttpContentType, b"Content-Type"),
    (Buffer::HttpContentLen, b"Content-Length"),
    (Buffer::HttpCookie, b"Set-Cookie"),
];

/// All lines that the rule wants of a message, those of `named` by their own buffers.
pub(super) fn wanted(
    maker: &mut Maker<'_>,
    named: &[(Buffer, &[u8])],
    whole: Buffer,
) -> Result<Vec<Line>, Skip> {
    let mut lines: Vec<Line> = Vec::new();
    for &(buffer, name) in named {
        let mut style = Style::letters();
        match buffer {
            Buffer::HttpHost => style.lowered = true,
            Buffer::HttpContentLen => style.filler = ByteSet::of(|b| b.is_ascii_digit()),
            _ => {}
        }
        if buffer == Buffer::HttpHost {
            if let Some(value) = maker.host_name(buffer, &style)? {
                lines.push(Line::new(name, &value));
            }
            continue;
        }
        if lines.iter().any(|line| line.is(name)) && maker.wants_app(buffer) {
            // The same line under another name: what is there stays.
            let there = lines.iter().find(|line| line.is(name)).map(|l| l.value.clone());
            style = style.seeded(Cells::hard(&there.unwrap_or_default()));
            lines.retain(|line| !line.is(name));
        }
        if let Some(value) = maker.app_bytes(buffer, style)? {
            lines.push(Line::new(name, &kept(maker, buffer, value)));
        }
    }
    if let Some(line) = maker.app_bytes(whole, Style::letters())? {
        lines.extend(parsed(&line));
    }
    for buffer in [Buffer::HttpHeader, Buffer::HttpHeaderRaw] {
        if maker.wants_app(buffer) {
            lines = with_text(maker, buffer, lines)?;
        }
    }
    Ok(lines)
}

/// Blanks at the ends of a value are no part of it: something stands before and behind them.
fn kept(maker: &Maker<'_>, buffer: Buffer, value: Vec<u8>) -> Vec<u8> {
    let is_blank = |b: Option<&u8>| b.is_some_and(u8::is_ascii_whitespace);
    let before: &[u8] = if is_blank(value.first()) { b"x" } else { b"" };
    let behind: &[u8] = if is_blank(value.last()) { b"x" } else { b"" };
    let longer = [before, &value, behind].concat();
    if maker.holds(Source::App(buffer), &longer) { longer } else { value }
}

/// What the rule wants of the headers as a text, with the lines that there are.
fn with_text(maker: &mut Maker<'_>, buffer: Buffer, lines: Vec<Line>) -> Result<Vec<Line>, Skip> {
    let source = Source::App(buffer);
    let mut style = Style::letters();
    style.separator = b"\r\n";
    let is_cookie = |line: &&Line| line.is(b"Cookie") || line.is(b"Set-Cookie");
    let (cookies, others): (Vec<&Line>, Vec<&Line>) = lines.iter().partition(is_cookie);
    let others: Vec<Line> = others.into_iter().cloned().collect();
    let is_wanted = maker
        .rule
        .inspections_of(source)
        .any(|inspection| inspection.matches.iter().any(crate::rules::maker::is_positive));
    if !is_wanted && !lines.is_empty() {
        return Ok(lines);
    }
    let seed = Cells::hard(&written(&others));
    let mut all = match maker.app_bytes(buffer, style.clone().seeded(seed)) {
        Ok(text) => parsed(&text.unwrap_or_default()),
        Err(_) => {
            let text = maker.app_bytes(buffer, style)?.unwrap_or_default();
            let mut all = parsed(&text);
            all.extend(others.into_iter().filter(|o| !parsed(&text).iter().any(|l| l.is(&o.name))));
            all
        }
    };
    all.extend(cookies.into_iter().cloned());
    Ok(all)
}

/// Text as lines; what looks like none gets a name.
fn parsed(text: &[u8]) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let len = rest.windows(2).position(|w| w == b"\r\n").unwrap_or(rest.len());
        let (line, after) = rest.split_at(len);
        rest = after.get(2..).unwrap_or_default();
        if line.is_empty() {
            // Something must end where this begins.
            if lines.is_empty() {
                lines.push(Line::new(b"X-A", b"a"));
            }
            continue;
        }
        let colon = line.iter().position(|&b| b == b':');
        let is_token = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
        let name = colon.and_then(|at| line.get(..at)).filter(|n| n.iter().all(is_token));
        lines.push(match name {
            Some(name) => {
                let value = line.get(name.len() + 1..).unwrap_or_default();
                let name = if name.is_empty() { b"X-H" } else { name };
                Line::new(name, value.strip_prefix(b" ").unwrap_or(value))
            }
            None => Line::new(b"X-H", line),
        });
    }
    lines
}

/// Whether the rule forbids a line of this name.
pub(super) fn is_forbidden(maker: &Maker<'_>, name: &[u8]) -> bool {
    let sources = [Buffer::HttpHeaderNames, Buffer::HttpHeader, Buffer::HttpHeaderRaw];
    sources.iter().any(|&buffer| {
        maker.forbidden(Source::App(buffer)).any(|content| {
            let text: Vec<u8> =
                content.bytes.iter().copied().filter(|b| !b"\r\n: ".contains(b)).collect();
            text.eq_ignore_ascii_case(name)
        })
    })
}

/// The lines in an order, and with those, that `http.header_names` is to have.
pub(super) fn named(maker: &mut Maker<'_>, lines: Vec<Line>) -> Result<Vec<Line>, Skip> {
    let source = Source::App(Buffer::HttpHeaderNames);
    if !maker.wants(source) || maker.holds(source, &names(&lines)) && maker.miss.is_none() {
        return Ok(lines);
    }
    let is_wanted = maker
        .rule
        .inspections_of(source)
        .any(|i| i.matches.iter().any(crate::rules::maker::is_positive));
    if !is_wanted && maker.miss.is_none() {
        return Ok(lines);
    }
    let mut style = Style::letters().seeded(Cells::soft(b"\r\n"));
    style.separator = b"\r\n";
    let text = maker.app_bytes(Buffer::HttpHeaderNames, style)?.unwrap_or_default();
    let mut rest = lines;
    let mut ordered = Vec::new();
    for name in text.split(|b| matches!(b, b'\r' | b'\n')).filter(|name| !name.is_empty()) {
        let at = rest.iter().position(|line| line.is(name));
        let mut line = at.map_or_else(|| Line::new(name, usual(name)), |at| rest.remove(at));
        line.name = name.to_vec();
        ordered.push(line);
    }
    let behind = [ordered.clone(), rest.clone()].concat();
    let before = [rest, ordered.clone()].concat();
    for lines in [behind.clone(), before, ordered] {
        if maker.holds(source, &names(&lines)) {
            return Ok(lines);
        }
    }
    Ok(behind)
}

/// The buffer `http.header_names`.
fn names(lines: &[Line]) -> Vec<u8> {
    let mut out = b"\r\n".to_vec();
    for line in lines {
        out.extend(&line.name);
        out.extend(b"\r\n");
    }
    out.extend(b"\r\n");
    out
}

fn usual(name: &[u8]) -> &'static [u8] {
    match name.to_ascii_lowercase().as_slice() {
        b"host" => b"www.example.test",
        b"accept" => b"*/*",
        b"accept-encoding" => b"identity",
        b"accept-language" => b"en-us",
        b"connection" => b"Keep-Alive",
        b"cache-control" | b"pragma" => b"no-cache",
        b"content-type" => b"text/plain",
        b"user-agent" => b"Mozilla/5.0 (Windows NT 10.0; Win64; x64)",
        b"referer" => b"http://www.example.test/",
        b"cookie" | b"set-cookie" => b"a=b",
        b"content-length" => b"",
        _ => b"abc",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_becomes_lines() {
        let lines = parsed(b"\r\nAccept: a\r\n: b\r\nno line\r\nHost:c");
        let text = written(&lines);
        assert_eq!(text, b"X-A: a\r\nAccept: a\r\nX-H: b\r\nX-H: no line\r\nHost: c\r\n");
        assert_eq!(names(&lines[..1]), b"\r\nX-A\r\n\r\n");
    }
}
