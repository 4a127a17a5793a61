//! `nyala catalog`: check, dump and restore of a data directory.

use std::sync::Arc;

use nyala_node::{Answer, Config, Engine};

use crate::arguments::{CatalogArguments, CatalogCommand, RestoreArguments};
use crate::exit::Failure;
use crate::terminal;

/// # Errors
/// `Connection` for a directory that cannot be opened; `Reported` when the check found something.
pub fn run(command: &CatalogCommand) -> Result<(), Failure> {
    match command {
        CatalogCommand::Check(arguments) => check(arguments),
        CatalogCommand::Dump(arguments) => {
            let engine = open(&arguments.catalog, false)?;
            let text = if arguments.overview { engine.overview() } else { engine.dump() };
            terminal::answer(text.trim_end());
            Ok(())
        }
        CatalogCommand::Restore(arguments) => restore(arguments),
    }
}

/// A directory that is not there is made only for a restore.
fn open(arguments: &CatalogArguments, may_make: bool) -> Result<Arc<Engine>, Failure> {
    if !may_make && !arguments.data.is_dir() {
        return Err(Failure::usage(format!("there is no directory {}", arguments.data.display())));
    }
    let config = Config {
        data: Some(arguments.data.clone()),
        warehouse: arguments.warehouse.clone(),
        options: nyala_node::default_options(),
        ..Config::of_program()
    };
    Engine::open(config).map_err(Failure::Connection)
}

fn check(arguments: &CatalogArguments) -> Result<(), Failure> {
    if !arguments.data.is_dir() {
        return Err(Failure::usage(format!("there is no directory {}", arguments.data.display())));
    }
    // Before the engine opens it, which mends what it can.
    let (looked_at, mut problems) = nyala_node::check_folder(&arguments.data).map_err(Failure::Connection)?;
    looked_at.iter().for_each(|line| terminal::tell(line));
    let report = open(arguments, false)?.check().map_err(Failure::Sql)?;
    problems.extend(report.problems);
    problems.iter().for_each(|problem| terminal::answer(problem));
    terminal::tell(&format!(
        "version {}: {} tables, {} files, {} modules, {} problems",
        report.catalog_version,
        report.tables,
        report.files,
        report.modules,
        problems.len()
    ));
    if problems.is_empty() { Ok(()) } else { Err(Failure::Reported) }
}

fn restore(arguments: &RestoreArguments) -> Result<(), Failure> {
    let literal = |text: &str| format!("'{}'", text.replace('\'', "''"));
    let point = match (arguments.as_of_version, &arguments.as_of) {
        (Some(version), _) => format!(" AS OF VERSION {version}"),
        (None, Some(time)) => format!(" AS OF TIMESTAMP {}", literal(time)),
        (None, None) => String::new(),
    };
    let sql = format!("RESTORE FROM {}{point}", literal(&arguments.from));
    let mut session = open(&arguments.catalog, true)?.session();
    match session.execute(&sql).map_err(Failure::Sql)? {
        Answer::Done(tag) => terminal::tell(&tag),
        Answer::Rows(_) => {}
    }
    Ok(())
}
