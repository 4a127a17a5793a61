//! What a transaction makes of the files of a table, whatever the steps were.
//!
//! A file that came in the transaction has an id that another transaction may give as well; so a commit names only files that
//! were there when the transaction began.

use std::sync::Arc;

use nyala_schema::id::FileId;
use nyala_schema::managed::{DataFile, Deletions, FileContent, ManagedTable};

#[derive(Default)]
pub struct Net {
    pub add: Vec<DataFile>,
    pub remove: Vec<FileId>,
    pub delete: Vec<(FileId, Deletions)>,
}

/// The difference between a table at the beginning and now. Costs what has changed.
pub fn between(base: &ManagedTable, now: &ManagedTable) -> Net {
    let (mut came, mut went) = (Vec::new(), Vec::new());
    for chunk in now.files.changed_chunks(&base.files) {
        came.extend(now.files.chunk(chunk).iter().filter(|file| !has(base, file)));
        went.extend(base.files.chunk(chunk).iter().filter(|file| !has(now, file)));
    }
    let mut net = Net::default();
    for file in went {
        // A delete enters the same content again with more deletions.
        let again = came.iter().position(|other| same_content(&file.content, &other.content));
        match again.and_then(|at| came[at].deletions.clone().map(|deletions| (at, deletions))) {
            Some((at, deletions)) => {
                came.swap_remove(at);
                net.delete.push((file.id, deletions));
            }
            None => net.remove.push(file.id),
        }
    }
    came.sort_by_key(|file| file.id);
    net.add = came
        .into_iter()
        .map(|file| DataFile { id: FileId(0), added_in: 0, ..file.as_ref().clone() })
        .collect();
    net
}

fn has(table: &ManagedTable, file: &Arc<DataFile>) -> bool {
    table.files.get(file.id).is_some_and(|its| Arc::ptr_eq(its, file) || its == file)
}

/// The same file or the same rows in memory, not only equal ones.
fn same_content(one: &FileContent, other: &FileContent) -> bool {
    match (one, other) {
        (FileContent::Parquet { path, .. }, FileContent::Parquet { path: other, .. }) => path == other,
        (FileContent::Rows(rows), FileContent::Rows(other)) => {
            let (columns, others) = (rows.batch.columns(), other.batch.columns());
            columns.len() == others.len()
                && columns.iter().zip(others).all(|(one, other)| Arc::ptr_eq(one, other))
        }
        _ => false,
    }
}
