//! The `nyala` command: an interactive shell, a runner of scripts, a benchmark, a generator of test data, tools for authors and for who looks
//! after a system.
//!
//! Reading order: [`arguments`] is what can be asked for and [`exit`] how it ends; [`sql`] is the main command and
//! runs [`script`]s statement by statement through a [`client`] into an [`output`]; [`shell`] is the same with a
//! person at the keyboard. The client holds a session with the engine of this process, or [`connect`]s to a cluster.
//! [`bench`], [`generate`], [`plugin`], [`catalog`] and [`cluster`] are commands of their own.

mod answer;
mod arguments;
mod bench;
mod catalog;
mod client;
mod cluster;
mod connect;
mod exit;
mod fragments;
mod generate;
mod interrupt;
mod output;
mod plugin;
mod progress;
mod running;
mod script;
mod serve;
mod settings;
mod shell;
mod sql;
mod statement;
mod terminal;

use std::process::ExitCode;

use arguments::{Command, Invocation};
use exit::Failure;

fn main() -> ExitCode {
    let outcome = match arguments::parse(std::env::args_os()) {
        // What the engine starts as a process of its own, with limits, for each module that a user uploads.
        Ok(Invocation { command: Command::CompileModule, .. }) => return nyala_node::compile_child(),
        Ok(invocation) => run(invocation),
        Err(error) => return exit::of_clap(&error),
    };
    exit::report(outcome)
}

fn run(invocation: Invocation) -> Result<(), Failure> {
    match invocation.command {
        Command::Sql(arguments) => sql::run(arguments, &invocation.sources),
        Command::Generate(arguments) => generate::run(&arguments),
        Command::Bench(arguments) => bench::run(&arguments),
        Command::Plugin(command) => plugin::run(&command),
        Command::Catalog(command) => catalog::run(&command),
        Command::Node(arguments) => cluster::node::run(*arguments),
        Command::Cluster(command) => cluster::run(command),
        Command::CompileModule => Ok(()),
    }
}
