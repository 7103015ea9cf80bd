//! Regular expressions of rules, read and turned round: to strings that they match.
//!
//! Our own small reader, since strings are to be made of what a finite automaton does not know either:
//! references back, looking around. What is made need not match for that reason, or because an anchor stands
//! in an odd place; whoever asks looks again with the real library.

mod parse;
mod sample;

pub(crate) use parse::parse;
pub(crate) use sample::{Sample, Sampler};

/// A set of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ByteSet([u64; 4]);

impl ByteSet {
    pub(crate) const EMPTY: Self = Self([0; 4]);

    pub(crate) fn of(is_in: impl Fn(u8) -> bool) -> Self {
        let mut set = Self::EMPTY;
        (0..=255).filter(|&b| is_in(b)).for_each(|b| set.insert(b));
        set
    }

    pub(crate) fn insert(&mut self, byte: u8) {
        self.0[usize::from(byte >> 6)] |= 1 << (byte & 63);
    }

    pub(crate) fn contains(&self, byte: u8) -> bool {
        self.0[usize::from(byte >> 6)] >> (byte & 63) & 1 == 1
    }

    pub(crate) fn join(&mut self, other: &Self) {
        self.0.iter_mut().zip(other.0).for_each(|(a, b)| *a |= b);
    }

    pub(crate) fn inverted(&self) -> Self {
        Self(self.0.map(|word| !word))
    }

    /// With the other case of each letter.
    pub(crate) fn folded(&self) -> Self {
        Self::of(|b| self.contains(b.to_ascii_lowercase()) || self.contains(b.to_ascii_uppercase()))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = u8> + '_ {
        (0..=255).filter(|&b| self.contains(b))
    }
}

/// What a pattern says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Node {
    /// A byte as it was written.
    Byte(u8),
    Set(ByteSet),
    Cat(Vec<Node>),
    Alt(Vec<Node>),
    Repeat {
        node: Box<Node>,
        min: u32,
        max: Option<u32>,
    },
    /// Numbered from 1.
    Group(usize, Box<Node>),
    Back(usize),
    /// Of the subject.
    Start,
    LineStart,
    /// Of the subject.
    End,
    LineEnd,
    /// `(?=…)`
    Ahead(Box<Node>),
    /// What takes no room and is left to chance: `\b`, `(?!…)`, `(?<=…)`.
    Nothing,
}
