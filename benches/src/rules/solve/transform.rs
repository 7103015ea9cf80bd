//! Transforms, turned round: what a buffer was before them.

use umbra_analyzers::ids::rule::ast::Transform;

use super::Cells;

/// Whether what is wanted behind these transforms can be wanted before them.
pub(crate) fn is_simple(transforms: &[Transform]) -> bool {
    transforms.iter().all(|transform| {
        matches!(
            transform,
            Transform::DotPrefix
                | Transform::ToLowercase
                | Transform::ToUppercase
                | Transform::UrlDecode
                | Transform::StripWhitespace
                | Transform::CompressWhitespace
                | Transform::StripPseudoHeaders
                | Transform::HeaderLowercase
                | Transform::Xor(_)
                | Transform::Domain
                | Transform::FromBase64 { .. }
        )
    })
}

/// What stands in the transformed buffer whatever was before.
pub(crate) fn seed(transforms: &[Transform], before: Cells) -> Cells {
    match transforms.first() {
        None => before,
        Some(Transform::DotPrefix) => Cells::hard(b"."),
        Some(_) => Cells::default(),
    }
}

/// What becomes `bytes` by these transforms, as far as one can be found easily.
pub(crate) fn before(transforms: &[Transform], mut bytes: Vec<u8>) -> Vec<u8> {
    for transform in transforms.iter().rev() {
        bytes = match transform {
            Transform::DotPrefix => bytes.strip_prefix(b".").map(<[u8]>::to_vec).unwrap_or(bytes),
            Transform::Xor(key) if !key.is_empty() => {
                bytes.iter().zip(key.iter().cycle()).map(|(b, k)| b ^ k).collect()
            }
            Transform::UrlDecode => escaped(&bytes),
            Transform::FromBase64 { .. } => base64(&bytes),
            _ => bytes,
        };
    }
    bytes
}

fn escaped(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    for &b in bytes {
        if matches!(b, b'%' | b'+') || !b.is_ascii_graphic() {
            out.extend(format!("%{b:02X}").bytes());
        } else {
            out.push(b);
        }
    }
    out
}

/// Base64 with padding (RFC 4648).
pub(crate) fn base64(bytes: &[u8]) -> Vec<u8> {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = Vec::with_capacity(bytes.len().div_ceil(3) * 4);
    for part in bytes.chunks(3) {
        let of = |at: usize| u32::from(part.get(at).copied().unwrap_or(0));
        let word = of(0) << 16 | of(1) << 8 | of(2);
        for i in 0..4 {
            if i > part.len() {
                out.push(b'=');
            } else {
                out.push(LETTERS[(word >> (18 - 6 * i) & 63) as usize]);
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn before_a_transform() {
        assert_eq!(base64(b"a"), b"YQ==");
        assert_eq!(base64(b"abcd"), b"YWJjZA==");
        assert_eq!(before(&[Transform::DotPrefix], b".a.b".to_vec()), b"a.b");
        assert_eq!(before(&[Transform::Xor(Box::from(*b"\x01"))], b"bc".to_vec()), b"cb");
        assert_eq!(before(&[Transform::UrlDecode], b"a b%".to_vec()), b"a%20b%25");
    }
}
