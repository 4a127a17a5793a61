//! `cargo xtask bench tpch`: Nyala and peers over the same files, interleaved, warm, as ratios.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::engine::{self, Engine};
use super::median;
use crate::build::{nyala, tpch_data, tpch_setup};
use crate::peers;

struct Settings {
    scale: String,
    against: Vec<String>,
    runs: usize,
    threads: usize,
    queries: Vec<PathBuf>,
    options: Vec<String>,
}

pub fn run(root: &Path, arguments: &[String]) -> Result<()> {
    let settings = parse(root, arguments)?;
    let program = nyala(root)?;
    let data = tpch_data(&program, &settings.scale)?;
    let mut engines = vec![start_nyala("nyala", &program, &data, &settings, &settings.options)?];
    for peer in &settings.against {
        engines.push(match peer.as_str() {
            "interpreter" | "native" => {
                start_nyala(peer, &program, &data, &settings, &[format!("backend={peer}")])?
            }
            _ => start_peer(root, peer, &data, settings.threads)?,
        });
    }
    let mut times: BTreeMap<(usize, usize), Vec<f64>> = BTreeMap::new();
    for round in 0..=settings.runs {
        for (query, path) in settings.queries.iter().enumerate() {
            for (index, engine) in engines.iter_mut().enumerate() {
                let answer = engine.ask(&path.display().to_string())?;
                if let Some(error) = answer["error"].as_str() {
                    eprintln!("{} fails on {}: {error}", engine.name, path.display());
                    continue;
                }
                // The first round warms caches.
                if round > 0 {
                    times.entry((query, index)).or_default().push(answer["ms"].as_f64().unwrap_or(f64::NAN));
                }
            }
        }
        eprint!("\rround {round} of {}", settings.runs);
    }
    eprintln!();
    report(&settings, &engines, &times);
    Ok(())
}

fn parse(root: &Path, arguments: &[String]) -> Result<Settings> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let mut settings = Settings {
        scale: "1".into(),
        against: Vec::new(),
        runs: 5,
        threads,
        queries: Vec::new(),
        options: Vec::new(),
    };
    let mut numbers: Vec<u32> = (1..=22).collect();
    let mut rest = arguments.iter();
    while let Some(flag) = rest.next() {
        let value = rest.next().with_context(|| format!("{flag} takes a value"))?;
        match flag.as_str() {
            "--scale" => settings.scale = value.clone(),
            "--against" => settings.against = value.split(',').map(str::to_owned).collect(),
            "--runs" => settings.runs = value.parse()?,
            "--threads" => settings.threads = value.parse()?,
            "--queries" => numbers = value.split(',').map(str::parse).collect::<Result<_, _>>()?,
            "--set" => settings.options.push(value.clone()),
            other => bail!("unknown option {other}"),
        }
    }
    settings.queries = numbers.iter().map(|n| root.join(format!("tests/tpch/queries/q{n:02}.sql"))).collect();
    Ok(settings)
}

fn start_nyala(
    name: &str,
    program: &Path,
    data: &Path,
    settings: &Settings,
    options: &[String],
) -> Result<Engine> {
    let setup = data.join("setup.sql");
    std::fs::write(&setup, tpch_setup(data))?;
    let mut command = engine::nyala(program, settings.threads);
    command.arg("--setup").arg(setup);
    for option in options {
        command.args(["--set", option]);
    }
    Engine::start(name, command)
}

fn start_peer(root: &Path, name: &str, data: &Path, threads: usize) -> Result<Engine> {
    if !matches!(name, "duckdb" | "datafusion") {
        bail!(
            "there is no peer '{name}'; duckdb and datafusion are known, and Nyala's own interpreter and native"
        );
    }
    let mut command = Command::new(peers::python(&peers::PEERS)?);
    command.arg(root.join("xtask/peers/peer.py")).arg(name).arg(data).arg(threads.to_string());
    Engine::start(name, command)
}

fn report(settings: &Settings, engines: &[Engine], times: &BTreeMap<(usize, usize), Vec<f64>>) {
    let median = |query: usize, engine: usize| times.get(&(query, engine)).map(|times| median(times));
    print!("| query |");
    engines.iter().for_each(|engine| print!(" {} ms |", engine.name));
    engines.iter().skip(1).for_each(|engine| print!(" ÷ {} |", engine.name));
    println!("\n|---|{}", "---|".repeat(engines.len() * 2 - 1));
    let mut logs = vec![Vec::new(); engines.len()];
    let mut ratios = vec![Vec::new(); engines.len()];
    for (query, path) in settings.queries.iter().enumerate() {
        print!("| {} |", path.file_stem().unwrap_or_default().to_string_lossy());
        for (engine, logs) in logs.iter_mut().enumerate() {
            let ms = median(query, engine).unwrap_or(f64::NAN);
            logs.push(ms.ln());
            print!(" {ms:.1} |");
        }
        let ours = median(query, 0).unwrap_or(f64::NAN);
        for (engine, ratios) in ratios.iter_mut().enumerate().skip(1) {
            let ratio = ours / median(query, engine).unwrap_or(f64::NAN);
            ratios.push(ratio.ln());
            print!(" {ratio:.2} |");
        }
        println!();
    }
    let geometric = |logs: &[f64]| (logs.iter().sum::<f64>() / logs.len() as f64).exp();
    print!("| geometric mean |");
    logs.iter().for_each(|logs| print!(" {:.1} |", geometric(logs)));
    ratios.iter().skip(1).for_each(|logs| print!(" {:.2} |", geometric(logs)));
    print!("\n| peak memory MiB |");
    engines.iter().for_each(|engine| print!(" {} |", engine.peak_memory_bytes >> 20));
    println!("{}", " |".repeat(engines.len() - 1));
}
