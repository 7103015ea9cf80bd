//! A buffer in the making: what is settled of its bytes, and how long it may become.

/// One byte of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cell {
    /// Whatever.
    Free,
    /// This, unless something else is wanted.
    Soft(u8),
    /// This, in either case.
    Fold(u8),
    Hard(u8),
}

/// Longest buffer that is made.
pub(crate) const LEN_MAX: usize = 40_000;

/// A buffer in the making.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cells {
    cells: Vec<Cell>,
    /// Its length in the end is at least this,
    pub(crate) min: usize,
    /// and at most this.
    pub(crate) max: usize,
}

impl Default for Cells {
    fn default() -> Self {
        Self { cells: Vec::new(), min: 0, max: LEN_MAX }
    }
}

impl Cells {
    /// Bytes that may be written over.
    pub(crate) fn soft(bytes: &[u8]) -> Self {
        Self { cells: bytes.iter().map(|&b| Cell::Soft(b)).collect(), ..Self::default() }
    }

    /// Bytes that stay.
    pub(crate) fn hard(bytes: &[u8]) -> Self {
        Self { cells: bytes.iter().map(|&b| Cell::Hard(b)).collect(), ..Self::default() }
    }

    /// How far it reaches.
    pub(crate) fn len(&self) -> usize {
        self.cells.len()
    }

    /// No shorter; false where that cannot be.
    pub(crate) fn at_least(&mut self, len: usize) -> bool {
        self.min = self.min.max(len);
        self.min <= self.max
    }

    /// No longer; false where that cannot be. What is soft beyond it goes.
    pub(crate) fn at_most(&mut self, len: usize) -> bool {
        self.max = self.max.min(len);
        while self.cells.len() > self.max
            && matches!(self.cells.last(), Some(Cell::Soft(_) | Cell::Free))
        {
            self.cells.pop();
        }
        self.min <= self.max && self.cells.len() <= self.max
    }

    /// Whether these bytes stand there already.
    pub(crate) fn holds(&self, at: usize, bytes: &[u8], fold: bool) -> bool {
        let Some(cells) = self.cells.get(at..at + bytes.len()) else { return false };
        cells.iter().zip(bytes).all(|(cell, byte)| match cell {
            Cell::Free => false,
            Cell::Hard(b) | Cell::Soft(b) if !fold => b == byte,
            Cell::Fold(b) if !fold => b == byte,
            Cell::Hard(b) | Cell::Soft(b) | Cell::Fold(b) => b.eq_ignore_ascii_case(byte),
        })
    }

    /// Writes bytes, of which either case will do where `fold`; false where they do not fit in.
    pub(crate) fn put(&mut self, at: usize, bytes: &[u8], fold: bool) -> bool {
        let end = at + bytes.len();
        if end > self.max {
            return false;
        }
        let is_free = |(cell, byte): (&Cell, &u8)| match cell {
            Cell::Free | Cell::Soft(_) => true,
            Cell::Fold(b) => b.eq_ignore_ascii_case(byte),
            Cell::Hard(b) => b == byte || fold && b.eq_ignore_ascii_case(byte),
        };
        let there = self.cells.get(at.min(self.cells.len())..).unwrap_or_default();
        if !there.iter().zip(bytes).all(is_free) {
            return false;
        }
        if self.cells.len() < end {
            self.cells.resize(end, Cell::Free);
        }
        for (cell, &byte) in self.cells.iter_mut().skip(at).zip(bytes) {
            *cell = match cell {
                Cell::Free | Cell::Soft(_) if fold && byte.is_ascii_alphabetic() => {
                    Cell::Fold(byte)
                }
                Cell::Fold(b) if fold => Cell::Fold(*b),
                Cell::Hard(b) => Cell::Hard(*b),
                _ => Cell::Hard(byte),
            };
        }
        true
    }

    /// A byte that is settled.
    pub(crate) fn byte(&self, at: usize) -> Option<u8> {
        match self.cells.get(at)? {
            Cell::Hard(b) | Cell::Fold(b) => Some(*b),
            Cell::Free | Cell::Soft(_) => None,
        }
    }

    /// The bytes, what is free made by `filler`.
    pub(crate) fn filled(&self, mut filler: impl FnMut() -> u8) -> Vec<u8> {
        let len = self.cells.len().max(self.min);
        let cells = self.cells.iter().copied().chain(std::iter::repeat(Cell::Free));
        cells
            .take(len)
            .map(|cell| match cell {
                Cell::Free => filler(),
                Cell::Soft(b) | Cell::Fold(b) | Cell::Hard(b) => b,
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_settled_stays_and_what_is_soft_gives_way() {
        let mut cells = Cells::soft(b"GET /");
        assert!(cells.put(0, b"POST", true));
        assert!(cells.put(2, b"st", false), "case was open");
        assert!(!cells.put(2, b"ST", false), "now it is not");
        assert!(cells.holds(0, b"post", true) && !cells.holds(0, b"post", false));
        assert_eq!(cells.filled(|| b'x'), b"POst/");
    }

    #[test]
    fn lengths_bound_each_other() {
        let mut cells = Cells::soft(b"abc");
        assert!(cells.at_most(2) && cells.len() == 2);
        assert!(cells.put(0, b"x", false) && !cells.put(1, b"xy", false));
        assert!(!cells.at_least(3));
        let mut cells = Cells::default();
        assert!(cells.at_least(3));
        assert_eq!(cells.filled(|| b'-'), b"---");
    }
}
