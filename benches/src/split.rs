//! Split flows: those of which the sampler takes some frames and leaves others, of a million.

use std::sync::Arc;

use anyhow::Result;
use umbra_forward::hashing::WireHasher;
use umbra_tap::{
    BurstOrigin, Direction, Distribute, FrameSlices, GeometricTable, MatchSet, Percentage, Select,
    Tap, TapSettings,
};
use umbra_wire::{KeyOptions, SymmetricHash};

use crate::traffic::flow_frame;

/// Sends both directions of `flows` flows through a tap at `percentage`, in flow mode; returns how many
/// flows were selected whole and how many were split.
pub(crate) fn split_flows(flows: u32, percentage: f64) -> Result<(u64, u64)> {
    let settings = TapSettings {
        enabled: true,
        gaps: Arc::new(GeometricTable::new(Percentage::try_from(percentage)?)),
        select: Select::Flow,
        distribute: Distribute::Shard,
        snaplen: 0,
        escalation: Arc::new(MatchSet::default()),
        epoch: 0,
    };
    let hasher = WireHasher::new(SymmetricHash::from_os_entropy(), KeyOptions::default());
    let mut tap = Tap::new(settings, 1, 1);
    let origin = BurstOrigin { wire: 0, direction: Direction::AtoB };
    let (mut whole, mut split) = (0, 0);
    let mut first = 0;
    while first < flows {
        let last = (first + 32).min(flows);
        let mut selected = [0u64; 2];
        for (back, selected) in selected.iter_mut().enumerate() {
            let frames: Vec<Vec<u8>> =
                (first..last).map(|flow| flow_frame(flow, 60, back == 1)).collect();
            *selected = tap.mirror(origin, || 0, &FrameSlices(&frames), &hasher).selected;
            tap.publish();
        }
        whole += u64::from((selected[0] & selected[1]).count_ones());
        split += u64::from((selected[0] ^ selected[1]).count_ones());
        first = last;
    }
    Ok((whole, split))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_flow_is_split_and_the_share_is_about_right() {
        let (whole, split) = split_flows(20_000, 5.0).unwrap();
        assert_eq!(split, 0);
        assert!((700..1300).contains(&whole), "{whole}");
    }
}
