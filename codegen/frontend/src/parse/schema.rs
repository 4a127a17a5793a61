//! Schemas, comments, and ALTER of what is in them.

use nyala_schema::command::{CommentTarget, ObjectKind};
use nyala_schema::{Error, Result};
use sqlparser::tokenizer::Token;

use super::StatementParser;
use crate::normalize::{ident_of, table_name_of};
use crate::statement::Statement;

/// The words of kinds of things that have a name, in the order in which errors list them.
const KINDS: [(&str, ObjectKind); 6] = [
    ("TABLE", ObjectKind::Table),
    ("VIEW", ObjectKind::Table),
    ("SCHEMA", ObjectKind::Schema),
    ("FUNCTION", ObjectKind::Function),
    ("OPERATOR", ObjectKind::Operator),
    ("MODULE", ObjectKind::Module),
];

impl StatementParser<'_> {
    /// `[IF NOT EXISTS] name`, after CREATE SCHEMA.
    pub(super) fn create_schema(&mut self, replace: bool) -> Result<Statement> {
        if replace {
            let error = Error::unsupported("CREATE OR REPLACE SCHEMA is not supported");
            return Err(self.here(error).with_hint("write CREATE SCHEMA IF NOT EXISTS"));
        }
        let if_not_exists = self.words(&["IF", "NOT", "EXISTS"]);
        Ok(Statement::CreateSchema { name: self.new_identifier()?, if_not_exists })
    }

    /// `[IF EXISTS] name [CASCADE | RESTRICT]`, after DROP SCHEMA.
    pub(super) fn drop_schema(&mut self) -> Result<Statement> {
        let if_exists = self.words(&["IF", "EXISTS"]);
        let name = ident_of(&self.identifier()?);
        let cascade = self.word("CASCADE");
        let _ = !cascade && self.word("RESTRICT");
        Ok(Statement::DropSchema { name, if_exists, cascade })
    }

    /// `USE [SCHEMA] name`.
    pub(super) fn use_schema(&mut self) -> Result<Statement> {
        self.expect_word("USE")?;
        let _ = self.word("SCHEMA") || self.word("DATABASE");
        Ok(Statement::Use { schema: ident_of(&self.identifier()?) })
    }

    /// `TABLE`, `VIEW`, `SCHEMA` …; the error names `other` too.
    pub(super) fn object_kind(&mut self, other: Option<&'static str>) -> Result<ObjectKind> {
        match KINDS.iter().find(|(word, _)| self.word(word)) {
            Some((_, kind)) => Ok(*kind),
            None => {
                let mut words: Vec<&str> = KINDS.iter().map(|(word, _)| *word).collect();
                words.extend(other);
                let last = words.pop().unwrap_or_default();
                Err(self.expected(&format!("{} or {last}", words.join(", "))))
            }
        }
    }

    /// The name of an object of a kind: with a schema only where things are in schemas.
    pub(super) fn name_of_kind(&mut self, kind: ObjectKind) -> Result<String> {
        if kind == ObjectKind::Table {
            return self.object_name();
        }
        let name = ident_of(&self.identifier()?);
        if kind == ObjectKind::Function && self.peek().token == Token::LParen {
            let error = Error::unsupported("this is of all functions of a name");
            return Err(self.here(error).with_hint("leave the types of arguments out"));
        }
        Ok(name)
    }

    /// `COMMENT ON SCHEMA | TABLE | VIEW | COLUMN | FUNCTION | MODULE | OPERATOR name IS 'text' | NULL`.
    pub(super) fn comment(&mut self) -> Result<Statement> {
        self.expect_word("COMMENT")?;
        self.expect_word("ON")?;
        let target = if self.word("COLUMN") {
            self.column_target()?
        } else {
            let kind = self.object_kind(Some("COLUMN"))?;
            CommentTarget::Object(kind, self.name_of_kind(kind)?)
        };
        self.expect_word("IS")?;
        let text = if self.word("NULL") { None } else { Some(self.string()?) };
        Ok(Statement::Comment { target, text })
    }

    /// `table.column` or `schema.table.column`.
    fn column_target(&mut self) -> Result<CommentTarget> {
        if !matches!(self.peek().token, Token::Word(_)) {
            return Err(self.expected("a column"));
        }
        let start = self.peek();
        let mut name = self.sub(|parser| parser.parse_object_name(false))?;
        let column = name.0.pop().and_then(|part| part.as_ident().map(ident_of));
        match (column, table_name_of(&name).filter(|table| !table.is_empty())) {
            (Some(column), Some(table)) => Ok(CommentTarget::Column(table, column)),
            _ => {
                let error = Error::new(nyala_schema::ErrorCode::Syntax, "a column is named with its table");
                Err(super::at_token(error, &start).with_hint("write COMMENT ON COLUMN table.column"))
            }
        }
    }

    /// A name that something new gets: dots stand between schema and name only.
    pub(super) fn new_identifier(&mut self) -> Result<String> {
        let start = self.peek();
        let name = ident_of(&self.identifier()?);
        self.without_dot(&name, &start)?;
        Ok(name)
    }

    /// As [`new_identifier`](Self::new_identifier), perhaps in a schema.
    pub(super) fn new_name(&mut self) -> Result<String> {
        let start = self.peek();
        let first = self.new_identifier()?;
        if !self.token(&Token::Period) {
            return Ok(first);
        }
        let table = self.new_identifier()?;
        if self.peek().token == Token::Period {
            let error =
                Error::new(nyala_schema::ErrorCode::Syntax, "a name has a schema and no more before it");
            return Err(super::at_token(error, &start).with_hint("write schema.name"));
        }
        Ok(format!("{first}.{table}"))
    }
}
