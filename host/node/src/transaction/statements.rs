//! BEGIN, COMMIT, ROLLBACK and SET TRANSACTION.

use nyala_frontend::{IsolationLevel, Statement};
use nyala_schema::{Error, ErrorCode, Result};

use crate::answer::Answer;
use crate::session::Session;

pub fn run(session: &Session, statement: &Statement) -> Result<Answer> {
    let tag = match statement {
        Statement::Begin { isolation } => {
            session.begin(*isolation)?;
            "BEGIN"
        }
        Statement::Commit => {
            session.end()?;
            "COMMIT"
        }
        Statement::Rollback => {
            session.roll_back()?;
            "ROLLBACK"
        }
        Statement::SetIsolation { level, for_session } => {
            session.set_isolation(*level, *for_session)?;
            "SET"
        }
        other => return Err(Error::internal(format!("{other:?} is not about transactions"))),
    };
    Ok(Answer::Done(tag.to_owned()))
}

/// Statements that touch more than a transaction can take back.
///
/// # Errors
/// `ActiveTransaction`
pub fn refuse_inside(session: &Session, statement: &Statement) -> Result<()> {
    let name = match statement {
        Statement::Backup { .. } => "BACKUP",
        Statement::Restore { .. } => "RESTORE",
        Statement::Vacuum { .. } => "VACUUM",
        Statement::Optimize { .. } => "OPTIMIZE",
        Statement::Checkpoint => "CHECKPOINT",
        Statement::RollbackCatalog { .. } => "ROLLBACK CATALOG",
        _ => return Ok(()),
    };
    if !session.in_transaction() {
        return Ok(());
    }
    Err(Error::new(ErrorCode::ActiveTransaction, format!("{name} cannot run inside of a transaction"))
        .with_hint("COMMIT or ROLLBACK first"))
}

/// As in SET TRANSACTION.
pub fn isolation_name(level: IsolationLevel) -> &'static str {
    match level {
        IsolationLevel::ReadCommitted => "read committed",
        IsolationLevel::Snapshot => "snapshot",
        IsolationLevel::Serializable => "serializable",
    }
}
