//! Uploads that mean harm, by SQL: an error with its SQLSTATE, and the engine goes on.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use nyala_schema::ErrorCode;
use nyala_tests::Database;

const BACKENDS: [&str; 3] = ["interpreter", "native", "wasm"];

fn still_works(database: &mut Database, after: &str) {
    assert_eq!(database.query("SELECT 1 + 1").unwrap().rows, [["2"]], "after {after}");
    assert_eq!(database.query("SELECT good(20)").unwrap().rows, [["21"]], "after {after}");
    let rows = database.query("SELECT sum(good(v)) FROM generate_series(1, 3) AS g(v)").unwrap().rows;
    assert_eq!(rows, [["9"]], "after {after}");
}

fn with_good_function(backend: &str) -> Database {
    let mut database = Database::open(backend);
    let create = r#"CREATE FUNCTION good (x BIGINT) RETURNS BIGINT LANGUAGE wat IMMUTABLE AS $$
        (module (func (export "good") (param i64) (result i64) (i64.add (local.get 0) (i64.const 1)))) $$"#;
    database.query(create).unwrap();
    database
}

/// `f` of the row tier, with this body of type i64.
fn row_tier(body: &str) -> String {
    format!(
        r#"CREATE OR REPLACE FUNCTION f (x BIGINT) RETURNS BIGINT LANGUAGE wat IMMUTABLE
        WITH (time_per_batch = '200ms', memory = '16MB') AS $$
        (module
          (memory 1)
          (table 1 funcref)
          (func $deep (param i64) (result i64) (i64.add (i64.const 1) (call $deep (local.get 0))))
          (func (export "f") (param $x i64) (result i64) {body})) $$"#
    )
}

/// `f` of the batch tier. At 64 is a result of three BIGINT, at 1024 a message.
fn batch_tier(returns: &str, body: &str) -> String {
    format!(
        r#"CREATE OR REPLACE FUNCTION f (x BIGINT) RETURNS {returns} LANGUAGE wat IMMUTABLE
        WITH (time_per_batch = '200ms', memory = '16MB') AS $$
        (module
          (import "nyala" "fail" (func $fail (param i32 i32 i32)))
          (memory (export "memory") 2)
          (table $table 1 funcref)
          (global $top (mut i32) (i32.const 4096))
          (data (i32.const 1024) "on purpose")
          (func $deep (param i32) (result i32) (i32.add (i32.const 1) (call $deep (local.get 0))))
          (func (export "nyala_alloc") (param $size i32) (param $align i32) (result i32) (local $at i32)
            (local.set $at (i32.and (i32.add (global.get $top) (i32.const 15)) (i32.const -16)))
            (global.set $top (i32.add (local.get $at) (local.get $size)))
            (local.get $at))
          (func (export "nyala_reset") (global.set $top (i32.const 4096)))
          (func (export "nyala_scalar_f") (param $batch i32) (result i32)
            (i32.store (i32.const 64) (i32.const 5))
            (i32.store offset=4 (i32.const 64) (i32.const 3))
            (i32.store offset=12 (i32.const 64) (i32.const 256))
            {body})) $$"#
    )
}

/// Makes what is at 64 a text of three rows of three bytes, with offsets at 128.
const TEXT: &str =
    "(i32.store (i32.const 64) (i32.const 10)) (i32.store offset=16 (i32.const 64) (i32.const 128))
    (i32.store offset=20 (i32.const 64) (i32.const 9)) (i32.store (i32.const 132) (i32.const 3))
    (i32.store (i32.const 136) (i32.const 6)) (i32.store (i32.const 140) (i32.const 9))";

const CALL: &str = "SELECT max(f(v)) FROM generate_series(1, 3) AS g(v)";

#[test]
fn row_tier_functions_that_mean_harm() {
    use ErrorCode::{GuestFailed, GuestLimit};
    let cases = [
        ("an endless loop", "(loop $again (br $again)) unreachable", GuestLimit, "f@"),
        ("a recursion without end", "(call $deep (local.get $x))", GuestFailed, "stack"),
        (
            "a memory bomb",
            "(loop $again (br_if $again (i32.ne (i32.const -1) (memory.grow (i32.const 16))))) unreachable",
            GuestFailed,
            "f@",
        ),
        (
            "a trap at the second row",
            "(if (i64.eq (local.get $x) (i64.const 2)) (then unreachable)) (local.get $x)",
            GuestFailed,
            "row 1",
        ),
        ("a division by zero", "(i64.div_s (local.get $x) (i64.const 0))", GuestFailed, "f@"),
        (
            "a division that overflows",
            "(i64.div_s (i64.const 0x8000000000000000) (i64.const -1))",
            GuestFailed,
            "f@",
        ),
        ("an access out of bounds", "(i64.load (i32.const -8))", GuestFailed, "f@"),
        ("a call of nothing", "(call_indirect (result i64) (i32.const 0))", GuestFailed, "f@"),
    ];
    for backend in BACKENDS {
        let mut database = with_good_function(backend);
        for (name, body, code, part) in cases {
            database.query(&row_tier(body)).unwrap();
            let error = database.query(CALL).expect_err(name);
            assert_eq!(error.code(), code, "{name} on {backend}: {error:?}");
            assert!(error.message().contains(part), "{name} on {backend}: {error:?}");
            still_works(&mut database, name);
        }
    }
}

#[test]
fn batch_tier_functions_that_mean_harm() {
    use ErrorCode::{GuestFailed, GuestLimit};
    let number = |name: &'static str, body: &str, code| (name, batch_tier("BIGINT", body), code);
    let text = |name: &'static str, body: &str| {
        (name, batch_tier("TEXT", &format!("{TEXT} {body} (i32.const 64)")), GuestFailed)
    };
    let cases = [
        number("an endless loop", "(loop $again (br $again)) (i32.const 0)", GuestLimit),
        number(
            "a memory bomb",
            "(loop $again (br_if $again (i32.ne (i32.const -1) (memory.grow (i32.const 16))))) unreachable",
            GuestLimit,
        ),
        number("a recursion without end", "(call $deep (i32.const 1))", GuestLimit),
        number(
            "a huge table",
            "(if (i32.eq (i32.const -1) (table.grow $table (ref.null func) (i32.const 100000000))) (then unreachable))
            (i32.const 64)",
            GuestFailed,
        ),
        number(
            "a failure at a row",
            "(call $fail (i32.const 1024) (i32.const 10) (i32.const 1)) (i32.const 0)",
            GuestFailed,
        ),
        number(
            "a message out of bounds",
            "(call $fail (i32.const -4) (i32.const -1) (i32.const 7)) unreachable",
            GuestFailed,
        ),
        number("no result", "(i32.const 0)", GuestFailed),
        number("a result out of bounds", "(i32.const -16)", GuestFailed),
        number(
            "values out of bounds",
            "(i32.store offset=12 (i32.const 64) (i32.const 131060)) (i32.const 64)",
            GuestFailed,
        ),
        number("too few rows", "(i32.store offset=4 (i32.const 64) (i32.const 2)) (i32.const 64)", GuestFailed),
        number(
            "a negative number of rows",
            "(i32.store offset=4 (i32.const 64) (i32.const -1)) (i32.const 64)",
            GuestFailed,
        ),
        number("another kind", "(i32.store (i32.const 64) (i32.const 8)) (i32.const 64)", GuestFailed),
        text("text that is no UTF-8", "(i32.store8 (i32.const 258) (i32.const 0xff))"),
        text("offsets that descend", "(i32.store (i32.const 132) (i32.const 8))"),
        text("offsets out of bounds", "(i32.store offset=16 (i32.const 64) (i32.const -4))"),
        text(
            "a negative length",
            "(i32.store offset=20 (i32.const 64) (i32.const -1)) (i32.store (i32.const 140) (i32.const 0x7fffffff))",
        ),
    ];
    let mut database = with_good_function("auto");
    for (name, create, code) in cases {
        // The last kind of result may not be that of the one before.
        database.query("DROP FUNCTION IF EXISTS f").unwrap();
        database.query(&create).unwrap();
        let error = database.query(CALL).expect_err(name);
        assert_eq!(error.code(), code, "{name}: {error:?}");
        assert!(error.message().contains("f@1"), "{name}: {error:?}");
        still_works(&mut database, name);
    }
    // The frame itself is sound.
    database.query("DROP FUNCTION f").unwrap();
    database.query(&batch_tier("TEXT", &format!("{TEXT} (i32.const 64)"))).unwrap();
    assert_eq!(database.query(CALL).unwrap().rows.len(), 1);
}

#[test]
fn output_beyond_the_limit() {
    let mut database = with_good_function("auto");
    // 150 MB of text for the third row.
    let body = format!(
        "(drop (memory.grow (i32.const 3000))) {TEXT} (i32.store offset=20 (i32.const 64) (i32.const 150000000))
        (i32.store (i32.const 140) (i32.const 150000000)) (i32.const 64)"
    );
    database.query(&batch_tier("TEXT", &body).replace("16MB", "256MB")).unwrap();
    let error = database.query(CALL).unwrap_err();
    assert_eq!(error.code(), ErrorCode::GuestLimit, "{error:?}");
    still_works(&mut database, "too much output");
}

#[test]
fn modules_that_are_refused() {
    let export = r#"(func (export "f") (param i64) (result i64) (local.get 0))"#;
    let many_functions = "(func)".repeat(30_000);
    let cases = [
        ("a start function", format!("(module (func $s (loop $again (br $again))) (start $s) {export})")),
        ("a memory of 4 GiB", format!("(module (memory 65536) {export})")),
        ("a table of 100 million", format!("(module (table 100000000 funcref) {export})")),
        ("many functions", format!("(module {export} {many_functions})")),
        (
            "an import of a file system",
            format!(
                r#"(module (import "wasi_snapshot_preview1" "fd_write" (func (param i32 i32 i32 i32) (result i32))) {export})"#
            ),
        ),
        (
            "imports of everything",
            format!(
                r#"(module (import "env" "f" (func)) (import "env" "t" (table 1 funcref)) (import "env" "g" (global i32))
                (import "env" "m" (memory 1)) (import "nyala" "everything" (func)) {export})"#
            ),
        ),
        ("a component", "(component)".to_owned()),
        ("a shared memory", format!("(module (memory 1 1 shared) {export})")),
        ("two memories beyond a limit", format!("(module (memory 30000) (memory 30000) {export})")),
    ];
    let mut database = with_good_function("auto");
    for (name, module) in cases {
        let create = format!("CREATE FUNCTION f (x BIGINT) RETURNS BIGINT LANGUAGE wat AS $$ {module} $$");
        let error = database.query(&create).expect_err(name);
        assert!(
            matches!(error.code(), ErrorCode::InvalidModule | ErrorCode::GuestLimit),
            "{name}: {error:?}"
        );
        let error = database.query("SELECT f(1)").unwrap_err();
        assert_eq!(error.code(), ErrorCode::UndefinedFunction, "after {name}: {error:?}");
        still_works(&mut database, name);
    }
}

/// `(module (func (export "f") (param i64) (result i64) (local.get 0)))`.
const IDENTITY: &[u8] = &[
    0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, 1, 6, 1, 0x60, 1, 0x7e, 1, 0x7e, 3, 2, 1, 0, 7, 5, 1, 1, b'f', 0, 0, 10,
    6, 1, 4, 0, 0x20, 0, 0x0b,
];

fn create_from(path: &Path, bytes: &[u8]) -> String {
    std::fs::write(path, bytes).unwrap();
    let path = path.display();
    format!(
        "CREATE OR REPLACE FUNCTION f (x BIGINT) RETURNS BIGINT LANGUAGE wasm
        WITH (time_per_batch = '200ms') AS '{path}'"
    )
}

#[test]
fn truncated_modules_and_random_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("f.wasm");
    let mut database = with_good_function("auto");
    for length in 0..IDENTITY.len() {
        let error = database.query(&create_from(&path, &IDENTITY[..length])).expect_err("a part of a module");
        assert_eq!(error.code(), ErrorCode::InvalidModule, "{length} bytes: {error:?}");
    }
    let component = [0, 0x61, 0x73, 0x6d, 0x0d, 0, 1, 0];
    let error = database.query(&create_from(&path, &component)).unwrap_err();
    assert_eq!(error.code(), ErrorCode::InvalidModule, "{error:?}");
    let mut seed = 7u64;
    for round in 0..64 {
        let mut bytes = IDENTITY[..8].to_vec();
        for _ in 0..round * 3 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            bytes.push((seed >> 33) as u8);
        }
        let error = database.query(&create_from(&path, &bytes)).expect_err("random bytes");
        assert_eq!(error.code(), ErrorCode::InvalidModule, "round {round}: {error:?}");
    }
    still_works(&mut database, "random bytes");
    database.query(&create_from(&path, IDENTITY)).unwrap();
    assert_eq!(database.query("SELECT f(5)").unwrap().rows, [["5"]]);
}

#[test]
fn modules_with_a_bit_that_flipped() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("f.wasm");
    let mut database = with_good_function("auto");
    for place in 8..IDENTITY.len() {
        for bit in [0, 2, 5] {
            let mut bytes = IDENTITY.to_vec();
            bytes[place] ^= 1 << bit;
            let created = database.query(&create_from(&path, &bytes));
            let called = created.and_then(|_| database.query(CALL));
            if let Err(error) = called {
                assert!(
                    matches!(
                        error.code(),
                        ErrorCode::InvalidModule | ErrorCode::GuestFailed | ErrorCode::GuestLimit
                    ),
                    "bit {bit} of byte {place}: {error:?}"
                );
            }
        }
    }
    still_works(&mut database, "flipped bits");
}

#[test]
fn quarantine_and_its_end() {
    for backend in BACKENDS {
        let mut database = with_good_function(backend);
        let odd_fails = "(if (i64.eq (local.get $x) (i64.const 2)) (then unreachable)) (local.get $x)";
        database.query(&row_tier(odd_fails)).unwrap();
        for round in 0..5 {
            let error = database.query(CALL).unwrap_err();
            assert_eq!(error.code(), ErrorCode::GuestFailed, "round {round} on {backend}: {error:?}");
        }
        let harmless = "SELECT sum(f(v)) FROM generate_series(4, 6) AS g(v)";
        let error = database.query(harmless).unwrap_err();
        assert_eq!(error.code(), ErrorCode::Quarantined, "on {backend}: {error:?}");
        assert!(error.message().contains("f@1"), "{error:?}");
        assert!(error.hint().is_some_and(|hint| hint.contains("RESUME")), "{error:?}");
        still_works(&mut database, "quarantine");
        database.query("ALTER FUNCTION f RESUME").unwrap();
        assert_eq!(database.query(harmless).unwrap().rows, [["15"]], "on {backend}");
        // What goes well between failures ends the count.
        for round in 0..8 {
            assert_eq!(database.query(CALL).unwrap_err().code(), ErrorCode::GuestFailed, "round {round}");
            assert_eq!(database.query(harmless).unwrap().rows, [["15"]], "round {round} on {backend}");
        }
    }
}

#[test]
fn a_query_that_spins_in_a_function_can_be_cancelled() {
    for backend in BACKENDS {
        cancelled(backend, &row_tier("(loop $again (br $again)) unreachable"));
        cancelled(backend, &batch_tier("BIGINT", "(loop $again (br $again)) (i32.const 0)"));
    }
}

/// Runs a function that does not end, and cancels it from another thread.
fn cancelled(backend: &str, endless: &str) {
    let mut database = with_good_function(backend);
    database.query(&endless.replace("200ms", "60 min")).unwrap();
    let cancel = database.session().cancel_handle();
    let ended = Arc::new(AtomicBool::new(false));
    let told = ended.clone();
    // A query that does not run yet cannot be cancelled, so that it is tried until there is an end.
    let canceller = std::thread::spawn(move || {
        while !told.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(10));
            cancel.cancel();
        }
    });
    let outcome = database.query(CALL);
    ended.store(true, Ordering::Relaxed);
    canceller.join().unwrap();
    let error = outcome.unwrap_err();
    assert_eq!(error.code(), ErrorCode::Cancelled, "on {backend}: {error:?}");
    still_works(&mut database, "a cancelled query");
}
