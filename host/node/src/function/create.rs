//! CREATE FUNCTION, OPERATOR and MODULE. The bytes are kept before a command names them.

use nyala_frontend::{CodeSource, Declaration, Language, parse_manifest};
use nyala_schema::command::{Command, OnConflict};
use nyala_schema::function::{
    FunctionDeclaration, FunctionDefinition, ModuleDefinition, OperatorDeclaration,
};
use nyala_schema::guest::ModuleHash;
use nyala_schema::{Error, ErrorCode, Result};

use crate::answer::Answer;
use crate::function::code::Code;
use crate::function::declare;
use crate::session::Session;

pub fn function(
    session: &Session,
    declaration: FunctionDeclaration,
    code: &CodeSource,
    language: Language,
    on_conflict: OnConflict,
) -> Result<Answer> {
    let in_use = session.engine.use_modules();
    let definition = match (language, code) {
        (Language::Sql, CodeSource::Text(text)) => declare::sql_function(session, declaration, text)?,
        (Language::Sql, _) => {
            return Err(Error::new(ErrorCode::Syntax, "a function in SQL is a text: AS $$ expression $$"));
        }
        (Language::Wasm | Language::Wat, _) => {
            let code = Code::get(session, code, language)?;
            session.engine.modules.put(&code.bytes)?;
            let definition = declare::function(session, declaration, &code, None)?;
            check_all(session, &[&definition])?;
            definition
        }
    };
    session.commit(&Command::CreateFunction { definition, on_conflict })?;
    session.engine.collect_modules(in_use)?;
    Ok(Answer::Done("CREATE FUNCTION".into()))
}

fn check_all(session: &Session, definitions: &[&FunctionDefinition]) -> Result<()> {
    definitions
        .iter()
        .try_for_each(|definition| declare::check(session, definition, definition.current_version()))
}

pub fn operator(
    session: &Session,
    declaration: OperatorDeclaration,
    code: &CodeSource,
    language: Language,
    on_conflict: OnConflict,
) -> Result<Answer> {
    let in_use = session.engine.use_modules();
    let code = Code::get(session, code, language)?;
    session.engine.modules.put(&code.bytes)?;
    let definition = declare::operator(session, declaration, &code, None)?;
    session.commit(&Command::CreateOperator { definition, on_conflict })?;
    session.engine.collect_modules(in_use)?;
    Ok(Answer::Done("CREATE OPERATOR".into()))
}

pub fn module(
    session: &Session,
    name: &str,
    source: &CodeSource,
    sha256: Option<ModuleHash>,
    on_conflict: OnConflict,
) -> Result<Answer> {
    let in_use = session.engine.use_modules();
    let code = Code::get(session, source, Language::Wasm)?;
    let what = match source {
        CodeSource::Path(path) => path.clone(),
        _ => format!("module \"{name}\""),
    };
    if let Some(wanted) = sha256
        && wanted != code.info.hash
    {
        return Err(Error::new(
            ErrorCode::InvalidModule,
            format!("{what} has the SHA-256 {}, not {wanted}", code.info.hash),
        )
        .with_hint("it is another file than the one that was meant; get it again, or correct the hash"));
    }
    let declarations = match &code.info.manifest {
        Some(manifest) => {
            parse_manifest(manifest).map_err(|error| error.context(format!("the manifest of {what}")))?
        }
        None => Vec::new(),
    };
    session.engine.modules.put(&code.bytes)?;
    let (mut functions, mut operators) = (Vec::new(), Vec::new());
    for declaration in declarations {
        match declaration {
            Declaration::Function(one) => functions.push(declare::function(session, one, &code, Some(name))?),
            Declaration::Operator(one) => operators.push(declare::operator(session, one, &code, Some(name))?),
        }
    }
    check_all(session, &functions.iter().collect::<Vec<_>>())?;
    let (function_count, operator_count) = (functions.len(), operators.len());
    session.commit(&Command::CreateModule {
        definition: ModuleDefinition {
            name: name.to_owned(),
            hash: code.info.hash,
            size_bytes: code.info.size_bytes,
        },
        functions,
        operators,
        on_conflict,
    })?;
    session.engine.collect_modules(in_use)?;
    Ok(Answer::Done(format!("CREATE MODULE: {function_count} functions, {operator_count} operators")))
}
