//! Nyala against a peer's user-defined functions: rows per second of the same functions over the same data.

use std::process::Command;

use anyhow::{Context, Result, bail};

use super::expression::{THREE, TWENTY};
use super::{Bench, answer, arrow_udf, data};
use crate::bench::engine::Engine;
use crate::bench::figure::{Figure, Unit, Wanted};
use crate::bench::median;
use crate::peers;

/// A peer in a process that reads `NAME FORM` per line.
struct Peer {
    engine: Engine,
    /// Peers are slow: as many rows as they manage in seconds.
    rows: u64,
    /// Functions, each in all forms that the peer has for it; its fastest counts.
    functions: Vec<(&'static str, Vec<&'static str>)>,
    /// Times as many rows per second as the peer.
    wanted: f64,
}

pub fn duckdb(bench: &Bench) -> Result<Vec<Figure>> {
    let rows = bench.settings.rows.min(4_000_000);
    let bodies = serde_json::json!({ THREE.name: THREE.text, TWENTY.name: TWENTY.text });
    let mut command = Command::new(peers::python(&peers::DUCKDB_FUNCTIONS)?);
    command.arg(bench.root.join("xtask/peers/duckdb_udf.py"));
    command.args([rows.to_string(), bench.settings.threads.to_string(), bodies.to_string()]);
    let engine = Engine::start("DuckDB (Python, Arrow)", command)?;
    let forms = vec!["numpy", "arrow"];
    let functions = vec![(THREE.name, forms.clone()), (TWENTY.name, forms), (data::CAPITALS, vec!["arrow"])];
    run(bench, Peer { engine, rows, functions, wanted: 10.0 })
}

pub fn arrow_udf(bench: &Bench) -> Result<Vec<Figure>> {
    let rows = bench.settings.rows.min(4_000_000);
    let mut command = Command::new(arrow_udf::build(&bench.root, &bench.folder)?);
    command.arg(bench.folder.join(arrow_udf::GUEST));
    command.args([rows.to_string(), bench.settings.threads.to_string()]);
    let engine = Engine::start("arrow-udf (WASM)", command)?;
    // Rows per batch.
    let forms = vec!["8192", "65536"];
    let functions = vec![(THREE.name, forms.clone()), (TWENTY.name, forms.clone()), (data::CAPITALS, forms)];
    run(bench, Peer { engine, rows, functions, wanted: 3.0 })
}

/// Only where the build has WASM functions: the peer says what it lacks.
pub fn clickhouse(bench: &Bench) -> Result<Vec<Figure>> {
    let rows = bench.settings.rows.min(4_000_000);
    let folder = bench.folder.join("clickhouse");
    let modules = folder.join("modules");
    std::fs::create_dir_all(&modules)?;
    for body in [THREE, TWENTY] {
        let path = modules.join(format!("{}.wasm", body.name));
        let binary = wat::parse_str(body.buffered_wat()?)?;
        std::fs::write(&path, binary).with_context(|| format!("writing {}", path.display()))?;
    }
    let mut command = Command::new(peers::python(&peers::CLICKHOUSE)?);
    command.arg(bench.root.join("xtask/peers/clickhouse_udf.py"));
    command.args([rows.to_string(), bench.settings.threads.to_string()]).arg(folder);
    let engine = Engine::start("ClickHouse (WASM)", command)?;
    let functions = vec![(THREE.name, vec!["buffered"]), (TWENTY.name, vec!["buffered"])];
    run(bench, Peer { engine, rows, functions, wanted: 3.0 })
}

/// What the peer takes divided by what Nyala takes, over equal tables, of medians of turns.
fn run(bench: &Bench, mut peer: Peer) -> Result<Vec<Figure>> {
    let setup = data::numbers(peer.rows)? + &data::words();
    // The peer alone is worth knowing, too, where Nyala cannot be measured.
    let mut nyala = answer::check(bench)
        .and_then(|()| bench.nyala(&setup))
        .and_then(|command| Engine::start("nyala", command));
    let mut figures = Vec::new();
    for (name, forms) in std::mem::take(&mut peer.functions) {
        let query = bench.folder.join(format!("contest-{name}.sql"));
        std::fs::write(&query, answer::query(name))?;
        let mut times = Times { theirs: vec![vec![]; forms.len()], ours: vec![] };
        for round in 0..=bench.settings.runs.min(3) {
            peer.round(name, &forms, round == 0, &mut times.theirs);
            if let Ok(nyala) = &mut nyala {
                let ms = nyala.time(&query.display().to_string())?;
                times.ours.extend((round > 0).then_some(ms));
            }
        }
        figures.push(times.figure(name, &peer)?);
    }
    if let Err(error) = nyala {
        eprintln!("nyala: {error:#}");
    }
    Ok(figures)
}

/// In milliseconds.
struct Times {
    /// By form; of a form that the peer cannot run there are none.
    theirs: Vec<Vec<f64>>,
    ours: Vec<f64>,
}

impl Times {
    fn figure(&self, name: &str, peer: &Peer) -> Result<Figure> {
        let medians = self.theirs.iter().filter(|times| !times.is_empty()).map(|times| median(times));
        let best = medians.min_by(f64::total_cmp).with_context(|| format!("no form of {name} runs"))?;
        let rate = |ms: f64| format!("{:.2} million rows/s", peer.rows as f64 / ms / 1e3);
        let what = format!("{name} to {}", peer.engine.name);
        if self.ours.is_empty() {
            let of = format!("{} there; Nyala was not measured", rate(best));
            return Ok(Figure { what, measured: f64::NAN, unit: Unit::Ratio, wanted: Wanted::Nothing, of });
        }
        let ours = median(&self.ours);
        Ok(Figure {
            what,
            measured: best / ours,
            unit: Unit::Ratio,
            wanted: Wanted::AtLeast(peer.wanted),
            of: format!("{} : {}", rate(ours), rate(best)),
        })
    }
}

impl Peer {
    /// Adds a time for each form. In the warming round none is kept, and what fails is told.
    fn round(&mut self, name: &str, forms: &[&str], warming: bool, times: &mut [Vec<f64>]) {
        let expected = answer::expected(name, self.rows);
        for (form, times) in forms.iter().zip(times) {
            match self.time(&format!("{name} {form}"), expected) {
                Ok(ms) => times.extend((!warming).then_some(ms)),
                Err(error) if warming => eprintln!("{error:#}"),
                Err(_) => {}
            }
        }
    }

    fn time(&mut self, line: &str, expected: i64) -> Result<f64> {
        let answer = self.engine.ask(line)?;
        if let Some(error) = answer["error"].as_str() {
            bail!("{} fails on {line}: {error}", self.engine.name);
        }
        if answer["sum"].as_i64() != Some(expected) {
            bail!("{} gives {} for {line}, where {expected} is right", self.engine.name, answer["sum"]);
        }
        answer["ms"].as_f64().context("a peer tells its time")
    }
}
