//! EXISTS among the columns of a SELECT: the planner knows it in conditions only, so it becomes a count.

use std::ops::ControlFlow;

use sqlparser::ast::{
    BinaryOperator, Expr, GroupByExpr, Query, Select, SelectItem, SetExpr, UnaryOperator, Value, VisitMut,
    VisitorMut,
};

/// `EXISTS (SELECT … FROM t WHERE c)` becomes `(SELECT count(*) FROM t WHERE c) > 0`, where the subquery is plain enough
/// for both to be the same; others are left for the planner to refuse.
pub(crate) fn count_instead(select: &mut Select) {
    for item in &mut select.projection {
        if let SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } = item {
            let _ = expr.visit(&mut Rewriter::default());
        }
    }
}

/// Changes expressions of the SELECT itself, not of the subqueries in them.
#[derive(Default)]
struct Rewriter {
    subqueries: usize,
}

impl VisitorMut for Rewriter {
    type Break = ();

    fn pre_visit_query(&mut self, _query: &mut Query) -> ControlFlow<()> {
        self.subqueries += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _query: &mut Query) -> ControlFlow<()> {
        self.subqueries -= 1;
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if self.subqueries == 0
            && let Expr::Exists { subquery, negated } = expr
            && let Some(counting) = counting(subquery)
        {
            let compared = Expr::BinaryOp {
                left: Box::new(Expr::Subquery(Box::new(counting))),
                op: BinaryOperator::Gt,
                right: Box::new(Expr::value(Value::Number("0".into(), false))),
            };
            *expr = if *negated {
                Expr::UnaryOp { op: UnaryOperator::Not, expr: Box::new(Expr::Nested(Box::new(compared))) }
            } else {
                Expr::Nested(Box::new(compared))
            };
        }
        ControlFlow::Continue(())
    }
}

/// The query with `count(*)` for its columns; `None` where grouping, limits or set operations decide how many rows it has.
fn counting(query: &Query) -> Option<Query> {
    let mut query = query.clone();
    if query.limit_clause.is_some() || query.fetch.is_some() {
        return None;
    }
    query.order_by = None;
    let SetExpr::Select(select) = query.body.as_mut() else { return None };
    let is_grouped = !matches!(&select.group_by, GroupByExpr::Expressions(keys, _) if keys.is_empty());
    if is_grouped || select.having.is_some() || select.qualify.is_some() {
        return None;
    }
    select.distinct = None;
    select.projection = vec![SelectItem::UnnamedExpr(count_rows()?)];
    Some(query)
}

fn count_rows() -> Option<Expr> {
    let mut parser =
        sqlparser::parser::Parser::new(&crate::dialect::NyalaDialect::PLAIN).try_with_sql("count(*)").ok()?;
    parser.parse_expr().ok()
}
