//! Definitions as text: what SHOW CREATE TABLE and `nyala catalog dump` say makes the same again; errors have their places.

use nyala_node::Session;
use nyala_tests::Database;

const SCRIPT: &str = r#"
CREATE SCHEMA "My shop";
COMMENT ON SCHEMA "My shop" IS 'it''s mine';
CREATE FUNCTION half(x BIGINT) RETURNS BIGINT LANGUAGE SQL IMMUTABLE AS $$ x / 2 $$;
CREATE TABLE "order" (
  id BIGINT NOT NULL,
  "select" VARCHAR DEFAULT 'a''b',
  at TIMESTAMP DEFAULT now(),
  price DECIMAL(12, 3) CHECK (price >= 0),
  flags BOOLEAN[],
  CONSTRAINT sane CHECK (id > 0 AND id / 2 < 1000000)
) PARTITIONED BY (day(at), bucket(4, id)) SORTED BY (price DESC, id) WITH (retention = '3 hours', compression = 'none') COMMENT 'orders';
COMMENT ON COLUMN "order"."select" IS 'a word';
CREATE TABLE "My shop".t (a INTEGER, b REAL, c DATE, d BYTEA, e TINYINT UNSIGNED);
CREATE VIEW z AS SELECT id, half(id) AS h FROM "order";
CREATE VIEW a AS SELECT h FROM z;
"#;

fn run(database: &mut Database, script: &str) {
    for (_, statement) in Session::split(script) {
        database.ok(&statement);
    }
}

#[test]
fn a_dump_makes_the_same_again() {
    let mut first = Database::open("interpreter");
    run(&mut first, SCRIPT);
    let dump = first.dump();
    let mut second = Database::open("interpreter");
    run(&mut second, &dump);
    // The number of the version is in the first line.
    let body = |text: &str| text.split_once('\n').unwrap().1.to_owned();
    assert_eq!(body(&second.dump()), body(&dump));
    for query in [
        "DESCRIBE \"order\"",
        "SHOW PROPERTIES \"order\"",
        "SELECT * FROM system.comments ORDER BY name, column_name",
    ] {
        assert_eq!(first.ok(query), second.ok(query), "{query}");
    }
}

#[test]
fn a_table_is_made_again_of_what_is_shown() {
    let mut database = Database::open("interpreter");
    run(&mut database, SCRIPT);
    let shown = database.query("SHOW CREATE TABLE \"order\"").unwrap().rows.swap_remove(0).swap_remove(1);
    let described = database.ok("DESCRIBE \"order\"");
    database.ok("DROP TABLE \"order\"");
    run(&mut database, &shown);
    assert_eq!(database.ok("DESCRIBE \"order\""), described);
}

#[test]
fn errors_show_where() {
    let mut database = Database::open("interpreter");
    database.ok("CREATE TABLE people (name VARCHAR)");
    let cases = [
        ("ALTER TABLE peple ADD COLUMN a INTEGER", "peple", "people"),
        ("INSERT INTO peple VALUES ('a')", "peple", "people"),
        ("DROP TABLE peple", "peple", "people"),
        ("ALTER TABLE people DROP COLUMN nam", "nam", "name"),
        ("SHOW HISTORY peple", "peple", "people"),
        ("USE mian", "mian", "main"),
        ("CREATE TABLE t (a INTEGER) SORTED BY (b)", "b)", "did you mean \"a\""),
    ];
    for (sql, place, hint) in cases {
        let error = database.err(sql);
        let rendered = nyala_node::render_error(&error, sql);
        let column = sql.find(place).unwrap() + 1;
        assert_eq!(error.position().map(|position| position.column as usize), Some(column), "{rendered}");
        assert!(rendered.contains(hint), "{rendered}");
    }
}
