//! With nodes that go away.

use std::thread;
use std::time::{Duration, Instant};

use nyala_client::ClientSettings;
use nyala_schema::ErrorCode;
use nyala_schema::client::{ClientRequest, TransactionState};

use crate::fake::{Fault, SOON};
use crate::{Connected, connected, done, numbers, rows};

fn three() -> Connected {
    connected(&["a", "b", "c"], ClientSettings::default())
}

fn table(it: &Connected) -> Vec<i64> {
    it.cluster.table.lock().unwrap().rows.clone()
}

#[test]
fn a_read_is_run_again_elsewhere_and_each_row_given_once() {
    for fault in [Fault::BeforeExecute, Fault::InRows(0), Fault::InRows(2)] {
        let mut it = three();
        it.cluster.node("a").set_fault(fault);
        let mut stream = rows(&mut it.session, "SELECT 10000").unwrap();
        assert_eq!(numbers(&mut stream).unwrap(), (0..10_000).collect::<Vec<i64>>(), "{fault:?}");
        assert_eq!(it.session.node().unwrap().name, "c");
        assert!(it.notices.lock().unwrap()[0].contains("a:1 went away"), "{fault:?}");
    }
}

#[test]
fn a_read_survives_one_node_after_the_other() {
    let mut it = three();
    it.cluster.node("a").set_fault(Fault::InRows(1));
    it.cluster.node("b").set_fault(Fault::InRows(1));
    it.cluster.node("c").set_fault(Fault::BeforeExecute);
    let back = it.cluster.node("a");
    let returning = thread::spawn(move || {
        thread::sleep(SOON);
        back.is_up.send_replace(true);
    });
    let mut stream = rows(&mut it.session, "SELECT 5000").unwrap();
    assert_eq!(numbers(&mut stream).unwrap().len(), 5000);
    returning.join().unwrap();
}

#[test]
fn what_no_node_survives_is_given_up() {
    let mut it = three();
    let nodes = ["a", "b", "c"].map(|name| it.cluster.node(name));
    nodes.iter().for_each(|node| node.set_fault(Fault::NoRows));
    let mut stream = rows(&mut it.session, "SELECT 5000").unwrap();
    let error = numbers(&mut stream).unwrap_err();
    assert_eq!(error.code(), ErrorCode::Connection);
    assert!(error.message().contains("6 nodes went away"), "{error}");
    let opened: usize = nodes.iter().map(|node| node.opened.lock().unwrap().len()).sum();
    assert!(opened < 10, "{opened} sessions were opened");
}

#[test]
fn rows_that_have_been_given_are_not_given_again() {
    let mut it =
        connected(&["a", "b"], ClientSettings { held_bytes_max: 10_000, ..ClientSettings::default() });
    it.cluster.node("a").set_fault(Fault::InRows(6));
    let mut stream = rows(&mut it.session, "SELECT 50000").unwrap();
    assert!(stream.next_batch().unwrap().is_some());
    let error = numbers(&mut stream).unwrap_err();
    assert_eq!(error.code(), ErrorCode::Connection);
    assert!(error.message().contains("in the middle of the rows"), "{error}");
    assert_eq!(done(&mut it.session, "INSERT 1").unwrap(), "DONE 1", "the session goes on");
}

#[test]
fn a_write_is_done_once_whenever_its_node_goes_away() {
    for fault in [Fault::BeforeExecute, Fault::AfterCommit] {
        let mut it = three();
        it.cluster.node("a").set_fault(fault);
        done(&mut it.session, "INSERT 7").unwrap();
        assert_eq!(table(&it), [7], "{fault:?}");
        assert_eq!(it.session.state().catalog_version, 1, "what was done is seen");
    }
}

#[test]
fn a_lost_transaction_is_told_and_nothing_is_done_outside_of_it() {
    let mut it = three();
    done(&mut it.session, "BEGIN").unwrap();
    done(&mut it.session, "INSERT 1").unwrap();
    it.cluster.node("a").die();
    let error = done(&mut it.session, "INSERT 2").unwrap_err();
    assert_eq!(error.code(), ErrorCode::SerializationFailure, "{error}");
    assert!(error.hint().unwrap().contains("ROLLBACK"));
    assert_eq!(it.session.transaction_state(), TransactionState::Failed);
    for sql in ["INSERT 3", "COMMIT", "SELECT 1"] {
        assert_eq!(it.session.execute(sql).err().unwrap().code(), ErrorCode::FailedTransaction, "{sql}");
    }
    assert_eq!(done(&mut it.session, "ROLLBACK").unwrap(), "ROLLBACK");
    assert_eq!(it.session.transaction_state(), TransactionState::None);
    assert_eq!(done(&mut it.session, "INSERT 4").unwrap(), "DONE 1");
    assert_eq!(table(&it), [4]);
}

#[test]
fn a_commit_is_known_to_be_done_when_only_its_answer_was_lost() {
    let mut it = three();
    done(&mut it.session, "BEGIN").unwrap();
    done(&mut it.session, "INSERT 1").unwrap();
    it.cluster.node("a").set_fault(Fault::AfterCommit);
    assert_eq!(done(&mut it.session, "COMMIT").unwrap(), "COMMIT");
    assert_eq!(table(&it), [1]);
    assert_eq!(it.session.transaction_state(), TransactionState::None);
}

#[test]
fn the_session_goes_on_as_it_was() {
    let mut it = three();
    done(&mut it.session, "USE sales").unwrap();
    it.session.set("threads", "3").unwrap();
    done(&mut it.session, "INSERT 1").unwrap();
    it.cluster.node("a").die();
    done(&mut it.session, "INSERT 2").unwrap();
    let name = it.session.node().unwrap().name.clone();
    let opened = it.cluster.node(&name).opened.lock().unwrap().clone();
    let ClientRequest::Open { settings, schema, catalog_version_min, .. } = &opened[0] else { panic!() };
    assert_eq!((schema.as_str(), *catalog_version_min), ("sales", 1));
    assert_eq!((settings[0].name.as_str(), settings[0].value.as_str()), ("threads", "3"));
}

/// Only `a` and `c` are named at the start; `b` is heard of.
#[test]
fn nodes_are_learned() {
    let mut it = three();
    it.cluster.node("c").die();
    it.cluster.node("a").die();
    done(&mut it.session, "INSERT 1").unwrap();
    assert_eq!(it.session.node().unwrap().name, "b");
}

#[test]
fn a_node_that_drains_hands_the_session_over_without_a_word() {
    let mut it = three();
    *it.cluster.node("a").is_draining.lock().unwrap() = true;
    assert_eq!(done(&mut it.session, "INSERT 1").unwrap(), "DONE 1");
    assert_ne!(it.session.node().unwrap().name, "a");
    assert_eq!(table(&it), [1]);
}

#[test]
fn a_transaction_goes_on_at_a_node_that_drains() {
    let mut it = three();
    done(&mut it.session, "BEGIN").unwrap();
    *it.cluster.node("a").is_draining.lock().unwrap() = true;
    done(&mut it.session, "INSERT 1").unwrap();
    assert_eq!(done(&mut it.session, "COMMIT").unwrap(), "DONE 1");
}

#[test]
fn looking_for_a_node_ends_with_patience_or_ctrl_c() {
    let mut it = three();
    for name in ["a", "b", "c"] {
        it.cluster.node(name).die();
    }
    let handle = it.session.cancel_handle();
    let canceller = thread::spawn(move || {
        thread::sleep(SOON);
        handle.cancel();
    });
    let started = Instant::now();
    assert_eq!(done(&mut it.session, "INSERT 1").unwrap_err().code(), ErrorCode::Cancelled);
    assert!(started.elapsed() < Duration::from_secs(2));
    canceller.join().unwrap();
    let error = done(&mut it.session, "INSERT 1").unwrap_err();
    assert_eq!(error.code(), ErrorCode::Connection, "{error}");
    it.cluster.node("b").is_up.send_replace(true);
    assert_eq!(done(&mut it.session, "INSERT 1").unwrap(), "DONE 1", "found again later");
}

/// As when the catalog has no leader for a moment.
#[test]
fn what_a_node_could_not_do_for_want_of_others_is_tried_again() {
    let mut it = three();
    for code in [ErrorCode::Connection, ErrorCode::CommitUnknown] {
        it.cluster.node("a").refuse(code, 2);
        done(&mut it.session, "INSERT 1").unwrap();
        it.cluster.node("a").refuse(code, 1);
        let mut stream = rows(&mut it.session, "SELECT 10").unwrap();
        assert_eq!(numbers(&mut stream).unwrap().len(), 10);
    }
    assert_eq!(table(&it), [1, 1]);
    it.cluster.node("a").refuse(ErrorCode::Connection, 100);
    assert_eq!(done(&mut it.session, "INSERT 1").unwrap_err().code(), ErrorCode::Connection, "not for ever");
    it.cluster.node("a").refuse(ErrorCode::Connection, 0);
    done(&mut it.session, "BEGIN").unwrap();
    it.cluster.node("a").refuse(ErrorCode::Connection, 1);
    assert!(done(&mut it.session, "INSERT 1").is_err(), "a transaction fails as a whole");
}

#[test]
fn an_answer_that_is_none_disturbs_nothing() {
    let mut it = three();
    it.cluster.node("a").set_fault(Fault::Rubbish);
    assert_eq!(done(&mut it.session, "INSERT 1").unwrap(), "DONE 1", "asked for, not done, done again");
    assert_eq!(table(&it), [1]);
    let mut stream = rows(&mut it.session, "SELECT 10").unwrap();
    it.cluster.node("a").set_fault(Fault::Rubbish);
    assert_eq!(numbers(&mut stream).unwrap_err().code(), ErrorCode::Connection);
}
