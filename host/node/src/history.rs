//! Statements that bring back what was: ROLLBACK TABLE, ROLLBACK CATALOG, UNDROP; and CHECKPOINT.

use nyala_frontend::{PointInTime, Statement};
use nyala_schema::command::{Command, ObjectKind};
use nyala_schema::table::{TableDefinition, join_name};
use nyala_schema::{Error, Result};

use crate::answer::Answer;
use crate::search_path::undefined_table;
use crate::session::Session;

pub fn run(session: &Session, sql: &str, statement: &Statement) -> Result<Answer> {
    match statement {
        Statement::RollbackTable { table, to } => {
            session.retrying(|_| roll_back_table(session, sql, table, to))
        }
        Statement::RollbackCatalog { to } => session.retrying(|_| roll_back_catalog(session, sql, to)),
        Statement::Undrop { kind, name, renamed } => undrop(session, *kind, name, renamed.as_deref()),
        Statement::Checkpoint => {
            let version = session.engine.catalog.checkpoint()?;
            Ok(Answer::Done(format!("CHECKPOINT {version}")))
        }
        other => Err(Error::internal(format!("{other:?} brings nothing back"))),
    }
}

fn roll_back_table(session: &Session, sql: &str, written: &str, to: &PointInTime) -> Result<Answer> {
    let snapshot = session.snapshot();
    let name = session.existing_name(written);
    let table = match snapshot.table(&name).map(AsRef::as_ref) {
        Some(TableDefinition::Managed(table)) => table,
        Some(other) => {
            return Err(Error::unsupported(format!(
                "\"{written}\" is of kind {} and has no versions",
                other.kind()
            )));
        }
        None => return Err(undefined_table(&snapshot, &session.schema(), written)),
    };
    let at = session.as_of(sql, to)?;
    let to = nyala_catalog::table_at(table, &at)?.version;
    session.commit(&Command::RollbackTable { name, to })?;
    Ok(Answer::Done("ROLLBACK TABLE".to_owned()))
}

fn roll_back_catalog(session: &Session, sql: &str, to: &PointInTime) -> Result<Answer> {
    let to = session.snapshot().at(&session.as_of(sql, to)?)?.version;
    session.commit(&Command::RollbackCatalog { to })?;
    Ok(Answer::Done(format!("ROLLBACK CATALOG TO VERSION {to}")))
}

fn undrop(session: &Session, kind: ObjectKind, written: &str, renamed: Option<&str>) -> Result<Answer> {
    let (name, renamed) = match kind {
        ObjectKind::Table => {
            let snapshot = session.snapshot();
            let own = join_name(&session.schema(), written);
            let dropped = |name: &str| {
                let mut retired = snapshot.retired.iter();
                retired.any(|((_, kind, of), it)| *kind == ObjectKind::Table && of == name && it.is_dropped)
            };
            let is_own = !written.contains('.') && dropped(&own);
            let name = if is_own { own } else { session.existing_name(written) };
            (name, renamed.map(|renamed| session.new_name(renamed)).transpose()?)
        }
        _ => (written.to_owned(), renamed.map(str::to_owned)),
    };
    session.commit(&Command::Undrop { kind, name, renamed })?;
    Ok(Answer::Done("UNDROP".to_owned()))
}
