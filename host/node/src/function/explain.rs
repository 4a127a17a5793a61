//! DESCRIBE FUNCTION and EXPLAIN FUNCTION: what a function is, and how it is run.

use nyala_pipeline::guest::as_called;
use nyala_sandbox::Inlining;
use nyala_schema::Result;
use nyala_schema::command::Overload;
use nyala_schema::function::{FunctionBody, FunctionDefinition, FunctionVersion};
use nyala_schema::guest::{Limits, OnError};
use nyala_schema::option::format_bytes;
use nyala_schema::type_name::sql_type_name;

use crate::answer::Answer;
use crate::function::list::{arguments, kind_name, tier_name, volatility_name};
use crate::session::Session;
use crate::show::text_rows;

/// A row for each version, the current one marked.
pub fn describe(session: &Session, overload: &Overload) -> Result<Answer> {
    let snapshot = session.snapshot();
    let overloads = match &overload.arguments {
        None if snapshot.functions.contains_key(&overload.name) => snapshot.functions[&overload.name].clone(),
        _ => vec![snapshot.overload(overload)?.clone()],
    };
    let mut rows = Vec::new();
    for function in &overloads {
        rows.extend(function.versions.iter().map(|version| version_row(function, version)));
    }
    let columns = ["function", "kind", "returns", "version", "volatility", "on NULL", "body"];
    text_rows(&columns, &rows)
}

fn version_row(function: &FunctionDefinition, version: &FunctionVersion) -> Vec<String> {
    let current = if version.number == function.current { " (current)" } else { "" };
    let body = match &version.body {
        FunctionBody::Sql { text, .. } => text.clone(),
        FunctionBody::Guest { module, export, tier, source } => {
            let language = if source.is_some() { "WAT" } else { "WASM" };
            format!("{language}, {} tier, export {export} of {module}", tier_name(*tier))
        }
    };
    vec![
        format!("{}{}", function.name, arguments(function)),
        kind_name(function.kind).to_owned(),
        sql_type_name(&function.returns),
        format!("{}{current}", version.number),
        volatility_name(version.volatility).to_owned(),
        if version.strict { "NULL" } else { "called" }.to_owned(),
        body,
    ]
}

/// Property and value, of the current version.
pub fn explain(session: &Session, overload: &Overload) -> Result<Answer> {
    let snapshot = session.snapshot();
    let function = snapshot.overload(overload)?;
    let version = function.current_version();
    let mut rows: Vec<(&str, String)> = vec![
        ("function", format!("{}{}", function.name, arguments(function))),
        ("kind", kind_name(function.kind).to_owned()),
        ("returns", sql_type_name(&function.returns)),
        ("version", format!("{} of {}", version.number, function.versions.len())),
        ("volatility", volatility_name(version.volatility).to_owned()),
        ("on NULL", if version.strict { "gives NULL without a call" } else { "is called" }.to_owned()),
        ("cost per row", format!("{:.2} additions", f64::from(version.cost) / 100.0)),
    ];
    match function.guest(version) {
        None => {
            if let FunctionBody::Sql { text, .. } = &version.body {
                rows.push(("body", text.clone()));
            }
            rows.push(("inlined", "into the plan of every query that calls it".to_owned()));
        }
        Some(guest) => {
            let report = session.engine.sandbox.check_as(&as_called(&guest), function.kind)?;
            let from = if report.artefact_cached { "loaded from the cache in" } else { "compiled in" };
            let took = format!("{from} {:.2} ms", report.compile_time.as_secs_f64() * 1e3);
            rows.extend([
                ("tier", tier_name(report.tier).to_owned()),
                ("inlined", inlined(&report.inlining)),
                ("export", guest.code.export.clone()),
                ("module", format!("{} ({})", guest.code.module, format_bytes(report.module_bytes))),
                (
                    "imports",
                    if report.imports.is_empty() { "none".to_owned() } else { report.imports.join(", ") },
                ),
                ("machine code", format!("{}, {took}", format_bytes(report.code_bytes))),
            ]);
            if let Some(time) = report.instance_time {
                rows.push(("an instance", format!("ready in {:.1} µs", time.as_secs_f64() * 1e6)));
            }
            rows.extend(limits(&version.limits));
        }
    }
    let rows: Vec<Vec<String>> = rows.into_iter().map(|(name, value)| vec![name.to_owned(), value]).collect();
    text_rows(&["property", "value"], &rows)
}

fn inlined(inlining: &Inlining) -> String {
    match inlining {
        Inlining::Inlined => "into the loop over the rows".to_owned(),
        Inlining::Called(why) => format!("no: {why}"),
    }
}

fn limits(limits: &Limits) -> [(&'static str, String); 3] {
    let on_error = match limits.on_error {
        OnError::Fail => "fails the query",
        OnError::Null => "makes the rows of its batch NULL",
    };
    [
        ("memory", format!("at most {} an instance", format_bytes(limits.memory_bytes))),
        ("time", format!("at most {} ms a batch", limits.time_per_batch_ms)),
        ("an error", on_error.to_owned()),
    ]
}
