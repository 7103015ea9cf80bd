//! URIs and host names: their parts, and what they become.
//!
//! The path is decoded once, backslashes become slashes, several slashes one, and dot segments go; the
//! query is only decoded once. A `+` stays, and so does a `%` that encodes nothing. That is what Suricata
//! does for its default personality.

use super::bytes::{is_lws, leading_number, trim};

/// What there is of a URI.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Parts<'a> {
    /// Two slashes stood where a host is expected.
    slashes: bool,
    authority: Option<&'a [u8]>,
    path: &'a [u8],
    query: Option<&'a [u8]>,
    fragment: Option<&'a [u8]>,
}

/// What does not begin with a slash has a scheme if there is a colon anywhere; behind it credentials may be,
/// up to the first `@` behind two slashes, and a host, with or without two slashes.
fn split(raw: &[u8]) -> Parts<'_> {
    let mut parts = Parts::default();
    let mut rest = raw;
    if rest.first() != Some(&b'/')
        && let Some(colon) = rest.iter().position(|&b| b == b':')
    {
        rest = rest.get(colon + 1..).unwrap_or_default();
        let slashes = rest.strip_prefix(b"//");
        parts.slashes = slashes.is_some();
        if let Some(after) = slashes.filter(|after| after.first() != Some(&b'/'))
            && let Some(at) = after.iter().position(|&b| b == b'@')
        {
            rest = after.get(at + 1..).unwrap_or_default();
        }
        let begun = rest.strip_prefix(b"//").unwrap_or(rest);
        let end = begun.iter().position(|b| matches!(b, b'/' | b'?' | b'#')).unwrap_or(begun.len());
        let (authority, after) = begun.split_at(end);
        // A port alone is no host: all of it is the path then.
        let is_host = !trim(authority, is_lws).is_empty() && authority.first() != Some(&b':');
        if is_host {
            parts.authority = Some(authority);
            rest = after;
        }
    }
    if let Some(at) = rest.iter().position(|&b| b == b'#') {
        parts.fragment = rest.get(at + 1..);
        rest = rest.get(..at).unwrap_or_default();
    }
    if let Some(at) = rest.iter().position(|&b| b == b'?') {
        parts.query = rest.get(at + 1..);
        rest = rest.get(..at).unwrap_or_default();
    }
    parts.path = rest;
    parts
}

/// A byte of `text` at `at`, decoded, and how many bytes that took.
fn decoded(text: &[u8], at: usize) -> Option<(u8, usize)> {
    let &byte = text.get(at)?;
    if byte == b'%' {
        let hex = |at: usize| text.get(at).and_then(|&b| char::from(b).to_digit(16));
        if let (Some(high), Some(low)) = (hex(at + 1), hex(at + 2)) {
            return Some((u8::try_from(high * 16 + low).unwrap_or_default(), 3));
        }
    }
    Some((byte, 1))
}

/// Percent-decodes once. Says whether what came of it could be decoded again.
fn decode(text: &[u8], out: &mut Vec<u8>, path: bool) -> bool {
    let mut at = 0;
    let mut again = false;
    let start = out.len();
    while let Some((mut byte, len)) = decoded(text, at) {
        if len == 3 && byte == b'%' {
            let hex = |at: usize| text.get(at).is_some_and(u8::is_ascii_hexdigit);
            again |= hex(at + 3) && hex(at + 4);
        }
        at += len;
        if path {
            if byte == b'\\' {
                byte = b'/';
            }
            if byte == b'/' && out.get(start..).is_some_and(|out| out.last() == Some(&b'/')) {
                continue;
            }
        }
        out.push(byte);
    }
    again
}

/// Takes `.` and `..` out, as RFC 3986 (5.2.4) does.
fn remove_dots(path: &mut Vec<u8>) {
    let mut out: Vec<u8> = Vec::with_capacity(path.len());
    let mut rest = path.as_slice();
    while let Some(&first) = rest.first() {
        if first != b'/' {
            // Only at the beginning: everything else begins with a slash.
            match rest {
                b"." | b".." => break,
                _ if rest.starts_with(b"../") => rest = rest.get(3..).unwrap_or_default(),
                _ if rest.starts_with(b"./") => rest = rest.get(2..).unwrap_or_default(),
                _ => {
                    let end = rest.iter().position(|&b| b == b'/').unwrap_or(rest.len());
                    let (segment, after) = rest.split_at(end);
                    out.extend_from_slice(segment);
                    rest = after;
                }
            }
            continue;
        }
        let end = rest.iter().skip(1).position(|&b| b == b'/').map_or(rest.len(), |at| at + 1);
        let (segment, after) = rest.split_at(end);
        match segment {
            b"/." if after.is_empty() => out.push(b'/'),
            b"/." => {}
            b"/.." => {
                let cut = out.iter().rposition(|&b| b == b'/').unwrap_or(0);
                out.truncate(cut);
                if after.is_empty() {
                    out.push(b'/');
                }
            }
            _ => out.extend_from_slice(segment),
        }
        rest = after;
    }
    *path = out;
}

/// A host and perhaps a port.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct HostPort {
    /// As sent, without port.
    pub(super) raw: Vec<u8>,
    /// The port, where there is one that is one.
    pub(super) port: Option<u16>,
    /// Neither the name nor the port is odd.
    pub(super) valid: bool,
}

impl HostPort {
    /// Lower case.
    pub(super) fn name(&self) -> Vec<u8> {
        self.raw.to_ascii_lowercase()
    }

    /// Lower case, without dots at the end: what becomes of a URI's host, other than of a field's.
    fn of_uri(mut self) -> Self {
        let end = self.raw.iter().rposition(|&b| b != b'.').map_or(0, |at| at + 1);
        self.raw.truncate(end);
        self.raw.make_ascii_lowercase();
        self
    }

    /// Of an authority or a Host field.
    pub(super) fn of(text: &[u8]) -> Option<Self> {
        let text = trim(text, is_lws);
        if text.is_empty() {
            return None;
        }
        let end = if text.first() == Some(&b'[') {
            text.iter().position(|&b| b == b']').map_or(text.len(), |at| at + 1)
        } else {
            text.iter().position(|&b| b == b':').unwrap_or(text.len())
        };
        let (host, rest) = text.split_at(end);
        let host = trim(host, is_lws);
        let digits = rest.strip_prefix(b":").map(|port| trim(port, is_lws));
        let port = digits
            .filter(|digits| digits.iter().all(u8::is_ascii_digit))
            .and_then(|digits| leading_number(digits, 10))
            .and_then(|port| u16::try_from(port).ok())
            .filter(|&port| port > 0);
        let port_valid = match digits {
            None => rest.is_empty(),
            Some(digits) => digits.is_empty() || port.is_some(),
        };
        Some(Self { raw: host.to_vec(), port, valid: port_valid && is_valid_name(host) })
    }
}

/// Labels of 1 to 63 letters, digits, hyphens and underscores; or an address in brackets.
fn is_valid_name(name: &[u8]) -> bool {
    if let Some(inside) = name.strip_prefix(b"[").and_then(|name| name.strip_suffix(b"]")) {
        return !inside.is_empty()
            && inside.iter().all(|b| b.is_ascii_hexdigit() || matches!(b, b':' | b'.' | b'%'));
    }
    let name = name.strip_suffix(b".").unwrap_or(name);
    !name.is_empty()
        && name.len() <= 255
        && name.split(|&b| b == b'.').all(|label| {
            (1..=63).contains(&label.len())
                && label.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
        })
}

/// A request's URI as rules see it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Uri {
    /// Path, query and fragment, normalised.
    pub(super) text: Vec<u8>,
    /// How much of it is the path.
    pub(super) path_len: usize,
    /// Of an absolute URI, or what CONNECT names.
    pub(super) host: Option<HostPort>,
    /// There was a host part and nothing in it.
    pub(super) host_empty: bool,
    /// Decoding twice gives something else.
    pub(super) double_encoded: bool,
}

impl Uri {
    pub(super) fn of(raw: &[u8], connect: bool) -> Self {
        let mut uri = Self::default();
        if connect {
            uri.host = HostPort::of(raw);
            uri.host_empty = uri.host.is_none();
            return uri;
        }
        let parts = split(raw);
        uri.host = parts.authority.and_then(HostPort::of).map(HostPort::of_uri);
        uri.host_empty = parts.slashes && uri.host.is_none();
        let mut text = Vec::with_capacity(raw.len());
        uri.double_encoded = decode(parts.path, &mut text, true);
        remove_dots(&mut text);
        uri.path_len = text.len();
        if let Some(query) = parts.query {
            text.push(b'?');
            uri.double_encoded |= decode(query, &mut text, false);
        }
        if let Some(fragment) = parts.fragment {
            text.push(b'#');
            text.extend_from_slice(fragment);
        }
        uri.text = text;
        uri
    }

    pub(super) fn path(&self) -> &[u8] {
        self.text.get(..self.path_len).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(raw: &[u8]) -> String {
        String::from_utf8_lossy(&Uri::of(raw, false).text).into_owned()
    }

    #[test]
    fn paths_are_decoded_compressed_and_without_dots() {
        for (raw, normal) in [
            ("/abc%2fdef", "/abc/def"),
            ("/abc/def?ghi%2fjkl", "/abc/def?ghi/jkl"),
            ("/abc/def?ghi%252fjkl", "/abc/def?ghi%2fjkl"),
            ("/abc/def?a=http://www.abc.com/", "/abc/def?a=http://www.abc.com/"),
            ("/put.php?ip=1.1.1.1&port=+6000", "/put.php?ip=1.1.1.1&port=+6000"),
            ("http://suricata-ids.org/blah/", "/blah/"),
            ("http://u:p@Host:80/x//y", "/x/y"),
            ("/a\\b%5cc//d/./e/../f", "/a/b/c/d/f"),
            ("/../../etc/./passwd", "/etc/passwd"),
            ("/a/..", "/"),
            ("/%41%zz%4", "/A%zz%4"),
            ("/%u0041", "/%u0041"),
            ("/a#frag", "/a#frag"),
            ("*", "*"),
            ("index.html", "index.html"),
            ("../x", "x"),
            ("/x?", "/x?"),
            ("?url=file:///etc/hosts", "/etc/hosts"),
            ("q/a?b:c/d?e", "/d?e"),
            ("a:/b/c", "/b/c"),
            ("a::b/c", ":b/c"),
            ("a: /b", " /b"),
            ("http://", "/"),
            ("http://:80/x", "/:80/x"),
            ("http://h?x=a@b", ""),
            ("http://u@//x/y", "/y"),
        ] {
            assert_eq!(text(raw.as_bytes()), normal, "{raw}");
        }
        assert_eq!(Uri::of(b"/a%00b", false).text, b"/a\0b");
        assert!(Uri::of(b"/a?b%252f", false).double_encoded);
    }

    #[test]
    fn hosts() {
        let host = HostPort::of(b" ExAmple.com.:8080 ").unwrap();
        assert_eq!(
            (host.name(), host.port, host.valid),
            (b"example.com.".to_vec(), Some(8080), true)
        );
        let host = HostPort::of(b"[::1]:80").unwrap();
        assert_eq!((host.raw.as_slice(), host.port, host.valid), (&b"[::1]"[..], Some(80), true));
        assert!(!HostPort::of(b"a..b").unwrap().valid);
        assert!(!HostPort::of(b"a:x").unwrap().valid);
        assert_eq!(Uri::of(b"http://Host:81/", false).host.unwrap().port, Some(81));
        let name = |raw: &[u8]| Uri::of(raw, false).host.map(|host| host.raw);
        assert_eq!(name(b"http://U@p@Host../x"), Some(b"p@host".to_vec()));
        assert_eq!(name(b"x?y:z/"), Some(b"z".to_vec()));
        assert_eq!((name(b"a:///b"), name(b"//a:b/c")), (None, None));
        assert_eq!(Uri::of(b"a.b:443", true).host.unwrap().raw, b"a.b");
    }

    proptest::proptest! {
        #[test]
        fn never_panics_and_never_grows(raw in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
            let uri = Uri::of(&raw, false);
            proptest::prop_assert!(uri.text.len() <= raw.len() + 1);
            let _ = Uri::of(&raw, true);
        }
    }
}
