//! The warehouse that all nodes share.

use std::path::Path;
use std::time::Duration;

use nyala_node::{Answer, ErrorCode, Node};

use crate::harness::{Cluster, PATIENCE, one, run, tag};

/// Files of tables.
fn data_files(folder: &Path) -> usize {
    let tables = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let files = tables.flat_map(|table| std::fs::read_dir(table).unwrap());
    files.filter(|entry| entry.as_ref().unwrap().path().extension().is_some_and(|it| it == "parquet")).count()
}

#[test]
fn vacuum_leaves_what_another_node_reads() {
    let cluster = Cluster::start(2);
    let shared = cluster.folder.path().join("shared");
    let mut writer = cluster.session(0);
    run(&mut writer, "CREATE TABLE t AS SELECT value AS id FROM generate_series(1, 50000) AS s(value)");
    let mut reader = cluster.session(1);
    reader.wait_for_version(writer.last_version(), PATIENCE).unwrap();
    run(&mut reader, "SET batch_rows = 100");
    let Answer::Rows(mut stream) = reader.execute("SELECT id FROM t").unwrap() else { panic!("no rows") };
    let mut rows = stream.next_batch().unwrap().unwrap().num_rows();
    run(&mut writer, "TRUNCATE TABLE t");
    let kept = data_files(&shared);
    assert!(kept > 0);
    let said = tag(&mut writer, "VACUUM t RETAIN 0 HOURS");
    assert_eq!(data_files(&shared), kept, "{said}: the other node reads them");
    while let Some(batch) = stream.next_batch().unwrap() {
        rows += batch.num_rows();
    }
    assert_eq!(rows, 50_000);
}

#[test]
fn vacuum_removes_what_nobody_needs_and_nothing_that_is_new() {
    let cluster = Cluster::start(2);
    let shared = cluster.folder.path().join("shared");
    let mut session = cluster.session(0);
    run(&mut session, "CREATE TABLE t AS SELECT value AS id FROM generate_series(1, 50000) AS s(value)");
    let table = std::fs::read_dir(&shared).unwrap().map(|it| it.unwrap().path());
    let table = table.filter(|path| !path.ends_with("0".repeat(32))).find(|path| path.is_dir()).unwrap();
    // Of a node that is writing it, for all that anybody knows.
    let stranger = table.join("00000000000000aa-0195f3a0b1c27d008123456789abcdef.parquet");
    std::fs::write(&stranger, b"unfinished").unwrap();
    run(&mut session, "TRUNCATE TABLE t");
    let said = tag(&mut session, "VACUUM t RETAIN 0 HOURS");
    assert!(said.starts_with("VACUUM 1 file"), "{said}");
    assert!(stranger.exists());
    assert_eq!(one(&mut session, "SELECT count(*) FROM t"), "0");
}

#[test]
fn a_node_with_another_warehouse_is_refused() {
    let cluster = Cluster::start(1);
    let mut config = cluster.config("n2");
    config.warehouse = None;
    config.join_limit = Duration::from_secs(20);
    let error = Node::start(config).err().unwrap();
    assert_eq!(error.code(), ErrorCode::InvalidParameter, "{error:?}");
    assert!(error.hint().unwrap().contains("--warehouse"), "{error:?}");
}
