//! Random expressions of users' functions and built-in operators: interpreter, native code and WASM give the same.

use nyala_tests::Database;

const DEFINITIONS: [&str; 6] = [
    r#"CREATE FUNCTION mix (x BIGINT, y BIGINT) RETURNS BIGINT LANGUAGE wat IMMUTABLE AS $$
      (module (func (export "mix") (param i64 i64) (result i64)
        (i64.rem_s (i64.xor (i64.mul (local.get 0) (i64.const 31)) (local.get 1)) (i64.const 1009)))) $$"#,
    // The steps of a loop whose length the argument decides.
    r#"CREATE FUNCTION bits (x BIGINT) RETURNS BIGINT LANGUAGE wat IMMUTABLE AS $$
      (module (func (export "bits") (param i64) (result i64) (local $count i64)
        (block $done (loop $next
          (br_if $done (i64.eqz (local.get 0)))
          (local.set 0 (i64.and (local.get 0) (i64.sub (local.get 0) (i64.const 1))))
          (local.set $count (i64.add (local.get $count) (i64.const 1)))
          (br $next)))
        (local.get $count))) $$"#,
    r#"CREATE FUNCTION odd (x BIGINT) RETURNS BOOLEAN LANGUAGE wat IMMUTABLE AS $$
      (module (func (export "odd") (param i64) (result i32) (i32.and (i32.wrap_i64 (local.get 0)) (i32.const 1)))) $$"#,
    r#"CREATE FUNCTION scaled (x DOUBLE) RETURNS DOUBLE LANGUAGE wat IMMUTABLE AS $$
      (module (func (export "scaled") (param f64) (result f64)
        (f64.mul (f64.floor (local.get 0)) (f64.const 0.25)))) $$"#,
    r#"CREATE FUNCTION part (x BIGINT, y BIGINT) RETURNS BIGINT LANGUAGE wat IMMUTABLE WITH (on_error = 'null') AS $$
      (module (func (export "part") (param i64 i64) (result i64) (i64.div_s (local.get 0) (local.get 1)))) $$"#,
    "CREATE FUNCTION clipped (x BIGINT) RETURNS BIGINT LANGUAGE sql IMMUTABLE AS $$
      CASE WHEN x > 100 THEN 100 WHEN odd(x) THEN bits(x) ELSE x END $$",
];

/// NULLs, zeros and negative numbers, in more than one batch.
const TABLE: &str = "CREATE TABLE t AS SELECT v AS a, CASE WHEN v % 7 = 0 THEN NULL ELSE v % 13 - 6 END AS b,
    CASE WHEN v % 5 = 0 THEN NULL ELSE CAST(v % 11 AS DOUBLE) / 2 END AS d FROM generate_series(-50, 9000) AS g(v)";

struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }

    /// A BIGINT that stays small, so that nothing overflows.
    fn integer(&mut self, depth: u32) -> String {
        if depth == 0 {
            return match self.below(4) {
                0 => "a".to_owned(),
                1 | 2 => "b".to_owned(),
                _ => (self.below(20) as i64 - 10).to_string(),
            };
        }
        let depth = depth - 1;
        match self.below(9) {
            0 => format!("mix({}, {})", self.integer(depth), self.integer(depth)),
            1 => format!("bits({})", self.integer(depth)),
            2 => format!("part({}, {})", self.integer(depth), self.integer(depth)),
            3 => format!("clipped({})", self.integer(depth)),
            4 => format!("({} + {})", self.integer(depth), self.integer(depth)),
            5 => format!("mix({} - {}, 3)", self.integer(depth), self.integer(depth)),
            6 => format!("coalesce({}, {})", self.integer(depth), self.integer(depth)),
            7 => format!(
                "CASE WHEN {} THEN {} ELSE {} END",
                self.condition(depth),
                self.integer(depth),
                self.integer(depth)
            ),
            _ => format!("nullif({}, 0)", self.integer(depth)),
        }
    }

    fn condition(&mut self, depth: u32) -> String {
        if depth == 0 {
            return if self.below(2) == 0 { "odd(b)".to_owned() } else { "scaled(d) > 0.5".to_owned() };
        }
        let depth = depth - 1;
        match self.below(7) {
            0 => format!("odd({})", self.integer(depth)),
            1 => format!("({} AND {})", self.condition(depth), self.condition(depth)),
            2 => format!("({} OR {})", self.condition(depth), self.condition(depth)),
            3 => format!("NOT {}", self.condition(depth)),
            4 => format!("({} IS NULL)", self.integer(depth)),
            5 => format!("{} > {}", self.integer(depth), self.integer(depth)),
            _ => format!("scaled({} * d) >= 1", self.integer(depth)),
        }
    }

    fn query(&mut self) -> String {
        let depth = 1 + self.below(3) as u32;
        match self.below(4) {
            0 => format!(
                "SELECT sum({}), count({}), min(scaled(d)) FROM t WHERE {}",
                self.integer(depth),
                self.integer(depth),
                self.condition(depth)
            ),
            1 => format!(
                "SELECT {} AS k, count(*), sum({}) FROM t WHERE a < 300 GROUP BY 1 ORDER BY 1",
                self.integer(depth),
                self.integer(depth)
            ),
            2 => format!(
                "SELECT a, {} AS x, {} AS y, scaled(d) FROM t WHERE {} ORDER BY a LIMIT 100",
                self.integer(depth),
                self.condition(depth),
                self.condition(depth)
            ),
            _ => format!(
                "SELECT count(*) FROM t WHERE {} AND {}",
                self.condition(depth),
                self.condition(depth)
            ),
        }
    }
}

fn opened(backend: &str) -> Database {
    let mut database = Database::open(backend);
    for sql in DEFINITIONS.into_iter().chain([TABLE]) {
        database.query(sql).unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    }
    database
}

#[test]
fn backends_agree_on_functions() {
    let mut databases = ["interpreter", "native", "wasm"].map(|backend| (backend, opened(backend)));
    let mut random = Random(20_261_126);
    let mut answered = 0;
    for round in 0..60 {
        let sql = random.query();
        let [(_, first), others @ ..] = &mut databases;
        let expected = first.query(&sql);
        answered += usize::from(expected.is_ok());
        for (backend, database) in others {
            match (&expected, database.query(&sql)) {
                (Ok(expected), Ok(found)) => {
                    assert_eq!(*expected, found, "round {round} on {backend}: {sql}");
                }
                (Err(expected), Err(found)) => {
                    assert_eq!(expected.code(), found.code(), "round {round} on {backend}: {sql}");
                }
                (Ok(_), Err(error)) => panic!("round {round}: only {backend} fails: {error:?}\n{sql}"),
                (Err(error), Ok(_)) => panic!("round {round}: {backend} does not fail: {error:?}\n{sql}"),
            }
        }
    }
    assert!(answered > 40, "only {answered} of the queries say anything");
}
