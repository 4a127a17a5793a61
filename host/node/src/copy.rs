//! COPY … TO: a query's rows as a file.

use nyala_frontend::{CopySource, Statement};
use nyala_schema::Result;
use nyala_schema::scan::FileFormat;
use nyala_storage::{SinkFormat, create_sink};

use crate::answer::{Answer, RowStream};
use crate::query;
use crate::session::Session;

pub fn run(
    session: &Session,
    sql: &str,
    source: CopySource,
    path: &str,
    format: Option<FileFormat>,
    options: &[(String, String)],
) -> Result<Answer> {
    let format = SinkFormat::choose(path, format, options)?;
    let (text, query) = match source {
        CopySource::Query(query) => (sql.to_owned(), query),
        CopySource::Table(table) => select_all(&table)?,
    };
    let planned = query::plan(session, &text, &query)?;
    let mut stream = RowStream::new(Box::new(query::start(session, &planned)?));
    let mut sink = create_sink(path, &format, stream.schema())?;
    while let Some(batch) = stream.next_batch()? {
        sink.write(&batch)?;
    }
    let written = sink.finish()?;
    Ok(Answer::Done(format!("COPY {}", written.rows)))
}

fn select_all(table: &str) -> Result<(String, Box<sqlparser::ast::Query>)> {
    let text = format!("SELECT * FROM \"{}\"", table.replace('"', "\"\""));
    match nyala_frontend::parse(&text)? {
        Statement::Query(query) => Ok((text, query)),
        other => Err(nyala_schema::Error::internal(format!("{other:?} is no query"))),
    }
}
