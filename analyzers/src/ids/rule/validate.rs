//! What can only be told once a whole rule was read.

use super::ast::{
    AppCondition, Compare, Content, Direction, FlowState, Inspection, Match, PacketBuffer,
    PacketCondition, Protocol, Rule, Source, StreamPart, Transform, Value,
};
use super::problem::{Problem, Result, fail};
use crate::app::{AppProto, Buffer, Field, Heading};

/// Checks a rule as a whole, and fills in what follows from its parts.
pub(super) fn validate(rule: &mut Rule, wanted: Vec<(AppProto, String)>) -> Result<()> {
    if rule.sid == 0 {
        fail!("sid is missing or 0");
    }
    protocol(rule, wanted)?;
    headings(rule)?;
    fold_contents(rule);
    for inspection in &rule.inspections {
        let place = |problem: Problem| problem.at(name_of(inspection.source));
        inspection
            .matches
            .iter()
            .try_for_each(|found| match found {
                Match::Content(content) => {
                    check_content(inspection.source, content)?;
                    check_transformed(inspection, content)
                }
                _ => Ok(()),
            })
            .map_err(place)?;
        sizes(&inspection.matches).map_err(place)?;
    }
    payload_size(rule)?;
    packet_bound(rule)?;
    if rule.header.protocol == Protocol::TcpStream && rule.flow.stream == Some(StreamPart::Never) {
        fail!("tcp-stream and no_stream exclude each other");
    }
    if rule.flow.state == Some(FlowState::NotEstablished)
        && rule.app_protocol.is_some()
        && rule.header.protocol == Protocol::TcpStream
    {
        fail!("a stream is established");
    }
    Ok(())
}

fn name_of(source: Source) -> &'static str {
    match source {
        Source::Payload => "payload",
        Source::Packet(_) => "packet header",
        Source::App(buffer) => buffer.keyword(),
        Source::Base64Data => "base64_data",
    }
}

/// Every keyword's protocol must be that of the header and of the others.
fn protocol(rule: &mut Rule, wanted: Vec<(AppProto, String)>) -> Result<()> {
    let mut found = match rule.header.protocol {
        Protocol::App(protocol) => Some(protocol),
        Protocol::PacketHeader
        | Protocol::Icmp
        | Protocol::Icmpv4
        | Protocol::Icmpv6
        | Protocol::Sctp => {
            if let Some((protocol, keyword)) = wanted.first() {
                fail!(
                    "{keyword} is of {}, which the rule's protocol cannot carry",
                    protocol.as_str()
                );
            }
            None
        }
        _ => None,
    };
    for (protocol, keyword) in wanted {
        match found {
            None => found = Some(protocol),
            Some(known) => match narrower(known, protocol) {
                Some(narrower) => found = Some(narrower),
                None => fail!(
                    "{keyword} is of {}, but the rule is of {}",
                    protocol.as_str(),
                    known.as_str()
                ),
            },
        }
    }
    let names_file = |i: &Inspection| i.source == Source::App(Buffer::FileName);
    if found == Some(AppProto::Http2) && rule.inspections.iter().any(names_file) {
        fail!("files of HTTP/2 have no name");
    }
    rule.app_protocol = found;
    Ok(())
}

/// What is true of both: DCE/RPC is also in SMB, and HTTP has versions.
fn narrower(a: AppProto, b: AppProto) -> Option<AppProto> {
    match (a, b) {
        _ if a.covers(b) => Some(b),
        _ if b.covers(a) => Some(a),
        (AppProto::Dcerpc, AppProto::Smb) | (AppProto::Smb, AppProto::Dcerpc) => {
            Some(AppProto::Smb)
        }
        _ => None,
    }
}

/// Where buffers are there in one heading only the rule is of that heading, and `flow` must agree.
fn headings(rule: &mut Rule) -> Result<()> {
    rule.heading = rule.flow.heading;
    if rule.header.direction == Direction::Transaction {
        if rule.flow.heading.is_some() {
            fail!("a rule of transactions (=>) looks at both headings; flow cannot name one");
        }
        return Ok(());
    }
    let mut only: Option<(Heading, &'static str)> = None;
    let buffers = rule.inspections.iter().filter_map(|inspection| match inspection.source {
        Source::App(buffer) => one_heading(buffer).map(|heading| (heading, buffer.keyword())),
        _ => None,
    });
    let fields = rule.app.iter().filter_map(|condition| match condition {
        AppCondition::Number { field: Field::TlsCertChainLen, .. } => Some("tls.cert_chain_len"),
        AppCondition::Number { field: Field::FtpReplyReceived, .. } => Some("ftp.reply_received"),
        AppCondition::CertDate { .. } => Some("a date of a certificate"),
        AppCondition::CertExpired => Some("tls_cert_expired"),
        AppCondition::CertValid => Some("tls_cert_valid"),
        _ => None,
    });
    let fields = fields.map(|name| (Heading::ToClient, name));
    let raw = Source::App(Buffer::HttpHeaderRaw);
    if rule.flow.heading.is_none() && rule.inspections_of(raw).next().is_some() {
        fail!("http.header.raw is of either heading, and flow must say of which");
    }
    for (heading, name) in buffers.chain(fields) {
        match only {
            Some((before, other)) if before != heading => {
                fail!("{other} is only there {}, {name} only {}", before.as_str(), heading.as_str())
            }
            _ => only = Some((heading, name)),
        }
    }
    let Some((heading, name)) = only else { return Ok(()) };
    if rule.flow.heading.is_some_and(|flow| flow != heading) {
        fail!(
            "{name} is only there {}, but flow says {}",
            heading.as_str(),
            heading.opposite().as_str()
        );
    }
    rule.heading = Some(heading);
    Ok(())
}

fn one_heading(buffer: Buffer) -> Option<Heading> {
    match buffer.headings() {
        (true, false) => Some(Heading::ToServer),
        (false, true) => Some(Heading::ToClient),
        _ => None,
    }
}

/// Writes contents as their buffers are written, where Suricata does.
fn fold_contents(rule: &mut Rule) {
    for inspection in &mut rule.inspections {
        let fold: fn(&mut [u8]) = match inspection.source {
            Source::App(Buffer::TlsCertSerial) => <[u8]>::make_ascii_uppercase,
            Source::App(
                Buffer::TlsCertFingerprint
                | Buffer::Ja3Hash
                | Buffer::Ja3sHash
                | Buffer::SshHassh
                | Buffer::SshHasshServer,
            ) => <[u8]>::make_ascii_lowercase,
            _ => continue,
        };
        for found in &mut inspection.matches {
            if let Match::Content(content) = found {
                fold(&mut content.bytes);
            }
        }
    }
}

/// Contents that a transform leaves nowhere.
fn check_transformed(inspection: &Inspection, content: &Content) -> Result<()> {
    let blank = |byte: &u8| byte.is_ascii_whitespace() || *byte == 0x0b;
    let bytes = &*content.bytes;
    for transform in &inspection.transforms {
        let (name, lost) = match transform {
            Transform::ToLowercase => ("to_lowercase", bytes.iter().any(u8::is_ascii_uppercase)),
            Transform::ToUppercase => ("to_uppercase", bytes.iter().any(u8::is_ascii_lowercase)),
            Transform::StripWhitespace => ("strip_whitespace", bytes.iter().any(blank)),
            Transform::CompressWhitespace => {
                let two = bytes.windows(2).any(|pair| pair.iter().all(blank));
                ("compress_whitespace", two)
            }
            _ => continue,
        };
        if lost {
            fail!("what {name} makes never has such a content");
        }
    }
    Ok(())
}

/// Contents that a buffer can never have.
fn check_content(source: Source, content: &Content) -> Result<()> {
    let Source::App(buffer) = source else { return Ok(()) };
    let bytes = &*content.bytes;
    match buffer {
        Buffer::HttpHost if !content.nocase && bytes.iter().any(u8::is_ascii_uppercase) => {
            fail!("it is in small letters; a content with capitals is never in it");
        }
        Buffer::HttpMethod => {
            let blank = |byte: Option<&u8>| byte.is_some_and(|b| *b == b' ' || *b == b'\t');
            if blank(bytes.first()) || blank(bytes.last()) {
                fail!("a method has no blank before or behind it, the content has");
            }
        }
        Buffer::HttpUserAgent if bytes.ends_with(b"\r\n") => {
            fail!("it has no line end, the content has");
        }
        Buffer::Ja3Hash | Buffer::Ja3sHash
            if bytes.len() != 32 || !bytes.iter().all(u8::is_ascii_hexdigit) =>
        {
            fail!("it is an MD5 of 32 digits, the content is not");
        }
        Buffer::TlsCertFingerprint if bytes.len() != 59 || !bytes.contains(&b':') => {
            fail!("it is 59 bytes long with colons, the content is not");
        }
        _ => {}
    }
    Ok(())
}

/// The most that a size may be.
fn upper(compare: &Compare<u64>) -> Option<u64> {
    match *compare {
        Compare::Equal(n) | Compare::LessOrEqual(n) => Some(n),
        Compare::Less(n) | Compare::Between(_, n) => n.checked_sub(1),
        _ => None,
    }
}

/// How many bytes there must be for a content to be found.
fn needed(content: &Content) -> u64 {
    let offset = match content.offset {
        Some(Value::Constant(offset)) if !content.is_relative() => u64::from(offset),
        _ => 0,
    };
    offset + content.bytes.len() as u64
}

fn contents(matches: &[Match]) -> impl Iterator<Item = &Content> {
    matches.iter().filter_map(|found| match found {
        Match::Content(content) if !content.negated => Some(content),
        _ => None,
    })
}

/// A content must fit the size that `bsize` or `urilen` asks for.
fn sizes(matches: &[Match]) -> Result<()> {
    for found in matches {
        let Match::Size(size) = found else { continue };
        let Some(most) = upper(size) else { continue };
        if let Some(content) = contents(matches).find(|content| needed(content) > most) {
            fail!("a content needs {} bytes, but its size must be at most {most}", needed(content));
        }
    }
    Ok(())
}

/// Transactions are of no packet, so what only a packet has cannot be asked for beside them.
fn packet_bound(rule: &Rule) -> Result<()> {
    let of_any = matches!(
        rule.header.protocol,
        Protocol::Ip | Protocol::Ipv4 | Protocol::Ipv6 | Protocol::PacketHeader
    );
    if !of_any && rule.packet.iter().any(|c| matches!(c, PacketCondition::IpProto(_))) {
        fail!("ip_proto is for rules of ip");
    }
    let free = |condition: &&PacketCondition| {
        matches!(
            condition,
            PacketCondition::StreamSize(_)
                | PacketCondition::Checksum(_)
                | PacketCondition::Event(_)
                | PacketCondition::AppProtocol { .. }
                | PacketCondition::Variable { .. }
                | PacketCondition::FtpBounce
                | PacketCondition::IpProto(_)
        )
    };
    let header = |inspection: &Inspection| match inspection.source {
        Source::Packet(part) => {
            !matches!(part, PacketBuffer::IpSource | PacketBuffer::IpDestination)
        }
        _ => false,
    };
    let bound = rule.packet.iter().any(|condition| !free(&condition))
        || rule.inspections.iter().any(header)
        || rule.flow.stream == Some(StreamPart::Never);
    if bound && rule.needs_transaction() {
        fail!(
            "what only a packet has (as dsize, flags, ttl) cannot be asked for beside what a transaction has"
        );
    }
    Ok(())
}

/// A content must fit the payload's size that `dsize` asks for.
fn payload_size(rule: &Rule) -> Result<()> {
    let sizes = rule.packet.iter().filter_map(|condition| match condition {
        PacketCondition::PayloadSize(size) => match *size {
            Compare::Equal(n) => Some(u64::from(n)),
            Compare::Less(n) | Compare::Between(_, n) => Some(u64::from(n).saturating_sub(1)),
            Compare::LessOrEqual(n) => Some(u64::from(n)),
            _ => None,
        },
        _ => None,
    });
    let Some(most) = sizes.min() else { return Ok(()) };
    for inspection in rule.inspections_of(Source::Payload) {
        if let Some(content) = contents(&inspection.matches).find(|content| needed(content) > most)
        {
            fail!("a content needs {} bytes, but dsize allows at most {most}", needed(content));
        }
    }
    Ok(())
}
