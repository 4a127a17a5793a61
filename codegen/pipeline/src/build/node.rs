//! The operator tree with what is known of every column.

use nyala_schema::guest::OperatorOutput;
use nyala_schema::operator::{AggregateCall, AggregateMode, JoinKind, Operator, OperatorKind};
use nyala_schema::{Error, Expr, Result};

use super::{fields, split};
use crate::column::Column;
use crate::lower::infer;

/// An operator with the physical types and ranges of its output, which hold for every stream of its rows.
pub(super) struct Node<'a> {
    pub operator: &'a Operator,
    pub columns: Vec<Column>,
    pub inputs: Vec<Node<'a>>,
}

impl<'a> Node<'a> {
    pub fn new(operator: &'a Operator) -> Result<Self> {
        let inputs = operator.inputs.iter().map(Node::new).collect::<Result<Vec<_>>>()?;
        let mut node = Node { operator, columns: vec![], inputs };
        node.columns = node.infer_columns()?;
        if node.columns.len() != operator.schema.fields().len() {
            return Err(Error::internal(format!(
                "operator {} has {} columns, its schema {}",
                operator.id,
                node.columns.len(),
                operator.schema.fields().len()
            )));
        }
        Ok(node)
    }

    pub fn input(&self, index: usize) -> Result<&Node<'a>> {
        self.inputs
            .get(index)
            .ok_or_else(|| Error::internal(format!("operator {} has no input {index}", self.operator.id)))
    }

    /// Known columns of the operator as its schema has them, for what the runtime or the library makes.
    fn exact_columns(&self) -> Vec<Column> {
        let fields = self.operator.schema.fields().iter();
        fields.map(|field| Column::exact(field.data_type(), field.is_nullable())).collect()
    }

    fn physical_columns(&self) -> Vec<Column> {
        self.operator.schema.fields().iter().map(|field| Column::of_scan(field, None)).collect()
    }

    fn infer_columns(&self) -> Result<Vec<Column>> {
        match &self.operator.kind {
            OperatorKind::Scan(scan) => {
                let fields = self.operator.schema.fields().iter().enumerate();
                Ok(fields.map(|(i, field)| Column::of_scan(field, scan.statistics.get(i))).collect())
            }
            OperatorKind::Values(_) | OperatorKind::Receive { .. } => Ok(self.physical_columns()),
            OperatorKind::Series { start, stop, .. } => {
                let mut columns = self.exact_columns();
                if let (Some(column), Some(a), Some(b)) =
                    (columns.first_mut(), start.as_i128(), stop.as_i128())
                {
                    *column = Column::with_range(
                        column.data_type().clone(),
                        column.nullable(),
                        crate::range::Interval::new(a.min(b), a.max(b)),
                    );
                }
                Ok(columns)
            }
            OperatorKind::Filter { .. }
            | OperatorKind::Sort { .. }
            | OperatorKind::Limit { .. }
            | OperatorKind::AtMostOneRow => Ok(self.input(0)?.columns.clone()),
            OperatorKind::Project { expressions } => self.infer_all(expressions),
            OperatorKind::Expand { projections } => {
                let variants = projections.iter().map(|list| self.infer_all(list)).collect::<Result<_>>()?;
                self.unify(variants)
            }
            OperatorKind::Aggregate { keys, aggregates, mode } => {
                self.aggregate_columns(keys, aggregates, *mode)
            }
            OperatorKind::Window { calls, .. } => {
                let mut columns = self.input(0)?.columns.clone();
                columns.extend(calls.iter().map(|call| Column::exact(&call.data_type, call.nullable)));
                Ok(columns)
            }
            OperatorKind::Unnest { columns: unnested, .. } => {
                let mut columns = self.input(0)?.columns.clone();
                for (index, column) in self.exact_columns().into_iter().enumerate() {
                    if unnested.iter().any(|one| one.index == index) {
                        columns[index] = column.or_null();
                    }
                }
                Ok(columns)
            }
            OperatorKind::TableFunction { .. } => self.extended_columns(),
            OperatorKind::Guest(call) => match call.operator.output {
                OperatorOutput::Extends(_) => self.extended_columns(),
                OperatorOutput::Columns(_) | OperatorOutput::LikeInput(_) => Ok(self.exact_columns()),
            },
            OperatorKind::HashJoin(join) => self.join_columns(join.kind),
            OperatorKind::NestedLoopJoin { kind, .. } => self.join_columns(*kind),
            OperatorKind::Union => {
                self.unify(self.inputs.iter().map(|input| input.columns.clone()).collect())
            }
            OperatorKind::Recursion { .. } | OperatorKind::RecursionInput { .. } => {
                Ok(self.physical_columns())
            }
        }
    }

    /// The input's columns as they are, then those of uploaded code.
    fn extended_columns(&self) -> Result<Vec<Column>> {
        let mut columns = self.exact_columns();
        let input = &self.input(0)?.columns;
        let behind = columns.get_mut(..input.len());
        let behind =
            behind.ok_or_else(|| Error::internal("uploaded code leaves out columns of its input"))?;
        behind.clone_from_slice(input);
        Ok(columns)
    }

    fn infer_all(&self, expressions: &[Expr]) -> Result<Vec<Column>> {
        let input = &self.input(0)?.columns;
        expressions.iter().map(|expr| infer(expr, input)).collect()
    }

    /// Columns that hold those of every variant.
    fn unify(&self, variants: Vec<Vec<Column>>) -> Result<Vec<Column>> {
        let fields = self.operator.schema.fields();
        let mut variants = variants.into_iter();
        let first = variants.next().ok_or_else(|| Error::internal("a union of nothing"))?;
        variants.try_fold(first, |known, next| {
            if known.len() != next.len() || known.len() != fields.len() {
                return Err(Error::internal("inputs of a union differ in their columns"));
            }
            let pairs = known.iter().zip(&next).zip(fields.iter());
            Ok(pairs.map(|((left, right), field)| left.unify(right, field.data_type())).collect())
        })
    }

    fn aggregate_columns(
        &self,
        keys: &[Expr],
        calls: &[AggregateCall],
        mode: AggregateMode,
    ) -> Result<Vec<Column>> {
        let input = &self.input(0)?.columns;
        let grouped = !keys.is_empty();
        match mode {
            AggregateMode::Single => {
                let mut columns = self.infer_all(keys)?;
                for call in calls {
                    columns.push(fields::result_column(call, grouped, input)?);
                }
                Ok(columns)
            }
            AggregateMode::Partial => {
                let mut columns = self.infer_all(keys)?;
                for call in calls {
                    columns.extend(split::partial_columns(call, grouped, input)?);
                }
                Ok(columns)
            }
            AggregateMode::Final => {
                let places = split::Places::new(keys.len(), calls, input.len())?;
                let mut columns = input[..keys.len()].to_vec();
                for (call, place) in calls.iter().zip(&places.calls) {
                    columns.push(split::final_column(call, &input[place.clone()])?);
                }
                Ok(columns)
            }
        }
    }

    fn join_columns(&self, kind: JoinKind) -> Result<Vec<Column>> {
        let (probe, build) = (&self.input(0)?.columns, &self.input(1)?.columns);
        let probe_null = matches!(kind, JoinKind::BuildOuter | JoinKind::FullOuter);
        let build_null = matches!(kind, JoinKind::ProbeOuter | JoinKind::FullOuter);
        let with_null = |column: &Column, null: bool| {
            if null { column.clone().or_null() } else { column.clone() }
        };
        let mut columns = vec![];
        if kind.keeps_probe_columns() {
            columns.extend(probe.iter().map(|column| with_null(column, probe_null)));
        }
        if kind.keeps_build_columns() {
            columns.extend(build.iter().map(|column| with_null(column, build_null)));
        }
        if matches!(kind, JoinKind::ProbeMark | JoinKind::BuildMark) {
            let mark = self.operator.schema.fields().last();
            columns.push(Column::of_type(
                arrow::datatypes::DataType::Boolean,
                mark.is_none_or(|field| field.is_nullable()),
            ));
        }
        Ok(columns)
    }
}
