//! Replay: the analyzers over a capture, offline, with the same code as behind the rings.
//!
//! [`run`] reads the capture, samples and shards it as the tap would ([`sampling`]), and gives batches
//! of frames to one pipeline per instance. All pipelines work in turn on the calling thread and time
//! is the capture's, so the same capture and options give the same events in the same order.
//!
//! With several instances a flow's record does not depend on their number, as long as the sampler
//! keeps the flow together: a flow that is fragmented in part is split unless `flow_key = "hosts"`.

mod batch;
mod command;
mod engine;
mod error;
mod link;
mod offload;
mod options;
mod report;
mod sampling;
mod scores;

pub use command::main;
pub use engine::run;
pub use error::ReplayError;
pub use offload::{Offloading, PROBE_BYTES, PROBE_FRAMES};
pub use options::{ChecksumMode, ReplayOptions};
pub use report::{ChecksumDecision, LinkFrames, ProfileText, ReplayReport};
pub use sampling::SamplingOptions;
pub use scores::ScoreFile;
