//! COPY … TO: a query's rows as a file.

use nyala_frontend::CopySource;
use nyala_schema::scan::FileFormat;
use nyala_schema::{Error, ErrorCode, Result};
use nyala_storage::sink::ParquetCompression;
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
    let format = sink_format(path, format, options)?;
    let (text, query) = match source {
        CopySource::Query(query) => (sql.to_owned(), query),
        CopySource::Table(table) => query::select_all_query(&table, None)?,
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

/// The format that the statement names or the path announces, with the statement's own options.
fn sink_format(path: &str, format: Option<FileFormat>, options: &[(String, String)]) -> Result<SinkFormat> {
    let mut chosen = match &format {
        Some(format) => SinkFormat::of_format(format, path),
        None => SinkFormat::of_path(path)?,
    };
    for (name, value) in options {
        match (&mut chosen, name.as_str()) {
            (SinkFormat::Parquet(compression), "compression") => *compression = parquet_compression(value)?,
            _ => {
                return Err(Error::new(
                    ErrorCode::InvalidParameter,
                    format!("COPY to '{path}' has no option '{name}'"),
                ));
            }
        }
    }
    Ok(chosen)
}

fn parquet_compression(name: &str) -> Result<ParquetCompression> {
    Ok(match name.to_lowercase().as_str() {
        "none" | "uncompressed" => ParquetCompression::None,
        "snappy" => ParquetCompression::Snappy,
        "zstd" => ParquetCompression::Zstd,
        _ => {
            let error =
                Error::new(ErrorCode::InvalidParameter, format!("unknown compression '{name}' for Parquet"));
            return Err(error.with_hint("none, snappy and zstd are known"));
        }
    })
}
