//! X.509 certificates with the names that a rule wants (RFC 5280). Nothing signs them: nobody looks.

/// What is in a certificate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Certificate {
    /// As rules write it: `C=US, O=Acme, CN=acme.test`.
    pub(super) subject: Vec<u8>,
    pub(super) issuer: Vec<u8>,
    /// Big-endian.
    pub(super) serial: Vec<u8>,
    pub(super) alternative: Option<Vec<u8>>,
    /// `UTCTime` or `GeneralizedTime` by its length: 13 or 15 letters.
    pub(super) not_before: String,
    pub(super) not_after: String,
    /// Carried in an extension of no meaning.
    pub(super) opaque: Vec<u8>,
}

impl Certificate {
    /// DER.
    pub(super) fn der(&self) -> Vec<u8> {
        let algorithm = tlv(0x30, &[oid(&[42, 134, 72, 134, 247, 13, 1, 1, 11]), tlv(5, &[])]);
        let time = |text: &str| {
            let tag = if text.len() == 13 { 0x17 } else { 0x18 };
            tlv(tag, &[text.as_bytes().to_vec()])
        };
        let key = tlv(
            0x30,
            &[
                tlv(0x30, &[oid(&[42, 134, 72, 134, 247, 13, 1, 1, 1]), tlv(5, &[])]),
                bits(&tlv(0x30, &[tlv(2, &[vec![0x11; 64]]), tlv(2, &[vec![1, 0, 1]])])),
            ],
        );
        let mut extensions = Vec::new();
        if let Some(name) = &self.alternative {
            let names = tlv(0x30, &[tlv(0x82, std::slice::from_ref(name))]);
            extensions.push(tlv(0x30, &[oid(&[0x55, 0x1d, 0x11]), tlv(4, &[names])]));
        }
        if !self.opaque.is_empty() {
            let id = oid(&[0x2b, 6, 1, 4, 1, 0x82, 0x37, 99]);
            extensions.push(tlv(0x30, &[id, tlv(4, std::slice::from_ref(&self.opaque))]));
        }
        let mut parts = vec![
            tlv(0xa0, &[tlv(2, &[vec![2]])]),
            tlv(2, &[if self.serial.is_empty() { vec![1] } else { self.serial.clone() }]),
            algorithm.clone(),
            name(&self.issuer),
            tlv(0x30, &[time(&self.not_before), time(&self.not_after)]),
            name(&self.subject),
            key,
        ];
        if !extensions.is_empty() {
            parts.push(tlv(0xa3, &[tlv(0x30, &extensions)]));
        }
        tlv(0x30, &[tlv(0x30, &parts), algorithm, bits(&[0x5a; 64])])
    }
}

/// A value with its tag and length.
fn tlv(tag: u8, parts: &[Vec<u8>]) -> Vec<u8> {
    let len: usize = parts.iter().map(Vec::len).sum();
    let mut out = vec![tag];
    match len {
        0..=0x7f => out.push(len as u8),
        0x80..=0xff => out.extend([0x81, len as u8]),
        _ => out.extend([0x82, (len >> 8) as u8, len as u8]),
    }
    parts.iter().for_each(|part| out.extend(part));
    out
}

fn oid(bytes: &[u8]) -> Vec<u8> {
    tlv(6, &[bytes.to_vec()])
}

fn bits(bytes: &[u8]) -> Vec<u8> {
    tlv(3, &[vec![0], bytes.to_vec()])
}

/// The object identifiers of what names are made of.
const PARTS: &[(&[u8], &[u8])] = &[
    (b"CN", &[0x55, 4, 3]),
    (b"C", &[0x55, 4, 6]),
    (b"L", &[0x55, 4, 7]),
    (b"ST", &[0x55, 4, 8]),
    (b"O", &[0x55, 4, 10]),
    (b"OU", &[0x55, 4, 11]),
    (b"emailAddress", &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 1]),
    (b"unknown", &[0x55, 4, 17]),
];

/// A distinguished name of its text.
fn name(text: &[u8]) -> Vec<u8> {
    let mut parts: Vec<(&[u8], Vec<u8>)> = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let len = rest.windows(2).position(|w| w == b", ").unwrap_or(rest.len());
        let (piece, after) = rest.split_at(len);
        rest = after.get(2..).unwrap_or_default();
        let key = piece.iter().position(|&b| b == b'=').and_then(|at| piece.get(..at));
        match (key.and_then(|key| PARTS.iter().find(|part| part.0 == key)), parts.last_mut()) {
            (Some(part), _) => {
                let value = piece.get(part.0.len() + 1..).unwrap_or_default();
                parts.push((part.1, value.to_vec()));
            }
            (None, Some(last)) => {
                last.1.extend(b", ");
                last.1.extend(piece);
            }
            (None, None) => parts.push((PARTS[0].1, piece.to_vec())),
        }
    }
    let sets: Vec<Vec<u8>> = parts
        .into_iter()
        .map(|(id, value)| {
            let kind = if value.is_ascii() { 0x13 } else { 0x0c };
            tlv(0x31, &[tlv(0x30, &[oid(id), tlv(kind, &[value])])])
        })
        .collect();
    tlv(0x30, &sets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_sets_of_attributes() {
        let der = name(b"C=US, O=Acme, Inc., CN=a");
        assert_eq!(der[..2], [0x30, 46]);
        assert!(der.windows(10).any(|w| w == b"Acme, Inc."));
        assert_eq!(der[2..15], [0x31, 11, 0x30, 9, 6, 3, 0x55, 4, 6, 0x13, 2, b'U', b'S']);
    }

    #[test]
    fn long_values_have_long_lengths() {
        assert_eq!(tlv(4, &[vec![0; 200]])[..3], [4, 0x81, 200]);
        assert_eq!(tlv(4, &[vec![0; 300]])[..4], [4, 0x82, 1, 44]);
    }
}
