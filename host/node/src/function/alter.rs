//! ALTER FUNCTION: versions, and the end of a quarantine.

use std::sync::Arc;

use nyala_frontend::{CodeSource, FunctionChange, Language, NewVersion};
use nyala_sandbox::tier_of;
use nyala_schema::command::{Command, Overload};
use nyala_schema::function::{FunctionBody, FunctionDeclaration, FunctionDefinition, FunctionVersion};
use nyala_schema::{Error, ErrorCode, Result};

use crate::answer::Answer;
use crate::function::code::Code;
use crate::function::declare;
use crate::session::Session;

pub fn function(session: &Session, overload: Overload, change: FunctionChange) -> Result<Answer> {
    let definition = find(session, &overload)?;
    let overload = Overload { name: definition.name.clone(), arguments: Some(definition.argument_types()) };
    match change {
        FunctionChange::AddVersion(version) => add_version(session, &definition, overload, &version)?,
        FunctionChange::SetVersion(number) => set_version(session, overload, number)?,
        FunctionChange::Rollback => set_version(session, overload, version_before(&definition)?)?,
        FunctionChange::Resume => {
            session.engine.sandbox.resume(&definition.name);
        }
    }
    Ok(Answer::Done("ALTER FUNCTION".into()))
}

/// The overload that is meant.
///
/// # Errors
/// `UndefinedFunction`, `AmbiguousFunction`.
fn find(session: &Session, overload: &Overload) -> Result<Arc<FunctionDefinition>> {
    session.snapshot().overload(overload).cloned()
}

fn set_version(session: &Session, overload: Overload, number: u32) -> Result<()> {
    session.commit(&Command::SetFunctionVersion { overload, number })?;
    Ok(())
}

fn version_before(definition: &FunctionDefinition) -> Result<u32> {
    let before = definition.versions.iter().map(|version| version.number);
    before.filter(|&number| number < definition.current).max().ok_or_else(|| {
        Error::new(
            ErrorCode::UndefinedObject,
            format!("{} has no version before {}", definition.name, definition.current),
        )
        .with_hint("DESCRIBE FUNCTION lists its versions")
    })
}

fn add_version(
    session: &Session,
    definition: &FunctionDefinition,
    overload: Overload,
    new: &NewVersion,
) -> Result<()> {
    let current = definition.current_version();
    let mut version = FunctionVersion {
        number: definition.versions.iter().map(|version| version.number).max().unwrap_or(0) + 1,
        body: current.body.clone(),
        volatility: new.volatility.unwrap_or(current.volatility),
        strict: new.strict.unwrap_or(current.strict),
        cost: new.cost.unwrap_or(current.cost),
        rows_per_row: new.rows_per_row.unwrap_or(current.rows_per_row),
        limits: new.limits.over(current.limits),
    };
    let declaration = declaration(definition, &version, new.export.clone());
    if let (Language::Sql, CodeSource::Text(text)) = (new.language, &new.code) {
        version.body = declare::sql_function(session, declaration, text)?.versions.swap_remove(0).body;
        session.commit(&Command::AddFunctionVersion { overload, version })?;
        return Ok(());
    }
    let in_use = session.engine.use_modules();
    let code = Code::get(session, &new.code, new.language)?;
    session.engine.modules.put(&code.bytes)?;
    let tier = tier_of(&code.info, &declaration)?;
    let export = declaration.export.unwrap_or(declaration.name);
    version.body = FunctionBody::Guest { module: code.info.hash, export, tier, source: code.source.clone() };
    declare::check(session, definition, &version)?;
    session.commit(&Command::AddFunctionVersion { overload, version })?;
    session.engine.collect_modules(in_use)
}

/// What a statement that made this version would have said.
fn declaration(
    definition: &FunctionDefinition,
    version: &FunctionVersion,
    export: Option<String>,
) -> FunctionDeclaration {
    let known = match &version.body {
        FunctionBody::Guest { export, .. } => Some(export.clone()),
        FunctionBody::Sql { .. } => None,
    };
    FunctionDeclaration {
        name: definition.name.clone(),
        kind: definition.kind,
        arguments: definition.arguments.clone(),
        returns: definition.returns.clone(),
        volatility: version.volatility,
        strict: Some(version.strict),
        cost: Some(version.cost),
        rows_per_row: Some(version.rows_per_row),
        limits: version.limits,
        export: export.or(known),
    }
}
