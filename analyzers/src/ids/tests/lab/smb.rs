//! Messages of SMB 1 and 2 ([MS-CIFS], [MS-SMB2]), with what the parsers read of them.

/// Commands of SMB 2.
pub(in crate::ids::tests) const NEGOTIATE: u16 = 0;
pub(in crate::ids::tests) const SESSION_SETUP: u16 = 1;
pub(in crate::ids::tests) const TREE_CONNECT: u16 = 3;
pub(in crate::ids::tests) const CREATE: u16 = 5;
pub(in crate::ids::tests) const CLOSE: u16 = 6;
pub(in crate::ids::tests) const READ: u16 = 8;
pub(in crate::ids::tests) const WRITE: u16 = 9;

/// What all files in these conversations are named by.
const FILE: [u8; 16] = [0xf1; 16];

/// A request or a response, in its NetBIOS frame.
pub(in crate::ids::tests) fn smb2(
    response: bool,
    command: u16,
    number: u64,
    tree: u32,
    body: &[u8],
) -> Vec<u8> {
    let mut message = b"\xfeSMB\x40\0\0\0\0\0\0\0".to_vec();
    message.extend([command.to_le_bytes(), [1, 0]].concat());
    message.extend(u32::from(response).to_le_bytes());
    message.extend([0; 4]);
    message.extend(number.to_le_bytes());
    message.extend([&[0; 4], &tree.to_le_bytes()[..], &7u64.to_le_bytes(), &[0; 16]].concat());
    message.extend(body);
    framed(&message)
}

fn framed(message: &[u8]) -> Vec<u8> {
    [&(message.len() as u32).to_be_bytes()[..], message].concat()
}

/// Behind the header of 64 bytes.
fn offset(fixed: usize) -> [u8; 2] {
    (64 + fixed as u16).to_le_bytes()
}

fn len2(bytes: &[u8]) -> [u8; 2] {
    (bytes.len() as u16).to_le_bytes()
}

fn len4(bytes: &[u8]) -> [u8; 4] {
    (bytes.len() as u32).to_le_bytes()
}

pub(in crate::ids::tests) fn wide(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

pub(in crate::ids::tests) fn negotiation() -> [Vec<u8>; 2] {
    let ask = [&[36, 0, 1, 0][..], &[0; 8], &[0xaa; 16], &[0; 8], &[0x10, 2]].concat();
    let answer = [&[65, 0, 1, 0, 0x10, 2, 0, 0][..], &[0xbb; 16], &[0; 40]].concat();
    [ask, answer]
}

pub(in crate::ids::tests) fn session_setup(blob: &[u8]) -> [Vec<u8>; 2] {
    let places = [offset(24), len2(blob)].concat();
    let ask = [&[25, 0][..], &[0; 10], &places, &[0; 8], blob].concat();
    [ask, vec![9, 0, 0, 0, 72, 0, 0, 0]]
}

/// An NTLMSSP authentication.
pub(in crate::ids::tests) fn login(domain: &str, user: &str) -> Vec<u8> {
    let mut message = b"NTLMSSP\0\x03\0\0\0".to_vec();
    let (digest, key) = (vec![0; 24], vec![0; 16]);
    let texts = [digest.clone(), digest, wide(domain), wide(user), wide("HOST"), key];
    let mut place = 72u32;
    for text in &texts {
        message.extend([len2(text), len2(text)].concat());
        message.extend(place.to_le_bytes());
        place += text.len() as u32;
    }
    message.extend(0x0200_0001u32.to_le_bytes());
    message.extend([6, 1, 0xb1, 0x1d, 0, 0, 0, 15]);
    message.extend(texts.concat());
    message
}

/// `kind`: 1 disk, 2 pipe.
pub(in crate::ids::tests) fn tree_connect(path: &str, kind: u8) -> [Vec<u8>; 2] {
    let path = wide(path);
    let ask = [&[9, 0, 0, 0][..], &offset(8), &len2(&path), &path].concat();
    [ask, [&[16, 0, kind, 0][..], &[0; 12]].concat()]
}

pub(in crate::ids::tests) fn create(name: &str) -> [Vec<u8>; 2] {
    let name = wide(name);
    let places = [&offset(56)[..], &len2(&name), &[0; 8]].concat();
    let ask = [&[57, 0][..], &[0; 34], &[1, 0, 0, 0, 0, 0, 0, 0], &places, &name].concat();
    [ask, [&[89, 0][..], &[0; 62], &FILE, &[0; 8]].concat()]
}

pub(in crate::ids::tests) fn write(data: &[u8]) -> [Vec<u8>; 2] {
    let ask = [&[49, 0][..], &offset(48), &len4(data), &[0; 8], &FILE, &[0; 16], data].concat();
    let answer = [&[17, 0, 0, 0][..], &len4(data), &[0; 8]].concat();
    [ask, answer]
}

pub(in crate::ids::tests) fn read(data: &[u8]) -> [Vec<u8>; 2] {
    let ask = [&[49, 0, 80, 0][..], &len4(data), &[0; 8], &FILE, &[0; 17]].concat();
    let answer = [&[17, 0, 80, 0][..], &len4(data), &[0; 8], data].concat();
    [ask, answer]
}

pub(in crate::ids::tests) fn close() -> [Vec<u8>; 2] {
    [[&[24, 0, 0, 0, 0, 0, 0, 0][..], &FILE].concat(), [&[60, 0][..], &[0; 58]].concat()]
}

/// SMB 1's question for dialects, and its answer.
pub(in crate::ids::tests) fn negotiation1() -> [Vec<u8>; 2] {
    let header = |flags: u8| [&b"\xffSMB\x72\0\0\0\0"[..], &[flags, 1, 0xc8], &[0; 20]].concat();
    let dialect = b"\x02NT LM 0.12\0";
    let ask = [&header(0x18)[..], &[0, dialect.len() as u8, 0], dialect].concat();
    let answer = [&header(0x98)[..], &[17, 0, 0], &[0; 32], &[0, 0]].concat();
    [framed(&ask), framed(&answer)]
}
