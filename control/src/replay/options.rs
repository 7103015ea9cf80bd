//! What a replay is asked to do.

use std::path::PathBuf;
use std::sync::Arc;

use umbra_analyzers::profile::{ProfileConfig, ProfileKind};

use super::sampling::SamplingOptions;
use super::scores::ScoreFile;

/// `-k`: which packets with a bad checksum stay out of streams and application layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ChecksumMode {
    /// All of them.
    All,
    /// None.
    None,
    /// All, but none where the capture shows offloading ([`super::offload`] has the rule).
    #[default]
    Auto,
}

/// Everything that decides the result of a replay.
#[derive(Debug, Clone)]
pub struct ReplayOptions {
    pub capture: PathBuf,
    /// In every event's `shadow.appliance`.
    pub appliance: String,
    pub checksums: ChecksumMode,
    pub sampling: SamplingOptions,
    /// At least 1.
    pub instances: usize,
    pub profiles: Vec<ProfileConfig>,
    /// Bytes looked at of each frame, as if the tap had copied no more.
    pub snaplen_bytes: Option<u32>,
    /// An event for each decode fault of each frame; they are counted always.
    pub anomalies: bool,
    /// A rule that does not load ends it.
    pub strict: bool,
    /// Traffic taken as normal that the anomaly models learn from first.
    pub learn: Option<PathBuf>,
    /// Gets every frame's anomaly score.
    pub scores: Option<Arc<ScoreFile>>,
}

impl ReplayOptions {
    /// One instance that sees everything and profiles performance.
    pub fn new(capture: impl Into<PathBuf>) -> Self {
        Self {
            capture: capture.into(),
            appliance: "replay".to_owned(),
            checksums: ChecksumMode::default(),
            sampling: SamplingOptions::default(),
            instances: 1,
            profiles: vec![ProfileConfig::standard(ProfileKind::Performance)],
            snaplen_bytes: None,
            anomalies: false,
            strict: false,
            learn: None,
            scores: None,
        }
    }
}
