//! Queries over an exchange on a network that does what it likes: seeds, each a story that can be told again.
//!
//! `run` is one story: its nodes and what befalls them; `query` is what runs on them and what must hold; `plant` are mistakes that
//! must be found.

mod plant;
mod query;
mod run;

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use plant::Plant;
use run::{Story, run};

/// Without `NYALA_SIMULATION_SEEDS`.
const SEEDS: u64 = 200;
/// In which each planted mistake must be found.
const SEEDS_PLANTED: u64 = 300;

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

/// What came of all seeds, up to the first that fails; on as many threads as there are.
fn tell(seeds: std::ops::Range<u64>, plant: Option<Plant>) -> Result<Story, (u64, String)> {
    let next = AtomicU64::new(seeds.start);
    let all = Mutex::new(Ok(Story::default()));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end || all.lock().unwrap().is_err() {
                        return;
                    }
                    let told = run(seed, plant);
                    let mut all = all.lock().unwrap();
                    match (&mut *all, told) {
                        (Ok(all), Ok(story)) => all.add(&story),
                        (Ok(_), Err(failure)) => *all = Err((seed, failure)),
                        (Err(_), _) => {}
                    }
                }
            });
        }
    });
    all.into_inner().unwrap()
}

#[test]
fn nothing_is_lost_whatever_befalls_the_nodes() {
    let seeds = match number("NYALA_SIMULATION_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("NYALA_SIMULATION_SEEDS").unwrap_or(SEEDS),
    };
    let count = seeds.end - seeds.start;
    let story = tell(seeds, None).unwrap_or_else(|(seed, failure)| {
        panic!("NYALA_SIMULATION_SEED={seed} fails: {failure}");
    });
    println!("{count} seeds: {story:?}");
    // Stories in which nothing goes well, or nothing ill, would show little.
    if count >= SEEDS {
        assert!(story.queries_done > count / 2 && story.queries_failed > count / 2, "{story:?}");
    }
}

#[test]
fn planted_mistakes_are_found() {
    for plant in Plant::ALL {
        let found = tell(0..SEEDS_PLANTED, Some(plant));
        assert!(found.is_err(), "{plant:?} was not found");
    }
}

#[test]
fn a_seed_tells_the_same_story_again() {
    for seed in 0..20 {
        assert_eq!(run(seed, None), run(seed, None), "seed {seed}");
    }
}
