//! Who uses a function or operator. Views and SQL functions name what they use without argument types, so a use of a
//! name counts for every overload of it.

use nyala_schema::function::{FunctionBody, FunctionDefinition};
use nyala_schema::table::TableDefinition;
use nyala_schema::type_name::{sql_identifier, sql_signature};
use nyala_schema::{Error, ErrorCode, Result};

use crate::snapshot::Snapshot;

/// Refuses to drop or change `subject` while a view or an SQL function uses its name. Functions that are
/// `exempt` do not count: they change together with it.
///
/// # Errors
/// `Dependency`, which names the first user.
pub(super) fn refuse_if_used(
    snapshot: &Snapshot,
    name: &str,
    subject: &str,
    exempt: impl Fn(&FunctionDefinition) -> bool,
) -> Result<()> {
    let Some((user, statement)) = first_user(snapshot, name, exempt) else { return Ok(()) };
    Err(Error::new(ErrorCode::Dependency, format!("{subject} is used by {user}"))
        .with_hint(format!("drop or replace that first, for example with {statement}")))
}

/// What it is, and the statement that drops it.
fn first_user(
    snapshot: &Snapshot,
    name: &str,
    exempt: impl Fn(&FunctionDefinition) -> bool,
) -> Option<(String, String)> {
    let view = snapshot.tables.iter().find(|(_, table)| match table.as_ref() {
        TableDefinition::View { uses, .. } => uses.iter().any(|used| used == name),
        TableDefinition::External(_) | TableDefinition::Managed(_) => false,
    });
    if let Some((view, _)) = view {
        return Some((format!("the view \"{view}\""), format!("DROP VIEW {}", sql_identifier(view))));
    }
    let mut functions = snapshot.functions.values().flatten().filter(|function| !exempt(function));
    // Every version that is kept: it may be made current again.
    let function = functions.find(|function| uses(function).any(|used| used == name))?;
    let signature = sql_signature(&function.name, function.arguments.iter().map(|a| &a.data_type));
    let statement = match &function.module {
        Some(module) => format!("DROP MODULE {}", sql_identifier(module)),
        None => format!("DROP FUNCTION {signature}"),
    };
    Some((format!("the function {signature}"), statement))
}

fn uses(function: &FunctionDefinition) -> impl Iterator<Item = &String> {
    function.versions.iter().flat_map(|version| match &version.body {
        FunctionBody::Sql { uses, .. } => uses.as_slice(),
        FunctionBody::Guest { .. } => &[],
    })
}

/// Refuses to keep what uses a function that is gone: it may have been dropped since the statement was compiled.
///
/// # Errors
/// `UndefinedFunction`
pub(super) fn require(snapshot: &Snapshot, used: &[String], user: &str) -> Result<()> {
    let missing =
        |name: &&String| !snapshot.functions.contains_key(*name) && !snapshot.operators.contains_key(*name);
    match used.iter().find(missing) {
        None => Ok(()),
        Some(name) => Err(Error::new(
            ErrorCode::UndefinedFunction,
            format!("{user} uses \"{name}\", and there is no function or operator of that name"),
        )
        .with_hint("create that first")),
    }
}
