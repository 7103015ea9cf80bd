//! Where a data connection goes to, as commands and replies say it (RFC 959, RFC 2428).

use std::net::{IpAddr, Ipv4Addr};

/// An address that is announced, if it is, and a port.
pub(super) type Place = (Option<IpAddr>, u16);

/// `10,0,0,1,4,2` of PORT.
pub(super) fn port(argument: &[u8]) -> Option<Place> {
    let mut numbers = [0u8; 6];
    let mut parts = std::str::from_utf8(argument).ok()?.trim().split(',');
    for number in &mut numbers {
        *number = parts.next()?.trim().parse().ok()?;
    }
    if parts.next().is_some() {
        return None;
    }
    let [a, b, c, d, high, low] = numbers;
    Some((Some(Ipv4Addr::new(a, b, c, d).into()), u16::from_be_bytes([high, low])))
}

/// `|2|::1|1031|` of EPRT; the first byte is what separates.
pub(super) fn eprt(argument: &[u8]) -> Option<Place> {
    let text = std::str::from_utf8(argument).ok()?.trim();
    let separator = text.chars().next()?;
    let mut parts = text.split(separator).skip(1);
    let (_family, address, port) = (parts.next()?, parts.next()?, parts.next()?);
    Some((address.parse().ok(), port.parse().ok()?))
}

/// `Entering Passive Mode (10,0,0,2,5,1).` of a reply to PASV.
pub(super) fn pasv(reply: &[u8]) -> Option<Place> {
    port(within_brackets(reply)?)
}

/// `Entering Extended Passive Mode (|||1290|)` of a reply to EPSV.
pub(super) fn epsv(reply: &[u8]) -> Option<Place> {
    eprt(within_brackets(reply)?)
}

fn within_brackets(reply: &[u8]) -> Option<&[u8]> {
    let from = reply.iter().position(|&byte| byte == b'(')?;
    let inner = reply.get(from + 1..)?;
    let to = inner.iter().position(|&byte| byte == b')')?;
    inner.get(..to)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places() {
        let v4: IpAddr = [10, 0, 0, 1].into();
        assert_eq!(port(b"10,0,0,1,4,2"), Some((Some(v4), 1026)));
        assert_eq!(port(b"10,0,0,1,4"), None);
        assert_eq!(port(b"10,0,0,1,4,256"), None);
        assert_eq!(port(b"10,0,0,1,4,2,3"), None);
        assert_eq!(eprt(b"|1|10.0.0.1|1030|"), Some((Some(v4), 1030)));
        assert_eq!(eprt(b"|2|::1|1031|"), Some((Some(IpAddr::V6(1.into())), 1031)));
        assert_eq!(eprt(b"|2|::1|70000|"), None);
        assert_eq!(eprt(b"!1!x!7!"), Some((None, 7)));
        assert_eq!(eprt(b""), None);
        assert_eq!(pasv(b"227 Entering (10,0,0,1,5,1)."), Some((Some(v4), 1281)));
        assert_eq!(pasv(b"227 10,0,0,1,5,1"), None);
        assert_eq!(epsv(b"229 ok (|||1290|)"), Some((None, 1290)));
    }
}
