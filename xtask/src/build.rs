//! Running cargo, always with one set of features so that dependencies are built once.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

/// Depends on every third-party crate: building it along keeps features the same for any selection of packages.
pub const FEATURES: &[&str] = &["--package", "nyala-features"];

pub fn cargo(root: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root).args(arguments);
    std::env::vars_os().map(|(name, _)| name).filter(|name| is_of_xtask(name)).for_each(|name| {
        command.env_remove(name);
    });
    command
}

/// What cargo says of xtask itself while it runs it. The build script of `ring` looks at such variables: with them, it and
/// all that uses it would be built anew whenever `cargo xtask` follows a plain `cargo`.
fn is_of_xtask(name: &OsStr) -> bool {
    name.to_str().is_some_and(|name| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_"))
}

/// Fails when the command does.
pub fn succeed(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("starting {:?}", command.get_program()))?;
    if !status.success() {
        bail!("{:?} {:?} failed: {status}", command.get_program(), command.get_args().collect::<Vec<_>>());
    }
    Ok(())
}

/// Builds the program and gives its path.
pub fn nyala(root: &Path) -> Result<PathBuf> {
    eprintln!("building nyala (the first time takes a while: its libraries are built, too)");
    succeed(cargo(root, &["build", "--package", "nyala-cli"]).args(FEATURES))?;
    Ok(target_folder(root)?.join("debug/nyala"))
}

pub fn check(root: &Path, arguments: &[String]) -> Result<()> {
    let name = arguments.first().context("which crate? e.g. `cargo xtask check nyala-planner`")?;
    succeed(cargo(root, &["check", "--all-targets", "--package", name]).args(FEATURES))
}

/// Where cargo puts what it builds.
pub fn target_folder(root: &Path) -> Result<PathBuf> {
    let output = cargo(root, &["metadata", "--format-version", "1", "--no-deps"]).output()?;
    let metadata: serde_json::Value =
        serde_json::from_slice(&output.stdout).context("reading cargo metadata")?;
    let folder = metadata["target_directory"].as_str().context("cargo metadata names no target folder")?;
    Ok(PathBuf::from(folder))
}

/// Where data sets and Python environments are kept between runs: the user's cache folder.
pub fn cache_folder() -> Result<PathBuf> {
    let base = std::env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| Path::new(&home).join(".cache")))
        .context("neither XDG_CACHE_HOME nor HOME is set")?;
    let folder = base.join("nyala");
    std::fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
    Ok(folder)
}

/// TPC-H data of a scale, made when missing.
pub fn tpch_data(nyala: &Path, scale: &str) -> Result<PathBuf> {
    let folder = cache_folder()?.join(format!("tpch-{scale}"));
    let done = folder.join("complete");
    if !done.exists() {
        let arguments = ["generate", "tpch", "--scale", scale, "--out"];
        succeed(Command::new(nyala).args(arguments).arg(&folder))?;
        std::fs::write(&done, "")?;
    }
    Ok(folder)
}

/// SQL that makes the TPC-H tables of a folder known.
pub fn tpch_setup(data: &Path) -> String {
    const TABLES: [&str; 8] =
        ["customer", "lineitem", "nation", "orders", "part", "partsupp", "region", "supplier"];
    TABLES
        .iter()
        .map(|table| {
            format!(
                "CREATE EXTERNAL TABLE {table} STORED AS PARQUET LOCATION '{}/{table}.parquet';\n",
                data.display()
            )
        })
        .collect()
}
