//! Fingerprints of hellos: JA3, JA3S, and of JA4 what concerns clients.

use md5::{Digest, Md5};
use sha2::Sha256;

use super::hello::Hello;

/// Numbers that clients strew in, so that servers learn to ignore what they do not know.
const fn is_grease(number: u16) -> bool {
    number & 0x0f0f == 0x0a0a && number >> 8 == number & 0xff
}

fn joined(numbers: &[u16]) -> String {
    let kept = numbers.iter().filter(|&&number| !is_grease(number));
    kept.map(u16::to_string).collect::<Vec<_>>().join("-")
}

/// A client's string.
pub(super) fn ja3(hello: &Hello) -> String {
    let formats: Vec<String> = hello.point_formats.iter().map(u8::to_string).collect();
    format!(
        "{},{},{},{},{}",
        hello.legacy_version,
        joined(&hello.ciphers),
        joined(&hello.extensions),
        joined(&hello.groups),
        formats.join("-")
    )
}

/// A server's string.
pub(super) fn ja3s(hello: &Hello) -> String {
    format!("{},{},{}", hello.legacy_version, joined(&hello.ciphers), joined(&hello.extensions))
}

/// The hash that goes with a JA3 or JA3S string.
pub(super) fn md5_hex(string: &str) -> String {
    hex(&Md5::digest(string.as_bytes()))
}

/// A client's JA4 over TCP.
pub(super) fn ja4(hello: &Hello) -> String {
    let kept = |numbers: &[u16]| -> Vec<u16> {
        numbers.iter().copied().filter(|&number| !is_grease(number)).collect()
    };
    let mut ciphers = kept(&hello.ciphers);
    let mut extensions = kept(&hello.extensions);
    let offered = hello.supported_versions.iter().copied().filter(|&offer| !is_grease(offer));
    let version = match offered.chain([hello.legacy_version]).max() {
        Some(0x0304) => "13",
        Some(0x0303) => "12",
        Some(0x0302) => "11",
        Some(0x0301) => "10",
        Some(0x0300) => "s3",
        Some(0x0002) => "s2",
        _ => "00",
    };
    let (first, last) = alpn_ends(hello.alpn.first());
    let counted = |numbers: &[u16]| numbers.len().min(99);
    let head = format!(
        "t{version}{}{:02}{:02}{first}{last}",
        if hello.server_name.is_some() { 'd' } else { 'i' },
        counted(&ciphers),
        counted(&extensions),
    );
    ciphers.sort_unstable();
    // Both are counted, neither is part of the hash.
    extensions.retain(|&number| number != 0 && number != 16);
    extensions.sort_unstable();
    let algorithms = list(&kept(&hello.signature_algorithms));
    format!(
        "{head}_{}_{}",
        short_hash(&list(&ciphers)),
        short_hash(&format!("{}_{algorithms}", list(&extensions)))
    )
}

/// First and last character of the first protocol, of its hexadecimal form where they are odd.
fn alpn_ends(alpn: Option<&Vec<u8>>) -> (char, char) {
    let ends = alpn.and_then(|alpn| Some((*alpn.first()?, *alpn.last()?, alpn.len())));
    let Some((first, last, len)) = ends else { return ('0', '0') };
    if len == 2 && is_grease(u16::from_be_bytes([first, last])) {
        return ('0', '0');
    }
    if first.is_ascii_alphanumeric() && last.is_ascii_alphanumeric() {
        return (char::from(first), char::from(last));
    }
    let digit = |half: u8| char::from_digit(half.into(), 16).unwrap_or('0');
    (digit(first >> 4), digit(last & 15))
}

fn list(numbers: &[u16]) -> String {
    numbers.iter().map(|number| format!("{number:04x}")).collect::<Vec<_>>().join(",")
}

fn short_hash(string: &str) -> String {
    let mut hash = hex(&Sha256::digest(string.as_bytes()));
    hash.truncate(12);
    hash
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
