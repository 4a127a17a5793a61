;; collatz_steps(BIGINT) RETURNS BIGINT: how many steps of n/2 or 3n+1 lead from n to 1; -1 for a number below 1.
;;
;;   CREATE FUNCTION collatz_steps (n BIGINT) RETURNS BIGINT LANGUAGE wat IMMUTABLE STRICT AS 'collatz_steps.wat';
(module
  (func (export "collatz_steps") (param $n i64) (result i64)
    (local $steps i64)
    (if (i64.lt_s (local.get $n) (i64.const 1))
      (then (return (i64.const -1))))
    (block $done
      (loop $next
        (br_if $done (i64.eq (local.get $n) (i64.const 1)))
        (local.set $steps (i64.add (local.get $steps) (i64.const 1)))
        (if (i64.eqz (i64.and (local.get $n) (i64.const 1)))
          (then (local.set $n (i64.shr_u (local.get $n) (i64.const 1))))
          (else (local.set $n (i64.add (i64.mul (local.get $n) (i64.const 3)) (i64.const 1)))))
        (br $next)))
    (local.get $steps)))
