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

/// Adds what `encoded` stands for to `out`; nothing where it is wrong.
///
/// Groups with padding may be followed by others. What is behind the padding of a group is lost.
pub(super) fn decode(encoded: &[u8], mode: Base64Mode, out: &mut Vec<u8>) {
    let start = out.len();
    let right = match mode {
        Base64Mode::Rfc4648 => ends_at_others(encoded, out),
        Base64Mode::Rfc2045 => skips_others(encoded, out),
        Base64Mode::Strict => strict(encoded, out),
    };
    if right.is_none() {
        out.truncate(start);
    }
}

const PADDING: u8 = b'=';

fn is_letter(byte: u8) -> bool {
    byte == PADDING || sextet(byte).is_some()
}

/// Up to four letters, of which two must come before the padding.
fn group(letters: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let sextets = letters.iter().map_while(|letter| sextet(*letter));
    let (bits, count) =
        sextets.fold((0u32, 0), |(bits, count), sextet| (bits << 6 | u32::from(sextet), count + 1));
    let bytes = (bits << (6 * 4u32.checked_sub(count)?)).to_be_bytes();
    let len = usize::try_from(count.checked_sub(1).filter(|len| *len > 0)?).ok()?;
    out.extend(bytes.iter().skip(1).take(len));
    Some(())
}

/// Up to the first byte that is not of the alphabet. The last group may be short.
fn ends_at_others(encoded: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let end = encoded.iter().position(|byte| !is_letter(*byte)).unwrap_or(encoded.len());
    encoded.get(..end)?.chunks(4).try_for_each(|letters| group(letters, out))
}

/// Whatever is not of the alphabet is skipped. A last group that is short is left out.
fn skips_others(encoded: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let (mut letters, mut count) = ([0; 4], 0);
    for byte in encoded.iter().filter(|byte| is_letter(**byte)) {
        *letters.get_mut(count)? = *byte;
        count += 1;
        if count == letters.len() {
            group(&letters, out)?;
            count = 0;
        }
    }
    Some(())
}

/// All of it, with its padding, and no bits that are not used.
fn strict(encoded: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let groups = encoded.chunks_exact(4);
    if !groups.remainder().is_empty() {
        return None;
    }
    let last = groups.len().saturating_sub(1);
    for (at, letters) in groups.enumerate() {
        let count = letters.iter().take_while(|letter| sextet(**letter).is_some()).count();
        let padded = letters.iter().skip(count).all(|letter| *letter == PADDING);
        let unused = match (letters, count) {
            (_, 4) => 0,
            (&[_, _, third, _], 3) if at == last => sextet(third)? & 0x3,
            (&[_, second, ..], 2) if at == last => sextet(second)? & 0xf,
            _ => return None,
        };
        if !padded || unused != 0 {
            return None;
        }
        group(letters, out)?;
    }
    Some(())
}
