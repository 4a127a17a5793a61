//! Tables on a disk: restarts, files that nothing names, backups.

use std::fs;
use std::path::{Path, PathBuf};

use nyala_node::ErrorCode;
use nyala_tests::Database;

/// More rows than a catalog keeps with itself.
const MANY_ROWS: &str =
    "SELECT n AS id, n % 7 AS part, 'text ' || n AS text FROM generate_series(1, 20000) AS s(n)";
const SUM: &str = "SELECT count(*), sum(id), max(text) FROM big";

/// All files below a folder, relative to it.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        let Ok(entries) = fs::read_dir(&next) else { continue };
        for entry in entries {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path)
            } else {
                found.push(path.strip_prefix(folder).unwrap().to_owned())
            }
        }
    }
    found.sort();
    found
}

#[test]
fn tables_outlive_the_process() {
    let folder = tempfile::tempdir().unwrap();
    let before = {
        let mut database = Database::at(folder.path()).unwrap();
        database.ok(&format!("CREATE TABLE big AS {MANY_ROWS}"));
        database.ok("CREATE SCHEMA s");
        database.ok("CREATE TABLE s.small (a INTEGER NOT NULL DEFAULT 4) COMMENT 'few rows'");
        database.ok("INSERT INTO s.small VALUES (1), (DEFAULT)");
        database.ok("DELETE FROM big WHERE id = 17");
        database.ok(SUM)
    };
    // It ended in order: the next start has nothing to look for.
    assert!(!folder.path().join("writing").exists());
    let mut database = Database::at(folder.path()).unwrap();
    assert_eq!(database.ok(SUM), before);
    assert_eq!(database.ok("SELECT a FROM s.small ORDER BY a"), ["1", "4"]);
    assert_eq!(database.ok("SELECT count(*) FROM big FOR VERSION AS OF 2").len(), 1);
    let stored = files(&folder.path().join("warehouse"));
    assert!(
        stored.iter().any(|path| path.extension().is_some_and(|ending| ending == "parquet")),
        "{stored:?}"
    );
}

#[test]
fn a_rollback_and_a_failure_leave_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let warehouse = folder.path().join("warehouse");
    let mut database = Database::at(folder.path()).unwrap();
    database.ok("CREATE TABLE big (id BIGINT CHECK (id < 15000), part BIGINT, text VARCHAR)");
    database.ok("BEGIN");
    database.ok(&format!("INSERT INTO big {MANY_ROWS} WHERE n < 15000"));
    assert_eq!(files(&warehouse).len(), 1);
    database.ok("ROLLBACK");
    assert_eq!(files(&warehouse), [""; 0].map(PathBuf::from));
    let error = database.err(&format!("INSERT INTO big {MANY_ROWS}"));
    assert_eq!(error.code(), ErrorCode::CheckViolation);
    assert_eq!(files(&warehouse), [""; 0].map(PathBuf::from));
    database.ok("BEGIN");
    database.ok(&format!("INSERT INTO big {MANY_ROWS} WHERE n < 15000"));
    database.ok("COMMIT");
    assert_eq!(files(&warehouse).len(), 1);
}

#[test]
fn what_a_killed_statement_left_goes_at_the_next_start() {
    let folder = tempfile::tempdir().unwrap();
    let (id, kept) = {
        let mut database = Database::at(folder.path()).unwrap();
        database.ok(&format!("CREATE TABLE big AS {MANY_ROWS}"));
        let kept = files(&folder.path().join("warehouse"));
        (kept[0].components().next().unwrap().as_os_str().to_owned(), kept)
    };
    let table = folder.path().join("warehouse").join(&id);
    let left = ["orphan.parquet", ".half.parquet.part"].map(|name| table.join(name));
    left.iter().for_each(|path| fs::write(path, "half").unwrap());
    // Without its mark the folder is not looked at: a start does not read every folder.
    drop(Database::at(folder.path()).unwrap());
    assert!(left.iter().all(|path| path.exists()));
    let unknown = folder.path().join("warehouse").join(format!("{:032x}", 77));
    fs::create_dir(&unknown).unwrap();
    fs::write(unknown.join("a.parquet"), "never named").unwrap();
    let marks = folder.path().join("writing");
    fs::create_dir_all(&marks).unwrap();
    fs::write(marks.join(&id), "").unwrap();
    fs::write(marks.join(unknown.file_name().unwrap()), "").unwrap();
    let mut database = Database::at(folder.path()).unwrap();
    assert_eq!(files(&folder.path().join("warehouse")), kept);
    assert_eq!(database.ok("SELECT count(*) FROM big"), ["20000"]);
}

#[test]
fn backups_are_incremental_and_whole() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("backup");
    let to = place.display().to_string();
    let mut database = Database::at(&folder.path().join("data")).unwrap();
    database.ok(&format!("CREATE TABLE big AS {MANY_ROWS}"));
    database.ok("CREATE FUNCTION twice(x BIGINT) RETURNS BIGINT LANGUAGE SQL AS $$ x * 2 $$");
    database.ok("CREATE VIEW v AS SELECT twice(id) AS d FROM big WHERE id < 3");
    database.ok(&format!("BACKUP TO '{to}'"));
    let first = files(&place);
    let then = database.ok(SUM);
    database.ok(&format!("INSERT INTO big {MANY_ROWS}"));
    database.ok("DELETE FROM big WHERE id > 19990");
    database.ok(&format!("BACKUP TO '{to}'"));
    let second = files(&place);
    assert!(first.iter().all(|path| second.contains(path)));
    let new_data = second.iter().filter(|path| path.extension().is_some_and(|e| e == "parquet")).count();
    assert_eq!(new_data, 2, "{second:?}");
    let now = database.ok(SUM);

    let mut newest = Database::at(&folder.path().join("newest")).unwrap();
    newest.ok(&format!("RESTORE FROM '{to}'"));
    assert_eq!(newest.ok(SUM), now);
    assert_eq!(newest.ok("SELECT DISTINCT d FROM v ORDER BY d"), ["2", "4"]);
    newest.ok("INSERT INTO big VALUES (1, 2, 'more')");
    let error = newest.err(&format!("RESTORE FROM '{to}'"));
    assert!(error.message().contains("empty system"), "{error:?}");
    drop(newest);
    let mut newest = Database::at(&folder.path().join("newest")).unwrap();
    assert_eq!(newest.ok("SELECT count(*) FROM big WHERE text = 'more'"), ["1"]);

    let mut older = Database::at(&folder.path().join("older")).unwrap();
    older.ok(&format!("RESTORE FROM '{to}' AS OF VERSION 3"));
    assert_eq!(older.ok(SUM), then);
    let mut wrong = Database::at(&folder.path().join("wrong")).unwrap();
    let error = wrong.err(&format!("RESTORE FROM '{to}' AS OF VERSION 99"));
    assert_eq!(error.code(), ErrorCode::UndefinedVersion);

    let error = wrong.err(&format!("RESTORE FROM '{to}-that-is-not-there'"));
    assert_eq!(error.code(), ErrorCode::FileAccess);
    let error = database.err(&format!("BACKUP TO '{}'", folder.path().join("data/warehouse").display()));
    assert!(error.message().contains("where the tables are"), "{error:?}");

    let victim = second.iter().find(|path| path.extension().is_some_and(|e| e == "parquet")).unwrap();
    let mut bytes = fs::read(place.join(victim)).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(place.join(victim), bytes).unwrap();
    let error = wrong.err(&format!("RESTORE FROM '{to}'"));
    assert_eq!(error.code(), ErrorCode::CorruptFile);
    assert_eq!(wrong.ok("SELECT count(*) FROM information_schema.tables WHERE table_schema = 'main'"), ["0"]);
    assert_eq!(files(&folder.path().join("wrong/warehouse")), [""; 0].map(PathBuf::from));
}

#[test]
fn a_warehouse_that_is_gone_is_told_and_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let before = {
        let mut database = Database::at(folder.path()).unwrap();
        database.ok(&format!("CREATE TABLE big AS {MANY_ROWS}"));
        database.ok(SUM)
    };
    let (here, away) = (folder.path().join("warehouse"), folder.path().join("away"));
    fs::rename(&here, &away).unwrap();
    let error = Database::at(folder.path()).err().expect("an empty warehouse would hide the loss");
    assert_eq!(error.code(), ErrorCode::FileAccess, "{error:?}");
    assert!(error.hint().is_some_and(|hint| hint.contains("--warehouse")), "{error:?}");
    assert!(!here.exists());
    fs::rename(&away, &here).unwrap();
    assert_eq!(Database::at(folder.path()).unwrap().ok(SUM), before);
}

#[test]
fn a_warehouse_elsewhere_needs_a_catalog() {
    let folder = tempfile::tempdir().unwrap();
    let config = nyala_node::Config {
        warehouse: Some(folder.path().join("files").display().to_string()),
        ..nyala_node::Config::default()
    };
    let error = nyala_node::Engine::open(config.clone()).err().unwrap();
    assert!(error.hint().is_some_and(|hint| hint.contains("--data")), "{error:?}");
    let config = nyala_node::Config { data: Some(folder.path().join("data")), ..config };
    let mut session = nyala_node::Engine::open(config).unwrap().session();
    session.execute(&format!("CREATE TABLE big AS {MANY_ROWS}")).map(drop).unwrap();
    assert_eq!(files(&folder.path().join("files")).len(), 1);
    assert!(!folder.path().join("data/warehouse").exists());
}
