//! `umbra schema`: the table of manifest keys as a JSON Schema, or as a reference to read.

use std::fmt::Write;

use serde_json::{Map, Value, json};
use umbra_analyzers::profile::{ProfileKind, SettingInfo, SettingType, factory};

use crate::cli::{self, Outcome, SchemaArgs};
use crate::manifest::keys::{Default, Key, Kind, SECTIONS, Section, TextForm};

/// Prints it.
///
/// # Errors
/// When standard output cannot be written.
pub fn main(args: &SchemaArgs) -> Outcome {
    if args.markdown {
        return cli::print(&markdown());
    }
    cli::print(&format!("{:#}\n", schema()))
}

/// A JSON Schema (draft 2020-12) for one manifest file.
///
/// It knows nothing of what stands in other files, so it asks for no section; relations between
/// keys are left to `umbra check`.
pub fn schema() -> Value {
    let sections: Map<String, Value> = SECTIONS
        .iter()
        .filter(|section| section.not_built_yet.is_none())
        .map(|section| (section.name.to_owned(), section_schema(section)))
        .collect();
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "umbra manifest",
        "type": "object",
        "properties": sections,
        "additionalProperties": false,
    })
}

fn section_schema(section: &Section) -> Value {
    let keys: Map<String, Value> =
        section.keys.iter().map(|key| (key.name.to_owned(), key_schema(key))).collect();
    let required: Vec<_> = section
        .keys
        .iter()
        .filter(|key| matches!(key.default, Default::Required))
        .map(|key| key.name)
        .collect();
    let mut table = json!({
        "type": "object",
        "description": section.help,
        "properties": keys,
        "required": required,
    });
    if section.open {
        // What a kind adds is legal only beside that kind.
        table["allOf"] = kinds().map(|(kind, settings)| kind_of_profile(kind, settings)).collect();
        table["unevaluatedProperties"] = json!(false);
    } else {
        table["additionalProperties"] = json!(false);
    }
    if section.repeated { json!({ "type": "array", "items": table }) } else { table }
}

/// The kinds of profiles that are built, and their settings.
fn kinds() -> impl Iterator<Item = (ProfileKind, &'static [SettingInfo])> {
    ProfileKind::ALL
        .into_iter()
        .filter_map(|kind| factory(kind).ok().map(|factory| (kind, factory.settings())))
}

fn kind_of_profile(kind: ProfileKind, settings: &[SettingInfo]) -> Value {
    let properties: Map<String, Value> = settings
        .iter()
        .map(|setting| {
            let mut schema = match setting.ty {
                SettingType::Integer { min, max } => {
                    json!({ "type": "integer", "minimum": min, "maximum": max })
                }
                SettingType::Number { min, max } => {
                    json!({ "type": "number", "minimum": min, "maximum": max })
                }
                SettingType::Boolean => json!({ "type": "boolean" }),
                SettingType::Word(words) => json!({ "enum": words }),
                SettingType::Text | SettingType::Path => json!({ "type": "string" }),
                SettingType::Texts | SettingType::Paths => {
                    json!({ "type": "array", "items": { "type": "string" } })
                }
            };
            schema["description"] = json!(setting.help);
            if let Ok(default) = serde_json::from_str::<Value>(setting.default) {
                schema["default"] = default;
            }
            (setting.key.to_owned(), schema)
        })
        .collect();
    json!({
        "if": { "properties": { "kind": { "const": kind.as_str() } } },
        "then": { "properties": properties },
    })
}

fn key_schema(key: &Key) -> Value {
    let mut schema = kind_schema(&key.kind);
    let mut description = key.help.to_owned();
    let default = match key.default {
        Default::Required => None,
        Default::Automatic(what) => {
            let _ = write!(description, " If absent: {what}.");
            None
        }
        Default::Bool(value) => Some(json!(value)),
        Default::Int(value) => Some(json!(value)),
        Default::Number(value) => Some(json!(value)),
        Default::Text(value) => Some(json!(value)),
        Default::Texts(value) => Some(json!(value)),
    };
    schema["description"] = json!(description);
    if let Some(default) = default {
        schema["default"] = default;
    }
    schema
}

fn kind_schema(kind: &Kind) -> Value {
    match kind {
        Kind::Bool => json!({ "type": "boolean" }),
        Kind::Int(range) => {
            let mut number = json!({
                "type": "integer", "minimum": range.min, "maximum": range.max,
            });
            if range.power_of_two {
                let powers: Vec<i64> =
                    (0..63).map(|n| 1 << n).filter(|&n| range.contains(n)).collect();
                number = json!({ "enum": powers });
            }
            let zero = range.zero.map(|_| json!({ "const": 0 }));
            let auto = range.auto.then(|| json!({ "const": "auto" }));
            let mut ways: Vec<Value> = std::iter::once(number).chain(zero).chain(auto).collect();
            if ways.len() == 1 { ways.remove(0) } else { json!({ "anyOf": ways }) }
        }
        Kind::Percentage => json!({ "type": "number", "minimum": 0, "maximum": 100 }),
        Kind::Text(form) => json!({ "type": "string", "pattern": form.pattern() }),
        Kind::Choice(words) => {
            let built: Vec<_> = words.iter().filter(|w| w.built).map(|w| w.word).collect();
            json!({ "enum": built })
        }
        Kind::List(item, range) => json!({
            "type": "array", "items": kind_schema(item), "minItems": range.min,
            "maxItems": range.max, "uniqueItems": range.unique,
        }),
        Kind::Switch => json!({
            "anyOf": [
                { "type": "boolean" },
                { "type": "string", "pattern": TextForm::Path.pattern() },
            ],
        }),
    }
}

/// All sections and keys, to be read by people.
pub fn markdown() -> String {
    let mut text = String::from("# Manifest keys\n");
    for section in SECTIONS {
        let _ = write!(text, "\n## `{}`\n\n{}\n", section.header(), section.help);
        if let Some(what) = section.not_built_yet {
            let _ = writeln!(text, "\nNot built yet: {what}.");
            continue;
        }
        text += "\n| key | legal | if absent | meaning |\n|---|---|---|---|\n";
        for key in section.keys {
            let absent = match key.default {
                Default::Required => "an error".to_owned(),
                Default::Automatic(what) => what.to_owned(),
                Default::Bool(value) => format!("`{value}`"),
                Default::Int(value) => format!("`{value}`"),
                Default::Number(value) => format!("`{value:?}`"),
                Default::Text(value) => format!("`{value:?}`"),
                Default::Texts(values) => format!("`{values:?}`"),
            };
            let words = match &key.kind {
                Kind::Choice(words) => words
                    .iter()
                    .filter(|w| w.built)
                    .map(|w| format!("{:?}: {}", w.word, w.help))
                    .collect::<Vec<_>>()
                    .join("; "),
                _ => String::new(),
            };
            let meaning = if words.is_empty() {
                key.help.to_owned()
            } else {
                format!("{} {words}.", key.help)
            };
            let legal = key.kind.legal();
            let _ = writeln!(text, "| `{}` | {legal} | {absent} | {meaning} |", key.name);
        }
        for (kind, settings) in kinds().filter(|_| section.open) {
            for SettingInfo { key, ty, default, help } in settings {
                let _ = writeln!(text, "| `{key}` ({kind}) | {ty} | `{default}` | {help} |");
            }
        }
    }
    text
}
