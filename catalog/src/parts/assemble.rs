//! A snapshot from its parts. Values are read by all processors, then put together.

use std::sync::Arc;

use nyala_schema::command::{CommentTarget, ObjectKind};
use nyala_schema::function::{FunctionDefinition, ModuleDefinition, OperatorDefinition};
use nyala_schema::managed::{DataFile, ManagedTable, TableVersion};
use nyala_schema::table::TableDefinition;
use nyala_schema::wire::{self, RetiredObject};
use nyala_schema::{Error, ErrorCode, Result};

use super::bytes::{Rest, damaged};
use super::key::{Key, Piece};
use super::{FORMAT_VERSION, Pair};
use crate::snapshot::{JournalEntry, Object, Retired, Snapshot};

/// Parts that are worth another thread.
const PARTS_PER_THREAD_MIN: usize = 1024;
const THREADS_MAX: usize = 16;

/// One part, read.
enum Content {
    Root { version: u64, at_ms: i64 },
    Live(u64, Object, Vec<Arc<TableVersion>>),
    Retired(Retired, Vec<Arc<TableVersion>>),
    Files(Vec<Arc<DataFile>>),
    RetiredFiles(Vec<(u64, Arc<DataFile>)>),
    Versions(Vec<Arc<TableVersion>>),
    Comment(Arc<str>),
    Journal(Vec<(u64, JournalEntry)>),
}

impl Snapshot {
    /// The snapshot of which these are all parts, in any order.
    ///
    /// # Errors
    /// `Store` for parts that are missing, damaged, or of a form that this version does not know: says which.
    pub fn from_parts(mut parts: Vec<Pair>) -> Result<Snapshot> {
        if !parts.is_sorted() {
            parts.sort_unstable();
        }
        require_known_format(&parts)?;
        let threads = std::thread::available_parallelism().map_or(1, usize::from).min(THREADS_MAX);
        let share = parts.len().div_ceil(threads).max(PARTS_PER_THREAD_MIN);
        let read: Vec<Result<Vec<_>>> = std::thread::scope(|scope| {
            let threads: Vec<_> =
                parts.chunks(share).map(|share| scope.spawn(|| share.iter().map(read).collect())).collect();
            threads.into_iter().map(|thread| thread.join().unwrap_or_else(|_| Err(panicked()))).collect()
        });
        let mut builder = Builder::default();
        for share in read {
            for (key, content) in share? {
                let place = key.to_string();
                builder.put(key, content).map_err(|error| error.context(place))?;
            }
        }
        builder.finish()
    }
}

fn panicked() -> Error {
    Error::internal("reading a part of the catalog panicked")
}

/// Before anything else is looked at: parts of another form may be read as something that they are not.
fn require_known_format(parts: &[Pair]) -> Result<()> {
    let root = Key::Root.to_bytes();
    let Some((_, value)) = parts.iter().find(|(key, _)| *key == root) else {
        return Err(Error::new(ErrorCode::Store, "the root of the catalog is missing"));
    };
    match Rest(value).u32()? {
        FORMAT_VERSION => Ok(()),
        other => Err(unknown_format(other)),
    }
}

pub(crate) fn unknown_format(format: u32) -> Error {
    let message = format!("the catalog is kept in format {format}, this version knows {FORMAT_VERSION}");
    Error::new(ErrorCode::Store, message).with_hint("use the version of Nyala that wrote it")
}

fn read((key, value): &Pair) -> Result<(Key, Content)> {
    let key = Key::from_bytes(key)?;
    let content = read_value(&key, value).map_err(|error| {
        let message = format!("a part of the catalog cannot be read: {key}: {error}");
        Error::new(ErrorCode::Store, message)
    })?;
    Ok((key, content))
}

fn read_value(key: &Key, value: &[u8]) -> Result<Content> {
    let mut rest = Rest(value);
    Ok(match key {
        Key::Root => {
            rest.u32()?;
            let root = Content::Root { version: rest.u64()?, at_ms: rest.i64()? };
            rest.end()?;
            root
        }
        Key::Live(ObjectKind::Table, _, Piece::Head) => {
            let since = rest.u64()?;
            let (head, versions) = read_versions(rest)?;
            Content::Live(since, Object::Table(Arc::new(wire::decode_table(head)?)), versions)
        }
        Key::Live(kind, _, Piece::Head) => {
            Content::Live(rest.u64()?, read_object(*kind, rest.0)?, Vec::new())
        }
        Key::Retired(_, _, _, Piece::Head) => {
            let (head, versions) = read_versions(rest)?;
            Content::Retired(read_retired(head)?, versions)
        }
        Key::Live(_, _, Piece::Files(_)) | Key::Retired(_, _, _, Piece::Files(_)) => {
            Content::Files(wire::decode_files(value)?)
        }
        Key::Live(_, _, Piece::Versions(_)) | Key::Retired(_, _, _, Piece::Versions(_)) => {
            Content::Versions(wire::decode_versions(value)?)
        }
        Key::Live(_, _, Piece::RetiredFiles(..)) | Key::Retired(_, _, _, Piece::RetiredFiles(..)) => {
            Content::RetiredFiles(read_retired_files(rest)?)
        }
        Key::Comment(_) => {
            let text = std::str::from_utf8(value).map_err(|_| damaged("holds a comment that is no text"))?;
            Content::Comment(Arc::from(text))
        }
        Key::Journal(_) => {
            let mut lines = Vec::new();
            while !rest.0.is_empty() {
                lines.push((rest.u64()?, JournalEntry { at_ms: rest.i64()?, what: rest.text()? }));
            }
            Content::Journal(lines)
        }
    })
}

/// The head, and the versions that stand beside it.
fn read_versions(mut rest: Rest<'_>) -> Result<(&[u8], Vec<Arc<TableVersion>>)> {
    let length = rest.u32()? as usize;
    let head = rest.take(length)?;
    let versions = if rest.0.is_empty() { Vec::new() } else { wire::decode_versions(rest.0)? };
    Ok((head, versions))
}

fn read_object(kind: ObjectKind, value: &[u8]) -> Result<Object> {
    Ok(match kind {
        ObjectKind::Schema => Object::Schema,
        ObjectKind::Table => Object::Table(Arc::new(wire::decode_table(value)?)),
        ObjectKind::Function => Object::Functions(wire::decode_functions(value)?),
        ObjectKind::Operator => Object::Operator(Arc::new(wire::decode_operator(value)?)),
        ObjectKind::Module => Object::Module(Arc::new(wire::decode_module(value)?)),
    })
}

fn read_retired(value: &[u8]) -> Result<Retired> {
    let content = wire::decode_retired(value)?;
    Ok(Retired {
        since: content.since,
        at_ms: content.at_ms,
        is_dropped: content.is_dropped,
        object: match content.object {
            RetiredObject::Schema => Object::Schema,
            RetiredObject::Table(table) => Object::Table(table),
            RetiredObject::Functions(overloads) => Object::Functions(overloads),
            RetiredObject::Operator(operator) => Object::Operator(operator),
            RetiredObject::Module(module) => Object::Module(module),
        },
    })
}

fn read_retired_files(mut rest: Rest<'_>) -> Result<Vec<(u64, Arc<DataFile>)>> {
    let count = rest.u32()? as usize;
    let mut versions = Rest(rest.take(count.checked_mul(8).ok_or_else(|| damaged("is too long"))?)?);
    let files = wire::decode_files(rest.0)?;
    if files.len() != count {
        return Err(damaged("does not have as many files as it says"));
    }
    files.into_iter().map(|file| Ok((versions.u64()?, file))).collect()
}

/// Parts come in the order of their keys: an object before its pieces.
#[derive(Default)]
struct Builder {
    snapshot: Snapshot,
    has_root: bool,
    /// The table whose pieces may follow.
    open: Option<(Owner, ManagedTable)>,
}

#[derive(PartialEq)]
enum Owner {
    Live(String),
    Retired(u64, String, u64, i64, bool),
}

impl Builder {
    fn put(&mut self, key: Key, content: Content) -> Result<()> {
        match (key, content) {
            (Key::Live(_, name, Piece::Head), Content::Live(since, object, versions)) => {
                self.put_live(name, since, object);
                self.put_versions(versions);
            }
            (Key::Retired(version, kind, name, Piece::Head), Content::Retired(retired, versions)) => {
                self.put_retired(version, kind, name, retired);
                self.put_versions(versions);
            }
            (Key::Live(ObjectKind::Table, name, _), content) => {
                self.put_piece(content, |owner| matches!(owner, Owner::Live(of) if *of == name))?;
            }
            (Key::Retired(version, ObjectKind::Table, name, _), content) => {
                self.put_piece(content, |owner| {
                    matches!(owner, Owner::Retired(of, called, ..) if *of == version && *called == name)
                })?;
            }
            (key, content) => {
                self.close();
                match (key, content) {
                    (Key::Root, Content::Root { version, at_ms }) => {
                        self.has_root = true;
                        self.snapshot.version = version;
                        self.snapshot.at_ms = at_ms;
                    }
                    (Key::Comment(target), Content::Comment(text)) => self.put_comment(target, text),
                    (Key::Journal(_), Content::Journal(lines)) => {
                        for (version, line) in lines {
                            self.snapshot.journal.insert(version, Arc::new(line));
                        }
                    }
                    _ => return Err(damaged("is of another kind than its key")),
                }
            }
        }
        Ok(())
    }

    fn put_comment(&mut self, target: CommentTarget, text: Arc<str>) {
        self.snapshot.comments.insert(target, text);
    }

    fn put_live(&mut self, name: String, since: u64, object: Object) {
        self.close();
        let snapshot = &mut self.snapshot;
        let kind = match object {
            Object::Schema => {
                snapshot.schemas.insert(name.clone(), ());
                ObjectKind::Schema
            }
            Object::Table(table) => {
                match table.as_ref() {
                    TableDefinition::Managed(managed) => {
                        self.open = Some((Owner::Live(name.clone()), managed.clone()));
                    }
                    _ => {
                        snapshot.tables.insert(name.clone(), table);
                    }
                }
                ObjectKind::Table
            }
            Object::Functions(overloads) => {
                let overloads: Vec<Arc<FunctionDefinition>> = overloads;
                snapshot.functions.insert(name.clone(), overloads);
                ObjectKind::Function
            }
            Object::Operator(operator) => {
                let operator: Arc<OperatorDefinition> = operator;
                snapshot.operators.insert(name.clone(), operator);
                ObjectKind::Operator
            }
            Object::Module(module) => {
                let module: Arc<ModuleDefinition> = module;
                snapshot.modules.insert(name.clone(), module);
                ObjectKind::Module
            }
        };
        snapshot.since.insert((kind, name), since);
    }

    fn put_retired(&mut self, version: u64, kind: ObjectKind, name: String, retired: Retired) {
        self.close();
        match retired.object.managed() {
            Some(table) => {
                let Retired { since, at_ms, is_dropped, .. } = retired;
                let owner = Owner::Retired(version, name, since, at_ms, is_dropped);
                self.open = Some((owner, table.clone()));
            }
            None => {
                self.snapshot.retired.insert((version, kind, name), Arc::new(retired));
            }
        }
    }

    fn put_versions(&mut self, versions: Vec<Arc<TableVersion>>) {
        let Some((_, table)) = &mut self.open else { return };
        for mut version in versions {
            if version.shape.columns.is_empty() || version.shape == table.shape {
                // Most versions look as the table does, and may be kept without it: they share it, as when they were made.
                Arc::make_mut(&mut version).shape = Arc::clone(&table.shape);
            }
            table.history.insert(version.number, version);
        }
    }

    fn put_piece(&mut self, content: Content, is_owner: impl Fn(&Owner) -> bool) -> Result<()> {
        let table = match &mut self.open {
            Some((owner, table)) if is_owner(owner) => table,
            _ => return Err(damaged("is a piece of a table that is not there")),
        };
        match content {
            Content::Files(files) => files.into_iter().for_each(|file| table.files.insert(file)),
            Content::RetiredFiles(files) => {
                for (version, file) in files {
                    table.retired.insert((version, file.id), file);
                }
            }
            Content::Versions(versions) => self.put_versions(versions),
            _ => return Err(damaged("is of another kind than its key")),
        }
        Ok(())
    }

    /// No more pieces come for the table.
    fn close(&mut self) {
        let Some((owner, table)) = self.open.take() else { return };
        let definition = Arc::new(TableDefinition::Managed(table));
        match owner {
            Owner::Live(name) => {
                self.snapshot.tables.insert(name, definition);
            }
            Owner::Retired(version, name, since, at_ms, is_dropped) => {
                let retired = Retired { since, at_ms, is_dropped, object: Object::Table(definition) };
                self.snapshot.retired.insert((version, ObjectKind::Table, name), Arc::new(retired));
            }
        }
    }

    fn finish(mut self) -> Result<Snapshot> {
        self.close();
        if self.has_root { Ok(self.snapshot) } else { Err(damaged("is missing: the root")) }
    }
}
