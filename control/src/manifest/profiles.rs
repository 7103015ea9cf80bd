//! `[shadowing]` and `[[profile]]`: which analyses run, and how the copy reaches them.

use std::collections::HashMap;
use std::path::Path;

use umbra_analyzers::profile::{ProfileConfig, ProfileKind, SettingType, factory};
use umbra_tap::Select;
use umbra_wire::{FlowKeyMode, Tunnel};

use super::diagnostic::{Class, Report};
use super::keys::{PROFILE, SHADOWING};
use super::names::ProfileId;
use super::reader::Found;
use super::settings::Settings;
use super::source::{At, Span};
use super::suggest::nearest;
use super::types::{Distribute, Isolation, ProfileSpec, Shadowing};
use super::values::Value;

/// The folder of the file in which a section stands.
type Folder<'a> = dyn Fn(Option<&Found>) -> &'a Path + 'a;

/// What is said under an id: a profile, or something that was refused already.
enum Defined<'f> {
    Spec(ProfileSpec, &'f Found),
    Refused,
}

pub(super) fn shadowing(
    report: &mut Report<'_>,
    found: Option<&Found>,
    profile_sections: &[&Found],
    folder: &Folder<'_>,
) -> (Shadowing, Vec<ProfileSpec>) {
    let settings = Settings::new(&SHADOWING, found);
    let defined = defined(report, profile_sections, folder);
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
fn defined<'f>(
    report: &mut Report<'_>,
    sections: &[&'f Found],
    folder: &Folder<'_>,
) -> HashMap<String, Defined<'f>> {
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
        let kind = settings.text("kind").and_then(|word| word.parse::<ProfileKind>().ok());
        let standard = ProfileKind::from_standard_id(text);
        let entry = match (ProfileId::new(text), kind) {
            (Some(id), Some(kind)) => {
                if let Some(standard) = standard.filter(|&standard| standard != kind) {
                    report
                        .error(
                            Class::Conflict,
                            &found.place_of("kind"),
                            format!("{}.kind", found.path),
                            format!("{text} is of kind \"{standard}\", by its id"),
                        )
                        .help("choose another id for a profile of another kind");
                }
                let config = config(report, found, text, kind, folder(Some(found)));
                Defined::Spec(ProfileSpec { id, config }, found)
            }
            _ => Defined::Refused,
        };
        defined.insert(text.to_owned(), entry);
    }
    defined
}

/// Makes relative paths start at a folder.
fn start_at(folder: &Path, value: &mut serde_json::Value) {
    match value {
        serde_json::Value::String(path) => *path = folder.join(&*path).display().to_string(),
        serde_json::Value::Array(paths) => {
            paths.iter_mut().for_each(|path| start_at(folder, path));
        }
        _ => {}
    }
}

/// The keys that a profile's kind defines, checked by the kind's factory.
fn config(
    report: &mut Report<'_>,
    found: &Found,
    id: &str,
    kind: ProfileKind,
    folder: &Path,
) -> ProfileConfig {
    let mut config = ProfileConfig { id: id.to_owned(), kind, settings: serde_json::Map::new() };
    // Kinds that are not built yet were refused with the word.
    let Ok(factory) = factory(kind) else { return config };
    let own = factory.settings().iter().map(|setting| setting.key);
    let known: Vec<&str> = PROFILE.keys.iter().map(|key| key.name).chain(own).collect();
    for further in &found.further {
        let name = further.name.as_str();
        if known.contains(&name) {
            let setting = factory.settings().iter().find(|setting| setting.key == name);
            let is_path =
                setting.is_some_and(|s| matches!(s.ty, SettingType::Path | SettingType::Paths));
            let mut value = further.value.clone();
            if is_path {
                start_at(folder, &mut value);
            }
            config.settings.insert(name.to_owned(), value);
            continue;
        }
        report
            .error(
                Class::UnknownKey,
                &further.at,
                format!("{}.{name}", found.path),
                format!("a [[profile]] of kind \"{kind}\" has no key `{name}`"),
            )
            .legal(known.join(", "))
            .maybe_help(
                nearest(name, known.iter().copied()).map(|near| format!("did you mean `{near}`?")),
            );
    }
    for error in factory.validate(&config).err().unwrap_or_default() {
        let root = error.key.split('.').next().unwrap_or_default();
        let place = found.further.iter().find(|f| f.name == root).map(|f| &f.value_at);
        let path = format!("{}.{}", found.path, error.key);
        let message = format!("`{path}` is {}", error.message);
        report
            .error(Class::IllegalValue, place.unwrap_or(&found.at), path, message)
            .found(error.value)
            .legal(error.legal);
    }
    config
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
        let standard = ProfileKind::from_standard_id(id);
        match (defined.get(*id), standard, ProfileId::new(id)) {
            (Some(Defined::Spec(spec, _)), ..) => profiles.push(spec.clone()),
            (Some(Defined::Refused), ..) => {}
            (None, Some(kind), Some(profile_id)) => {
                if factory(kind).is_ok() {
                    let config = ProfileConfig::standard(kind);
                    profiles.push(ProfileSpec { id: profile_id, config });
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
                    ProfileKind::ALL.iter().map(|kind| kind.standard_id()).chain(own).collect();
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
    known[ProfileKind::ALL.len()..].sort_unstable();
    known.dedup();
    known.join(", ")
}

fn built_profiles() -> String {
    let built: Vec<_> = ProfileKind::ALL
        .iter()
        .filter(|kind| factory(**kind).is_ok())
        .map(|kind| kind.standard_id())
        .collect();
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::keys::Kind;

    #[test]
    fn the_table_says_built_of_exactly_the_kinds_that_have_a_factory() {
        let Some(Kind::Choice(words)) = PROFILE.key("kind").map(|key| &key.kind) else {
            panic!("kind is a choice");
        };
        for kind in ProfileKind::ALL {
            let word = words.iter().find(|w| w.word == kind.as_str()).expect("every kind");
            assert_eq!(word.built, factory(kind).is_ok(), "{kind}");
        }
    }

    #[test]
    fn no_kind_has_a_setting_with_the_name_of_a_key_of_all_profiles() {
        for factory in ProfileKind::ALL.into_iter().filter_map(|kind| factory(kind).ok()) {
            for setting in factory.settings() {
                assert!(PROFILE.key(setting.key).is_none(), "{}", setting.key);
            }
        }
    }
}
