//! The same alerts however the traffic is cut, and however many instances share it.
//!
//! What is compared are multisets of rule, flow and transaction. Left out is what is about packets by nature:
//! their sizes, flags, offsets in them (`depth` and `offset` of payloads in `tcp` rules, which are held against
//! each segment as well), events of streams and decoders. Datagrams cannot be cut or repeated, only fragmented.

mod found;
mod rules;
mod said;
mod scene;
mod wire;

use std::sync::OnceLock;

use found::{Found, Lab, difference, sids};
use proptest::collection::vec;
use proptest::prelude::*;
use scene::Scene;
use umbra_control::replay::{ChecksumMode, ReplayOptions, SamplingOptions};
use umbra_wire::{FlowKeyMode, KeyOptions};
use wire::{Cut, frames};

/// A scene, its name, and what the rules find in it.
type Played = (&'static str, Scene, Found);

/// All rules, and what they find in each scene as most hosts send it.
fn scenes() -> &'static (Lab, Vec<Played>) {
    static SCENES: OnceLock<(Lab, Vec<Played>)> = OnceLock::new();
    SCENES.get_or_init(|| {
        let lab = Lab::new(&rules::all());
        let scenes = said::everything().into_iter().map(|(name, scene)| {
            let found = lab.run(&frames(&scene, &Cut::plain()), 1);
            (name, scene, found)
        });
        let scenes = scenes.collect();
        (lab, scenes)
    })
}

/// What is found differently in a scene that is cut so.
fn changed(at: usize, cut: &Cut) -> String {
    let (lab, scenes) = scenes();
    let (name, scene, expected) = &scenes[at];
    let text = difference(expected, &lab.run(&frames(scene, cut), 1), rules::counts);
    if text.is_empty() { text } else { format!("{name}:\n{text}") }
}

#[test]
fn every_rule_alerts_on_what_is_said() {
    let (_, scenes) = scenes();
    let seen: Vec<u32> = scenes.iter().flat_map(|(_, _, found)| sids(found)).collect();
    let silent: Vec<_> = rules::sids(&rules::all()).filter(|sid| !seen.contains(sid)).collect();
    assert!(silent.is_empty(), "silent: {silent:?}");
}

#[test]
fn each_way_of_cutting_alone() {
    let plain = Cut::plain();
    let cuts = [
        ("1 byte", Cut { sizes: vec![1], block: 5, ..plain.clone() }),
        ("7 bytes", Cut { sizes: vec![7], block: 1, ..plain.clone() }),
        ("100 bytes", Cut { sizes: vec![100], block: 3, ..plain.clone() }),
        ("9000 bytes", Cut { sizes: vec![9000], block: 4, ..plain.clone() }),
        ("mixed", Cut { sizes: vec![1, 700, 3, 1448, 2, 64], block: 8, ..plain.clone() }),
        ("reordered", Cut { sizes: vec![300], block: 8, reordered: 1000, ..plain.clone() }),
        ("repeated", Cut { sizes: vec![300], block: 2, repeated: 1000, ..plain.clone() }),
        ("sent again", Cut { sizes: vec![300], block: 2, sent_again: 1000, ..plain.clone() }),
        ("fragments of 8", Cut { sizes: vec![500], fragments: Some(8), ..plain.clone() }),
        ("fragments of 1480", Cut { sizes: vec![4000], fragments: Some(1480), ..plain.clone() }),
    ];
    let mut wrong = String::new();
    for at in 0..scenes().1.len() {
        for (name, cut) in &cuts {
            let text = changed(at, cut);
            if !text.is_empty() {
                wrong += &format!("{name}, {text}");
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

fn cuts() -> impl Strategy<Value = Cut> {
    let size = prop_oneof![1..20usize, 1..1500usize, 1..=9000usize];
    let often = || prop_oneof![2 => Just(0u16), 1 => 1..=1000u16];
    let fragments = prop_oneof![2 => Just(None), 1 => (8..=1480usize).prop_map(Some)];
    (vec(size, 1..8), 1..12usize, (often(), often(), often()), fragments, any::<u64>()).prop_map(
        |(sizes, block, (repeated, reordered, sent_again), fragments, seed)| Cut {
            sizes,
            block,
            repeated,
            reordered,
            sent_again,
            fragments,
            seed,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn alerts_do_not_depend_on_cuts(at in 0..scenes().1.len(), cut in cuts()) {
        let text = changed(at, &cut);
        prop_assert!(text.is_empty(), "{text}");
    }

    #[test]
    fn nor_do_those_of_hosts(cut in cuts()) {
        static EXPECTED: OnceLock<(Lab, Scene, Found)> = OnceLock::new();
        let (lab, scene, expected) = EXPECTED.get_or_init(|| {
            let (lab, scene) = (Lab::new(rules::HOSTS), said::crowd(6));
            let found = lab.run(&frames(&scene, &Cut::plain()), 1);
            (lab, scene, found)
        });
        let text = difference(expected, &lab.run(&frames(scene, &cut), 1), |_| true);
        prop_assert!(text.is_empty(), "{text}");
    }
}

#[test]
fn hosts_are_known_to_all_instances() {
    let lab = Lab::new(rules::HOSTS);
    let frames = frames(&said::crowd(24), &Cut::plain());
    let expected = lab.run(&frames, 1);
    let silent: Vec<_> =
        rules::sids(rules::HOSTS).filter(|sid| !sids(&expected).contains(sid)).collect();
    assert!(silent.is_empty(), "silent: {silent:?}");
    for instances in [2, 3, 4, 7] {
        let text = difference(&expected, &lab.run(&frames, instances), |_| true);
        assert!(text.is_empty(), "{instances} instances:\n{text}");
    }
}

#[test]
fn files_are_found_whoever_gets_their_connection() {
    let lab = Lab::new(rules::TRANSACTIONS);
    let frames = frames(&said::fetchers(12), &Cut::plain());
    let expected = lab.run(&frames, 1);
    assert_eq!(expected.keys().filter(|key| key.sid == 173).count(), 12);
    for instances in [2, 4] {
        let text = difference(&expected, &lab.run(&frames, instances), |_| true);
        assert!(text.is_empty(), "{instances} instances:\n{text}");
    }
}

/// Fragments have no ports, so that flows stay together only where instances are chosen by hosts.
#[test]
fn fragments_are_shared_by_hosts() {
    let lab = Lab::new(&[rules::HOSTS, rules::TRANSACTIONS].concat());
    let cut = Cut { fragments: Some(24), ..Cut::plain() };
    let scene = said::crowd(12).then(said::fetchers(6));
    let expected = lab.run(&frames(&scene, &Cut::plain()), 1);
    let capture = lab.capture(&frames(&scene, &cut));
    for instances in [1, 2, 4] {
        let key = KeyOptions { flow_key: FlowKeyMode::Hosts, ..KeyOptions::default() };
        let options = ReplayOptions {
            instances,
            checksums: ChecksumMode::All,
            sampling: SamplingOptions { key, ..SamplingOptions::default() },
            ..ReplayOptions::new(&capture)
        };
        let text = difference(&expected, &lab.replay(&options), |_| true);
        assert!(text.is_empty(), "{instances} instances:\n{text}");
    }
}
