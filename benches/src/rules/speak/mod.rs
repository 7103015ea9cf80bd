//! What a rule wants, said in its protocol.

mod certificate;
mod dns;
mod head;
mod http;
mod lines;
mod raw;
mod smb;
mod tls;

use umbra_analyzers::app::{AppProto, Buffer, Heading};
use umbra_analyzers::ids::rule::ast::{Protocol, Source};

use super::maker::{Maker, Skip, Style};
use super::solve::Cells;
use super::talk::{Step, Talk, Transport};

/// A conversation that has all that the rule wants.
pub(crate) fn talk(maker: &mut Maker<'_>) -> Result<Talk, Skip> {
    match maker.app() {
        Some(AppProto::Http | AppProto::Http1) => http::talk(maker),
        Some(AppProto::Dns) => dns::talk(maker),
        Some(AppProto::Tls) => tls::talk(maker),
        Some(AppProto::Smtp) => lines::smtp(maker),
        Some(AppProto::Ftp) => lines::ftp(maker),
        Some(AppProto::Ssh) => lines::ssh(maker),
        Some(AppProto::Smb) => smb::talk(maker),
        Some(other) => Err(Skip::Protocol(other.as_str())),
        // Of no protocol, but of what a protocol carries.
        None if maker.wants_app(Buffer::FileData) => http::talk(maker),
        None if maker.wants_app(Buffer::DnsQuery) => dns::talk(maker),
        None => raw::talk(maker),
    }
}

/// Whether it goes over TCP, by the rule's protocol; where either will do, it does not.
fn is_tcp(maker: &Maker<'_>) -> bool {
    matches!(maker.rule.header.protocol, Protocol::Tcp | Protocol::TcpPacket | Protocol::TcpStream)
}

fn step(heading: Heading, bytes: impl Into<Vec<u8>>) -> Step {
    Step { heading, bytes: bytes.into() }
}

/// What the rule wants of the packet or stream as such, if `message` has it not yet: bytes to be carried along.
fn missing_payload(maker: &mut Maker<'_>, message: &[u8]) -> Result<Option<Vec<u8>>, Skip> {
    if !maker.wants(Source::Payload) || maker.holds(Source::Payload, message) {
        return Ok(None);
    }
    maker.bytes(Source::Payload, Style::letters())
}

/// The message with what the rule wants of the packet or stream as such written into it, where that can be done
/// without changing what is not soft.
fn written_over(maker: &mut Maker<'_>, message: &[u8]) -> Option<Vec<u8>> {
    maker.bytes(Source::Payload, Style::letters().seeded(Cells::soft(message))).ok().flatten()
}

/// One conversation over TCP.
fn tcp(steps: Vec<Step>) -> Talk {
    Talk::new(Transport::Tcp, steps)
}
