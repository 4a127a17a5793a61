//! What the owner of a table chooses: `WITH (retention = '30 days')`. One table feeds parsing, SHOW and help.

use crate::error::{Error, ErrorCode, Result};
use crate::option::{format_bytes, parse_bytes};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableProperties {
    /// How long old versions are kept, milliseconds.
    pub retention_ms: u64,
    /// How many versions are kept at most.
    pub retention_versions: u64,
    pub compression: FileCompression,
    /// Bytes of a data file, about.
    pub file_bytes: u64,
    /// Rows of a row group, at most.
    pub row_group_rows: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileCompression {
    None,
    Snappy,
    Lz4,
    Zstd,
}

const DAY_MS: u64 = 86_400_000;

impl Default for TableProperties {
    fn default() -> Self {
        Self {
            retention_ms: 7 * DAY_MS,
            retention_versions: 10_000,
            compression: FileCompression::Zstd,
            file_bytes: 128 << 20,
            row_group_rows: 122_880,
        }
    }
}

/// One property as people see it.
pub struct PropertyInfo {
    pub name: &'static str,
    pub description: &'static str,
    get: fn(&TableProperties) -> String,
    set: fn(&mut TableProperties, &str) -> Result<(), &'static str>,
}

pub const PROPERTIES: &[PropertyInfo] = &[
    PropertyInfo {
        name: "retention",
        description: "how long old versions are kept, e.g. 7 days or 12 hours",
        get: |properties| format_duration(properties.retention_ms),
        set: |properties, text| {
            properties.retention_ms = parse_duration(text).ok_or("a time such as 7 days or 12 hours")?;
            Ok(())
        },
    },
    PropertyInfo {
        name: "retention_versions",
        description: "how many versions are kept at most",
        get: |properties| properties.retention_versions.to_string(),
        set: |properties, text| {
            let number = text.parse().ok().filter(|number| *number >= 1);
            properties.retention_versions = number.ok_or("a number from 1 on")?;
            Ok(())
        },
    },
    PropertyInfo {
        name: "compression",
        description: "of data files: none, snappy, lz4, or zstd (numbers by lz4, which is read faster)",
        get: |properties| format!("{:?}", properties.compression).to_lowercase(),
        set: |properties, text| {
            properties.compression = match text.to_lowercase().as_str() {
                "none" | "uncompressed" => FileCompression::None,
                "snappy" => FileCompression::Snappy,
                "lz4" => FileCompression::Lz4,
                "zstd" => FileCompression::Zstd,
                _ => return Err("one of none, snappy, lz4, zstd"),
            };
            Ok(())
        },
    },
    PropertyInfo {
        name: "file_size",
        description: "size of a data file, about, e.g. 128MiB",
        get: |properties| format_bytes(properties.file_bytes),
        set: |properties, text| {
            let bytes = parse_bytes(text).filter(|bytes| *bytes > 0);
            properties.file_bytes = bytes.ok_or("a size such as 128MiB")?;
            Ok(())
        },
    },
    PropertyInfo {
        name: "row_group_rows",
        description: "rows of a row group at most",
        get: |properties| properties.row_group_rows.to_string(),
        set: |properties, text| {
            let rows = text.parse().ok().filter(|rows| (1..=ROW_GROUP_ROWS_MAX).contains(rows));
            properties.row_group_rows = rows.ok_or("a number from 1 to 16777216")?;
            Ok(())
        },
    },
];

const ROW_GROUP_ROWS_MAX: usize = 1 << 24;

impl TableProperties {
    /// # Errors
    /// `InvalidParameter` for a name or value that is not known.
    pub fn set(&mut self, name: &str, value: &str) -> Result<()> {
        let info = find(name)?;
        (info.set)(self, value).map_err(|takes| {
            let error = Error::new(ErrorCode::InvalidParameter, format!("{name} cannot be '{value}'"));
            error.with_hint(format!("it takes {takes}"))
        })
    }

    /// Gives a property its default.
    ///
    /// # Errors
    /// `InvalidParameter` for a name that is not known.
    pub fn reset(&mut self, name: &str) -> Result<()> {
        let value = (find(name)?.get)(&Self::default());
        self.set(name, &value)
    }

    /// Those that are not as by default, by name.
    pub fn chosen(&self) -> Vec<(&'static str, String)> {
        let default = Self::default();
        let chosen = PROPERTIES.iter().filter(|info| (info.get)(self) != (info.get)(&default));
        chosen.map(|info| (info.name, (info.get)(self))).collect()
    }

    /// All, by name.
    pub fn all(&self) -> Vec<(&'static str, String)> {
        PROPERTIES.iter().map(|info| (info.name, (info.get)(self))).collect()
    }
}

fn find(name: &str) -> Result<&'static PropertyInfo> {
    PROPERTIES.iter().find(|info| info.name == name).ok_or_else(|| {
        let known: Vec<&str> = PROPERTIES.iter().map(|info| info.name).collect();
        Error::new(ErrorCode::InvalidParameter, format!("a table has no property \"{name}\""))
            .with_hint(format!("properties are {}", known.join(", ")))
    })
}

/// The units of times, longest first, with their milliseconds.
const UNITS: [(&str, u64); 5] =
    [("day", DAY_MS), ("hour", 3_600_000), ("minute", 60_000), ("second", 1000), ("ms", 1)];

/// `7 days`, `12 hours`, `90 seconds`.
pub fn parse_duration(text: &str) -> Option<u64> {
    let text = text.trim().to_lowercase();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let number: u64 = text[..digits].parse().ok()?;
    let unit = text[digits..].trim();
    let unit = unit.strip_suffix('s').filter(|unit| unit.len() > 1).unwrap_or(unit);
    let (_, scale) = UNITS.iter().find(|(name, _)| *name == unit || name[..1] == *unit && unit != "m")?;
    number.checked_mul(*scale)
}

/// In the greatest unit that divides it.
pub fn format_duration(milliseconds: u64) -> String {
    let whole = UNITS.iter().find(|(_, scale)| milliseconds.is_multiple_of(*scale) && milliseconds > 0);
    let (name, scale) = whole.unwrap_or(&UNITS[3]);
    let number = milliseconds / scale;
    let plural = if number == 1 || *name == "ms" { "" } else { "s" };
    format!("{number} {name}{plural}")
}
