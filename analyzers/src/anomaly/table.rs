//! A table that forgets what was used least recently, so that its memory has a bound.
//!
//! Iteration is in the order of use, never in that of hashes: results do not depend on a seed.

use hashbrown::HashMap;
use hashbrown::hash_map::Entry;

use super::hash::Mixed;

/// No place.
const NONE: u32 = u32::MAX;

#[derive(Clone, Debug)]
struct Node<V> {
    key: u64,
    value: V,
    /// Used after this one.
    newer: u32,
    /// Used before this one.
    older: u32,
}

/// Keys are hashes ([`super::hash`]); two keys with one hash are taken for one.
///
/// Takes `size_of::<V>() + 16` bytes a key, and 13 to 26 in the index.
#[derive(Clone, Debug)]
pub(super) struct Table<V> {
    places: HashMap<u64, u32, Mixed>,
    nodes: Vec<Node<V>>,
    newest: u32,
    oldest: u32,
    capacity: usize,
    evicted: u64,
}

impl<V: Default> Table<V> {
    /// At least one key.
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            places: HashMap::default(),
            nodes: Vec::new(),
            newest: NONE,
            oldest: NONE,
            capacity: capacity.clamp(1, NONE as usize - 1),
            evicted: 0,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Keys that had to make room.
    pub(super) fn evicted(&self) -> u64 {
        self.evicted
    }

    pub(super) fn get(&self, key: u64) -> Option<&V> {
        let place = *self.places.get(&key)?;
        self.nodes.get(place as usize).map(|node| &node.value)
    }

    /// The key's value, begun anew where it was not there; the one used least recently makes room.
    /// True if it is new.
    pub(super) fn entry(&mut self, key: u64) -> (&mut V, bool) {
        let full = self.nodes.len() >= self.capacity;
        let (place, new) = match self.places.entry(key) {
            Entry::Occupied(place) => (*place.get(), false),
            Entry::Vacant(vacant) => {
                let place = if full { self.oldest } else { self.nodes.len() as u32 };
                vacant.insert(place);
                (place, true)
            }
        };
        if new && full {
            self.unlink(place);
            if let Some(node) = self.nodes.get_mut(place as usize) {
                self.places.remove(&node.key);
                node.key = key;
                node.value = V::default();
            }
            self.evicted += 1;
            self.link(place);
        } else if new {
            self.nodes.push(Node { key, value: V::default(), newer: NONE, older: NONE });
            self.link(place);
        } else {
            self.renew(place);
        }
        (&mut self.nodes[place as usize].value, new)
    }

    /// All of them, the least recently used first.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u64, &V)> {
        let mut at = self.oldest;
        std::iter::from_fn(move || {
            let node = self.nodes.get(at as usize)?;
            at = node.newer;
            Some((node.key, &node.value))
        })
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.places.clear();
        self.nodes.clear();
        self.newest = NONE;
        self.oldest = NONE;
    }

    fn renew(&mut self, place: u32) {
        if place != self.newest {
            self.unlink(place);
            self.link(place);
        }
    }

    fn unlink(&mut self, place: u32) {
        let Some(node) = self.nodes.get(place as usize) else { return };
        let (newer, older) = (node.newer, node.older);
        match self.nodes.get_mut(newer as usize) {
            Some(node) => node.older = older,
            None => self.newest = older,
        }
        match self.nodes.get_mut(older as usize) {
            Some(node) => node.newer = newer,
            None => self.oldest = newer,
        }
    }

    fn link(&mut self, place: u32) {
        let newest = self.newest;
        match self.nodes.get_mut(newest as usize) {
            Some(node) => node.newer = place,
            None => self.oldest = place,
        }
        if let Some(node) = self.nodes.get_mut(place as usize) {
            node.older = newest;
            node.newer = NONE;
        }
        self.newest = place;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_keeps_what_a_list_in_order_of_use_keeps(
            uses in prop::collection::vec((0u64..30, any::<bool>()), 1..400),
            capacity in 1usize..12,
        ) {
            let mut table = Table::<u32>::new(capacity);
            let mut model: Vec<(u64, u32)> = Vec::new();
            for (key, insert) in uses {
                let there = model.iter().position(|(k, _)| *k == key);
                if insert {
                    let (value, new) = table.entry(key);
                    prop_assert_eq!(new, there.is_none());
                    *value += 1;
                    let count = there.map_or(0, |at| model.remove(at).1);
                    if there.is_none() && model.len() == capacity {
                        model.remove(0);
                    }
                    model.push((key, count + 1));
                } else {
                    prop_assert_eq!(table.get(key).copied(), there.map(|at| model[at].1));
                }
                let kept: Vec<_> = table.iter().map(|(k, v)| (k, *v)).collect();
                prop_assert_eq!(&kept, &model);
                prop_assert_eq!(table.len(), model.len());
            }
        }
    }
}
