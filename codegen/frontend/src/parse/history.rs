//! What is done to the history of tables and of the catalog: UNDROP, VACUUM, BACKUP, RESTORE, and the care of files.

use nyala_schema::managed::property::parse_duration;
use nyala_schema::{Error, ErrorCode, Result};
use sqlparser::ast::Expr;
use sqlparser::tokenizer::Token;

use super::{StatementParser, at_token};
use crate::statement::{PointInTime, Statement};

impl StatementParser<'_> {
    /// `VERSION n` or `TIMESTAMP expression`.
    pub(super) fn point_in_time(&mut self) -> Result<PointInTime> {
        if self.word("VERSION") {
            return Ok(PointInTime::Version(self.whole_number("the number of a version")?));
        }
        self.expect_point()?;
        let time: Expr = self.expr()?;
        Ok(PointInTime::Time(Box::new(time)))
    }

    fn expect_point(&mut self) -> Result<()> {
        if self.word("TIMESTAMP") { Ok(()) } else { Err(self.expected("VERSION or TIMESTAMP")) }
    }

    /// `UNDROP kind name [AS name | RENAME TO name]`.
    pub(super) fn undrop(&mut self) -> Result<Statement> {
        self.expect_word("UNDROP")?;
        let kind = self.object_kind(None)?;
        let name = self.name_of_kind(kind)?;
        let renamed = if self.word("AS") || self.words(&["RENAME", "TO"]) {
            Some(match kind {
                nyala_schema::command::ObjectKind::Table => self.new_name()?,
                _ => self.new_identifier()?,
            })
        } else {
            None
        };
        Ok(Statement::Undrop { kind, name, renamed })
    }

    /// `OPTIMIZE [TABLE] t [PARTITION (…)]`.
    pub(super) fn optimize(&mut self) -> Result<Statement> {
        self.expect_word("OPTIMIZE")?;
        let _ = self.word("TABLE");
        Ok(Statement::Optimize { table: self.object_name()?, partition: self.partition_values()? })
    }

    /// `VACUUM [TABLE] [t] [RETAIN n DAYS | OLDER THAN '7 days']`.
    pub(super) fn vacuum(&mut self) -> Result<Statement> {
        self.expect_word("VACUUM")?;
        let named = self.word("TABLE");
        let at_clause = self.at_retain() || self.at_words(&["OLDER", "THAN"]);
        let at_end = matches!(self.peek().token, Token::EOF | Token::SemiColon);
        let table = if named || !at_clause && !at_end { Some(self.object_name()?) } else { None };
        let older_than_ms =
            if self.word("RETAIN") || self.words(&["OLDER", "THAN"]) { Some(self.duration()?) } else { None };
        Ok(Statement::Vacuum { table, older_than_ms })
    }

    /// Whether RETAIN with a time comes next, rather than a table of that name.
    fn at_retain(&self) -> bool {
        let then = &self.parser.peek_nth_token_ref(1).token;
        self.peek_is("RETAIN") && matches!(then, Token::Number(..) | Token::SingleQuotedString(_))
    }

    /// `7 DAYS` or `'7 days'`, in milliseconds.
    fn duration(&mut self) -> Result<u64> {
        let start = self.peek();
        let text = match &start.token {
            Token::Number(number, _) => {
                self.parser.advance_token();
                let Some(unit) = self.peek_word() else { return Err(self.expected("HOURS or DAYS")) };
                self.parser.advance_token();
                format!("{number} {}", unit.value)
            }
            Token::SingleQuotedString(_) => self.string()?,
            _ => return Err(self.expected("a time such as 7 DAYS")),
        };
        parse_duration(&text).ok_or_else(|| {
            let error = Error::new(ErrorCode::InvalidParameter, format!("'{text}' is not a length of time"));
            at_token(error, &start)
                .with_hint("write a whole number with a unit: '7 days', '12 hours', '30 minutes'")
        })
    }

    /// `ANALYZE [TABLE] t [(columns)] [COMPUTE STATISTICS]`.
    pub(super) fn analyze(&mut self) -> Result<Statement> {
        self.expect_word("ANALYZE")?;
        let _ = self.word("TABLE");
        let table = self.object_name()?;
        let columns = if self.peek().token == Token::LParen { self.identifiers()? } else { Vec::new() };
        let _ = self.words(&["COMPUTE", "STATISTICS"]);
        Ok(Statement::Analyze { table, columns })
    }

    /// `BACKUP TO 'place'`.
    pub(super) fn backup(&mut self) -> Result<Statement> {
        self.expect_word("BACKUP")?;
        self.expect_word("TO")?;
        Ok(Statement::Backup { to: self.string()? })
    }

    /// `RESTORE FROM 'place' [AS OF VERSION n | AS OF TIMESTAMP '…']`.
    pub(super) fn restore(&mut self) -> Result<Statement> {
        self.expect_word("RESTORE")?;
        self.expect_word("FROM")?;
        let from = self.string()?;
        let at = if self.words(&["AS", "OF"]) { Some(self.point_in_time()?) } else { None };
        Ok(Statement::Restore { from, at })
    }
}
