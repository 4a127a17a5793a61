//! Hashes of keys. The same in all workers of a process.

use std::hash::BuildHasher;

use foldhash::fast::FixedState;

/// An odd constant with about as many ones as zeros (the golden ratio's fraction).
const FACTOR: u64 = 0x9E37_79B9_7F4A_7C15;
const SALT: u64 = 0x243F_6A88_85A3_08D3;

/// Folded multiplication: both halves of the 128-bit product depend on all bits of the key.
#[inline(always)]
pub(crate) fn hash_u64(key: u64) -> u64 {
    let product = u128::from(key ^ SALT) * u128::from(FACTOR);
    ((product as u64) ^ ((product >> 64) as u64)).wrapping_mul(FACTOR)
}

#[inline(always)]
pub(crate) fn hash_u128(key: u128) -> u64 {
    hash_u64((key as u64) ^ hash_u64((key >> 64) as u64))
}

#[inline(always)]
pub(crate) fn hash_bytes(state: &FixedState, bytes: &[u8]) -> u64 {
    state.hash_one(bytes)
}

pub(crate) fn byte_hasher() -> FixedState {
    FixedState::with_seed(SALT)
}
