//! One logical node at a time.

use datafusion_common::DFSchema;
use datafusion_expr::logical_plan::{Distinct, FetchType, Limit, Projection, SkipType};
use datafusion_expr::{Expr as Logical, LogicalPlan};
use nyala_schema::{Error, Expr, Result};

use super::{Lowered, Lowering, Scope, from_datafusion};
use crate::column::ColumnId;
use crate::relation::{Relation, RelationKind};

impl Lowering<'_> {
    /// # Errors
    /// `Unsupported`, naming the construct.
    pub fn query(&mut self, plan: &LogicalPlan) -> Result<Lowered> {
        match plan {
            LogicalPlan::Projection(projection) => self.projection(projection),
            LogicalPlan::Filter(filter) => {
                let input = self.query(&filter.input)?;
                self.filter(input, filter.input.schema(), &filter.predicate)
            }
            LogicalPlan::TableScan(scan) => self.scan(scan),
            LogicalPlan::Aggregate(aggregate) => self.aggregate(aggregate),
            LogicalPlan::Distinct(Distinct::All(input)) => {
                let input = self.query(input)?;
                Ok(self.distinct(input))
            }
            LogicalPlan::Distinct(Distinct::On(distinct)) => self.distinct_on(distinct),
            LogicalPlan::Sort(sort) => {
                let input = self.query(&sort.input)?;
                let keys = self.sort_keys(&sort.expr, &Scope::new(sort.input.schema(), &input.columns))?;
                let relation = Box::new(self.with_subqueries(input.relation));
                let fetch = sort.fetch.map(|rows| rows as u64);
                let relation = Relation::new(RelationKind::Sort { input: relation, keys, fetch });
                Ok(Lowered { relation, columns: input.columns })
            }
            LogicalPlan::Limit(limit) => self.limit(limit),
            LogicalPlan::Join(join) => self.join(join),
            LogicalPlan::Union(union) => self.union(union),
            LogicalPlan::Values(values) => self.values(values),
            LogicalPlan::EmptyRelation(empty) => self.empty_relation(empty),
            LogicalPlan::SubqueryAlias(alias) => self.query(&alias.input),
            LogicalPlan::Subquery(subquery) => self.query(&subquery.subquery),
            LogicalPlan::Window(window) => self.window(window),
            LogicalPlan::Unnest(unnest) => self.unnest(unnest),
            LogicalPlan::Extension(extension) => self.extension(extension),
            LogicalPlan::RecursiveQuery(query) => self.recursive_query(query),
            LogicalPlan::Repartition(repartition) => self.query(&repartition.input),
            LogicalPlan::Statement(_)
            | LogicalPlan::Explain(_)
            | LogicalPlan::Analyze(_)
            | LogicalPlan::Dml(_)
            | LogicalPlan::Ddl(_)
            | LogicalPlan::Copy(_)
            | LogicalPlan::DescribeTable(_) => {
                Err(Error::internal(format!("a plan node that is not a query: {}", plan.display())))
            }
        }
    }

    pub(super) fn filter(
        &mut self,
        input: Lowered,
        schema: &DFSchema,
        predicate: &Logical,
    ) -> Result<Lowered> {
        let predicates = self.conjuncts(predicate, &Scope::new(schema, &input.columns))?;
        let relation = self.with_subqueries(input.relation).filter(predicates);
        Ok(Lowered { relation, columns: input.columns })
    }

    fn projection(&mut self, projection: &Projection) -> Result<Lowered> {
        let input = self.query(&projection.input)?;
        let scope = Scope::new(projection.input.schema(), &input.columns);
        let mut definitions = vec![];
        let mut columns = Vec::with_capacity(projection.expr.len());
        for (expr, field) in projection.expr.iter().zip(projection.schema.fields()) {
            let lowered = self.expression(expr, &scope)?;
            columns.push(self.define(lowered, field.name(), &mut definitions));
        }
        let relation = self.with_subqueries(input.relation).extend(definitions);
        Ok(Lowered { relation, columns })
    }

    /// The column that holds `expr`: itself when it is a column, otherwise a new one, added to `definitions`.
    pub(super) fn define(
        &mut self,
        expr: Expr,
        name: &str,
        definitions: &mut Vec<(ColumnId, Expr)>,
    ) -> ColumnId {
        if let Expr::Column { index, .. } = expr {
            return index;
        }
        let id = self.columns.add_new(name, expr.data_type(), expr.nullable());
        definitions.push((id, expr));
        id
    }

    fn limit(&mut self, limit: &Limit) -> Result<Lowered> {
        let not_constant = || {
            Error::unsupported("LIMIT and OFFSET take constants only")
                .with_hint("write the number of rows in the query")
        };
        let SkipType::Literal(skip) = limit.get_skip_type().map_err(from_datafusion)? else {
            return Err(not_constant());
        };
        let FetchType::Literal(fetch) = limit.get_fetch_type().map_err(from_datafusion)? else {
            return Err(not_constant());
        };
        let input = self.query(&limit.input)?;
        let relation = Relation::new(RelationKind::Limit {
            input: Box::new(input.relation),
            skip: skip as u64,
            fetch: fetch.map(|rows| rows as u64),
        });
        Ok(Lowered { relation, columns: input.columns })
    }
}
