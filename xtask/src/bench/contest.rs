//! The 22 queries of TPC-H by two engines in turns.

use std::path::Path;

use anyhow::Result;

use super::engine::Engine;
use super::median;

const QUERIES: usize = 22;

/// Milliseconds of the first engine and the second, medians of the rounds.
pub struct Contest {
    /// Of the queries, geometric.
    pub means: [f64; 2],
    pub totals: [f64; 2],
    /// The query in which the first is furthest behind, and how many times as long it takes.
    pub worst: (usize, f64),
}

/// # Errors
/// When an engine fails on a query.
pub fn tpch(root: &Path, runs: usize, engines: &mut [Engine; 2]) -> Result<Contest> {
    let mut logarithms = [0.0; 2];
    let mut contest = Contest { means: [0.0; 2], totals: [0.0; 2], worst: (0, 0.0) };
    for query in 1..=QUERIES {
        let path = root.join(format!("tests/tpch/queries/q{query:02}.sql")).display().to_string();
        let mut times = [vec![], vec![]];
        for round in 0..=runs {
            for (engine, times) in engines.iter_mut().zip(&mut times) {
                let ms = engine.time(&path)?;
                // The first round warms caches.
                times.extend((round > 0).then_some(ms));
            }
        }
        let medians = times.map(|times| median(&times));
        for (index, ms) in medians.into_iter().enumerate() {
            logarithms[index] += ms.ln() / QUERIES as f64;
            contest.totals[index] += ms;
        }
        let ratio = medians[0] / medians[1];
        eprintln!("query {query}: {:.1} : {:.1} ms, {ratio:.2}", medians[0], medians[1]);
        if ratio > contest.worst.1 {
            contest.worst = (query, ratio);
        }
    }
    contest.means = logarithms.map(f64::exp);
    Ok(contest)
}
