//! From a location to files, their common schema, and what is known of their contents.

mod listing;
mod merge;
mod partition;

use arrow::datatypes::{Field, Schema, SchemaRef};
use nyala_schema::scan::{FileEntry, FileFormat, ScanSource};
use nyala_schema::statistics::{ColumnStatistics, TableStatistics};
use nyala_schema::{Error, ErrorCode, Result};

use crate::format;
use crate::storage::Storage;

use listing::FoundFile;
pub use merge::{FileSchema, merge_schemas, normalised_type};
use partition::Partitions;

/// What a location leads to.
#[derive(Debug, Clone)]
pub struct ResolvedFiles {
    /// All columns, those of partitions last; text as `Utf8View`, decimals as `Decimal128`.
    pub schema: SchemaRef,
    /// Always `ScanSource::Files`.
    pub source: ScanSource,
    pub statistics: TableStatistics,
    /// How many of the last columns come from `name=value` directories.
    pub partition_columns: usize,
}

/// See [`Storage::resolve`].
pub(crate) fn resolve(
    storage: &Storage,
    location: &str,
    format: Option<FileFormat>,
    declared: Option<&Schema>,
    partition_by: &[String],
) -> Result<ResolvedFiles> {
    let found = listing::list(location)?;
    let (format, found) = choose_format(location, format, found)?;
    let partitions = Partitions::infer(location, &found, partition_by, declared)?;
    let entries = entries(&found, &partitions);
    let contents = storage.describe(&format, &entries, declared)?;

    let partition_names: Vec<&str> = partitions.fields.iter().map(|field| field.name().as_str()).collect();
    let file_fields: Vec<Field> = match declared {
        Some(declared) => declared.fields().iter().map(|field| merge::normalised_field(field)).collect(),
        None => merge_schemas(&contents.schemas)?,
    };
    let mut fields: Vec<Field> =
        file_fields.into_iter().filter(|field| !partition_names.contains(&field.name().as_str())).collect();
    if fields.is_empty() && partitions.fields.is_empty() {
        return Err(Error::new(ErrorCode::FileAccess, format!("'{location}' has no columns")));
    }
    let statistics = statistics(&contents, &fields, &entries, &partitions);
    fields.extend(partitions.fields.iter().cloned());
    Ok(ResolvedFiles {
        schema: Schema::new(fields).into(),
        source: ScanSource::Files { format, files: entries },
        statistics,
        partition_columns: partitions.fields.len(),
    })
}

/// What the files of one format say of themselves.
pub(crate) struct FileContents {
    /// One for each file that was looked at.
    pub schemas: Vec<FileSchema>,
    /// Rows of all files, exact or estimated.
    pub rows: Option<f64>,
    /// By column name.
    pub columns: Vec<(String, ColumnStatistics)>,
}

fn choose_format(
    location: &str,
    wanted: Option<FileFormat>,
    found: Vec<FoundFile>,
) -> Result<(FileFormat, Vec<FoundFile>)> {
    if let Some(wanted) = wanted {
        // Within a directory, files whose ending says that they are something else are left out.
        let kept: Vec<FoundFile> = found
            .iter()
            .filter(|file| format::of_path(&file.path).is_none_or(|it| format::same_kind(&it, &wanted)))
            .cloned()
            .collect();
        return Ok((wanted, if kept.is_empty() { found } else { kept }));
    }
    let mut chosen: Option<(FileFormat, String)> = None;
    let mut kept = Vec::with_capacity(found.len());
    let first = found.first().map(|file| file.path.clone()).unwrap_or_default();
    for file in found {
        let Some(format) = format::of_path(&file.path) else { continue };
        match &chosen {
            None => chosen = Some((format, file.path.clone())),
            Some((other, path)) if !format::same_kind(other, &format) => {
                let message =
                    format!("'{location}' holds files of several formats: '{path}' and '{}'", file.path);
                return Err(Error::new(ErrorCode::FileAccess, message)
                    .with_hint("name one of them by a pattern such as 'directory/*.parquet'"));
            }
            Some(_) => {}
        }
        kept.push(file);
    }
    match chosen {
        Some((format, _)) => Ok((format, kept)),
        None => Err(Error::new(ErrorCode::FileAccess, format!("the format of '{first}' is not known"))
            .with_hint(format!("known endings are {}; or say FORMAT", format::KNOWN_ENDINGS))),
    }
}

fn entries(found: &[FoundFile], partitions: &Partitions) -> Vec<FileEntry> {
    let values = &partitions.values;
    found
        .iter()
        .enumerate()
        .map(|(index, file)| FileEntry {
            path: file.path.clone(),
            size: file.stamp.size,
            modified_ns: file.stamp.modified_ns,
            partition_values: values.get(index).cloned().unwrap_or_default(),
        })
        .collect()
}

fn statistics(
    contents: &FileContents,
    fields: &[Field],
    entries: &[FileEntry],
    partitions: &Partitions,
) -> TableStatistics {
    let mut columns: Vec<ColumnStatistics> = fields
        .iter()
        .map(|field| {
            let known = contents.columns.iter().find(|(name, _)| name == field.name());
            known.map(|(_, column)| column.clone()).unwrap_or_default()
        })
        .collect();
    columns.extend((0..partitions.fields.len()).map(|index| partitions.statistics(index)));
    TableStatistics {
        rows: contents.rows,
        bytes: Some(entries.iter().map(|entry| entry.size).sum()),
        columns,
    }
}
