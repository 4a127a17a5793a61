//! DuckDB as a process, for what an answer should be.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

pub struct Oracle {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Oracle {
    /// DuckDB with views over the Parquet files of a folder. `None` where `NYALA_ORACLE_PYTHON` is not set:
    /// `cargo xtask test` installs DuckDB and sets it.
    ///
    /// # Errors
    /// When it is set but does not start.
    pub fn start(folder: &Path) -> Result<Option<Self>> {
        let Some(python) = std::env::var_os("NYALA_ORACLE_PYTHON") else { return Ok(None) };
        let script = crate::project_root().join("tests/oracle/duckdb_oracle.py");
        let mut child = Command::new(python)
            .arg(script)
            .arg(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("starting DuckDB")?;
        let input = child.stdin.take().context("a child has an input")?;
        let output = BufReader::new(child.stdout.take().context("a child has an output")?);
        Ok(Some(Self { child, input, output }))
    }

    /// The rows of a query as text; an error of DuckDB's is the inner error.
    ///
    /// # Errors
    /// When the process does not answer.
    pub fn query(&mut self, sql: &str) -> Result<Result<Vec<Vec<String>>, String>> {
        writeln!(self.input, "{}", json!({ "sql": sql }))?;
        self.input.flush()?;
        let mut line = String::new();
        if self.output.read_line(&mut line)? == 0 {
            bail!("DuckDB ended: {}", self.child.wait()?);
        }
        let answer: Value = serde_json::from_str(&line)?;
        if let Some(error) = answer["error"].as_str() {
            return Ok(Err(error.to_owned()));
        }
        Ok(Ok(serde_json::from_value(answer["rows"].clone())?))
    }
}

impl Drop for Oracle {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
