//! INTERSECT ALL and EXCEPT ALL: equal rows are numbered, and then the plain operation does.
//!
//! `L EXCEPT ALL R` keeps as many copies of a row as L has more than R. With the copies of each row numbered from 1 on
//! both sides, `EXCEPT` of the numbered rows leaves just those, and `INTERSECT` the common ones.

use sqlparser::ast::{Expr, Ident, Query, SelectItem, SetExpr, SetOperator, SetQuantifier, TableFactor};
use sqlparser::parser::Parser;

use crate::dialect::NyalaDialect;

/// Rewrites the operation where the columns of its left side are known by name; elsewhere leaves it as it is.
pub(crate) fn number_copies(body: &mut SetExpr) {
    let SetExpr::SetOperation { op, set_quantifier, left, right } = body else { return };
    number_copies(left);
    number_copies(right);
    if !is_multiset(*op, *set_quantifier) {
        return;
    }
    let Some(names) = column_names(left) else { return };
    let (Some(numbered_left), Some(numbered_right)) =
        (numbered(left, names.len()), numbered(right, names.len()))
    else {
        return;
    };
    let plain = SetExpr::SetOperation {
        op: *op,
        set_quantifier: SetQuantifier::None,
        left: Box::new(numbered_left),
        right: Box::new(numbered_right),
    };
    let shown: Vec<String> = names.iter().enumerate().map(|(n, name)| format!("c{n} AS {name}")).collect();
    let columns = column_list(names.len());
    let text = format!("SELECT {} FROM (SELECT 1) AS numbered ({columns}, copy)", shown.join(", "));
    if let Some(outer) = select_from(&text, plain) {
        *body = outer;
    }
}

/// Whether an operation counts equal rows in a way that the planner would not.
pub(crate) fn is_multiset(op: SetOperator, quantifier: SetQuantifier) -> bool {
    quantifier == SetQuantifier::All && !matches!(op, SetOperator::Union)
}

/// The names of the first SELECT, which are those of the whole; `None` when one is a wildcard.
fn column_names(side: &SetExpr) -> Option<Vec<Ident>> {
    match side {
        SetExpr::Select(select) => select.projection.iter().map(item_name).collect(),
        SetExpr::Query(query) => column_names(&query.body),
        SetExpr::SetOperation { left, .. } => column_names(left),
        _ => None,
    }
}

fn item_name(item: &SelectItem) -> Option<Ident> {
    match item {
        SelectItem::ExprWithAlias { alias, .. } => Some(alias.clone()),
        SelectItem::UnnamedExpr(Expr::Identifier(name)) => Some(name.clone()),
        SelectItem::UnnamedExpr(Expr::CompoundIdentifier(parts)) => parts.last().cloned(),
        _ => None,
    }
}

fn column_list(columns: usize) -> String {
    (0..columns).map(|n| format!("c{n}")).collect::<Vec<_>>().join(", ")
}

fn numbered(side: &SetExpr, columns: usize) -> Option<SetExpr> {
    let list = column_list(columns);
    let text = format!(
        "SELECT {list}, row_number() OVER (PARTITION BY {list}) AS copy FROM (SELECT 1) AS side ({list})"
    );
    select_from(&text, side.clone())
}

/// The parsed text with `body` in place of the subquery in its FROM.
fn select_from(text: &str, body: SetExpr) -> Option<SetExpr> {
    let mut query = parse(text)?;
    let SetExpr::Select(select) = query.body.as_mut() else { return None };
    let TableFactor::Derived { subquery, .. } = &mut select.from.first_mut()?.relation else { return None };
    *subquery.body = body;
    Some(*query.body)
}

fn parse(text: &str) -> Option<Box<Query>> {
    Parser::new(&NyalaDialect::PLAIN).try_with_sql(text).ok()?.parse_query().ok()
}
