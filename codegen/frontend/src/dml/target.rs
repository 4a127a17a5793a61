//! The columns of the table that is written: found by name, with their defaults and checks.

use nyala_schema::managed::{TableColumn, TableShape};
use nyala_schema::{Error, ErrorCode, Result};
use sqlparser::ast::{Expr, SelectItem, TableFactor, TableWithJoins};

use super::tree;
use crate::parse::parse_kept_expression;
use crate::suggest::{did_you_mean, nearest, quoted};
use crate::table_read::with_row_identity;

/// A table with the name that its columns go by.
pub(super) struct Target<'a> {
    pub(super) table: &'a str,
    pub(super) shape: &'a TableShape,
}

impl<'a> Target<'a> {
    /// The position of a column.
    ///
    /// # Errors
    /// `UndefinedColumn`, with the near miss.
    pub(super) fn column(&self, name: &str) -> Result<usize> {
        self.shape.columns.iter().position(|column| column.name == name).ok_or_else(|| {
            let message = format!("there is no column {} in {}", quoted(name), quoted(self.table));
            let error = Error::new(ErrorCode::UndefinedColumn, message);
            let names = self.shape.columns.iter().map(|column| column.name.as_str());
            match nearest(name, names.clone()) {
                Some(near) => error.with_hint(did_you_mean(near)),
                None => error.with_hint(format!("it has {}", names.collect::<Vec<_>>().join(", "))),
            }
        })
    }

    /// The positions of columns that are given values.
    ///
    /// # Errors
    /// Unknown columns, and those that are there twice.
    pub(super) fn columns<'n>(&self, names: impl Iterator<Item = &'n String>) -> Result<Vec<usize>> {
        let mut positions = Vec::new();
        for name in names {
            let position = self.column(name)?;
            if positions.contains(&position) {
                let message = format!("column {} is given a value twice", quoted(name));
                return Err(Error::new(ErrorCode::DuplicateColumn, message));
            }
            positions.push(position);
        }
        Ok(positions)
    }

    /// What a column gets when nothing is said, in its type.
    ///
    /// # Errors
    /// A default that cannot be read.
    pub(super) fn default(&self, column: &TableColumn) -> Result<Expr> {
        let value = match &column.default {
            Some(sql) => {
                parse_kept_expression(sql).map_err(|error| in_table(self.table, &column.name, &error))?
            }
            None => tree::null(),
        };
        Ok(tree::cast(value, &column.data_type))
    }

    /// A value that was written, in the type of its column; its default for `None`.
    ///
    /// # Errors
    /// `InvalidText` and its like for a constant that is none of the type.
    pub(super) fn value(&self, column: usize, value: Option<&Expr>) -> Result<Expr> {
        let column = &self.shape.columns[column];
        match value {
            Some(value) => {
                super::literal::check(&column.name, &column.data_type, value)?;
                Ok(tree::cast(value.clone(), &column.data_type))
            }
            None => self.default(column),
        }
    }

    /// For each CHECK whether a row violates it; `only` says for which rows that is asked.
    ///
    /// # Errors
    /// A check that cannot be read.
    pub(super) fn checks(&self, only: Option<&Expr>) -> Result<Vec<SelectItem>> {
        let checks = self.shape.checks.iter().enumerate().map(|(index, check)| {
            let condition = parse_kept_expression(&check.sql);
            let condition = condition.map_err(|error| in_table(self.table, &check.name, &error))?;
            let violated = tree::is_false(condition);
            let violated = match only {
                Some(only) => tree::and(only.clone(), violated),
                None => violated,
            };
            Ok(tree::aliased(violated, &super::check_column(index)))
        });
        checks.collect()
    }

    /// The table itself, under `alias` if there is one, with the places of its rows.
    pub(super) fn read(&self, alias: Option<&str>) -> TableWithJoins {
        let mut table = tree::named_table(self.table);
        if let TableFactor::Table { alias: name, .. } = &mut table {
            *name = alias.map(|alias| tree::alias(alias, &[]));
        }
        tree::from(with_row_identity(table))
    }

    /// One of its columns.
    pub(super) fn old(&self, alias: Option<&str>, column: &str) -> Expr {
        let parts: Vec<&str> = match (alias, self.table.split_once('.')) {
            (Some(alias), _) => vec![alias, column],
            (None, Some((schema, table))) => vec![schema, table, column],
            (None, None) => vec![self.table, column],
        };
        Expr::CompoundIdentifier(parts.into_iter().map(tree::ident).collect())
    }
}

/// What is wrong with a text that the catalog keeps is not wrong in the statement.
fn in_table(table: &str, what: &str, error: &Error) -> Error {
    Error::new(error.code(), format!("{} of {}: {}", quoted(what), quoted(table), error.message()))
}
