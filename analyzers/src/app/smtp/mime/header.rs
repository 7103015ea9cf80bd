//! A mail's fields, unfolded.

/// Fields that are kept of a mail, and bytes of all.
const FIELDS_LIMIT: usize = 512;
const BYTES_LIMIT: usize = 64 << 10;

/// A mail's fields in their order.
#[derive(Debug, Default)]
pub(in super::super) struct Header {
    /// Name in lower case, value.
    fields: Vec<(Vec<u8>, Vec<u8>)>,
    bytes: usize,
}

impl Header {
    pub(super) fn add(&mut self, name: Vec<u8>, value: Vec<u8>) {
        let bytes = name.len() + value.len();
        if self.fields.len() < FIELDS_LIMIT && self.bytes + bytes <= BYTES_LIMIT {
            self.bytes += bytes;
            self.fields.push((name, value));
        }
    }

    /// The values of the fields of a name, which is in lower case.
    pub(in super::super) fn all(&self, name: &[u8]) -> impl Iterator<Item = &[u8]> {
        let named = self.fields.iter().filter(move |(known, _)| known == name);
        named.map(|(_, value)| value.as_slice())
    }

    /// The value of the first field of a name, which is in lower case.
    pub(in super::super) fn get(&self, name: &[u8]) -> Option<&[u8]> {
        self.all(name).next()
    }

    pub(in super::super) fn memory_bytes(&self) -> usize {
        self.bytes + self.fields.len() * size_of::<(Vec<u8>, Vec<u8>)>()
    }
}
