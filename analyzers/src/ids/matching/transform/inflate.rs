//! `gunzip` and `zlib_deflate`.

use std::io::Read;

use flate2::read::{GzDecoder, ZlibDecoder};

pub(super) fn gunzip(most: usize, bytes: &mut Vec<u8>) {
    let unpacked = read(GzDecoder::new(&**bytes), most);
    replace(unpacked, bytes);
}

pub(super) fn zlib(most: usize, bytes: &mut Vec<u8>) {
    let unpacked = read(ZlibDecoder::new(&**bytes), most);
    replace(unpacked, bytes);
}

/// The first `most` bytes, or fewer where it ends or fails before.
fn read(decoder: impl Read, most: usize) -> Vec<u8> {
    let mut unpacked = Vec::new();
    let _ = decoder.take(most as u64).read_to_end(&mut unpacked);
    unpacked
}

fn replace(unpacked: Vec<u8>, bytes: &mut Vec<u8>) {
    if !unpacked.is_empty() {
        *bytes = unpacked;
    }
}
