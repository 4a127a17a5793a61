//! A process that changes much and is killed at random: what it acknowledged is there afterwards, nothing is half there, and
//! every restart opens. `NYALA_KILLS=1000` kills as often.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use nyala_tests::Database;
use nyala_tests::load::{Chance, State, read};

const KILLS: u64 = 50;
const WRITERS: usize = 4;
const SEED: u64 = 20_261_126;
/// The longest that a process lives after its first statement.
const LIFE_MS_MAX: u64 = 300;

#[test]
fn nothing_acknowledged_is_lost_and_nothing_is_half_done() {
    let kills = std::env::var("NYALA_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(KILLS);
    let folder = tempfile::tempdir().unwrap();
    let mut chance = Chance(SEED);
    let mut states = vec![State::default(); WRITERS];
    let mut acknowledged_in_all = 0;
    for kill in 0..kills {
        let life = Duration::from_millis(chance.below(LIFE_MS_MAX));
        let acknowledged = run_and_kill(folder.path(), &states, life);
        let mut database = Database::at(folder.path())
            .unwrap_or_else(|error| panic!("after kill {kill} it does not open: {error:?}"));
        for writer in 0..WRITERS {
            let before = states[writer].steps;
            let after = acknowledged[writer].max(before);
            acknowledged_in_all += after - before;
            states[writer] = recovered(&mut database, &states[writer], writer, after, kill);
        }
    }
    assert!(acknowledged_in_all > kills as i64, "only {acknowledged_in_all} steps were acknowledged");
}

/// The state that a writer's tables are in: with all that was acknowledged, and perhaps one step more.
fn recovered(database: &mut Database, from: &State, writer: usize, acknowledged: i64, kill: u64) -> State {
    let found = read(database, writer)
        .unwrap_or_else(|error| panic!("after kill {kill}, writer {writer} cannot be read: {error:?}"));
    let mut state = from.clone();
    while state.steps < acknowledged {
        state = state.next(SEED, writer);
    }
    for candidate in [state.clone(), state.next(SEED, writer)] {
        if candidate.clone().as_read() == found {
            return candidate;
        }
    }
    let expected = state.as_read();
    panic!(
        "after kill {kill}, writer {writer} at step {acknowledged} has\n{found:?}\ninstead of\n{expected:?}"
    );
}

/// The steps that each writer had done when the last acknowledgement came; 0 when it had done none.
fn run_and_kill(folder: &Path, states: &[State], life: Duration) -> Vec<i64> {
    let steps: Vec<String> = states.iter().map(|state| state.steps.to_string()).collect();
    let mut child = Command::new(env!("CARGO_BIN_EXE_nyala-load"))
        .arg(folder)
        .args([SEED.to_string(), steps.join(",")])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut first = String::new();
    output.read_line(&mut first).unwrap();
    assert_eq!(first, "ready\n", "the process ended at once");
    // What it tells is read while it lives, or it would wait for a reader.
    let told = std::thread::spawn(move || {
        let mut text = String::new();
        output.read_to_string(&mut text).map(|_| text)
    });
    std::thread::sleep(life);
    child.kill().unwrap();
    child.wait().unwrap();
    let text = told.join().unwrap().unwrap();
    let mut acknowledged = vec![0; states.len()];
    for line in text.lines() {
        assert!(!line.starts_with("failed"), "{line}");
        if let Some((writer, steps)) = line.split_once(' ') {
            acknowledged[writer.parse::<usize>().unwrap()] = steps.parse().unwrap();
        }
    }
    acknowledged
}
