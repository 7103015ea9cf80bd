//! Which frames of a capture are analysed, and by which instance: the tap's choice, frame by frame.

use umbra_tap::{Distribute, FlowThreshold, GeometricSkip, Percentage, Select, shard};
use umbra_wire::{KeyOptions, SymmetricHash};

use crate::pcap::DataLink;

use super::link::as_ethernet;

/// A replay must choose the same frames every time, so the seed is no secret here.
const SEED: [u64; 4] = [0x0075_6d62_7261, 0x7265_706c_6179, 1, 2];

/// What is sampled and how it is spread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SamplingOptions {
    pub percentage: Percentage,
    pub select: Select,
    pub distribute: Distribute,
    pub key: KeyOptions,
}

impl Default for SamplingOptions {
    /// Everything, whole flows together.
    fn default() -> Self {
        Self {
            percentage: Percentage::FULL,
            select: Select::Flow,
            distribute: Distribute::Shard,
            key: KeyOptions::default(),
        }
    }
}

/// What becomes of one frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Choice {
    pub(super) selected: bool,
    pub(super) flow_hash: u64,
    /// The instance that gets it in `shard`.
    pub(super) instance: usize,
}

/// The sampler of a replay.
#[derive(Debug)]
pub(super) struct Sampler {
    options: SamplingOptions,
    hash: SymmetricHash,
    flow: FlowThreshold,
    host: FlowThreshold,
    skip: GeometricSkip,
    instances: usize,
    scratch: Vec<u8>,
}

impl Sampler {
    pub(super) fn new(options: SamplingOptions, instances: usize) -> Self {
        Self {
            options,
            hash: SymmetricHash::new(SEED),
            flow: FlowThreshold::from(options.percentage),
            host: FlowThreshold::for_hosts(options.percentage),
            skip: GeometricSkip::new(options.percentage, SEED[0]),
            instances,
            scratch: Vec::new(),
        }
    }

    pub(super) fn choose(&mut self, link: DataLink, frame: &[u8]) -> Choice {
        let ethernet = as_ethernet(link, frame, &mut self.scratch);
        let (flow_hash, selected, place) = match self.options.select {
            Select::Flow => {
                let hash = self.hash.frame(ethernet, &self.options.key);
                (hash, self.flow.selects(hash), hash)
            }
            Select::Host => {
                let subject = self.hash.subject(ethernet, &self.options.key);
                let host = self.hash.host(subject.a).min(self.hash.host(subject.b));
                (subject.hash, self.host.selects(host), host)
            }
            Select::Packet => {
                let hash = self.hash.frame(ethernet, &self.options.key);
                let mut selected = false;
                self.skip.advance(1, |_| selected = true);
                (hash, selected, hash)
            }
        };
        Choice { selected, flow_hash, instance: shard(place, self.instances) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn udp(source: u16, destination: u16, swap: bool) -> Vec<u8> {
        let (a, b) = ([10, 0, (source >> 8) as u8, source as u8], [10, 9, 9, 9]);
        let (src, dst) = if swap { (b, a) } else { (a, b) };
        let (src_port, dst_port) = if swap { (destination, source) } else { (source, destination) };
        let mut packet = vec![0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0, 0];
        packet.extend(src);
        packet.extend(dst);
        packet.extend(src_port.to_be_bytes());
        packet.extend(dst_port.to_be_bytes());
        packet.extend([0, 8, 0, 0]);
        packet
    }

    fn sampler(percent: f64, select: Select, instances: usize) -> Sampler {
        let percentage = Percentage::try_from(percent).expect("a percentage");
        Sampler::new(
            SamplingOptions { percentage, select, ..SamplingOptions::default() },
            instances,
        )
    }

    #[test]
    fn both_directions_of_a_flow_go_together_on_any_link() {
        let mut sampler = sampler(37.5, Select::Flow, 4);
        let mut selected = 0;
        for port in 1..4000 {
            let there = sampler.choose(DataLink::RAW, &udp(port, 53, false));
            let back = udp(port, 53, true);
            assert_eq!(sampler.choose(DataLink::RAW, &back), there);
            let tagged = [&[0_u8; 12][..], &[8, 0], &back].concat();
            assert_eq!(sampler.choose(DataLink::ETHERNET, &tagged), there);
            selected += u32::from(there.selected);
        }
        // 3999 flows at 37.5 %: mean 1500, 3σ = 92.
        assert!((1408..=1592).contains(&selected), "{selected}");
    }

    #[test]
    fn a_smaller_percentage_takes_a_subset() {
        let (mut few, mut more) = (sampler(5.0, Select::Flow, 1), sampler(10.0, Select::Flow, 1));
        for port in 1..4000 {
            let frame = udp(port, 80, false);
            let small = few.choose(DataLink::RAW, &frame).selected;
            assert!(!small || more.choose(DataLink::RAW, &frame).selected);
        }
    }

    #[test]
    fn full_takes_all_and_zero_nothing_in_every_mode() {
        for select in [Select::Flow, Select::Host, Select::Packet] {
            let (mut all, mut none) = (sampler(100.0, select, 3), sampler(0.0, select, 3));
            for port in 1..500 {
                let frame = udp(port, 80, false);
                assert!(all.choose(DataLink::RAW, &frame).selected);
                assert!(!none.choose(DataLink::RAW, &frame).selected);
                assert!(all.choose(DataLink::RAW, &frame).instance < 3);
            }
        }
    }

    #[test]
    fn the_choice_is_the_same_every_time() {
        for select in [Select::Flow, Select::Host, Select::Packet] {
            let choices = || {
                let mut sampler = sampler(20.0, select, 2);
                (1..500)
                    .map(|port| sampler.choose(DataLink::RAW, &udp(port, 80, false)))
                    .collect::<Vec<_>>()
            };
            assert_eq!(choices(), choices());
        }
    }
}
