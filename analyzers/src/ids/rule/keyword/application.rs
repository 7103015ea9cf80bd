//! What application layers, transactions and files must be.

use std::sync::Arc;

use super::super::ast::{
    AppCondition, CertDate, Compare, DceInterface, FastPattern, FileDigests, HashKind, Match,
    PacketCondition, Protocol, Source, SslState, TlsVersions,
};
use super::super::builder::Builder;
use super::super::number::{compare, compare_with, unsigned, within};
use super::super::problem::{Problem, Result, fail, unsupported};
use super::super::split::{quoted, unquoted};
use super::content::{new_content, widen};
use super::{Keyword, events, known, nothing, perhaps, value};
use crate::app::{AppProto, Buffer, Field};

pub(super) const KEYWORDS: &[Keyword] = &[
    value("app-layer-event", app_layer_event),
    value("app-layer-protocol", app_layer_protocol),
    value("dns.opcode", |b, v| number::<u8>(b, v, AppProto::Dns, Field::DnsOpcode, opcode)),
    value("dns.rcode", |b, v| number::<u16>(b, v, AppProto::Dns, Field::DnsRcode, rcode)),
    value("dns.rrtype", |b, v| number::<u16>(b, v, AppProto::Dns, Field::DnsRrtype, rrtype)),
    value("tls.cert_chain_len", |b, v| {
        number::<u32>(b, v, AppProto::Tls, Field::TlsCertChainLen, |_| None)
    }),
    value("ftp.dynamic_port", |b, v| {
        number::<u16>(b, v, AppProto::Ftp, Field::FtpDynamicPort, |_| None)
    }),
    value("ftp.reply_received", |b, v| {
        let answer = match unquoted(v)?.to_ascii_lowercase().as_str() {
            "yes" | "true" | "1" | "on" => 1,
            "no" | "false" | "0" | "off" => 0,
            other => fail!("{other:?} must be yes or no"),
        };
        b.want(AppProto::Ftp);
        let any_of = vec![Compare::Equal(answer)];
        b.app(AppCondition::Number { field: Field::FtpReplyReceived, any_of });
        Ok(())
    }),
    value("smb.version", |b, v| {
        b.want(AppProto::Smb);
        let version = within("the version", unquoted(v)?, 1u64, 2)?;
        let any_of = vec![Compare::Equal(version)];
        b.app(AppCondition::Number { field: Field::SmbVersion, any_of });
        Ok(())
    }),
    value("dcerpc.opnum", opnum),
    value("dce_opnum", opnum),
    value("dcerpc.iface", iface),
    value("dce_iface", iface),
    value("ssl_state", ssl_state),
    value("ssl_version", |b, v| tls_versions(b, v, "sslv", "tls")),
    value("tls.version", |b, v| tls_versions(b, v, "", "")),
    value("tls_cert_notbefore", |b, v| cert_date(b, v, CertDate::NotBefore)),
    value("tls_cert_notafter", |b, v| cert_date(b, v, CertDate::NotAfter)),
    nothing("tls_cert_expired", |b, _| {
        b.want(AppProto::Tls);
        b.app(AppCondition::CertExpired);
        Ok(())
    }),
    nothing("tls_cert_valid", |b, _| {
        b.want(AppProto::Tls);
        b.app(AppCondition::CertValid);
        Ok(())
    }),
    perhaps("tls.subject", |b, v| text(b, v, Buffer::TlsCertSubject, Some(AppProto::Tls), as_is)),
    perhaps("tls.issuerdn", |b, v| text(b, v, Buffer::TlsCertIssuer, Some(AppProto::Tls), as_is)),
    value("tls.fingerprint", |b, v| {
        text(b, v, Buffer::TlsCertFingerprint, Some(AppProto::Tls), whole)
    }),
    perhaps("filename", |b, v| text(b, v, Buffer::FileName, None, any_case)),
    value("fileext", file_extension),
    perhaps("ftpdata_command", ftpdata_command),
    value("filesize", |b, v| {
        let size = compare(unquoted(v)?)?;
        b.app(AppCondition::FileSize(size));
        Ok(())
    }),
    perhaps("filestore", filestore),
    value("filemd5", |b, v| file_hash(b, v, HashKind::Md5)),
    value("filesha1", |b, v| file_hash(b, v, HashKind::Sha1)),
    value("filesha256", |b, v| file_hash(b, v, HashKind::Sha256)),
];

fn app_layer_event(b: &mut Builder<'_>, value: &str) -> Result<()> {
    let name = unquoted(value)?.trim();
    let plain = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'_' || c == b'.';
    if name.is_empty() || !name.bytes().all(plain) {
        fail!("{name:?} is no name of an event");
    }
    match name.split_once('.') {
        None if known::LAYER_EVENTS.contains(&name) => {}
        None => {
            fail!("{name:?} must be protocol.event, or one of {}", known::LAYER_EVENTS.join(" "))
        }
        Some((protocol, event)) if !event.is_empty() => match protocol_of_event(protocol) {
            Some(protocol) => match events::known(protocol, event) {
                events::Known::Raised => b.want(protocol),
                events::Known::NotRaised => unsupported!("the event {name}"),
                events::Known::No => {
                    return Err(Problem::Skipped(format!("Suricata 8 has no event {name:?}")));
                }
            },
            None if known::app_protocol_is_known(protocol) => {
                unsupported!("events of the protocol {protocol}")
            }
            None => fail!("there is no protocol {protocol:?}"),
        },
        Some(_) => fail!("the event is missing"),
    }
    // Both of HTTP/1's names mean the same.
    let name = match name.strip_prefix("http1.") {
        Some(event) => format!("http.{event}"),
        None => name.to_owned(),
    };
    b.app(AppCondition::Event(name.into()));
    Ok(())
}

/// Whose event it is by what stands before its dot.
fn protocol_of_event(name: &str) -> Option<AppProto> {
    match known::app_protocol(name) {
        Some(AppProto::Http) => Some(AppProto::Http1),
        known => known,
    }
}

fn app_layer_protocol(b: &mut Builder<'_>, value: &str) -> Result<()> {
    let value = unquoted(value)?;
    let (name, mode) =
        value.split_once(',').map_or((value, ""), |(name, mode)| (name, mode.trim()));
    let (name, negated) = match name.trim().strip_prefix('!') {
        Some(name) => (name.trim(), true),
        None => (name.trim(), false),
    };
    if !matches!(mode, "" | "final" | "either" | "to_server" | "to_client" | "original") {
        fail!("{mode:?} must be final, either, to_server, to_client or original");
    }
    let (protocol, failed) = match name {
        "failed" => (None, true),
        "unknown" => (None, false),
        name => match known::app_protocol(name) {
            Some(protocol) => (Some(protocol), false),
            None if known::app_protocol_is_known(name) => unsupported!("the protocol {name}"),
            None => fail!("there is no protocol {name:?}"),
        },
    };
    let known = |condition: &PacketCondition| {
        matches!(condition, PacketCondition::AppProtocol { negated: false, .. })
    };
    if matches!(b.rule.header.protocol, Protocol::App(_))
        || !b.wanted.is_empty()
        || b.rule.packet.iter().any(known)
    {
        fail!("the rule's header or a keyword before it says the protocol already");
    }
    if negated && name == "unknown" {
        fail!("unknown cannot be negated");
    }
    let mode = mode.into();
    b.packet(PacketCondition::AppProtocol { protocol, failed, negated, mode });
    Ok(())
}

fn number<T: super::super::number::Number + Into<u64>>(
    b: &mut Builder<'_>,
    value: &str,
    protocol: AppProto,
    field: Field,
    name: fn(&str) -> Option<u16>,
) -> Result<()> {
    let read = |text: &str| {
        let word = text.trim();
        let number = unsigned(word).or_else(|| name(&word.to_ascii_uppercase()).map(u64::from));
        match number.and_then(|n| T::try_from(n).ok()) {
            Some(n) => Ok(n),
            None => fail!("{word:?} must be a number from 0 to {} or a name", T::MAX),
        }
    };
    let compare: Compare<T> = compare_with(unquoted(value)?, read)?;
    b.want(protocol);
    b.app(AppCondition::Number { field, any_of: vec![widen(compare)] });
    Ok(())
}

fn opcode(name: &str) -> Option<u16> {
    Some(match name {
        "QUERY" => 0,
        "IQUERY" => 1,
        "STATUS" => 2,
        "NOTIFY" => 4,
        "UPDATE" => 5,
        _ => return None,
    })
}

fn rcode(name: &str) -> Option<u16> {
    let names = [
        "NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED", "YXDOMAIN", "YXRRSET",
        "NXRRSET", "NOTAUTH", "NOTZONE",
    ];
    match name {
        "BADVERS" | "BADSIG" => Some(16),
        "BADKEY" => Some(17),
        "BADTIME" => Some(18),
        "BADMODE" => Some(19),
        "BADNAME" => Some(20),
        "BADALG" => Some(21),
        "BADTRUNC" => Some(22),
        name => names.iter().position(|known| *known == name).and_then(|at| u16::try_from(at).ok()),
    }
}

fn rrtype(name: &str) -> Option<u16> {
    const TYPES: [(&str, u16); 50] = [
        ("A", 1),
        ("NS", 2),
        ("MD", 3),
        ("MF", 4),
        ("CNAME", 5),
        ("SOA", 6),
        ("MB", 7),
        ("MG", 8),
        ("MR", 9),
        ("NULL", 10),
        ("WKS", 11),
        ("PTR", 12),
        ("HINFO", 13),
        ("MINFO", 14),
        ("MX", 15),
        ("TXT", 16),
        ("RP", 17),
        ("AFSDB", 18),
        ("X25", 19),
        ("ISDN", 20),
        ("RT", 21),
        ("NSAP", 22),
        ("NSAPPTR", 23),
        ("SIG", 24),
        ("KEY", 25),
        ("PX", 26),
        ("GPOS", 27),
        ("AAAA", 28),
        ("LOC", 29),
        ("NXT", 30),
        ("SRV", 33),
        ("ATMA", 34),
        ("NAPTR", 35),
        ("KX", 36),
        ("CERT", 37),
        ("A6", 38),
        ("DNAME", 39),
        ("OPT", 41),
        ("APL", 42),
        ("DS", 43),
        ("SSHFP", 44),
        ("RRSIG", 46),
        ("NSEC", 47),
        ("DNSKEY", 48),
        ("NSEC3", 50),
        ("TLSA", 52),
        ("HTTPS", 65),
        ("SPF", 99),
        ("ANY", 255),
        ("URI", 256),
    ];
    TYPES.iter().find(|(known, _)| *known == name).map(|(_, number)| *number)
}

fn opnum(b: &mut Builder<'_>, value: &str) -> Result<()> {
    let mut any_of = Vec::new();
    for part in unquoted(value)?.split(',') {
        let number = |text: &str| within("the number", text, 0u16, u16::MAX).map(u64::from);
        any_of.push(match part.trim().split_once('-') {
            Some((low, high)) => {
                let (low, high) = (number(low)?, number(high)?);
                if low > high {
                    fail!("the range {} ends before it begins", part.trim());
                }
                match low.checked_sub(1) {
                    Some(below) => Compare::Between(below, high + 1),
                    None => Compare::LessOrEqual(high),
                }
            }
            None => Compare::Equal(number(part)?),
        });
    }
    b.want(AppProto::Dcerpc);
    b.app(AppCondition::Number { field: Field::DceOpnum, any_of });
    Ok(())
}

fn iface(b: &mut Builder<'_>, value: &str) -> Result<()> {
    let mut parts = unquoted(value)?.split(',').map(str::trim);
    let text = parts.next().unwrap_or("");
    let Some(uuid) = uuid(text) else {
        fail!("{text:?} must be a UUID such as 367abb81-9844-35f1-ad32-98f038001003");
    };
    let (mut version, mut any_fragment) = (None, false);
    for part in parts {
        if part == "any_frag" && !any_fragment {
            any_fragment = true;
            continue;
        }
        let signed = part.starts_with(['<', '>', '=', '!']) && !part.starts_with("!=");
        if version.is_some() || any_fragment || !signed {
            fail!("{part:?} must be a version with <, >, = or ! before, or any_frag behind it");
        }
        version = Some(compare(part)?);
    }
    b.want(AppProto::Dcerpc);
    b.app(AppCondition::DceInterface(DceInterface { uuid, version, any_fragment }));
    Ok(())
}

fn uuid(text: &str) -> Option<[u8; 16]> {
    let lens: Vec<usize> = text.split('-').map(str::len).collect();
    if lens != [8, 4, 4, 4, 12] {
        return None;
    }
    let digits: Vec<u8> = text
        .chars()
        .filter(|c| *c != '-')
        .map(|c| c.to_digit(16).and_then(|d| u8::try_from(d).ok()))
        .collect::<Option<_>>()?;
    let mut uuid = [0; 16];
    for (byte, pair) in uuid.iter_mut().zip(digits.chunks_exact(2)) {
        if let [high, low] = pair {
            *byte = high << 4 | low;
        }
    }
    Some(uuid)
}

fn ssl_state(b: &mut Builder<'_>, value: &str) -> Result<()> {
    let mut state = SslState::default();
    for word in unquoted(value)?.split([',', '|']).map(str::trim) {
        let (word, wanted) = match word.strip_prefix('!') {
            Some(word) => (word.trim(), false),
            None => (word, true),
        };
        let place = match word {
            "client_hello" => &mut state.client_hello,
            "server_hello" => &mut state.server_hello,
            "client_keyx" => &mut state.client_keyx,
            "server_keyx" => &mut state.server_keyx,
            "unknown" => &mut state.unknown,
            other => fail!(
                "{other:?} must be client_hello, server_hello, client_keyx, server_keyx or unknown"
            ),
        };
        if place.replace(wanted).is_some() {
            fail!("{word} stands twice");
        }
    }
    b.want(AppProto::Tls);
    b.app(AppCondition::SslState(state));
    Ok(())
}

fn tls_versions(b: &mut Builder<'_>, value: &str, ssl: &str, tls: &str) -> Result<()> {
    let mut versions = TlsVersions::default();
    for word in unquoted(value)?.split(',').map(str::trim) {
        let (word, wanted) = match word.strip_prefix('!') {
            Some(word) => (word.trim(), false),
            None => (word, true),
        };
        let lower = word.to_ascii_lowercase();
        let number = if let Some(number) = lower.strip_prefix(ssl).filter(|_| !ssl.is_empty()) {
            match number {
                "2" => Some(0x0002),
                "3" => Some(0x0300),
                _ => None,
            }
        } else {
            match lower.strip_prefix(tls) {
                Some("1.0") => Some(0x0301),
                Some("1.1") => Some(0x0302),
                Some("1.2") => Some(0x0303),
                Some("1.3") => Some(0x0304),
                Some(raw) if raw.starts_with("0x") => {
                    unsigned(raw).and_then(|n| u16::try_from(n).ok())
                }
                _ => None,
            }
        };
        let Some(number) = number else {
            fail!(
                "{word:?} is no version such as {ssl}{}",
                if tls.is_empty() { "1.2" } else { "3 or tls1.2" }
            );
        };
        if wanted { versions.any_of.push(number) } else { versions.none_of.push(number) }
    }
    b.want(AppProto::Tls);
    b.app(AppCondition::TlsVersion(versions));
    Ok(())
}

fn cert_date(b: &mut Builder<'_>, value: &str, end: CertDate) -> Result<()> {
    let value = unquoted(value)?.trim();
    let compare = match value.split_once("<>") {
        Some((low, high)) => {
            let (low, high) = (date(low)?, date(high)?);
            if low >= high {
                fail!("the first date must be before the second");
            }
            Compare::Between(low, high)
        }
        None => match value.strip_prefix('<') {
            Some(rest) => Compare::Less(date(rest)?),
            None => match value.strip_prefix('>') {
                Some(rest) => Compare::Greater(date(rest)?),
                None => Compare::Equal(date(value)?),
            },
        },
    };
    b.want(AppProto::Tls);
    b.app(AppCondition::CertDate { end, compare });
    Ok(())
}

/// `2024`, `2024-05`, `2024-05-06`, `2024-05-06 07`, `…T07:08:09`: seconds since 1970, in UTC.
fn date(text: &str) -> Result<u64> {
    let text = text.trim();
    let bad = || Problem::Failed(format!("{text:?} must be a date such as 2024-05-06 07:08:09"));
    let mut fields = [1970u64, 1, 1, 0, 0, 0];
    let mut parts = text.split(['-', ' ', 'T', ':']);
    for field in &mut fields {
        let Some(part) = parts.next() else { break };
        *field = unsigned(part).filter(|_| part.len() <= 4).ok_or_else(bad)?;
    }
    let [year, month, day, hour, minute, second] = fields;
    let legal = (1970..=9999).contains(&year)
        && (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && hour < 24
        && minute < 60
        && second < 61;
    if !legal || parts.next().is_some() {
        return Err(bad());
    }
    // Days since 1970 of a civil date: years that begin in March, so that leap days are last.
    let (y, m) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1;
    Ok((days - 719_468) * 86_400 + hour * 3600 + minute * 60 + second)
}

fn as_is(_: &mut super::super::ast::Content) {}

fn any_case(content: &mut super::super::ast::Content) {
    content.nocase = true;
}

fn whole(content: &mut super::super::ast::Content) {
    content.nocase = true;
    content.endswith = true;
    content.startswith = true;
    content.offset = Some(super::super::ast::Value::Constant(0));
    content.depth = u16::try_from(content.bytes.len()).ok().map(super::super::ast::Value::Constant);
}

/// Keywords that are a content in a buffer of their own; without a value they are the buffer.
fn text(
    b: &mut Builder<'_>,
    value: &str,
    buffer: Buffer,
    protocol: Option<AppProto>,
    shape: fn(&mut super::super::ast::Content),
) -> Result<()> {
    if value.is_empty() {
        return b.open(Source::App(buffer));
    }
    let (text, negated) = match value.strip_prefix('!') {
        Some(rest) if !rest.trim_start().starts_with('"') => (rest.trim(), true),
        _ if value.starts_with(['"', '!']) => quoted(value)?,
        _ => (value, false),
    };
    let mut content = new_content(text, negated)?;
    shape(&mut content);
    if let Some(protocol) = protocol {
        b.want(protocol);
    }
    b.add_to(Source::App(buffer), Match::Content(content));
    Ok(())
}

/// The name ends with a dot and this.
fn file_extension(b: &mut Builder<'_>, value: &str) -> Result<()> {
    let (text, negated) = match value.strip_prefix('!') {
        Some(rest) => (unquoted(rest.trim())?, true),
        None => (unquoted(value)?, false),
    };
    let mut content = new_content(&format!(".{text}"), negated)?;
    content.nocase = true;
    content.endswith = true;
    b.add_to(Source::App(Buffer::FileName), Match::Content(content));
    Ok(())
}

fn ftpdata_command(b: &mut Builder<'_>, value: &str) -> Result<()> {
    b.want(AppProto::FtpData);
    let command = match unquoted(value)? {
        "retr" => "RETR",
        "stor" => "STOR",
        other => fail!("{other:?} must be retr or stor"),
    };
    let mut content = new_content(command, false)?;
    whole(&mut content);
    content.fast_pattern = None::<FastPattern>;
    b.add_to(Source::App(Buffer::FtpdataCommand), Match::Content(content));
    Ok(())
}

fn filestore(b: &mut Builder<'_>, value: &str) -> Result<()> {
    b.once("filestore")?;
    let mut parts = unquoted(value)?.split(',').map(str::trim).filter(|part| !part.is_empty());
    if let Some(side) = parts.next()
        && !matches!(
            side,
            "request"
                | "to_server"
                | "response"
                | "to_client"
                | "both"
                | "file"
                | "tx"
                | "flow"
                | "ssn"
        )
    {
        fail!("{side:?} must be request, response or both, and file, tx or flow behind it");
    }
    if let Some(scope) = parts.next()
        && !matches!(scope, "file" | "tx" | "ssn" | "flow")
    {
        fail!("{scope:?} must be file, tx or flow");
    }
    if parts.next().is_some() {
        fail!("there may be two options");
    }
    b.rule.filestore = Some(super::super::text::readable(value));
    Ok(())
}

/// Largest list of hashes that is read, bytes.
const MAX_LIST: u64 = 256 << 20;

fn file_hash(b: &mut Builder<'_>, value: &str, kind: HashKind) -> Result<()> {
    let (name, negated) = match unquoted(value)?.strip_prefix('!') {
        Some(name) => (name.trim(), true),
        None => (unquoted(value)?, false),
    };
    let len = match kind {
        HashKind::Md5 => 32,
        HashKind::Sha1 => 40,
        HashKind::Sha256 => 64,
    };
    let path = match b.folder {
        Some(folder) => folder.join(name),
        None => std::path::PathBuf::from(name),
    };
    match std::fs::metadata(&path) {
        Ok(meta) if meta.is_file() && meta.len() <= MAX_LIST => {}
        Ok(_) => fail!("the list {} is no file of at most {MAX_LIST} bytes", path.display()),
        Err(error) => fail!("the list {} cannot be read: {error}", path.display()),
    }
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) => fail!("the list {} cannot be read: {error}", path.display()),
    };
    let mut list = FileDigests::default();
    for (line, number) in text.lines().zip(1u32..) {
        let word = line.split(|c: char| c.is_whitespace() || c == ',').next().unwrap_or("");
        if word.is_empty() || word.starts_with('#') {
            continue;
        }
        let digits: Option<Vec<u8>> =
            word.chars().map(|c| c.to_digit(16).and_then(|d| u8::try_from(d).ok())).collect();
        let Some(digits) = digits.filter(|digits| digits.len() == len) else {
            fail!("{}:{number}: {word:?} is no hash of {len} digits", path.display());
        };
        let pairs = digits.chunks_exact(2);
        let hash = pairs.map(|pair| pair.iter().fold(0u8, |byte, digit| byte << 4 | digit));
        list.digests.insert(hash.collect());
    }
    b.app(AppCondition::FileHash { kind, negated, list: Arc::new(list) });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_seconds_since_1970() {
        assert_eq!(date("1970").unwrap(), 0);
        assert_eq!(date("2000-03-01").unwrap(), 951_868_800);
        assert_eq!(date("2024-02-29T12:34:56").unwrap(), 1_709_210_096);
        for bad in ["", "1969", "2024-13", "2024-1-32", "x", "2024-01-01 25", "2024-1-1-1-1-1-1"] {
            assert!(date(bad).is_err(), "{bad}");
        }
    }
}
