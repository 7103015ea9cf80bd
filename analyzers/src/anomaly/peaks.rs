//! Peaks: the highest score of a host in a span.
//!
//! Frames of one host come in runs with much the same score. Extreme-value theory is about independent events, so
//! runs are reduced to their peaks first (declustering; Smith and Weissman, JRSS B 1994), and it is peaks, not
//! frames, that are alarmed on and that a budget counts. Spans are of the clock, so that a sample of them can be taken.

use std::collections::VecDeque;

use super::table::Table;

/// As long as a host is alarmed about once.
pub(super) const SPAN_S: f64 = 600.0;
/// Peaks that are remembered: the latest.
const KEPT: usize = 16_384;

/// Which span it is.
pub(super) fn span(now: f64) -> i64 {
    (now / SPAN_S).floor() as i64
}

#[derive(Clone, Copy, Debug, Default)]
struct Peak {
    span: i64,
    score: f64,
}

/// Finds peaks. At most 45 bytes × hosts + 256 KiB.
#[derive(Clone, Debug)]
pub(super) struct Peaks {
    open: Table<Peak>,
    /// When they ended, and how high they were.
    closed: VecDeque<(f64, f64)>,
    span: Option<(f64, f64)>,
}

impl Peaks {
    pub(super) fn new(hosts: usize) -> Self {
        Self { open: Table::new(hosts), closed: VecDeque::new(), span: None }
    }

    /// A frame's score.
    pub(super) fn add(&mut self, host: u64, now: f64, score: f64) {
        self.span = Some(self.span.map_or((now, now), |(a, b)| (a.min(now), b.max(now))));
        let span = span(now);
        let (peak, new) = self.open.entry(host);
        if new {
            *peak = Peak { span, score };
        } else if span != peak.span {
            let ended = std::mem::replace(peak, Peak { span, score });
            self.close(now, ended.score);
        } else {
            peak.score = peak.score.max(score);
        }
    }

    fn close(&mut self, now: f64, score: f64) {
        if self.closed.len() >= KEPT
            && let Some((time, _)) = self.closed.pop_front()
            && let Some((since, _)) = &mut self.span
        {
            // What was forgotten was not watched.
            *since = since.max(time);
        }
        self.closed.push_back((now, score));
    }

    /// The peaks that ended, and how many end in a day.
    pub(super) fn ended(&self) -> (Vec<f64>, f64) {
        let seconds = self.span.map_or(0.0, |(since, until)| until - since).max(1.0);
        let peaks: Vec<f64> = self.closed.iter().map(|(_, score)| *score).collect();
        let per_day = peaks.len() as f64 * 86_400.0 / seconds;
        (peaks, per_day)
    }

    /// Seconds that they are of.
    pub(super) fn seconds(&self) -> f64 {
        self.span.map_or(0.0, |(since, until)| until - since)
    }

    /// All peaks, those that last still as if they had ended.
    pub(super) fn finish(mut self) -> (Vec<f64>, f64) {
        let open: Vec<f64> = self.open.iter().map(|(_, peak)| peak.score).collect();
        let until = self.span.map_or(0.0, |(_, until)| until);
        open.into_iter().for_each(|score| self.close(until, score));
        self.ended()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_of_frames_is_one_peak() {
        let mut peaks = Peaks::new(16);
        for i in 0..100 {
            peaks.add(1, f64::from(i) * 0.1, f64::from(i % 7));
        }
        peaks.add(1, 700.0, 9.0);
        peaks.add(2, 864.0, 3.0);
        let (scores, per_day) = peaks.finish();
        assert_eq!(scores, [6.0, 9.0, 3.0]);
        assert!((per_day - 300.0).abs() < 1e-6);
    }

    #[test]
    fn memory_has_a_bound_and_the_rate_stays_right() {
        let mut peaks = Peaks::new(64);
        for i in 0..200_000u32 {
            peaks.add(u64::from(i % 40), f64::from(i) * 10.0, 1.0);
        }
        let (scores, per_day) = peaks.ended();
        assert_eq!(scores.len(), KEPT);
        // 40 hosts of which each has one frame in 400 s, so a peak in most spans of 600 s.
        assert!((3000.0..6000.0).contains(&per_day), "{per_day}");
    }
}
