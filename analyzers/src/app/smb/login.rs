//! Who logs in: NTLMSSP and Kerberos tickets in the blobs of a session's set-up.

use super::wire::{Reader, narrow};

/// What an NTLMSSP authentication names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Ntlm {
    pub(super) domain: Vec<u8>,
    pub(super) user: Vec<u8>,
    pub(super) host: Vec<u8>,
    /// Major, minor, build, revision.
    pub(super) version: Option<(u8, u8, u16, u8)>,
}

/// What a Kerberos ticket names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Ticket {
    pub(super) realm: Vec<u8>,
    pub(super) service: Vec<Vec<u8>>,
}

/// What there is in a blob.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Login {
    Nothing,
    Ntlm(Ntlm),
    Ticket(Ticket),
    Malformed,
}

const NTLMSSP: &[u8] = b"NTLMSSP\0";
const AUTHENTICATE: u32 = 3;

/// The blob is GSS-API, SPNEGO or bare NTLMSSP; where that begins is told by its signature.
pub(super) fn login(blob: &[u8]) -> Login {
    if let Some(at) = blob.windows(NTLMSSP.len()).position(|window| window == NTLMSSP) {
        let message = &blob[at..];
        return match Reader::at(message, 8).u32() {
            Some(AUTHENTICATE) => authenticate(message).map_or(Login::Malformed, Login::Ntlm),
            Some(1 | 2) => Login::Nothing,
            _ => Login::Malformed,
        };
    }
    ticket(blob).map_or(Login::Nothing, Login::Ticket)
}

fn authenticate(message: &[u8]) -> Option<Ntlm> {
    const UNICODE: u32 = 1;
    const VERSION: u32 = 0x0200_0000;
    let mut fields = Reader::at(message, 12);
    let mut field = || {
        let (len, _, offset) = (fields.u16()?, fields.u16()?, fields.u32()?);
        Some((usize::from(len), usize::try_from(offset).ok()?))
    };
    let (_lm, _nt) = (field()?, field()?);
    let (domain, user, host, _key) = (field()?, field()?, field()?, field()?);
    let flags = fields.u32()?;
    let text = |(len, offset): (usize, usize)| {
        let text = message.get(offset..)?.get(..len)?;
        Some(narrow(text, flags & UNICODE != 0 || text.contains(&0)))
    };
    let mut version = || {
        let version = (fields.u8()?, fields.u8()?, fields.u16()?);
        fields.take(3)?;
        Some((version.0, version.1, version.2, fields.u8()?))
    };
    Some(Ntlm {
        domain: text(domain)?,
        user: text(user)?,
        host: text(host)?,
        version: if flags & VERSION != 0 { version() } else { None },
    })
}

/// A DER element: its tag, what it holds and what is behind.
fn element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = bytes.split_first()?;
    let (&first, mut rest) = rest.split_first()?;
    let mut len = usize::from(first);
    if first & 0x80 != 0 {
        let (number, behind) = rest.split_at_checked(usize::from(first & 0x7f).min(5))?;
        len = number.iter().fold(0, |len, &b| len << 8 | usize::from(b));
        rest = behind;
    }
    let (content, behind) = rest.split_at(len.min(rest.len()));
    Some((tag, content, behind))
}

/// What the first element of a tag holds.
fn find(mut bytes: &[u8], wanted: u8) -> Option<&[u8]> {
    while let Some((tag, content, behind)) = element(bytes) {
        if tag == wanted {
            return Some(content);
        }
        bytes = behind;
    }
    None
}

const SEQUENCE: u8 = 0x30;
const KERBEROS: &[u8] = &[0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x12, 0x01, 0x02, 0x02];

/// GSS-API, SPNEGO's first token, in it GSS-API with Kerberos, in it a request for the service.
fn ticket(blob: &[u8]) -> Option<Ticket> {
    let negotiation = find(find(find(blob, 0x60)?, 0xa0)?, SEQUENCE)?;
    let token = find(find(negotiation, 0xa2)?, 0x04)?;
    let inner = find(token, 0x60)?;
    let request = inner.strip_prefix(KERBEROS)?.strip_prefix(&[1, 0])?;
    let ticket = find(find(find(find(request, 0x6e)?, SEQUENCE)?, 0xa3)?, 0x61)?;
    let fields = find(ticket, SEQUENCE)?;
    let realm = element(find(fields, 0xa1)?)?.1.to_vec();
    let mut names = find(find(find(find(fields, 0xa2)?, SEQUENCE)?, 0xa1)?, SEQUENCE)?;
    let mut service = Vec::new();
    while let Some((_, name, behind)) = element(names) {
        if service.len() >= 16 {
            break;
        }
        service.push(name.to_vec());
        names = behind;
    }
    Some(Ticket { realm, service })
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn authentication() -> Vec<u8> {
        let mut message = b"NTLMSSP\0\x03\0\0\0".to_vec();
        let texts: [&[u8]; 3] = [b"D\0O\0", b"u\0s\0r\0", b"H\0"];
        let mut offset = 72u32;
        for text in [&b""[..], b""].into_iter().chain(texts).chain([&b""[..]]) {
            message.extend_from_slice(&(text.len() as u16).to_le_bytes());
            message.extend_from_slice(&(text.len() as u16).to_le_bytes());
            message.extend_from_slice(&offset.to_le_bytes());
            offset += text.len() as u32;
        }
        message.extend_from_slice(&0x0200_0001u32.to_le_bytes());
        message.extend_from_slice(&[6, 1, 0xb1, 0x1d, 0, 0, 0, 15]);
        texts.iter().for_each(|text| message.extend_from_slice(text));
        message
    }

    #[test]
    fn an_authentication_names_user_domain_and_host() {
        let blob = [b"some wrapping", &authentication()[..]].concat();
        let expected = Ntlm {
            domain: b"DO".to_vec(),
            user: b"usr".to_vec(),
            host: b"H".to_vec(),
            version: Some((6, 1, 7601, 15)),
        };
        assert_eq!(login(&blob), Login::Ntlm(expected));
        assert_eq!(login(&blob[..blob.len() - 1]), Login::Malformed);
        assert_eq!(login(b"NTLMSSP\0\x01\0\0\0"), Login::Nothing);
    }

    #[test]
    fn a_ticket_names_realm_and_service() {
        let wrap = |tag: u8, content: &[u8]| [&[tag, content.len() as u8][..], content].concat();
        let names = [wrap(0x1b, b"cifs"), wrap(0x1b, b"dc1")].concat();
        let name = wrap(0x30, &wrap(0xa1, &wrap(0x30, &names)));
        let fields = [wrap(0xa1, &wrap(0x1b, b"REALM")), wrap(0xa2, &name)].concat();
        let ticket = wrap(0x61, &wrap(0x30, &fields));
        let request = wrap(0x6e, &wrap(0x30, &wrap(0xa3, &ticket)));
        let inner = wrap(0x60, &[KERBEROS, &[1, 0], &request].concat());
        let token = wrap(0x30, &wrap(0xa2, &wrap(0x04, &inner)));
        let blob = wrap(0x60, &[&wrap(0x06, b"\x2b\x06")[..], &wrap(0xa0, &token)].concat());
        let expected =
            Ticket { realm: b"REALM".to_vec(), service: vec![b"cifs".to_vec(), b"dc1".to_vec()] };
        assert_eq!(login(&blob), Login::Ticket(expected));
    }
}
