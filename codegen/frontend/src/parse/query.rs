//! Statements about statements and nodes: KILL, and what SHOW shows of them.

use nyala_schema::cluster::QueryId;
use nyala_schema::{Error, ErrorCode, Result};
use sqlparser::tokenizer::Token;

use super::StatementParser;
use crate::statement::{ShowTarget, Statement};

/// Hexadecimal digits of an id.
const DIGITS: usize = 32;

impl StatementParser<'_> {
    /// `KILL [QUERY] 'id'`.
    pub(super) fn kill(&mut self) -> Result<Statement> {
        self.expect_word("KILL")?;
        if self.peek_is("CONNECTION") {
            let error = Error::unsupported("KILL CONNECTION is not supported");
            return Err(self.here(error).with_hint("KILL QUERY 'id' ends what the connection runs"));
        }
        if !self.word("QUERY") && !matches!(self.peek().token, Token::SingleQuotedString(_)) {
            return Err(self.expected("QUERY 'id'"));
        }
        Ok(Statement::KillQuery { id: self.query_id()? })
    }

    /// `QUERIES | PROCESSLIST | NODES | CONNECTIONS | PROFILE [FOR] [QUERY] 'id'`.
    pub(super) fn show_cluster(&mut self) -> Result<Option<ShowTarget>> {
        let alone = matches!(self.parser.peek_nth_token_ref(1).token, Token::EOF | Token::SemiColon);
        let target = match self.peek_word().map(|word| word.value.to_uppercase()).as_deref() {
            Some("QUERIES" | "PROCESSLIST") if alone => ShowTarget::Queries,
            Some("NODES") if alone => ShowTarget::Nodes,
            Some("CONNECTIONS") if alone => ShowTarget::Connections,
            Some("PROFILE") => {
                self.parser.advance_token();
                let _ = self.word("FOR");
                let _ = self.word("QUERY");
                return Ok(Some(ShowTarget::Profile { id: self.query_id()? }));
            }
            _ => return Ok(None),
        };
        self.parser.advance_token();
        Ok(Some(target))
    }

    fn query_id(&mut self) -> Result<QueryId> {
        let token = self.peek();
        if !matches!(token.token, Token::SingleQuotedString(_)) {
            return Err(self
                .expected("the id of a query in single quotes")
                .with_hint("SHOW QUERIES lists them"));
        }
        let text = self.string()?;
        let digits = text.bytes().filter(|byte| *byte != b'-').count();
        match text.parse() {
            Ok(id) if digits == DIGITS && !text.starts_with('+') => Ok(id),
            _ => {
                let error = Error::new(ErrorCode::InvalidParameter, format!("'{text}' is no id of a query"))
                    .with_hint("it has 32 hexadecimal digits; SHOW QUERIES lists them");
                Err(super::at_token(error, &token))
            }
        }
    }
}
