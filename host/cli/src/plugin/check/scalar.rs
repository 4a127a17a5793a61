//! What must hold of every scalar function.

use super::declared::Function;
use super::law::{Check, Law, Run, call, copies, table, with_nulls};
use super::samples;

/// `given` are the author's own rows of arguments, in place of ordinary ones.
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
    let (few, repeats) = (&rows.ordinary, copies(&rows.ordinary));
    let (call, source) = (call(&function.name, few), table(few));
    let once = format!("SELECT s.id, {call} FROM {source}");
    let many = format!("SELECT s.id, {call} FROM {source}, generate_series(1, {repeats}) AS g(n)");
    let mut checks = vec![];
    if !function.types.is_empty() {
        checks.push(check("NULL arguments", nulls(function, few)));
    }
    checks.push(check("empty batch", Law::Count(format!("{once} WHERE s.id < 0"), 0)));
    checks.push(check(
        "many batches",
        match function.is_immutable {
            true => Law::Times(once.clone(), many.clone(), repeats),
            false => Law::Count(many.clone(), repeats * few.len() as u64),
        },
    ));
    checks.push(check("extreme values", each(function, &rows.extreme)));
    checks.push(check("hostile text", each(function, &rows.hostile)));
    if function.is_immutable {
        checks.push(check("the same twice", Law::Same(Run::alone(&many), Run::together(&many))));
    }
    checks
}

/// For a signature that we cannot call by ourselves.
pub fn no_values(sql_type: &str) -> Law {
    Law::LeftOut(format!(
        "no values of type {sql_type} can be made up; give some with `sample` in plugin.test"
    ))
}

fn nulls(function: &Function, rows: &[Vec<String>]) -> Law {
    let rows = with_nulls(rows, &function.types);
    if function.is_strict {
        return Law::LastIsNull(format!(
            "SELECT s.id, {} FROM {}",
            call(&function.name, &rows),
            table(&rows)
        ));
    }
    each(function, &rows)
}

/// A statement for each row, by itself.
pub(super) fn each(function: &Function, rows: &[Vec<String>]) -> Law {
    let statement = |row: &Vec<String>| {
        let row = [row.clone()];
        format!("SELECT {} FROM {}", call(&function.name, &row), table(&row))
    };
    match rows {
        [] => Law::LeftOut("no such values of these types".to_owned()),
        rows => Law::Each(rows.iter().map(statement).collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugin::check::declared::tests::function;

    fn named<'a>(checks: &'a [Check], name: &str) -> &'a Law {
        &checks.iter().find(|check| check.name == name).unwrap_or_else(|| panic!("{name}")).law
    }

    #[test]
    fn a_strict_function_gives_null_for_null() {
        let checks = checks(&function("scalar", "(b BOOLEAN)", "immutable", "true"), vec![]);
        let sql = "SELECT s.id, \"f\"(s.a0) FROM (VALUES (0, CAST(NULL AS BOOLEAN)), (1, CAST(NULL AS BOOLEAN))) AS s(id, a0)";
        assert_eq!(named(&checks, "NULL arguments"), &Law::LastIsNull(sql.to_owned()));
        let Law::Times(_, many, 35_000) = named(&checks, "many batches") else { panic!() };
        assert!(many.ends_with("generate_series(1, 35000) AS g(n)"), "{many}");
    }

    #[test]
    fn volatile_functions_need_not_repeat_themselves() {
        let checks = checks(&function("scalar", "()", "volatile", "false"), vec![]);
        assert!(matches!(named(&checks, "many batches"), Law::Count(_, 70_000)));
        assert!(checks.iter().all(|check| check.name != "the same twice"));
        assert!(checks.iter().all(|check| check.name != "NULL arguments"));
    }

    /// The checks hold of a built-in function, so they ask nothing that is not so.
    #[test]
    fn upper_keeps_all_laws() {
        use crate::plugin::check::database::Database;
        use crate::plugin::check::trial::{self, Outcome};
        use nyala_node::{Config, Engine};
        let mut upper = function("scalar", "(text TEXT)", "immutable", "true");
        upper.name = "upper".to_owned();
        let mut database = Database::new(Engine::open(Config::default()).unwrap().session());
        for check in checks(&upper, vec![]) {
            let outcome = trial::run(&check, &mut database).unwrap();
            assert!(!matches!(outcome, Outcome::Failed { .. }), "{}: {outcome:?}", check.name);
        }
    }

    #[test]
    fn the_authors_values_come_first() {
        let model = function("scalar", "(model STRUCT(a INT))", "immutable", "true");
        assert!(matches!(checks(&model, vec![])[0].law, Law::LeftOut(_)));
        let checks = checks(&model, vec![vec!["'w'".to_owned()]]);
        let Law::Count(sql, 0) = named(&checks, "empty batch") else { panic!() };
        assert_eq!(sql, "SELECT s.id, \"f\"(s.a0) FROM (VALUES (0, 'w')) AS s(id, a0) WHERE s.id < 0");
    }
}
