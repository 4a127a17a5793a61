//! CREATE FUNCTION and what is said of a function without its code.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Fields, TimeUnit};
use nyala_schema::expr::Volatility;
use nyala_schema::function::{Argument, FunctionDeclaration, FunctionKind};
use nyala_schema::guest::Limits;
use nyala_schema::{Error, ErrorCode, Result};
use sqlparser::tokenizer::{Token, TokenWithSpan};

use super::clause::{Clauses, ClausesOf};
use super::{StatementParser, at_token};
use crate::definition::Language;
use crate::normalize::ident_of;
use crate::statement::Statement;
use crate::suggest::quoted;
use crate::types::{held_type, sql_name};

impl StatementParser<'_> {
    /// The kind, if `[AGGREGATE | TABLE] FUNCTION` comes next. A table may be called `function`.
    pub(super) fn function_kind(&mut self) -> Option<FunctionKind> {
        if self.word("FUNCTION") {
            return Some(FunctionKind::Scalar);
        }
        if self.words(&["AGGREGATE", "FUNCTION"]) {
            return Some(FunctionKind::Aggregate);
        }
        let names_function = match &self.parser.peek_nth_token_ref(2).token {
            Token::Word(word) => word.quote_style.is_some() || !word.value.eq_ignore_ascii_case("as"),
            _ => false,
        };
        (names_function && self.words(&["TABLE", "FUNCTION"])).then_some(FunctionKind::Table)
    }

    pub(super) fn create_function(&mut self, kind: FunctionKind, replace: bool) -> Result<Statement> {
        let on_conflict = self.conflict(replace)?;
        let start = self.peek();
        let (mut declaration, mut clauses) = self.function(kind)?;
        let what = format!("function {}", quoted(&declaration.name));
        let (code, language) = clauses.code(&start, &what)?;
        if language == Language::Sql {
            check_sql(&declaration, &clauses).map_err(|error| at_token(error, &start))?;
        } else {
            declaration = callable(declaration).map_err(|error| at_token(error, &start))?;
        }
        Ok(Statement::CreateFunction { declaration, code, language, on_conflict })
    }

    /// Of a manifest: without code.
    pub(super) fn declared_function(&mut self, kind: FunctionKind) -> Result<FunctionDeclaration> {
        let start = self.peek();
        let (declaration, clauses) = self.function(kind)?;
        if clauses.code.is_some() || clauses.language.is_some() {
            let message = format!("function {} has AS or LANGUAGE in a manifest", quoted(&declaration.name));
            let error = Error::new(ErrorCode::Syntax, message).with_hint("its code is the module itself");
            return Err(at_token(error, &start));
        }
        callable(declaration).map_err(|error| at_token(error, &start))
    }

    /// `name (arg type, …) RETURNS … clauses`.
    fn function(&mut self, kind: FunctionKind) -> Result<(FunctionDeclaration, Clauses)> {
        let start = self.peek();
        let name = ident_of(&self.identifier()?);
        let arguments = self.arguments()?;
        self.expect_word("RETURNS")?;
        let (kind, returns) = self.returns(kind)?;
        let clauses = self.clauses(ClausesOf::Function)?;
        if clauses.rows_per_row.is_some() && kind != FunctionKind::Table {
            let message = format!("function {} gives one value, so that ROWS says nothing", quoted(&name));
            return Err(at_token(Error::new(ErrorCode::Syntax, message), &start));
        }
        let declaration = FunctionDeclaration {
            name,
            kind,
            arguments,
            returns,
            // The sandbox gives neither clock nor randomness unless it was asked for.
            volatility: clauses.volatility.unwrap_or(Volatility::Immutable),
            strict: clauses.strict,
            cost: clauses.cost,
            rows_per_row: clauses.rows_per_row,
            limits: clauses.limits.over(Limits::default()),
            export: clauses.export.clone(),
        };
        Ok((declaration, clauses))
    }

    fn arguments(&mut self) -> Result<Vec<Argument>> {
        self.expect_token(&Token::LParen)?;
        let mut arguments: Vec<Argument> = vec![];
        if self.token(&Token::RParen) {
            return Ok(arguments);
        }
        loop {
            let (name, data_type) = self.named_type("argument")?;
            if arguments.iter().any(|argument| argument.name == name) {
                let message = format!("argument {} is there twice", quoted(&name));
                return Err(self.here(Error::new(ErrorCode::Syntax, message)));
            }
            arguments.push(Argument { name, data_type });
            if !self.token(&Token::Comma) {
                break;
            }
        }
        self.expect_token(&Token::RParen)?;
        Ok(arguments)
    }

    /// `name type`.
    pub(super) fn named_type(&mut self, what: &str) -> Result<(String, DataType)> {
        let name = ident_of(&self.identifier()?);
        if matches!(self.peek().token, Token::Comma | Token::RParen | Token::EOF) {
            let error = Error::new(ErrorCode::Syntax, format!("{what} {} has no type", quoted(&name)));
            return Err(self.here(error.with_hint(format!("each {what} has a name and a type: x BIGINT"))));
        }
        Ok((name, self.value_type()?))
    }

    /// A type as plans hold it.
    pub(super) fn value_type(&mut self) -> Result<DataType> {
        Ok(held_type(&self.data_type()?))
    }

    /// `type`, or `TABLE (column type, …)` which makes it a table function.
    fn returns(&mut self, kind: FunctionKind) -> Result<(FunctionKind, DataType)> {
        let start = self.peek();
        if self.word("TABLE") {
            let columns = self.output_columns()?;
            return match kind {
                FunctionKind::Scalar | FunctionKind::Table => {
                    Ok((FunctionKind::Table, DataType::Struct(columns)))
                }
                FunctionKind::Aggregate => Err(at_token(
                    Error::new(ErrorCode::Syntax, "an aggregate function returns one value, not a table"),
                    &start,
                )),
            };
        }
        if kind == FunctionKind::Table {
            return Err(self.expected("TABLE (column type, …)"));
        }
        Ok((kind, self.value_type()?))
    }

    /// `(column type, …)`.
    pub(super) fn output_columns(&mut self) -> Result<Fields> {
        self.expect_token(&Token::LParen)?;
        let mut fields: Vec<Arc<Field>> = vec![];
        loop {
            let (name, data_type) = self.named_type("column")?;
            if fields.iter().any(|field| *field.name() == name) {
                let message = format!("column {} is there twice", quoted(&name));
                return Err(self.here(Error::new(ErrorCode::DuplicateColumn, message)));
            }
            fields.push(Arc::new(Field::new(name, data_type, true)));
            if !self.token(&Token::Comma) {
                break;
            }
        }
        self.expect_token(&Token::RParen)?;
        Ok(fields.into())
    }

    /// `(type, …)` after a function's name, to tell overloads apart; nothing for the only one.
    pub(super) fn overload_types(&mut self) -> Result<Option<Vec<DataType>>> {
        if !self.token(&Token::LParen) {
            return Ok(None);
        }
        let mut types = vec![];
        if self.token(&Token::RParen) {
            return Ok(Some(types));
        }
        loop {
            types.push(self.value_type()?);
            if !self.token(&Token::Comma) {
                break;
            }
        }
        self.expect_token(&Token::RParen)?;
        Ok(Some(types))
    }

    pub(super) fn refuse(&self, at: &TokenWithSpan, message: &str, hint: &str) -> Error {
        at_token(Error::new(ErrorCode::Syntax, message).with_hint(hint), at)
    }
}

/// Checks that a module can be handed the arguments and can hand back the result.
fn callable(declaration: FunctionDeclaration) -> Result<FunctionDeclaration> {
    let types = declaration.arguments.iter().map(|argument| &argument.data_type);
    for data_type in types.chain([&declaration.returns]) {
        check_guest_type(data_type)
            .map_err(|error| error.context(format!("function {}", quoted(&declaration.name))))?;
    }
    Ok(declaration)
}

/// # Errors
/// `Unsupported` for a type that the guest ABI has no form for.
pub(super) fn check_guest_type(data_type: &DataType) -> Result<()> {
    match data_type {
        DataType::Boolean
        | DataType::Int8
        | DataType::Int16
        | DataType::Int32
        | DataType::Int64
        | DataType::Float32
        | DataType::Float64
        | DataType::Date32
        | DataType::Time64(TimeUnit::Microsecond)
        | DataType::Timestamp(TimeUnit::Microsecond, _)
        | DataType::Interval(_)
        | DataType::Decimal128(..)
        | DataType::Utf8View
        | DataType::BinaryView => Ok(()),
        DataType::List(item) => check_guest_type(item.data_type()),
        DataType::Struct(fields) => fields.iter().try_for_each(|field| check_guest_type(field.data_type())),
        other => {
            let message = format!("code in a module takes and gives no {}", sql_name(other));
            Err(Error::unsupported(message).with_hint(
                "types are BOOLEAN, TINYINT, SMALLINT, INT, BIGINT, REAL, DOUBLE, DECIMAL, DATE, TIME, \
                 TIMESTAMP, INTERVAL, TEXT, BYTEA, and lists and structs of them",
            ))
        }
    }
}

fn check_sql(declaration: &FunctionDeclaration, clauses: &Clauses) -> Result<()> {
    let name = quoted(&declaration.name);
    if declaration.kind != FunctionKind::Scalar {
        let message = format!("function {name}: only scalar functions can be written in SQL");
        return Err(Error::unsupported(message).with_hint("a view can do much of what it would"));
    }
    if clauses.export.is_some() {
        let message = format!("function {name} is written in SQL, which has no EXPORT");
        return Err(Error::new(ErrorCode::Syntax, message));
    }
    Ok(())
}
