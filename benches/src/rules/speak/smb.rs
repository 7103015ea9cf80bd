//! SMB 1 as far as it is simple: the negotiation, and then what the rule wants of the stream as such.

use umbra_analyzers::app::Heading;
use umbra_analyzers::ids::rule::ast::Source;

use super::{step, tcp};
use crate::rules::maker::{Maker, Skip, Style, name};
use crate::rules::talk::Talk;

pub(super) fn talk(maker: &mut Maker<'_>) -> Result<Talk, Skip> {
    let of_app = maker.rule.inspections.iter().find(|i| matches!(i.source, Source::App(_)));
    if let Some(inspection) = of_app {
        return Err(Skip::OneWay(name(inspection.source)));
    }
    let heading = maker.heading();
    let bytes = maker.bytes(Source::Payload, Style::letters())?;
    let mut steps = vec![
        step(Heading::ToServer, framed(&negotiation(0x18, 0, &[], b"\x02NT LM 0.12\0"))),
        step(Heading::ToClient, framed(&negotiation(0x98, 17, &[0; 34], b""))),
    ];
    let greeting = if bytes.is_some() { steps.len() } else { 0 };
    if let Some(bytes) = bytes {
        steps.push(step(heading, if is_framed(&bytes) { bytes } else { framed(&bytes) }));
    }
    Ok(Talk { greeting, ..tcp(steps) })
}

/// Whether it begins as a NetBIOS session message, or with what a rule says of one.
fn is_framed(bytes: &[u8]) -> bool {
    bytes.get(4..8).is_some_and(|id| matches!(id, b"\xffSMB" | b"\xfeSMB"))
}

fn framed(message: &[u8]) -> Vec<u8> {
    [&(message.len() as u32).to_be_bytes()[..], message].concat()
}

fn negotiation(flags: u8, words: u8, parameters: &[u8], bytes: &[u8]) -> Vec<u8> {
    let mut out = b"\xffSMB\x72\0\0\0\0".to_vec();
    out.push(flags);
    out.extend([0x01, 0x28]);
    out.extend([0; 12]);
    out.extend([0, 0, 0xff, 0xfe, 0, 0, 0, 0]);
    out.push(words);
    out.extend(parameters);
    out.extend((bytes.len() as u16).to_le_bytes());
    out.extend(bytes);
    out
}
