use super::*;

/// Gaps are compared in so many classes of about equal probability.
const CLASSES: u32 = 64;

fn percent(value: f64) -> Percentage {
    Percentage::try_from(value).unwrap()
}

/// χ² of counts against expectations as a standard normal deviate (Wilson and Hilferty 1931).
fn chi_squared_z(observed: &[u64], expected: &[f64]) -> f64 {
    let degrees = (observed.len() - 1) as f64;
    let sum: f64 =
        observed.iter().zip(expected).map(|(&o, &e)| (o as f64 - e) * (o as f64 - e) / e).sum();
    let spread = 2.0 / (9.0 * degrees);
    ((sum / degrees).cbrt() - (1.0 - spread)) / spread.sqrt()
}

/// First `wanted` selected frame numbers, through bursts of `burst_len`.
fn selected_frames(skip: &mut GeometricSkip, burst_len: usize, wanted: usize) -> Vec<u64> {
    let mut frames = Vec::with_capacity(wanted + burst_len);
    let mut first = 0;
    while frames.len() < wanted {
        skip.advance(burst_len, |offset| frames.push(first + offset as u64));
        first += burst_len as u64;
    }
    frames.truncate(wanted);
    frames
}

/// Lower ends of the classes: the quantiles of the geometric distribution, without repetition.
fn class_starts(p: f64) -> Vec<u64> {
    let mut starts: Vec<u64> = (0..CLASSES)
        .map(|class| {
            let below = f64::from(class) / f64::from(CLASSES);
            ((-below).ln_1p() / (-p).ln_1p()).ceil() as u64
        })
        .collect();
    starts.dedup();
    starts
}

#[test]
fn gaps_are_geometric() {
    const GAPS: usize = 500_000;
    for value in [0.001, 0.1, 1.0, 12.5, 37.5, 50.0, 99.0] {
        let p = value / 100.0;
        let mut skip = GeometricSkip::new(percent(value), 20261123);
        let frames = selected_frames(&mut skip, 1 << 16, GAPS + 1);
        let starts = class_starts(p);
        let mut observed = vec![0u64; starts.len()];
        for pair in frames.windows(2) {
            let gap = pair[1] - pair[0] - 1;
            observed[starts.partition_point(|&start| start <= gap) - 1] += 1;
        }
        let beyond = |gap: u64| (gap as f64 * (-p).ln_1p()).exp() * GAPS as f64;
        let expected: Vec<f64> = (0..starts.len())
            .map(|class| {
                beyond(starts[class]) - starts.get(class + 1).map_or(0.0, |&end| beyond(end))
            })
            .collect();
        let z = chi_squared_z(&observed, &expected);
        assert!(z.abs() < 3.5, "{value} %: z = {z} over {} classes", starts.len());
    }
}

#[test]
fn successive_gaps_are_uncorrelated() {
    for value in [0.1, 1.0, 12.5, 50.0] {
        let p = value / 100.0;
        let mut skip = GeometricSkip::new(percent(value), 7);
        let frames = selected_frames(&mut skip, 4096, 500_002);
        let gaps: Vec<f64> = frames.windows(2).map(|pair| (pair[1] - pair[0] - 1) as f64).collect();
        let (mean, variance) = ((1.0 - p) / p, (1.0 - p) / (p * p));
        let covariance: f64 =
            gaps.windows(2).map(|pair| (pair[0] - mean) * (pair[1] - mean)).sum::<f64>();
        let z = covariance / variance / (gaps.len() as f64).sqrt();
        assert!(z.abs() < 3.5, "{value} %: z = {z}");
    }
}

#[test]
fn measured_share_is_within_three_sigma() {
    for value in [0.001, 0.1, 1.0, 12.5, 37.5, 50.0, 99.0] {
        let p = value / 100.0;
        let mut skip = GeometricSkip::new(percent(value), 42);
        let mut lengths = Xoshiro256::new(43);
        let (mut frames, mut selected) = (0u64, 0u64);
        while frames < 10_000_000 {
            let burst_len = (lengths.next() % 65) as usize;
            skip.advance(burst_len, |_| selected += 1);
            frames += burst_len as u64;
        }
        let sigma = (frames as f64 * p * (1.0 - p)).sqrt();
        let off = (selected as f64 - frames as f64 * p).abs();
        assert!(off <= 3.0 * sigma, "{value} %: {selected} of {frames}");
    }
}

#[test]
fn positions_in_a_burst_are_equally_likely() {
    for value in [0.1, 1.0, 12.5, 37.5] {
        let mut skip = GeometricSkip::new(percent(value), 3);
        let mut observed = [0u64; 32];
        for _ in 0..1_000_000 {
            skip.advance(32, |offset| observed[offset] += 1);
        }
        let total: u64 = observed.iter().sum();
        let z = chi_squared_z(&observed, &[total as f64 / 32.0; 32]);
        assert!(z < 3.5, "{value} %: z = {z}");
    }
}

#[test]
fn burst_lengths_do_not_change_what_is_selected() {
    let skip = GeometricSkip::new(percent(5.0), 9);
    let whole = selected_frames(&mut skip.clone(), 1 << 20, 10_000);
    for burst_len in [1, 7, 32, 64] {
        assert_eq!(selected_frames(&mut skip.clone(), burst_len, 10_000), whole);
    }
}

#[test]
fn a_change_midway_is_exact_for_either_share() {
    let shares = [0.01, 0.2];
    let tables = [1.0, 20.0].map(|value| Arc::new(GeometricTable::new(percent(value))));
    let mut skip = GeometricSkip::with_table(Arc::clone(&tables[0]), 5);
    let mut selected = [0u64; 2];
    const SPAN: u64 = 48;
    const SPANS: u64 = 200_000;
    for span in 0..SPANS {
        let which = (span % 2) as usize;
        skip.set_table(Arc::clone(&tables[which]));
        assert_eq!(skip.percentage(), tables[which].percentage());
        // Spans shorter than the gaps of 1 %.
        skip.advance(32, |_| selected[which] += 1);
        skip.advance(16, |_| selected[which] += 1);
    }
    for (p, selected) in shares.into_iter().zip(selected) {
        let frames = (SPANS / 2 * SPAN) as f64;
        let sigma = (frames * p * (1.0 - p)).sqrt();
        assert!((selected as f64 - frames * p).abs() <= 3.0 * sigma, "{selected} for {p}");
    }
}

#[test]
fn zero_selects_never_and_full_always() {
    let mut never = GeometricSkip::new(Percentage::ZERO, 1);
    let mut always = GeometricSkip::new(Percentage::FULL, 1);
    for burst_len in [0, 1, 32, 64, 1 << 20] {
        never.advance(burst_len, |_| panic!("0 % selects nothing"));
        let mut offsets = Vec::new();
        always.advance(burst_len, |offset| offsets.push(offset));
        assert!(offsets.into_iter().eq(0..burst_len));
    }
    never.set_percentage(Percentage::FULL);
    let mut selected = 0;
    never.advance(64, |_| selected += 1);
    assert_eq!(selected, 64, "from the next frame on");
    never.set_percentage(Percentage::ZERO);
    never.advance(64, |_| panic!("0 % selects nothing"));
}

#[test]
fn the_smallest_share_still_selects() {
    let smallest = Percentage::from_ppb(1).unwrap();
    let mut skip = GeometricSkip::new(smallest, 77);
    let mut selected = 0u64;
    let bursts = 4_000;
    for _ in 0..bursts {
        skip.advance(1_000_000_000, |_| selected += 1);
    }
    let expected = f64::from(bursts);
    assert!((selected as f64 - expected).abs() <= 3.0 * expected.sqrt(), "{selected}");
}

#[test]
fn alias_tables_hold_the_exact_probabilities() {
    let scale = (1u64 << (64 - DIGIT_BITS)) as f64;
    for ppb in [1, 10_000, 10_000_000, 375_000_000, 500_000_000, 990_000_000, 999_999_999] {
        let percentage = Percentage::from_ppb(ppb).unwrap();
        let table = GeometricTable::new(percentage);
        let mut ratio_ln = (-percentage.fraction()).ln_1p();
        for digit in &table.digits {
            let mut held = [0.0; BASE];
            for (cell, entry) in digit.iter().enumerate() {
                let own = (entry >> DIGIT_BITS) as f64 / scale;
                held[cell] += own / BASE as f64;
                held[(entry & DIGIT_MASK) as usize] += (1.0 - own) / BASE as f64;
            }
            let powers: Vec<f64> = (0..BASE).map(|d| (ratio_ln * d as f64).exp()).collect();
            let sum: f64 = powers.iter().sum();
            for (held, power) in held.into_iter().zip(powers) {
                assert!(
                    (held - power / sum).abs() < 1e-14,
                    "{ppb} ppb: {held} for {}",
                    power / sum
                );
            }
            ratio_ln *= BASE as f64;
        }
        let left_out = (ratio_ln).exp();
        assert!(left_out < 1e-19, "{ppb} ppb leaves out {left_out}");
    }
}

#[test]
fn seeds_decide_and_entropy_differs() {
    let frames = |mut skip: GeometricSkip| selected_frames(&mut skip, 64, 100);
    let one = percent(1.0);
    assert_eq!(frames(GeometricSkip::new(one, 1)), frames(GeometricSkip::new(one, 1)));
    assert_ne!(frames(GeometricSkip::new(one, 1)), frames(GeometricSkip::new(one, 2)));
    assert_ne!(frames(GeometricSkip::from_entropy(one)), frames(GeometricSkip::from_entropy(one)));
}

#[test]
fn xoshiro_gives_the_reference_sequence() {
    // The reference implementation from the state {1, 2, 3, 4}.
    let mut random = Xoshiro256([1, 2, 3, 4]);
    let first: [u64; 5] = core::array::from_fn(|_| random.next());
    assert_eq!(
        first,
        [41943041, 58720359, 3588806011781223, 3591011842654386, 9228616714210784205]
    );
}
