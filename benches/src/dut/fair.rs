//! Which seed the flow hash gets.

use anyhow::Result;
use umbra_wire::{KeyOptions, SymmetricHash};

use crate::session::Plan;

/// A hash under which the sampled share of the frames at hand is what the percentages say. A few hundred flows
/// are sampled at 1 % as 0.4 or 1.7 %, and what a per cent costs is what is asked.
pub(super) fn hash(plan: &Plan) -> Result<SymmetricHash> {
    const TRIES: u64 = 400;
    /// Frames that are looked at: more need no help.
    const LOOKED_AT: usize = 20_000;
    let dut = &plan.dut;
    let count = (dut.rig.preloaded() as usize * 2).max(dut.frames as usize).min(LOOKED_AT);
    let frames = dut.traffic.frames(count)?;
    let wanted: Vec<f64> = plan
        .settings
        .iter()
        .filter_map(|s| s.shadow.as_ref())
        .filter(|s| s.select == "flow" && s.percentage * count as f64 >= 100.0)
        .map(|s| s.percentage / 100.0)
        .collect();
    let options = KeyOptions::default();
    let mut best = (f64::INFINITY, SymmetricHash::from_os_entropy());
    for try_ in 0..TRIES {
        let hash = SymmetricHash::new([try_, 1, 2, 3]);
        let high: Vec<u64> = frames.iter().map(|f| hash.frame(f, &options) >> 32).collect();
        let worst = wanted
            .iter()
            .map(|&share| {
                let below = high.iter().filter(|&&h| (h as f64) < share * 4_294_967_296.0).count();
                (below as f64 / count.max(1) as f64 / share - 1.0).abs()
            })
            .fold(0.0, f64::max);
        if worst < best.0 {
            best = (worst, hash);
        }
        if worst < 0.03 {
            break;
        }
    }
    Ok(best.1)
}
