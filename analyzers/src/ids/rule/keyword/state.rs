//! What is remembered, and how often there is an alert.

use super::super::ast::{
    BitOperation, DetectionFilter, FlowBits, FlowInt, FlowIntOperand, FlowIntOperation, HostBits,
    HostSide, PacketCondition, StateOperation, Tag, TagKind, TagMetric, Threshold, ThresholdKind,
    Track, XBits, XTrack,
};
use super::super::builder::Builder;
use super::super::number::{unsigned, within};
use super::super::problem::{Result, fail};
use super::super::split::{content_bytes, unquoted};
use super::super::text::readable;
use super::{Keyword, value};

pub(super) const KEYWORDS: &[Keyword] = &[
    value("flowbits", flowbits),
    value("flowint", flowint),
    value("xbits", xbits),
    value("hostbits", hostbits),
    value("flowvar", |b, v| variable(b, v, true)),
    value("pktvar", |b, v| variable(b, v, false)),
    value("threshold", threshold),
    value("detection_filter", detection_filter),
    value("tag", tag),
];

fn operation(word: &str) -> Result<BitOperation> {
    Ok(match word {
        "set" => BitOperation::Set,
        "unset" => BitOperation::Unset,
        "toggle" => BitOperation::Toggle,
        "isset" => BitOperation::IsSet,
        "isnotset" => BitOperation::IsNotSet,
        other => fail!("{other:?} must be set, unset, toggle, isset, isnotset or noalert"),
    })
}

fn name_of(name: &str) -> Result<Box<str>> {
    let name = name.trim();
    if name.is_empty() || name.contains(|c: char| c.is_whitespace() || c == ',') {
        fail!("{name:?} is no name");
    }
    Ok(readable(name))
}

fn flowbits(b: &mut Builder<'_>, value: &str) -> Result<()> {
    let value = unquoted(value)?;
    let (word, names) = value.split_once(',').unwrap_or((value, ""));
    let (word, names) = (word.trim(), names.trim());
    if word == "noalert" {
        if !names.is_empty() {
            fail!("nothing may stand behind noalert");
        }
        b.rule.noalert = true;
        return Ok(());
    }
    let operation = operation(word)?;
    if names.is_empty() {
        fail!("{word} needs a name");
    }
    if names.contains('|') && !operation.is_check() {
        fail!("{word} is of one name, only isset and isnotset know |");
    }
    let names = names.split('|').map(name_of).collect::<Result<Vec<_>>>()?;
    b.rule.state.push(StateOperation::FlowBits(FlowBits { operation, names }));
    Ok(())
}

fn flowint(b: &mut Builder<'_>, value: &str) -> Result<()> {
    let mut parts = unquoted(value)?.split(',').map(str::trim);
    let name = name_of(parts.next().unwrap_or(""))?;
    let sign = parts.next().unwrap_or("");
    let operand = parts.next();
    if parts.next().is_some() {
        fail!("must be name,operation,value");
    }
    let made: fn(FlowIntOperand) -> FlowIntOperation = match sign {
        "isset" | "notset" | "isnotset" => {
            if operand.is_some() {
                fail!("nothing may stand behind {sign}");
            }
            let operation =
                if sign == "isset" { FlowIntOperation::IsSet } else { FlowIntOperation::IsNotSet };
            b.rule.state.push(StateOperation::FlowInt(FlowInt { name, operation }));
            return Ok(());
        }
        "+" => FlowIntOperation::Add,
        "-" => FlowIntOperation::Subtract,
        "=" => FlowIntOperation::Set,
        "<" => FlowIntOperation::Less,
        "<=" => FlowIntOperation::LessOrEqual,
        "==" => FlowIntOperation::Equal,
        "!=" => FlowIntOperation::NotEqual,
        ">=" => FlowIntOperation::GreaterOrEqual,
        ">" => FlowIntOperation::Greater,
        other => fail!("{other:?} must be one of + - = < <= == != >= > isset notset"),
    };
    let operand = match operand {
        Some(text) if text.starts_with(|c: char| c.is_ascii_digit()) => {
            FlowIntOperand::Number(within("the value", text, 0, u32::MAX)?)
        }
        Some(text) => FlowIntOperand::Name(name_of(text)?),
        None => fail!("the value is missing"),
    };
    b.rule.state.push(StateOperation::FlowInt(FlowInt { name, operation: made(operand) }));
    Ok(())
}

/// Seconds that an xbit stays set where the rule says nothing.
const XBIT_EXPIRE_S: u32 = 30;

fn xbits(b: &mut Builder<'_>, value: &str) -> Result<()> {
    let mut parts = unquoted(value)?.split(',').map(str::trim);
    let word = parts.next().unwrap_or("");
    if word == "noalert" {
        b.rule.noalert = true;
        return Ok(());
    }
    let operation = operation(word)?;
    let name = name_of(parts.next().unwrap_or(""))?;
    let (mut track, mut expire_s) = (None, XBIT_EXPIRE_S);
    for part in parts {
        match part.split_once(char::is_whitespace) {
            Some(("track", by)) => {
                track = Some(match by.trim() {
                    "ip_src" => XTrack::IpSource,
                    "ip_dst" => XTrack::IpDestination,
                    "ip_pair" => XTrack::IpPair,
                    "tx" => XTrack::Transaction,
                    other => fail!("track is {other:?}, must be ip_src, ip_dst, ip_pair or tx"),
                });
            }
            Some(("expire", n)) => expire_s = within("expire", n, 1, u32::MAX)?,
            _ => fail!("{part:?} must be track T or expire N"),
        }
    }
    let Some(track) = track else { fail!("track is missing") };
    b.rule.state.push(StateOperation::XBits(XBits { operation, name, track, expire_s }));
    Ok(())
}

fn hostbits(b: &mut Builder<'_>, value: &str) -> Result<()> {
    let mut parts = unquoted(value)?.split(',').map(str::trim);
    let word = parts.next().unwrap_or("");
    if word == "noalert" {
        if parts.next().is_some() {
            fail!("nothing may stand behind noalert");
        }
        b.rule.noalert = true;
        return Ok(());
    }
    let operation = operation(word)?;
    let name = name_of(parts.next().unwrap_or(""))?;
    let side = match parts.next() {
        None | Some("src") => HostSide::Source,
        Some("dst") => HostSide::Destination,
        Some("both") => HostSide::Both,
        Some(other) => fail!("{other:?} must be src, dst or both"),
    };
    b.rule.state.push(StateOperation::HostBits(HostBits { operation, name, side }));
    Ok(())
}

fn variable(b: &mut Builder<'_>, value: &str, of_flow: bool) -> Result<()> {
    let Some((name, value)) = value.split_once(',') else { fail!("must be name,\"value\"") };
    let name = name_of(name)?;
    let value = content_bytes(unquoted(value.trim())?)?;
    b.packet(PacketCondition::Variable { of_flow, name, value });
    Ok(())
}

fn track(word: &str) -> Result<Track> {
    Ok(match word.trim() {
        "by_src" => Track::BySource,
        "by_dst" => Track::ByDestination,
        "by_both" => Track::ByBoth,
        "by_rule" => Track::ByRule,
        "by_flow" => Track::ByFlow,
        other => fail!("track is {other:?}, must be by_src, by_dst, by_both, by_rule or by_flow"),
    })
}

/// `type limit, track by_src, count 1, seconds 60`, in any order, here and in `threshold.config`.
pub(in super::super) fn read_threshold(value: &str) -> Result<Threshold> {
    let [mut kind, mut by, mut count, mut seconds, mut multiplier] = [None; 5];
    for part in value.split(',').map(str::trim) {
        let Some((key, rest)) = part.split_once(char::is_whitespace) else {
            fail!("{part:?} must be a name and a value");
        };
        let place = match key {
            "type" => &mut kind,
            "track" => &mut by,
            "count" => &mut count,
            "seconds" => &mut seconds,
            "multiplier" => &mut multiplier,
            other => fail!("there is no option {other:?}"),
        };
        if place.replace(rest.trim()).is_some() {
            fail!("{key} stands twice");
        }
    }
    let (Some(kind), Some(by), Some(count)) = (kind, by, count) else {
        fail!("type, track, count and seconds must be there");
    };
    let kind = match (kind, multiplier) {
        ("backoff", Some(n)) => {
            ThresholdKind::Backoff { multiplier: within("multiplier", n, 2, u32::MAX)? }
        }
        ("backoff", None) => fail!("backoff needs multiplier"),
        (_, Some(_)) => fail!("only backoff has a multiplier"),
        ("limit", None) => ThresholdKind::Limit,
        ("threshold", None) => ThresholdKind::Threshold,
        ("both", None) => ThresholdKind::Both,
        (other, None) => fail!("the type {other:?} must be limit, threshold, both or backoff"),
    };
    let backoff = matches!(kind, ThresholdKind::Backoff { .. });
    let track = track(by)?;
    if backoff && (track != Track::ByFlow || seconds.is_some()) {
        fail!("backoff is tracked by_flow and has no seconds");
    }
    let count = within("count", count, 1, u32::MAX)?;
    let seconds = match seconds {
        Some(seconds) => within("seconds", seconds, 1, u32::MAX)?,
        None if backoff => 0,
        None => fail!("type, track, count and seconds must be there"),
    };
    Ok(Threshold { kind, track, count, seconds })
}

fn threshold(b: &mut Builder<'_>, value: &str) -> Result<()> {
    b.once("threshold")?;
    if b.rule.detection_filter.is_some() {
        fail!("it cannot stand with detection_filter");
    }
    b.rule.threshold = Some(read_threshold(unquoted(value)?)?);
    Ok(())
}

fn detection_filter(b: &mut Builder<'_>, value: &str) -> Result<()> {
    b.once("detection_filter")?;
    if b.rule.threshold.is_some() {
        fail!("it cannot stand with threshold");
    }
    let (mut by, mut count, mut seconds) = (None, None, None);
    for part in unquoted(value)?.split(',').map(str::trim) {
        let again = match part.split_once(char::is_whitespace) {
            Some(("track", rest)) => by.replace(track(rest)?).is_some(),
            Some(("count", n)) => count.replace(within("count", n, 1, u32::MAX)?).is_some(),
            Some(("seconds", n)) => seconds.replace(within("seconds", n, 1, u32::MAX)?).is_some(),
            _ => fail!("{part:?} must be track T, count N or seconds N"),
        };
        if again {
            fail!("{part:?} stands twice");
        }
    }
    let (Some(track), Some(count), Some(seconds)) = (by, count, seconds) else {
        fail!("track, count and seconds must be there");
    };
    b.rule.detection_filter = Some(DetectionFilter { track, count, seconds });
    Ok(())
}

/// Packets that are tagged where the rule says nothing.
const TAG_PACKETS: u32 = 256;

fn tag(b: &mut Builder<'_>, value: &str) -> Result<()> {
    let mut parts = unquoted(value)?.split(',').map(str::trim);
    let kind = parts.next().unwrap_or("");
    let count = match parts.next() {
        Some(n) => unsigned(n).and_then(|n| u32::try_from(n).ok()),
        None => Some(TAG_PACKETS),
    };
    let Some(count) = count else { fail!("the count must be a number") };
    let metric = match parts.next() {
        None | Some("packets") => TagMetric::Packets,
        Some("bytes") => TagMetric::Bytes,
        Some("seconds") => TagMetric::Seconds,
        Some(other) => fail!("{other:?} must be packets, bytes or seconds"),
    };
    let kind = match (kind, parts.next()) {
        ("session", None) => TagKind::Session,
        ("host", Some("src")) => TagKind::Host { source: true },
        ("host", Some("dst")) => TagKind::Host { source: false },
        ("session", Some(_)) => fail!("a session has no direction"),
        ("host", _) => fail!("host needs a count, a metric, and src or dst"),
        (other, _) => fail!("{other:?} must be session or host"),
    };
    b.rule.tags.push(Tag { kind, count, metric });
    Ok(())
}
