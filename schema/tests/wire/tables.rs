//! Random managed tables and what they are made of.

use std::sync::Arc;

use nyala_schema::Bound;
use nyala_schema::id::{ColumnId, FileId, TableId};
use nyala_schema::managed::property::FileCompression;
use nyala_schema::managed::{
    CheckConstraint, ColumnSketch, ColumnSummary, DataFile, Deletions, DeletionsPlace, FileColumn,
    FileContent, FileStatistics, Histogram, InlineRows, ManagedTable, PartitionField, SortField, TableColumn,
    TableOperation, TableProperties, TableShape, TableSummary, TableVersion, Transform,
};

use crate::arrays;
use crate::draw::Draw;

pub fn table_id(draw: &mut Draw) -> TableId {
    TableId(u128::from(draw.number()) << 64 | u128::from(draw.number()))
}

pub fn sort_field(draw: &mut Draw) -> SortField {
    SortField { column: ColumnId(draw.small()), descending: draw.flag(), nulls_first: draw.flag() }
}

pub fn check(draw: &mut Draw) -> CheckConstraint {
    CheckConstraint { name: draw.text(), sql: draw.text() }
}

fn column(draw: &mut Draw) -> TableColumn {
    TableColumn {
        id: ColumnId(draw.small()),
        name: draw.text(),
        data_type: arrays::any_type(draw, 2),
        nullable: draw.flag(),
        default: draw.maybe(Draw::text),
        initial: draw.maybe(arrays::value),
    }
}

fn partition_field(draw: &mut Draw) -> PartitionField {
    let number = draw.small();
    let transform = draw.one(&[
        Transform::Identity,
        Transform::Year,
        Transform::Month,
        Transform::Day,
        Transform::Hour,
        Transform::Bucket(number),
        Transform::Truncate(number),
    ]);
    PartitionField { column: ColumnId(draw.small()), transform }
}

pub fn shape(draw: &mut Draw) -> TableShape {
    TableShape {
        columns: draw.some(column),
        checks: draw.some(check),
        partition_by: draw.some(partition_field),
        sort_by: draw.some(sort_field),
        next_column: draw.small(),
    }
}

pub fn properties(draw: &mut Draw) -> TableProperties {
    TableProperties {
        retention_ms: draw.number(),
        retention_versions: draw.number(),
        compression: draw.one(&[
            FileCompression::None,
            FileCompression::Snappy,
            FileCompression::Lz4,
            FileCompression::Zstd,
        ]),
        file_bytes: draw.number(),
        row_group_rows: draw.number() as usize,
    }
}

/// Of a kind: whole numbers, numbers, text.
fn bound(draw: &mut Draw, kind: usize) -> Bound {
    match kind {
        0 => Bound::Int(draw.wide()),
        1 => Bound::Float(draw.float()),
        _ => Bound::Text(draw.bytes()),
    }
}

fn histogram(draw: &mut Draw) -> Histogram {
    let kind = draw.below(3);
    let mut bounds: Vec<Bound> = (0..2 + draw.below(20)).map(|_| bound(draw, kind)).collect();
    bounds.sort_by(|left, right| left.partial_cmp(right).unwrap());
    Histogram { bounds }
}

pub fn column_summary(draw: &mut Draw) -> ColumnSummary {
    let kind = draw.below(3);
    ColumnSummary {
        min: draw.maybe(|draw| bound(draw, kind)),
        max: draw.maybe(|draw| bound(draw, kind)),
        is_bounded: draw.flag(),
        nulls: draw.number(),
        sketch: draw.maybe(|draw| draw.bytes().into()),
        width: draw.maybe(Draw::float),
        histogram: draw.maybe(|draw| Arc::new(histogram(draw))),
    }
}

fn summary(draw: &mut Draw) -> TableSummary {
    let columns = draw.some(|draw| (ColumnId(draw.small()), column_summary(draw)));
    TableSummary {
        rows: draw.number(),
        bytes: draw.number(),
        columns: columns.into_iter().collect(),
        analyzed: draw.maybe(|draw| (draw.signed(), draw.number())),
    }
}

pub fn sketch(draw: &mut Draw) -> ColumnSketch {
    ColumnSketch {
        column: ColumnId(draw.small()),
        sketch: draw.bytes().into(),
        width: draw.maybe(Draw::float),
    }
}

pub fn deletions(draw: &mut Draw, rows: u64) -> Deletions {
    let place = match draw.flag() {
        true => DeletionsPlace::Inline(draw.bytes().into()),
        false => DeletionsPlace::File { path: draw.text().into(), size: draw.number() },
    };
    Deletions { rows, place }
}

fn statistics(draw: &mut Draw) -> FileStatistics {
    let columns = draw.some(|draw| {
        let kind = draw.below(3);
        FileColumn {
            id: ColumnId(draw.small()),
            min: draw.maybe(|draw| bound(draw, kind)),
            max: draw.maybe(|draw| bound(draw, kind)),
            nulls: draw.number(),
        }
    });
    FileStatistics::of(&columns)
}

pub fn file(draw: &mut Draw) -> DataFile {
    let content = match draw.flag() {
        true => FileContent::Parquet {
            path: draw.text().into(),
            size: draw.number(),
            row_groups: draw.some(Draw::small).into(),
        },
        false => {
            let columns: Vec<ColumnId> = draw.some(|draw| ColumnId(draw.small()));
            let batch = arrays::batch(draw, columns.len());
            FileContent::Rows(InlineRows { columns: columns.into(), batch })
        }
    };
    let rows = draw.number();
    DataFile {
        id: FileId(draw.number()),
        added_in: draw.number(),
        content,
        rows,
        partition: draw.some(arrays::value),
        statistics: statistics(draw),
        deletions: draw.maybe(|draw| deletions(draw, rows / 2)),
    }
}

pub fn operation(draw: &mut Draw) -> TableOperation {
    let to = draw.number();
    draw.one(&[
        TableOperation::Create,
        TableOperation::Insert,
        TableOperation::Overwrite,
        TableOperation::Update,
        TableOperation::Delete,
        TableOperation::Merge,
        TableOperation::Truncate,
        TableOperation::Copy,
        TableOperation::Optimize,
        TableOperation::Alter,
        TableOperation::Rollback(to),
    ])
}

pub fn versions(draw: &mut Draw) -> Vec<Arc<TableVersion>> {
    let mut current = Arc::new(shape(draw));
    (0..draw.below(12))
        .map(|_| {
            if draw.below(4) == 0 {
                current = Arc::new(shape(draw));
            }
            Arc::new(TableVersion {
                number: draw.number(),
                catalog_version: draw.number(),
                at_ms: draw.signed(),
                operation: operation(draw),
                shape: Arc::clone(&current),
                rows_added: draw.number(),
                rows_removed: draw.number(),
                rows: draw.number(),
                files: draw.number(),
                bytes: draw.number(),
            })
        })
        .collect()
}

/// Without files and versions.
pub fn header(draw: &mut Draw) -> ManagedTable {
    ManagedTable {
        version: draw.number(),
        next_file: draw.number(),
        summary: Arc::new(summary(draw)),
        ..ManagedTable::new(table_id(draw), shape(draw), properties(draw))
    }
}
