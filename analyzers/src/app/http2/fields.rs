//! The header fields of a stream in one heading, as far as they came.

use std::cell::OnceCell;
use std::collections::HashSet;

use super::hpack::{Field, Item};

/// Bytes that fields which refer to the same entry of the table over and over may stand for, as with Suricata.
const REPETITIONS_BYTES: usize = 4096;
/// Fields of one heading, in HPACK's measure: a block of 100 KiB could stand for a hundred thousand.
const LIMIT_BYTES: usize = 256 << 10;
/// What HPACK reckons for a field besides its text.
const FIELD_BYTES: usize = 32;

/// What became of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    Yes,
    /// It repeats another, which is no news.
    Repeated,
    /// So do too many.
    TooManyRepeated,
    /// There is no room for more.
    Full,
}

/// Fields and what else blocks held, in order.
#[derive(Debug, Default)]
pub(super) struct Fields {
    items: Vec<Item>,
    bytes: usize,
    /// Entries of the table that were referred to.
    seen: HashSet<u64>,
    repeated_bytes: usize,
    /// A block began, be it an empty one.
    pub(super) begun: bool,
    views: OnceCell<Box<Views>>,
}

/// What is put together when first asked for.
#[derive(Debug, Default)]
struct Views {
    lines: OnceCell<Vec<u8>>,
    raw_lines: OnceCell<Vec<u8>>,
    names: OnceCell<Vec<u8>>,
    each: OnceCell<Vec<Vec<u8>>>,
    start: OnceCell<Vec<u8>>,
    host: OnceCell<Vec<u8>>,
    joined: [OnceCell<Vec<u8>>; JOINED.len()],
}

/// Fields that are asked for by name, and may be there more than once.
const JOINED: [&str; 15] = [
    ":authority",
    "host",
    "user-agent",
    "cookie",
    "set-cookie",
    "accept",
    "accept-encoding",
    "accept-language",
    "connection",
    "content-length",
    "content-type",
    "referer",
    "location",
    "server",
    "content-encoding",
];

impl Fields {
    pub(super) fn add(&mut self, item: Item) -> Taken {
        if let Item::Field(field) = &item {
            match self.note(field) {
                Taken::Yes => {}
                taken => return taken,
            }
        }
        let bytes = match &item {
            Item::Field(field) => len(field) + FIELD_BYTES,
            Item::SizeUpdate(_) | Item::Error(_) => FIELD_BYTES,
        };
        if self.bytes + bytes > LIMIT_BYTES {
            return Taken::Full;
        }
        self.bytes += bytes;
        self.items.push(item);
        self.views = OnceCell::new();
        Taken::Yes
    }

    fn note(&mut self, field: &Field) -> Taken {
        let seen = |entry: Option<u64>| entry.is_some_and(|entry| self.seen.contains(&entry));
        let (whole, name) = (seen(field.entry), seen(field.name_entry));
        self.seen.extend(field.entry.into_iter().chain(field.name_entry));
        if !whole && !name {
            return Taken::Yes;
        }
        self.repeated_bytes = self.repeated_bytes.saturating_add(len(field));
        if self.repeated_bytes > REPETITIONS_BYTES {
            Taken::TooManyRepeated
        } else if whole {
            Taken::Repeated
        } else {
            Taken::Yes
        }
    }

    pub(super) fn items(&self) -> &[Item] {
        &self.items
    }

    pub(super) fn memory_bytes(&self) -> usize {
        let views = self.views.get().map_or(0, |views| {
            let all = [&views.lines, &views.raw_lines, &views.names, &views.start, &views.host];
            let len = |cell: &OnceCell<Vec<u8>>| cell.get().map_or(0, Vec::capacity);
            all.into_iter().chain(&views.joined).map(len).sum::<usize>()
                + views.each.get().map_or(0, |each| each.iter().map(Vec::capacity).sum())
        });
        self.bytes + self.items.capacity() * size_of::<Item>() + self.seen.capacity() * 16 + views
    }

    fn views(&self) -> &Views {
        self.views.get_or_init(Box::default)
    }

    /// Names and values. What was no field has neither.
    fn pairs(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.items.iter().map(|item| match item {
            Item::Field(field) => (field.name.bytes(), field.value.bytes()),
            Item::SizeUpdate(_) | Item::Error(_) => (&b""[..], &b""[..]),
        })
    }

    /// The values of a field whose name is written exactly so.
    fn values(&self, name: &'static str) -> impl Iterator<Item = &[u8]> {
        self.pairs().filter(move |(known, _)| *known == name.as_bytes()).map(|(_, value)| value)
    }

    /// The first value of a field.
    pub(super) fn first(&self, name: &'static str) -> Option<&[u8]> {
        self.values(name).next()
    }

    /// The last value of a field, whatever the case of its name.
    pub(super) fn last(&self, name: &str) -> Option<&[u8]> {
        let known = self.pairs().filter(|(known, _)| known.eq_ignore_ascii_case(name.as_bytes()));
        known.last().map(|(_, value)| value)
    }

    /// All values of a field, with commas between them.
    pub(super) fn get(&self, name: &'static str) -> Option<&[u8]> {
        let mut values = self.values(name);
        let first = values.next()?;
        if values.next().is_none() {
            return Some(first);
        }
        let at = JOINED.iter().position(|known| *known == name)?;
        let joined = self.views().joined.get(at)?;
        Some(joined.get_or_init(|| self.values(name).collect::<Vec<_>>().join(&b", "[..])))
    }

    /// Lines of all fields but one: `http.header`. `None` where there are none.
    pub(super) fn lines(&self, without: Option<&str>) -> Option<&[u8]> {
        let views = self.views();
        let cell = if without.is_some() { &views.lines } else { &views.raw_lines };
        let lines = cell.get_or_init(|| {
            let mut lines = Vec::with_capacity(self.bytes);
            for (name, value) in self.pairs() {
                if without.is_none_or(|without| name != without.as_bytes()) {
                    lines.extend_from_slice(&[name, b": ", value, b"\r\n"].concat());
                }
            }
            lines
        });
        Some(lines.as_slice()).filter(|lines| !lines.is_empty())
    }

    /// Names as lines within empty lines: `http.header_names`.
    pub(super) fn names(&self) -> Option<&[u8]> {
        if self.items.is_empty() {
            return None;
        }
        Some(self.views().names.get_or_init(|| {
            let mut names = b"\r\n".to_vec();
            for (name, _) in self.pairs() {
                names.extend_from_slice(name);
                names.extend_from_slice(b"\r\n");
            }
            names.extend_from_slice(b"\r\n");
            names
        }))
    }

    /// The name of a field by its place: `http2.header_name`.
    pub(super) fn name_at(&self, index: usize) -> Option<&[u8]> {
        self.pairs().nth(index).map(|(name, _)| name)
    }

    /// Name and value of a field by its place: `http.request_header`.
    pub(super) fn line_at(&self, index: usize) -> Option<&[u8]> {
        let each = self.views().each.get_or_init(|| {
            self.pairs().map(|(name, value)| [name, b": ", value].concat()).collect()
        });
        each.get(index).map(Vec::as_slice)
    }

    /// The request's or the status line that HTTP/1 would have had.
    pub(super) fn start(&self, to_server: bool) -> &[u8] {
        self.views().start.get_or_init(|| {
            let part = |name| self.first(name).unwrap_or_default();
            if to_server {
                [part(":method"), b" ", part(":path"), b" HTTP/2\r\n"].concat()
            } else {
                [b"HTTP/2 ", part(":status"), b"\r\n"].concat()
            }
        })
    }

    /// Whom the request is for, as sent.
    pub(super) fn raw_host(&self) -> Option<&[u8]> {
        self.get(":authority").or_else(|| self.get("host"))
    }

    /// The host's name: without user and port, in small letters.
    pub(super) fn host(&self) -> Option<&[u8]> {
        let raw = self.raw_host()?;
        let host = self.views().host.get_or_init(|| host_name(raw).to_ascii_lowercase());
        Some(host.as_slice())
    }

    /// What is odd about whom the request is for.
    pub(super) fn host_events(&self) -> impl Iterator<Item = &'static str> {
        let (authority, host) = (self.first(":authority"), self.first("host"));
        let mismatch = authority
            .zip(host)
            .is_some_and(|(authority, host)| !authority.eq_ignore_ascii_case(host));
        let user = authority.is_some_and(|authority| authority.contains(&b'@'));
        let events = [(mismatch, "http2.authority_host_mismatch"), (user, "http2.userinfo_in_uri")];
        events.into_iter().filter(|(is, _)| *is).map(|(_, event)| event)
    }
}

fn len(field: &Field) -> usize {
    field.name.bytes().len() + field.value.bytes().len()
}

/// Without `user@` and `:port`.
fn host_name(raw: &[u8]) -> &[u8] {
    let user = raw.iter().position(|&b| b == b'@').map_or(0, |at| at + 1);
    let host = raw.get(user..).unwrap_or_default();
    match host.iter().rposition(|&b| b == b':') {
        // Within brackets it is no port.
        Some(at) if !host.get(at..).unwrap_or_default().contains(&b']') => {
            host.get(..at).unwrap_or_default()
        }
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use super::super::hpack::Text;
    use super::*;

    fn field(name: &str, value: &str, entry: Option<u64>) -> Item {
        let text = |text: &str| Text::from(text.as_bytes());
        Item::Field(Field { name: text(name), value: text(value), entry, name_entry: None })
    }

    fn fields(pairs: &[(&str, &str)]) -> Fields {
        let mut fields = Fields::default();
        for (name, value) in pairs {
            assert_eq!(fields.add(field(name, value, None)), Taken::Yes);
        }
        fields
    }

    #[test]
    fn views_follow_what_is_added() {
        let mut fields = fields(&[(":method", "GET"), (":path", "/a"), ("cookie", "a=b")]);
        assert_eq!(fields.lines(Some("cookie")), Some(&b":method: GET\r\n:path: /a\r\n"[..]));
        assert_eq!(fields.get("cookie"), Some(&b"a=b"[..]));
        fields.add(Item::SizeUpdate(5));
        fields.add(field("cookie", "c=d", None));
        assert_eq!(fields.get("cookie"), Some(&b"a=b, c=d"[..]));
        assert_eq!(fields.lines(Some("cookie")), Some(&b":method: GET\r\n:path: /a\r\n: \r\n"[..]));
        assert_eq!(
            fields.names(),
            Some(&b"\r\n:method\r\n:path\r\ncookie\r\n\r\ncookie\r\n\r\n"[..])
        );
        assert_eq!((fields.line_at(4), fields.line_at(5)), (Some(&b"cookie: c=d"[..]), None));
        assert_eq!(fields.start(true), b"GET /a HTTP/2\r\n");
        assert_eq!(Fields::default().start(false), b"HTTP/2 \r\n");
    }

    #[test]
    fn hosts() {
        for (raw, name) in [
            ("Example.ORG:80", "Example.ORG"),
            ("[::1]:8080", "[::1]"),
            ("[::A]", "[::A]"),
            ("a@b@c:1:2", "b@c:1"),
            ("x:abc", "x"),
            ("a@", ""),
            (":80", ""),
            ("*", "*"),
        ] {
            assert_eq!(host_name(raw.as_bytes()), name.as_bytes(), "{raw}");
        }
        let both = fields(&[("host", "b.org"), (":authority", "user@A.org:1")]);
        assert_eq!(both.host(), Some(&b"a.org"[..]));
        assert_eq!(both.host_events().count(), 2);
        let alike = fields(&[("host", "A.org"), (":authority", "a.org")]);
        assert_eq!(alike.host_events().count(), 0);
    }

    #[test]
    fn a_field_that_is_repeated_by_reference_is_one() {
        let mut fields = Fields::default();
        let value = "x".repeat(998);
        assert_eq!(fields.add(field("ab", &value, Some(7))), Taken::Yes);
        for _ in 0..4 {
            assert_eq!(fields.add(field("ab", &value, Some(7))), Taken::Repeated);
        }
        assert_eq!(fields.add(field("ab", &value, Some(7))), Taken::TooManyRepeated);
        assert_eq!(fields.items().len(), 1);
    }

    #[test]
    fn fields_are_bounded() {
        let mut fields = Fields::default();
        let taken = (0..100_000).map(|_| fields.add(field("a", "b", None))).last();
        assert_eq!(taken, Some(Taken::Full));
        fields.lines(None);
        assert!(fields.memory_bytes() < 2 << 20, "{}", fields.memory_bytes());
    }
}
