//! A protocol on the wrong port: one that its first octets name, where it is not at home and was not learned.

use umbra_wire::tcp::flag;

use super::{Detection, Seen};
use crate::anomaly::hash::Key;
use crate::anomaly::keys::{Relation, Service};
use crate::anomaly::names::Sid;
use crate::anomaly::operation::Protocol;
use crate::anomaly::table::Table;
use crate::decode::Transport;
use crate::events::Evidence;

/// Where protocols that can be told by their octets are at home (IANA's registry, and common practice for HTTP and
/// TLS). `None` for what cannot be told.
fn homes(protocol: Protocol) -> Option<&'static [u16]> {
    Some(match protocol {
        Protocol::Modbus => &[502, 802],
        Protocol::S7 => &[102],
        Protocol::Dnp3 => &[20_000, 19_999],
        Protocol::Ssh => &[22, 2222, 830],
        Protocol::Smb => &[139, 445],
        Protocol::Http => &[80, 591, 3128, 8000, 8008, 8080, 8081, 8088, 8888, 5985, 7547, 631],
        Protocol::Tls => &[
            443, 8443, 25, 110, 143, 465, 587, 636, 853, 989, 990, 993, 995, 3269, 5061, 5223,
            5986, 6697, 8883, 3389, 5432, 3306, 1433, 21, 4843, 20_000,
        ],
        _ => return None,
    })
}

/// The other way round: what must be spoken where. Only what begins with its own octets always.
fn native(port: u16) -> Option<Protocol> {
    Some(match port {
        22 => Protocol::Ssh,
        443 | 993 | 995 | 8443 => Protocol::Tls,
        _ => return None,
    })
}

/// How far a heading of a connection is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Words {
    /// Its beginning was not seen: what comes first here came later there.
    #[default]
    Unknown,
    /// It was opened and has said nothing.
    None,
    /// Its first were looked at.
    Said,
}

/// Headings of connections.
#[derive(Clone, Debug)]
pub(super) struct Ports {
    begun: Table<Words>,
}

impl Ports {
    pub(super) fn new(capacity: usize) -> Self {
        Self { begun: Table::new(capacity * 2) }
    }

    pub(super) fn look(&mut self, seen: &Seen<'_>, found: &mut Vec<Detection>) {
        let Service::Port(6, port) = seen.keys.subject.service else { return };
        let Transport::Tcp(tcp) = &seen.packet.decoded.transport else { return };
        let payload = seen.packet.decoded.payload;
        let key = Key::new(seen.keys.socket, 31 + seen.keys.side as u64).get();
        if tcp.has(flag::SYN) {
            *self.begun.entry(key).0 = Words::None;
            return;
        }
        if payload.is_empty() || self.begun.get(key) != Some(&Words::None) {
            return;
        }
        *self.begun.entry(key).0 = Words::Said;
        let protocol = seen.keys.operation.protocol;
        let away = homes(protocol).is_some_and(|homes| !homes.contains(&port));
        let strange = native(port).is_some_and(|native| native != protocol) && payload.len() >= 8;
        // What a service was heard to say while it was learned is at home there, known by name or not.
        if !(away || strange) || seen.known.is(Relation::Beginning) {
            return;
        }
        found.push(Detection {
            sid: Sid::WrongPort,
            about: Key::new(seen.keys.heading, 32).get(),
            evidence: vec![
                Evidence::new("subject", seen.keys.subject.to_string()),
                Evidence::new("protocol", protocol.as_str()),
                Evidence::new("port", u64::from(port)),
                Evidence::new("begins_with", beginning(payload)),
            ],
        });
    }
}

fn beginning(payload: &[u8]) -> String {
    use std::fmt::Write;
    payload.iter().take(16).fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
