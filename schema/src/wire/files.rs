//! Data files of managed tables.

use std::sync::Arc;

use bytes::Bytes;

use super::arrow_data::{decode_batch, decode_value, encode_batch, encode_value};
use super::generated::managed_capnp::{data_file, data_files, deletions};
use super::{count, malformed, read, to_bytes};
use crate::error::Result;
use crate::id::{ColumnId, FileId};
use crate::managed::{DataFile, Deletions, DeletionsPlace, FileContent, FileStatistics, InlineRows};

pub(super) type FilesBuilder<'a> = capnp::struct_list::Builder<'a, data_file::Owned>;
pub(super) type FilesReader<'a> = capnp::struct_list::Reader<'a, data_file::Owned>;

/// Some files of a table.
///
/// # Errors
/// `TooComplex` for rows that are too many for one message.
pub fn encode_files(files: &[Arc<DataFile>]) -> Result<Vec<u8>> {
    let mut message = capnp::message::Builder::new_default();
    let builder: data_files::Builder<'_> = message.init_root();
    put_files(files.iter().map(AsRef::as_ref), builder.init_files(count(files.len())))?;
    Ok(to_bytes(&message))
}

/// # Errors
/// When the bytes are not files of a version that we know.
pub fn decode_files(bytes: &[u8]) -> Result<Vec<Arc<DataFile>>> {
    read(bytes, |message| {
        let reader: data_files::Reader<'_> = message.get_root()?;
        reader.get_files()?.iter().map(|file| decode(file).map(Arc::new)).collect()
    })
}

/// As many as the list has places.
pub(super) fn put_files<'a>(
    files: impl Iterator<Item = &'a DataFile>,
    mut list: FilesBuilder<'_>,
) -> Result<()> {
    for (index, file) in files.enumerate() {
        encode(file, list.reborrow().get(count(index)))?;
    }
    Ok(())
}

pub(super) fn read_files<C: FromIterator<DataFile>>(list: FilesReader<'_>) -> Result<C> {
    list.iter().map(decode).collect()
}

fn encode(value: &DataFile, mut builder: data_file::Builder<'_>) -> Result<()> {
    builder.set_id(value.id.0);
    builder.set_added_in(value.added_in);
    builder.set_rows(value.rows);
    if !value.partition.is_empty() {
        let mut partition = builder.reborrow().init_partition(count(value.partition.len()));
        for (index, value) in value.partition.iter().enumerate() {
            partition.set(count(index), &encode_value(value)?);
        }
    }
    builder.set_statistics(value.statistics.as_bytes());
    if let Some(gone) = &value.deletions {
        encode_deletions(gone, builder.reborrow().init_deletions());
    }
    match &value.content {
        FileContent::Parquet { path, size, row_groups } => {
            let mut parquet = builder.init_content().init_parquet();
            parquet.set_path(path);
            parquet.set_size(*size);
            parquet.set_row_groups(&row_groups[..])?;
        }
        FileContent::Rows(rows) => {
            let mut inline = builder.init_content().init_inline();
            let mut columns = inline.reborrow().init_columns(count(rows.columns.len()));
            for (index, column) in rows.columns.iter().enumerate() {
                columns.set(count(index), column.0);
            }
            inline.set_batch(&encode_batch(&rows.batch)?);
        }
    }
    Ok(())
}

fn decode(reader: data_file::Reader<'_>) -> Result<DataFile> {
    let partition = reader.get_partition()?;
    let file = DataFile {
        id: FileId(reader.get_id()),
        added_in: reader.get_added_in(),
        content: decode_content(reader.get_content())?,
        rows: reader.get_rows(),
        partition: partition.iter().map(|value| decode_value(value?)).collect::<Result<_>>()?,
        statistics: FileStatistics::from_bytes(Bytes::copy_from_slice(reader.get_statistics()?))?,
        deletions: reader.has_deletions().then(|| decode_deletions(reader.get_deletions()?)).transpose()?,
    };
    if file.deletions.as_ref().is_some_and(|gone| gone.rows > file.rows) {
        return Err(malformed("a file of which more rows are gone than there were"));
    }
    Ok(file)
}

fn decode_content(reader: data_file::content::Reader<'_>) -> Result<FileContent> {
    Ok(match reader.which()? {
        data_file::content::Parquet(parquet) => FileContent::Parquet {
            path: parquet.get_path()?.to_str()?.into(),
            size: parquet.get_size(),
            row_groups: parquet.get_row_groups()?.iter().collect(),
        },
        data_file::content::Inline(inline) => {
            let columns: Arc<[ColumnId]> = inline.get_columns()?.iter().map(ColumnId).collect();
            let batch = decode_batch(inline.get_batch()?)?;
            if columns.len() != batch.num_columns() {
                return Err(malformed("rows with columns that have no id"));
            }
            FileContent::Rows(InlineRows { columns, batch })
        }
    })
}

pub(super) fn encode_deletions(value: &Deletions, mut builder: deletions::Builder<'_>) {
    builder.set_rows(value.rows);
    let mut place = builder.init_place();
    match &value.place {
        DeletionsPlace::Inline(bitmap) => place.set_inline(bitmap),
        DeletionsPlace::File { path, size } => {
            let mut file = place.init_file();
            file.set_path(path);
            file.set_size(*size);
        }
    }
}

pub(super) fn decode_deletions(reader: deletions::Reader<'_>) -> Result<Deletions> {
    let place = match reader.get_place().which()? {
        deletions::place::Inline(bitmap) => DeletionsPlace::Inline(Bytes::copy_from_slice(bitmap?)),
        deletions::place::File(file) => {
            DeletionsPlace::File { path: file.get_path()?.to_str()?.into(), size: file.get_size() }
        }
    };
    Ok(Deletions { rows: reader.get_rows(), place })
}
