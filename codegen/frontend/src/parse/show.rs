//! SHOW, DESCRIBE, SET and RESET.

use nyala_schema::{Error, ErrorCode, Result};
use sqlparser::tokenizer::Token;

use super::StatementParser;
use crate::normalize::name_of;
use crate::statement::{DescribeTarget, ShowTarget, Statement};

impl StatementParser<'_> {
    /// `DESCRIBE [TABLE | VIEW] name | 'file' | query | FUNCTION name[(types)]`.
    pub(super) fn describe(&mut self) -> Result<Statement> {
        let _ = self.word("DESCRIBE") || self.word("DESC");
        if self.at_query() {
            return Ok(Statement::Describe(DescribeTarget::Query(self.query()?)));
        }
        if self.word("FUNCTION") {
            return Ok(Statement::Describe(DescribeTarget::Function(self.overload()?)));
        }
        let _ = self.word("TABLE") || self.word("VIEW");
        Ok(Statement::Describe(DescribeTarget::Table(self.table_or_file()?)))
    }

    fn table_or_file(&mut self) -> Result<String> {
        match self.peek().token {
            Token::SingleQuotedString(_) | Token::Word(_) => {
                let name = self.sub(|parser| parser.parse_object_name(true))?;
                name_of(&name).ok_or_else(|| self.expected("a table"))
            }
            _ => Err(self.expected("a table")),
        }
    }

    /// `SHOW TABLES | VIEWS | FUNCTIONS | FUNCTION HEALTH | MODULES | OPERATORS [LIKE 'pattern'] | COLUMNS FROM name | ALL | option`.
    pub(super) fn show(&mut self) -> Result<Statement> {
        self.expect_word("SHOW")?;
        let target = if self.word("TABLES") {
            ShowTarget::Tables { like: self.like()? }
        } else if self.word("VIEWS") {
            ShowTarget::Views { like: self.like()? }
        } else if self.word("FUNCTIONS") {
            ShowTarget::Functions { like: self.like()? }
        } else if self.words(&["FUNCTION", "HEALTH"]) {
            ShowTarget::FunctionHealth { like: self.like()? }
        } else if self.word("MODULES") {
            ShowTarget::Modules { like: self.like()? }
        } else if self.word("OPERATORS") {
            ShowTarget::Operators { like: self.like()? }
        } else if self.word("COLUMNS") || self.word("FIELDS") {
            if !(self.word("FROM") || self.word("IN")) {
                return Err(self.expected("FROM"));
            }
            ShowTarget::Columns { table: self.table_or_file()? }
        } else if self.word("ALL") || self.word("OPTIONS") || self.word("SETTINGS") {
            ShowTarget::Options
        } else if self.words(&["TIME", "ZONE"]) {
            ShowTarget::Option { name: "time_zone".to_owned() }
        } else if matches!(self.peek().token, Token::Word(_)) {
            ShowTarget::Option { name: self.option_name()? }
        } else {
            return Err(
                self.expected("TABLES, VIEWS, COLUMNS, FUNCTIONS, MODULES, OPERATORS, ALL or an option")
            );
        };
        Ok(Statement::Show(target))
    }

    fn like(&mut self) -> Result<Option<String>> {
        if self.word("LIKE") { self.string().map(Some) } else { Ok(None) }
    }

    /// `nyala.threads` is `threads`.
    fn option_name(&mut self) -> Result<String> {
        let name = self.object_name()?;
        Ok(name.strip_prefix("nyala.").map(str::to_owned).unwrap_or(name))
    }

    /// `SET [SESSION | LOCAL] name = | TO value`, `SET TIME ZONE value`; the value DEFAULT resets.
    pub(super) fn set(&mut self) -> Result<Statement> {
        self.expect_word("SET")?;
        let _ = self.word("SESSION") || self.word("LOCAL");
        let name = if self.words(&["TIME", "ZONE"]) {
            "time_zone".to_owned()
        } else {
            let name = self.option_name()?;
            if !(self.token(&Token::Eq) || self.word("TO")) {
                return Err(self.expected("'=' or TO"));
            }
            name
        };
        if self.word("DEFAULT") {
            return Ok(Statement::Reset { name: Some(name) });
        }
        Ok(Statement::Set { name, value: self.option_value()? })
    }

    /// One text in quotes, or all that comes up to the end: `4 GiB`, `+02:00`.
    fn option_value(&mut self) -> Result<String> {
        let start = self.peek();
        if matches!(start.token, Token::SingleQuotedString(_) | Token::DollarQuotedString(_)) {
            return self.string();
        }
        while !matches!(self.peek().token, Token::EOF | Token::SemiColon) {
            self.parser.advance_token();
        }
        let value = self.text_between(&start, &self.peek()).to_owned();
        if value.is_empty() {
            return Err(self.expected("a value"));
        }
        if value.contains(['\n', '\'', '"', '(']) {
            let error = Error::new(ErrorCode::Syntax, "an option takes one value")
                .with_hint("put it in single quotes");
            return Err(super::at_token(error, &start));
        }
        Ok(value)
    }

    /// `RESET name | ALL`.
    pub(super) fn reset(&mut self) -> Result<Statement> {
        self.expect_word("RESET")?;
        if self.word("ALL") {
            return Ok(Statement::Reset { name: None });
        }
        let name = if self.words(&["TIME", "ZONE"]) { "time_zone".to_owned() } else { self.option_name()? };
        Ok(Statement::Reset { name: Some(name) })
    }
}
