//! SMB and DCE/RPC, on which more hangs than on their first bytes.

use super::Look::{self, More, No, Yes};
use crate::app::Heading;

/// Header of a NetBIOS session message and the smallest SMB header.
const SMB_MIN: usize = 4 + 32;

fn is_session_message(kind: u8) -> bool {
    kind == 0 || (0x81..=0x86).contains(&kind)
}

fn is_smb(at: &[u8]) -> bool {
    matches!(at, [0xfd..=0xff, b'S', b'M', b'B', ..])
}

/// Behind the first four bytes stands one of SMB's signatures.
pub(super) fn smb(head: &[u8]) -> Look {
    match head.first() {
        Some(&kind) if !is_session_message(kind) => No,
        _ if head.len() < SMB_MIN => More,
        _ => Yes,
    }
}

/// On SMB's ports: a NetBIOS session is set up first.
pub(super) fn smb_session(_: Heading, head: &[u8]) -> Look {
    let Some(&[kind, a, b, c]) = head.first_chunk() else { return More };
    if !is_session_message(kind) || kind == 0 || a != 0 {
        return No;
    }
    let next = 4 + usize::from(b) * 256 + usize::from(c);
    match head.get(next..) {
        Some([kind, _, _, _, at @ ..]) if at.len() >= 4 => {
            Look::yes_if(is_session_message(*kind) && is_smb(at))
        }
        _ => More,
    }
}

/// The common header of connection-oriented DCE/RPC, whole.
pub(super) fn dcerpc(head: &[u8]) -> Look {
    let drep = head.get(4..6).unwrap_or(&[0x10, 0]);
    if !matches!(drep, [0x00 | 0x01 | 0x10 | 0x11, 0..=3]) && head.len() >= 6 {
        return No;
    }
    if head.len() < 16 { More } else { Yes }
}

/// The header of connectionless DCE/RPC: a request whose fragment is all of the rest.
pub(super) fn dcerpc_datagram(head: &[u8]) -> Look {
    let Some(header) = head.get(..80) else { return No };
    let little = header[4] & 0xf0 == 0x10;
    let len = [header[74], header[75]];
    let len = if little { u16::from_le_bytes(len) } else { u16::from_be_bytes(len) };
    let sound = header[3] & 0xfc == 0
        && matches!(header[4], 0x00 | 0x01 | 0x10 | 0x11)
        && header[5] <= 3
        && usize::from(len) <= head.len() - 80;
    if sound { Yes } else { No }
}
