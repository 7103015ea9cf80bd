//! Base64, as strictly or loosely as Suricata reads it.

use crate::ids::rule::ast::Base64Mode;

/// Six bits of a letter of the alphabet.
fn sextet(byte: u8) -> Option<u8> {
    Some(match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    })
}

/// Adds what `encoded` stands for to `out`.
pub(super) fn decode(encoded: &[u8], mode: Base64Mode, out: &mut Vec<u8>) {
    match mode {
        Base64Mode::Rfc2045 => rfc2045(encoded, out),
        Base64Mode::Rfc4648 => rfc4648(encoded, out),
        Base64Mode::Strict => strict(encoded, out),
    }
}

/// Letters that have not made three bytes yet.
#[derive(Default)]
struct Group {
    bits: u32,
    letters: u32,
}

impl Group {
    fn push(&mut self, sextet: u8, out: &mut Vec<u8>) {
        self.bits = self.bits << 6 | u32::from(sextet);
        self.letters += 1;
        if self.letters == 4 {
            let [_, bytes @ ..] = self.bits.to_be_bytes();
            out.extend_from_slice(&bytes);
            *self = Self::default();
        }
    }

    /// What is left makes a byte less than it has letters.
    fn finish(self, out: &mut Vec<u8>) {
        let bytes = (self.bits << (6 * (4 - self.letters))).to_be_bytes();
        let len = self.letters.saturating_sub(1) as usize;
        out.extend(bytes.iter().skip(1).take(len));
    }
}

/// Whatever is not of the alphabet is skipped, up to the padding.
pub(super) fn rfc2045(encoded: &[u8], out: &mut Vec<u8>) {
    let mut group = Group::default();
    for byte in encoded {
        match sextet(*byte) {
            Some(sextet) => group.push(sextet, out),
            None if *byte == b'=' => break,
            None => {}
        }
    }
    group.finish(out);
}

/// Ends at the first byte that is not of the alphabet.
fn rfc4648(encoded: &[u8], out: &mut Vec<u8>) {
    let mut group = Group::default();
    for sextet in encoded.iter().map_while(|byte| sextet(*byte)) {
        group.push(sextet, out);
    }
    group.finish(out);
}

/// All or nothing: whole groups of the alphabet with their padding.
fn strict(encoded: &[u8], out: &mut Vec<u8>) {
    let (letters, padding) = match encoded {
        [letters @ .., b'=', b'='] => (letters, 2),
        [letters @ .., b'='] => (letters, 1),
        letters => (letters, 0),
    };
    let start = out.len();
    let mut group = Group::default();
    for byte in letters {
        let Some(sextet) = sextet(*byte) else {
            out.truncate(start);
            return;
        };
        group.push(sextet, out);
    }
    let unused = match padding {
        2 => 0xf,
        1 => 0x3,
        _ => 0,
    };
    if (group.letters + padding) % 4 != 0 || group.bits & unused != 0 {
        out.truncate(start);
        return;
    }
    group.finish(out);
}
