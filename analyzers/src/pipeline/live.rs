//! A pipeline behind rings: what an instance's thread runs.

use std::sync::Arc;

use umbra_tap::RingBatch;

use super::{Pipeline, PipelineConfig, PipelineSummary};
use crate::decode::LinkType;
use crate::events::{EventContext, EventSink, Timestamp};
use crate::profile::{NotBuilt, Plan};
use crate::runner::{Analyzer, Blame};

/// A [`Pipeline`] with its sink and context.
pub struct LiveAnalyzer {
    pipeline: Pipeline,
    sink: Box<dyn EventSink>,
    context: Arc<EventContext>,
    /// The instance's clock at the first tick after the latest record, and that record's time.
    anchor: Option<(Timestamp, Timestamp)>,
    records_since_tick: bool,
}

impl std::fmt::Debug for LiveAnalyzer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LiveAnalyzer").field("pipeline", &self.pipeline).finish_non_exhaustive()
    }
}

impl LiveAnalyzer {
    /// An analyzer that gives its events to `sink`.
    ///
    /// # Errors
    ///
    /// If a plan is of a kind that is not built yet.
    pub fn new(
        config: PipelineConfig,
        plans: &[Plan],
        sink: Box<dyn EventSink>,
        context: Arc<EventContext>,
    ) -> Result<Self, NotBuilt> {
        Ok(Self::over(Pipeline::new(config, plans)?, sink, context))
    }

    /// An analyzer over a pipeline that was made elsewhere.
    #[must_use]
    pub fn over(pipeline: Pipeline, sink: Box<dyn EventSink>, context: Arc<EventContext>) -> Self {
        Self { pipeline, sink, context, anchor: None, records_since_tick: false }
    }

    /// The pipeline.
    #[must_use]
    pub fn pipeline(&self) -> &Pipeline {
        &self.pipeline
    }

    /// Record time at the instance's time `now`. Records may be stamped by a clock that is off, and
    /// may come late; the instance's own clock is used only for how long it has been quiet.
    fn record_time(&mut self, now: Timestamp) -> Option<Timestamp> {
        if std::mem::take(&mut self.records_since_tick) || self.anchor.is_none() {
            let latest = self.pipeline.now();
            if latest == Timestamp::ZERO {
                return None;
            }
            self.anchor = Some((now, latest));
        }
        self.anchor.map(|(clock, record)| record + now.since(clock))
    }
}

impl Analyzer for LiveAnalyzer {
    type Summary = PipelineSummary;

    fn analyse(&mut self, records: &RingBatch<'_>) {
        self.records_since_tick = true;
        self.pipeline.process(
            records.iter(),
            LinkType::Ethernet,
            self.sink.as_mut(),
            &self.context,
        );
    }

    fn tick(&mut self, now: Timestamp) {
        if let Some(now) = self.record_time(now) {
            self.pipeline.tick(now, self.sink.as_mut(), &self.context);
        }
    }

    fn set_context(&mut self, context: Arc<EventContext>) {
        self.context = context;
    }

    fn summary(&mut self) -> PipelineSummary {
        self.pipeline.summary()
    }

    fn finish(&mut self) {
        self.pipeline.finish(self.sink.as_mut(), &self.context);
    }

    fn abandon(&mut self) {
        self.pipeline.abandon(self.sink.as_mut(), &self.context);
    }

    fn blame(&self) -> Blame {
        self.pipeline.blame()
    }
}
