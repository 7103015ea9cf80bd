//! First lines: requests' and responses', and the versions in them.

use super::bytes::{chomp, is_lws, is_space, trim};

/// Protocol versions that mean something here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Version {
    /// None or none that is known; below all others.
    #[default]
    Unknown,
    V09,
    V10,
    V11,
}

impl Version {
    /// Of a protocol such as `HTTP/1.1`, in any case and with space within.
    pub(super) fn of(protocol: &[u8]) -> Self {
        let text = trim(protocol, |b| is_space(b) || b == 0);
        let Some((name, rest)) = text.split_at_checked(4) else { return Version::Unknown };
        let rest = trim(rest, is_lws);
        if !name.eq_ignore_ascii_case(b"http") || rest.first() != Some(&b'/') {
            return Version::Unknown;
        }
        match trim(rest.get(1..).unwrap_or_default(), is_lws) {
            b"0.9" => Version::V09,
            b"1.0" => Version::V10,
            b"1.1" => Version::V11,
            _ => Version::Unknown,
        }
    }
}

/// A request line in its parts, and what was odd.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct RequestLine<'a> {
    pub(super) method: &'a [u8],
    pub(super) uri: Option<&'a [u8]>,
    pub(super) protocol: Option<&'a [u8]>,
    pub(super) leading_space: bool,
    pub(super) method_delimiter: bool,
    pub(super) uri_delimiter: bool,
}

/// Takes a request line apart. Spaces within the URI belong to it, so its end is the last one.
pub(super) fn request_line(line: &[u8]) -> RequestLine<'_> {
    let line = chomp(line);
    let start = line.iter().position(|&b| !is_space(b)).unwrap_or(line.len());
    let mut parts = RequestLine { leading_space: start > 0, ..RequestLine::default() };
    let rest = line.get(start..).unwrap_or_default();
    let end = rest.iter().position(|&b| is_space(b)).unwrap_or(rest.len());
    let (method, rest) = rest.split_at(end);
    parts.method = method;
    let start = rest.iter().position(|&b| !is_space(b)).unwrap_or(rest.len());
    let (delimiter, rest) = rest.split_at(start);
    parts.method_delimiter = delimiter.iter().any(|&b| b != b' ');
    let end = rest.iter().rposition(|&b| !is_space(b)).map_or(0, |at| at + 1);
    let rest = rest.get(..end).unwrap_or_default();
    if rest.is_empty() {
        return parts;
    }
    let mut cut = rest.iter().rposition(|&b| b == b' ');
    if cut.is_none() {
        cut = rest.iter().rposition(|&b| is_space(b));
        parts.uri_delimiter = cut.is_some();
    }
    let Some(cut) = cut else {
        parts.uri = Some(rest);
        return parts;
    };
    let (uri, protocol) = rest.split_at(cut);
    let end = uri.iter().rposition(|&b| !is_space(b)).map_or(0, |at| at + 1);
    parts.uri_delimiter |= uri.get(end..).is_some_and(|gap| gap.iter().any(|&b| b != b' '));
    parts.uri = uri.get(..end);
    parts.protocol = Some(trim(protocol, is_space));
    parts
}

/// A status line in its parts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct StatusLine<'a> {
    pub(super) protocol: &'a [u8],
    pub(super) status: Option<&'a [u8]>,
    pub(super) message: Option<&'a [u8]>,
}

/// Takes a status line apart.
pub(super) fn status_line(line: &[u8]) -> StatusLine<'_> {
    fn word(text: &[u8]) -> (&[u8], &[u8]) {
        let start = text.iter().position(|&b| !is_space(b)).unwrap_or(text.len());
        let text = text.get(start..).unwrap_or_default();
        text.split_at(text.iter().position(|&b| is_space(b)).unwrap_or(text.len()))
    }
    let (protocol, rest) = word(chomp(line));
    let (status, rest) = word(rest);
    let start = rest.iter().position(|&b| !is_space(b)).unwrap_or(rest.len());
    StatusLine {
        protocol,
        status: (!status.is_empty()).then_some(status),
        message: rest.get(start..).filter(|message| !message.is_empty()),
    }
}

/// A status that is one: 100 to 999, leading zeros allowed.
pub(super) fn status_number(status: &[u8]) -> Option<u16> {
    if status.is_empty() || status.len() > 16 || !status.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number = super::bytes::leading_number(status, 10)?;
    u16::try_from(number).ok().filter(|number| (100..=999).contains(number))
}

/// Whether bytes at the beginning of a response are one's beginning: browsers skip space and want `http`
/// in any case, else they take it for a body. `None` where there are too few to say.
pub(super) fn looks_like_response(bytes: &[u8]) -> Option<bool> {
    let start = bytes.iter().position(|&b| !is_space(b) && b != 0)?;
    let word = bytes.get(start..)?;
    let len = word.len().min(4);
    if !word.get(..len)?.eq_ignore_ascii_case(b"http".get(..len)?) {
        return Some(false);
    }
    (len == 4).then_some(true)
}

/// Methods that are known: a word that is none of them does not begin a request where a body may go on.
pub(super) fn is_known_method(word: &[u8]) -> bool {
    const KNOWN: &[&[u8]] = &[
        b"HEAD",
        b"GET",
        b"PUT",
        b"POST",
        b"DELETE",
        b"CONNECT",
        b"OPTIONS",
        b"TRACE",
        b"PATCH",
        b"PROPFIND",
        b"PROPPATCH",
        b"MKCOL",
        b"COPY",
        b"MOVE",
        b"LOCK",
        b"UNLOCK",
        b"VERSION-CONTROL",
        b"CHECKOUT",
        b"UNCHECKOUT",
        b"CHECKIN",
        b"UPDATE",
        b"LABEL",
        b"REPORT",
        b"MKWORKSPACE",
        b"MKACTIVITY",
        b"BASELINE-CONTROL",
        b"MERGE",
        b"INVALID",
    ];
    KNOWN.contains(&word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_lines() {
        let line = request_line(b"GET /a b HTTP/1.1\r\n");
        assert_eq!(
            (line.method, line.uri, line.protocol),
            (&b"GET"[..], Some(&b"/a b"[..]), Some(&b"HTTP/1.1"[..]))
        );
        let line = request_line(b" GET\t/ \t HTTP/1.0 \n");
        assert!(line.leading_space && line.method_delimiter && line.uri_delimiter);
        assert_eq!((line.uri, line.protocol), (Some(&b"/"[..]), Some(&b"HTTP/1.0"[..])));
        let line = request_line(b"GET /\x0bHTTP/1.0");
        assert!(line.uri_delimiter);
        assert_eq!(line.uri, Some(&b"/"[..]));
        assert_eq!(request_line(b"GET /\r\n").protocol, None);
        assert_eq!(request_line(b"GET\r\n").uri, None);
    }

    #[test]
    fn status_lines() {
        let line = status_line(b"HTTP/1.1\x0b200\x0bo k\r\n");
        assert_eq!((line.status, line.message), (Some(&b"200"[..]), Some(&b"o k"[..])));
        assert_eq!(status_line(b"HTTP/1.1\n").status, None);
        assert_eq!(status_number(b"0204"), Some(204));
        assert_eq!(status_number(b"2xx"), None);
        assert_eq!(status_number(b"2000"), None);
    }

    #[test]
    fn versions() {
        assert_eq!(Version::of(b"http/1.1"), Version::V11);
        assert_eq!(Version::of(b"HTTP/1.01"), Version::Unknown);
        assert!(Version::of(b"HTTP/1.0") < Version::V11);
    }

    #[test]
    fn responses_begin_with_http() {
        assert_eq!(looks_like_response(b"\0 hTTp"), Some(true));
        assert_eq!(looks_like_response(b" HT"), None);
        assert_eq!(looks_like_response(b"  "), None);
        assert_eq!(looks_like_response(b"XHTTP"), Some(false));
    }
}
