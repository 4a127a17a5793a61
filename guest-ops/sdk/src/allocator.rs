//! The allocator of a module: lists of freed blocks by size, over memory that only grows.
//!
//! A module has one thread, and what a batch frees the next batch wants again in the same sizes. So sizes are powers of two, each
//! with a list of those that are free: an allocation takes the first, a release puts it back.

#![cfg(target_arch = "wasm32")]

use std::alloc::{GlobalAlloc, Layout};
use std::cell::UnsafeCell;
use std::ptr::null_mut;

/// 16 bytes: the alignment of all blocks up to it.
const SMALLEST_SHIFT: u32 = 4;
const PAGE_BYTES: usize = 64 << 10;

struct Free {
    /// The first free block of each power of two; a free block begins with the address of the next.
    lists: [*mut u8; 32],
    /// Memory that was never given out.
    fresh: usize,
    fresh_end: usize,
}

struct Blocks(UnsafeCell<Free>);

// SAFETY: the modules that this is compiled for have one thread.
unsafe impl Sync for Blocks {}

#[global_allocator]
static BLOCKS: Blocks = Blocks(UnsafeCell::new(Free { lists: [null_mut(); 32], fresh: 0, fresh_end: 0 }));

/// The exponent of the power of two that holds a layout.
#[inline(always)]
fn shift_of(layout: Layout) -> u32 {
    let bytes = layout.size().max(layout.align()).max(1 << SMALLEST_SHIFT);
    usize::BITS - (bytes - 1).leading_zeros()
}

impl Free {
    /// A block that was never used; null when the memory may not grow.
    #[cold]
    fn fresh(&mut self, shift: u32) -> *mut u8 {
        // Beyond this a block could not be within 32 bits.
        if shift >= 31 {
            return null_mut();
        }
        let bytes = 1usize << shift;
        // No alignment is larger than a page: large blocks begin at one.
        let align = bytes.min(PAGE_BYTES);
        let begin = |fresh: usize| (fresh + align - 1) & !(align - 1);
        if begin(self.fresh) + bytes > self.fresh_end && !self.grow(bytes) {
            return null_mut();
        }
        let begin = begin(self.fresh);
        self.fresh = begin + bytes;
        begin as *mut u8
    }

    /// Makes room for `bytes` behind the last page; whether that worked.
    fn grow(&mut self, bytes: usize) -> bool {
        let pages = (bytes + PAGE_BYTES - 1) / PAGE_BYTES;
        let grown = core::arch::wasm32::memory_grow(0, pages);
        if grown == usize::MAX {
            return false;
        }
        let begin = grown * PAGE_BYTES;
        if begin != self.fresh_end {
            self.fresh = begin;
        }
        self.fresh_end = begin + pages * PAGE_BYTES;
        true
    }

    /// Makes the last block larger where it is, so that a vector that grows does not leave a trail of smaller blocks; not if
    /// a block of that size is free.
    fn extend(&mut self, block: *mut u8, from: u32, to: u32) -> bool {
        let end = block as usize + (1usize << from);
        if end != self.fresh || to >= 31 || from > to || !self.lists[to as usize].is_null() {
            return false;
        }
        let wanted = block as usize + (1usize << to);
        if wanted > self.fresh_end {
            let before = self.fresh_end;
            if !self.grow(wanted - before) || self.fresh != end {
                return false;
            }
        }
        self.fresh = wanted;
        true
    }
}

// SAFETY: blocks are of at least the size and alignment asked for, and no two that are in use overlap: fresh memory is given
// once, and a block is on one list or in use.
unsafe impl GlobalAlloc for Blocks {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let shift = shift_of(layout);
        // SAFETY: one thread, and no call below allocates.
        let free = unsafe { &mut *self.0.get() };
        match free.lists.get_mut(shift as usize) {
            None => null_mut(),
            Some(list) if list.is_null() => free.fresh(shift),
            Some(list) => {
                let block = *list;
                // SAFETY: a block on a list holds the address of the next.
                *list = unsafe { *block.cast::<*mut u8>() };
                block
            }
        }
    }

    #[inline]
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        let shift = shift_of(layout) as usize;
        // SAFETY: one thread; the block was given for this layout, so it is of that power of two and has room for an address.
        unsafe {
            let free = &mut *self.0.get();
            *block.cast::<*mut u8>() = free.lists[shift];
            free.lists[shift] = block;
        }
    }

    #[inline]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller promises a size that with this alignment is a layout.
        let wanted = unsafe { Layout::from_size_align_unchecked(size, layout.align()) };
        if shift_of(wanted) == shift_of(layout) {
            return block;
        }
        // SAFETY: one thread; nothing of the lists is held over the calls below.
        if unsafe { (*self.0.get()).extend(block, shift_of(layout), shift_of(wanted)) } {
            return block;
        }
        // SAFETY: as for the two calls by themselves; the blocks are apart, and both hold the smaller size.
        unsafe {
            let moved = self.alloc(wanted);
            if !moved.is_null() {
                std::ptr::copy_nonoverlapping(block, moved, layout.size().min(size));
                self.dealloc(block, layout);
            }
            moved
        }
    }
}
