//! An embedded engine with one session, answering in text.

use std::path::Path;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use nyala_node::{Answer, Config, Engine, Error, Result, Session, default_options};

use crate::answers::Rows;

pub struct Database {
    engine: Arc<Engine>,
    session: Session,
}

impl Database {
    /// In memory; every plan goes through its wire form and back.
    pub fn open(backend: &str) -> Self {
        let config = Config { options: default_options(), check_wire: true, ..Config::default() };
        let mut database = Self::of(Engine::open(config).expect("an engine in memory opens"));
        database.session.set("backend", backend).expect("the backend is known");
        database
    }

    /// As [`open`](Self::open), with options of the session set.
    pub fn with_options(backend: &str, options: &[(&str, &str)]) -> Self {
        let mut database = Self::open(backend);
        for (name, value) in options {
            database.session.set(name, value).expect("option and value are known");
        }
        database
    }

    /// With definitions and uploaded code in a directory, which one database has at a time.
    ///
    /// # Errors
    /// `Store` when the directory is damaged or in use.
    pub fn at(folder: &Path) -> Result<Self> {
        let config = Config {
            data: Some(folder.to_owned()),
            options: default_options(),
            check_wire: true,
            ..Config::default()
        };
        Ok(Self::of(Engine::open(config)?))
    }

    pub(crate) fn of(engine: Arc<Engine>) -> Self {
        let session = engine.session().for_user("tester");
        Self { engine, session }
    }

    /// All definitions as a script.
    pub fn dump(&self) -> String {
        self.engine.dump()
    }

    /// Another session of the same engine.
    pub fn another(&self) -> Self {
        Self::of(Arc::clone(&self.engine))
    }

    /// Runs a statement that must succeed. Gives its rows, cells parted by spaces.
    ///
    /// # Panics
    /// When it fails.
    pub fn ok(&mut self, sql: &str) -> Vec<String> {
        let rows = self.query(sql).unwrap_or_else(|error| panic!("{sql}: {error:?}"));
        rows.rows.into_iter().map(|row| row.join(" ")).collect()
    }

    /// Runs a statement that must fail.
    ///
    /// # Panics
    /// When it succeeds.
    pub fn err(&mut self, sql: &str) -> Error {
        match self.query(sql) {
            Ok(rows) => panic!("{sql} gave {} rows", rows.rows.len()),
            Err(error) => error,
        }
    }

    /// With the eight TPC-H tables over the Parquet files of a folder.
    pub fn tpch(backend: &str, folder: &Path) -> Self {
        let mut database = Self::open(backend);
        database.add_tpch(folder);
        database
    }

    /// The eight TPC-H tables over the Parquet files of a folder.
    ///
    /// # Panics
    /// When they cannot be made.
    pub fn add_tpch(&mut self, folder: &Path) {
        for table in ["customer", "lineitem", "nation", "orders", "part", "partsupp", "region", "supplier"] {
            let location = folder.join(format!("{table}.parquet"));
            let sql =
                format!("CREATE EXTERNAL TABLE {table} STORED AS PARQUET LOCATION '{}'", location.display());
            self.query(&sql).expect("test data can be read");
        }
    }

    pub fn session(&mut self) -> &mut Session {
        &mut self.session
    }

    /// Runs a command. Gives its tag.
    ///
    /// # Errors
    /// Those of the statement.
    pub fn command(&mut self, sql: &str) -> Result<String> {
        match self.session.execute(sql)? {
            Answer::Done(tag) => Ok(tag),
            Answer::Rows(_) => Err(Error::internal(format!("{sql} gives rows"))),
        }
    }

    /// Runs one statement. A command gives no rows.
    ///
    /// # Errors
    /// Those of the statement.
    pub fn query(&mut self, sql: &str) -> Result<Rows> {
        match self.session.execute(sql)? {
            Answer::Done(_) => Ok(Rows::default()),
            Answer::Rows(mut stream) => {
                let names = stream.schema().fields().iter().map(|field| field.name().clone()).collect();
                let mut rows = Vec::new();
                while let Some(batch) = stream.next_batch()? {
                    append(&mut rows, &batch)?;
                }
                Ok(Rows { names, rows })
            }
        }
    }
}

/// NULL is the text `NULL`, empty text `(empty)`.
fn append(rows: &mut Vec<Vec<String>>, batch: &RecordBatch) -> Result<()> {
    let options = FormatOptions::default().with_null("NULL");
    let columns: Vec<ArrayFormatter<'_>> = batch
        .columns()
        .iter()
        .map(|column| ArrayFormatter::try_new(column.as_ref(), &options))
        .collect::<Result<_, _>>()
        .map_err(Error::from)?;
    for row in 0..batch.num_rows() {
        let text = |column: &ArrayFormatter<'_>| {
            let text = column.value(row).to_string();
            if text.is_empty() { "(empty)".to_owned() } else { text }
        };
        rows.push(columns.iter().map(text).collect());
    }
    Ok(())
}

/// An error that shows its SQLSTATE, for scripts to match.
#[derive(Debug)]
pub struct ScriptError(Error);

impl std::fmt::Display for ScriptError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

impl std::error::Error for ScriptError {}

impl sqllogictest::DB for Database {
    type Error = ScriptError;
    type ColumnType = sqllogictest::DefaultColumnType;

    fn run(&mut self, sql: &str) -> Result<sqllogictest::DBOutput<Self::ColumnType>, ScriptError> {
        let answer = self.query(sql).map_err(ScriptError)?;
        if answer.names.is_empty() {
            return Ok(sqllogictest::DBOutput::StatementComplete(0));
        }
        let types = vec![sqllogictest::DefaultColumnType::Any; answer.names.len()];
        Ok(sqllogictest::DBOutput::Rows { types, rows: answer.rows })
    }
}
