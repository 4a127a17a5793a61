//! The history of the catalog: found by comparing what was with what is, so that no command can forget to keep it.
//! Costs what differs.

use std::collections::BTreeSet;
use std::sync::Arc;

use imbl::OrdMap;
use imbl::ordmap::DiffItem;
use nyala_schema::command::ObjectKind;
use nyala_schema::id::TableId;
use nyala_schema::table::TableDefinition;

use super::comment;
use crate::snapshot::{JournalEntry, Object, Retired, Snapshot};

/// How long definitions and lines of the journal are kept: a week.
const KEPT_MS: i64 = 7 * 86_400_000;
/// Lines of the journal, and definitions older than it, that are kept.
const KEPT_LINES: usize = 10_000;
/// Lines and definitions that one entry forgets at most, beside as many as it adds.
const FORGOTTEN_PER_ENTRY: usize = 4;

/// One thing that differs.
struct Difference {
    kind: ObjectKind,
    name: String,
    /// What is no more.
    old: Option<Object>,
    /// Whether there is something of that name now.
    is_there: bool,
}

/// Keeps what `next` has not of `before`, and enters what was done.
pub(super) fn record(before: &Snapshot, next: &mut Snapshot, what: String) {
    let differences = differences(before, next);
    let moved = Moved::find(before, next);
    let retired = differences.iter().filter(|difference| difference.old.is_some()).count();
    for Difference { kind, name, old, is_there } in differences {
        let key = (kind, name.clone());
        let since = match is_there {
            true => next.since.insert(key, next.version),
            false => next.since.remove(&key),
        };
        if !is_there {
            comment::forget(next, kind, &name);
        }
        let Some(object) = old else { continue };
        let is_dropped = !is_there && !moved.contains(&object);
        let retired = Retired { since: since.unwrap_or(0), at_ms: next.at_ms, is_dropped, object };
        next.retired.insert((next.version, kind, name), Arc::new(retired));
    }
    for table in reshaped(before, next) {
        comment::keep_columns(next, &table);
    }
    next.journal.insert(next.version, Arc::new(JournalEntry { at_ms: next.at_ms, what }));
    forget_some(next, retired);
}

/// Tables and views that have other columns than what had their name before.
fn reshaped(before: &Snapshot, next: &Snapshot) -> Vec<String> {
    let has_other_columns =
        |old: &TableDefinition, new: &TableDefinition| match (old.managed(), new.managed()) {
            (Some(old), Some(new)) if Arc::ptr_eq(&old.shape, &new.shape) => false,
            _ => old.schema() != new.schema(),
        };
    let changed = before.tables.diff(&next.tables).filter_map(|difference| match difference {
        DiffItem::Update { old: (name, old), new: (_, new) } if has_other_columns(old, new) => {
            Some(name.clone())
        }
        DiffItem::Update { .. } | DiffItem::Add(..) | DiffItem::Remove(..) => None,
    });
    changed.collect()
}

fn differences(before: &Snapshot, next: &Snapshot) -> Vec<Difference> {
    let mut found = Vec::new();
    compare(
        &mut found,
        ObjectKind::Schema,
        &before.schemas,
        &next.schemas,
        |()| Object::Schema,
        |(), ()| true,
    );
    let table = |table: &Arc<TableDefinition>| Object::Table(Arc::clone(table));
    compare(
        &mut found,
        ObjectKind::Table,
        &before.tables,
        &next.tables,
        table,
        |old, new| matches!((old.managed(), new.managed()), (Some(old), Some(new)) if old.id == new.id),
    );
    compare(
        &mut found,
        ObjectKind::Function,
        &before.functions,
        &next.functions,
        |overloads| Object::Functions(overloads.clone()),
        |_, _| false,
    );
    compare(
        &mut found,
        ObjectKind::Operator,
        &before.operators,
        &next.operators,
        |operator| Object::Operator(Arc::clone(operator)),
        |_, _| false,
    );
    compare(
        &mut found,
        ObjectKind::Module,
        &before.modules,
        &next.modules,
        |module| Object::Module(Arc::clone(module)),
        |_, _| false,
    );
    found
}

/// `is_same`: whether two that differ are the same thing, with versions of its own.
fn compare<V: Clone + PartialEq>(
    found: &mut Vec<Difference>,
    kind: ObjectKind,
    before: &OrdMap<String, V>,
    next: &OrdMap<String, V>,
    object: impl Fn(&V) -> Object,
    is_same: impl Fn(&V, &V) -> bool,
) {
    for difference in before.diff(next) {
        let (name, old, is_there) = match difference {
            DiffItem::Add(name, _) => (name, None, true),
            DiffItem::Update { old: (name, old), new: (_, new) } if !is_same(old, new) => {
                (name, Some(object(old)), true)
            }
            DiffItem::Update { .. } => continue,
            DiffItem::Remove(name, old) => (name, Some(object(old)), false),
        };
        found.push(Difference { kind, name: name.clone(), old, is_there });
    }
}

/// Tables and views that are new under their name, be it a new one or another's.
#[derive(Default)]
struct Moved {
    managed: BTreeSet<TableId>,
    others: Vec<Arc<TableDefinition>>,
}

impl Moved {
    fn find(before: &Snapshot, next: &Snapshot) -> Self {
        let mut moved = Self::default();
        for difference in before.tables.diff(&next.tables) {
            let (DiffItem::Add(_, definition) | DiffItem::Update { new: (_, definition), .. }) = difference
            else {
                continue;
            };
            match definition.managed() {
                Some(table) => {
                    moved.managed.insert(table.id);
                }
                None => moved.others.push(Arc::clone(definition)),
            }
        }
        moved
    }

    fn contains(&self, object: &Object) -> bool {
        let Object::Table(definition) = object else { return false };
        match definition.managed() {
            Some(table) => self.managed.contains(&table.id),
            None => self.others.iter().any(|other| Arc::ptr_eq(other, definition)),
        }
    }
}

/// Forgets a little of what is too old or too much. The journal says which versions of the catalog are kept, so what
/// its versions need is kept as long as it.
fn forget_some(next: &mut Snapshot, added: usize) {
    let before_ms = next.at_ms.saturating_sub(KEPT_MS);
    for _ in 0..=FORGOTTEN_PER_ENTRY {
        let Some((version, line)) = next.journal.get_min().filter(|_| next.journal.len() > 1) else { break };
        if line.at_ms >= before_ms && next.journal.len() <= KEPT_LINES {
            break;
        }
        let version = *version;
        next.journal.remove(&version);
    }
    for _ in 0..FORGOTTEN_PER_ENTRY + added {
        let Some((key, retired)) = next.retired.get_min() else { break };
        let is_needed = next.journal.get_min().is_none_or(|(first, _)| key.0 >= *first);
        if is_needed || retired.at_ms >= before_ms && next.retired.len() <= KEPT_LINES {
            break;
        }
        let key = key.clone();
        next.retired.remove(&key);
    }
}

/// Forgets lines of the journal, and definitions, that went before a time. The newest line stays.
pub(super) fn forget_before(next: &mut Snapshot, before_ms: i64) {
    while let Some((version, line)) = next.journal.get_min().filter(|_| next.journal.len() > 1) {
        if line.at_ms >= before_ms {
            break;
        }
        let version = *version;
        next.journal.remove(&version);
    }
    while let Some((key, retired)) = next.retired.get_min() {
        let is_needed = next.journal.get_min().is_some_and(|(first, _)| key.0 >= *first);
        if is_needed || retired.at_ms >= before_ms {
            break;
        }
        let key = key.clone();
        next.retired.remove(&key);
    }
}
