//! Random commands.

use std::sync::Arc;

use arrow::datatypes::{Field, Schema, SchemaRef};
use nyala_schema::command::{Command, CommentTarget, DropKind, ObjectKind, OnConflict, Overload, TableRead};
use nyala_schema::id::{ColumnId, FileId};
use nyala_schema::managed::{NewColumn, Requirement, TableAlteration, TableChange};
use nyala_schema::scan::{Compression, CsvOptions, FileFormat};
use nyala_schema::table::{ExternalTable, TableDefinition};

use crate::draw::Draw;
use crate::{arrays, code, tables};

fn schema(draw: &mut Draw) -> SchemaRef {
    let fields = draw.some(|draw| Field::new(draw.text(), arrays::any_type(draw, 3), draw.flag()));
    let metadata = draw.some(|draw| (draw.text(), draw.text()));
    Arc::new(Schema::new_with_metadata(fields, metadata.into_iter().collect()))
}

pub fn definition(draw: &mut Draw) -> TableDefinition {
    match draw.below(3) {
        0 => {
            let csv = CsvOptions { null_text: draw.maybe(Draw::text), ..CsvOptions::default() };
            TableDefinition::External(ExternalTable {
                schema: schema(draw),
                format: draw.one(&[
                    FileFormat::Parquet,
                    FileFormat::Csv(csv),
                    FileFormat::Json(Compression::Zstd),
                    FileFormat::Arrow,
                ]),
                location: draw.text(),
                partition_columns: draw.below(3),
            })
        }
        1 => TableDefinition::View {
            sql: draw.text(),
            columns: draw.maybe(|draw| draw.some(Draw::text)),
            schema: schema(draw),
            uses: draw.some(Draw::text),
        },
        _ => TableDefinition::Managed(tables::header(draw)),
    }
}

fn on_conflict(draw: &mut Draw) -> OnConflict {
    draw.one(&[OnConflict::Fail, OnConflict::Keep, OnConflict::Replace])
}

fn object_kind(draw: &mut Draw) -> ObjectKind {
    draw.one(&[
        ObjectKind::Schema,
        ObjectKind::Table,
        ObjectKind::Function,
        ObjectKind::Operator,
        ObjectKind::Module,
    ])
}

fn overload(draw: &mut Draw) -> Overload {
    let arguments = draw.maybe(|draw| draw.some(|draw| arrays::any_type(draw, 2)));
    Overload { name: draw.text(), arguments }
}

pub fn change(draw: &mut Draw) -> TableChange {
    TableChange {
        table: draw.text(),
        id: tables::table_id(draw),
        base: draw.number(),
        operation: tables::operation(draw),
        add: draw.some(tables::file),
        remove: draw.some(|draw| FileId(draw.number())),
        delete: draw.some(|draw| (FileId(draw.number()), tables::deletions(draw, u64::MAX))),
        requirement: draw.one(&[Requirement::Nothing, Requirement::Files, Requirement::Version]),
        sketches: draw.some(tables::sketch),
    }
}

fn alteration(draw: &mut Draw) -> TableAlteration {
    match draw.below(9) {
        0 => TableAlteration::AddColumn {
            column: NewColumn {
                name: draw.text(),
                data_type: arrays::any_type(draw, 2),
                nullable: draw.flag(),
                default: draw.maybe(Draw::text),
                initial: draw.maybe(arrays::value),
            },
            if_not_exists: draw.flag(),
        },
        1 => TableAlteration::DropColumn { name: draw.text(), if_exists: draw.flag() },
        2 => TableAlteration::RenameColumn { from: draw.text(), to: draw.text() },
        3 => TableAlteration::SetDefault { column: draw.text(), default: draw.maybe(Draw::text) },
        4 => TableAlteration::SetNullable { column: draw.text(), nullable: draw.flag() },
        5 => TableAlteration::AddCheck(tables::check(draw)),
        6 => TableAlteration::DropCheck { name: draw.text(), if_exists: draw.flag() },
        7 => TableAlteration::SetSortBy(draw.some(tables::sort_field)),
        _ => TableAlteration::SetProperties(draw.some(|draw| (draw.text(), draw.maybe(Draw::text)))),
    }
}

/// Of any kind; transactions to some depth.
pub fn command(draw: &mut Draw, depth: usize) -> Command {
    match draw.below(if depth == 0 { 2 } else { 3 }) {
        0 => object_command(draw),
        1 => table_command(draw),
        _ => Command::Transaction {
            reads: draw.some(|draw| TableRead { name: draw.text(), version: draw.number() }),
            commands: draw.some(|draw| command(draw, depth - 1)),
        },
    }
}

fn table_command(draw: &mut Draw) -> Command {
    match draw.below(11) {
        0 => Command::CreateTable {
            name: draw.text(),
            definition: definition(draw),
            on_conflict: on_conflict(draw),
        },
        1 => Command::DropTable {
            name: draw.text(),
            if_exists: draw.flag(),
            kind: draw.one(&[DropKind::Table, DropKind::View]),
        },
        2 => Command::RenameTable { from: draw.text(), to: draw.text() },
        3 => Command::AlterTable {
            name: draw.text(),
            alteration: alteration(draw),
            requires: draw.maybe(Draw::number),
        },
        4 => Command::ChangeTable(change(draw)),
        5 => Command::RollbackTable { name: draw.text(), to: draw.number() },
        6 => Command::SetSummary {
            name: draw.text(),
            id: tables::table_id(draw),
            columns: draw.some(|draw| (ColumnId(draw.small()), tables::column_summary(draw))),
            rows: draw.number(),
        },
        7 => Command::Expire { table: draw.maybe(Draw::text), before_ms: draw.signed() },
        8 => Command::Comment {
            target: CommentTarget::Column(draw.text(), draw.text()),
            text: draw.maybe(Draw::text),
        },
        9 => Command::Install { snapshot: bytes::Bytes::from(draw.text()) },
        _ => Command::RollbackCatalog { to: draw.number() },
    }
}

fn object_command(draw: &mut Draw) -> Command {
    match draw.below(12) {
        0 => Command::CreateFunction { definition: code::function(draw), on_conflict: on_conflict(draw) },
        1 => Command::AddFunctionVersion { overload: overload(draw), version: code::version(draw) },
        2 => Command::SetFunctionVersion { overload: overload(draw), number: draw.small() },
        3 => Command::DropFunction { overload: overload(draw), if_exists: draw.flag() },
        4 => Command::CreateModule {
            definition: code::module(draw),
            functions: draw.some(code::function),
            operators: draw.some(code::operator),
            on_conflict: on_conflict(draw),
        },
        5 => Command::DropModule { name: draw.text(), if_exists: draw.flag() },
        6 => Command::CreateOperator { definition: code::operator(draw), on_conflict: on_conflict(draw) },
        7 => Command::DropOperator { name: draw.text(), if_exists: draw.flag() },
        8 => Command::CreateSchema { name: draw.text(), if_not_exists: draw.flag() },
        9 => Command::DropSchema { name: draw.text(), if_exists: draw.flag(), cascade: draw.flag() },
        10 => Command::Undrop { kind: object_kind(draw), name: draw.text(), renamed: draw.maybe(Draw::text) },
        _ => Command::Comment {
            target: CommentTarget::Object(object_kind(draw), draw.text()),
            text: draw.maybe(Draw::text),
        },
    }
}
