//! A warehouse in an object store.

use std::fmt;
use std::future::Future;
use std::io;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::TryStreamExt;
use nyala_schema::id::TableId;
use nyala_schema::{Error, ErrorCode, Result};
use object_store::path::Path;
use object_store::{MultipartUpload, ObjectStore, ObjectStoreExt, PutPayload};
use tokio::runtime::{Builder, Handle, Runtime};

use super::folder::write_failure;
use super::warehouse::{StoredFile, table_of_name};

/// Parts of an upload; most stores want at least 5 MiB, and all but the last of one size.
const PART_BYTES: usize = 8 << 20;

/// Calls block: the runtime does the input and output of this warehouse only.
pub struct Objects {
    store: Arc<dyn ObjectStore>,
    root: Path,
    /// `None` only while it is dropped.
    runtime: Option<Runtime>,
}

impl Drop for Objects {
    /// A thread that drives another runtime may not wait for the end of this one.
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl fmt::Debug for Objects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.store, self.root)
    }
}

impl Objects {
    pub fn new(store: Arc<dyn ObjectStore>, root: Path) -> Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime =
            runtime.map_err(|error| Error::internal(format!("no runtime for an object store: {error}")))?;
        Ok(Self { store, root, runtime: Some(runtime) })
    }

    /// A thread that drives another runtime may not block on this one, so a new thread does.
    fn wait<T: Send>(&self, task: impl Future<Output = T> + Send) -> T {
        let runtime = self.runtime.as_ref().expect("the runtime lives as long as what it is for");
        if Handle::try_current().is_err() {
            return runtime.block_on(task);
        }
        std::thread::scope(|scope| match scope.spawn(|| runtime.block_on(task)).join() {
            Ok(value) => value,
            Err(panic) => std::panic::resume_unwind(panic),
        })
    }

    fn table(&self, table: TableId) -> Path {
        self.root.clone().join(table.to_string())
    }

    fn path(&self, table: TableId, path: &str) -> Path {
        self.table(table).join(path)
    }

    pub fn files(&self, table: TableId) -> Result<Vec<StoredFile>> {
        let folder = self.table(table);
        let listed: Vec<_> = self
            .wait(self.store.list(Some(&folder)).try_collect())
            .map_err(|error| read_error(&folder, error))?;
        let mut files: Vec<StoredFile> = listed
            .into_iter()
            .filter_map(|object| {
                Some(StoredFile {
                    path: object.location.filename()?.to_owned(),
                    bytes: object.size,
                    modified_ms: object.last_modified.timestamp_millis(),
                })
            })
            .collect();
        files.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(files)
    }

    pub fn tables(&self) -> Result<Vec<TableId>> {
        let listed = self
            .wait(self.store.list_with_delimiter(Some(&self.root)))
            .map_err(|error| read_error(&self.root, error))?;
        let names = listed.common_prefixes.iter().filter_map(Path::filename);
        let mut tables: Vec<TableId> = names.filter_map(table_of_name).collect();
        tables.sort_unstable();
        Ok(tables)
    }

    pub fn read(&self, table: TableId, path: &str) -> Result<Bytes> {
        let path = self.path(table, path);
        self.wait(async { self.store.get(&path).await?.bytes().await })
            .map_err(|error| read_error(&path, error))
    }

    pub fn read_range(&self, table: TableId, path: &str, range: Range<u64>) -> Result<Bytes> {
        let path = self.path(table, path);
        self.wait(self.store.get_range(&path, range)).map_err(|error| read_error(&path, error))
    }

    /// A file that is gone already is no error.
    pub fn remove(&self, table: TableId, path: &str) -> Result<()> {
        let path = self.path(table, path);
        match self.wait(self.store.delete(&path)) {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(change_error(&format!("'{path}' cannot be removed"), error)),
        }
    }

    pub fn remove_table(&self, table: TableId) -> Result<()> {
        self.files(table)?.iter().try_for_each(|file| self.remove(table, &file.path))
    }

    /// Small files are put in one request, larger ones in parts.
    pub fn create(self: &Arc<Self>, table: TableId, path: &str) -> ObjectFile {
        ObjectFile {
            objects: Arc::clone(self),
            path: self.path(table, path),
            buffer: Vec::new(),
            upload: None,
        }
    }
}

/// An object that is there when it is finished; given up when it is dropped before.
#[derive(Debug)]
pub struct ObjectFile {
    objects: Arc<Objects>,
    path: Path,
    buffer: Vec<u8>,
    upload: Option<Box<dyn MultipartUpload>>,
}

impl ObjectFile {
    pub fn write_all(&mut self, mut bytes: &[u8]) -> Result<()> {
        while self.buffer.len() + bytes.len() >= PART_BYTES {
            let (part, rest) = bytes.split_at(PART_BYTES - self.buffer.len());
            self.buffer.extend_from_slice(part);
            bytes = rest;
            self.put_part()?;
        }
        self.buffer.extend_from_slice(bytes);
        Ok(())
    }

    fn put_part(&mut self) -> Result<()> {
        let part = PutPayload::from(std::mem::take(&mut self.buffer));
        let objects = Arc::clone(&self.objects);
        if self.upload.is_none() {
            let upload = objects.wait(objects.store.put_multipart(&self.path));
            self.upload = Some(upload.map_err(|error| self.error(error))?);
        }
        let Some(upload) = &mut self.upload else { return Ok(()) };
        let sent = objects.wait(upload.put_part(part));
        sent.map_err(|error| self.error(error))
    }

    pub fn finish(mut self) -> Result<()> {
        let objects = Arc::clone(&self.objects);
        if self.upload.is_none() {
            let payload = PutPayload::from(std::mem::take(&mut self.buffer));
            let put = objects.wait(objects.store.put(&self.path, payload));
            return put.map(drop).map_err(|error| self.error(error));
        }
        if !self.buffer.is_empty() {
            self.put_part()?;
        }
        let Some(mut upload) = self.upload.take() else { return Ok(()) };
        let completed = objects.wait(upload.complete());
        completed.map(drop).map_err(|error| {
            let _ = objects.wait(upload.abort());
            self.error(error)
        })
    }

    fn error(&self, error: object_store::Error) -> Error {
        change_error(&format!("'{}' cannot be written", self.path), error)
    }
}

impl Drop for ObjectFile {
    fn drop(&mut self) {
        if let Some(mut upload) = self.upload.take() {
            // Nobody is left to tell; stores drop parts that were never completed after a time.
            let _ = self.objects.wait(upload.abort());
        }
    }
}

fn read_error(path: &Path, error: object_store::Error) -> Error {
    match error {
        object_store::Error::NotFound { .. } => {
            Error::new(ErrorCode::FileAccess, format!("there is no object '{path}'"))
                .with_hint("the warehouse lost a file: restore it from a backup")
        }
        other => Error::new(ErrorCode::FileAccess, format!("'{path}' cannot be read: {other}"))
            .with_hint("look at the store's address and the rights of its credentials"),
    }
}

fn change_error(what: &str, error: object_store::Error) -> Error {
    use object_store::Error as E;
    if let Some(cause) = system_error(&error) {
        return write_failure(what, cause);
    }
    match error {
        E::PermissionDenied { .. } | E::Unauthenticated { .. } => {
            Error::new(ErrorCode::ReadOnly, format!("{what}: {error}"))
                .with_hint("give the credentials of the warehouse the right to write")
        }
        other => Error::new(ErrorCode::FileAccess, format!("{what}: {other}"))
            .with_hint("look at the store's address, and whether it can be reached"),
    }
}

/// What the operating system said, for stores over a file system.
fn system_error(error: &object_store::Error) -> Option<&io::Error> {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(at) = cause {
        if let Some(found) = at.downcast_ref::<io::Error>() {
            return Some(found);
        }
        cause = at.source();
    }
    None
}
