//! What a configuration comes to, and how learning and scores are got at from outside.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use super::model::Model;
use super::settings::Settings;
use crate::events::Timestamp;
use crate::profile::{Plan, ProfileKind};

/// One frame's score.
pub struct ScoreRow<'r> {
    /// Number in the capture, from 1.
    pub number: u64,
    pub time: Timestamp,
    /// 0 is usual, higher is stranger: minus the natural logarithm of a tail probability.
    pub score: f64,
    /// Who and what the frame is about: `client>server service`.
    pub key: &'r dyn fmt::Display,
}

impl fmt::Debug for ScoreRow<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.number, self.score, self.key)
    }
}

/// Who wants every frame's score.
pub trait ScoreSink: Send + Sync + fmt::Debug {
    /// Takes one; instances of several threads may call.
    fn score(&self, row: &ScoreRow<'_>);
}

/// Where a profile that only learns leaves its model.
#[derive(Clone, Debug, Default)]
pub struct LearnedModel(Arc<Mutex<Option<Model>>>);

impl LearnedModel {
    pub(super) fn put(&self, model: Model) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(model);
    }

    /// The model, after the pipeline has finished.
    #[must_use]
    pub fn take(&self) -> Option<Model> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// A validated configuration.
#[derive(Clone)]
pub struct AnomalyPlan {
    pub(super) settings: Settings,
    /// Known from the start.
    pub(super) model: Option<Arc<Model>>,
    /// Learns to the end, and leaves the model here.
    pub(super) learn: Option<LearnedModel>,
    pub(super) scores: Option<Arc<dyn ScoreSink>>,
}

impl fmt::Debug for AnomalyPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AnomalyPlan")
            .field("settings", &self.settings)
            .field("has_model", &self.model.is_some())
            .field("learns", &self.learn.is_some())
            .finish_non_exhaustive()
    }
}

impl AnomalyPlan {
    pub(super) fn new(settings: Settings, model: Option<Arc<Model>>) -> Self {
        Self { settings, model, learn: None, scores: None }
    }

    /// The plan's content, if it is of this kind.
    #[must_use]
    pub fn of(plan: &Plan) -> Option<&Self> {
        plan.content()
    }

    fn into_plan(self, id: &str) -> Plan {
        Plan::new(id, ProfileKind::Anomaly, self)
    }

    /// The same profile, learning all it sees and alerting nothing. `None` if the plan is of another kind.
    #[must_use]
    pub fn learning(plan: &Plan) -> Option<(Plan, LearnedModel)> {
        let learned = LearnedModel::default();
        let content = Self::of(plan)?.clone();
        let content = Self { model: None, learn: Some(learned.clone()), scores: None, ..content };
        Some((content.into_plan(plan.id()), learned))
    }

    /// The same profile with this model, and giving its scores to a sink. Plans of other kinds stay as they are.
    #[must_use]
    pub fn equipped(
        plan: &Plan,
        model: Option<&Arc<Model>>,
        scores: Option<&Arc<dyn ScoreSink>>,
    ) -> Plan {
        let Some(content) = Self::of(plan) else { return plan.clone() };
        let mut content = content.clone();
        if let Some(model) = model {
            content.model = Some(Arc::clone(model));
        }
        content.scores = scores.map(Arc::clone);
        content.into_plan(plan.id())
    }
}
