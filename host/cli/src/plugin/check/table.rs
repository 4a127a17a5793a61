//! What must hold of every table function.

use super::database::quoted;
use super::declared::Function;
use super::law::{Check, Law, Run, call, copies, table, with_nulls};
use super::samples;
use super::scalar::no_values;

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
    let once = joined(function, few, "");
    let many = joined(function, few, &format!(", generate_series(1, {repeats}) AS g(n)"));
    let mut checks = vec![];
    if !function.types.is_empty() {
        let nulls = with_nulls(few, &function.types);
        checks.push(check(
            "NULL arguments",
            match function.is_strict {
                true => Law::Count(joined(function, &nulls, ""), 0),
                false => each(function, &nulls),
            },
        ));
    }
    checks.push(check("empty batch", Law::Count(format!("{once} WHERE s.id < 0"), 0)));
    checks.push(check("extreme values", each(function, &rows.extreme)));
    checks.push(check("hostile text", each(function, &rows.hostile)));
    if !function.is_volatile {
        checks.push(check("many batches", Law::Times(once.clone(), many.clone(), repeats)));
        checks.push(check("the same twice", Law::Same(Run::alone(&many), Run::together(&many))));
    }
    checks
}

/// The rows, each with those that the function gives for it.
fn joined(function: &Function, rows: &[Vec<String>], more: &str) -> String {
    format!("SELECT s.id, t.* FROM {}{more}, {} AS t", table(rows), call(&function.name, rows))
}

/// Constant arguments, as most calls have them.
fn each(function: &Function, rows: &[Vec<String>]) -> Law {
    let statement =
        |row: &Vec<String>| format!("SELECT * FROM {}({})", quoted(&function.name), row.join(", "));
    match rows {
        [] => Law::LeftOut("no such values of these types".to_owned()),
        rows => Law::Each(rows.iter().map(statement).collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugin::check::declared::tests::function;

    #[test]
    fn rows_are_joined_with_what_they_give() {
        let checks =
            checks(&function("table", "(line TEXT)", "immutable", "true"), vec![vec!["'a b'".to_owned()]]);
        let law = |name: &str| checks.iter().find(|check| check.name == name).map(|check| check.law.clone());
        let null = "SELECT s.id, t.* FROM (VALUES (0, CAST(NULL AS TEXT))) AS s(id, a0), \"f\"(s.a0) AS t";
        assert_eq!(law("NULL arguments"), Some(Law::Count(null.to_owned(), 0)));
        let Some(Law::Times(_, many, 70_000)) = law("many batches") else { panic!() };
        assert!(many.contains(", generate_series(1, 70000) AS g(n), \"f\"(s.a0) AS t"), "{many}");
        let Some(Law::Each(hostile)) = law("hostile text") else { panic!() };
        assert!(hostile[0].starts_with("SELECT * FROM \"f\"(CAST("), "{}", hostile[0]);
    }
}
