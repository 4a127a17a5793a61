//! Small pieces of syntax trees.

use arrow::datatypes::{DataType, TimeUnit};
use nyala_schema::table::split_name;
use nyala_schema::{Error, Result};
use sqlparser::ast::helpers::attached_token::AttachedToken;
use sqlparser::ast::{
    CaseWhen, CastKind, DataType as SqlType, ExactNumberInfo, Expr, Ident, ObjectName, ObjectNamePart, Query,
    Select, SelectItem, SetExpr, TableAlias, TableAliasColumnDef, TableFactor, TableWithJoins, TimezoneInfo,
    Value,
};
use sqlparser::parser::Parser;

use crate::dialect::NyalaDialect;
use crate::normalize::table_name_of;

pub(super) fn ident(name: &str) -> Ident {
    Ident::with_quote('"', name)
}

pub(super) fn column(name: &str) -> Expr {
    Expr::Identifier(ident(name))
}

pub(super) fn number(value: i64) -> Expr {
    Expr::value(Value::Number(value.to_string(), false))
}

pub(super) fn null() -> Expr {
    Expr::value(Value::Null)
}

/// A table's name as FROM has it.
fn object_name(table: &str) -> ObjectName {
    let parts: Vec<&str> = match table.split_once('.') {
        Some((schema, table)) => vec![schema, table],
        None => vec![table],
    };
    ObjectName(parts.into_iter().map(|part| ObjectNamePart::Identifier(ident(part))).collect())
}

/// A table in FROM.
pub(super) fn named_table(table: &str) -> TableFactor {
    TableFactor::Table {
        name: object_name(table),
        alias: None,
        args: None,
        with_hints: Vec::new(),
        version: None,
        with_ordinality: false,
        partitions: Vec::new(),
        json_path: None,
        sample: None,
        index_hints: Vec::new(),
    }
}

/// The name of a table without its schema.
pub(super) fn short_name(table: &str) -> &str {
    split_name(table).1
}

pub(super) fn aliased(expr: Expr, name: &str) -> SelectItem {
    SelectItem::ExprWithAlias { expr, alias: ident(name) }
}

pub(super) fn alias(name: &str, columns: &[String]) -> TableAlias {
    let columns = columns.iter().map(|name| TableAliasColumnDef { name: ident(name), data_type: None });
    TableAlias { explicit: true, name: ident(name), columns: columns.collect(), at: None }
}

pub(super) fn derived(query: Query, alias: TableAlias) -> TableFactor {
    TableFactor::Derived { lateral: false, subquery: Box::new(query), alias: Some(alias), sample: None }
}

pub(super) fn from(relation: TableFactor) -> TableWithJoins {
    TableWithJoins { relation, joins: Vec::new() }
}

/// `SELECT projection FROM tables WHERE selection`.
pub(super) fn select(
    projection: Vec<SelectItem>,
    tables: Vec<TableWithJoins>,
    selection: Option<Expr>,
) -> Result<Select> {
    let plain = Parser::new(&NyalaDialect::PLAIN).try_with_sql("SELECT 1").and_then(|mut p| p.parse_query());
    match plain.map(|query| *query.body) {
        Ok(SetExpr::Select(plain)) => Ok(Select { projection, from: tables, selection, ..*plain }),
        _ => Err(Error::internal("SELECT 1 is no SELECT")),
    }
}

pub(super) fn query_of(body: SetExpr) -> Query {
    Query {
        with: None,
        body: Box::new(body),
        order_by: None,
        limit_clause: None,
        fetch: None,
        locks: Vec::new(),
        for_clause: None,
        settings: None,
        format_clause: None,
        pipe_operators: Vec::new(),
    }
}

pub(super) fn select_query(select: Select) -> Query {
    query_of(SetExpr::Select(Box::new(select)))
}

/// `CASE WHEN condition THEN value … ELSE otherwise END`; `otherwise` alone without conditions.
pub(super) fn case(branches: Vec<(Expr, Expr)>, otherwise: Expr) -> Expr {
    if branches.is_empty() {
        return otherwise;
    }
    Expr::Case {
        case_token: AttachedToken::empty(),
        end_token: AttachedToken::empty(),
        operand: None,
        conditions: branches.into_iter().map(|(condition, result)| CaseWhen { condition, result }).collect(),
        else_result: Some(Box::new(otherwise)),
    }
}

pub(super) fn not_null(expr: Expr) -> Expr {
    Expr::IsNotNull(Box::new(expr))
}

pub(super) fn is_null(expr: Expr) -> Expr {
    Expr::IsNull(Box::new(expr))
}

pub(super) fn and(left: Expr, right: Expr) -> Expr {
    let nested = |expr: Expr| match expr {
        expr @ (Expr::BinaryOp { .. } | Expr::UnaryOp { .. }) => Expr::Nested(Box::new(expr)),
        expr => expr,
    };
    let op = sqlparser::ast::BinaryOperator::And;
    Expr::BinaryOp { left: Box::new(nested(left)), op, right: Box::new(nested(right)) }
}

/// Whether a condition is false: NULL is not.
pub(super) fn is_false(expr: Expr) -> Expr {
    Expr::IsFalse(Box::new(Expr::Nested(Box::new(expr))))
}

pub(super) fn cast(expr: Expr, data_type: &DataType) -> Expr {
    match sql_type(data_type) {
        Some(data_type) => {
            let expr = Box::new(expr);
            Expr::Cast { kind: CastKind::Cast, expr, data_type, array: false, format: None }
        }
        None => call("arrow_cast", vec![expr, Expr::value(Value::SingleQuotedString(data_type.to_string()))]),
    }
}

fn call(name: &str, arguments: Vec<Expr>) -> Expr {
    use sqlparser::ast::{Function, FunctionArg, FunctionArgExpr, FunctionArgumentList, FunctionArguments};
    let args = arguments.into_iter().map(|expr| FunctionArg::Unnamed(FunctionArgExpr::Expr(expr))).collect();
    Expr::Function(Function {
        name: ObjectName(vec![ObjectNamePart::Identifier(Ident::new(name))]),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(FunctionArgumentList {
            duplicate_treatment: None,
            args,
            clauses: Vec::new(),
        }),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: Vec::new(),
    })
}

/// The type in SQL's words, where those mean exactly it but for the form in which it is held.
fn sql_type(data_type: &DataType) -> Option<SqlType> {
    Some(match data_type {
        DataType::Boolean => SqlType::Boolean,
        DataType::Int8 => SqlType::TinyInt(None),
        DataType::Int16 => SqlType::SmallInt(None),
        DataType::Int32 => SqlType::Integer(None),
        DataType::Int64 => SqlType::BigInt(None),
        DataType::Float32 => SqlType::Float32,
        DataType::Float64 => SqlType::Float64,
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => SqlType::Text,
        DataType::Date32 => SqlType::Date,
        DataType::Timestamp(TimeUnit::Microsecond, None) => SqlType::Timestamp(None, TimezoneInfo::None),
        DataType::Decimal128(precision, scale) if *scale >= 0 => {
            SqlType::Decimal(ExactNumberInfo::PrecisionAndScale(u64::from(*precision), i64::from(*scale)))
        }
        _ => return None,
    })
}

/// The names of the WITH of a statement, which its target must not be.
pub(super) fn is_named(with: &sqlparser::ast::With, table: &str) -> bool {
    with.cte_tables.iter().any(|cte| {
        let name = ObjectName(vec![ObjectNamePart::Identifier(cte.alias.name.clone())]);
        table_name_of(&name).is_some_and(|name| name == table)
    })
}
