//! Reads a value by the kind of its key, and says why it does not fit.

use toml::Spanned;
use toml::de::{DeInteger, DeValue};
use umbra_tap::{Percentage, PercentageError};

use super::diagnostic::{Class, Entry};
use super::kinds::{IntRange, Kind, TextForm, Word};
use super::names::{Name, PortName};
use super::reader::Reader;
use super::source::At;
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

impl Reader<'_, '_> {
    /// The value if it fits `kind`; else says why not.
    pub(super) fn value(
        &mut self,
        kind: &Kind,
        path: &str,
        value: &Spanned<DeValue<'_>>,
    ) -> Option<Value> {
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
    ) -> Entry<'_> {
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

pub(super) fn type_name(value: &DeValue<'_>) -> &'static str {
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
pub(super) fn owned(value: &DeValue<'_>) -> serde_json::Value {
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
