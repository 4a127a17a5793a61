//! Which format a file has, by its name.

use nyala_schema::scan::{Compression, CsvOptions, FileFormat};

/// The endings that [`of_path`] knows, for hints.
pub const KNOWN_ENDINGS: &str = ".parquet, .pq, .csv, .tsv, .json, .ndjson, .jsonl, .arrow, .ipc, .feather; \
                                 text also with .gz or .zst";

/// The format that a file's name announces; `None` for an unknown ending.
pub fn of_path(path: &str) -> Option<FileFormat> {
    let lower = path.to_lowercase();
    let (stem, compression) = split_compression(&lower);
    let ending = stem.rsplit('/').next()?.rsplit_once('.')?.1;
    let plain = compression == Compression::None;
    match ending {
        "parquet" | "pq" | "parq" if plain => Some(FileFormat::Parquet),
        "arrow" | "ipc" | "feather" | "arrows" if plain => Some(FileFormat::Arrow),
        "csv" => Some(FileFormat::Csv(CsvOptions { compression, ..CsvOptions::default() })),
        "tsv" | "tab" => {
            Some(FileFormat::Csv(CsvOptions { delimiter: b'\t', compression, ..CsvOptions::default() }))
        }
        "json" | "ndjson" | "jsonl" => Some(FileFormat::Json(compression)),
        _ => None,
    }
}

/// Takes `.gz` or `.zst` off a path.
pub fn split_compression(path: &str) -> (&str, Compression) {
    for (ending, compression) in [
        (".gz", Compression::Gzip),
        (".gzip", Compression::Gzip),
        (".zst", Compression::Zstd),
        (".zstd", Compression::Zstd),
    ] {
        if let Some(stem) = path.strip_suffix(ending) {
            return (stem, compression);
        }
    }
    (path, Compression::None)
}

/// Whether two formats are read by the same reader, options aside.
pub fn same_kind(left: &FileFormat, right: &FileFormat) -> bool {
    std::mem::discriminant(left) == std::mem::discriminant(right)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endings_tell_format_and_compression() {
        assert_eq!(of_path("a/b.PARQUET"), Some(FileFormat::Parquet));
        assert_eq!(of_path("a.b/c"), None);
        assert_eq!(of_path("x.parquet.gz"), None);
        assert_eq!(of_path("x.ndjson.zst"), Some(FileFormat::Json(Compression::Zstd)));
        match of_path("x.tsv.gz") {
            Some(FileFormat::Csv(options)) => {
                assert_eq!((options.delimiter, options.compression), (b'\t', Compression::Gzip));
            }
            other => panic!("{other:?}"),
        }
    }
}
