;; {{name}}(BIGINT, BIGINT) RETURNS BIGINT: the greatest common divisor. manifest.sql declares it.
(module
  (func (export "{{name}}") (param $a i64) (param $b i64) (result i64)
    (local $rest i64)
    (block $done
      (loop $next
        (br_if $done (i64.eqz (local.get $b)))
        (local.set $rest (i64.rem_s (local.get $a) (local.get $b)))
        (local.set $a (local.get $b))
        (local.set $b (local.get $rest))
        (br $next)))
    ;; Not negative, but for the least of all numbers, which has no positive counterpart.
    (if (result i64) (i64.lt_s (local.get $a) (i64.const 0))
      (then (i64.sub (i64.const 0) (local.get $a)))
      (else (local.get $a)))))
