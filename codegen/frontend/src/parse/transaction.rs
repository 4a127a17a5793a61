//! Transactions: BEGIN, COMMIT, ROLLBACK, and their isolation.

use nyala_schema::{Error, Result};

use super::StatementParser;
use crate::statement::{IsolationLevel, Statement};

impl StatementParser<'_> {
    /// `BEGIN [TRANSACTION | WORK] [ISOLATION LEVEL …]`, `START TRANSACTION …`.
    pub(super) fn begin(&mut self) -> Result<Statement> {
        if self.word("START") {
            self.expect_word("TRANSACTION")?;
        } else {
            self.expect_word("BEGIN")?;
            self.transaction_word();
        }
        let mut isolation = None;
        while self.peek_is("ISOLATION") || self.peek_is("READ") {
            if self.peek_is("ISOLATION") {
                isolation = Some(self.isolation_level()?);
            } else if !self.words(&["READ", "WRITE"]) {
                let error = Error::unsupported("READ ONLY is not supported");
                return Err(self.here(error).with_hint("leave it out: what only reads changes nothing"));
            }
            let _ = self.token(&sqlparser::tokenizer::Token::Comma);
        }
        Ok(Statement::Begin { isolation })
    }

    fn transaction_word(&mut self) {
        let _ = self.word("TRANSACTION") || self.word("WORK");
    }

    /// `COMMIT | END [TRANSACTION | WORK]`.
    pub(super) fn commit(&mut self) -> Result<Statement> {
        let _ = self.word("COMMIT") || self.word("END");
        self.transaction_word();
        self.refuse_chain()?;
        Ok(Statement::Commit)
    }

    /// `ROLLBACK | ABORT [TRANSACTION | WORK]`, `ROLLBACK TABLE t TO …`, `ROLLBACK CATALOG TO …`.
    pub(super) fn rollback(&mut self) -> Result<Statement> {
        if !self.word("ABORT") {
            self.expect_word("ROLLBACK")?;
            if self.word("TABLE") {
                let table = self.object_name()?;
                self.expect_word("TO")?;
                return Ok(Statement::RollbackTable { table, to: self.point_in_time()? });
            }
            if self.word("CATALOG") {
                self.expect_word("TO")?;
                return Ok(Statement::RollbackCatalog { to: self.point_in_time()? });
            }
        }
        self.transaction_word();
        self.refuse_chain()?;
        if self.peek_is("TO") {
            let error = Error::unsupported("ROLLBACK TO a savepoint is not supported");
            return Err(self.here(error).with_hint("ROLLBACK ends the whole transaction"));
        }
        Ok(Statement::Rollback)
    }

    fn refuse_chain(&self) -> Result<()> {
        if self.peek_is("AND") {
            let error = Error::unsupported("AND CHAIN is not supported");
            return Err(self.here(error).with_hint("write BEGIN after it"));
        }
        Ok(())
    }

    /// What stands behind SET: `TRANSACTION ISOLATION LEVEL …`, `SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL …`.
    pub(super) fn set_isolation(&mut self) -> Result<Option<Statement>> {
        let for_session = self.words(&["SESSION", "CHARACTERISTICS", "AS", "TRANSACTION"]);
        if !for_session && !self.word("TRANSACTION") {
            return Ok(None);
        }
        Ok(Some(Statement::SetIsolation { level: self.isolation_level()?, for_session }))
    }

    fn isolation_level(&mut self) -> Result<IsolationLevel> {
        self.expect_word("ISOLATION")?;
        self.expect_word("LEVEL")?;
        if self.words(&["READ", "COMMITTED"]) || self.words(&["READ", "UNCOMMITTED"]) {
            Ok(IsolationLevel::ReadCommitted)
        } else if self.word("SNAPSHOT") || self.words(&["REPEATABLE", "READ"]) {
            Ok(IsolationLevel::Snapshot)
        } else if self.word("SERIALIZABLE") {
            Ok(IsolationLevel::Serializable)
        } else {
            Err(self.expected("READ COMMITTED, SNAPSHOT or SERIALIZABLE"))
        }
    }
}
