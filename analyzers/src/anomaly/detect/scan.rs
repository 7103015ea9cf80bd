//! Scans: a source whose first contacts fail.
//!
//! Threshold random walk (Jung, Paxson, Berger and Balakrishnan, "Fast Portscan Detection Using Sequential
//! Hypothesis Testing", IEEE S&P 2004): each first contact of a source with a host and port moves a likelihood ratio
//! by its outcome, and the walk ends where a scanner is so much likelier that errors keep to their bounds. What
//! was scanned more, hosts or ports, gives it its name.

use std::collections::VecDeque;

use umbra_wire::tcp::flag;

use super::{Detection, Seen, half};
use crate::anomaly::hash::Key;
use crate::anomaly::keys::{Party, Service};
use crate::anomaly::names::Sid;
use crate::anomaly::table::Table;
use crate::decode::Transport;
use crate::events::Evidence;

/// The paper's: first contacts succeed with 0.8 for benign sources and 0.2 for scanners.
const SUCCESS: f64 = 0.8;
/// (1 - missed) / (falsely found): 0.99 over 1e-6, since here there are many more sources and longer times.
const BOUND: f64 = 990_000.0;
/// Seconds until a contact without answer has failed: a SYN is sent again after one and after three.
const PATIENCE_S: f64 = 3.5;
/// A walk comes back by half in so many seconds: a client that meets a dead server now and then is no scanner.
const HALF_LIFE_S: f64 = 600.0;
/// Contacts that wait for their outcome.
const WAITING: usize = 65_536;
/// Different hosts and ports that are told apart for each source.
const TOLD_APART: usize = 64;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Outcome {
    #[default]
    Waiting,
    Answered,
    Refused,
    Counted,
}

#[derive(Clone, Copy, Debug)]
struct Contact {
    key: u64,
    source: Party,
    target: Party,
    service: Service,
    at: f64,
    weight: f64,
}

#[derive(Clone, Debug, Default)]
struct Source {
    walk: f64,
    last: f64,
    failed: f64,
    hosts: Vec<u32>,
    services: Vec<u32>,
}

/// Sources and their first contacts.
#[derive(Clone, Debug)]
pub(super) struct Scans {
    contacts: Table<Outcome>,
    sources: Table<Source>,
    waiting: VecDeque<Contact>,
}

impl Scans {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            contacts: Table::new(capacity * 4),
            sources: Table::new(capacity / 4),
            waiting: VecDeque::new(),
        }
    }

    pub(super) fn look(&mut self, seen: &Seen<'_>, found: &mut Vec<Detection>) {
        while self.waiting.front().is_some_and(|contact| seen.now - contact.at > PATIENCE_S) {
            let Some(contact) = self.waiting.pop_front() else { break };
            self.settle(&contact, Outcome::Waiting, seen.now, found);
        }
        let packet = seen.packet;
        let (Some(_), false) = (packet.flow, packet.quotes_flow) else { return };
        let subject = &seen.keys.subject;
        let key = contact_key(subject.client, subject.server, subject.service);
        if !packet.to_server {
            let refused = matches!(&packet.decoded.transport,
                Transport::Tcp(tcp) if tcp.has(flag::RST));
            let Some(outcome) = self.contacts.get(key) else { return };
            if *outcome == Outcome::Waiting {
                *self.contacts.entry(key).0 =
                    if refused { Outcome::Refused } else { Outcome::Answered };
            }
            return;
        }
        // Only what begins a conversation is a contact: a SYN, or the first packet of another protocol.
        let begins = match &packet.decoded.transport {
            Transport::Tcp(tcp) => tcp.flags & (flag::SYN | flag::ACK) == flag::SYN,
            _ => true,
        };
        if !packet.opens_flow || !begins || !seen.is_unicast() {
            return;
        }
        let (_, new) = self.contacts.entry(key);
        if new {
            if self.waiting.len() >= WAITING
                && let Some(contact) = self.waiting.pop_front()
            {
                self.settle(&contact, Outcome::Waiting, seen.now, found);
            }
            self.waiting.push_back(Contact {
                key,
                source: subject.client,
                target: subject.server,
                service: subject.service,
                at: seen.now,
                weight: seen.weight,
            });
        }
    }

    /// The outcome of a contact, which moves its source's walk.
    fn settle(
        &mut self,
        contact: &Contact,
        missing: Outcome,
        now: f64,
        found: &mut Vec<Detection>,
    ) {
        let outcome = self.contacts.get(contact.key).copied().unwrap_or(missing);
        *self.contacts.entry(contact.key).0 = Outcome::Counted;
        let (source, _) = self.sources.entry(contact.source.key());
        source.walk *= half(now - source.last, HALF_LIFE_S);
        source.last = now;
        let step = (SUCCESS / (1.0 - SUCCESS)).ln();
        if outcome == Outcome::Answered {
            source.walk = (source.walk - step).max(0.0);
            return;
        }
        source.walk += step;
        source.failed += contact.weight;
        note(&mut source.hosts, contact.target.key());
        note(&mut source.services, Key::new(5, contact.service.bits()).get());
        if source.walk < BOUND.ln() {
            return;
        }
        let vertical = source.services.len() > source.hosts.len();
        let sid = if vertical { Sid::VerticalScan } else { Sid::HorizontalScan };
        found.push(Detection {
            sid,
            about: contact.source.key(),
            evidence: vec![
                Evidence::new("source", contact.source.to_string()),
                Evidence::new("failed_first_contacts", source.failed.round()),
                Evidence::new("hosts_at_least", source.hosts.len() as u64),
                Evidence::new("services_at_least", source.services.len() as u64),
                Evidence::new("latest_target", format!("{} {}", contact.target, contact.service)),
                Evidence::new("log_likelihood_ratio", source.walk),
            ],
        });
        *source = Source { last: now, ..Source::default() };
    }
}

fn note(seen: &mut Vec<u32>, key: u64) {
    let short = (key >> 32) as u32;
    if seen.len() < TOLD_APART && !seen.contains(&short) {
        seen.push(short);
    }
}

fn contact_key(client: Party, server: Party, service: Service) -> u64 {
    Key::new(3, 2).wide(client.bits()).wide(server.bits()).with(service.bits()).get()
}
