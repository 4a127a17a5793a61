//! The parts in which two snapshots differ. Costs what differs where one was made from the other.

use std::collections::BTreeSet;
use std::sync::Arc;

use imbl::OrdMap;
use imbl::ordmap::DiffItem;
use nyala_schema::command::ObjectKind;
use nyala_schema::id::FileId;
use nyala_schema::managed::{DataFile, FileList, ManagedTable, TableVersion};
use nyala_schema::wire::{self, RetiredContent, RetiredObject};
use nyala_schema::{Error, Result};

use super::bytes::put_text;
use super::key::{CHUNK_LINES, CHUNK_RETIRED_FILES, CHUNK_VERSIONS, Key, Piece, VERSIONS_IN_HEAD};
use super::{FORMAT_VERSION, Pair, Part};
use crate::snapshot::{Object, Retired, Snapshot};

impl Snapshot {
    /// All of the snapshot.
    ///
    /// # Errors
    /// When a value has no wire form.
    pub fn parts(&self) -> Result<Vec<Pair>> {
        let parts = self.parts_since(&Snapshot::default())?.into_iter();
        Ok(parts.filter_map(|part| Some((part.key, part.value?))).collect())
    }

    /// What has come, changed or gone since `base`; the root always.
    ///
    /// # Errors
    /// When a value has no wire form.
    pub fn parts_since(&self, base: &Snapshot) -> Result<Vec<Part>> {
        let mut parts = Parts::default();
        parts.put(&Key::Root, root(self));
        for (kind, name) in touched(base, self) {
            parts.put_live(base, self, kind, &name)?;
        }
        for key in changed_keys(&base.retired, &self.retired) {
            parts.put_retired(base, self, &key)?;
        }
        for target in changed_keys(&base.comments, &self.comments) {
            let text = self.comments.get(&target).map(|text| text.as_bytes().to_vec());
            parts.0.push(Part { key: Key::Comment(target).to_bytes(), value: text });
        }
        let lines = changed_keys(&base.journal, &self.journal).into_iter();
        for chunk in lines.map(|version| version / CHUNK_LINES).collect::<BTreeSet<_>>() {
            parts.0.push(Part { key: Key::Journal(chunk).to_bytes(), value: journal_chunk(self, chunk) });
        }
        Ok(parts.0)
    }
}

fn root(snapshot: &Snapshot) -> Vec<u8> {
    let mut value = FORMAT_VERSION.to_be_bytes().to_vec();
    value.extend_from_slice(&snapshot.version.to_be_bytes());
    value.extend_from_slice(&snapshot.at_ms.to_be_bytes());
    value
}

/// Keys that only one of the maps has, or with other values.
fn changed_keys<K: Ord + Clone, V: PartialEq + Clone>(base: &OrdMap<K, V>, now: &OrdMap<K, V>) -> Vec<K> {
    let key = |item| match item {
        DiffItem::Add(key, _) | DiffItem::Remove(key, _) | DiffItem::Update { new: (key, _), .. } => {
            K::clone(key)
        }
    };
    base.diff(now).map(key).collect()
}

/// Objects that have come, changed or gone.
fn touched(base: &Snapshot, now: &Snapshot) -> BTreeSet<(ObjectKind, String)> {
    let mut touched = BTreeSet::new();
    let mut add = |kind, names: Vec<String>| touched.extend(names.into_iter().map(|name| (kind, name)));
    add(ObjectKind::Schema, changed_keys(&base.schemas, &now.schemas));
    add(ObjectKind::Table, changed_keys(&base.tables, &now.tables));
    add(ObjectKind::Function, changed_keys(&base.functions, &now.functions));
    add(ObjectKind::Operator, changed_keys(&base.operators, &now.operators));
    add(ObjectKind::Module, changed_keys(&base.modules, &now.modules));
    // What went and came again alike.
    touched.extend(changed_keys(&base.since, &now.since));
    touched
}

fn journal_chunk(snapshot: &Snapshot, chunk: u64) -> Option<Vec<u8>> {
    let mut value = Vec::new();
    for (version, line) in snapshot.journal.range(chunk * CHUNK_LINES..(chunk + 1) * CHUNK_LINES) {
        value.extend_from_slice(&version.to_be_bytes());
        value.extend_from_slice(&line.at_ms.to_be_bytes());
        put_text(&mut value, &line.what);
    }
    (!value.is_empty()).then_some(value)
}

#[derive(Default)]
struct Parts(Vec<Part>);

impl Parts {
    fn put(&mut self, key: &Key, value: Vec<u8>) {
        self.0.push(Part { key: key.to_bytes(), value: Some(value) });
    }

    fn put_live(&mut self, base: &Snapshot, now: &Snapshot, kind: ObjectKind, name: &str) -> Result<()> {
        let key = |piece| Key::Live(kind, name.to_owned(), piece);
        let head = live_head(now, kind, name)?;
        self.0.push(Part { key: key(Piece::Head).to_bytes(), value: head });
        if kind == ObjectKind::Table {
            self.put_content(base.managed(name), now.managed(name), &key)?;
        }
        Ok(())
    }

    fn put_retired(
        &mut self,
        base: &Snapshot,
        now: &Snapshot,
        retired: &(u64, ObjectKind, String),
    ) -> Result<()> {
        let (version, kind, name) = retired;
        let key = |piece| Key::Retired(*version, *kind, name.clone(), piece);
        let kept = now.retired.get(retired);
        let head = kept.map(|kept| retired_head(kept)).transpose()?;
        self.0.push(Part { key: key(Piece::Head).to_bytes(), value: head });
        let before = base.retired.get(retired).and_then(|retired| retired.object.managed());
        self.put_content(before, kept.and_then(|retired| retired.object.managed()), &key)
    }

    /// Chunks of a managed table.
    fn put_content(
        &mut self,
        base: Option<&ManagedTable>,
        now: Option<&ManagedTable>,
        key: &impl Fn(Piece) -> Key,
    ) -> Result<()> {
        let (base_files, base_retired, base_history) = chunked(base);
        let (files, retired, history) = chunked(now);
        for chunk in files.changed_chunks(&base_files) {
            let files = files.chunk(chunk);
            let value = if files.is_empty() { None } else { Some(wire::encode_files(files)?) };
            self.0.push(Part { key: key(Piece::Files(chunk)).to_bytes(), value });
        }
        let gone = changed_keys(&base_retired, &retired).into_iter();
        let chunks = gone.map(|(version, file)| (version / CHUNK_VERSIONS, file.0 / CHUNK_RETIRED_FILES));
        for (versions, files) in chunks.collect::<BTreeSet<_>>() {
            let value = retired_chunk(&retired, versions, files)?;
            self.0.push(Part { key: key(Piece::RetiredFiles(versions, files)).to_bytes(), value });
        }
        let versions = changed_keys(&base_history, &history).into_iter();
        for chunk in versions.map(|version| version / CHUNK_VERSIONS).collect::<BTreeSet<_>>() {
            let range = history.range(chunk * CHUNK_VERSIONS..(chunk + 1) * CHUNK_VERSIONS);
            let versions: Vec<_> = range.map(|(_, version)| Arc::clone(version)).collect();
            let value = if versions.is_empty() { None } else { Some(wire::encode_versions(&versions)?) };
            self.0.push(Part { key: key(Piece::Versions(chunk)).to_bytes(), value });
        }
        Ok(())
    }
}

type RetiredFiles = OrdMap<(u64, FileId), Arc<DataFile>>;
type Versions = OrdMap<u64, Arc<TableVersion>>;

/// What of a table stands in chunks. Copies are cheap.
fn chunked(table: Option<&ManagedTable>) -> (FileList, RetiredFiles, Versions) {
    match table {
        None => (FileList::default(), OrdMap::new(), OrdMap::new()),
        Some(table) if has_versions_in_head(table) => {
            (table.files.clone(), table.retired.clone(), OrdMap::new())
        }
        Some(table) => (table.files.clone(), table.retired.clone(), table.history.clone()),
    }
}

/// How many, the versions in which they went, then the files.
fn retired_chunk(retired: &RetiredFiles, versions: u64, files: u64) -> Result<Option<Vec<u8>>> {
    let (first, after) = (FileId(files * CHUNK_RETIRED_FILES), FileId((files + 1) * CHUNK_RETIRED_FILES));
    let versions = versions * CHUNK_VERSIONS..(versions + 1) * CHUNK_VERSIONS;
    let found: Vec<_> = versions.flat_map(|v| retired.range((v, first)..(v, after))).collect();
    if found.is_empty() {
        return Ok(None);
    }
    let mut value = (found.len() as u32).to_be_bytes().to_vec();
    found.iter().for_each(|((version, _), _)| value.extend_from_slice(&version.to_be_bytes()));
    let files: Vec<_> = found.iter().map(|(_, file)| Arc::clone(file)).collect();
    value.extend_from_slice(&wire::encode_files(&files)?);
    Ok(Some(value))
}

/// The version since which it is so, then what it is.
fn live_head(snapshot: &Snapshot, kind: ObjectKind, name: &str) -> Result<Option<Vec<u8>>> {
    if !snapshot.has(kind, name) {
        return Ok(None);
    }
    let since = snapshot.since.get(&(kind, name.to_owned())).copied().unwrap_or(0);
    let missing = || Error::internal(format!("{kind:?} \"{name}\" vanished"));
    let content = match kind {
        ObjectKind::Schema => Vec::new(),
        ObjectKind::Table => {
            let table = snapshot.table(name).ok_or_else(missing)?;
            with_versions(wire::encode_table(table)?, table.managed())?
        }
        ObjectKind::Function => wire::encode_functions(snapshot.functions.get(name).ok_or_else(missing)?)?,
        ObjectKind::Operator => wire::encode_operator(snapshot.operators.get(name).ok_or_else(missing)?)?,
        ObjectKind::Module => wire::encode_module(snapshot.modules.get(name).ok_or_else(missing)?)?,
    };
    let mut value = since.to_be_bytes().to_vec();
    value.extend_from_slice(&content);
    Ok(Some(value))
}

fn retired_head(retired: &Retired) -> Result<Vec<u8>> {
    with_versions(wire::encode_retired(&retired_content(retired))?, retired.object.managed())
}

/// Few versions need no part of their own: most tables of a large catalog have few.
fn has_versions_in_head(table: &ManagedTable) -> bool {
    table.history.len() <= VERSIONS_IN_HEAD
}

/// The length of the head, the head, then versions that have no part of their own. Those that look as the table does are
/// kept without a shape.
fn with_versions(head: Vec<u8>, table: Option<&ManagedTable>) -> Result<Vec<u8>> {
    let mut value = (head.len() as u32).to_be_bytes().to_vec();
    value.extend_from_slice(&head);
    if let Some(table) = table.filter(|table| has_versions_in_head(table)) {
        let versions: Vec<_> = table.history.values().map(|version| without_shape(table, version)).collect();
        value.extend_from_slice(&wire::encode_versions(&versions)?);
    }
    Ok(value)
}

fn without_shape(table: &ManagedTable, version: &Arc<TableVersion>) -> Arc<TableVersion> {
    if !Arc::ptr_eq(&version.shape, &table.shape) {
        return Arc::clone(version);
    }
    Arc::new(TableVersion { shape: Arc::default(), ..version.as_ref().clone() })
}

fn retired_content(retired: &Retired) -> RetiredContent {
    RetiredContent {
        since: retired.since,
        at_ms: retired.at_ms,
        is_dropped: retired.is_dropped,
        object: match &retired.object {
            Object::Schema => RetiredObject::Schema,
            Object::Table(table) => RetiredObject::Table(Arc::clone(table)),
            Object::Functions(overloads) => RetiredObject::Functions(overloads.clone()),
            Object::Operator(operator) => RetiredObject::Operator(Arc::clone(operator)),
            Object::Module(module) => RetiredObject::Module(Arc::clone(module)),
        },
    }
}
