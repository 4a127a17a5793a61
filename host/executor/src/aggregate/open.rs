//! From hashes to group numbers: open addressing with linear probing. A place holds 32 bits of the hash beside the
//! group, so that most unequal keys are told apart, and the table grows, without a look at the keys.

#[derive(Default)]
pub(crate) struct OpenIndex {
    /// The low half of the hash above the group plus one; 0 for none. A power of two of them, at most half taken.
    places: Vec<u64>,
    taken: usize,
}

const PLACES_MIN: usize = 64;
const GROUP_MASK: u64 = u32::MAX as u64;

impl OpenIndex {
    /// Makes room for `groups` more.
    pub(crate) fn reserve(&mut self, groups: usize) {
        let wanted = ((self.taken + groups) * 2).next_power_of_two().max(PLACES_MIN);
        if wanted > self.places.len() {
            self.resize(wanted);
        }
    }

    /// The group for which `is_same` holds among those with this hash; else `new`, which is put there.
    #[inline(always)]
    pub(crate) fn find(&mut self, hash: u64, new: u32, is_same: impl Fn(u32) -> bool) -> u32 {
        if self.taken * 2 >= self.places.len() {
            self.resize((self.places.len() * 2).max(PLACES_MIN));
        }
        let mask = self.places.len() - 1;
        let wanted = hash << 32;
        let mut index = hash as usize & mask;
        loop {
            let place = self.places[index];
            if place == 0 {
                self.places[index] = wanted | u64::from(new + 1);
                self.taken += 1;
                return new;
            }
            if (place ^ wanted) <= GROUP_MASK {
                let group = (place & GROUP_MASK) as u32 - 1;
                if is_same(group) {
                    return group;
                }
            }
            index = (index + 1) & mask;
        }
    }

    fn resize(&mut self, places: usize) {
        let old = std::mem::replace(&mut self.places, vec![0; places]);
        let mask = places - 1;
        for place in old.into_iter().filter(|&place| place != 0) {
            let mut index = (place >> 32) as usize & mask;
            while self.places[index] != 0 {
                index = (index + 1) & mask;
            }
            self.places[index] = place;
        }
    }

    /// Bytes held.
    pub(crate) fn size(&self) -> usize {
        self.places.capacity() * 8
    }
}
