//! What an entry did, as a line.

use nyala_schema::command::{Command, CommentTarget, ObjectKind, OnConflict, Overload};
use nyala_schema::managed::{TableAlteration, TableChange, TableOperation};
use nyala_schema::table::TableDefinition;
use nyala_schema::type_name::sql_signature;

use crate::snapshot::Snapshot;

/// Of a command that has been performed on `next`.
pub(super) fn line(next: &Snapshot, command: &Command) -> String {
    match command {
        Command::CreateTable { name, definition, on_conflict } => {
            let noun = match definition {
                TableDefinition::View { .. } => "VIEW",
                TableDefinition::External(_) => "EXTERNAL TABLE",
                TableDefinition::Managed(_) => "TABLE",
            };
            format!("{} {noun} {name}", create(*on_conflict))
        }
        Command::DropTable { name, kind, .. } => {
            format!("DROP {} {name}", format!("{kind:?}").to_uppercase())
        }
        Command::RenameTable { from, to } => format!("RENAME TABLE {from} TO {to}"),
        Command::AlterTable { name, alteration, .. } => format!("ALTER TABLE {name} {}", altered(alteration)),
        Command::ChangeTable(change) => changed(next, change),
        Command::RollbackTable { name, to } => format!("ROLLBACK TABLE {name} TO VERSION {to}"),
        Command::SetSummary { name, .. } => format!("ANALYZE {name}"),
        Command::Expire { table: Some(name), .. } => format!("EXPIRE VERSIONS OF {name}"),
        Command::Expire { table: None, .. } => "EXPIRE VERSIONS".to_owned(),
        Command::CreateSchema { name, .. } => format!("CREATE SCHEMA {name}"),
        Command::DropSchema { name, cascade, .. } => {
            format!("DROP SCHEMA {name}{}", if *cascade { " CASCADE" } else { "" })
        }
        Command::Comment { target: CommentTarget::Object(kind, name), .. } => {
            format!("COMMENT ON {} {name}", noun(*kind))
        }
        Command::Comment { target: CommentTarget::Column(table, column), .. } => {
            format!("COMMENT ON COLUMN {table}.{column}")
        }
        Command::Install { .. } => "RESTORE".to_owned(),
        Command::RollbackCatalog { to } => format!("ROLLBACK CATALOG TO VERSION {to}"),
        Command::Undrop { kind, name, renamed } => match renamed {
            Some(renamed) => format!("UNDROP {} {name} AS {renamed}", noun(*kind)),
            None => format!("UNDROP {} {name}", noun(*kind)),
        },
        Command::Transaction { commands, .. } => format!("TRANSACTION of {} commands", commands.len()),
        code => of_code(code),
    }
}

fn of_code(command: &Command) -> String {
    match command {
        Command::CreateFunction { definition, on_conflict } => {
            let types = definition.arguments.iter().map(|argument| &argument.data_type);
            format!("{} FUNCTION {}", create(*on_conflict), sql_signature(&definition.name, types))
        }
        Command::AddFunctionVersion { overload, .. } => {
            format!("ALTER FUNCTION {} ADD VERSION", called(overload))
        }
        Command::SetFunctionVersion { overload, number } => {
            format!("ALTER FUNCTION {} SET VERSION {number}", called(overload))
        }
        Command::DropFunction { overload, .. } => format!("DROP FUNCTION {}", called(overload)),
        Command::CreateModule { definition, on_conflict, .. } => {
            format!("{} MODULE {}", create(*on_conflict), definition.name)
        }
        Command::DropModule { name, .. } => format!("DROP MODULE {name}"),
        Command::CreateOperator { definition, on_conflict } => {
            format!("{} OPERATOR {}", create(*on_conflict), definition.name)
        }
        Command::DropOperator { name, .. } => format!("DROP OPERATOR {name}"),
        other => format!("{other:?}"),
    }
}

fn create(on_conflict: OnConflict) -> &'static str {
    match on_conflict {
        OnConflict::Fail | OnConflict::Keep => "CREATE",
        OnConflict::Replace => "CREATE OR REPLACE",
    }
}

pub(crate) fn noun(kind: ObjectKind) -> &'static str {
    match kind {
        ObjectKind::Schema => "SCHEMA",
        ObjectKind::Table => "TABLE",
        ObjectKind::Function => "FUNCTION",
        ObjectKind::Operator => "OPERATOR",
        ObjectKind::Module => "MODULE",
    }
}

fn called(overload: &Overload) -> String {
    match &overload.arguments {
        Some(types) => sql_signature(&overload.name, types),
        None => overload.name.clone(),
    }
}

fn altered(alteration: &TableAlteration) -> String {
    match alteration {
        TableAlteration::AddColumn { column, .. } => format!("ADD COLUMN {}", column.name),
        TableAlteration::DropColumn { name, .. } => format!("DROP COLUMN {name}"),
        TableAlteration::RenameColumn { from, to } => format!("RENAME COLUMN {from} TO {to}"),
        TableAlteration::SetDefault { column, default: Some(_) } => format!("SET DEFAULT OF {column}"),
        TableAlteration::SetDefault { column, default: None } => format!("DROP DEFAULT OF {column}"),
        TableAlteration::SetNullable { column, nullable: true } => format!("DROP NOT NULL OF {column}"),
        TableAlteration::SetNullable { column, nullable: false } => format!("SET NOT NULL OF {column}"),
        TableAlteration::AddCheck(check) => format!("ADD CONSTRAINT {}", check.name),
        TableAlteration::DropCheck { name, .. } => format!("DROP CONSTRAINT {name}"),
        TableAlteration::SetSortBy(_) => "SET SORTED BY".to_owned(),
        TableAlteration::SetProperties(changes) => {
            let names: Vec<&str> = changes.iter().map(|(name, _)| name.as_str()).collect();
            format!("SET {}", names.join(", "))
        }
    }
}

/// With the rows, which the version that came of it knows.
fn changed(next: &Snapshot, change: &TableChange) -> String {
    let name = &change.table;
    let version = next.managed(name).and_then(|table| table.history.get(&table.version));
    let is_empty = change.add.is_empty() && change.remove.is_empty() && change.delete.is_empty();
    let (added, removed) =
        version.filter(|_| !is_empty).map_or((0, 0), |version| (version.rows_added, version.rows_removed));
    match change.operation {
        TableOperation::Insert => format!("INSERT INTO {name}: {}", rows(added)),
        TableOperation::Copy => format!("COPY {name}: {}", rows(added)),
        TableOperation::Overwrite => format!("INSERT OVERWRITE {name}: {} for {removed}", rows(added)),
        TableOperation::Update => format!("UPDATE {name}: {}", rows(added)),
        TableOperation::Delete => format!("DELETE FROM {name}: {}", rows(removed)),
        TableOperation::Truncate => format!("TRUNCATE {name}: {}", rows(removed)),
        TableOperation::Merge => format!("MERGE INTO {name}: {} for {removed}", rows(added)),
        TableOperation::Optimize => {
            let before = change.remove.len() + change.delete.len();
            format!("OPTIMIZE {name}: {} files for {before}", change.add.len())
        }
        TableOperation::Create | TableOperation::Alter | TableOperation::Rollback(_) => {
            format!("{} {name}: {} for {removed}", change.operation, rows(added))
        }
    }
}

fn rows(count: u64) -> String {
    if count == 1 { "1 row".to_owned() } else { format!("{count} rows") }
}
