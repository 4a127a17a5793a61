//! What one backup consists of, as a text of lines that ends with its own checksum.
//!
//! `nyala backup 1`, then `version`, `at_ms`, `taken_ms`, `snapshot NAME BYTES SHA256`, and a line for each
//! `module HASH NAME BYTES SHA256` and `file TABLE NAME BYTES SHA256`; the last line is `sha256 …` of all before it.

use std::fmt::Write;

use nyala_schema::guest::ModuleHash;
use nyala_schema::id::TableId;
use nyala_schema::{Error, ErrorCode, Result};
use sha2::{Digest, Sha256};

const HEAD: &str = "nyala backup 1";

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// Of the catalog.
    pub version: u64,
    /// When that version came, milliseconds since 1970.
    pub at_ms: i64,
    /// When the backup was taken, milliseconds since 1970.
    pub taken_ms: i64,
    pub snapshot: KeptFile,
    pub modules: Vec<(ModuleHash, KeptFile)>,
    pub files: Vec<(TableId, KeptFile)>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct KeptFile {
    pub name: String,
    pub bytes: u64,
    /// In hexadecimal digits.
    pub sha256: String,
}

impl Manifest {
    pub fn to_text(&self) -> String {
        let mut text =
            format!("{HEAD}\nversion {}\nat_ms {}\ntaken_ms {}\n", self.version, self.at_ms, self.taken_ms);
        let _ = writeln!(text, "snapshot {}", self.snapshot.to_text());
        for (hash, file) in &self.modules {
            let _ = writeln!(text, "module {hash} {}", file.to_text());
        }
        for (table, file) in &self.files {
            let _ = writeln!(text, "file {table} {}", file.to_text());
        }
        let sum = hex(&Sha256::digest(text.as_bytes()));
        let _ = writeln!(text, "sha256 {sum}");
        text
    }

    /// # Errors
    /// `CorruptFile` when the text is not what was written.
    pub fn parse(text: &str, name: &str) -> Result<Self> {
        let damaged = || {
            Error::new(ErrorCode::CorruptFile, format!("the manifest {name} of the backup is damaged"))
                .with_hint("RESTORE … AS OF VERSION with the version of another backup may still go")
        };
        Self::parse_lines(text).ok_or_else(damaged)
    }

    fn parse_lines(text: &str) -> Option<Self> {
        let (body, sum) = text.trim_end().rsplit_once('\n')?;
        let body = format!("{body}\n");
        if sum != format!("sha256 {}", hex(&Sha256::digest(body.as_bytes()))) {
            return None;
        }
        let mut lines = body.lines();
        if lines.next()? != HEAD {
            return None;
        }
        let mut manifest = Self {
            version: lines.next()?.strip_prefix("version ")?.parse().ok()?,
            at_ms: lines.next()?.strip_prefix("at_ms ")?.parse().ok()?,
            taken_ms: lines.next()?.strip_prefix("taken_ms ")?.parse().ok()?,
            snapshot: KeptFile::parse(lines.next()?.strip_prefix("snapshot ")?)?,
            modules: Vec::new(),
            files: Vec::new(),
        };
        for line in lines {
            let (kind, rest) = line.split_once(' ')?;
            let (id, file) = rest.split_once(' ')?;
            let file = KeptFile::parse(file)?;
            match kind {
                "module" => manifest.modules.push((ModuleHash::parse(id)?, file)),
                "file" => manifest.files.push((TableId(u128::from_str_radix(id, 16).ok()?), file)),
                _ => return None,
            }
        }
        Some(manifest)
    }
}

impl KeptFile {
    fn to_text(&self) -> String {
        format!("{} {} {}", self.name, self.bytes, self.sha256)
    }

    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split(' ');
        let file = Self {
            name: parts.next()?.to_owned(),
            bytes: parts.next()?.parse().ok()?,
            sha256: parts.next()?.to_owned(),
        };
        parts.next().is_none().then_some(file)
    }
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn manifests_come_back_and_damage_is_seen() {
        let file = |name: &str| KeptFile { name: name.to_owned(), bytes: 7, sha256: "ab".to_owned() };
        let manifest = Manifest {
            version: 3,
            at_ms: -5,
            taken_ms: 9,
            snapshot: file("s"),
            modules: vec![(ModuleHash([7; 32]), file("m"))],
            files: vec![(TableId(12), file("f.parquet"))],
        };
        let text = manifest.to_text();
        assert_eq!(Manifest::parse(&text, "m").unwrap(), manifest);
        for at in 0..text.trim_end().len() {
            let mut bytes = text.clone().into_bytes();
            bytes[at] ^= 1;
            let flipped = String::from_utf8_lossy(&bytes);
            assert!(Manifest::parse(&flipped, "m").is_err(), "byte {at}");
            assert!(Manifest::parse(&text[..at], "m").is_err(), "cut at {at}");
        }
    }
}
