//! Finding one literal: what verifies a candidate after the prefilter, and what relative matches walk on.

use memchr::memmem;

/// A literal to look for, prepared.
#[derive(Debug, Clone)]
pub(crate) struct Needle {
    bytes: Box<[u8]>,
    kind: Kind,
}

#[derive(Debug, Clone)]
enum Kind {
    /// As it stands.
    Exact(Box<memmem::Finder<'static>>),
    /// ASCII letters in either case: the byte at `at`, rare in traffic, is looked for in both cases.
    NoCase { at: usize, low: u8, high: u8 },
    /// Nothing to look for: found everywhere.
    Empty,
}

impl Needle {
    pub(crate) fn new(bytes: &[u8], nocase: bool) -> Self {
        let letters = bytes.iter().any(u8::is_ascii_alphabetic);
        let kind = if bytes.is_empty() {
            Kind::Empty
        } else if nocase && letters {
            let at = (0..bytes.len()).min_by_key(|&at| frequency(bytes[at])).unwrap_or(0);
            let byte = bytes[at];
            Kind::NoCase { at, low: byte.to_ascii_lowercase(), high: byte.to_ascii_uppercase() }
        } else {
            Kind::Exact(Box::new(memmem::Finder::new(bytes).into_owned()))
        };
        Self { bytes: bytes.into(), kind }
    }

    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Where it begins first in `haystack`.
    pub(crate) fn find(&self, haystack: &[u8]) -> Option<usize> {
        match &self.kind {
            Kind::Exact(finder) => finder.find(haystack),
            Kind::Empty => Some(0),
            &Kind::NoCase { at, low, high } => {
                let last = haystack.len().checked_sub(self.bytes.len())?;
                // Only places where the whole literal would fit.
                let window = haystack.get(at..=last + at)?;
                memchr::memchr2_iter(low, high, window)
                    .find(|&start| self.stands_at(haystack, start))
            }
        }
    }

    /// Whether it stands at exactly this place.
    pub(crate) fn stands_at(&self, haystack: &[u8], start: usize) -> bool {
        let Some(there) =
            start.checked_add(self.bytes.len()).and_then(|end| haystack.get(start..end))
        else {
            return false;
        };
        match self.kind {
            Kind::NoCase { .. } => there.eq_ignore_ascii_case(&self.bytes),
            Kind::Exact(_) | Kind::Empty => there == &*self.bytes,
        }
    }
}

/// How common a byte is in what passes networks, roughly: the order is all that matters.
fn frequency(byte: u8) -> u8 {
    match byte.to_ascii_lowercase() {
        0 => 255,
        b' ' => 250,
        b'e' | b't' | b'a' | b'o' | b'i' | b'n' | b's' | b'r' => 240,
        b'h' | b'l' | b'd' | b'c' | b'u' | b'm' | b'p' => 220,
        b'f' | b'g' | b'w' | b'b' | b'y' | b'v' | b'k' | b'x' => 180,
        b'0'..=b'9' | b'/' | b'.' | b'-' | b':' | b'\r' | b'\n' => 200,
        b'j' | b'q' | b'z' => 120,
        0xff => 150,
        byte if byte.is_ascii_graphic() => 110,
        _ => 60,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn plain(haystack: &[u8], bytes: &[u8], nocase: bool) -> Option<usize> {
        if bytes.is_empty() {
            return Some(0);
        }
        haystack
            .windows(bytes.len())
            .position(|w| if nocase { w.eq_ignore_ascii_case(bytes) } else { w == bytes })
    }

    #[test]
    fn case_matters_only_where_asked() {
        assert_eq!(Needle::new(b"GeT", false).find(b"get GeT"), Some(4));
        assert_eq!(Needle::new(b"GeT", true).find(b"get GeT"), Some(0));
        assert_eq!(Needle::new(b"abc", true).find(b"ab"), None);
        assert!(Needle::new(b"abc", true).stands_at(b"xABC", 1));
        assert!(!Needle::new(b"abc", true).stands_at(b"xABC", 2));
        assert!(!Needle::new(b"abc", false).stands_at(b"abc", usize::MAX));
    }

    proptest! {
        #[test]
        fn finds_what_a_plain_search_finds(
            haystack in proptest::collection::vec(prop_oneof![Just(b'a'), Just(b'A'), Just(b'b'), Just(0u8), Just(0xe4)], 0..40),
            bytes in proptest::collection::vec(prop_oneof![Just(b'a'), Just(b'B'), Just(0u8), Just(0xc4)], 0..5),
            nocase: bool,
        ) {
            let needle = Needle::new(&bytes, nocase);
            prop_assert_eq!(needle.find(&haystack), plain(&haystack, &bytes, nocase));
            for start in 0..haystack.len() {
                let there = haystack.get(start..start + bytes.len());
                let wanted = there.is_some_and(|there| plain(there, &bytes, nocase) == Some(0));
                prop_assert_eq!(needle.stands_at(&haystack, start), wanted);
            }
        }
    }
}
