//! Header fields: how a line becomes one, and the table of a message's.

use super::bytes::{content_length, is_space, trim};

/// Bytes of header fields that a message may hold; more is only skipped. Suricata bounds lines and their
/// number, which allows a client 18 MB per message; nothing that speaks HTTP needs a hundredth.
const TABLE_LIMIT: usize = 256 << 10;

/// Values that are joined to earlier ones in a message; Suricata ignores more.
const REPETITIONS_LIMIT: u32 = 64;

/// One header field, held as rules see it: `Name: value`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Header {
    text: Vec<u8>,
    name_len: usize,
    /// Seen more than once; values are joined.
    repeated: bool,
}

impl Header {
    pub(super) fn name(&self) -> &[u8] {
        self.text.get(..self.name_len).unwrap_or_default()
    }

    pub(super) fn value(&self) -> &[u8] {
        self.text.get(self.name_len + 2..).unwrap_or_default()
    }

    pub(super) fn text(&self) -> &[u8] {
        &self.text
    }
}

/// What was odd about a line or about how it fits the table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Oddities {
    pub(super) missing_colon: bool,
    pub(super) invalid: bool,
    pub(super) repeated: bool,
    pub(super) ambiguous_length: bool,
    pub(super) too_many: bool,
}

/// A message's header fields in the order of their first coming.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Headers {
    fields: Vec<Header>,
    bytes: usize,
    repetitions: u32,
}

impl Headers {
    pub(super) fn at(&self, index: usize) -> Option<&Header> {
        self.fields.get(index)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    pub(super) fn memory_bytes(&self) -> usize {
        self.bytes + self.fields.capacity() * size_of::<Header>()
    }

    /// The value of a field, whatever the case of its name.
    pub(super) fn get(&self, name: &[u8]) -> Option<&[u8]> {
        self.fields.iter().find(|field| field.name().eq_ignore_ascii_case(name)).map(Header::value)
    }

    /// Takes a line, unfolded and without its end.
    pub(super) fn add(&mut self, line: &[u8], limit: usize, response: bool) -> Oddities {
        let mut odd = Oddities::default();
        let (name, value) = split(line, response, &mut odd);
        if self.bytes + line.len() > TABLE_LIMIT {
            odd.too_many = true;
            return odd;
        }
        if let Some(known) = self
            .fields
            .iter_mut()
            .find(|field| !name.is_empty() && field.name().eq_ignore_ascii_case(name))
        {
            odd.repeated = !known.repeated;
            known.repeated = true;
            if name.eq_ignore_ascii_case(b"content-length") {
                // Clients keep to the first one.
                let first = content_length(known.value());
                odd.ambiguous_length = first.is_none() || first != content_length(value);
            } else if self.repetitions < REPETITIONS_LIMIT {
                self.repetitions += 1;
                known.text.extend_from_slice(b", ");
                known.text.extend_from_slice(value);
                self.bytes += value.len() + 2;
            }
            return odd;
        }
        if self.fields.len() >= limit {
            odd.too_many = true;
            return odd;
        }
        let mut text = Vec::with_capacity(name.len() + 2 + value.len());
        text.extend_from_slice(name);
        text.extend_from_slice(b": ");
        text.extend_from_slice(value);
        self.bytes += text.len();
        self.fields.push(Header { text, name_len: name.len(), repeated: false });
        odd
    }

    /// All lines but one field's, each ended: `http.header`.
    pub(super) fn joined(&self, without: &[u8]) -> Vec<u8> {
        let mut all = Vec::with_capacity(self.bytes + 2 * self.fields.len());
        for field in &self.fields {
            if !field.name().eq_ignore_ascii_case(without) {
                all.extend_from_slice(&field.text);
                all.extend_from_slice(b"\r\n");
            }
        }
        all
    }

    /// Names as lines within empty lines: `http.header_names`.
    pub(super) fn names(&self) -> Vec<u8> {
        let mut all = b"\r\n".to_vec();
        for field in &self.fields {
            all.extend_from_slice(field.name());
            all.extend_from_slice(b"\r\n");
        }
        all.extend_from_slice(b"\r\n");
        all
    }
}

/// Name and value. A line without colon is a value without name.
fn split<'a>(line: &'a [u8], response: bool, odd: &mut Oddities) -> (&'a [u8], &'a [u8]) {
    let Some(colon) = line.iter().position(|&b| b == b':') else {
        odd.missing_colon = true;
        return (&[], trim(line, is_space));
    };
    let (name, value) =
        (line.get(..colon).unwrap_or_default(), line.get(colon + 1..).unwrap_or_default());
    // Browsers do not look at what cannot be seen around a name.
    let shown = if response { trim(name, |b| b <= b' ') } else { trim(name, is_space) };
    odd.invalid = shown.is_empty() || shown.len() < name.len() || shown.contains(&0);
    (shown, trim(value, is_space))
}

/// Puts folded lines together again.
#[derive(Clone, Debug, Default)]
pub(super) struct Unfolder {
    /// The line so far; whether the next one continues it is not known yet.
    line: Option<Vec<u8>>,
}

impl Unfolder {
    pub(super) fn memory_bytes(&self) -> usize {
        self.line.as_ref().map_or(0, Vec::capacity)
    }

    /// A line that begins a field. Gives back the one before.
    pub(super) fn begin(&mut self, line: &[u8]) -> Option<Vec<u8>> {
        self.line.replace(line.to_vec())
    }

    /// A line that continues the one before, of which there may be none. Gives back the one before where
    /// this one is a field of its own after all, and says whether the folding is valid.
    pub(super) fn fold(
        &mut self,
        line: &[u8],
        strict: bool,
        limit: usize,
    ) -> (Option<Vec<u8>>, bool) {
        let text = trim(line, |b| is_space(b) || b == 0);
        let Some(current) = &mut self.line else {
            self.line = Some(text.to_vec());
            return (None, false);
        };
        if strict && text.contains(&b':') && current.contains(&b':') {
            return (self.line.replace(text.to_vec()), false);
        }
        // What it begins with stays.
        if current.len() + line.len() < limit {
            current.extend_from_slice(line);
        }
        (None, true)
    }

    /// The last line.
    pub(super) fn finish(&mut self) -> Option<Vec<u8>> {
        self.line.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(lines: &[&[u8]], response: bool) -> (Headers, Vec<Oddities>) {
        let mut headers = Headers::default();
        let odd = lines.iter().map(|line| headers.add(line, 100, response)).collect();
        (headers, odd)
    }

    #[test]
    fn repeated_fields_are_joined_but_lengths_are_not() {
        let (headers, odd) = table(
            &[b"A: 1", b"Content-Length: 5", b"a:2", b"content-length: 6", b"CONTENT-LENGTH: 5"],
            true,
        );
        assert_eq!(headers.get(b"a"), Some(&b"1, 2"[..]));
        assert_eq!(headers.get(b"Content-Length"), Some(&b"5"[..]));
        assert!(odd[2].repeated && odd[3].ambiguous_length && !odd[4].ambiguous_length);
        assert_eq!(headers.joined(b"x"), b"A: 1, 2\r\nContent-Length: 5\r\n");
        assert_eq!(headers.names(), b"\r\nA\r\nContent-Length\r\n\r\n");
    }

    #[test]
    fn odd_names() {
        let (headers, odd) = table(&[b"TE \x0b: x", b"no colon", b": y"], true);
        assert_eq!(headers.get(b"TE"), Some(&b"x"[..]));
        assert!(odd[0].invalid && odd[1].missing_colon && odd[2].invalid);
        let (headers, _) = table(&[b"\x0b\0TE\0: x"], true);
        assert_eq!(headers.get(b"TE"), Some(&b"x"[..]));
        let (headers, odd) = table(&[b"TE\0: x", b"\x0bA\x0c\r: y"], false);
        assert!(headers.get(b"TE").is_none() && headers.get(b"TE\0").is_some() && odd[0].invalid);
        assert_eq!(headers.get(b"A"), Some(&b"y"[..]));
    }

    #[test]
    fn a_folded_field_with_a_colon_is_its_own_where_browsers_take_it_so() {
        let mut unfolder = Unfolder::default();
        assert_eq!(unfolder.begin(b"A: 1"), None);
        assert_eq!(unfolder.fold(b" B: 2", true, 100), (Some(b"A: 1".to_vec()), false));
        assert_eq!(unfolder.fold(b"\t3", true, 100), (None, true));
        assert_eq!(unfolder.finish(), Some(b"B: 2\t3".to_vec()));
    }

    #[test]
    fn tables_are_bounded() {
        let mut headers = Headers::default();
        let line = [b"a: ".as_slice(), &[b'x'; 10_000]].concat();
        let odd: Vec<_> = (0..100).map(|_| headers.add(&line, 10, true)).collect();
        assert!(odd[99].too_many && headers.memory_bytes() < 2 * TABLE_LIMIT);
    }
}
