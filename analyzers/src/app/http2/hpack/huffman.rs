//! The code of RFC 7541, appendix B. It is canonical, so its lengths say all: codes of a length follow each
//! other in the order of their symbols, and those of the next length go on behind them.

/// Length in bits of each byte's code, and of the end's, which is never sent.
#[rustfmt::skip]
const LENGTHS: [u8; 257] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28,
    28, 28, 28, 28, 28, 28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6,
    5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10, 13, 6, 7, 7, 7, 7, 7, 7,
    7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
    15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7,
    7, 7, 7, 15, 11, 14, 13, 28, 20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23,
    24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, 22, 21, 20, 22, 22, 23, 23, 21,
    23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
    26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24,
    21, 21, 26, 26, 28, 27, 27, 27, 20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23,
    26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26, 30,
];

/// The symbol that must not be sent.
const END: u16 = 256;
const LONGEST: usize = 30;

/// Codes by length: the first one, left-aligned in 32 bits, and where its symbol is in `symbols`.
struct Code {
    first: [u32; LONGEST + 2],
    at: [u16; LONGEST + 2],
    symbols: [u16; 257],
}

const CODE: Code = code();

const fn code() -> Code {
    let mut made = Code { first: [0; LONGEST + 2], at: [0; LONGEST + 2], symbols: [0; 257] };
    let (mut len, mut next, mut placed) = (1, 0u64, 0);
    while len <= LONGEST + 1 {
        // Left-aligned, a code is less than the first one of the next length.
        made.first[len] = if next > u32::MAX as u64 { u32::MAX } else { next as u32 };
        made.at[len] = placed;
        let mut symbol = 0;
        while len <= LONGEST && symbol < LENGTHS.len() {
            if LENGTHS[symbol] as usize == len {
                made.symbols[placed as usize] = symbol as u16;
                placed += 1;
                next += 1 << (32 - len);
            }
            symbol += 1;
        }
        len += 1;
    }
    made
}

/// The text of a Huffman-coded string; `None` where it holds the end. Whatever bits are left over at the end
/// are taken for padding, as lenient readers do.
pub(super) fn decode(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut text = Vec::with_capacity(bytes.len() + bytes.len() / 2);
    let (mut bits, mut len, mut rest) = (0u64, 0u32, bytes.iter());
    loop {
        while len <= 32
            && let Some(&byte) = rest.next()
        {
            bits |= u64::from(byte) << (56 - len);
            len += 8;
        }
        let window = (bits >> 32) as u32;
        let Some(taken) = (5..=LONGEST).find(|&l| window < CODE.first[l + 1]).or_else(|| {
            // The last code of the longest has nothing behind it.
            (window >= CODE.first[LONGEST]).then_some(LONGEST)
        }) else {
            return Some(text);
        };
        let taken_bits = taken as u32;
        if taken_bits > len {
            return Some(text);
        }
        let index = (window - CODE.first[taken]) >> (32 - taken_bits);
        let symbol = CODE.symbols.get(usize::from(CODE.at[taken]) + index as usize).copied()?;
        if symbol == END {
            return None;
        }
        text.push(symbol as u8);
        bits <<= taken_bits;
        len -= taken_bits;
    }
}

#[cfg(test)]
pub(in super::super) fn encode(text: &[u8]) -> Vec<u8> {
    let (mut out, mut bits, mut len) = (Vec::new(), 0u64, 0u32);
    for &byte in text {
        let wanted = usize::from(LENGTHS[usize::from(byte)]);
        let place = CODE.symbols.iter().position(|&s| s == u16::from(byte)).unwrap();
        let index = place - usize::from(CODE.at[wanted]);
        let code = u64::from(CODE.first[wanted] >> (32 - wanted)) + index as u64;
        bits = bits << wanted | code;
        len += wanted as u32;
        while len >= 8 {
            len -= 8;
            out.push((bits >> len) as u8);
        }
    }
    if len > 0 {
        out.push((bits << (8 - len)) as u8 | (0xff >> len));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_those_of_the_rfc() {
        for (symbol, code) in [
            (0u16, 0x1ff8u32),
            (10, 0x3fff_fffc),
            (32, 0x14),
            (48, 0),
            (97, 3),
            (122, 0x7b),
            (127, 0x0fff_fffc),
            (200, 0x03ff_ffe2),
            (255, 0x03ff_ffee),
            (256, 0x3fff_ffff),
        ] {
            let len = usize::from(LENGTHS[usize::from(symbol)]);
            let place = CODE.symbols.iter().position(|&s| s == symbol).unwrap();
            let index = (place - usize::from(CODE.at[len])) as u32;
            assert_eq!((CODE.first[len] >> (32 - len)) + index, code, "{symbol}");
        }
    }

    #[test]
    fn examples_of_appendix_c() {
        for (coded, text) in [
            (&b"\xf1\xe3\xc2\xe5\xf2\x3a\x6b\xa0\xab\x90\xf4\xff"[..], &b"www.example.com"[..]),
            (b"\xa8\xeb\x10\x64\x9c\xbf", b"no-cache"),
            (b"\x25\xa8\x49\xe9\x5b\xb8\xe8\xb4\xbf", b"custom-value"),
            (b"\x64\x02", b"302"),
        ] {
            assert_eq!(decode(coded).as_deref(), Some(text));
            assert_eq!(encode(text), coded);
        }
    }

    #[test]
    fn the_end_is_no_text_and_any_padding_will_do() {
        assert_eq!(decode(b"\xff\xff\xff\xff"), None);
        assert_eq!(decode(b"\x1f\xff").as_deref(), Some(&b"a"[..]));
        assert_eq!(decode(b"\x00").as_deref(), Some(&b"0"[..]));
        assert_eq!(decode(b"").as_deref(), Some(&b""[..]));
    }

    proptest::proptest! {
        #[test]
        fn what_is_coded_comes_back(text in proptest::collection::vec(proptest::num::u8::ANY, 0..80)) {
            assert_eq!(decode(&encode(&text)), Some(text));
        }

        #[test]
        fn any_bits(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..80)) {
            let _ = decode(&bytes);
        }
    }
}
