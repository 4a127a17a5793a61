//! Random INSERT, UPDATE, DELETE and MERGE: Nyala and DuckDB come to the same tables, whatever is compacted and removed in
//! between, and old versions stay as they were.

use nyala_tests::{Database, Oracle, Rows, compare_unordered};

/// Statements of one run.
const STATEMENTS: usize = 160;
/// After so many the tables are compared.
const COMPARED_EVERY: usize = 4;

const TABLES: [&str; 2] = [
    "CREATE TABLE t (id BIGINT, a INTEGER, b VARCHAR, c DOUBLE, d DATE, e DECIMAL(12, 2), f BOOLEAN)",
    "CREATE TABLE s (id BIGINT, a INTEGER, b VARCHAR)",
];

struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }

    fn pick<'a>(&mut self, choices: &[&'a str]) -> &'a str {
        choices[self.below(choices.len() as u64) as usize]
    }

    fn integer(&mut self) -> String {
        (self.below(200) as i64 - 100).to_string()
    }

    /// A value of a column of `t`, sometimes NULL.
    fn value(&mut self, column: &str) -> String {
        if self.below(7) == 0 {
            return "NULL".to_owned();
        }
        match column {
            "id" => self.below(400).to_string(),
            "a" => self.integer(),
            "b" => format!("'{}{}'", self.pick(&["x", "yy", "zzz", ""]), self.below(30)),
            "c" => format!("{}.{}", self.integer(), self.pick(&["0", "25", "5", "75"])),
            "d" => format!("DATE '2024-{:02}-{:02}'", 1 + self.below(12), 1 + self.below(28)),
            "e" => format!("{}.{:02}", self.integer(), self.below(100)),
            _ => self.pick(&["true", "false"]).to_owned(),
        }
    }

    fn row(&mut self, columns: &[&str]) -> String {
        let values: Vec<String> = columns.iter().map(|column| self.value(column)).collect();
        format!("({})", values.join(", "))
    }

    /// A condition over `t`, perhaps with a query over `s`.
    fn condition(&mut self, depth: u32) -> String {
        if self.below(8) == 0 {
            return format!("t.id IN (SELECT s.id FROM s WHERE s.a > {})", self.integer());
        }
        self.simple_condition(depth)
    }

    fn simple_condition(&mut self, depth: u32) -> String {
        if depth > 0 && self.below(3) > 0 {
            let (one, other) = (self.simple_condition(depth - 1), self.simple_condition(depth - 1));
            return match self.below(3) {
                0 => format!("({one} AND {other})"),
                1 => format!("({one} OR {other})"),
                _ => format!("(NOT {one})"),
            };
        }
        match self.below(9) {
            0 => format!("t.a < {}", self.integer()),
            1 => format!("t.id % {} = {}", 2 + self.below(5), self.below(3)),
            2 => format!("t.b LIKE '{}%'", self.pick(&["x", "y", "zz", ""])),
            3 => format!("t.{} IS NULL", self.pick(&["a", "b", "c", "d", "e", "f"])),
            4 => format!("t.c > {}", self.integer()),
            5 => format!("t.d >= DATE '2024-{:02}-01'", 1 + self.below(12)),
            6 => format!("t.e BETWEEN {} AND {}", self.integer(), self.integer()),
            7 => "t.f".to_owned(),
            _ => format!("t.a = {}", self.integer()),
        }
    }

    /// `column = expression` over `t`, for some columns.
    fn assignments(&mut self) -> String {
        let mut parts = Vec::new();
        for _ in 0..=self.below(2) {
            let part = match self.below(8) {
                0 => format!("a = (t.a * 3 + {}) % 1000", self.integer()),
                1 => "b = substr(t.b || 'q', 1, 6)".to_owned(),
                2 => format!("c = t.c / 2 + {}", self.integer()),
                3 => "d = t.d".to_owned(),
                4 => format!("e = {}", self.value("e")),
                5 => "f = NOT t.f".to_owned(),
                6 => format!("b = {}", self.value("b")),
                _ => format!("id = (t.id + {}) % 400", self.below(50)),
            };
            let column = part.split(' ').next().unwrap_or_default().to_owned();
            if !parts.iter().any(|other: &String| other.starts_with(&format!("{column} "))) {
                parts.push(part);
            }
        }
        parts.join(", ")
    }

    fn statement(&mut self) -> String {
        const ALL: [&str; 7] = ["id", "a", "b", "c", "d", "e", "f"];
        match self.below(14) {
            0..=3 => {
                let rows: Vec<String> = (0..=self.below(12)).map(|_| self.row(&ALL)).collect();
                format!("INSERT INTO t VALUES {}", rows.join(", "))
            }
            4 => format!("INSERT INTO t (b, id) VALUES {}", self.row(&["b", "id"])),
            5 => format!(
                "INSERT INTO t SELECT id + {}, a, b, c, d, e, f FROM t WHERE {} AND id < 60",
                self.below(300),
                self.condition(1)
            ),
            6 => format!(
                "INSERT INTO t SELECT v % 400, CAST(v % 77 AS INTEGER), 'g' || (v % 9), v * 0.5, DATE '2024-03-01', 1.25, v % 2 = 0 \
                 FROM generate_series(1, {}) AS g(v)",
                1 + self.below(1800)
            ),
            7 | 8 => format!("UPDATE t SET {} WHERE {}", self.assignments(), self.condition(2)),
            9 => format!("UPDATE t SET a = s.a, b = s.b FROM s WHERE t.id = s.id AND {}", self.condition(1)),
            10 => format!("DELETE FROM t WHERE {} AND {}", self.condition(1), self.condition(1)),
            11 => format!("DELETE FROM t USING s WHERE t.id = s.id AND s.a < {}", self.integer()),
            12 => self.new_source(),
            _ => self.merge(),
        }
    }

    /// Each id once, so that no row of `t` has two partners.
    fn new_source(&mut self) -> String {
        format!(
            "INSERT INTO s SELECT v, CAST(v % 50 AS INTEGER), 's' || v FROM generate_series({0}, {1}) AS g(v) \
             WHERE v NOT IN (SELECT id FROM s)",
            self.below(200),
            200 + self.below(300)
        )
    }

    fn merge(&mut self) -> String {
        let mut clauses = Vec::new();
        if self.below(2) == 0 {
            clauses.push(format!("WHEN MATCHED AND {} THEN DELETE", self.simple_condition(1)));
        }
        if self.below(3) > 0 {
            clauses.push("WHEN MATCHED AND s.a % 2 = 0 THEN UPDATE SET a = s.a, b = s.b".to_owned());
        }
        if self.below(3) > 0 || clauses.is_empty() {
            clauses.push("WHEN NOT MATCHED THEN INSERT (id, a, b) VALUES (s.id, s.a, s.b)".to_owned());
        }
        format!(
            "MERGE INTO t USING (SELECT * FROM s WHERE id % {} = 1) AS s ON t.id = s.id {}",
            2 + self.below(4),
            clauses.join(" ")
        )
    }
}

/// A version of `t` and what it was.
struct Remembered {
    version: String,
    rows: Vec<Vec<String>>,
}

fn ask(database: &mut Database, sql: &str) -> Rows {
    database.query(sql).unwrap_or_else(|error| panic!("{sql}: {error:?}"))
}

fn ask_oracle(oracle: &mut Oracle, sql: &str) -> Vec<Vec<String>> {
    oracle.query(sql).unwrap().unwrap_or_else(|error| panic!("{sql}: DuckDB: {error}"))
}

/// The tables are made in the oracle as well.
fn run(oracle: &mut Oracle, database: &mut Database, partitioning: &str, seed: u64) {
    let mut random = Random(seed);
    for (index, sql) in TABLES.iter().enumerate() {
        let name = sql.split(' ').nth(2).unwrap();
        ask_oracle(oracle, &format!("DROP TABLE IF EXISTS {name}"));
        ask_oracle(oracle, sql);
        ask(database, &format!("{sql}{}", if index == 0 { partitioning } else { "" }));
    }
    let mut remembered: Vec<Remembered> = Vec::new();
    let mut log = Vec::new();
    for number in 0..STATEMENTS {
        let sql = random.statement();
        ask_oracle(oracle, &sql);
        ask(database, &sql);
        log.push(sql);
        if number % COMPARED_EVERY == 0 {
            let expected = ask_oracle(oracle, "SELECT * FROM t");
            let found = ask(database, "SELECT * FROM t").rows;
            if let Err(difference) = compare_unordered(&expected, &found) {
                panic!("seed {seed}, after {number} statements: {difference}\n{}", log.join(";\n"));
            }
            let version = ask(database, "SHOW HISTORY t LIMIT 1").rows[0][0].clone();
            remembered.push(Remembered { version, rows: found });
            log.clear();
        }
        care(database, &mut random, &mut remembered, seed);
    }
}

/// Now and then something that changes no row, and a look at the past.
fn care(database: &mut Database, random: &mut Random, remembered: &mut Vec<Remembered>, seed: u64) {
    match random.below(16) {
        0 => drop(ask(database, "OPTIMIZE t")),
        1 => drop(ask(database, "ANALYZE t")),
        2 => {
            ask(database, "VACUUM t");
        }
        3 if !remembered.is_empty() => {
            ask(database, "VACUUM t RETAIN 0 DAYS");
            let newest = ask(database, "SHOW HISTORY t LIMIT 1").rows[0][0].clone();
            remembered.retain(|then| then.version == newest);
        }
        4..=7 if !remembered.is_empty() => {
            let then = &remembered[random.below(remembered.len() as u64) as usize];
            let sql = format!("SELECT * FROM t FOR VERSION AS OF {}", then.version);
            if let Err(difference) = compare_unordered(&then.rows, &ask(database, &sql).rows) {
                panic!("seed {seed}, version {}: {difference}", then.version);
            }
        }
        _ => {}
    }
}

#[test]
fn random_changes_give_the_tables_of_duckdb() {
    let nothing = tempfile::tempdir().unwrap();
    let Some(mut oracle) = Oracle::start(nothing.path()).unwrap() else {
        eprintln!("skipped: run `cargo xtask test`, which installs DuckDB");
        return;
    };
    let layouts =
        ["", " PARTITIONED BY (f)", " SORTED BY (a)", " PARTITIONED BY (bucket(3, id)) SORTED BY (d, a)"];
    for (seed, layout) in (1..).zip(layouts) {
        run(&mut oracle, &mut Database::open("auto"), layout, seed);
        let folder = tempfile::tempdir().unwrap();
        let mut database = Database::at(&folder.path().join("data")).unwrap();
        run(&mut oracle, &mut database, layout, seed + 100);
    }
}
