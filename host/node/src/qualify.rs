//! Names of tables in the text of a query, with their schemas.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use nyala_frontend::Statement;
use nyala_schema::Result;
use nyala_schema::type_name::sql_identifier;
use sqlparser::ast::{Ident, ObjectName, Query, Visit, Visitor};

/// `sql` with every table's name of one part for which `full` knows a longer one replaced by that. All else stays as it was
/// written. A name that a WITH of the query gives is left alone.
///
/// # Errors
/// When the text is no query.
pub fn relations(sql: &str, full: impl Fn(&str) -> Option<String>) -> Result<String> {
    let Statement::Query(query) = nyala_frontend::parse(sql)? else { return Ok(sql.to_owned()) };
    let mut found = Names::default();
    let _: ControlFlow<()> = query.visit(&mut found);
    let mut places: Vec<(usize, usize, String)> = Vec::new();
    for ident in &found.relations {
        let name = if ident.quote_style.is_some() { ident.value.clone() } else { ident.value.to_lowercase() };
        if found.common.contains(&name) {
            continue;
        }
        let (Some(new), Some((from, to))) = (full(&name), place(sql, ident)) else { continue };
        let quoted: Vec<String> = new.split('.').map(sql_identifier).collect();
        places.push((from, to, quoted.join(".")));
    }
    places.sort_by_key(|(from, ..)| std::cmp::Reverse(*from));
    places.dedup_by_key(|(from, ..)| *from);
    let mut text = sql.to_owned();
    for (from, to, new) in places {
        text.replace_range(from..to, &new);
    }
    Ok(text)
}

#[derive(Default)]
struct Names {
    relations: Vec<Ident>,
    /// What WITH names.
    common: BTreeSet<String>,
}

impl Visitor for Names {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        for table in query.with.iter().flat_map(|with| &with.cte_tables) {
            let name = &table.alias.name;
            self.common.insert(if name.quote_style.is_some() {
                name.value.clone()
            } else {
                name.value.to_lowercase()
            });
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_relation(&mut self, relation: &ObjectName) -> ControlFlow<()> {
        if let [part] = relation.0.as_slice()
            && let Some(ident) = part.as_ident()
        {
            self.relations.push(ident.clone());
        }
        ControlFlow::Continue(())
    }
}

/// Where an identifier stands, in bytes; `None` for one that was not written.
fn place(sql: &str, ident: &Ident) -> Option<(usize, usize)> {
    let from = offset(sql, ident.span.start.line, ident.span.start.column)?;
    let to = offset(sql, ident.span.end.line, ident.span.end.column)?;
    (from < to).then_some((from, to))
}

/// Lines and columns count from 1, columns in characters.
fn offset(sql: &str, line: u64, column: u64) -> Option<usize> {
    let skipped = usize::try_from(line.checked_sub(1)?).ok()?;
    let start = match skipped {
        0 => 0,
        _ => sql.match_indices('\n').nth(skipped - 1)?.0 + 1,
    };
    let characters = usize::try_from(column.checked_sub(1)?).ok()?;
    let rest = &sql[start..];
    Some(start + rest.char_indices().nth(characters).map_or(rest.len(), |(at, _)| at))
}

#[cfg(test)]
mod tests {
    use super::relations;

    #[test]
    fn only_names_of_tables_are_replaced() {
        let full = |name: &str| ["t", "My t"].contains(&name).then(|| format!("main.{name}"));
        let given =
            "SELECT t.a, 't' FROM t\n  JOIN \"My t\" AS ü USING (a), s.t AS w\nWHERE a IN (SELECT t FROM T)";
        let wanted = "SELECT t.a, 't' FROM main.t\n  JOIN main.\"My t\" AS ü USING (a), s.t AS w\nWHERE a IN (SELECT t FROM main.t)";
        assert_eq!(relations(given, full).unwrap(), wanted);
        let common = "WITH t AS (SELECT 1 AS a) SELECT * FROM t";
        assert_eq!(relations(common, full).unwrap(), common);
    }
}
