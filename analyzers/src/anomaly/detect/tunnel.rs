//! DNS tunnelling: more information in the names asked of one domain than a name service needs.
//!
//! Paxson et al., "Practical Comprehensive Bounds on Surreptitious Communication Over DNS" (USENIX Security 2013),
//! bound what a client can have sent through a domain by the names it asked for, and find 4 KiB a day
//! exceeded by tunnels and hardly anything else. Here the bound is the characters of names never asked before, each with
//! the entropy of the name's own characters; repeated names carry nothing.

use std::hash::{BuildHasher, Hasher};

use super::{Detection, Seen, half};
use crate::anomaly::hash::{Key, Mixed, mix};
use crate::anomaly::names::Sid;
use crate::anomaly::operation::question;
use crate::anomaly::table::Table;
use crate::decode::Transport;
use crate::events::Evidence;

/// Bytes of information, within a half-life of an hour.
const BYTES: f64 = 4096.0;
const HALF_LIFE_S: f64 = 3600.0;
/// A tunnel's names are long: without this many names a browser asks for add up.
const CHARACTERS: f64 = 20.0;
/// Names are told apart by a bitmap for each domain.
const WORDS: usize = 64;

#[derive(Clone, Debug)]
struct Domain {
    name: String,
    bytes: f64,
    characters: f64,
    names: f64,
    queries: f64,
    last: f64,
    seen: [u64; WORDS],
}

impl Default for Domain {
    fn default() -> Self {
        Self {
            name: String::new(),
            bytes: 0.0,
            characters: 0.0,
            names: 0.0,
            queries: 0.0,
            last: 0.0,
            seen: [0; WORDS],
        }
    }
}

/// Domains by client: about 700 bytes each.
#[derive(Clone, Debug)]
pub(super) struct Tunnels {
    domains: Table<Domain>,
}

impl Tunnels {
    pub(super) fn new(capacity: usize) -> Self {
        Self { domains: Table::new(capacity / 8) }
    }

    pub(super) fn look(&mut self, seen: &Seen<'_>, found: &mut Vec<Detection>) {
        let decoded = &seen.packet.decoded;
        let payload = match &decoded.transport {
            Transport::Udp(udp) if udp.dst_port == 53 => decoded.payload,
            Transport::Tcp(tcp) if tcp.dst_port == 53 => decoded.payload.get(2..).unwrap_or(&[]),
            _ => return,
        };
        // Questions only.
        if payload.get(2).is_none_or(|flags| flags & 0x80 != 0) {
            return;
        }
        let Some((_, end)) = question(payload) else { return };
        let Some(name) = name(payload, end) else { return };
        let base = psl::domain_str(&name).unwrap_or(&name);
        let sub = name.strip_suffix(base).unwrap_or("").trim_end_matches('.');
        let client = seen.keys.source.key();
        let key = Key::new(client, hash(base)).get();
        let (domain, new) = self.domains.entry(key);
        if new {
            base.clone_into(&mut domain.name);
        }
        let kept = half(seen.now - domain.last, HALF_LIFE_S);
        for sum in
            [&mut domain.bytes, &mut domain.characters, &mut domain.names, &mut domain.queries]
        {
            *sum *= kept;
        }
        if kept < 0.5 {
            domain.seen = [0; WORDS];
        }
        domain.last = seen.now;
        domain.queries += seen.weight;
        let bit = mix(hash(sub)) as usize % (WORDS * 64);
        let Some(word) = domain.seen.get_mut(bit / 64) else { return };
        if sub.is_empty() || *word >> (bit % 64) & 1 != 0 {
            return;
        }
        *word |= 1 << (bit % 64);
        // A full bitmap tells nothing apart any more.
        if domain.seen.iter().map(|word| word.count_ones()).sum::<u32>() as usize > WORDS * 32 {
            domain.seen = [0; WORDS];
        }
        let characters = sub.len() as f64;
        domain.names += seen.weight;
        domain.characters += seen.weight * characters;
        domain.bytes += seen.weight * characters * entropy(sub) / 8.0;
        let mean = domain.characters / domain.names.max(1e-9);
        if domain.bytes < BYTES || mean < CHARACTERS {
            return;
        }
        found.push(Detection {
            sid: Sid::DnsTunnel,
            about: key,
            evidence: vec![
                Evidence::new("client", seen.keys.source.to_string()),
                Evidence::new("domain", domain.name.clone()),
                Evidence::new("information_bytes", domain.bytes.round()),
                Evidence::new("different_names", domain.names.round()),
                Evidence::new("queries", domain.queries.round()),
                Evidence::new("mean_name_length", mean),
            ],
        });
        domain.bytes = 0.0;
    }
}

/// A name in lower case, with what is not printed of one replaced.
fn name(payload: &[u8], end: usize) -> Option<String> {
    let mut text = String::with_capacity(end.saturating_sub(12));
    let mut at = 12;
    while at < end {
        let length = usize::from(*payload.get(at)?);
        if !text.is_empty() {
            text.push('.');
        }
        for byte in payload.get(at + 1..at + 1 + length)? {
            let printed = byte.is_ascii_graphic() && *byte != b'.' && *byte != b',';
            text.push(if printed { char::from(byte.to_ascii_lowercase()) } else { '?' });
        }
        at += 1 + length;
    }
    (!text.is_empty()).then_some(text)
}

fn hash(text: &str) -> u64 {
    let mut hasher = Mixed.build_hasher();
    hasher.write(text.as_bytes());
    hasher.finish()
}

/// Bits per character.
fn entropy(text: &str) -> f64 {
    let mut counts = [0u32; 256];
    for byte in text.bytes() {
        counts[usize::from(byte)] += 1;
    }
    let all = text.len().max(1) as f64;
    let bits = |count: &u32| {
        let p = f64::from(*count) / all;
        -p * p.log2()
    };
    counts.iter().filter(|count| **count > 0).map(bits).sum()
}
