//! Where the files of managed tables are: a folder, an object store, or nowhere.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use nyala_schema::id::TableId;
use nyala_schema::{Error, ErrorCode, Result};
use object_store::{ObjectStore, ObjectStoreScheme};
use uuid::Uuid;

use super::folder::{Folder, FolderFile};
use super::objects::{ObjectFile, Objects};

/// One folder for each table, named by its id. Cheap to clone; all calls block.
#[derive(Debug, Clone)]
pub struct Warehouse {
    place: Place,
    location: Arc<str>,
    /// What the names of new files begin with.
    owner: Arc<str>,
}

#[derive(Debug, Clone)]
enum Place {
    /// Keeps no files: rows stay in the catalog.
    None,
    Folder(Arc<Folder>),
    Objects(Arc<Objects>),
}

/// A file in the folder of a table. One whose name begins with a dot is being written, or was left by a crash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredFile {
    /// Relative to the folder of the table.
    pub path: String,
    pub bytes: u64,
    /// Milliseconds since 1970.
    pub modified_ms: i64,
}

impl Default for Warehouse {
    fn default() -> Self {
        Self::in_memory()
    }
}

impl Warehouse {
    /// `location` is a folder, made when it is missing, or the URL of an object store.
    ///
    /// # Errors
    /// InvalidParameter for a URL that is none or of a store that is not built in; FileAccess, ReadOnly, DiskFull.
    pub fn open(location: &str) -> Result<Self> {
        if !location.contains("://") {
            return Self::folder(Path::new(location), location);
        }
        let bad = |why: &dyn std::fmt::Display| {
            let message = format!("'{location}' is no warehouse: {why}");
            Error::new(ErrorCode::InvalidParameter, message).with_hint(
                "it is a folder, or a URL such as s3://bucket/path; clouds need a build with the feature cloud",
            )
        };
        let url = location.parse().map_err(|error| bad(&error))?;
        // The type of the URL follows from this call.
        let (scheme, _) = ObjectStoreScheme::parse(&url).map_err(|error| bad(&error))?;
        if scheme == ObjectStoreScheme::Local {
            // A folder of ours makes what it writes durable, which the object store's does not.
            let path = url.to_file_path().map_err(|()| bad(&"it has no path"))?;
            return Self::folder(&path, location);
        }
        let (store, root) = object_store::parse_url(&url).map_err(|error| bad(&error))?;
        Self::over(Arc::from(store), root.as_ref(), location)
    }

    fn folder(path: &Path, location: &str) -> Result<Self> {
        let place = Place::Folder(Arc::new(Folder::open(path)?));
        Ok(Self { place, location: location.into(), owner: "".into() })
    }

    /// Over an object store that is there already; `location` is for people.
    ///
    /// # Errors
    /// InvalidParameter when `root` is no path.
    pub fn over(store: Arc<dyn ObjectStore>, root: &str, location: &str) -> Result<Self> {
        let root = object_store::path::Path::parse(root).map_err(|error| {
            Error::new(
                ErrorCode::InvalidParameter,
                format!("'{root}' is no path in an object store: {error}"),
            )
        })?;
        let place = Place::Objects(Arc::new(Objects::new(store, root)?));
        Ok(Self { place, location: location.into(), owner: "".into() })
    }

    /// One that keeps no files.
    pub fn in_memory() -> Self {
        Self { place: Place::None, location: "memory".into(), owner: "".into() }
    }

    /// The same place as one of several that write there: names of its new files begin with `owner`, letters and digits, and a
    /// hyphen.
    #[must_use]
    pub fn owned_by(mut self, owner: &str) -> Self {
        self.owner = format!("{owner}-").into();
        self
    }

    /// Whether a file was begun, or finished, by the owner of this.
    pub fn owns(&self, path: &str) -> bool {
        path.strip_prefix('.').unwrap_or(path).starts_with(self.owner.as_ref())
    }

    /// A name that no other file has; of one owner, later ones sort after earlier ones.
    pub(super) fn new_name(&self, ending: &str) -> String {
        format!("{}{}.{ending}", self.owner, Uuid::now_v7().simple())
    }

    pub fn keeps_files(&self) -> bool {
        !matches!(self.place, Place::None)
    }

    /// As it was given.
    pub fn location(&self) -> &str {
        &self.location
    }

    /// Where a file is in the file system; `None` in an object store.
    pub fn local_path(&self, table: TableId, path: &str) -> Option<PathBuf> {
        match &self.place {
            Place::Folder(folder) => Some(folder.path(table, path)),
            Place::None | Place::Objects(_) => None,
        }
    }

    /// The files of a table, by path, those that are being written included; none when there is no such table.
    ///
    /// # Errors
    /// FileAccess.
    pub fn files(&self, table: TableId) -> Result<Vec<StoredFile>> {
        match &self.place {
            Place::None => Ok(vec![]),
            Place::Folder(folder) => folder.files(table),
            Place::Objects(objects) => objects.files(table),
        }
    }

    /// The tables that have a folder, ascending.
    ///
    /// # Errors
    /// FileAccess.
    pub fn tables(&self) -> Result<Vec<TableId>> {
        match &self.place {
            Place::None => Ok(vec![]),
            Place::Folder(folder) => folder.tables(),
            Place::Objects(objects) => objects.tables(),
        }
    }

    /// A file as a whole.
    ///
    /// # Errors
    /// FileAccess.
    pub fn read(&self, table: TableId, path: &str) -> Result<Bytes> {
        check_path(path)?;
        match &self.place {
            Place::None => Err(no_files(path)),
            Place::Folder(folder) => folder.read(table, path),
            Place::Objects(objects) => objects.read(table, path),
        }
    }

    /// Some bytes of a file.
    ///
    /// # Errors
    /// FileAccess; CorruptFile when the file ends before.
    pub fn read_range(&self, table: TableId, path: &str, range: Range<u64>) -> Result<Bytes> {
        check_path(path)?;
        if range.start >= range.end {
            return Ok(Bytes::new());
        }
        match &self.place {
            Place::None => Err(no_files(path)),
            Place::Folder(folder) => folder.read_range(table, path, range),
            Place::Objects(objects) => objects.read_range(table, path, range),
        }
    }

    /// Writes a file that is there, and durable, when this returns.
    ///
    /// # Errors
    /// FileAccess, ReadOnly, DiskFull: then there is no such file.
    pub fn write(&self, table: TableId, path: &str, bytes: &[u8]) -> Result<()> {
        let mut file = self.create(table, path)?;
        file.write_all(bytes)?;
        file.finish()
    }

    /// A file to write piece by piece.
    ///
    /// # Errors
    /// FileAccess, ReadOnly, DiskFull.
    pub fn create(&self, table: TableId, path: &str) -> Result<WarehouseFile> {
        check_path(path)?;
        Ok(match &self.place {
            Place::None => return Err(no_files(path)),
            Place::Folder(folder) => WarehouseFile::Folder(folder.create(table, path)?),
            Place::Objects(objects) => WarehouseFile::Object(objects.create(table, path)),
        })
    }

    /// A file that is gone already is no error.
    ///
    /// # Errors
    /// FileAccess, ReadOnly.
    pub fn remove(&self, table: TableId, path: &str) -> Result<()> {
        check_path(path)?;
        match &self.place {
            Place::None => Ok(()),
            Place::Folder(folder) => folder.remove(table, path),
            Place::Objects(objects) => objects.remove(table, path),
        }
    }

    /// With all its files.
    ///
    /// # Errors
    /// FileAccess, ReadOnly.
    pub fn remove_table(&self, table: TableId) -> Result<()> {
        match &self.place {
            Place::None => Ok(()),
            Place::Folder(folder) => folder.remove_table(table),
            Place::Objects(objects) => objects.remove_table(table),
        }
    }
}

/// A file that appears under its name when it is finished; dropped before, it leaves nothing.
#[derive(Debug)]
pub enum WarehouseFile {
    Folder(FolderFile),
    Object(ObjectFile),
}

impl WarehouseFile {
    /// # Errors
    /// FileAccess, ReadOnly, DiskFull.
    pub fn write_all(&mut self, bytes: &[u8]) -> Result<()> {
        match self {
            Self::Folder(file) => file.write_all(bytes).map_err(|error| file.error(&error)),
            Self::Object(file) => file.write_all(bytes),
        }
    }

    /// # Errors
    /// FileAccess, ReadOnly, DiskFull: then there is no such file.
    pub fn finish(self) -> Result<()> {
        match self {
            Self::Folder(file) => file.finish(),
            Self::Object(file) => file.finish(),
        }
    }
}

/// The table whose folder has a name.
pub fn table_of_name(name: &str) -> Option<TableId> {
    let id = TableId(u128::from_str_radix(name, 16).ok()?);
    (id.to_string() == name).then_some(id)
}

/// Paths are names in one folder: a catalog that was tampered with must not reach out of it.
pub(super) fn check_path(path: &str) -> Result<()> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    if !path.is_empty() && path.bytes().all(plain) && path != "." && path != ".." {
        return Ok(());
    }
    Err(Error::new(ErrorCode::CorruptFile, format!("'{path}' is not the name of a file of a table")))
}

fn no_files(path: &str) -> Error {
    let message = format!("there is no file '{path}': this engine keeps tables in memory");
    Error::new(ErrorCode::FileAccess, message).with_hint("give the engine a data directory or a warehouse")
}
