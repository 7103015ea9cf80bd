//! What a rule says of itself.

use super::super::ast::{Reference, Target};
use super::super::builder::Builder;
use super::super::number::{unsigned, within};
use super::super::problem::{Problem, Result, fail};
use super::super::split::{quoted, unescaped, unquoted};
use super::super::text::readable;
use super::{Keyword, known, nothing, perhaps, value};

pub(super) const KEYWORDS: &[Keyword] = &[
    value("msg", msg),
    value("sid", sid),
    value("gid", gid),
    value("rev", rev),
    value("classtype", classtype),
    value("priority", priority),
    value("reference", reference),
    value("metadata", metadata),
    value("target", target),
    nothing("noalert", noalert),
    nothing("alert", alert),
    perhaps("requires", |_, v| requires(v)),
    nothing("prefilter", prefilter),
];

fn msg(b: &mut Builder<'_>, value: &str) -> Result<()> {
    b.once("msg")?;
    let (text, negated) = quoted(value)?;
    if negated {
        fail!("it cannot be negated");
    }
    b.rule.msg = readable(&unescaped(text));
    Ok(())
}

fn id(value: &str) -> Result<u32> {
    let value = unquoted(value)?.trim();
    let id = Some(value).filter(|v| v.bytes().all(|b| b.is_ascii_digit())).and_then(unsigned);
    match id.and_then(|id| u32::try_from(id).ok()) {
        Some(id) => Ok(id),
        None => fail!("{value:?} must be a number from 0 to {}", u32::MAX),
    }
}

fn sid(b: &mut Builder<'_>, value: &str) -> Result<()> {
    b.once("sid")?;
    b.rule.sid = id(value)?;
    Ok(())
}

fn gid(b: &mut Builder<'_>, value: &str) -> Result<()> {
    b.once("gid")?;
    b.rule.gid = id(value)?;
    Ok(())
}

fn rev(b: &mut Builder<'_>, value: &str) -> Result<()> {
    b.once("rev")?;
    b.rule.rev = id(value)?;
    Ok(())
}

/// A class that is not known is none: Suricata warns, and the rule loads.
fn classtype(b: &mut Builder<'_>, value: &str) -> Result<()> {
    let name = unquoted(value)?;
    if name.contains(char::is_whitespace) {
        fail!("{name:?} is no name of a class");
    }
    if !b.first("classtype") {
        return Ok(());
    }
    b.rule.classtype = b.classification.get(name).cloned();
    if b.rule.classtype.is_none() {
        b.warn(format!("the class {name:?} is not in classification.config"));
    }
    Ok(())
}

fn priority(b: &mut Builder<'_>, value: &str) -> Result<()> {
    b.rule.priority = within("it", unquoted(value)?, 1u8, 255)?;
    b.rule.explicit_priority = true;
    Ok(())
}

fn reference(b: &mut Builder<'_>, value: &str) -> Result<()> {
    let Some((system, id)) = unquoted(value)?.split_once(',') else {
        fail!("must be system,id");
    };
    let (system, id) = (system.trim(), id.trim());
    if system.is_empty() || id.is_empty() {
        fail!("must be system,id");
    }
    b.rule.references.push(Reference { system: readable(system), id: readable(id) });
    Ok(())
}

fn metadata(b: &mut Builder<'_>, value: &str) -> Result<()> {
    for pair in unquoted(value)?.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once(char::is_whitespace).unwrap_or((pair, ""));
        b.rule.metadata.push((readable(key), readable(value.trim())));
    }
    Ok(())
}

fn target(b: &mut Builder<'_>, value: &str) -> Result<()> {
    b.rule.target = Some(match unquoted(value)? {
        "src_ip" => Target::Source,
        "dest_ip" => Target::Destination,
        other => fail!("{other:?} must be src_ip or dest_ip"),
    });
    Ok(())
}

fn noalert(b: &mut Builder<'_>, _: &str) -> Result<()> {
    b.rule.noalert = true;
    Ok(())
}

/// Undoes what flowbits' `noalert` said, and makes an alert of what a `pass` rule lets through.
fn alert(b: &mut Builder<'_>, _: &str) -> Result<()> {
    b.rule.noalert = false;
    b.rule.alert = true;
    Ok(())
}

fn prefilter(b: &mut Builder<'_>, _: &str) -> Result<()> {
    let nothing_before =
        b.rule.packet.is_empty() && b.rule.app.is_empty() && b.rule.inspections.is_empty();
    if nothing_before && b.rule.state.is_empty() {
        fail!("nothing stands before it that could be searched for first");
    }
    b.once("prefilter")?;
    if let Ok(content) = b.last_content()
        && content.fast_pattern.is_none()
        && !content.negated
    {
        content.fast_pattern = Some(super::super::ast::FastPattern::Whole);
    }
    b.rule.prefilter = true;
    Ok(())
}

/// The version that rules may ask for.
const VERSION: [u32; 3] = [8, 0, 8];
/// What may be asked for with `feature`, and is there.
const FEATURES: [&str; 5] = ["output::file-store", "ja3", "ja4", "hassh", "http2"];

/// Whether a rule is for what there is. Checked before the rest of the rule is read.
pub(in super::super) fn requires(value: &str) -> Result<()> {
    let requirements = value.split(',').map(str::trim).filter(|part| !part.is_empty());
    for requirement in requirements {
        let (kind, rest) = requirement.split_once(char::is_whitespace).unwrap_or((requirement, ""));
        let rest = rest.trim();
        match kind {
            "feature" if FEATURES.contains(&rest) => {}
            "feature" => return Err(Problem::Skipped(format!("requires the feature {rest}"))),
            "keyword" if super::keywords().contains_key(rest) || known::keyword_is_known(rest) => {}
            "keyword" => fail!("there is no keyword {rest:?}"),
            "version" => {
                let mut ranges = rest.split('|').map(|range| version(range.trim()));
                let met = ranges.try_fold(false, |met, range| range.map(|this| met || this))?;
                if !met {
                    return Err(Problem::Skipped(format!("requires the version {rest}")));
                }
            }
            other => return Err(Problem::Skipped(format!("requires {other:?}, which is unknown"))),
        }
    }
    Ok(())
}

/// Whether `>= 7.0.3 < 8` holds.
fn version(text: &str) -> Result<bool> {
    let mut met = true;
    let mut rest = text;
    if rest.is_empty() {
        fail!("a version is missing");
    }
    while !rest.is_empty() {
        let signs = [">=", "<=", ">", "<"];
        let Some(sign) = signs.into_iter().find(|sign| rest.starts_with(sign)) else {
            fail!("{rest:?} must begin with >=, >, <= or <");
        };
        let after = rest.strip_prefix(sign).unwrap_or("").trim_start();
        let end =
            after.find(|c: char| c.is_whitespace() || c == '<' || c == '>').unwrap_or(after.len());
        let (number, tail) = after.split_at_checked(end).unwrap_or((after, ""));
        let mut wanted = [0u32; 3];
        let mut parts = number.split('-').next().unwrap_or("").split('.');
        for place in &mut wanted {
            let Some(part) = parts.next() else { break };
            *place = within("the version", part, 0u32, 9999)?;
        }
        met &= match sign {
            ">=" => VERSION >= wanted,
            "<=" => VERSION <= wanted,
            ">" => VERSION > wanted,
            _ => VERSION < wanted,
        };
        rest = tail.trim_start();
    }
    Ok(met)
}
