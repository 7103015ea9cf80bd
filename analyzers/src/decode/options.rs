//! Options of IPv4 and of IPv6's hop-by-hop and destination headers.

use umbra_wire::ipv4::{Ipv4, OptionError};
use umbra_wire::ipv6::Extension;
use umbra_wire::number::protocol;

use super::fault::{DecodeFault, Faults};
use super::types::Ipv4OptionSet;

/// The set of options in a header. Numbers: IANA "IP Option Numbers".
pub(super) fn ipv4(ip: &Ipv4<'_>, faults: &mut Faults) -> Ipv4OptionSet {
    let mut set = 0;
    if !ip.options_bytes().len().is_multiple_of(8) {
        faults.insert(DecodeFault::Ipv4OptPadRequired);
    }
    for option in ip.options() {
        let option = match option {
            Ok(option) => option,
            Err(OptionError::NoLength { .. }) => {
                faults.insert(DecodeFault::Ipv4OptEolRequired);
                break;
            }
            Err(OptionError::Length { .. }) => {
                faults.insert(DecodeFault::Ipv4OptInvalidLen);
                break;
            }
        };
        let (bit, fault) = match (option.kind, option.data) {
            (0, _) => (Ipv4OptionSet::END_OF_LIST, None),
            (1, _) => (Ipv4OptionSet::NO_OPERATION, None),
            (7, data) => (Ipv4OptionSet::RECORD_ROUTE, route(data)),
            (131, data) => (Ipv4OptionSet::LOOSE_SOURCE_ROUTE, route(data)),
            (137, data) => (Ipv4OptionSet::STRICT_SOURCE_ROUTE, route(data)),
            (68, data) => (Ipv4OptionSet::TIMESTAMP, timestamp(data)),
            (130, data) => (Ipv4OptionSet::SECURITY, length(data, 9)),
            (133, _) => (Ipv4OptionSet::EXTENDED_SECURITY, None),
            (134, data) => (Ipv4OptionSet::COMMERCIAL_SECURITY, at_least(data, 4)),
            (136, data) => (Ipv4OptionSet::STREAM_ID, length(data, 2)),
            (148, data) => (Ipv4OptionSet::ROUTER_ALERT, length(data, 2)),
            _ => (Ipv4OptionSet::OTHER, Some(DecodeFault::Ipv4OptUnknown)),
        };
        let repeatable = Ipv4OptionSet::NO_OPERATION | Ipv4OptionSet::OTHER;
        if set & bit & !repeatable != 0 {
            faults.insert(DecodeFault::Ipv4OptDuplicate);
        }
        set |= bit;
        if let Some(fault) = fault {
            faults.insert(fault);
        }
    }
    Ipv4OptionSet(set)
}

fn length(data: &[u8], len: usize) -> Option<DecodeFault> {
    (data.len() != len).then_some(DecodeFault::Ipv4OptInvalid)
}

fn at_least(data: &[u8], len: usize) -> Option<DecodeFault> {
    (data.len() < len).then_some(DecodeFault::Ipv4OptInvalid)
}

/// A pointer, counted from the option's start at 1, and addresses.
fn route(data: &[u8]) -> Option<DecodeFault> {
    let Some((&pointer, addresses)) = data.split_first() else {
        return Some(DecodeFault::Ipv4OptInvalid);
    };
    if addresses.is_empty() || !addresses.len().is_multiple_of(4) {
        return Some(DecodeFault::Ipv4OptInvalid);
    }
    // The list is full when the pointer stands one behind its end.
    let pointer = usize::from(pointer);
    let wrong = pointer < 4 || !pointer.is_multiple_of(4) || pointer > addresses.len() + 4;
    wrong.then_some(DecodeFault::Ipv4OptMalformed)
}

/// A pointer, overflow and flag nibbles, and timestamps with or without addresses.
fn timestamp(data: &[u8]) -> Option<DecodeFault> {
    let Some((&[pointer, flags], entries)) = data.split_first_chunk() else {
        return Some(DecodeFault::Ipv4OptInvalid);
    };
    let size = match flags & 15 {
        0 => 4,
        1 | 3 => 8,
        _ => return Some(DecodeFault::Ipv4OptMalformed),
    };
    if entries.len() < size {
        return Some(DecodeFault::Ipv4OptInvalid);
    }
    let pointer = usize::from(pointer);
    let wrong = pointer < 5 || !(pointer - 5).is_multiple_of(size) || pointer > entries.len() + 5;
    wrong.then_some(DecodeFault::Ipv4OptMalformed)
}

/// Notes what is odd in the options of a hop-by-hop or destination header. Numbers: IANA
/// "Destination Options and Hop-by-Hop Options".
pub(super) fn ipv6(extension: &Extension<'_>, faults: &mut Faults) {
    let hop_by_hop = extension.kind == protocol::HOP_BY_HOP;
    let mut only_padding = true;
    for option in extension.options() {
        let Ok(option) = option else {
            faults.insert(DecodeFault::Ipv6ExthdrInvalidOptlen);
            return;
        };
        match (option.kind, option.data.len()) {
            (0, _) => continue,
            (1, 0) => {
                faults.insert(DecodeFault::Ipv6ZeroLenPadn);
                continue;
            }
            (1, _) => continue,
            // router alert, jumbo payload, home address; tunnel limit, CALIPSO, SMF, RPL, IOAM and
            // path MTU only need a length that fits.
            (0x05, 2) | (0xc2, 4) | (0xc9, 16) => {}
            (0x05 | 0xc2 | 0xc9, _) => faults.insert(DecodeFault::Ipv6ExthdrInvalidOptlen),
            (
                0x04 | 0x07 | 0x08 | 0x11 | 0x23 | 0x26 | 0x30 | 0x31 | 0x63 | 0x6d | 0x8a | 0x8b,
                _,
            ) => {}
            _ => faults.insert(if hop_by_hop {
                DecodeFault::Ipv6HopoptsUnknownOpt
            } else {
                DecodeFault::Ipv6DstoptsUnknownOpt
            }),
        }
        only_padding = false;
    }
    if only_padding {
        faults.insert(if hop_by_hop {
            DecodeFault::Ipv6HopoptsOnlyPadding
        } else {
            DecodeFault::Ipv6DstoptsOnlyPadding
        });
    }
}
