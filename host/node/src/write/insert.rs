//! INSERT INTO and INSERT OVERWRITE.

use std::collections::BTreeSet;
use std::sync::Arc;

use nyala_frontend::Insert;
use nyala_frontend::dml::insert_query;
use nyala_schema::Result;
use nyala_schema::lookup::World;
use nyala_schema::managed::DataFile;
use nyala_schema::managed::version::TableOperation;

use super::partition::{self, PartitionFilter};
use super::pending::PendingChange;
use super::target::Target;
use super::{diagnose, literal, stream};
use crate::answer::Answer;
use crate::session::Session;

pub fn run(session: &Session, sql: &str, insert: &Insert) -> Result<Answer> {
    let rows = session.retrying(|_| {
        let target = Target::find(session, &insert.table)?;
        let operation = if insert.overwrite { TableOperation::Overwrite } else { TableOperation::Insert };
        match literal::columns(insert, &target.table().shape) {
            Some(columns) if !insert.overwrite => {
                let mut change = PendingChange::new(session, &target, operation);
                change.rows()?.write(&columns)?;
                let rows = change.rows_written();
                change.commit()?;
                Ok(rows)
            }
            _ => write(session, &session.tables(), sql, insert, &target, operation),
        }
    })?;
    Ok(Answer::Done(format!("INSERT {rows}")))
}

/// Runs the query of an INSERT and adds its rows. Gives how many there were.
pub fn write(
    session: &Session,
    world: &dyn World,
    sql: &str,
    insert: &Insert,
    target: &Target,
    operation: TableOperation,
) -> Result<u64> {
    let query = insert_query(insert, &target.table().shape)?;
    let mut change = PendingChange::new(session, target, operation);
    let streamed =
        stream::each_batch(session, world, sql, &query, |batch| change.rows()?.write(batch.columns()));
    diagnose::naming_column(session, world, sql, &query, target, streamed)?;
    let rows = change.rows_written();
    if insert.overwrite {
        overwrite(session, sql, insert, target, &mut change)?;
    }
    change.commit()?;
    Ok(rows)
}

/// Takes away what stands where the new rows go: everything, or the partitions that they are of and the one that the
/// statement names.
fn overwrite(
    session: &Session,
    sql: &str,
    insert: &Insert,
    target: &Target,
    change: &mut PendingChange<'_>,
) -> Result<()> {
    let table = target.table();
    change.require_version();
    if table.shape.partition_by.is_empty() {
        change.remove(table.files.iter());
        return Ok(());
    }
    let named = PartitionFilter::new(session, sql, target, &insert.partition)?;
    let names_one = named.is_whole(&table.shape);
    let coming: BTreeSet<String> = change.finish_rows()?.iter().map(key_of).collect();
    let goes = |file: &&Arc<DataFile>| coming.contains(&key_of(file)) || names_one && named.matches(file);
    change.remove(table.files.iter().filter(goes));
    Ok(())
}

fn key_of(file: &DataFile) -> String {
    partition::key(&file.partition)
}
