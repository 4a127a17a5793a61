//! Definitions out of declarations and the code that they speak of.

use std::sync::Arc;

use nyala_pipeline::guest::as_called;
use nyala_sandbox::tier_of;
use nyala_schema::function::{
    FunctionBody, FunctionDeclaration, FunctionDefinition, FunctionKind, FunctionVersion,
    OperatorDeclaration, OperatorDefinition,
};
use nyala_schema::guest::{GuestCode, GuestOperator, Tier};
use nyala_schema::{Error, ErrorCode, Result};

use crate::function::code::Code;
use crate::session::Session;

/// What a call costs when nobody said: the row tier is as cheap as a few additions, a batch of text is not.
const ROW_COST: u32 = 300;
const BATCH_COST: u32 = 5_000;
/// Rows out per row in when nobody said, in hundredths.
const TABLE_ROWS: u32 = 1_000;
const OPERATOR_ROWS: u32 = 100;

const FIRST_VERSION: u32 = 1;

/// The definition of a function in a module, its code checked and compiled.
///
/// # Errors
/// `InvalidModule` when the module lacks what was declared.
pub fn function(
    session: &Session,
    declaration: FunctionDeclaration,
    code: &Code,
    module: Option<&str>,
) -> Result<FunctionDefinition> {
    free_name(session, &declaration.name)?;
    let tier = tier_of(&code.info, &declaration)?;
    let export = declaration.export.clone().unwrap_or_else(|| declaration.name.clone());
    let version = FunctionVersion {
        number: FIRST_VERSION,
        body: FunctionBody::Guest { module: code.info.hash, export, tier, source: code.source.clone() },
        volatility: declaration.volatility,
        strict: declaration.strict.unwrap_or(true),
        cost: declaration.cost.unwrap_or(match tier {
            Tier::Row => ROW_COST,
            Tier::Batch => BATCH_COST,
        }),
        rows_per_row: declaration.rows_per_row.unwrap_or(match declaration.kind {
            FunctionKind::Table => TABLE_ROWS,
            FunctionKind::Scalar | FunctionKind::Aggregate => 0,
        }),
        limits: declaration.limits,
    };
    Ok(definition(declaration, version, module))
}

/// # Errors
/// `InvalidModule` when the version's code is not what the definition says.
pub fn check(session: &Session, definition: &FunctionDefinition, version: &FunctionVersion) -> Result<()> {
    if let Some(guest) = definition.guest(version) {
        session.engine.sandbox.check_as(&as_called(&guest), definition.kind)?;
    }
    Ok(())
}

/// A function that is an expression. Its text is checked as a call would see it.
///
/// # Errors
/// What is wrong with the expression.
pub fn sql_function(
    session: &Session,
    declaration: FunctionDeclaration,
    text: &str,
) -> Result<FunctionDefinition> {
    free_name(session, &declaration.name)?;
    if declaration.kind != FunctionKind::Scalar {
        return Err(Error::unsupported("LANGUAGE sql for aggregates and table functions")
            .with_hint("write a view, or the function as WASM"));
    }
    let text = text.trim();
    let uses = session.engine.frontend().check_sql_body(&declaration, text, &session.tables())?;
    let version = FunctionVersion {
        number: FIRST_VERSION,
        body: FunctionBody::Sql { text: text.to_owned(), uses },
        volatility: declaration.volatility,
        strict: declaration.strict.unwrap_or(false),
        cost: declaration.cost.unwrap_or(ROW_COST),
        rows_per_row: 0,
        limits: declaration.limits,
    };
    Ok(definition(declaration, version, None))
}

fn definition(
    declaration: FunctionDeclaration,
    version: FunctionVersion,
    module: Option<&str>,
) -> FunctionDefinition {
    FunctionDefinition {
        name: declaration.name,
        kind: declaration.kind,
        arguments: declaration.arguments,
        returns: declaration.returns,
        current: version.number,
        versions: vec![version],
        module: module.map(str::to_owned),
    }
}

/// # Errors
/// `InvalidModule` when the module lacks what was declared.
pub fn operator(
    session: &Session,
    declaration: OperatorDeclaration,
    code: &Code,
    module: Option<&str>,
) -> Result<OperatorDefinition> {
    free_name(session, &declaration.name)?;
    let operator = GuestOperator {
        code: GuestCode {
            export: declaration.export.clone().unwrap_or_else(|| declaration.name.clone()),
            name: declaration.name.clone(),
            version: FIRST_VERSION,
            module: code.info.hash,
            limits: declaration.limits,
        },
        inputs: declaration.inputs,
        parameters: declaration.parameters,
        output: declaration.output,
        rows_per_row: declaration.rows_per_row.unwrap_or(OPERATOR_ROWS),
        cost: declaration.cost.unwrap_or(BATCH_COST),
        keeps_order: declaration.keeps_order,
    };
    session.engine.sandbox.check_operator(&operator)?;
    Ok(OperatorDefinition {
        name: declaration.name,
        operator: Arc::new(operator),
        module: module.map(str::to_owned),
    })
}

fn free_name(session: &Session, name: &str) -> Result<()> {
    if session.engine.frontend().is_builtin(name) {
        return Err(Error::new(ErrorCode::DuplicateFunction, format!("\"{name}\" is a built-in function"))
            .with_hint("choose another name"));
    }
    Ok(())
}
