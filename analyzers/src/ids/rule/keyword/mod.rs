//! Keywords: what each wants behind its colon, and who reads that.

mod application;
mod buffer;
mod bytes;
mod content;
mod events;
mod http2;
mod known;
mod meta;
mod packet;
mod pcre;
mod state;
mod transform;

pub(super) use known::{app_protocol, app_protocol_is_known};
pub(super) use meta::requires;
pub(super) use state::read_threshold;

use std::collections::HashMap;
use std::sync::OnceLock;

use super::builder::Builder;
use super::problem::{Result, fail, unsupported};
use super::split::RuleOption;

/// What must stand behind the keyword.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wants {
    Nothing,
    Value,
    Perhaps,
}

type Read = fn(&mut Builder<'_>, &str) -> Result<()>;

/// A keyword that is read.
#[derive(Clone, Copy)]
struct Keyword {
    name: &'static str,
    wants: Wants,
    read: Read,
}

const fn nothing(name: &'static str, read: Read) -> Keyword {
    Keyword { name, wants: Wants::Nothing, read }
}

const fn value(name: &'static str, read: Read) -> Keyword {
    Keyword { name, wants: Wants::Value, read }
}

const fn perhaps(name: &'static str, read: Read) -> Keyword {
    Keyword { name, wants: Wants::Perhaps, read }
}

fn keywords() -> &'static HashMap<&'static str, Keyword> {
    static KEYWORDS: OnceLock<HashMap<&'static str, Keyword>> = OnceLock::new();
    KEYWORDS.get_or_init(|| {
        let lists = [
            application::KEYWORDS,
            buffer::KEYWORDS,
            bytes::KEYWORDS,
            content::KEYWORDS,
            http2::KEYWORDS,
            meta::KEYWORDS,
            packet::KEYWORDS,
            pcre::KEYWORDS,
            state::KEYWORDS,
            transform::KEYWORDS,
        ];
        let listed = lists.into_iter().flatten().map(|keyword| (keyword.name, *keyword));
        buffer::sticky().map(|keyword| (keyword.name, keyword)).chain(listed).collect()
    })
}

/// Names of all keywords that are read.
pub fn names() -> Vec<&'static str> {
    let mut names: Vec<_> = keywords().keys().copied().collect();
    names.sort_unstable();
    names
}

/// Reads one option into the rule.
pub(super) fn read(builder: &mut Builder<'_>, option: RuleOption<'_>) -> Result<()> {
    let Some(keyword) = keywords().get(option.name) else {
        if known::keyword_is_known(option.name) {
            unsupported!("the keyword {}", option.name);
        }
        fail!("there is no keyword {:?}", super::split::short(option.name));
    };
    builder.keyword = keyword.name;
    let given = option.value.filter(|value| !value.is_empty());
    let result = match (keyword.wants, given) {
        (Wants::Nothing, Some(_)) => {
            fail!("{}: nothing may stand behind it", keyword.name);
        }
        (Wants::Value, None) => fail!("{}: a value must stand behind it", keyword.name),
        (_, given) => (keyword.read)(builder, given.unwrap_or("")),
    };
    result.map_err(|problem| problem.at(keyword.name))
}
