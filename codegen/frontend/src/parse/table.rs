//! What a managed table is made of: columns, constraints, partitions, order, properties.

use nyala_schema::managed::Transform;
use nyala_schema::{Error, ErrorCode, Result};
use sqlparser::ast::{ColumnOption, Expr};
use sqlparser::tokenizer::{Token, TokenWithSpan};

use super::{StatementParser, at_token};
use crate::normalize::ident_of;
use crate::statement::{CheckDefinition, ColumnDefinition, PartitionTerm, SortTerm, TableClauses};
use crate::suggest::{did_you_mean, nearest, quoted};

/// Transforms of PARTITIONED BY, by the names that other systems give them too.
const TRANSFORMS: [(&str, Transform); 8] = [
    ("year", Transform::Year),
    ("years", Transform::Year),
    ("month", Transform::Month),
    ("months", Transform::Month),
    ("day", Transform::Day),
    ("days", Transform::Day),
    ("hour", Transform::Hour),
    ("hours", Transform::Hour),
];

/// Buckets, or characters and units that a partition's values are cut to, at most.
const TRANSFORM_NUMBER_MAX: u64 = 1 << 20;

/// What a column may say that Nyala does not keep, and what to do instead.
const NOT_KEPT: &[(&[&str], &str)] = &[
    (&["PRIMARY", "KEY"], "leave it out: write NOT NULL, and MERGE INTO … to insert what is not there"),
    (&["UNIQUE"], "leave it out: write MERGE INTO … to insert what is not there"),
    (&["FOREIGN", "KEY"], "leave it out: nothing keeps rows of two tables together"),
    (&["REFERENCES"], "leave it out: nothing keeps rows of two tables together"),
    (&["GENERATED"], "compute it in a view, or give it a DEFAULT"),
    (&["AUTO_INCREMENT"], "number rows with row_number() OVER ()"),
    (&["COLLATE"], "text is compared by its bytes"),
    (&["COMMENT"], "write COMMENT ON COLUMN table.column IS '…' after it"),
];

impl StatementParser<'_> {
    /// `(a INTEGER NOT NULL DEFAULT 1 CHECK (a > 0), CONSTRAINT c CHECK (a < b))`, or nothing.
    pub(super) fn table_columns(&mut self, clauses: &mut TableClauses) -> Result<Vec<ColumnDefinition>> {
        let mut columns: Vec<ColumnDefinition> = Vec::new();
        if !self.token(&Token::LParen) {
            return Ok(columns);
        }
        while !self.token(&Token::RParen) {
            if self.at_constraint() {
                clauses.checks.push(self.check_constraint()?);
            } else {
                let start = self.peek();
                let column = self.column_definition(&mut clauses.checks)?;
                if columns.iter().any(|other| other.name == column.name) {
                    let message = format!("column {} is there twice", quoted(&column.name));
                    return Err(at_token(Error::new(ErrorCode::DuplicateColumn, message), &start));
                }
                columns.push(column);
            }
            if !self.token(&Token::Comma) {
                self.expect_token(&Token::RParen)?;
                break;
            }
        }
        Ok(columns)
    }

    /// A constraint of the table rather than a column: the words are names of columns too.
    fn at_constraint(&self) -> bool {
        let then = &self.parser.peek_nth_token_ref(1).token;
        let then_word =
            |name: &str| matches!(then, Token::Word(word) if word.value.eq_ignore_ascii_case(name));
        let two_words = matches!(self.parser.peek_nth_token_ref(2).token, Token::Word(_));
        self.peek_is("CHECK") && *then == Token::LParen
            || self.peek_is("UNIQUE") && *then == Token::LParen
            || self.peek_is("CONSTRAINT") && matches!(then, Token::Word(_)) && two_words
            || (self.peek_is("PRIMARY") || self.peek_is("FOREIGN")) && then_word("KEY")
    }

    /// `[CONSTRAINT name] CHECK (condition)`.
    pub(super) fn check_constraint(&mut self) -> Result<CheckDefinition> {
        let name = if self.word("CONSTRAINT") { Some(self.new_identifier()?) } else { None };
        self.refuse_not_kept()?;
        self.expect_word("CHECK")?;
        self.expect_token(&Token::LParen)?;
        let sql = self.expression_text()?;
        self.expect_token(&Token::RParen)?;
        Ok(CheckDefinition { name, sql })
    }

    /// `name TYPE [NOT NULL] [DEFAULT expression] [[CONSTRAINT name] CHECK (condition)]`; its checks go to `checks`.
    pub(super) fn column_definition(
        &mut self,
        checks: &mut Vec<CheckDefinition>,
    ) -> Result<ColumnDefinition> {
        let name = ident_of(&self.identifier()?);
        let data_type = self.data_type()?;
        let mut column = ColumnDefinition { name, data_type, nullable: true, default: None };
        loop {
            if self.words(&["NOT", "NULL"]) {
                column.nullable = false;
            } else if self.word("NULL") {
            } else if self.peek_is("DEFAULT") {
                let start = self.peek();
                let default = self.column_default()?;
                if column.default.replace(default).is_some() {
                    return Err(at_token(Error::new(ErrorCode::Syntax, "DEFAULT is there twice"), &start));
                }
            } else if self.peek_is("CHECK") || self.peek_is("CONSTRAINT") {
                checks.push(self.check_constraint()?);
            } else {
                self.refuse_not_kept()?;
                return Ok(column);
            }
        }
    }

    fn refuse_not_kept(&mut self) -> Result<()> {
        let start = self.peek();
        match NOT_KEPT.iter().find(|(words, _)| self.words(words)) {
            Some((words, hint)) => {
                let error = Error::unsupported(format!("{} is not supported", words.join(" ")));
                Err(at_token(error, &start).with_hint(*hint))
            }
            None => Ok(()),
        }
    }

    /// The words NOT NULL after the expression are not of it.
    fn column_default(&mut self) -> Result<String> {
        let start = self.parser.peek_nth_token_ref(1).clone();
        match self.sub(|parser| parser.parse_optional_column_option())? {
            // A default is often put in parentheses, so that it ends.
            Some(ColumnOption::Default(Expr::Nested(expr))) => self.text_of(*expr, &start),
            Some(ColumnOption::Default(expr)) => self.text_of(expr, &start),
            _ => Err(self.expected("DEFAULT")),
        }
    }

    /// An expression, as text to be kept.
    pub(super) fn expression_text(&mut self) -> Result<String> {
        let start = self.peek();
        match self.sub(|parser| parser.parse_expr())? {
            Expr::Nested(expr) => self.text_of(*expr, &start),
            expr => self.text_of(expr, &start),
        }
    }

    /// As it is always written, if that says the same; otherwise as it was written.
    fn text_of(&self, expr: Expr, start: &TokenWithSpan) -> Result<String> {
        self.prepare(&mut expr.clone())?;
        let text = expr.to_string();
        if super::parse_expression(&text).is_ok_and(|again| again == expr) {
            return Ok(text);
        }
        Ok(self.text_between(start, &self.peek()).to_owned())
    }

    /// `PARTITIONED BY (…)`, `SORTED BY (…)`, `WITH (…)`, `COMMENT 'text'`, in any order.
    pub(super) fn table_clauses(&mut self, clauses: &mut TableClauses) -> Result<()> {
        loop {
            if self.words(&["PARTITIONED", "BY"]) || self.words(&["PARTITION", "BY"]) {
                clauses.partition_by = self.partition_terms()?;
            } else if self.words(&["SORTED", "BY"]) || self.words(&["SORT", "BY"]) {
                clauses.sort_by = self.sort_terms()?;
            } else if self.word("WITH") || self.word("TBLPROPERTIES") {
                let properties = self.properties()?;
                clauses.properties.extend(properties);
            } else if self.word("COMMENT") {
                let _ = self.token(&Token::Eq);
                clauses.comment = Some(self.string()?);
            } else if self.words(&["CLUSTERED", "BY"]) || self.words(&["ORDER", "BY"]) {
                let error = Error::unsupported("tables are not CLUSTERED BY columns");
                return Err(self
                    .here(error)
                    .with_hint("write SORTED BY (…), or PARTITIONED BY (bucket(n, column))"));
            } else {
                return Ok(());
            }
        }
    }

    fn partition_terms(&mut self) -> Result<Vec<PartitionTerm>> {
        self.expect_token(&Token::LParen)?;
        let mut terms: Vec<PartitionTerm> = Vec::new();
        loop {
            let start = self.peek();
            let term = self.partition_term()?;
            if matches!(self.peek().token, Token::Word(_)) {
                let error = Error::new(ErrorCode::Syntax, "a partition column has no type here");
                return Err(self
                    .here(error)
                    .with_hint("put the column among the others, and here its name alone"));
            }
            if terms.contains(&term) {
                let message = format!("{} is there twice", term.transform.to_sql(&term.column));
                return Err(at_token(Error::new(ErrorCode::DuplicateColumn, message), &start));
            }
            terms.push(term);
            if !self.token(&Token::Comma) {
                break;
            }
        }
        self.expect_token(&Token::RParen)?;
        Ok(terms)
    }

    /// `column`, `year(column)`, `bucket(16, column)` …
    pub(super) fn partition_term(&mut self) -> Result<PartitionTerm> {
        let start = self.peek();
        let name = ident_of(&self.identifier()?);
        if !self.token(&Token::LParen) {
            return Ok(PartitionTerm { column: name, transform: Transform::Identity });
        }
        let transform = match name.as_str() {
            "bucket" | "truncate" => {
                let at = self.peek();
                let number = self.whole_number("a number")?;
                let allowed = 1..=TRANSFORM_NUMBER_MAX;
                let Some(number) = u32::try_from(number).ok().filter(|_| allowed.contains(&number)) else {
                    let message = format!("{name} takes a number from 1 to {TRANSFORM_NUMBER_MAX}");
                    return Err(at_token(Error::new(ErrorCode::InvalidParameter, message), &at));
                };
                self.expect_token(&Token::Comma)?;
                if name == "bucket" { Transform::Bucket(number) } else { Transform::Truncate(number) }
            }
            other => match TRANSFORMS.iter().find(|(name, _)| *name == other) {
                Some((_, transform)) => *transform,
                None => return Err(at_token(unknown_transform(other), &start)),
            },
        };
        let column = ident_of(&self.identifier()?);
        self.expect_token(&Token::RParen)?;
        Ok(PartitionTerm { column, transform })
    }

    /// `(a, b DESC NULLS FIRST)`; NULL is the greatest value unless it is said where it goes.
    pub(super) fn sort_terms(&mut self) -> Result<Vec<SortTerm>> {
        self.expect_token(&Token::LParen)?;
        let mut terms: Vec<SortTerm> = Vec::new();
        while !self.token(&Token::RParen) {
            let start = self.peek();
            let column = ident_of(&self.identifier()?);
            if terms.iter().any(|term| term.column == column) {
                let message = format!("column {} is there twice", quoted(&column));
                return Err(at_token(Error::new(ErrorCode::DuplicateColumn, message), &start));
            }
            let descending = self.word("DESC");
            let _ = !descending && self.word("ASC");
            let nulls_first = if self.words(&["NULLS", "FIRST"]) {
                true
            } else {
                !self.words(&["NULLS", "LAST"]) && descending
            };
            terms.push(SortTerm { column, descending, nulls_first });
            if !self.token(&Token::Comma) {
                self.expect_token(&Token::RParen)?;
                break;
            }
        }
        Ok(terms)
    }

    /// `(name = value, 'name' = 'value')`: lower-case names.
    pub(super) fn properties(&mut self) -> Result<Vec<(String, String)>> {
        self.expect_token(&Token::LParen)?;
        let mut properties: Vec<(String, String)> = Vec::new();
        while !self.token(&Token::RParen) {
            let start = self.peek();
            let name = self.text_value()?.to_lowercase();
            self.expect_token(&Token::Eq)?;
            let value = self.text_value()?;
            if properties.iter().any(|(other, _)| *other == name) {
                let message = format!("property {} is there twice", quoted(&name));
                return Err(at_token(Error::new(ErrorCode::Syntax, message), &start));
            }
            properties.push((name, value));
            if !self.token(&Token::Comma) {
                self.expect_token(&Token::RParen)?;
                break;
            }
        }
        Ok(properties)
    }
}

fn unknown_transform(name: &str) -> Error {
    let error =
        Error::new(ErrorCode::UndefinedFunction, format!("tables are not partitioned by {}", quoted(name)));
    let known = ["year", "month", "day", "hour", "bucket", "truncate"];
    match nearest(name, known) {
        Some(near) => error.with_hint(did_you_mean(near)),
        None => error
            .with_hint("write a column, year(c), month(c), day(c), hour(c), bucket(n, c) or truncate(w, c)"),
    }
}
