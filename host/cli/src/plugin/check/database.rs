//! SQL in, rows of text out; and what SHOW says of a module.

use nyala_node::{Error, Result};

use super::declared::{Function, Operator};
use crate::answer::Answer;
use crate::client::Held;
use crate::output::Cells;

/// A row; NULL is `None`.
pub type Row = Vec<Option<String>>;

pub struct Database {
    session: Held,
}

/// What a module has declared.
#[derive(Debug, Default)]
pub struct Declared {
    pub functions: Vec<Function>,
    pub operators: Vec<Operator>,
}

impl Database {
    pub fn new(session: impl Into<Held>) -> Self {
        Self { session: session.into() }
    }

    /// The rows of a statement; none when it gives none.
    pub fn rows(&mut self, sql: &str) -> Result<Vec<Row>> {
        self.table(sql).map(|(_, rows)| rows)
    }

    fn table(&mut self, sql: &str) -> Result<(Vec<String>, Vec<Row>)> {
        let mut stream = match self.session.execute(sql)? {
            Answer::Done(_) => return Ok(Default::default()),
            Answer::Rows(stream) => stream,
        };
        let names = stream.schema().fields().iter().map(|field| field.name().clone()).collect();
        let mut rows = Vec::new();
        while let Some(batch) = stream.next_batch()? {
            let cells = Cells::new(&batch)?;
            let cell = |column, row| {
                let mut text = String::new();
                (!cells.is_null(column, row)).then(|| {
                    cells.write(column, row, &mut text);
                    text
                })
            };
            rows.extend(
                (0..batch.num_rows())
                    .map(|row| (0..batch.num_columns()).map(|column| cell(column, row)).collect::<Row>()),
            );
        }
        Ok((names, rows))
    }

    pub fn set_threads(&mut self, threads: u32) -> Result<()> {
        self.session.set("threads", &threads.to_string())
    }

    /// # Errors
    /// When the catalog speaks of things in another way than we know.
    pub fn declared(&mut self, module: &str) -> Result<Declared> {
        let mut declared = Declared::default();
        for row in self.of_module("SHOW FUNCTIONS", module)? {
            declared.functions.push(Function::from_shown(&row)?);
        }
        for row in self.of_module("SHOW OPERATORS", module)? {
            declared.operators.push(Operator::from_shown(&row)?);
        }
        Ok(declared)
    }

    /// The rows of SHOW whose column `module` is this one.
    fn of_module(&mut self, show: &str, module: &str) -> Result<Vec<Shown>> {
        let (names, rows) = self.table(show)?;
        let shown = rows.into_iter().map(|row| Shown { columns: names.iter().cloned().zip(row).collect() });
        let mut found = Vec::new();
        for row in shown {
            if row.get("module")? == module {
                found.push(row);
            }
        }
        Ok(found)
    }
}

/// A row of SHOW by the names of its columns.
#[derive(Debug, Clone, Default)]
pub struct Shown {
    pub columns: Vec<(String, Option<String>)>,
}

impl Shown {
    /// The value; the empty text for NULL.
    pub fn get(&self, name: &str) -> Result<&str> {
        let found = self.columns.iter().find(|(column, _)| column == name);
        let (_, value) = found.ok_or_else(|| Error::internal(format!("SHOW gives no column {name}")))?;
        Ok(value.as_deref().unwrap_or_default())
    }
}

/// A name as SQL has it whatever it is.
pub fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

pub fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use nyala_node::{Config, Engine};

    use super::*;

    #[test]
    fn rows_are_text() {
        let mut database = Database::new(Engine::open(Config::default()).unwrap().session());
        assert_eq!(database.rows("CREATE TABLE t AS SELECT 1 AS a").unwrap(), Vec::<Row>::new());
        let rows = database.rows("SELECT a, CAST(NULL AS TEXT), 'x' FROM t").unwrap();
        assert_eq!(rows, [vec![Some("1".to_owned()), None, Some("x".to_owned())]]);
        assert!(database.rows("SELECT b FROM t").is_err());
        database.set_threads(2).unwrap();
    }
}
