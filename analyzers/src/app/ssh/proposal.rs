//! What an end proposes for the key exchange (RFC 4253, 7.1), and its fingerprint.

use md5::{Digest, Md5};

/// Random bytes before the lists.
const COOKIE_LEN: usize = 16;
/// Lists of names, of which these count; the server's are those of the other direction.
const LISTS: usize = 10;
const OF_CLIENT: [usize; 4] = [0, 2, 4, 6];
const OF_SERVER: [usize; 4] = [0, 3, 5, 7];

/// HASSH: what an end would like to use, and the MD5 of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Hassh {
    pub(super) string: Vec<u8>,
    /// 32 hexadecimal digits.
    pub(super) hash: String,
}

/// Reads the body of a KEXINIT, behind its number; `None` if it is cut short.
pub(super) fn read(body: &[u8], client: bool) -> Option<Hassh> {
    let mut rest = body.get(COOKIE_LEN..)?;
    let mut lists: [&[u8]; LISTS] = [&[]; LISTS];
    for list in &mut lists {
        let (len, behind) = rest.split_first_chunk()?;
        let len = usize::try_from(u32::from_be_bytes(*len)).ok()?;
        (*list, rest) = behind.split_at_checked(len)?;
    }
    let which = if client { OF_CLIENT } else { OF_SERVER };
    let string = which.map(|index| lists.get(index).copied().unwrap_or_default()).join(&b';');
    let hash = Md5::digest(&string).iter().map(|byte| format!("{byte:02x}")).collect();
    Some(Hassh { string, hash })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ten lists, named by their places.
    fn body() -> Vec<u8> {
        let mut body = vec![7; COOKIE_LEN];
        for index in 0..LISTS as u8 {
            body.extend([0, 0, 0, 2, b'l', b'0' + index]);
        }
        body.extend([0; 5]);
        body
    }

    #[test]
    fn each_end_has_lists_of_its_own() {
        let client = read(&body(), true).unwrap();
        assert_eq!(client.string, b"l0;l2;l4;l6");
        assert_eq!(client.hash.len(), 32);
        assert_eq!(read(&body(), false).unwrap().string, b"l0;l3;l5;l7");
    }

    #[test]
    fn a_list_that_is_longer_than_the_record_makes_none() {
        let body = body();
        for len in 0..body.len() - 5 {
            assert_eq!(read(&body[..len], true), None);
        }
    }
}
