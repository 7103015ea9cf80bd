//! Where profiles leave what they found.

use crate::events::{Event, Finding, SignatureAlert};
use crate::flow::FlowId;

/// Collects findings and events during a call; the pipeline hands them on afterwards.
#[derive(Debug, Default)]
pub struct Findings {
    events: Vec<Event>,
    alerted: Vec<FlowId>,
}

impl Findings {
    /// A finding that is about no flow, or about one that already ended.
    pub fn report(&mut self, finding: Finding) {
        self.events.push(Event::Finding(Box::new(finding)));
    }

    /// A finding about a live flow, whose record will say that it was alerted on.
    pub fn report_on(&mut self, flow: FlowId, finding: Finding) {
        self.alerted.push(flow);
        self.report(finding);
    }

    /// An alert, perhaps about a live flow, whose record will say that it was alerted on.
    pub fn alert(&mut self, flow: Option<FlowId>, alert: SignatureAlert) {
        self.alerted.extend(flow);
        self.events.push(Event::Alert(Box::new(alert)));
    }

    /// Anything else, such as a summary.
    pub fn emit(&mut self, event: Event) {
        self.events.push(event);
    }

    /// Number of events that wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.events.len()
    }

    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// Takes the events out, in the order of their report.
    pub fn drain_events(&mut self) -> impl Iterator<Item = Event> + '_ {
        self.events.drain(..)
    }

    /// Takes the flows out that were alerted on.
    pub fn drain_alerted(&mut self) -> impl Iterator<Item = FlowId> + '_ {
        self.alerted.drain(..)
    }
}
