//! The sections that are short: `[appliance]`, `[governor]`, `[remediation]`, `[outputs]`.

use std::collections::BTreeSet;
use std::path::Path;

use umbra_tap::Percentage;

use super::diagnostic::{Class, Report};
use super::keys::{GOVERNOR, OUTPUTS, Section};
use super::names::Name;
use super::reader::Found;
use super::settings::Settings;
use super::source::Span;
use super::types::{Appliance, EveType, Governor, Outputs, Policy, Remediation, RemediationMode};

/// An error if a section that must be there stands in no file.
pub(super) fn required(report: &mut Report<'_>, section: &Section, there: bool) {
    // One that is there in the wrong form has been refused already.
    if there || report.mentions(section.name) {
        return;
    }
    let header = section.header();
    let keys: Vec<_> = section
        .keys
        .iter()
        .filter(|key| matches!(key.default, super::keys::Default::Required))
        .map(|key| key.name)
        .collect();
    report
        .error(
            Class::MissingKey,
            &Span::whole_file(0),
            section.name,
            format!("there is no {header} in any of the files given"),
        )
        .help(format!("add {header} with {}", keys.join(", ")));
}

pub(super) fn appliance(
    report: &mut Report<'_>,
    found: Option<&Found>,
    folder: &Path,
) -> Option<Appliance> {
    let found = found?;
    let settings = Settings::of(found);
    let appliance_image = settings.path("appliance_image", folder);
    if appliance_image.is_some() {
        report
            .warning(
                &found.place_of("appliance_image"),
                "appliance.appliance_image",
                "appliance_image has no effect",
            )
            .help("[external_shadow], which launches copies of it, is not built yet");
    }
    Some(Appliance { name: Name::new(settings.text("name")?)?, appliance_image })
}

/// The appliance of a replay whose manifest names none.
pub(super) fn replay_appliance() -> Appliance {
    Appliance { name: Name::replay(), appliance_image: None }
}

pub(super) fn governor(found: Option<&Found>) -> Governor {
    let settings = Settings::new(&GOVERNOR, found);
    Governor {
        policy: Policy::Static,
        min_percentage: percentage(settings.number("min_percentage")),
        max_percentage: percentage(settings.number("max_percentage")),
    }
}

pub(super) fn remediation(_found: Option<&Found>) -> Remediation {
    // Its one key has one word that is built, and that is the default.
    Remediation { mode: RemediationMode::Observe }
}

pub(super) fn outputs(found: Option<&Found>, folder: &Path) -> Outputs {
    let settings = Settings::new(&OUTPUTS, found);
    let directory = found.and_then(|_| settings.path("directory", folder));
    let eve = directory
        .as_ref()
        .and_then(|directory| settings.switch("eve", "eve.json").map(|name| directory.join(name)));
    let eve_types: BTreeSet<EveType> =
        settings.texts("eve_types").into_iter().filter_map(EveType::from_word).collect();
    Outputs { directory, eve, eve_types, stats_interval_s: settings.int("stats_interval_s") }
}

/// The reader let only legal numbers through.
pub(super) fn percentage(number: f64) -> Percentage {
    Percentage::try_from(number).unwrap_or(Percentage::ZERO)
}

impl EveType {
    /// As a manifest and an EVE record's `event_type` write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Flow => "flow",
            Self::Stats => "stats",
            Self::Alert => "alert",
            Self::Anomaly => "anomaly",
        }
    }

    fn from_word(word: &str) -> Option<Self> {
        let all = [Self::Flow, Self::Stats, Self::Alert, Self::Anomaly];
        all.into_iter().find(|t| t.as_str() == word)
    }
}
