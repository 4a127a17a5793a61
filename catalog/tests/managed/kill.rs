//! A process that is killed while it commits: what it was told is there.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command as Process, Stdio};
use std::time::Duration;

use nyala_catalog::{Catalog, SledStore, check_folder, check_snapshot};

use crate::draw::*;
use crate::random;

const FOLDER: &str = "NYALA_TEST_KILL_FOLDER";
const ROUNDS: u64 = 12;

/// The process that is killed: says each version that was acknowledged.
#[test]
#[ignore = "is started by the test below"]
fn child() {
    let Ok(folder) = std::env::var(FOLDER) else { return };
    let catalog = Catalog::open(Box::new(SledStore::open(Path::new(&folder)).unwrap())).unwrap();
    let mut random = Random(catalog.snapshot().version);
    loop {
        if let Ok(made) = catalog.commit(&random::command(&mut random, &catalog.snapshot())) {
            println!("acknowledged {}", made.version);
        }
        if random.below(50) == 0 {
            catalog.checkpoint().unwrap();
        }
    }
}

#[test]
fn what_was_acknowledged_outlives_the_process() {
    let folder = tempfile::tempdir().unwrap();
    let mut random = Random(5);
    let mut last = 0;
    for round in 0..ROUNDS {
        let mut child = Process::new(std::env::current_exe().unwrap())
            .args(["kill::child", "--exact", "--ignored", "--nocapture"])
            .env(FOLDER, folder.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let reader = std::thread::spawn(move || {
            let lines = output.lines().map_while(Result::ok);
            let versions = lines.filter_map(|line| line.split("acknowledged ").nth(1)?.parse::<u64>().ok());
            versions.max().unwrap_or(0)
        });
        std::thread::sleep(Duration::from_millis(100 + random.below(400)));
        child.kill().unwrap();
        child.wait().unwrap();
        let acknowledged = reader.join().unwrap().max(last);
        let catalog = Catalog::open(Box::new(SledStore::open(folder.path()).unwrap())).unwrap();
        last = catalog.snapshot().version;
        assert!(last >= acknowledged, "round {round}: {acknowledged} was acknowledged, {last} is there");
        assert_eq!(check_snapshot(&catalog.snapshot()), []);
        drop(catalog);
        assert_eq!(check_folder(folder.path()).unwrap().problems, [], "round {round}");
    }
    assert!(last > 0, "nothing was ever committed");
}
