//! `nyala plugin push`: a module into a data directory, or to all nodes of a cluster.

use std::path::Path;

use nyala_node::{Config, Engine, Error, ErrorCode};
use nyala_schema::client::SQL_BYTES_MAX;

use super::arguments::PushArguments;
use super::check::database::{Database, literal, quoted};
use super::{Source, file_failure, project};
use crate::client::Held;
use crate::exit::Failure;
use crate::terminal;

/// A statement holds so much, as two digits a byte, and some words.
const BYTES_MAX: usize = SQL_BYTES_MAX / 2 - 1024;
/// How to name where a module goes.
const NAME_ONE: &str = "give --data DIR, or --connect HOST:PORT for a cluster";

/// # Errors
/// `Usage` when it is not said where to; `Connection` when the data directory cannot be opened, or the cluster not be
/// reached; `Sql` when the module is refused.
pub fn run(arguments: &PushArguments) -> Result<(), Failure> {
    let source = Source::find(&arguments.source)?;
    let name = arguments.name.as_deref().map_or(source.name, project::identifier);
    let (place, mut database, code) = match &arguments.data {
        Some(data) => {
            (data.display().to_string(), open(data)?, literal(&source.module.display().to_string()))
        }
        None => {
            let session = Held::Remote(arguments.cluster.required(NAME_ONE)?);
            ("the cluster".to_owned(), Database::new(session), bytes(&name, &source.module)?)
        }
    };
    database.rows(&format!("CREATE OR REPLACE MODULE {} FROM {code}", quoted(&name)))?;
    let declared = database.declared(&name)?;
    terminal::tell(&format!("module {name} is in {place}; it declares"));
    for function in &declared.functions {
        terminal::tell(&format!("  {} {}{}", function.kind.name(), function.name, function.arguments));
    }
    for operator in &declared.operators {
        terminal::tell(&format!("  operator {}{}", operator.name, operator.arguments));
    }
    Ok(())
}

fn open(data: &Path) -> Result<Database, Failure> {
    let options = nyala_node::default_options();
    let config = Config { data: Some(data.to_owned()), options, ..Config::of_program() };
    let engine = Engine::open(config).map_err(Failure::Connection)?;
    Ok(Database::new(engine.session()))
}

/// The file itself, for nodes that do not see it.
fn bytes(name: &str, module: &Path) -> Result<String, Failure> {
    let bytes = std::fs::read(module).map_err(|error| file_failure("read", module, &error))?;
    if bytes.len() > BYTES_MAX {
        let (module, size) = (module.display(), bytes.len());
        let message = format!("{module} has {size} bytes; {BYTES_MAX} can be sent to a cluster");
        let hint = format!("put it where the nodes see it, and run CREATE MODULE {name} FROM 'path' there");
        return Err(Failure::Usage(Error::new(ErrorCode::TooComplex, message).with_hint(hint)));
    }
    Ok(format!("X'{}'", hex::encode(bytes)))
}
