//! From an aggregate call to an accumulator.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use arrow::array::Array;
use arrow::compute::SortOptions;
use arrow::datatypes::{DataType, Field, FieldRef, Schema};
use datafusion_common::ScalarValue;
use datafusion_expr::AggregateUDF;
use datafusion_expr::type_coercion::functions::fields_with_udf;
use datafusion_physical_expr::aggregate::{AggregateExprBuilder, AggregateFunctionExpr};
use datafusion_physical_expr::expressions::{Column, Literal};
use datafusion_physical_expr::{PhysicalExpr, PhysicalSortExpr};
use nyala_pipeline::library::GroupAccumulator;
use nyala_pipeline::state::{LibraryAggregate, physical_type};
use nyala_schema::operator::SortKey;
use nyala_schema::{Error, ErrorCode, Expr, Result, Value};

use super::distinct_count;
use super::grouped::Grouped;
use super::kept_rows::{KeptRows, Shape};
use super::text_extreme::TextExtreme;
use crate::failure::from_datafusion;
use crate::function::library_type;

static AGGREGATES: LazyLock<HashMap<String, Arc<AggregateUDF>>> = LazyLock::new(|| {
    let mut functions = HashMap::new();
    for function in datafusion_functions_aggregate::all_default_aggregate_functions() {
        for alias in function.aliases() {
            functions.insert(alias.clone(), function.clone());
        }
        functions.insert(function.name().to_owned(), function);
    }
    functions
});

/// # Errors
/// UndefinedFunction; DatatypeMismatch when the function does not take such arguments.
pub(super) fn accumulator(aggregate: &LibraryAggregate) -> Result<Box<dyn GroupAccumulator>> {
    let call = &aggregate.call;
    let function = find(&call.function.to_string())?;
    let result = physical_type(&call.data_type);
    let ordered_inside =
        matches!(function.name(), "first_value" | "last_value") || function.supports_within_group_clause();
    let extreme = matches!(function.name(), "min" | "max");
    let distinct = call.distinct && !extreme;
    if let [ty] = aggregate.argument_types.as_slice() {
        if extreme && ty.data_type == DataType::Utf8View {
            return Ok(Box::new(TextExtreme::new(function.name() == "max")));
        }
        if function.name() == "count"
            && distinct
            && call.order_by.is_empty()
            && let Some(own) = distinct_count::accumulator(&ty.data_type)
        {
            return Ok(own);
        }
    }
    let keeps_rows = distinct || (!call.order_by.is_empty() && !ordered_inside);
    let order = if ordered_inside { call.order_by.as_slice() } else { &[] };
    let request = Request {
        function: &function,
        arguments: &call.arguments,
        argument_types: aggregate.argument_types.iter().map(|ty| ty.data_type.clone()).collect(),
        order,
        order_types: aggregate.order_types.iter().map(|ty| ty.data_type.clone()).collect(),
        distinct: false,
        ignore_nulls: call.ignore_nulls,
    };
    let built = request.build()?;
    let inner = Box::new(Grouped::new(built, result)?);
    if !keeps_rows {
        return Ok(inner);
    }
    let shape = Shape {
        arguments: request.argument_types.clone(),
        order: if ordered_inside { Vec::new() } else { request.order_types.clone() },
        options: if ordered_inside { Vec::new() } else { call.order_by.iter().map(options).collect() },
        distinct,
    };
    Ok(Box::new(KeptRows::new(shape, inner)))
}

/// # Errors
/// UndefinedFunction.
pub(super) fn find(name: &str) -> Result<Arc<AggregateUDF>> {
    AGGREGATES.get(name).or_else(|| AGGREGATES.get(&name.to_lowercase())).cloned().ok_or_else(|| {
        Error::new(ErrorCode::UndefinedFunction, format!("there is no aggregate function '{name}'"))
            .with_hint("SHOW FUNCTIONS lists them")
    })
}

pub(super) fn options(key: &SortKey) -> SortOptions {
    SortOptions { descending: key.descending, nulls_first: key.nulls_first }
}

/// What an aggregate is built of.
pub(super) struct Request<'a> {
    pub function: &'a Arc<AggregateUDF>,
    pub arguments: &'a [Expr],
    pub argument_types: Vec<DataType>,
    /// Kept by the function itself.
    pub order: &'a [SortKey],
    pub order_types: Vec<DataType>,
    pub distinct: bool,
    pub ignore_nulls: bool,
}

/// An aggregate with the types in which it takes its columns: arguments, then order.
#[derive(Clone)]
pub(super) struct Built {
    pub expression: Arc<AggregateFunctionExpr>,
    pub types: Vec<DataType>,
    /// Counting rows: the function has no argument, but its accumulator wants one.
    pub counts_rows: bool,
}

impl Request<'_> {
    /// # Errors
    /// DatatypeMismatch when the function does not take such arguments.
    pub fn build(&self) -> Result<Built> {
        let fields = self.coerced();
        let counts_rows = fields.is_empty();
        let mut types: Vec<DataType> = fields.iter().map(|field| field.data_type().clone()).collect();
        let mut arguments: Vec<Arc<dyn PhysicalExpr>> = Vec::with_capacity(fields.len());
        for (index, field) in fields.iter().enumerate() {
            arguments.push(match self.arguments.get(index) {
                // Separators, percentiles and the like must be seen as constants.
                Some(Expr::Literal(value)) if index > 0 => literal(value, field.data_type())?,
                _ => Arc::new(Column::new(field.name(), index)),
            });
        }
        let mut schema = fields;
        if counts_rows {
            types.push(DataType::Int64);
            schema.push(Arc::new(Field::new("row", DataType::Int64, false)));
            arguments.push(Arc::new(Column::new("row", 0)));
        }
        let mut order = Vec::with_capacity(self.order.len());
        for (index, (key, ty)) in self.order.iter().zip(&self.order_types).enumerate() {
            let (name, ty) = (format!("o{index}"), library_type(ty));
            let expr = Arc::new(Column::new(&name, schema.len()));
            order.push(PhysicalSortExpr { expr, options: options(key) });
            schema.push(Arc::new(Field::new(name, ty.clone(), true)));
            types.push(ty);
        }
        let expression = AggregateExprBuilder::new(self.function.clone(), arguments)
            .schema(Arc::new(Schema::new(schema)))
            .alias(self.function.name())
            .order_by(order)
            .with_distinct(self.distinct)
            .with_ignore_nulls(self.ignore_nulls)
            .build()
            .map_err(from_datafusion)?;
        Ok(Built { expression: Arc::new(expression), types, counts_rows })
    }

    /// The frontend has coerced logical types; physical ones may need a step more.
    fn coerced(&self) -> Vec<FieldRef> {
        let fields: Vec<FieldRef> = self
            .argument_types
            .iter()
            .enumerate()
            .map(|(index, ty)| Arc::new(Field::new(format!("a{index}"), library_type(ty), true)))
            .collect();
        if fields.is_empty() {
            return fields;
        }
        fields_with_udf(&fields, self.function.as_ref()).unwrap_or(fields)
    }
}

fn literal(value: &Value, data_type: &DataType) -> Result<Arc<dyn PhysicalExpr>> {
    let value = value.cast(data_type)?;
    debug_assert_eq!(value.array().len(), 1);
    let value = ScalarValue::try_from_array(value.array(), 0).map_err(from_datafusion)?;
    Ok(Arc::new(Literal::new(value)))
}
