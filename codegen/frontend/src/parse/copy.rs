//! COPY … TO a file.

use nyala_schema::{Error, Result};
use sqlparser::tokenizer::Token;

use super::StatementParser;
use super::file_format::{FileOptions, build_format};
use crate::statement::{CopySource, Statement};

impl StatementParser<'_> {
    /// `COPY (query) | table TO 'path' [STORED AS format] [[WITH] | OPTIONS (FORMAT csv, HEADER true, …)]`.
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
        if self.peek_is("FROM") {
            let error = Error::unsupported("COPY … FROM is not supported");
            let hint = "write CREATE EXTERNAL TABLE … LOCATION '…', or SELECT … FROM 'file'";
            return Err(self.here(error).with_hint(hint));
        }
        self.expect_word("TO")?;
        let path = self.string()?;
        let mut format = None;
        let mut options = FileOptions::default();
        loop {
            if self.words(&["STORED", "AS"]) {
                format = Some(self.text_value()?);
            } else if self.word("OPTIONS") || self.word("WITH") || self.peek().token == Token::LParen {
                self.file_options(&mut options)?;
            } else {
                break;
            }
        }
        let format = options.take("format").or(format);
        let (format, options) = build_format(format.as_deref(), options, &path)?;
        Ok(Statement::Copy { source, path, format, options })
    }
}
