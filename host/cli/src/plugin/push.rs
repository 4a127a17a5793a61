//! `nyala plugin push`: a module into a data directory.

use nyala_node::{Config, Engine, Error, ErrorCode};

use super::arguments::PushArguments;
use super::check::database::{Database, literal, quoted};
use super::{Source, project};
use crate::exit::Failure;
use crate::terminal;

/// # Errors
/// `Connection` when the data directory cannot be opened, or a server is named.
pub fn run(arguments: &PushArguments) -> Result<(), Failure> {
    let Some(data) = &arguments.data else { return Err(no_server(arguments)) };
    let source = Source::find(&arguments.source)?;
    let name = arguments.name.as_deref().map_or(source.name, project::identifier);
    let options = nyala_node::default_options();
    let config = Config { data: Some(data.clone()), options, ..Config::of_program() };
    let engine = Engine::open(config).map_err(Failure::Connection)?;
    let mut database = Database::new(engine.session());
    let path = source.module.display().to_string();
    database.rows(&format!("CREATE OR REPLACE MODULE {} FROM {}", quoted(&name), literal(&path)))?;
    let declared = database.declared(&name)?;
    terminal::tell(&format!("module {name} is in {}; it declares", data.display()));
    for function in &declared.functions {
        terminal::tell(&format!("  {} {}{}", function.kind.name(), function.name, function.arguments));
    }
    for operator in &declared.operators {
        terminal::tell(&format!("  operator {}{}", operator.name, operator.arguments));
    }
    Ok(())
}

fn no_server(arguments: &PushArguments) -> Failure {
    let server = arguments.connect.as_deref().unwrap_or_default();
    let error =
        Error::new(ErrorCode::Unsupported, format!("cannot push to {server}: this version has no servers"));
    Failure::Connection(
        error.with_hint("clusters come with a later version; push into a data directory with --data DIR"),
    )
}
