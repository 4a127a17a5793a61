//! Reads of tables that a name alone does not say: as they were, and with the places of their rows.

use std::sync::Arc;

use arrow::datatypes::{Schema, SchemaRef};
use datafusion_common::{DFSchema, DataFusionError, TableReference};
use datafusion_expr::logical_plan::LogicalPlanBuilder;
use datafusion_expr::planner::{PlannedRelation, RelationPlannerContext, RelationPlanning};
use datafusion_expr::{Expr, TableSource};
use nyala_schema::lookup::{AsOf, ResolvedTable};
use nyala_schema::{Error, ErrorCode, Result};
use sqlparser::ast::{Expr as SqlExpr, Ident, Spanned, TableFactor, TableVersion, Value};

use crate::context::{external, table_name};
use crate::dml::{FILE_COLUMN, ROW_COLUMN};
use crate::locate::position_of;
use crate::point_in_time::time_of;
use crate::relation::Relations;
use crate::table::TableHandle;
use crate::view::ViewSource;

/// The last columns of a table that say where a row is.
const ROW_IDENTITY: [&str; 2] = [FILE_COLUMN, ROW_COLUMN];

/// What stands where a text has PARTITION of a table, which is refused: only statements that write make it.
const WITH_ROW_IDENTITY: &str = "$rows";

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum TableRead {
    At(AsOf),
    /// With the columns of [`ROW_IDENTITY`], which other reads of the table do not have.
    WithRowIdentity,
}

/// A table of which the places of rows are read too.
pub(crate) fn with_row_identity(mut table: TableFactor) -> TableFactor {
    if let TableFactor::Table { partitions, .. } = &mut table {
        partitions.push(Ident::new(WITH_ROW_IDENTITY));
    }
    table
}

/// Plans a table that is read so; `None` for any other.
pub(crate) fn plan_read(
    relations: &Relations,
    relation: &TableFactor,
    context: &mut dyn RelationPlannerContext,
) -> Result<Option<RelationPlanning>, DataFusionError> {
    let TableFactor::Table { name, alias, version, partitions, .. } = relation else { return Ok(None) };
    let reference = context.object_name_to_table_reference(name.clone())?;
    let table = table_name(&reference);
    let (read, key) = match version {
        Some(version) => {
            let at = as_of(relations, version, context).map_err(|error| at_expression(error, version))?;
            (TableRead::At(at), format!("{table} FOR {}", described(&at)))
        }
        None if partitions.iter().any(|part| part.value == WITH_ROW_IDENTITY) => {
            (TableRead::WithRowIdentity, format!("{table} WITH ROW IDENTITY"))
        }
        None => return Ok(None),
    };
    relations.add_read(&key, table, read);
    let key = TableReference::bare(key);
    let source = context.context_provider().get_table_source(key.clone());
    let source = source.map_err(|error| at_place(error, relation))?;
    let mut plan = LogicalPlanBuilder::scan(key, source, None)?;
    if alias.is_none() {
        plan = plan.alias(reference)?;
    }
    Ok(Some(RelationPlanning::Planned(Box::new(PlannedRelation::new(plan.build()?, alias.clone())))))
}

fn described(at: &AsOf) -> String {
    match at {
        AsOf::Version(number) => format!("VERSION AS OF {number}"),
        AsOf::Time(milliseconds) => format!("TIMESTAMP AS OF {milliseconds}"),
    }
}

fn as_of(
    relations: &Relations,
    version: &TableVersion,
    context: &mut dyn RelationPlannerContext,
) -> Result<AsOf, DataFusionError> {
    let time = match version {
        TableVersion::VersionAsOf(expr) => return version_number(expr).map_err(external),
        TableVersion::TimestampAsOf(expr) | TableVersion::ForSystemTimeAsOf(expr) => expr.clone(),
        TableVersion::Function(_) | TableVersion::Changes { .. } => {
            return Err(external(Error::unsupported("this form of a table's version is not supported")));
        }
    };
    time_of(context.sql_to_expr(time, &DFSchema::empty())?, relations.config())
}

fn version_number(expr: &SqlExpr) -> Result<AsOf> {
    let number = match expr {
        SqlExpr::Value(value) => match &value.value {
            Value::Number(text, _) => text.parse().ok(),
            _ => None,
        },
        _ => None,
    };
    number.map(AsOf::Version).ok_or_else(|| {
        Error::new(ErrorCode::InvalidParameter, "VERSION AS OF takes a whole number")
            .with_hint("SHOW HISTORY t lists the versions")
    })
}

fn at_expression(error: DataFusionError, version: &TableVersion) -> DataFusionError {
    match version {
        TableVersion::VersionAsOf(expr)
        | TableVersion::TimestampAsOf(expr)
        | TableVersion::ForSystemTimeAsOf(expr) => at_place(error, expr),
        TableVersion::Function(_) | TableVersion::Changes { .. } => error,
    }
}

/// An error of ours gets the place of what it is about.
fn at_place(error: DataFusionError, place: &impl Spanned) -> DataFusionError {
    match (error, position_of(place.span().start)) {
        (DataFusionError::External(inner), Some(position)) => match inner.downcast::<Error>() {
            Ok(ours) if ours.position().is_none() => external(ours.at(position)),
            Ok(ours) => external(*ours),
            Err(other) => DataFusionError::External(other),
        },
        (error, _) => error,
    }
}

/// A table without its columns of row identity, where it has them; `name` is what plans call it.
///
/// # Errors
/// What DataFusion has against the projection: nothing.
pub(crate) fn without_row_identity(
    table: Arc<ResolvedTable>,
    name: String,
) -> Result<Arc<dyn TableSource>, DataFusionError> {
    let Some(kept) = columns_before_identity(&table.schema) else { return Ok(Arc::new(TableHandle(table))) };
    let schema: SchemaRef = Arc::new(Schema::new(table.schema.fields()[..kept].to_vec()));
    let scan = LogicalPlanBuilder::scan(TableReference::bare(name), Arc::new(TableHandle(table)), None)?;
    let columns: Vec<Expr> = scan.schema().columns().into_iter().take(kept).map(Expr::Column).collect();
    Ok(Arc::new(ViewSource::of_plan(schema, scan.project(columns)?.build()?)))
}

/// How many columns stand before the two of row identity; `None` for a table without these.
fn columns_before_identity(schema: &Schema) -> Option<usize> {
    let kept = schema.fields().len().checked_sub(ROW_IDENTITY.len())?;
    let names = schema.fields()[kept..].iter().map(|field| field.name().as_str());
    names.eq(ROW_IDENTITY).then_some(kept)
}
