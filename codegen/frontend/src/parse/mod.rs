//! Statements from text: Nyala's own by hand over sqlparser's tokens, queries by sqlparser itself.

mod alter;
mod clause;
mod copy;
mod create;
mod file_format;
mod function;
mod history;
mod merge;
mod object;
mod operator;
mod query;
mod schema;
mod show;
mod table;
mod table_version;
mod transaction;
mod write;

use nyala_schema::command::DropKind;
use nyala_schema::error::Position;
use nyala_schema::{Error, ErrorCode, Result};
use sqlparser::ast::{Expr, Ident, Query, Visit, VisitMut, With};
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer, Word};

use self::table_version::mark_versions;
use crate::balance::balance_query;
use crate::dialect::NyalaDialect;
use crate::expansion::check_expansion;
use crate::locate::{end_of, offset_of, position_of};
use crate::normalize::{ident_of, name_of, normalize_query, table_name_of};
use crate::shape::{NESTING_MAX, Shape};
use crate::statement::{ExplainFormat, Statement};
use crate::suggest::{did_you_mean, nearest, quoted};
use crate::syntax::{expected_message, syntax_error, syntax_hint};

pub use object::parse_manifest;

/// Reads exactly one statement; a semicolon may end it. Never panics, whatever the text.
///
/// # Errors
/// `Syntax` with the position; `TooComplex` for a text that is too large or too deep; `Unsupported` for SQL that
/// Nyala does not run; `InvalidParameter` for options of statements.
pub fn parse(sql: &str) -> Result<Statement> {
    let shape = Shape::of(sql);
    shape.check()?;
    shape.run(|| {
        let mut parser = StatementParser::new(sql, shape)?;
        let statement = parser.statement()?;
        parser.finish()?;
        Ok(statement)
    })
}

/// Reads an expression as it stands in a statement.
pub(crate) fn parse_expression(sql: &str) -> Result<Expr> {
    let shape = Shape::of(sql);
    shape.check()?;
    let mut parser = StatementParser::new(sql, shape)?;
    let expr = parser.sub(|parser| parser.parse_expr())?;
    parser.finish()?;
    Ok(expr)
}

/// Reads an expression that the catalog keeps, in the form that the planner wants. Nothing in it has a position: it is not
/// of the statement that uses it.
///
/// # Errors
/// `Syntax` for what is not an expression; that of a text that is too large.
pub(crate) fn parse_kept_expression(sql: &str) -> Result<Expr> {
    let shape = Shape::of(sql);
    shape.check()?;
    shape.run(|| {
        let mut parser = StatementParser::new(sql, shape)?;
        let tokens = Tokenizer::new(&NyalaDialect::PLAIN, sql)
            .tokenize()
            .map_err(|error| syntax_error(&ParserError::from(error), sql, &[]))?;
        parser.parser =
            Parser::new(&NyalaDialect::PLAIN).with_recursion_limit(NESTING_MAX).with_tokens(tokens);
        let expr = parser.expr()?;
        parser.finish()?;
        Ok(expr)
    })
}

/// Words that begin a statement.
const STARTS: &[&str] = &[
    "SELECT",
    "WITH",
    "VALUES",
    "FROM",
    "EXPLAIN",
    "DESCRIBE",
    "DESC",
    "SHOW",
    "SET",
    "RESET",
    "CREATE",
    "DROP",
    "ALTER",
    "COPY",
    "INSERT",
    "UPDATE",
    "DELETE",
    "MERGE",
    "TRUNCATE",
    "BEGIN",
    "COMMIT",
    "ROLLBACK",
    "USE",
    "COMMENT",
    "UNDROP",
    "OPTIMIZE",
    "VACUUM",
    "ANALYZE",
    "BACKUP",
    "RESTORE",
    "CHECKPOINT",
    "KILL",
];

/// Words that begin statements of other databases, and what to do instead.
const ELSEWHERE: &[(&str, &str)] = &[
    ("REPLACE", "write MERGE INTO … USING … ON … WHEN …"),
    ("UPSERT", "write MERGE INTO … USING … ON … WHEN …"),
    ("SAVEPOINT", "ROLLBACK ends the whole transaction"),
    ("RELEASE", "there are no savepoints"),
    ("LOCK", "write SET TRANSACTION ISOLATION LEVEL SERIALIZABLE"),
    ("PREPARE", "put the values into the text"),
    ("EXECUTE", "put the values into the text"),
    ("GRANT", "there are no roles"),
    ("REVOKE", "there are no roles"),
    ("COMPUTE", "write ANALYZE …"),
    ("REFRESH", "the catalog is never stale"),
    ("INVALIDATE", "the catalog is never stale"),
    ("MSCK", "partitions come with their rows"),
    ("PRAGMA", "use SET and SHOW"),
    ("ATTACH", "write CREATE EXTERNAL TABLE … LOCATION '…'"),
    ("LOAD", "write CREATE EXTERNAL TABLE … LOCATION '…'"),
    ("INSTALL", "everything is built in"),
    ("CALL", "functions are called with SELECT"),
    ("TABLE", "write SELECT * FROM …"),
];

/// Words before a mistake that may explain it.
const WORDS_LOOKED_AT: usize = 40;
const BLANKS_SKIPPED: usize = 8;

/// The parser of one statement's text.
struct StatementParser<'a> {
    sql: &'a str,
    shape: Shape,
    parser: Parser<'a>,
}

impl<'a> StatementParser<'a> {
    fn new(sql: &'a str, shape: Shape) -> Result<Self> {
        let mut tokens = Tokenizer::new(&NyalaDialect::PLAIN, sql)
            .tokenize_with_location()
            .map_err(|error| syntax_error(&ParserError::from(error), sql, &[]))?;
        let dialect = if mark_versions(&mut tokens) { &NyalaDialect::VERSIONS } else { &NyalaDialect::PLAIN };
        let parser =
            Parser::new(dialect).with_recursion_limit(NESTING_MAX).with_tokens_with_locations(tokens);
        Ok(Self { sql, shape, parser })
    }

    fn statement(&mut self) -> Result<Statement> {
        if self.peek().token == Token::LParen {
            return Ok(Statement::Query(self.query()?));
        }
        let first = self.peek();
        let Token::Word(word) = &first.token else { return Err(self.expected("a statement")) };
        match word.value.to_uppercase().as_str() {
            _ if word.quote_style.is_some() => Err(self.expected("a statement")),
            "SELECT" | "VALUES" | "FROM" => Ok(Statement::Query(self.query()?)),
            "WITH" => self.with_statement(),
            "EXPLAIN" => self.explain(),
            "DESCRIBE" | "DESC" => self.describe(),
            "SHOW" => self.show(),
            "SET" => self.set(),
            "RESET" => self.reset(),
            "CREATE" => self.create(),
            "DROP" => self.drop(),
            "ALTER" => self.alter(),
            "COPY" => self.copy(),
            "INSERT" => self.insert(None),
            "UPDATE" => self.update(None),
            "DELETE" => self.delete(None),
            "MERGE" => self.merge(),
            "TRUNCATE" => self.truncate(),
            other => self.other_statement(other, word),
        }
    }

    /// Statements about schemas, transactions and history.
    fn other_statement(&mut self, first: &str, word: &Word) -> Result<Statement> {
        match first {
            "BEGIN" | "START" => self.begin(),
            "COMMIT" | "END" => self.commit(),
            "ROLLBACK" | "ABORT" => self.rollback(),
            "USE" => self.use_schema(),
            "COMMENT" => self.comment(),
            "UNDROP" => self.undrop(),
            "OPTIMIZE" => self.optimize(),
            "VACUUM" => self.vacuum(),
            "ANALYZE" | "ANALYSE" => self.analyze(),
            "BACKUP" => self.backup(),
            "RESTORE" => self.restore(),
            "KILL" => self.kill(),
            "CHECKPOINT" => {
                self.parser.advance_token();
                Ok(Statement::Checkpoint)
            }
            _ => Err(self.unknown_statement(word)),
        }
    }

    fn unknown_statement(&self, word: &Word) -> Error {
        if let Some((name, instead)) =
            ELSEWHERE.iter().find(|(name, _)| name.eq_ignore_ascii_case(&word.value))
        {
            let error = Error::unsupported(format!("{name} is not supported")).with_hint(*instead);
            return self.here(error);
        }
        let error =
            self.here(Error::new(ErrorCode::Syntax, format!("a statement cannot begin with {}", word.value)));
        match nearest(&word.value, STARTS.iter().copied()) {
            Some(start) => error.with_hint(format!("did you mean {start}?")),
            None => error.with_hint(format!("statements begin with {}", STARTS.join(", "))),
        }
    }

    /// A query, put into the form that the planner wants.
    fn query(&mut self) -> Result<Box<Query>> {
        self.query_with(None)
    }

    /// A query of which the parts in WITH have been read.
    fn query_with(&mut self, with: Option<With>) -> Result<Box<Query>> {
        let mut query = self.sub(|parser| parser.parse_query())?;
        if let Some(mut outer) = with {
            if let Some(inner) = query.with.take() {
                outer.recursive |= inner.recursive;
                outer.cte_tables.extend(inner.cte_tables);
            }
            query.with = Some(outer);
        }
        self.prepare(query.as_mut())?;
        Ok(query)
    }

    /// An expression, in the form that the planner wants.
    fn expr(&mut self) -> Result<Expr> {
        let mut expr = self.sub(|parser| parser.parse_expr())?;
        self.prepare(&mut expr)?;
        Ok(expr)
    }

    /// Puts a query or a part of one into the form that the planner wants.
    fn prepare<T: Visit + VisitMut>(&self, part: &mut T) -> Result<()> {
        if self.shape.is_large() {
            balance_query(part)?;
        }
        check_expansion(part)?;
        normalize_query(part)
    }

    /// Whether a query starts here, perhaps in parentheses.
    fn at_query(&self) -> bool {
        let mut ahead = 0;
        while self.parser.peek_nth_token_ref(ahead).token == Token::LParen {
            ahead += 1;
        }
        match &self.parser.peek_nth_token_ref(ahead).token {
            Token::Word(word) if word.quote_style.is_none() => ["SELECT", "WITH", "VALUES", "FROM"]
                .iter()
                .any(|start| word.value.eq_ignore_ascii_case(start)),
            _ => false,
        }
    }

    /// `EXPLAIN [ANALYZE] [VERBOSE] [(FORMAT name, ANALYZE)] [name] statement`.
    fn explain(&mut self) -> Result<Statement> {
        self.expect_word("EXPLAIN")?;
        if self.word("FUNCTION") {
            return Ok(Statement::ExplainFunction { overload: self.overload()? });
        }
        let mut format = ExplainFormat::Fragments;
        let mut analyze = false;
        loop {
            if self.word("ANALYZE") {
                analyze = true;
            } else if self.word("VERBOSE") {
            } else if self.word("FORMAT") {
                format = self.explain_format()?;
            } else if self.peek().token == Token::LParen && !self.at_query() {
                (format, analyze) = self.explain_options(format, analyze)?;
            } else if let Some(named) =
                self.peek_word().and_then(|word| ExplainFormat::from_name(&word.value))
            {
                self.parser.advance_token();
                format = named;
            } else {
                break;
            }
        }
        let start = self.peek();
        if self.peek_is("EXPLAIN") {
            return Err(at_token(Error::new(ErrorCode::Syntax, "EXPLAIN takes a query"), &start));
        }
        let statement = Box::new(self.statement()?);
        match statement.as_ref() {
            Statement::Query(_)
            | Statement::CreateTableAs { .. }
            | Statement::Insert(_)
            | Statement::Update(_)
            | Statement::Delete(_)
            | Statement::Merge(_)
            | Statement::Copy { .. } => Ok(Statement::Explain { format, analyze, statement }),
            _ => Err(at_token(Error::new(ErrorCode::Syntax, "EXPLAIN takes a query"), &start)),
        }
    }

    fn explain_options(&mut self, format: ExplainFormat, analyze: bool) -> Result<(ExplainFormat, bool)> {
        let (mut format, mut analyze) = (format, analyze);
        self.expect_token(&Token::LParen)?;
        loop {
            if self.word("FORMAT") {
                format = self.explain_format()?;
            } else if self.word("ANALYZE") {
                analyze = !(self.word("FALSE") || self.word("OFF"));
                let _ = self.word("TRUE") || self.word("ON");
            } else if self.word("VERBOSE") {
                let _ = self.word("TRUE") || self.word("FALSE") || self.word("ON") || self.word("OFF");
            } else {
                return Err(self.expected("FORMAT or ANALYZE"));
            }
            if !self.token(&Token::Comma) {
                break;
            }
        }
        self.expect_token(&Token::RParen)?;
        Ok((format, analyze))
    }

    fn explain_format(&mut self) -> Result<ExplainFormat> {
        let token = self.peek();
        let name = self.text_value()?;
        ExplainFormat::from_name(&name).ok_or_else(|| {
            let error = Error::new(ErrorCode::InvalidParameter, format!("EXPLAIN has no format \"{name}\""));
            let error = at_token(error, &token);
            match nearest(&name, ExplainFormat::NAMES) {
                Some(near) => error.with_hint(did_you_mean(near)),
                None => error.with_hint(format!("formats are {}", ExplainFormat::NAMES.join(", "))),
            }
        })
    }

    /// `DROP TABLE|VIEW [IF EXISTS] name [CASCADE|RESTRICT]`.
    fn drop(&mut self) -> Result<Statement> {
        self.expect_word("DROP")?;
        if let Some(statement) = self.drop_other()? {
            return Ok(statement);
        }
        let _ = self.word("EXTERNAL");
        let kind = if self.word("TABLE") {
            DropKind::Table
        } else if self.word("VIEW") {
            DropKind::View
        } else {
            return Err(self.expected("TABLE, VIEW, SCHEMA, FUNCTION, OPERATOR or MODULE"));
        };
        let if_exists = self.words(&["IF", "EXISTS"]);
        let name = self.object_name()?;
        self.end_of_drop()?;
        Ok(Statement::Drop { kind, name, if_exists })
    }

    fn finish(&mut self) -> Result<()> {
        let mut ended = false;
        while self.token(&Token::SemiColon) {
            ended = true;
        }
        if self.peek().token == Token::EOF {
            return Ok(());
        }
        if ended {
            return Err(self.here(Error::new(ErrorCode::Syntax, "there is more than one statement")));
        }
        Err(self.expected("the end of the statement"))
    }
}

/// The small steps that all statements are read with.
impl StatementParser<'_> {
    /// Lets sqlparser read a part.
    fn sub<T>(&mut self, read: impl FnOnce(&mut Parser) -> Result<T, ParserError>) -> Result<T> {
        let result = read(&mut self.parser);
        result.map_err(|error| {
            let tokens = self.tokens_read();
            syntax_error(&error, self.sql, &tokens)
        })
    }

    /// The words before and at the place that the parser has come to, latest first, for hints.
    fn tokens_read(&self) -> Vec<TokenWithSpan> {
        // Blanks are tokens too: a few may stand between the last word and the mistake.
        let at = self.parser.get_current_index() + BLANKS_SKIPPED;
        let back = (0..=at).rev().take(WORDS_LOOKED_AT * 4).map(|index| self.parser.token_at(index));
        back.filter(|token| matches!(token.token, Token::Word(_))).take(WORDS_LOOKED_AT).cloned().collect()
    }

    fn peek(&self) -> TokenWithSpan {
        self.parser.peek_token()
    }

    /// The next token if it is a word without quotes.
    fn peek_word(&self) -> Option<Word> {
        match self.parser.peek_token_ref().token {
            Token::Word(ref word) if word.quote_style.is_none() => Some(word.clone()),
            _ => None,
        }
    }

    fn peek_is(&self, name: &str) -> bool {
        matches!(&self.parser.peek_token_ref().token,
            Token::Word(word) if word.quote_style.is_none() && word.value.eq_ignore_ascii_case(name))
    }

    /// Takes the word if it comes next.
    fn word(&mut self, name: &str) -> bool {
        let found = self.peek_is(name);
        if found {
            self.parser.advance_token();
        }
        found
    }

    fn at_words(&self, names: &[&str]) -> bool {
        names.iter().enumerate().all(|(ahead, name)| {
            matches!(&self.parser.peek_nth_token_ref(ahead).token,
                Token::Word(word) if word.quote_style.is_none() && word.value.eq_ignore_ascii_case(name))
        })
    }

    /// Takes all of the words if they come next, or none.
    fn words(&mut self, names: &[&str]) -> bool {
        let all = self.at_words(names);
        if all {
            names.iter().for_each(|_| self.parser.advance_token());
        }
        all
    }

    fn expect_word(&mut self, name: &str) -> Result<()> {
        if self.word(name) { Ok(()) } else { Err(self.expected(name)) }
    }

    fn token(&mut self, token: &Token) -> bool {
        self.parser.consume_token(token)
    }

    fn expect_token(&mut self, token: &Token) -> Result<()> {
        if self.token(token) { Ok(()) } else { Err(self.expected(&format!("'{token}'"))) }
    }

    fn object_name(&mut self) -> Result<String> {
        if !matches!(self.peek().token, Token::Word(_)) {
            return Err(self.expected("a name"));
        }
        let name = self.sub(|parser| parser.parse_object_name(false))?;
        table_name_of(&name).ok_or_else(|| self.expected("a name"))
    }

    /// A name of one or more parts that is no table's.
    fn dotted_name(&mut self) -> Result<String> {
        if !matches!(self.peek().token, Token::Word(_)) {
            return Err(self.expected("a name"));
        }
        let name = self.sub(|parser| parser.parse_object_name(false))?;
        name_of(&name).ok_or_else(|| self.expected("a name"))
    }

    /// # Errors
    /// `Syntax` when a new name has a dot.
    fn without_dot(&self, name: &str, at: &TokenWithSpan) -> Result<()> {
        if !name.contains('.') && !name.is_empty() {
            return Ok(());
        }
        let error = Error::new(ErrorCode::Syntax, format!("{} cannot be a name", quoted(name)));
        Err(at_token(error, at).with_hint("a name is not empty and has no dot in it"))
    }

    fn whole_number(&mut self, what: &str) -> Result<u64> {
        if let Token::Number(text, _) = &self.peek().token
            && let Ok(number) = text.parse()
        {
            self.parser.advance_token();
            return Ok(number);
        }
        Err(self.expected(what))
    }

    fn identifier(&mut self) -> Result<Ident> {
        if !matches!(self.peek().token, Token::Word(_)) {
            return Err(self.expected("a name"));
        }
        self.sub(|parser| parser.parse_identifier())
    }

    /// `(a, b)`.
    fn identifiers(&mut self) -> Result<Vec<String>> {
        self.expect_token(&Token::LParen)?;
        let mut names = Vec::new();
        loop {
            names.push(ident_of(&self.identifier()?));
            if !self.token(&Token::Comma) {
                break;
            }
        }
        self.expect_token(&Token::RParen)?;
        Ok(names)
    }

    fn string(&mut self) -> Result<String> {
        match self.peek().token {
            Token::SingleQuotedString(text) | Token::EscapedStringLiteral(text) => {
                self.parser.advance_token();
                Ok(text)
            }
            Token::DollarQuotedString(text) => {
                self.parser.advance_token();
                Ok(text.value)
            }
            _ => Err(self.expected("a text in single quotes")),
        }
    }

    /// `X'00ff'`; `None` when something else is there.
    fn bytes(&mut self) -> Result<Option<Vec<u8>>> {
        let token = self.peek();
        let Token::HexStringLiteral(digits) = &token.token else { return Ok(None) };
        let bytes = hex::decode(digits).map_err(|error| {
            let message = format!("X'…' does not hold bytes: {error}");
            let hint = "each byte is two hexadecimal digits";
            at_token(Error::new(ErrorCode::Syntax, message).with_hint(hint), &token)
        })?;
        self.parser.advance_token();
        Ok(Some(bytes))
    }

    /// A word, a text in quotes or a number, as text.
    fn text_value(&mut self) -> Result<String> {
        let text = match self.peek().token {
            Token::Word(word) => word.value,
            Token::Number(number, _) => number,
            _ => return self.string(),
        };
        self.parser.advance_token();
        Ok(text)
    }

    /// The text between two places, without white space at its ends.
    fn text_between(&self, start: &TokenWithSpan, end: &TokenWithSpan) -> &str {
        let offset = |token: &TokenWithSpan| match position_of(token.span.start) {
            Some(position) => offset_of(self.sql, position),
            None => self.sql.len(),
        };
        self.sql.get(offset(start)..offset(end)).unwrap_or_default().trim()
    }

    fn here(&self, error: Error) -> Error {
        at_token_or(error, &self.peek(), end_of(self.sql))
    }

    fn expected(&self, what: &str) -> Error {
        let found = self.peek();
        let position = position_of(found.span.start).unwrap_or_else(|| end_of(self.sql));
        let message = match &found.token {
            Token::EOF if self.sql.trim().is_empty() => "there is no statement".to_owned(),
            token => expected_message(what, &token.to_string()),
        };
        let error = Error::new(ErrorCode::Syntax, message).at(position);
        match syntax_hint(&self.tokens_read(), position) {
            Some(hint) => error.with_hint(hint),
            None => error,
        }
    }
}

fn at_token(error: Error, token: &TokenWithSpan) -> Error {
    match position_of(token.span.start) {
        Some(position) => error.at(position),
        None => error,
    }
}

fn at_token_or(error: Error, token: &TokenWithSpan, otherwise: Position) -> Error {
    error.at(position_of(token.span.start).unwrap_or(otherwise))
}
