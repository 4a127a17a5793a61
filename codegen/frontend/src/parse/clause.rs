//! The clauses that CREATE FUNCTION, CREATE OPERATOR, ALTER FUNCTION and manifests share, in any order.

use nyala_schema::expr::Volatility;
use nyala_schema::guest::OnError;
use nyala_schema::option::parse_bytes;
use nyala_schema::{Error, ErrorCode, Result};
use sqlparser::tokenizer::{Token, TokenWithSpan};

use super::{StatementParser, at_token};
use crate::definition::{CodeSource, Language, LimitChanges};
use crate::normalize::ident_of;

/// COST and ROWS are kept in hundredths.
const HUNDREDTHS: f64 = 100.0;

/// What the clauses say; each may be there once.
#[derive(Debug, Default)]
pub(super) struct Clauses {
    pub(super) language: Option<Language>,
    pub(super) volatility: Option<Volatility>,
    pub(super) strict: Option<bool>,
    pub(super) cost: Option<u32>,
    pub(super) rows_per_row: Option<u32>,
    pub(super) keeps_order: Option<bool>,
    pub(super) limits: LimitChanges,
    pub(super) code: Option<CodeSource>,
    pub(super) export: Option<String>,
}

/// Whose clauses they are: not all go with everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ClausesOf {
    Function,
    Operator,
}

impl ClausesOf {
    fn expected(self) -> &'static str {
        match self {
            Self::Function => {
                "LANGUAGE, IMMUTABLE, STABLE, VOLATILE, STRICT, COST, ROWS, WITH, AS or the end of the statement"
            }
            Self::Operator => "LANGUAGE, ROWS, COST, KEEPS ORDER, WITH, AS or the end of the statement",
        }
    }
}

impl StatementParser<'_> {
    /// All clauses up to the end of the statement.
    pub(super) fn clauses(&mut self, of: ClausesOf) -> Result<Clauses> {
        let mut clauses = Clauses::default();
        loop {
            let start = self.peek();
            if matches!(start.token, Token::EOF | Token::SemiColon) {
                return Ok(clauses);
            }
            let known = match of {
                ClausesOf::Function => {
                    self.calling_clause(&mut clauses, &start)? || self.shared_clause(&mut clauses, &start)?
                }
                ClausesOf::Operator => {
                    if self.words(&["KEEPS", "ORDER"]) {
                        once(&mut clauses.keeps_order, true, "KEEPS ORDER", &start)?;
                        true
                    } else {
                        self.shared_clause(&mut clauses, &start)?
                    }
                }
            };
            if !known {
                return Err(self.expected(of.expected()));
            }
        }
    }

    fn shared_clause(&mut self, clauses: &mut Clauses, start: &TokenWithSpan) -> Result<bool> {
        if self.word("LANGUAGE") {
            let language = self.language()?;
            once(&mut clauses.language, language, "LANGUAGE", start)?;
        } else if self.word("COST") {
            let cost = self.hundredths("COST")?;
            once(&mut clauses.cost, cost, "COST", start)?;
        } else if self.word("ROWS") {
            let rows = self.hundredths("ROWS")?;
            once(&mut clauses.rows_per_row, rows, "ROWS", start)?;
        } else if self.word("WITH") {
            self.limits(&mut clauses.limits)?;
        } else if self.word("AS") {
            let code = self.code()?;
            once(&mut clauses.code, code, "AS", start)?;
            if self.word("EXPORT") {
                clauses.export = Some(self.string()?);
            }
        } else {
            return Ok(false);
        }
        Ok(true)
    }

    fn calling_clause(&mut self, clauses: &mut Clauses, start: &TokenWithSpan) -> Result<bool> {
        const HOW_NULL: &str = "STRICT or CALLED ON NULL INPUT";
        const HOW_OFTEN: &str = "IMMUTABLE, STABLE or VOLATILE";
        if self.word("IMMUTABLE") {
            once(&mut clauses.volatility, Volatility::Immutable, HOW_OFTEN, start)?;
        } else if self.word("STABLE") {
            once(&mut clauses.volatility, Volatility::Stable, HOW_OFTEN, start)?;
        } else if self.word("VOLATILE") {
            once(&mut clauses.volatility, Volatility::Volatile, HOW_OFTEN, start)?;
        } else if self.word("STRICT") || self.words(&["RETURNS", "NULL", "ON", "NULL", "INPUT"]) {
            once(&mut clauses.strict, true, HOW_NULL, start)?;
        } else if self.words(&["CALLED", "ON", "NULL", "INPUT"]) {
            once(&mut clauses.strict, false, HOW_NULL, start)?;
        } else {
            return Ok(false);
        }
        Ok(true)
    }

    fn language(&mut self) -> Result<Language> {
        let token = self.peek();
        let name = self.text_value()?;
        Ok(match name.to_lowercase().as_str() {
            "wasm" => Language::Wasm,
            "wat" => Language::Wat,
            "sql" => Language::Sql,
            _ => {
                let message = format!("there is no language \"{name}\"");
                let error = Error::new(ErrorCode::InvalidParameter, message)
                    .with_hint("languages are wasm, wat and sql: others are compiled to wasm first");
                return Err(at_token(error, &token));
            }
        })
    }

    /// A number of additions or rows, in hundredths.
    fn hundredths(&mut self, clause: &str) -> Result<u32> {
        let token = self.peek();
        let Token::Number(text, _) = &token.token else { return Err(self.expected("a number")) };
        let number: Option<f64> = text.parse().ok().map(|number: f64| (number * HUNDREDTHS).round());
        match number {
            Some(number) if (0.0..=f64::from(u32::MAX)).contains(&number) => {
                self.parser.advance_token();
                Ok(number as u32)
            }
            _ => {
                let message = format!("{clause} cannot be {text}");
                let hint = format!("it is at most {}", f64::from(u32::MAX) / HUNDREDTHS);
                Err(at_token(Error::new(ErrorCode::InvalidParameter, message).with_hint(hint), &token))
            }
        }
    }

    fn code(&mut self) -> Result<CodeSource> {
        if self.word("MODULE") {
            return Ok(CodeSource::Module(ident_of(&self.identifier()?)));
        }
        if let Some(bytes) = self.bytes()? {
            return Ok(CodeSource::Bytes(bytes));
        }
        match self.peek().token {
            Token::DollarQuotedString(_) => Ok(CodeSource::Text(self.string()?)),
            Token::SingleQuotedString(_) | Token::EscapedStringLiteral(_) => {
                Ok(CodeSource::Path(self.string()?))
            }
            _ => Err(self.expected("'path', $$ source $$, X'bytes' or MODULE name")),
        }
    }

    /// `(memory = '16MB', time_per_batch = '100ms', on_error = 'null')`.
    fn limits(&mut self, limits: &mut LimitChanges) -> Result<()> {
        self.expect_token(&Token::LParen)?;
        loop {
            let name_token = self.peek();
            let name = ident_of(&self.identifier()?);
            self.expect_token(&Token::Eq)?;
            let value_token = self.peek();
            let value = self.text_value()?;
            let fail = |takes: &str| {
                let error = Error::new(ErrorCode::InvalidParameter, format!("{name} cannot be '{value}'"));
                at_token(error.with_hint(format!("it takes {takes}")), &value_token)
            };
            match name.as_str() {
                "memory" => {
                    let bytes = parse_bytes(&value).filter(|bytes| *bytes > 0);
                    let bytes = bytes.ok_or_else(|| fail("a size such as '16MB'"))?;
                    once(&mut limits.memory_bytes, bytes, "memory", &name_token)?;
                }
                "time_per_batch" => {
                    let time = milliseconds(&value).ok_or_else(|| fail("a time such as '100ms' or '2s'"))?;
                    once(&mut limits.time_per_batch_ms, time, "time_per_batch", &name_token)?;
                }
                "on_error" => {
                    let on_error = match value.to_lowercase().as_str() {
                        "fail" => OnError::Fail,
                        "null" => OnError::Null,
                        _ => return Err(fail("'fail' or 'null'")),
                    };
                    once(&mut limits.on_error, on_error, "on_error", &name_token)?;
                }
                _ => {
                    let error =
                        Error::new(ErrorCode::InvalidParameter, format!("there is no limit \"{name}\""))
                            .with_hint("limits are memory, time_per_batch and on_error");
                    return Err(at_token(error, &name_token));
                }
            }
            if !self.token(&Token::Comma) {
                break;
            }
        }
        self.expect_token(&Token::RParen)
    }
}

fn once<T>(slot: &mut Option<T>, value: T, clause: &str, at: &TokenWithSpan) -> Result<()> {
    if slot.replace(value).is_some() {
        return Err(at_token(Error::new(ErrorCode::Syntax, format!("{clause} is there twice")), at));
    }
    Ok(())
}

/// `100ms`, `2s`, `1 min`; at least a millisecond.
fn milliseconds(text: &str) -> Option<u32> {
    let text = text.trim();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let number: u32 = text[..digits].parse().ok()?;
    let unit = match text[digits..].trim().to_lowercase().as_str() {
        "ms" => 1,
        "s" => 1_000,
        "min" => 60_000,
        _ => return None,
    };
    number.checked_mul(unit).filter(|time| *time > 0)
}

impl Clauses {
    /// Where the code is and what it is written in; `start` is where the statement begins.
    pub(super) fn code(&mut self, start: &TokenWithSpan, what: &str) -> Result<(CodeSource, Language)> {
        let fail = |message: String, hint: &str| {
            Err(at_token(Error::new(ErrorCode::Syntax, message).with_hint(hint), start))
        };
        let Some(code) = self.code.take() else {
            return fail(
                format!("{what} has no AS"),
                "add AS 'path.wasm', AS $$ source $$ or AS MODULE name, which say where its code is",
            );
        };
        let language = match (self.language, &code) {
            (Some(language), _) => language,
            (None, CodeSource::Module(_) | CodeSource::Bytes(_)) => Language::Wasm,
            (None, CodeSource::Path(path)) => match path.to_lowercase().rsplit_once('.') {
                Some((_, "wasm")) => Language::Wasm,
                Some((_, "wat")) => Language::Wat,
                _ => return fail(format!("{what} has no LANGUAGE"), "add LANGUAGE wasm, wat or sql"),
            },
            (None, CodeSource::Text(_)) => {
                return fail(format!("{what} has no LANGUAGE"), "add LANGUAGE wat or LANGUAGE sql");
            }
        };
        match (language, code) {
            // As elsewhere, an expression may stand in single quotes.
            (Language::Sql, CodeSource::Path(text)) => Ok((CodeSource::Text(text), language)),
            (Language::Wasm, CodeSource::Text(_)) => fail(
                "WASM is not text".to_owned(),
                "give the path of the module, AS 'path.wasm', or its text with LANGUAGE wat",
            ),
            (Language::Wat | Language::Sql, CodeSource::Module(_) | CodeSource::Bytes(_)) => {
                fail("a module is WASM".to_owned(), "leave LANGUAGE out")
            }
            (language, code) => Ok((code, language)),
        }
    }
}
