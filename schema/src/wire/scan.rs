//! Table scans and file formats.

use std::sync::Arc;

use super::arrow_data::{decode_schema, decode_value, encode_schema, encode_value};
use super::files::{put_files, read_files};
use super::generated::managed_capnp::{managed_scan, scan_column};
use super::generated::plan_capnp::{self as wire, column_statistics, file_entry, file_format, table_scan};
use super::generated::plan_capnp::{optional_count, optional_data, optional_float, optional_text};
use super::managed::{decode_table_id, encode_table_id};
use super::{count, enum_pairs, expr};
use crate::error::Result;
use crate::id::{ColumnId, RuntimeFilterId};
use crate::managed::DataFile;
use crate::scan::{
    Compression, CsvOptions, FileEntry, FileFormat, ManagedScan, RuntimeFilterUse, ScanColumn,
};
use crate::scan::{ScanSource, TableScan};
use crate::statistics::ColumnStatistics;
use crate::value::Value;

enum_pairs!(compression_to_wire, compression_from_wire, Compression, wire::Compression, None, Gzip, Zstd);

pub(super) fn encode(scan: &TableScan, mut builder: table_scan::Builder<'_>) -> Result<()> {
    builder.set_table(&scan.table);
    builder.set_table_schema(&encode_schema(&scan.table_schema));
    let mut projection = builder.reborrow().init_projection(count(scan.projection.len()));
    for (index, column) in scan.projection.iter().enumerate() {
        projection.set(count(index), count(*column));
    }
    expr::encode_list(&scan.filters, builder.reborrow().init_filters(count(scan.filters.len())))?;
    let mut filters = builder.reborrow().init_runtime_filters(count(scan.runtime_filters.len()));
    for (index, used) in scan.runtime_filters.iter().enumerate() {
        let mut filter = filters.reborrow().get(count(index));
        filter.set_id(used.filter.0);
        filter.set_index(count(used.column));
    }
    encode_count(scan.limit, builder.reborrow().init_limit());
    let mut statistics = builder.reborrow().init_statistics(count(scan.statistics.len()));
    for (index, column) in scan.statistics.iter().enumerate() {
        encode_statistics(column, statistics.reborrow().get(count(index)))?;
    }
    encode_source(&scan.source, builder.init_source())
}

fn encode_source(source: &ScanSource, builder: table_scan::source::Builder<'_>) -> Result<()> {
    match source {
        ScanSource::Files { format, files } => {
            let mut target = builder.init_files();
            encode_format(format, target.reborrow().init_format());
            let mut entries = target.init_files(count(files.len()));
            for (index, file) in files.iter().enumerate() {
                encode_file(file, entries.reborrow().get(count(index)))?;
            }
        }
        ScanSource::Managed(scan) => encode_managed(scan, builder.init_managed())?,
    }
    Ok(())
}

pub(super) fn decode(reader: table_scan::Reader<'_>) -> Result<TableScan> {
    let runtime_filters = reader.get_runtime_filters()?.iter().map(|used| RuntimeFilterUse {
        filter: RuntimeFilterId(used.get_id()),
        column: used.get_index() as usize,
    });
    Ok(TableScan {
        table: reader.get_table()?.to_string()?,
        source: decode_source(reader.get_source())?,
        table_schema: decode_schema(reader.get_table_schema()?)?,
        projection: reader.get_projection()?.iter().map(|index| index as usize).collect(),
        filters: expr::decode_list(reader.get_filters()?)?,
        runtime_filters: runtime_filters.collect(),
        limit: decode_count(reader.get_limit()?)?,
        statistics: reader.get_statistics()?.iter().map(decode_statistics).collect::<Result<_>>()?,
    })
}

fn decode_source(reader: table_scan::source::Reader<'_>) -> Result<ScanSource> {
    Ok(match reader.which()? {
        table_scan::source::Files(files) => ScanSource::Files {
            format: decode_format(files.get_format()?)?,
            files: files.get_files()?.iter().map(decode_file).collect::<Result<_>>()?,
        },
        table_scan::source::Managed(scan) => ScanSource::Managed(decode_managed(scan?)?),
    })
}

fn encode_managed(scan: &ManagedScan, mut builder: managed_scan::Builder<'_>) -> Result<()> {
    encode_table_id(scan.table, builder.reborrow().init_table());
    let mut columns = builder.reborrow().init_columns(count(scan.columns.len()));
    for (index, column) in scan.columns.iter().enumerate() {
        let mut target = columns.reborrow().get(count(index));
        target.set_id(column.id.0);
        if let Some(initial) = &column.initial {
            target.set_initial(&encode_value(initial)?);
        }
    }
    builder.set_row_identity(scan.row_identity);
    put_files(scan.files.iter().map(AsRef::as_ref), builder.init_files(count(scan.files.len())))
}

fn decode_managed(reader: managed_scan::Reader<'_>) -> Result<ManagedScan> {
    let column = |column: scan_column::Reader<'_>| {
        let initial = column.has_initial().then(|| decode_value(column.get_initial()?)).transpose()?;
        Ok(ScanColumn { id: ColumnId(column.get_id()), initial })
    };
    let files: Vec<DataFile> = read_files(reader.get_files()?)?;
    Ok(ManagedScan {
        table: decode_table_id(reader.get_table()?),
        columns: reader.get_columns()?.iter().map(column).collect::<Result<_>>()?,
        files: files.into_iter().map(Arc::new).collect(),
        row_identity: reader.get_row_identity(),
    })
}

fn encode_file(file: &FileEntry, mut builder: file_entry::Builder<'_>) -> Result<()> {
    builder.set_path(&file.path);
    builder.set_size(file.size);
    builder.set_modified_ns(file.modified_ns);
    let mut values = builder.init_partition_values(count(file.partition_values.len()));
    for (index, value) in file.partition_values.iter().enumerate() {
        values.set(count(index), &encode_value(value)?);
    }
    Ok(())
}

fn decode_file(reader: file_entry::Reader<'_>) -> Result<FileEntry> {
    Ok(FileEntry {
        path: reader.get_path()?.to_string()?,
        size: reader.get_size(),
        modified_ns: reader.get_modified_ns(),
        partition_values: reader
            .get_partition_values()?
            .iter()
            .map(|bytes| decode_value(bytes?))
            .collect::<Result<_>>()?,
    })
}

fn encode_statistics(column: &ColumnStatistics, mut builder: column_statistics::Builder<'_>) -> Result<()> {
    encode_value_option(column.min.as_ref(), builder.reborrow().init_min())?;
    encode_value_option(column.max.as_ref(), builder.reborrow().init_max())?;
    encode_float(column.nulls, builder.reborrow().init_nulls());
    encode_float(column.distinct, builder.reborrow().init_distinct());
    encode_float(column.width, builder.init_width());
    Ok(())
}

fn decode_statistics(reader: column_statistics::Reader<'_>) -> Result<ColumnStatistics> {
    Ok(ColumnStatistics {
        min: decode_value_option(reader.get_min()?)?,
        max: decode_value_option(reader.get_max()?)?,
        nulls: decode_float(reader.get_nulls()?)?,
        distinct: decode_float(reader.get_distinct()?)?,
        width: decode_float(reader.get_width()?)?,
        histogram: None,
    })
}

pub(super) fn encode_format(format: &FileFormat, mut builder: file_format::Builder<'_>) {
    match format {
        FileFormat::Parquet => builder.set_parquet(()),
        FileFormat::Csv(options) => {
            let mut csv = builder.init_csv();
            csv.set_header(options.header);
            csv.set_delimiter(options.delimiter);
            csv.set_quote(options.quote);
            let mut null_text = csv.reborrow().init_null_text();
            match &options.null_text {
                None => null_text.set_none(()),
                Some(text) => null_text.set_some(text),
            }
            csv.set_compression(compression_to_wire(options.compression));
        }
        FileFormat::Json(compression) => builder.set_json(compression_to_wire(*compression)),
        FileFormat::Arrow => builder.set_arrow(()),
    }
}

pub(super) fn decode_format(reader: file_format::Reader<'_>) -> Result<FileFormat> {
    Ok(match reader.which()? {
        file_format::Parquet(()) => FileFormat::Parquet,
        file_format::Csv(csv) => FileFormat::Csv(CsvOptions {
            header: csv.get_header(),
            delimiter: csv.get_delimiter(),
            quote: csv.get_quote(),
            null_text: match csv.get_null_text()?.which()? {
                optional_text::None(()) => None,
                optional_text::Some(text) => Some(text?.to_string()?),
            },
            compression: compression_from_wire(csv.get_compression()?),
        }),
        file_format::Json(compression) => FileFormat::Json(compression_from_wire(compression?)),
        file_format::Arrow(()) => FileFormat::Arrow,
    })
}

pub(super) fn encode_count(value: Option<u64>, mut builder: optional_count::Builder<'_>) {
    match value {
        None => builder.set_none(()),
        Some(value) => builder.set_some(value),
    }
}

pub(super) fn decode_count(reader: optional_count::Reader<'_>) -> Result<Option<u64>> {
    Ok(match reader.which()? {
        optional_count::None(()) => None,
        optional_count::Some(value) => Some(value),
    })
}

fn encode_float(value: Option<f64>, mut builder: optional_float::Builder<'_>) {
    match value {
        None => builder.set_none(()),
        Some(value) => builder.set_some(value),
    }
}

fn decode_float(reader: optional_float::Reader<'_>) -> Result<Option<f64>> {
    Ok(match reader.which()? {
        optional_float::None(()) => None,
        optional_float::Some(value) => Some(value),
    })
}

pub(super) fn encode_value_option(
    value: Option<&Value>,
    mut builder: optional_data::Builder<'_>,
) -> Result<()> {
    match value {
        None => builder.set_none(()),
        Some(value) => builder.set_some(&encode_value(value)?),
    }
    Ok(())
}

pub(super) fn decode_value_option(reader: optional_data::Reader<'_>) -> Result<Option<Value>> {
    Ok(match reader.which()? {
        optional_data::None(()) => None,
        optional_data::Some(bytes) => Some(decode_value(bytes?)?),
    })
}
