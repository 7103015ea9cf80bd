//! Files of sets: a value a line, and behind a comma its reputation.
//!
//! Strings are in base64, hashes in hexadecimal, addresses as usual.

use std::net::{IpAddr, Ipv4Addr};

use super::super::base64;
use crate::ids::rule::ast::{Base64Mode, DatasetKind};

/// Gives every value to `add`, which says whether there was room for it.
pub(super) fn read(
    text: &[u8],
    kind: DatasetKind,
    with_reputation: bool,
    mut add: impl FnMut(&[u8], u16) -> bool,
) -> Result<(), String> {
    for (line, number) in text.split(|byte| *byte == b'\n').zip(1..) {
        let line = line.trim_ascii();
        if line.is_empty() || line.starts_with(b"#") {
            continue;
        }
        let fail = |what: &str| {
            Err(format!("line {number}: {what}, found {:?}", String::from_utf8_lossy(line)))
        };
        let comma = line.iter().position(|byte| *byte == b',');
        let (value, reputation) = match comma.and_then(|at| line.split_at_checked(at)) {
            Some((value, rest)) => (value, rest.get(1..)),
            None => (line, None),
        };
        let reputation = match reputation.map(|text| std::str::from_utf8(text.trim_ascii())) {
            Some(text) => match text.ok().and_then(|text| text.parse().ok()) {
                Some(reputation) => reputation,
                None => return fail("the reputation must be a number from 0 to 65535"),
            },
            None if with_reputation => return fail("there must be a comma and a reputation"),
            None => 0,
        };
        let value = match parse(value.trim_ascii(), kind) {
            Ok(value) => value,
            Err(what) => return fail(what),
        };
        if !add(&value, reputation) {
            return fail("there is no more room, memcap must be more");
        }
    }
    Ok(())
}

fn parse(text: &[u8], kind: DatasetKind) -> Result<Vec<u8>, &'static str> {
    match kind {
        DatasetKind::String => {
            let mut value = Vec::new();
            base64::decode(text, Base64Mode::Strict, &mut value);
            if value.is_empty() { Err("a string must be in base64") } else { Ok(value) }
        }
        DatasetKind::Md5 => hex(text, 16).ok_or("an MD5 must have 32 digits"),
        DatasetKind::Sha256 => hex(text, 32).ok_or("a SHA-256 must have 64 digits"),
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
