//! COPY … TO a file, and how files are told of.

use nyala_schema::Result;
use sqlparser::tokenizer::Token;

use super::StatementParser;
use super::file_format::{FileOptions, build_format};
use crate::statement::{CopySource, Statement};

impl StatementParser<'_> {
    /// `COPY t [(columns)] FROM 'files' …`, or `COPY (query) | table TO 'path' [STORED AS format] [[WITH] | OPTIONS (FORMAT csv, HEADER true, …)]`.
    pub(super) fn copy(&mut self) -> Result<Statement> {
        self.expect_word("COPY")?;
        let source = if self.peek().token == Token::LParen {
            self.expect_token(&Token::LParen)?;
            let query = self.query()?;
            self.expect_token(&Token::RParen)?;
            CopySource::Query(query)
        } else {
            CopySource::Table(self.object_name()?)
        };
        if let CopySource::Table(table) = &source {
            let columns = if self.peek().token == Token::LParen { self.identifiers()? } else { Vec::new() };
            if self.word("FROM") {
                return self.copy_from(table.clone(), columns);
            }
            if !columns.is_empty() {
                let error = self.expected("FROM");
                return Err(error.with_hint("columns are written with COPY (SELECT … FROM …) TO"));
            }
        }
        self.expect_word("TO")?;
        let path = self.string()?;
        let mut options = FileOptions::default();
        let format = self.copy_options(&mut options)?;
        let (format, options) = build_format(format.as_deref(), options, &path)?;
        Ok(Statement::Copy { source, path, format, options })
    }

    /// `[STORED AS format] [[WITH] | OPTIONS (…)]`; gives the format's name.
    pub(super) fn copy_options(&mut self, options: &mut FileOptions) -> Result<Option<String>> {
        let mut format = None;
        loop {
            if self.words(&["STORED", "AS"]) {
                format = Some(self.text_value()?);
            } else if self.word("OPTIONS") || self.word("WITH") || self.peek().token == Token::LParen {
                self.file_options(options)?;
            } else {
                return Ok(options.take("format").or(format));
            }
        }
    }
}
