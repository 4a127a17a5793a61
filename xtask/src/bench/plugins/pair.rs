//! Two queries with the same answer, timed in turns in one warm engine.

use std::path::Path;

use anyhow::{Context, Result};

use crate::bench::engine::Engine;
use crate::bench::figure::{Figure, Unit, Wanted};
use crate::bench::median;

pub struct Pair {
    pub what: String,
    pub ours: String,
    pub against: String,
    pub wanted: Wanted,
}

/// The figure is the median over the rounds of what ours takes divided by what the other takes in the same round. Which
/// goes first changes with every round.
pub fn measure(engine: &mut Engine, folder: &Path, pairs: &[Pair], rounds: usize) -> Result<Vec<Figure>> {
    let paths = |index: usize, pair: &Pair| -> Result<[String; 2]> {
        let write = |side: &str, sql: &str| {
            let path = folder.join(format!("pair-{index}-{side}.sql"));
            std::fs::write(&path, sql).with_context(|| format!("writing {}", path.display()))?;
            Ok::<_, anyhow::Error>(path.display().to_string())
        };
        Ok([write("ours", &pair.ours)?, write("against", &pair.against)?])
    };
    let mut figures = Vec::new();
    for (index, pair) in pairs.iter().enumerate() {
        let paths = paths(index, pair)?;
        let mut times = [Vec::new(), Vec::new()];
        // Round 0 warms up: code is compiled and memory touched.
        for round in 0..=rounds {
            let order = if round % 2 == 0 { [0, 1] } else { [1, 0] };
            for side in order {
                let ms = engine.time(&paths[side]).with_context(|| pair.what.clone())?;
                if round > 0 {
                    times[side].push(ms);
                }
            }
            eprint!("\r{}: round {round} of {rounds} ", pair.what);
        }
        eprintln!();
        let ratios: Vec<f64> = times[0].iter().zip(&times[1]).map(|(ours, other)| ours / other).collect();
        figures.push(Figure {
            what: pair.what.clone(),
            measured: median(&ratios),
            unit: Unit::Ratio,
            wanted: pair.wanted,
            of: format!("{:.1} ms : {:.1} ms", median(&times[0]), median(&times[1])),
        });
    }
    Ok(figures)
}
