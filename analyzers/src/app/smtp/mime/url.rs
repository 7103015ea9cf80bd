//! Web addresses in texts.

/// With what they begin, in any case.
const SCHEME: &[u8] = b"http://";
/// Addresses that are kept of a mail, and bytes of all.
const COUNT_LIMIT: usize = 512;
const BYTES_LIMIT: usize = 128 << 10;

/// Addresses of a mail without their schemes. As Suricata has them: as often as they are there, and with the
/// line's end where that ends them.
#[derive(Debug, Default)]
pub(in super::super) struct Urls {
    all: Vec<Vec<u8>>,
    bytes: usize,
}

impl Urls {
    /// Adds those of a line with its end.
    pub(super) fn collect(&mut self, line: &[u8]) {
        let mut rest = line;
        while let Some(at) = find(rest) {
            rest = rest.get(at + SCHEME.len()..).unwrap_or_default();
            let len = rest.iter().position(|&byte| is_end(byte)).unwrap_or(rest.len());
            let (url, behind) = rest.split_at_checked(len).unwrap_or((rest, &[]));
            if self.all.len() < COUNT_LIMIT && self.bytes + url.len() <= BYTES_LIMIT {
                self.bytes += url.len();
                self.all.push(url.to_vec());
            }
            rest = behind;
        }
    }

    /// By the order in which they came, so that one keeps its number.
    pub(in super::super) fn get(&self, index: usize) -> Option<&[u8]> {
        self.all.get(index).map(Vec::as_slice)
    }

    /// As records have them.
    pub(in super::super) fn last_first(&self) -> impl Iterator<Item = &[u8]> {
        self.all.iter().rev().map(Vec::as_slice)
    }

    pub(super) fn memory_bytes(&self) -> usize {
        self.bytes + self.all.len() * size_of::<Vec<u8>>()
    }
}

/// How much of a text holds no address that may go on behind it; at most `limit` bytes are beyond.
pub(super) fn settled(text: &[u8], limit: usize) -> usize {
    let len = text.iter().rposition(|&byte| is_end(byte)).map_or(0, |at| at + 1);
    if text.len() - len > limit { text.len() } else { len }
}

fn find(text: &[u8]) -> Option<usize> {
    let mut places = memchr::memmem::find_iter(text, b"://").filter_map(|colon| {
        let at = (colon + 3).checked_sub(SCHEME.len())?;
        text.get(at..colon + 3)?.eq_ignore_ascii_case(SCHEME).then_some(at)
    });
    places.next()
}

const fn is_end(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'"' | b'\'' | b'<' | b'>' | b']')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn urls(line: &str) -> Vec<String> {
        let mut urls = Urls::default();
        urls.collect(line.as_bytes());
        urls.last_first().map(|url| String::from_utf8_lossy(url).into_owned()).collect()
    }

    #[test]
    fn addresses_are_found_in_texts() {
        assert_eq!(urls("see http://a.example/B?c=d#e, HTTP://x"), ["x", "a.example/B?c=d#e,"]);
        let mut both = Urls::default();
        both.collect(b"http://a");
        let first = both.get(0).map(<[u8]>::to_vec);
        both.collect(b"http://b");
        assert_eq!((both.get(0), both.get(1)), (first.as_deref(), Some(&b"b"[..])));
        assert_eq!(urls("<a href=\"http://a/1\">http://a/1</a>"), ["a/1", "a/1"]);
        assert_eq!(urls("http://a/http://b\r\n"), ["a/http://b\r\n"]);
        assert_eq!(urls("http:// http://a'"), ["a", ""]);
        assert!(urls("https://a ftp://b shttp:/c :// ttp://").is_empty());
    }
}
