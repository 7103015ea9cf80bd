//! What was learned, as instances share it and files keep it.

use std::io::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::damped::LONGEST_WINDOW_S;
use super::features::FEATURES;
use super::forest::Forest;
use super::kitnet::KitNet;
use super::rarity::SavedRarity;
use super::tail::Tail;

/// What the file says that it is, and the only version of it so far.
const FORMAT: &str = "umbra-anomaly-model";
const VERSION: u32 = 1;
/// Files beyond this are not read.
const MOST_BYTES: u64 = 1 << 30;

/// A model learned from traffic taken as normal. Immutable; instances begin with copies.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Model {
    format: String,
    version: u32,
    /// Of keys and weights: keys hashed under another seed do not match.
    pub(super) seed: u64,
    /// Frames that it was learned from, and seconds from the first to the last.
    pub(super) frames: u64,
    pub(super) seconds: f64,
    pub(super) rarity: SavedRarity,
    pub(super) network: KitNet,
    pub(super) forest: Forest,
    /// Distributions of their scores on traffic that they had not learned from.
    pub(super) network_tail: Tail,
    pub(super) forest_tail: Tail,
    pub(super) baseline_tail: Tail,
    /// Highest fused score of each subject in each span, and how many such peaks a day has.
    pub(super) peaks: Tail,
    pub(super) peaks_per_day: f64,
}

/// What was learned, apart from what the file says of itself.
#[derive(Debug)]
pub(super) struct Learned {
    pub(super) seed: u64,
    pub(super) frames: u64,
    pub(super) seconds: f64,
    pub(super) rarity: SavedRarity,
    pub(super) network: KitNet,
    pub(super) forest: Forest,
    pub(super) network_tail: Tail,
    pub(super) forest_tail: Tail,
    pub(super) baseline_tail: Tail,
    pub(super) peaks: Tail,
    pub(super) peaks_per_day: f64,
}

impl From<Learned> for Model {
    fn from(learned: Learned) -> Self {
        Self {
            format: FORMAT.to_owned(),
            version: VERSION,
            seed: learned.seed,
            frames: learned.frames,
            seconds: learned.seconds,
            rarity: learned.rarity,
            network: learned.network,
            forest: learned.forest,
            network_tail: learned.network_tail,
            forest_tail: learned.forest_tail,
            baseline_tail: learned.baseline_tail,
            peaks: learned.peaks,
            peaks_per_day: learned.peaks_per_day,
        }
    }
}

/// Why a model cannot be saved or loaded.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// The file cannot be read or written.
    #[error("{}: {error}", path.display())]
    File { path: PathBuf, error: std::io::Error },
    /// It is no model.
    #[error("{}: not a model: {message}; learn one anew with --learn", path.display())]
    Content { path: PathBuf, message: String },
    /// It is one of another version.
    #[error(
        "{}: a model of version {found}, and this is version {VERSION}; learn one anew with --learn",
        path.display()
    )]
    Version { path: PathBuf, found: u32 },
}

impl Model {
    /// Frames that it was learned from.
    #[must_use]
    pub fn frames(&self) -> u64 {
        self.frames
    }

    /// How much the trained models are to be believed beside the counted ones, 0 to 1: a network of a hundred
    /// inputs that saw fewer than some ten samples for each has learned them by heart at best, and inputs that are
    /// statistics over windows of up to 100 s have not shown how they vary before some ten of these have gone by.
    pub(super) fn trust(&self) -> f64 {
        let frames = self.frames as f64;
        let enough = 10.0 * FEATURES as f64;
        let long = 10.0 * LONGEST_WINDOW_S;
        frames / (frames + enough) * self.seconds / (self.seconds + long)
    }

    /// Writes it, so that there is always the old file or the new one and never a part.
    ///
    /// # Errors
    ///
    /// If the file cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), ModelError> {
        let failed = |error| ModelError::File { path: path.to_owned(), error };
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{}.tmp", std::process::id()));
        let beside = path.with_file_name(name);
        let write = || {
            let mut file = std::io::BufWriter::new(std::fs::File::create(&beside)?);
            serde_json::to_writer(&mut file, self)?;
            file.flush()?;
            file.get_ref().sync_all()?;
            std::fs::rename(&beside, path)
        };
        write().inspect_err(|_| drop(std::fs::remove_file(&beside))).map_err(failed)
    }

    /// Reads what [`save`](Self::save) wrote.
    ///
    /// # Errors
    ///
    /// If there is no such file, or it is no model of this version.
    pub fn load(path: &Path) -> Result<Self, ModelError> {
        let failed = |error| ModelError::File { path: path.to_owned(), error };
        let content = |message: String| ModelError::Content { path: path.to_owned(), message };
        if std::fs::metadata(path).map_err(failed)?.len() > MOST_BYTES {
            return Err(content("too large".to_owned()));
        }
        let bytes = std::fs::read(path).map_err(failed)?;
        let head: Head =
            serde_json::from_slice(&bytes).map_err(|error| content(error.to_string()))?;
        if head.format != FORMAT {
            return Err(content(format!("format is {:?}", head.format)));
        }
        if head.version != VERSION {
            return Err(ModelError::Version { path: path.to_owned(), found: head.version });
        }
        let model: Self =
            serde_json::from_slice(&bytes).map_err(|error| content(error.to_string()))?;
        if !model.is_sound() {
            return Err(content("its parts do not fit together".to_owned()));
        }
        Ok(model)
    }

    fn is_sound(&self) -> bool {
        let tails = [&self.network_tail, &self.forest_tail, &self.baseline_tail, &self.peaks];
        self.network.is_sound(FEATURES)
            && self.forest.is_sound(FEATURES)
            && tails.iter().all(|tail| tail.is_sound())
            && self.peaks_per_day.is_finite()
    }
}

/// What every version has.
#[derive(Deserialize)]
struct Head {
    format: String,
    version: u32,
}
