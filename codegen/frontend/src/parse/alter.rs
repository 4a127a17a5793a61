//! ALTER TABLE and ALTER VIEW.

use nyala_schema::{Error, Result};
use sqlparser::tokenizer::Token;

use super::StatementParser;
use crate::normalize::ident_of;
use crate::statement::{Statement, TableAlter};

impl StatementParser<'_> {
    /// `[IF EXISTS] t change`, after ALTER TABLE.
    pub(super) fn alter_table(&mut self) -> Result<Statement> {
        let if_exists = self.words(&["IF", "EXISTS"]);
        let name = self.object_name()?;
        let change = self.table_change()?;
        if self.peek().token == Token::Comma {
            let error = Error::unsupported("several changes in one ALTER TABLE are not supported");
            return Err(self
                .here(error)
                .with_hint("write one ALTER TABLE for each, between BEGIN and COMMIT"));
        }
        Ok(Statement::AlterTable { name, if_exists, change })
    }

    /// `[IF EXISTS] v RENAME TO w | SET SCHEMA s`, after ALTER VIEW.
    pub(super) fn alter_view(&mut self) -> Result<Statement> {
        let if_exists = self.words(&["IF", "EXISTS"]);
        let name = self.object_name()?;
        let change = if self.words(&["RENAME", "TO"]) {
            TableAlter::Rename { to: self.new_name()? }
        } else if self.words(&["SET", "SCHEMA"]) {
            TableAlter::SetSchema { schema: ident_of(&self.identifier()?) }
        } else {
            let error = self.expected("RENAME TO or SET SCHEMA");
            return Err(error.with_hint("a view's query is changed with CREATE OR REPLACE VIEW"));
        };
        Ok(Statement::AlterTable { name, if_exists, change })
    }

    fn table_change(&mut self) -> Result<TableAlter> {
        if self.word("ADD") {
            self.added()
        } else if self.word("DROP") {
            self.dropped()
        } else if self.word("RENAME") {
            self.renamed()
        } else if self.word("ALTER") {
            let _ = self.word("COLUMN");
            self.column_change()
        } else if self.word("SET") {
            self.table_setting()
        } else if self.words(&["SORTED", "BY"]) {
            Ok(TableAlter::SetSortBy(self.sort_terms()?))
        } else if self.word("RESET") {
            let names = self.identifiers()?;
            Ok(TableAlter::SetProperties(names.into_iter().map(|name| (name.to_lowercase(), None)).collect()))
        } else {
            Err(self.expected("ADD, DROP, RENAME, ALTER, SET or RESET"))
        }
    }

    fn added(&mut self) -> Result<TableAlter> {
        if self.peek_is("CONSTRAINT")
            || self.peek_is("CHECK")
            || self.peek_is("UNIQUE")
            || self.peek_is("PRIMARY")
            || self.peek_is("FOREIGN")
        {
            return Ok(TableAlter::AddCheck(self.check_constraint()?));
        }
        if self.peek_is("PARTITION") {
            let error = Error::unsupported("ADD PARTITION is not supported");
            return Err(self.here(error).with_hint("leave it out: partitions come with their rows"));
        }
        let _ = self.word("COLUMN");
        let if_not_exists = self.words(&["IF", "NOT", "EXISTS"]);
        let start = self.peek();
        let mut checks = Vec::new();
        let column = self.column_definition(&mut checks)?;
        if !checks.is_empty() {
            let error = Error::unsupported("CHECK of a column that is added is not supported");
            return Err(
                super::at_token(error, &start).with_hint("write ALTER TABLE … ADD CHECK (…) after it")
            );
        }
        Ok(TableAlter::AddColumn { column, if_not_exists })
    }

    fn dropped(&mut self) -> Result<TableAlter> {
        let constraint = self.word("CONSTRAINT");
        let _ = !constraint && self.word("COLUMN");
        let if_exists = self.words(&["IF", "EXISTS"]);
        let then_values = self.parser.peek_nth_token_ref(1).token == Token::LParen;
        if !constraint && self.peek_is("PARTITION") && then_values {
            return Ok(TableAlter::DropPartition { partition: self.partition_values()?, if_exists });
        }
        let name = ident_of(&self.identifier()?);
        self.end_of_drop()?;
        Ok(if constraint {
            TableAlter::DropCheck { name, if_exists }
        } else {
            TableAlter::DropColumn { name, if_exists }
        })
    }

    fn renamed(&mut self) -> Result<TableAlter> {
        if self.word("TO") {
            return Ok(TableAlter::Rename { to: self.new_name()? });
        }
        if self.peek_is("CONSTRAINT") {
            let error = Error::unsupported("RENAME CONSTRAINT is not supported");
            return Err(self.here(error).with_hint("drop it and add it under the other name"));
        }
        let _ = self.word("COLUMN");
        let from = ident_of(&self.identifier()?);
        self.expect_word("TO")?;
        Ok(TableAlter::RenameColumn { from, to: ident_of(&self.identifier()?) })
    }

    fn column_change(&mut self) -> Result<TableAlter> {
        let column = ident_of(&self.identifier()?);
        if self.words(&["SET", "DEFAULT"]) {
            Ok(TableAlter::SetDefault { column, default: Some(self.expression_text()?) })
        } else if self.words(&["DROP", "DEFAULT"]) {
            Ok(TableAlter::SetDefault { column, default: None })
        } else if self.words(&["SET", "NOT", "NULL"]) {
            Ok(TableAlter::SetNullable { column, nullable: false })
        } else if self.words(&["DROP", "NOT", "NULL"]) {
            Ok(TableAlter::SetNullable { column, nullable: true })
        } else if self.peek_is("TYPE") || self.at_words(&["SET", "DATA", "TYPE"]) {
            let error = Error::unsupported("the type of a column cannot be changed");
            let hint = "add a column of the other type, UPDATE it, then drop this one and rename the other";
            Err(self.here(error).with_hint(hint))
        } else {
            Err(self.expected("SET DEFAULT, DROP DEFAULT, SET NOT NULL or DROP NOT NULL"))
        }
    }

    fn table_setting(&mut self) -> Result<TableAlter> {
        if self.word("SCHEMA") {
            Ok(TableAlter::SetSchema { schema: ident_of(&self.identifier()?) })
        } else if self.words(&["SORTED", "BY"]) {
            Ok(TableAlter::SetSortBy(self.sort_terms()?))
        } else if self.word("TBLPROPERTIES") || self.peek().token == Token::LParen {
            let properties = self.properties()?;
            Ok(TableAlter::SetProperties(
                properties.into_iter().map(|(name, value)| (name, Some(value))).collect(),
            ))
        } else {
            Err(self.expected("SCHEMA, SORTED BY or '(' with properties"))
        }
    }
}
