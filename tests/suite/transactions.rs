//! What sessions see of each other's transactions.

use std::sync::Barrier;
use std::thread;

use nyala_node::ErrorCode;
use nyala_tests::Database;

/// Two sessions of an engine with a table of accounts.
fn accounts() -> (Database, Database) {
    let mut one = Database::open("interpreter");
    one.ok("CREATE TABLE accounts (name VARCHAR, balance INTEGER)");
    one.ok("INSERT INTO accounts VALUES ('ada', 100), ('bob', 50)");
    let other = one.another();
    (one, other)
}

const SUM: &str = "SELECT sum(balance) FROM accounts";

#[test]
fn nothing_is_seen_before_commit() {
    let (mut one, mut other) = accounts();
    one.ok("BEGIN");
    one.ok("INSERT INTO accounts VALUES ('cy', 1)");
    one.ok("CREATE TABLE made AS SELECT 1 AS a");
    assert_eq!(one.ok(SUM), ["151"]);
    assert_eq!(other.ok(SUM), ["150"]);
    assert_eq!(other.err("SELECT * FROM made").code(), ErrorCode::UndefinedTable);
    one.ok("COMMIT");
    assert_eq!(other.ok(SUM), ["151"]);
    assert_eq!(other.ok("SELECT * FROM made"), ["1"]);
}

#[test]
fn a_snapshot_stays_and_a_read_committed_transaction_moves_on() {
    let (mut one, mut other) = accounts();
    let mut third = one.another();
    one.ok("BEGIN");
    other.ok("BEGIN ISOLATION LEVEL READ COMMITTED");
    other.ok("UPDATE accounts SET balance = 51 WHERE name = 'bob'");
    third.ok("INSERT INTO accounts VALUES ('cy', 1000)");
    assert_eq!(one.ok(SUM), ["150"]);
    assert_eq!(other.ok(SUM), ["1151"]);
    third.ok("INSERT INTO accounts VALUES ('dan', 10000)");
    assert_eq!(one.ok(SUM), ["150"]);
    assert_eq!(other.ok("UPDATE accounts SET balance = balance + 1 WHERE name IN ('bob', 'cy')"), [""; 0]);
    other.ok("COMMIT");
    one.ok("COMMIT");
    assert_eq!(
        one.ok("SELECT * FROM accounts ORDER BY balance"),
        ["bob 52", "ada 100", "cy 1001", "dan 10000"]
    );
}

#[test]
fn the_first_to_commit_wins() {
    let (mut one, mut other) = accounts();
    one.ok("BEGIN");
    other.ok("BEGIN");
    one.ok("UPDATE accounts SET balance = balance + 1 WHERE name = 'ada'");
    other.ok("UPDATE accounts SET balance = balance + 2 WHERE name = 'ada'");
    other.ok("INSERT INTO accounts VALUES ('cy', 5)");
    one.ok("COMMIT");
    let error = other.err("COMMIT");
    assert_eq!(error.code(), ErrorCode::SerializationFailure);
    assert!(error.is_retryable());
    assert!(error.hint().is_some_and(|hint| hint.contains("run the transaction again")), "{error:?}");
    assert_eq!(other.ok(SUM), ["151"]);
    assert_eq!(other.err("ROLLBACK").code(), ErrorCode::NoActiveTransaction);
}

#[test]
fn rows_of_both_stay_when_both_only_add() {
    let (mut one, mut other) = accounts();
    one.ok("BEGIN");
    // Its own row, of a file whose id the other's row may get as well.
    one.ok("INSERT INTO accounts VALUES ('cy', 1)");
    other.ok("INSERT INTO accounts VALUES ('dan', 2)");
    one.ok("UPDATE accounts SET balance = 3 WHERE name = 'cy'");
    one.ok("INSERT INTO accounts VALUES ('eve', 4)");
    one.ok("DELETE FROM accounts WHERE name = 'eve'");
    one.ok("COMMIT");
    let rows = ["ada 100", "bob 50", "cy 3", "dan 2"];
    assert_eq!(one.ok("SELECT * FROM accounts ORDER BY name"), rows);
    assert_eq!(other.ok("SELECT * FROM accounts ORDER BY name"), rows);
}

/// Each takes from one account as long as both together have enough.
fn skew(isolation: &str) -> (Vec<String>, Option<ErrorCode>) {
    let (mut one, mut other) = accounts();
    one.ok("CREATE TABLE limits AS SELECT 100 AS least");
    for (session, name) in [(&mut one, "ada"), (&mut other, "bob")] {
        session.ok(&format!("BEGIN ISOLATION LEVEL {isolation}"));
        assert_eq!(session.ok("SELECT sum(balance) - max(least) FROM accounts, limits"), ["50"]);
        session.ok(&format!("CREATE TABLE taken_from_{name} AS SELECT 50 AS amount"));
        // Files of different rows, so that the two do not touch the same.
        session.ok(&format!("INSERT INTO accounts VALUES ('{name}', -50)"));
    }
    one.ok("COMMIT");
    let code = other.query("COMMIT").err().map(|error| error.code());
    (other.ok(SUM), code)
}

#[test]
fn write_skew_is_refused_where_it_must_be() {
    assert_eq!(skew("SNAPSHOT"), (vec!["50".to_owned()], None));
    assert_eq!(skew("SERIALIZABLE"), (vec!["100".to_owned()], Some(ErrorCode::SerializationFailure)));
}

#[test]
fn serializable_sees_that_a_table_has_come() {
    let (mut one, mut other) = accounts();
    one.ok("BEGIN ISOLATION LEVEL SERIALIZABLE");
    assert_eq!(one.err("SELECT * FROM late").code(), ErrorCode::UndefinedTable);
    one.ok("ROLLBACK");
    one.ok("BEGIN ISOLATION LEVEL SERIALIZABLE");
    one.ok("DROP TABLE IF EXISTS late");
    one.ok("INSERT INTO accounts VALUES ('cy', 1)");
    other.ok("CREATE TABLE unrelated (a INTEGER)");
    one.ok("COMMIT");
    // Who only reads needs nothing from others.
    one.ok("BEGIN ISOLATION LEVEL SERIALIZABLE");
    assert_eq!(one.ok(SUM), ["151"]);
    other.ok("INSERT INTO accounts VALUES ('dan', 1)");
    one.ok("COMMIT");
}

#[test]
fn a_session_that_ends_rolls_back() {
    let (mut one, mut other) = accounts();
    one.ok("BEGIN");
    one.ok("DELETE FROM accounts");
    one.ok("DROP TABLE accounts");
    drop(one);
    assert_eq!(other.ok(SUM), ["150"]);
}

#[test]
fn definitions_of_two_meet() {
    let (mut one, mut other) = accounts();
    one.ok("BEGIN");
    one.ok("INSERT INTO accounts VALUES ('cy', 1)");
    other.ok("ALTER TABLE accounts ADD COLUMN city VARCHAR");
    assert_eq!(one.err("COMMIT").code(), ErrorCode::SerializationFailure);
    one.ok("BEGIN");
    one.ok("CREATE TABLE same (a INTEGER)");
    other.ok("CREATE TABLE same (a VARCHAR)");
    one.ok("INSERT INTO same VALUES (1)");
    let error = one.err("COMMIT");
    assert!(matches!(error.code(), ErrorCode::SerializationFailure | ErrorCode::DuplicateTable), "{error:?}");
    assert_eq!(other.ok("SELECT count(*) FROM same"), ["0"]);
    one.ok("BEGIN");
    one.ok("ALTER TABLE accounts DROP COLUMN city");
    one.ok("INSERT INTO accounts VALUES ('dan', 2)");
    other.ok("INSERT INTO accounts VALUES ('eve', 3, 'Rome')");
    assert_eq!(one.err("COMMIT").code(), ErrorCode::SerializationFailure);
    assert_eq!(one.ok("SELECT city FROM accounts WHERE name = 'eve'"), ["Rome"]);
}

#[test]
fn no_update_of_many_writers_is_lost() {
    const WRITERS: usize = 8;
    const UPDATES: usize = 5;
    let mut first = Database::open("interpreter");
    first.ok("CREATE TABLE counter (n INTEGER)");
    first.ok("INSERT INTO counter VALUES (0)");
    let start = Barrier::new(WRITERS + 1);
    thread::scope(|scope| {
        for writer in 0..WRITERS {
            let mut session = first.another();
            let start = &start;
            scope.spawn(move || {
                start.wait();
                for _ in 0..UPDATES {
                    if writer % 2 == 0 {
                        session.ok("UPDATE counter SET n = n + 1");
                    } else {
                        in_transaction(&mut session);
                    }
                }
            });
        }
        let mut reader = first.another();
        start.wait();
        let mut last = 0;
        while last < WRITERS * UPDATES {
            // There is one row at any time, and it only grows.
            let rows = reader.ok("SELECT n FROM counter");
            assert_eq!(rows.len(), 1);
            let now: usize = rows[0].parse().unwrap();
            assert!(now >= last);
            last = now;
        }
    });
    assert_eq!(first.ok("SELECT n FROM counter"), [(WRITERS * UPDATES).to_string()]);
}

/// Adds one to what it reads, again until nobody comes between.
fn in_transaction(session: &mut Database) {
    loop {
        session.ok("BEGIN");
        let n: usize = session.ok("SELECT n FROM counter")[0].parse().unwrap();
        session.ok(&format!("UPDATE counter SET n = {}", n + 1));
        match session.query("COMMIT") {
            Ok(_) => return,
            Err(error) => assert_eq!(error.code(), ErrorCode::SerializationFailure, "{error:?}"),
        }
    }
}
