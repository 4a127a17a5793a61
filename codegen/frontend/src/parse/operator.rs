//! CREATE OPERATOR and what is said of an operator without its code.

use nyala_schema::function::OperatorDeclaration;
use nyala_schema::guest::{Limits, OperatorInput, OperatorOutput, OperatorParameter};
use nyala_schema::{Error, ErrorCode, Result};
use sqlparser::tokenizer::Token;

use super::clause::{Clauses, ClausesOf};
use super::function::check_guest_type;
use super::{StatementParser, at_token};
use crate::definition::Language;
use crate::normalize::ident_of;
use crate::statement::Statement;
use crate::suggest::quoted;

impl StatementParser<'_> {
    pub(super) fn create_operator(&mut self, replace: bool) -> Result<Statement> {
        let on_conflict = self.conflict(replace)?;
        let start = self.peek();
        let (declaration, mut clauses) = self.operator()?;
        let (code, language) = clauses.code(&start, &format!("operator {}", quoted(&declaration.name)))?;
        if language == Language::Sql {
            return Err(self.refuse(&start, "an operator cannot be written in SQL", "write a view"));
        }
        Ok(Statement::CreateOperator { declaration, code, language, on_conflict })
    }

    /// Of a manifest: without code.
    pub(super) fn declared_operator(&mut self) -> Result<OperatorDeclaration> {
        let start = self.peek();
        let (declaration, clauses) = self.operator()?;
        if clauses.code.is_some() || clauses.language.is_some() {
            let message = format!("operator {} has AS or LANGUAGE in a manifest", quoted(&declaration.name));
            return Err(self.refuse(&start, &message, "its code is the module itself"));
        }
        Ok(declaration)
    }

    fn operator(&mut self) -> Result<(OperatorDeclaration, Clauses)> {
        let start = self.peek();
        let name = ident_of(&self.identifier()?);
        let (inputs, parameters) = self.operator_arguments()?;
        if inputs.is_empty() {
            let message = format!("operator {} takes no table", quoted(&name));
            let hint = "add TABLE name to its arguments, or write CREATE TABLE FUNCTION";
            return Err(self.refuse(&start, &message, hint));
        }
        self.expect_word("RETURNS")?;
        let output = self.operator_output()?;
        let columns = output.own_columns().iter().map(|field| field.data_type());
        let parameter_types = parameters.iter().map(|parameter| &parameter.data_type);
        for data_type in columns.chain(parameter_types) {
            check_guest_type(data_type)
                .map_err(|error| at_token(error.context(format!("operator {}", quoted(&name))), &start))?;
        }
        let clauses = self.clauses(ClausesOf::Operator)?;
        let declaration = OperatorDeclaration {
            name,
            inputs,
            parameters,
            output,
            rows_per_row: clauses.rows_per_row,
            cost: clauses.cost,
            keeps_order: clauses.keeps_order.unwrap_or(false),
            limits: clauses.limits.over(Limits::default()),
            export: clauses.export.clone(),
        };
        Ok((declaration, clauses))
    }

    /// `(TABLE input [PARTITION BY] [ORDER BY] [READS ALL], parameter type [OPTIONAL], …)`.
    fn operator_arguments(&mut self) -> Result<(Vec<OperatorInput>, Vec<OperatorParameter>)> {
        self.expect_token(&Token::LParen)?;
        let (mut inputs, mut parameters) = (vec![], vec![]);
        if self.token(&Token::RParen) {
            return Ok((inputs, parameters));
        }
        let mut names: Vec<String> = vec![];
        loop {
            let start = self.peek();
            let name = if self.word("TABLE") {
                let input = self.operator_input()?;
                let name = input.name.clone();
                inputs.push(input);
                name
            } else {
                let (name, data_type) = self.named_type("parameter")?;
                let required = !self.word("OPTIONAL");
                parameters.push(OperatorParameter { name: name.clone(), data_type, required });
                name
            };
            if names.contains(&name) {
                let message = format!("argument {} is there twice", quoted(&name));
                return Err(at_token(Error::new(ErrorCode::Syntax, message), &start));
            }
            names.push(name);
            if !self.token(&Token::Comma) {
                break;
            }
        }
        self.expect_token(&Token::RParen)?;
        Ok((inputs, parameters))
    }

    fn operator_input(&mut self) -> Result<OperatorInput> {
        let name = ident_of(&self.identifier()?);
        let mut input = OperatorInput { name, needs_partition: false, needs_order: false, reads_all: false };
        loop {
            if self.words(&["PARTITION", "BY"]) {
                input.needs_partition = true;
            } else if self.words(&["ORDER", "BY"]) {
                input.needs_order = true;
            } else if self.words(&["READS", "ALL"]) {
                input.reads_all = true;
            } else if matches!(self.peek().token, Token::Comma | Token::RParen) {
                return Ok(input);
            } else {
                return Err(self.expected("PARTITION BY, ORDER BY, READS ALL, ',' or ')'"));
            }
        }
    }

    /// `INPUT AND (columns) | TABLE (columns) | LIKE INPUT [AND (columns)]`.
    fn operator_output(&mut self) -> Result<OperatorOutput> {
        if self.words(&["INPUT", "AND"]) {
            return Ok(OperatorOutput::Extends(self.output_columns()?.iter().cloned().collect()));
        }
        if self.word("TABLE") {
            return Ok(OperatorOutput::Columns(self.output_columns()?.iter().cloned().collect()));
        }
        if self.words(&["LIKE", "INPUT"]) {
            let own =
                if self.word("AND") { self.output_columns()?.iter().cloned().collect() } else { vec![] };
            return Ok(OperatorOutput::LikeInput(own));
        }
        Err(self.expected("INPUT AND (columns), TABLE (columns) or LIKE INPUT"))
    }
}
