//! What must hold of every aggregate function.

use super::declared::Function;
use super::law::{Check, Law, Run, call, copies, table, with_nulls};
use super::samples;
use super::scalar::{each, no_values};

/// Groups of the merge law: few enough that each has rows of many batches.
const GROUPS: u64 = 7;

pub fn checks(function: &Function, given: Vec<Vec<String>>) -> Vec<Check> {
    let subject = function.signature();
    let check = |name, law| Check::new(&subject, &function.name, name, law);
    let mut rows = match samples::rows(&function.types) {
        Ok(rows) => rows,
        Err(_) if !given.is_empty() => samples::Rows::default(),
        Err(sql_type) => return vec![check("all", no_values(&sql_type))],
    };
    if !given.is_empty() {
        rows.ordinary = given;
    }
    let few = &rows.ordinary;
    let (call, source, repeats) = (call(&function.name, few), table(few), copies(few));
    let series = format!("generate_series(1, {repeats}) AS g(n)");
    let merged = merge_source(few, repeats);
    let grouped = |from: &str| format!("SELECT s.grp, {call} FROM {from} GROUP BY s.grp");
    let split = format!(
        "(SELECT * FROM {merged} WHERE n % 3 = 0 UNION ALL SELECT * FROM {merged} WHERE n % 3 <> 0) AS s"
    );
    let mut checks = vec![
        check("no rows", Law::Count(format!("SELECT {call} FROM {source} WHERE s.id < 0"), 1)),
        check(
            "no groups",
            Law::Count(format!("SELECT s.id, {call} FROM {source} WHERE s.id < 0 GROUP BY s.id"), 0),
        ),
    ];
    if !function.types.is_empty() {
        checks.push(check("NULL arguments", nulls(function, few)));
    }
    checks.push(check("extreme values", each(function, &rows.extreme)));
    checks.push(check("hostile text", each(function, &rows.hostile)));
    if function.is_volatile {
        return checks;
    }
    let small = format!("SELECT s.id, {call} FROM {source} GROUP BY s.id");
    let large = format!("SELECT s.id, {call} FROM {source}, {series} GROUP BY s.id, g.n");
    let one = grouped(&merged);
    checks.push(check("many groups", Law::Times(small, large, repeats)));
    checks.push(check("the same twice", Law::Same(Run::alone(&one), Run::alone(&one))));
    checks.push(check("merge law", Law::Same(Run::alone(&one), Run::together(&one))));
    checks.push(check("merge law, rows split", Law::Same(Run::alone(&one), Run::together(&grouped(&split)))));
    checks.push(check("window frames", frames(function, few)));
    checks
}

/// All rows, many times, in a few groups.
fn merge_source(rows: &[Vec<String>], repeats: u64) -> String {
    let columns: Vec<String> = super::law::arguments(rows).iter().map(|name| format!(", s.{name}")).collect();
    format!(
        "(SELECT g.n % {GROUPS} AS grp, g.n AS n{} FROM {}, generate_series(1, {repeats}) AS g(n)) AS s",
        columns.join(""),
        table(rows)
    )
}

/// Rows that slide out of a frame are as if they had never been in it.
fn frames(function: &Function, rows: &[Vec<String>]) -> Law {
    let (call, source) = (call(&function.name, rows), table(rows));
    let sliding = format!(
        "SELECT s.id, {call} OVER (ORDER BY s.id ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) FROM {source}"
    );
    let grouped = format!(
        "SELECT t.id, {call} FROM {source}, (VALUES {}) AS t(id) WHERE s.id BETWEEN t.id - 1 AND t.id GROUP BY t.id",
        (0..rows.len()).map(|id| format!("({id})")).collect::<Vec<_>>().join(", ")
    );
    Law::Same(Run::alone(&grouped), Run::alone(&sliding))
}

fn nulls(function: &Function, rows: &[Vec<String>]) -> Law {
    let nulls = with_nulls(rows, &function.types);
    if !function.is_strict {
        return each(function, &nulls);
    }
    // A strict aggregate does not see such rows.
    let both: Vec<Vec<String>> = rows.iter().chain(&nulls).cloned().collect();
    let of = |rows: &[Vec<String>]| format!("SELECT {} FROM {}", call(&function.name, rows), table(rows));
    Law::Same(Run::alone(&of(rows)), Run::alone(&of(&both)))
}

#[cfg(test)]
mod tests {
    use nyala_node::{Config, Engine};

    use super::*;
    use crate::plugin::check::database::Database;
    use crate::plugin::check::declared::tests::function;
    use crate::plugin::check::trial::{self, Outcome};

    /// The checks hold of a built-in aggregate, so they ask nothing that is not so.
    #[test]
    fn a_sum_keeps_all_laws() {
        let mut sum = function("aggregate", "(x DOUBLE)", "immutable", "true");
        sum.name = "sum".to_owned();
        let mut database = Database::new(Engine::open(Config::default()).unwrap().session());
        for check in checks(&sum, vec![]) {
            let outcome = trial::run(&check, &mut database).unwrap();
            assert!(!matches!(outcome, Outcome::Failed { .. }), "{}: {outcome:?}", check.name);
        }
    }
}
