//! Fragments from a plan whose ways have been chosen: at each move a fragment ends, and another receives its rows.

use std::sync::Arc;

use arrow::datatypes::{Field, Schema, SchemaRef};
use nyala_schema::fragment::{FragmentOutput, Placement};
use nyala_schema::id::{FragmentId, OperatorId};
use nyala_schema::operator::{AggregateCall, AggregateMode, OperatorKind};
use nyala_schema::{Error, Expr, Fragment, Operator, Result, Value};

use super::choice::{Choices, Input};
use super::cost::Move;
use super::location::Location;
use super::step::Step;
use super::tidy::tidy;

/// The fragments of a plan, the client's first, each before those that send to it.
pub fn cut(root: Operator, choices: &Choices, way: Input, catalog_version: u64) -> Result<Vec<Fragment>> {
    let mut cutter = Cutter { catalog_version, fragments: vec![], made: 1 };
    let names = root.schema.clone();
    let mut root = cutter.moved(root, choices, &way, FragmentId(0))?;
    root.schema = names;
    cutter.fragments.push(Fragment::whole(root, catalog_version));
    let mut fragments = cutter.fragments;
    fragments.sort_by_key(|fragment| fragment.id);
    let mut next = 0;
    let finish = |mut fragment: Fragment| {
        fragment.root = tidy(fragment.root);
        number(&mut fragment.root, &mut next);
        forget_histograms(&mut fragment.root);
        fragment
    };
    Ok(fragments.into_iter().map(finish).collect())
}

/// Parents before children, over all fragments.
fn number(operator: &mut Operator, next: &mut u32) {
    operator.id = OperatorId(*next);
    *next += 1;
    operator.inputs.iter_mut().for_each(|input| number(input, next));
}

/// Planning is over: what scans need of statistics are bounds and counts.
fn forget_histograms(operator: &mut Operator) {
    if let OperatorKind::Scan(scan) = &mut operator.kind {
        scan.statistics.iter_mut().for_each(|known| known.histogram = None);
    }
    operator.inputs.iter_mut().for_each(forget_histograms);
}

struct Cutter {
    catalog_version: u64,
    fragments: Vec<Fragment>,
    /// Fragments so far, unfinished ones included.
    made: u32,
}

impl Cutter {
    /// An input of an operator in the fragment `to`.
    fn moved(
        &mut self,
        operator: Operator,
        choices: &Choices,
        input: &Input,
        to: FragmentId,
    ) -> Result<Operator> {
        if input.moved == Move::Stay {
            return self.operator(operator, choices, input.way, to);
        }
        let id = self.next_fragment();
        let placement = way(choices, input.way)?.location.placement();
        let root = self.operator(operator, choices, input.way, id)?;
        Ok(self.send(root, id, placement, &input.moved, to))
    }

    fn next_fragment(&mut self) -> FragmentId {
        self.made += 1;
        FragmentId(self.made - 1)
    }

    /// Ends the fragment `id` with `root`; gives what receives its rows.
    fn send(
        &mut self,
        root: Operator,
        id: FragmentId,
        placement: Placement,
        moved: &Move,
        to: FragmentId,
    ) -> Operator {
        // Batches need a column to have a length of which nobody is in doubt.
        if root.schema.fields().is_empty() {
            let root = project(root, vec![Expr::Literal(Value::boolean(true))]);
            let receiver = self.send(root, id, placement, moved, to);
            return project(receiver, vec![]);
        }
        let output = match moved {
            Move::Stay | Move::Gather => FragmentOutput::Gather { to },
            Move::Broadcast => FragmentOutput::Broadcast { to },
            Move::Deal => FragmentOutput::RoundRobin { to },
            Move::Hash(columns) => FragmentOutput::Hash {
                to,
                keys: columns.iter().map(|&index| Expr::column(index, root.schema.field(index))).collect(),
            },
            Move::Range(ranges) => {
                FragmentOutput::Range { to, key: ranges.key.clone(), bounds: ranges.bounds.clone() }
            }
        };
        let receiver = Operator {
            id: OperatorId(0),
            kind: OperatorKind::Receive { from: id, order: vec![] },
            inputs: vec![],
            schema: root.schema.clone(),
            rows_estimated: root.rows_estimated,
        };
        let catalog_version = self.catalog_version;
        self.fragments.push(Fragment { id, catalog_version, root, output, placement });
        receiver
    }

    /// An operator with all below it, in the fragment `to`.
    fn operator(
        &mut self,
        mut operator: Operator,
        choices: &Choices,
        index: usize,
        to: FragmentId,
    ) -> Result<Operator> {
        let way = way(choices, index)?;
        let inputs = std::mem::take(&mut operator.inputs);
        if inputs.len() != way.inputs.len() {
            return Err(Error::internal(format!("{} has ways for other inputs", operator.kind)));
        }
        match &way.step {
            Step::Whole => {
                for ((input, choices), from) in inputs.into_iter().zip(&choices.inputs).zip(&way.inputs) {
                    let input = self.moved(input, choices, from, to)?;
                    operator.inputs.push(input);
                }
                Ok(operator)
            }
            Step::Split { moved, rows } => {
                let id = self.next_fragment();
                let input = self.only_input(inputs, choices, index, id)?;
                let (partial, last) = split(operator, input, *rows)?;
                let receiver = self.send(partial, id, Placement::Nodes, moved, to);
                Ok(Operator { inputs: vec![receiver], ..last })
            }
            Step::Preselect { rows } => {
                let id = self.next_fragment();
                let input = self.only_input(inputs, choices, index, id)?;
                let first = preselecting(&operator, input, *rows)?;
                let receiver = self.send(first, id, Placement::Nodes, &Move::Gather, to);
                Ok(Operator { inputs: vec![receiver], ..operator })
            }
            Step::Merge => {
                let OperatorKind::Sort { keys, fetch: None } = &operator.kind else {
                    return Err(Error::internal(format!("{} gives no order to merge by", operator.kind)));
                };
                let order = keys.clone();
                let id = self.next_fragment();
                let input = self.only_input(inputs, choices, index, id)?;
                let sorted = Operator { inputs: vec![input], ..operator };
                let receiver = self.send(sorted, id, Placement::Nodes, &Move::Gather, to);
                Ok(Operator { kind: OperatorKind::Receive { from: id, order }, ..receiver })
            }
        }
    }

    fn only_input(
        &mut self,
        inputs: Vec<Operator>,
        choices: &Choices,
        index: usize,
        to: FragmentId,
    ) -> Result<Operator> {
        let lost = || Error::internal("an operator in two steps has one input");
        let input = inputs.into_iter().next().ok_or_else(lost)?;
        let below = choices.inputs.first().ok_or_else(lost)?;
        let from = way(choices, index)?.inputs.first().ok_or_else(lost)?;
        debug_assert!(matches!(way(below, from.way)?.location, Location::Nodes(_)));
        self.moved(input, below, from, to)
    }
}

fn project(input: Operator, expressions: Vec<Expr>) -> Operator {
    let fields = expressions.iter().map(|expr| Field::new("row", expr.data_type(), false));
    Operator {
        id: OperatorId(0),
        rows_estimated: input.rows_estimated,
        schema: Arc::new(Schema::new(fields.collect::<Vec<_>>())),
        kind: OperatorKind::Project { expressions },
        inputs: vec![input],
    }
}

fn way(choices: &Choices, index: usize) -> Result<&super::choice::Way> {
    choices.ways.get(index).ok_or_else(|| Error::internal("a way that was not kept"))
}

/// The partial aggregate over `input`, and the final one without its input.
fn split(mut operator: Operator, input: Operator, rows: f64) -> Result<(Operator, Operator)> {
    operator.inputs = vec![input];
    // Both steps have the same calls, over the same columns.
    let mut operator = tidy(operator);
    let inputs = std::mem::take(&mut operator.inputs);
    let OperatorKind::Aggregate { keys, aggregates, .. } = operator.kind else {
        return Err(Error::internal(format!("{} in two steps", operator.kind)));
    };
    let schema = partial_schema(&operator.schema, keys.len(), &aggregates)?;
    let final_keys = (0..keys.len()).map(|index| Expr::column(index, schema.field(index))).collect();
    let final_kind = OperatorKind::Aggregate {
        keys: final_keys,
        aggregates: aggregates.clone(),
        mode: AggregateMode::Final,
    };
    let partial = Operator {
        id: operator.id,
        kind: OperatorKind::Aggregate { keys, aggregates, mode: AggregateMode::Partial },
        inputs,
        schema,
        rows_estimated: rows,
    };
    Ok((partial, Operator { kind: final_kind, ..operator }))
}

/// The keys, then the columns of each call's state.
pub fn partial_schema(schema: &SchemaRef, keys: usize, calls: &[AggregateCall]) -> Result<SchemaRef> {
    let mut fields: Vec<Arc<Field>> = schema.fields()[..keys].to_vec();
    for (call, field) in calls.iter().zip(&schema.fields()[keys..]) {
        let states = call.partial_fields();
        let states = states.ok_or_else(|| Error::internal(format!("{call} cannot be split")))?;
        fields.extend(states.into_iter().map(|state| {
            let name = format!("{} {}", field.name(), state.name());
            Arc::new(state.with_name(name))
        }));
    }
    Ok(Arc::new(Schema::new(fields)))
}

/// What picks rows on each node for the same operator behind it.
fn preselecting(operator: &Operator, input: Operator, rows: f64) -> Result<Operator> {
    let kind = match &operator.kind {
        OperatorKind::Limit { skip, fetch } => {
            OperatorKind::Limit { skip: 0, fetch: fetch.map(|fetch| fetch.saturating_add(*skip)) }
        }
        kind @ OperatorKind::Sort { .. } => kind.clone(),
        other => return Err(Error::internal(format!("{other} does not pick rows"))),
    };
    let schema = input.schema.clone();
    Ok(Operator { id: operator.id, kind, inputs: vec![input], schema, rows_estimated: rows })
}
