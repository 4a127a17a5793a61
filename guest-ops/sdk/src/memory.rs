//! Where things lie: the host names places in a module's memory by 32-bit offsets.

use std::cell::RefCell;

/// The offset by which the host knows this place.
#[cfg(target_arch = "wasm32")]
pub fn address<T>(pointer: *const T) -> u32 {
    pointer as u32
}

/// The place at an offset that the host gave.
#[cfg(target_arch = "wasm32")]
pub fn pointer<T>(address: u32) -> *const T {
    address as *const T
}

/// Off WASM pointers are wider than 32 bits: places are numbered as they are named.
#[cfg(not(target_arch = "wasm32"))]
mod places {
    use std::cell::RefCell;

    thread_local! {
        static NAMED: RefCell<Vec<usize>> = const { RefCell::new(Vec::new()) };
    }

    /// The number of this place.
    pub fn address<T>(pointer: *const T) -> u32 {
        if pointer.is_null() {
            return 0;
        }
        NAMED.with(|named| {
            let mut named = named.borrow_mut();
            named.push(pointer as usize);
            named.len() as u32
        })
    }

    /// The place of that number.
    pub fn pointer<T>(address: u32) -> *const T {
        match address {
            0 => std::ptr::null(),
            number => NAMED.with(|named| named.borrow()[number as usize - 1] as *const T),
        }
    }
}

#[cfg(not(target_arch = "wasm32"))]
pub use places::{address, pointer};

/// Room that is handed out piece by piece and taken back as a whole.
#[derive(Default)]
struct Arena {
    chunks: Vec<Vec<u8>>,
    /// Of the last chunk.
    used: usize,
}

const CHUNK_BYTES: usize = 64 << 10;

impl Arena {
    fn take(&mut self, size: usize, align: usize) -> *mut u8 {
        let align = align.max(1).next_power_of_two();
        if let Some(place) = self.take_of_last(size, align) {
            return place;
        }
        let held: usize = self.chunks.iter().map(Vec::capacity).sum();
        let wanted = size.checked_add(align).expect("an allocation of the host is larger than the memory");
        self.chunks.push(Vec::with_capacity(wanted.max(CHUNK_BYTES).max(held)));
        self.used = 0;
        self.take_of_last(size, align).expect("the chunk was made for it")
    }

    fn take_of_last(&mut self, size: usize, align: usize) -> Option<*mut u8> {
        let chunk = self.chunks.last_mut()?;
        let base = chunk.as_mut_ptr();
        let begin = (base as usize).checked_add(self.used)?.checked_add(align - 1)? & !(align - 1);
        let offset = begin - base as usize;
        let end = offset.checked_add(size).filter(|&end| end <= chunk.capacity())?;
        self.used = end;
        // SAFETY: offset + size was found to lie within the capacity of this allocation.
        Some(unsafe { base.add(offset) })
    }

    /// Keeps the memory, as one chunk: a batch like the last one fits without asking for more.
    fn reset(&mut self) {
        if self.chunks.len() > 1 {
            let held = self.chunks.iter().map(Vec::capacity).sum();
            self.chunks.clear();
            self.chunks.push(Vec::with_capacity(held));
        }
        self.used = 0;
    }
}

thread_local! {
    static ARENA: RefCell<Arena> = RefCell::new(Arena::default());
}

/// Room for what the host writes, until [`nyala_reset`].
#[no_mangle]
pub extern "C" fn nyala_alloc(size: u32, align: u32) -> u32 {
    crate::host::report_panics();
    address(ARENA.with(|arena| arena.borrow_mut().take(size as usize, align as usize)))
}

/// The host is done with everything that it wrote and was given.
#[no_mangle]
pub extern "C" fn nyala_reset() {
    ARENA.with(|arena| arena.borrow_mut().reset());
}

#[cfg(test)]
mod tests {
    use super::Arena;

    #[test]
    fn pieces_are_aligned_apart_and_reused() {
        let mut arena = Arena::default();
        let first = arena.take(3, 1) as usize;
        let second = arena.take(16, 16) as usize;
        assert_eq!(second % 16, 0);
        assert!(second >= first + 3);
        arena.take(1 << 20, 8);
        assert_eq!(arena.chunks.len(), 2);
        arena.reset();
        assert_eq!(arena.chunks.len(), 1);
        let again = arena.take(1 << 20, 8) as usize;
        arena.take(16, 8);
        arena.reset();
        assert_eq!(arena.take(1 << 20, 8) as usize, again);
        assert_eq!(arena.chunks.len(), 1);
    }
}
