//! The sections that are short: `[appliance]`, `[governor]`, `[remediation]`, `[outputs]`.

use std::collections::BTreeSet;
use std::path::Path;

use umbra_tap::Percentage;

use crate::eve::AlertOptions;

use super::diagnostic::{Class, Report};
use super::keys::{Default, GOVERNOR, OUTPUTS, Section};
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
    let eve_alert = AlertOptions {
        payload: settings.bool("eve_alert_payload"),
        payload_length: settings.bool("eve_alert_payload_length"),
        payload_printable: settings.bool("eve_alert_payload_printable"),
        payload_bytes: settings.int("eve_alert_payload_bytes"),
        packet: settings.bool("eve_alert_packet"),
        rule: settings.bool("eve_alert_rule"),
        references: settings.bool("eve_alert_references"),
    };
    Outputs {
        directory,
        eve,
        eve_types,
        eve_alert,
        eve_community_id: settings.bool("eve_community_id"),
        stats_interval_s: settings.int("stats_interval_s"),
    }
}

/// The reader let only legal numbers through.
pub(super) fn percentage(number: f64) -> Percentage {
    Percentage::try_from(number).unwrap_or(Percentage::ZERO)
}

impl EveType {
    /// All of them, in the order in which they are told.
    pub const ALL: [Self; 13] = [
        Self::Flow,
        Self::Stats,
        Self::Alert,
        Self::Anomaly,
        Self::Http,
        Self::Dns,
        Self::Tls,
        Self::Fileinfo,
        Self::Smtp,
        Self::Ssh,
        Self::Ftp,
        Self::Smb,
        Self::Dcerpc,
    ];

    /// What is written where nobody says: what is on in Suricata's stock configuration, without decode
    /// faults.
    pub fn usual() -> BTreeSet<Self> {
        let Default::Texts(words) =
            OUTPUTS.key("eve_types").map_or(Default::Required, |k| k.default)
        else {
            return BTreeSet::new();
        };
        words.iter().copied().filter_map(Self::from_word).collect()
    }

    /// As a manifest and an EVE record's `event_type` write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Flow => "flow",
            Self::Stats => "stats",
            Self::Alert => "alert",
            Self::Anomaly => "anomaly",
            Self::Http => "http",
            Self::Dns => "dns",
            Self::Tls => "tls",
            Self::Fileinfo => "fileinfo",
            Self::Smtp => "smtp",
            Self::Ssh => "ssh",
            Self::Ftp => "ftp",
            Self::Smb => "smb",
            Self::Dcerpc => "dcerpc",
        }
    }

    /// The type under which a record of this `event_type` is asked for: transfers go with FTP.
    pub fn of_event(event_type: &str) -> Option<Self> {
        if event_type == "ftp_data" { Some(Self::Ftp) } else { Self::from_word(event_type) }
    }

    fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|t| t.as_str() == word)
    }
}
