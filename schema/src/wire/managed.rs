//! Managed tables: headers, shapes, versions.

use std::sync::Arc;

use imbl::OrdMap;

use super::arrow_data::{decode_type, decode_value, encode_type, encode_value};
use super::generated::managed_capnp::{
    self as wire, managed_table, partition_field, table_id, table_operation, table_properties, table_shape,
    table_versions,
};
use super::{count, enum_pairs, malformed, optional_text, read, summary, to_bytes};
use crate::error::Result;
use crate::id::{ColumnId, TableId};
use crate::managed::property::FileCompression;
use crate::managed::{
    CheckConstraint, FileList, ManagedTable, PartitionField, SortField, TableColumn, TableOperation,
    TableProperties, TableShape, TableVersion, Transform,
};

enum_pairs!(
    compression_to_wire,
    compression_from_wire,
    FileCompression,
    wire::FileCompression,
    None,
    Snappy,
    Lz4,
    Zstd
);

/// Some versions of a table. Those that share a shape share it again when they are read.
///
/// # Errors
/// When a value in a shape has no wire form.
pub fn encode_versions(versions: &[Arc<TableVersion>]) -> Result<Vec<u8>> {
    let mut message = capnp::message::Builder::new_default();
    let mut builder: table_versions::Builder<'_> = message.init_root();
    let mut shapes: Vec<&Arc<TableShape>> = Vec::new();
    let mut list = builder.reborrow().init_versions(count(versions.len()));
    for (index, version) in versions.iter().enumerate() {
        // A version looks like the one before it, mostly.
        let last =
            shapes.last().filter(|shape| Arc::ptr_eq(shape, &version.shape) || **shape == &version.shape);
        if last.is_none() {
            shapes.push(&version.shape);
        }
        encode_version(version, shapes.len() - 1, list.reborrow().get(count(index)));
    }
    let mut list = builder.init_shapes(count(shapes.len()));
    for (index, shape) in shapes.into_iter().enumerate() {
        encode_shape(shape, list.reborrow().get(count(index)))?;
    }
    Ok(to_bytes(&message))
}

/// # Errors
/// When the bytes are not versions of a table as we know them.
pub fn decode_versions(bytes: &[u8]) -> Result<Vec<Arc<TableVersion>>> {
    read(bytes, |message| {
        let reader: table_versions::Reader<'_> = message.get_root()?;
        let shapes = reader.get_shapes()?.iter().map(|shape| decode_shape(shape).map(Arc::new));
        let shapes = shapes.collect::<Result<Vec<_>>>()?;
        let versions = reader.get_versions()?;
        versions.iter().map(|version| decode_version(version, &shapes).map(Arc::new)).collect()
    })
}

fn encode_version(value: &TableVersion, shape: usize, mut builder: wire::table_version::Builder<'_>) {
    builder.set_number(value.number);
    builder.set_catalog_version(value.catalog_version);
    builder.set_at_ms(value.at_ms);
    encode_operation(value.operation, builder.reborrow().init_operation());
    builder.set_shape(count(shape));
    builder.set_rows_added(value.rows_added);
    builder.set_rows_removed(value.rows_removed);
    builder.set_rows(value.rows);
    builder.set_files(value.files);
    builder.set_bytes(value.bytes);
}

fn decode_version(
    reader: wire::table_version::Reader<'_>,
    shapes: &[Arc<TableShape>],
) -> Result<TableVersion> {
    let shape = shapes.get(reader.get_shape() as usize);
    Ok(TableVersion {
        number: reader.get_number(),
        catalog_version: reader.get_catalog_version(),
        at_ms: reader.get_at_ms(),
        operation: decode_operation(reader.get_operation()?)?,
        shape: shape.cloned().ok_or_else(|| malformed("a version without a shape"))?,
        rows_added: reader.get_rows_added(),
        rows_removed: reader.get_rows_removed(),
        rows: reader.get_rows(),
        files: reader.get_files(),
        bytes: reader.get_bytes(),
    })
}

pub(super) fn encode_operation(value: TableOperation, mut builder: table_operation::Builder<'_>) {
    match value {
        TableOperation::Create => builder.set_create(()),
        TableOperation::Insert => builder.set_insert(()),
        TableOperation::Overwrite => builder.set_overwrite(()),
        TableOperation::Update => builder.set_update(()),
        TableOperation::Delete => builder.set_delete(()),
        TableOperation::Merge => builder.set_merge(()),
        TableOperation::Truncate => builder.set_truncate(()),
        TableOperation::Copy => builder.set_copy(()),
        TableOperation::Optimize => builder.set_optimize(()),
        TableOperation::Alter => builder.set_alter(()),
        TableOperation::Rollback(to) => builder.set_rollback(to),
    }
}

pub(super) fn decode_operation(reader: table_operation::Reader<'_>) -> Result<TableOperation> {
    Ok(match reader.which()? {
        table_operation::Create(()) => TableOperation::Create,
        table_operation::Insert(()) => TableOperation::Insert,
        table_operation::Overwrite(()) => TableOperation::Overwrite,
        table_operation::Update(()) => TableOperation::Update,
        table_operation::Delete(()) => TableOperation::Delete,
        table_operation::Merge(()) => TableOperation::Merge,
        table_operation::Truncate(()) => TableOperation::Truncate,
        table_operation::Copy(()) => TableOperation::Copy,
        table_operation::Optimize(()) => TableOperation::Optimize,
        table_operation::Alter(()) => TableOperation::Alter,
        table_operation::Rollback(to) => TableOperation::Rollback(to),
    })
}

pub(super) fn encode_table_id(value: TableId, mut builder: table_id::Builder<'_>) {
    builder.set_high((value.0 >> 64) as u64);
    builder.set_low(value.0 as u64);
}

pub(super) fn decode_table_id(reader: table_id::Reader<'_>) -> TableId {
    TableId(u128::from(reader.get_high()) << 64 | u128::from(reader.get_low()))
}

/// Without files, retired files and versions.
pub(super) fn encode_table(value: &ManagedTable, mut builder: managed_table::Builder<'_>) -> Result<()> {
    encode_table_id(value.id, builder.reborrow().init_id());
    encode_shape(&value.shape, builder.reborrow().init_shape())?;
    encode_properties(&value.properties, builder.reborrow().init_properties());
    builder.set_version(value.version);
    builder.set_next_file(value.next_file);
    summary::encode(&value.summary, builder.init_summary());
    Ok(())
}

pub(super) fn decode_table(reader: managed_table::Reader<'_>) -> Result<ManagedTable> {
    Ok(ManagedTable {
        id: decode_table_id(reader.get_id()?),
        shape: Arc::new(decode_shape(reader.get_shape()?)?),
        properties: Arc::new(decode_properties(reader.get_properties()?)?),
        version: reader.get_version(),
        files: FileList::default(),
        retired: OrdMap::new(),
        history: OrdMap::new(),
        next_file: reader.get_next_file(),
        summary: Arc::new(summary::decode(reader.get_summary()?)?),
    })
}

fn encode_shape(value: &TableShape, mut builder: table_shape::Builder<'_>) -> Result<()> {
    let mut columns = builder.reborrow().init_columns(count(value.columns.len()));
    for (index, column) in value.columns.iter().enumerate() {
        encode_column(column, columns.reborrow().get(count(index)))?;
    }
    if !value.checks.is_empty() {
        let mut checks = builder.reborrow().init_checks(count(value.checks.len()));
        for (index, check) in value.checks.iter().enumerate() {
            encode_check(check, checks.reborrow().get(count(index)));
        }
    }
    if !value.partition_by.is_empty() {
        let mut fields = builder.reborrow().init_partition_by(count(value.partition_by.len()));
        for (index, field) in value.partition_by.iter().enumerate() {
            encode_partition(*field, fields.reborrow().get(count(index)));
        }
    }
    if !value.sort_by.is_empty() {
        encode_sort(&value.sort_by, builder.reborrow().init_sort_by(count(value.sort_by.len())));
    }
    builder.set_next_column(value.next_column);
    Ok(())
}

fn decode_shape(reader: table_shape::Reader<'_>) -> Result<TableShape> {
    Ok(TableShape {
        columns: reader.get_columns()?.iter().map(decode_column).collect::<Result<_>>()?,
        checks: reader.get_checks()?.iter().map(decode_check).collect::<Result<_>>()?,
        partition_by: reader.get_partition_by()?.iter().map(decode_partition).collect::<Result<_>>()?,
        sort_by: decode_sort(reader.get_sort_by()?),
        next_column: reader.get_next_column(),
    })
}

fn encode_column(value: &TableColumn, mut builder: wire::table_column::Builder<'_>) -> Result<()> {
    builder.set_id(value.id.0);
    builder.set_nullable(value.nullable);
    builder.set_name(&value.name);
    builder.set_type(&encode_type(&value.data_type));
    if let Some(default) = &value.default {
        builder.set_default(default);
    }
    if let Some(initial) = &value.initial {
        builder.set_initial(&encode_value(initial)?);
    }
    Ok(())
}

fn decode_column(reader: wire::table_column::Reader<'_>) -> Result<TableColumn> {
    Ok(TableColumn {
        id: ColumnId(reader.get_id()),
        name: reader.get_name()?.to_string()?,
        data_type: decode_type(reader.get_type()?)?,
        nullable: reader.get_nullable(),
        default: optional_text(reader.has_default(), || reader.get_default())?,
        initial: reader.has_initial().then(|| decode_value(reader.get_initial()?)).transpose()?,
    })
}

pub(super) fn encode_check(value: &CheckConstraint, mut builder: wire::check_constraint::Builder<'_>) {
    builder.set_name(&value.name);
    builder.set_sql(&value.sql);
}

pub(super) fn decode_check(reader: wire::check_constraint::Reader<'_>) -> Result<CheckConstraint> {
    Ok(CheckConstraint { name: reader.get_name()?.to_string()?, sql: reader.get_sql()?.to_string()? })
}

fn encode_partition(value: PartitionField, mut builder: partition_field::Builder<'_>) {
    builder.set_column(value.column.0);
    let mut transform = builder.init_transform();
    match value.transform {
        Transform::Identity => transform.set_identity(()),
        Transform::Year => transform.set_year(()),
        Transform::Month => transform.set_month(()),
        Transform::Day => transform.set_day(()),
        Transform::Hour => transform.set_hour(()),
        Transform::Bucket(buckets) => transform.set_bucket(buckets),
        Transform::Truncate(width) => transform.set_truncate(width),
    }
}

fn decode_partition(reader: partition_field::Reader<'_>) -> Result<PartitionField> {
    use partition_field::transform;
    let transform = match reader.get_transform().which()? {
        transform::Identity(()) => Transform::Identity,
        transform::Year(()) => Transform::Year,
        transform::Month(()) => Transform::Month,
        transform::Day(()) => Transform::Day,
        transform::Hour(()) => Transform::Hour,
        transform::Bucket(buckets) => Transform::Bucket(buckets),
        transform::Truncate(width) => Transform::Truncate(width),
    };
    Ok(PartitionField { column: ColumnId(reader.get_column()), transform })
}

pub(super) fn encode_sort(
    fields: &[SortField],
    mut list: capnp::struct_list::Builder<'_, wire::sort_field::Owned>,
) {
    for (index, field) in fields.iter().enumerate() {
        let mut target = list.reborrow().get(count(index));
        target.set_column(field.column.0);
        target.set_descending(field.descending);
        target.set_nulls_first(field.nulls_first);
    }
}

pub(super) fn decode_sort(list: capnp::struct_list::Reader<'_, wire::sort_field::Owned>) -> Vec<SortField> {
    let field = |field: wire::sort_field::Reader<'_>| SortField {
        column: ColumnId(field.get_column()),
        descending: field.get_descending(),
        nulls_first: field.get_nulls_first(),
    };
    list.iter().map(field).collect()
}

fn encode_properties(value: &TableProperties, mut builder: table_properties::Builder<'_>) {
    builder.set_retention_ms(value.retention_ms);
    builder.set_retention_versions(value.retention_versions);
    builder.set_compression(compression_to_wire(value.compression));
    builder.set_file_bytes(value.file_bytes);
    builder.set_row_group_rows(value.row_group_rows as u64);
}

fn decode_properties(reader: table_properties::Reader<'_>) -> Result<TableProperties> {
    let rows = usize::try_from(reader.get_row_group_rows());
    Ok(TableProperties {
        retention_ms: reader.get_retention_ms(),
        retention_versions: reader.get_retention_versions(),
        compression: compression_from_wire(reader.get_compression()?),
        file_bytes: reader.get_file_bytes(),
        row_group_rows: rows.map_err(|_| malformed("row groups that are too large"))?,
    })
}
