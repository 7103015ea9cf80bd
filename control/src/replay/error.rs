//! Why a replay gave no report.

use std::path::PathBuf;
use std::sync::Arc;

use umbra_analyzers::profile::{ConfigError, NotBuilt};

use crate::pcap::CaptureError;

/// Why a replay could not be begun or not be finished. A capture that is damaged or cut somewhere behind
/// its beginning is no error: [`super::ReplayReport::end`] tells.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// Nothing of the capture can be read.
    #[error(transparent)]
    Capture(#[from] CaptureError),
    /// A profile of this kind is not there.
    #[error(transparent)]
    NotBuilt(#[from] NotBuilt),
    /// A profile's settings are wrong.
    #[error("profile {id}: {}", list(errors))]
    Profile { id: String, errors: Vec<ConfigError> },
    /// `--strict`, and rules did not load. They have been named in the log.
    #[error("{count} rules do not load, and --strict wants all of them")]
    Rules { count: usize },
    /// The capture for `--learn` has no frame, or none that was sampled.
    #[error("--learn {}: there is nothing in it to learn from", .0.display())]
    NothingLearned(PathBuf),
    /// An analyzer panicked: a fault of umbra.
    #[error(
        "frame {frame} made {} panic: {message}; please report it with that frame",
        culprit(profile.as_ref())
    )]
    Panicked { frame: u64, profile: Option<Arc<str>>, message: String },
}

fn list(errors: &[ConfigError]) -> String {
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

fn culprit(profile: Option<&Arc<str>>) -> String {
    match profile {
        Some(id) => format!("the profile {id}"),
        None => "decode, defragmentation or the flow table".to_owned(),
    }
}
