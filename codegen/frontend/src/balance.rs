//! Long chains of AND and OR made shallow: a tree of n operands gets depth log n, in the same order. Without that,
//! thousands of conditions would be thousands of stack frames for everyone who walks the tree.

use std::ops::ControlFlow;

use datafusion_common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion_expr::{BinaryExpr, Expr as PlanExpr, LogicalPlan, Operator};
use nyala_schema::{Error, ErrorCode, Result};
use sqlparser::ast::{BinaryOperator, Expr, Value, VisitMut, VisitorMut};

/// Chains shorter than this stay as they were written.
const CHAIN_MIN: usize = 32;
/// Levels of an expression that everything after this crate must be able to walk.
const DEPTH_MAX: usize = 500;

fn too_deep() -> Error {
    Error::new(ErrorCode::TooComplex, format!("an expression nests more than {DEPTH_MAX} levels deep"))
        .with_hint("split it into several columns of a subquery")
}

/// Balances the chains of a query, or of a part of one.
///
/// # Errors
/// `TooComplex` when an expression is still too deep.
pub(crate) fn balance_query(query: &mut impl VisitMut) -> Result<()> {
    match query.visit(&mut Balancer { depth: 0 }) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(error) => Err(error),
    }
}

struct Balancer {
    depth: usize,
}

impl VisitorMut for Balancer {
    type Break = Error;

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Error> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return ControlFlow::Break(too_deep());
        }
        if let Expr::BinaryOp { op: op @ (BinaryOperator::And | BinaryOperator::Or), .. } = expr {
            let op = op.clone();
            balance_expr(expr, &op);
        }
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, _expr: &mut Expr) -> ControlFlow<Error> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }
}

fn balance_expr(expr: &mut Expr, op: &BinaryOperator) {
    if chain_depth(expr, op) < CHAIN_MIN {
        return;
    }
    let placeholder = Expr::Value(Value::Null.into());
    let mut operands = Vec::new();
    let mut rest = vec![std::mem::replace(expr, placeholder)];
    while let Some(next) = rest.pop() {
        match next {
            Expr::BinaryOp { left, op: found, right } if found == *op => {
                rest.push(*right);
                rest.push(*left);
            }
            operand => operands.push(operand),
        }
    }
    let join = |left, right| Expr::BinaryOp { left: Box::new(left), op: op.clone(), right: Box::new(right) };
    if let Some(balanced) = reduce_balanced(operands, &join) {
        *expr = balanced;
    }
}

/// Along the left side, where the parser puts depth.
fn chain_depth(mut expr: &Expr, op: &BinaryOperator) -> usize {
    let mut depth = 0;
    while let Expr::BinaryOp { left, op: found, .. } = expr {
        if found != op {
            break;
        }
        depth += 1;
        expr = left;
    }
    depth
}

/// Joins neighbours until one is left.
fn reduce_balanced<T>(mut operands: Vec<T>, join: &impl Fn(T, T) -> T) -> Option<T> {
    while operands.len() > 1 {
        let mut joined = Vec::with_capacity(operands.len().div_ceil(2));
        let mut pairs = operands.into_iter();
        while let Some(left) = pairs.next() {
            joined.push(match pairs.next() {
                Some(right) => join(left, right),
                None => left,
            });
        }
        operands = joined;
    }
    operands.pop()
}

/// Balances the chains in a plan, after rules that make them deep again.
///
/// # Errors
/// `TooComplex` when an expression is still too deep.
pub(crate) fn balance_plan(plan: LogicalPlan) -> Result<LogicalPlan> {
    let balanced = plan
        .transform_down(|node| node.map_expressions(|expr| expr.transform_down(|e| Ok(balance_plan_expr(e)))))
        .map_err(|error| Error::internal(error.to_string()))?
        .data;
    let mut deepest = 0;
    let measured = balanced.apply(|node| {
        node.apply_expressions(|expr| {
            deepest = deepest.max(expr_depth(expr));
            Ok(TreeNodeRecursion::Continue)
        })
    });
    measured.map_err(|error| Error::internal(error.to_string()))?;
    if deepest > DEPTH_MAX { Err(too_deep()) } else { Ok(balanced) }
}

fn expr_depth(expr: &PlanExpr) -> usize {
    let mut below = 0;
    let walked = expr.apply_children(|child| {
        below = below.max(expr_depth(child));
        Ok(TreeNodeRecursion::Continue)
    });
    debug_assert!(walked.is_ok());
    below + 1
}

fn balance_plan_expr(expr: PlanExpr) -> Transformed<PlanExpr> {
    let PlanExpr::BinaryExpr(BinaryExpr { op: op @ (Operator::And | Operator::Or), .. }) = &expr else {
        return Transformed::no(expr);
    };
    let op = *op;
    if plan_chain_depth(&expr, op) < CHAIN_MIN {
        return Transformed::no(expr);
    }
    let mut operands = Vec::new();
    let mut rest = vec![expr];
    while let Some(next) = rest.pop() {
        match next {
            PlanExpr::BinaryExpr(BinaryExpr { left, op: found, right }) if found == op => {
                rest.push(*right);
                rest.push(*left);
            }
            operand => operands.push(operand),
        }
    }
    let join = |left, right| PlanExpr::BinaryExpr(BinaryExpr::new(Box::new(left), op, Box::new(right)));
    let balanced = reduce_balanced(operands, &join);
    Transformed::yes(balanced.unwrap_or_default())
}

fn plan_chain_depth(mut expr: &PlanExpr, op: Operator) -> usize {
    let mut depth = 0;
    while let PlanExpr::BinaryExpr(BinaryExpr { left, op: found, .. }) = expr {
        if *found != op {
            break;
        }
        depth += 1;
        expr = left;
    }
    depth
}
