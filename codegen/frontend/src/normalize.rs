//! What a query may say in other words is put into the words that the planner knows, and what the planner would
//! silently ignore is refused.

use std::ops::ControlFlow;

use nyala_schema::error::Position;
use nyala_schema::table::TableName;
use nyala_schema::{Error, ErrorCode, Result};
use sqlparser::ast::{
    DateTimeField, Expr, ExtractSyntax, Fetch, Function, FunctionArg, FunctionArgExpr, FunctionArguments,
    GroupByExpr, Ident, LimitClause, ObjectName, ObjectNamePart, Query, Select, SelectFlavor, SelectItem,
    SetExpr, Spanned, TableFactor, TableVersion, Value, ValueWithSpan, VisitMut, VisitorMut,
    WildcardAdditionalOptions,
};

use crate::exists;
use crate::lateral;
use crate::locate::position_of;
use crate::multiset;
use crate::names::{name_columns, sort_by_columns};
use crate::same_name::refuse_ambiguous;

/// Of a query, or of a part of a statement that becomes one.
///
/// # Errors
/// `Unsupported` with the position of what is not run.
pub(crate) fn normalize_query(query: &mut impl VisitMut) -> Result<()> {
    match query.visit(&mut Normalizer::default()) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(error) => Err(error),
    }
}

/// Subqueries in expressions, each inside of the one before: the planner takes twice the time for each more.
const SUBQUERIES_MAX: usize = 12;

#[derive(Default)]
struct Normalizer {
    /// Subqueries in expressions around this place.
    in_expressions: usize,
}

impl VisitorMut for Normalizer {
    type Break = Error;

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<Error> {
        to_flow(fetch_to_limit(query).and_then(|()| refuse_in_query(query)))
    }

    fn post_visit_query(&mut self, query: &mut Query) -> ControlFlow<Error> {
        multiset::number_copies(&mut query.body);
        sort_by_columns(query);
        to_flow(refuse_multiset(&query.body))
    }

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<Error> {
        if select.flavor == SelectFlavor::FromFirstNoSelect {
            select.projection = vec![SelectItem::Wildcard(WildcardAdditionalOptions::default())];
        }
        // What a subquery in an expression gives is never seen by name.
        if self.in_expressions == 0 {
            name_columns(select);
        }
        exists::count_instead(select);
        lateral::mark_lateral(select);
        to_flow(refuse_in_select(select).and_then(|()| refuse_ambiguous(select)))
    }

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<Error> {
        to_flow(refuse_in_table_factor(factor))
    }

    fn pre_visit_value(&mut self, value: &mut ValueWithSpan) -> ControlFlow<Error> {
        match &value.value {
            Value::Placeholder(name) => ControlFlow::Break(
                unsupported(&format!("parameter {name}"), position_of(value.span.start))
                    .with_hint("put the value into the text"),
            ),
            _ => ControlFlow::Continue(()),
        }
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Error> {
        match expr {
            Expr::Collate { .. } => {
                return ControlFlow::Break(unsupported("COLLATE", position_of(expr.span().start)));
            }
            expr if is_subquery(expr) => {
                self.in_expressions += 1;
                if self.in_expressions > SUBQUERIES_MAX {
                    let message =
                        format!("subqueries in expressions nest more than {SUBQUERIES_MAX} levels deep");
                    let error = Error::new(ErrorCode::TooComplex, message);
                    return ControlFlow::Break(error.with_hint("name some of them in WITH"));
                }
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Error> {
        if is_subquery(expr) {
            self.in_expressions -= 1;
        }
        if let Expr::Function(function) = expr
            && let Some(extract) = date_part_call(function)
        {
            *expr = extract;
        }
        ControlFlow::Continue(())
    }
}

fn is_subquery(expr: &Expr) -> bool {
    matches!(expr, Expr::Subquery(_) | Expr::Exists { .. } | Expr::InSubquery { .. })
}

fn to_flow(result: Result<()>) -> ControlFlow<Error> {
    match result {
        Ok(()) => ControlFlow::Continue(()),
        Err(error) => ControlFlow::Break(error),
    }
}

fn unsupported(what: &str, position: Option<Position>) -> Error {
    let error = Error::unsupported(format!("{what} is not supported"));
    match position {
        Some(position) => error.at(position),
        None => error,
    }
}

/// `FETCH FIRST n ROWS ONLY` is `LIMIT n`.
fn fetch_to_limit(query: &mut Query) -> Result<()> {
    let Some(fetch) = query.fetch.take() else { return Ok(()) };
    let Fetch { with_ties, percent, quantity } = fetch;
    if with_ties {
        return Err(unsupported("FETCH … WITH TIES", None).with_hint("use rank() in a subquery, or QUALIFY"));
    }
    if percent {
        return Err(unsupported("FETCH … PERCENT", None));
    }
    let limit =
        Some(quantity.unwrap_or_else(|| Expr::value(sqlparser::ast::Value::Number("1".into(), false))));
    query.limit_clause = match query.limit_clause.take() {
        None => Some(LimitClause::LimitOffset { limit, offset: None, limit_by: vec![] }),
        Some(LimitClause::LimitOffset { limit: None, offset, limit_by }) => {
            Some(LimitClause::LimitOffset { limit, offset, limit_by })
        }
        Some(_) => return Err(Error::new(ErrorCode::Syntax, "LIMIT and FETCH cannot be used together")),
    };
    Ok(())
}

fn refuse_in_query(query: &Query) -> Result<()> {
    if !query.locks.is_empty() {
        return Err(
            unsupported("FOR UPDATE or FOR SHARE", None).with_hint("queries lock nothing: leave it out")
        );
    }
    if query.for_clause.is_some() {
        return Err(unsupported("FOR XML or FOR JSON", None));
    }
    match query.body.as_ref() {
        SetExpr::Insert(_) | SetExpr::Update(_) | SetExpr::Delete(_) | SetExpr::Merge(_) => Err(unsupported(
            "a statement that changes data inside of a query",
            position_of(query.span().start),
        )),
        SetExpr::Table(_) => Err(unsupported("TABLE as a query", position_of(query.span().start))
            .with_hint("write SELECT * FROM …")),
        SetExpr::Select(_) | SetExpr::Query(_) | SetExpr::SetOperation { .. } | SetExpr::Values(_) => Ok(()),
    }
}

/// What could not be rewritten would be answered wrongly.
fn refuse_multiset(body: &SetExpr) -> Result<()> {
    let SetExpr::SetOperation { op, set_quantifier, left, right } = body else { return Ok(()) };
    refuse_multiset(left)?;
    refuse_multiset(right)?;
    if multiset::is_multiset(*op, *set_quantifier) {
        return Err(unsupported("INTERSECT ALL or EXCEPT ALL of *", position_of(body.span().start))
            .with_hint("name the columns of its left side"));
    }
    Ok(())
}

fn refuse_in_select(select: &Select) -> Result<()> {
    let start = position_of(select.select_token.0.span.start);
    if let Some(into) = &select.into {
        return Err(unsupported("SELECT INTO", position_of(into.span().start))
            .with_hint("write CREATE TABLE … AS SELECT …"));
    }
    if select.top.is_some() {
        return Err(unsupported("TOP", start).with_hint("write LIMIT n at the end of the query"));
    }
    if select.value_table_mode.is_some() {
        return Err(unsupported("SELECT AS VALUE or AS STRUCT", start));
    }
    let modifiers = match &select.group_by {
        GroupByExpr::All(modifiers) | GroupByExpr::Expressions(_, modifiers) => modifiers,
    };
    if !modifiers.is_empty() {
        return Err(unsupported("GROUP BY … WITH", start).with_hint("write GROUP BY ROLLUP (…) or CUBE (…)"));
    }
    Ok(())
}

fn refuse_in_table_factor(factor: &TableFactor) -> Result<()> {
    let position = position_of(factor.span().start);
    let what = match factor {
        TableFactor::Table { sample: Some(_), .. } | TableFactor::Derived { sample: Some(_), .. } => {
            return Err(unsupported("TABLESAMPLE", position).with_hint("write WHERE random() < 0.1"));
        }
        TableFactor::Table { with_ordinality: true, .. }
        | TableFactor::Function { with_ordinality: true, .. } => {
            return Err(unsupported("WITH ORDINALITY", position).with_hint("use row_number() OVER ()"));
        }
        TableFactor::Table {
            version: Some(TableVersion::Function(_) | TableVersion::Changes { .. }),
            ..
        } => {
            return Err(unsupported("AT, BEFORE or CHANGES of a table", position)
                .with_hint("write FOR VERSION AS OF n or FOR TIMESTAMP AS OF '…'"));
        }
        TableFactor::Table { partitions, .. } if !partitions.is_empty() => "PARTITION of a table",
        TableFactor::Table { with_hints, index_hints, .. }
            if !with_hints.is_empty() || !index_hints.is_empty() =>
        {
            "a table hint"
        }
        TableFactor::Table { json_path: Some(_), .. } => "a path into a table",
        TableFactor::Table { .. }
        | TableFactor::Derived { .. }
        | TableFactor::Function { .. }
        | TableFactor::UNNEST { .. }
        | TableFactor::NestedJoin { .. } => return Ok(()),
        TableFactor::TableFunction { .. } => "TABLE(…) in FROM",
        TableFactor::Pivot { .. } => "PIVOT",
        TableFactor::Unpivot { .. } => "UNPIVOT",
        TableFactor::MatchRecognize { .. } => "MATCH_RECOGNIZE",
        TableFactor::JsonTable { .. } | TableFactor::OpenJsonTable { .. } => "JSON_TABLE",
        TableFactor::XmlTable { .. } => "XMLTABLE",
        TableFactor::SemanticView { .. } => "SEMANTIC_VIEW",
    };
    Err(unsupported(what, position))
}

/// `year(x)` and its like are `extract(year from x)`.
fn date_part_call(function: &Function) -> Option<Expr> {
    let [ObjectNamePart::Identifier(name)] = function.name.0.as_slice() else { return None };
    let field = date_part(name)?;
    let FunctionArguments::List(list) = &function.args else { return None };
    let [FunctionArg::Unnamed(FunctionArgExpr::Expr(argument))] = list.args.as_slice() else { return None };
    if function.over.is_some() || function.filter.is_some() || !list.clauses.is_empty() {
        return None;
    }
    Some(Expr::Extract { field, syntax: ExtractSyntax::From, expr: Box::new(argument.clone()) })
}

fn date_part(name: &Ident) -> Option<DateTimeField> {
    if name.quote_style.is_some() { None } else { part_of_date(&name.value.to_lowercase()) }
}

/// The part of a date that a function is called after.
pub(crate) fn part_of_date(name: &str) -> Option<DateTimeField> {
    Some(match name {
        "year" => DateTimeField::Year,
        "quarter" => DateTimeField::Quarter,
        "month" => DateTimeField::Month,
        "week" | "weekofyear" => DateTimeField::Week(None),
        "day" | "dayofmonth" => DateTimeField::Day,
        "dayofweek" | "weekday" => DateTimeField::Dow,
        "dayofyear" => DateTimeField::Doy,
        "hour" => DateTimeField::Hour,
        "minute" => DateTimeField::Minute,
        "second" => DateTimeField::Second,
        "epoch" => DateTimeField::Epoch,
        _ => return None,
    })
}

/// A table's name as it was written: `main.t` is told from `t`, which may be in another schema.
pub(crate) fn table_name_of(name: &ObjectName) -> Option<TableName> {
    match name.0.as_slice() {
        [schema, table] => Some(format!("{}.{}", ident_of(schema.as_ident()?), ident_of(table.as_ident()?))),
        _ => name_of(name),
    }
}

/// A name of one or more parts: lower-case unless it was quoted, parts joined by dots.
pub(crate) fn name_of(name: &ObjectName) -> Option<String> {
    let parts: Option<Vec<String>> = name.0.iter().map(|part| part.as_ident().map(ident_of)).collect();
    Some(parts?.join("."))
}

/// Lower-case unless it was quoted.
pub(crate) fn ident_of(ident: &Ident) -> String {
    if ident.quote_style.is_some() { ident.value.clone() } else { ident.value.to_lowercase() }
}
