//! MERGE.

use nyala_schema::{Error, ErrorCode, Result};
use sqlparser::tokenizer::Token;

use super::{StatementParser, at_token};
use crate::statement::{Merge, MergeAction, MergeClause, MergeWhen, Statement};

impl StatementParser<'_> {
    /// `MERGE INTO t [AS a] USING source ON condition WHEN … THEN …`.
    pub(super) fn merge(&mut self) -> Result<Statement> {
        self.expect_word("MERGE")?;
        let _ = self.word("INTO");
        let table = self.object_name()?;
        let alias = self.target_alias()?;
        self.expect_word("USING")?;
        let mut source = self.sub(|parser| parser.parse_table_factor())?;
        self.prepare(&mut source)?;
        self.expect_word("ON")?;
        let on = self.expr()?;
        let mut clauses = Vec::new();
        while self.peek_is("WHEN") {
            clauses.push(self.merge_clause(&table, alias.as_deref())?);
        }
        if clauses.is_empty() {
            return Err(self.expected("WHEN MATCHED or WHEN NOT MATCHED"));
        }
        Ok(Statement::Merge(Box::new(Merge { table, alias, source, on, clauses })))
    }

    fn merge_clause(&mut self, table: &str, alias: Option<&str>) -> Result<MergeClause> {
        self.expect_word("WHEN")?;
        let not = self.word("NOT");
        self.expect_word("MATCHED")?;
        let when = if not && self.words(&["BY", "SOURCE"]) {
            MergeWhen::NotMatchedBySource
        } else if not {
            let _ = self.words(&["BY", "TARGET"]);
            MergeWhen::NotMatched
        } else {
            MergeWhen::Matched
        };
        let condition = if self.word("AND") { Some(self.expr()?) } else { None };
        self.expect_word("THEN")?;
        let start = self.peek();
        let action = self.merge_action(table, alias)?;
        let inserts = matches!(action, MergeAction::Insert { .. } | MergeAction::InsertAll);
        let wrong = match when {
            _ if action == MergeAction::DoNothing => None,
            MergeWhen::NotMatched if !inserts => {
                Some("rows of the source that match none can only be inserted")
            }
            MergeWhen::Matched | MergeWhen::NotMatchedBySource if inserts => {
                Some("rows of the table are there already: they can be updated or deleted")
            }
            MergeWhen::NotMatchedBySource if action == MergeAction::UpdateAll => {
                Some("rows that nothing matches have no source to be updated from")
            }
            _ => None,
        };
        match wrong {
            Some(message) => Err(at_token(Error::new(ErrorCode::Syntax, message), &start)),
            None => Ok(MergeClause { when, condition, action }),
        }
    }

    fn merge_action(&mut self, table: &str, alias: Option<&str>) -> Result<MergeAction> {
        if self.word("UPDATE") {
            let set = self.word("SET");
            if self.token(&Token::Mul) {
                return Ok(MergeAction::UpdateAll);
            }
            if !set {
                return Err(self.expected("SET"));
            }
            Ok(MergeAction::Update(self.assignments(table, alias)?))
        } else if self.word("DELETE") {
            Ok(MergeAction::Delete)
        } else if self.words(&["DO", "NOTHING"]) {
            Ok(MergeAction::DoNothing)
        } else if self.word("INSERT") {
            if self.token(&Token::Mul) {
                return Ok(MergeAction::InsertAll);
            }
            let columns = if self.peek().token == Token::LParen { self.identifiers()? } else { Vec::new() };
            self.expect_word("VALUES")?;
            Ok(MergeAction::Insert { columns, values: self.values_in_parentheses()? })
        } else {
            Err(self.expected("UPDATE, DELETE, INSERT or DO NOTHING"))
        }
    }
}
