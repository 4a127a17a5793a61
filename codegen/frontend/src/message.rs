//! DataFusion's messages in plain words. They are text, so this is guesswork: what is not known passes almost as it is.

use datafusion_common::DataFusionError;
use nyala_schema::{Error, ErrorCode};

use crate::diagnose::{Place, Scope, at, unknown_function};
use crate::locate::{Usage, find_call_in_where, find_star};
use crate::suggest::quoted;
use crate::types::with_sql_types;

/// Forms of a function that a hint lists.
const SIGNATURES_MAX: usize = 8;

/// The parts of messages that say what kind of mistake it is; the first that is contained decides.
const KINDS: &[(&str, ErrorCode)] = &[
    ("aggregate function", ErrorCode::Grouping),
    ("group by", ErrorCode::Grouping),
    ("groupingset", ErrorCode::Grouping),
    ("must be aggregated", ErrorCode::Grouping),
    ("coerc", ErrorCode::DatatypeMismatch),
    ("common argument type", ErrorCode::DatatypeMismatch),
    ("cannot infer common", ErrorCode::DatatypeMismatch),
    ("cannot be cast", ErrorCode::DatatypeMismatch),
    ("unsupported cast", ErrorCode::DatatypeMismatch),
    ("cannot automatically convert", ErrorCode::DatatypeMismatch),
    ("inconsistent data type", ErrorCode::DatatypeMismatch),
    ("non-boolean", ErrorCode::DatatypeMismatch),
    ("unary operator", ErrorCode::DatatypeMismatch),
    ("but received", ErrorCode::DatatypeMismatch),
    ("expects", ErrorCode::DatatypeMismatch),
    ("does not support type", ErrorCode::DatatypeMismatch),
    ("does not support zero arguments", ErrorCode::DatatypeMismatch),
    ("is not comparable", ErrorCode::DatatypeMismatch),
    ("unnest() can only be applied", ErrorCode::DatatypeMismatch),
    ("divide by zero", ErrorCode::DivisionByZero),
    ("division by zero", ErrorCode::DivisionByZero),
    ("overflow", ErrorCode::NumericOverflow),
    ("limit must", ErrorCode::InvalidParameter),
    ("offset must", ErrorCode::InvalidParameter),
    ("precision", ErrorCode::InvalidParameter),
    ("same name", ErrorCode::DuplicateColumn),
    ("duplicate column", ErrorCode::DuplicateColumn),
    ("not supported", ErrorCode::Unsupported),
    ("unsupported", ErrorCode::Unsupported),
];

fn code_of(message: &str) -> ErrorCode {
    let lower = message.to_lowercase();
    KINDS.iter().find(|(part, _)| lower.contains(part)).map_or(ErrorCode::Syntax, |(_, code)| *code)
}

/// What planning complains of.
pub(crate) fn by_message(message: &str, scope: &Scope, place: &Place) -> Error {
    let message = without_backtrace(message);
    if let Some(rest) = message.strip_prefix("Invalid function '") {
        return unknown_function(rest.split('\'').next().unwrap_or_default(), scope, place);
    }
    let known = grouping(message, scope, place)
        .or_else(|| wrong_arguments(message, scope, place))
        .or_else(|| wrong_operands(message))
        .or_else(|| wrong_condition(message, scope, place))
        .or_else(|| wrong_number_of_column(message))
        .or_else(|| wrong_subquery(message))
        .or_else(|| wrong_aliases(message));
    if let Some(error) = known {
        return error;
    }
    if message.starts_with("Substring without for/from") {
        return Error::new(ErrorCode::Syntax, "substring needs FROM or FOR")
            .with_hint("write substring(x FROM 2 FOR 3) or substr(x, 2, 3)");
    }
    if shows_syntax_tree(message) {
        return part_unsupported();
    }
    let text = sentence(&plain(message));
    let (text, advice) = match text.split_once(". Consider ") {
        Some((text, advice)) => (text.to_owned(), Some(format!("consider {advice}"))),
        None => (text, place.help.as_deref().map(|help| sentence(&plain(help)))),
    };
    let error = Error::new(code_of(message), text);
    match advice {
        Some(advice) => error.with_hint(advice),
        None => error,
    }
}

/// `column "t.x" must appear in the GROUP BY clause …` and its like.
fn grouping(message: &str, scope: &Scope, place: &Place) -> Option<Error> {
    if message.contains("Aggregate functions are not allowed in the WHERE clause") {
        let error = Error::new(ErrorCode::Grouping, "aggregate functions cannot stand in WHERE")
            .with_hint("conditions on them stand in HAVING");
        return Some(at(
            error,
            find_call_in_where(scope.sql, |name| scope.registry.aggregate.contains_key(name)),
        ));
    }
    if let Some(rest) = message.split("HAVING clause references: ").nth(1) {
        return Some(must_be_grouped(rest.split(" must appear").next()?, scope, place));
    }
    let (before, _) = message.split_once("\" must appear in the GROUP BY clause")?;
    let (_, name) = before.rsplit_once("column \"")?;
    Some(must_be_grouped(name, scope, place))
}

fn must_be_grouped(name: &str, scope: &Scope, place: &Place) -> Error {
    let (qualifier, column) = match name.rsplit_once('.') {
        Some((qualifier, column)) => (Some(qualifier), column),
        None => (None, name),
    };
    let message = format!("{} must be in GROUP BY or inside an aggregate function", quoted(column));
    let hint = format!("add it to GROUP BY, write any_value({column}), or GROUP BY ALL");
    let error = Error::new(ErrorCode::Grouping, message).with_hint(hint);
    let position = place.find(scope, qualifier, column, Usage::Column).or_else(|| find_star(scope.sql));
    at(error, position)
}

/// `… No function matches the given name and argument types 'sum(Utf8)' … Candidate functions: …`.
fn wrong_arguments(message: &str, scope: &Scope, place: &Place) -> Option<Error> {
    let (_, rest) = message.split_once("No function matches the given name and argument types '")?;
    let call = rest.split('\'').next()?;
    let (name, arguments) = call.split_once('(')?;
    let arguments = plain(arguments.strip_suffix(')').unwrap_or(arguments));
    let text = match arguments.as_str() {
        "" => format!("{} does not work without arguments", quoted(name)),
        arguments => format!("{} does not take ({arguments})", quoted(name)),
    };
    let error = Error::new(ErrorCode::DatatypeMismatch, text);
    let error = match message.split_once("Candidate functions:") {
        Some((_, candidates)) => error.with_hint(format!("it takes {}", signatures(candidates))),
        None => error,
    };
    Some(at(error, place.find(scope, None, name, Usage::Function)))
}

/// One form a line, as DataFusion lists them.
fn signatures(candidates: &str) -> String {
    let mut forms: Vec<String> = Vec::new();
    for line in candidates.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let form = plain(line)
            .replace("NullAry()", "")
            .replace("String", "text")
            .replace("Numeric(1)", "number")
            .replace("Numeric", "number");
        let form = form.replace("Integer", "integer").replace("Decimal", "decimal").replace("Time", "time");
        if !forms.contains(&form) {
            forms.push(form);
        }
    }
    let more = if forms.len() > SIGNATURES_MAX { ", …" } else { "" };
    forms.truncate(SIGNATURES_MAX);
    forms.join(", ") + more
}

fn wrong_operands(message: &str) -> Option<Error> {
    let operands = match message.split_once("Cannot coerce arithmetic expression ") {
        Some((_, rest)) => rest.split(" to valid types").next()?,
        None => message.split_once("Cannot get result type for temporal operation ")?.1.split(": ").next()?,
    };
    let text = format!("{} cannot be computed", plain(operands));
    Some(Error::new(ErrorCode::DatatypeMismatch, text).with_hint("convert one side with CAST"))
}

fn wrong_condition(message: &str, scope: &Scope, place: &Place) -> Option<Error> {
    let (_, rest) = message.split_once("non-boolean predicate '")?;
    let (condition, data_type) = rest.rsplit_once("' returning ")?;
    let text = format!("a condition is boolean, but {} is {}", plain(condition), plain(data_type));
    let (qualifier, name) = match condition.rsplit_once('.') {
        Some((qualifier, name)) => (Some(qualifier), name),
        None => (None, condition),
    };
    let error = Error::new(ErrorCode::DatatypeMismatch, text);
    Some(at(error, place.find(scope, qualifier, name, Usage::Column)))
}

/// `GROUP BY 3` and `ORDER BY 3` where SELECT has fewer columns.
fn wrong_number_of_column(message: &str) -> Option<Error> {
    let (number, count) = if let Some((_, rest)) = message.split_once("Cannot find column with position ") {
        let number = rest.split(' ').next()?;
        (number, rest.rsplit(' ').next()?)
    } else if let Some((_, rest)) = message.split_once("Order by column out of bounds, specified: ") {
        rest.split_once(", max: ")?
    } else if message.contains("Order by index starts at 1") {
        ("0", "")
    } else {
        return None;
    };
    let error =
        Error::new(ErrorCode::UndefinedColumn, format!("there is no column number {number} in SELECT"));
    Some(match count {
        "" => error.with_hint("columns are counted from 1"),
        "1" => error.with_hint("it has one column"),
        count => error.with_hint(format!("it has {count} columns")),
    })
}

fn wrong_subquery(message: &str) -> Option<Error> {
    let (_, columns) = message
        .split_once("The subquery should only return one column: ")
        .or_else(|| message.split_once("Select only one column in the subquery: "))?;
    let text = format!("a subquery here gives one column, not {}", columns.split(", ").count());
    Some(Error::new(ErrorCode::Syntax, text))
}

/// `Source table contains 3 columns but only 2 names given as column alias`.
fn wrong_aliases(message: &str) -> Option<Error> {
    let (_, rest) = message.split_once("Source table contains ")?;
    let (given, rest) = rest.split_once(" columns but only ")?;
    let named = rest.split(' ').next()?;
    let text = format!("the query gives {given} columns for {named}");
    Some(Error::new(ErrorCode::DatatypeMismatch, text).with_hint("name the columns that it is to give"))
}

/// What computing a constant complains of.
pub(crate) fn execution(message: &str) -> Error {
    let code = match code_of(message) {
        ErrorCode::Syntax => ErrorCode::InvalidParameter,
        code => code,
    };
    Error::new(code, sentence(&plain(message)))
}

/// What DataFusion cannot plan.
pub(crate) fn not_implemented(message: &str) -> Error {
    let message = without_backtrace(message);
    if message.starts_with("compound identifier: ") {
        return Error::new(ErrorCode::UndefinedColumn, "a name has too many parts");
    }
    if let Some(operator) = message.strip_prefix("Unsupported binary operator: ") {
        return Error::unsupported(format!("operator {operator} is not supported"));
    }
    if shows_syntax_tree(message) {
        return part_unsupported();
    }
    let text = sentence(&plain(message));
    let says_so = ["support", "implement"].iter().any(|word| text.to_lowercase().contains(word));
    Error::unsupported(if says_so { text } else { format!("{text} is not supported") })
}

/// Some messages print a part of the syntax tree, which is no help to anyone.
fn shows_syntax_tree(message: &str) -> bool {
    message.starts_with("Unsupported ast node")
        || message.contains("Ident {")
        || message.contains("span: Span(")
}

fn part_unsupported() -> Error {
    Error::unsupported("a part of this statement is not supported")
}

/// What DataFusion takes for its own mistake.
pub(crate) fn internal(message: &str) -> Error {
    Error::internal(format!("planning failed: {}", plain(message)))
}

/// Without backtrace and pleas for bug reports, with SQL's names of types.
pub(crate) fn plain(message: &str) -> String {
    let message = without_backtrace(message);
    let message = message.split("This issue was likely caused by a bug").next().unwrap_or(message);
    let mut text = with_sql_types(message.trim());
    for prefix in ["Error during planning: ", "Execution error: ", "Internal error: ", "Schema error: "] {
        text = text.replace(prefix, "");
    }
    sentence(&text)
}

fn without_backtrace(message: &str) -> &str {
    message.split(DataFusionError::BACK_TRACE_SEP).next().unwrap_or(message)
}

/// As our messages are: begins small, ends without a full stop.
fn sentence(text: &str) -> String {
    let text = text.trim().trim_end_matches('.').trim_end();
    let mut chars = text.chars();
    let (first, second) = (chars.next(), chars.clone().next());
    match (first, second) {
        (Some(first), Some(second)) if first.is_uppercase() && second.is_lowercase() => {
            first.to_lowercase().chain(chars).collect()
        }
        _ => text.to_owned(),
    }
}
