//! TRUNCATE: rows go file by file, without being read.

use nyala_frontend::PartitionValue;
use nyala_schema::Result;
use nyala_schema::managed::version::TableOperation;

use super::partition::PartitionFilter;
use super::pending::PendingChange;
use super::target::Target;
use crate::answer::Answer;
use crate::session::Session;

pub fn run(session: &Session, sql: &str, table: &str, partition: &[PartitionValue]) -> Result<Answer> {
    session.retrying(|_| {
        let target = Target::find(session, table)?;
        let filter = PartitionFilter::new(session, sql, &target, partition)?;
        filter.check_exists(&target)?;
        let mut change = PendingChange::new(session, &target, TableOperation::Truncate);
        change.remove(target.table().files.iter().filter(|file| filter.matches(file)));
        change.commit()
    })?;
    Ok(Answer::Done("TRUNCATE".into()))
}
