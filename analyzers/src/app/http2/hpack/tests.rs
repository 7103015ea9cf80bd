//! RFC 7541, appendix C, and what it does not allow.

use super::*;

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> =
        text.bytes().filter_map(|b| char::from(b).to_digit(16)).map(|d| d as u8).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

/// Fields as `name: value`, others in brackets.
fn read(decoder: &mut Decoder, block: &[u8]) -> (Vec<String>, BlockEnd) {
    let mut items = Vec::new();
    let end = decoder.block(block, |item| {
        items.push(match item {
            Item::Field(field) => format!(
                "{}: {}",
                field.name.bytes().escape_ascii(),
                field.value.bytes().escape_ascii()
            ),
            Item::SizeUpdate(size) => format!("[{size}]"),
            Item::Error(error) => format!("[{error:?}]"),
        });
    });
    (items, end)
}

fn blocks(decoder: &mut Decoder, expected: &[(&str, &[&str])]) {
    for (block, items) in expected {
        let (read, end) = read(decoder, &hex(block));
        assert_eq!(read, *items, "{block}");
        assert_eq!(end, BlockEnd::Whole);
    }
}

#[test]
fn c_1_integers() {
    for (bytes, prefix, value) in [
        (&[0b1110_1010][..], 5, 10),
        (&[0x1f, 0x9a, 0x0a], 5, 1337),
        (&[42], 8, 42),
        (&[0xff, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0], 5, 31),
    ] {
        let mut rest = bytes;
        let read = if prefix == 8 { Ok(u64::from(bytes[0])) } else { integer(&mut rest, prefix) };
        assert_eq!(read, Ok(value));
    }
    let huge = [[0x1f].as_slice(), &[0xff; 9], &[1]].concat();
    assert_eq!(integer(&mut huge.as_slice(), 5), Err(Stop::Overflow));
    assert_eq!(integer(&mut [0x1f, 0x80].as_slice(), 5), Err(Stop::Cut));
}

#[test]
fn c_2_fields() {
    let mut decoder = Decoder::new();
    blocks(
        &mut decoder,
        &[
            (
                "400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572",
                &["custom-key: custom-header"],
            ),
            ("040c 2f73 616d 706c 652f 7061 7468", &[":path: /sample/path"]),
            ("1008 7061 7373 776f 7264 0673 6563 7265 74", &["password: secret"]),
            ("82", &[":method: GET"]),
            ("be", &["custom-key: custom-header"]),
        ],
    );
}

const REQUESTS: [&[&str]; 3] = [
    &[":method: GET", ":scheme: http", ":path: /", ":authority: www.example.com"],
    &[
        ":method: GET",
        ":scheme: http",
        ":path: /",
        ":authority: www.example.com",
        "cache-control: no-cache",
    ],
    &[
        ":method: GET",
        ":scheme: https",
        ":path: /index.html",
        ":authority: www.example.com",
        "custom-key: custom-value",
    ],
];

#[test]
fn c_3_and_4_requests() {
    blocks(
        &mut Decoder::new(),
        &[
            ("8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d", REQUESTS[0]),
            ("8286 84be 5808 6e6f 2d63 6163 6865", REQUESTS[1]),
            (
                "8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65",
                REQUESTS[2],
            ),
        ],
    );
    blocks(
        &mut Decoder::new(),
        &[
            ("8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff", REQUESTS[0]),
            ("8286 84be 5886 a8eb 1064 9cbf", REQUESTS[1]),
            ("8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf", REQUESTS[2]),
        ],
    );
}

#[test]
fn c_5_and_6_responses_with_eviction() {
    let location = "location: https://www.example.com";
    let dates = ["date: Mon, 21 Oct 2013 20:13:21 GMT", "date: Mon, 21 Oct 2013 20:13:22 GMT"];
    let cookie = "set-cookie: foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1";
    let responses: [&[&str]; 3] = [
        &[":status: 302", "cache-control: private", dates[0], location],
        &[":status: 307", "cache-control: private", dates[0], location],
        &[
            ":status: 200",
            "cache-control: private",
            dates[1],
            location,
            "content-encoding: gzip",
            cookie,
        ],
    ];
    let mut decoder = Decoder::new();
    decoder.table.resize(256);
    blocks(
        &mut decoder,
        &[
            (
                "4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 \
                 2032 303a 3133 3a32 3120 474d 546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 \
                 6c65 2e63 6f6d",
                responses[0],
            ),
            ("4803 3330 37c1 c0bf", responses[1]),
            (
                "88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d \
                 54c0 5a04 677a 6970 7738 666f 6f3d 4153 444a 4b48 514b 425a 584f 5157 454f 5049 \
                 5541 5851 5745 4f49 553b 206d 6178 2d61 6765 3d33 3630 303b 2076 6572 7369 6f6e \
                 3d31",
                responses[2],
            ),
        ],
    );
    let mut decoder = Decoder::new();
    decoder.table.resize(256);
    blocks(
        &mut decoder,
        &[
            (
                "4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 \
                 2d1b ff6e 919d 29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3",
                responses[0],
            ),
            ("4883 640e ffc1 c0bf", responses[1]),
            (
                "88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab \
                 77ad 94e7 821d d7f2 e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f \
                 9587 3160 65c0 03ed 4ee5 b106 3d50 07",
                responses[2],
            ),
        ],
    );
    assert_eq!(decoder.table.get(62).unwrap().name.bytes(), b"set-cookie");
    assert_eq!(decoder.table.get(64).unwrap().name.bytes(), b"date");
    assert!(decoder.table.get(65).is_none());
}

#[test]
fn goes_on_behind_what_is_wrong() {
    let mut decoder = Decoder::new();
    let (items, end) = read(&mut decoder, b"\x82\x80\xbe\x3f\x45\x00\x01n\x84\xff\xff\xff\xff\x82");
    let expected = [":method: GET", "[IndexZero]", "[NotIndexed]", "[100]", "n: ", ":method: GET"];
    assert_eq!((items.as_slice(), end), (&expected.map(String::from)[..], BlockEnd::Whole));
    let (items, end) = read(&mut decoder, b"\x82\0\x05ab");
    assert_eq!((items.len(), end), (1, BlockEnd::Cut));
    let overflow = b"\x82\0\x7f\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x82";
    let (items, end) = read(&mut decoder, overflow);
    assert_eq!((items[1].as_str(), end), ("[IntegerOverflow]", BlockEnd::Surplus));
    // A name that is not there is empty.
    assert_eq!(read(&mut decoder, b"\x0f\x7f\x01v").0, [": v"]);
}

proptest::proptest! {
    #[test]
    fn any_blocks(blocks in proptest::collection::vec(
        proptest::collection::vec(proptest::num::u8::ANY, 0..200), 0..20))
    {
        let mut decoder = Decoder::new();
        for block in blocks {
            let mut items = 0;
            decoder.block(&block, |_| items += 1);
            proptest::prop_assert!(items <= block.len());
            proptest::prop_assert!(decoder.memory_bytes() < 1 << 20);
        }
    }
}
