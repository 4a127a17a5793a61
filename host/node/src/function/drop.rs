//! DROP FUNCTION, MODULE and OPERATOR.

use nyala_schema::command::{Command, Overload};
use nyala_schema::function::FunctionKind;
use nyala_schema::{Error, ErrorCode, Result};

use crate::answer::Answer;
use crate::session::Session;

pub fn function(
    session: &Session,
    kind: Option<FunctionKind>,
    overload: Overload,
    if_exists: bool,
) -> Result<Answer> {
    if let Some(kind) = kind {
        check_kind(session, kind, &overload)?;
    }
    commit(session, &Command::DropFunction { overload, if_exists }, "DROP FUNCTION")
}

pub fn module(session: &Session, name: String, if_exists: bool) -> Result<Answer> {
    commit(session, &Command::DropModule { name, if_exists }, "DROP MODULE")
}

pub fn operator(session: &Session, name: String, if_exists: bool) -> Result<Answer> {
    commit(session, &Command::DropOperator { name, if_exists }, "DROP OPERATOR")
}

fn commit(session: &Session, command: &Command, tag: &str) -> Result<Answer> {
    let in_use = session.engine.use_modules();
    session.commit(command)?;
    session.engine.collect_modules(in_use)?;
    Ok(Answer::Done(tag.into()))
}

fn check_kind(session: &Session, kind: FunctionKind, overload: &Overload) -> Result<()> {
    let snapshot = session.snapshot();
    let overloads = snapshot.functions.get(&overload.name).map(Vec::as_slice).unwrap_or_default();
    let other = overloads.iter().find(|function| {
        let meant = overload.arguments.as_ref().is_none_or(|types| *types == function.argument_types());
        meant && function.kind != kind
    });
    match other {
        None => Ok(()),
        Some(function) => {
            let noun = match function.kind {
                FunctionKind::Scalar => "scalar function: use DROP FUNCTION",
                FunctionKind::Aggregate => "aggregate function: use DROP AGGREGATE FUNCTION",
                FunctionKind::Table => "table function: use DROP TABLE FUNCTION",
            };
            Err(Error::new(ErrorCode::DatatypeMismatch, format!("\"{}\" is a {noun}", overload.name)))
        }
    }
}
