//! Modules, manifests, and what happens to functions and operators that exist: DROP, ALTER, EXPLAIN.

use nyala_schema::command::Overload;
use nyala_schema::error::Position;
use nyala_schema::function::FunctionKind;
use nyala_schema::guest::ModuleHash;
use nyala_schema::{Error, ErrorCode, Result};
use sqlparser::tokenizer::Token;

use super::clause::ClausesOf;
use super::{StatementParser, at_token};
use crate::definition::{CodeSource, Declaration, FunctionChange, NewVersion};
use crate::normalize::ident_of;
use crate::script::split;
use crate::shape::Shape;
use crate::statement::Statement;
use crate::suggest::quoted;

/// Reads what a module says of itself: CREATE statements without AS, each ended by a semicolon. Never panics,
/// whatever the text.
///
/// # Errors
/// As [`parse`](super::parse), with positions in `text` where each statement begins a line.
pub fn parse_manifest(text: &str) -> Result<Vec<Declaration>> {
    let in_text = |error: Error, first_line: u32| match error.position() {
        Some(at) => error.at(Position { line: at.line + first_line - 1, ..at }),
        None => error,
    };
    let statements = split(text).into_iter();
    statements.map(|(line, sql)| declaration(&sql).map_err(|error| in_text(error, line))).collect()
}

fn declaration(sql: &str) -> Result<Declaration> {
    let shape = Shape::of(sql);
    shape.check()?;
    shape.run(|| {
        let mut parser = StatementParser::new(sql, shape)?;
        parser.expect_word("CREATE")?;
        let declaration = if let Some(kind) = parser.function_kind() {
            Declaration::Function(parser.declared_function(kind)?)
        } else if parser.word("OPERATOR") {
            Declaration::Operator(parser.declared_operator()?)
        } else {
            return Err(parser.expected("FUNCTION, AGGREGATE FUNCTION, TABLE FUNCTION or OPERATOR"));
        };
        parser.finish()?;
        Ok(declaration)
    })
}

impl StatementParser<'_> {
    /// `name FROM 'path.wasm' | X'bytes' [SHA256 'hex']`.
    pub(super) fn create_module(&mut self, replace: bool) -> Result<Statement> {
        let on_conflict = self.conflict(replace)?;
        let name = ident_of(&self.identifier()?);
        self.expect_word("FROM")?;
        let code = match self.bytes()? {
            Some(bytes) => CodeSource::Bytes(bytes),
            None => CodeSource::Path(self.string()?),
        };
        let mut sha256 = None;
        if self.word("SHA256") {
            let token = self.peek();
            let text = self.string()?;
            let hash = ModuleHash::parse(&text).ok_or_else(|| {
                let message = "a SHA256 hash has 64 hexadecimal digits";
                at_token(Error::new(ErrorCode::InvalidParameter, message), &token)
            })?;
            sha256 = Some(hash);
        }
        Ok(Statement::CreateModule { name, code, sha256, on_conflict })
    }

    /// The rest of DROP for schemas and for what came out of modules; `None` when something else is to be dropped.
    pub(super) fn drop_other(&mut self) -> Result<Option<Statement>> {
        if let Some(kind) = self.function_kind() {
            let if_exists = self.words(&["IF", "EXISTS"]);
            let overload = self.overload()?;
            self.end_of_drop()?;
            let kind = if kind == FunctionKind::Scalar { None } else { Some(kind) };
            return Ok(Some(Statement::DropFunction { kind, overload, if_exists }));
        }
        if self.word("SCHEMA") || self.word("DATABASE") {
            return self.drop_schema().map(Some);
        }
        let is_module = self.word("MODULE");
        if !is_module && !self.word("OPERATOR") {
            return Ok(None);
        }
        let if_exists = self.words(&["IF", "EXISTS"]);
        let name = ident_of(&self.identifier()?);
        self.end_of_drop()?;
        Ok(Some(if is_module {
            Statement::DropModule { name, if_exists }
        } else {
            Statement::DropOperator { name, if_exists }
        }))
    }

    pub(super) fn end_of_drop(&mut self) -> Result<()> {
        let _ = self.word("RESTRICT");
        if self.peek_is("CASCADE") {
            let error = Error::unsupported("DROP … CASCADE is not supported");
            return Err(self
                .here(error)
                .with_hint("drop what depends on it first; SHOW VIEWS lists the views"));
        }
        Ok(())
    }

    /// `name [(types)]`.
    pub(super) fn overload(&mut self) -> Result<Overload> {
        let name = ident_of(&self.identifier()?);
        Ok(Overload { name, arguments: self.overload_types()? })
    }

    /// `ALTER TABLE …`, `ALTER VIEW …`, or
    /// `ALTER [AGGREGATE | TABLE] FUNCTION f[(types)] ADD VERSION … | SET VERSION n | ROLLBACK | RESUME`.
    pub(super) fn alter(&mut self) -> Result<Statement> {
        let start = self.peek();
        self.expect_word("ALTER")?;
        if self.function_kind().is_none() {
            if self.word("TABLE") {
                return self.alter_table();
            }
            if self.word("VIEW") {
                return self.alter_view();
            }
            if ["SCHEMA", "DATABASE", "MODULE", "OPERATOR"].iter().any(|word| self.peek_is(word)) {
                let error = Error::unsupported("ALTER works on tables, views and functions only")
                    .with_hint("create another, and move what is in it with ALTER TABLE … SET SCHEMA");
                return Err(at_token(error, &start));
            }
            return Err(self.expected("TABLE, VIEW or FUNCTION"));
        }
        let overload = self.overload()?;
        let change = if self.words(&["ADD", "VERSION"]) {
            self.new_version(&overload.name)?
        } else if self.words(&["SET", "VERSION"]) {
            FunctionChange::SetVersion(self.version_number()?)
        } else if self.word("ROLLBACK") {
            FunctionChange::Rollback
        } else if self.word("RESUME") {
            FunctionChange::Resume
        } else {
            return Err(self.expected("ADD VERSION, SET VERSION, ROLLBACK or RESUME"));
        };
        Ok(Statement::AlterFunction { overload, change })
    }

    fn new_version(&mut self, name: &str) -> Result<FunctionChange> {
        let start = self.peek();
        let mut clauses = self.clauses(ClausesOf::Function)?;
        let (code, language) = clauses.code(&start, &format!("the version of {}", quoted(name)))?;
        Ok(FunctionChange::AddVersion(NewVersion {
            code,
            language,
            volatility: clauses.volatility,
            strict: clauses.strict,
            cost: clauses.cost,
            rows_per_row: clauses.rows_per_row,
            limits: clauses.limits,
            export: clauses.export,
        }))
    }

    fn version_number(&mut self) -> Result<u32> {
        let token = self.peek();
        if let Token::Number(text, _) = &token.token
            && let Ok(number) = text.parse()
        {
            self.parser.advance_token();
            return Ok(number);
        }
        Err(self.expected("the number of a version"))
    }
}
