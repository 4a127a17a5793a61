//! What it takes until a function can be called: creating it, and its first call in a new process.

use std::path::Path;
use std::process::Command;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};

use super::{Bench, data, module};
use crate::bench::engine::{self, Engine};
use crate::bench::figure::{Figure, Unit, Wanted};
use crate::bench::median;

/// How often a function is created, and processes are started.
const ROUNDS: usize = 21;

fn create_function(folder: &Path, name: &str, seed: u64) -> Result<String> {
    let path = folder.join(format!("{name}.wasm"));
    std::fs::write(&path, module::generate(seed)?).with_context(|| format!("writing {}", path.display()))?;
    Ok(format!(
        "CREATE FUNCTION {name} (a BIGINT) RETURNS BIGINT LANGUAGE wasm IMMUTABLE STRICT AS '{}' EXPORT '{}'",
        path.display(),
        module::EXPORT
    ))
}

/// Modules of earlier runs may be in the cache on disk: these are of now.
fn seed() -> Result<u64> {
    Ok(SystemTime::now().duration_since(UNIX_EPOCH)?.as_nanos() as u64)
}

/// CREATE FUNCTION in a warm process that keeps its definitions in a folder.
pub fn create(bench: &Bench) -> Result<Vec<Figure>> {
    let folder = bench.folder.join("create");
    std::fs::create_dir_all(&folder)?;
    let mut command = engine::nyala(&bench.program, bench.settings.threads);
    command.arg("--data").arg(folder.join("data"));
    let mut engine = Engine::start("nyala", command)?;
    let (seed, statement) = (seed()?, folder.join("create.sql"));
    let mut times = Vec::new();
    for round in 0..ROUNDS {
        std::fs::write(&statement, create_function(&folder, &format!("f{round}"), seed + round as u64)?)?;
        times.push(engine.time(&statement.display().to_string())?);
    }
    Ok(vec![Figure {
        what: format!("CREATE FUNCTION of a module of {} kB", module::SIZE_BYTES / 1000),
        measured: median(&times),
        unit: Unit::Milliseconds,
        wanted: Wanted::AtMost(60.0),
        of: format!("{:.1} ms the first, {:.1} ms the longest", times[0], longest(&times)),
    }])
}

/// The same statement but for the function, in processes by turns.
pub fn first_call(bench: &Bench) -> Result<Vec<Figure>> {
    let folder = bench.folder.join("first-call");
    std::fs::create_dir_all(&folder)?;
    let data = folder.join("data");
    let ask = |sql: &str| -> Result<f64> {
        let mut command = Command::new(&bench.program);
        command.arg("--data").arg(&data).args(["--quiet", "-c", sql]);
        let started = Instant::now();
        let output = command.output()?;
        let ms = started.elapsed().as_secs_f64() * 1e3;
        if !output.status.success() {
            bail!("{sql}: {}", String::from_utf8_lossy(&output.stderr));
        }
        Ok(ms)
    };
    ask(&create_function(&folder, "mix", seed()?)?)?;
    let (mut guest, mut built_in, mut differences) = (vec![], vec![], vec![]);
    for round in 0..=ROUNDS {
        let (ours, other) = match round % 2 {
            0 => (ask("SELECT mix(1)")?, ask("SELECT abs(1)")?),
            _ => {
                let other = ask("SELECT abs(1)")?;
                (ask("SELECT mix(1)")?, other)
            }
        };
        // The first call fills the cache on disk, if creating the function has not.
        if round > 0 {
            guest.push(ours);
            built_in.push(other);
            differences.push(ours - other);
        }
    }
    Ok(vec![Figure {
        what: "first call in a new process, more than that of a built-in".into(),
        measured: median(&differences),
        unit: Unit::Milliseconds,
        wanted: Wanted::AtMost(1.0),
        of: format!("{:.1} ms : {:.1} ms, whole processes", median(&guest), median(&built_in)),
    }])
}

/// As EXPLAIN FUNCTION tells it: a line that names an instance and a time.
pub fn instance(bench: &Bench) -> Result<Vec<Figure>> {
    let mut command = Command::new(&bench.program);
    command.args(["--quiet", "--format", "tsv", "-c", &data::create_capitals(), "-c"]);
    let output = command.arg(format!("EXPLAIN FUNCTION {}", data::CAPITALS)).output()?;
    if !output.status.success() {
        bail!("{}", String::from_utf8_lossy(&output.stderr));
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text.lines().find(|line| line.contains("instance") && time_in_microseconds(line).is_some());
    let line = line.context("EXPLAIN FUNCTION tells no time of an instance")?;
    Ok(vec![Figure {
        what: "an instance ready".into(),
        measured: time_in_microseconds(line).unwrap_or(f64::NAN),
        unit: Unit::Microseconds,
        wanted: Wanted::AtMost(10.0),
        of: line.replace('\t', " ").trim().to_owned(),
    }])
}

/// The first number of a text that is followed by a unit of time.
fn time_in_microseconds(text: &str) -> Option<f64> {
    let words: Vec<&str> = text.split_whitespace().collect();
    words.windows(2).find_map(|pair| {
        let per_unit = match pair[1].trim_end_matches([',', ';', ')']) {
            "ns" => 1e-3,
            "µs" | "us" => 1.0,
            "ms" => 1e3,
            _ => return None,
        };
        Some(pair[0].trim_start_matches('(').parse::<f64>().ok()? * per_unit)
    })
}

fn longest(times: &[f64]) -> f64 {
    times.iter().copied().fold(0.0, f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_found_in_text() {
        assert_eq!(time_in_microseconds("instance ready in 7.5 µs"), Some(7.5));
        assert_eq!(time_in_microseconds("instance\t(900 ns)"), Some(0.9));
        assert_eq!(time_in_microseconds("instances: 4 per worker"), None);
    }
}
