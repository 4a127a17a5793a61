//! The bytes of a text file, decompressed, without a byte order mark.

use std::io::{self, BufRead, BufReader, Read};

use nyala_schema::scan::Compression;
use nyala_schema::{Error, ErrorCode, Result};

use crate::file::{FileCursor, FileHandle, access_error};

/// Bytes that are read at a time.
const BUFFER_BYTES: usize = 256 << 10;

pub type Input = BufReader<Box<dyn Read + Send>>;

/// The compression that a file's first bytes show, whatever its name says.
pub fn compression(file: &FileHandle) -> Result<Compression> {
    let mut magic = [0u8; 4];
    let read = file.read_some_at(0, &mut magic).map_err(|error| access_error(file.path(), &error))?;
    Ok(match &magic[..read] {
        [0x1f, 0x8b, ..] => Compression::Gzip,
        [0x28, 0xb5, 0x2f, 0xfd] => Compression::Zstd,
        _ => Compression::None,
    })
}

/// The whole file from its start.
///
/// # Errors
/// FileAccess.
pub fn open(file: &FileHandle) -> Result<Input> {
    let stored = file.cursor();
    let plain: Box<dyn Read + Send> = match compression(file)? {
        Compression::None => Box::new(stored),
        Compression::Gzip => Box::new(flate2::read::MultiGzDecoder::new(BufReader::new(stored))),
        Compression::Zstd => Box::new(
            zstd::stream::read::Decoder::new(stored).map_err(|error| access_error(file.path(), &error))?,
        ),
    };
    let mut input = BufReader::with_capacity(BUFFER_BYTES, plain);
    let start = input.fill_buf().map_err(|error| read_error(file.path(), &error))?;
    if start.starts_with(&[0xef, 0xbb, 0xbf]) {
        input.consume(3);
    }
    Ok(input)
}

/// A part of an uncompressed file that does not start at its beginning.
pub fn open_part(file: &FileHandle, start: u64, end: u64) -> Input {
    let part: FileCursor = file.cursor_over(start, end);
    BufReader::with_capacity(BUFFER_BYTES, Box::new(part))
}

pub fn read_error(path: &str, error: &io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput | io::ErrorKind::UnexpectedEof => {
            Error::new(ErrorCode::CorruptFile, format!("'{path}' cannot be decompressed: {error}"))
        }
        io::ErrorKind::Other => {
            Error::new(ErrorCode::CorruptFile, format!("'{path}' cannot be decompressed: {error}"))
        }
        _ => access_error(path, error),
    }
}

/// The first `bytes_max` bytes, decompressed, and whether that is all there is.
///
/// # Errors
/// FileAccess, CorruptFile.
pub fn sample(file: &FileHandle, bytes_max: usize) -> Result<(Vec<u8>, bool)> {
    let mut input = open(file)?;
    let mut bytes = Vec::new();
    input
        .by_ref()
        .take(bytes_max as u64)
        .read_to_end(&mut bytes)
        .map_err(|error| read_error(file.path(), &error))?;
    let rest = input.fill_buf().map_err(|error| read_error(file.path(), &error))?;
    let complete = rest.is_empty();
    Ok((bytes, complete))
}

/// Line breaks before byte `end` of an uncompressed file; for errors only.
pub fn lines_before(file: &FileHandle, end: u64) -> u64 {
    let mut input = open_part(file, 0, end);
    let mut lines = 0;
    while let Ok(buffer) = input.fill_buf() {
        if buffer.is_empty() {
            break;
        }
        lines += buffer.iter().filter(|byte| **byte == b'\n').count() as u64;
        let length = buffer.len();
        input.consume(length);
    }
    lines
}
