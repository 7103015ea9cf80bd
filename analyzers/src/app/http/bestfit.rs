//! What Suricata makes of a path that names a file: UTF-8 in bytes of the code page 1252.
//!
//! Characters up to U+00FF become their byte, others the letter that Microsoft's "best fit" table has for
//! them, or a question mark. Overlong forms count; what is no UTF-8 is a question mark.

/// U+0100 to U+024F.
const LATIN: &[u8; 0x150] =
    b"AaAaAaCcCcCcCcDd?dEeEeEeEeEeGgGgGgGgHhHhIiIiIiIiIi??JjKk?LlLlLl??LlNnNnNn???OoOoOo??\
    RrRrRrSsSsSs??TtTtTtUuUuUuUuUuUuWwYy?Z?Zz???b??????????????????????I??l????OOo??????\
    ???t??TUu?????z?????????|??!?????????AaIiOoUuUuUuUuUu?Aa????GgGgKkOoOo??j???????????\
    ????????????????????????????????????????????????????????????????????????????????????";

/// What else is like an ASCII character.
const OTHERS: [(u16, u8); 145] = [
    (0x0261, b'g'),
    (0x02b9, b'\''),
    (0x02ba, b'"'),
    (0x02bc, b'\''),
    (0x02c4, b'^'),
    (0x02c8, b'\''),
    (0x02cb, b'`'),
    (0x02cd, b'_'),
    (0x0300, b'`'),
    (0x0302, b'^'),
    (0x0303, b'~'),
    (0x030e, b'"'),
    (0x0331, b'_'),
    (0x0332, b'_'),
    (0x037e, b';'),
    (0x0393, b'G'),
    (0x0398, b'T'),
    (0x03a3, b'S'),
    (0x03a6, b'F'),
    (0x03a9, b'O'),
    (0x03b1, b'a'),
    (0x03b4, b'd'),
    (0x03b5, b'e'),
    (0x03c0, b'p'),
    (0x03c3, b's'),
    (0x03c4, b't'),
    (0x03c6, b'f'),
    (0x04bb, b'h'),
    (0x0589, b':'),
    (0x066a, b'%'),
    (0x2000, b' '),
    (0x2001, b' '),
    (0x2002, b' '),
    (0x2003, b' '),
    (0x2004, b' '),
    (0x2005, b' '),
    (0x2006, b' '),
    (0x2010, b'-'),
    (0x2011, b'-'),
    (0x2017, b'='),
    (0x2032, b'\''),
    (0x2035, b'`'),
    (0x2044, b'/'),
    (0x2074, b'4'),
    (0x2075, b'5'),
    (0x2076, b'6'),
    (0x2077, b'7'),
    (0x2078, b'8'),
    (0x207f, b'n'),
    (0x2080, b'0'),
    (0x2081, b'1'),
    (0x2082, b'2'),
    (0x2083, b'3'),
    (0x2084, b'4'),
    (0x2085, b'5'),
    (0x2086, b'6'),
    (0x2087, b'7'),
    (0x2088, b'8'),
    (0x2089, b'9'),
    (0x20a7, b'P'),
    (0x2102, b'C'),
    (0x2107, b'E'),
    (0x210a, b'g'),
    (0x210b, b'H'),
    (0x210c, b'H'),
    (0x210d, b'H'),
    (0x210e, b'h'),
    (0x2110, b'I'),
    (0x2111, b'I'),
    (0x2112, b'L'),
    (0x2113, b'l'),
    (0x2115, b'N'),
    (0x2118, b'P'),
    (0x2119, b'P'),
    (0x211a, b'Q'),
    (0x211b, b'R'),
    (0x211c, b'R'),
    (0x211d, b'R'),
    (0x2124, b'Z'),
    (0x2128, b'Z'),
    (0x212a, b'K'),
    (0x212c, b'B'),
    (0x212d, b'C'),
    (0x212e, b'e'),
    (0x212f, b'e'),
    (0x2130, b'E'),
    (0x2131, b'F'),
    (0x2133, b'M'),
    (0x2134, b'o'),
    (0x2212, b'-'),
    (0x2215, b'/'),
    (0x2216, b'\\'),
    (0x2217, b'*'),
    (0x221a, b'v'),
    (0x221e, b'8'),
    (0x2223, b'|'),
    (0x2229, b'n'),
    (0x2236, b':'),
    (0x223c, b'~'),
    (0x2261, b'='),
    (0x2264, b'='),
    (0x2265, b'='),
    (0x2303, b'^'),
    (0x2320, b'('),
    (0x2321, b')'),
    (0x2329, b'<'),
    (0x232a, b'>'),
    (0x2500, b'-'),
    (0x250c, b'+'),
    (0x2510, b'+'),
    (0x2514, b'+'),
    (0x2518, b'+'),
    (0x251c, b'+'),
    (0x252c, b'-'),
    (0x2534, b'-'),
    (0x253c, b'+'),
    (0x2550, b'-'),
    (0x2552, b'+'),
    (0x2553, b'+'),
    (0x2554, b'+'),
    (0x2555, b'+'),
    (0x2556, b'+'),
    (0x2557, b'+'),
    (0x2558, b'+'),
    (0x2559, b'+'),
    (0x255a, b'+'),
    (0x255b, b'+'),
    (0x255c, b'+'),
    (0x255d, b'+'),
    (0x2564, b'-'),
    (0x2565, b'-'),
    (0x2566, b'-'),
    (0x2567, b'-'),
    (0x2568, b'-'),
    (0x2569, b'-'),
    (0x256a, b'+'),
    (0x256b, b'+'),
    (0x256c, b'+'),
    (0x2584, b'_'),
    (0x2758, b'|'),
    (0x3000, b' '),
    (0x3008, b'<'),
    (0x3009, b'>'),
    (0x301a, b'['),
    (0x301b, b']'),
];

/// The byte for a character beyond ASCII.
fn byte_of(character: u32) -> u8 {
    let Ok(character) = u16::try_from(character) else { return b'?' };
    match character {
        0..=0xff => character as u8,
        0x100..=0x24f => LATIN.get(usize::from(character - 0x100)).copied().unwrap_or(b'?'),
        // Full width.
        0xff01..=0xff5e => (character - 0xfee0) as u8,
        _ => match OTHERS.binary_search_by_key(&character, |&(from, _)| from) {
            Ok(at) => OTHERS.get(at).map_or(b'?', |&(_, to)| to),
            Err(_) => b'?',
        },
    }
}

/// A path with a byte for each character.
pub(super) fn narrow(path: &[u8]) -> Vec<u8> {
    if path.is_ascii() {
        return path.to_vec();
    }
    let mut out = Vec::with_capacity(path.len());
    let mut rest = path;
    while let Some((&lead, after)) = rest.split_first() {
        rest = after;
        let (more, bits) = match lead {
            0..=0x7f => {
                out.push(lead);
                continue;
            }
            0xc0..=0xdf => (1, lead & 0x1f),
            0xe0..=0xef => (2, lead & 0x0f),
            0xf0..=0xf4 => (3, lead & 0x07),
            _ => {
                out.push(b'?');
                continue;
            }
        };
        let mut character = u32::from(bits);
        let mut taken = 0;
        for &byte in after.iter().take(more) {
            let surrogate_or_beyond = match lead {
                0xed => taken == 0 && byte >= 0xa0,
                0xf4 => taken == 0 && byte >= 0x90,
                _ => false,
            };
            if byte & 0xc0 != 0x80 || surrogate_or_beyond {
                break;
            }
            character = character << 6 | u32::from(byte & 0x3f);
            taken += 1;
        }
        if taken == more {
            out.push(byte_of(character));
            rest = after.get(more..).unwrap_or_default();
        } else if taken < after.len() {
            // What began so is one question mark; what broke it off stands for itself.
            out.push(b'?');
            rest = after.get(taken..).unwrap_or_default();
        }
        // At the end of the path a beginning is dropped.
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_that_suricata_gives() {
        for (path, name) in [
            (&b"/plain"[..], &b"/plain"[..]),
            ("/ä\u{ff21}Āа€’œ".as_bytes(), b"/\xe4AA????"),
            (b"/\xe4", b"/"),
            (b"/\xc3\xa4\xe4", b"/\xe4"),
            (b"/x\xe4\xb8", b"/x?"),
            (b"/a\xf0\x9f\x98", b"/a??"),
            (b"/\xf0\x9f\x98(", b"/?("),
            (b"/\xc3(x", b"/?(x"),
            (b"/\xe4\xf6", b"/??"),
            (b"/\xed\xa0\x80", b"/???"),
            (b"/\xf4\x90\x80\x80", b"/????"),
            (b"/\xf8\x88\x80\x80\x80", b"/?????"),
            (b"/\xc0\xaf\xe0\x81\x81\xf0\x80\x80\xaf", b"//A/"),
            ("/\u{221e}\u{2584}😄".as_bytes(), b"/8_?"),
        ] {
            assert_eq!(narrow(path), name, "{}", path.escape_ascii());
        }
        assert!(OTHERS.is_sorted());
    }
}
