//! Sets of numbers as sorted ranges.

/// Numbers that ranges are made of.
pub(super) trait Range: Copy + Ord {
    const MIN: Self;
    const MAX: Self;
    /// The next one; `None` of the last.
    fn after(self) -> Option<Self>;
    /// The one before; `None` of the first.
    fn before(self) -> Option<Self>;
}

macro_rules! range {
    ($($t:ty)*) => {
        $(impl Range for $t {
            const MIN: Self = <$t>::MIN;
            const MAX: Self = <$t>::MAX;
            fn after(self) -> Option<Self> { self.checked_add(1) }
            fn before(self) -> Option<Self> { self.checked_sub(1) }
        })*
    };
}
range! { u16 u32 u128 }

/// Ranges with both ends; sorted and apart once they are [tidy](Ranges::tidy).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ranges<T>(pub(super) Vec<(T, T)>);

impl<T> Default for Ranges<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: Range> Ranges<T> {
    pub(super) fn all() -> Self {
        Self(vec![(T::MIN, T::MAX)])
    }

    pub(super) fn push(&mut self, low: T, high: T) {
        self.0.push((low, high));
    }

    /// Sorts, and joins what overlaps or touches.
    pub(super) fn tidy(&mut self) {
        self.0.sort_unstable();
        let mut tidy: Vec<(T, T)> = Vec::with_capacity(self.0.len());
        for &(low, high) in &self.0 {
            match tidy.last_mut() {
                Some(last) if last.1.after().is_none_or(|next| low <= next) => {
                    last.1 = last.1.max(high);
                }
                _ => tidy.push((low, high)),
            }
        }
        self.0 = tidy;
    }

    /// Both must be tidy.
    pub(super) fn take_away(&mut self, other: &Self) {
        let mut left = Vec::with_capacity(self.0.len());
        let mut cuts = other.0.iter().copied().peekable();
        for &(low, high) in &self.0 {
            let mut low = Some(low);
            while let Some(&(cut_low, cut_high)) = cuts.peek() {
                let Some(start) = low else { break };
                if cut_high < start {
                    cuts.next();
                    continue;
                }
                if cut_low > high {
                    break;
                }
                if let Some(end) = cut_low.before().filter(|end| start <= *end) {
                    left.push((start, end));
                }
                low = cut_high.after().filter(|next| *next <= high);
                if cut_high < high {
                    cuts.next();
                }
            }
            if let Some(start) = low {
                left.push((start, high));
            }
        }
        self.0 = left;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn sets_are_those_of_single_numbers(
            plus in prop::collection::vec((0u16..60, 0u16..60), 0..8),
            minus in prop::collection::vec((0u16..60, 0u16..60), 0..8),
        ) {
            let make = |pairs: &[(u16, u16)]| {
                let mut ranges = Ranges::default();
                pairs.iter().for_each(|&(a, b)| ranges.push(a.min(b), a.max(b)));
                ranges.tidy();
                ranges
            };
            let (mut set, cuts) = (make(&plus), make(&minus));
            set.take_away(&cuts);
            let has = |pairs: &[(u16, u16)], n: u16| {
                pairs.iter().any(|&(a, b)| a.min(b) <= n && n <= a.max(b))
            };
            for n in 0..64 {
                prop_assert_eq!(has(&set.0, n), has(&plus, n) && !has(&minus, n));
            }
        }
    }
}
