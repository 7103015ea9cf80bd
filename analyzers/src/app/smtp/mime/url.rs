//! Web addresses in texts.

/// With what they begin, in any case.
const SCHEME: &[u8] = b"http://";
/// Addresses that are kept of a mail, and bytes of each.
const COUNT_LIMIT: usize = 256;
const LEN_LIMIT: usize = 4096;

/// Adds those of a line of text, each once, without their scheme and in lower case.
pub(super) fn collect(line: &[u8], urls: &mut Vec<Vec<u8>>) {
    let mut rest = line;
    while let Some(at) = find(rest) {
        rest = rest.get(at + SCHEME.len()..).unwrap_or_default();
        let len = rest.iter().position(|&byte| is_end(byte)).unwrap_or(rest.len());
        let (url, behind) = rest.split_at_checked(len).unwrap_or((rest, &[]));
        let url = url.get(..LEN_LIMIT).unwrap_or(url).to_ascii_lowercase();
        if !url.is_empty() && urls.len() < COUNT_LIMIT && !urls.contains(&url) {
            urls.push(url);
        }
        rest = behind;
    }
}

fn find(text: &[u8]) -> Option<usize> {
    let mut places = memchr::memmem::find_iter(text, b"://").filter_map(|colon| {
        let at = colon.checked_sub(SCHEME.len() - 3)?;
        text.get(at..colon + 3)?.eq_ignore_ascii_case(SCHEME).then_some(at)
    });
    places.next()
}

const fn is_end(byte: u8) -> bool {
    matches!(byte, b'"' | b'\'' | b'<' | b'>' | b']') || byte.is_ascii_whitespace()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn urls(line: &str) -> Vec<String> {
        let mut urls = Vec::new();
        collect(line.as_bytes(), &mut urls);
        urls.into_iter().map(|url| String::from_utf8(url).unwrap()).collect()
    }

    #[test]
    fn addresses_are_found_in_texts() {
        assert_eq!(urls("see http://a.example/B?c=d#e, HTTP://x"), ["a.example/b?c=d#e,", "x"]);
        assert_eq!(urls("<a href=\"http://a/1\">http://a/1</a>"), ["a/1"]);
        assert!(urls("http://").is_empty());
        assert!(urls("https://a ftp://b shttp:/c ://").is_empty());
    }
}
