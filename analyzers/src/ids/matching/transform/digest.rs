//! Hashes of a buffer, as bytes.

use sha2::Digest;

pub(super) fn replace<D: Digest>(bytes: &mut Vec<u8>) {
    let digest = D::digest(&*bytes);
    bytes.clear();
    bytes.extend_from_slice(&digest);
}
