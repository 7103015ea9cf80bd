//! Names and values that blocks refer to by a number: those of RFC 7541, appendix A, and those that came
//! before.

use std::collections::VecDeque;
use std::sync::Arc;

/// What a table holds unless its user says otherwise, in the RFC's measure (section 4.2).
const DEFAULT_SIZE: u64 = 4096;
/// What it holds at most, whatever is said: Suricata's `max-table-size`.
const SIZE_LIMIT: u64 = 65_536;
/// What an entry costs besides its text (RFC 7541, section 4.1).
const ENTRY_SIZE: u64 = 32;

/// Text that is shared with the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) enum Text {
    Static(&'static [u8]),
    Shared(Arc<[u8]>),
}

impl Text {
    pub(in super::super) fn bytes(&self) -> &[u8] {
        match self {
            Text::Static(bytes) => bytes,
            Text::Shared(bytes) => bytes,
        }
    }

    pub(super) fn empty() -> Self {
        Text::Static(b"")
    }
}

impl From<&[u8]> for Text {
    fn from(bytes: &[u8]) -> Self {
        Text::Shared(bytes.into())
    }
}

/// What came before.
#[derive(Clone, Debug)]
struct Entry {
    name: Text,
    value: Text,
    /// How many were added before it.
    number: u64,
}

impl Entry {
    fn size(&self) -> u64 {
        self.name.bytes().len() as u64 + self.value.bytes().len() as u64 + ENTRY_SIZE
    }
}

/// A name and value that a block refers to.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub(super) name: Text,
    pub(super) value: Text,
    /// Of those that came before: which.
    pub(super) number: Option<u64>,
}

/// One heading's table.
#[derive(Debug)]
pub(super) struct Table {
    entries: VecDeque<Entry>,
    size: u64,
    max_size: u64,
    added: u64,
}

impl Table {
    pub(super) fn new() -> Self {
        Self { entries: VecDeque::new(), size: 0, max_size: DEFAULT_SIZE, added: 0 }
    }

    pub(super) fn memory_bytes(&self) -> usize {
        self.entries.capacity() * size_of::<Entry>() + usize::try_from(self.size).unwrap_or(0)
    }

    /// What stands under a number: 1 to 61 of the RFC's, then the last that was added.
    pub(super) fn get(&self, index: u64) -> Option<Found> {
        let index = usize::try_from(index.checked_sub(1)?).ok()?;
        if let Some(&(name, value)) = STATIC.get(index) {
            let text = |text: &'static str| Text::Static(text.as_bytes());
            return Some(Found { name: text(name), value: text(value), number: None });
        }
        let entry = self.entries.get(index - STATIC.len())?;
        Some(Found {
            name: entry.name.clone(),
            value: entry.value.clone(),
            number: Some(entry.number),
        })
    }

    /// Takes a name and value; how many were added before them, or `None` where the limit of what a table
    /// may hold here leaves no room. One that is larger than the table empties it.
    pub(super) fn add(&mut self, name: &Text, value: &Text) -> Option<u64> {
        let entry = Entry { name: name.clone(), value: value.clone(), number: self.added };
        let size = entry.size();
        self.shrink_to(self.max_size.saturating_sub(size));
        if size <= self.max_size && self.size + size > SIZE_LIMIT {
            return None;
        }
        self.added += 1;
        if size <= self.max_size {
            self.size += size;
            self.entries.push_front(entry);
        }
        Some(self.added - 1)
    }

    pub(super) fn resize(&mut self, max_size: u64) {
        self.max_size = max_size;
        self.shrink_to(max_size);
    }

    fn shrink_to(&mut self, size: u64) {
        while self.size > size
            && let Some(entry) = self.entries.pop_back()
        {
            self.size = self.size.saturating_sub(entry.size());
        }
    }
}

/// RFC 7541, appendix A.
const STATIC: [(&str, &str); 61] = [
    (":authority", ""),
    (":method", "GET"),
    (":method", "POST"),
    (":path", "/"),
    (":path", "/index.html"),
    (":scheme", "http"),
    (":scheme", "https"),
    (":status", "200"),
    (":status", "204"),
    (":status", "206"),
    (":status", "304"),
    (":status", "400"),
    (":status", "404"),
    (":status", "500"),
    ("accept-charset", ""),
    ("accept-encoding", "gzip, deflate"),
    ("accept-language", ""),
    ("accept-ranges", ""),
    ("accept", ""),
    ("access-control-allow-origin", ""),
    ("age", ""),
    ("allow", ""),
    ("authorization", ""),
    ("cache-control", ""),
    ("content-disposition", ""),
    ("content-encoding", ""),
    ("content-language", ""),
    ("content-length", ""),
    ("content-location", ""),
    ("content-range", ""),
    ("content-type", ""),
    ("cookie", ""),
    ("date", ""),
    ("etag", ""),
    ("expect", ""),
    ("expires", ""),
    ("from", ""),
    ("host", ""),
    ("if-match", ""),
    ("if-modified-since", ""),
    ("if-none-match", ""),
    ("if-range", ""),
    ("if-unmodified-since", ""),
    ("last-modified", ""),
    ("link", ""),
    ("location", ""),
    ("max-forwards", ""),
    ("proxy-authenticate", ""),
    ("proxy-authorization", ""),
    ("range", ""),
    ("referer", ""),
    ("refresh", ""),
    ("retry-after", ""),
    ("server", ""),
    ("set-cookie", ""),
    ("strict-transport-security", ""),
    ("transfer-encoding", ""),
    ("user-agent", ""),
    ("vary", ""),
    ("via", ""),
    ("www-authenticate", ""),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn add(table: &mut Table, name: &str, value: &str) -> Option<u64> {
        table.add(&Text::from(name.as_bytes()), &Text::from(value.as_bytes()))
    }

    #[test]
    fn the_oldest_go_first_and_what_is_too_large_empties_it() {
        let mut table = Table::new();
        table.resize(80);
        add(&mut table, "a", "1234");
        add(&mut table, "b", "1234");
        assert_eq!(table.get(62).unwrap().name.bytes(), b"b");
        assert_eq!(table.get(63).unwrap().name.bytes(), b"a");
        add(&mut table, "c", "1234");
        assert_eq!(table.get(62).unwrap().number, Some(2));
        assert!(table.get(64).is_none());
        add(&mut table, "d", &"x".repeat(80));
        assert!(table.get(62).is_none());
        assert!(table.get(0).is_none() && table.get(u64::MAX).is_none());
    }

    #[test]
    fn a_table_holds_no_more_than_its_limit() {
        let mut table = Table::new();
        table.resize(u64::MAX);
        let value = "x".repeat(1000);
        let added: Vec<_> = (0..100).map(|n| add(&mut table, &n.to_string(), &value)).collect();
        assert!(added[0].is_some() && added[99].is_none());
        assert!(table.memory_bytes() < 100 << 10);
        table.resize(0);
        assert_eq!((table.size, table.entries.len()), (0, 0));
    }
}
