//! SHOW, DESCRIBE, SET and RESET.

use nyala_schema::{Error, ErrorCode, Result};
use sqlparser::tokenizer::Token;

use super::StatementParser;
use crate::normalize::{ident_of, table_name_of};
use crate::statement::{DescribeTarget, ShowTarget, Statement};

impl StatementParser<'_> {
    /// `DESCRIBE [TABLE | VIEW] name | 'file' | query | FUNCTION name[(types)]`.
    pub(super) fn describe(&mut self) -> Result<Statement> {
        let _ = self.word("DESCRIBE") || self.word("DESC");
        if self.at_query() {
            return Ok(Statement::Describe(DescribeTarget::Query(self.query()?)));
        }
        if self.peek_is("FUNCTION") && self.next_is_word() {
            self.parser.advance_token();
            return Ok(Statement::Describe(DescribeTarget::Function(self.overload()?)));
        }
        let _ = self.next_is_word() && (self.word("TABLE") || self.word("VIEW"));
        Ok(Statement::Describe(DescribeTarget::Table(self.table_or_file()?)))
    }

    fn table_or_file(&mut self) -> Result<String> {
        match self.peek().token {
            Token::SingleQuotedString(_) | Token::Word(_) => {
                let name = self.sub(|parser| parser.parse_object_name(true))?;
                table_name_of(&name).ok_or_else(|| self.expected("a table"))
            }
            _ => Err(self.expected("a table")),
        }
    }

    /// `SHOW TABLES [FROM schema] | VIEWS [FROM schema] | SCHEMAS | DROPPED | FUNCTIONS | FUNCTION HEALTH | MODULES | OPERATORS [LIKE 'pattern']
    /// | COLUMNS FROM name | CREATE TABLE | PROPERTIES | FILES | PARTITIONS | STATISTICS name | HISTORY [name] [LIMIT n]
    /// | QUERIES | NODES | CONNECTIONS | PROFILE FOR 'id' | ALL | option`.
    pub(super) fn show(&mut self) -> Result<Statement> {
        self.expect_word("SHOW")?;
        let target = if self.word("TABLES") {
            ShowTarget::Tables { schema: self.of_schema()?, like: self.like()? }
        } else if self.word("VIEWS") {
            ShowTarget::Views { schema: self.of_schema()?, like: self.like()? }
        } else if self.word("SCHEMAS") || self.word("DATABASES") {
            ShowTarget::Schemas { like: self.like()? }
        } else if self.word("DROPPED") {
            ShowTarget::Dropped { like: self.like()? }
        } else if let Some(target) = self.show_table()? {
            target
        } else if let Some(target) = self.show_cluster()? {
            target
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
            return Err(self.expected(
                "TABLES, VIEWS, SCHEMAS, COLUMNS, HISTORY, FUNCTIONS, MODULES, OPERATORS, QUERIES, NODES, ALL or an option",
            ));
        };
        Ok(Statement::Show(target))
    }

    /// What is shown of one table.
    fn show_table(&mut self) -> Result<Option<ShowTarget>> {
        if self.word("HISTORY") {
            let _ = self.word("OF") || self.word("FROM") || self.word("FOR");
            let named = matches!(self.peek().token, Token::Word(_)) && !self.peek_is("LIMIT");
            let table = if named { Some(self.object_name()?) } else { None };
            let limit = if self.word("LIMIT") { Some(self.whole_number("a number")?) } else { None };
            return Ok(Some(ShowTarget::History { table, limit }));
        }
        if self.words(&["CREATE", "TABLE"]) || self.words(&["CREATE", "VIEW"]) {
            return Ok(Some(ShowTarget::CreateTable { table: self.object_name()? }));
        }
        let show: fn(String) -> ShowTarget = match self.peek_word() {
            Some(word) if self.next_is_word() => match word.value.to_uppercase().as_str() {
                "PROPERTIES" | "TBLPROPERTIES" => |table| ShowTarget::Properties { table },
                "FILES" => |table| ShowTarget::Files { table },
                "PARTITIONS" => |table| ShowTarget::Partitions { table },
                "STATISTICS" | "STATS" => |table| ShowTarget::Statistics { table },
                _ => return Ok(None),
            },
            _ => return Ok(None),
        };
        self.parser.advance_token();
        let _ = self.next_is_word()
            && (self.word("OF") || self.word("FROM") || self.word("IN") || self.word("FOR"));
        Ok(Some(show(self.object_name()?)))
    }

    fn next_is_word(&self) -> bool {
        matches!(self.parser.peek_nth_token_ref(1).token, Token::Word(_) | Token::SingleQuotedString(_))
    }

    fn of_schema(&mut self) -> Result<Option<String>> {
        if self.word("FROM") || self.word("IN") { Ok(Some(ident_of(&self.identifier()?))) } else { Ok(None) }
    }

    fn like(&mut self) -> Result<Option<String>> {
        if self.word("LIKE") { self.string().map(Some) } else { Ok(None) }
    }

    /// `nyala.threads` is `threads`.
    fn option_name(&mut self) -> Result<String> {
        let name = self.dotted_name()?;
        Ok(name.strip_prefix("nyala.").map(str::to_owned).unwrap_or(name))
    }

    /// `SET [SESSION | LOCAL] name = | TO value`, `SET TIME ZONE value`; the value DEFAULT resets.
    pub(super) fn set(&mut self) -> Result<Statement> {
        self.expect_word("SET")?;
        if let Some(statement) = self.set_isolation()? {
            return Ok(statement);
        }
        if self.peek_is("SCHEMA") && self.next_is_word() {
            self.parser.advance_token();
            return Ok(Statement::Use { schema: self.text_value()?.to_lowercase() });
        }
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
