//! Brute force: one client opens session after session with a service that asks for a password.

use super::{Detection, Seen, half};
use crate::anomaly::hash::Key;
use crate::anomaly::keys::{Relation, Service};
use crate::anomaly::names::Sid;
use crate::anomaly::table::Table;
use crate::decode::Transport;
use crate::events::Evidence;

/// FTP, SSH, telnet, SMTP submission, POP3, IMAP, LDAP, SMB, SQL, RDP, VNC, WinRM.
const SERVICES: [u16; 18] =
    [21, 22, 23, 110, 143, 389, 445, 465, 587, 993, 995, 1433, 3306, 3389, 5432, 5900, 5985, 5986];
/// Sessions are forgotten by half in so many seconds.
const HALF_LIFE_S: f64 = 60.0;
/// So many at a time: one every six seconds and no end of it. Nobody types that fast, and a client that keeps
/// its sessions open has no need to.
const SESSIONS: f64 = 15.0;
/// Of a client that did so while it was learned, so many times as many.
const OF_KNOWN: f64 = 4.0;

#[derive(Clone, Copy, Debug, Default)]
struct Attempts {
    recent: f64,
    last: f64,
    since: f64,
    all: f64,
}

/// Sessions by client, server and service.
#[derive(Clone, Debug)]
pub(super) struct BruteForce {
    attempts: Table<Attempts>,
}

impl BruteForce {
    pub(super) fn new(capacity: usize) -> Self {
        Self { attempts: Table::new(capacity / 4) }
    }

    pub(super) fn look(&mut self, seen: &Seen<'_>, found: &mut Vec<Detection>) {
        let subject = &seen.keys.subject;
        let Service::Port(6, port) = subject.service else { return };
        let tcp = matches!(seen.packet.decoded.transport, Transport::Tcp(_));
        if !tcp || seen.packet.handshake.is_none() || !SERVICES.contains(&port) {
            return;
        }
        let key = Key::new(seen.keys.heading, 11).get();
        let (attempts, new) = self.attempts.entry(key);
        if new {
            attempts.since = seen.now;
        }
        attempts.recent =
            attempts.recent * half(seen.now - attempts.last, HALF_LIFE_S) + seen.weight;
        attempts.all += seen.weight;
        attempts.last = seen.now;
        let times = if seen.known.is(Relation::Conversation) { OF_KNOWN } else { 1.0 };
        if attempts.recent < SESSIONS * times {
            return;
        }
        found.push(Detection {
            sid: Sid::BruteForce,
            about: key,
            evidence: vec![
                Evidence::new("client", subject.client.to_string()),
                Evidence::new("server", subject.server.to_string()),
                Evidence::new("service", subject.service.to_string()),
                Evidence::new("sessions", attempts.all.round()),
                Evidence::new("over_s", seen.now - attempts.since),
            ],
        });
        *attempts = Attempts { last: seen.now, since: seen.now, ..Attempts::default() };
    }
}
