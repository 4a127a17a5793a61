//! Operator tree to pipelines.
//!
//! Operators are *produced* from the top down: each asks its input for the columns it needs and passes on what is to
//! be done with them. That is done once for every stream of rows that arrives: a union and a join that emits build
//! rows give several, which run copies of the same steps into the same states.

mod aggregate;
mod fields;
mod guest;
mod join;
mod layout;
mod leaf;
mod node;
mod output;
mod reshape;
mod sort;
mod split;
mod stream;
mod window;

use std::collections::BTreeSet;

use nyala_schema::id::OperatorId;
use nyala_schema::operator::OperatorKind;
use nyala_schema::{Error, Expr, Fragment, Result};

use crate::lower::{Layer, LayerKind};
use crate::pipeline::{Pipeline, PipelinePlan, Sink, State, Step};
use crate::state::{StateId, StateSpec};

pub(crate) use guest::key_types as guest_key_types;
use node::Node;
use output::Output;
pub use output::stream_schema;
use stream::Stream;

/// Column indices, of an operator's output unless it says otherwise.
type Columns = BTreeSet<usize>;

/// What is to be done with every stream of an operator's rows.
type Consume<'c, 'a> = &'c mut dyn FnMut(&mut Builder, Stream<'a>) -> Result<()>;

/// Makes the pipelines of a fragment, verified.
///
/// # Errors
/// `Unsupported` for operators that do not run yet; internal when a plan does not verify.
pub fn build(fragment: &Fragment) -> Result<PipelinePlan> {
    let node = Node::new(&fragment.root)?;
    let output = Output::new(&node, &fragment.output)?;
    let mut builder = Builder { states: vec![], pipelines: vec![] };
    let needed: Columns = (0..node.columns.len()).collect();
    builder.produce(&node, &needed, &mut |builder, stream| builder.output(&node, &output, stream))?;
    let plan = PipelinePlan {
        pipelines: builder.pipelines,
        states: builder.states,
        output_schema: output.schema,
        output: output.plan,
    };
    crate::verify::verify(&plan)?;
    Ok(plan)
}

struct Builder {
    states: Vec<State>,
    pipelines: Vec<Pipeline>,
}

impl Builder {
    /// Hands the operator's rows to `consume`; of its columns at least `needed` can be had.
    fn produce<'a>(&mut self, node: &'a Node<'a>, needed: &Columns, consume: Consume<'_, 'a>) -> Result<()> {
        match &node.operator.kind {
            OperatorKind::Scan(scan) => self.scan(node, scan, consume),
            OperatorKind::Values(batch) => self.values(node, batch, consume),
            OperatorKind::Series { .. } => self.series(node, consume),
            OperatorKind::Receive { from, order } => self.receive(node, *from, order, consume),
            OperatorKind::Filter { predicate } => self.filter(node, predicate, needed, consume),
            OperatorKind::Project { expressions } => self.project(node, expressions, needed, consume),
            OperatorKind::Expand { projections } => self.expand(node, projections, needed, consume),
            OperatorKind::Aggregate { .. } => self.aggregate(node, needed, consume),
            OperatorKind::Sort { keys, fetch } => self.sort(node, keys, *fetch, needed, consume),
            OperatorKind::Limit { skip, fetch } => self.limit(node, *skip, *fetch, needed, consume),
            OperatorKind::Window { .. } => self.window(node, needed, consume),
            OperatorKind::Unnest { columns, preserve_nulls } => {
                self.unnest(node, columns, *preserve_nulls, needed, consume)
            }
            OperatorKind::AtMostOneRow => self.at_most_one_row(node, needed, consume),
            OperatorKind::HashJoin(join) => self.hash_join(node, join, needed, consume),
            OperatorKind::NestedLoopJoin { kind, condition } => {
                self.nested_loop(node, *kind, condition.as_ref(), needed, consume)
            }
            OperatorKind::TableFunction { function, arguments } => {
                self.table_function(node, function, arguments, needed, consume)
            }
            OperatorKind::Guest(call) => self.guest(node, call, needed, consume),
            OperatorKind::Union => self.union(node, needed, consume),
            OperatorKind::Recursion { .. } | OperatorKind::RecursionInput { .. } => {
                Err(Error::unsupported("WITH RECURSIVE is not supported yet"))
            }
        }
    }

    fn filter<'a>(
        &mut self,
        node: &'a Node<'a>,
        predicate: &'a Expr,
        needed: &Columns,
        consume: Consume<'_, 'a>,
    ) -> Result<()> {
        let kind = LayerKind::Filter(predicate);
        self.layer(node, kind, needed, consume)
    }

    fn project<'a>(
        &mut self,
        node: &'a Node<'a>,
        expressions: &'a [Expr],
        needed: &Columns,
        consume: Consume<'_, 'a>,
    ) -> Result<()> {
        let kind = LayerKind::Project(expressions);
        self.layer(node, kind, needed, consume)
    }

    /// Leaves the work to whoever needs a column.
    fn layer<'a>(
        &mut self,
        node: &'a Node<'a>,
        kind: LayerKind<'a>,
        needed: &Columns,
        consume: Consume<'_, 'a>,
    ) -> Result<()> {
        let below = crate::lower::needed_below(&kind, needed, true);
        let layer = Layer { operator: node.operator.id, kind };
        self.produce(node.input(0)?, &below, &mut |builder, mut stream| {
            stream.layers.push(layer.clone());
            consume(builder, stream)
        })
    }

    fn add_state(&mut self, operator: OperatorId, spec: StateSpec) -> StateId {
        self.states.push(State { operator, spec });
        StateId(self.states.len() - 1)
    }

    /// Ends a stream.
    fn add_pipeline(&mut self, stream: Stream<'_>, sink: Sink) {
        let has_limit = stream.steps.iter().any(|step| matches!(step, Step::Limit { .. }));
        let sink_minds = match &sink {
            Sink::Output { .. } => true,
            Sink::Aggregate { library, .. } => !library.is_empty(),
            Sink::Build { .. } | Sink::Keep { .. } => false,
        };
        let ordered = stream.ordered && (has_limit || sink_minds);
        self.pipelines.push(Pipeline { source: stream.source, steps: stream.steps, sink, ordered });
    }
}

/// The columns that expressions read.
fn columns_of<'e>(expressions: impl IntoIterator<Item = &'e Expr>) -> Columns {
    let mut columns = Columns::new();
    for expr in expressions {
        expr.for_each_column(&mut |column| {
            columns.insert(column);
        });
    }
    columns
}
