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
            let sql = open(arguments, false)?.dump();
            terminal::answer(sql.trim_end());
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
    let report = open(arguments, false)?.check().map_err(Failure::Sql)?;
    for problem in &report.problems {
        terminal::answer(problem);
    }
    terminal::tell(&format!(
        "version {}: {} tables, {} files, {} modules, {} problems",
        report.catalog_version,
        report.tables,
        report.files,
        report.modules,
        report.problems.len()
    ));
    if report.problems.is_empty() { Ok(()) } else { Err(Failure::Reported) }
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
