//! Whether the values that a statement writes are of types that their columns can take.

use arrow::datatypes::DataType;
use datafusion_common::{DFSchema, DataFusionError};
use datafusion_expr::logical_plan::Projection;
use datafusion_expr::{Expr, ExprSchemable, LogicalPlan};
use nyala_schema::{Error, ErrorCode};

use crate::context::external;
use crate::dml::{FILE_COLUMN, SOURCE};
use crate::suggest::quoted;
use crate::types::sql_name;

/// # Errors
/// `DatatypeMismatch` with the column's name, of a query of a statement that writes; none of any other.
pub(crate) fn check_assignments(plan: &LogicalPlan) -> Result<(), DataFusionError> {
    match plan {
        LogicalPlan::Projection(projection) if writes(projection) => {
            let schema = projection.input.schema();
            projection.expr.iter().try_for_each(|expr| match expr {
                Expr::Alias(alias) => check_value(&alias.name, &alias.expr, schema),
                _ => Ok(()),
            })?;
            // The new rows may stand below their checks.
            match projection.input.as_ref() {
                LogicalPlan::SubqueryAlias(rows) => check_assignments(&rows.input),
                _ => Ok(()),
            }
        }
        LogicalPlan::Projection(projection) => check_assignments(&projection.input),
        LogicalPlan::SubqueryAlias(alias) => check_assignments(&alias.input),
        LogicalPlan::Filter(filter) => check_assignments(&filter.input),
        _ => Ok(()),
    }
}

/// Whether its columns are the new values of a table's, cast.
fn writes(projection: &Projection) -> bool {
    let source = |plan: &LogicalPlan| match plan {
        LogicalPlan::SubqueryAlias(alias) => alias.alias.table() == SOURCE,
        _ => false,
    };
    let first = projection.schema.fields().first();
    source(&projection.input) || first.is_some_and(|field| field.name() == FILE_COLUMN)
}

fn check_value(column: &str, value: &Expr, schema: &DFSchema) -> Result<(), DataFusionError> {
    match value {
        Expr::Cast(cast) => {
            let given = cast.expr.get_type(schema)?;
            let wanted = cast.field.data_type();
            if is_assignable(&given, wanted) {
                return Ok(());
            }
            let (wanted, given) = (sql_name(wanted), sql_name(&given));
            let message = format!("column {} is {wanted}, but its value is {given}", quoted(column));
            let error = Error::new(ErrorCode::DatatypeMismatch, message);
            Err(external(error.with_hint("convert the value with CAST")))
        }
        Expr::Case(case) => {
            case.when_then_expr.iter().try_for_each(|(_, value)| check_value(column, value, schema))
        }
        _ => Ok(()),
    }
}

/// What text cannot be read as is found when it is read; all else that changes its kind is probably a slip.
pub(crate) fn is_assignable(given: &DataType, wanted: &DataType) -> bool {
    let (given, wanted) = (Kind::of(given), Kind::of(wanted));
    given == wanted
        || matches!(given, Kind::Null | Kind::Text)
        || matches!(wanted, Kind::Text)
        || matches!((given, wanted), (Kind::Moment, Kind::TimeOfDay))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Null,
    Boolean,
    Number,
    Text,
    Binary,
    /// A date, or a timestamp.
    Moment,
    TimeOfDay,
    Interval,
    List,
    Struct,
    Map,
    Other,
}

impl Kind {
    fn of(data_type: &DataType) -> Self {
        match data_type {
            DataType::Null => Self::Null,
            DataType::Boolean => Self::Boolean,
            data_type if data_type.is_numeric() => Self::Number,
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Self::Text,
            DataType::Binary
            | DataType::LargeBinary
            | DataType::BinaryView
            | DataType::FixedSizeBinary(_) => Self::Binary,
            DataType::Date32 | DataType::Date64 | DataType::Timestamp(..) => Self::Moment,
            DataType::Time32(_) | DataType::Time64(_) => Self::TimeOfDay,
            DataType::Interval(_) | DataType::Duration(_) => Self::Interval,
            DataType::List(_) | DataType::LargeList(_) | DataType::FixedSizeList(..) => Self::List,
            DataType::Struct(_) => Self::Struct,
            DataType::Map(..) => Self::Map,
            DataType::Dictionary(_, value) => Self::of(value),
            _ => Self::Other,
        }
    }
}
