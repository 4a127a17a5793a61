//! SHOW FUNCTIONS, FUNCTION HEALTH, MODULES and OPERATORS.

use nyala_schema::Result;
use nyala_schema::expr::Volatility;
use nyala_schema::function::{FunctionBody, FunctionDefinition, FunctionKind};
use nyala_schema::guest::{OperatorOutput, Tier};
use nyala_schema::option::format_bytes;
use nyala_schema::type_name::sql_type_name;

use crate::answer::Answer;
use crate::session::Session;
use crate::show::{matches_pattern, text_rows};

const BUILT_IN: &str = "(built-in)";
const COLUMNS: [&str; 10] = [
    "name",
    "kind",
    "arguments",
    "returns",
    "volatility",
    "strict",
    "version",
    "module",
    "tier",
    "description",
];

/// Those of users first, each overload a row; then the built-in ones.
pub fn functions(session: &Session, like: Option<&str>) -> Result<Answer> {
    let snapshot = session.snapshot();
    let mut rows = Vec::new();
    for function in snapshot.functions.values().flatten() {
        if matches_pattern(&function.name, like)? {
            rows.push(row(function));
        }
    }
    for function in session.engine.frontend().function_names() {
        if matches_pattern(&function.name, like)? {
            let kind = format!("{:?}", function.kind).to_lowercase();
            let mut row = vec![function.name, kind, function.syntax];
            row.resize(COLUMNS.len() - 3, String::new());
            row.extend([BUILT_IN.to_owned(), String::new(), function.description]);
            rows.push(row);
        }
    }
    text_rows(&COLUMNS, &rows)
}

fn row(function: &FunctionDefinition) -> Vec<String> {
    let version = function.current_version();
    vec![
        function.name.clone(),
        kind_name(function.kind).to_owned(),
        arguments(function),
        sql_type_name(&function.returns),
        volatility_name(version.volatility).to_owned(),
        if version.strict { "yes" } else { "no" }.to_owned(),
        version.number.to_string(),
        function.module.clone().unwrap_or_default(),
        match &version.body {
            FunctionBody::Guest { tier, .. } => tier_name(*tier),
            FunctionBody::Sql { .. } => "sql",
        }
        .to_owned(),
        String::new(),
    ]
}

/// `(name TEXT, n BIGINT)`.
pub fn arguments(function: &FunctionDefinition) -> String {
    let arguments = function.arguments.iter();
    let list: Vec<String> =
        arguments.map(|a| format!("{} {}", a.name, sql_type_name(&a.data_type))).collect();
    format!("({})", list.join(", "))
}

pub fn kind_name(kind: FunctionKind) -> &'static str {
    match kind {
        FunctionKind::Scalar => "scalar",
        FunctionKind::Aggregate => "aggregate",
        FunctionKind::Table => "table",
    }
}

pub fn volatility_name(volatility: Volatility) -> &'static str {
    match volatility {
        Volatility::Immutable => "immutable",
        Volatility::Stable => "stable",
        Volatility::Volatile => "volatile",
    }
}

pub fn tier_name(tier: Tier) -> &'static str {
    match tier {
        Tier::Row => "row",
        Tier::Batch => "batch",
    }
}

/// What was called since the process began.
pub fn health(session: &Session, like: Option<&str>) -> Result<Answer> {
    let mut rows = Vec::new();
    for health in session.engine.sandbox.health() {
        if !matches_pattern(&health.name, like)? {
            continue;
        }
        let usage = health.usage;
        let state = match (health.quarantined, health.failures) {
            (true, _) => "quarantined",
            (false, 0) => "healthy",
            (false, _) => "failing",
        };
        rows.push(vec![
            health.name,
            health.version.to_string(),
            state.to_owned(),
            usage.calls.to_string(),
            usage.rows.to_string(),
            format!("{:.3} ms", usage.time.as_secs_f64() * 1e3),
            usage.traps.to_string(),
            format_bytes(usage.memory_bytes),
            health.last_error.unwrap_or_default(),
        ]);
    }
    let columns = ["name", "version", "state", "calls", "rows", "time", "traps", "memory", "last error"];
    text_rows(&columns, &rows)
}

pub fn modules(session: &Session, like: Option<&str>) -> Result<Answer> {
    let snapshot = session.snapshot();
    let mut rows = Vec::new();
    for module in snapshot.modules.values() {
        if matches_pattern(&module.name, like)? {
            let is_its = |owner: &Option<String>| owner.as_ref() == Some(&module.name);
            let functions = snapshot.functions.values().flatten().filter(|f| is_its(&f.module)).count();
            let operators = snapshot.operators.values().filter(|o| is_its(&o.module)).count();
            rows.push(vec![
                module.name.clone(),
                format_bytes(module.size_bytes),
                functions.to_string(),
                operators.to_string(),
                module.hash.to_string(),
            ]);
        }
    }
    text_rows(&["name", "size", "functions", "operators", "sha256"], &rows)
}

pub fn operators(session: &Session, like: Option<&str>) -> Result<Answer> {
    let snapshot = session.snapshot();
    let mut rows = Vec::new();
    for definition in snapshot.operators.values() {
        if !matches_pattern(&definition.name, like)? {
            continue;
        }
        let operator = &definition.operator;
        let inputs = operator.inputs.iter().map(|input| {
            let keys = [(input.needs_partition, " PARTITION BY"), (input.needs_order, " ORDER BY")];
            let all = if input.reads_all { " READS ALL" } else { "" };
            let keys: String = keys.iter().filter(|(needed, _)| *needed).map(|(_, text)| *text).collect();
            format!("TABLE {}{keys}{all}", input.name)
        });
        let parameters = operator.parameters.iter().map(|parameter| {
            let optional = if parameter.required { "" } else { " OPTIONAL" };
            format!("{} {}{optional}", parameter.name, sql_type_name(&parameter.data_type))
        });
        rows.push(vec![
            definition.name.clone(),
            format!("({})", inputs.chain(parameters).collect::<Vec<_>>().join(", ")),
            output(&operator.output),
            definition.module.clone().unwrap_or_default(),
        ]);
    }
    text_rows(&["name", "arguments", "returns", "module"], &rows)
}

/// As a declaration says it.
fn output(output: &OperatorOutput) -> String {
    let columns = output.own_columns().iter();
    let list: Vec<String> =
        columns.map(|column| format!("{} {}", column.name(), sql_type_name(column.data_type()))).collect();
    let list = list.join(", ");
    match output {
        OperatorOutput::Extends(_) => format!("INPUT AND ({list})"),
        OperatorOutput::Columns(_) => format!("TABLE ({list})"),
        OperatorOutput::LikeInput(columns) if columns.is_empty() => "LIKE INPUT".to_owned(),
        OperatorOutput::LikeInput(_) => format!("LIKE INPUT AND ({list})"),
    }
}
