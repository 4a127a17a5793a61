//! The 22 queries of TPC-H by engines in turns.

use std::path::Path;

use anyhow::{Result, bail, ensure};

use super::engine::Engine;
use super::median;

const QUERIES: usize = 22;

/// For each query and engine the median of the rounds in milliseconds, or why there is none.
pub struct Contest(Vec<Vec<Result<f64, String>>>);

/// Two of the engines.
#[derive(Default)]
pub struct Pair {
    /// Of the queries, geometric.
    pub means: [f64; 2],
    pub totals: [f64; 2],
    /// The query in which the first is furthest behind, and how many times as long it takes.
    pub worst: (usize, f64),
    /// Queries that one of the two cannot run, which count in none of the above, and why.
    pub without: Vec<(usize, String)>,
}

pub fn tpch(root: &Path, runs: usize, engines: &mut [Engine]) -> Contest {
    let mut contest = Contest(Vec::new());
    for query in 1..=QUERIES {
        let path = root.join(format!("tests/tpch/queries/q{query:02}.sql")).display().to_string();
        let medians = turns(&path, runs, engines);
        let shown =
            medians.iter().map(|time| time.as_ref().map_or("–".to_owned(), |ms| format!("{ms:.1}")));
        eprintln!("query {query}: {} ms", shown.collect::<Vec<_>>().join(" : "));
        contest.0.push(medians);
    }
    contest
}

fn turns(path: &str, runs: usize, engines: &mut [Engine]) -> Vec<Result<f64, String>> {
    let mut times: Vec<Result<Vec<f64>, String>> = vec![Ok(Vec::new()); engines.len()];
    let mut rows = None;
    for round in 0..=runs {
        for (engine, times) in engines.iter_mut().zip(&mut times) {
            let Ok(before) = times else { continue };
            match turn(path, engine, &mut rows) {
                // The first round warms caches.
                Ok(ms) => before.extend((round > 0).then_some(ms)),
                Err(error) => {
                    eprintln!("{error:#}");
                    *times = Err(format!("{error:#}"));
                }
            }
        }
    }
    times.into_iter().map(|times| times.map(|times| median(&times))).collect()
}

/// Milliseconds. All must give as many rows as the first.
fn turn(path: &str, engine: &mut Engine, rows: &mut Option<Option<u64>>) -> Result<f64> {
    let run = engine.run(path)?;
    let first = *rows.get_or_insert(run.rows);
    ensure!(first == run.rows, "{} gives {:?} rows of {path}, not {first:?}", engine.name, run.rows);
    Ok(run.ms)
}

impl Contest {
    /// Two engines by their places.
    pub fn pair(&self, first: usize, second: usize) -> Pair {
        let mut pair = Pair::default();
        let mut logarithms = [0.0; 2];
        for (index, medians) in self.0.iter().enumerate() {
            let both = match (&medians[first], &medians[second]) {
                (Ok(first), Ok(second)) => [*first, *second],
                (Err(reason), _) | (_, Err(reason)) => {
                    pair.without.push((index + 1, reason.clone()));
                    continue;
                }
            };
            for (place, ms) in both.into_iter().enumerate() {
                logarithms[place] += ms.ln();
                pair.totals[place] += ms;
            }
            let ratio = both[0] / both[1];
            if ratio > pair.worst.1 {
                pair.worst = (index + 1, ratio);
            }
        }
        let queries = (self.0.len() - pair.without.len()) as f64;
        pair.means = logarithms.map(|sum| (sum / queries).exp());
        pair
    }
}

impl Pair {
    /// # Errors
    /// When one of the engines cannot run a query.
    pub fn of_all(self) -> Result<Self> {
        match self.without.first() {
            Some((query, reason)) => bail!("query {query}: {reason}"),
            None => Ok(self),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_is_of_queries_that_both_run() {
        let failed = || Err("no plan".to_owned());
        let contest = Contest(vec![
            vec![Ok(2.0), Ok(1.0), Ok(4.0)],
            vec![Ok(8.0), Ok(8.0), failed()],
            vec![Ok(3.0), Ok(6.0), Ok(2.0)],
        ]);
        let pair = contest.pair(0, 2);
        assert_eq!((pair.totals, pair.worst), ([5.0, 6.0], (3, 1.5)));
        assert!((pair.means[0] - 6.0_f64.sqrt()).abs() < 1e-9);
        assert_eq!(pair.without, [(2, "no plan".to_owned())]);
        assert!(pair.of_all().is_err());
        let pair = contest.pair(0, 1).of_all().unwrap();
        assert_eq!((pair.totals, pair.worst), ([13.0, 15.0], (1, 2.0)));
    }
}
