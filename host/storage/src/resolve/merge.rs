//! One schema for files that were written apart.

use arrow::datatypes::{DataType, Field, SchemaRef, TimeUnit};
use nyala_schema::{Error, ErrorCode, Result};

/// The columns of one file, in its own types.
#[derive(Debug, Clone)]
pub struct FileSchema {
    pub path: String,
    pub schema: SchemaRef,
    /// Text files only guess their types, so that they give way to each other.
    pub guessed: bool,
}

/// The logical type under which a table shows a column of a file: text as `Utf8View`, bytes as `BinaryView`,
/// decimals of up to 38 digits as `Decimal128`, dictionaries as what they hold.
pub fn normalised_type(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => DataType::Utf8View,
        DataType::Binary | DataType::LargeBinary => DataType::BinaryView,
        DataType::Dictionary(_, value) => normalised_type(value),
        DataType::RunEndEncoded(_, value) => normalised_type(value.data_type()),
        DataType::Decimal32(p, s) | DataType::Decimal64(p, s) => DataType::Decimal128(*p, *s),
        DataType::Timestamp(TimeUnit::Second, zone) => {
            DataType::Timestamp(TimeUnit::Millisecond, zone.clone())
        }
        DataType::Date64 => DataType::Timestamp(TimeUnit::Millisecond, None),
        DataType::Null => DataType::Utf8View,
        other => other.clone(),
    }
}

pub fn normalised_field(field: &Field) -> Field {
    Field::new(
        field.name(),
        normalised_type(field.data_type()),
        field.is_nullable() || field.data_type() == &DataType::Null,
    )
}

/// Columns in the order in which they first appear; one that a file lacks is nullable.
///
/// # Errors
/// DatatypeMismatch naming both files when a column has types that do not go together.
pub fn merge_schemas(files: &[FileSchema]) -> Result<Vec<Field>> {
    let mut merged: Vec<(Field, usize, usize)> = Vec::new();
    let mut index_of = std::collections::HashMap::new();
    for (file_index, file) in files.iter().enumerate() {
        for field in file.schema.fields() {
            let found = normalised_field(field);
            let Some(&index) = index_of.get(field.name()) else {
                index_of.insert(field.name().clone(), merged.len());
                merged.push((found, file_index, 1));
                continue;
            };
            let (known, first_file, count) = &mut merged[index];
            let first = &files[*first_file];
            let data_type = unify(known.data_type(), found.data_type(), file.guessed && first.guessed)
                .ok_or_else(|| conflict(known, first, &found, file))?;
            *known = Field::new(known.name(), data_type, known.is_nullable() || found.is_nullable());
            *count += 1;
        }
    }
    let everywhere = files.len();
    Ok(merged
        .into_iter()
        .map(|(field, _, count)| {
            let nullable = field.is_nullable() || count < everywhere;
            field.with_nullable(nullable)
        })
        .collect())
}

fn conflict(known: &Field, first: &FileSchema, found: &Field, file: &FileSchema) -> Error {
    Error::new(
        ErrorCode::DatatypeMismatch,
        format!(
            "column '{}' is {} in '{}' but {} in '{}'",
            found.name(),
            known.data_type(),
            first.path,
            found.data_type(),
            file.path
        ),
    )
    .with_hint("declare the table's columns, or name only files of one kind")
}

fn unify(left: &DataType, right: &DataType, guessed: bool) -> Option<DataType> {
    use DataType::{Date32, Decimal128, Float32, Float64, Timestamp, Utf8View};
    if left == right {
        return Some(left.clone());
    }
    let widened = match (left, right) {
        (Float32, Float64) | (Float64, Float32) => Some(Float64),
        (Decimal128(p, s), Decimal128(q, t)) if s == t => Some(Decimal128(*p.max(q), *s)),
        (Date32, stamp @ Timestamp(..)) | (stamp @ Timestamp(..), Date32) if guessed => Some(stamp.clone()),
        (l, r) if l.is_signed_integer() && r.is_signed_integer() => {
            Some(if l.primitive_width() >= r.primitive_width() { l.clone() } else { r.clone() })
        }
        (l, r) if l.is_unsigned_integer() && r.is_unsigned_integer() => {
            Some(if l.primitive_width() >= r.primitive_width() { l.clone() } else { r.clone() })
        }
        (l, r) if guessed && l.is_numeric() && r.is_numeric() => Some(Float64),
        _ => None,
    };
    widened.or(guessed.then_some(Utf8View))
}
