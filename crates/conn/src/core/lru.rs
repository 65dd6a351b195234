//! A table of bounded size, in which what was used longest ago gives way.

use std::hash::{BuildHasher, Hash};

use hashbrown::{DefaultHashBuilder, HashTable};

/// Up to `capacity` items, found by a key that each of them holds itself.
///
/// Finding one touches neither the heap nor the other items. Taking in one more than the capacity looks at all of them for the
/// oldest, which is little beside the round trip that made it necessary.
#[derive(Debug)]
pub(crate) struct Lru<T> {
    table: HashTable<Item<T>>,
    hasher: DefaultHashBuilder,
    capacity: usize,
    /// Counts uses.
    now: u64,
}

#[derive(Debug)]
struct Item<T> {
    hash: u64,
    used: u64,
    value: T,
}

impl<T> Lru<T> {
    pub(crate) fn new(capacity: usize) -> Self {
        Self { table: HashTable::new(), hasher: DefaultHashBuilder::default(), capacity, now: 0 }
    }

    /// The hash of a key, for the methods below.
    pub(crate) fn hash(&self, key: impl Hash) -> u64 {
        self.hasher.hash_one(key)
    }

    /// The item of this hash that `is_it`, which is now the one used last.
    pub(crate) fn find(&mut self, hash: u64, mut is_it: impl FnMut(&T) -> bool) -> Option<&T> {
        self.now = self.now.wrapping_add(1);
        let item = self.table.find_mut(hash, |item| item.hash == hash && is_it(&item.value))?;
        item.used = self.now;
        Some(&item.value)
    }

    /// Takes an item in, in place of the one that `is_it`, or of the one that was used longest ago if the table is full.
    pub(crate) fn insert(&mut self, hash: u64, value: T, is_it: impl FnMut(&T) -> bool) {
        self.remove(hash, is_it);
        if self.capacity == 0 {
            return;
        }
        if self.table.len() >= self.capacity {
            self.remove_oldest();
        }
        self.now = self.now.wrapping_add(1);
        let item = Item { hash, used: self.now, value };
        self.table.insert_unique(hash, item, |item| item.hash);
    }

    /// Takes the item out that `is_it`.
    pub(crate) fn remove(&mut self, hash: u64, mut is_it: impl FnMut(&T) -> bool) -> Option<T> {
        let found = self.table.find_entry(hash, |item| item.hash == hash && is_it(&item.value)).ok()?;
        Some(found.remove().0.value)
    }

    pub(crate) fn clear(&mut self) {
        self.table.clear();
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.table.len()
    }

    fn remove_oldest(&mut self) {
        let oldest = self.table.iter().min_by_key(|item| item.used).map(|item| (item.hash, item.used));
        let Some((hash, used)) = oldest else { return };
        if let Ok(found) = self.table.find_entry(hash, |item| item.used == used) {
            found.remove();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(lru: &mut Lru<u32>, value: u32) {
        let hash = lru.hash(value);
        lru.insert(hash, value, |known| *known == value);
    }

    fn has(lru: &mut Lru<u32>, value: u32) -> bool {
        let hash = lru.hash(value);
        lru.find(hash, |known| *known == value).is_some()
    }

    #[test]
    fn what_was_used_longest_ago_gives_way() {
        let mut lru = Lru::new(3);
        for value in [1, 2, 3] {
            put(&mut lru, value);
        }
        assert!(has(&mut lru, 1));
        put(&mut lru, 4);
        assert_eq!([1, 2, 3, 4].map(|value| has(&mut lru, value)), [true, false, true, true]);
        put(&mut lru, 3);
        assert_eq!(lru.len(), 3);
        let hash = lru.hash(3_u32);
        assert_eq!(lru.remove(hash, |known| *known == 3), Some(3));
        assert!(!has(&mut lru, 3));
    }

    #[test]
    fn nothing_is_kept_where_there_is_no_room() {
        let mut lru = Lru::new(0);
        put(&mut lru, 1);
        assert!(!has(&mut lru, 1));
    }
}
