//! `cargo xtask demo`: from nothing to answers.

use std::path::Path;
use std::process::Command;

use anyhow::Result;

use crate::build::{nyala, succeed, tpch_data, tpch_setup};

const SCALE: &str = "1";
const QUERIES: &[&str] = &["q01", "q06", "q03", "q05"];

pub fn run(root: &Path, _arguments: &[String]) -> Result<()> {
    let program = nyala(root)?;
    let data = tpch_data(&program, SCALE)?;
    let setup = data.join("setup.sql");
    std::fs::write(&setup, tpch_setup(&data))?;
    let sql = |statement: &str| -> Result<()> {
        println!("\nnyala> {statement}");
        let timed = ["-c", "\\timing on", "-c", statement];
        succeed(Command::new(&program).args(["--quiet", "-f"]).arg(&setup).args(timed))
    };
    for name in QUERIES {
        let text = std::fs::read_to_string(root.join(format!("tests/tpch/queries/{name}.sql")))?;
        sql(text.trim())?;
    }
    println!("\nHow the third of them, shipping priority, is planned, and what running it takes:");
    let text = std::fs::read_to_string(root.join("tests/tpch/queries/q03.sql"))?;
    sql(&format!("EXPLAIN {}", text.trim()))?;
    sql(&format!("EXPLAIN ANALYZE {}", text.trim()))?;
    println!("\nGo on with your own questions:\n  {} -f {}", program.display(), setup.display());
    Ok(())
}
