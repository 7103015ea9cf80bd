//! The profile's settings.

use std::path::PathBuf;

use crate::profile::{SettingInfo, SettingType};

use super::rarity::Rarity;

pub(super) const SETTINGS: &[SettingInfo] = &[
    SettingInfo {
        key: "alarms_per_day",
        ty: SettingType::Number { min: 0.01, max: 10_000.0 },
        default: "10",
        help: "False alarms of the learned models that are put up with in a day; the threshold follows from it.",
    },
    SettingInfo {
        key: "learn_s",
        ty: SettingType::Integer { min: 1, max: 31_536_000 },
        default: "86400",
        help: "Seconds of traffic that are learned from before anything is alerted, without a model. \
               A day has all that comes daily.",
    },
    SettingInfo {
        key: "model",
        ty: SettingType::Path,
        default: "null",
        help: "File with the learned model: read at the start if it is there, written when learning is over.",
    },
    SettingInfo {
        key: "keys",
        ty: SettingType::Integer { min: 256, max: 1_048_576 },
        default: "16384",
        help: "Senders, channels, sockets and headings with statistics at a time; each takes up to 2 KB.",
    },
    SettingInfo {
        key: "values",
        ty: SettingType::Integer { min: 1_024, max: 16_777_216 },
        default: "262144",
        help: "Observations whose rarity is known; each takes up to 100 bytes.",
    },
    SettingInfo {
        key: "seed",
        ty: SettingType::Integer { min: 0, max: 9_007_199_254_740_991 },
        default: "1",
        help: "Of key hashes and of initial weights; the same seed and traffic give the same scores.",
    },
];

/// Validated.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Settings {
    pub(super) alarms_per_day: f64,
    pub(super) learn_s: f64,
    pub(super) model: Option<PathBuf>,
    pub(super) keys: usize,
    pub(super) values: usize,
    pub(super) seed: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self::of(&serde_json::Map::new())
    }
}

impl Settings {
    /// Of settings that were checked.
    pub(super) fn of(settings: &serde_json::Map<String, serde_json::Value>) -> Self {
        let number = |key: &str, default: u64| {
            settings.get(key).and_then(serde_json::Value::as_u64).unwrap_or(default)
        };
        Self {
            alarms_per_day: settings
                .get("alarms_per_day")
                .and_then(serde_json::Value::as_f64)
                .unwrap_or(10.0),
            learn_s: number("learn_s", 86_400) as f64,
            model: settings.get("model").and_then(serde_json::Value::as_str).map(PathBuf::from),
            keys: number("keys", 16_384) as usize,
            values: number("values", 262_144) as usize,
            seed: number("seed", 1),
        }
    }

    /// Empty counts. There are fewer contexts than values: most are of hosts and services.
    pub(super) fn rarity(&self) -> Rarity {
        Rarity::new(self.contexts(), self.values)
    }

    pub(super) fn contexts(&self) -> usize {
        self.values / 4
    }
}
