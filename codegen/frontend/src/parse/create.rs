//! CREATE, and what tables and views have of it.

use nyala_schema::command::OnConflict;
use nyala_schema::scan::FileFormat;
use nyala_schema::{Error, ErrorCode, Result};
use sqlparser::ast::{DataType as SqlType, TimezoneInfo};
use sqlparser::tokenizer::Token;

use super::StatementParser;
use super::file_format::{FileOptions, build_format};
use crate::context::data_type_of;
use crate::normalize::ident_of;
use crate::statement::{ColumnDefinition, PartitionColumn, Statement, TableClauses};
use crate::suggest::quoted;

impl StatementParser<'_> {
    /// `CREATE [OR REPLACE] [EXTERNAL | TEMPORARY] TABLE | VIEW | SCHEMA | [AGGREGATE | TABLE] FUNCTION | OPERATOR | MODULE …`.
    pub(super) fn create(&mut self) -> Result<Statement> {
        self.expect_word("CREATE")?;
        let replace = self.words(&["OR", "REPLACE"]);
        if let Some(kind) = self.function_kind() {
            return self.create_function(kind, replace);
        }
        if self.word("OPERATOR") {
            return self.create_operator(replace);
        }
        if self.word("MODULE") {
            return self.create_module(replace);
        }
        if self.word("SCHEMA") || self.word("DATABASE") {
            return self.create_schema(replace);
        }
        let _ = self.word("TEMPORARY") || self.word("TEMP");
        if self.word("EXTERNAL") {
            self.expect_word("TABLE")?;
            return self.create_external(replace);
        }
        if self.word("TABLE") {
            return self.create_table(replace);
        }
        if self.word("VIEW") {
            return self.create_view(replace);
        }
        Err(self.expected(
            "TABLE, EXTERNAL TABLE, VIEW, SCHEMA, FUNCTION, AGGREGATE FUNCTION, OPERATOR or MODULE",
        ))
    }

    pub(super) fn conflict(&mut self, replace: bool) -> Result<OnConflict> {
        match (replace, self.words(&["IF", "NOT", "EXISTS"])) {
            (true, true) => Err(self
                .here(Error::new(ErrorCode::Syntax, "OR REPLACE and IF NOT EXISTS cannot be used together"))),
            (true, false) => Ok(OnConflict::Replace),
            (false, true) => Ok(OnConflict::Keep),
            (false, false) => Ok(OnConflict::Fail),
        }
    }

    fn create_table(&mut self, replace: bool) -> Result<Statement> {
        let on_conflict = self.conflict(replace)?;
        let name = self.new_name()?;
        if self.peek_is("LIKE") {
            let error = Error::unsupported("CREATE TABLE … LIKE is not supported");
            return Err(self
                .here(error)
                .with_hint("write AS SELECT * FROM … LIMIT 0, or copy SHOW CREATE TABLE"));
        }
        let mut definition = TableClauses::default();
        let columns = self.table_columns(&mut definition)?;
        self.table_clauses(&mut definition)?;
        if columns.is_empty() && definition.checks.is_empty() && self.word("AS") {
            return Ok(Statement::CreateTableAs { name, definition, query: self.query()?, on_conflict });
        }
        if columns.is_empty() {
            return Err(self.expected("columns or AS"));
        }
        for clause in ["LOCATION", "STORED"] {
            if self.peek_is(clause) {
                let error =
                    Error::new(ErrorCode::Syntax, format!("{clause} belongs to CREATE EXTERNAL TABLE"));
                return Err(self.here(error));
            }
        }
        if self.word("AS") {
            let error = Error::unsupported("CREATE TABLE with both columns and AS is not supported");
            return Err(self.here(error).with_hint("name and cast the columns in the query"));
        }
        Ok(Statement::CreateTable { name, columns, definition, on_conflict })
    }

    fn create_view(&mut self, replace: bool) -> Result<Statement> {
        let on_conflict = self.conflict(replace)?;
        let name = self.new_name()?;
        let columns = if self.peek().token == Token::LParen { Some(self.identifiers()?) } else { None };
        self.expect_word("AS")?;
        let start = self.peek();
        let query = self.query()?;
        let query_sql = self.text_between(&start, &self.peek()).to_owned();
        Ok(Statement::CreateView { name, columns, query_sql, query, on_conflict })
    }

    fn create_external(&mut self, replace: bool) -> Result<Statement> {
        let on_conflict = self.conflict(replace)?;
        let start = self.peek();
        let name = self.new_name()?;
        let columns = self.external_columns()?;
        let mut clauses = ExternalClauses::default();
        while self.external_clause(&mut clauses)? {}
        let Some(location) = clauses.location else {
            return Err(match self.peek().token {
                Token::EOF | Token::SemiColon => {
                    let error =
                        Error::new(ErrorCode::Syntax, format!("table {} has no LOCATION", quoted(&name)));
                    let error = error.with_hint("add LOCATION 'path', a file, a directory or a glob");
                    super::at_token(error, &start)
                }
                _ => self.expected("STORED AS, PARTITIONED BY, OPTIONS or LOCATION"),
            });
        };
        let (format, rest) = build_format(clauses.format.as_deref(), clauses.options, &location)?;
        if let Some((option, _)) = rest.first() {
            let message = format!(
                "option {} does not apply to reading {}",
                quoted(option),
                format_name(format.as_ref())
            );
            return Err(Error::new(ErrorCode::InvalidParameter, message));
        }
        let partition_by = clauses.partition_by;
        Ok(Statement::CreateExternalTable { name, columns, format, location, partition_by, on_conflict })
    }

    /// One clause, in any order; `false` when there is no more.
    fn external_clause(&mut self, clauses: &mut ExternalClauses) -> Result<bool> {
        if self.words(&["STORED", "AS"]) || self.word("USING") {
            clauses.format = Some(self.text_value()?);
        } else if self.word("LOCATION") {
            clauses.location = Some(self.string()?);
        } else if self.words(&["PARTITIONED", "BY"]) {
            clauses.partition_by = self.partition_columns()?;
        } else if self.words(&["WITH", "HEADER"]) {
            let _ = self.word("ROW");
            clauses.options.set("header", "true");
        } else if self.word("DELIMITER") {
            let delimiter = self.string()?;
            clauses.options.set("delimiter", &delimiter);
        } else if self.words(&["COMPRESSION", "TYPE"]) {
            let compression = self.text_value()?;
            clauses.options.set("compression", &compression);
        } else if self.word("OPTIONS") || self.word("WITH") {
            self.file_options(&mut clauses.options)?;
        } else {
            return Ok(false);
        }
        Ok(true)
    }

    /// `(a, b INTEGER)`.
    fn partition_columns(&mut self) -> Result<Vec<PartitionColumn>> {
        self.expect_token(&Token::LParen)?;
        let mut columns = Vec::new();
        loop {
            let name = ident_of(&self.identifier()?);
            let data_type = match self.peek().token {
                Token::Comma | Token::RParen => None,
                _ => Some(self.data_type()?),
            };
            columns.push(PartitionColumn { name, data_type });
            if !self.token(&Token::Comma) {
                break;
            }
        }
        self.expect_token(&Token::RParen)?;
        Ok(columns)
    }

    /// `(a INTEGER NOT NULL, b TEXT)`, or nothing.
    fn external_columns(&mut self) -> Result<Vec<ColumnDefinition>> {
        let start = self.peek();
        let mut definition = TableClauses::default();
        let columns = self.table_columns(&mut definition)?;
        if !definition.checks.is_empty() || columns.iter().any(|column| column.default.is_some()) {
            let error = Error::unsupported("an external table has no CHECK and no DEFAULT");
            return Err(super::at_token(error, &start).with_hint("its files are read as they are"));
        }
        Ok(columns)
    }

    pub(super) fn data_type(&mut self) -> Result<arrow::datatypes::DataType> {
        let token = self.peek();
        let sql_type: SqlType = match self.time_before_clause() {
            Some(sql_type) => sql_type,
            None => self.sub(|parser| parser.parse_data_type())?,
        };
        data_type_of(&sql_type).map_err(|error| super::at_token(error, &token))
    }

    /// TIMESTAMP or TIME before `WITH (…)`, a clause of ours: sqlparser would read on to WITH TIME ZONE.
    fn time_before_clause(&mut self) -> Option<SqlType> {
        let nth = |n: usize| &self.parser.peek_nth_token_ref(n).token;
        let is_word = |n: usize, text: &str| matches!(nth(n), Token::Word(word) if word.quote_style.is_none() && word.value.eq_ignore_ascii_case(text));
        let is_timestamp = is_word(0, "TIMESTAMP");
        if !is_timestamp && !is_word(0, "TIME") {
            return None;
        }
        let precision = match (nth(1), nth(2), nth(3)) {
            (Token::LParen, Token::Number(digits, _), Token::RParen) => Some(digits.parse().ok()?),
            _ => None,
        };
        let length = if precision.is_some() { 4 } else { 1 };
        if !is_word(length, "WITH") || *nth(length + 1) != Token::LParen {
            return None;
        }
        for _ in 0..length {
            self.parser.advance_token();
        }
        let zone = TimezoneInfo::None;
        Some(if is_timestamp { SqlType::Timestamp(precision, zone) } else { SqlType::Time(precision, zone) })
    }
}

#[derive(Default)]
struct ExternalClauses {
    format: Option<String>,
    location: Option<String>,
    partition_by: Vec<PartitionColumn>,
    options: FileOptions,
}

fn format_name(format: Option<&FileFormat>) -> String {
    format.map_or_else(|| "files".to_owned(), ToString::to_string)
}
