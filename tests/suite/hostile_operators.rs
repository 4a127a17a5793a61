//! Aggregates, table functions and operators that give what is no result: an error with its SQLSTATE, and the engine goes on.

use nyala_schema::ErrorCode;
use nyala_tests::Database;

/// What every module needs, and a batch of two columns at 32: row numbers (kind 6) with values at 512 and BIGINT with
/// values at 1024, of as many rows as `$rows` says.
fn module(functions: &str) -> String {
    format!(
        r#"(module
          (memory (export "memory") 64)
          (global $top (mut i32) (i32.const 65536))
          (global $pulls (mut i32) (i32.const 0))
          (func (export "nyala_alloc") (param $size i32) (param $align i32) (result i32) (local $at i32)
            (local.set $at (i32.and (i32.add (global.get $top) (i32.const 15)) (i32.const -16)))
            (global.set $top (i32.add (local.get $at) (local.get $size)))
            (local.get $at))
          (func (export "nyala_reset") (global.set $top (i32.const 65536)))
          (func $column (param $at i32) (param $kind i32) (param $rows i32) (param $values i32) (param $bytes i32)
            (i32.store (local.get $at) (local.get $kind))
            (i32.store offset=4 (local.get $at) (local.get $rows))
            (i32.store offset=12 (local.get $at) (local.get $values))
            (i32.store offset=20 (local.get $at) (i32.mul (local.get $rows) (local.get $bytes))))
          (func $batch (param $rows i32) (result i32)
            (call $column (i32.const 64) (i32.const 6) (local.get $rows) (i32.const 512) (i32.const 4))
            (call $column (i32.const 96) (i32.const 5) (local.get $rows) (i32.const 1024) (i32.const 8))
            (i32.store (i32.const 32) (i32.const 64))
            (i32.store (i32.const 36) (i32.const 2))
            (i32.store (i32.const 40) (local.get $rows))
            (i32.const 32))
          (func $once (result i32)
            (global.set $pulls (i32.add (global.get $pulls) (i32.const 1)))
            (i32.eq (global.get $pulls) (i32.const 1)))
          {functions})"#
    )
}

const LIMITS: &str = "LANGUAGE wat WITH (time_per_batch = '200ms', memory = '16MB')";

/// `f` is a table function whose `_pull` is this.
fn table_function(pull: &str) -> String {
    let functions = format!(
        r#"(func (export "nyala_table_f_push") (param i32) (result i32) (global.set $pulls (i32.const 0)) (i32.const 0))
        (func (export "nyala_table_f_pull") (result i32) {pull})"#
    );
    let text = module(&functions);
    format!("CREATE TABLE FUNCTION f (x BIGINT) RETURNS TABLE (y BIGINT) {LIMITS} AS $$ {text} $$")
}

/// `f` is an operator whose `_pull` is this.
fn operator(pull: &str) -> String {
    let functions = format!(
        r#"(func (export "nyala_operator_f_open") (param i32 i32 i32) (result i32) (i32.const 0))
        (func (export "nyala_operator_f_push") (param i32 i32) (result i32) (i32.const 0))
        (func (export "nyala_operator_f_finish") (param i32) (result i32) (i32.const 0))
        (func (export "nyala_operator_f_reset") (result i32) (global.set $pulls (i32.const 0)) (i32.const 0))
        (func (export "nyala_operator_f_pull") (result i32) {pull})"#
    );
    let text = module(&functions);
    format!(
        "CREATE OPERATOR f (TABLE input PARTITION BY) RETURNS INPUT AND (y BIGINT) {LIMITS} AS $$ {text} $$"
    )
}

/// `f` is an aggregate whose `_update`, `_states` and `_finish` are these.
fn aggregate(update: &str, states: &str, finish: &str) -> String {
    let functions = format!(
        r#"(func (export "nyala_aggregate_f_update") (param $batch i32) (param i32 i32) (result i32) {update})
        (func (export "nyala_aggregate_f_merge") (param i32 i32 i32) (result i32) (i32.const 0))
        (func (export "nyala_aggregate_f_states") (param $count i32) (result i32) {states})
        (func (export "nyala_aggregate_f_finish") (param $count i32) (result i32) {finish})"#
    );
    let text = module(&functions);
    format!("CREATE AGGREGATE FUNCTION f (x BIGINT) RETURNS BIGINT {LIMITS} AS $$ {text} $$")
}

const LOOP: &str = "(loop $again (br $again)) (i32.const 0)";

fn fails(database: &mut Database, name: &str, create: &str, query: &str, codes: &[ErrorCode]) {
    database.query(create).unwrap_or_else(|error| panic!("{name}: {error:?}"));
    let error = database.query(query).expect_err(name);
    assert!(codes.contains(&error.code()), "{name}: {error:?}");
    assert!(error.message().contains("f@1"), "{name}: {error:?}");
    let drop = if create.starts_with("CREATE OPERATOR") { "DROP OPERATOR f" } else { "DROP FUNCTION f" };
    database.query(drop).unwrap();
    assert_eq!(database.query("SELECT 1 + 1").unwrap().rows, [["2"]], "after {name}");
}

const BAD_PULLS: [(&str, &str); 6] = [
    ("a loop", LOOP),
    ("a trap", "unreachable"),
    ("a batch out of bounds", "(i32.const -8)"),
    (
        "a row that is not there",
        "(i32.store (i32.const 512) (i32.const 1000)) (if (call $once) (then (return (call $batch (i32.const 1))))) (i32.const 0)",
    ),
    (
        "rows that descend",
        "(i32.store (i32.const 512) (i32.const 1)) (i32.store (i32.const 516) (i32.const 0))
        (if (call $once) (then (return (call $batch (i32.const 2))))) (i32.const 0)",
    ),
    (
        "a column too few",
        "(drop (call $batch (i32.const 1))) (i32.store (i32.const 36) (i32.const 1)) (i32.const 32)",
    ),
];

#[test]
fn table_functions_that_mean_harm() {
    let mut database = Database::open("auto");
    for (name, pull) in BAD_PULLS {
        let codes = [ErrorCode::GuestFailed, ErrorCode::GuestLimit];
        let query = "SELECT count(r.y) FROM generate_series(1, 3) AS g(v), f(v) AS r";
        fails(&mut database, name, &table_function(pull), query, &codes);
    }
}

#[test]
fn operators_that_mean_harm() {
    let mut database = Database::open("auto");
    database.query("CREATE TABLE t AS SELECT v, 1 AS k FROM generate_series(1, 3) AS g(v)").unwrap();
    for (name, pull) in BAD_PULLS {
        let codes = [ErrorCode::GuestFailed, ErrorCode::GuestLimit];
        // Unlike a table function an operator may give rows in any order.
        if name != "rows that descend" {
            let query = "SELECT sum(v), count(y) FROM f(TABLE t PARTITION BY k)";
            fails(&mut database, name, &operator(pull), query, &codes);
        }
    }
}

#[test]
fn aggregates_that_mean_harm() {
    let mut database = Database::open("auto");
    let good = "(call $column (i32.const 96) (i32.const 5) (local.get $count) (i32.const 1024) (i32.const 8)) (i32.const 96)";
    let states = "(drop (call $batch (local.get $count))) (i32.store (i32.const 32) (i32.const 96))
        (i32.store (i32.const 36) (i32.const 1)) (i32.const 32)";
    let too_few = "(call $column (i32.const 96) (i32.const 5) (i32.const 0) (i32.const 1024) (i32.const 8)) (i32.const 96)";
    let cases = [
        ("a loop in update", LOOP, states, good),
        ("a loop at the end", "(i32.const 0)", states, LOOP),
        ("a trap at the end", "(i32.const 0)", states, "unreachable"),
        ("too few results", "(i32.const 0)", states, too_few),
        ("results out of bounds", "(i32.const 0)", states, "(i32.const -8)"),
        ("an update that fails", "(i32.const 1)", states, good),
    ];
    for (name, update, states, finish) in cases {
        let codes = [ErrorCode::GuestFailed, ErrorCode::GuestLimit];
        let query = "SELECT v % 2, f(v) FROM generate_series(1, 3) AS g(v) GROUP BY 1";
        fails(&mut database, name, &aggregate(update, states, finish), query, &codes);
    }
}
