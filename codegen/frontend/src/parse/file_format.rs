//! File formats and their options, as CREATE EXTERNAL TABLE and COPY write them.

use nyala_schema::scan::{Compression, CsvOptions, FileFormat};
use nyala_schema::{Error, ErrorCode, Result};
use sqlparser::tokenizer::Token;

use super::StatementParser;
use crate::suggest::{did_you_mean, nearest, quoted};

/// Options by their usual name, in the order in which they were given.
#[derive(Debug, Default)]
pub(super) struct FileOptions(Vec<(String, String)>);

/// Names that other systems give to the same option.
const SYNONYMS: &[(&str, &str)] = &[
    ("has_header", "header"),
    ("delim", "delimiter"),
    ("sep", "delimiter"),
    ("separator", "delimiter"),
    ("null_value", "null"),
    ("null_text", "null"),
    ("nullstr", "null"),
    ("codec", "compression"),
    ("compression_codec", "compression"),
    ("max_row_group_size", "row_group_size"),
];

const KNOWN: [&str; 6] = ["header", "delimiter", "quote", "null", "compression", "row_group_size"];

impl FileOptions {
    pub(super) fn set(&mut self, name: &str, value: &str) {
        let name = name.to_lowercase();
        let name = name.strip_prefix("format.").unwrap_or(&name);
        let name = SYNONYMS.iter().find(|(other, _)| *other == name).map_or(name, |(_, usual)| usual);
        self.0.push((name.to_owned(), value.to_owned()));
    }

    /// The last value given for `name`; all of them are taken out.
    pub(super) fn take(&mut self, name: &str) -> Option<String> {
        let mut value = None;
        self.0.retain(|(other, given)| {
            if other == name {
                value = Some(given.clone());
            }
            other != name
        });
        value
    }
}

impl StatementParser<'_> {
    /// `(name value, 'name' 'value', name = value, name)`.
    pub(super) fn file_options(&mut self, options: &mut FileOptions) -> Result<()> {
        self.expect_token(&Token::LParen)?;
        while !self.token(&Token::RParen) {
            let mut name = self.text_value()?;
            while self.token(&Token::Period) {
                name = format!("{name}.{}", self.text_value()?);
            }
            let _ = self.token(&Token::Eq) || self.token(&Token::RArrow);
            let value = match self.peek().token {
                Token::Comma | Token::RParen => "true".to_owned(),
                _ => self.text_value()?,
            };
            options.set(&name, &value);
            if !self.token(&Token::Comma) {
                self.expect_token(&Token::RParen)?;
                break;
            }
        }
        Ok(())
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Parquet,
    Csv,
    Tsv,
    Json,
    Arrow,
}

const FORMATS: &[(&str, Kind)] = &[
    ("parquet", Kind::Parquet),
    ("csv", Kind::Csv),
    ("tsv", Kind::Tsv),
    ("json", Kind::Json),
    ("ndjson", Kind::Json),
    ("jsonl", Kind::Json),
    ("arrow", Kind::Arrow),
    ("ipc", Kind::Arrow),
    ("feather", Kind::Arrow),
];

/// The format that was named, or that the path's ending names when options were given; `None` when neither. What
/// the format has no place for is given back by name and value.
///
/// # Errors
/// `InvalidParameter` for an unknown format, option or value.
pub(super) fn build_format(
    name: Option<&str>,
    mut options: FileOptions,
    path: &str,
) -> Result<(Option<FileFormat>, Vec<(String, String)>)> {
    if let Some((unknown, _)) = options.0.iter().find(|(name, _)| !KNOWN.contains(&name.as_str())) {
        let error =
            Error::new(ErrorCode::InvalidParameter, format!("there is no file option {}", quoted(unknown)));
        return Err(match nearest(unknown, KNOWN) {
            Some(near) => error.with_hint(did_you_mean(near)),
            None => error.with_hint(format!("options are {}", KNOWN.join(", "))),
        });
    }
    let kind = match name {
        Some(name) => kind_by_name(name)?,
        None if options.0.is_empty() => return Ok((None, vec![])),
        None => kind_by_path(path).ok_or_else(|| {
            Error::new(
                ErrorCode::InvalidParameter,
                format!("the format of '{path}' cannot be told from its name"),
            )
            .with_hint("say it, as in STORED AS CSV or (FORMAT csv)")
        })?,
    };
    let format = match kind {
        Kind::Parquet => FileFormat::Parquet,
        Kind::Arrow => FileFormat::Arrow,
        Kind::Json => FileFormat::Json(compression(&mut options, path)?),
        Kind::Csv => FileFormat::Csv(csv_options(&mut options, b',', path)?),
        Kind::Tsv => FileFormat::Csv(csv_options(&mut options, b'\t', path)?),
    };
    Ok((Some(format), options.0))
}

fn kind_by_name(name: &str) -> Result<Kind> {
    let lower = name.to_lowercase();
    if let Some((_, kind)) = FORMATS.iter().find(|(known, _)| *known == lower) {
        return Ok(*kind);
    }
    let error = Error::new(ErrorCode::InvalidParameter, format!("there is no file format {}", quoted(name)));
    Err(match nearest(name, FORMATS.iter().map(|(known, _)| *known)) {
        Some(near) => error.with_hint(did_you_mean(near)),
        None => error.with_hint("formats are parquet, csv, tsv, json, arrow"),
    })
}

fn kind_by_path(path: &str) -> Option<Kind> {
    let lower = path.to_lowercase();
    let bare = [".gz", ".zst"].iter().find_map(|ending| lower.strip_suffix(ending)).unwrap_or(&lower);
    let (_, ending) = bare.rsplit_once('.')?;
    FORMATS.iter().find(|(known, _)| *known == ending).map(|(_, kind)| *kind)
}

fn csv_options(options: &mut FileOptions, delimiter: u8, path: &str) -> Result<CsvOptions> {
    let header = match options.take("header") {
        None => CsvOptions::default().header,
        Some(text) => match text.to_lowercase().as_str() {
            "true" | "on" | "yes" | "1" => true,
            "false" | "off" | "no" | "0" => false,
            _ => return Err(invalid("header", &text, "true or false")),
        },
    };
    let mut single = |name: &str, otherwise: u8| match options.take(name) {
        None => Ok(otherwise),
        Some(text) if text == "\\t" || text.eq_ignore_ascii_case("tab") => Ok(b'\t'),
        Some(text) => match text.as_bytes() {
            [byte] if byte.is_ascii() => Ok(*byte),
            _ => Err(invalid(name, &text, "one ASCII character")),
        },
    };
    let delimiter = single("delimiter", delimiter)?;
    let quote = single("quote", CsvOptions::default().quote)?;
    let null_text = options.take("null");
    Ok(CsvOptions { header, delimiter, quote, null_text, compression: compression(options, path)? })
}

/// As the option says, or else the path's ending.
fn compression(options: &mut FileOptions, path: &str) -> Result<Compression> {
    let Some(text) = options.take("compression") else {
        let lower = path.to_lowercase();
        return Ok(match () {
            () if lower.ends_with(".gz") => Compression::Gzip,
            () if lower.ends_with(".zst") => Compression::Zstd,
            () => Compression::None,
        });
    };
    match text.to_lowercase().as_str() {
        "none" | "uncompressed" => Ok(Compression::None),
        "gzip" | "gz" => Ok(Compression::Gzip),
        "zstd" | "zst" => Ok(Compression::Zstd),
        _ => Err(invalid("compression", &text, "none, gzip or zstd")),
    }
}

fn invalid(option: &str, value: &str, expected: &str) -> Error {
    Error::new(ErrorCode::InvalidParameter, format!("option {} cannot be '{value}'", quoted(option)))
        .with_hint(format!("it takes {expected}"))
}
