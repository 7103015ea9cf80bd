//! What client and server say first.

use super::version;

/// Names, protocols and the like that are kept of one hello.
const LIST_LIMIT: usize = 256;

/// The longest name of a host (RFC 1035).
const NAME_MAX: usize = 255;

/// Numbers of extensions.
mod extension {
    pub(super) const SERVER_NAME: u16 = 0;
    pub(super) const SUPPORTED_GROUPS: u16 = 10;
    pub(super) const POINT_FORMATS: u16 = 11;
    pub(super) const SIGNATURE_ALGORITHMS: u16 = 13;
    pub(super) const ALPN: u16 = 16;
    pub(super) const SESSION_TICKET: u16 = 35;
    pub(super) const EARLY_DATA: u16 = 42;
    pub(super) const SUPPORTED_VERSIONS: u16 = 43;
}

/// A ClientHello or ServerHello.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hello {
    /// As in its fixed part; TLS 1.3 says there 0x0303.
    pub legacy_version: u16,
    /// What was chosen, or of what is offered the first that is known here.
    pub version: u16,
    /// Time and random bytes.
    pub random: [u8; 32],
    /// What a session is to be resumed by.
    pub session_id: Vec<u8>,
    /// Offered, or the one that was chosen.
    pub ciphers: Vec<u16>,
    /// Numbers in order, with those that stand for nothing.
    pub extensions: Vec<u16>,
    /// The first host name.
    pub server_name: Option<Vec<u8>>,
    /// Application protocols.
    pub alpn: Vec<Vec<u8>>,
    /// Versions that the client offers, or that the server chose.
    pub supported_versions: Vec<u16>,
    /// Curves.
    pub groups: Vec<u16>,
    /// Of points on curves.
    pub point_formats: Vec<u8>,
    /// In the client's order.
    pub signature_algorithms: Vec<u16>,
    /// The client has a ticket of an earlier session, or wants one.
    pub ticket: bool,
    /// Encrypted data follows at once.
    pub early_data: bool,
}

/// What a hello is read by.
pub(super) struct Read {
    pub(super) hello: Hello,
    pub(super) events: Vec<&'static str>,
    /// It was not read to its end: what follows is not known.
    pub(super) malformed: bool,
}

/// Reads the body of a hello.
pub(super) fn read(body: &[u8], client: bool) -> Option<Read> {
    let mut at = body;
    let mut hello = Hello { legacy_version: u16(&mut at)?, ..Hello::default() };
    hello.version = hello.legacy_version;
    hello.random = *chunk(&mut at)?;
    hello.session_id = vector8(&mut at)?.to_vec();
    if client {
        let ciphers = vector16(&mut at)?;
        if ciphers.len() % 2 != 0 {
            return None;
        }
        hello.ciphers = numbers(ciphers);
        let _compression = vector8(&mut at)?;
    } else {
        hello.ciphers = vec![u16(&mut at)?];
        let _compression = take(&mut at, 1)?;
    }
    let mut read = Read { hello, events: Vec::new(), malformed: false };
    // SSLv3 and old clients have no extensions at all.
    if !at.is_empty() {
        read.malformed = extensions(&mut read, at, client).is_none();
    }
    Some(read)
}

fn extensions(read: &mut Read, mut at: &[u8], client: bool) -> Option<()> {
    let mut rest = vector16(&mut at)?;
    while !rest.is_empty() {
        let number = u16(&mut rest)?;
        let body = vector16(&mut rest)?;
        read.hello.extensions.push(number);
        extension(read, number, body, client)?;
    }
    Some(())
}

fn extension(read: &mut Read, number: u16, body: &[u8], client: bool) -> Option<()> {
    let mut at = body;
    let hello = &mut read.hello;
    match number {
        extension::SERVER_NAME if client && !body.is_empty() => {
            let mut list = vector16(&mut at)?;
            let kind = *take(&mut list, 1)?.first()?;
            if kind != 0 {
                read.events.push("tls.invalid_sni_type");
                return None;
            }
            let name = vector16(&mut list).filter(|name| (1..=NAME_MAX).contains(&name.len()));
            let Some(name) = name else {
                read.events.push("tls.invalid_sni_length");
                return None;
            };
            if hello.server_name.is_some() {
                read.events.push("tls.multiple_sni_extensions");
            } else {
                hello.server_name = Some(name.to_vec());
            }
        }
        extension::SUPPORTED_GROUPS if client => hello.groups = numbers(vector16(&mut at)?),
        extension::POINT_FORMATS if client => hello.point_formats = vector8(&mut at)?.to_vec(),
        extension::SIGNATURE_ALGORITHMS if client => {
            hello.signature_algorithms = numbers(vector16(&mut at)?);
        }
        extension::ALPN => {
            let mut list = vector16(&mut at)?;
            while !list.is_empty() && hello.alpn.len() < LIST_LIMIT {
                hello.alpn.push(vector8(&mut list)?.to_vec());
            }
        }
        extension::SESSION_TICKET if client => hello.ticket = true,
        extension::EARLY_DATA if client => hello.early_data = true,
        extension::SUPPORTED_VERSIONS if client => {
            hello.supported_versions = numbers(vector8(&mut at)?);
            let known = hello.supported_versions.iter().find(|&&offer| version::is_known(offer));
            hello.version = known.copied().unwrap_or(hello.version);
        }
        extension::SUPPORTED_VERSIONS => {
            let chosen = u16(&mut at)?;
            hello.supported_versions = vec![chosen];
            if version::is_known(chosen) {
                hello.version = chosen;
            }
        }
        _ => {}
    }
    Some(())
}

fn numbers(bytes: &[u8]) -> Vec<u16> {
    let (pairs, _) = bytes.as_chunks();
    pairs.iter().map(|&pair| u16::from_be_bytes(pair)).collect()
}

pub(super) fn take<'a>(at: &mut &'a [u8], len: usize) -> Option<&'a [u8]> {
    let (taken, rest) = at.split_at_checked(len)?;
    *at = rest;
    Some(taken)
}

fn chunk<'a, const N: usize>(at: &mut &'a [u8]) -> Option<&'a [u8; N]> {
    let (taken, rest) = at.split_first_chunk()?;
    *at = rest;
    Some(taken)
}

pub(super) fn u16(at: &mut &[u8]) -> Option<u16> {
    chunk(at).map(|&bytes| u16::from_be_bytes(bytes))
}

pub(super) fn u24(at: &mut &[u8]) -> Option<usize> {
    let &[a, b, c] = chunk(at)?;
    Some(usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c))
}

fn vector8<'a>(at: &mut &'a [u8]) -> Option<&'a [u8]> {
    let &[len] = chunk(at)?;
    take(at, len.into())
}

pub(super) fn vector16<'a>(at: &mut &'a [u8]) -> Option<&'a [u8]> {
    let len = u16(at)?;
    take(at, len.into())
}
