//! A message: header, questions, records.

use super::kind;
use super::name::{Name, NameOddities, NameReader};

/// QR
pub(super) const RESPONSE: u16 = 0x8000;
/// The reserved bit.
pub(super) const Z: u16 = 0x0040;
const HEADER_LEN: usize = 12;
/// Less than this no question or record takes.
const ENTRY_MIN_LEN: usize = 2;
/// Records of a message that are kept. In 64 KiB there can be no more with 11 bytes each.
const STRINGS_LIMIT: usize = 32_767;

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// Its name.
    pub name: Name,
    /// Its type.
    pub kind: u16,
}

/// A resource record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Whose it is.
    pub name: Name,
    /// Its type.
    pub kind: u16,
    /// Seconds.
    pub ttl: u32,
    /// What it says.
    pub data: Rdata,
}

/// What a record says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rdata {
    /// A or AAAA, four or sixteen bytes if it is right.
    Address(Vec<u8>),
    /// CNAME, NS, PTR or MX.
    Name(Name),
    /// The strings of TXT, which are logged as a record each.
    Text(Vec<Vec<u8>>),
    /// SOA
    Soa(Soa),
    /// SRV
    Srv(Srv),
    /// SSHFP
    Sshfp(Sshfp),
    /// NULL
    Null(Vec<u8>),
    /// Codes and data of OPT.
    Options(Vec<(u16, Vec<u8>)>),
    /// Of a type that is not looked into.
    Other,
}

/// Start of authority.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Soa {
    /// The primary name server.
    pub mname: Name,
    /// The mailbox of who is responsible.
    pub rname: Name,
    /// Serial, refresh, retry, expire, minimum.
    pub numbers: [u32; 5],
}

/// A service's place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Srv {
    /// Lower first.
    pub priority: u16,
    /// Among those of one priority.
    pub weight: u16,
    /// Where it listens.
    pub port: u16,
    /// On which host.
    pub target: Name,
}

/// A fingerprint of an SSH key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sshfp {
    /// Of the key.
    pub algorithm: u8,
    /// Of the fingerprint.
    pub kind: u8,
    /// The fingerprint.
    pub fingerprint: Vec<u8>,
}

/// What was odd about a message that could be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Oddities {
    pub(super) names: NameOddities,
    pub(super) invalid_authorities: bool,
    pub(super) invalid_additionals: bool,
}

/// A message as far as it is of interest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// What ties responses to requests.
    pub id: u16,
    /// The second word of the header.
    pub flags: u16,
    /// What is asked.
    pub questions: Vec<Question>,
    /// What is answered.
    pub answers: Vec<Record>,
    /// Who would know.
    pub authorities: Vec<Record>,
    /// What else may help.
    pub additionals: Vec<Record>,
    pub(super) oddities: Oddities,
}

impl Message {
    /// `None` where it is malformed.
    pub(super) fn parse(data: &[u8]) -> Option<Self> {
        let header = Header::read(data)?;
        let mut names = NameReader::new(data);
        let mut at = data.get(HEADER_LEN..)?;
        let questions = questions(&mut names, &mut at, header.counts[0])?;
        let answers = records(&mut names, &mut at, header.counts[1])?;
        let mut oddities = Oddities::default();
        // Behind something broken nothing can be found.
        let mut rest = |count, invalid: &mut bool| {
            let found = records(&mut names, &mut at, count);
            *invalid = found.is_none();
            found
        };
        let authorities = rest(header.counts[2], &mut oddities.invalid_authorities);
        let additionals = match authorities {
            Some(_) => rest(header.counts[3], &mut oddities.invalid_additionals),
            None => None,
        };
        oddities.names = names.oddities;
        Some(Self {
            id: header.id,
            flags: header.flags,
            questions,
            answers,
            authorities: authorities.unwrap_or_default(),
            additionals: additionals.unwrap_or_default(),
            oddities,
        })
    }

    /// What is to be done.
    #[must_use]
    pub const fn opcode(&self) -> u8 {
        (self.flags >> 11 & 15) as u8
    }

    /// How it went.
    #[must_use]
    pub const fn rcode(&self) -> u8 {
        (self.flags & 15) as u8
    }
}

struct Header {
    id: u16,
    flags: u16,
    counts: [u16; 4],
}

impl Header {
    fn read(data: &[u8]) -> Option<Self> {
        let mut at = data;
        let mut word = || take_u16(&mut at);
        let (id, flags) = (word()?, word()?);
        Some(Self { id, flags, counts: [word()?, word()?, word()?, word()?] })
    }
}

/// Whether `data` is a message of `len` bytes, or the beginning of one.
pub(super) fn is_plausible(data: &[u8], len: usize) -> bool {
    let Some(header) = Header::read(data) else { return false };
    let entries: usize = header.counts.iter().map(|&count| usize::from(count)).sum();
    if HEADER_LEN + ENTRY_MIN_LEN * entries > len {
        return false;
    }
    let asks = header.counts[0] > 0;
    (asks || header.flags & RESPONSE != 0) && (data.len() < len || Message::parse(data).is_some())
}

fn questions<'m>(
    names: &mut NameReader<'m>,
    at: &mut &'m [u8],
    count: u16,
) -> Option<Vec<Question>> {
    (0..count)
        .map(|_| {
            let name = take_name(names, at)?;
            let kind = take_u16(at)?;
            let _class = take_u16(at)?;
            Some(Question { name, kind })
        })
        .collect()
}

fn records<'m>(names: &mut NameReader<'m>, at: &mut &'m [u8], count: u16) -> Option<Vec<Record>> {
    (0..count)
        .map(|_| {
            let name = take_name(names, at)?;
            let kind = take_u16(at)?;
            let _class = take_u16(at)?;
            let ttl = take_u32(at)?;
            let len = take_u16(at)?;
            let data = rdata(names, kind, take(at, usize::from(len))?)?;
            Some(Record { name, kind, ttl, data })
        })
        .collect()
}

fn rdata<'m>(names: &mut NameReader<'m>, kind: u16, data: &'m [u8]) -> Option<Rdata> {
    let mut at = data;
    Some(match kind {
        kind::A | kind::AAAA => Rdata::Address(data.to_vec()),
        kind::CNAME | kind::NS | kind::PTR => Rdata::Name(take_name(names, &mut at)?),
        kind::MX => {
            let _preference = take_u16(&mut at)?;
            Rdata::Name(take_name(names, &mut at)?)
        }
        kind::TXT => {
            let mut strings = Vec::new();
            while let Some((&len, rest)) = at.split_first() {
                let (string, rest) = rest.split_at_checked(usize::from(len))?;
                if strings.len() < STRINGS_LIMIT {
                    strings.push(string.to_vec());
                }
                at = rest;
            }
            Rdata::Text(strings)
        }
        kind::SOA => {
            let (mname, rname) = (take_name(names, &mut at)?, take_name(names, &mut at)?);
            let mut number = || take_u32(&mut at);
            let numbers = [number()?, number()?, number()?, number()?, number()?];
            Rdata::Soa(Soa { mname, rname, numbers })
        }
        kind::SRV => {
            let mut number = || take_u16(&mut at);
            let (priority, weight, port) = (number()?, number()?, number()?);
            Rdata::Srv(Srv { priority, weight, port, target: take_name(names, &mut at)? })
        }
        kind::SSHFP => match data {
            &[algorithm, kind, ref fingerprint @ ..] => {
                Rdata::Sshfp(Sshfp { algorithm, kind, fingerprint: fingerprint.to_vec() })
            }
            _ => return None,
        },
        kind::NULL => Rdata::Null(data.to_vec()),
        kind::OPT => {
            let mut options = Vec::new();
            while !at.is_empty() {
                let (code, len) = (take_u16(&mut at)?, take_u16(&mut at)?);
                options.push((code, take(&mut at, usize::from(len))?.to_vec()));
            }
            Rdata::Options(options)
        }
        _ => Rdata::Other,
    })
}

fn take_name<'m>(names: &mut NameReader<'m>, at: &mut &'m [u8]) -> Option<Name> {
    let (name, rest) = names.read(at)?;
    *at = rest;
    Some(name)
}

fn take<'m>(at: &mut &'m [u8], len: usize) -> Option<&'m [u8]> {
    let (taken, rest) = at.split_at_checked(len)?;
    *at = rest;
    Some(taken)
}

fn take_u16(at: &mut &[u8]) -> Option<u16> {
    let (&bytes, rest) = at.split_first_chunk()?;
    *at = rest;
    Some(u16::from_be_bytes(bytes))
}

fn take_u32(at: &mut &[u8]) -> Option<u32> {
    let (&bytes, rest) = at.split_first_chunk()?;
    *at = rest;
    Some(u32::from_be_bytes(bytes))
}
