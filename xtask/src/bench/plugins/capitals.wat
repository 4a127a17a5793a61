(module
  ;; Text in capital letters, as far as it is ASCII: eight bytes at a time, in memory that is reused for each batch.
  (memory (export "memory") 1)
  (global $top (mut i32) (i32.const 64))

  ;; Eight bytes more than asked for, so that whole words can be read and written at the end.
  (func $alloc (export "nyala_alloc") (param $size i32) (param $align i32) (result i32)
    (local $start i32) (local $missing i32)
    (local.set $start (i32.and (i32.add (global.get $top) (i32.const 15)) (i32.const -16)))
    (global.set $top (i32.add (i32.add (local.get $start) (local.get $size)) (i32.const 8)))
    (local.set $missing (i32.sub (global.get $top) (i32.shl (memory.size) (i32.const 16))))
    (if (i32.gt_s (local.get $missing) (i32.const 0))
      (then
        (if (i32.eq
              (memory.grow (i32.add (i32.shr_u (local.get $missing) (i32.const 16)) (i32.const 1)))
              (i32.const -1))
          (then unreachable))))
    (local.get $start))

  (func (export "nyala_reset") (global.set $top (i32.const 64)))

  ;; The result has the argument's validity and offsets, and values of its own.
  (func (export "nyala_scalar_capitals") (param $batch i32) (result i32)
    (local $column i32) (local $result i32) (local $from i32) (local $to i32) (local $end i32) (local $word i64)
    (local.set $column (i32.load (local.get $batch)))
    (local.set $result (call $alloc (i32.const 32) (i32.const 4)))
    (memory.copy (local.get $result) (local.get $column) (i32.const 32))
    (local.set $from (i32.load offset=12 (local.get $column)))
    (local.set $to (call $alloc (i32.load offset=20 (local.get $column)) (i32.const 8)))
    (i32.store offset=12 (local.get $result) (local.get $to))
    (local.set $end (i32.add (local.get $from) (i32.load offset=20 (local.get $column))))
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $from) (local.get $end)))
        (local.set $word (i64.load align=1 (local.get $from)))
        (i64.store align=1 (local.get $to) (call $capital (local.get $word)))
        (local.set $from (i32.add (local.get $from) (i32.const 8)))
        (local.set $to (i32.add (local.get $to) (i32.const 8)))
        (br $next)))
    (local.get $result))

  ;; Of each byte from 97 to 122 the sixth bit (32) is cleared: the eighth bit of `low + 31` says that it is at least 97,
  ;; that of `low + 5` that it is over 122, and its own that it is no ASCII.
  (func $capital (param $word i64) (result i64)
    (local $low i64) (local $letters i64)
    (local.set $low (i64.and (local.get $word) (i64.const 0x7f7f7f7f7f7f7f7f)))
    (local.set $letters
      (i64.and
        (i64.and
          (i64.xor
            (i64.add (local.get $low) (i64.const 0x1f1f1f1f1f1f1f1f))
            (i64.add (local.get $low) (i64.const 0x0505050505050505)))
          (i64.xor (local.get $word) (i64.const -1)))
        (i64.const 0x8080808080808080)))
    (i64.xor (local.get $word) (i64.shr_u (local.get $letters) (i64.const 2)))))
