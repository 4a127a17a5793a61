//! The files of a table, in chunks: a change costs the chunk that it falls into, a copy nothing.

use std::sync::Arc;

use imbl::OrdMap;

use super::data_file::DataFile;
use crate::id::FileId;

/// Files of one chunk, at most.
const CHUNK_FILES: u64 = 256;

/// In the order of their ids. Copies share what they have in common.
#[derive(Debug, Clone, Default)]
pub struct FileList {
    chunks: OrdMap<u64, Chunk>,
    files: usize,
}

/// The files whose id divided by the size of a chunk is the chunk's number, in the order of their ids. Two are equal when
/// they are one: a comparison of maps of them looks at no file.
#[derive(Debug, Clone, Default)]
struct Chunk(Arc<Vec<Arc<DataFile>>>);

impl PartialEq for Chunk {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl FileList {
    pub fn len(&self) -> usize {
        self.files
    }

    pub fn is_empty(&self) -> bool {
        self.files == 0
    }

    pub fn get(&self, id: FileId) -> Option<&Arc<DataFile>> {
        let chunk = &self.chunks.get(&chunk_of(id))?.0;
        chunk.binary_search_by_key(&id, |file| file.id).ok().map(|at| &chunk[at])
    }

    /// Puts a file in; one of the same id is replaced.
    pub fn insert(&mut self, file: Arc<DataFile>) {
        let chunk = Arc::make_mut(&mut self.chunks.entry(chunk_of(file.id)).or_default().0);
        match chunk.binary_search_by_key(&file.id, |it| it.id) {
            Ok(at) => chunk[at] = file,
            Err(at) => {
                chunk.insert(at, file);
                self.files += 1;
            }
        }
    }

    pub fn remove(&mut self, id: FileId) -> Option<Arc<DataFile>> {
        let number = chunk_of(id);
        let chunk = &mut self.chunks.get_mut(&number)?.0;
        let at = chunk.binary_search_by_key(&id, |file| file.id).ok()?;
        let file = Arc::make_mut(chunk).remove(at);
        if chunk.is_empty() {
            self.chunks.remove(&number);
        }
        self.files -= 1;
        Some(file)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Arc<DataFile>> {
        self.chunks.values().flat_map(|chunk| chunk.0.iter())
    }

    /// The chunks with their numbers, for what is kept chunk by chunk.
    pub fn chunks(&self) -> impl Iterator<Item = (u64, &[Arc<DataFile>])> {
        self.chunks.iter().map(|(number, chunk)| (*number, chunk.0.as_slice()))
    }

    /// The numbers of the chunks in which two lists differ, or do not share: costs what differs, not what there is, where one
    /// was made from the other.
    pub fn changed_chunks(&self, other: &Self) -> Vec<u64> {
        self.chunks
            .diff(&other.chunks)
            .map(|change| match change {
                imbl::ordmap::DiffItem::Add(number, _) | imbl::ordmap::DiffItem::Remove(number, _) => *number,
                imbl::ordmap::DiffItem::Update { new: (number, _), .. } => *number,
            })
            .collect()
    }

    /// One chunk's files; none when there is no such chunk.
    pub fn chunk(&self, number: u64) -> &[Arc<DataFile>] {
        self.chunks.get(&number).map_or(&[], |chunk| chunk.0.as_slice())
    }
}

fn chunk_of(id: FileId) -> u64 {
    id.0 / CHUNK_FILES
}

impl PartialEq for FileList {
    fn eq(&self, other: &Self) -> bool {
        self.files == other.files
            && (self.chunks.ptr_eq(&other.chunks)
                || self
                    .changed_chunks(other)
                    .into_iter()
                    .all(|number| self.chunk(number) == other.chunk(number)))
    }
}

impl FromIterator<Arc<DataFile>> for FileList {
    fn from_iter<I: IntoIterator<Item = Arc<DataFile>>>(files: I) -> Self {
        let mut list = Self::default();
        files.into_iter().for_each(|file| list.insert(file));
        list
    }
}
