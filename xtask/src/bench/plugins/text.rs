//! The batch tier: a function over text in WASM against a built-in that does the same.

use anyhow::Result;

use super::pair::{self, Pair};
use super::{Bench, answer, data};
use crate::bench::engine::Engine;
use crate::bench::figure::{Figure, Wanted};

/// Text takes more memory than numbers.
const ROWS_SHARE: u64 = 10;

pub fn measure(bench: &Bench) -> Result<Vec<Figure>> {
    answer::check(bench)?;
    let mut setup = data::numbers(bench.settings.rows / ROWS_SHARE)? + &data::words();
    let mut pairs = vec![Pair {
        what: "batch tier: capitals(s), to upper(s)".into(),
        ours: format!("SELECT sum(length({}(s))) FROM words", data::CAPITALS),
        against: "SELECT sum(length(upper(s))) FROM words".into(),
        wanted: Wanted::AtMost(2.0),
    }];
    // The module that ships with Nyala, where it has been built: Rust by the SDK, a call of its function for each row.
    if let Some(operators) = &bench.settings.operators {
        setup.push_str(&format!(
            "CREATE FUNCTION guest_levenshtein (s TEXT, t TEXT) RETURNS BIGINT LANGUAGE wasm IMMUTABLE STRICT AS '{}' EXPORT 'levenshtein_distance';\n",
            operators.display()
        ));
        let query = |function: &str| format!("SELECT sum({function}(s, 'Row 500 of block 50')) FROM words");
        pairs.push(Pair {
            what: "batch tier: levenshtein_distance(s, t) of the SDK, to the built-in".into(),
            ours: query("guest_levenshtein"),
            against: query("levenshtein"),
            wanted: Wanted::AtMost(2.0),
        });
    }
    let mut engine = Engine::start("nyala", bench.nyala(&setup)?)?;
    pair::measure(&mut engine, &bench.folder, &pairs, bench.settings.runs)
}
