//! Scalar expressions with their types.

use arrow::datatypes::DataType;
use datafusion_expr::expr::{Between, BinaryExpr, Case, InList, Like};
use datafusion_expr::type_coercion::binary::BinaryTypeCoercer;
use datafusion_expr::{Expr as Logical, Operator};
use nyala_schema::expr::{ArithmeticOp, CompareOp};
use nyala_schema::operator::SortKey;
use nyala_schema::{Error, Expr, Result, Value};

use super::function::{internal_call, operator_function};
use super::literal::{boolean, cast, compare, not, null};
use super::pattern::{regexp_like, similar_to};
use super::{Lowering, Scope, from_datafusion, literal};
use crate::column::plan_type;
use crate::disjunction::either;

impl Lowering<'_> {
    /// # Errors
    /// `Unsupported`, naming the construct.
    pub fn expression(&mut self, expr: &Logical, scope: &Scope<'_>) -> Result<Expr> {
        match expr {
            Logical::Alias(alias) => self.expression(&alias.expr, scope),
            Logical::Column(column) => {
                let (index, field) = scope.column(column)?;
                let data_type = self.columns.get(index).data_type.clone();
                Ok(Expr::Column { index, data_type, nullable: field.is_nullable() })
            }
            Logical::Literal(scalar, _) => Ok(Expr::Literal(literal::value(scalar)?)),
            Logical::BinaryExpr(binary) => self.binary(binary, scope),
            Logical::Like(like) => self.like(like, scope),
            Logical::SimilarTo(like) => {
                let input = self.expression(&like.expr, scope)?;
                let pattern = similar_to(&self.expression(&like.pattern, scope)?, like.escape_char)?;
                Ok(regexp_like(input, pattern, like.case_insensitive, like.negated))
            }
            Logical::Not(input) => Ok(not(self.expression(input, scope)?)),
            Logical::IsNull(input) | Logical::IsUnknown(input) => self.is_null(input, scope),
            Logical::IsNotNull(input) | Logical::IsNotUnknown(input) => Ok(not(self.is_null(input, scope)?)),
            Logical::IsTrue(input) => self.truth(CompareOp::NotDistinct, input, true, scope),
            Logical::IsFalse(input) => self.truth(CompareOp::NotDistinct, input, false, scope),
            Logical::IsNotTrue(input) => self.truth(CompareOp::Distinct, input, true, scope),
            Logical::IsNotFalse(input) => self.truth(CompareOp::Distinct, input, false, scope),
            Logical::Negative(input) => Ok(Expr::Negate(Box::new(self.expression(input, scope)?))),
            Logical::Between(between) => self.between(between, scope),
            Logical::Case(case) => self.case(case, scope),
            Logical::Cast(input) => {
                let data_type = plan_type(input.field.data_type());
                Ok(cast(self.expression(&input.expr, scope)?, data_type, false))
            }
            Logical::TryCast(input) => {
                let data_type = plan_type(input.field.data_type());
                Ok(cast(self.expression(&input.expr, scope)?, data_type, true))
            }
            Logical::ScalarFunction(function) => self.function(expr, function, scope),
            Logical::InList(list) => self.in_list(list, scope),
            Logical::ScalarSubquery(subquery) => self.scalar_subquery(subquery),
            other => Err(unsupported(other)),
        }
    }

    pub(super) fn expressions(&mut self, exprs: &[Logical], scope: &Scope<'_>) -> Result<Vec<Expr>> {
        exprs.iter().map(|expr| self.expression(expr, scope)).collect()
    }

    /// A condition as its conjuncts.
    pub(super) fn conjuncts(&mut self, expr: &Logical, scope: &Scope<'_>) -> Result<Vec<Expr>> {
        let mut parts = self.expression(expr, scope)?.conjuncts();
        parts.retain(|part| !matches!(part, Expr::Literal(value) if value.as_bool() == Some(true)));
        Ok(parts)
    }

    pub(super) fn sort_keys(
        &mut self,
        keys: &[datafusion_expr::SortExpr],
        scope: &Scope<'_>,
    ) -> Result<Vec<SortKey>> {
        let lower = |key: &datafusion_expr::SortExpr| {
            let expr = self.expression(&key.expr, scope)?;
            Ok(SortKey { expr, descending: !key.asc, nulls_first: key.nulls_first })
        };
        keys.iter().map(lower).collect()
    }

    fn is_null(&mut self, input: &Logical, scope: &Scope<'_>) -> Result<Expr> {
        Ok(Expr::IsNull(Box::new(self.expression(input, scope)?)))
    }

    fn truth(&mut self, op: CompareOp, input: &Logical, value: bool, scope: &Scope<'_>) -> Result<Expr> {
        Ok(compare(op, self.expression(input, scope)?, boolean(value)))
    }

    fn binary(&mut self, binary: &BinaryExpr, scope: &Scope<'_>) -> Result<Expr> {
        let left = self.expression(&binary.left, scope)?;
        let right = self.expression(&binary.right, scope)?;
        if let Some(op) = compare_op(binary.op) {
            return Ok(compare(op, left, right));
        }
        if let Some(op) = arithmetic_op(binary.op) {
            let data_type = result_type(binary.op, &left, &right)?;
            return Ok(Expr::Arithmetic { op, left: Box::new(left), right: Box::new(right), data_type });
        }
        if let Some(function) = operator_function(binary.op) {
            let data_type = result_type(binary.op, &left, &right)?;
            return Ok(internal_call(function, vec![left, right], data_type));
        }
        match binary.op {
            Operator::And => Ok(Expr::And(Box::new(left), Box::new(right))),
            Operator::Or => Ok(either(left, right)),
            Operator::RegexMatch => Ok(regexp_like(left, right, false, false)),
            Operator::RegexIMatch => Ok(regexp_like(left, right, true, false)),
            Operator::RegexNotMatch => Ok(regexp_like(left, right, false, true)),
            Operator::RegexNotIMatch => Ok(regexp_like(left, right, true, true)),
            Operator::LikeMatch => Ok(like(left, right, false, false)),
            Operator::ILikeMatch => Ok(like(left, right, false, true)),
            Operator::NotLikeMatch => Ok(like(left, right, true, false)),
            Operator::NotILikeMatch => Ok(like(left, right, true, true)),
            other => Err(Error::unsupported(format!("the operator {other} is not supported"))),
        }
    }

    fn like(&mut self, like: &Like, scope: &Scope<'_>) -> Result<Expr> {
        Ok(Expr::Like {
            input: Box::new(self.expression(&like.expr, scope)?),
            pattern: Box::new(self.expression(&like.pattern, scope)?),
            escape: like.escape_char,
            negated: like.negated,
            case_insensitive: like.case_insensitive,
        })
    }

    fn between(&mut self, between: &Between, scope: &Scope<'_>) -> Result<Expr> {
        let input = self.expression(&between.expr, scope)?;
        let low = self.expression(&between.low, scope)?;
        let high = self.expression(&between.high, scope)?;
        Ok(if between.negated {
            let below = compare(CompareOp::Less, input.clone(), low);
            let above = compare(CompareOp::Greater, input, high);
            Expr::Or(Box::new(below), Box::new(above))
        } else {
            let above = compare(CompareOp::GreaterOrEqual, input.clone(), low);
            let below = compare(CompareOp::LessOrEqual, input, high);
            Expr::And(Box::new(above), Box::new(below))
        })
    }

    fn case(&mut self, case: &Case, scope: &Scope<'_>) -> Result<Expr> {
        let operand = case.expr.as_ref().map(|operand| self.expression(operand, scope)).transpose()?;
        let mut branches = Vec::with_capacity(case.when_then_expr.len());
        for (when, then) in &case.when_then_expr {
            let when = self.expression(when, scope)?;
            let condition = match &operand {
                Some(operand) => compare(CompareOp::Equal, operand.clone(), when),
                None => when,
            };
            branches.push((condition, self.expression(then, scope)?));
        }
        let otherwise = case.else_expr.as_ref().map(|e| self.expression(e, scope)).transpose()?;
        let results = branches.iter().map(|(_, result)| result).chain(&otherwise);
        let mut types = results.map(Expr::data_type);
        let data_type = types.find(|data_type| *data_type != DataType::Null).unwrap_or(DataType::Null);
        for (_, result) in &mut branches {
            *result = retyped(std::mem::replace(result, boolean(true)), &data_type);
        }
        let otherwise = otherwise.map(|result| Box::new(retyped(result, &data_type)));
        Ok(Expr::Case { branches, otherwise, data_type })
    }

    fn in_list(&mut self, list: &InList, scope: &Scope<'_>) -> Result<Expr> {
        let input = self.expression(&list.expr, scope)?;
        let items = self.expressions(&list.list, scope)?;
        let data_type = input.data_type();
        let constants: Option<Vec<Value>> = items
            .iter()
            .map(|item| match item {
                Expr::Literal(value) => value.cast(&data_type).ok(),
                _ => None,
            })
            .collect();
        if let Some(values) = constants {
            return Ok(Expr::InList { input: Box::new(input), values, negated: list.negated });
        }
        let equals = items.into_iter().map(|item| compare(CompareOp::Equal, input.clone(), item));
        let any = equals.reduce(|left, right| Expr::Or(Box::new(left), Box::new(right)));
        let any = any.ok_or_else(|| Error::internal("an IN list without items"))?;
        Ok(if list.negated { not(any) } else { any })
    }
}

/// An untyped NULL takes the type that is wanted.
fn retyped(expr: Expr, data_type: &DataType) -> Expr {
    if expr.data_type() == DataType::Null { null(data_type) } else { expr }
}

fn like(input: Expr, pattern: Expr, negated: bool, case_insensitive: bool) -> Expr {
    Expr::Like { input: Box::new(input), pattern: Box::new(pattern), escape: None, negated, case_insensitive }
}

fn result_type(operator: Operator, left: &Expr, right: &Expr) -> Result<DataType> {
    let (left, right) = (left.data_type(), right.data_type());
    let data_type = BinaryTypeCoercer::new(&left, &operator, &right).get_result_type();
    Ok(plan_type(&data_type.map_err(from_datafusion)?))
}

fn compare_op(operator: Operator) -> Option<CompareOp> {
    Some(match operator {
        Operator::Eq => CompareOp::Equal,
        Operator::NotEq => CompareOp::NotEqual,
        Operator::Lt => CompareOp::Less,
        Operator::LtEq => CompareOp::LessOrEqual,
        Operator::Gt => CompareOp::Greater,
        Operator::GtEq => CompareOp::GreaterOrEqual,
        Operator::IsDistinctFrom => CompareOp::Distinct,
        Operator::IsNotDistinctFrom => CompareOp::NotDistinct,
        _ => return None,
    })
}

fn arithmetic_op(operator: Operator) -> Option<ArithmeticOp> {
    Some(match operator {
        Operator::Plus => ArithmeticOp::Add,
        Operator::Minus => ArithmeticOp::Subtract,
        Operator::Multiply => ArithmeticOp::Multiply,
        Operator::Divide => ArithmeticOp::Divide,
        Operator::Modulo => ArithmeticOp::Remainder,
        _ => return None,
    })
}

fn unsupported(expr: &Logical) -> Error {
    let (what, hint) = match expr {
        Logical::Placeholder(placeholder) => {
            return Error::unsupported(format!("the parameter {} has no value", placeholder.id))
                .with_hint("write the value in the query");
        }
        Logical::ScalarVariable(..) => ("variables", "write the value in the query"),
        Logical::Exists(_) => ("EXISTS in this place", "use it as a condition of WHERE"),
        Logical::InSubquery(_) => ("IN (SELECT …) in this place", "use it as a condition of WHERE"),
        Logical::SetComparison(_) => ("ANY and ALL over a subquery", "use EXISTS, or min and max"),
        Logical::OuterReferenceColumn(..) => {
            ("a subquery that refers to the query around it in this way", "write it as a join")
        }
        Logical::HigherOrderFunction(_) | Logical::Lambda(_) | Logical::LambdaVariable(_) => {
            ("lambda functions", "use unnest and an aggregate")
        }
        other => return Error::internal(format!("an expression that is not scalar: {other}")),
    };
    Error::unsupported(format!("{what} is not supported")).with_hint(hint)
}
