//! TLS records, hellos and certificates.

pub(in crate::ids::tests) const TLS_1_0: u16 = 0x0301;
pub(in crate::ids::tests) const TLS_1_2: u16 = 0x0303;

fn prefixed<const N: usize>(content: &[u8]) -> Vec<u8> {
    let len = (content.len() as u32).to_be_bytes();
    [&len[4 - N..], content].concat()
}

pub(in crate::ids::tests) fn record(kind: u8, version: u16, content: &[u8]) -> Vec<u8> {
    [&[kind], &version.to_be_bytes()[..], &prefixed::<2>(content)].concat()
}

/// A handshake message in a record of its own.
pub(in crate::ids::tests) fn handshake(kind: u8, version: u16, body: &[u8]) -> Vec<u8> {
    record(22, version, &[&[kind][..], &prefixed::<3>(body)].concat())
}

fn extension(number: u16, body: &[u8]) -> Vec<u8> {
    [&number.to_be_bytes()[..], &prefixed::<2>(body)].concat()
}

/// The time of a random, and what follows it.
pub(in crate::ids::tests) fn random(of: &str) -> Vec<u8> {
    let mut random = b"TIME".to_vec();
    random.extend(of.bytes().cycle().take(28));
    random
}

fn protocols(alpn: &[&str]) -> Vec<u8> {
    let names: Vec<u8> = alpn.iter().flat_map(|name| prefixed::<1>(name.as_bytes())).collect();
    extension(16, &prefixed::<2>(&names))
}

/// Of a client that asks for a name.
pub(in crate::ids::tests) fn client_hello(version: u16, sni: &str, alpn: &[&str]) -> Vec<u8> {
    let name = [&[0], &prefixed::<2>(sni.as_bytes())[..]].concat();
    let extensions = [extension(0, &prefixed::<2>(&name)), protocols(alpn)].concat();
    let body = [
        version.to_be_bytes().to_vec(),
        random("client"),
        vec![0],
        prefixed::<2>(&[0xc0, 0x2f, 0x00, 0x35]),
        vec![1, 0],
        prefixed::<2>(&extensions),
    ];
    handshake(1, TLS_1_0, &body.concat())
}

pub(in crate::ids::tests) fn server_hello(version: u16, alpn: &[&str]) -> Vec<u8> {
    let body = [
        version.to_be_bytes().to_vec(),
        random("server"),
        vec![0],
        vec![0xc0, 0x2f, 0],
        prefixed::<2>(&protocols(alpn)),
    ];
    handshake(2, version, &body.concat())
}

pub(in crate::ids::tests) fn certificates(version: u16, chain: &[Vec<u8>]) -> Vec<u8> {
    let all: Vec<u8> = chain.iter().flat_map(|certificate| prefixed::<3>(certificate)).collect();
    handshake(11, version, &prefixed::<3>(&all))
}

/// The server has said all; both go over to encryption.
pub(in crate::ids::tests) fn server_hello_done(version: u16) -> Vec<u8> {
    handshake(14, version, &[])
}

pub(in crate::ids::tests) fn key_exchange(version: u16) -> Vec<u8> {
    [handshake(16, version, &[7; 32]), record(20, version, &[1])].concat()
}

/// An element of DER.
fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let len = content.len();
    let head = match len {
        0..128 => vec![tag, len as u8],
        128..256 => vec![tag, 0x81, len as u8],
        _ => vec![tag, 0x82, (len >> 8) as u8, len as u8],
    };
    [&head, content].concat()
}

fn sequence(parts: &[Vec<u8>]) -> Vec<u8> {
    der(0x30, &parts.concat())
}

/// `CN=…`
fn common_name(name: &str) -> Vec<u8> {
    let pair = sequence(&[der(6, &[0x55, 4, 3]), der(0x0c, name.as_bytes())]);
    sequence(&[der(0x31, &pair)])
}

/// A certificate of a key and with a signature that are no such things. Dates as `YYMMDDhhmmssZ`.
pub(in crate::ids::tests) fn certificate(
    subject: &str,
    issuer: &str,
    (from, to): (&str, &str),
    names: &[&str],
) -> Vec<u8> {
    // sha256WithRSAEncryption
    let signed = || sequence(&[der(6, &[0x2a, 0x86, 0x48, 0x86, 0xf7, 13, 1, 1, 11]), der(5, &[])]);
    let rsa = sequence(&[der(6, &[0x2a, 0x86, 0x48, 0x86, 0xf7, 13, 1, 1, 1]), der(5, &[])]);
    let key = sequence(&[der(2, &[0x00, 0xc1, 0x23]), der(2, &[1, 0, 1])]);
    let names: Vec<u8> = names.iter().flat_map(|name| der(0x82, name.as_bytes())).collect();
    let alternative = sequence(&[der(6, &[0x55, 0x1d, 17]), der(4, &der(0x30, &names))]);
    let body = sequence(&[
        der(0xa0, &der(2, &[2])),
        der(2, &[0x0a, 0xbc, 0xde]),
        signed(),
        common_name(issuer),
        sequence(&[der(0x17, from.as_bytes()), der(0x17, to.as_bytes())]),
        common_name(subject),
        sequence(&[rsa, der(3, &[&[0], &key[..]].concat())]),
        der(0xa3, &sequence(&[alternative])),
    ]);
    sequence(&[body, signed(), der(3, &[0, 1, 2, 3, 4])])
}
