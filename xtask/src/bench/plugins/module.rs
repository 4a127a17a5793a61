//! A module of the size that a small Rust crate has, different each time so that no cache knows it.

use std::fmt::Write;

use anyhow::Result;

/// Bytes of a generated module.
pub const SIZE_BYTES: usize = 30_000;

/// The export of generated modules: BIGINT to BIGINT.
pub const EXPORT: &str = "mix";

/// The binary of at least [`SIZE_BYTES`], and not much more: functions with a loop and a branch, each of which calls
/// two others, a tree as programs are, so that all of them are code that runs.
pub fn generate(seed: u64) -> Result<Vec<u8>> {
    // A function takes about 90 bytes.
    let mut count = SIZE_BYTES / 100;
    loop {
        let binary = wat::parse_str(text(seed, count)?)?;
        if binary.len() >= SIZE_BYTES {
            return Ok(binary);
        }
        count += 1 + (SIZE_BYTES - binary.len()) / 100;
    }
}

fn text(seed: u64, count: usize) -> Result<String> {
    let mut text = String::from("(module\n  (func $f0 (param i64 i64) (result i64) (local.get 0))\n");
    let mut random = seed | 1;
    for index in 1..=count {
        // Knuth's multiplier; the value is of no importance, only that it differs.
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let (factor, shift) = ((random >> 20) as i64, random >> 59);
        let [left, right] = [2 * index, 2 * index + 1].map(|child| if child > count { 0 } else { child });
        write!(
            text,
            "  (func $f{index} (param $a i64) (param $b i64) (result i64) (local $n i32)
    (loop $again
      (local.set $a (i64.xor (i64.mul (local.get $a) (i64.const {factor})) (i64.shr_u (local.get $b) (i64.const {shift}))))
      (if (i64.gt_s (local.get $a) (local.get $b))
        (then (local.set $b (i64.add (local.get $b) (i64.extend_i32_u (local.get $n)))))
        (else (local.set $b (i64.rotl (local.get $a) (local.get $b)))))
      (br_if $again (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 3))))
    (i64.add (call $f{left} (local.get $a) (local.get $b)) (call $f{right} (local.get $b) (local.get $a))))\n"
        )?;
    }
    write!(
        text,
        "  (func (export \"{EXPORT}\") (param i64) (result i64)\n    (call $f1 (local.get 0) (i64.const 1))))\n"
    )?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_have_their_size_and_differ() {
        let [one, other] = [1, 2].map(|seed| generate(seed).unwrap());
        assert!((SIZE_BYTES..SIZE_BYTES * 11 / 10).contains(&one.len()), "{}", one.len());
        assert_ne!(one, other);
        assert_eq!(one, generate(1).unwrap());
    }
}
