//! Where the instances' events go: to the writer thread (live), or straight into the file (replay).

use std::sync::Arc;

use umbra_analyzers::events::{Event, EventContext, EventSink};

use super::channel::LineSender;
use super::format::EveFormat;
use super::stats::Stats;
use super::writer::EveWriter;

/// The sink of the live run. Serialises in the instance's thread and never waits: a line that the queue
/// has no room for is dropped and counted (`eve_dropped`). `stats` records go the same way
/// ([`EveSink::stats`]).
#[derive(Debug, Clone)]
pub struct EveSink {
    format: Arc<EveFormat>,
    lines: LineSender,
}

impl EveSink {
    pub fn new(format: Arc<EveFormat>, lines: LineSender) -> Self {
        Self { format, lines }
    }

    /// Hands a `stats` record over.
    pub fn stats(&mut self, stats: &Stats<'_>, context: &EventContext) {
        let mut line = self.lines.buffer();
        self.format.stats(stats, context, &mut line);
        self.hand_over(line);
    }

    fn hand_over(&self, line: Vec<u8>) {
        if !line.is_empty() {
            self.lines.offer(line);
        }
    }
}

impl EventSink for EveSink {
    fn emit(&mut self, event: &Event, context: &EventContext) {
        let mut line = self.lines.buffer();
        self.format.event(event, context, &mut line);
        self.hand_over(line);
    }
}

/// The sink of a replay: writes where the event is made and drops nothing.
#[derive(Debug)]
pub struct BlockingSink {
    format: EveFormat,
    writer: EveWriter,
    line: Vec<u8>,
}

impl BlockingSink {
    pub fn new(format: EveFormat, writer: EveWriter) -> Self {
        Self { format, writer, line: Vec::with_capacity(4096) }
    }

    /// Writes a `stats` record.
    pub fn stats(&mut self, stats: &Stats<'_>, context: &EventContext) {
        self.line.clear();
        self.format.stats(stats, context, &mut self.line);
        self.hand_over();
    }

    fn hand_over(&mut self) {
        if !self.line.is_empty() {
            self.writer.line(&self.line);
        }
    }

    /// The writer, for flushing and counters.
    pub fn writer(&mut self) -> &mut EveWriter {
        &mut self.writer
    }
}

impl EventSink for BlockingSink {
    fn emit(&mut self, event: &Event, context: &EventContext) {
        self.line.clear();
        self.format.event(event, context, &mut self.line);
        self.hand_over();
    }
}
