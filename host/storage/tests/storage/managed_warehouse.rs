//! Warehouses: what they keep, and what they say when they cannot.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arrow::array::Int64Array;
use arrow::datatypes::DataType;
use async_trait::async_trait;
use futures_util::stream::BoxStream;
use nyala_schema::ErrorCode;
use nyala_schema::id::TableId;
use nyala_schema::managed::TableProperties;
use nyala_storage::managed::Warehouse;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};

use crate::managed_support::{TABLE, batch, shape, to_files, write};

#[test]
fn files_are_kept_by_folders_and_object_stores() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("not there yet");
    let url = format!("file://{}/with%20spaces", folder.path().display());
    for location in [path.to_str().unwrap(), "memory:///some/where", &url] {
        let warehouse = Warehouse::open(location).unwrap();
        assert!(warehouse.keeps_files());
        assert_eq!(warehouse.location(), location);
        assert_eq!(warehouse.tables().unwrap(), []);
        assert_eq!(warehouse.files(TABLE).unwrap(), []);
        warehouse.write(TABLE, "b.parquet", b"some bytes").unwrap();
        warehouse.write(TABLE, "a.parquet", b"").unwrap();
        warehouse.write(TableId(7), "c.parquet", b"other").unwrap();
        let files = warehouse.files(TABLE).unwrap();
        let known: Vec<(&str, u64)> = files.iter().map(|file| (file.path.as_str(), file.bytes)).collect();
        assert_eq!(known, [("a.parquet", 0), ("b.parquet", 10)]);
        assert!(files.iter().all(|file| file.modified_ms > 1_700_000_000_000));
        assert_eq!(warehouse.tables().unwrap(), [TableId(7), TABLE]);
        assert_eq!(warehouse.read(TABLE, "b.parquet").unwrap().as_ref(), b"some bytes");
        assert_eq!(warehouse.read_range(TABLE, "b.parquet", 5..8).unwrap().as_ref(), b"byt");
        assert_eq!(warehouse.read_range(TABLE, "b.parquet", 5..5).unwrap().as_ref(), b"");
        warehouse.remove(TABLE, "b.parquet").unwrap();
        warehouse.remove(TABLE, "b.parquet").unwrap();
        let error = warehouse.read(TABLE, "b.parquet").unwrap_err();
        assert_eq!(error.code(), ErrorCode::FileAccess);
        assert!(error.hint().is_some());
        warehouse.remove_table(TABLE).unwrap();
        warehouse.remove_table(TABLE).unwrap();
        assert_eq!(warehouse.files(TABLE).unwrap(), []);
        assert_eq!(warehouse.tables().unwrap(), [TableId(7)]);
    }
    assert!(folder.path().join("with spaces").is_dir());
}

#[test]
fn a_file_is_there_when_it_is_finished() {
    let folder = tempfile::tempdir().unwrap();
    let part = vec![7u8; 3 << 20];
    for location in [folder.path().to_str().unwrap(), "memory:///"] {
        let warehouse = Warehouse::open(location).unwrap();
        let visible = || -> Vec<(String, u64)> {
            let files = warehouse.files(TABLE).unwrap().into_iter();
            files.filter(|file| !file.path.starts_with('.')).map(|file| (file.path, file.bytes)).collect()
        };
        let mut file = warehouse.create(TABLE, "large").unwrap();
        for _ in 0..7 {
            file.write_all(&part).unwrap();
        }
        assert_eq!(visible(), []);
        file.finish().unwrap();
        assert_eq!(visible(), [("large".to_owned(), 21 << 20)]);
        assert!(warehouse.read(TABLE, "large").unwrap().iter().all(|byte| *byte == 7));

        let mut file = warehouse.create(TABLE, "given up").err().map_or_else(
            || panic!("a space is no part of a name"),
            |error| {
                assert_eq!(error.code(), ErrorCode::CorruptFile);
                warehouse.create(TABLE, "given-up").unwrap()
            },
        );
        (0..4).for_each(|_| file.write_all(&part).unwrap());
        drop(file);
        assert_eq!(warehouse.files(TABLE).unwrap().len(), 1);
    }
}

#[test]
fn names_stay_inside_of_the_table() {
    let folder = tempfile::tempdir().unwrap();
    let warehouse = Warehouse::open(folder.path().to_str().unwrap()).unwrap();
    for path in ["", ".", "..", "../x", "/etc/passwd", "a/b", "a\0b"] {
        assert_eq!(warehouse.read(TABLE, path).unwrap_err().code(), ErrorCode::CorruptFile, "{path:?}");
        assert_eq!(
            warehouse.write(TABLE, path, b"x").unwrap_err().code(),
            ErrorCode::CorruptFile,
            "{path:?}"
        );
        assert_eq!(warehouse.remove(TABLE, path).unwrap_err().code(), ErrorCode::CorruptFile, "{path:?}");
    }
}

#[test]
fn locations_that_are_none_are_refused() {
    for location in ["nowhere://x", "ftp://host/x", "://"] {
        let error = Warehouse::open(location).unwrap_err();
        assert_eq!(error.code(), ErrorCode::InvalidParameter, "{location}");
        assert!(error.hint().is_some());
    }
    let file = tempfile::NamedTempFile::new().unwrap();
    assert_eq!(Warehouse::open(file.path().to_str().unwrap()).unwrap_err().code(), ErrorCode::FileAccess);
}

/// The kernel's own file system takes no folders, from nobody.
#[test]
fn a_folder_that_is_read_only_says_so() {
    let error = Warehouse::open("/sys/nyala-warehouse").unwrap_err();
    assert_eq!(error.code(), ErrorCode::ReadOnly, "{error}");
    assert!(error.hint().is_some());
}

#[test]
fn a_warehouse_that_is_gone_does_not_come_again_empty() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("warehouse");
    let warehouse = Warehouse::open(root.to_str().unwrap()).unwrap();
    std::fs::remove_dir_all(&root).unwrap();
    let shape = shape(&[DataType::Int64]);
    let rows = [batch(&shape, vec![Arc::new(Int64Array::from_iter_values(0..1000))])];
    let error = write(&warehouse, &shape, &TableProperties::default(), to_files(), &rows).unwrap_err();
    assert_eq!(error.code(), ErrorCode::FileAccess);
    assert!(error.message().contains("is gone"), "{error}");
    assert!(error.hint().is_some());
    assert!(!root.exists());
    assert_eq!(warehouse.files(TABLE).unwrap_err().code(), ErrorCode::FileAccess);
    assert_eq!(warehouse.tables().unwrap_err().code(), ErrorCode::FileAccess);
}

#[test]
fn nothing_is_left_of_files_that_cannot_be_finished() {
    let folder = tempfile::tempdir().unwrap();
    let warehouse = Warehouse::open(folder.path().to_str().unwrap()).unwrap();
    // Where the file should be is a folder.
    std::fs::create_dir_all(folder.path().join(TABLE.to_string()).join("x/y")).unwrap();
    assert!(warehouse.write(TABLE, "x", b"bytes").is_err());
    assert_eq!(warehouse.files(TABLE).unwrap(), []);
}

/// An object store over memory that fails after so many writes.
#[derive(Debug)]
struct FailingStore {
    inner: InMemory,
    writes_left: AtomicUsize,
    failure: io::ErrorKind,
}

impl FailingStore {
    fn new(writes: usize, failure: io::ErrorKind) -> Arc<Self> {
        Arc::new(Self { inner: InMemory::new(), writes_left: AtomicUsize::new(writes), failure })
    }

    fn check(&self) -> Result<()> {
        let left =
            self.writes_left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        left.map(drop)
            .map_err(|_| Error::Generic { store: "failing", source: Box::new(io::Error::from(self.failure)) })
    }
}

impl fmt::Display for FailingStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("failing")
    }
}

#[async_trait]
impl ObjectStore for FailingStore {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        self.check()?;
        self.inner.put_opts(location, payload, options).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.check()?;
        self.inner.put_multipart_opts(location, options).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.inner.get_opts(location, options).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}

#[test]
fn a_store_that_fails_leaves_no_files_and_says_what_to_do() {
    let shape = shape(&[DataType::Int64]);
    let rows: Vec<_> = (0..10)
        .map(|at| batch(&shape, vec![Arc::new(Int64Array::from_iter_values(at * 10_000..(at + 1) * 10_000))]))
        .collect();
    // Ten files of one row group each.
    let properties = TableProperties { file_bytes: 1, row_group_rows: 10_000, ..TableProperties::default() };
    for (failure, code) in [
        (io::ErrorKind::StorageFull, ErrorCode::DiskFull),
        (io::ErrorKind::ReadOnlyFilesystem, ErrorCode::ReadOnly),
        (io::ErrorKind::PermissionDenied, ErrorCode::ReadOnly),
        (io::ErrorKind::TimedOut, ErrorCode::FileAccess),
    ] {
        for writes in [0, 1, 5] {
            let warehouse = Warehouse::over(FailingStore::new(writes, failure), "", "failing").unwrap();
            let error = write(&warehouse, &shape, &properties, to_files(), &rows).unwrap_err();
            assert_eq!(error.code(), code, "{error}");
            assert_eq!(warehouse.files(TABLE).unwrap(), [], "{failure:?} after {writes}");
        }
        let warehouse = Warehouse::over(FailingStore::new(1000, failure), "", "failing").unwrap();
        let written = write(&warehouse, &shape, &properties, to_files(), &rows).unwrap();
        assert_eq!(warehouse.files(TABLE).unwrap().len(), written.files.len());
    }
}

/// A warehouse is used from threads that drive runtimes of their own.
#[test]
fn object_stores_are_read_inside_of_a_runtime() {
    let warehouse = Warehouse::open("memory:///").unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let read = runtime.block_on(async {
        warehouse.write(TABLE, "x", b"bytes").unwrap();
        let read = warehouse.read(TABLE, "x").unwrap();
        drop(warehouse);
        read
    });
    assert_eq!(read.as_ref(), b"bytes");
}
