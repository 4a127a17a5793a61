//! An engine in a process of its own, which is warm and answers a line of JSON for each line that it is told.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context, Result, bail};
use serde_json::Value;

pub struct Engine {
    /// With the version that it says it has.
    pub name: String,
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    pub peak_memory_bytes: u64,
}

pub struct Run {
    pub ms: f64,
    /// Of the last statement that gave any.
    pub rows: Option<u64>,
}

impl Engine {
    /// The program must greet with `{"version": …}`.
    pub fn start(name: &str, mut command: Command) -> Result<Self> {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("starting {name}"))?;
        let input = child.stdin.take().context("a child has an input")?;
        let output = BufReader::new(child.stdout.take().context("a child has an output")?);
        let mut engine = Self { name: name.to_owned(), child, input, output, peak_memory_bytes: 0 };
        let hello = engine.read()?;
        if let Some(error) = hello["error"].as_str() {
            bail!("{name} cannot start: {error}");
        }
        engine.name = format!("{name} {}", hello["version"].as_str().unwrap_or_default());
        Ok(engine)
    }

    /// The answer, which may say `error`.
    pub fn ask(&mut self, line: &str) -> Result<Value> {
        writeln!(self.input, "{line}")?;
        self.input.flush()?;
        let answer = self.read()?;
        let memory = answer["peak_memory_bytes"].as_u64().unwrap_or(0);
        self.peak_memory_bytes = self.peak_memory_bytes.max(memory);
        Ok(answer)
    }

    /// What the engine says of a run. An `error` in the answer is one.
    pub fn run(&mut self, line: &str) -> Result<Run> {
        let answer = self.ask(line)?;
        if let Some(error) = answer["error"].as_str() {
            bail!("{} fails on {line}: {error}", self.name);
        }
        let ms = answer["ms"].as_f64().with_context(|| format!("{} gives no time for {line}", self.name))?;
        Ok(Run { ms, rows: answer["rows"].as_u64() })
    }

    /// Milliseconds of a run.
    pub fn time(&mut self, line: &str) -> Result<f64> {
        Ok(self.run(line)?.ms)
    }

    fn read(&mut self) -> Result<Value> {
        let mut line = String::new();
        if self.output.read_line(&mut line)? == 0 {
            bail!("{} ended early: {}", self.name, self.child.wait()?);
        }
        serde_json::from_str(&line).with_context(|| format!("{} answered {line:?}", self.name))
    }
}

/// `nyala bench --serve`, which is told paths of SQL files; with `--setup` another is run first.
pub fn nyala(program: &Path, threads: usize) -> Command {
    let mut command = Command::new(program);
    command.args(["bench", "--serve", "--threads", &threads.to_string()]);
    command
}

/// Engines of a benchmark end with it, also when it fails half-way.
impl Drop for Engine {
    fn drop(&mut self) {
        // Nothing to do about a process that is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
