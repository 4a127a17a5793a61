//! Sessions at the same time: nothing is lost, nothing is seen that was not committed, and what one sees is of one time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use nyala_node::{Answer, Config, Engine, ErrorCode, Result, Session, default_options};

const WRITERS: usize = 32;
const READERS: usize = 32;

fn engine() -> Arc<Engine> {
    let mut options = default_options();
    options.set("threads", "2").unwrap();
    Engine::open(Config { options, ..Config::default() }).unwrap()
}

fn run(session: &mut Session, sql: &str) -> Result<String> {
    match session.execute(sql)? {
        Answer::Done(tag) => Ok(tag),
        Answer::Rows(mut rows) => {
            let mut text = Vec::new();
            while let Some(batch) = rows.next_batch()? {
                for column in batch.columns() {
                    for row in 0..batch.num_rows() {
                        text.push(arrow::util::display::array_value_to_string(column, row).unwrap());
                    }
                }
            }
            Ok(text.join(" "))
        }
    }
}

fn done(session: &mut Session, sql: &str) -> String {
    run(session, sql).unwrap_or_else(|error| panic!("{sql}: {error:?}"))
}

#[test]
fn no_update_is_lost() {
    const UPDATES: usize = 6;
    let engine = engine();
    done(&mut engine.session(), "CREATE TABLE counter (id BIGINT, n BIGINT)");
    done(&mut engine.session(), "INSERT INTO counter VALUES (1, 0), (2, 0)");
    thread::scope(|scope| {
        for _ in 0..WRITERS {
            scope.spawn(|| {
                let mut session = engine.session();
                for _ in 0..UPDATES {
                    assert_eq!(done(&mut session, "UPDATE counter SET n = n + 1 WHERE id = 1"), "UPDATE 1");
                }
            });
        }
    });
    let expected = (WRITERS * UPDATES).to_string();
    assert_eq!(done(&mut engine.session(), "SELECT n FROM counter WHERE id = 1"), expected);
}

#[test]
fn inserts_do_not_meet() {
    const INSERTS: usize = 40;
    let engine = engine();
    done(&mut engine.session(), "CREATE TABLE log (writer BIGINT, n BIGINT)");
    thread::scope(|scope| {
        for writer in 0..WRITERS {
            let engine = &engine;
            scope.spawn(move || {
                let mut session = engine.session();
                for n in 0..INSERTS {
                    done(&mut session, &format!("INSERT INTO log VALUES ({writer}, {n})"));
                }
            });
        }
    });
    let found = done(&mut engine.session(), "SELECT count(*), count(DISTINCT writer * 1000 + n) FROM log");
    assert_eq!(found, format!("{0} {0}", WRITERS * INSERTS));
}

/// Moves an amount from one table to the other, again until it gets through.
fn transfer(session: &mut Session, amount: usize) {
    loop {
        let tried = (|| {
            run(session, "BEGIN")?;
            run(session, &format!("UPDATE giver SET v = v - {amount}"))?;
            run(session, &format!("UPDATE taker SET v = v + {amount}"))?;
            run(session, "COMMIT")
        })();
        match tried {
            Ok(_) => return,
            Err(error) if error.code() == ErrorCode::SerializationFailure => {
                // COMMIT ends the transaction also when it fails.
                let _ = run(session, "ROLLBACK");
            }
            Err(error) => panic!("{error:?}"),
        }
    }
}

#[test]
fn every_reader_sees_one_moment() {
    const TRANSFERS: usize = 2;
    let engine = engine();
    done(&mut engine.session(), "CREATE TABLE giver AS SELECT 1000 AS v");
    done(&mut engine.session(), "CREATE TABLE taker AS SELECT 0 AS v");
    let (ended, looks) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        let writers: Vec<_> = (0..WRITERS)
            .map(|number| {
                let engine = &engine;
                scope.spawn(move || {
                    let mut session = engine.session();
                    (0..TRANSFERS).for_each(|_| transfer(&mut session, number + 1));
                })
            })
            .collect();
        for _ in 0..READERS {
            scope.spawn(|| {
                let mut session = engine.session();
                let sql = "SELECT (SELECT sum(v) FROM giver) + (SELECT sum(v) FROM taker)";
                while !ended.load(Ordering::Relaxed) {
                    assert_eq!(done(&mut session, sql), "1000");
                    looks.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let outcomes: Vec<_> = writers.into_iter().map(thread::ScopedJoinHandle::join).collect();
        ended.store(true, Ordering::Relaxed);
        assert!(outcomes.iter().all(std::result::Result::is_ok));
    });
    let moved: usize = (1..=WRITERS).map(|amount| amount * TRANSFERS).sum();
    assert_eq!(done(&mut engine.session(), "SELECT v FROM taker"), moved.to_string());
    assert!(looks.load(Ordering::Relaxed) >= READERS);
}

#[test]
fn what_is_not_committed_is_not_seen() {
    let engine = engine();
    let (mut writer, mut reader) = (engine.session(), engine.session());
    done(&mut writer, "CREATE TABLE t AS SELECT 1 AS v");
    done(&mut writer, "BEGIN");
    done(&mut writer, "UPDATE t SET v = 2");
    done(&mut writer, "INSERT INTO t VALUES (3)");
    assert_eq!(done(&mut writer, "SELECT sum(v) FROM t"), "5");
    assert_eq!(done(&mut reader, "SELECT sum(v) FROM t"), "1");
    done(&mut writer, "ROLLBACK");
    assert_eq!(done(&mut writer, "SELECT sum(v) FROM t"), "1");
    done(&mut reader, "BEGIN");
    assert_eq!(done(&mut reader, "SELECT sum(v) FROM t"), "1");
    done(&mut writer, "UPDATE t SET v = 9");
    assert_eq!(done(&mut reader, "SELECT sum(v) FROM t"), "1", "a transaction sees one moment");
    done(&mut reader, "COMMIT");
    assert_eq!(done(&mut reader, "SELECT sum(v) FROM t"), "9");
}

/// Two look whether at least two are on call, and one each leaves. The error of the second, if it has one.
fn write_skew(level: &str) -> Option<ErrorCode> {
    let engine = engine();
    let mut sessions = [engine.session(), engine.session()];
    done(&mut sessions[0], "CREATE TABLE ann AS SELECT 1 AS on_call");
    done(&mut sessions[0], "CREATE TABLE bob AS SELECT 1 AS on_call");
    for session in &mut sessions {
        done(session, &format!("BEGIN ISOLATION LEVEL {level}"));
        let on_call = "SELECT (SELECT sum(on_call) FROM ann) + (SELECT sum(on_call) FROM bob)";
        assert_eq!(done(session, on_call), "2");
    }
    let [first, second] = &mut sessions;
    done(first, "UPDATE ann SET on_call = 0");
    done(second, "UPDATE bob SET on_call = 0");
    done(first, "COMMIT");
    run(second, "COMMIT").err().map(|error| error.code())
}

#[test]
fn write_skew_is_refused_only_where_it_must_be() {
    assert_eq!(write_skew("SERIALIZABLE"), Some(ErrorCode::SerializationFailure));
    assert_eq!(write_skew("SNAPSHOT"), None);
}

#[test]
fn compacting_meets_writers() {
    const ROUNDS: usize = 12;
    let engine = engine();
    done(&mut engine.session(), "CREATE TABLE t (k BIGINT, n BIGINT)");
    done(&mut engine.session(), "INSERT INTO t SELECT v, 0 FROM generate_series(0, 7) AS g(v)");
    let ended = AtomicBool::new(false);
    thread::scope(|scope| {
        let writers: Vec<_> = (0..8)
            .map(|key| {
                let engine = &engine;
                scope.spawn(move || {
                    let mut session = engine.session();
                    for _ in 0..ROUNDS {
                        done(&mut session, &format!("UPDATE t SET n = n + 1 WHERE k = {key}"));
                    }
                })
            })
            .collect();
        scope.spawn(|| {
            let mut session = engine.session();
            while !ended.load(Ordering::Relaxed) {
                done(&mut session, "OPTIMIZE t");
                done(&mut session, "VACUUM t RETAIN 0 DAYS");
            }
        });
        let outcomes: Vec<_> = writers.into_iter().map(thread::ScopedJoinHandle::join).collect();
        ended.store(true, Ordering::Relaxed);
        assert!(outcomes.iter().all(std::result::Result::is_ok));
    });
    let found = done(&mut engine.session(), "SELECT count(*), min(n), max(n) FROM t");
    assert_eq!(found, format!("8 {ROUNDS} {ROUNDS}"));
}
