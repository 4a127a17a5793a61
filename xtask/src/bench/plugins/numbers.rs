//! The row tier: a function in WASM against the same expression in SQL.

use anyhow::Result;

use super::expression::{THREE, TWENTY};
use super::pair::{self, Pair};
use super::{Bench, answer, data};
use crate::bench::engine::Engine;
use crate::bench::figure::{Figure, Wanted};

pub fn measure(bench: &Bench) -> Result<Vec<Figure>> {
    answer::check(bench)?;
    let mut pairs = Vec::new();
    for (body, operations, sum_limit) in [(&THREE, 3, 1.10), (&TWENTY, 20, 1.05)] {
        let (name, text, threshold) = (body.name, body.text, body.threshold);
        pairs.push(Pair {
            what: format!("sum of a function of {operations} operations, to the expression in SQL"),
            ours: format!("SELECT sum({name}(a, b)) FROM numbers"),
            against: format!("SELECT sum({text}) FROM numbers"),
            wanted: Wanted::AtMost(sum_limit),
        });
        pairs.push(Pair {
            what: format!("filter by a function of {operations} operations, to the expression in SQL"),
            ours: format!("SELECT count(*) FROM numbers WHERE {name}(a, b) > {threshold}"),
            against: format!("SELECT count(*) FROM numbers WHERE {text} > {threshold}"),
            wanted: Wanted::AtMost(1.10),
        });
    }
    let mut engine = Engine::start("nyala", bench.nyala(&data::numbers(bench.settings.rows)?)?)?;
    pair::measure(&mut engine, &bench.folder, &pairs, bench.settings.runs)
}
