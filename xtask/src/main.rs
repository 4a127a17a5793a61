//! The project's own commands: `cargo xtask help` lists them.

mod bench;
mod build;
mod demo;
mod guests;
mod peers;
mod regenerate;
mod test;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Result, bail};

struct Command {
    name: &'static str,
    usage: &'static str,
    run: fn(&Path, &[String]) -> Result<()>,
}

const COMMANDS: &[Command] = &[
    Command {
        name: "demo",
        usage: "build, make TPC-H data, run queries over it and show what happens",
        run: demo::run,
    },
    Command {
        name: "test",
        usage: "all tests, with formatting and lints; [FILTER] for some of them",
        run: test::run,
    },
    Command {
        name: "bench",
        usage: "tpch [--scale N] [--against duckdb,datafusion,interpreter] [--runs N] [--threads N] [--queries 1,6,18] [--set option=value], or plugins [--quick] [--rows N] [--runs N] [--threads N] [--only numbers,text,…] [--operators FILE.wasm], or catalog, or cluster [--quick] [--scale N] [--runs N] [--nodes N] [--seconds N] [--only transport,many,tpch,streams,kill]",
        run: bench::run,
    },
    Command {
        name: "check",
        usage: "CRATE: check one crate, reusing what the whole workspace built",
        run: build::check,
    },
    Command {
        name: "bless",
        usage: "rewrite the expected texts of golden tests; read the difference",
        run: test::bless,
    },
    Command {
        name: "guests",
        usage: "build the modules of guest-ops, which tests use, and print where they are",
        run: guests::run,
    },
    Command {
        name: "regenerate",
        usage: "[--check]: the generated Rust of the wire format (needs the capnp compiler)",
        run: |root, arguments| regenerate::run(root, arguments.iter().any(|a| a == "--check")),
    },
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[String]) -> Result<()> {
    let name = arguments.first().map_or("help", String::as_str);
    if matches!(name, "help" | "--help" | "-h") {
        println!("cargo xtask COMMAND\n");
        COMMANDS.iter().for_each(|command| println!("  {:<12}{}", command.name, command.usage));
        return Ok(());
    }
    match COMMANDS.iter().find(|command| command.name == name) {
        Some(command) => (command.run)(&project_root(), &arguments[1..]),
        None => bail!("there is no command '{name}'; see `cargo xtask help`"),
    }
}

/// The folder of the workspace: this package's parent.
fn project_root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map(Path::to_path_buf).unwrap_or_default()
}
