//! Two tables of one name in two schemas: which of them `t.x` is of must be said.

use std::ops::ControlFlow;

use nyala_schema::{Error, ErrorCode, Result};
use sqlparser::ast::{
    Expr, Ident, ObjectName, Select, SelectItem, SelectItemQualifiedWildcardKind, TableFactor,
    TableWithJoins, Visit, Visitor,
};

use crate::diagnose::at;
use crate::locate::position_of;
use crate::normalize::ident_of;
use crate::suggest::quoted;

/// The planner would take the first of them.
///
/// # Errors
/// `AmbiguousColumn` for `t.x` where FROM has `a.t` and `b.t` without other names.
pub(crate) fn refuse_ambiguous(select: &Select) -> Result<()> {
    let mut names: Vec<(String, bool)> = Vec::new();
    select.from.iter().for_each(|table| tables_of(table, &mut names));
    let twice: Vec<String> = names
        .iter()
        .enumerate()
        .filter(|(at, (name, in_schema))| {
            names[..*at]
                .iter()
                .any(|(other, other_in_schema)| other == name && (*in_schema || *other_in_schema))
        })
        .map(|(_, (name, _))| name.clone())
        .collect();
    if twice.is_empty() {
        return Ok(());
    }
    match select.visit(&mut Ambiguous(&twice)) {
        ControlFlow::Continue(()) => wildcards(select, &twice),
        ControlFlow::Break(error) => Err(error),
    }
}

/// # Errors
/// `DuplicateTable` when a table of `tables` goes by the name that the target of a statement goes by.
pub(crate) fn refuse_name_of_target<'t>(
    target: &str,
    tables: impl IntoIterator<Item = &'t TableWithJoins>,
) -> Result<()> {
    let mut names = Vec::new();
    tables.into_iter().for_each(|table| tables_of(table, &mut names));
    if !names.iter().any(|(name, _)| name == target) {
        return Ok(());
    }
    let message =
        format!("{} is the name of the table that is changed and of one that is read", quoted(target));
    Err(Error::new(ErrorCode::DuplicateTable, message).with_hint("give one of them another name with AS"))
}

/// Names without schemas, and whether there was one.
fn tables_of(table: &TableWithJoins, names: &mut Vec<(String, bool)>) {
    for factor in std::iter::once(&table.relation).chain(table.joins.iter().map(|join| &join.relation)) {
        match factor {
            TableFactor::Table { alias: Some(alias), .. } => names.push((ident_of(&alias.name), false)),
            TableFactor::Table { name: ObjectName(parts), args: None, .. } => {
                let name = parts.last().and_then(|part| part.as_ident()).map(ident_of);
                names.extend(name.map(|name| (name, parts.len() > 1)));
            }
            TableFactor::NestedJoin { table_with_joins, .. } => tables_of(table_with_joins, names),
            _ => {}
        }
    }
}

struct Ambiguous<'a>(&'a [String]);

impl Visitor for Ambiguous<'_> {
    type Break = Error;

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<Error> {
        match expr {
            Expr::CompoundIdentifier(parts) => match parts.as_slice() {
                [table, _] if self.0.contains(&ident_of(table)) => ControlFlow::Break(ambiguous(table)),
                _ => ControlFlow::Continue(()),
            },
            _ => ControlFlow::Continue(()),
        }
    }
}

fn wildcards(select: &Select, twice: &[String]) -> Result<()> {
    for item in &select.projection {
        if let SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), _) = item
            && let [part] = name.0.as_slice()
            && let Some(table) = part.as_ident().filter(|table| twice.contains(&ident_of(table)))
        {
            return Err(ambiguous(table));
        }
    }
    Ok(())
}

fn ambiguous(table: &Ident) -> Error {
    let name = ident_of(table);
    let message = format!("{} is the name of two tables in FROM", quoted(&name));
    let error = Error::new(ErrorCode::AmbiguousColumn, message)
        .with_hint(format!("give each its own name with AS, or write the schema before it: main.{name}.x"));
    at(error, position_of(table.span.start))
}
