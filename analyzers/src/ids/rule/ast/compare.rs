//! A number compared with what a rule says.

/// A comparison. Ranges are without their ends, as Suricata's are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Compare<T> {
    Equal(T),
    NotEqual(T),
    Less(T),
    LessOrEqual(T),
    Greater(T),
    GreaterOrEqual(T),
    /// Above the first and below the second.
    Between(T, T),
    /// Not so.
    NotBetween(T, T),
    /// The bits under the mask are the second.
    Masked {
        mask: T,
        value: T,
    },
    /// The bits under the mask are not the second.
    NotMasked {
        mask: T,
        value: T,
    },
}

impl<T: Copy + Ord + std::ops::BitAnd<Output = T>> Compare<T> {
    /// Whether it holds of `number`.
    #[must_use]
    pub fn holds(&self, number: T) -> bool {
        match *self {
            Compare::Equal(n) => number == n,
            Compare::NotEqual(n) => number != n,
            Compare::Less(n) => number < n,
            Compare::LessOrEqual(n) => number <= n,
            Compare::Greater(n) => number > n,
            Compare::GreaterOrEqual(n) => number >= n,
            Compare::Between(low, high) => low < number && number < high,
            Compare::NotBetween(low, high) => !(low < number && number < high),
            Compare::Masked { mask, value } => number & mask == value,
            Compare::NotMasked { mask, value } => number & mask != value,
        }
    }
}
