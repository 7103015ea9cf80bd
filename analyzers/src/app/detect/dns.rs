//! DNS: what its header announces has to be there.

use super::Look::{self, More, No, Yes};
use crate::app::Heading;

const HEADER: usize = 12;

/// Labels up to the end or to a pointer back; returns where it goes on.
fn name(message: &[u8], mut at: usize, pointers: bool) -> Option<usize> {
    let begin = at;
    loop {
        let len = *message.get(at)?;
        match len {
            0 => return Some(at + 1),
            1..=63 => at += 1 + usize::from(len),
            0xc0.. if pointers => {
                let low = *message.get(at + 1)?;
                let target = usize::from(len & 0x3f) << 8 | usize::from(low);
                return (target < begin).then_some(at + 2);
            }
            _ => return None,
        }
    }
}

/// So many records can be there: Suricata asks for two bytes of each, its header's included. No message of which
/// `len` says how long it is has more.
fn can_hold(header: &[u8], len: usize) -> bool {
    let counts = header.get(4..HEADER).unwrap_or_default().chunks_exact(2);
    let records: usize =
        counts.map(|count| usize::from(count[0]) << 8 | usize::from(count[1])).sum();
    2 * records <= len
}

/// The questions and answers are all there; whether they are a response. Some servers leave out what
/// was asked; more than that is not looked at.
fn is_whole(message: &[u8]) -> Option<bool> {
    let count = |at: usize| {
        let &bytes = message.get(at..)?.first_chunk()?;
        Some(u16::from_be_bytes(bytes))
    };
    let (questions, answers) = (count(4)?, count(6)?);
    let others = u32::from(count(8)?) + u32::from(count(10)?);
    let response = message[2] & 0x80 != 0;
    if !can_hold(message, message.len()) {
        return None;
    }
    if questions == 0 && (!response || u32::from(answers) + others == 0) {
        return None;
    }
    let mut at = HEADER;
    for _ in 0..questions {
        at = name(message, at, false)? + 4;
    }
    if at > message.len() {
        return None;
    }
    for _ in 0..answers {
        let fixed = name(message, at, true)?;
        let &len = message.get(fixed + 8..)?.first_chunk()?;
        at = fixed + 10 + usize::from(u16::from_be_bytes(len));
    }
    (at <= message.len()).then_some(response)
}

/// In datagrams; an answer to the server means that the ends are the other way round.
pub(super) fn datagram(heading: Heading, head: &[u8]) -> Look {
    match is_whole(head) {
        Some(true) if heading == Heading::ToServer => Look::Turned,
        Some(_) => Yes,
        None => No,
    }
}

/// Multicast DNS: the port belongs to both ends.
pub(super) fn multicast(_: Heading, head: &[u8]) -> Look {
    Look::yes_if(is_whole(head).is_some())
}

/// In a stream, behind its length. Of a message that has not come whole the header has to do.
pub(super) fn stream(_: Heading, head: &[u8]) -> Look {
    let Some((&len, message)) = head.split_first_chunk() else { return More };
    let len = usize::from(u16::from_be_bytes(len));
    if len <= HEADER {
        return No;
    }
    match message.get(..len) {
        Some(message) => Look::yes_if(is_whole(message).is_some()),
        None if message.len() < HEADER => More,
        None => {
            let one = message[4..6] != [0, 0] && message[4] == 0;
            Look::yes_if(one && can_hold(message, len))
        }
    }
}
