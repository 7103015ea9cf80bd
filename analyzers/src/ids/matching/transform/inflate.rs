//! `gunzip` and `zlib_deflate`.
//!
//! What was unpacked before the bytes end counts, checksums of what is complete must be right (but for gzip's, which is
//! not looked at), and of what is broken nothing is left.

use std::io::Read;

use flate2::bufread::{GzDecoder, ZlibDecoder};

pub(super) fn gunzip(most: usize, bytes: &mut Vec<u8>) {
    *bytes = read(GzDecoder::new(&**bytes), most);
}

pub(super) fn zlib(most: usize, bytes: &mut Vec<u8>) {
    *bytes = read(ZlibDecoder::new(&**bytes), most);
}

/// What one read gives, which is all up to `most` bytes.
fn read(mut decoder: impl Read, most: usize) -> Vec<u8> {
    let mut unpacked = vec![0; most];
    let len = decoder.read(&mut unpacked).unwrap_or(0);
    unpacked.truncate(len);
    unpacked
}
