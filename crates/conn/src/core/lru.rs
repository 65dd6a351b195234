//! A table of bounded size, in which what was used longest ago gives way.

use std::hash::{BuildHasher, Hash};

use hashbrown::{DefaultHashBuilder, HashTable};

/// Up to `capacity` items, found by a key that each of them holds itself.
///
/// None of its methods looks at more than a few items, however many there are: they are in a list by their last use, whose links are numbers of
/// places.
#[derive(Debug)]
pub(crate) struct Lru<T> {
    /// The places of the items, by their hashes.
    table: HashTable<u32>,
    places: Vec<Place<T>>,
    /// Both ends of the list, and of that of the places without an item, which are linked by `older`.
    newest: u32,
    oldest: u32,
    free: u32,
    hasher: DefaultHashBuilder,
    capacity: usize,
}

#[derive(Debug)]
struct Place<T> {
    hash: u64,
    newer: u32,
    older: u32,
    value: Option<T>,
}

/// No place.
const NONE: u32 = u32::MAX;

impl<T> Lru<T> {
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            table: HashTable::new(),
            places: Vec::new(),
            newest: NONE,
            oldest: NONE,
            free: NONE,
            hasher: DefaultHashBuilder::default(),
            capacity,
        }
    }

    /// The hash of a key, for the methods below.
    pub(crate) fn hash(&self, key: impl Hash) -> u64 {
        self.hasher.hash_one(key)
    }

    /// The item of this hash that `is_it`, which is now the one used last.
    pub(crate) fn find(&mut self, hash: u64, mut is_it: impl FnMut(&T) -> bool) -> Option<&T> {
        let Self { table, places, .. } = self;
        let place = *table.find(hash, |&place| holds(places, place, hash, &mut is_it))?;
        if place != self.newest {
            self.unlink(place);
            self.link_newest(place);
        }
        self.places.get(index(place))?.value.as_ref()
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
        let item = Place { hash, newer: NONE, older: NONE, value: Some(value) };
        let place = match self.places.get_mut(index(self.free)) {
            Some(free) => {
                let place = self.free;
                self.free = free.older;
                *free = item;
                place
            }
            // More than there are numbers for are not kept.
            None => match u32::try_from(self.places.len()) {
                Ok(place) if place != NONE => {
                    self.places.push(item);
                    place
                }
                _ => return,
            },
        };
        let places = &self.places;
        self.table.insert_unique(hash, place, |&place| places.get(index(place)).map_or(0, |item| item.hash));
        self.link_newest(place);
    }

    /// Takes the item out that `is_it`.
    pub(crate) fn remove(&mut self, hash: u64, mut is_it: impl FnMut(&T) -> bool) -> Option<T> {
        let Self { table, places, .. } = self;
        let found = table.find_entry(hash, |&place| holds(places, place, hash, &mut is_it)).ok()?;
        let place = found.remove().0;
        self.give_back(place)
    }

    pub(crate) fn clear(&mut self) {
        self.table.clear();
        self.places.clear();
        (self.newest, self.oldest, self.free) = (NONE, NONE, NONE);
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.table.len()
    }

    fn remove_oldest(&mut self) {
        let oldest = self.oldest;
        let Some(hash) = self.places.get(index(oldest)).map(|item| item.hash) else { return };
        if let Ok(found) = self.table.find_entry(hash, |&place| place == oldest) {
            found.remove();
        }
        self.give_back(oldest);
    }

    /// Takes the item out of its place, which is free then.
    fn give_back(&mut self, place: u32) -> Option<T> {
        self.unlink(place);
        let free = std::mem::replace(&mut self.free, place);
        let item = self.places.get_mut(index(place))?;
        item.older = free;
        item.value.take()
    }

    fn unlink(&mut self, place: u32) {
        let Some(&Place { newer, older, .. }) = self.places.get(index(place)) else { return };
        match self.places.get_mut(index(newer)) {
            Some(item) => item.older = older,
            None => self.newest = older,
        }
        match self.places.get_mut(index(older)) {
            Some(item) => item.newer = newer,
            None => self.oldest = newer,
        }
    }

    fn link_newest(&mut self, place: u32) {
        let second = std::mem::replace(&mut self.newest, place);
        if let Some(item) = self.places.get_mut(index(place)) {
            (item.newer, item.older) = (NONE, second);
        }
        match self.places.get_mut(index(second)) {
            Some(item) => item.newer = place,
            None => self.oldest = place,
        }
    }
}

fn holds<T>(places: &[Place<T>], place: u32, hash: u64, is_it: &mut impl FnMut(&T) -> bool) -> bool {
    let item = places.get(index(place)).filter(|item| item.hash == hash);
    item.and_then(|item| item.value.as_ref()).is_some_and(is_it)
}

/// [`NONE`] is the index of nothing.
fn index(place: u32) -> usize {
    usize::try_from(place).unwrap_or(usize::MAX)
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
    fn the_order_of_use_holds_through_any_sequence() {
        // The same on a plain list, the newest last, with numbers that look like chance.
        let (mut lru, mut list) = (Lru::new(7), Vec::<u32>::new());
        let mut chance = 1_u32;
        for _ in 0..5000 {
            chance = chance.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let (value, what) = ((chance >> 8) % 16, (chance >> 20) % 8);
            let position = list.iter().position(|known| *known == value);
            match what {
                0..3 => {
                    if let Some(position) = position {
                        list.remove(position);
                    } else if list.len() == 7 {
                        list.remove(0);
                    }
                    list.push(value);
                    put(&mut lru, value);
                }
                3..6 => {
                    if let Some(position) = position {
                        list.remove(position);
                        list.push(value);
                    }
                    assert_eq!(has(&mut lru, value), position.is_some());
                }
                6 => {
                    let hash = lru.hash(value);
                    assert_eq!(lru.remove(hash, |known| *known == value), position.map(|_| value));
                    position.map(|position| list.remove(position));
                }
                _ if chance >> 24 == 0 => {
                    lru.clear();
                    list.clear();
                }
                _ => {}
            }
            assert_eq!(lru.len(), list.len());
            assert_eq!(by_use(&lru), list);
        }
    }

    /// The values from the one that was used longest ago on.
    fn by_use(lru: &Lru<u32>) -> Vec<u32> {
        let mut values = Vec::new();
        let mut place = lru.oldest;
        while let Some(item) = lru.places.get(index(place)) {
            values.extend(item.value);
            place = item.newer;
        }
        values
    }

    #[test]
    fn nothing_is_kept_where_there_is_no_room() {
        let mut lru = Lru::new(0);
        put(&mut lru, 1);
        assert!(!has(&mut lru, 1));
    }
}
