//! Where a data connection goes to, as commands and replies say it (RFC 959, RFC 2428).

use std::net::{IpAddr, Ipv4Addr};

/// An address, where what is said is one, and a port that is not 0.
pub(super) type Place = (Option<IpAddr>, u16);

/// `10,0,0,1,4,2` of PORT. What stands behind it does not matter, nor whether the address is one.
pub(super) fn port(argument: &[u8]) -> Option<Place> {
    let mut numbers = [0u32; 6];
    let mut parts = argument.trim_ascii_start().split(|&byte| byte == b',');
    for number in &mut numbers {
        *number = leading_number(parts.next()?)?;
    }
    let [address @ .., high, low] = numbers;
    let port = u16::from_be_bytes([u8::try_from(high).ok()?, u8::try_from(low).ok()?]);
    let bytes = address.map(|number| u8::try_from(number).ok());
    let address = match bytes {
        [Some(a), Some(b), Some(c), Some(d)] => Some(Ipv4Addr::new(a, b, c, d).into()),
        _ => None,
    };
    (port > 0).then_some((address, port))
}

/// `|2|::1|1031|` of EPRT.
pub(super) fn eprt(argument: &[u8]) -> Option<Place> {
    let text = std::str::from_utf8(argument.trim_ascii()).ok()?;
    let mut parts = text.strip_prefix('|')?.split('|');
    let (_family, address, port) = (parts.next()?, parts.next()?, parts.next()?);
    parts.next()?;
    let port = port.parse().ok().filter(|&port| port > 0)?;
    Some((address.parse().ok(), port))
}

/// `Entering Passive Mode (10,0,0,2,5,1).` of a reply to PASV.
pub(super) fn pasv(reply: &[u8]) -> Option<Place> {
    port(within_brackets(reply)?)
}

/// `Entering Extended Passive Mode (|||1290|)` of a reply to EPSV.
pub(super) fn epsv(reply: &[u8]) -> Option<Place> {
    // The host is the same.
    eprt(within_brackets(reply).filter(|place| place.starts_with(b"|||"))?)
}

fn within_brackets(reply: &[u8]) -> Option<&[u8]> {
    let from = reply.iter().position(|&byte| byte == b'(')?;
    let inner = reply.get(from + 1..)?;
    inner.get(..inner.iter().position(|&byte| byte == b')')?)
}

fn leading_number(text: &[u8]) -> Option<u32> {
    let len = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    std::str::from_utf8(text.get(..len)?).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places() {
        let v4: IpAddr = [10, 0, 0, 1].into();
        assert_eq!(port(b"10,0,0,1,4,2"), Some((Some(v4), 1026)));
        assert_eq!(port(b" 10,0,0,1,04,002x"), Some((Some(v4), 1026)));
        assert_eq!(port(b"10,0,0,1,4,2,3"), Some((Some(v4), 1026)));
        assert_eq!(port(b"999,0,0,1,255,255"), Some((None, 65_535)));
        for bad in [&b"10,0,0,1,4"[..], b"10,0,0,1,4,256", b"10,0,0,1,0,0", b"10, 0,0,1,4,2", b"a"]
        {
            assert_eq!(port(bad), None);
        }
        assert_eq!(eprt(b"|1|10.0.0.1|1030|"), Some((Some(v4), 1030)));
        assert_eq!(
            eprt(b"|2|::1|1031|"),
            Some((Some(IpAddr::V6(1u128.to_be_bytes().into())), 1031))
        );
        assert_eq!(eprt(b"||x|7|"), Some((None, 7)));
        for bad in [&b"|2|::1|70000|"[..], b"|2|::1|0|", b"|2|::1|7", b"!1!x!7!", b""] {
            assert_eq!(eprt(bad), None);
        }
        assert_eq!(pasv(b"227 Entering (10,0,0,1,5,1)."), Some((Some(v4), 1281)));
        assert_eq!(pasv(b"227 10,0,0,1,5,1"), None);
        assert_eq!(epsv(b"229 ok (|||1290|)"), Some((None, 1290)));
        assert_eq!(epsv(b"229 ok (||10.0.0.1|1290|)"), None);
    }
}
