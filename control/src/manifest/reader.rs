//! Reads a TOML document by the table of keys, and reports everything that does not fit.

use std::collections::BTreeMap;

use toml::Spanned;
use toml::de::{DeInteger, DeTable, DeValue};
use umbra_tap::{Percentage, PercentageError};

use super::diagnostic::{Class, Report};
use super::keys::{Default, IntRange, Key, Kind, SECTIONS, Section, TextForm, Word};
use super::names::{Name, PortName};
use super::source::{At, Span};
use super::suggest::nearest;

/// A value that fits its key.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Bool(bool),
    Int(i64),
    Number(f64),
    Text(String),
    List(Vec<At<Value>>),
    /// The word "auto".
    Auto,
}

/// A section as it stands in a file: the values that fit, and where it begins.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) section: &'static Section,
    /// As in messages: `host`, `wire[0]`.
    pub(super) path: String,
    /// Its header.
    pub(super) at: Span,
    values: BTreeMap<&'static str, At<Value>>,
    /// Keys that are there but do not fit.
    refused: Vec<&'static str>,
    /// Keys that the table does not know, in open sections.
    pub(super) further: Vec<Further>,
}

/// A key of an open section that the table does not know.
#[derive(Debug)]
pub(super) struct Further {
    pub(super) name: String,
    pub(super) at: Span,
    pub(super) value_at: Span,
    pub(super) value: serde_json::Value,
}

/// Parses file number `file` of the report's sources and reads all its sections.
pub(super) fn read(report: &mut Report<'_>, file: usize) -> Vec<Found> {
    let text = &report.sources()[file].text;
    let (document, errors) = DeTable::parse_recoverable(text);
    // Keys below a header that has no end belong to nobody knows which section.
    let lost_header = errors.iter().any(|error| error.message().starts_with("unclosed table"));
    for error in errors {
        let range = error.span().unwrap_or(0..text.len().min(1));
        // An empty range at the very beginning would mean the file as a whole.
        let at = Span::new(file, range.start..range.end.max(range.start + 1));
        match error.message() {
            "duplicate key" => {
                let key = report.sources()[file].excerpt(&at);
                report
                    .error(Class::Duplicate, &at, key.clone(), format!("`{key}` is there already"))
                    .help("keep one of the two; a [section] may stand once, a [[section]] often");
            }
            message => {
                report.error(Class::Syntax, &at, "", format!("not TOML: {message}"));
            }
        }
    }
    let mut found = Vec::new();
    for (name, value) in in_order(document.get_ref()) {
        let name_at = Span::new(file, name.span());
        match SECTIONS.iter().find(|section| section.name == name.get_ref().as_ref()) {
            Some(section) => {
                Reader { report, file }.section(section, &name_at, value, &mut found);
            }
            None if lost_header => {}
            None => unknown_section(report, &name_at, name.get_ref(), value.get_ref()),
        }
    }
    found
}

/// The entries of a table as they stand in the file.
fn in_order<'t, 'i>(
    table: &'t DeTable<'i>,
) -> Vec<(&'t Spanned<toml::de::DeString<'i>>, &'t Spanned<DeValue<'i>>)> {
    let mut entries: Vec<_> = table.iter().collect();
    entries.sort_by_key(|(name, _)| name.span().start);
    entries
}

fn unknown_section(report: &mut Report<'_>, at: &Span, name: &str, value: &DeValue<'_>) {
    let is_section = matches!(value, DeValue::Table(_))
        || matches!(value, DeValue::Array(items)
            if !items.is_empty() && items.iter().all(|i| matches!(i.get_ref(), DeValue::Table(_))));
    let names = SECTIONS.iter().map(|s| s.name);
    if is_section {
        let help = nearest(name, names.clone())
            .and_then(|near| SECTIONS.iter().find(|s| s.name == near))
            .map(|section| format!("did you mean {}?", section.header()));
        report
            .error(Class::UnknownKey, at, name, format!("there is no section [{name}]"))
            .legal(names.collect::<Vec<_>>().join(", "))
            .maybe_help(help);
    } else {
        report
            .error(Class::UnknownKey, at, name, format!("key `{name}` stands in no section"))
            .maybe_help(home_of(name).map(|section| format!("it belongs in {}", section.header())))
            .maybe_help(
                nearest(name, names).map(|near| format!("section [{near}] is a table of keys")),
            );
    }
}

/// The section that has a key `name`.
fn home_of(name: &str) -> Option<&'static Section> {
    SECTIONS.iter().find(|section| section.key(name).is_some()).copied()
}

struct Reader<'r, 's> {
    report: &'r mut Report<'s>,
    file: usize,
}

impl Reader<'_, '_> {
    fn span(&self, value: &Spanned<DeValue<'_>>) -> Span {
        Span::new(self.file, value.span())
    }

    fn section(
        &mut self,
        section: &'static Section,
        name_at: &Span,
        value: &Spanned<DeValue<'_>>,
        found: &mut Vec<Found>,
    ) {
        if let Some(what) = section.not_built_yet {
            let header = section.header();
            self.report
                .error(
                    Class::NotBuiltYet,
                    name_at,
                    section.name,
                    format!("not built yet: {header}, {what}"),
                )
                .help(format!("leave {header} out"));
            return;
        }
        match (value.get_ref(), section.repeated) {
            (DeValue::Table(table), repeated) => {
                let at = if value.span().is_empty() { name_at.clone() } else { self.span(value) };
                if repeated {
                    self.wrong_section(section, &at, "a single section");
                }
                let path =
                    if repeated { format!("{}[0]", section.name) } else { section.name.into() };
                found.push(self.table(section, path, at, table));
            }
            (DeValue::Array(items), repeated) => {
                if !repeated {
                    self.wrong_section(section, name_at, "an array");
                    let first = items.first().map(|item| (self.span(item), item.get_ref()));
                    if let Some((at, DeValue::Table(table))) = first {
                        found.push(self.table(section, section.name.into(), at, table));
                    }
                    return;
                }
                for (n, item) in items.iter().enumerate() {
                    let at = self.span(item);
                    let path = format!("{}[{n}]", section.name);
                    match item.get_ref() {
                        DeValue::Table(table) => found.push(self.table(section, path, at, table)),
                        other => self.wrong_section(section, &at, type_name(other)),
                    }
                }
            }
            (other, _) => {
                let at = self.span(value);
                self.wrong_section(section, &at, type_name(other));
            }
        }
    }

    fn wrong_section(&mut self, section: &Section, at: &Span, found: &str) {
        let (name, header) = (section.name, section.header());
        let legal = if section.repeated { "an array of tables" } else { "one table" };
        self.report
            .error(Class::WrongType, at, name, format!("`{name}` is {found}, not {legal}"))
            .legal(legal)
            .help(format!("write {header} on a line of its own, its keys below"));
    }

    fn table(
        &mut self,
        section: &'static Section,
        path: String,
        at: Span,
        table: &DeTable<'_>,
    ) -> Found {
        let mut found = Found {
            section,
            path,
            at,
            values: BTreeMap::new(),
            refused: Vec::new(),
            further: Vec::new(),
        };
        for (name, value) in in_order(table) {
            let name_at = Span::new(self.file, name.span());
            let name = name.get_ref().as_ref();
            let path = format!("{}.{name}", found.path);
            match section.key(name) {
                Some(key) => match self.value(&key.kind, &path, value) {
                    Some(v) => {
                        found.values.insert(key.name, At { value: v, at: self.span(value) });
                    }
                    None => found.refused.push(key.name),
                },
                None if section.open => found.further.push(Further {
                    name: name.to_owned(),
                    at: name_at,
                    value_at: self.span(value),
                    value: owned(value.get_ref()),
                }),
                None => self.unknown_key(section, name, &path, &name_at),
            }
        }
        for key in section.keys {
            let missing =
                !found.values.contains_key(key.name) && !found.refused.contains(&key.name);
            if missing && matches!(key.default, Default::Required) {
                self.missing(&found, key);
            }
        }
        found
    }

    fn missing(&mut self, found: &Found, key: &Key) {
        let header = found.section.header();
        self.report
            .error(
                Class::MissingKey,
                &found.at,
                format!("{}.{}", found.path, key.name),
                format!("{header} has no `{}`", key.name),
            )
            .legal(key.kind.legal())
            .help(format!("{}: {}", key.name, key.help));
    }

    fn unknown_key(&mut self, section: &Section, name: &str, path: &str, at: &Span) {
        let header = section.header();
        let keys = section.keys.iter().map(|key| key.name);
        let near = nearest(name, keys.clone()).map(|near| format!("did you mean `{near}`?"));
        let home = home_of(name).map(|home| format!("`{name}` belongs in {}", home.header()));
        self.report
            .error(Class::UnknownKey, at, path, format!("{header} has no key `{name}`"))
            .legal(keys.collect::<Vec<_>>().join(", "))
            .maybe_help(near)
            .maybe_help(home);
    }

    /// The value if it fits `kind`; else says why not.
    fn value(&mut self, kind: &Kind, path: &str, value: &Spanned<DeValue<'_>>) -> Option<Value> {
        match (kind, value.get_ref()) {
            (Kind::Bool | Kind::Switch, DeValue::Boolean(b)) => Some(Value::Bool(*b)),
            (Kind::Int(range), DeValue::Integer(n)) => self.int(kind, range, path, n, value),
            (Kind::Int(range), DeValue::String(word)) if range.auto && word == "auto" => {
                Some(Value::Auto)
            }
            (Kind::Percentage, DeValue::Integer(n)) => {
                let number = integer(n).map(|n| n as f64);
                self.percentage(kind, path, number, value)
            }
            (Kind::Percentage, DeValue::Float(n)) => {
                self.percentage(kind, path, n.as_str().parse().ok(), value)
            }
            (Kind::Text(form), DeValue::String(text)) => self.text(*form, path, text, value),
            (Kind::Switch, DeValue::String(text)) => self.text(TextForm::Path, path, text, value),
            (Kind::Choice(words), DeValue::String(word)) => {
                self.choice(kind, words, path, word, value)
            }
            (Kind::List(item_kind, range), DeValue::Array(items)) => {
                if items.len() < range.min || items.len() > range.max {
                    let message = format!("`{path}` has {} items", items.len());
                    self.illegal(kind, path, message, value);
                    return None;
                }
                let mut list: Vec<At<Value>> = Vec::new();
                let mut all_fit = true;
                for (n, item) in items.iter().enumerate() {
                    let item_path = format!("{path}[{n}]");
                    let Some(read) = self.value(item_kind, &item_path, item) else {
                        all_fit = false;
                        continue;
                    };
                    let at = self.span(item);
                    if range.unique
                        && let Some(first) = list.iter().find(|i| i.value == read)
                    {
                        let text = self.excerpt(item);
                        self.report
                            .error(
                                Class::Duplicate,
                                &at,
                                item_path,
                                format!("{text} is listed already"),
                            )
                            .legal(kind.legal())
                            .related("first", &first.at);
                    }
                    list.push(At { value: read, at });
                }
                all_fit.then_some(Value::List(list))
            }
            (_, other) => {
                self.wrong_type(kind, path, other, value);
                None
            }
        }
    }

    fn excerpt(&self, value: &Spanned<DeValue<'_>>) -> String {
        self.report.sources()[self.file].excerpt(&self.span(value))
    }

    fn wrong_type(
        &mut self,
        kind: &Kind,
        path: &str,
        found: &DeValue<'_>,
        value: &Spanned<DeValue<'_>>,
    ) {
        let (at, excerpt) = (self.span(value), self.excerpt(value));
        let unquoted = match (kind, found) {
            (Kind::Int(_) | Kind::Percentage, DeValue::String(text))
                if text.trim().parse::<f64>().is_ok() =>
            {
                Some(format!("write {} without quotes", text.trim()))
            }
            (Kind::Bool, DeValue::String(text)) if text == "true" || text == "false" => {
                Some(format!("write {text} without quotes"))
            }
            (Kind::List(..), _) => Some(format!("write [{excerpt}]")),
            (Kind::Int(_), DeValue::Float(number)) => number
                .as_str()
                .split_once('.')
                .filter(|(whole, rest)| !whole.is_empty() && rest.bytes().all(|b| b == b'0'))
                .map(|(whole, _)| format!("write {whole}")),
            _ => None,
        };
        self.report
            .error(Class::WrongType, &at, path, format!("`{path}` is {}", type_name(found)))
            .found(excerpt)
            .legal(kind.legal())
            .maybe_help(unquoted);
    }

    fn illegal(
        &mut self,
        kind: &Kind,
        path: &str,
        message: String,
        value: &Spanned<DeValue<'_>>,
    ) -> super::diagnostic::Entry<'_> {
        let (at, excerpt) = (self.span(value), self.excerpt(value));
        self.report
            .error(Class::IllegalValue, &at, path, message)
            .found(excerpt)
            .legal(kind.legal())
    }

    fn int(
        &mut self,
        kind: &Kind,
        range: &IntRange,
        path: &str,
        written: &DeInteger<'_>,
        value: &Spanned<DeValue<'_>>,
    ) -> Option<Value> {
        let number = integer(written);
        if let Some(n) = number.filter(|&n| range.contains(n)) {
            return Some(Value::Int(n));
        }
        let in_range = number.is_some_and(|n| (range.min..=range.max).contains(&n));
        if let Some(n) = number.filter(|_| in_range) {
            let above = n.unsigned_abs().next_power_of_two();
            self.illegal(kind, path, format!("`{path}` is no power of two"), value)
                .help(format!("the next are {} and {above}", above / 2));
        } else {
            self.illegal(kind, path, format!("`{path}` is out of range"), value);
        }
        None
    }

    fn percentage(
        &mut self,
        kind: &Kind,
        path: &str,
        number: Option<f64>,
        value: &Spanned<DeValue<'_>>,
    ) -> Option<Value> {
        let legal = match number.map(Percentage::try_from) {
            Some(Ok(_)) => number,
            Some(Err(PercentageError::TooFine { .. })) => {
                let message = format!("`{path}` is finer than umbra can sample");
                self.illegal(kind, path, message, value)
                    .help("0.0 samples nothing, 0.0000001 is the least that samples");
                None
            }
            _ => {
                self.illegal(kind, path, format!("`{path}` is out of range"), value);
                None
            }
        };
        // -0.0 is in range, and prints as nobody expects.
        legal.map(|n| Value::Number(n.abs()))
    }

    fn text(
        &mut self,
        form: TextForm,
        path: &str,
        text: &str,
        value: &Spanned<DeValue<'_>>,
    ) -> Option<Value> {
        let (fits, what) = match form {
            TextForm::Name => (Name::new(text).is_some(), "no name that umbra can use"),
            TextForm::ProfileId => (Name::new(text).is_some(), "no id that umbra can use"),
            TextForm::Port => (PortName::new(text).is_some(), "no port"),
            // An empty one is judged with the arguments around it.
            TextForm::EalArgument => (!text.contains('\0'), "no argument: it has a NUL in it"),
            TextForm::Path => {
                (!text.is_empty() && !text.contains('\0'), "empty, or has a NUL in it")
            }
        };
        if !fits {
            let help = (form == TextForm::Port).then(|| {
                "a kernel interface such as eth0 becomes a port by a vdev in [host].eal: \
                 \"--vdev=net_af_xdp0,iface=eth0\", and then a = \"net_af_xdp0\""
                    .to_owned()
            });
            self.illegal(&Kind::Text(form), path, format!("`{path}` is {what}"), value)
                .maybe_help(help);
        }
        fits.then(|| Value::Text(text.to_owned()))
    }

    fn choice(
        &mut self,
        kind: &Kind,
        words: &[Word],
        path: &str,
        word: &str,
        value: &Spanned<DeValue<'_>>,
    ) -> Option<Value> {
        match words.iter().find(|w| w.word == word) {
            Some(known) if known.built => return Some(Value::Text(word.to_owned())),
            Some(known) => {
                let (at, excerpt) = (self.span(value), self.excerpt(value));
                let message = format!("not built yet: `{path}` = {excerpt} ({})", known.help);
                self.report
                    .error(Class::NotBuiltYet, &at, path, message)
                    .found(excerpt)
                    .legal(kind.legal());
            }
            None => {
                let near = nearest(word, words.iter().map(|w| w.word));
                self.illegal(kind, path, format!("`{path}` is none of its choices"), value)
                    .maybe_help(near.map(|near| format!("did you mean {near:?}?")));
            }
        }
        None
    }
}

fn integer(written: &DeInteger<'_>) -> Option<i64> {
    i64::from_str_radix(written.as_str(), written.radix()).ok()
}

fn type_name(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(_) => "a boolean",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) => "an array",
        DeValue::Table(_) => "a table",
    }
}

/// A value as the factories of profiles take it.
fn owned(value: &DeValue<'_>) -> serde_json::Value {
    match value {
        DeValue::String(text) => text.as_ref().into(),
        // Beyond i64 nothing is legal, and as text it is refused wherever a number belongs.
        DeValue::Integer(n) => integer(n).map_or_else(|| n.as_str().into(), Into::into),
        DeValue::Float(n) => {
            n.as_str().parse::<f64>().map_or_else(|_| n.as_str().into(), Into::into)
        }
        DeValue::Boolean(b) => (*b).into(),
        DeValue::Datetime(d) => d.to_string().into(),
        DeValue::Array(items) => items.iter().map(|item| owned(item.get_ref())).collect(),
        DeValue::Table(table) => {
            table.iter().map(|(k, v)| (k.get_ref().to_string(), owned(v.get_ref()))).collect()
        }
    }
}

impl Found {
    /// The value of `name`, if it is there and fits.
    pub(super) fn get(&self, name: &str) -> Option<&At<Value>> {
        debug_assert!(self.section.key(name).is_some(), "{} has no key {name}", self.section.name);
        self.values.get(name)
    }

    /// Where the value of `name` stands, else the section's header.
    pub(super) fn place_of(&self, name: &str) -> Span {
        self.get(name).map_or_else(|| self.at.clone(), |found| found.at.clone())
    }
}
