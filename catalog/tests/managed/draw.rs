//! Tables, files and commands to test with.

use std::sync::Arc;

use arrow::array::{Int64Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema};
use nyala_catalog::Snapshot;
use nyala_schema::bound::Bound;
use nyala_schema::command::{Command, DropKind, Entry, OnConflict};
use nyala_schema::id::{ColumnId, FileId, TableId};
use nyala_schema::managed::*;
use nyala_schema::table::TableDefinition;
use nyala_schema::{Error, ErrorCode, Result};

pub fn column(id: u32, name: &str) -> TableColumn {
    TableColumn {
        id: ColumnId(id),
        name: name.into(),
        data_type: DataType::Int64,
        nullable: true,
        default: None,
        initial: None,
    }
}

pub fn shape(names: &[&str]) -> TableShape {
    let columns: Vec<_> = names.iter().enumerate().map(|(id, name)| column(id as u32, name)).collect();
    TableShape { next_column: columns.len() as u32, columns, ..TableShape::default() }
}

pub fn create_as(name: &str, id: u128, shape: TableShape, on_conflict: OnConflict) -> Command {
    let table = ManagedTable::new(TableId(id), shape, TableProperties::default());
    Command::CreateTable { name: name.into(), definition: TableDefinition::Managed(table), on_conflict }
}

pub fn create(name: &str, id: u128) -> Command {
    create_as(name, id, shape(&["a", "b"]), OnConflict::Fail)
}

pub fn drop_table(name: &str) -> Command {
    Command::DropTable { name: name.into(), if_exists: false, kind: DropKind::Table }
}

pub fn view(name: &str) -> Command {
    let definition = TableDefinition::View {
        sql: "SELECT 1 AS a".into(),
        columns: None,
        schema: Arc::new(Schema::new(vec![Field::new("a", DataType::Int64, true)])),
        uses: vec![],
    };
    Command::CreateTable { name: name.into(), definition, on_conflict: OnConflict::Replace }
}

fn statistics(min: i64, max: i64) -> FileStatistics {
    let bound = |value: i64| Some(Bound::Int(value.into()));
    let bounded = FileColumn { id: ColumnId(0), min: bound(min), max: bound(max), nulls: 0 };
    let unknown = FileColumn { id: ColumnId(1), min: None, max: None, nulls: 1 };
    FileStatistics::of(&[bounded, unknown])
}

/// Rows that the catalog itself keeps: these values in the first column.
pub fn rows(values: &[i64]) -> DataFile {
    let batch = RecordBatch::try_new(
        Arc::new(Schema::new(vec![Field::new("a", DataType::Int64, true)])),
        vec![Arc::new(Int64Array::from(values.to_vec()))],
    );
    let min = values.iter().min().copied().unwrap_or(0);
    let max = values.iter().max().copied().unwrap_or(0);
    DataFile {
        id: FileId(0),
        added_in: 0,
        content: FileContent::Rows(InlineRows { columns: [ColumnId(0)].into(), batch: batch.unwrap() }),
        rows: values.len() as u64,
        partition: vec![],
        statistics: statistics(min, max),
        deletions: None,
    }
}

pub fn parquet(path: &str, rows: u64) -> DataFile {
    DataFile {
        id: FileId(0),
        added_in: 0,
        content: FileContent::Parquet {
            path: path.into(),
            size: rows * 10,
            row_groups: [rows as u32].into(),
        },
        rows,
        partition: vec![],
        statistics: statistics(0, rows as i64),
        deletions: None,
    }
}

pub fn gone(rows: u64) -> Deletions {
    Deletions { rows, place: DeletionsPlace::Inline(bytes::Bytes::from(vec![rows as u8; 3])) }
}

/// A change as a statement makes it that reads `snapshot`.
pub fn change(snapshot: &Snapshot, name: &str, operation: TableOperation) -> TableChange {
    let table = snapshot.managed(name);
    TableChange {
        table: name.into(),
        id: table.map_or(TableId(0), |table| table.id),
        base: table.map_or(0, |table| table.version),
        operation,
        add: vec![],
        remove: vec![],
        delete: vec![],
        requirement: Requirement::Files,
        sketches: vec![],
    }
}

pub fn insert(snapshot: &Snapshot, name: &str, file: DataFile) -> Command {
    Command::ChangeTable(TableChange {
        add: vec![file],
        requirement: Requirement::Nothing,
        ..change(snapshot, name, TableOperation::Insert)
    })
}

pub fn alter(name: &str, alteration: TableAlteration) -> Command {
    Command::AlterTable { name: name.into(), alteration, requires: None }
}

pub fn add_column(name: &str, column: &str) -> Command {
    let column = NewColumn {
        name: column.into(),
        data_type: DataType::Int64,
        nullable: true,
        default: None,
        initial: None,
    };
    alter(name, TableAlteration::AddColumn { column, if_not_exists: false })
}

/// Applies a command a second after whatever was before.
pub fn try_apply(snapshot: &Snapshot, command: &Command) -> Result<Snapshot> {
    nyala_catalog::apply(snapshot, &Entry { at_ms: snapshot.at_ms + 1000, command: command.clone() })
}

pub fn apply(snapshot: &mut Snapshot, command: &Command) {
    *snapshot = try_apply(snapshot, command).unwrap_or_else(|e| panic!("{command:?}: {e:?}"));
    let problems = nyala_catalog::check_snapshot(snapshot);
    assert!(problems.is_empty(), "after {command:?}: {problems:?}");
}

/// The refusal's code, and message with hint, of which all `words` must be part.
pub fn refused(snapshot: &Snapshot, command: &Command, code: ErrorCode, words: &[&str]) {
    let error: Error = try_apply(snapshot, command).unwrap_err();
    let text = format!("{error:?}");
    assert_eq!(error.code(), code, "{text}");
    words.iter().for_each(|word| assert!(text.contains(word), "{word} is not in: {text}"));
}

pub fn table<'a>(snapshot: &'a Snapshot, name: &str) -> &'a ManagedTable {
    snapshot.managed(name).unwrap_or_else(|| panic!("there is no {name}"))
}

/// Numbers that look random and are the same in every run.
pub struct Random(pub u64);

impl Random {
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound.max(1)
    }

    pub fn pick<'a, T>(&mut self, among: &'a [T]) -> Option<&'a T> {
        among.get(self.below(among.len() as u64) as usize)
    }
}
