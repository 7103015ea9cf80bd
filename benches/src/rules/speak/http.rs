//! HTTP/1: an exchange of a request and a response.

use umbra_analyzers::app::{Buffer, Heading};
use umbra_analyzers::ids::rule::ast::{Direction, Source};

use super::head::{self, Line, OF_REQUESTS, OF_RESPONSES};
use super::{missing_payload, step, tcp};
use crate::rules::maker::{Maker, Skip, Style};
use crate::rules::solve::Cells;
use crate::rules::talk::Talk;

/// Buffers of requests, beside the lines.
const REQUEST: &[Buffer] = &[
    Buffer::HttpUri,
    Buffer::HttpUriRaw,
    Buffer::HttpMethod,
    Buffer::HttpRequestLine,
    Buffer::HttpRequestHeader,
    Buffer::HttpRequestBody,
];

/// Buffers of responses, beside the lines.
const RESPONSE: &[Buffer] = &[
    Buffer::HttpStatCode,
    Buffer::HttpStatMsg,
    Buffer::HttpResponseLine,
    Buffer::HttpResponseHeader,
    Buffer::HttpResponseBody,
];

pub(super) fn talk(maker: &mut Maker<'_>) -> Result<Talk, Skip> {
    let heading = maker.heading();
    let both = maker.rule.header.direction == Direction::Transaction;
    let wants = |buffers: &[Buffer]| buffers.iter().any(|&b| maker.wants_app(b));
    let of_request = heading == Heading::ToServer || both && wants(REQUEST);
    let of_response = heading == Heading::ToClient || both && wants(RESPONSE);
    let request = if of_request { request(maker)? } else { plain_request(maker)? };
    let response = if of_response { response(maker)? } else { plain_response() };
    let steps = vec![step(Heading::ToServer, request), step(Heading::ToClient, response)];
    Ok(tcp(steps))
}

/// A request that no rule is about.
fn plain_request(maker: &mut Maker<'_>) -> Result<Vec<u8>, Skip> {
    let name = maker.app_bytes(Buffer::FileName, Style::letters())?.unwrap_or_default();
    let mut out = b"GET /".to_vec();
    out.extend(name);
    out.extend(b" HTTP/1.1\r\nHost: www.example.test\r\nAccept: */*\r\n\r\n");
    Ok(out)
}

fn plain_response() -> Vec<u8> {
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfine\n".to_vec()
}

fn request(maker: &mut Maker<'_>) -> Result<Vec<u8>, Skip> {
    let body = body(maker, Buffer::HttpRequestBody)?;
    let method = maker.app_bytes(Buffer::HttpMethod, Style::letters())?;
    let uri = uri(maker)?;
    let line = request_line(maker, method, uri, body.is_some())?;
    let mut lines = head::wanted(maker, OF_REQUESTS, Buffer::HttpRequestHeader)?;
    let names_host = lines.iter().any(|line| line.is(b"Host"));
    if !names_host && !head::is_forbidden(maker, b"Host") {
        let host = Line::new(b"Host", b"www.example.test");
        let first = [&[host.clone()][..], &lines].concat();
        let source = Source::App(Buffer::HttpHeader);
        if maker.holds(source, &head::written(&first)) {
            lines = first;
        } else {
            lines.push(host);
        }
    }
    message(maker, line, lines, body.unwrap_or_default())
}

fn response(maker: &mut Maker<'_>) -> Result<Vec<u8>, Skip> {
    let body = body(maker, Buffer::HttpResponseBody)?.unwrap_or_else(|| b"fine\n".to_vec());
    let code = maker.app_bytes(Buffer::HttpStatCode, Style::letters())?;
    let text = maker.app_bytes(Buffer::HttpStatMsg, Style::letters())?;
    let protocol = maker.app_bytes(Buffer::HttpProtocol, Style::letters())?;
    let mut line = protocol.unwrap_or_else(|| b"HTTP/1.1".to_vec());
    line.push(b' ');
    line.extend(code.unwrap_or_else(|| b"200".to_vec()));
    line.push(b' ');
    line.extend(text.unwrap_or_else(|| b"OK".to_vec()));
    let seed = Cells::soft(&line);
    if let Some(wanted) =
        maker.app_bytes(Buffer::HttpResponseLine, Style::letters().seeded(seed))?
    {
        line = wanted;
    }
    let lines = head::wanted(maker, OF_RESPONSES, Buffer::HttpResponseHeader)?;
    message(maker, line, lines, body)
}

/// What the body is to hold, by its own buffer and as a file.
fn body(maker: &mut Maker<'_>, buffer: Buffer) -> Result<Option<Vec<u8>>, Skip> {
    let own = maker.app_bytes(buffer, Style::letters())?;
    let seed = own.as_deref().map(Cells::hard).unwrap_or_default();
    let file = maker.app_bytes(Buffer::FileData, Style::letters().seeded(seed))?;
    Ok(file.or(own))
}

/// The URI as it is sent.
fn uri(maker: &mut Maker<'_>) -> Result<Option<Vec<u8>>, Skip> {
    let style = || Style::letters().seeded(Cells::soft(b"/"));
    // What would be made simple in a path stays as it is in a query.
    let seeds = [Cells::hard(b"/"), Cells::hard(b"/a?"), Cells::soft(b"/"), Cells::default()];
    let from = if maker.rng.percent(15) { 2 } else { 0 };
    let seeds = seeds.get(from..).unwrap_or_default();
    let mut normal = maker.first_of(Buffer::HttpUri, &Style::letters(), seeds)?;
    if normal.as_deref().is_some_and(is_simplified) {
        let in_query = Style::letters().seeded(Cells::hard(b"/a?"));
        normal = maker
            .app_bytes(Buffer::HttpUri, in_query)
            .unwrap_or(normal)
            .map(|uri| parted(maker, uri));
    }
    let sent = normal.as_deref().map(sent);
    if !maker.wants_app(Buffer::HttpUriRaw) {
        return Ok(sent);
    }
    if let Some(sent) = &sent
        && maker.holds(Source::App(Buffer::HttpUriRaw), sent)
    {
        return Ok(Some(sent.clone()));
    }
    let seed = sent.as_deref().map_or_else(|| Cells::soft(b"/"), Cells::hard);
    let raw = match maker.app_bytes(Buffer::HttpUriRaw, Style::letters().seeded(seed)) {
        Err(Skip::Unsolved(_)) => maker.app_bytes(Buffer::HttpUriRaw, style())?,
        other => other?,
    };
    Ok(raw.or(sent))
}

/// Whether there is something in its path that does not stay.
fn is_simplified(uri: &[u8]) -> bool {
    let path = uri.split(|&b| b == b'?').next().unwrap_or_default();
    [&b"//"[..], b"/./", b"/../", b"\\"]
        .iter()
        .any(|odd| path.windows(odd.len()).any(|w| w == *odd))
}

/// With something between two slashes in a row, where that may be.
fn parted(maker: &Maker<'_>, uri: Vec<u8>) -> Vec<u8> {
    let mut out = Vec::with_capacity(uri.len() + 1);
    for &b in &uri {
        if b == b'/' && out.last() == Some(&b'/') {
            out.push(b'x');
        }
        out.push(b);
    }
    let holds = maker.miss.is_some() || maker.holds(Source::App(Buffer::HttpUri), &out);
    if is_simplified(&uri) && holds { out } else { uri }
}

/// A URI with what cannot stand in a request line escaped.
fn sent(uri: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(uri.len());
    for &b in uri {
        if b == b'%' || !b.is_ascii_graphic() {
            out.extend(format!("%{b:02x}").bytes());
        } else {
            out.push(b);
        }
    }
    out
}

fn request_line(
    maker: &mut Maker<'_>,
    method: Option<Vec<u8>>,
    uri: Option<Vec<u8>>,
    has_body: bool,
) -> Result<Vec<u8>, Skip> {
    let protocol = maker.app_bytes(Buffer::HttpProtocol, Style::letters())?;
    let is_settled = method.is_some() || uri.is_some();
    let usual: &[u8] = if has_body { b"POST" } else { b"GET" };
    let mut line = method.unwrap_or_else(|| usual.to_vec());
    line.push(b' ');
    line.extend(uri.unwrap_or_else(|| b"/".to_vec()));
    for buffer in [Buffer::HttpRequestLine, Buffer::HttpStart] {
        let seed = if is_settled { Cells::hard(&line) } else { Cells::soft(&line) };
        let style = || {
            let mut style = Style::letters();
            if buffer == Buffer::HttpStart {
                style.separator = b"\r\n";
            }
            style
        };
        // What begins as a line does is one, and not a part of the usual one.
        if !is_settled
            && let Ok(Some(wanted)) = maker.app_bytes(buffer, style())
            && wanted.first().is_some_and(u8::is_ascii_uppercase)
            && wanted.windows(2).any(|w| matches!(w, b" /" | b" h" | b" H"))
        {
            line = wanted;
            continue;
        }
        let wanted = match maker.app_bytes(buffer, style().seeded(seed)) {
            Err(Skip::Unsolved(_)) => maker.app_bytes(buffer, style())?,
            other => other?,
        };
        if let Some(wanted) = wanted {
            line = wanted;
        }
    }
    let version = protocol.as_deref().unwrap_or(b"HTTP/1.1");
    let first = line.split(|&b| b == b'\r').next().unwrap_or_default();
    match first.windows(6).rposition(|w| w == b" HTTP/") {
        // Begun, not finished: `.iso HTTP/1.`
        Some(at) if first.len() == line.len() => {
            let there = line.len() - at - 1;
            line.extend(version.get(there..).unwrap_or_default());
        }
        Some(_) => {}
        None => {
            let rest = line.split_off(first.len());
            line.push(b' ');
            line.extend(version);
            line.extend(rest);
        }
    }
    Ok(line)
}

/// A message of these parts, and with what the rule wants of the stream as such.
fn message(
    maker: &mut Maker<'_>,
    line: Vec<u8>,
    lines: Vec<Line>,
    mut body: Vec<u8>,
) -> Result<Vec<u8>, Skip> {
    if let Some(at) = lines.iter().position(|line| line.is(b"Content-Length")) {
        let text = String::from_utf8_lossy(&lines[at].value).into_owned();
        match text.trim().parse::<usize>() {
            // Someone wants this length.
            Ok(len) if len >= body.len() && len < 70_000 => body.resize(len, b'a'),
            _ => {}
        }
    }
    let named = head::named(maker, lines.clone())?;
    let plain = assembled(&line, &named, &body);
    let Some(more) = missing_payload(maker, &plain)? else { return Ok(plain) };
    let source = Source::Payload;
    let is_text = !more.iter().any(|b| matches!(b, 0 | b'\r' | b'\n'));
    let mut tries = Vec::new();
    if is_text {
        let mut with = named.clone();
        with.push(Line::new(b"X-P", &more));
        tries.push(assembled(&line, &with, &body));
    }
    tries.push(assembled(&line, &named, &[&body[..], &more].concat()));
    let begins = [&b"GET "[..], b"POST ", b"HTTP/1.", b"HEAD ", b"PUT "];
    if begins.iter().any(|begin| more.starts_with(begin)) {
        tries.push(if more.windows(4).any(|w| w == b"\r\n\r\n") {
            more.clone()
        } else {
            [&more[..], b"\r\n\r\n"].concat()
        });
    }
    if let Some(fits) = tries.iter().find(|message| maker.holds(source, message)) {
        return Ok(fits.clone());
    }
    // In a field, at a place that suits what stands before it.
    let head = [&line[..], b"\r\n", &head::written(&named), b"X-P: "].concat();
    let begun = Style::letters().seeded(Cells::hard(&head));
    if let Ok(Some(begun)) = maker.bytes(source, begun) {
        let mut message = [&begun[..], b"\r\n"].concat();
        if !body.is_empty() && !named.iter().any(|line| line.is(b"Content-Length")) {
            message.extend(format!("Content-Length: {}\r\n", body.len()).bytes());
        }
        message.extend(b"\r\n");
        message.extend(&body);
        tries.push(message);
    }
    Ok(tries.pop().unwrap_or(plain))
}

fn assembled(line: &[u8], lines: &[Line], body: &[u8]) -> Vec<u8> {
    let mut lines = lines.to_vec();
    let length = body.len().to_string().into_bytes();
    let stated = lines.iter_mut().find(|line| line.is(b"Content-Length"));
    match stated {
        Some(stated) if stated.value.is_empty() => stated.value = length,
        Some(_) => {}
        None if !body.is_empty() => lines.push(Line::new(b"Content-Length", &length)),
        None => {}
    }
    let mut out = line.to_vec();
    let head = head::written(&lines);
    // The line may bring lines of the head along.
    if !out.ends_with(b"\r\n") {
        out.extend(b"\r\n");
    }
    out.extend(head);
    out.extend(b"\r\n");
    out.extend(body);
    out
}
