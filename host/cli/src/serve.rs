//! `nyala bench --serve`: a warm engine that another program asks, query by query, to time engines in turns.

use std::io::{self, BufRead, Write};
use std::path::Path;

use nyala_node::Session;
use serde_json::{Value, json};

use crate::bench::{run_once, told};
use crate::client::Client;
use crate::exit::{Failure, write_failure};
use crate::interrupt;
use crate::script::Script;

/// Greets with a line, then answers a line for each path that comes in.
///
/// # Errors
/// `Interrupted`; a failure to write.
pub fn run(client: &Client) -> Result<(), Failure> {
    say(&json!({ "version": env!("CARGO_PKG_VERSION") }))?;
    for line in io::stdin().lock().lines() {
        let line = line.map_err(|error| Failure::usage(format!("cannot read standard input: {error}")))?;
        if interrupt::requested() {
            return Err(Failure::Interrupted);
        }
        say(&answer(client, line.trim()))?;
    }
    Ok(())
}

fn answer(client: &Client, path: &str) -> Value {
    let script = match Script::file(Path::new(path)) {
        Ok(script) => script,
        Err(error) => return json!({ "error": told(&error) }),
    };
    let statements: Vec<String> = Session::split(&script.text).into_iter().map(|(_, sql)| sql).collect();
    match run_once(client, &statements) {
        Ok(run) => json!({
            "ms": run.elapsed.as_secs_f64() * 1e3,
            "rows": run.rows,
            "peak_memory_bytes": peak_memory_bytes(),
        }),
        Err(error) => json!({ "error": told(&error) }),
    }
}

/// The most that this process has held at once, where the system tells; as peers are measured.
fn peak_memory_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|text| text.parse::<u64>().ok()).unwrap_or(0) * 1024
}

fn say(value: &Value) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    let written = writeln!(stdout, "{value}").and_then(|()| stdout.flush());
    written.map_err(|error| write_failure("standard output", &error))
}
