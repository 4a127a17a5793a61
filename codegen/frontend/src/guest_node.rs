//! Table functions and operators of users in a logical plan.

use std::cmp::Ordering;
use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use arrow::datatypes::FieldRef;
use datafusion_common::{DFSchema, DFSchemaRef, DataFusionError, Result, ScalarValue, TableReference};
use datafusion_expr::{Expr, LogicalPlan, UserDefinedLogicalNodeCore};
use nyala_schema::expr::Volatility;
use nyala_schema::guest::{GuestFunction, GuestOperator, OperatorOutput};

/// Every row of `input` once for each row that the function gives for it: the input's columns, then the function's.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TableFunctionNode {
    pub input: LogicalPlan,
    pub function: Arc<GuestFunction>,
    /// In the function's types.
    pub arguments: Vec<Expr>,
    /// The function's columns, as they are called here.
    pub columns: Vec<(Option<TableReference>, FieldRef)>,
    schema: DFSchemaRef,
}

impl TableFunctionNode {
    pub(crate) fn new(
        input: LogicalPlan,
        function: Arc<GuestFunction>,
        arguments: Vec<Expr>,
        columns: Vec<(Option<TableReference>, FieldRef)>,
    ) -> Result<Self> {
        let schema = schema_of(fields_of(&input).chain(columns.iter().cloned()))?;
        Ok(Self { input, function, arguments, columns, schema })
    }
}

/// Nodes have no order but that equal ones are equal.
impl PartialOrd for TableFunctionNode {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        (self == other).then_some(Ordering::Equal)
    }
}

impl UserDefinedLogicalNodeCore for TableFunctionNode {
    fn name(&self) -> &str {
        "TableFunction"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        vec![&self.input]
    }

    fn schema(&self) -> &DFSchemaRef {
        &self.schema
    }

    fn expressions(&self) -> Vec<Expr> {
        self.arguments.clone()
    }

    /// What is asked of an input row alone may be asked before, unless calls would be left out that count.
    fn prevent_predicate_push_down_columns(&self) -> HashSet<String> {
        if self.function.volatility == Volatility::Volatile {
            return names(self.schema.iter().map(|(_, field)| field));
        }
        names(self.columns.iter().map(|(_, field)| field))
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "TableFunction: {}({})", self.function, listed(&self.arguments))
    }

    fn with_exprs_and_inputs(&self, exprs: Vec<Expr>, inputs: Vec<LogicalPlan>) -> Result<Self> {
        let [input] = <[LogicalPlan; 1]>::try_from(inputs).map_err(|_| wrong_inputs(self.name()))?;
        Self::new(input, Arc::clone(&self.function), exprs, self.columns.clone())
    }
}

/// A user's operator over any number of inputs.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct GuestOperatorNode {
    pub operator: Arc<GuestOperator>,
    /// In the order and types of the operator's.
    pub parameters: Vec<ScalarValue>,
    pub inputs: Vec<GuestNodeInput>,
    schema: DFSchemaRef,
}

/// A table argument: without `partition_by` it is one partition.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct GuestNodeInput {
    pub plan: LogicalPlan,
    pub partition_by: Vec<Expr>,
    pub order_by: Vec<GuestOrder>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct GuestOrder {
    pub expr: Expr,
    pub descending: bool,
    pub nulls_first: bool,
}

impl GuestOperatorNode {
    pub(crate) fn new(
        operator: Arc<GuestOperator>,
        parameters: Vec<ScalarValue>,
        inputs: Vec<GuestNodeInput>,
    ) -> Result<Self> {
        let own = operator.output.own_columns().iter().map(|field| (None, Arc::clone(field)));
        let passed = match &operator.output {
            OperatorOutput::Extends(_) | OperatorOutput::LikeInput(_) => inputs.first(),
            OperatorOutput::Columns(_) => None,
        };
        let is_new = matches!(operator.output, OperatorOutput::LikeInput(_));
        let passed = passed.into_iter().flat_map(|input| fields_of(&input.plan)).map(|(qualifier, field)| {
            let nullable = field.is_nullable() || is_new;
            (qualifier, Arc::new(field.as_ref().clone().with_nullable(nullable)))
        });
        let schema = schema_of(passed.chain(own))?;
        Ok(Self { operator, parameters, inputs, schema })
    }
}

/// Nodes have no order but that equal ones are equal.
impl PartialOrd for GuestOperatorNode {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        (self == other).then_some(Ordering::Equal)
    }
}

impl UserDefinedLogicalNodeCore for GuestOperatorNode {
    fn name(&self) -> &str {
        "Operator"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        self.inputs.iter().map(|input| &input.plan).collect()
    }

    fn schema(&self) -> &DFSchemaRef {
        &self.schema
    }

    fn expressions(&self) -> Vec<Expr> {
        let keys = |input: &GuestNodeInput| {
            let order = input.order_by.iter().map(|key| key.expr.clone());
            input.partition_by.iter().cloned().chain(order).collect::<Vec<_>>()
        };
        self.inputs.iter().flat_map(keys).collect()
    }

    /// A row's result may depend on its neighbours, so that only whole partitions may be left out: by the keys that
    /// the one input is partitioned by, where they are handed on.
    fn prevent_predicate_push_down_columns(&self) -> HashSet<String> {
        let mut kept = names(self.schema.iter().map(|(_, field)| field));
        let ([input], OperatorOutput::Extends(_)) = (self.inputs.as_slice(), &self.operator.output) else {
            return kept;
        };
        for key in &input.partition_by {
            let Expr::Column(column) = key else { continue };
            let named = self.schema.iter().filter(|(_, field)| *field.name() == column.name).count();
            if named == 1 {
                kept.remove(&column.name);
            }
        }
        kept
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "Operator: {}(", self.operator)?;
        for (index, (parameter, value)) in self.operator.parameters.iter().zip(&self.parameters).enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            write!(f, "{comma}{} => {value}", parameter.name)?;
        }
        f.write_str(")")?;
        for input in &self.inputs {
            let order: Vec<String> = input.order_by.iter().map(ToString::to_string).collect();
            write!(f, " partition=[{}] order=[{}]", listed(&input.partition_by), order.join(", "))?;
        }
        Ok(())
    }

    fn with_exprs_and_inputs(&self, exprs: Vec<Expr>, inputs: Vec<LogicalPlan>) -> Result<Self> {
        if inputs.len() != self.inputs.len() {
            return Err(wrong_inputs(self.name()));
        }
        let mut exprs = exprs.into_iter();
        let mut next = || exprs.next().ok_or_else(|| wrong_inputs(self.name()));
        let mut changed = Vec::with_capacity(inputs.len());
        for (input, plan) in self.inputs.iter().zip(inputs) {
            let partition_by = input.partition_by.iter().map(|_| next()).collect::<Result<_>>()?;
            let order = input.order_by.iter().map(|key| Ok(GuestOrder { expr: next()?, ..key.clone() }));
            let order_by = order.collect::<Result<_>>()?;
            changed.push(GuestNodeInput { plan, partition_by, order_by });
        }
        Self::new(Arc::clone(&self.operator), self.parameters.clone(), changed)
    }
}

impl fmt::Display for GuestOrder {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let direction = if self.descending { "DESC" } else { "ASC" };
        let nulls = if self.nulls_first { "FIRST" } else { "LAST" };
        write!(f, "{} {direction} NULLS {nulls}", self.expr)
    }
}

fn fields_of(plan: &LogicalPlan) -> impl Iterator<Item = (Option<TableReference>, FieldRef)> {
    plan.schema().iter().map(|(qualifier, field)| (qualifier.cloned(), Arc::clone(field)))
}

fn schema_of(fields: impl Iterator<Item = (Option<TableReference>, FieldRef)>) -> Result<DFSchemaRef> {
    Ok(Arc::new(DFSchema::new_with_metadata(fields.collect(), Default::default())?))
}

fn names<'a>(fields: impl Iterator<Item = &'a FieldRef>) -> HashSet<String> {
    fields.map(|field| field.name().clone()).collect()
}

fn listed(exprs: &[Expr]) -> String {
    exprs.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn wrong_inputs(node: &str) -> DataFusionError {
    DataFusionError::Internal(format!("{node} was given another number of inputs or expressions"))
}
