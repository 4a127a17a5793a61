//! Errors of sqlparser and DataFusion made into ours: code, plain words, position, hint.

use datafusion_common::{Column, DataFusionError, Diagnostic, SchemaError, TableReference};
use nyala_schema::error::Position;
use nyala_schema::{Error, ErrorCode};
use sqlparser::parser::ParserError;
use sqlparser::tokenizer::{Token, TokenWithSpan};

use crate::locate::{Usage, end_of, find_name, is_quoted_at, position_of};
use crate::registry::{Registry, TABLE_FUNCTIONS};
use crate::shape::NESTING_MAX;
use crate::suggest::{did_you_mean, nearest, quoted};
use crate::types::with_sql_types;

/// Names listed in a hint.
const LISTED_MAX: usize = 12;

/// What an error may be explained with.
pub(crate) struct Scope<'a> {
    pub(crate) sql: &'a str,
    pub(crate) registry: &'a Registry,
}

/// Any error of DataFusion's planner or optimiser.
pub(crate) fn translate(error: DataFusionError, scope: &Scope) -> Error {
    let mut place = Place::default();
    explain(error, scope, &mut place)
}

/// What the layers around an error said.
#[derive(Default)]
struct Place {
    span: Option<Position>,
    help: Option<String>,
}

impl Place {
    fn note(&mut self, diagnostic: &Diagnostic) {
        let start = diagnostic.span.and_then(|span| {
            let number = |n: u64| u32::try_from(n).ok().filter(|n| *n > 0);
            Some(Position { line: number(span.start.line)?, column: number(span.start.column)? })
        });
        self.span = start.or(self.span);
        self.help = self.help.take().or_else(|| diagnostic.helps.first().map(|help| help.message.clone()));
    }

    /// Where `name` is, by span or else by looking for it.
    fn find(&self, scope: &Scope, qualifier: Option<&str>, name: &str, usage: Usage) -> Option<Position> {
        self.span.or_else(|| find_name(scope.sql, qualifier, name, usage))
    }
}

fn explain(error: DataFusionError, scope: &Scope, place: &mut Place) -> Error {
    match error {
        DataFusionError::Diagnostic(diagnostic, inner) => {
            place.note(&diagnostic);
            explain(*inner, scope, place)
        }
        DataFusionError::Context(_, inner) => explain(*inner, scope, place),
        DataFusionError::Collection(errors) => match errors.into_iter().next() {
            Some(first) => explain(first, scope, place),
            None => Error::internal("planning failed without saying why"),
        },
        DataFusionError::Shared(inner) => match std::sync::Arc::try_unwrap(inner) {
            Ok(inner) => explain(inner, scope, place),
            Err(shared) => positioned(by_message(&shared.strip_backtrace(), scope, place), place),
        },
        DataFusionError::External(inner) => match inner.downcast::<Error>() {
            Ok(ours) => ours_positioned(*ours, scope, place),
            Err(other) => Error::internal(other.to_string()),
        },
        DataFusionError::SchemaError(error, _) => schema_error(*error, scope, place),
        DataFusionError::SQL(error, _) => syntax_error(&error, scope.sql, &[]),
        DataFusionError::ArrowError(error, _) => {
            let error = Error::from(*error);
            let plain = rebuilt(&error, with_sql_types(without_backtrace(error.message())));
            positioned(plain, place)
        }
        DataFusionError::Plan(message) => positioned(by_message(&message, scope, place), place),
        DataFusionError::Execution(message) => positioned(execution(&message), place),
        DataFusionError::NotImplemented(message) => positioned(not_implemented(&message), place),
        DataFusionError::Configuration(message) => Error::new(ErrorCode::InvalidParameter, plain(&message)),
        DataFusionError::ResourcesExhausted(message) => Error::new(ErrorCode::OutOfMemory, plain(&message)),
        DataFusionError::IoError(error) => Error::new(ErrorCode::FileAccess, error.to_string()),
        DataFusionError::Internal(message) => internal(&message, place),
        other => Error::internal(plain(&other.strip_backtrace())),
    }
}

fn positioned(error: Error, place: &Place) -> Error {
    match (error.position(), place.span) {
        (None, Some(position)) => error.at(position),
        _ => error,
    }
}

/// An error of ours that passed through DataFusion; a table's name in it is looked for in the text.
fn ours_positioned(error: Error, scope: &Scope, place: &Place) -> Error {
    if error.position().is_some() {
        return error;
    }
    let name = error.message().split('"').nth(1).map(str::to_owned);
    let found = match (place.span, name) {
        (Some(position), _) => Some(position),
        (None, Some(name)) => find_name(scope.sql, None, &name, Usage::Table),
        (None, None) => None,
    };
    match found {
        Some(position) => error.at(position),
        None => error,
    }
}

fn rebuilt(error: &Error, message: String) -> Error {
    let new = Error::new(error.code(), message);
    match error.hint() {
        Some(hint) => new.with_hint(hint),
        None => new,
    }
}

// ---- names ----

fn schema_error(error: SchemaError, scope: &Scope, place: &Place) -> Error {
    match error {
        SchemaError::FieldNotFound { field, valid_fields } => {
            column_not_found(&field, &valid_fields, scope, place)
        }
        SchemaError::AmbiguousReference { field } => {
            let name = field.name.as_str();
            let error = Error::new(
                ErrorCode::AmbiguousColumn,
                format!("column {} is in more than one table", quoted(name)),
            )
            .with_hint("put the table's name before it, as in t.x");
            at(error, place.find(scope, None, name, Usage::Column))
        }
        SchemaError::DuplicateQualifiedField { qualifier, name } => {
            let table = qualifier.table().to_owned();
            let message = format!(
                "table {} is there twice, so that {} has two meanings",
                quoted(&table),
                quoted(&name)
            );
            let error =
                Error::new(ErrorCode::DuplicateTable, message).with_hint("give each its own name with AS");
            at(error, find_name(scope.sql, None, &table, Usage::Table))
        }
        SchemaError::DuplicateUnqualifiedField { name } => {
            let error =
                Error::new(ErrorCode::DuplicateColumn, format!("column {} is there twice", quoted(&name)))
                    .with_hint("give one of them another name with AS");
            at(error, place.find(scope, None, &name, Usage::Column))
        }
    }
}

fn at(error: Error, position: Option<Position>) -> Error {
    match position {
        Some(position) => error.at(position),
        None => error,
    }
}

fn column_not_found(field: &Column, valid: &[Column], scope: &Scope, place: &Place) -> Error {
    let name = field.name.as_str();
    let table = field.relation.as_ref().map(TableReference::table);
    let position = place.find(scope, table, name, Usage::Column);
    if let Some(table) = table {
        let known =
            |column: &&Column| column.relation.as_ref().is_some_and(|relation| relation.table() == table);
        if !valid.iter().any(|column| known(&column)) {
            return at(table_not_in_from(table, valid), position);
        }
        let columns: Vec<&str> = valid.iter().filter(known).map(|column| column.name.as_str()).collect();
        let message = format!("there is no column {} in {}", quoted(name), quoted(table));
        let error = Error::new(ErrorCode::UndefinedColumn, message);
        return at(with_column_hint(error, name, &columns, scope, position), position);
    }
    let columns: Vec<&str> = valid.iter().map(|column| column.name.as_str()).collect();
    let error = Error::new(ErrorCode::UndefinedColumn, format!("there is no column {}", quoted(name)));
    at(with_column_hint(error, name, &columns, scope, position), position)
}

fn table_not_in_from(table: &str, valid: &[Column]) -> Error {
    let mut tables: Vec<&str> =
        valid.iter().filter_map(|column| column.relation.as_ref()).map(TableReference::table).collect();
    tables.dedup();
    tables.sort_unstable();
    tables.dedup();
    let error = Error::new(ErrorCode::UndefinedTable, format!("there is no table {} in FROM", quoted(table)));
    match nearest(table, tables.iter().copied()) {
        Some(near) => error.with_hint(did_you_mean(near)),
        None if tables.is_empty() => error.with_hint("the query has no FROM"),
        None if tables.len() <= LISTED_MAX => error.with_hint(format!("tables are {}", tables.join(", "))),
        None => error,
    }
}

fn with_column_hint(
    error: Error,
    name: &str,
    columns: &[&str],
    scope: &Scope,
    position: Option<Position>,
) -> Error {
    if let Some(same) = columns.iter().find(|column| column.to_lowercase() == name.to_lowercase()) {
        return error
            .with_hint(format!("{} Names keep their case only in double quotes.", did_you_mean(same)));
    }
    if let Some(near) = nearest(name, columns.iter().copied()) {
        return error.with_hint(did_you_mean(near));
    }
    if position.is_some_and(|position| is_quoted_at(scope.sql, position)) {
        return error.with_hint(format!("text stands in single quotes: '{}'", name.replace('\'', "''")));
    }
    let mut listed: Vec<&str> = Vec::new();
    for column in columns {
        if !listed.contains(column) {
            listed.push(column);
        }
    }
    match listed.len() {
        0 => error.with_hint("the query has no FROM"),
        1..=LISTED_MAX => error.with_hint(format!("columns are {}", listed.join(", "))),
        _ => error.with_hint("DESCRIBE shows a table's columns"),
    }
}

fn unknown_function(name: &str, scope: &Scope, place: &Place) -> Error {
    let name = name.to_lowercase();
    let error = Error::new(ErrorCode::UndefinedFunction, format!("there is no function {}", quoted(&name)));
    let error = if TABLE_FUNCTIONS.iter().any(|(table, _, _)| *table == name) {
        error.with_hint(format!("{name} stands in FROM: SELECT * FROM {name}(…)"))
    } else {
        match nearest(&name, scope.registry.names()) {
            Some(near) => error.with_hint(did_you_mean(near)),
            None => error.with_hint("SHOW FUNCTIONS lists the functions"),
        }
    };
    at(error, place.find(scope, None, &name, Usage::Function))
}

// ---- messages ----

/// The parts of DataFusion's messages that say what kind of mistake it is; the first that is contained decides.
const KINDS: &[(&str, ErrorCode)] = &[
    ("aggregate functions are not allowed", ErrorCode::Grouping),
    ("group by", ErrorCode::Grouping),
    ("groupingset", ErrorCode::Grouping),
    ("must be aggregated", ErrorCode::Grouping),
    ("coerc", ErrorCode::DatatypeMismatch),
    ("cannot infer common", ErrorCode::DatatypeMismatch),
    ("common argument type", ErrorCode::DatatypeMismatch),
    ("cannot be cast", ErrorCode::DatatypeMismatch),
    ("unsupported cast", ErrorCode::DatatypeMismatch),
    ("cannot automatically convert", ErrorCode::DatatypeMismatch),
    ("inconsistent data type", ErrorCode::DatatypeMismatch),
    ("cannot create filter with non-boolean", ErrorCode::DatatypeMismatch),
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
    ("precision", ErrorCode::InvalidParameter),
    ("same name", ErrorCode::DuplicateColumn),
    ("duplicate column", ErrorCode::DuplicateColumn),
    ("position", ErrorCode::UndefinedColumn),
    ("out of bounds", ErrorCode::UndefinedColumn),
    ("not supported", ErrorCode::Unsupported),
    ("unsupported", ErrorCode::Unsupported),
];

fn code_of(message: &str) -> ErrorCode {
    let lower = message.to_lowercase();
    KINDS.iter().find(|(part, _)| lower.contains(part)).map_or(ErrorCode::Syntax, |(_, code)| *code)
}

fn by_message(message: &str, scope: &Scope, place: &Place) -> Error {
    if let Some(rest) = message.strip_prefix("Invalid function '") {
        let name = rest.split('\'').next().unwrap_or_default();
        return unknown_function(name, scope, place);
    }
    if let Some(error) = grouping(message, scope, place) {
        return error;
    }
    let text = plain(message);
    let (text, hint) = match text.split_once("Candidate functions:") {
        Some((text, candidates)) => (text.trim().to_owned(), Some(format!("it takes {}", candidates.trim()))),
        None => (text, place.help.clone()),
    };
    let error = Error::new(code_of(message), sentence(&text));
    match hint {
        Some(hint) => error.with_hint(hint),
        None => error,
    }
}

/// `column "t.x" must appear in the GROUP BY clause …`.
fn grouping(message: &str, scope: &Scope, place: &Place) -> Option<Error> {
    if message.contains("HAVING clause references") {
        let rest = message.split("HAVING clause references: ").nth(1)?;
        let name = rest.split(" must appear").next()?;
        return Some(must_be_grouped(name, scope, place));
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
    at(error, place.find(scope, qualifier, column, Usage::Column))
}

fn execution(message: &str) -> Error {
    let code = match code_of(message) {
        ErrorCode::Syntax => ErrorCode::InvalidParameter,
        code => code,
    };
    Error::new(code, sentence(&plain(message)))
}

fn not_implemented(message: &str) -> Error {
    // Some messages print a part of the syntax tree, which is no help to anyone.
    for start in
        ["Unsupported ast node", "Unsupported value", "compound identifier", "Unsupported qualified wildcard"]
    {
        if message.starts_with(start) {
            return Error::unsupported("a part of this statement is not supported");
        }
    }
    if let Some(operator) = message.strip_prefix("Unsupported binary operator: ") {
        return Error::unsupported(format!("operator {operator} is not supported"));
    }
    let text = sentence(&plain(message));
    let says_so = ["support", "implement"].iter().any(|word| text.to_lowercase().contains(word));
    Error::unsupported(if says_so { text } else { format!("{text} is not supported") })
}

fn internal(message: &str, place: &Place) -> Error {
    let text = plain(message);
    let text = text.split("This issue was likely caused by a bug").next().unwrap_or(&text).trim();
    positioned(Error::internal(format!("planning failed: {text}")), place)
}

/// Without backtrace, with SQL's names of types.
fn plain(message: &str) -> String {
    let message = without_backtrace(message).trim();
    let mut text = with_sql_types(message);
    for prefix in ["Error during planning: ", "Execution error: ", "Internal error: ", "Schema error: "] {
        text = text.replace(prefix, "");
    }
    text
}

fn without_backtrace(message: &str) -> &str {
    message.split(DataFusionError::BACK_TRACE_SEP).next().unwrap_or(message)
}

/// As our messages are: begins small, ends without a full stop.
fn sentence(text: &str) -> String {
    let text = text.trim().trim_end_matches('.');
    let mut chars = text.chars();
    let (first, second) = (chars.next(), chars.clone().next());
    match (first, second) {
        (Some(first), Some(second)) if first.is_uppercase() && second.is_lowercase() => {
            first.to_lowercase().chain(chars).collect()
        }
        _ => text.to_owned(),
    }
}

// ---- syntax ----

/// Keywords that stand between the parts of a query and are easy to mistype.
const KEYWORDS: [&str; 26] = [
    "SELECT",
    "FROM",
    "WHERE",
    "GROUP",
    "ORDER",
    "HAVING",
    "LIMIT",
    "OFFSET",
    "JOIN",
    "INNER",
    "LEFT",
    "RIGHT",
    "CROSS",
    "UNION",
    "EXCEPT",
    "INTERSECT",
    "DISTINCT",
    "BETWEEN",
    "VALUES",
    "QUALIFY",
    "WINDOW",
    "PARTITION",
    "OVER",
    "CASE",
    "WHEN",
    "THEN",
];

/// A parser's complaint; `words` are the last words before and at the place it was made, latest first.
pub(crate) fn syntax_error(error: &ParserError, sql: &str, words: &[TokenWithSpan]) -> Error {
    let text = match error {
        ParserError::RecursionLimitExceeded => {
            let message = format!("the statement nests more than {NESTING_MAX} levels deep");
            return Error::new(ErrorCode::TooComplex, message).with_hint("split it with WITH or a view");
        }
        ParserError::TokenizerError(text) | ParserError::ParserError(text) => text,
    };
    let (text, position) = split_position(text);
    let position = position.unwrap_or_else(|| end_of(sql));
    let error = Error::new(ErrorCode::Syntax, syntax_message(text)).at(position);
    match mistyped_keyword(words, position) {
        Some((word, keyword)) => error.with_hint(format!("did you mean {keyword} instead of {word}?")),
        None => error,
    }
}

/// `… at Line: 1, Column: 8` is how sqlparser says where.
fn split_position(text: &str) -> (&str, Option<Position>) {
    let Some((message, place)) = text.rsplit_once(" at Line: ") else { return (text, None) };
    let Some((line, column)) = place.split_once(", Column: ") else { return (text, None) };
    match (line.trim().parse(), column.trim().parse()) {
        (Ok(line), Ok(column)) => (message, Some(Position { line, column })),
        _ => (text, None),
    }
}

fn syntax_message(text: &str) -> String {
    let text = text.trim().trim_end_matches('.');
    if let Some((expected, found)) =
        text.strip_prefix("Expected: ").and_then(|rest| rest.rsplit_once(", found: "))
    {
        let expected = expected.trim();
        return match found.trim() {
            "EOF" => format!("the statement ends where {expected} was expected"),
            found => format!("expected {expected}, found {found}"),
        };
    }
    if let Some(what) = text.strip_prefix("Unterminated ") {
        return format!("{} is not closed", sentence(what));
    }
    if text.contains("multi-line comment") {
        return "a comment is not closed".to_owned();
    }
    sentence(text)
}

fn mistyped_keyword(words: &[TokenWithSpan], position: Position) -> Option<(String, &'static str)> {
    let near_enough =
        |token: &&TokenWithSpan| position_of(token.span.start).is_some_and(|start| start <= position);
    words.iter().filter(near_enough).take(3).find_map(|token| {
        let Token::Word(word) = &token.token else { return None };
        let upper = word.value.to_uppercase();
        if word.quote_style.is_some() || upper.len() < 4 || KEYWORDS.contains(&upper.as_str()) {
            return None;
        }
        let near = KEYWORDS.iter().find(|keyword| strsim::osa_distance(&upper, keyword) == 1)?;
        Some((word.value.clone(), *near))
    })
}
