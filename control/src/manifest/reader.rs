//! Reads a TOML document by the table of keys, and reports everything that does not fit.

use std::collections::BTreeMap;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::diagnostic::{Class, Report};
use super::keys::{Default, Key, SECTIONS, Section};
use super::source::{At, Span};
use super::suggest::nearest;
use super::values::{Value, owned, type_name};

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

/// Walks one file.
pub(super) struct Reader<'r, 's> {
    pub(super) report: &'r mut Report<'s>,
    pub(super) file: usize,
}

impl Reader<'_, '_> {
    pub(super) fn span(&self, value: &Spanned<DeValue<'_>>) -> Span {
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
