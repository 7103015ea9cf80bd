//! Files of sets: a value a line, and behind a comma its reputation.
//!
//! Strings are in base64, hashes in hexadecimal, addresses as usual. Nothing else may be in a line, no blank either.

use std::net::{IpAddr, Ipv4Addr};

use super::super::base64;
use crate::ids::rule::ast::{Base64Mode, DatasetKind};

/// What is wrong with a file's lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Problem {
    /// A line was left out, as Suricata does: its number, and why.
    Line(usize, &'static str, String),
    /// The rest does not fit.
    Full(usize),
}

/// Gives every value to `add`, which says whether there was room for it.
pub(super) fn read(
    text: &[u8],
    kind: DatasetKind,
    mut add: impl FnMut(&[u8], u16) -> bool,
    mut problem: impl FnMut(Problem),
) {
    for (line, number) in text.split(|byte| *byte == b'\n').zip(1..) {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() {
            continue;
        }
        match parse_line(line, kind) {
            Ok((value, reputation)) if !add(&value, reputation) => {
                return problem(Problem::Full(number));
            }
            Ok(_) => {}
            Err(what) => {
                let shown = line.get(..80).unwrap_or(line);
                problem(Problem::Line(number, what, String::from_utf8_lossy(shown).into_owned()));
            }
        }
    }
}

fn parse_line(line: &[u8], kind: DatasetKind) -> Result<(Vec<u8>, u16), &'static str> {
    let comma = line.iter().position(|byte| *byte == b',').unwrap_or(line.len());
    let (value, rest) = line.split_at_checked(comma).unwrap_or((line, b""));
    let reputation = match rest.strip_prefix(b",") {
        None => 0,
        Some(text) if text.iter().all(u8::is_ascii_digit) => std::str::from_utf8(text)
            .ok()
            .and_then(|text| text.parse().ok())
            .ok_or("the reputation must be a number from 0 to 65535")?,
        Some(_) => return Err("the reputation must be a number from 0 to 65535"),
    };
    Ok((parse(value, kind)?, reputation))
}

fn parse(text: &[u8], kind: DatasetKind) -> Result<Vec<u8>, &'static str> {
    match kind {
        DatasetKind::String => {
            let mut value = Vec::new();
            base64::decode(text, Base64Mode::Strict, &mut value);
            if value.is_empty() { Err("it must be in base64") } else { Ok(value) }
        }
        DatasetKind::Md5 => hex(text, 16).ok_or("it must have 32 hexadecimal digits"),
        DatasetKind::Sha256 => hex(text, 32).ok_or("it must have 64 hexadecimal digits"),
        DatasetKind::Ipv4 => match address(text) {
            Some(IpAddr::V4(v4)) => Ok(v4.octets().into()),
            _ => Err("it must be an IPv4 address"),
        },
        DatasetKind::Ip => match address(text) {
            Some(IpAddr::V4(v4)) => Ok(Ipv4Addr::to_ipv6_mapped(&v4).octets().into()),
            Some(IpAddr::V6(v6)) => Ok(v6.octets().into()),
            None => Err("it must be an IP address"),
        },
    }
}

fn address(text: &[u8]) -> Option<IpAddr> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

fn hex(text: &[u8], len: usize) -> Option<Vec<u8>> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16);
    let bytes = text.chunks(2).map(|pair| match pair {
        [high, low] => u8::try_from(digit(high)? << 4 | digit(low)?).ok(),
        _ => None,
    });
    bytes.collect::<Option<Vec<_>>>().filter(|bytes| bytes.len() == len)
}
