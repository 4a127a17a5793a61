//! Statements about uploaded functions, operators and modules.
//!
//! `code` gets the bytes, `declare` makes a definition of a declaration and checks it against its code, `create`, `alter` and
//! `drop` change the catalog, `list` and `explain` show what is there.

mod alter;
mod code;
mod create;
mod declare;
mod drop;
mod explain;
mod list;

use nyala_frontend::Statement;
use nyala_schema::{Error, Result};

use crate::answer::Answer;
use crate::session::Session;

pub use explain::{describe, explain};
pub use list::{arguments, functions, health, kind_name, modules, operators, volatility_name};

pub fn run(session: &Session, statement: Statement) -> Result<Answer> {
    match statement {
        Statement::CreateFunction { declaration, code, language, on_conflict } => {
            create::function(session, declaration, &code, language, on_conflict)
        }
        Statement::CreateOperator { declaration, code, language, on_conflict } => {
            create::operator(session, declaration, &code, language, on_conflict)
        }
        Statement::CreateModule { name, code, sha256, on_conflict } => {
            create::module(session, &name, &code, sha256, on_conflict)
        }
        Statement::AlterFunction { overload, change } => alter::function(session, overload, change),
        Statement::DropFunction { kind, overload, if_exists } => {
            drop::function(session, kind, overload, if_exists)
        }
        Statement::DropModule { name, if_exists } => drop::module(session, name, if_exists),
        Statement::DropOperator { name, if_exists } => drop::operator(session, name, if_exists),
        other => Err(Error::internal(format!("{other:?} is not about functions"))),
    }
}
