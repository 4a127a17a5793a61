//! Random commands: replicas stay equal over the wire, everything survives being cut into parts, and what was can be
//! seen.

use std::collections::BTreeMap;

use nyala_catalog::Snapshot;
use nyala_catalog::parts::Part;
use nyala_schema::command::{Command, CommentTarget, DropKind, Entry, ObjectKind, OnConflict, TableRead};
use nyala_schema::id::ColumnId;
use nyala_schema::lookup::AsOf;
use nyala_schema::managed::*;
use nyala_schema::value::Value;
use nyala_schema::{ErrorCode, wire};

use crate::draw::*;

const NAMES: [&str; 5] = ["a", "b", "c", "s.a", "s.b"];

pub fn command(random: &mut Random, s: &Snapshot) -> Command {
    let name = (*random.pick(&NAMES).unwrap()).to_owned();
    let conflict = *random.pick(&[OnConflict::Fail, OnConflict::Keep, OnConflict::Replace]).unwrap();
    match random.below(24) {
        0 => Command::CreateSchema { name: "s".into(), if_not_exists: true },
        1 => Command::DropSchema { name: "s".into(), if_exists: true, cascade: random.below(2) == 0 },
        2..=4 => create_as(&name, u128::from(random.below(u64::MAX)), shape(&["a", "b"]), conflict),
        5 => view(&name),
        6..=9 => {
            let values: Vec<i64> = (0..1 + random.below(4)).map(|_| random.below(100) as i64).collect();
            insert(s, &name, rows(&values))
        }
        10 => insert(s, &name, parquet(&format!("p{}", random.below(1000)), 1 + random.below(50))),
        11 | 12 => delete(random, s, &name),
        13 => Command::AlterTable { name, alteration: alteration(random), requires: None },
        14 => {
            let to = (*random.pick(&NAMES).unwrap()).to_owned();
            Command::RenameTable { from: name, to }
        }
        15 => Command::RollbackTable { name, to: 1 + random.below(6) },
        16 => Command::RollbackCatalog { to: s.version.saturating_sub(random.below(8)) },
        17 | 18 => {
            let kind = *random.pick(&[ObjectKind::Table, ObjectKind::Table, ObjectKind::Schema]).unwrap();
            let name = if kind == ObjectKind::Schema { "s".to_owned() } else { name };
            let renamed = (random.below(3) == 0).then(|| "undropped".to_owned());
            Command::Undrop { kind, name, renamed }
        }
        19 => {
            let object = CommentTarget::Object(ObjectKind::Table, name.clone());
            let column = CommentTarget::Column(name, "a".into());
            let target = if random.below(2) == 0 { object } else { column };
            Command::Comment { target, text: (random.below(4) > 0).then(|| "a comment".to_owned()) }
        }
        20 => {
            let id = s.managed(&name).map_or(nyala_schema::id::TableId(1), |table| table.id);
            let found = ColumnSummary { width: Some(3.5), ..ColumnSummary::default() };
            Command::SetSummary { name, id, columns: vec![(ColumnId(0), found)], rows: 7 }
        }
        21 => {
            let other = (*random.pick(&NAMES).unwrap()).to_owned();
            let reads = vec![TableRead { version: s.read_version(&name), name: name.clone() }];
            let commands = vec![insert(s, &name, rows(&[1])), insert(s, &other, rows(&[2, 3]))];
            Command::Transaction { reads, commands }
        }
        22 => Command::DropTable { name, if_exists: false, kind: DropKind::View },
        _ => drop_table(&name),
    }
}

fn delete(random: &mut Random, s: &Snapshot, name: &str) -> Command {
    let mut delete = change(s, name, TableOperation::Delete);
    if random.below(4) == 0 {
        delete.add = vec![rows(&[random.below(9) as i64])];
        delete.operation = TableOperation::Update;
    }
    for file in s.managed(name).into_iter().flat_map(|table| table.files.iter()) {
        match random.below(4) {
            0 => delete.remove.push(file.id),
            1 => {
                let before = file.deletions.as_ref().map_or(0, |deletions| deletions.rows);
                delete.delete.push((file.id, gone((before + random.below(2)).min(file.rows))));
            }
            _ => {}
        }
    }
    Command::ChangeTable(delete)
}

fn alteration(random: &mut Random) -> TableAlteration {
    let names = ["a", "b", "c", "d"];
    let name = (*random.pick(&names).unwrap()).to_owned();
    match random.below(5) {
        0 | 1 => {
            let initial = (random.below(2) == 0).then(|| Value::int64(random.below(10) as i64));
            let data_type = arrow::datatypes::DataType::Int64;
            let column = NewColumn { name, data_type, nullable: initial.is_none(), default: None, initial };
            TableAlteration::AddColumn { column, if_not_exists: random.below(2) == 0 }
        }
        2 => TableAlteration::DropColumn { name, if_exists: true },
        3 => {
            let to = (*random.pick(&names).unwrap()).to_owned();
            TableAlteration::RenameColumn { from: name, to }
        }
        _ => TableAlteration::SetDefault { column: name, default: Some("1".into()) },
    }
}

fn store(stored: &mut BTreeMap<Vec<u8>, Vec<u8>>, parts: Vec<Part>) {
    for part in parts {
        match part.value {
            Some(value) => stored.insert(part.key, value),
            None => stored.remove(&part.key),
        };
    }
}

#[test]
fn replicas_stay_equal_and_parts_are_the_whole() {
    let mut applied = BTreeMap::<String, usize>::new();
    for seed in 0..25 {
        let mut random = Random(seed);
        let (mut one, mut two) = (Snapshot::default(), Snapshot::default());
        let mut stored = BTreeMap::new();
        let mut saved = one.clone();
        for step in 0..80 {
            let command = command(&mut random, &one);
            let entry = Entry { at_ms: one.at_ms + random.below(2000) as i64 - 500, command };
            let decoded = wire::decode_entry(&wire::encode_entry(&entry).unwrap()).unwrap();
            let before = one.clone();
            match (nyala_catalog::apply(&one, &entry), nyala_catalog::apply(&two, &decoded)) {
                (Ok(left), Ok(right)) => (one, two) = (left, right),
                (left, right) => {
                    assert_eq!(left.unwrap_err(), right.unwrap_err());
                    assert_eq!(one, before, "a refused command leaves no trace");
                    continue;
                }
            }
            let what: String = one.journal[&one.version].what.split(' ').take(2).collect();
            *applied.entry(what).or_default() += 1;
            assert!(one.at_ms >= before.at_ms);
            let problems = nyala_catalog::check_snapshot(&one);
            assert!(problems.is_empty(), "seed {seed}, {:?}: {problems:?}", entry.command);
            if step % 5 == 0 {
                store(&mut stored, one.parts_since(&saved).unwrap());
                saved = one.clone();
                assert_eq!(stored, one.parts().unwrap().into_iter().collect(), "seed {seed}, step {step}");
            }
        }
        assert_eq!(one, two, "seed {seed}");
        store(&mut stored, one.parts_since(&saved).unwrap());
        assert_eq!(Snapshot::from_parts(stored.into_iter().collect()).unwrap(), one, "seed {seed}");
        assert_eq!(Snapshot::decode(&one.encode().unwrap()).unwrap(), two);
    }
    let rare: Vec<_> = applied.iter().filter(|(_, count)| **count < 3).collect();
    assert!(applied.len() >= 15 && applied.values().sum::<usize>() > 700, "{applied:?}, rare: {rare:?}");
}

/// What can be seen of a snapshot later; comments and what ANALYZE found are those of now.
fn state(s: &Snapshot) -> String {
    let mut text = format!("{} {} {:?} {:?}\n", s.version, s.at_ms, s.schemas, s.since);
    for (name, definition) in &s.tables {
        match definition.managed() {
            Some(table) => {
                let files: Vec<_> = table.files.iter().collect();
                let rows = (table.summary.rows, table.summary.bytes);
                text += &format!(
                    "{name} {:?} {} {:?} {rows:?} {files:?}\n",
                    table.id, table.version, table.shape
                );
            }
            None => text += &format!("{name} {definition:?}\n"),
        }
    }
    text
}

#[test]
fn every_version_can_be_seen_as_it_was() {
    let mut looked_at = 0;
    for seed in 100..120 {
        let mut random = Random(seed);
        let mut remembered = vec![Snapshot::default()];
        for _ in 0..100 {
            let newest = remembered.last().unwrap();
            if let Ok(next) = try_apply(newest, &command(&mut random, newest)) {
                remembered.push(next);
            }
        }
        let newest = remembered.last().unwrap();
        for was in &remembered {
            let seen = newest.at(&AsOf::Version(was.version)).unwrap();
            assert_eq!(state(&seen), state(was), "seed {seed}");
            assert_eq!(state(&newest.at(&AsOf::Time(was.at_ms + 999)).unwrap()), state(was));
            let problems = nyala_catalog::check_snapshot(&seen);
            assert!(problems.is_empty(), "seed {seed}, version {}: {problems:?}", was.version);
            looked_at += 1;
        }
        let error = newest.at(&AsOf::Version(newest.version + 1)).unwrap_err();
        assert_eq!(error.code(), ErrorCode::UndefinedVersion);
    }
    assert!(looked_at > 600, "{looked_at}");
}
