//! Columns whose values stand in the path, as `year=2024/month=5/part-0.parquet`.

use arrow::datatypes::{DataType, Field, Schema};
use nyala_schema::statistics::ColumnStatistics;
use nyala_schema::{Error, ErrorCode, Result, Value};

use super::listing::FoundFile;
use super::merge::normalised_type;

/// What Hive writes for NULL.
const NULL_PARTITION: &str = "__HIVE_DEFAULT_PARTITION__";

#[derive(Debug, Default)]
pub struct Partitions {
    pub fields: Vec<Field>,
    /// One list for each file, in the order of `fields`.
    pub values: Vec<Vec<Value>>,
}

impl Partitions {
    /// Looks for `name=value` directories below the location. `partition_by`, when it is not empty, says which
    /// there must be.
    ///
    /// # Errors
    /// InvalidParameter when the wanted ones are not there; FileAccess when files disagree.
    pub fn infer(
        location: &str,
        found: &[FoundFile],
        partition_by: &[String],
        declared: Option<&Schema>,
    ) -> Result<Self> {
        let parsed: Vec<Vec<(String, Option<String>)>> =
            found.iter().map(|file| pairs(&file.below)).collect();
        let names: Vec<&str> = parsed[0].iter().map(|(name, _)| name.as_str()).collect();
        let odd = parsed.iter().position(|pairs| !pairs.iter().map(|(name, _)| name).eq(names.iter()));
        if let Some(odd) = odd {
            let message = format!(
                "'{location}' is partitioned in two ways: '{}' and '{}'",
                found[0].path, found[odd].path
            );
            return Err(Error::new(ErrorCode::FileAccess, message)
                .with_hint("all files must lie below directories of the same names"));
        }
        if !partition_by.is_empty() && !partition_by.iter().eq(names.iter()) {
            let there = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
            let message = format!("PARTITIONED BY ({}) does not fit '{location}'", partition_by.join(", "));
            return Err(Error::new(ErrorCode::InvalidParameter, message)
                .with_hint(format!("partition directories found: {there}")));
        }
        Self::typed(&names, &parsed, declared)
    }

    fn typed(
        names: &[&str],
        parsed: &[Vec<(String, Option<String>)>],
        declared: Option<&Schema>,
    ) -> Result<Self> {
        let mut fields = Vec::with_capacity(names.len());
        let mut values = vec![Vec::with_capacity(names.len()); parsed.len()];
        for (index, name) in names.iter().enumerate() {
            let texts: Vec<Option<&str>> = parsed.iter().map(|pairs| pairs[index].1.as_deref()).collect();
            let data_type = match declared.and_then(|schema| schema.field_with_name(name).ok()) {
                Some(field) => normalised_type(field.data_type()),
                None => infer_type(&texts),
            };
            for (row, text) in texts.iter().enumerate() {
                values[row].push(typed_value(name, *text, &data_type)?);
            }
            fields.push(Field::new(*name, data_type, texts.iter().any(Option::is_none)));
        }
        Ok(Self { fields, values })
    }

    /// Exact for partition columns, but for the share of rows.
    pub fn statistics(&self, index: usize) -> ColumnStatistics {
        let mut known: Vec<&Value> =
            self.values.iter().map(|values| &values[index]).filter(|value| !value.is_null()).collect();
        known.sort_by(|left, right| match (left.as_i128(), right.as_i128()) {
            (Some(left), Some(right)) => left.cmp(&right),
            _ => left.as_str().cmp(&right.as_str()),
        });
        known.dedup_by(|left, right| left == right);
        let width = known.iter().filter_map(|value| value.as_str()).map(str::len).max();
        ColumnStatistics {
            min: known.first().map(|value| (*value).clone()),
            max: known.last().map(|value| (*value).clone()),
            nulls: if self.fields[index].is_nullable() { None } else { Some(0.0) },
            distinct: Some(known.len() as f64),
            width: width.map(|bytes| bytes as f64),
            histogram: None,
        }
    }
}

fn pairs(below: &str) -> Vec<(String, Option<String>)> {
    let directories = below.rsplit_once('/').map_or("", |(directories, _)| directories);
    directories
        .split('/')
        .filter_map(|part| part.split_once('='))
        .filter(|(name, _)| !name.is_empty())
        .map(|(name, value)| {
            let value = (value != NULL_PARTITION).then(|| percent_decoded(value));
            (percent_decoded(name), value)
        })
        .collect()
}

fn percent_decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut position = 0;
    while position < bytes.len() {
        let escaped = (bytes[position] == b'%')
            .then(|| text.get(position + 1..position + 3))
            .flatten()
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match escaped {
            Some(byte) => {
                decoded.push(byte);
                position += 3;
            }
            None => {
                decoded.push(bytes[position]);
                position += 1;
            }
        }
    }
    String::from_utf8(decoded).unwrap_or_else(|_| text.to_owned())
}

fn infer_type(texts: &[Option<&str>]) -> DataType {
    let mut known = texts.iter().flatten().peekable();
    if known.peek().is_none() {
        return DataType::Utf8View;
    }
    // A leading zero means something to whoever wrote it; as a number it would be lost.
    let is_int = |text: &str| {
        text.parse::<i64>().is_ok() && (text == "0" || !text.trim_start_matches('-').starts_with('0'))
    };
    let is_small =
        |text: &str| text.len() <= 2 && text.bytes().all(|byte| byte.is_ascii_digit()) && !text.is_empty();
    if texts.iter().flatten().all(|text| is_int(text) || is_small(text)) {
        return DataType::Int64;
    }
    if texts.iter().flatten().all(|text| is_date(text)) {
        return DataType::Date32;
    }
    DataType::Utf8View
}

fn is_date(text: &str) -> bool {
    text.len() == 10
        && text.bytes().enumerate().all(|(at, byte)| match at {
            4 | 7 => byte == b'-',
            _ => byte.is_ascii_digit(),
        })
        && Value::utf8(text).cast(&DataType::Date32).is_ok()
}

fn typed_value(name: &str, text: Option<&str>, data_type: &DataType) -> Result<Value> {
    match text {
        None => Ok(Value::null(data_type)),
        Some(text) => Value::utf8(text).cast(data_type).map_err(|_| {
            Error::new(
                ErrorCode::InvalidText,
                format!("the partition directory '{name}={text}' is not of type {data_type}"),
            )
        }),
    }
}
