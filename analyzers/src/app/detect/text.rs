//! Protocols of lines.

use super::Look::{self, More, No, Yes};
use crate::app::Heading;

fn first_line(head: &[u8]) -> (&[u8], bool) {
    match head.iter().position(|&b| b == b'\n') {
        Some(end) => (&head[..end], true),
        None => (head, false),
    }
}

/// A request line that ends in SIP's version.
pub(super) fn sip_request(head: &[u8]) -> Look {
    let (line, whole) = first_line(head);
    let there = line.windows(7).any(|w| w == b"SIP/2.0");
    // Such lines are not long; and a method alone is as yet anybody's.
    if there {
        Yes
    } else if whole || line.len() > 512 {
        No
    } else {
        More
    }
}

/// A tag that ends in 1 and the command that clients begin with, all within the first 17 bytes.
pub(super) fn imap_capability(head: &[u8]) -> Look {
    match head.get(..17) {
        Some(head) => {
            Look::yes_if(head.windows(12).any(|w| w.eq_ignore_ascii_case(b"1 CAPABILITY")))
        }
        None => More,
    }
}

/// `220` and a whole line, on the port of FTP.
pub(super) fn ftp_banner(heading: Heading, head: &[u8]) -> Look {
    if heading == Heading::ToServer {
        return No;
    }
    let (_, whole) = first_line(head);
    match head {
        [b'2', b'2', b'0', b' ' | b'-', ..] => {
            if whole {
                Yes
            } else {
                More
            }
        }
        [b'2', b'2', b'0', ..] if head.len() > 3 => No,
        _ if b"220".starts_with(head) => More,
        _ => No,
    }
}

/// A command of POP3, or an answer.
pub(super) fn pop3(heading: Heading, head: &[u8]) -> Look {
    let (line, whole) = first_line(head);
    let (may_be, long) = match heading {
        Heading::ToClient => {
            let begins = |with: &[u8]| line.starts_with(with) || with.starts_with(line);
            (begins(b"+OK") || begins(b"-ERR"), line.len() > 512)
        }
        Heading::ToServer => {
            let word = line.iter().take_while(|b| b.is_ascii_alphanumeric()).count();
            let ends = matches!(line.get(word), None | Some(b' ' | b'\r'));
            let enough = word >= 3 || (!whole && word == line.len());
            (ends && word <= 4 && enough, line.len() > 512)
        }
    };
    match (may_be, whole) {
        (false, _) => No,
        (true, true) => Yes,
        (true, false) => {
            if long {
                No
            } else {
                More
            }
        }
    }
}
