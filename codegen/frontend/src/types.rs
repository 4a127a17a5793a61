//! The types that SQL names: DataFusion's, and more spellings for them.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef, TimeUnit};
use datafusion_common::Result;
use datafusion_expr::planner::TypePlanner;
use nyala_schema::scan::physical_type;
use sqlparser::ast::{DataType as SqlType, ExactNumberInfo, TimezoneInfo};

use crate::suggest::quoted;

/// Answers before DataFusion's own table of types.
#[derive(Debug)]
pub(crate) struct Types {
    /// Of `TIMESTAMP WITH TIME ZONE`.
    pub(crate) time_zone: Arc<str>,
}

impl TypePlanner for Types {
    fn plan_type_field(&self, sql_type: &SqlType) -> Result<Option<FieldRef>> {
        Ok(self.data_type(sql_type).map(|data_type| Arc::new(Field::new("", data_type, true))))
    }
}

impl Types {
    fn data_type(&self, sql_type: &SqlType) -> Option<DataType> {
        Some(match sql_type {
            SqlType::Nvarchar(_)
            | SqlType::Character(_)
            | SqlType::CharacterVarying(_)
            | SqlType::CharVarying(_)
            | SqlType::CharacterLargeObject(_)
            | SqlType::CharLargeObject(_)
            | SqlType::Clob(_)
            | SqlType::TinyText
            | SqlType::MediumText
            | SqlType::LongText => DataType::Utf8View,
            SqlType::Binary(_)
            | SqlType::Varbinary(_)
            | SqlType::Blob(_)
            | SqlType::Bytes(_)
            | SqlType::TinyBlob
            | SqlType::MediumBlob
            | SqlType::LongBlob => DataType::Binary,
            SqlType::Int16 => DataType::Int16,
            SqlType::MediumInt(_) | SqlType::Int32 | SqlType::Signed | SqlType::SignedInteger => {
                DataType::Int32
            }
            SqlType::Int64 => DataType::Int64,
            SqlType::UTinyInt | SqlType::UInt8 => DataType::UInt8,
            SqlType::USmallInt | SqlType::UInt16 => DataType::UInt16,
            SqlType::UInt32 | SqlType::Unsigned | SqlType::UnsignedInteger => DataType::UInt32,
            SqlType::UBigInt | SqlType::UInt64 => DataType::UInt64,
            SqlType::Float32 => DataType::Float32,
            SqlType::Float64 => DataType::Float64,
            SqlType::Date32 => DataType::Date32,
            SqlType::Dec(info) | SqlType::BigDecimal(info) | SqlType::BigNumeric(info) => decimal(*info)?,
            SqlType::Decimal(info @ ExactNumberInfo::None)
            | SqlType::Numeric(info @ ExactNumberInfo::None) => decimal(*info)?,
            // Microseconds reach from 290,000 BC on; nanoseconds only from 1677 to 2262.
            SqlType::Timestamp(None, zone) => self.timestamp(zone),
            SqlType::Datetime(None) => self.timestamp(&TimezoneInfo::None),
            SqlType::TimestampNtz(None) => self.timestamp(&TimezoneInfo::None),
            SqlType::Custom(name, modifiers) if modifiers.is_empty() => custom(&name.to_string())?,
            _ => return None,
        })
    }

    fn timestamp(&self, zone: &TimezoneInfo) -> DataType {
        let zone = match zone {
            TimezoneInfo::Tz | TimezoneInfo::WithTimeZone => Some(Arc::clone(&self.time_zone)),
            TimezoneInfo::None | TimezoneInfo::WithoutTimeZone => None,
        };
        DataType::Timestamp(TimeUnit::Microsecond, zone)
    }
}

/// `DECIMAL` alone has a scale large enough for money and small enough to multiply.
fn decimal(info: ExactNumberInfo) -> Option<DataType> {
    let (precision, scale) = match info {
        ExactNumberInfo::None => (38, 10),
        ExactNumberInfo::Precision(precision) => (precision, 0),
        ExactNumberInfo::PrecisionAndScale(precision, scale) => (precision, scale),
    };
    let fits = (1..=38).contains(&precision) && (0..=precision as i64).contains(&scale);
    fits.then_some(DataType::Decimal128(precision as u8, scale as i8))
}

fn custom(name: &str) -> Option<DataType> {
    Some(match name.to_lowercase().as_str() {
        "long" => DataType::Int64,
        "short" => DataType::Int16,
        "uint" | "uinteger" => DataType::UInt32,
        "timestamp_s" => DataType::Timestamp(TimeUnit::Second, None),
        "timestamp_ms" => DataType::Timestamp(TimeUnit::Millisecond, None),
        "timestamp_us" => DataType::Timestamp(TimeUnit::Microsecond, None),
        "timestamp_ns" => DataType::Timestamp(TimeUnit::Nanosecond, None),
        _ => return None,
    })
}

/// As plans hold values of a type: text and binary as views, times in microseconds.
pub(crate) fn held_type(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Time32(_) | DataType::Time64(_) => DataType::Time64(TimeUnit::Microsecond),
        DataType::List(item) => {
            let item_type = held_type(item.data_type());
            DataType::List(Arc::new(item.as_ref().clone().with_data_type(item_type)))
        }
        DataType::Struct(fields) => {
            let held = |field: &Arc<Field>| {
                Arc::new(field.as_ref().clone().with_data_type(held_type(field.data_type())))
            };
            DataType::Struct(fields.iter().map(held).collect())
        }
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Binary | DataType::LargeBinary => {
            physical_type(data_type)
        }
        other => other.clone(),
    }
}

/// A type as SQL writes it; what has no SQL name keeps Arrow's.
pub(crate) fn sql_name(data_type: &DataType) -> String {
    match data_type {
        DataType::Boolean => "boolean".to_owned(),
        DataType::Int8 => "tinyint".to_owned(),
        DataType::Int16 => "smallint".to_owned(),
        DataType::Int32 => "integer".to_owned(),
        DataType::Int64 => "bigint".to_owned(),
        DataType::Float32 => "real".to_owned(),
        DataType::Float64 => "double".to_owned(),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "text".to_owned(),
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView => "bytea".to_owned(),
        DataType::Date32 | DataType::Date64 => "date".to_owned(),
        DataType::Time32(_) | DataType::Time64(_) => "time".to_owned(),
        DataType::Timestamp(_, None) => "timestamp".to_owned(),
        DataType::Timestamp(_, Some(_)) => "timestamp with time zone".to_owned(),
        DataType::Interval(_) => "interval".to_owned(),
        DataType::Decimal32(p, s)
        | DataType::Decimal64(p, s)
        | DataType::Decimal128(p, s)
        | DataType::Decimal256(p, s) => format!("decimal({p},{s})"),
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
            format!("{}[]", sql_name(item.data_type()))
        }
        DataType::Struct(fields) => {
            let fields: Vec<String> = fields
                .iter()
                .map(|field| format!("{} {}", quoted(field.name()), sql_name(field.data_type())))
                .collect();
            format!("struct({})", fields.join(", "))
        }
        DataType::Dictionary(_, value) => sql_name(value),
        other => other.to_string(),
    }
}

/// Words of Arrow's type names that turn up in DataFusion's messages.
const ARROW_WORDS: &[(&str, &str)] = &[
    ("Utf8View", "text"),
    ("LargeUtf8", "text"),
    ("Utf8", "text"),
    ("Int8", "tinyint"),
    ("Int16", "smallint"),
    ("Int32", "integer"),
    ("Int64", "bigint"),
    ("UInt8", "unsigned tinyint"),
    ("UInt16", "unsigned smallint"),
    ("UInt32", "unsigned integer"),
    ("UInt64", "unsigned bigint"),
    ("Float16", "real"),
    ("Float32", "real"),
    ("Float64", "double"),
    ("Boolean", "boolean"),
    ("Date32", "date"),
    ("Date64", "date"),
    ("Time32", "time"),
    ("Time64", "time"),
    ("Timestamp", "timestamp"),
    ("Interval", "interval"),
    ("Decimal32", "decimal"),
    ("Decimal64", "decimal"),
    ("Decimal128", "decimal"),
    ("Decimal256", "decimal"),
    ("BinaryView", "bytea"),
    ("LargeBinary", "bytea"),
    ("Binary", "bytea"),
];

/// `message` with SQL's words: `Timestamp(Nanosecond, None)` becomes `timestamp`, the literal `Int64(5)` becomes `5`.
pub(crate) fn with_sql_types(message: &str) -> String {
    let mut text = String::with_capacity(message.len());
    let mut rest = message;
    while let Some(start) = rest.find(|c: char| c.is_ascii_alphanumeric()) {
        text.push_str(&rest[..start]);
        rest = &rest[start..];
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
        let (word, tail) = rest.split_at(end);
        rest = tail;
        let Some((_, sql)) = ARROW_WORDS.iter().find(|(arrow, _)| *arrow == word) else {
            text.push_str(word);
            continue;
        };
        let detail = tail.strip_prefix('(').and_then(|inner| Some((inner, closing(inner)?)));
        match detail {
            None => text.push_str(sql),
            Some((inner, close)) => {
                text.push_str(&detailed(sql, &inner[..close]));
                rest = &inner[close + 1..];
            }
        }
    }
    text + rest
}

/// A type's name with what stood in parentheses after it.
fn detailed(sql: &str, detail: &str) -> String {
    let quoted_text = detail.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
    match (sql, quoted_text) {
        ("text", Some(text)) => format!("'{text}'"),
        ("timestamp" | "interval" | "time", None) => sql.to_owned(),
        ("timestamp" | "interval" | "time" | "date", Some(text)) => format!("{sql} '{text}'"),
        // A literal is written as value, precision, scale.
        ("decimal", _) => match detail.split(',').collect::<Vec<_>>()[..] {
            [value, _, _] => value.trim().to_owned(),
            _ => format!("decimal({detail})"),
        },
        _ => detail.to_owned(),
    }
}

/// The byte of the parenthesis that closes what is open at the start.
fn closing(inner: &str) -> Option<usize> {
    let mut depth = 0;
    let mut in_quotes = false;
    inner.bytes().position(|byte| {
        match byte {
            b'"' => in_quotes = !in_quotes,
            b'(' if !in_quotes => depth += 1,
            b')' if !in_quotes && depth == 0 => return true,
            b')' if !in_quotes => depth -= 1,
            _ => {}
        }
        false
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_speak_sql() {
        assert_eq!(
            with_sql_types(
                "Cannot coerce Timestamp(Nanosecond, None) and Utf8View to (Int64, Decimal128(15, 2))"
            ),
            "Cannot coerce timestamp and text to (bigint, decimal(15, 2))"
        );
        assert_eq!(with_sql_types("a_Utf8 Interval(MonthDayNano"), "a_Utf8 interval(MonthDayNano");
        assert_eq!(
            with_sql_types(
                "f(Int64(5), Utf8(\"a)b\"), Decimal128(0.05,15,2), Date32(\"2020-01-01\")) Float64"
            ),
            "f(5, 'a)b', 0.05, date '2020-01-01') double"
        );
    }
}
