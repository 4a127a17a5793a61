//! Clusters in bad weather, by seed: every run can be repeated exactly.
//!
//! [`run`] makes a cluster, lets [`client`]s work on it while a [`nemesis`] breaks it, heals it, and has the
//! [`checker`] judge the [`history`] that the clients saw. [`plant`] puts bugs in that must be found.

mod checker;
mod client;
mod history;
mod nemesis;
mod plant;
mod run;
mod weather;
mod world;

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use plant::Plant;
use run::run;

/// Runs without `NYALA_SIMULATION_SEEDS`.
const SEEDS: u64 = 200;
const SEEDS_LONG: u64 = 10_000;
/// A long run tells how far it is.
const SEEDS_TOLD: u64 = 500;
/// In which each planted bug must be found.
const SEEDS_PLANTED: u64 = 1000;

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

/// The first seed that fails, with why; on as many threads as there are.
fn first_failure(seeds: std::ops::Range<u64>, plant: Option<Plant>) -> Option<(u64, String)> {
    let next = AtomicU64::new(seeds.start);
    let first: Mutex<Option<(u64, String)>> = Mutex::new(None);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    let is_late = first.lock().unwrap().as_ref().is_some_and(|(first, _)| *first < seed);
                    if seed >= seeds.end || is_late {
                        return;
                    }
                    if plant.is_none() && seed > seeds.start && seed.is_multiple_of(SEEDS_TOLD) {
                        println!("seed {seed} begins");
                    }
                    if let Err(failure) = run(seed, plant).verdict {
                        let mut first = first.lock().unwrap();
                        if first.as_ref().is_none_or(|(first, _)| seed < *first) {
                            *first = Some((seed, failure));
                        }
                    }
                }
            });
        }
    });
    first.into_inner().unwrap()
}

fn assert_all_hold(seeds: std::ops::Range<u64>) {
    let start = Instant::now();
    if let Some((seed, failure)) = first_failure(seeds.clone(), None) {
        panic!(
            "seed {seed}: {failure}\nrepeat it with: NYALA_SIMULATION_SEED={seed} cargo test -p nyala-catalog -p \
             nyala-features --test raft seeds_are_linearizable"
        );
    }
    println!("{} seeds in {:.1} s", seeds.end - seeds.start, start.elapsed().as_secs_f64());
}

#[test]
fn seeds_are_linearizable() {
    match number("NYALA_SIMULATION_SEED") {
        Some(seed) => assert_all_hold(seed..seed + 1),
        None => assert_all_hold(0..number("NYALA_SIMULATION_SEEDS").unwrap_or(SEEDS)),
    }
}

#[test]
#[ignore = "takes minutes"]
fn many_seeds_are_linearizable() {
    assert_all_hold(0..number("NYALA_SIMULATION_SEEDS").unwrap_or(SEEDS_LONG));
}

#[test]
fn a_run_repeats_itself() {
    for seed in 0..4 {
        let (first, second) = (run(seed, None), run(seed, None));
        assert_eq!(first.schedule, second.schedule, "seed {seed}");
        assert!(first.schedule.len() > 20, "something happened: {:?}", first.schedule);
    }
}

/// What the runs are for must happen in them.
#[test]
fn runs_are_worth_their_time() {
    let mut total = run::Counts::default();
    for seed in 0..40 {
        let report = run(seed, None);
        report.verdict.unwrap();
        total.add(&report.counts);
    }
    println!("40 seeds: {total:?}");
    assert!(total.done > 400, "{total:?}");
    assert!(total.unknown > 10, "{total:?}");
    assert!(total.settled_done >= 3 && total.settled_never >= 3, "{total:?}");
    assert!(total.crashes > 20 && total.partitions > 20, "{total:?}");
    assert!(total.snapshots_installed > 10, "{total:?}");
    assert!(total.memberships >= 2, "{total:?}");
    assert!(total.leaders > 40, "{total:?}");
}

fn assert_found(plant: Plant) {
    let (seed, failure) = first_failure(0..SEEDS_PLANTED, Some(plant))
        .unwrap_or_else(|| panic!("{plant:?} is not found in {SEEDS_PLANTED} seeds"));
    println!("{plant:?} is found by seed {seed}: {}", failure.lines().next().unwrap_or_default());
}

#[test]
fn an_answer_before_a_majority_has_it_is_found() {
    assert_found(Plant::EarlyAnswer);
}

#[test]
fn a_vote_lost_at_a_crash_is_found() {
    assert_found(Plant::LostVote);
}

#[test]
fn entries_lost_at_a_crash_are_found() {
    assert_found(Plant::LostEntries);
}

#[test]
fn a_stale_read_is_found() {
    assert_found(Plant::StaleRead);
}

#[test]
fn a_forgotten_fence_is_found() {
    assert_found(Plant::ForgottenFence);
}

#[test]
fn a_command_applied_twice_is_found() {
    assert_found(Plant::AppliedTwice);
}
