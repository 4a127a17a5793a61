//! Python environments of the project's own, with the engines that we compare with.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::build::{cache_folder, succeed};

/// An environment by name and the packages that it holds.
pub struct Environment {
    pub name: &'static str,
    pub packages: &'static [&'static str],
}

/// The oracle of differential tests: pinned, so that answers do not change under us.
pub const ORACLE: Environment = Environment { name: "oracle", packages: &["duckdb==1.5.5"] };

/// What benchmarks compare with.
pub const PEERS: Environment =
    Environment { name: "peers", packages: &["duckdb>=2.0,<3", "datafusion>=55,<56", "pyarrow"] };

/// DuckDB with what its Python functions in their Arrow form need.
pub const DUCKDB_FUNCTIONS: Environment =
    Environment { name: "duckdb-functions", packages: &["duckdb>=2.0,<3", "pyarrow", "numpy"] };

/// ClickHouse as a library, of which some builds have WASM functions.
pub const CLICKHOUSE: Environment = Environment { name: "clickhouse", packages: &["chdb>=4,<5"] };

/// The environment's Python, installed when missing.
pub fn python(environment: &Environment) -> Result<PathBuf> {
    let folder = cache_folder()?.join(environment.name);
    let python = folder.join("bin/python");
    let stamp = folder.join("packages.txt");
    let wanted = environment.packages.join("\n");
    if std::fs::read_to_string(&stamp).is_ok_and(|have| have == wanted) && python.exists() {
        return Ok(python);
    }
    eprintln!("installing {} for Python into {}", environment.packages.join(", "), folder.display());
    make_environment(&folder)?;
    succeed(Command::new(&python).args(["-m", "pip", "install", "--quiet"]).args(environment.packages))?;
    std::fs::write(&stamp, wanted)?;
    Ok(python)
}

/// Debian's python3 comes without venv: installed where we may.
fn make_environment(folder: &Path) -> Result<()> {
    let create = || Command::new("python3").args(["-m", "venv"]).arg(folder).status();
    if create().is_ok_and(|status| status.success()) {
        return Ok(());
    }
    let update = Command::new("apt-get").args(["update", "-qq"]).status();
    update.context("python3 with venv is needed; install the package python3-venv")?;
    succeed(Command::new("apt-get").args(["install", "-y", "-qq", "python3-venv"]))?;
    if !create()?.success() {
        bail!("python3 cannot make an environment in {}", folder.display());
    }
    Ok(())
}
