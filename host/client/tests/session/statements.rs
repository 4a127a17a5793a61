//! With nodes that stay.

use std::thread;
use std::time::{Duration, Instant};

use nyala_client::{ClientSettings, RemoteSession};
use nyala_schema::ErrorCode;
use nyala_schema::client::{FETCH_WAIT_MAX, SQL_BYTES_MAX, Setting, TransactionState};

use crate::fake::{FakeCluster, FakeDial, SOON, syntax_error};
use crate::{connected, done, numbers, rows};

#[test]
fn rows_come_whole_and_in_order() {
    let mut it = connected(&["a"], ClientSettings::default());
    for count in [0, 1, 999, 1000, 50_000] {
        let mut stream = rows(&mut it.session, &format!("SELECT {count}")).unwrap();
        assert_eq!(stream.schema().field(0).name(), "n");
        assert_eq!(numbers(&mut stream).unwrap(), (0..count).collect::<Vec<i64>>());
        assert_eq!(stream.summary().rows, count as u64);
        assert!(stream.next_batch().unwrap().is_none(), "the end stays the end");
    }
}

#[test]
fn rows_are_given_before_the_end_when_they_are_too_many_to_hold_back() {
    let few = ClientSettings { held_bytes_max: 100_000, ..ClientSettings::default() };
    let mut it = connected(&["a"], few);
    let mut stream = rows(&mut it.session, "SELECT 50000").unwrap();
    stream.next_batch().unwrap().unwrap();
    assert_eq!(stream.summary().rows, 0, "the end has come before the first rows were given");
    assert_eq!(numbers(&mut stream).unwrap().len(), 49_000);
}

/// Of everybody else nodes would hear ten times a second for nothing.
#[test]
fn a_node_is_asked_often_only_for_those_who_look_at_progress() {
    let mut it = connected(&["a"], ClientSettings::default());
    let waits = |it: &crate::Connected| std::mem::take(&mut *it.cluster.node("a").waits.lock().unwrap());
    let mut stream = rows(&mut it.session, "SELECT 5000").unwrap();
    numbers(&mut stream).unwrap();
    assert!(waits(&it).iter().all(|wait| *wait == FETCH_WAIT_MAX));
    let mut stream = rows(&mut it.session, "SELECT 5000").unwrap();
    while !matches!(stream.next_within(SOON), Some(Ok(None))) {}
    let watched = waits(&it);
    assert!(!watched.is_empty() && watched.iter().all(|wait| *wait < SOON), "{watched:?}");
}

#[test]
fn errors_keep_code_place_and_hint() {
    let mut it = connected(&["a"], ClientSettings::default());
    assert_eq!(done(&mut it.session, "SELEC 1").unwrap_err(), syntax_error());
    let long = format!("INSERT {}", " ".repeat(SQL_BYTES_MAX));
    assert_eq!(done(&mut it.session, &long).unwrap_err().code(), ErrorCode::TooComplex);
    assert!(it.cluster.node("a").executed.lock().unwrap().iter().all(|sql| sql.len() < 100));
}

#[test]
fn a_session_knows_its_transaction() {
    let mut it = connected(&["a"], ClientSettings::default());
    done(&mut it.session, "BEGIN").unwrap();
    assert_eq!(it.session.transaction_state(), TransactionState::Open);
    done(&mut it.session, "INSERT 5").unwrap();
    assert_eq!(done(&mut it.session, "COMMIT").unwrap(), "DONE 1");
    assert_eq!(it.session.transaction_state(), TransactionState::None);
    assert_eq!(it.cluster.table.lock().unwrap().rows, [5]);
}

#[test]
fn what_runs_can_be_cancelled_from_elsewhere() {
    let mut it = connected(&["a"], ClientSettings::default());
    let handle = it.session.cancel_handle();
    let started = Instant::now();
    let canceller = thread::spawn(move || {
        thread::sleep(SOON);
        handle.cancel();
    });
    assert_eq!(done(&mut it.session, "SLOW").unwrap_err().code(), ErrorCode::Cancelled);
    assert!(started.elapsed() < Duration::from_secs(2));
    canceller.join().unwrap();
    assert_eq!(done(&mut it.session, "INSERT 1").unwrap(), "DONE 1", "the session goes on");
}

#[test]
fn nobody_there_is_told_with_every_address() {
    let cluster = FakeCluster::of(&["a", "b"]);
    cluster.node("a").die();
    let connect = |addresses: &[&str]| {
        let addresses = addresses.iter().map(|address| (*address).to_owned()).collect();
        let dial = std::sync::Arc::new(FakeDial(cluster.clone()));
        RemoteSession::connect_by(dial, addresses, ClientSettings::default())
    };
    let error = connect(&["a:1", "nowhere:1"]).err().unwrap();
    assert_eq!(error.code(), ErrorCode::Connection);
    assert!(error.message().contains("a is not there") && error.message().contains("nowhere:1"), "{error}");
    assert!(connect(&[]).err().unwrap().message().contains("no address"));
    let session = connect(&["a:1", "nowhere:1", "b:1"]).unwrap();
    assert_eq!(session.node().unwrap().name, "b");
}

#[test]
fn options_of_the_start_are_sent() {
    let options = vec![Setting { name: "threads".to_owned(), value: "3".to_owned() }];
    let it = connected(&["a"], ClientSettings { options: options.clone(), ..ClientSettings::default() });
    assert_eq!(it.session.state().settings, options);
}
