//! What somebody probably meant.

/// The candidate nearest to `word`, if one is near enough to be what was meant.
pub(crate) fn nearest<'c>(
    word: &str,
    candidates: impl IntoIterator<Item = &'c str>,
) -> Option<&'c str> {
    // Longer words are not typed by mistake, and the distance costs their product.
    const MAX_CHARS: usize = 100;
    let word: Vec<char> = fold(word);
    if word.is_empty() || word.len() > MAX_CHARS {
        return None;
    }
    candidates
        .into_iter()
        .map(|candidate| (distance(&word, &fold(candidate)), candidate))
        .filter(|&(d, candidate)| {
            let chars = candidate.chars().count();
            d < chars && d <= (chars.max(word.len()) / 3).max(1)
        })
        .min_by_key(|&(d, _)| d)
        .map(|(_, candidate)| candidate)
}

/// Case and the choice between `-` and `_` are no differences.
fn fold(word: &str) -> Vec<char> {
    word.chars().map(|c| if c == '-' { '_' } else { c.to_ascii_lowercase() }).collect()
}

/// Edits from `a` to `b`, a swap of neighbours being one (optimal string alignment).
fn distance(a: &[char], b: &[char]) -> usize {
    let mut before_last: Vec<usize> = vec![0; b.len() + 1];
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let substitute = last[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            row[j] = substitute.min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                row[j] = row[j].min(before_last[j - 2] + 1);
            }
        }
        before_last = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_of_the_pen_are_recognised_and_other_words_are_not() {
        let keys = ["rx_descriptors", "tx_descriptors", "mtu", "name", "a", "b"];
        for (written, meant) in [
            ("rx_descriptor", Some("rx_descriptors")),
            ("rx-descriptors", Some("rx_descriptors")),
            ("MTU", Some("mtu")),
            ("mut", Some("mtu")),
            ("nmae", Some("name")),
            ("colour", None),
            ("", None),
        ] {
            assert_eq!(nearest(written, keys), meant, "{written}");
        }
        assert_eq!(nearest(&"x".repeat(1 << 20), keys), None);
    }
}
