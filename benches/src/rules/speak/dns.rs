//! DNS messages (RFC 1035).

use umbra_analyzers::app::{Buffer, Field, Heading};
use umbra_analyzers::ids::rule::ast::Source;

use super::{is_tcp, missing_payload, step, tcp, written_over};
use crate::rules::maker::{Maker, Skip, Style};
use crate::rules::solve::Cells;
use crate::rules::talk::{Talk, Transport};

/// Buffers that are the name asked for.
const QUESTION: &[Buffer] = &[Buffer::DnsQuery, Buffer::DnsQueriesRrname, Buffer::DnsQueryName];

/// And the names that answers are about, with the section's number.
const RECORDS: &[(Buffer, usize)] = &[
    (Buffer::DnsAnswersRrname, 0),
    (Buffer::DnsResponseRrname, 0),
    (Buffer::DnsAuthoritiesRrname, 1),
    (Buffer::DnsAdditionalsRrname, 2),
];

pub(super) fn talk(maker: &mut Maker<'_>) -> Result<Talk, Skip> {
    let mut name: Option<Vec<u8>> = None;
    for &buffer in QUESTION {
        name = match name {
            None => maker.host_name(buffer, &Style::letters())?,
            Some(known) => {
                let style = Style::letters().seeded(Cells::hard(&known));
                maker.app_bytes(buffer, style)?.or(Some(known))
            }
        };
    }
    let mut records: Vec<(usize, Vec<u8>)> = Vec::new();
    for &(buffer, section) in RECORDS {
        if let Some(name) = maker.host_name(buffer, &Style::letters())? {
            records.push((section, name));
        }
    }
    let name = name.unwrap_or_else(|| b"www.example.test".to_vec());
    let id = maker.rng.next() as u16;
    let heading = maker.heading();
    let query = message(maker, id, Heading::ToServer, &name, &[]);
    let answer = message(maker, id, Heading::ToClient, &name, &records);
    let mut messages = [query, answer];
    if let Some(message) = messages.get_mut(heading.index())
        && let Some(payload) = missing_payload(maker, message)?
    {
        let text =
            payload.windows(2).any(|w| w == NAME_OF_QUESTION).then(|| with_text(maker, id, &name));
        // The header of a message before it, if it has none of its own.
        let begun = text.flatten().or_else(|| written_over(maker, message));
        *message = begun.unwrap_or(payload);
    }
    let [query, answer] = messages;
    let over_tcp = is_tcp(maker) || !maker.wants(Source::Payload) && maker.rng.percent(8);
    if over_tcp {
        let framed = |message: Vec<u8>| {
            let len = u16::try_from(message.len()).unwrap_or(u16::MAX);
            [&len.to_be_bytes()[..], &message].concat()
        };
        return Ok(tcp(vec![
            step(Heading::ToServer, framed(query)),
            step(Heading::ToClient, framed(answer)),
        ]));
    }
    let steps = vec![step(Heading::ToServer, query), step(Heading::ToClient, answer)];
    Ok(Talk::new(Transport::Udp, steps))
}

/// A pointer to the name in the question.
const NAME_OF_QUESTION: &[u8] = &[0xc0, 12];

/// An answer with a text (TXT) that has what the rule wants of the message.
fn with_text(maker: &mut Maker<'_>, id: u16, name: &[u8]) -> Option<Vec<u8>> {
    let mut begun = Vec::new();
    for word in [id, 0x8180, 1, 1, 0, 0] {
        begun.extend(word.to_be_bytes());
    }
    begun.extend(labels(name));
    begun.extend([0, 16, 0, 1]);
    begun.extend(NAME_OF_QUESTION);
    begun.extend([0, 16, 0, 1, 0, 0, 1, 0x2c, 0, 0, 0]);
    let style = Style::letters().seeded(Cells::hard(&begun));
    let mut message = maker.bytes(Source::Payload, style).ok().flatten()?;
    let len = u8::try_from(message.len() - begun.len()).ok()?;
    let lengths = message.get_mut(begun.len() - 3..begun.len())?;
    lengths.copy_from_slice(&[(u16::from(len) + 1).to_be_bytes(), [len, 0]].concat()[..3]);
    Some(message)
}

fn message(
    maker: &Maker<'_>,
    id: u16,
    heading: Heading,
    name: &[u8],
    records: &[(usize, Vec<u8>)],
) -> Vec<u8> {
    let number = |field| maker.number(field).and_then(|n| u16::try_from(n).ok());
    let opcode = number(Field::DnsOpcode).unwrap_or(0) & 15;
    let rcode = number(Field::DnsRcode).unwrap_or(0) & 15;
    let rrtype = number(Field::DnsRrtype).unwrap_or(1);
    let is_answer = heading == Heading::ToClient;
    let flags = opcode << 11 | 0x0100 | if is_answer { 0x8080 | rcode } else { 0 };
    let mut counts = [0u16; 3];
    let mut body = Vec::new();
    if is_answer && rcode == 0 {
        if !records.iter().any(|(section, _)| *section == 0) {
            counts[0] += 1;
            record(&mut body, NAME_OF_QUESTION, rrtype);
        }
        for (section, count) in counts.iter_mut().enumerate() {
            for (_, name) in records.iter().filter(|(s, _)| *s == section) {
                *count += 1;
                record(&mut body, &labels(name), rrtype);
            }
        }
    }
    let mut out = Vec::new();
    for word in [id, flags, 1, counts[0], counts[1], counts[2]] {
        out.extend(word.to_be_bytes());
    }
    out.extend(labels(name));
    out.extend(rrtype.to_be_bytes());
    out.extend([0, 1]);
    out.extend(body);
    out
}

fn record(out: &mut Vec<u8>, name: &[u8], rrtype: u16) {
    let data: Vec<u8> = match rrtype {
        28 => vec![0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9],
        16 => b"\x04text".to_vec(),
        2 | 5 | 12 => labels(b"other.example.test"),
        15 => [&[0, 10][..], &labels(b"mail.example.test")].concat(),
        _ => vec![192, 0, 2, 55],
    };
    out.extend(name);
    out.extend(rrtype.to_be_bytes());
    out.extend([0, 1, 0, 0, 1, 0x2c]);
    out.extend(u16::try_from(data.len()).unwrap_or(0).to_be_bytes());
    out.extend(data);
}

/// A name as labels. Dots at the ends and in a row are left out, long labels cut.
fn labels(name: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for label in name.split(|&b| b == b'.').filter(|label| !label.is_empty()) {
        for part in label.chunks(63) {
            out.push(part.len() as u8);
            out.extend(part);
        }
    }
    out.push(0);
    out
}
