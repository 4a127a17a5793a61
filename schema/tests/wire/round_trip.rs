//! What is written and read again is the same.

use std::sync::Arc;

use arrow::datatypes::{Field, Schema};
use nyala_schema::command::Entry;
use nyala_schema::fragment::{Fragment, FragmentOutput, Placement};
use nyala_schema::id::{ColumnId, FragmentId, OperatorId};
use nyala_schema::managed::TableVersion;
use nyala_schema::operator::{Operator, OperatorKind};
use nyala_schema::scan::{ManagedScan, ScanColumn, ScanSource, TableScan};
use nyala_schema::wire::{self, RetiredContent, RetiredObject};
use proptest::prelude::*;

use crate::draw::Draw;
use crate::{arrays, code, commands, tables};

proptest! {
    #[test]
    fn entries(seed: u64) {
        let mut draw = Draw::new(seed);
        let entry = Entry { at_ms: draw.signed(), command: commands::command(&mut draw, 3) };
        let bytes = wire::encode_entry(&entry).unwrap();
        prop_assert_eq!(wire::decode_entry(&bytes).unwrap(), entry);
    }

    #[test]
    fn table_headers(seed: u64) {
        let table = commands::definition(&mut Draw::new(seed));
        let bytes = wire::encode_table(&table).unwrap();
        prop_assert_eq!(wire::decode_table(&bytes).unwrap(), table);
    }

    #[test]
    fn files(seed: u64) {
        let mut draw = Draw::new(seed);
        let files: Vec<_> = draw.some(|draw| Arc::new(tables::file(draw)));
        let bytes = wire::encode_files(&files).unwrap();
        prop_assert_eq!(wire::decode_files(&bytes).unwrap(), files);
    }

    /// Also: versions that shared their shape share it again.
    #[test]
    fn versions(seed: u64) {
        let versions = tables::versions(&mut Draw::new(seed));
        let bytes = wire::encode_versions(&versions).unwrap();
        let back = wire::decode_versions(&bytes).unwrap();
        prop_assert_eq!(&back, &versions);
        let shares = |pair: &[Arc<TableVersion>]| Arc::ptr_eq(&pair[0].shape, &pair[1].shape);
        for (before, after) in versions.windows(2).zip(back.windows(2)) {
            prop_assert!(!shares(before) || shares(after));
        }
    }

    #[test]
    fn functions_operators_and_modules(seed: u64) {
        let mut draw = Draw::new(seed);
        let functions: Vec<_> = draw.some(|draw| Arc::new(code::function(draw)));
        let bytes = wire::encode_functions(&functions).unwrap();
        prop_assert_eq!(wire::decode_functions(&bytes).unwrap(), functions);
        let operator = code::operator(&mut draw);
        let bytes = wire::encode_operator(&operator).unwrap();
        prop_assert_eq!(wire::decode_operator(&bytes).unwrap(), operator);
        let module = code::module(&mut draw);
        let bytes = wire::encode_module(&module).unwrap();
        prop_assert_eq!(wire::decode_module(&bytes).unwrap(), module);
    }

    #[test]
    fn retired_definitions(seed: u64) {
        let retired = retired(&mut Draw::new(seed));
        let bytes = wire::encode_retired(&retired).unwrap();
        prop_assert_eq!(wire::decode_retired(&bytes).unwrap(), retired);
    }

    #[test]
    fn scans_of_managed_tables(seed: u64) {
        let fragment = managed_scan(&mut Draw::new(seed));
        let bytes = wire::encode_fragment(&fragment).unwrap();
        prop_assert_eq!(wire::decode_fragment(&bytes).unwrap(), fragment);
    }
}

fn retired(draw: &mut Draw) -> RetiredContent {
    let object = match draw.below(5) {
        0 => RetiredObject::Schema,
        1 => RetiredObject::Table(Arc::new(commands::definition(draw))),
        2 => RetiredObject::Functions(draw.some(|draw| Arc::new(code::function(draw)))),
        3 => RetiredObject::Operator(Arc::new(code::operator(draw))),
        _ => RetiredObject::Module(Arc::new(code::module(draw))),
    };
    RetiredContent { since: draw.number(), at_ms: draw.signed(), is_dropped: draw.flag(), object }
}

pub fn managed_scan(draw: &mut Draw) -> Fragment {
    let schema = Arc::new(Schema::new(vec![Field::new("c", arrays::any_type(draw, 2), true)]));
    let scan = TableScan {
        table: draw.text(),
        source: ScanSource::Managed(ManagedScan {
            table: tables::table_id(draw),
            columns: draw
                .some(|draw| ScanColumn { id: ColumnId(draw.small()), initial: draw.maybe(arrays::value) }),
            files: draw.some(|draw| Arc::new(tables::file(draw))).into_iter().collect(),
            row_identity: draw.flag(),
        }),
        table_schema: Arc::clone(&schema),
        projection: vec![0],
        filters: Vec::new(),
        runtime_filters: Vec::new(),
        limit: None,
        statistics: Vec::new(),
    };
    Fragment {
        id: FragmentId(1),
        catalog_version: draw.number(),
        root: Operator {
            id: OperatorId(1),
            kind: OperatorKind::Scan(scan),
            inputs: Vec::new(),
            schema,
            rows_estimated: 1.0,
        },
        output: FragmentOutput::Client,
        placement: Placement::Nodes,
    }
}
