//! Names of bits and counters as small numbers.

use std::collections::HashMap;
use std::sync::Arc;

/// Gives each name a number, from 0.
#[derive(Debug, Default)]
pub(crate) struct Names {
    numbers: HashMap<Arc<str>, u32>,
    names: Vec<Arc<str>>,
}

impl Names {
    pub(crate) fn number(&mut self, name: &str) -> u32 {
        if let Some(&number) = self.numbers.get(name) {
            return number;
        }
        let number = u32::try_from(self.names.len()).unwrap_or(u32::MAX);
        let name: Arc<str> = name.into();
        self.numbers.insert(Arc::clone(&name), number);
        self.names.push(name);
        number
    }

    pub(crate) fn name(&self, number: u32) -> Option<&Arc<str>> {
        self.names.get(number as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_keeps_its_number() {
        let mut names = Names::default();
        let (a, b) = (names.number("a"), names.number("b"));
        assert_eq!((a, b, names.number("a")), (0, 1, 0));
        assert_eq!(names.name(b).map(|name| &**name), Some("b"));
        assert_eq!(names.name(2), None);
    }
}
