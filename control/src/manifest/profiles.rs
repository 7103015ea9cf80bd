//! `[shadowing]` and `[[profile]]`: which analyses run, and how the copy reaches them.

use std::collections::HashMap;

use umbra_tap::Select;
use umbra_wire::{FlowKeyMode, Tunnel};

use super::diagnostic::{Class, Report};
use super::keys::{PROFILE, SHADOWING};
use super::names::ProfileId;
use super::reader::{Found, Value};
use super::settings::Settings;
use super::source::{At, Span};
use super::suggest::nearest;
use super::types::{Distribute, Isolation, ProfileKind, ProfileSpec, Shadowing};

/// The ids that exist without a `[[profile]]`.
pub const STANDARD_PROFILES: [(&str, ProfileKind); 4] = [
    ("IDS_Signature_Scan", ProfileKind::Ids),
    ("Anomaly_Detection", ProfileKind::Anomaly),
    ("Performance_Profiling", ProfileKind::Performance),
    ("Fuzzing", ProfileKind::Fuzzing),
];

impl ProfileKind {
    /// As a manifest writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ids => "ids",
            Self::Anomaly => "anomaly",
            Self::Performance => "performance",
            Self::Fuzzing => "fuzzing",
        }
    }

    fn from_word(word: &str) -> Option<Self> {
        STANDARD_PROFILES.iter().map(|(_, kind)| *kind).find(|kind| kind.as_str() == word)
    }

    /// Whether umbra can run it: the table of keys says so.
    pub fn is_built(self) -> bool {
        PROFILE.key("kind").is_some_and(|key| match &key.kind {
            super::keys::Kind::Choice(words) => {
                words.iter().any(|w| w.word == self.as_str() && w.built)
            }
            _ => false,
        })
    }
}

/// What is said under an id: a profile, or something that was refused already.
enum Defined<'f> {
    Spec(ProfileSpec, &'f Found),
    Refused,
}

pub(super) fn shadowing(
    report: &mut Report<'_>,
    found: Option<&Found>,
    profile_sections: &[&Found],
) -> (Shadowing, Vec<ProfileSpec>) {
    let settings = Settings::new(&SHADOWING, found);
    let defined = defined(report, profile_sections);
    let profiles = listed(report, found, &defined);
    let snaplen_bytes: u16 = settings.int("snaplen");
    let shadowing = Shadowing {
        shadow_enabled: settings.bool("shadow_enabled"),
        shadow_instance_count: settings.int("shadow_instance_count"),
        shadow_traffic_percentage: super::sections::percentage(
            settings.number("shadow_traffic_percentage"),
        ),
        shadow_analysis_profiles: profiles.iter().map(|p| p.id.clone()).collect(),
        select: match settings.text("select") {
            Some("host") => Select::Host,
            Some("packet") => Select::Packet,
            _ => Select::Flow,
        },
        distribute: match settings.text("distribute") {
            Some("replicate") => Distribute::Replicate,
            _ => Distribute::Shard,
        },
        snaplen_bytes: Some(snaplen_bytes).filter(|&bytes| bytes > 0),
        ring_bytes: settings.int::<usize>("ring_kib") * 1024,
        tunnel: match settings.text("tunnel") {
            Some("outer") => Tunnel::Outer,
            _ => Tunnel::Inner,
        },
        flow_key: match settings.text("flow_key") {
            Some("hosts") => FlowKeyMode::Hosts,
            _ => FlowKeyMode::FiveTuple,
        },
        isolation: Isolation::Thread,
    };
    (shadowing, profiles)
}

/// All `[[profile]]` sections by their ids.
fn defined<'f>(report: &mut Report<'_>, sections: &[&'f Found]) -> HashMap<String, Defined<'f>> {
    let mut defined: HashMap<String, Defined<'f>> = HashMap::new();
    let mut places: HashMap<&str, Span> = HashMap::new();
    for found in sections {
        let settings = Settings::of(found);
        let Some(text) = settings.text("id") else { continue };
        let at = found.place_of("id");
        if let Some(first) = places.get(text) {
            report
                .error(
                    Class::Duplicate,
                    &at,
                    format!("{}.id", found.path),
                    format!("another [[profile]] has the id {text:?}"),
                )
                .related("first", first)
                .help("give each profile an id of its own");
            continue;
        }
        places.insert(text, at);
        let kind = settings.text("kind").and_then(ProfileKind::from_word);
        let standard = STANDARD_PROFILES.iter().find(|(id, _)| *id == text).map(|(_, kind)| *kind);
        let entry = match (ProfileId::new(text), kind) {
            (Some(id), Some(kind)) => {
                if let Some(standard) = standard.filter(|&standard| standard != kind) {
                    report
                        .error(
                            Class::Conflict,
                            &found.place_of("kind"),
                            format!("{}.kind", found.path),
                            format!("{text} is of kind {:?}, by its id", standard.as_str()),
                        )
                        .help("choose another id for a profile of another kind");
                }
                let settings = further_settings(report, found, kind);
                Defined::Spec(ProfileSpec { id, kind, settings }, found)
            }
            _ => Defined::Refused,
        };
        defined.insert(text.to_owned(), entry);
    }
    defined
}

/// The keys that a profile's kind defines.
fn further_settings(report: &mut Report<'_>, found: &Found, kind: ProfileKind) -> toml::Table {
    for further in &found.further {
        report
            .error(
                Class::UnknownKey,
                &further.at,
                format!("{}.{}", found.path, further.name),
                format!("a [[profile]] of kind {:?} has no key `{}`", kind.as_str(), further.name),
            )
            .legal(PROFILE.keys.iter().map(|key| key.name).collect::<Vec<_>>().join(", "));
    }
    found.further.iter().map(|f| (f.name.clone(), f.value.clone())).collect()
}

/// The profiles of `shadow_analysis_profiles`, each looked up.
fn listed(
    report: &mut Report<'_>,
    found: Option<&Found>,
    defined: &HashMap<String, Defined<'_>>,
) -> Vec<ProfileSpec> {
    let settings = Settings::new(&SHADOWING, found);
    let key = "shadow_analysis_profiles";
    let written = found.and_then(|f| f.get(key));
    let items: &[At<Value>] = match written.map(|at| &at.value) {
        Some(Value::List(items)) => items,
        _ => &[],
    };
    let ids = settings.texts(key);
    let mut profiles = Vec::new();
    for (n, id) in ids.iter().enumerate() {
        let path = format!("shadowing.{key}[{n}]");
        let standard = STANDARD_PROFILES.iter().find(|(known, _)| known == id);
        match (defined.get(*id), standard, ProfileId::new(id)) {
            (Some(Defined::Spec(spec, _)), ..) => profiles.push(spec.clone()),
            (Some(Defined::Refused), ..) => {}
            (None, Some(&(_, kind)), Some(profile_id)) => {
                if kind.is_built() {
                    let settings = toml::Table::new();
                    profiles.push(ProfileSpec { id: profile_id, kind, settings });
                } else if let Some(item) = items.get(n) {
                    report
                        .error(
                            Class::NotBuiltYet,
                            &item.at,
                            path,
                            format!("not built yet: profile {id}"),
                        )
                        .found(format!("{id:?}"))
                        .legal(built_profiles())
                        .help("leave it out for now");
                }
            }
            _ => {
                let Some(item) = items.get(n) else { continue };
                let own = defined.keys().map(String::as_str);
                let known: Vec<&str> =
                    STANDARD_PROFILES.iter().map(|(id, _)| *id).chain(own).collect();
                let near = nearest(id, known.iter().copied());
                report
                    .error(
                        Class::IllegalValue,
                        &item.at,
                        path,
                        format!("there is no profile {id:?}"),
                    )
                    .found(format!("{id:?}"))
                    .legal(in_order(known))
                    .maybe_help(Some(near.map_or_else(
                        || format!("define it: [[profile]] with id = {id:?} and a kind"),
                        |near| format!("did you mean {near:?}?"),
                    )));
            }
        }
    }
    if written.is_some() || found.is_none() {
        report_unused(report, &ids, defined);
    }
    profiles
}

fn in_order(mut known: Vec<&str>) -> String {
    // The standard ids come first, as documented; a user's own follow by name.
    known[STANDARD_PROFILES.len()..].sort_unstable();
    known.dedup();
    known.join(", ")
}

fn built_profiles() -> String {
    let built: Vec<_> =
        STANDARD_PROFILES.iter().filter(|(_, kind)| kind.is_built()).map(|(id, _)| *id).collect();
    format!("{}, or a [[profile]] of such a kind", built.join(", "))
}

fn report_unused(report: &mut Report<'_>, listed: &[&str], defined: &HashMap<String, Defined<'_>>) {
    for (id, entry) in defined {
        if let Defined::Spec(_, found) = entry
            && !listed.contains(&id.as_str())
        {
            report
                .warning(
                    &found.place_of("id"),
                    format!("{}.id", found.path),
                    format!("profile {id} is not run"),
                )
                .help(format!("add {id:?} to shadow_analysis_profiles"));
        }
    }
}
