//! The functions that SQL may call, by name.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use datafusion_expr::planner::ExprPlanner;
use datafusion_expr::{AggregateUDF, Documentation, HigherOrderUDF, ScalarUDF, WindowUDF};

use crate::normalize::part_of_date;
use crate::session_function::SESSION_FUNCTIONS;

/// Built on first use, once in a process.
pub(crate) struct Registry {
    pub(crate) scalar: HashMap<String, Arc<ScalarUDF>>,
    pub(crate) aggregate: HashMap<String, Arc<AggregateUDF>>,
    pub(crate) window: HashMap<String, Arc<WindowUDF>>,
    pub(crate) higher_order: HashMap<String, Arc<HigherOrderUDF>>,
    pub(crate) expr_planners: Vec<Arc<dyn ExprPlanner>>,
}

/// What people may know of a function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FunctionInfo {
    pub name: String,
    pub kind: FunctionKind,
    /// How it is called, such as `substr(str, start_pos[, length])`; empty when nobody wrote it down.
    pub syntax: String,
    /// A sentence or two; empty when nobody wrote it down.
    pub description: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum FunctionKind {
    Scalar,
    Aggregate,
    Window,
    /// Stands in FROM.
    Table,
}

/// More names for scalar functions, from other systems.
const SCALAR_ALIASES: &[(&str, &str)] = &[
    ("len", "character_length"),
    ("ucase", "upper"),
    ("lcase", "lower"),
    ("rand", "random"),
    ("ifnull", "nvl"),
    ("sign", "signum"),
];

/// More names for aggregates. The least value is as good as any.
const AGGREGATE_ALIASES: &[(&str, &str)] = &[
    ("any_value", "min"),
    ("arbitrary", "min"),
    ("every", "bool_and"),
    ("group_concat", "string_agg"),
    ("listagg", "string_agg"),
    ("list", "array_agg"),
];

/// Functions that stand in FROM: name, syntax, description.
pub(crate) const TABLE_FUNCTIONS: &[(&str, &str, &str)] = &[
    (
        "generate_series",
        "generate_series(start, stop[, step])",
        "Numbers, dates or timestamps, stop included.",
    ),
    ("range", "range(start, stop[, step])", "Numbers, dates or timestamps, stop excluded."),
    ("read_parquet", "read_parquet('path')", "The rows of Parquet files: a file, a directory or a glob."),
    ("read_csv", "read_csv('path')", "The rows of CSV files: a file, a directory or a glob."),
    ("read_json", "read_json('path')", "The rows of JSON files: a file, a directory or a glob."),
    ("unnest", "unnest(array)", "One row for each element."),
];

/// What is written like a call and read by the parser.
const SYNTAX: &[&str] = &[
    "all",
    "any",
    "array",
    "case",
    "cast",
    "cube",
    "exists",
    "extract",
    "grouping",
    "interval",
    "map",
    "not",
    "parquet_scan",
    "read_csv_auto",
    "read_ndjson",
    "rollup",
    "row",
    "some",
    "struct",
    "table",
    "try_cast",
    "values",
];

macro_rules! by_name {
    ($functions:expr, $aliases:expr) => {{
        let functions = $functions;
        let mut map = HashMap::with_capacity(functions.len() * 2);
        for function in functions {
            for alias in function.aliases() {
                map.insert(alias.to_lowercase(), Arc::clone(&function));
            }
            map.insert(function.name().to_lowercase(), function);
        }
        for (alias, name) in $aliases {
            if let Some(function) = map.get(*name).cloned() {
                map.entry((*alias).to_owned()).or_insert(function);
            }
        }
        map
    }};
}

impl Registry {
    pub(crate) fn get() -> &'static Self {
        static REGISTRY: OnceLock<Registry> = OnceLock::new();
        REGISTRY.get_or_init(Self::build)
    }

    fn build() -> Self {
        const NONE: &[(&str, &str)] = &[];
        let mut scalar = datafusion_functions::all_default_functions();
        scalar.extend(datafusion_functions_nested::all_default_nested_functions());
        scalar.retain(|function| SESSION_FUNCTIONS.iter().all(|(name, ..)| *name != function.name()));
        Self {
            scalar: by_name!(scalar, SCALAR_ALIASES),
            aggregate: by_name!(
                datafusion_functions_aggregate::all_default_aggregate_functions(),
                AGGREGATE_ALIASES
            ),
            window: by_name!(datafusion_functions_window::all_default_window_functions(), NONE),
            higher_order: by_name!(datafusion_functions_nested::all_default_higher_order_functions(), NONE),
            expr_planners: vec![
                Arc::new(datafusion_functions::core::planner::CoreFunctionPlanner::default()),
                Arc::new(datafusion_functions_nested::planner::NestedFunctionPlanner),
                Arc::new(datafusion_functions_nested::planner::FieldAccessPlanner),
                Arc::new(datafusion_functions::datetime::planner::DatetimeFunctionPlanner),
                Arc::new(datafusion_functions::unicode::planner::UnicodeFunctionPlanner),
                Arc::new(datafusion_functions_aggregate::planner::AggregateFunctionPlanner),
                Arc::new(datafusion_functions_window::planner::WindowFunctionPlanner),
            ],
        }
    }

    /// All names that may stand before a parenthesis, for near misses: those first that are likelier to be meant.
    pub(crate) fn names(&self) -> Vec<&str> {
        fn sorted<T>(map: &HashMap<String, T>) -> Vec<&str> {
            let mut names: Vec<&str> = map.keys().map(String::as_str).collect();
            names.sort_unstable();
            names
        }
        let mut names = sorted(&self.aggregate);
        names.extend(sorted(&self.scalar));
        names.extend(sorted(&self.window));
        names.extend(sorted(&self.higher_order));
        names.extend(SESSION_FUNCTIONS.iter().map(|(name, ..)| *name));
        names
    }

    /// Whether a lower-case name is taken: by a function, or by syntax that looks like one.
    pub(crate) fn is_builtin(&self, name: &str) -> bool {
        self.names().contains(&name)
            || TABLE_FUNCTIONS.iter().any(|(known, ..)| *known == name)
            || SYNTAX.contains(&name)
            || part_of_date(name).is_some()
    }

    /// Every name, aliases too, sorted.
    pub(crate) fn describe(&self) -> Vec<FunctionInfo> {
        let scalar = self.scalar.iter().map(|(n, f)| info(n, FunctionKind::Scalar, f.documentation()));
        let aggregate =
            self.aggregate.iter().map(|(n, f)| info(n, FunctionKind::Aggregate, f.documentation()));
        let window = self.window.iter().map(|(n, f)| info(n, FunctionKind::Window, f.documentation()));
        let table = described(TABLE_FUNCTIONS, FunctionKind::Table);
        let session = described(SESSION_FUNCTIONS, FunctionKind::Scalar);
        let mut functions: Vec<FunctionInfo> =
            scalar.chain(aggregate).chain(window).chain(table).chain(session).collect();
        functions.sort_by(|a, b| (&a.name, a.kind).cmp(&(&b.name, b.kind)));
        functions
    }
}

/// Functions of our own: name, syntax, description.
fn described(
    functions: &'static [(&str, &str, &str)],
    kind: FunctionKind,
) -> impl Iterator<Item = FunctionInfo> {
    functions.iter().map(move |(name, syntax, description)| FunctionInfo {
        name: (*name).to_owned(),
        kind,
        syntax: (*syntax).to_owned(),
        description: (*description).to_owned(),
    })
}

fn info(name: &str, kind: FunctionKind, documentation: Option<&Documentation>) -> FunctionInfo {
    let text = |pick: fn(&Documentation) -> &String| documentation.map(pick).cloned().unwrap_or_default();
    FunctionInfo {
        name: name.to_owned(),
        kind,
        syntax: text(|documentation| &documentation.syntax_example),
        description: first_paragraph(&text(|documentation| &documentation.description)),
    }
}

/// What comes after it is meant for a page of its own.
fn first_paragraph(text: &str) -> String {
    let paragraph = text.trim().split("\n\n").next().unwrap_or_default();
    paragraph.split_whitespace().collect::<Vec<_>>().join(" ")
}
