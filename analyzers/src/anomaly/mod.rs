//! Anomaly_Detection: what is unusual, after learning what is usual.
//!
//! Every frame gets a score. [`keys`] says who and what it is about; [`rarity`] how improbable these observations
//! are, each in its context; [`features`] computes Kitsune's damped statistics, which an ensemble of autoencoders
//! ([`kitnet`]) and half-space trees ([`forest`]) judge, and [`baseline`] what is usual for the heading of a
//! conversation. [`tail`] makes probabilities of scores, [`fusion`] one score of probabilities. [`learner`] learns,
//! [`watch`] scores, [`peaks`] and [`alarms`] keep the alarms to a budget per day.
//!
//! [`detect`] looks for what has a name: scans, floods, spoofing.
//!
//! Time is the records'. Given a seed, the same records give the same scores. All tables have bounds and forget
//! what was used least recently.

mod alarms;
mod baseline;
mod damped;
mod detect;
mod features;
mod forest;
mod fusion;
mod hash;
mod keys;
mod kitnet;
mod learner;
mod model;
mod names;
mod operation;
mod peaks;
mod plan;
mod profile;
mod rarity;
mod settings;
mod table;
mod tail;
mod watch;

#[cfg(test)]
mod tests;

pub use kitnet::{Correlations, GROUP, KitNet};
pub use model::{Model, ModelError};
pub use plan::{AnomalyPlan, LearnedModel, ScoreRow, ScoreSink};
pub use profile::AnomalySummary;

use std::sync::Arc;

use crate::profile::{
    ConfigError, Plan, Profile, ProfileConfig, ProfileFactory, ProfileKind, SettingInfo, check_all,
};
use profile::Anomaly;
use settings::{SETTINGS, Settings};

/// Makes anomaly profiles.
#[derive(Clone, Copy, Debug, Default)]
pub struct AnomalyFactory;

impl ProfileFactory for AnomalyFactory {
    fn kind(&self) -> ProfileKind {
        ProfileKind::Anomaly
    }

    fn settings(&self) -> &'static [SettingInfo] {
        SETTINGS
    }

    fn validate(&self, config: &ProfileConfig) -> Result<Plan, Vec<ConfigError>> {
        let errors = check_all(&config.settings, SETTINGS);
        if !errors.is_empty() {
            return Err(errors);
        }
        let settings = Settings::of(&config.settings);
        let model = match settings.model.as_deref().filter(|path| path.exists()) {
            None => None,
            Some(path) => Some(Arc::new(Model::load(path).map_err(|error| {
                vec![ConfigError {
                    key: "model".to_owned(),
                    value: path.display().to_string(),
                    legal: "a model that this version has saved, or no file yet".to_owned(),
                    message: error.to_string(),
                }]
            })?)),
        };
        Ok(Plan::new(&config.id, ProfileKind::Anomaly, AnomalyPlan::new(settings, model)))
    }

    fn build(&self, plan: &Plan) -> Box<dyn Profile> {
        let id = Arc::clone(plan.id());
        match AnomalyPlan::of(plan) {
            Some(content) => Box::new(Anomaly::new(id, content.clone())),
            None => panic!("the plan of {id} is of kind {} and not anomaly", plan.kind()),
        }
    }
}
