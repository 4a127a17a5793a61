//! Statements that change rows: INSERT, UPDATE, DELETE, TRUNCATE, COPY … FROM.

use nyala_schema::{Error, Result};
use sqlparser::ast::{Expr, SetExpr, With};
use sqlparser::parser::Parser;
use sqlparser::tokenizer::Token;

use super::StatementParser;
use super::file_format::{FileOptions, build_format};
use crate::normalize::ident_of;
use crate::statement::{Delete, Insert, InsertSource, PartitionValue, Statement, Update};

/// Words that follow the name of a changed table and are not another name for it.
const NO_ALIAS: [&str; 10] =
    ["SET", "USING", "FROM", "WHERE", "ON", "WHEN", "RETURNING", "ORDER", "LIMIT", "PARTITION"];

impl StatementParser<'_> {
    /// `WITH …` before a query or a statement that changes rows.
    pub(super) fn with_statement(&mut self) -> Result<Statement> {
        let mut with = self.sub(|parser| {
            parser.expect_keyword(sqlparser::keywords::Keyword::WITH)?;
            let with_token = parser.get_current_token().clone().into();
            let recursive = parser.parse_keyword(sqlparser::keywords::Keyword::RECURSIVE);
            Ok(With { with_token, recursive, cte_tables: parser.parse_comma_separated(Parser::parse_cte)? })
        })?;
        if self.peek_is("UPDATE") || self.peek_is("DELETE") {
            self.prepare(&mut with)?;
            return if self.peek_is("UPDATE") { self.update(Some(with)) } else { self.delete(Some(with)) };
        }
        if self.peek_is("INSERT") {
            return self.insert(Some(with));
        }
        if self.peek_is("MERGE") {
            let error = Error::unsupported("WITH before MERGE is not supported");
            return Err(self.here(error).with_hint("put it into USING (WITH … SELECT …) AS s"));
        }
        Ok(Statement::Query(self.query_with(Some(with))?))
    }

    /// `INSERT INTO | OVERWRITE [TABLE] t [(columns)] [PARTITION (…)] query | VALUES … | DEFAULT VALUES`.
    pub(super) fn insert(&mut self, with: Option<With>) -> Result<Statement> {
        self.expect_word("INSERT")?;
        if self.peek_is("OR") {
            let error = Error::unsupported("INSERT OR … is not supported");
            return Err(self.here(error).with_hint("write MERGE INTO … USING … ON … WHEN …"));
        }
        let overwrite = self.word("OVERWRITE");
        if !self.word("INTO") && !overwrite {
            return Err(self.expected("INTO or OVERWRITE"));
        }
        let _ = self.word("TABLE");
        let table = self.object_name()?;
        let mut columns = self.target_columns()?;
        let partition = self.partition_values()?;
        if columns.is_empty() {
            columns = self.target_columns()?;
        }
        let source = if with.is_none() && self.words(&["DEFAULT", "VALUES"]) {
            InsertSource::Defaults
        } else if self.at_query() {
            self.insert_source(with)?
        } else {
            return Err(self.expected("VALUES or SELECT"));
        };
        self.refuse_returning()?;
        if self.peek_is("ON") {
            let error = Error::unsupported("INSERT … ON CONFLICT is not supported");
            return Err(self.here(error).with_hint("write MERGE INTO … USING … ON … WHEN …"));
        }
        Ok(Statement::Insert(Insert { table, columns, partition, overwrite, source }))
    }

    fn target_columns(&mut self) -> Result<Vec<String>> {
        let is_list = self.peek().token == Token::LParen && !self.at_query();
        if is_list { self.identifiers() } else { Ok(Vec::new()) }
    }

    /// Rows one by one where they are nothing but that and DEFAULT is among them.
    fn insert_source(&mut self, with: Option<With>) -> Result<InsertSource> {
        let query = self.query_with(with)?;
        let plain = query.with.is_none() && query.order_by.is_none() && query.limit_clause.is_none();
        match *query.body {
            SetExpr::Values(values)
                if plain && values.rows.iter().flat_map(|row| &row.content).any(is_default) =>
            {
                let value = |expr: Expr| if is_default(&expr) { None } else { Some(expr) };
                let rows = values.rows.into_iter().map(|row| row.content.into_iter().map(value).collect());
                Ok(InsertSource::Rows(rows.collect()))
            }
            body => {
                Ok(InsertSource::Query(Box::new(sqlparser::ast::Query { body: Box::new(body), ..*query })))
            }
        }
    }

    /// `UPDATE t [AS a] SET column = value, … [FROM …] [WHERE …]`.
    pub(super) fn update(&mut self, with: Option<With>) -> Result<Statement> {
        self.expect_word("UPDATE")?;
        let table = self.object_name()?;
        let alias = self.target_alias()?;
        self.expect_word("SET")?;
        let assignments = self.assignments(&table, alias.as_deref())?;
        let from = if self.word("FROM") { self.tables()? } else { Vec::new() };
        let condition = self.condition()?;
        Ok(Statement::Update(Update { table, alias, assignments, from, condition, with }))
    }

    /// `DELETE FROM t [AS a] [USING …] [WHERE …]`.
    pub(super) fn delete(&mut self, with: Option<With>) -> Result<Statement> {
        self.expect_word("DELETE")?;
        self.expect_word("FROM")?;
        let table = self.object_name()?;
        let alias = self.target_alias()?;
        let using = if self.word("USING") { self.tables()? } else { Vec::new() };
        let condition = self.condition()?;
        Ok(Statement::Delete(Delete { table, alias, using, condition, with }))
    }

    pub(super) fn target_alias(&mut self) -> Result<Option<String>> {
        let follows =
            matches!(self.peek().token, Token::Word(_)) && !NO_ALIAS.iter().any(|word| self.peek_is(word));
        if self.word("AS") || follows {
            return Ok(Some(ident_of(&self.identifier()?)));
        }
        Ok(None)
    }

    fn tables(&mut self) -> Result<Vec<sqlparser::ast::TableWithJoins>> {
        let mut tables = self.sub(|parser| parser.parse_comma_separated(Parser::parse_table_and_joins))?;
        self.prepare(&mut tables)?;
        Ok(tables)
    }

    fn condition(&mut self) -> Result<Option<Expr>> {
        let condition = if self.word("WHERE") { Some(self.expr()?) } else { None };
        self.refuse_returning()?;
        Ok(condition)
    }

    fn refuse_returning(&self) -> Result<()> {
        if self.peek_is("RETURNING") {
            return Err(self.here(Error::unsupported("RETURNING is not supported")));
        }
        Ok(())
    }

    /// `a = 1, t.b = DEFAULT, (c, d) = (3, 4)`.
    pub(super) fn assignments(
        &mut self,
        table: &str,
        alias: Option<&str>,
    ) -> Result<Vec<(String, Option<Expr>)>> {
        let mut assignments = Vec::new();
        loop {
            if self.peek().token == Token::LParen {
                let columns = self.identifiers()?;
                self.expect_token(&Token::Eq)?;
                let start = self.peek();
                let values = self.values_in_parentheses()?;
                if values.len() != columns.len() {
                    let message = format!("{} columns are set to {} values", columns.len(), values.len());
                    let error = Error::new(nyala_schema::ErrorCode::Syntax, message);
                    return Err(super::at_token(error, &start));
                }
                assignments.extend(columns.into_iter().zip(values));
            } else {
                let column = self.assigned_column(table, alias)?;
                self.expect_token(&Token::Eq)?;
                assignments.push((column, self.value_or_default()?));
            }
            if !self.token(&Token::Comma) {
                return Ok(assignments);
            }
        }
    }

    /// `a` or `t.a`.
    fn assigned_column(&mut self, table: &str, alias: Option<&str>) -> Result<String> {
        let start = self.peek();
        if !matches!(start.token, Token::Word(_)) {
            return Err(self.expected("a column"));
        }
        let mut parts = self.sub(|parser| parser.parse_object_name(false))?;
        let column = parts.0.pop().and_then(|part| part.as_ident().map(ident_of)).unwrap_or_default();
        let qualifier = crate::normalize::table_name_of(&parts).unwrap_or_default();
        let (_, short) = nyala_schema::table::split_name(table);
        if !qualifier.is_empty()
            && qualifier != alias.unwrap_or(table)
            && (alias.is_some() || qualifier != short)
        {
            let message =
                format!("only columns of {} are set here", crate::suggest::quoted(alias.unwrap_or(table)));
            return Err(super::at_token(
                Error::new(nyala_schema::ErrorCode::UndefinedColumn, message),
                &start,
            ));
        }
        Ok(column)
    }

    pub(super) fn value_or_default(&mut self) -> Result<Option<Expr>> {
        let value = self.expr()?;
        Ok(if is_default(&value) { None } else { Some(value) })
    }

    /// `(1, DEFAULT)`.
    pub(super) fn values_in_parentheses(&mut self) -> Result<Vec<Option<Expr>>> {
        self.expect_token(&Token::LParen)?;
        let mut values = Vec::new();
        loop {
            values.push(self.value_or_default()?);
            if !self.token(&Token::Comma) {
                break;
            }
        }
        self.expect_token(&Token::RParen)?;
        Ok(values)
    }

    /// `TRUNCATE [TABLE] t [PARTITION (…)]`.
    pub(super) fn truncate(&mut self) -> Result<Statement> {
        self.expect_word("TRUNCATE")?;
        let _ = self.word("TABLE");
        Ok(Statement::Truncate { table: self.object_name()?, partition: self.partition_values()? })
    }

    /// `PARTITION (p = 1, year(ts) = 2026)`, or nothing.
    pub(super) fn partition_values(&mut self) -> Result<Vec<PartitionValue>> {
        if !self.word("PARTITION") {
            return Ok(Vec::new());
        }
        self.expect_token(&Token::LParen)?;
        let mut values = Vec::new();
        loop {
            let term = self.partition_term()?;
            if matches!(self.peek().token, Token::Comma | Token::RParen) {
                let error = Error::unsupported("a partition without a value is not supported");
                return Err(self
                    .here(error)
                    .with_hint("leave it out: rows find their partitions themselves"));
            }
            self.expect_token(&Token::Eq)?;
            values.push(PartitionValue { term, value: self.expr()? });
            if !self.token(&Token::Comma) {
                break;
            }
        }
        self.expect_token(&Token::RParen)?;
        Ok(values)
    }

    /// What follows `COPY t [(columns)] FROM`: `'files' [(FORMAT csv, …)]`.
    pub(super) fn copy_from(&mut self, table: String, columns: Vec<String>) -> Result<Statement> {
        let location = self.string()?;
        let mut options = FileOptions::default();
        let format = self.copy_options(&mut options)?;
        let (format, rest) = build_format(format.as_deref(), options, &location)?;
        if let Some((option, _)) = rest.first() {
            let message =
                format!("option {} does not apply to reading files", crate::suggest::quoted(option));
            return Err(Error::new(nyala_schema::ErrorCode::InvalidParameter, message));
        }
        Ok(Statement::CopyFrom { table, columns, location, format })
    }
}

/// The word DEFAULT, which the parser of expressions takes for a name.
fn is_default(expr: &Expr) -> bool {
    matches!(expr, Expr::Identifier(ident)
        if ident.quote_style.is_none() && ident.value.eq_ignore_ascii_case("default"))
}
