//! The pool's cap holds for everything that is counted.

use super::*;
use proptest::prelude::*;

const ACK: u8 = 16;

fn feed(max_bytes: u64, policy: OverlapPolicy, pieces: &[(u8, u8)]) -> u64 {
    let mut wire = Wire::new(StreamConfig { max_bytes, policy, ..StreamConfig::default() });
    wire.handshake();
    let (seq, ack) = (wire.next[0], wire.next[1]);
    let mut most = 0;
    for (index, &(at, len)) in pieces.iter().enumerate() {
        let payload = vec![index as u8; len.into()];
        let seq = seq.wrapping_add(u32::from(at) * 3);
        let segment =
            Segment { seq, ack, flags: ACK, window: 8192, payload: &payload, ..Segment::default() };
        wire.send(Heading::ToServer, segment);
        most = most.max(wire.pool.bytes());
        if at == 0 {
            wire.take(Heading::ToServer);
        }
    }
    wire.session.release(&mut wire.pool);
    assert_eq!(wire.pool.bytes(), 0);
    most
}

#[test]
fn what_is_remembered_beside_the_bytes_stays_below_the_cap_too() {
    let pieces: Vec<_> = (0..80).map(|at| (at, 3)).collect();
    for cap in [150, 300, 400, 1000] {
        let most = feed(cap, OverlapPolicy::Windows, &pieces);
        assert!((100..=cap).contains(&most), "{most} of {cap}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn overlaps_and_holes_stay_below_the_cap(
        cap in 100..2000u64,
        policy in 0..OverlapPolicy::ALL.len(),
        pieces in prop::collection::vec((any::<u8>(), any::<u8>()), 1..60),
    ) {
        let most = feed(cap, OverlapPolicy::ALL[policy], &pieces);
        prop_assert!(most <= cap, "{most} of {cap}");
    }
}
