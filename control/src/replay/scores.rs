//! `--scores FILE`: a row for every frame, `frame,time,score,key`.

use std::fmt::Display;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use umbra_analyzers::anomaly::{ScoreRow, ScoreSink};
use umbra_analyzers::events::Timestamp;

/// What stands for the key of a frame that the sampler left out.
const NOT_SAMPLED: &str = "not sampled";

/// Writes rows as frames are scored: in the capture's order with one instance, in that of each instance's batches
/// with several. The first error is kept and ends the writing.
#[derive(Debug)]
pub struct ScoreFile(Mutex<State>);

#[derive(Debug)]
struct State {
    file: BufWriter<File>,
    failed: Option<io::Error>,
}

impl ScoreFile {
    /// Begins the file anew.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn create(path: &Path) -> io::Result<Self> {
        let mut file = BufWriter::new(File::create(path)?);
        file.write_all(b"frame,time,score,key\n")?;
        Ok(Self(Mutex::new(State { file, failed: None })))
    }

    /// Writes what waits.
    ///
    /// # Errors
    /// The first error since the beginning.
    pub fn finish(&self) -> io::Result<()> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match state.failed.take() {
            Some(error) => Err(error),
            None => state.file.flush(),
        }
    }

    /// A frame that nobody looked at.
    pub(super) fn skip(&self, number: u64, timestamp_ns: u64) {
        self.row(number, Timestamp(timestamp_ns), 0.0, &NOT_SAMPLED);
    }

    fn row(&self, number: u64, time: Timestamp, score: f64, key: &dyn Display) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let State { file, failed } = &mut *state;
        if failed.is_none() {
            let (whole, part) = (time.as_secs(), time.subsec_nanos());
            *failed = writeln!(file, "{number},{whole}.{part:09},{score:.6},{key}").err();
        }
    }
}

impl ScoreSink for ScoreFile {
    fn score(&self, row: &ScoreRow<'_>) {
        self.row(row.number, row.time, row.score, row.key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_have_frame_time_score_and_key() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("scores.csv");
        let scores = ScoreFile::create(&path).unwrap();
        let time = Timestamp(1_500_000_000_000_000_007);
        scores.score(&ScoreRow { number: 1, time, score: 2.5, key: &"a>b tcp/80" });
        scores.skip(2, 0);
        scores.finish().unwrap();
        assert_eq!(
            std::fs::read_to_string(&path).unwrap(),
            "frame,time,score,key\n1,1500000000.000000007,2.500000,a>b tcp/80\n2,0.000000000,0.000000,not sampled\n"
        );
    }
}
