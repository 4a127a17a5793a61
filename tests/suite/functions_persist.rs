//! Functions, modules and operators in a data directory: there after it is opened again, whatever became of compiled code.

use std::path::{Path, PathBuf};

use nyala_schema::ErrorCode;
use nyala_tests::Database;

fn opened(folder: &Path) -> Database {
    Database::at(&folder.join("data")).unwrap()
}

fn one(database: &mut Database, sql: &str) -> String {
    let rows = database.query(sql).unwrap_or_else(|error| panic!("{sql}: {error:?}")).rows;
    assert_eq!((rows.len(), rows[0].len()), (1, 1), "{sql}");
    rows[0][0].clone()
}

/// `name (x BIGINT)` that adds `number`.
fn adding(create: &str, name: &str, number: i64) -> String {
    format!(
        r#"{create} {name} (x BIGINT) RETURNS BIGINT LANGUAGE wat IMMUTABLE AS $$
        (module (func (export "{name}") (param i64) (result i64) (i64.add (local.get 0) (i64.const {number})))) $$"#
    )
}

/// A module of two functions with a manifest, in a file.
fn module(folder: &Path, file: &str, manifest: &str) -> PathBuf {
    let path = folder.join(file);
    let text = format!(
        r#"(module
          (@custom "nyala.manifest" "{manifest}")
          (func (export "thrice") (param i64) (result i64) (i64.mul (local.get 0) (i64.const 3)))
          (func (export "negative") (param f64) (result f64) (f64.neg (local.get 0))))"#
    );
    std::fs::write(&path, text).unwrap();
    path
}

const MANIFEST: &str = "CREATE FUNCTION thrice (x BIGINT) RETURNS BIGINT IMMUTABLE; \
    CREATE FUNCTION negative (x DOUBLE) RETURNS DOUBLE IMMUTABLE COST 2;";

/// Passes the rows of a partition on, with nothing added but a 0.
const OPERATOR: &str = r#"CREATE OPERATOR marked (TABLE input) RETURNS TABLE (mark BIGINT) LANGUAGE wat AS $$
    (module
      (memory (export "memory") 4)
      (global $top (mut i32) (i32.const 4096))
      (global $rows (mut i32) (i32.const 0))
      (func (export "nyala_alloc") (param $size i32) (param $align i32) (result i32) (local $at i32)
        (local.set $at (i32.and (i32.add (global.get $top) (i32.const 15)) (i32.const -16)))
        (global.set $top (i32.add (local.get $at) (local.get $size)))
        (local.get $at))
      (func (export "nyala_reset") (global.set $top (i32.const 4096)))
      (func (export "nyala_operator_marked_open") (param i32 i32 i32) (result i32) (i32.const 0))
      (func (export "nyala_operator_marked_push") (param i32) (param $batch i32) (result i32)
        (global.set $rows (i32.load offset=8 (local.get $batch)))
        (i32.const 0))
      (func (export "nyala_operator_marked_finish") (param i32) (result i32) (i32.const 0))
      (func (export "nyala_operator_marked_reset") (result i32) (i32.const 0))
      (func (export "nyala_operator_marked_pull") (result i32)
        (if (i32.eqz (global.get $rows)) (then (return (i32.const 0))))
        (i32.store (i32.const 64) (i32.const 5))
        (i32.store (i32.const 68) (i32.const 1))
        (i32.store (i32.const 76) (i32.const 256))
        (i32.store (i32.const 84) (i32.const 8))
        (i64.store (i32.const 256) (i64.extend_i32_u (global.get $rows)))
        (i32.store (i32.const 32) (i32.const 64))
        (i32.store (i32.const 36) (i32.const 1))
        (i32.store (i32.const 40) (i32.const 1))
        (global.set $rows (i32.const 0))
        (i32.const 32))) $$"#;

#[test]
fn all_is_there_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let mut database = opened(folder.path());
    database.query(&adding("CREATE FUNCTION", "step", 1)).unwrap();
    database.query(&adding("CREATE OR REPLACE FUNCTION", "step", 10)).unwrap();
    database.query(&adding("CREATE OR REPLACE FUNCTION", "step", 100)).unwrap();
    database.query("ALTER FUNCTION step ROLLBACK").unwrap();
    database
        .query("CREATE FUNCTION two_steps (x BIGINT) RETURNS BIGINT LANGUAGE sql AS $$ step(step(x)) $$")
        .unwrap();
    database.query("CREATE VIEW stepped AS SELECT two_steps(5) AS s").unwrap();
    let path = module(folder.path(), "m.wat", MANIFEST);
    database.query(&format!("CREATE MODULE m FROM '{}'", path.display())).unwrap();
    database.query(OPERATOR).unwrap();
    drop(database);
    // The bytes are the catalog's own.
    std::fs::remove_file(path).unwrap();

    for round in 0..2 {
        let mut database = opened(folder.path());
        assert_eq!(one(&mut database, "SELECT step(0)"), "10", "round {round}");
        assert_eq!(one(&mut database, "SELECT s FROM stepped"), "25");
        assert_eq!(one(&mut database, "SELECT sum(thrice(v)) FROM generate_series(1, 3) AS g(v)"), "18");
        assert_eq!(one(&mut database, "SELECT negative(0.5)"), "-0.5");
        let marks = "SELECT sum(mark) FROM marked(TABLE (SELECT v FROM generate_series(1, 7) AS g(v)))";
        assert_eq!(one(&mut database, marks), "7");
        let error = database.query("DROP FUNCTION step").unwrap_err();
        assert_eq!(error.code(), ErrorCode::Dependency, "{error:?}");
    }

    let mut database = opened(folder.path());
    database.query("ALTER FUNCTION step SET VERSION 3").unwrap();
    database.query("DROP MODULE m").unwrap();
    database.query("DROP OPERATOR marked").unwrap();
    drop(database);
    let mut database = opened(folder.path());
    assert_eq!(one(&mut database, "SELECT s FROM stepped"), "205");
    for gone in ["SELECT thrice(1)", "SELECT * FROM marked(TABLE (SELECT 1))"] {
        assert!(database.query(gone).is_err(), "{gone}");
    }
    assert!(database.query("SHOW MODULES").unwrap().rows.is_empty());
    assert!(database.query("SHOW OPERATORS").unwrap().rows.is_empty());
}

fn artefacts(folder: &Path) -> Vec<PathBuf> {
    let folder = folder.join("data/artefacts");
    std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect()
}

#[test]
fn compiled_code_that_is_damaged_or_gone_is_made_anew() {
    let folder = tempfile::tempdir().unwrap();
    let mut database = opened(folder.path());
    database.query(&adding("CREATE FUNCTION", "step", 7)).unwrap();
    let sum = "SELECT sum(step(v)) FROM generate_series(1, 3) AS g(v)";
    assert_eq!(one(&mut database, sum), "27");
    drop(database);
    assert!(!artefacts(folder.path()).is_empty(), "compiled code is kept");
    let damages: [(&str, fn(&Path)); 5] = [
        ("removed", |path| std::fs::remove_file(path).unwrap()),
        ("emptied", |path| std::fs::write(path, b"").unwrap()),
        ("cut", |path| {
            let bytes = std::fs::read(path).unwrap();
            std::fs::write(path, &bytes[..bytes.len() / 2]).unwrap();
        }),
        ("flipped", |path| {
            let mut bytes = std::fs::read(path).unwrap();
            let middle = bytes.len() / 2;
            bytes[middle] ^= 0x10;
            std::fs::write(path, bytes).unwrap();
        }),
        ("other", |path| std::fs::write(path, b"this is no code at all, however long it may be").unwrap()),
    ];
    for (name, damage) in damages {
        artefacts(folder.path()).iter().for_each(|path| damage(path));
        for _ in 0..2 {
            let mut database = opened(folder.path());
            assert_eq!(one(&mut database, sum), "27", "{name}");
        }
    }
    std::fs::remove_dir_all(folder.path().join("data/artefacts")).unwrap();
    assert_eq!(one(&mut opened(folder.path()), sum), "27");
}

#[test]
fn new_code_under_an_old_name_runs() {
    let folder = tempfile::tempdir().unwrap();
    for number in 1..4 {
        let mut database = opened(folder.path());
        database.query(&adding("CREATE FUNCTION", "step", number)).unwrap();
        assert_eq!(one(&mut database, "SELECT step(0)"), number.to_string());
        let sum = "SELECT sum(step(v)) FROM generate_series(1, 3) AS g(v)";
        assert_eq!(one(&mut database, sum), (6 + 3 * number).to_string());
        drop(database);
        let mut database = opened(folder.path());
        assert_eq!(one(&mut database, sum), (6 + 3 * number).to_string());
        database.query("DROP FUNCTION step").unwrap();
        database.query(&adding("CREATE FUNCTION", "step", -number)).unwrap();
        assert_eq!(one(&mut database, sum), (6 - 3 * number).to_string(), "in the same process");
        database.query("DROP FUNCTION step").unwrap();
        let error = database.query(sum).unwrap_err();
        assert_eq!(error.code(), ErrorCode::UndefinedFunction, "{error:?}");
    }
}

#[test]
fn modules_that_are_not_what_they_say() {
    let folder = tempfile::tempdir().unwrap();
    let mut database = opened(folder.path());
    let good = module(folder.path(), "m.wat", MANIFEST);
    let create = |name: &str, path: &Path| format!("CREATE MODULE {name} FROM '{}'", path.display());
    database.query(&create("m", &good)).unwrap();
    let lies = [
        ("CREATE FUNCTION absent (x BIGINT) RETURNS BIGINT;", ErrorCode::InvalidModule, "absent"),
        ("CREATE FUNCTION wide (x BIGINT) RETURNS TEXT;", ErrorCode::InvalidModule, "wide"),
        (
            "CREATE FUNCTION late (x BIGINT) RETURNS BIGINT; CREATE FUNCTION negative (x BIGINT) RETURNS BIGINT;",
            ErrorCode::InvalidModule,
            "late",
        ),
        ("CREATE AGGREGATE FUNCTION thrice (x BIGINT) RETURNS BIGINT;", ErrorCode::InvalidModule, "thrice"),
        ("CREATE OPERATOR thrice (TABLE t) RETURNS TABLE (x BIGINT);", ErrorCode::InvalidModule, "thrice"),
        ("CREATE TABLE secrets (x BIGINT);", ErrorCode::Syntax, "manifest"),
        ("DROP TABLE t;", ErrorCode::Syntax, "manifest"),
        ("all is well", ErrorCode::Syntax, "manifest"),
        ("CREATE FUNCTION thrice (x BIGINT) RETURNS BIGINT;", ErrorCode::DuplicateFunction, "thrice"),
        ("CREATE FUNCTION abs (x BIGINT) RETURNS BIGINT;", ErrorCode::DuplicateFunction, "abs"),
    ];
    for (number, (manifest, code, part)) in lies.iter().enumerate() {
        let path = module(folder.path(), &format!("lie{number}.wat"), manifest);
        let error = database.query(&create("liar", &path)).expect_err(manifest);
        assert_eq!(error.code(), *code, "{manifest}: {error:?}");
        assert!(error.message().contains(part), "{manifest}: {error:?}");
        let error =
            database.query(&create("liar", &path).replace("CREATE", "CREATE OR REPLACE")).unwrap_err();
        assert_eq!(error.code(), *code, "{manifest}: {error:?}");
    }
    let error = database.query(&create("m", &good)).unwrap_err();
    assert_eq!(error.code(), ErrorCode::DuplicateObject, "{error:?}");
    let hashed = format!("{} SHA256 '{}'", create("m2", &good), "0".repeat(64));
    let error = database.query(&hashed).unwrap_err();
    assert_eq!(error.code(), ErrorCode::InvalidModule, "{error:?}");
    assert!(error.message().contains("SHA-256"), "{error:?}");
    let error = database.query("DROP FUNCTION thrice").unwrap_err();
    assert_eq!(error.code(), ErrorCode::Dependency, "{error:?}");

    let modules = database.query("SHOW MODULES").unwrap().rows;
    assert_eq!(modules.len(), 1, "{modules:?}");
    assert_eq!((modules[0][0].as_str(), modules[0][2].as_str()), ("m", "2"));
    assert_eq!(one(&mut database, "SELECT thrice(CAST(negative(-2) AS BIGINT))"), "6");
}
