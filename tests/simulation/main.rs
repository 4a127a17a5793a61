//! The whole cluster in one thread: SQL text through sessions, planner, coordinators, executors, exchanges, the replicated catalog
//! and tables in files, in virtual time and over a network that follows from a seed, while nodes crash, drain, lose each other
//! and slow down.
//!
//! Nodes are those of the program ([`nyala_node::parts`]) but for three things: sockets (a network in memory takes their place),
//! the disk of the catalog (in memory; what was not flushed is lost at a crash), and threads: workers are driven, and the
//! thread of a session runs only while nothing else does ([`turns`]). Not simulated are the service for clients with `host/client`
//! (clients here follow its rules), compiled code, and the disk under the warehouse.
//!
//! Reading order: [`run`] is one seed; [`world`] nodes and machines; [`client`] works, and writes down in [`story`] what it was
//! told; [`chaos`] strikes; [`data`] are tables and questions.

mod chaos;
mod client;
mod data;
mod log;
mod run;
mod story;
mod turns;
mod world;

use std::ops::Range;

use run::run;
use story::Counts;
use world::Plant;

/// Without `NYALA_SIMULATION_SEEDS`.
const SEEDS: u64 = 50;
/// In which each planted mistake has to be found.
const SEEDS_PLANTED: u64 = 40;

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
    let seeds = seeds();
    let many = seeds.end - seeds.start;
    let mut counts = Counts::default();
    for seed in seeds {
        match run(seed, None) {
            Ok(told) => counts.add(&told.counts),
            Err(failure) => panic!(
                "NYALA_SIMULATION_SEED={seed} cargo test -p nyala-tests -p nyala-features --test simulation: {failure}"
            ),
        }
    }
    println!("{many} seeds: {counts:?}");
    // Stories in which nothing goes well, or nothing ill, would show little.
    if many >= SEEDS {
        assert!(counts.answers > 20 * many && counts.done > 5 * many && counts.crashes > many, "{counts:?}");
    }
}

#[test]
fn a_seed_tells_the_same_story_again() {
    for seed in 0..2 {
        let logs = [run(seed, None), run(seed, None)].map(|told| told.map(|told| told.log));
        let [Ok(first), Ok(second)] = logs else { panic!("seed {seed} fails") };
        let differs = first.iter().zip(&second).find(|(first, second)| first != second);
        assert_eq!(differs, None, "seed {seed}");
        assert_eq!(log::hash(&first), log::hash(&second), "seed {seed}");
    }
}

#[test]
fn planted_mistakes_are_found() {
    for plant in Plant::ALL {
        let found = (0..SEEDS_PLANTED).find_map(|seed| run(seed, Some(plant)).err());
        assert!(found.is_some(), "{plant:?} was not found");
    }
}
