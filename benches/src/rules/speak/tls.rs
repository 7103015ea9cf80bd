//! TLS 1.2 up to the end of the handshake (RFC 5246); what follows would be encrypted.

use umbra_analyzers::app::{Buffer, Field, Heading};
use umbra_analyzers::ids::rule::ast::{AppCondition, Source};

use super::certificate::Certificate;
use super::{missing_payload, step, tcp};
use crate::rules::maker::{Maker, Skip, Style};
use crate::rules::pattern::ByteSet;
use crate::rules::solve::Cells;
use crate::rules::talk::Talk;

/// What would have to be the hash of something.
const HASHES: &[Buffer] = &[
    Buffer::Ja3Hash,
    Buffer::Ja3String,
    Buffer::Ja3sHash,
    Buffer::Ja3sString,
    Buffer::Ja4Hash,
    Buffer::TlsCertFingerprint,
];

pub(super) fn talk(maker: &mut Maker<'_>) -> Result<Talk, Skip> {
    if let Some(buffer) = HASHES.iter().find(|&&buffer| maker.wants_app(buffer)) {
        return Err(Skip::OneWay(buffer.keyword()));
    }
    let version = maker.rule.app.iter().find_map(|condition| match condition {
        AppCondition::TlsVersion(versions) => versions.any_of.first().copied(),
        _ => None,
    });
    let version = version.unwrap_or(0x0303);
    let heading = maker.heading();
    let mut hello = client_hello(maker, version, &[])?;
    let mut answer = server_flight(maker, version, Vec::new())?;
    if heading == Heading::ToServer {
        if let Some(more) = missing_payload(maker, &hello)? {
            let with = client_hello(maker, version, &more)?;
            hello = if maker.holds(Source::Payload, &with) { with } else { more };
        }
    } else if let Some(more) = missing_payload(maker, &answer)? {
        let with = server_flight(maker, version, more.clone())?;
        answer = if maker.holds(Source::Payload, &with) { with } else { more };
    }
    let mut keys = record(22, version, &handshake(16, &[&[0, 32][..], &[7; 32]].concat()));
    keys.extend(record(20, version, &[1]));
    keys.extend(record(22, version, &[0x9c; 40]));
    let mut done = record(20, version, &[1]);
    done.extend(record(22, version, &[0x3d; 40]));
    Ok(tcp(vec![
        step(Heading::ToServer, hello),
        step(Heading::ToClient, answer),
        step(Heading::ToServer, keys),
        step(Heading::ToClient, done),
    ]))
}

fn record(kind: u8, version: u16, body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    // What is longer than a record may be goes on in the next.
    for part in body.chunks(16_000) {
        out.push(kind);
        out.extend(version.to_be_bytes());
        out.extend((part.len() as u16).to_be_bytes());
        out.extend(part);
    }
    out
}

fn handshake(kind: u8, body: &[u8]) -> Vec<u8> {
    let len = (body.len() as u32).to_be_bytes();
    [&[kind][..], &len[1..], body].concat()
}

/// A value with its length before it in two bytes.
fn with_len(bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len() as u16).to_be_bytes()[..], bytes].concat()
}

fn extension(kind: u16, body: &[u8]) -> Vec<u8> {
    [&kind.to_be_bytes()[..], &with_len(body)].concat()
}

fn random(maker: &mut Maker<'_>) -> Result<Vec<u8>, Skip> {
    let mut bytes: Vec<u8> = (0..32).map(|_| maker.rng.next() as u8).collect();
    for (buffer, from, to) in
        [(Buffer::TlsRandom, 0, 32), (Buffer::TlsRandomTime, 0, 4), (Buffer::TlsRandomBytes, 4, 32)]
    {
        if let Some(wanted) = maker.app_bytes(buffer, Style::letters())?
            && let Some(place) = bytes.get_mut(from..to)
            && wanted.len() == place.len()
        {
            place.copy_from_slice(&wanted);
        }
    }
    Ok(bytes)
}

fn client_hello(maker: &mut Maker<'_>, version: u16, opaque: &[u8]) -> Result<Vec<u8>, Skip> {
    let is_ours = maker.heading() == Heading::ToServer;
    let name = maker.host_name(Buffer::TlsSni, &Style::letters())?;
    let name = name.unwrap_or_else(|| b"www.example.test".to_vec());
    let mut body = version.to_be_bytes().to_vec();
    if is_ours {
        body.extend(random(maker)?);
    } else {
        body.extend([0x51; 32]);
    }
    body.push(0);
    body.extend(with_len(&[0xc0, 0x2f, 0xc0, 0x30, 0x00, 0x9c, 0x00, 0x2f]));
    body.extend([1, 0]);
    let mut extensions = extension(0, &with_len(&[&[0][..], &with_len(&name)].concat()));
    extensions.extend(extension(10, &with_len(&[0, 23, 0, 24])));
    extensions.extend(extension(11, &[1, 0]));
    extensions.extend(extension(13, &with_len(&[4, 1, 4, 3])));
    if is_ours && let Some(wanted) = maker.app_bytes(Buffer::TlsAlpn, Style::letters())? {
        let one = [&[wanted.len() as u8][..], &wanted].concat();
        extensions.extend(extension(16, &with_len(&one)));
    }
    if !opaque.is_empty() {
        extensions.extend(extension(35, opaque));
    }
    body.extend(with_len(&extensions));
    Ok(record(22, 0x0301, &handshake(1, &body)))
}

/// `ServerHello`, `Certificate`, `ServerHelloDone`.
fn server_flight(maker: &mut Maker<'_>, version: u16, opaque: Vec<u8>) -> Result<Vec<u8>, Skip> {
    let is_ours = maker.heading() == Heading::ToClient;
    let mut hello = version.to_be_bytes().to_vec();
    if is_ours {
        hello.extend(random(maker)?);
    } else {
        hello.extend([0x52; 32]);
    }
    hello.push(0);
    hello.extend([0xc0, 0x2f, 0]);
    hello.extend(with_len(&extension(0xff01, &[0])));
    let der = certificate(maker, opaque)?.der();
    let long = |bytes: &[u8]| [&(bytes.len() as u32).to_be_bytes()[1..], bytes].concat();
    let mut out = record(22, version, &handshake(2, &hello));
    out.extend(record(22, version, &handshake(11, &long(&long(&der)))));
    out.extend(record(22, version, &handshake(14, &[])));
    Ok(out)
}

fn certificate(maker: &mut Maker<'_>, opaque: Vec<u8>) -> Result<Certificate, Skip> {
    let named = |seed: &[u8]| {
        let style = Style::letters().seeded(Cells::soft(seed));
        Style { separator: b", ", ..style }
    };
    let hex = Style {
        filler: ByteSet::of(|b| b.is_ascii_digit() || (b'A'..=b'F').contains(&b)),
        ..Style::letters()
    };
    let subject = maker.app_bytes(Buffer::TlsCertSubject, named(b"CN="))?;
    let issuer = maker.app_bytes(Buffer::TlsCertIssuer, named(b"CN="))?;
    let serial = maker.app_bytes(Buffer::TlsCertSerial, hex)?;
    let alternative = maker.app_bytes(Buffer::TlsSubjectaltname, Style::letters())?;
    let certs = maker.app_bytes(Buffer::TlsCerts, Style::letters())?;
    let digits: Vec<u8> = serial
        .iter()
        .flatten()
        .filter_map(|&b| char::from(b).to_digit(16))
        .map(|d| d as u8)
        .collect();
    let serial = digits.chunks(2).map(|pair| pair.iter().fold(0, |sum, d| sum << 4 | d));
    let opaque = if opaque.is_empty() { certs.unwrap_or_default() } else { opaque };
    let date = |field, usual: &str| match maker.number(field) {
        Some(seconds) => date(seconds),
        None => usual.to_owned(),
    };
    Ok(Certificate {
        subject: subject.unwrap_or_else(|| b"C=XX, O=Example, CN=www.example.test".to_vec()),
        issuer: issuer.unwrap_or_else(|| b"C=XX, O=Example, CN=Example CA".to_vec()),
        serial: serial.collect(),
        alternative,
        not_before: date(Field::TlsCertNotBefore, "250101000000Z"),
        not_after: date(Field::TlsCertNotAfter, "350101000000Z"),
        opaque,
    })
}

/// Seconds since 1970 as `GeneralizedTime`, by days of the proleptic Gregorian calendar.
fn date(seconds: u64) -> String {
    let (mut days, rest) = (seconds / 86_400, seconds % 86_400);
    let is_leap = |y: u64| y.is_multiple_of(4) && (!y.is_multiple_of(100) || y.is_multiple_of(400));
    let mut year = 1970;
    while days >= 365 + u64::from(is_leap(year)) {
        days -= 365 + u64::from(is_leap(year));
        year += 1;
    }
    let lengths = [31, 28 + u64::from(is_leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut month = 1;
    for len in lengths {
        if days < len {
            break;
        }
        days -= len;
        month += 1;
    }
    let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
    format!("{year:04}{month:02}{:02}{hour:02}{minute:02}{second:02}Z", days + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_written_out() {
        assert_eq!(date(0), "19700101000000Z");
        assert_eq!(date(1_709_251_199), "20240229235959Z");
    }
}
