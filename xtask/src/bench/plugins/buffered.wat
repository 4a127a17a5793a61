(module
  ;; ClickHouse's buffered interface: a block of rows as RowBinary in, one of results out. Two words in capitals below
  ;; stand for the export and the value of the function.
  (memory (export "memory") 64)
  (global $top (mut i32) (i32.const 16))
  (global $buffers (mut i32) (i32.const 0))

  ;; Eight bytes of pointer and size, then the buffer.
  (func $create (export "clickhouse_create_buffer") (param $size i32) (result i32)
    (local $handle i32)
    (local.set $handle (global.get $top))
    (global.set $top
      (i32.and (i32.add (i32.add (global.get $top) (local.get $size)) (i32.const 23)) (i32.const -8)))
    (global.set $buffers (i32.add (global.get $buffers) (i32.const 1)))
    (if (i32.gt_u (global.get $top) (i32.shl (memory.size) (i32.const 16)))
      (then (drop (memory.grow (i32.add (i32.shr_u (local.get $size) (i32.const 16)) (i32.const 1))))))
    (i32.store (local.get $handle) (i32.add (local.get $handle) (i32.const 8)))
    (i32.store offset=4 (local.get $handle) (local.get $size))
    (local.get $handle))

  ;; All memory is free again when the last buffer is.
  (func (export "clickhouse_destroy_buffer") (param $handle i32)
    (global.set $buffers (i32.sub (global.get $buffers) (i32.const 1)))
    (if (i32.eqz (global.get $buffers)) (then (global.set $top (i32.const 16)))))

  (func (export "NAME") (param $input i32) (param $rows i32) (result i32)
    (local $a i64) (local $b i64) (local $from i32) (local $to i32) (local $end i32) (local $output i32)
    (local.set $from (i32.load (local.get $input)))
    (local.set $output (call $create (i32.shl (local.get $rows) (i32.const 3))))
    (local.set $to (i32.load (local.get $output)))
    (local.set $end (i32.add (local.get $to) (i32.shl (local.get $rows) (i32.const 3))))
    (block $done
      (loop $row
        (br_if $done (i32.ge_u (local.get $to) (local.get $end)))
        (local.set $a (i64.load align=1 (local.get $from)))
        (local.set $b (i64.load offset=8 align=1 (local.get $from)))
        (i64.store align=1 (local.get $to) BODY)
        (local.set $from (i32.add (local.get $from) (i32.const 16)))
        (local.set $to (i32.add (local.get $to) (i32.const 8)))
        (br $row)))
    (local.get $output)))
