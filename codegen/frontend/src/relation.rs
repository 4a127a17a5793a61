//! What may stand in FROM beside tables and subqueries: files in quotes, functions that read files, series.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use datafusion_common::DataFusionError;
use datafusion_common::config::ConfigOptions;
use datafusion_expr::planner::{RelationPlanner, RelationPlannerContext, RelationPlanning};
use nyala_schema::function::{FunctionDefinition, OperatorDefinition};
use nyala_schema::table::TableName;
use nyala_schema::{Error, ErrorCode};
use sqlparser::ast::{
    Expr, FunctionArg, FunctionArgExpr, Ident, ObjectName, ObjectNamePart, Spanned, TableAlias,
    TableAliasColumnDef, TableFactor, TableFunctionArgs, Value,
};

use crate::call::Call;
use crate::context::external;
use crate::locate::position_of;
use crate::normalize::ident_of;
use crate::suggest::{did_you_mean, nearest, quoted};
use crate::table_argument::is_table_argument;
use crate::table_read::{TableRead, plan_read};

/// Rewrites table factors into those that the planner knows, and plans calls of what users defined.
#[derive(Debug)]
pub(crate) struct Relations {
    config: Arc<ConfigOptions>,
    known: Mutex<Known>,
}

/// What calls in FROM may mean, by name.
#[derive(Debug, Default)]
struct Known {
    functions: HashMap<String, Arc<[Arc<FunctionDefinition>]>>,
    operators: HashMap<String, Arc<OperatorDefinition>>,
    /// Of all functions and operators, where a call means none of them.
    names: Vec<String>,
    /// Tables that are read in a way of their own, by the names that they have in plans.
    reads: HashMap<String, (TableName, TableRead)>,
}

impl Relations {
    pub(crate) fn new(config: Arc<ConfigOptions>) -> Self {
        Self { config, known: Mutex::default() }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn add_function(&self, name: &str, overloads: Arc<[Arc<FunctionDefinition>]>) {
        self.known().functions.insert(name.to_owned(), overloads);
    }

    pub(crate) fn set_names(&self, names: Vec<String>) {
        self.known().names = names;
    }

    fn unknown_operator(&self, name: &str) -> Error {
        let error =
            Error::new(ErrorCode::UndefinedFunction, format!("there is no operator {}", quoted(name)));
        match nearest(name, self.known().names.iter().map(String::as_str)) {
            Some(near) => error.with_hint(did_you_mean(near)),
            None => error.with_hint("SHOW OPERATORS lists the operators"),
        }
    }

    pub(crate) fn config(&self) -> &Arc<ConfigOptions> {
        &self.config
    }

    pub(crate) fn add_read(&self, key: &str, table: TableName, read: TableRead) {
        self.known().reads.insert(key.to_owned(), (table, read));
    }

    /// The table that a name in a plan stands for, and how it is read, if not as it is.
    pub(crate) fn read(&self, key: &str) -> Option<(TableName, TableRead)> {
        self.known().reads.get(key).cloned()
    }

    pub(crate) fn add_operator(&self, name: &str, operator: Arc<OperatorDefinition>) {
        self.known().operators.insert(name.to_owned(), operator);
    }
}

impl RelationPlanner for Relations {
    fn plan_relation(
        &self,
        relation: TableFactor,
        context: &mut dyn RelationPlannerContext,
    ) -> Result<RelationPlanning, DataFusionError> {
        if let Some((name, args, alias)) = call(&relation) {
            let (function, operator) = {
                let known = self.known();
                (known.functions.get(&name).cloned(), known.operators.get(&name).cloned())
            };
            let call = Call { name, args: args.to_vec(), alias: alias.clone(), config: &self.config };
            match (operator, function) {
                (Some(operator), _) => return call.operator(&operator.operator, context),
                (None, Some(overloads)) => return call.table_function(&overloads, context),
                (None, None) if call.args.iter().any(is_table_argument) => {
                    return Err(external(self.unknown_operator(&call.name)));
                }
                (None, None) => {}
            }
        }
        if let Some(planned) = plan_read(self, &relation, context)? {
            return Ok(planned);
        }
        let rewritten = rewrite(relation).map_err(external)?;
        Ok(RelationPlanning::Original(Box::new(rewritten)))
    }
}

/// Functions that read files; the files are tables without them.
pub(crate) const FILE_FUNCTIONS: [&str; 6] =
    ["read_parquet", "parquet_scan", "read_csv", "read_csv_auto", "read_json", "read_ndjson"];

/// The name, arguments and alias of a call.
pub(crate) fn call(relation: &TableFactor) -> Option<(String, &[FunctionArg], &Option<TableAlias>)> {
    match relation {
        TableFactor::Table { name, args: Some(args), alias, .. } => {
            Some((single_ident(name).map(ident_of)?, &args.args, alias))
        }
        TableFactor::Function { name, args, alias, .. } => {
            Some((single_ident(name).map(ident_of)?, args, alias))
        }
        _ => None,
    }
}

fn rewrite(mut relation: TableFactor) -> Result<TableFactor, Error> {
    let position = position_of(relation.span().start);
    let TableFactor::Table { name, args, alias, .. } = &mut relation else { return Ok(relation) };
    if let Some(arguments) = args {
        match single_ident(name).map(|ident| ident.value.to_lowercase()).as_deref() {
            Some(function) if FILE_FUNCTIONS.contains(&function) => {
                let path = path_argument(name, arguments).map_err(|error| match position {
                    Some(position) => error.at(position),
                    None => error,
                })?;
                *name = ObjectName(vec![ObjectNamePart::Identifier(Ident::with_quote('\'', path))]);
                *args = None;
            }
            Some("generate_series" | "range") => name_column_after_alias(alias),
            _ => {}
        }
    }
    if args.is_none() && alias.is_none() {
        *alias = single_ident(name).and_then(alias_of_file);
    }
    Ok(relation)
}

fn single_ident(name: &ObjectName) -> Option<&Ident> {
    match name.0.as_slice() {
        [part] => part.as_ident(),
        _ => None,
    }
}

/// `FROM generate_series(1, 3) AS n` has a column `n`.
fn name_column_after_alias(alias: &mut Option<TableAlias>) {
    if let Some(alias) = alias
        && alias.columns.is_empty()
    {
        alias.columns.push(TableAliasColumnDef { name: alias.name.clone(), data_type: None });
    }
}

fn path_argument(name: &ObjectName, arguments: &TableFunctionArgs) -> Result<String, Error> {
    if let [FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Value(value)))] = arguments.args.as_slice()
        && let Value::SingleQuotedString(path) = &value.value
    {
        return Ok(path.clone());
    }
    Err(Error::new(ErrorCode::InvalidParameter, format!("{name} takes one path in single quotes"))
        .with_hint("options are given with CREATE EXTERNAL TABLE … OPTIONS (…)"))
}

/// What a table in FROM without another name is called in the rest of a query.
pub(crate) fn name_in_query(name: &ObjectName) -> Option<String> {
    let alias = single_ident(name).and_then(alias_of_file).map(|alias| alias.name.value);
    alias.or_else(|| name.0.last().and_then(ObjectNamePart::as_ident).map(ident_of))
}

/// A file in quotes may be called by its name without directory and ending, if that can be written without quotes.
fn alias_of_file(file: &Ident) -> Option<TableAlias> {
    if file.quote_style != Some('\'') {
        return None;
    }
    let name = file.value.rsplit('/').next()?.split('.').next()?;
    let is_plain = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    is_plain.then(|| TableAlias { explicit: false, name: Ident::new(name), columns: vec![], at: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_called_by_their_stem() {
        let alias = |file: &str| alias_of_file(&Ident::with_quote('\'', file)).map(|alias| alias.name.value);
        assert_eq!(alias("data/line_item.parquet"), Some("line_item".to_owned()));
        assert_eq!(alias("t.csv.gz"), Some("t".to_owned()));
        assert_eq!(alias("data/*.parquet"), None);
        assert_eq!(alias("2024.csv"), None);
        assert_eq!(alias("dir/"), None);
    }
}
