;; add_tax(BIGINT, INT) RETURNS BIGINT: a price in cents with so many percent more, rounded half up.
;;
;;   CREATE FUNCTION add_tax (cents BIGINT, percent INT) RETURNS BIGINT LANGUAGE wat IMMUTABLE STRICT AS 'add_tax.wat';
(module
  (func (export "add_tax") (param $cents i64) (param $percent i32) (result i64)
    (i64.div_s
      (i64.add
        (i64.mul (local.get $cents) (i64.add (i64.const 100) (i64.extend_i32_s (local.get $percent))))
        (i64.const 50))
      (i64.const 100))))
