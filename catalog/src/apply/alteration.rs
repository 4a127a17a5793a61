//! ALTER TABLE.

use std::sync::Arc;

use nyala_schema::id::ColumnId;
use nyala_schema::managed::{
    ColumnSummary, ManagedTable, NewColumn, TableAlteration, TableColumn, TableOperation, TableShape,
};
use nyala_schema::type_name::sql_identifier;
use nyala_schema::{Error, ErrorCode, Result};

use super::conflict::conflict;
use super::version::Rows;
use super::{comment, identifier, shape, summary, table, version};
use crate::snapshot::Snapshot;

/// A new version of the table when its shape changes; properties have no versions.
pub(super) fn alter(
    next: &mut Snapshot,
    name: &str,
    alteration: &TableAlteration,
    requires: Option<u64>,
) -> Result<()> {
    let (catalog_version, at_ms) = (next.version, next.at_ms);
    let table = table::managed_mut(next, name)?;
    if let Some(required) = requires.filter(|required| *required != table.version) {
        let version = table.version;
        return Err(conflict(format!(
            "the table \"{name}\" has changed from version {required} to {version}"
        )));
    }
    let before = Arc::clone(&table.shape);
    perform(table, alteration, requires.is_some())
        .map_err(|error| error.context(format!("table \"{name}\"")))?;
    if table.shape != before {
        version::push(table, catalog_version, at_ms, TableOperation::Alter, Rows::default());
        version::expire_some(table, at_ms, 0);
    }
    if let TableAlteration::RenameColumn { from, to } = alteration {
        comment::rename_column(next, name, from, to);
    }
    Ok(())
}

/// `is_checked`: somebody has looked at the rows of this very version.
fn perform(table: &mut ManagedTable, alteration: &TableAlteration, is_checked: bool) -> Result<()> {
    match alteration {
        TableAlteration::AddColumn { column, if_not_exists } => add_column(table, column, *if_not_exists),
        TableAlteration::DropColumn { name, if_exists } => drop_column(table, name, *if_exists),
        TableAlteration::RenameColumn { from, to } => rename_column(table, from, to),
        TableAlteration::SetDefault { column, default } => {
            column_mut(table, column)?.default.clone_from(default);
            Ok(())
        }
        TableAlteration::SetNullable { column, nullable } => {
            set_nullable(table, column, *nullable, is_checked)
        }
        TableAlteration::AddCheck(check) => {
            if table.shape.checks.iter().any(|existing| existing.name == check.name) {
                return Err(shape::duplicate_check(check));
            }
            require_checked(table, is_checked, "ADD CHECK")?;
            shape_mut(table).checks.push(check.clone());
            Ok(())
        }
        TableAlteration::DropCheck { name, if_exists } => drop_check(table, name, *if_exists),
        TableAlteration::SetSortBy(sort_by) => {
            shape::require_sort_columns(&table.shape, sort_by)?;
            shape_mut(table).sort_by.clone_from(sort_by);
            Ok(())
        }
        TableAlteration::SetProperties(changes) => {
            let properties = Arc::make_mut(&mut table.properties);
            changes.iter().try_for_each(|(name, value)| match value {
                Some(value) => properties.set(name, value),
                None => properties.reset(name),
            })
        }
    }
}

fn shape_mut(table: &mut ManagedTable) -> &mut TableShape {
    Arc::make_mut(&mut table.shape)
}

fn column_mut<'a>(table: &'a mut ManagedTable, name: &str) -> Result<&'a mut TableColumn> {
    let Some(at) = table.shape.columns.iter().position(|column| column.name == name) else {
        return Err(shape::undefined_column(&table.shape, name));
    };
    Ok(&mut shape_mut(table).columns[at])
}

fn add_column(table: &mut ManagedTable, new: &NewColumn, if_not_exists: bool) -> Result<()> {
    if table.shape.column(&new.name).is_some() {
        return if if_not_exists { Ok(()) } else { Err(shape::duplicate_column(&new.name)) };
    }
    shape::require_name(&new.name)?;
    let initial = new.initial.as_ref().filter(|value| !value.is_null());
    if let Some(value) = initial.filter(|value| *value.data_type() != new.data_type) {
        let message = format!("the first value of the column \"{}\" is of another type", new.name);
        return Err(Error::new(ErrorCode::DatatypeMismatch, message).with_hint(format!(
            "it is {}, the column {}",
            value.data_type(),
            new.data_type
        )));
    }
    if !new.nullable && initial.is_none() && table.summary.rows > 0 {
        let message = format!("the column \"{}\" would be NULL in rows that are there", new.name);
        return Err(Error::new(ErrorCode::NotNullViolation, message)
            .with_hint("give it a DEFAULT, or add it without NOT NULL"));
    }
    let shape = shape_mut(table);
    let Some(next_column) = shape.next_column.checked_add(1) else {
        return Err(Error::new(ErrorCode::TooComplex, "the table has no more numbers for columns"));
    };
    let column = TableColumn {
        id: ColumnId(shape.next_column),
        name: new.name.clone(),
        data_type: new.data_type.clone(),
        nullable: new.nullable,
        default: new.default.clone(),
        initial: initial.cloned(),
    };
    shape.next_column = next_column;
    shape.columns.push(column.clone());
    shape::require_room(shape)?;
    summary::add_column(Arc::make_mut(&mut table.summary), &column);
    Ok(())
}

fn drop_column(table: &mut ManagedTable, name: &str, if_exists: bool) -> Result<()> {
    let Some(column) = table.shape.column(name) else {
        return if if_exists { Ok(()) } else { Err(shape::undefined_column(&table.shape, name)) };
    };
    let id = column.id;
    if table.shape.columns.len() == 1 {
        let message = format!("\"{name}\" is the only column");
        return Err(Error::new(ErrorCode::Dependency, message)
            .with_hint("a table needs a column: drop the table, or add another column first"));
    }
    if table.shape.partition_by.iter().any(|field| field.column == id) {
        let message = format!("the column \"{name}\" is used by PARTITIONED BY");
        return Err(
            Error::new(ErrorCode::Dependency, message).with_hint("make another table with CREATE TABLE … AS")
        );
    }
    if table.shape.sort_by.iter().any(|field| field.column == id) {
        let message = format!("the column \"{name}\" is used by SORTED BY");
        return Err(Error::new(ErrorCode::Dependency, message)
            .with_hint("change the order first: ALTER TABLE … SET SORTED BY"));
    }
    refuse_in_check(&table.shape, name)?;
    shape_mut(table).columns.retain(|column| column.id != id);
    Arc::make_mut(&mut table.summary).columns.remove(&id);
    Ok(())
}

fn rename_column(table: &mut ManagedTable, from: &str, to: &str) -> Result<()> {
    column_mut(table, from)?;
    if from == to {
        return Ok(());
    }
    shape::require_name(to)?;
    if table.shape.column(to).is_some() {
        return Err(shape::duplicate_column(to));
    }
    refuse_in_check(&table.shape, from)?;
    to.clone_into(&mut column_mut(table, from)?.name);
    Ok(())
}

fn refuse_in_check(shape: &TableShape, column: &str) -> Result<()> {
    match shape.checks.iter().find(|check| identifier::mentions(&check.sql, column)) {
        None => Ok(()),
        Some(check) => {
            let message = format!("the column \"{column}\" is used by the constraint \"{}\"", check.name);
            let name = sql_identifier(&check.name);
            Err(Error::new(ErrorCode::Dependency, message)
                .with_hint(format!("drop that first: ALTER TABLE … DROP CONSTRAINT {name}")))
        }
    }
}

fn set_nullable(table: &mut ManagedTable, name: &str, nullable: bool, is_checked: bool) -> Result<()> {
    let id = column_mut(table, name)?.id;
    let without_null = |column: &ColumnSummary| column.nulls == 0;
    let is_empty = table.summary.rows == 0;
    if !nullable && !is_empty && !table.summary.columns.get(&id).is_some_and(without_null) {
        require_checked(table, is_checked, "SET NOT NULL")?;
    }
    column_mut(table, name)?.nullable = nullable;
    Ok(())
}

/// What must hold for every row is entered only by who has looked at every row.
fn require_checked(table: &ManagedTable, is_checked: bool, what: &str) -> Result<()> {
    if is_checked || table.summary.rows == 0 {
        return Ok(());
    }
    Err(Error::internal(format!("{what} does not say in which version the rows were looked at")))
}

fn drop_check(table: &mut ManagedTable, name: &str, if_exists: bool) -> Result<()> {
    if !table.shape.checks.iter().any(|check| check.name == name) {
        if if_exists {
            return Ok(());
        }
        let names: Vec<String> = table.shape.checks.iter().map(|check| check.name.clone()).collect();
        let error = Error::new(ErrorCode::UndefinedObject, format!("there is no constraint \"{name}\""));
        return Err(crate::near_miss::with_near_miss(error, name, &names));
    }
    shape_mut(table).checks.retain(|check| check.name != name);
    Ok(())
}
