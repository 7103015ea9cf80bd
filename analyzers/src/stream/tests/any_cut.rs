//! Whatever way it is cut, shuffled and repeated, the stream is the same.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

/// What happens on the wire: a piece is sent (again), or all that is in order is acknowledged.
#[derive(Clone, Debug)]
enum Step {
    Piece { from: usize, len: usize },
    Ack { less: usize },
    Inspect,
}

const LEN: usize = 600;

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (0..LEN, 1..120usize).prop_map(|(from, len)| Step::Piece { from, len }),
        2 => (0..40usize).prop_map(|less| Step::Ack { less }),
        1 => Just(Step::Inspect),
    ];
    vec(step, 1..60)
}

fn policies() -> impl Strategy<Value = OverlapPolicy> {
    proptest::sample::select(OverlapPolicy::ALL.to_vec())
}

/// Both consumers, and what they have had.
struct Reader {
    wire: Wire,
    app: String,
    raw: String,
}

impl Reader {
    fn inspect(&mut self, all: bool, overlap: usize) {
        while let Some(window) = self.wire.session.half(C).raw(all, overlap) {
            assert!(window.new_from < window.bytes.len());
            let new = window.offset as usize + window.new_from;
            assert_eq!(new, self.raw.len());
            // The part from before is what was there before.
            assert_eq!(
                &self.raw.as_bytes()[window.offset as usize..],
                &window.bytes[..window.new_from]
            );
            self.raw.push_str(&text(&window.bytes[window.new_from..]));
            let end = window.end();
            self.wire.session.half_mut(C).raw_inspected(&mut self.wire.pool, end);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn equal_content_gives_the_same_stream(
        bytes in vec(b'a'..=b'z', LEN),
        steps in steps(),
        policy in policies(),
        isn in any::<u32>(),
        overlap in 0..50usize,
        raw_overlap in 0..100usize,
    ) {
        let whole = text(&bytes);
        let config = StreamConfig { policy, raw_overlap, ..plain() };
        let mut wire = Wire::with_isn(config, [isn, !isn]);
        wire.handshake();
        let mut reader = Reader { wire, app: String::new(), raw: String::new() };
        let mut seen = [false; LEN];
        let mut acked = 0;
        for step in steps {
            match step {
                Step::Piece { from, len } => {
                    let to = (from + len).min(LEN);
                    let taken = reader.wire.at(C, ACK, from as i64, 0, &whole[from..to]);
                    prop_assert!(!names(taken).contains("different"));
                    if taken.added {
                        seen[from..to].fill(true);
                    }
                }
                Step::Ack { less } => {
                    let in_order = seen.iter().take_while(|seen| **seen).count();
                    acked = acked.max(in_order.saturating_sub(less));
                    let taken = reader.wire.at(S, ACK, 0, acked as i64, "");
                    prop_assert!(taken.accepted && taken.events.is_empty());
                    prop_assert_eq!(reader.wire.session.half(C).acked(), acked as u64);
                    let new = reader.wire.take(C);
                    reader.app.push_str(&new);
                    prop_assert_eq!(&reader.app, &whole[..acked]);
                }
                Step::Inspect => reader.inspect(false, overlap),
            }
        }
        // What is still missing comes, then the end.
        for from in (acked..LEN).step_by(50) {
            reader.wire.at(C, ACK, from as i64, 0, &whole[from..(from + 50).min(LEN)]);
        }
        let rest = reader.wire.take_all(C);
        reader.app.push_str(&rest);
        reader.inspect(true, overlap);
        prop_assert_eq!(&reader.app, &whole);
        prop_assert_eq!(&reader.raw, &whole);
        reader.wire.session.release(&mut reader.wire.pool);
        prop_assert_eq!(reader.wire.pool.bytes(), 0);
    }

    #[test]
    fn lost_pieces_are_gaps_of_their_length(
        bytes in vec(b'a'..=b'z', LEN),
        lost in vec(any::<bool>(), 12),
        order in Just((0..12).collect::<Vec<usize>>()).prop_shuffle(),
    ) {
        let whole = text(&bytes);
        let mut wire = Wire::open(plain());
        let mut expected = String::new();
        let last = lost.iter().rposition(|lost| !lost);
        for (i, lost) in lost.iter().enumerate().take(last.map_or(0, |last| last + 1)) {
            let piece = &whole[i * 50..(i + 1) * 50];
            expected.push_str(&if *lost { "[50]".to_owned() } else { piece.to_owned() });
        }
        for i in order {
            if !lost[i] {
                wire.at(C, ACK, i as i64 * 50, 0, &whole[i * 50..(i + 1) * 50]);
            }
        }
        wire.at(S, ACK, 0, LEN as i64, "");
        // Neighbouring gaps are one.
        let merged = wire.take(C);
        let mut sum = 0;
        let mut joined = String::new();
        for part in expected.split_inclusive(']') {
            match part.find('[') {
                Some(at) => {
                    if at > 0 && sum > 0 {
                        joined.push_str(&format!("[{sum}]"));
                        sum = 0;
                    }
                    joined.push_str(&part[..at]);
                    sum += 50;
                }
                None => {
                    if sum > 0 {
                        joined.push_str(&format!("[{sum}]"));
                        sum = 0;
                    }
                    joined.push_str(part);
                }
            }
        }
        prop_assert_eq!(merged, joined);
    }

    #[test]
    fn nothing_at_all_breaks_it(
        segments in vec(
            (any::<bool>(), any::<u8>(), -40i64..40, -40i64..40, 0..30usize, any::<u16>(), 0..5u32),
            1..80,
        ),
        policy in policies(),
        midstream in any::<bool>(),
        async_oneside in any::<bool>(),
    ) {
        let config = StreamConfig {
            policy, midstream, async_oneside, max_bytes: 4000, max_segments_held: 8, depth: 100,
            ..plain()
        };
        let mut wire = Wire::with_isn(config, [u32::MAX - 20, 7]);
        for (to_server, flags, seq, ack, len, number, more) in segments {
            let heading = Heading::to_server_if(to_server);
            let payload = "y".repeat(len);
            let segment = Segment {
                payload: payload.as_bytes(),
                urgent: number % 40,
                window: number,
                missing: more / 4,
                wscale: (more == 1).then_some(number.to_le_bytes()[0]),
                timestamp_option: (more == 2).then_some((number.into(), number.into())),
                fast_open: more == 3,
                signed: number % 7 == 0,
                ..wire.segment(heading, flags, seq, ack)
            };
            wire.now += u64::from(number) * 100;
            wire.send(heading, segment);
            prop_assert!(wire.pool.bytes() <= 4000 + 2 * 8 * 200, "{}", wire.pool.bytes());
            if number % 3 == 0 {
                wire.take(heading);
            }
            if number % 5 == 0 {
                wire.raw(heading, number % 2 == 0, 10);
            }
            for heading in Heading::ALL {
                prop_assert!(wire.session.half(heading).acked() <= 1000);
            }
        }
        wire.take_all(C);
        wire.take_all(S);
        wire.session.release(&mut wire.pool);
        prop_assert_eq!((wire.pool.bytes(), wire.pool.sessions()), (0, 0));
    }
}
