//! A map that forgets what was put into it longest ago: peers choose the keys, and how many.

use std::collections::VecDeque;
use std::hash::Hash;

use hashbrown::HashMap;

/// At most `CAP` entries.
#[derive(Debug)]
pub(super) struct Recent<K, V, const CAP: usize> {
    map: HashMap<K, V>,
    /// Keys in order of insertion; some of them are not there any more.
    order: VecDeque<K>,
}

impl<K, V, const CAP: usize> Default for Recent<K, V, CAP> {
    fn default() -> Self {
        Self { map: HashMap::default(), order: VecDeque::new() }
    }
}

impl<K: Hash + Eq + Copy, V, const CAP: usize> Recent<K, V, CAP> {
    pub(super) fn get(&self, key: &K) -> Option<&V> {
        self.map.get(key)
    }

    pub(super) fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        self.map.get_mut(key)
    }

    pub(super) fn remove(&mut self, key: &K) -> Option<V> {
        self.map.remove(key)
    }

    pub(super) fn insert(&mut self, key: K, value: V) {
        if self.map.insert(key, value).is_some() {
            return;
        }
        self.order.push_back(key);
        while self.map.len() > CAP {
            let Some(oldest) = self.order.pop_front() else { break };
            self.map.remove(&oldest);
        }
        if self.order.len() > 2 * CAP {
            self.order.retain(|key| self.map.contains_key(key));
        }
    }

    pub(super) fn len(&self) -> usize {
        self.map.len()
    }

    pub(super) fn values(&self) -> impl Iterator<Item = &V> {
        self.map.values()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_are_forgotten_first() {
        let mut recent = Recent::<u32, u32, 4>::default();
        for n in 0..100 {
            recent.insert(n, n);
            if n % 3 == 0 {
                recent.remove(&n);
            }
        }
        assert!(recent.len() <= 4 && recent.order.len() <= 9);
        assert_eq!(
            (recent.get(&98), recent.get(&97), recent.get(&50)),
            (Some(&98), Some(&97), None)
        );
    }
}
