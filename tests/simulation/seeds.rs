//! Simulations of whole clusters, each in a process of its own: see `main.rs`.

use std::collections::BTreeMap;
use std::ops::Range;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::Deserialize;
use serde::de::DeserializeOwned;

/// Without `NYALA_SIMULATION_SEEDS`.
const SEEDS: u64 = 50;
/// In which each planted mistake has to be found.
const SEEDS_PLANTED: u64 = 40;

/// What came of a seed.
#[derive(Debug, Deserialize)]
struct Told {
    counts: BTreeMap<String, u64>,
    /// What happened, line by line.
    log: Vec<String>,
    /// What did not hold.
    failure: Option<String>,
}

fn simulate(seed: u64, mistake: Option<&str>) -> Told {
    let seed = seed.to_string();
    told(std::iter::once(seed.as_str()).chain(mistake))
}

/// What the program tells.
fn told<'a, T: DeserializeOwned>(arguments: impl Iterator<Item = &'a str> + Clone) -> T {
    let mut program = Command::new(env!("CARGO_BIN_EXE_simulate"));
    let output = program.args(arguments.clone()).output().expect("the program runs");
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| {
        let asked: Vec<&str> = arguments.collect();
        panic!("simulate {asked:?}: {}\n{}", output.status, String::from_utf8_lossy(&output.stderr))
    })
}

/// As many at once as there are cores, until one is told that `is_last`. Not in order.
fn simulate_all(seeds: Range<u64>, mistake: Option<&str>, is_last: fn(&Told) -> bool) -> Vec<(u64, Told)> {
    let (next, told) = (AtomicU64::new(seeds.start), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end {
                        return;
                    }
                    let of_seed = simulate(seed, mistake);
                    if is_last(&of_seed) {
                        next.store(seeds.end, Ordering::Relaxed);
                    }
                    told.lock().expect("nobody panics while it is locked").push((seed, of_seed));
                }
            });
        }
    });
    told.into_inner().expect("nobody panics while it is locked")
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

fn seeds() -> Range<u64> {
    match number("NYALA_SIMULATION_SEED") {
        Some(seed) => seed..seed + 1,
        None => {
            let first = number("NYALA_SIMULATION_FIRST").unwrap_or(0);
            first..first + number("NYALA_SIMULATION_SEEDS").unwrap_or(SEEDS)
        }
    }
}

#[test]
fn whatever_happens_answers_are_right_writes_are_done_once_and_nothing_stays() {
    let all = simulate_all(seeds(), None, |told| told.failure.is_some());
    let many = all.len() as u64;
    let mut counts = BTreeMap::<String, u64>::new();
    for (seed, told) in all {
        if let Some(failure) = told.failure {
            panic!(
                "NYALA_SIMULATION_SEED={seed} cargo test -p nyala-tests -p nyala-features --test simulation: {failure}\n{}",
                told.log.join("\n")
            );
        }
        told.counts.into_iter().for_each(|(name, count)| *counts.entry(name).or_default() += count);
    }
    println!("{many} seeds: {counts:?}");
    // Stories in which nothing goes well, or nothing ill, would show little.
    if many >= SEEDS {
        let is_enough = |name: &str, of_seed: u64| counts[name] > of_seed * many;
        assert!(is_enough("answers", 20) && is_enough("done", 5) && is_enough("crashes", 1), "{counts:?}");
    }
}

#[test]
fn a_seed_tells_the_same_story_again() {
    for seed in [3, 4, 5, 582] {
        let [first, second] = [simulate(seed, None), simulate(seed, None)];
        let differs = first.log.iter().zip(&second.log).find(|(first, second)| first != second);
        assert_eq!(differs, None, "seed {seed}");
        assert_eq!((first.counts, first.log.len()), (second.counts, second.log.len()), "seed {seed}");
    }
}

#[test]
fn planted_mistakes_are_found() {
    let mistakes: Vec<String> = told(["mistakes"].into_iter());
    assert!(!mistakes.is_empty());
    for mistake in &mistakes {
        let all = simulate_all(0..SEEDS_PLANTED, Some(mistake), |told| told.failure.is_some());
        assert!(all.iter().any(|(_, told)| told.failure.is_some()), "{mistake} was not found");
    }
}
