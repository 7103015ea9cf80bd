//! A message as a transaction.

use super::kind;
use super::message::{Message, Rdata, Record};
use super::name::Name;
use crate::app::{Buffer, BufferView, COMPLETE, Field, Heading, Transaction};

/// A request or a response.
#[derive(Debug)]
pub struct DnsTransaction {
    pub(super) number: u64,
    pub(super) heading: Heading,
    pub(super) message: Message,
    /// The names that rules find in a response, in order.
    names: Vec<Place>,
    events: Vec<&'static str>,
}

/// Where in a message a name is.
#[derive(Clone, Copy, Debug)]
struct Place {
    part: Part,
    index: usize,
    /// In the record's data, not before it.
    in_data: bool,
}

#[derive(Clone, Copy, Debug)]
enum Part {
    Questions,
    Answers,
    Authorities,
    Additionals,
}

impl DnsTransaction {
    pub(super) fn new(number: u64, heading: Heading, message: Message) -> Self {
        let names = match heading {
            Heading::ToServer => Vec::new(),
            Heading::ToClient => places(&message),
        };
        Self { number, heading, message, names, events: Vec::new() }
    }

    /// The message.
    #[must_use]
    pub fn message(&self) -> &Message {
        &self.message
    }

    /// Which way it went.
    #[must_use]
    pub fn heading(&self) -> Heading {
        self.heading
    }

    /// Each is there once: one flow could say the same over and over.
    pub(super) fn event(&mut self, event: &'static str) {
        if !self.events.contains(&event) {
            self.events.push(event);
        }
    }

    fn name(&self, place: Place) -> Option<&Name> {
        let message = &self.message;
        let records = match place.part {
            Part::Questions => {
                return message.questions.get(place.index).map(|question| &question.name);
            }
            Part::Answers => &message.answers,
            Part::Authorities => &message.authorities,
            Part::Additionals => &message.additionals,
        };
        let record = records.get(place.index)?;
        if place.in_data { named(record) } else { Some(&record.name) }
    }

    /// About what it takes.
    pub(super) fn memory_bytes(&self) -> usize {
        let message = &self.message;
        let records =
            || message.answers.iter().chain(&message.authorities).chain(&message.additionals);
        let held: usize =
            records().map(|record| record.name.bytes.len() + rdata_bytes(record)).sum();
        let asked: usize = message.questions.iter().map(|question| question.name.bytes.len()).sum();
        size_of::<Self>()
            + held
            + asked
            + records().count() * size_of::<Record>()
            + self.names.len() * size_of::<Place>()
            + message.questions.len() * size_of::<Name>()
    }
}

fn rdata_bytes(record: &Record) -> usize {
    match &record.data {
        Rdata::Address(bytes) | Rdata::Null(bytes) => bytes.len(),
        Rdata::Name(name) => name.bytes.len(),
        Rdata::Text(strings) => {
            strings.iter().map(|string| string.len() + size_of::<Vec<u8>>()).sum()
        }
        Rdata::Soa(soa) => soa.mname.bytes.len() + soa.rname.bytes.len(),
        Rdata::Srv(srv) => srv.target.bytes.len(),
        Rdata::Sshfp(sshfp) => sshfp.fingerprint.len(),
        Rdata::Options(options) => {
            options.iter().map(|(_, data)| data.len() + size_of::<(u16, Vec<u8>)>()).sum()
        }
        Rdata::Other => 0,
    }
}

/// A name in a record's data, where rules look for one.
fn named(record: &Record) -> Option<&Name> {
    match &record.data {
        Rdata::Name(name) => Some(name),
        Rdata::Soa(soa) => Some(&soa.mname),
        _ => None,
    }
}

impl Transaction for DnsTransaction {
    /// The other heading has nothing to wait for.
    fn progress(&self, _heading: Heading) -> u8 {
        COMPLETE
    }

    fn is_looked_at(&self, heading: Heading) -> bool {
        heading == self.heading
    }

    fn stage(&self, _buffer: Buffer, _heading: Heading) -> u8 {
        COMPLETE
    }

    fn buffer(&self, buffer: Buffer, heading: Heading, index: usize) -> Option<BufferView<'_>> {
        if heading != self.heading {
            return None;
        }
        let (message, to_server) = (&self.message, heading == Heading::ToServer);
        let question = || message.questions.get(index).map(|question| &question.name);
        let name = match buffer {
            Buffer::DnsQuery if to_server => question(),
            Buffer::DnsQueriesRrname | Buffer::DnsQueryName => question(),
            Buffer::DnsAnswersRrname => message.answers.get(index).map(|record| &record.name),
            // Requests have them, too, but Suricata looks at those of responses only.
            Buffer::DnsAuthoritiesRrname if !to_server => {
                message.authorities.get(index).map(|record| &record.name)
            }
            Buffer::DnsAdditionalsRrname if !to_server => {
                message.additionals.get(index).map(|record| &record.name)
            }
            Buffer::DnsResponseRrname => self.names.get(index).and_then(|&place| self.name(place)),
            _ => None,
        };
        name.map(|name| BufferView::whole(&name.bytes))
    }

    fn number(&self, field: Field, heading: Heading) -> Option<u64> {
        self.number_at(field, heading, 0)
    }

    fn number_at(&self, field: Field, heading: Heading, index: usize) -> Option<u64> {
        if heading != self.heading {
            return None;
        }
        let message = &self.message;
        match field {
            Field::DnsOpcode if index == 0 => Some(message.opcode().into()),
            Field::DnsRcode if index == 0 => Some(message.rcode().into()),
            Field::DnsRrtype if heading == Heading::ToServer => {
                message.questions.get(index).map(|question| question.kind.into())
            }
            Field::DnsRrtype => message.answers.get(index).map(|record| record.kind.into()),
            _ => None,
        }
    }

    fn events(&self) -> &[&'static str] {
        &self.events
    }

    fn record(&self) -> serde_json::Map<String, serde_json::Value> {
        super::record::record(self)
    }

    /// Suricata logs messages by what they ask.
    fn is_logged(&self) -> bool {
        !self.message.questions.is_empty()
    }
}

/// Names of all parts: of questions and records, and those that records lead to.
fn places(message: &Message) -> Vec<Place> {
    let questions = (0..message.questions.len()).map(|index| Place {
        part: Part::Questions,
        index,
        in_data: false,
    });
    let parts = [
        (Part::Answers, &message.answers),
        (Part::Authorities, &message.authorities),
        (Part::Additionals, &message.additionals),
    ];
    let records = parts.into_iter().flat_map(|(part, records)| {
        records.iter().enumerate().flat_map(move |(index, record)| {
            let own = Place { part, index, in_data: false };
            [Some(own), named(record).map(|_| Place { in_data: true, ..own })]
        })
    });
    questions.chain(records.flatten()).collect()
}

/// The records of a type in EVE's `grouped`; OPT and those without a rendering are not.
pub(super) fn is_grouped(kind: u16) -> bool {
    matches!(
        kind,
        kind::A
            | kind::AAAA
            | kind::CNAME
            | kind::NS
            | kind::PTR
            | kind::MX
            | kind::TXT
            | kind::NULL
            | kind::SOA
            | kind::SRV
            | kind::SSHFP
    )
}
